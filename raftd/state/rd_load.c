/* rd_load.c — fills a fresh state, and the start of the model, from the backend (rd_load.h). Other programs may write
 * into these tables: a row that breaks a limit is left alone and counted, never believed. */
#include "rd_load.h"

#include <stdlib.h>
#include <string.h>

#include "db/db_read.h"

struct load {
	struct rd_loaded *out;
	enum rd_table table;
	size_t cap_instances, cap_resolves;
};

static int
take_row(void *ctx, const void *row, struct err *e UNUSED)
{
	struct load *l = ctx;
	struct err why;

	if (rec_check(rd_table_desc(l->table), row, &why) != 0)
		l->out->skipped++;
	else
		rd_state_put(l->out->state, l->table, row);
	return 0;
}

static int
take_known(void *ctx, const struct topo_key *key, struct err *e)
{
	struct load *l = ctx;

	l->table = RD_TABLE_inventory;
	return take_row(l, key, e);
}

static int
take_instance(void *ctx, const void *row, struct err *e)
{
	struct load *l = ctx;
	const struct topo_instance *inst = row;
	struct topo_instance_list *list = &l->out->instances;
	struct err why;

	if (rec_check(&topo_instance_desc, inst, &why) != 0) {
		l->out->skipped++;
		return 0;
	}
	mem_grow(list->v, l->cap_instances, list->n + 1);
	rec_dup(&topo_instance_desc, &list->v[list->n++], inst);
	return take_known(l, &inst->key, e);
}

static int
take_resolve(void *ctx, const void *row, struct err *e UNUSED)
{
	struct load *l = ctx;
	struct db_hostname_resolve_list *list = &l->out->resolves;

	mem_grow(list->v, l->cap_resolves, list->n + 1);
	rec_dup(&db_hostname_resolve_desc, &list->v[list->n++], row);
	return 0;
}

/* A number that we have written; 0 when it isn't there. */
static int
read_number(struct db *db, const char *name, uint64_t *ret, struct err *e)
{
	struct str_buf text = {0};
	int rc = db_read_meta(db, name, &text, e);

	if (rc == 0)
		*ret = strtoull(str_buf_text(&text), NULL, 10);
	str_buf_done(&text);
	return rc;
}

static int
load_position(struct db *db, struct load *l, struct err *e)
{
	uint64_t term = 0, time_us = 0;
	int64_t index = 0;

	if (db_read_applied_index(db, &index, e) != 0 || read_number(db, RD_META_APPLIED_TERM, &term, e) != 0 ||
	    read_number(db, RD_META_APPLIED_TIME, &time_us, e) != 0)
		return -e->code;
	rd_state_set_applied(l->out->state, index > 0 ? (uint64_t)index : 0, term,
			     time_us <= INT64_MAX ? (int64_t)time_us : 0);
	return 0;
}

static int
load_decisions(struct db *db, struct load *l, struct err *e)
{
	for (l->table = 0; l->table < RD_TABLE_COUNT; l->table++) {
		if (l->table != RD_TABLE_inventory &&
		    db_read_where(db, rd_table_db(l->table), rd_table_tail(l->table), NULL, 0, take_row, l, e) != 0)
			return -e->code;
	}
	return load_position(db, l, e);
}

/* Rows written by others, or half of them, show in the hash. */
static int
judge(struct db *db, struct rd_loaded *out, struct err *e)
{
	uint64_t hash = 0, alone = 0;
	bool complete;

	if (read_number(db, RD_META_STATE_HASH, &hash, e) != 0 || read_number(db, RD_META_ALONE, &alone, e) != 0 ||
	    db_read_view_complete(db, &complete, e) != 0)
		return -e->code;
	out->unfinished = !complete;
	out->alone = complete && alone != 0;
	if (!complete)
		out->distrust = "it was being rebuilt";
	else if (hash != rd_state_hash(out->state))
		out->distrust = "its rows are not those that were written with its index";
	return 0;
}

static int
load_all(struct db *db, bool with_telemetry, struct load *l, struct err *e)
{
	static const struct db_instance_filter everything;

	if (load_decisions(db, l, e) != 0)
		return -e->code;
	if (!with_telemetry)
		return db_read_instance_keys(db, &everything, DB_ORDER_KEY, (struct wall){0}, take_known, l, e);
	if (db_read_all(db, DB_TABLE_instance, take_instance, l, e) != 0)
		return -e->code;
	return db_read_all(db, DB_TABLE_hostname_resolve, take_resolve, l, e);
}

int
rd_load(struct db *db, bool with_telemetry, struct rd_loaded **ret, struct err *e)
{
	struct load l = {.out = mem_new(struct rd_loaded)};

	l.out->state = rd_state_new();
	if (load_all(db, with_telemetry, &l, e) != 0 || judge(db, l.out, e) != 0) {
		rd_loaded_free(l.out);
		return err_wrap(e, "reading the backend");
	}
	*ret = l.out;
	return 0;
}

const char *
rd_loaded_unfit(const struct rd_loaded *l, const struct rd_store_facts *store)
{
	const char *id = rd_state_cluster_id(l->state);
	uint64_t index = rd_state_index(l->state);

	if (l->distrust != NULL)
		return l->distrust;
	if (index == 0 && rd_state_rows(l->state) == 0 && store->snapshot_index == 0)
		return NULL; /* nothing in it, and nothing is what the log begins with */
	if (id[0] == '\0')
		return "it belongs to no group";
	if (rd_state_term(l->state) == 0)
		return "it was changed while raft was switched off";
	if (strcmp(id, store->cluster_id) != 0)
		return "it belongs to another group";
	if (index < store->snapshot_index)
		return "it is older than the log";
	if (index > store->last_index)
		return "it is newer than the log";
	return NULL;
}

bool
rd_loaded_forked(const struct rd_loaded *l, const struct rd_store_facts *store)
{
	return l->alone && store->cluster_id[0] != '\0' &&
	       strcmp(rd_state_cluster_id(l->state), store->cluster_id) == 0;
}

bool
rd_loaded_former(const struct rd_loaded *l)
{
	return !l->unfinished && rd_state_term(l->state) == 0 &&
	       (l->alone || rd_state_cluster_id(l->state)[0] == '\0') && rd_state_decisions(l->state) > 0;
}

void
rd_loaded_free(struct rd_loaded *l)
{
	if (l == NULL)
		return;
	rd_state_free(l->state);
	for (size_t i = 0; i < l->instances.n; i++)
		rec_done(&topo_instance_desc, &l->instances.v[i]);
	for (size_t i = 0; i < l->resolves.n; i++)
		rec_done(&db_hostname_resolve_desc, &l->resolves.v[i]);
	free(l->instances.v);
	free(l->resolves.v);
	free(l);
}
