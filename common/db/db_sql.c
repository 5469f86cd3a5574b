/* db_sql.c — the SQL of db_tables.def in two dialects: DDL and the generated row statements.
 * Pure text building; called by db_migrate.c, db_write.c, db_read*.c. The MySQL text is what its driver will run; until
 * then golden files keep it honest. */
#include "db/db_sql.h"

#include <string.h>

#define PROMOTION_RULES "'must', 'prefer', 'neutral', 'prefer_not', 'must_not'"
#define LONG_AGO "'1971-01-01 00:00:00'"

struct type_sql {
	const char *sqlite;
	const char *mysql; /* %u = size */
	const char *def;   /* default literal; NULL = nullable without default */
};

static const struct type_sql types[] = {
    [DB_TYPE_FLAG] = {"integer", "tinyint unsigned", "0"},
    [DB_TYPE_U8] = {"integer", "tinyint unsigned", "0"},
    [DB_TYPE_U16] = {"integer", "smallint unsigned", "0"},
    [DB_TYPE_U32] = {"integer", "int unsigned", "0"},
    [DB_TYPE_U64] = {"integer", "bigint unsigned", "0"},
    [DB_TYPE_I8] = {"integer", "tinyint", "0"},
    [DB_TYPE_I64] = {"integer", "bigint", "0"},
    [DB_TYPE_ID] = {"integer", "bigint unsigned", NULL},
    [DB_TYPE_NI8] = {"integer", "tinyint", NULL},
    [DB_TYPE_NU16] = {"integer", "smallint unsigned", NULL},
    [DB_TYPE_NU32] = {"integer", "int unsigned", NULL},
    [DB_TYPE_NU64] = {"integer", "bigint unsigned", NULL},
    [DB_TYPE_S] = {"text", "varchar", "''"},
    [DB_TYPE_NS] = {"text", "varchar", NULL},
    [DB_TYPE_SU] = {"text", "varchar", "''"},
    [DB_TYPE_TXT] = {"text", "text", "''"},
    [DB_TYPE_TXTU] = {"text", "text", "''"},
    [DB_TYPE_RULE] = {"text", "enum(" PROMOTION_RULES ")", "'neutral'"},
    [DB_TYPE_TS] = {"text", "timestamp", "CURRENT_TIMESTAMP"},
    [DB_TYPE_TSOLD] = {"text", "timestamp", LONG_AGO},
    [DB_TYPE_NTS] = {"text", "timestamp", NULL},
};
_Static_assert(ARRAY_LEN(types) == DB_TYPE_COUNT, "a column type lacks its SQL");

static bool
is_utf8(enum db_type t)
{
	return t == DB_TYPE_SU || t == DB_TYPE_TXTU;
}

static bool
is_text(enum db_type t)
{
	return t == DB_TYPE_TXT || t == DB_TYPE_TXTU;
}

static void
add_type(struct str_buf *b, enum db_dialect d, const struct db_column *c)
{
	if (d == DB_DIALECT_SQLITE) {
		str_buf_add(b, types[c->type].sqlite);
		return;
	}
	str_buf_add(b, types[c->type].mysql);
	if (c->size > 0)
		str_buf_printf(b, "(%u)", c->size);
	if (is_utf8(c->type))
		str_buf_add(b, " CHARACTER SET utf8");
}

/* MySQL allows a default for text columns from 8.0.13 on, MariaDB from 10.2.1 on, in different writing. */
static void
add_default(struct str_buf *b, enum db_dialect d, const struct db_column *c, const char *def)
{
	if (def == NULL)
		str_buf_add(b, " NULL DEFAULT NULL");
	else if (d == DB_DIALECT_MYSQL && is_text(c->type))
		str_buf_printf(b, " NOT NULL /*!80013 DEFAULT (%s) *//*M!100201 DEFAULT %s */", def, def);
	else
		str_buf_printf(b, " NOT NULL DEFAULT %s", def);
}

static void
add_column(struct str_buf *b, enum db_dialect d, const struct db_column *c, bool adding)
{
	const char *def = c->def != NULL ? c->def : types[c->type].def;

	str_buf_printf(b, "%s ", c->name);
	add_type(b, d, c);
	if (c->type == DB_TYPE_ID) {
		str_buf_add(b, d == DB_DIALECT_SQLITE ? " PRIMARY KEY" : " NOT NULL AUTO_INCREMENT");
		return;
	}
	/* SQLite adds columns with constant defaults only. */
	if (adding && c->type == DB_TYPE_TS)
		def = LONG_AGO;
	add_default(b, d, c, def);
	if (d == DB_DIALECT_SQLITE && c->type == DB_TYPE_RULE)
		str_buf_printf(b, " CHECK (%s IN (" PROMOTION_RULES "))", c->name);
}

void
db_sql_key_columns(struct str_buf *b, const struct db_table_info *t)
{
	for (size_t i = 0; i < t->n_keys; i++)
		str_buf_printf(b, "%s%s", i == 0 ? "" : ",", t->columns[t->keys[i]].name);
}

void
db_sql_create_table(struct str_buf *b, enum db_dialect d, const struct db_table_info *t)
{
	str_buf_printf(b, "CREATE TABLE %s (\n", t->name);
	for (size_t i = 0; i < t->n_columns; i++) {
		str_buf_add(b, i == 0 ? "  " : ",\n  ");
		add_column(b, d, &t->columns[i], false);
	}
	if (!t->has_id || d == DB_DIALECT_MYSQL) {
		str_buf_add(b, ",\n  PRIMARY KEY (");
		db_sql_key_columns(b, t);
		str_buf_add(b, ")");
	}
	str_buf_add(b, d == DB_DIALECT_MYSQL ? "\n) ENGINE=InnoDB DEFAULT CHARSET=ascii" : "\n)");
}

void
db_sql_add_column(struct str_buf *b, enum db_dialect d, const struct db_table_info *t, const struct db_column *c)
{
	str_buf_printf(b, "ALTER TABLE %s ADD COLUMN ", t->name);
	add_column(b, d, c, true);
}

static void
create_index(struct str_buf *b, enum db_dialect d, const struct db_table_info *t, bool unique, const char *name,
	     const char *columns)
{
	str_buf_printf(b, "CREATE %sINDEX %s", unique ? "UNIQUE " : "", name);
	/* SQLite's index names are one name space */
	str_buf_printf(b, d == DB_DIALECT_SQLITE ? "_%s" : "_idx", t->name);
	str_buf_printf(b, " ON %s (%s)", t->name, columns);
}

void
db_sql_create_index(struct str_buf *b, enum db_dialect d, const struct db_table_info *t, const struct db_index *i)
{
	bool active = i->kind == DB_INDEX_ACTIVE && d == DB_DIALECT_SQLITE;

	create_index(b, d, t, i->kind == DB_INDEX_UNIQUE || active, i->name, i->columns);
	if (active)
		str_buf_add(b, " WHERE in_active_period = 1");
}

void
db_sql_create_key(struct str_buf *b, enum db_dialect d, const struct db_table_info *t)
{
	struct str_buf columns = {0};

	db_sql_key_columns(&columns, t);
	create_index(b, d, t, true, "key", str_buf_text(&columns));
	str_buf_done(&columns);
}

void
db_sql_columns(struct str_buf *b, const struct db_table_info *t, const char *alias)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		const char *name = t->columns[i].name;
		str_buf_printf(b, "%s%s%s%s", i == 0 ? "" : ", ", alias == NULL ? "" : alias, alias == NULL ? "" : ".",
			       name);
	}
}

/* "INTO t (a, b) VALUES (?, ?)", from column `first` on */
static void
add_values(struct str_buf *b, const struct db_table_info *t, size_t first)
{
	str_buf_printf(b, "INTO %s (", t->name);
	for (size_t i = first; i < t->n_columns; i++)
		str_buf_printf(b, "%s%s", i == first ? "" : ", ", t->columns[i].name);
	str_buf_add(b, ") VALUES (");
	for (size_t i = first; i < t->n_columns; i++)
		str_buf_add(b, i == first ? "?" : ", ?");
	str_buf_add_char(b, ')');
}

void
db_sql_insert(struct str_buf *b, enum db_dialect d UNUSED, const struct db_table_info *t)
{
	ASSERT(t->has_id && t->keys[0] == 0);
	str_buf_add(b, "INSERT ");
	add_values(b, t, 1);
}

void
db_sql_insert_ignore(struct str_buf *b, enum db_dialect d, const struct db_table_info *t)
{
	str_buf_add(b, d == DB_DIALECT_SQLITE ? "INSERT OR IGNORE " : "INSERT IGNORE ");
	add_values(b, t, 0);
}

/* Key columns are updated too: the conflict may have been with another unique key. */
void
db_sql_upsert(struct str_buf *b, enum db_dialect d, const struct db_table_info *t, const char *keep)
{
	bool first = true;

	str_buf_add(b, "INSERT ");
	add_values(b, t, 0);
	str_buf_add(b, d == DB_DIALECT_SQLITE ? " ON CONFLICT DO UPDATE SET " : " ON DUPLICATE KEY UPDATE ");
	for (size_t i = 0; i < t->n_columns; i++) {
		const char *name = t->columns[i].name;
		if (keep != NULL && strcmp(keep, name) == 0)
			continue;
		str_buf_printf(b, d == DB_DIALECT_SQLITE ? "%s%s = excluded.%s" : "%s%s = VALUES(%s)",
			       first ? "" : ", ", name, name);
		first = false;
	}
}

void
db_sql_delete(struct str_buf *b, const struct db_table_info *t)
{
	str_buf_printf(b, "DELETE FROM %s WHERE ", t->name);
	for (size_t i = 0; i < t->n_keys; i++)
		str_buf_printf(b, "%s%s = ?", i == 0 ? "" : " AND ", t->columns[t->keys[i]].name);
}
