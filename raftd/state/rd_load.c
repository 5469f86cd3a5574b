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

static int
take_uid(void *ctx, const void *row, struct err *e UNUSED)
{
	struct load *l = ctx;
	const struct db_applied_command *c = row;

	if (c->log_index > 0)
		rd_state_add_uid(l->out->state, c->uid, (uint64_t)c->log_index, c->applied_at_us);
	return 0;
}

static int
load_position(struct db *db, struct load *l, struct err *e)
{
	struct str_buf text = {0};
	struct err ignored;
	int64_t index, time_us = 0;

	if (db_read_applied_index(db, &index, e) != 0 || db_read_meta(db, RD_META_APPLIED_TIME, &text, e) != 0) {
		str_buf_done(&text);
		return -e->code;
	}
	if (str_parse_i64(str_buf_text(&text), 0, INT64_MAX, &time_us, &ignored) != 0)
		time_us = 0;
	str_buf_done(&text);
	rd_state_set_applied(l->out->state, index > 0 ? (uint64_t)index : 0, time_us);
	return 0;
}

static int
load_decisions(struct db *db, struct load *l, struct err *e)
{
	for (l->table = 0; l->table < RD_TABLE_COUNT; l->table++) {
		if (l->table != RD_TABLE_inventory && db_read_all(db, rd_table_db(l->table), take_row, l, e) != 0)
			return -e->code;
	}
	if (db_read_where(db, DB_TABLE_applied_command, "ORDER BY log_index", NULL, 0, take_uid, l, e) != 0)
		return -e->code;
	return load_position(db, l, e);
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
	if (load_all(db, with_telemetry, &l, e) != 0) {
		rd_loaded_free(l.out);
		return err_wrap(e, "reading the backend");
	}
	*ret = l.out;
	return 0;
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
