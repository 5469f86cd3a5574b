/* db/db_sql.h — statement texts made from the tables; private to common/db (and its tests). Pure. */
#ifndef DB_DB_SQL_H
#define DB_DB_SQL_H

#include "base/str.h"
#include "db/db_schema.h"

enum db_dialect { DB_DIALECT_SQLITE, DB_DIALECT_MYSQL };

/* All append one statement, without semicolon. */
void db_sql_create_table(struct str_buf *b, enum db_dialect d, const struct db_table_info *t);
void db_sql_add_column(struct str_buf *b, enum db_dialect d, const struct db_table_info *t, const struct db_column *c);
void db_sql_create_index(struct str_buf *b, enum db_dialect d, const struct db_table_info *t, const struct db_index *i);
/* For a table whose primary key is not unique (adopted from another program). */
void db_sql_create_key(struct str_buf *b, enum db_dialect d, const struct db_table_info *t);
/* "hostname,port": the primary key's columns as an index lists them. */
void db_sql_key_columns(struct str_buf *b, const struct db_table_info *t);

/* Parameters: all columns in order; keep (may be NULL) names a column that an update leaves alone. */
void db_sql_upsert(struct str_buf *b, enum db_dialect d, const struct db_table_info *t, const char *keep);
void db_sql_insert_ignore(struct str_buf *b, enum db_dialect d, const struct db_table_info *t);
/* Parameters: all columns but the first, which is the ID. */
void db_sql_insert(struct str_buf *b, enum db_dialect d, const struct db_table_info *t);
/* Parameters: the key columns in order. */
void db_sql_delete(struct str_buf *b, const struct db_table_info *t);
/* "a.x, a.y, …": all columns, with the table alias if there is one (NULL = none). */
void db_sql_columns(struct str_buf *b, const struct db_table_info *t, const char *alias);

#endif
