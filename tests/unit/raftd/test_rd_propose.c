/* test_rd_propose.c — decisions without raft, with the real view writer's thread on a real SQLite file: what is
 * acknowledged is in the file, what fails leaves memory as the file is, uids are idempotent. Run under TSan too. */
#include "rd_records.h"
#include "read_file.h"
#include "view_world.h"

#define DEADLINE_US (10 * CLK_S)
struct node {
	struct temp temp;
	struct event_base *base;
	struct rd_view *view;
	struct rd_proposer *p;
	struct db_open_info info;
	struct err open_error;
	bool stopped;
	struct heard heard;
};

struct answer {
	bool given;
	enum rd_outcome outcome;
	uint64_t index;
	size_t n_keys;
	struct err e;
};

static void
run_until(struct node *n, const bool *condition)
{
	struct mono end = mono_add_us(clk_mono(clk_real()), DEADLINE_US);

	while (!*condition && mono_before(clk_mono(clk_real()), end))
		assert_int_equal(event_base_loop(n->base, EVLOOP_ONCE), 0);
	assert_true(*condition);
}

/* --- a node ---------------------------------------------------------------------------------------------------- */
static void
on_open(void *ctx, const struct db_open_info *info, struct rd_loaded *loaded)
{
	struct node *n = ctx;
	struct rd_proposer_conf conf = proposer_conf(n->view, &n->heard);

	n->info = *info;
	n->p = rd_proposer_new(&conf, loaded->state);
	loaded->state = NULL;
	rd_loaded_free(loaded);
	(void)event_base_loopbreak(n->base);
}

static void
on_open_failed(void *ctx, const struct err *e, bool fatal)
{
	struct node *n = ctx;

	assert_int_equal(fatal, rd_view_error_is_fatal(e->code));
	n->open_error = *e;
	(void)event_base_loopbreak(n->base);
}

static void
node_open(struct node *n)
{
	struct rd_view_conf conf = view_conf(n->base, &n->temp);
	struct err e;

	conf.ctx = n;
	conf.on_open = on_open;
	conf.on_open_failed = on_open_failed;
	must(rd_view_start(&conf, &n->view, &e));
	assert_int_equal(event_base_dispatch(n->base), 0);
}

static void
node_init(struct node *n)
{
	*n = (struct node){.base = event_base_new()};
	temp_init(&n->temp);
	node_open(n);
	assert_non_null(n->p);
}

static void
node_close(struct node *n)
{
	assert_true(rd_view_free(n->view, 5000));
	rd_proposer_free(n->p);
	n->view = NULL;
	n->p = NULL;
}

static void
node_done(struct node *n)
{
	node_close(n);
	event_base_free(n->base);
	temp_done(&n->temp);
}

/* --- proposing ------------------------------------------------------------------------------------------------- */
static void
on_answer(void *ctx, const struct rd_proposed *r)
{
	struct answer *a = ctx;

	assert_false(a->given);
	a->given = true;
	a->outcome = r->outcome;
	a->index = r->index;
	if (r->outcome == RD_COMMITTED)
		a->n_keys = r->keys->n;
	else
		a->e = *r->e;
}

static struct answer
put_tag(struct node *n, const char *name, const char *uid)
{
	struct rd_cmd_put_tag c = {DB1, name, "v"};
	struct answer a = {0};
	struct err e;

	must(rd_propose(n->p, RD_OP_PUT_TAG, &c, uid, on_answer, &a, &e));
	assert_false(a.given);
	run_until(n, &a.given);
	return a;
}

static int64_t
tags_in_file(const struct node *n)
{
	return count(&n->temp, "SELECT count(*) FROM database_instance_tags");
}

#define REFUSE_TAGS \
	"CREATE TRIGGER refuse BEFORE INSERT ON database_instance_tags BEGIN SELECT RAISE(ABORT, 'refused'); END"
#define ALLOW_TAGS "DROP TRIGGER refuse"

static void
an_answer_means_that_the_file_has_it(void **state UNUSED)
{
	struct answer a;
	struct node n;

	node_init(&n);
	assert_true(n.info.created);
	a = put_tag(&n, "role", NULL);
	assert_int_equal(a.outcome, RD_COMMITTED);
	assert_int_equal(a.index, 1);
	assert_int_equal(a.n_keys, 1);
	assert_int_equal(tags_in_file(&n), 1);
	assert_int_equal(n.heard.applied, 1);
	assert_int_equal(n.heard.committed, 1);
	node_done(&n);
}

static void
a_restart_finds_the_same_rows_index_and_time(void **state UNUSED)
{
	uint64_t hash, again;
	struct node n;
	int64_t time_us;

	node_init(&n);
	(void)put_tag(&n, "role", NULL);
	(void)put_tag(&n, "owner", NULL);
	hash = rd_state_hash(rd_proposer_state(n.p));
	time_us = rd_state_time_us(rd_proposer_state(n.p));
	node_close(&n);
	node_open(&n);
	again = rd_state_hash(rd_proposer_state(n.p));
	assert_true(hash == again);
	assert_int_equal(rd_state_index(rd_proposer_state(n.p)), 2);
	assert_true(rd_state_time_us(rd_proposer_state(n.p)) == time_us);
	node_done(&n);
}

/* raft was switched off: it works, and the group can see it (rd_loaded_forked). */
static void
what_operators_change_in_the_rows_of_a_group_is_noted(void **state UNUSED)
{
	static const char noted[] =
	    "SELECT count(*) FROM orchestrator_meta WHERE name = 'decided_without_raft' AND value = 1";
	struct rd_cmd_put_tag c = {DB1, "by itself", "v"};
	struct answer a = {0};
	struct node n;
	struct err e;

	node_init(&n);
	(void)put_tag(&n, "alone", NULL);
	assert_int_equal(count(&n.temp, noted), 0);
	node_close(&n);
	others_do(&n.temp, "INSERT INTO replicated_setting VALUES ('cluster_id', 'group1')");
	others_do(&n.temp, "UPDATE orchestrator_meta SET value = 5 WHERE name = 'applied_term'");
	node_open(&n);
	must(rd_propose_put_tag(n.p, &c, on_answer, &a, &e));
	run_until(&n, &a.given);
	assert_int_equal(a.outcome, RD_COMMITTED);
	assert_int_equal(count(&n.temp, noted), 0);
	assert_int_equal(put_tag(&n, "by an operator", NULL).outcome, RD_COMMITTED);
	assert_int_equal(count(&n.temp, noted), 1);
	assert_int_equal(count(&n.temp, "SELECT value FROM orchestrator_meta WHERE name = 'applied_term'"), 0);
	node_done(&n);
}

static void
a_repeated_uid_is_one_change(void **state UNUSED)
{
	struct answer a, b;
	struct node n;

	node_init(&n);
	a = put_tag(&n, "role", "once");
	count(&n.temp, "DELETE FROM database_instance_tags");
	b = put_tag(&n, "role", "once");
	assert_int_equal(b.outcome, RD_COMMITTED);
	assert_int_equal(b.index, a.index);
	assert_int_equal(tags_in_file(&n), 0);
	assert_int_equal(n.heard.committed, 1);
	node_close(&n);
	node_open(&n);
	b = put_tag(&n, "role", "once");
	assert_int_equal(b.index, a.index);
	assert_int_equal(tags_in_file(&n), 0);
	node_done(&n);
}

static void
a_failed_write_leaves_memory_as_the_file_is(void **state UNUSED)
{
	struct answer a;
	uint64_t hash;
	struct node n;

	node_init(&n);
	(void)put_tag(&n, "before", NULL);
	hash = rd_state_hash(rd_proposer_state(n.p));
	count(&n.temp, REFUSE_TAGS);
	a = put_tag(&n, "lost", "again");
	assert_int_equal(a.outcome, RD_NOT_LEADER);
	assert_non_null(strstr(a.e.msg, "refused"));
	assert_int_equal(n.heard.reloaded, 1);
	assert_true(rd_state_hash(rd_proposer_state(n.p)) == hash);
	count(&n.temp, ALLOW_TAGS);
	/* by itself, and with the same uid */
	a = put_tag(&n, "lost", "again");
	assert_int_equal(a.outcome, RD_COMMITTED);
	assert_int_equal(tags_in_file(&n), 2);
	node_done(&n);
}

/* Everything behind a failed write was applied on top of it and must fail too, whatever table it is about. */
static void
what_was_built_on_a_failed_write_fails_with_it(void **state UNUSED)
{
	struct rd_cmd_put_tag tag = {DB1, "lost", "v"};
	struct rd_cmd_register_candidate rule = {DB1, "prefer", false};
	struct answer a[3] = {0};
	struct node n;
	struct err e;

	node_init(&n);
	count(&n.temp, REFUSE_TAGS);
	must(rd_propose(n.p, RD_OP_PUT_TAG, &tag, "tag", on_answer, &a[0], &e));
	must(rd_propose(n.p, RD_OP_REGISTER_CANDIDATE, &rule, "rule", on_answer, &a[1], &e));
	must(rd_propose(n.p, RD_OP_PUT_TAG, &tag, "tag", on_answer, &a[2], &e)); /* a repeated uid learns the truth */
	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		run_until(&n, &a[i].given);
		assert_int_equal(a[i].outcome, RD_NOT_LEADER);
	}
	assert_int_equal(rd_state_index(rd_proposer_state(n.p)), 0);
	assert_int_equal(rd_state_count(rd_proposer_state(n.p), RD_TABLE_candidate), 0);
	node_done(&n);
}

static void
proposals_wait_for_a_reload_and_see_its_result(void **state UNUSED)
{
	struct rd_cmd_delete_tag untag = {DB1, "outside", false, ""};
	struct answer a = {0};
	struct node n;
	struct err e;

	node_init(&n);
	(void)put_tag(&n, "role", NULL);
	count(&n.temp, "INSERT INTO database_instance_tags (hostname, port, tag_name, tag_value) "
		       "VALUES ('db1', 3306, 'outside', 'x')");
	rd_proposer_reload(n.p);
	must(rd_propose_delete_tag(n.p, &untag, on_answer, &a, &e));
	assert_int_equal(rd_proposer_stats(n.p).held, 1);
	run_until(&n, &a.given);
	assert_int_equal(a.outcome, RD_COMMITTED);
	assert_int_equal(a.n_keys, 1);
	assert_int_equal(tags_in_file(&n), 1);
	node_done(&n);
}

static void
held_proposals_are_bounded(void **state UNUSED)
{
	static struct answer a[RD_HELD_MAX];
	struct rd_cmd_put_tag tag = {DB1, "role", "v"};
	struct node n;
	struct err e;

	memset(a, 0, sizeof(a));
	node_init(&n);
	rd_proposer_reload(n.p);
	for (size_t i = 0; i < ARRAY_LEN(a); i++)
		must(rd_propose_put_tag(n.p, &tag, on_answer, &a[i], &e));
	assert_int_equal(rd_propose_put_tag(n.p, &tag, on_answer, NULL, &e), -ERR_LIMIT);
	assert_int_equal(rd_proposer_stats(n.p).refused, 1);
	for (size_t i = 0; i < ARRAY_LEN(a); i++)
		run_until(&n, &a[i].given);
	assert_int_equal(rd_proposer_stats(n.p).committed, RD_HELD_MAX);
	node_done(&n);
}

static void
what_is_invalid_is_refused_at_once(void **state UNUSED)
{
	struct rd_cmd_register_candidate rule = {DB1, "must", false};
	struct node n;
	struct err e;

	node_init(&n);
	assert_int_equal(rd_propose_register_candidate(n.p, &rule, on_answer, NULL, &e), -ERR_INVALID);
	assert_int_equal(rd_state_index(rd_proposer_state(n.p)), 0);
	node_done(&n);
}

static void
a_clock_set_back_does_not_turn_back_time(void **state UNUSED)
{
	int64_t before;
	struct node n;

	node_init(&n);
	(void)put_tag(&n, "a", NULL);
	before = rd_state_time_us(rd_proposer_state(n.p));
	fake_wall_now.us -= 3600 * CLK_S;
	(void)put_tag(&n, "b", NULL);
	node_close(&n);
	node_open(&n);
	(void)put_tag(&n, "c", NULL);
	fake_wall_now.us += 3600 * CLK_S;
	assert_true(rd_state_time_us(rd_proposer_state(n.p)) == before);
	node_done(&n);
}

/* --- the view writer's other jobs ------------------------------------------------------------------------------ */
struct finished {
	bool given;
	int rc, file_rc;
	bool foreign;
};

static void
on_finished(void *ctx, struct rd_job *job)
{
	struct finished *f = ctx;

	*f = (struct finished){true, job->rc, job->file_rc, job->foreign};
	rd_job_free(job);
}

static struct finished
submit(struct node *n, struct rd_job *job)
{
	struct finished f = {0};
	struct err e;

	job->ctx = &f;
	must(rd_view_submit(n->view, job, &e));
	run_until(n, &f.given);
	return f;
}

static void
changes_by_others_are_noticed(void **state UNUSED)
{
	struct node n;

	node_init(&n);
	(void)put_tag(&n, "own", NULL);
	assert_false(submit(&n, rd_job_new(RD_JOB_CHECK, on_finished, NULL)).foreign);
	count(&n.temp, "DELETE FROM database_instance_tags");
	assert_true(submit(&n, rd_job_new(RD_JOB_CHECK, on_finished, NULL)).foreign);
	rd_proposer_reload(n.p);
	assert_int_equal(put_tag(&n, "x", NULL).outcome, RD_COMMITTED);
	assert_int_equal(rd_state_count(rd_proposer_state(n.p), RD_TABLE_tag), 1);
	assert_false(submit(&n, rd_job_new(RD_JOB_CHECK, on_finished, NULL)).foreign);
	node_done(&n);
}

static void
telemetry_and_the_audit_file_are_written(void **state UNUSED)
{
	struct db_audit row = {
	    .audit_type = "forget", .hostname = "db1", .port = 3306, .cluster_name = "", .message = "m"};
	struct rd_job *job = rd_job_new(RD_JOB_TELEMETRY, on_finished, NULL);
	struct finished f;
	char path[128];
	char *text;
	struct node n;

	node_init(&n);
	(void)snprintf(path, sizeof(path), "%s/audit.log", n.temp.dir);
	rd_changes_add(&job->changes, RD_CHANGE_INSERT, DB_TABLE_audit, &row);
	job->file = mem_strdup(path);
	str_buf_add(&job->lines, "one\ttwo\n");
	f = submit(&n, job);
	assert_int_equal(f.rc, 0);
	assert_int_equal(f.file_rc, 0);
	text = read_file(path);
	assert_non_null(text);
	assert_string_equal(text, "one\ttwo\n");
	free(text);
	assert_int_equal(count(&n.temp, "SELECT count(*) FROM audit WHERE message = 'm'"), 1);
	node_done(&n);
}

static void
a_directory_as_audit_file_is_an_error_not_a_stop(void **state UNUSED)
{
	struct rd_job *job = rd_job_new(RD_JOB_TELEMETRY, on_finished, NULL);
	struct node n;

	node_init(&n);
	job->file = mem_strdup(n.temp.dir);
	str_buf_add(&job->lines, "x\n");
	assert_int_equal(submit(&n, job).file_rc, -ERR_IO);
	node_done(&n);
}

static void
what_is_queued_is_written_before_the_end(void **state UNUSED)
{
	struct rd_cmd_put_tag tag = {DB1, "last", "v"};
	struct node n;
	struct err e;

	node_init(&n);
	for (int i = 0; i < 200; i++)
		must(rd_propose_put_tag(n.p, &tag, NULL, NULL, &e));
	node_close(&n);
	assert_int_equal(tags_in_file(&n), 1);
	node_open(&n);
	assert_int_equal(rd_state_index(rd_proposer_state(n.p)), 200);
	node_done(&n);
}

static void
a_missing_directory_is_fatal_and_named(void **state UNUSED)
{
	struct node n = {.base = event_base_new()};

	temp_init(&n.temp);
	(void)strncat(n.temp.path, "/no", sizeof(n.temp.path) - strlen(n.temp.path) - 1);
	node_open(&n);
	assert_null(n.p);
	assert_true(rd_view_error_is_fatal(n.open_error.code));
	assert_non_null(strstr(n.open_error.msg, n.temp.dir));
	node_done(&n);
}

/* --- recoveries ------------------------------------------------------------------------------------------------- */
#define SERVERS 200

/* Some 400 KiB: more than a command holds. Characters of two bytes stand across the ends of parts. */
static void
make_input(struct rd_recovery_input *in, struct rd_recovery_server *servers, char *set, size_t set_bytes)
{
	for (size_t i = 0; i + 2 < set_bytes; i += 2)
		memcpy(set + i, "\xc3\xa9", 2);
	set[set_bytes - 1] = '\0';
	rec_init(&rd_recovery_input_desc, in);
	in->uid = "r1";
	in->failed.key = (struct topo_key)DB1;
	for (size_t i = 0; i < SERVERS; i++) {
		rec_init(&rd_recovery_server_desc, &servers[i]);
		servers[i].key = (struct topo_key){"db2", 3306 + (int64_t)i};
		servers[i].executed_gtid_set = set;
	}
	in->servers.v = servers;
	in->servers.n = SERVERS;
}

static void
assert_input(const struct node *n, const struct rd_recovery_input *want)
{
	struct mem_arena arena = {0};
	struct rd_recovery_input got;
	struct err e;

	must(rd_records_input(rd_proposer_state(n->p), "r1", &arena, &got, &e));
	assert_true(rec_equal(&rd_recovery_input_desc, &got, want));
	assert_int_equal(rd_records_running(rd_proposer_state(n->p), &arena).n, 1);
	mem_arena_done(&arena);
}

static void
a_recovery_begins_with_all_of_a_large_input(void **state UNUSED)
{
	static struct rd_recovery_server servers[SERVERS];
	static char set[2001];
	struct rd_cmd_recovery_begin c = {.recovery_uid = "r1",
					  .cluster_id = "c1",
					  .cluster_name = "db1:3306",
					  .cluster_alias = "",
					  .key = DB1,
					  .analysis = "DeadMaster",
					  .token = "",
					  .by = ""};
	struct rd_recovery_input in;
	struct answer a = {0}, again = {0};
	struct node n;
	struct err e;

	node_init(&n);
	make_input(&in, servers, set, sizeof(set));
	must(rd_records_begin(n.p, &c, &in, on_answer, &a, &e));
	run_until(&n, &a.given);
	assert_int_equal(a.outcome, RD_COMMITTED);
	assert_true(count(&n.temp, "SELECT count(*) FROM recovery_input") > 8);
	assert_input(&n, &in);
	node_close(&n);
	node_open(&n); /* whoever goes on after a restart */
	assert_input(&n, &in);
	must(rd_records_begin(n.p, &c, &in, on_answer, &again, &e));
	run_until(&n, &again.given);
	assert_int_equal(again.outcome, RD_COMMITTED);
	assert_int_equal(count(&n.temp, "SELECT count(*) FROM topology_recovery"), 1);
	node_done(&n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_recovery_begins_with_all_of_a_large_input),
	    cmocka_unit_test(an_answer_means_that_the_file_has_it),
	    cmocka_unit_test(a_restart_finds_the_same_rows_index_and_time),
	    cmocka_unit_test(what_operators_change_in_the_rows_of_a_group_is_noted),
	    cmocka_unit_test(a_repeated_uid_is_one_change),
	    cmocka_unit_test(a_failed_write_leaves_memory_as_the_file_is),
	    cmocka_unit_test(what_was_built_on_a_failed_write_fails_with_it),
	    cmocka_unit_test(proposals_wait_for_a_reload_and_see_its_result),
	    cmocka_unit_test(held_proposals_are_bounded),
	    cmocka_unit_test(what_is_invalid_is_refused_at_once),
	    cmocka_unit_test(a_clock_set_back_does_not_turn_back_time),
	    cmocka_unit_test(changes_by_others_are_noticed),
	    cmocka_unit_test(telemetry_and_the_audit_file_are_written),
	    cmocka_unit_test(a_directory_as_audit_file_is_an_error_not_a_stop),
	    cmocka_unit_test(what_is_queued_is_written_before_the_end),
	    cmocka_unit_test(a_missing_directory_is_fatal_and_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
