/* topo/render.h — a cluster as text: ASCII tree, table, tree with tags. Pure.
 *
 * Used by the command line and the HTTP API alike; format: http-api.md section 4 and topology-ops.md section 13.
 * Columns are aligned by characters, not bytes. No server of the cluster is ever left out (historically all but one
 * root were): see topo_graph_walk. Control characters in texts from servers are shown as "?". Lines are joined by "\n",
 * no final one. */
#ifndef TOPO_RENDER_H
#define TOPO_RENDER_H

#include "topo/derive.h"

enum topo_render_mode {
	TOPO_RENDER_TREE,
	TOPO_RENDER_TABULATED,
	TOPO_RENDER_TAGS,
	TOPO_RENDER_BARE, /* keys only: restored from topology history */
};

/* Appends the tags of an instance as "tag1,tag2=val", nothing when it has none. */
typedef void topo_tags_fn(void *ctx, const struct topo_key *key, struct str_buf *b);

struct topo_render {
	enum topo_render_mode mode;
	struct topo_limits limits;
	topo_tags_fn *tags; /* TOPO_RENDER_TAGS only */
	void *tags_ctx;
};

/* insts: derived (topo_derive) instances of one cluster in any order. Appends. */
void topo_render(const struct topo_render *r, const struct topo_instance *const *insts, size_t n, struct str_buf *b);

#endif
