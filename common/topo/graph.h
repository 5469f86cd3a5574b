/* topo/graph.h — the shape of a cluster: who stands below whom, list orders, cluster attributes. Pure.
 *
 * A graph borrows the instances it is built from and is valid as long as they are. The parent of a server is its source
 * as it says itself (the primary for group secondaries), never what the source lists. Rings are legal input: each node
 * has at most one parent, nothing here recurses along parents. Reference: probing.md sections 8 and 16,
 * topology-ops.md 13. */
#ifndef TOPO_GRAPH_H
#define TOPO_GRAPH_H

#include "base/err.h"
#include "topo/topo.h"

#define TOPO_NO_NODE SIZE_MAX
#define TOPO_DEPTH_MAX 255 /* the column's type */

struct topo_node {
	const struct topo_instance *inst;
	size_t parent;			  /* index, TOPO_NO_NODE when it is unknown, not here, or the server itself */
	size_t first_child, next_sibling; /* siblings in key order */
};

struct topo_graph {
	struct topo_node *nodes; /* in key order; of doubles (same key) the first given is kept */
	size_t n;
};

void topo_graph_init(struct topo_graph *g, const struct topo_instance *const *insts, size_t n);
void topo_graph_done(struct topo_graph *g);
size_t topo_graph_find(const struct topo_graph *g, const struct topo_key *key); /* TOPO_NO_NODE */
/* The other one when each is the other's parent, else TOPO_NO_NODE. */
size_t topo_graph_co_source(const struct topo_graph *g, size_t node);
/* The nodes in drawing order (parents before their children), with their depth: servers without a parent first, the
 * last of them in key order leading, as historically, at depth 0 with their subtrees; then rings: co-source pairs, each
 * at depth 1 with its subtree; then what is left of longer rings, the smallest key at depth 1. Each node exactly once.
 * Fills n of each. */
struct topo_place {
	size_t node;
	unsigned depth;
};
void topo_graph_walk(const struct topo_graph *g, struct topo_place *ret_places);

/* The key of the parent as the server names it. Borrowed. */
const struct topo_key *topo_parent_key(const struct topo_instance *i);

/* --- orders; each function compares, and sorts an array of pointers -------------------------------------------- */
int topo_cmp_key(const struct topo_instance *a, const struct topo_instance *b); /* host, port */
/* depth, replica count descending, cluster, host, port: all-instances, search */
int topo_cmp_listing(const struct topo_instance *a, const struct topo_instance *b);
void topo_sort_key(const struct topo_instance **insts, size_t n);
void topo_sort_listing(const struct topo_instance **insts, size_t n);

/* --- cluster attributes of one server from stored rows (probing.md section 8) ---------------------------------- */
#define TOPO_ANCESTRY_MAX 16384 /* as instance.def */

struct topo_cluster {
	char *name;	/* owned */
	char *ancestry; /* owned */
	char *alias;	/* owned; inherited suggestion, "" when none */
	uint64_t depth;
	bool is_co_source;
};

/* The stored row of a key, NULL when there is none. */
typedef const struct topo_instance *topo_lookup_fn(void *ctx, const struct topo_key *key);

/* i: key, source_key, source_uuid, server_uuid, group_* filled. Name, depth, alias and ancestry come from the parent's
 * row alone (applied again and again they converge); rows further up are looked at only to recognise a ring, at most
 * TOPO_DEPTH_MAX of them. Of a ring of three or more the smallest key is the root (historically depth and ancestry grew
 * without end there). */
void topo_cluster_of(const struct topo_instance *i, topo_lookup_fn *lookup, void *ctx, struct topo_cluster *ret);
void topo_cluster_done(struct topo_cluster *c);
/* Whether i's ancestry names x (and i is not x): i is a descendant of x. */
bool topo_is_descendant(const struct topo_instance *i, const struct topo_instance *x);

#endif
