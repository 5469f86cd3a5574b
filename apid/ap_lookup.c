/* ap_lookup.c — keys and hints. Runs in reader threads; owns nothing. */
#include "ap_lookup.h"

#include <string.h>

#include "base/rx.h"
#include "db/db_read.h"
#include "topo/key.h"

const char *
ap_keep(struct ap_request *rq, const char *text)
{
	return mem_arena_strndup(&rq->arena, text, strlen(text));
}

struct topo_limits
ap_limits(const struct conf *conf)
{
	return (struct topo_limits){.poll_s = conf->InstancePollSeconds,
				    .reasonable_lag_s = conf->ReasonableReplicationLagSeconds,
				    .maintenance_lag_s = conf->ReasonableMaintenanceReplicationLagSeconds};
}

int
ap_raw_key(struct ap_request *rq, const char *host, const char *port, struct topo_key *ret_key, struct err *e)
{
	int64_t number;

	if (str_parse_i64(port, 0, 65535, &number, e) != 0)
		return err_wrap(e, "Invalid instance key %s:%s", host, port);
	if (strlen(host) > TOPO_HOST_MAX)
		return err_set(e, ERR_INVALID, "host name longer than %d bytes", TOPO_HOST_MAX);
	*ret_key = (struct topo_key){ap_keep(rq, host), number};
	return 0;
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

	if (rc == 0 && f.text != NULL && f.text[0] != '\0')
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
	int rc = db_read_instance_keys(db, &exact, DB_ORDER_KEY, (struct wall){0}, count_match, &f, e);

	if (rc != 0 || f.exact || topo_host_is_ipv4(key->hostname) || key->hostname[0] == '\0')
		return rc;
	rc = db_read_instance_keys(db, &fuzzy, DB_ORDER_KEY, (struct wall){0}, count_match, &f, e);
	if (rc == 0 && !f.exact && f.count == 1)
		*key = f.found;
	return rc;
}

int
ap_resolve_key(struct ap_request *rq, struct db *db, const char *host, const char *port, struct topo_key *ret_key,
	       struct err *e)
{
	int rc = ap_raw_key(rq, host, port, ret_key, e);

	if (rc == 0)
		rc = resolve_host(rq, db, ret_key, e);
	if (rc == 0)
		rc = match_fuzzy(rq, db, ret_key, e);
	return rc;
}

int
ap_route_key(struct ap_request *rq, struct db *db, struct topo_key *ret_key, struct err *e)
{
	return ap_resolve_key(rq, db, ap_param(rq, "host"), ap_param(rq, "port"), ret_key, e);
}

const char *
ap_cluster_alias(struct ap_request *rq, const char *cluster_name, const char *stored_alias)
{
	const struct conf_map *map = &rq->conf->ClusterNameToAlias;
	struct err e;

	if (stored_alias[0] != '\0' && strcmp(stored_alias, cluster_name) != 0)
		return ap_keep(rq, stored_alias);
	for (size_t i = 0; i < map->n; i++) {
		struct rx *rx = NULL;
		bool hit =
		    map->v[i].key[0] != '\0' && rx_new(map->v[i].key, &rx, &e) == 0 && rx_match(rx, cluster_name);
		rx_free(rx);
		if (hit)
			return ap_keep(rq, map->v[i].value);
	}
	return ap_keep(rq, cluster_name);
}

/* --- hints
 * -------------------------------------------------------------------------------------------------------------- */
struct hint {
	struct ap_request *rq;
	const char *text;
	const char *by_alias; /* found so far */
	const char *cluster;
};

static int
compare_cluster(void *ctx, const void *row, struct err *e UNUSED)
{
	const struct db_cluster_info *c = row;
	struct hint *h = ctx;

	if (strcmp(c->cluster_name, h->text) == 0) {
		h->cluster = ap_keep(h->rq, c->cluster_name);
		return DB_STOP;
	}
	if (h->by_alias == NULL && strcmp(ap_cluster_alias(h->rq, c->cluster_name, c->cluster_alias), h->text) == 0)
		h->by_alias = ap_keep(h->rq, c->cluster_name);
	return 0;
}

static int
take_cluster(void *ctx, const struct topo_instance *inst, struct err *e UNUSED)
{
	struct hint *h = ctx;

	h->cluster = ap_keep(h->rq, inst->cluster_name);
	return DB_STOP;
}

static int
cluster_of_key(struct hint *h, struct db *db, struct err *e)
{
	struct topo_key key, parsed;
	struct db_instance_filter filter = {.key = &key};
	int rc;

	if (topo_key_parse(h->text, h->rq->conf->DefaultInstancePort, &parsed, e) != 0)
		return 0; /* not a key: simply not found */
	key = (struct topo_key){ap_keep(h->rq, parsed.hostname), parsed.port};
	topo_key_done(&parsed);
	rc = resolve_host(h->rq, db, &key, e);
	if (rc == 0)
		rc = match_fuzzy(h->rq, db, &key, e);
	if (rc == 0)
		rc = db_read_instances(db, &filter, DB_ORDER_KEY, (struct wall){0}, NULL, take_cluster, h, e);
	return rc;
}

int
ap_cluster_of_hint(struct ap_request *rq, struct db *db, const char *hint, const char **ret_name, struct err *e)
{
	struct hint h = {.rq = rq, .text = str_trim(mem_arena_strndup(&rq->arena, hint, strlen(hint)))};
	int rc = db_read_clusters(db, NULL, compare_cluster, &h, e);

	if (rc == 0 && h.cluster == NULL)
		h.cluster = h.by_alias;
	if (rc == 0 && h.cluster == NULL)
		rc = cluster_of_key(&h, db, e);
	if (rc != 0)
		return rc;
	if (h.cluster == NULL || h.cluster[0] == '\0')
		return err_set(e, ERR_NOT_FOUND, "Unable to determine cluster name. hint=%s", h.text);
	*ret_name = h.cluster;
	return 0;
}
