/* ap_change.c — see ap_change.h. Called by the handlers of changes. */
#include "ap_change.h"

#include "ap_lookup.h"
#include "ap_readers.h"

struct change_state {
	struct ap_change c; /* first: handlers see only this */
	void (*ask)(struct ap_request *rq, struct ap_change *c);
};

struct ap_change *
ap_change_of(struct ap_request *rq)
{
	if (rq->state == NULL)
		rq->state = mem_arena_alloc(&rq->arena, sizeof(struct change_state));
	return rq->state;
}

static int
resolve_key(struct ap_request *rq, struct db *db, struct wall now UNUSED, struct err *e)
{
	return ap_route_key(rq, db, &ap_change_of(rq)->key, e);
}

static void
after_resolve(struct ap_request *rq, const struct err *e)
{
	struct change_state *s = rq->state;

	if (e != NULL)
		ap_reply_err(rq, e);
	else
		s->ask(rq, &s->c);
}

void
ap_change_start(struct ap_request *rq, bool resolve, void (*ask)(struct ap_request *rq, struct ap_change *c))
{
	struct ap_change *c = ap_change_of(rq);
	struct err e;

	((struct change_state *)rq->state)->ask = ask;
	if (resolve) {
		ap_read_then(rq, resolve_key, after_resolve);
		return;
	}
	if (ap_raw_key(rq, ap_param(rq, "host"), ap_param(rq, "port"), &c->key, &e) != 0)
		ap_reply_err(rq, &e);
	else
		ask(rq, c);
}
