/* pr_collect_peers.c — other servers that the probed one names: replicas, group members (probing.md section 7), and the
 * cutting of what is too long. Pure. */
#include "pr_collect_private.h"

#include <string.h>

#include "base/str.h"

static struct topo_peer *
peers_alloc(const struct pr_collect *in, size_t n)
{
	struct topo_peer *v = mem_arena_alloc(in->arena, n * sizeof(*v));

	for (size_t i = 0; i < n; i++)
		rec_init(&topo_peer_desc, &v[i]);
	return v;
}

/* SHOW REPLICAS. A row without host or port ends the listing as useless, except on MaxScale. */
static bool
from_listing(const struct pr_collect *in, struct topo_peer_list *ret)
{
	const struct pr_rows *r = &in->answers[PR_ASK_LISTING];
	bool maxscale = (in->caps & PR_CAP_MAXSCALE) != 0;

	*ret = (struct topo_peer_list){.v = peers_alloc(in, r->n_rows)};
	for (size_t i = 0; i < r->n_rows; i++) {
		struct topo_peer *p = &ret->v[ret->n];

		p->hostname = pr_rows_text(r, i, "Host");
		p->port = pr_rows_i64(r, i, "Port");
		p->user = pr_rows_text(r, i, "User");
		p->server_uuid = pr_rows_text(r, i, "Replica_UUID");
		if (p->server_uuid[0] == '\0')
			p->server_uuid = pr_rows_text(r, i, "Slave_UUID");
		if (p->hostname[0] != '\0' && p->port > 0)
			ret->n++;
		else if (!maxscale)
			return false;
	}
	return ret->n > 0;
}

/* "10.0.0.5:51234", "::1:51234", "[::1]:51234", "localhost": without the client's port and brackets. */
static const char *
host_of(const struct pr_collect *in, const char *host)
{
	const char *colon = strrchr(host, ':');
	size_t n = strlen(host);

	if (colon != NULL && colon[1] != '\0' && strspn(colon + 1, "0123456789") == strlen(colon + 1))
		n = (size_t)(colon - host);
	if (n >= 2 && host[0] == '[' && host[n - 1] == ']')
		return mem_arena_strndup(in->arena, host + 1, n - 2);
	return host[n] == '\0' ? host : mem_arena_strndup(in->arena, host, n);
}

static void
from_process_list(const struct pr_collect *in, struct topo_peer_list *ret)
{
	const struct pr_rows *r = &in->answers[PR_ASK_PROCESS_LIST];

	*ret = (struct topo_peer_list){.v = peers_alloc(in, r->n_rows)};
	for (size_t i = 0; i < r->n_rows; i++) {
		struct topo_peer *p = &ret->v[ret->n];

		p->hostname = host_of(in, pr_rows_text(r, i, "host"));
		p->user = pr_rows_text(r, i, "user");
		if (p->hostname[0] != '\0')
			ret->n++;
	}
}

/* ndbinfo.processes: mysql://HOST…, the same port. Appended to what else was found. */
static void
add_ndb(const struct pr_collect *in, struct topo_peer_list *list)
{
	const struct pr_rows *r = &in->answers[PR_ASK_NDB];
	struct topo_peer *v;

	if (!pr_rows_ok(r) || r->n_rows == 0)
		return;
	v = peers_alloc(in, list->n + r->n_rows);
	if (list->n > 0)
		memcpy(v, list->v, list->n * sizeof(*v));
	list->v = v;
	for (size_t i = 0; i < r->n_rows; i++) {
		const char *uri = pr_rows_text(r, i, "service_uri");
		if (strlen(uri) > 8)
			v[list->n++].hostname = host_of(in, uri + 8);
	}
}

void
pr_collect_replicas(const struct pr_collect *in, struct topo_probe *out)
{
	bool listed = pr_rows_ok(&in->answers[PR_ASK_LISTING]);

	if (listed && from_listing(in, &out->replicas)) {
		out->replicas_by_listing = true;
		out->replicas_known = true;
		return;
	}
	out->replicas = (struct topo_peer_list){0};
	out->replicas_known = (pr_rows_ok(&in->answers[PR_ASK_PROCESS_LIST]) && !in->process_denied) ||
			      (listed && (in->caps & PR_CAP_MAXSCALE) != 0);
	if (pr_rows_ok(&in->answers[PR_ASK_PROCESS_LIST]))
		from_process_list(in, &out->replicas);
	add_ndb(in, &out->replicas);
}

static void
put_own_membership(const struct pr_rows *r, size_t row, struct topo_instance *inst)
{
	inst->group_name = pr_rows_text(r, row, "group_name");
	inst->group_single_primary = pr_rows_bool(r, row, "single_primary");
	inst->group_member_role = pr_rows_text(r, row, "member_role");
	inst->group_member_state = pr_rows_text(r, row, "member_state");
}

bool
pr_collect_group(const struct pr_collect *in, struct topo_probe *out)
{
	const struct pr_rows *r = &in->answers[PR_ASK_GROUP_MEMBERS];

	if (r->err_no == 1193 || r->err_no == 1146)
		return true; /* the server knows nothing of groups */
	if (r->err_no != 0) {
		pr_collect_fatal(in, PR_ASK_GROUP_MEMBERS, out);
		return false;
	}
	out->group_members.v = peers_alloc(in, r->n_rows);
	for (size_t i = 0; i < r->n_rows; i++) {
		struct topo_peer *p = &out->group_members.v[out->group_members.n++];

		p->server_uuid = pr_rows_text(r, i, "member_id");
		p->hostname = pr_rows_text(r, i, "member_host");
		p->port = pr_rows_i64(r, i, "member_port");
		p->state = pr_rows_text(r, i, "member_state");
		p->role = pr_rows_text(r, i, "member_role");
		if (p->server_uuid[0] != '\0' && str_eq_nocase(p->server_uuid, out->inst.server_uuid))
			put_own_membership(r, i, &out->inst);
		if (!pr_rows_bool(r, i, "single_primary"))
			break; /* groups with several primaries are not supported: historically reading stops here */
	}
	return true;
}

static void clip(const struct pr_collect *in, const struct rec_desc *d, void *rec, bool *ret_lost_gtid);

static void
clip_text(const struct pr_collect *in, const struct rec_field *f, void *rec, bool *ret_lost_gtid)
{
	const char **member = rec_at_mut(rec, f);

	if (strnlen(*member, (size_t)f->max + 1) <= f->max)
		return;
	if (f->max == TOPO_GTID_MAX || strstr(f->name, "gtid") != NULL) {
		*member = ""; /* part of a set would be another set */
		*ret_lost_gtid = true;
		return;
	}
	*member = mem_arena_strndup(in->arena, *member, f->max);
}

static void
clip_list(const struct pr_collect *in, const struct rec_field *f, void *rec, bool *ret_lost_gtid)
{
	struct rec_list l = rec_list_at(rec, f);

	l.n = min_size(l.n, f->max);
	for (size_t i = 0; i < l.n; i++)
		clip(in, f->sub, (char *)l.v + i * f->sub->size, ret_lost_gtid);
	rec_list_set(rec, f, l);
}

static void
clip(const struct pr_collect *in, const struct rec_desc *d, void *rec, bool *ret_lost_gtid)
{
	for (size_t i = 0; i < d->n_fields; i++) {
		const struct rec_field *f = &d->fields[i];

		if (f->kind == REC_STR)
			clip_text(in, f, rec, ret_lost_gtid);
		else if (f->kind == REC_REC)
			clip(in, f->sub, rec_at_mut(rec, f), ret_lost_gtid);
		else if (f->kind == REC_LIST)
			clip_list(in, f, rec, ret_lost_gtid);
	}
}

void
pr_collect_clip(const struct pr_collect *in, struct topo_probe *out)
{
	bool lost_gtid = false;

	clip(in, &topo_probe_desc, out, &lost_gtid);
	out->has_read_errors = out->has_read_errors || lost_gtid;
}
