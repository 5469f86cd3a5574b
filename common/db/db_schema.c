/* db_schema.c — db_tables.def as data: columns, indexes, descriptions, and which record member each column is.
 * Owns constants, and the bindings computed once per process. Called by everything in common/db. No SQL text here. */
#include "db/db_schema.h"

#include <pthread.h>
#include <string.h>

#include "base/str.h"

/* --- descriptions ---------------------------------------------------------------------------- */
#define KIND_FLAG REC_BOOL
#define KIND_U8 REC_I64
#define KIND_U16 REC_I64
#define KIND_U32 REC_I64
#define KIND_U64 REC_I64
#define KIND_I8 REC_I64
#define KIND_I64 REC_I64
#define KIND_ID REC_I64
#define KIND_NI8 REC_NI64
#define KIND_NU16 REC_NI64
#define KIND_NU32 REC_NI64
#define KIND_NU64 REC_NI64
#define KIND_S REC_STR
#define KIND_NS REC_STR
#define KIND_SU REC_STR
#define KIND_TXT REC_STR
#define KIND_TXTU REC_STR
#define KIND_RULE REC_STR
#define KIND_TS REC_I64
#define KIND_TSOLD REC_I64
#define KIND_NTS REC_I64

/* the member that DB_MEMBER_<type> made of the column */
#define NAME_FLAG(c) c
#define NAME_U8(c) c
#define NAME_U16(c) c
#define NAME_U32(c) c
#define NAME_U64(c) c
#define NAME_I8(c) c
#define NAME_I64(c) c
#define NAME_ID(c) c
#define NAME_NI8(c) c
#define NAME_NU16(c) c
#define NAME_NU32(c) c
#define NAME_NU64(c) c
#define NAME_S(c) c
#define NAME_NS(c) c
#define NAME_SU(c) c
#define NAME_TXT(c) c
#define NAME_TXTU(c) c
#define NAME_RULE(c) c
#define NAME_TS(c) c##_us
#define NAME_TSOLD(c) c##_us
#define NAME_NTS(c) c##_us

/* longest text: a varchar(N) of utf8 holds 4N bytes */
#define TEXT_BYTES 65535
#define MAX_BYTES(size) ((size) == 0 ? TEXT_BYTES : (size)*4)
#define STRINGIFY(x) STRINGIFY_(x)
#define STRINGIFY_(x) #x

#define TABLE(row, sql) static const struct rec_field row##_fields[] = {
#define COL(row, type, col, size, ...)                          \
	{.name = STRINGIFY(NAME_##type(col)),                   \
	 .kind = KIND_##type,                                   \
	 .offset = offsetof(struct db_##row, NAME_##type(col)), \
	 .max = MAX_BYTES(size),                                \
	 .column = #col},
#define END(row)                                                                                    \
	}                                                                                           \
	;                                                                                           \
	const struct rec_desc db_##row##_desc = {"db_" #row, sizeof(struct db_##row), row##_fields, \
						 ARRAY_LEN(row##_fields)};
#include "db/db_tables.def"

/* --- columns and indexes --------------------------------------------------------------------------------------- */
#define PK .key = true
#define DEF(literal) .def = literal
#define COLUMN(type_, col, size_, ...) {.name = #col, .type = DB_TYPE_##type_, .size = (size_), __VA_ARGS__},

#define TABLE(row, sql) static const struct db_column row##_columns[] = {
#define COL(row, type, col, ...) COLUMN(type, col, __VA_ARGS__)
#define END(row) \
	}        \
	;
#define ITABLE(row, sql) static const struct db_column row##_columns[] = {
#define ICOL(type, col, ...) COLUMN(type, col, __VA_ARGS__)
#define IEND(row) \
	}         \
	;
#include "db/db_tables.def"

/* The first entry keeps tables without an index from being an empty array. */
#define TABLE(row, sql) static const struct db_index row##_indexes[] = {{NULL, NULL, DB_INDEX_PLAIN},
#define INDEX(row, name, columns) {#name, columns, DB_INDEX_PLAIN},
#define UNIQUE(row, name, columns) {#name, columns, DB_INDEX_UNIQUE},
#define ACTIVE(row, name, columns) {#name, columns, DB_INDEX_ACTIVE},
#define END(row) \
	}        \
	;
#define ITABLE(row, sql) static const struct db_index row##_indexes[] = {{NULL, NULL, DB_INDEX_PLAIN},
#define IEND(row) \
	}         \
	;
#include "db/db_tables.def"

static struct db_table_info tables[DB_TABLE_COUNT] = {
#define INFO(row, sql, desc_)                                      \
	[DB_TABLE_##row] = {.name = (sql),                         \
			    .desc = &(desc_),                      \
			    .columns = row##_columns,              \
			    .n_columns = ARRAY_LEN(row##_columns), \
			    .indexes = row##_indexes + 1,          \
			    .n_indexes = ARRAY_LEN(row##_indexes) - 1},
#define TABLE(row, sql) INFO(row, sql, db_##row##_desc)
#define ITABLE(row, sql) INFO(row, sql, topo_instance_desc)
#include "db/db_tables.def"
};

/* --- bindings -------------------------------------------------------------------------------------------------- */
/* Position of name in a comma-separated list, -1 when absent. */
static int
list_position(const char *list, const char *name)
{
	size_t n = strlen(name);
	int at = 0;

	while (list != NULL) {
		if (strncmp(list, name, n) == 0 && (list[n] == ',' || list[n] == '\0'))
			return at;
		list = strchr(list, ',');
		list = list == NULL ? NULL : list + 1;
		at++;
	}
	return -1;
}

static bool
bind_field(struct db_binding *b, const struct rec_field *f, const char *column)
{
	int at = list_position(f->column, column);

	if (at < 0)
		return false;
	b->field = f;
	b->part = DB_PART_WHOLE;
	if (f->kind == REC_REC) {
		b->part = DB_PART_SUB;
		b->sub = &f->sub->fields[at];
	} else if (f->kind == REC_LIST) {
		b->part = at == 0 ? DB_PART_JSON : DB_PART_COUNT;
	}
	return true;
}

static void
bind_table(struct db_table_info *t)
{
	ASSERT(t->n_columns <= DB_MAX_COLUMNS);
	for (size_t c = 0; c < t->n_columns; c++) {
		bool bound = false;
		for (size_t f = 0; f < t->desc->n_fields && !bound; f++)
			bound = bind_field(&t->bindings[c], &t->desc->fields[f], t->columns[c].name);
		ASSERT(bound);
		if (!t->columns[c].key)
			continue;
		ASSERT(t->n_keys < DB_MAX_KEYS);
		t->keys[t->n_keys++] = c;
		t->has_id = t->columns[c].type == DB_TYPE_ID;
	}
	ASSERT(t->n_keys > 0);
}

static void
bind_tables(void)
{
	for (size_t i = 0; i < DB_TABLE_COUNT; i++)
		bind_table(&tables[i]);
}

const struct db_table_info *
db_table_info(enum db_table table)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	ASSERT(table >= 0 && table < DB_TABLE_COUNT);
	(void)pthread_once(&once, bind_tables);
	return &tables[table];
}

const char *
db_table_name(enum db_table table)
{
	return db_table_info(table)->name;
}

const struct rec_desc *
db_table_desc(enum db_table table)
{
	return db_table_info(table)->desc;
}
