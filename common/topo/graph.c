/* graph.c — the shape of a cluster: parents, children, rings, drawing order, list orders. Pure; called by renderers,
 * the model and views. Borrows the instances. */
#include "topo/graph.h"

#include <stdlib.h>
#include <string.h>

#include "topo/derive.h"
#include "topo/key.h"

const struct topo_key *
topo_parent_key(const struct topo_instance *i)
{
	return topo_is_group_secondary(i) ? &i->group_primary_key : &i->source_key;
}

/* --- orders ---------------------------------------------------------------------------------------------------- */
int
topo_cmp_key(const struct topo_instance *a, const struct topo_instance *b)
{
	return topo_key_cmp(&a->key, &b->key);
}

int
topo_cmp_listing(const struct topo_instance *a, const struct topo_instance *b)
{
	int by_cluster;

	if (a->replication_depth != b->replication_depth)
		return a->replication_depth < b->replication_depth ? -1 : 1;
	if (a->replicas.n != b->replicas.n)
		return a->replicas.n > b->replicas.n ? -1 : 1;
	by_cluster = strcmp(a->cluster_name, b->cluster_name);
	return by_cluster != 0 ? by_cluster : topo_cmp_key(a, b);
}

static int
cmp_key_at(const void *a, const void *b)
{
	return topo_cmp_key(*(const struct topo_instance *const *)a, *(const struct topo_instance *const *)b);
}

static int
cmp_listing_at(const void *a, const void *b)
{
	return topo_cmp_listing(*(const struct topo_instance *const *)a, *(const struct topo_instance *const *)b);
}

void
topo_sort_key(const struct topo_instance **insts, size_t n)
{
	if (n > 1)
		qsort(insts, n, sizeof(*insts), cmp_key_at);
}

void
topo_sort_listing(const struct topo_instance **insts, size_t n)
{
	if (n > 1)
		qsort(insts, n, sizeof(*insts), cmp_listing_at);
}

/* --- building -------------------------------------------------------------------------------------------------- */
static int
cmp_nodes(const void *a, const void *b)
{
	const struct topo_node *x = a, *y = b;
	int by_key = topo_cmp_key(x->inst, y->inst);

	/* parent still holds the place in the input: of doubles the first given comes first */
	return by_key != 0 ? by_key : (x->parent > y->parent) - (x->parent < y->parent);
}

static void
sort_nodes(struct topo_graph *g)
{
	size_t kept = 0;

	if (g->n > 1)
		qsort(g->nodes, g->n, sizeof(*g->nodes), cmp_nodes);
	for (size_t i = 0; i < g->n; i++)
		if (kept == 0 || topo_cmp_key(g->nodes[kept - 1].inst, g->nodes[i].inst) != 0)
			g->nodes[kept++] = g->nodes[i];
	g->n = kept;
}

static void
link_nodes(struct topo_graph *g)
{
	for (size_t i = 0; i < g->n; i++)
		g->nodes[i].first_child = g->nodes[i].next_sibling = TOPO_NO_NODE;
	for (size_t i = g->n; i-- > 0;) { /* backwards: each child list comes out ascending */
		struct topo_node *node = &g->nodes[i];
		size_t parent = topo_graph_find(g, topo_parent_key(node->inst));
		node->parent = parent == i ? TOPO_NO_NODE : parent;
		if (node->parent == TOPO_NO_NODE)
			continue;
		node->next_sibling = g->nodes[parent].first_child;
		g->nodes[parent].first_child = i;
	}
}

void
topo_graph_init(struct topo_graph *g, const struct topo_instance *const *insts, size_t n)
{
	*g = (struct topo_graph){.nodes = mem_calloc(n, sizeof(*g->nodes)), .n = n};
	for (size_t i = 0; i < n; i++)
		g->nodes[i] = (struct topo_node){.inst = insts[i], .parent = i};
	sort_nodes(g);
	link_nodes(g);
}

void
topo_graph_done(struct topo_graph *g)
{
	free(g->nodes);
	*g = (struct topo_graph){0};
}

size_t
topo_graph_find(const struct topo_graph *g, const struct topo_key *key)
{
	size_t low = 0, high = g->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = topo_key_cmp(key, &g->nodes[middle].inst->key);
		if (order == 0)
			return middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return TOPO_NO_NODE;
}

size_t
topo_graph_co_source(const struct topo_graph *g, size_t node)
{
	size_t other = g->nodes[node].parent;

	return other != TOPO_NO_NODE && g->nodes[other].parent == node ? other : TOPO_NO_NODE;
}

/* --- drawing order --------------------------------------------------------------------------------------------- */
struct walk {
	const struct topo_graph *g;
	struct topo_place *places;
	size_t n;
	bool *placed;
};

static void
place(struct walk *w, size_t node, unsigned depth)
{
	ASSERT(!w->placed[node]);
	w->placed[node] = true;
	w->places[w->n++] = (struct topo_place){node, depth};
}

/* The first of a sibling list that stands below its parent: not the link that closes a ring. */
static size_t
first_open(const struct walk *w, size_t node)
{
	while (node != TOPO_NO_NODE && (w->placed[node] || topo_graph_co_source(w->g, node) != TOPO_NO_NODE))
		node = w->g->nodes[node].next_sibling;
	return node;
}

/* Climbs from node to the next one in preorder; TOPO_NO_NODE at the end of top's subtree. */
static size_t
climb(const struct walk *w, size_t top, size_t node, unsigned *depth)
{
	while (node != top) {
		size_t next = first_open(w, w->g->nodes[node].next_sibling);
		if (next != TOPO_NO_NODE)
			return next;
		node = w->g->nodes[node].parent;
		(*depth)--;
	}
	return TOPO_NO_NODE;
}

static void
walk_subtree(struct walk *w, size_t top, unsigned depth)
{
	size_t node = top;

	while (node != TOPO_NO_NODE) {
		size_t child;
		place(w, node, depth);
		child = first_open(w, w->g->nodes[node].first_child);
		if (child != TOPO_NO_NODE)
			depth++;
		node = child != TOPO_NO_NODE ? child : climb(w, top, node, &depth);
	}
}

static void
walk_roots(struct walk *w)
{
	const struct topo_graph *g = w->g;
	size_t lead = g->n;

	while (lead > 0 && g->nodes[lead - 1].parent != TOPO_NO_NODE)
		lead--;
	if (lead == 0)
		return;
	walk_subtree(w, lead - 1, 0);
	for (size_t i = 0; i < lead - 1; i++)
		if (g->nodes[i].parent == TOPO_NO_NODE)
			walk_subtree(w, i, 0);
}

void
topo_graph_walk(const struct topo_graph *g, struct topo_place *ret_places)
{
	struct walk w = {g, ret_places, 0, mem_calloc(g->n, sizeof(bool))};

	walk_roots(&w);
	for (size_t i = 0; i < g->n; i++)
		if (topo_graph_co_source(g, i) != TOPO_NO_NODE)
			walk_subtree(&w, i, 1);
	for (size_t i = 0; i < g->n; i++)
		if (!w.placed[i])
			walk_subtree(&w, i, 1);
	ASSERT(w.n == g->n);
	free(w.placed);
}
