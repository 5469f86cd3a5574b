/* api_topology.c — the text drawings of a cluster: topology, topology-tabulated, topology-tags. */
#include "ap_instances.h"
#include "ap_lookup.h"
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

static int
draw(struct ap_request *rq, struct ap_reader *r, enum topo_render_mode mode, struct err *e)
{
	struct drawing d = {.db = r->db};
	struct topo_render render = {.mode = mode, .limits = r->rules->limits, .tags = tags_of, .tags_ctx = &d};
	struct db_instance_filter filter = {0};
	struct str_buf text = {0};
	int rc = ap_route_cluster(rq, r, &filter.cluster, e);

	if (rc == 0)
		rc = ap_collect_instances(r, &filter, DB_ORDER_KEY, &d.list, e);
	if (rc == 0) {
		topo_render(&render, d.list.v, d.list.n, &text);
		write_drawing(rq, filter.cluster, str_buf_text(&text));
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
