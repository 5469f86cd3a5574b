/* rd_records.c — see rd_records.h: recoveries, read from the replicated tables, and the proposing of one that begins.
 * Called by the executor, by apply, and by what shows recoveries. */
#include "rd_records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topo/key.h"

/* --- machines ---------------------------------------------------------------------------------------------------- */
static void
read_keys(const char *json, struct mem_arena *arena, struct topo_key_list *ret)
{
	struct topo_key_list owned = {0};

	topo_key_list_read_json(json, &owned);
	*ret = (struct topo_key_list){mem_arena_alloc(arena, (owned.n + 1) * sizeof(*ret->v)), owned.n};
	for (size_t i = 0; i < owned.n; i++) {
		const char *host = owned.v[i].hostname;
		ret->v[i] = (struct topo_key){mem_arena_strndup(arena, host, strlen(host)), owned.v[i].port};
	}
	topo_key_list_done(&owned);
}

static const char *
keep(struct mem_arena *arena, const char *text)
{
	return mem_arena_strndup(arena, text, strlen(text));
}

void
rd_records_from_row(const struct db_recovery_machine *row, struct mem_arena *arena, struct rd_recovery *ret)
{
	*ret = (struct rd_recovery){.uid = row->uid,
				    .cluster_id = row->cluster_id,
				    .failed = {row->hostname, row->port},
				    .state = rd_recovery_state_by_name(row->state),
				    .began_us = row->began,
				    .since_us = row->since,
				    .deadline_us = row->deadline,
				    .turns = (uint64_t)row->turns,
				    .why = row->why,
				    .successor = {row->successor_hostname, row->successor_port},
				    .promoted_at = row->promoted_at,
				    .promoted = row->promoted,
				    .returned = row->returned};
	if (arena == NULL)
		return;
	ret->uid = keep(arena, row->uid);
	ret->cluster_id = keep(arena, row->cluster_id);
	ret->failed.hostname = keep(arena, row->hostname);
	ret->why = keep(arena, row->why);
	ret->successor.hostname = keep(arena, row->successor_hostname);
	ret->promoted_at = keep(arena, row->promoted_at);
	read_keys(row->dropped, arena, &ret->excluded);
	read_keys(row->suspects, arena, &ret->suspects);
}

bool
rd_records_is_running(const struct db_recovery_machine *row)
{
	return rd_recovery_runs(rd_recovery_state_by_name(row->state));
}

const struct db_recovery_machine *
rd_records_machine_row(const struct rd_state *s, const char *uid)
{
	return rd_state_get(s, RD_TABLE_recovery_machine, &(struct db_recovery_machine){.uid = uid});
}

bool
rd_records_machine(const struct rd_state *s, const char *uid, struct mem_arena *arena, struct rd_recovery *ret)
{
	const struct db_recovery_machine *row = rd_records_machine_row(s, uid);

	if (row == NULL)
		return false;
	rd_records_from_row(row, arena, ret);
	return true;
}

bool
rd_records_next(const struct rd_state *s, struct rd_cursor *c, struct rd_recovery *ret)
{
	const struct db_recovery_machine *row;

	c->table = RD_TABLE_recovery_machine;
	row = rd_state_next_row(s, c);
	if (row != NULL)
		rd_records_from_row(row, NULL, ret);
	return row != NULL;
}

struct rd_recovery_list
rd_records_running(const struct rd_state *s, struct mem_arena *arena)
{
	size_t max = rd_state_count(s, RD_TABLE_recovery_machine);
	struct rd_recovery_list l = {mem_arena_alloc(arena, (max + 1) * sizeof(*l.v)), 0};
	struct rd_cursor c = {.table = RD_TABLE_recovery_machine};
	const struct db_recovery_machine *row;

	while ((row = rd_state_next_row(s, &c)) != NULL) {
		if (rd_records_is_running(row))
			rd_records_from_row(row, arena, &l.v[l.n++]);
	}
	return l;
}

const struct db_recovery *
rd_records_row(const struct rd_state *s, const char *uid)
{
	const struct db_recovery_machine *m = rd_records_machine_row(s, uid);
	struct rd_cursor c = {.table = RD_TABLE_recovery};
	const struct db_recovery *row;

	if (m != NULL)
		return rd_state_get(s, RD_TABLE_recovery, &(struct db_recovery){.recovery_id = m->recovery_id});
	while ((row = rd_state_next_row(s, &c)) != NULL && !str_eq(row->uid, uid))
		;
	return row;
}

/* --- inputs ------------------------------------------------------------------------------------------------------- */
static int
read_lines(const char *text, struct mem_arena *arena, struct rd_recovery_input *ret, struct err *e)
{
	for (const char *end; *text != '\0'; text = *end == '\0' ? end : end + 1) {
		end = strchrnul(text, '\n');
		if (rd_recovery_input_read(mem_arena_strndup(arena, text, (size_t)(end - text)), arena, ret, e) != 0)
			return -e->code;
	}
	return 0;
}

int
rd_records_input_text(const struct rd_state *s, const char *uid, bool chosen, struct str_buf *b, struct err *e)
{
	const struct db_recovery_machine *m = rd_records_machine_row(s, uid);
	int64_t from = chosen ? RD_INPUT_CHOSEN : 0, n = 0;
	struct db_recovery_input key = {.recovery_uid = uid, .part = from};
	const struct db_recovery_input *part;

	if (m == NULL || m->input_parts == 0)
		return err_set(e, ERR_NOT_FOUND, "recovery %.64s has no input", uid);
	while ((chosen || n < m->input_parts) && (part = rd_state_get(s, RD_TABLE_recovery_input, &key)) != NULL) {
		str_buf_add(b, part->content);
		n++;
		key.part++;
	}
	if (n > 0 && (chosen || n == m->input_parts))
		return 0;
	return err_set(e, ERR_NOT_FOUND, "recovery %.64s: its input is not kept%s", uid, chosen ? "" : " any more");
}

int
rd_records_input(const struct rd_state *s, const char *uid, struct mem_arena *arena, struct rd_recovery_input *ret,
		 struct err *e)
{
	struct str_buf text = {0};
	int rc = rd_records_input_text(s, uid, false, &text, e);

	rec_init(&rd_recovery_input_desc, ret);
	if (rc == 0)
		rc = read_lines(str_buf_text(&text), arena, ret, e);
	str_buf_done(&text);
	return rc;
}

static void
add_left(const struct topo_key *key, struct rd_recovery_server_list *l)
{
	struct rd_recovery_server *s = &l->v[l->n++];

	rec_init(&rd_recovery_server_desc, s);
	s->key = *key;
	s->was_direct = true;
}

void
rd_records_input_left(const struct rd_recovery *record, struct mem_arena *arena, struct rd_recovery_input *ret)
{
	rec_init(&rd_recovery_input_desc, ret);
	ret->uid = record->uid;
	ret->cluster_id = record->cluster_id;
	ret->failed.key = record->failed;
	ret->servers.v = mem_arena_alloc(arena, (record->suspects.n + 1) * sizeof(*ret->servers.v));
	add_left(&record->successor, &ret->servers);
	for (size_t i = 0; i < record->suspects.n; i++) {
		if (!topo_key_equal(&record->suspects.v[i], &record->successor))
			add_left(&record->suspects.v[i], &ret->servers);
	}
}

/* --- questions ------------------------------------------------------------------------------------------------------ */
const char *
rd_records_cluster_id(const struct rd_state *s, const char *cluster_name)
{
	struct rd_cursor c = {.table = RD_TABLE_cluster_record};
	const struct db_cluster_record *row;

	while ((row = rd_state_next_row(s, &c)) != NULL) {
		if (str_eq(row->cluster_name, cluster_name))
			return row->cluster_id;
	}
	return "";
}

/* Of a historical row there is no machine: it is over, whatever it says, and its cluster is known by its name only. */
static void
past_from_row(const struct rd_state *s, const struct db_recovery *row, struct rd_recovery *ret)
{
	const struct db_recovery_machine *m = rd_records_machine_row(s, row->uid);

	if (m != NULL) {
		rd_records_from_row(m, NULL, ret);
		return;
	}
	rec_init(&rd_recovery_desc, ret);
	ret->uid = row->uid;
	ret->cluster_id = rd_records_cluster_id(s, row->cluster_name);
	ret->failed = (struct topo_key){row->hostname, row->port};
	ret->successor = (struct topo_key){row->successor_hostname, row->successor_port.v};
	ret->state = row->is_successful ? RD_RECOVERY_DONE : RD_RECOVERY_UNDONE;
	ret->began_us = row->start_active_period_us;
	ret->promoted = row->is_successful;
}

/* What locks is the machine, so a server that is being recovered under another cluster's id is taken as well. */
static enum rd_block
running_of(const struct rd_state *s, const struct topo_key *failed, int64_t *ret_id)
{
	struct rd_cursor c = {.table = RD_TABLE_recovery_machine};
	const struct db_recovery_machine *m;

	while ((m = rd_state_next_row(s, &c)) != NULL) {
		struct topo_key key = {m->hostname, m->port};
		if (!rd_records_is_running(m) || !topo_key_equal(&key, failed))
			continue;
		*ret_id = m->recovery_id;
		return RD_BLOCK_RUNNING;
	}
	return RD_BLOCK_NONE;
}

/* All its replicas were dead as well, now some of them answer: that is no reason to wait. */
static bool
is_moot(const struct db_recovery *row, const char *analysis)
{
	return !row->is_successful && rd_kind_promotes_nobody(row->analysis, false) != NULL &&
	       !str_eq(row->analysis, analysis);
}

enum rd_block
rd_records_block(const struct rd_state *s, const char *cluster_id, const struct topo_key *failed, const char *analysis,
		 bool forced, int64_t now_us, int64_t block_us, int64_t *ret_id)
{
	size_t max = rd_state_count(s, RD_TABLE_recovery), n = 0;
	struct rd_recovery *r = mem_calloc(max + 1, sizeof(*r));
	struct rd_past_recovery *past = mem_calloc(max + 1, sizeof(*past));
	int64_t *ids = mem_calloc(max + 1, sizeof(*ids));
	struct rd_cursor c = {.table = RD_TABLE_recovery};
	const struct rd_recovery *by = NULL;
	const struct db_recovery *old;
	enum rd_block block;

	*ret_id = 0;
	while ((old = rd_state_next_row(s, &c)) != NULL) {
		past_from_row(s, old, &r[n]);
		past[n] = (struct rd_past_recovery){&r[n], old->acknowledged, is_moot(old, analysis)};
		ids[n++] = old->recovery_id;
	}
	block = rd_block_check(past, n, cluster_id, failed, forced, now_us, block_us, &by);
	if (by != NULL)
		*ret_id = ids[by - r];
	if (block != RD_BLOCK_RUNNING && running_of(s, failed, ret_id) == RD_BLOCK_RUNNING)
		block = RD_BLOCK_RUNNING;
	free(ids);
	free(past);
	free(r);
	return block;
}

const struct db_blocked_recovery *
rd_records_blocked(const struct rd_state *s, const struct topo_key *key)
{
	struct db_blocked_recovery row = {.hostname = key->hostname, .port = key->port};

	return rd_state_get(s, RD_TABLE_blocked_recovery, &row);
}

enum rd_hook_mark
rd_records_mark(const struct rd_state *s, const char *uid, const char *list, uint64_t number)
{
	struct db_recovery_hook key = {.recovery_uid = uid, .hook_list = list, .number = (int64_t)number};
	const struct db_recovery_hook *row = rd_state_get(s, RD_TABLE_recovery_hook, &key);

	return row == NULL ? RD_HOOK_MARK_NONE : (enum rd_hook_mark)row->mark;
}

int64_t
rd_records_attempts(const struct rd_state *s, const char *uid, const char *list, size_t n)
{
	int64_t most = 0;

	for (size_t i = 0; i < n; i++) {
		struct db_recovery_hook key = {.recovery_uid = uid, .hook_list = list, .number = (int64_t)i};
		const struct db_recovery_hook *row = rd_state_get(s, RD_TABLE_recovery_hook, &key);
		if (row != NULL && row->attempts > most)
			most = row->attempts;
	}
	return most;
}

const char *
rd_records_domain(const struct rd_state *s, const char *cluster_id)
{
	const struct db_cluster_record *row =
	    rd_state_get(s, RD_TABLE_cluster_record, &(struct db_cluster_record){.cluster_id = cluster_id});

	return row == NULL ? "" : row->domain_name;
}

/* --- beginning one -------------------------------------------------------------------------------------------------- */
/* At most RD_INPUT_PART_MAX bytes, and no character of several bytes is cut. */
static size_t
part_bytes(const char *text, size_t left)
{
	size_t n = min_size(left, RD_INPUT_PART_MAX);

	while (n < left && n > 1 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static int
propose_part(struct rd_proposer *p, const char *uid, uint64_t number, const char *text, size_t n, struct err *e)
{
	char *content = mem_strndup(text, n);
	struct rd_cmd_recovery_input part = {.recovery_uid = uid, .part = number, .content = content};
	int rc = rd_propose_recovery_input(p, &part, NULL, NULL, e);

	free(content);
	return rc;
}

/* From that part on; ret_n: how many there are. */
static int
propose_input(struct rd_proposer *p, const char *uid, uint64_t from, const struct rd_recovery_input *in,
	      uint64_t *ret_n, struct err *e)
{
	struct str_buf text = {0};
	uint64_t n = 0;
	int rc = 0;

	rd_recovery_input_write(in, &text);
	for (size_t at = 0, bytes; rc == 0 && at < text.len; at += bytes) {
		bytes = part_bytes(text.p + at, text.len - at);
		if (n == RD_INPUT_PARTS_MAX)
			rc = err_set(e, ERR_LIMIT, "input of a recovery: at most %d parts", RD_INPUT_PARTS_MAX);
		else
			rc = propose_part(p, uid, from + n++, text.p + at, bytes, e);
	}
	str_buf_done(&text);
	*ret_n = n;
	return rc;
}

int
rd_records_begin(struct rd_proposer *p, const struct rd_cmd_recovery_begin *c, const struct rd_recovery_input *in,
		 rd_proposed_fn cb, void *ctx, struct err *e)
{
	struct rd_cmd_recovery_begin begin = *c;
	int rc = propose_input(p, c->recovery_uid, 0, in, &begin.input_parts, e);

	return rc != 0 ? rc : rd_propose_recovery_begin(p, &begin, cb, ctx, e);
}

int
rd_records_chosen(struct rd_proposer *p, const struct rd_recovery_input *in, struct err *e)
{
	uint64_t n;

	return propose_input(p, in->uid, RD_INPUT_CHOSEN, in, &n, e);
}

void
rd_records_decided(const struct rd_state *s, struct rd_recovery_server *row)
{
	const struct db_candidate rule = {.hostname = row->key.hostname, .port = row->key.port};
	const struct db_downtime downtime = {.hostname = row->key.hostname, .port = row->key.port};
	const struct db_candidate *found = rd_state_get(s, RD_TABLE_candidate, &rule);

	row->promotion_rule = found == NULL ? "" : found->promotion_rule;
	row->is_downtimed = rd_state_get(s, RD_TABLE_downtime, &downtime) != NULL;
}
