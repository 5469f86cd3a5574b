/* test_db_sql.c — the schema against its golden files: the DDL of both dialects; and the agreement of database_instance with
 * topo/instance.def. tests/compat/test_columns.py holds them against the reference. UPDATE_GOLDEN=1 rewrites the DDL texts (review the diff). */
#include "db_temp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/db_sql.h"
#include "read_file.h"

/* --- DDL ------------------------------------------------------------------------------------- */
static void
add_ddl(struct str_buf *b, enum db_dialect d)
{
	for (size_t i = 0; i < DB_TABLE_COUNT; i++) {
		const struct db_table_info *t = db_table_info((enum db_table)i);
		db_sql_create_table(b, d, t);
		str_buf_add(b, ";\n");
		for (size_t x = 0; x < t->n_indexes; x++) {
			db_sql_create_index(b, d, t, &t->indexes[x]);
			str_buf_add(b, ";\n");
		}
	}
}

static void
check_golden(const char *path, const struct str_buf *got)
{
	char *want;

	if (getenv("UPDATE_GOLDEN") != NULL) {
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(got->p, 1, got->len, f), got->len);
		assert_int_equal(fclose(f), 0);
	}
	want = read_file(path);
	assert_non_null(want);
	if (strcmp(want, str_buf_text(got)) != 0)
		fail_msg("%s differs from the generated DDL: review it with UPDATE_GOLDEN=1", path);
	free(want);
}

static void
ddl_is_the_golden_one(void **state UNUSED)
{
	struct str_buf b = {0};

	add_ddl(&b, DB_DIALECT_SQLITE);
	check_golden(GOLDEN_DIR "/schema-sqlite.sql", &b);
	str_buf_clear(&b);
	add_ddl(&b, DB_DIALECT_MYSQL);
	check_golden(GOLDEN_DIR "/schema-mysql.sql", &b);
	str_buf_done(&b);
}

/* --- database_instance and instance.def ------------------------------------------------------ */
static const struct db_column *
find_column(const char *table, const char *column)
{
	for (size_t i = 0; i < DB_TABLE_COUNT; i++) {
		const struct db_table_info *t = db_table_info((enum db_table)i);
		for (size_t c = 0; c < t->n_columns && strcmp(t->name, table) == 0; c++) {
			if (strcmp(t->columns[c].name, column) == 0)
				return &t->columns[c];
		}
	}
	return NULL;
}

static void
every_stored_field_has_its_columns(void **state UNUSED)
{
	const struct rec_desc *d = &topo_instance_desc;

	for (size_t i = 0; i < d->n_fields; i++) {
		char *list = mem_strdup(d->fields[i].column == NULL ? "" : d->fields[i].column), *save = NULL;
		for (char *c = strtok_r(list, ",", &save); c != NULL; c = strtok_r(NULL, ",", &save)) {
			if (find_column("database_instance", c) == NULL)
				fail_msg("instance.def: %s names column %s, which db_tables.def lacks",
					 d->fields[i].name, c);
		}
		free(list);
	}
}

static void
bindings_fit_their_column_types(void **state UNUSED)
{
	for (size_t i = 0; i < DB_TABLE_COUNT; i++) {
		const struct db_table_info *t = db_table_info((enum db_table)i);
		for (size_t c = 0; c < t->n_columns; c++) {
			const struct db_binding *b = &t->bindings[c];
			enum db_type type = t->columns[c].type;
			bool time = type == DB_TYPE_TS || type == DB_TYPE_TSOLD || type == DB_TYPE_NTS;
			assert_non_null(b->field);
			assert_int_equal(time, str_ends(b->field->name, "_us"));
			assert_int_equal(b->part == DB_PART_SUB, b->sub != NULL);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ddl_is_the_golden_one),
	    cmocka_unit_test(every_stored_field_has_its_columns),
	    cmocka_unit_test(bindings_fit_their_column_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
