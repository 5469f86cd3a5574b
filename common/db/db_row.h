/* db/db_row.h — records ↔ rows of values; private to common/db (and its tests). Pure. */
#ifndef DB_DB_ROW_H
#define DB_DB_ROW_H

#include "base/mem.h"
#include "db/db.h"
#include "db/db_schema.h"

/* One value per column of the table; texts borrow from the record or live in the arena. */
void db_row_values(const struct db_table_info *t, const void *row, struct db_value *ret_values,
		   struct mem_arena *arena);
struct db_value db_row_value(const struct db_table_info *t, size_t column, const void *row, struct mem_arena *arena);
/* The other way: fills a borrowing record, tolerantly (db_read.h). Texts borrow from the values or live in the arena.
 */
void db_row_record(const struct db_table_info *t, const struct db_value *values, void *ret_row,
		   struct mem_arena *arena);

/* [{"Hostname":"a","Port":1}, …]: anything that isn't such a list reads as empty; items without a host are skipped. */
struct db_value db_keys_to_json(const struct topo_key_list *keys, struct mem_arena *arena);
struct topo_key_list db_keys_from_json(const char *text, size_t n, size_t max, struct mem_arena *arena);

#endif
