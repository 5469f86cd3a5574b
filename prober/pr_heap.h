/* pr_heap.h — a binary heap of things that fall due; nodes live inside their owners. Pure. */
#ifndef PR_HEAP_H
#define PR_HEAP_H

#include "base/clock.h"

struct pr_heap_node {
	struct mono due;
	size_t pos; /* 1-based place in the heap; 0 = in none */
};
/* Zero-initialise. */
struct pr_heap {
	struct pr_heap_node **v;
	size_t n, cap;
};

void pr_heap_done(struct pr_heap *h);						 /* the nodes are their owners' */
void pr_heap_put(struct pr_heap *h, struct pr_heap_node *node, struct mono due); /* must be in no heap */
void pr_heap_take(struct pr_heap *h, struct pr_heap_node *node);		 /* nothing happens if it is in none */
/* The one that falls due first; NULL when empty. Borrowed. */
struct pr_heap_node *pr_heap_first(const struct pr_heap *h);

#endif
