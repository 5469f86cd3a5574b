/* api_topology.c — the text drawings of a cluster: topology, topology-tabulated, topology-tags; as it is, or (query
 * history, ours: a pattern of times) as it was recorded, without descriptions. */
#include "ap_instances.h"
#include "ap_lookup.h"
#include "ap_recorded.h"
#include "topo/key.h"
#include "topo/render.h"

struct drawing {
	struct db *db;
	struct ap_instance_list list;
};

static int
add_tag(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_tag *tag = row;
	struct str_buf *b = ctx;

	if (b->len > 0)
		str_buf_add_char(b, ',');
	str_buf_add(b, tag->tag_name);
	if (tag->tag_value[0] != '\0')
		str_buf_printf(b, "=%s", tag->tag_value);
	return 0;
}

static void
tags_of(void *ctx, const struct topo_key *key, struct str_buf *b)
{
	struct drawing *d = ctx;
	struct str_buf tags = {0};
	struct err e;

	if (db_read_tags(d->db, key, add_tag, &tags, &e) == 0)
		str_buf_add(b, str_buf_text(&tags));
	str_buf_done(&tags);
}

static void
write_drawing(struct ap_request *rq, const char *cluster, const char *text)
{
	struct ap_json j;

	ap_envelope_begin(rq, &j, true, "Topology for cluster %s", cluster);
	ap_json_text(&j, text);
	ap_envelope_end(&j);
}

/* A cluster of the past may be known no more: then by its name. */
static int
collect_recorded(struct ap_request *rq, struct ap_reader *r, struct drawing *d, const char **ret_cluster, struct err *e)
{
	int rc = ap_route_cluster(rq, r, ret_cluster, e);

	if (rc == -ERR_NOT_FOUND && ap_has_param(rq, "clusterHint")) {
		*ret_cluster = ap_param(rq, "clusterHint");
		rc = 0;
	}
	return rc == 0 ? ap_read_recorded(r, *ret_cluster, ap_query(rq, "history"), &d->list, e) : rc;
}

static int
collect(struct ap_request *rq, struct ap_reader *r, struct drawing *d, const char **ret_cluster, struct err *e)
{
	struct db_instance_filter filter = {0};
	int rc = ap_route_cluster(rq, r, &filter.cluster, e);

	*ret_cluster = filter.cluster;
	return rc == 0 ? ap_collect_instances(r, &filter, DB_ORDER_KEY, &d->list, e) : rc;
}

static int
draw(struct ap_request *rq, struct ap_reader *r, enum topo_render_mode mode, struct err *e)
{
	bool recorded = ap_query(rq, "history")[0] != '\0';
	struct drawing d = {.db = r->db};
	struct topo_render render = {
	    .mode = recorded ? TOPO_RENDER_BARE : mode, .limits = r->rules->limits, .tags = tags_of, .tags_ctx = &d};
	const char *cluster = "";
	struct str_buf text = {0};
	int rc = recorded ? collect_recorded(rq, r, &d, &cluster, e) : collect(rq, r, &d, &cluster, e);

	if (rc == 0) {
		topo_render(&render, d.list.v, d.list.n, &text);
		write_drawing(rq, cluster, str_buf_text(&text));
	}
	str_buf_done(&text);
	ap_instance_list_done(&d.list);
	return rc;
}

int
api_topology(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	return draw(rq, r, TOPO_RENDER_TREE, e);
}

int
api_topology_tabulated(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	return draw(rq, r, TOPO_RENDER_TABULATED, e);
}

int
api_topology_tags(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	return draw(rq, r, TOPO_RENDER_TAGS, e);
}
