/* db/db_tables.h — the rows of the backend as C records, made from db_tables.def.
 *
 * For each TABLE(row, …) there are `struct db_<row>`, `struct db_<row>_list`, `db_<row>_desc` (base/rec.h) and
 * DB_TABLE_<row>. DB_TABLE_instance (database_instance) has no struct of its own: its record is struct topo_instance.
 *
 * Members: a time column `x` is the member `x_us`, wall microseconds, 0 = none (stored as NULL where the column allows
 * it, else as 1971-01-01 00:00:00); seconds resolution in the database. Numbers are int64_t, flags bool, nullable
 * numbers struct rec_ni64; texts are never NULL ("" is stored as NULL in the two nullable successor columns, as neutral
 * in promotion_rule). */
#ifndef DB_DB_TABLES_H
#define DB_DB_TABLES_H

#include "base/rec.h"
#include "topo/topo.h"

/* column type → C type and member name */
#define DB_MEMBER_FLAG(c) bool c;
#define DB_MEMBER_U8(c) int64_t c;
#define DB_MEMBER_U16(c) int64_t c;
#define DB_MEMBER_U32(c) int64_t c;
#define DB_MEMBER_U64(c) int64_t c;
#define DB_MEMBER_I8(c) int64_t c;
#define DB_MEMBER_I64(c) int64_t c;
#define DB_MEMBER_ID(c) int64_t c;
#define DB_MEMBER_NI8(c) struct rec_ni64 c;
#define DB_MEMBER_NU16(c) struct rec_ni64 c;
#define DB_MEMBER_NU32(c) struct rec_ni64 c;
#define DB_MEMBER_NU64(c) struct rec_ni64 c;
#define DB_MEMBER_S(c) const char *c;
#define DB_MEMBER_NS(c) const char *c;
#define DB_MEMBER_SU(c) const char *c;
#define DB_MEMBER_TXT(c) const char *c;
#define DB_MEMBER_TXTU(c) const char *c;
#define DB_MEMBER_RULE(c) const char *c;
#define DB_MEMBER_TS(c) int64_t c##_us;
#define DB_MEMBER_TSOLD(c) int64_t c##_us;
#define DB_MEMBER_NTS(c) int64_t c##_us;

#define TABLE(row, sql) struct db_##row {
#define COL(row, type, column, ...) DB_MEMBER_##type(column)
#define END(row) \
	}        \
	;        \
	REC_DECLARE_LIST(db_##row);
#include "db/db_tables.def"

enum db_table {
#define TABLE(row, sql) DB_TABLE_##row,
#define ITABLE(row, sql) DB_TABLE_##row,
#include "db/db_tables.def"
	DB_TABLE_COUNT
};

/* Historical table name, and the description of its record. */
const char *db_table_name(enum db_table table);
const struct rec_desc *db_table_desc(enum db_table table);

#endif
