/* rd_ask.c — operators' discover and refresh requests: probe, list, write, answer (http-api.md section 3). Owns the
 * requests until their answer. The answer waits until the server's row is in the backend, so that a read that follows
 * it sees the server. */
#include <stdlib.h>

#include "base/log.h"
#include "rd_merge.h"
#include "rd_node_private.h"
#include "topo/key.h"

#define ASKS_MAX 1024
#define ASK_EXTRA_US (3 * CLK_S) /* beyond the probe's own time-outs: queue, backend */

struct rd_ask {
	TAILQ_ENTRY(rd_ask) next;
	struct rd_node *node;
	struct rd_req req;
	enum ipc_discover_mode mode;
	struct topo_key key; /* owning; as asked, later under which it is filed */
	bool probed;	     /* waits for its row now */
	bool pending;	     /* a callback of ours is due: it frees this one */
	bool ended;
	struct mono deadline;
};

/* --- ending ---------------------------------------------------------------------------------------------------- */
/* Frees one that was answered and whose callback is not due any more. */
static void
release(struct rd_ask *a)
{
	if (!a->ended || a->pending)
		return;
	TAILQ_REMOVE(&a->node->asks, a, next);
	topo_key_done(&a->key);
	free(a);
}

static void
finish(struct rd_ask *a)
{
	ASSERT(!a->ended);
	a->node->n_asks--;
	a->ended = true;
	release(a);
}

static void
finish_error(struct rd_ask *a, const struct err *e)
{
	rd_reply_error(a->node, a->req, e);
	finish(a);
}

static const char *
promotion_rule(const struct rd_node *n, const struct topo_key *key)
{
	struct db_candidate k = {.hostname = key->hostname, .port = key->port};
	const struct db_candidate *row = rd_state_get(rd_decisions(n), RD_TABLE_candidate, &k);

	return row == NULL ? "neutral" : row->promotion_rule;
}

static void
finish_ok(struct rd_ask *a, const struct rd_server *s)
{
	struct rd_node *n = a->node;
	struct topo_key_list keys = {&a->key, 1};
	struct topo_instance live;

	if (s != NULL)
		rd_live_read(&s->inst, promotion_rule(n, &a->key), &live);
	rd_reply_ok(n, a->req, rd_state_index(rd_decisions(n)), &keys, s == NULL ? NULL : &live);
	finish(a);
}

/* --- waiting for the row --------------------------------------------------------------------------------------- */
static bool
is_written(const struct rd_node *n, const struct rd_server *s)
{
	return s->listed && s->dirty == RD_CLEAN && s->batch <= n->flush.written;
}

static void
check(struct rd_ask *a)
{
	const struct rd_server *s = rd_model_find(&a->node->model, &a->key);
	struct err e;

	if (s == NULL) {
		(void)err_set(&e, ERR_NOT_FOUND, "%s was forgotten meanwhile", TOPO_KEY_TEXT(&a->key));
		finish_error(a, &e);
	} else if (is_written(a->node, s)) {
		finish_ok(a, s);
	}
}

void
rd_ask_written(struct rd_node *n, const struct err *e)
{
	struct rd_ask *a, *next;

	for (a = TAILQ_FIRST(&n->asks); a != NULL; a = next) {
		next = TAILQ_NEXT(a, next);
		if (a->ended || !a->probed)
			continue;
		if (e == NULL)
			check(a);
		else
			finish_error(a, e);
	}
}

void
rd_ask_not_listed(struct rd_node *n, const struct err *e)
{
	struct rd_ask *a, *next;

	for (a = TAILQ_FIRST(&n->asks); a != NULL; a = next) {
		const struct rd_server *s = rd_model_find(&n->model, &a->key);
		next = TAILQ_NEXT(a, next);
		if (!a->ended && a->probed && (s == NULL || !s->listed))
			finish_error(a, e);
	}
}

/* --- probing --------------------------------------------------------------------------------------------------- */
static void
on_probed(void *ctx, const struct topo_key *asked UNUSED, const void *result, const struct err *e)
{
	const struct rd_probed *r = result;
	struct rd_ask *a = ctx;

	a->pending = false;
	if (a->ended) {
		release(a);
	} else if (r == NULL || (r->server == NULL && !r->skipped)) {
		finish_error(a, r == NULL ? e : r->e);
	} else if (r->skipped) {
		finish_ok(a, NULL);
	} else {
		topo_key_set(&a->key, r->server->inst.key.hostname, r->server->inst.key.port);
		a->probed = true;
		if (a->mode != IPC_DISCOVER_REFRESH)
			rd_discover_neighbours(a->node, &r->server->inst);
		rd_flush_now(a->node);
		check(a);
	}
}

static void
probe(struct rd_ask *a)
{
	struct rd_node *n = a->node;
	struct err e;

	if (conf_filter_matches(n->rules->never_probe, a->key.hostname, a->key.port)) {
		finish_ok(a, NULL);
		return;
	}
	rd_forgotten_lift(&n->candidates, &a->key);
	if (rd_probers_probe(n->probers, &a->key, IPC_LANE_URGENT, rd_mono(n), n->rules->probe_deadline_us + CLK_S,
			     on_probed, a, &e) != 0)
		finish_error(a, &e);
	else
		a->pending = true;
}

static void
on_resolved(void *ctx, const char *host, const struct ipc_resolved *m)
{
	struct rd_ask *a = ctx;
	struct rd_node *n = a->node;
	struct rd_changes rows = {0};
	const char *name;

	a->pending = false;
	rd_resolve_answered(n->names, n->rules, host, m->resolved, rd_now_us(n), &rows);
	if (a->ended) {
		release(a);
	} else {
		(void)rd_resolve_name(n->names, n->rules, host, rd_now_us(n), &name, &rows);
		topo_key_set(&a->key, name, a->key.port);
		probe(a);
	}
	rd_flush_rows(n, &rows);
}

/* The name as given is looked up first when that is configured. */
static void
resolve_and_probe(struct rd_ask *a)
{
	const char *method = a->node->rules->resolve == RD_RESOLVE_CNAME ? "cname" : "ip";
	struct rd_node *n = a->node;
	struct rd_changes rows = {0};
	enum rd_name_state state;
	const char *name;
	struct err e;

	state = rd_resolve_name(n->names, n->rules, a->key.hostname, rd_now_us(n), &name, &rows);
	if (state != RD_NAME_ASK) {
		struct topo_key key = {name, a->key.port};
		if (!topo_key_equal(&key, &a->key))
			topo_key_set(&a->key, name, a->key.port);
		probe(a);
	} else if (rd_probers_resolve(n->probers, a->key.hostname, method, rd_mono(n), n->rules->probe_deadline_us,
				      on_resolved, a, &e) != 0) {
		finish_error(a, &e);
	} else {
		a->pending = true;
	}
	rd_flush_rows(n, &rows);
}

/* --- requests -------------------------------------------------------------------------------------------------- */
static int
check_request(struct rd_node *n, const struct ipc_discover *m, struct err *e)
{
	if (!topo_key_valid(&m->key) || !rd_host_is_plausible(m->key.hostname))
		return err_set(e, ERR_INVALID, "not a valid server: %s", TOPO_KEY_TEXT(&m->key));
	if (m->mode > IPC_DISCOVER_ASYNC)
		return err_set(e, ERR_INVALID, "unknown mode of discovery");
	if (n->n_asks < ASKS_MAX)
		return 0;
	n->metrics.requests_refused++;
	return err_set(e, ERR_LIMIT, "%d discoveries are under way already, try again later", ASKS_MAX);
}

void
rd_ask_discover(struct rd_node *n, struct rd_req req, const struct ipc_discover *m)
{
	struct rd_ask *a;
	struct err e;

	if (check_request(n, m, &e) != 0) {
		rd_reply_error(n, req, &e);
		return;
	}
	a = mem_new(struct rd_ask);
	a->node = n;
	a->req = req;
	a->mode = (enum ipc_discover_mode)m->mode;
	rec_dup(&topo_key_desc, &a->key, &m->key);
	a->deadline = mono_add_us(rd_mono(n), n->rules->probe_deadline_us + ASK_EXTRA_US);
	TAILQ_INSERT_TAIL(&n->asks, a, next);
	n->n_asks++;
	if (a->mode == IPC_DISCOVER_ASYNC) {
		rd_reply_ok(n, req, 0, NULL, NULL);
		a->req.id = 0;
	}
	resolve_and_probe(a);
}

void
rd_ask_tick(struct rd_node *n)
{
	struct rd_ask *a, *next;
	struct err e;

	for (a = TAILQ_FIRST(&n->asks); a != NULL; a = next) {
		next = TAILQ_NEXT(a, next);
		if (a->ended || mono_before(rd_mono(n), a->deadline))
			continue;
		(void)err_set(&e, ERR_TIMEOUT, "%s %s", TOPO_KEY_TEXT(&a->key),
			      a->probed ? "was probed, but its row is not in the backend yet"
					: "was not probed in time");
		finish_error(a, &e);
	}
}

void
rd_ask_done(struct rd_node *n)
{
	struct rd_ask *a;

	while ((a = TAILQ_FIRST(&n->asks)) != NULL) {
		TAILQ_REMOVE(&n->asks, a, next);
		topo_key_done(&a->key);
		free(a);
	}
}
