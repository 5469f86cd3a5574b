/* rd_import.c — decisions of a life without raft as commands, and who imports them (rd_import.h). Pure. Called by
 * rd_group_import.c, which proposes them. */
#include "rd_import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fnv.h"
#include "base/str.h"
#include "rd_apply_private.h"
#include "rd_command_check.h"

#define LAST_END_US (INT64_C(253402300799) * CLK_S) /* for what has no end (NULL, written by hand): the last there is */
#define ENVELOPE_MAX ((size_t)4096)

struct import {
	struct rd_import *out;
	const struct rd_state *source, *current;
	int64_t now_us;
	const struct rd_lives *lives;
	uint64_t importer;
	struct codec_out bytes;
};

/* --- commands -------------------------------------------------------------------------------------------------- */
static void
make_uid(const struct import *m, enum rd_op op, char *ret)
{
	const char *name = rd_op_name(op);
	uint64_t a = fnv1a(FNV1A_BASIS, name, strlen(name) + 1);
	uint64_t b = fnv1a(~FNV1A_BASIS, name, strlen(name) + 1);

	(void)snprintf(ret, RD_IMPORT_UID_BYTES, "import-%016" PRIx64 "-%016" PRIx64 "%016" PRIx64, m->importer,
		       fnv1a(a, m->bytes.p, m->bytes.len), fnv1a(b, m->bytes.p, m->bytes.len));
}

/* A command of that many rows, or as many that can't be had. */
static void
add(struct import *m, enum rd_op op, const void *payload, size_t rows)
{
	struct rd_import *out = m->out;
	struct rd_command c = {.op = op, .uid = "import", .originator = "", .payload = payload};
	size_t size = rd_op_desc(op)->size;
	struct rd_import_command *x;
	struct err e;

	m->bytes.len = 0;
	if (rd_command_check(&c, &e) != 0 ||
	    codec_encode(&m->bytes, CODEC_MAP, rd_op_desc(op), payload, RD_COMMAND_MAX - ENVELOPE_MAX, &e) != 0) {
		out->unusable += rows;
		return;
	}
	mem_grow(out->v, out->cap, out->n + 1);
	x = &out->v[out->n++];
	x->op = op;
	x->payload = memcpy(mem_arena_alloc(&out->arena, size), payload, size);
	make_uid(m, op, x->uid);
	out->rows += rows;
}
#define ADD(m, OP, name, ...) add((m), RD_OP_##OP, &(struct rd_cmd_##name){__VA_ARGS__}, 1)

static bool
is_over(struct import *m, bool over)
{
	m->out->expired += over;
	return over;
}

/* What has no end lives as long as its kind does. */
static bool
is_old(struct import *m, int64_t from_us, int64_t life_us)
{
	return is_over(m, life_us != 0 && from_us < m->now_us - life_us);
}

static int64_t
end_of(int64_t end_us)
{
	return end_us == 0 ? LAST_END_US : end_us;
}

/* --- rows ------------------------------------------------------------------------------------------------------ */
static void
import_downtime(struct import *m, const void *row)
{
	const struct db_downtime *d = row;

	if (!is_over(m, end_of(d->end_timestamp_us) <= m->now_us))
		ADD(m, BEGIN_DOWNTIME, begin_downtime, .key = {d->hostname, d->port}, .owner = d->owner,
		    .reason = d->reason, .begins_us = d->begin_timestamp_us, .ends_us = end_of(d->end_timestamp_us));
}

/* As detected: whoever registered it has been audited. */
static void
import_candidate(struct import *m, const void *row)
{
	const struct db_candidate *c = row;

	if (!is_old(m, c->last_suggested_us, m->lives->candidate_us))
		ADD(m, REGISTER_CANDIDATE, register_candidate, .key = {c->hostname, c->port},
		    .promotion_rule = c->promotion_rule, .detected = true);
}

static void
import_tag(struct import *m, const void *row)
{
	const struct db_tag *t = row;

	ADD(m, PUT_TAG, put_tag, .key = {t->hostname, t->port}, .tag_name = t->tag_name, .tag_value = t->tag_value);
}

static void
import_alias(struct import *m, const void *row)
{
	const struct db_cluster_alias_override *a = row;

	ADD(m, SET_CLUSTER_ALIAS, set_cluster_alias, .cluster_name = a->cluster_name, .alias = a->alias);
}

static void
import_cluster(struct import *m, const void *row)
{
	const struct db_cluster_record *c = row;

	ADD(m, CLUSTER_UPSERT, cluster_upsert, .cluster_id = c->cluster_id, .cluster_name = c->cluster_name,
	    .alias = c->alias, .domain_name = c->domain_name);
}

static void
import_maintenance(struct import *m, const void *row)
{
	const struct db_maintenance *x = row;

	if (!is_over(m, end_of(x->end_timestamp_us) <= m->now_us))
		ADD(m, BEGIN_MAINTENANCE, begin_maintenance, .key = {x->hostname, x->port}, .owner = x->owner,
		    .reason = x->reason, .ends_us = end_of(x->end_timestamp_us),
		    .explicitly_bounded = x->explicitly_bounded, .token = x->processing_node_token);
}

/* The port is part of the command only to name a server. */
static void
import_unresolve(struct import *m, const void *row)
{
	const struct db_hostname_unresolve *u = row;

	if (!is_old(m, u->last_registered_us, m->lives->unresolve_us))
		ADD(m, REGISTER_HOSTNAME_UNRESOLVE, register_hostname_unresolve, .key = {u->hostname, 3306},
		    .unresolved_hostname = u->unresolved_hostname);
}

static void
import_attribute(struct import *m, const void *row)
{
	const struct db_host_attribute *h = row;

	ADD(m, SET_ATTRIBUTE, set_attribute, .hostname = h->hostname, .attribute_name = h->attribute_name,
	    .attribute_value = h->attribute_value);
}

static void
import_switch(struct import *m, const void *row UNUSED)
{
	ADD(m, DISABLE_GLOBAL_RECOVERIES, disable_global_recoveries, .by = "import");
}

static void
import_detection(struct import *m, const void *row)
{
	const struct db_detection *d = row;

	if (!is_old(m, d->start_active_period_us, m->lives->record_us))
		ADD(m, IMPORT_DETECTION, import_detection, .row = *d);
}

static void
import_recovery(struct import *m, const void *row)
{
	const struct db_recovery *r = row;

	if (!is_old(m, r->start_active_period_us, m->lives->record_us))
		ADD(m, IMPORT_RECOVERY, import_recovery, .row = *r);
}

/* Each row a command, unless the group has such a row by now. */
static const struct {
	enum rd_table table;
	void (*import)(struct import *m, const void *row);
} kinds[] = {
    {RD_TABLE_cluster_record, import_cluster},
    {RD_TABLE_cluster_alias_override, import_alias},
    {RD_TABLE_recovery_disable, import_switch},
    {RD_TABLE_maintenance, import_maintenance},
    {RD_TABLE_downtime, import_downtime},
    {RD_TABLE_candidate, import_candidate},
    {RD_TABLE_tag, import_tag},
    {RD_TABLE_hostname_unresolve, import_unresolve},
    {RD_TABLE_host_attribute, import_attribute},
    {RD_TABLE_detection, import_detection},
    {RD_TABLE_recovery, import_recovery},
};

struct visit {
	struct import *m;
	size_t kind;
};

static void
visit_row(void *ctx, const void *row)
{
	struct visit *v = ctx;

	if (rd_state_get(v->m->current, kinds[v->kind].table, row) == NULL)
		kinds[v->kind].import(v->m, row);
}

/* --- lists ----------------------------------------------------------------------------------------------------- */
static void
import_servers(struct import *m, const struct topo_key *keys, size_t n)
{
	struct rd_cmd_inventory_add c = {.keys = {(struct topo_key *)(uintptr_t)keys, n}, .reason = ""};

	add(m, RD_OP_INVENTORY_ADD, &c, n);
}

/* One invalid name would spoil a whole command. */
static bool
server_is_usable(struct import *m, const struct topo_key *key)
{
	struct rd_cmd_inventory_add c = {.keys = {(struct topo_key *)(uintptr_t)key, 1}, .reason = ""};
	struct rd_command command = {.op = RD_OP_INVENTORY_ADD, .uid = "import", .payload = &c};
	struct err e;
	bool usable = rd_command_check(&command, &e) == 0;

	m->out->unusable += !usable;
	return usable;
}

static void
import_inventory(struct import *m)
{
	size_t n = 0, count = rd_state_count(m->source, RD_TABLE_inventory);
	struct topo_key *keys = mem_arena_alloc(&m->out->arena, (count + 1) * sizeof(*keys));
	struct rd_cursor c = {.table = RD_TABLE_inventory};
	const struct topo_key *row;

	while ((row = rd_state_next_row(m->source, &c)) != NULL) {
		if (server_is_usable(m, row))
			keys[n++] = *row;
	}
	for (size_t from = 0; from < n; from += RD_KEYS_MAX)
		import_servers(m, &keys[from], min_size(n - from, RD_KEYS_MAX));
}

static int
by_pool(const void *a, const void *b)
{
	const struct db_pool *x = *(const void *const *)a, *y = *(const void *const *)b;
	int by_name = strcmp(x->pool, y->pool), by_host = strcmp(x->hostname, y->hostname);

	if (by_name != 0 || by_host != 0)
		return by_name != 0 ? by_name : by_host;
	return x->port < y->port ? -1 : x->port > y->port;
}

static bool
pool_is(const void *row, const void *what)
{
	return strcmp(((const struct db_pool *)row)->pool, what) == 0;
}

/* A pool as a whole, unless the group has decided about it: rows are those of one pool. */
static void
import_pool(struct import *m, const struct db_pool *const *rows, size_t n)
{
	struct rd_picked there = rd_row_pick(m->current, RD_TABLE_pool, pool_is, rows[0]->pool);
	struct topo_key *keys = mem_arena_alloc(&m->out->arena, n * sizeof(*keys));
	struct rd_cmd_submit_pool c = {.pool = rows[0]->pool, .keys = {keys, 0}};

	free(there.rows);
	if (there.n > 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (!is_old(m, rows[i]->registered_at_us, m->lives->pool_us))
			keys[c.keys.n++] = (struct topo_key){rows[i]->hostname, rows[i]->port};
	}
	if (c.keys.n > 0)
		add(m, RD_OP_SUBMIT_POOL, &c, c.keys.n);
}

static bool
any(const void *row UNUSED, const void *what UNUSED)
{
	return true;
}

static void
import_pools(struct import *m)
{
	struct rd_picked all = rd_row_pick(m->source, RD_TABLE_pool, any, NULL);
	const struct db_pool *const *rows = (const struct db_pool *const *)all.rows;

	if (all.n > 0)
		qsort(all.rows, all.n, sizeof(*all.rows), by_pool);
	for (size_t from = 0, to = 0; from < all.n; from = to) {
		while (to < all.n && strcmp(rows[to]->pool, rows[from]->pool) == 0)
			to++;
		import_pool(m, &rows[from], to - from);
	}
	free(all.rows);
}

/* Of recoveries that are old by now, too: they go with the next tick. */
static void
import_steps(struct import *m)
{
	struct rd_picked all = rd_row_pick(m->source, RD_TABLE_recovery_step, any, NULL);
	struct db_recovery_step *rows = mem_arena_alloc(&m->out->arena, (all.n + 1) * sizeof(*rows));
	size_t n = 0;

	for (size_t i = 0; i < all.n; i++) {
		if (rd_state_get(m->current, RD_TABLE_recovery_step, all.rows[i]) == NULL)
			rows[n++] = *(const struct db_recovery_step *)all.rows[i];
	}
	for (size_t from = 0; from < n; from += RD_RECOVERY_LINES_MAX) {
		size_t count = min_size(n - from, RD_RECOVERY_LINES_MAX);
		struct rd_cmd_import_recovery_steps c = {.rows = {&rows[from], count}};
		add(m, RD_OP_IMPORT_RECOVERY_STEPS, &c, count);
	}
	free(all.rows);
}

struct rd_import *
rd_import_new(const struct rd_state *source, const struct rd_state *current, int64_t now_us,
	      const struct rd_lives *lives, uint64_t importer)
{
	struct import m = {.out = mem_new(struct rd_import),
			   .source = source,
			   .current = current,
			   .now_us = now_us,
			   .lives = lives,
			   .importer = importer};

	import_inventory(&m);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		rd_state_each(source, kinds[i].table, visit_row, &(struct visit){&m, i});
	import_pools(&m);
	import_steps(&m);
	codec_out_done(&m.bytes);
	return m.out;
}

void
rd_import_free(struct rd_import *m)
{
	if (m == NULL)
		return;
	mem_arena_done(&m->arena);
	free(m->v);
	free(m);
}

/* --- who imports ----------------------------------------------------------------------------------------------- */
struct traces {
	struct rd_import_voter *v;
	size_t n;
};

static void
look_for_trace(void *ctx, const void *row)
{
	struct traces *t = ctx;
	char prefix[RD_IMPORT_UID_BYTES];

	for (size_t i = 0; i < t->n; i++) {
		(void)snprintf(prefix, sizeof(prefix), "import-%016" PRIx64 "-", t->v[i].id);
		if (strncmp(((const struct db_applied_command *)row)->uid, prefix, strlen(prefix)) == 0)
			t->v[i].begun = true;
	}
}

/* Whoever has begun, else who has the most; NULL: nobody has anything. */
static const struct rd_import_voter *
best_of(const struct rd_import_voter *v, size_t n)
{
	const struct rd_import_voter *best = NULL;

	for (size_t i = 0; i < n; i++) {
		if (v[i].begun)
			return &v[i];
		if (!v[i].heard || v[i].rows == 0)
			continue;
		if (best == NULL || v[i].rows > best->rows || (v[i].rows == best->rows && v[i].self))
			best = &v[i];
	}
	return best;
}

static bool
all_heard(const struct rd_import_voter *v, size_t n)
{
	size_t heard = 0;

	for (size_t i = 0; i < n; i++)
		heard += v[i].heard || v[i].self;
	return heard == n;
}

struct rd_import_choice
rd_import_choose(const struct rd_state *s, struct rd_import_voter *voters, size_t n, int64_t waited_us)
{
	struct traces traces = {voters, n};
	const struct rd_import_voter *best;

	rd_state_each(s, RD_TABLE_applied_command, look_for_trace, &traces);
	best = best_of(voters, n);
	if (best != NULL && best->begun && !best->heard && !best->self) {
		if (waited_us < RD_IMPORT_GONE_US)
			return (struct rd_import_choice){.verdict = RD_IMPORT_WAIT};
		return (struct rd_import_choice){.verdict = RD_IMPORT_OWN, .gone = best->id};
	}
	if ((best == NULL || !best->begun) && !all_heard(voters, n) && waited_us < RD_IMPORT_ASK_US)
		return (struct rd_import_choice){.verdict = RD_IMPORT_WAIT};
	if (best != NULL && !best->self)
		return (struct rd_import_choice){.verdict = RD_IMPORT_HAND_OVER, .to = best->id};
	return (struct rd_import_choice){.verdict = RD_IMPORT_OWN};
}
