/* Random clusters of both families: what must hold for every choice and plan, and that a plan that was carried out leaves
 * nothing to do. The seed of a failure is printed; RD_SEEDS=100000 runs more of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "rd_follow.h"
#include "rd_plan.h"
#include "topo/key.h"
#include "topo/step.h"

#define SUSPECTED_US (INT64_C(1700000000) * CLK_S)
#define MOST 7
#define UUID "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"

struct world {
	uint64_t random;
	unsigned seed;
	bool mariadb;
	struct mem_arena arena;
	struct rd_recovery_input in, shuffled;
	struct rd_recovery_server servers[MOST], other_order[MOST];
	struct rd_haves haves;
	struct rd_choice choice;
	struct rd_plan plans[RD_PHASE_COUNT];
};

#define CHECK(w, x)                                             \
	do {                                                    \
		if (!(x))                                       \
			fail_msg("seed %u: %s", (w)->seed, #x); \
	} while (0)

static unsigned
pick(struct world *w, unsigned n)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(w->random >> 33) % n;
}

static bool
one_in(struct world *w, unsigned n)
{
	return pick(w, n) == 0;
}

static const char *
text(struct world *w, const char *prefix, unsigned n)
{
	char buf[96];

	(void)snprintf(buf, sizeof(buf), "%s%u", prefix, n);
	return mem_arena_strndup(&w->arena, buf, strlen(buf));
}

static const char *
set_of(struct world *w, unsigned n)
{
	return text(w, w->mariadb ? "0-97-" : UUID ":1-", n);
}

/* --- worlds ---------------------------------------------------------------------------------------------------- */
static void
make_server(struct world *w, unsigned i, struct rd_recovery_server *s)
{
	static const char *const rules[] = {"must_not", "prefer_not", "prefer", "neutral", "", ""};
	static const char *const versions[] = {"9.7.4", "8.4.0", "8.4.0", "8.0.36"};
	static const char *const formats[] = {"ROW", "ROW", "ROW", "MIXED"};
	unsigned received = 90 + pick(w, 20), applied = one_in(w, 3) ? received - pick(w, 10) : received;

	rec_init(&rd_recovery_server_desc, s);
	s->key = (struct topo_key){text(w, "s", i), 3306};
	s->server_id = 100 + i;
	s->server_uuid = w->mariadb ? "" : text(w, "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbb", i);
	s->source_key = one_in(w, 8) && i > 0 ? (struct topo_key){"s0", 3306} : (struct topo_key){"a", 3306};
	s->version = w->mariadb ? "10.11.14-MariaDB" : versions[one_in(w, 3) ? pick(w, 4) : 1];
	s->binlog_format = formats[pick(w, 4)];
	s->read_only = !one_in(w, 8);
	s->log_bin_enabled = !one_in(w, 10);
	s->log_replica_updates = !one_in(w, 10);
	s->using_mariadb_gtid = w->mariadb;
	s->using_oracle_gtid = s->supports_oracle_gtid = !w->mariadb;
	s->io_thread_state = one_in(w, 5) ? TOPO_THREAD_STOPPED : TOPO_THREAD_OTHER;
	s->sql_thread_state = one_in(w, 5) ? TOPO_THREAD_STOPPED : TOPO_THREAD_RUNNING;
	s->last_sql_errno = s->sql_thread_state == TOPO_THREAD_STOPPED && one_in(w, 3) ? 1062 : 0;
	s->last_io_errno = s->io_thread_state == TOPO_THREAD_STOPPED && one_in(w, 3) ? 1236 : 0;
	*(w->mariadb ? &s->gtid_current_pos : &s->executed_gtid_set) = set_of(w, applied);
	s->received_gtid_set = set_of(w, received);
	s->gtid_purged = !w->mariadb && one_in(w, 6) ? set_of(w, 80 + pick(w, 25)) : "";
	s->promotion_rule = rules[pick(w, 6)];
	s->data_center = one_in(w, 3) ? "west" : "east";
	s->sql_delay = one_in(w, 12) ? 3600 : 0;
	s->has_replication_filters = one_in(w, 12);
	s->is_downtimed = one_in(w, 8);
	s->in_maintenance = one_in(w, 15);
	s->is_banned = one_in(w, 15);
	s->channels = one_in(w, 20) ? 2 : 1;
	s->answered = !one_in(w, 8);
	s->answered_us = SUSPECTED_US + (one_in(w, 15) ? -1 : 1);
}

static void
decide(struct world *w)
{
	rd_haves_done(&w->haves);
	rd_haves_build(&w->in, &w->arena, &w->haves);
	rd_choose(&w->in, &w->haves, SUSPECTED_US, &w->arena, &w->choice);
	for (int i = 0; w->choice.chosen != NULL && i <= RD_PHASE_REPOINT; i++)
		rd_plan_build((enum rd_plan_phase)i, &w->in, &w->haves, &w->choice, &w->arena, &w->plans[i]);
}

/* What is remembered by kinds is what the pair itself says. */
static void
check_follow(struct world *w)
{
	struct rd_follow f;
	struct err e;

	rd_follow_init(&w->in, &w->haves, &w->arena, &f);
	for (size_t x = 0; x < w->haves.n; x++) {
		for (size_t y = 0; y < w->haves.n; y++)
			CHECK(w, rd_follow_can(&f, x, y) ==
				     (rd_can_follow(&w->in, &w->haves, &w->haves.v[x], &w->haves.v[y], &e) == 0));
	}
}

static void
make_world(struct world *w, unsigned seed)
{
	*w = (struct world){.random = seed * 2654435761u + 1, .seed = seed, .mariadb = seed % 2 == 0};
	rec_init(&rd_recovery_input_desc, &w->in);
	w->in.suspected_us = w->in.decided_us = SUSPECTED_US;
	w->in.failed.key = (struct topo_key){"a", 3306};
	w->in.failed.server_uuid = UUID;
	w->in.failed.server_id = 97;
	w->in.failed.data_center = "east";
	*(w->mariadb ? &w->in.failed.gtid_current_pos : &w->in.failed.executed_gtid_set) = set_of(w, 100);
	w->in.policy.apply_promotion = w->in.policy.detach_lost = true;
	w->in.policy.prevent_cross_data_center = one_in(w, 3);
	w->in.policy.fail_if_not_applied = one_in(w, 5);
	w->in.policy.lower_version_allowed = one_in(w, 4);
	w->in.servers = (struct rd_recovery_server_list){w->servers, 1 + pick(w, MOST)};
	for (unsigned i = 0; i < w->in.servers.n; i++) {
		make_server(w, i, &w->servers[i]);
		w->servers[i].was_direct = rd_recovery_is_direct(&w->in, &w->servers[i]);
	}
	decide(w);
}

/* --- what must hold ---------------------------------------------------------------------------------------------- */
static bool
is_eligible(const struct rd_ranked *j)
{
	return j->why == RD_WHY_CHOSEN || rd_why_class(j->why) != RD_WHY_NEVER;
}

static void
check_choice(struct world *w)
{
	const struct rd_recovery_server *s = w->choice.chosen->server;
	struct rd_set has;
	struct err e;

	CHECK(w, is_eligible(w->choice.chosen));
	CHECK(w, s->last_io_errno != 1236 && (w->choice.donor == NULL || w->choice.donor->last_io_errno != 1236));
	CHECK(w, s->answered && s->answered_us >= SUSPECTED_US && topo_key_equal(&s->source_key, &w->in.failed.key));
	CHECK(w,
	      !str_eq(s->promotion_rule, "must_not") && !s->is_banned && !s->in_maintenance && s->last_sql_errno == 0);
	CHECK(w, s->log_bin_enabled && s->log_replica_updates && s->channels == 1);
	CHECK(w, !w->in.policy.prevent_cross_data_center || str_eq(s->data_center, "east"));
	CHECK(w, !w->in.policy.fail_if_not_applied || w->choice.chosen->backlog == 0);
	/* invariant 6: nothing that a server that may be promoted received is lost (delayed and filtered ones apart) */
	assert_int_equal(
	    rd_set_join(w->haves.family, &w->choice.chosen->have->received,
			&(w->choice.chosen->donor == NULL ? w->choice.chosen->have : w->choice.chosen->donor)->received,
			&has, &e),
	    0);
	for (size_t i = 0; i < w->choice.n; i++) {
		const struct rd_ranked *j = &w->choice.v[i];
		if (is_eligible(j) && j->server->sql_delay == 0 && !j->server->has_replication_filters)
			CHECK(w, rd_set_lacks(w->haves.family, &has, &j->have->received) == 0);
		CHECK(w, !is_eligible(j) || !s->has_replication_filters || j->server->has_replication_filters);
	}
	CHECK(w, w->choice.donor == NULL || !w->choice.donor->has_replication_filters || s->has_replication_filters);
	rd_set_done(&has);
	CHECK(w, w->choice.loss != RD_LOSS_NONE); /* it was asynchronous */
}

/* Any order of the servers gives the same choice. */
static void
check_order(struct world *w)
{
	struct rd_haves haves;
	struct rd_choice again;
	size_t n = w->in.servers.n;

	w->shuffled = w->in;
	w->shuffled.servers.v = w->other_order;
	memcpy(w->other_order, w->servers, sizeof(w->servers));
	for (size_t i = n; i > 1; i--) {
		size_t k = pick(w, (unsigned)i);
		struct rd_recovery_server kept = w->other_order[i - 1];
		w->other_order[i - 1] = w->other_order[k];
		w->other_order[k] = kept;
	}
	rd_haves_build(&w->shuffled, &w->arena, &haves);
	rd_choose(&w->shuffled, &haves, SUSPECTED_US, &w->arena, &again);
	CHECK(w, (again.chosen == NULL) == (w->choice.chosen == NULL));
	CHECK(w, again.chosen == NULL || topo_key_equal(&again.chosen->server->key, &w->choice.chosen->server->key));
	rd_haves_done(&haves);
}

/* In the phases after the choice it is settled on, and judged anew. */
static void
check_settled(struct world *w)
{
	struct rd_recovery_input settled = w->in;
	struct rd_choice again;

	settled.successor = w->choice.chosen->server->key;
	rd_choose(&settled, &w->haves, SUSPECTED_US, &w->arena, &again);
	CHECK(w, again.chosen != NULL && again.chosen->server == w->choice.chosen->server);
	CHECK(w,
	      again.donor == w->choice.donor && again.loss == w->choice.loss && str_eq(again.fetch, w->choice.fetch));
}

static bool
is_kind(const struct rd_step *s, enum topo_step_kind kind)
{
	return str_eq(s->statement, topo_step_name(kind));
}

/* MariaDB drops a relay log at any START with both threads stopped, and at a CHANGE: then nothing may be in it. */
static void
check_relay_log(struct world *w, const struct rd_plan *p, size_t at)
{
	const struct rd_step *s = &p->steps.v[at];
	const struct rd_recovery_server *server = rd_recovery_find(&w->in, &s->key);
	bool waited = false;
	uint64_t backlog = 0;

	for (size_t i = 0; i < w->choice.n; i++) {
		if (w->choice.v[i].server == server)
			backlog = w->choice.v[i].backlog;
	}
	for (size_t i = 0; i < at; i++)
		waited |=
		    topo_key_equal(&p->steps.v[i].key, &s->key) && is_kind(&p->steps.v[i], TOPO_STEP_WAIT_EXECUTED);
	if (is_kind(s, TOPO_STEP_STOP_REPLICA) || is_kind(s, TOPO_STEP_POINT_TO) || is_kind(s, TOPO_STEP_RESET_REPLICA))
		CHECK(w, waited || backlog == 0);
	if (is_kind(s, TOPO_STEP_START_REPLICA_SQL))
		CHECK(w, !w->mariadb || !rd_both_stopped(server));
	CHECK(w, !is_kind(s, TOPO_STEP_STOP_REPLICA_IO) && !is_kind(s, TOPO_STEP_START_REPLICA_IO));
}

static void
check_step(struct world *w, const struct rd_plan *p, size_t at)
{
	const struct rd_step *s = &p->steps.v[at];
	const struct rd_recovery_server *server = rd_recovery_find(&w->in, &s->key);
	bool is_chosen = server == w->choice.chosen->server, is_donor = server == w->choice.donor;
	struct str_buf sql = {0};
	struct err e;

	CHECK(w, s->number == at + 1 && s->after < s->number && s->and_after < s->number && s->within_ms > 0);
	CHECK(w, server != NULL && server->answered && server->answered_us >= SUSPECTED_US);
	CHECK(w, s->precondition[0] != '\0');
	if (topo_step_sql(s->statement, &s->args, server->version, false, &sql, &e) != 0)
		fail_msg("seed %u: %s", w->seed, e.msg);
	str_buf_done(&sql);
	CHECK(w, is_kind(s, TOPO_STEP_SET_WRITABLE) == (p->phase == RD_PHASE_PROMOTE));
	CHECK(w, p->phase != RD_PHASE_PROMOTE || is_chosen);
	CHECK(w, p->phase != RD_PHASE_PREPARE || is_chosen || is_donor);
	CHECK(w, !server->in_maintenance || p->phase == RD_PHASE_FENCE);
	if (p->phase == RD_PHASE_PREPARE)
		check_relay_log(w, p, at);
}

/* Everybody who replicated from the failed server follows the promoted one, or is named: one of the two. */
static void
check_nobody_forgotten(struct world *w)
{
	const struct rd_plan *p = &w->plans[RD_PHASE_REPOINT];

	for (size_t i = 0; i < w->in.servers.n; i++) {
		const struct rd_recovery_server *s = &w->in.servers.v[i];
		int named = 0, follows = 0;
		for (size_t k = 0; k < p->lost.n; k++)
			named += topo_key_equal(&p->lost.v[k].key, &s->key);
		for (size_t k = 0; k < p->steps.n; k++)
			follows += topo_key_equal(&p->steps.v[k].key, &s->key) &&
				   is_kind(&p->steps.v[k], TOPO_STEP_POINT_TO) &&
				   str_eq(p->steps.v[k].args.v[0].s, w->choice.chosen->server->key.hostname);
		CHECK(w, named + follows == (rd_recovery_is_direct(&w->in, s) && s != w->choice.chosen->server));
	}
}

/* --- carrying it out --------------------------------------------------------------------------------------------- */
static void
carry_out(struct world *w, const struct rd_step *step)
{
	struct rd_recovery_server *s = NULL;
	bool start = is_kind(step, TOPO_STEP_START_REPLICA);

	for (size_t i = 0; i < w->in.servers.n; i++) {
		if (topo_key_equal(&w->servers[i].key, &step->key))
			s = &w->servers[i];
	}
	if (start || is_kind(step, TOPO_STEP_STOP_REPLICA))
		s->io_thread_state = s->sql_thread_state = start ? TOPO_THREAD_RUNNING : TOPO_THREAD_STOPPED;
	else if (is_kind(step, TOPO_STEP_STOP_REPLICA_IO))
		s->io_thread_state = TOPO_THREAD_STOPPED;
	else if (is_kind(step, TOPO_STEP_START_REPLICA_SQL))
		s->sql_thread_state = TOPO_THREAD_RUNNING;
	else if (is_kind(step, TOPO_STEP_SET_WRITABLE))
		s->read_only = false;
	else if (is_kind(step, TOPO_STEP_POINT_TO))
		s->source_key = (struct topo_key){step->args.v[0].s, 3306};
	else if (is_kind(step, TOPO_STEP_WAIT_EXECUTED))
		*(w->mariadb ? &s->gtid_current_pos : &s->executed_gtid_set) = s->received_gtid_set = step->args.v[0].s;
	else if (is_kind(step, TOPO_STEP_RESET_REPLICA)) {
		s->source_key = (struct topo_key){"", 0};
		s->using_oracle_gtid = s->using_mariadb_gtid = false;
		s->io_thread_state = s->sql_thread_state = TOPO_THREAD_NONE;
		s->received_gtid_set = "";
	} else
		CHECK(w, is_kind(step, TOPO_STEP_BREAK_LOCK));
}

/* SET_WRITABLE is sent whatever was read. */
static bool
is_planned_out(const struct world *w, int phase)
{
	return w->plans[phase].steps.n == (phase == RD_PHASE_PROMOTE && w->in.policy.apply_promotion ? 1 : 0);
}

/* Each phase in turn, planned anew from what is there; in the end there is nothing left to do. */
static void
check_carried_out(struct world *w)
{
	w->in.successor = w->choice.chosen->server->key;
	for (int phase = RD_PHASE_PREPARE; phase <= RD_PHASE_REPOINT; phase++) {
		struct rd_plan p = w->plans[phase];
		for (size_t i = 0; i < p.steps.n; i++)
			carry_out(w, &p.steps.v[i]);
		w->in.prepared = true;
		decide(w);
		CHECK(w, w->choice.chosen != NULL && rd_plan_refusal(&w->haves, &w->choice) == NULL);
		CHECK(w, topo_key_equal(&w->choice.chosen->server->key, &w->in.successor));
		CHECK(w, is_planned_out(w, phase));
	}
	for (int phase = RD_PHASE_PREPARE; phase <= RD_PHASE_REPOINT; phase++)
		CHECK(w, is_planned_out(w, phase));
	CHECK(w, !w->choice.chosen->server->read_only);
}

static void
test_random_clusters(void **state UNUSED)
{
	unsigned seeds = getenv("RD_SEEDS") == NULL ? 4000 : (unsigned)atoi(getenv("RD_SEEDS"));
	unsigned promoted = 0, fetched = 0, lost = 0;

	for (unsigned seed = 1; seed <= seeds; seed++) {
		struct world w;

		make_world(&w, seed);
		check_order(&w);
		check_follow(&w);
		if (w.choice.chosen != NULL) {
			promoted++;
			fetched += w.choice.donor != NULL;
			lost += w.choice.loss == RD_LOSS_SOME;
			check_choice(&w);
			check_settled(&w);
			for (int i = 0; i <= RD_PHASE_REPOINT; i++) {
				for (size_t k = 0; k < w.plans[i].steps.n; k++)
					check_step(&w, &w.plans[i], k);
			}
			check_nobody_forgotten(&w);
			check_carried_out(&w);
		}
		rd_haves_done(&w.haves);
		mem_arena_done(&w.arena);
	}
	/* the worlds are what they are meant to be */
	assert_true(promoted > seeds / 2 && fetched > seeds / 20 && lost > seeds / 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random_clusters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
