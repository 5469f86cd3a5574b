/* cluster.c — a server's cluster name, depth and ancestry from the stored row of its parent. Pure; called by the model
 * after each probe. Only the parent is believed, deeper levels converge over successive probes: so every rule here must
 * come to rest when it is applied again and again in any order, rings included. */
#include "topo/graph.h"

#include <stdlib.h>
#include <string.h>

#include "topo/derive.h"
#include "topo/key.h"

/* Whether a comma list names the text. */
static bool
list_has(const char *list, const char *item)
{
	size_t n = strlen(item);

	for (const char *p = list; n > 0 && *p != '\0'; p += strspn(p, ",")) {
		size_t len = strcspn(p, ",");
		if (len == n && strncmp(p, item, n) == 0)
			return true;
		p += len;
	}
	return false;
}

bool
topo_is_descendant(const struct topo_instance *i, const struct topo_instance *x)
{
	return !str_eq(i->server_uuid, x->server_uuid) && list_has(i->ancestry_uuid, x->server_uuid);
}

/* Of two co-sources one gives the cluster its name. A name that came from elsewhere is replaced by the smaller key,
 * which both sides compute alike. */
static const char *
co_source_name(const struct topo_instance *i, const char *inherited, const char *own, const char *others)
{
	if (str_eq(inherited, own) || str_eq(inherited, others))
		return inherited;
	return topo_key_cmp(&i->key, &i->source_key) < 0 ? own : others;
}

/* Whether i stands in a ring with its parent; the smallest key in it is its root. */
static bool
find_ring(const struct topo_instance *i, const struct topo_instance *parent, topo_lookup_fn *lookup, void *ctx,
	  struct topo_key_text *ret_root)
{
	const struct topo_key *least = &i->key;
	const struct topo_instance *at = parent;

	for (int steps = 0; at != NULL && steps < TOPO_DEPTH_MAX; steps++) {
		const struct topo_key *up = topo_parent_key(at);
		least = topo_key_cmp(&at->key, least) < 0 ? &at->key : least;
		if (topo_key_equal(up, &i->key)) {
			*ret_root = topo_key_text(least);
			return true;
		}
		at = topo_key_valid(up) ? lookup(ctx, up) : NULL;
	}
	return false;
}

static void
add_uuid(struct str_buf *b, const char *text)
{
	if (str_empty(text))
		return;
	if (b->len > 0)
		str_buf_add_char(b, ',');
	str_buf_add(b, text);
}

/* A MariaDB replica says "No" for the uuid of its source: that is nobody's. */
static const char *
uuid_of_source(const struct topo_instance *i)
{
	return str_eq(i->source_uuid, "No") ? "" : i->source_uuid;
}

/* One that would not fit its column starts anew: only garbage makes it so long. */
static char *
ancestry_of(const struct topo_instance *i, const char *seed, bool is_co_source)
{
	struct str_buf b = {0};

	add_uuid(&b, is_co_source ? uuid_of_source(i) : seed);
	add_uuid(&b, i->server_uuid);
	add_uuid(&b, i->group_name);
	if (b.len > TOPO_ANCESTRY_MAX && seed[0] != '\0') {
		str_buf_done(&b);
		return ancestry_of(i, "", is_co_source);
	}
	return str_buf_take(&b);
}

static const struct topo_instance *
parent_of(const struct topo_instance *i, topo_lookup_fn *lookup, void *ctx)
{
	const struct topo_key *key = topo_parent_key(i);

	return topo_key_valid(key) && !topo_key_equal(key, &i->key) ? lookup(ctx, key) : NULL;
}

void
topo_cluster_of(const struct topo_instance *i, topo_lookup_fn *lookup, void *ctx, struct topo_cluster *ret)
{
	struct topo_key_text own = topo_key_text(&i->key), others = topo_key_text(&i->source_key), root;
	const struct topo_instance *parent = parent_of(i, lookup, ctx);
	const char *name = own.text, *seed = "";
	bool in_ring = false;

	*ret = (struct topo_cluster){0};
	if (parent != NULL) {
		name = str_empty(parent->cluster_name) ? own.text : parent->cluster_name;
		seed = parent->ancestry_uuid;
		ret->depth =
		    parent->replication_depth < TOPO_DEPTH_MAX ? parent->replication_depth + 1 : TOPO_DEPTH_MAX;
		ret->is_co_source = topo_key_equal(&parent->source_key, &i->key);
		in_ring = find_ring(i, parent, lookup, ctx, &root);
	}
	if (ret->is_co_source)
		name = co_source_name(i, name, own.text, others.text);
	else if (in_ring)
		name = root.text;
	if ((ret->is_co_source || in_ring) && str_eq(name, own.text)) {
		ret->depth = 0;
		seed = "";
	}
	ret->name = mem_strdup(name);
	ret->ancestry = ancestry_of(i, seed, ret->is_co_source);
	ret->alias = mem_strdup(parent == NULL ? "" : parent->suggested_cluster_alias);
}

void
topo_cluster_done(struct topo_cluster *c)
{
	free(c->name);
	free(c->ancestry);
	free(c->alias);
	*c = (struct topo_cluster){0};
}
