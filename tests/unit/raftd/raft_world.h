/* raft_world.h — a node with a log that the test plays and the real view writer's thread on a real SQLite file, for the
 * tests of rd_propose_raft.c and rd_propose_view.c. */
#ifndef RAFT_WORLD_H
#define RAFT_WORLD_H

#include "rd_propose_raft.h"
#include "rd_snapshot.h"
#include "topo/key.h"
#include "view_world.h"

#define DEADLINE_US (20 * CLK_S)
#define LOG_MAX 8192
#define ET_US (500 * CLK_MS)
struct node {
	struct temp temp;
	struct event_base *base;
	struct rd_view *view;
	struct rd_proposer *p;
	struct rd_loaded *loaded; /* of the last opening */
	/* the log, as this leader has it */
	struct codec_out log[LOG_MAX];
	uint64_t last, committed, term;
	bool leader;
	bool work_wanted;
	unsigned resumed;
	struct heard heard;
};

struct answer {
	bool given;
	enum rd_outcome outcome;
	uint64_t index;
	int64_t id;
	size_t n_keys;
	int code;
};

/* --- a node ---------------------------------------------------------------------------------------------------- */
static UNUSED int
submit(void *ctx, const void *bytes, size_t n, struct rd_entry_at *ret_at, struct err *e)
{
	struct node *x = ctx;

	if (!x->leader)
		return err_set(e, ERR_NOT_LEADER, "not leader");
	assert_true(x->last + 1 < LOG_MAX);
	x->last++;
	codec_out_done(&x->log[x->last]);
	x->log[x->last] = (struct codec_out){mem_dup(bytes, n), n, n};
	*ret_at = (struct rd_entry_at){x->last, x->term};
	return 0;
}

static UNUSED void
want_work(void *ctx)
{
	((struct node *)ctx)->work_wanted = true;
}

static UNUSED void
on_resumed(void *ctx)
{
	((struct node *)ctx)->resumed++;
}

static UNUSED void
on_open(void *ctx, const struct db_open_info *info UNUSED, struct rd_loaded *loaded)
{
	struct node *n = ctx;

	n->loaded = loaded;
	(void)event_base_loopbreak(n->base);
}

static UNUSED void
on_open_failed(void *ctx UNUSED, const struct err *e, bool fatal UNUSED)
{
	fail_msg("%s", e->msg);
}

static UNUSED void
open_view(struct node *n)
{
	struct rd_view_conf conf = view_conf(n->base, &n->temp);
	struct err e;

	conf.log_is_truth = true;
	conf.ctx = n;
	conf.on_open = on_open;
	conf.on_open_failed = on_open_failed;
	must(rd_view_start(&conf, &n->view, &e));
	assert_int_equal(event_base_dispatch(n->base), 0);
}

static UNUSED void
start(struct node *n, bool view_fits)
{
	struct rd_proposer_conf conf = proposer_conf(n->view, &n->heard);
	struct rd_raft_door raft = {n, submit, want_work, on_resumed, ET_US};

	n->p = rd_proposer_new_raft(&conf, &raft, n->loaded->state, view_fits);
	n->loaded->state = NULL;
	rd_loaded_free(n->loaded);
	n->loaded = NULL;
}

static UNUSED struct node *
node_new(void)
{
	struct node *n = mem_new(struct node);

	fake_wall_now.us = INT64_C(1763800000) * CLK_S;
	fake_mono_now.us = 1000 * CLK_S;
	n->base = event_base_new();
	n->leader = true;
	n->term = 1;
	temp_init(&n->temp);
	open_view(n);
	start(n, true);
	return n;
}

static UNUSED void
stop(struct node *n)
{
	assert_true(rd_view_free(n->view, 20000));
	rd_proposer_free(n->p);
	rd_loaded_free(n->loaded);
	n->loaded = NULL;
	n->p = NULL;
}

static UNUSED void
node_free(struct node *n)
{
	stop(n);
	event_base_free(n->base);
	temp_done(&n->temp);
	for (size_t i = 0; i < LOG_MAX; i++)
		codec_out_done(&n->log[i]);
	free(n);
}

/* One turn of the loop. */
static UNUSED void
turn(struct node *n)
{
	if (n->work_wanted) {
		n->work_wanted = false;
		rd_proposer_work(n->p);
	}
	assert_true(event_base_loop(n->base, EVLOOP_NONBLOCK) >= 0);
}

#define WAIT_FOR(n, condition)                                                              \
	do {                                                                                \
		struct mono end_ = mono_add_us(clk_mono(clk_real()), DEADLINE_US);          \
		while (!(condition)) {                                                      \
			turn(n);                                                            \
			if (!mono_before(clk_mono(clk_real()), end_))                       \
				fail_msg("line %d: not in time: %s", __LINE__, #condition); \
		}                                                                           \
	} while (0)

static UNUSED void
pass(struct node *n, int64_t us)
{
	fake_mono_now.us += us;
	rd_proposer_tick(n->p);
	turn(n);
}

/* The majority has everything up to index. */
static UNUSED void
commit(struct node *n, uint64_t index)
{
	struct err e;

	for (uint64_t i = n->committed + 1; i <= index; i++)
		must(rd_proposer_entry(n->p, (struct rd_entry_at){i, n->term}, n->log[i].p, n->log[i].len, &e));
	n->committed = index;
}

/* Another leader's log: it has nothing of ours above the commit, and begins with a barrier. */
static UNUSED void
lose(struct node *n)
{
	n->leader = false;
	n->last = n->committed;
	n->term++;
	rd_proposer_lost_leadership(n->p);
}

static UNUSED void
barrier(struct node *n)
{
	n->last = ++n->committed;
	rd_proposer_barrier(n->p, (struct rd_entry_at){n->committed, n->term});
}

static UNUSED void
on_answer(void *ctx, const struct rd_proposed *p)
{
	struct answer *a = ctx;

	assert_false(a->given);
	*a = (struct answer){true, p->outcome, p->index, p->id, p->keys->n, p->e->code};
}

static UNUSED void
put_tag(struct node *n, const char *name, const char *uid, bool at_apply, struct answer *a)
{
	struct rd_cmd_put_tag c = {DB1, name, "x"};
	struct err e;

	*a = (struct answer){0};
	must((at_apply ? rd_propose_at_apply : rd_propose)(n->p, RD_OP_PUT_TAG, &c, uid, on_answer, a, &e));
	assert_false(a->given);
}

static UNUSED bool
has_tag(struct node *n, const char *name)
{
	return rd_state_get(rd_proposer_state(n->p), RD_TABLE_tag, &(struct db_tag){"db1", 3306, name, "", 0}) != NULL;
}

#endif
