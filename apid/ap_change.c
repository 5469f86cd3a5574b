/* ap_change.c — see ap_change.h. Called by the handlers of changes. */
#include "ap_change.h"

#include "ap_lookup.h"

struct change_state {
	struct ap_change c; /* first: handlers see only this */
	void (*ask)(struct ap_request *rq, struct ap_change *c);
};

int64_t
ap_probe_timeout_ms(const struct conf *conf)
{
	return (conf->MySQLConnectTimeoutSeconds + conf->MySQLDiscoveryReadTimeoutSeconds) * 1000 + 5000;
}

struct ap_change *
ap_change_of(struct ap_request *rq)
{
	if (rq->state == NULL)
		rq->state = mem_arena_alloc(&rq->arena, sizeof(struct change_state));
	return rq->state;
}

static int
find_key(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	return ap_route_key(rq, r, &ap_change_of(rq)->key, e);
}

static void
on_key(struct ap_request *rq, const struct err *e)
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
	if (resolve)
		ap_read_then(rq, find_key, on_key);
	else if (ap_raw_key(rq, &c->key, &e) != 0)
		ap_reply_err(rq, &e);
	else
		ask(rq, c);
}

bool
ap_change_failed(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (reply != NULL && reply->code == 0)
		return false;
	ap_reply_error(rq, "%s", reply != NULL ? reply->message : e->msg);
	return true;
}
