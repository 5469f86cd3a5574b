/* rd_waiter.c — requests of apid whose answer waits for a decision. Owned by the node, so that none outlives it. */
#include <stdlib.h>

#include "rd_node_private.h"

struct rd_waiter *
rd_waiter_new(struct rd_node *n, struct rd_req req, const char *text)
{
	struct rd_waiter *w = mem_new(struct rd_waiter);

	w->node = n;
	w->req = req;
	w->text = text == NULL ? NULL : mem_strdup(text);
	TAILQ_INSERT_TAIL(&n->waiters, w, next);
	return w;
}

void
rd_waiter_free(struct rd_waiter *w)
{
	TAILQ_REMOVE(&w->node->waiters, w, next);
	free(w->text);
	free(w);
}

void
rd_waiters_done(struct rd_node *n)
{
	while (!TAILQ_EMPTY(&n->waiters))
		rd_waiter_free(TAILQ_FIRST(&n->waiters));
}
