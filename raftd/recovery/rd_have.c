/* rd_have.c — see rd_have.h: what each server received, applied and wrote itself. Pure; called by the choice and the
 * planner. */
#include "rd_have.h"

#include <stdlib.h>
#include <string.h>

#include "topo/key.h"
#include "topo/version.h"

bool
rd_both_stopped(const struct rd_recovery_server *s)
{
	return s->io_thread_state == TOPO_THREAD_STOPPED && s->sql_thread_state == TOPO_THREAD_STOPPED;
}

/* Its receiver has ended as the source has not what it asked for: it has another history, or is too old. A recovery leaves such
 * ones behind, named as lost, if they had more than whom it could promote. On MariaDB one's position may look like more than
 * what the others have received since, of which it has nothing. */
static bool
has_strayed(const struct rd_recovery_server *s)
{
	enum { FATAL_ERROR_READING_BINLOG = 1236, THE_SAME_SINCE_MYSQL_8 = 13114 };

	return s->io_thread_state == TOPO_THREAD_STOPPED &&
	       (s->last_io_errno == FATAL_ERROR_READING_BINLOG || s->last_io_errno == THE_SAME_SINCE_MYSQL_8);
}

static enum gtid_family
method_of(const struct rd_recovery_server *s)
{
	return s->using_oracle_gtid ? GTID_MYSQL : s->using_mariadb_gtid ? GTID_MARIADB : GTID_NONE;
}

/* What the failed server's replicas use. Of a recovery that has gone on there may be none left, and the one that was
 * promoted has no channel any more. */
static enum gtid_family
family_of(const struct rd_recovery_input *in)
{
	const struct rd_recovery_server *promoted = rd_recovery_find(in, &in->successor);
	enum gtid_family direct = GTID_NONE, any = GTID_NONE;

	for (size_t i = 0; i < in->servers.n && direct == GTID_NONE; i++) {
		const struct rd_recovery_server *s = &in->servers.v[i];
		if (!rd_recovery_is_fresh(in, s))
			continue;
		if (rd_recovery_is_direct(in, s))
			direct = method_of(s);
		any = any == GTID_NONE ? method_of(s) : any;
	}
	if (direct != GTID_NONE || promoted == NULL)
		return direct;
	if (any == GTID_NONE && promoted->supports_oracle_gtid)
		any = GTID_MYSQL;
	if (any == GTID_NONE && topo_is_mariadb(promoted->version) && promoted->gtid_current_pos[0] != '\0')
		any = GTID_MARIADB;
	return any;
}

static bool
speaks(const struct rd_recovery_server *s, enum gtid_family family)
{
	return family == GTID_MYSQL ? s->supports_oracle_gtid || s->using_oracle_gtid
				    : topo_is_mariadb(s->version) && family == GTID_MARIADB;
}

static int
parse(enum gtid_family family, const char *text, struct rd_set *ret, struct err *e)
{
	*ret = (struct rd_set){0};
	return family == GTID_MYSQL ? gtid_set_parse(text, &ret->mysql, e) : gtid_pos_parse(text, &ret->mariadb, e);
}

/* A MariaDB position tells the newest transaction alone. What the promoted server wrote since then must not hide what it has
 * of the failed one's, by which the others are compared with it. */
static const char *
applied_text(const struct rd_recovery_input *in, const struct rd_recovery_server *s, enum gtid_family family)
{
	if (family == GTID_MYSQL)
		return s->executed_gtid_set;
	return in->promoted_at[0] != '\0' && topo_key_equal(&s->key, &in->successor) ? in->promoted_at
										     : s->gtid_current_pos;
}

/* --- errant ---------------------------------------------------------------------------------------------------- */
/* MySQL: applied, not of the failed server, and neither had by it nor received by anybody. When it is not known what
 * the failed server had, nothing can be told apart. */
static int
find_errant_mysql(const struct rd_recovery_input *in, const struct rd_haves *h, const struct gtid_set *known,
		  struct rd_have *v, struct err *e)
{
	if (gtid_set_is_empty(&h->failed.mysql) || in->failed.server_uuid[0] == '\0')
		return 0;
	if (gtid_set_subtract(&v->applied.mysql, known, &v->errant.mysql, e) != 0)
		return -e->code;
	gtid_set_remove_uuid(&v->errant.mysql, in->failed.server_uuid);
	return 0;
}

/* MariaDB: written by the server itself, and not had by the failed one. What it had applied before in that domain is not
 * told any more. */
static void
find_errant_mariadb(const struct rd_haves *h, struct rd_have *v)
{
	struct gtid_pos own = {0}, beyond;

	for (size_t i = 0; i < v->applied.mariadb.n; i++) {
		const struct gtid_pos_item *item = &v->applied.mariadb.v[i];
		if (item->server != v->server->server_id)
			continue;
		mem_grow(own.v, own.cap, own.n + 1);
		own.v[own.n++] = *item;
	}
	gtid_pos_diff(&own, &h->failed.mariadb, &beyond);
	gtid_pos_done(&own);
	v->errant.mariadb = beyond;
}

/* Domains in which `gone` says anything. */
static void
drop_domains(struct gtid_pos *p, const struct gtid_pos *gone)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n; i++) {
		bool has = false;
		for (size_t k = 0; k < gone->n; k++)
			has |= gone->v[k].domain == p->v[i].domain;
		if (!has)
			p->v[kept++] = p->v[i];
	}
	p->n = kept;
}

static int
drop_errant(enum gtid_family family, struct rd_have *v, struct err *e)
{
	struct rd_set rest;
	int rc;

	if (family == GTID_MARIADB) {
		drop_domains(&v->applied.mariadb, &v->errant.mariadb);
		return 0;
	}
	rc = rd_set_minus(family, &v->applied, &v->errant, &rest, e);
	if (rc == 0) {
		rd_set_done(&v->applied);
		v->applied = rest;
	}
	return rc;
}

/* --- building -------------------------------------------------------------------------------------------------- */
static int
read_one(const struct rd_recovery_input *in, const struct rd_haves *h, const struct gtid_set *known, struct rd_have *v,
	 struct err *e)
{
	const struct rd_recovery_server *s = v->server;
	struct rd_set got = {0};
	int rc = parse(h->family, applied_text(in, s, h->family), &v->applied, e);

	if (rc == 0)
		rc = parse(h->family, v->drops_relay_log ? "" : s->received_gtid_set, &got, e);
	if (rc == 0 && h->family == GTID_MYSQL)
		rc = find_errant_mysql(in, h, known, v, e);
	else if (rc == 0)
		find_errant_mariadb(h, v);
	if (rc == 0)
		rc = drop_errant(h->family, v, e);
	if (rc == 0)
		rc = rd_set_join(h->family, &v->applied, &got, &v->received, e);
	rd_set_done(&got);
	return rc;
}

static int
join_into(enum gtid_family family, struct rd_set *into, const struct rd_set *more, struct err *e)
{
	struct rd_set sum;
	int rc = rd_set_join(family, into, more, &sum, e);

	if (rc == 0) {
		rd_set_done(into);
		*into = sum;
	}
	return rc;
}

static void
join_text(enum gtid_family family, struct rd_set *into, const char *text)
{
	struct rd_set more;
	struct err e;
	int rc = parse(family, text, &more, &e);

	if (rc == 0)
		rc = join_into(family, into, &more, &e);
	(void)rc; /* the server that said it is unreadable by itself */
	rd_set_done(&more);
}

/* What certainly is a transaction of the cluster. */
static void
join_known(const struct rd_recovery_input *in, enum gtid_family family, struct rd_set *ret)
{
	join_text(family, ret, in->failed.executed_gtid_set);
	for (size_t i = 0; i < in->servers.n; i++) {
		if (rd_recovery_is_fresh(in, &in->servers.v[i]))
			join_text(family, ret, in->servers.v[i].received_gtid_set);
	}
}

/* Spares the comparison of everybody with everybody. */
static void
compare_purged(const struct rd_recovery_input *in, struct rd_haves *h)
{
	struct gtid_set common = {0}, both;
	bool first = true, known = h->family == GTID_MYSQL;
	struct err e;

	for (size_t i = 0; i < h->n && known; i++) {
		const struct rd_have *v = &h->v[i];
		if (v->unreadable != NULL || !rd_recovery_is_direct(in, v->server) ||
		    !rd_recovery_is_fresh(in, v->server))
			continue;
		known = (first ? gtid_set_union(&v->applied.mysql, &common, &both, &e)
			       : gtid_set_intersect(&v->applied.mysql, &common, &both, &e)) == 0;
		first = false;
		gtid_set_done(&common);
		common = known ? both : (struct gtid_set){0};
	}
	for (size_t i = 0; i < h->n && known; i++)
		h->v[i].purged_by_all =
		    h->v[i].purged_unreadable == NULL && gtid_set_contains(&common, &h->v[i].purged);
	gtid_set_done(&common);
}

void
rd_haves_build(const struct rd_recovery_input *in, struct mem_arena *arena, struct rd_haves *ret)
{
	struct rd_haves h = {.family = family_of(in), .n = in->servers.n};
	struct rd_set known = {0};
	struct err e;

	h.v = mem_calloc(h.n + 1, sizeof(*h.v));
	if (h.family != GTID_NONE) /* an unreadable one is an unknown one */
		join_text(h.family, &h.failed, applied_text(in, &in->failed, h.family));
	if (h.family == GTID_MYSQL)
		join_known(in, h.family, &known);
	for (size_t i = 0; i < h.n; i++) {
		struct rd_have *v = &h.v[i];
		v->server = &in->servers.v[i];
		v->strayed = has_strayed(v->server);
		rd_recovery_server_instance(v->server, &v->inst);
		v->drops_relay_log = topo_is_mariadb(v->server->version) && rd_both_stopped(v->server);
		if (!rd_recovery_is_fresh(in, v->server) || !speaks(v->server, h.family))
			continue;
		if (read_one(in, &h, &known.mysql, v, &e) != 0 ||
		    (!v->strayed && join_into(h.family, &h.best, &v->received, &e) != 0))
			v->unreadable = mem_arena_strndup(arena, e.msg, strlen(e.msg));
		if (h.family == GTID_MYSQL && gtid_set_parse(v->server->gtid_purged, &v->purged, &e) != 0)
			v->purged_unreadable = mem_arena_strndup(arena, e.msg, strlen(e.msg));
	}
	rd_set_done(&known);
	compare_purged(in, &h);
	*ret = h;
}

void
rd_haves_done(struct rd_haves *h)
{
	for (size_t i = 0; i < h->n; i++) {
		rd_set_done(&h->v[i].received);
		rd_set_done(&h->v[i].applied);
		rd_set_done(&h->v[i].errant);
		gtid_set_done(&h->v[i].purged);
	}
	rd_set_done(&h->failed);
	rd_set_done(&h->best);
	free(h->v);
	*h = (struct rd_haves){0};
}
