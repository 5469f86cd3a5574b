/* pr_heap.c — see pr_heap.h. Pure; used by pr_sched.c. */
#include "pr_heap.h"

#include <stdlib.h>

#include "base/mem.h"

void
pr_heap_done(struct pr_heap *h)
{
	free(h->v);
	*h = (struct pr_heap){0};
}

static void
place(struct pr_heap *h, size_t i, struct pr_heap_node *node)
{
	h->v[i] = node;
	node->pos = i + 1;
}

static void
sift_up(struct pr_heap *h, size_t i, struct pr_heap_node *node)
{
	while (i > 0 && mono_before(node->due, h->v[(i - 1) / 2]->due)) {
		place(h, i, h->v[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(h, i, node);
}

static void
sift_down(struct pr_heap *h, size_t i, struct pr_heap_node *node)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= h->n)
			break;
		if (child + 1 < h->n && mono_before(h->v[child + 1]->due, h->v[child]->due))
			child++;
		if (!mono_before(h->v[child]->due, node->due))
			break;
		place(h, i, h->v[child]);
		i = child;
	}
	place(h, i, node);
}

void
pr_heap_put(struct pr_heap *h, struct pr_heap_node *node, struct mono due)
{
	ASSERT(node->pos == 0);
	mem_grow(h->v, h->cap, h->n + 1);
	node->due = due;
	h->n++;
	sift_up(h, h->n - 1, node);
}

void
pr_heap_take(struct pr_heap *h, struct pr_heap_node *node)
{
	size_t i = node->pos - 1;
	struct pr_heap_node *last;

	if (node->pos == 0)
		return;
	ASSERT(i < h->n && h->v[i] == node);
	node->pos = 0;
	last = h->v[--h->n];
	if (last == node)
		return;
	if (i > 0 && mono_before(last->due, h->v[(i - 1) / 2]->due))
		sift_up(h, i, last);
	else
		sift_down(h, i, last);
}

struct pr_heap_node *
pr_heap_first(const struct pr_heap *h)
{
	return h->n == 0 ? NULL : h->v[0];
}
