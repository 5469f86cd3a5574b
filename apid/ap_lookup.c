/* ap_lookup.c — keys and hints. Runs in reader threads; owns nothing. */
#include "ap_lookup.h"

#include <string.h>

#include "db/db_read.h"
#include "topo/key.h"

const char *
ap_keep(struct ap_request *rq, const char *text)
{
	return mem_arena_strndup(&rq->arena, text, strlen(text));
}

/* --- keys ------------------------------------------------------------------------------------------------------ */
static int
raw_key(struct ap_request *rq, const char *host_name, const char *port_name, struct topo_key *ret_key, struct err *e)
{
	const char *host = ap_param(rq, host_name), *port = ap_param(rq, port_name);
	int64_t number;

	if (host[0] == '\0' || str_parse_i64(port, 0, TOPO_PORT_MAX, &number, e) != 0)
		return err_set(e, ERR_INVALID, "Invalid instance key: %.255s:%.20s", host, port);
	if (strlen(host) > TOPO_HOST_MAX)
		return err_set(e, ERR_INVALID, "host name longer than %d bytes", TOPO_HOST_MAX);
	*ret_key = (struct topo_key){host, number};
	return 0;
}

int
ap_raw_key(struct ap_request *rq, struct topo_key *ret_key, struct err *e)
{
	return raw_key(rq, "host", "port", ret_key, e);
}

struct found_text {
	struct ap_request *rq;
	const char *text;
};

static int
take_resolved(void *ctx, const void *row, struct err *e UNUSED)
{
	struct found_text *f = ctx;

	f->text = ap_keep(f->rq, ((const struct db_hostname_resolve *)row)->resolved_hostname);
	return DB_STOP;
}

static int
resolve_host(struct ap_request *rq, struct db *db, struct topo_key *key, struct err *e)
{
	struct found_text f = {rq, NULL};
	struct db_value param = db_text(key->hostname);
	int rc = db_read_where(db, DB_TABLE_hostname_resolve, "WHERE hostname = ?", &param, 1, take_resolved, &f, e);

	if (rc == 0 && !str_empty(f.text))
		key->hostname = f.text;
	return rc;
}

struct fuzzy {
	struct ap_request *rq;
	const struct topo_key *asked;
	struct topo_key found;
	int count;
	bool exact;
};

static int
count_match(void *ctx, const struct topo_key *key, struct err *e UNUSED)
{
	struct fuzzy *f = ctx;

	if (topo_key_equal(key, f->asked)) {
		f->exact = true;
		return DB_STOP;
	}
	f->found = (struct topo_key){ap_keep(f->rq, key->hostname), key->port};
	return ++f->count > 1 ? DB_STOP : 0;
}

/* One known instance with this port whose host name contains the text: that one is meant. */
static int
match_fuzzy(struct ap_request *rq, struct db *db, struct topo_key *key, struct err *e)
{
	struct fuzzy f = {.rq = rq, .asked = key};
	struct db_instance_filter exact = {.key = key}, fuzzy = {.fuzzy = key};
	int rc;

	if (topo_host_is_ipv4(key->hostname))
		return 0;
	rc = db_read_instance_keys(db, &exact, DB_ORDER_KEY, (struct wall){0}, count_match, &f, e);
	if (rc == 0 && !f.exact)
		rc = db_read_instance_keys(db, &fuzzy, DB_ORDER_KEY, (struct wall){0}, count_match, &f, e);
	if (rc == 0 && !f.exact && f.count == 1)
		*key = f.found;
	return rc;
}

static int
resolve_key(struct ap_request *rq, struct db *db, struct topo_key *key, struct err *e)
{
	int rc = resolve_host(rq, db, key, e);

	return rc != 0 ? rc : match_fuzzy(rq, db, key, e);
}

int
ap_named_key(struct ap_request *rq, struct ap_reader *r, const char *host_name, const char *port_name,
	     struct topo_key *ret_key, struct err *e)
{
	int rc = raw_key(rq, host_name, port_name, ret_key, e);

	return rc != 0 ? rc : resolve_key(rq, r->db, ret_key, e);
}

int
ap_route_key(struct ap_request *rq, struct ap_reader *r, struct topo_key *ret_key, struct err *e)
{
	return ap_named_key(rq, r, "host", "port", ret_key, e);
}

int
ap_complete_key(struct ap_request *rq, struct ap_reader *r, struct topo_key *key, struct err *e)
{
	return match_fuzzy(rq, r->db, key, e);
}

/* --- clusters: each step leaves *name NULL when it finds nothing ----------------------------------------------- */
struct search {
	struct ap_request *rq;
	struct ap_reader *r;
	const char *text;
	const char *name; /* found */
};

static int
take_name(void *ctx, const void *row, struct err *e UNUSED)
{
	struct search *s = ctx;

	s->name = ap_keep(s->rq, ((const struct db_cluster_info *)row)->cluster_name);
	return DB_STOP;
}

static int
compare_alias(void *ctx, const void *row, struct err *e)
{
	const struct db_cluster_info *c = row;
	struct search *s = ctx;

	if (strcmp(ap_rules_alias(s->r->rules, c->cluster_name, c->cluster_alias), s->text) != 0)
		return 0;
	return take_name(ctx, row, e);
}

/* Stored aliases first, then those of ClusterNameToAlias, which only a look at every cluster finds. */
static int
by_alias(struct search *s, struct err *e)
{
	struct str_buf name = {0};
	int rc = db_read_cluster_by_alias(s->r->db, s->text, &name, e);

	if (rc == 0)
		s->name = ap_keep(s->rq, str_buf_text(&name));
	str_buf_done(&name);
	if (rc != -ERR_NOT_FOUND)
		return rc;
	if (s->r->rules->n_aliases == 0)
		return 0;
	return db_read_clusters(s->r->db, NULL, compare_alias, s, e);
}

static int
take_cluster(void *ctx, const struct topo_instance *inst, struct err *e UNUSED)
{
	struct search *s = ctx;

	s->name = ap_keep(s->rq, inst->cluster_name);
	return DB_STOP;
}

static int
by_member(struct search *s, const struct topo_key *key, struct err *e)
{
	struct db_instance_filter filter = {.key = key};

	return db_read_instances(s->r->db, &filter, DB_ORDER_KEY, s->r->now, NULL, take_cluster, s, e);
}

static int
by_key_text(struct search *s, struct err *e)
{
	struct topo_key key, parsed;
	int rc;

	if (topo_key_parse(s->text, s->rq->conf->DefaultInstancePort, &parsed, e) != 0)
		return 0; /* not a key: simply not found */
	key = (struct topo_key){ap_keep(s->rq, parsed.hostname), parsed.port};
	topo_key_done(&parsed);
	rc = resolve_key(s->rq, s->r->db, &key, e);
	return rc != 0 ? rc : by_member(s, &key, e);
}

static int
by_name_or_alias(struct search *s, struct err *e)
{
	int rc = db_read_clusters(s->r->db, s->text, take_name, s, e);

	return rc == 0 && s->name == NULL ? by_alias(s, e) : rc;
}

int
ap_cluster_named(struct ap_request *rq, struct ap_reader *r, const char *text, const char **ret_name, struct err *e)
{
	struct search s = {.rq = rq, .r = r, .text = text};
	int rc = by_name_or_alias(&s, e);

	if (rc == 0)
		*ret_name = s.name != NULL ? s.name : text;
	return rc;
}

static int
by_hint(struct search *s, struct err *e)
{
	int rc = by_name_or_alias(s, e);

	if (rc == 0 && s->name == NULL)
		rc = by_key_text(s, e);
	return rc;
}

static int
by_route_key(struct search *s, struct err *e)
{
	struct topo_key key;
	int rc = ap_route_key(s->rq, s->r, &key, e);

	s->text = rc == 0 ? ap_keep(s->rq, topo_key_text(&key).text) : "";
	return rc != 0 ? rc : by_member(s, &key, e);
}

int
ap_route_cluster(struct ap_request *rq, struct ap_reader *r, const char **ret_name, struct err *e)
{
	struct search s = {.rq = rq, .r = r};
	int rc;

	if (ap_has_param(rq, "clusterHint") || ap_has_param(rq, "clusterName")) {
		s.text = ap_param(rq, ap_has_param(rq, "clusterHint") ? "clusterHint" : "clusterName");
		rc = by_hint(&s, e);
	} else if (ap_has_param(rq, "clusterAlias")) {
		s.text = ap_param(rq, "clusterAlias");
		rc = by_alias(&s, e);
	} else {
		rc = by_route_key(&s, e);
	}
	if (rc != 0)
		return rc;
	if (str_empty(s.name))
		return err_set(e, ERR_NOT_FOUND, "Unable to determine cluster name: %.256s", s.text);
	*ret_name = s.name;
	return 0;
}
