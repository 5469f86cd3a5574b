/* db/db_schema.h — columns, keys and indexes of the tables as data; private to common/db (and its tests). */
#ifndef DB_DB_SCHEMA_H
#define DB_DB_SCHEMA_H

#include "db/db_tables.h"

enum db_type {
	DB_TYPE_FLAG,
	DB_TYPE_U8,
	DB_TYPE_U16,
	DB_TYPE_U32,
	DB_TYPE_U64,
	DB_TYPE_I8,
	DB_TYPE_I64,
	DB_TYPE_ID,
	DB_TYPE_NI8,
	DB_TYPE_NU16,
	DB_TYPE_NU32,
	DB_TYPE_NU64,
	DB_TYPE_S,
	DB_TYPE_NS,
	DB_TYPE_SU,
	DB_TYPE_TXT,
	DB_TYPE_TXTU,
	DB_TYPE_RULE,
	DB_TYPE_TS,
	DB_TYPE_TSOLD,
	DB_TYPE_NTS,
	DB_TYPE_COUNT
};

struct db_column {
	const char *name;
	enum db_type type;
	uint32_t size;	 /* of a varchar */
	bool key;	 /* part of the primary key */
	const char *def; /* SQL literal; NULL = the type's own */
};

enum db_index_kind { DB_INDEX_PLAIN, DB_INDEX_UNIQUE, DB_INDEX_ACTIVE };

struct db_index {
	const char *name;
	const char *columns; /* comma-separated, no blanks */
	enum db_index_kind kind;
};

/* What a column is in the record: a field, or one part of a composed field. */
enum db_part {
	DB_PART_WHOLE, /* the field itself; *_us with a time column: UTC text */
	DB_PART_SUB,   /* `sub` of a REC field (host, port, file, position) */
	DB_PART_JSON,  /* LIST of topo_key as JSON text */
	DB_PART_COUNT, /* number of items of a LIST; written only */
};

struct db_binding {
	const struct rec_field *field;
	const struct rec_field *sub; /* DB_PART_SUB */
	enum db_part part;
};

#define DB_MAX_COLUMNS 96
#define DB_MAX_KEYS 4

struct db_table_info {
	const char *name;
	const struct rec_desc *desc;
	const struct db_column *columns;
	size_t n_columns;
	const struct db_index *indexes;
	size_t n_indexes;
	struct db_binding bindings[DB_MAX_COLUMNS]; /* one per column */
	size_t keys[DB_MAX_KEYS];		    /* columns of the primary key */
	size_t n_keys;
	bool has_id; /* the key is one ID column */
};

/* A constant of the process, computed at first use; thread-safe. */
const struct db_table_info *db_table_info(enum db_table table);

#endif
