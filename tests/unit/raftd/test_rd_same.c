/* test_rd_same.c — whichever way a node came to an index, it holds the same rows: random commands go to a state that
 * applies them one by one, to one that is written to a snapshot and read again now and then, and to one that is read
 * from its backend again, or has its backend rebuilt, now and then. Invariant 7. RD_SAME_SEED=n replays one seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "db_temp.h"
#include "rd_apply.h"
#include "rd_fsm.h"
#include "rd_rebuild.h"
#include "rd_snapshot.h"
#include "rd_view_write.h"
#include "topo/key.h"

#define SEEDS 5
#define COMMANDS 1000
#define START_US (INT64_C(1763800000) * CLK_S)

struct rng {
	uint64_t s;
};

static uint64_t
draw(struct rng *r, uint64_t below)
{
	r->s ^= r->s << 13;
	r->s ^= r->s >> 7;
	r->s ^= r->s << 17;
	return (r->s >> 11) % below;
}

/* --- random commands ------------------------------------------------------------------------------------------- */
/* Values worth drawing for texts, by the field's name; others get one of the last line. */
static const struct {
	const char *field, *values[6];
} texts[] = {
    {"hostname", {"db1", "db2", "db3", "db4", "db5.example", "fe80::1"}},
    {"promotion_rule", {"prefer", "neutral", "prefer_not", "must_not", "must", "prefer"}},
    {"owner", {"gromit", "caf\xc3\xa9", "", "wallace", "o", "p"}},
    {"pool", {"web", "batch", "web", "web", "batch", ""}},
    {"recovery_uid", {"r1", "r2", "r3", "r4", "r5", "detection-7"}},
    {"cluster_id", {"c1", "c2", "c3", "c4", "c5", "c6"}},
    {"", {"a", "b", "c'; --", "", "x y", "\xe2\x82\xac"}},
};

static const char *
draw_text(struct rng *r, const struct rec_field *f)
{
	size_t i = 0;

	while (texts[i].field[0] != '\0' && strcmp(texts[i].field, f->name) != 0)
		i++;
	return texts[i].values[draw(r, 6)];
}

static int64_t
draw_number(struct rng *r, const struct rec_field *f, int64_t now_us)
{
	if (strcmp(f->name, "port") == 0)
		return 3306 + (int64_t)draw(r, 2);
	if (strcmp(f->name, "uids_before_us") == 0)
		return draw(r, 2) == 0 ? 0 : now_us - (int64_t)draw(r, 400 * CLK_S);
	if (strstr(f->name, "before_us") != NULL)
		return now_us - (int64_t)draw(r, 200 * CLK_S);
	if (strstr(f->name, "_us") != NULL)
		return now_us + (int64_t)draw(r, 400 * CLK_S) - 100 * CLK_S;
	if (strcmp(f->name, "level") == 0)
		return 1;
	if (strcmp(f->name, "input_parts") == 0 || strcmp(f->name, "part") == 0 || strcmp(f->name, "turn") == 0)
		return (int64_t)draw(r, 2);
	if (strcmp(f->name, "event") == 0)
		return (int64_t)draw(r, RD_EVENTS);
	if (strcmp(f->name, "mark") == 0)
		return (int64_t)draw(r, 4);
	return (int64_t)draw(r, COMMANDS);
}

static void draw_record(struct rng *r, struct mem_arena *a, const struct rec_desc *d, void *rec, int64_t now_us);

static struct rec_list
draw_list(struct rng *r, struct mem_arena *a, const struct rec_desc *sub, int64_t now_us)
{
	struct rec_list l = {.n = draw(r, 5)};

	l.v = mem_arena_alloc(a, 5 * sub->size);
	for (size_t i = 0; i < l.n; i++)
		draw_record(r, a, sub, (char *)l.v + i * sub->size, now_us);
	return l;
}

static void
draw_record(struct rng *r, struct mem_arena *a, const struct rec_desc *d, void *rec, int64_t now_us)
{
	for (size_t i = 0; i < d->n_fields; i++) {
		const struct rec_field *f = &d->fields[i];
		void *at = rec_at_mut(rec, f);
		if (f->kind == REC_STR)
			*(const char **)at = draw_text(r, f);
		else if (f->kind == REC_BOOL)
			*(bool *)at = draw(r, 2) == 0;
		else if (f->kind == REC_I64 || f->kind == REC_U64)
			*(int64_t *)at = draw_number(r, f, now_us);
		else if (f->kind == REC_NI64)
			*(struct rec_ni64 *)at = (struct rec_ni64){(int64_t)draw(r, 9), draw(r, 2) == 0};
		else if (f->kind == REC_REC)
			draw_record(r, a, f->sub, at, now_us);
		else if (f->kind == REC_LIST)
			rec_list_set(rec, f, draw_list(r, a, f->sub, now_us));
		else
			fail_msg("%s.%s: a kind that is not drawn here", d->name, f->name);
	}
}

/* --- three nodes ----------------------------------------------------------------------------------------------- */
struct world {
	struct rng rng;
	struct rd_state *direct, *snapshotted, *stored;
	struct temp temp;
	struct db *db;
	unsigned applied[RD_OP_COUNT]; /* without an error, by direct */
	unsigned snapshots, restarts, rebuilds;
};

static void
open_db(struct world *w)
{
	struct db_conf conf = {.backend = "sqlite3", .path = w->temp.path};
	struct err e;

	must(db_open(&conf, DB_READ_WRITE, &w->db, &e));
}

static void
world_init(struct world *w, uint64_t seed)
{
	*w = (struct world){.rng = {seed * UINT64_C(0x9e3779b97f4a7c15) + 1}};
	w->direct = rd_state_new();
	w->snapshotted = rd_state_new();
	w->stored = rd_state_new();
	temp_init(&w->temp);
	open_db(w);
}

static void
world_done(struct world *w)
{
	rd_state_free(w->direct);
	rd_state_free(w->snapshotted);
	rd_state_free(w->stored);
	db_close(w->db);
	temp_done(&w->temp);
}

static void
assert_same(const struct rd_state *a, const struct rd_state *b)
{
	struct rd_cursor c = {0};
	const void *row;

	assert_int_equal(rd_state_index(a), rd_state_index(b));
	assert_int_equal(rd_state_term(a), rd_state_term(b));
	assert_int_equal(rd_state_time_us(a), rd_state_time_us(b));
	for (enum rd_table t = 0; t < RD_TABLE_COUNT; t++)
		assert_int_equal(rd_state_count(a, t), rd_state_count(b, t));
	while (rd_state_next(a, &c, &row)) {
		const void *other = rd_state_get(b, c.table, row);
		if (other == NULL || !rec_equal(rd_table_desc(c.table), row, other))
			fail_msg("a row of %s differs", rd_table_name(c.table));
	}
	assert_true(rd_state_hash(a) == rd_state_hash(b));
}

/* Slices and pieces of any size. */
static void
through_a_snapshot(struct world *w)
{
	struct rd_snapshot_dump *d = rd_snapshot_dump_new(w->snapshotted);
	struct rd_snapshot_load *l = rd_snapshot_load_new();
	struct codec_out out = {0};
	struct rd_state *fresh;
	struct err e;
	bool end;

	do {
		out.len = 0;
		end = rd_snapshot_dump_step(d, draw(&w->rng, 3000), &out);
		for (size_t at = 0, n; at < out.len; at += n) {
			n = min_size(out.len - at, 1 + draw(&w->rng, 700));
			must(rd_snapshot_load_feed(l, out.p + at, n, &e));
		}
	} while (!end);
	must(rd_snapshot_load_end(l, &fresh, &e));
	rd_snapshot_load_free(l);
	rd_snapshot_dump_free(d);
	codec_out_done(&out);
	rd_state_free(w->snapshotted);
	w->snapshotted = fresh;
	w->snapshots++;
}

static void
through_the_backend(struct world *w)
{
	struct rd_loaded *l;
	struct err e;

	db_close(w->db);
	open_db(w);
	must(rd_load(w->db, false, &l, &e));
	if (l->distrust != NULL)
		fail_msg("%s", l->distrust);
	assert_int_equal(l->skipped, 0);
	rd_state_free(w->stored);
	w->stored = l->state;
	l->state = NULL;
	rd_loaded_free(l);
	w->restarts++;
}

static void
rebuild(struct world *w)
{
	struct codec_out image = {0};
	struct err e;

	rd_snapshot_write(w->stored, &image);
	must(rd_rebuild(w->db, image.p, image.len, &e));
	codec_out_done(&image);
	w->rebuilds++;
}

/* --- one command on all ---------------------------------------------------------------------------------------- */
static int
apply_bytes(struct rd_state *s, const struct codec_out *bytes, struct rd_entry_at at, struct rd_applied *ret)
{
	struct mem_arena arena = {0};
	struct rd_command c;
	struct err e;
	int rc;

	must(rd_command_decode(bytes->p, bytes->len, &arena, &c, &e));
	rc = rd_apply(s, &c, at, ret, &e);
	mem_arena_done(&arena);
	return rc;
}

static void
store(struct world *w, struct rd_applied *a)
{
	struct rd_job job = {.kind = RD_JOB_DECISION, .at = rd_position_of(w->stored)}, *jobs[] = {&job};
	struct err e;

	rd_changes_move(&job.changes, &a->changes);
	must(rd_write_decisions(w->db, jobs, 1, DB_RELAXED, &e));
	rd_changes_done(&job.changes);
}

static void
apply_everywhere(struct world *w, enum rd_op op, const struct codec_out *bytes, struct rd_entry_at at)
{
	struct rd_state *states[] = {w->direct, w->snapshotted, w->stored};
	int rcs[ARRAY_LEN(states)];

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		struct rd_applied a;
		rcs[i] = apply_bytes(states[i], bytes, at, &a);
		if (states[i] == w->stored)
			store(w, &a);
		rd_applied_done(&a);
		assert_int_equal(rcs[i], rcs[0]);
	}
	w->applied[op] += rcs[0] == 0;
}

static void
one_command(struct world *w, uint64_t i, struct rd_entry_at at)
{
	int64_t time_us = START_US + (int64_t)(i * CLK_S / 3 + draw(&w->rng, 3 * CLK_S)); /* also back a little */
	struct mem_arena arena = {0};
	struct codec_out out = {0};
	enum rd_op op = (enum rd_op)draw(&w->rng, RD_OP_COUNT);
	void *payload = mem_arena_alloc(&arena, rd_op_desc(op)->size);
	struct rd_command c = {.op = op, .originator = "node1", .leader_time_us = time_us, .payload = payload};
	char uid[32];
	struct err e;

	draw_record(&w->rng, &arena, rd_op_desc(op), payload, time_us);
	(void)snprintf(uid, sizeof(uid), "uid-%llu",
		       (unsigned long long)(draw(&w->rng, 10) == 0 ? draw(&w->rng, i + 1) : i));
	c.uid = uid;
	must(rd_command_encode(&c, &out, &e));
	apply_everywhere(w, op, &out, at);
	codec_out_done(&out);
	mem_arena_done(&arena);
}

static void
one_barrier(struct world *w, struct rd_entry_at at)
{
	struct rd_applied nothing = {0};

	rd_apply_nothing(w->direct, at);
	rd_apply_nothing(w->snapshotted, at);
	rd_apply_nothing(w->stored, at);
	store(w, &nothing);
}

static void
run(struct world *w)
{
	struct rd_entry_at at = {0, 1};

	for (uint64_t i = 0; i < COMMANDS; i++) {
		at.index++;
		at.term += draw(&w->rng, 50) == 0;
		if (draw(&w->rng, 20) == 0)
			one_barrier(w, at);
		else
			one_command(w, i, at);
		if (draw(&w->rng, 100) == 0)
			through_a_snapshot(w);
		if (draw(&w->rng, 100) == 0)
			rebuild(w);
		if (draw(&w->rng, 100) == 0)
			through_the_backend(w);
		if (draw(&w->rng, 25) == 0) {
			assert_same(w->direct, w->snapshotted);
			assert_same(w->direct, w->stored);
		}
	}
	through_a_snapshot(w);
	through_the_backend(w);
	assert_same(w->direct, w->snapshotted);
	assert_same(w->snapshotted, w->stored);
}

static void
every_way_leads_to_the_same_rows(void **state UNUSED)
{
	const char *only = getenv("RD_SAME_SEED");
	unsigned applied[RD_OP_COUNT] = {0};

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world w;
		if (only != NULL)
			seed = strtoull(only, NULL, 10);
		print_message("seed %llu\n", (unsigned long long)seed);
		world_init(&w, seed);
		run(&w);
		assert_true(w.snapshots > 0 && w.restarts > 0 && w.rebuilds > 0);
		for (enum rd_op op = 0; op < RD_OP_COUNT; op++)
			applied[op] += w.applied[op];
		world_done(&w);
		if (only != NULL)
			return;
	}
	for (enum rd_op op = 0; op < RD_OP_COUNT; op++) {
		if (applied[op] == 0)
			fail_msg("%s was never applied", rd_op_name(op));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_way_leads_to_the_same_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
