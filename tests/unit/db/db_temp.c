/* db_temp.c — see db_temp.h. */
#include "db_temp.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/db_driver.h"
#include "read_file.h"

void
temp_init(struct temp *t)
{
	(void)snprintf(t->dir, sizeof(t->dir), "/tmp/orc-test-db-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	(void)snprintf(t->path, sizeof(t->path), "%s/orc.db", t->dir);
}

static int
remove_entry(const char *path, const struct stat *st UNUSED, int type UNUSED, struct FTW *ftw UNUSED)
{
	return remove(path);
}

void
temp_done(struct temp *t)
{
	(void)nftw(t->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static const struct db_conf *
conf_of(const char *path)
{
	static struct db_conf conf;

	conf = (struct db_conf){.backend = "sqlite3", .path = path, .busy_timeout_ms = 50, .version = "test-1"};
	return &conf;
}

struct db *
temp_open(const struct temp *t, enum db_mode mode)
{
	struct db *db = NULL;
	struct err e = {0};

	must(db_open(conf_of(t->path), mode, &db, &e));
	return db;
}

void
temp_open_fails(const struct temp *t, enum db_mode mode, enum err_code code, struct err *e)
{
	struct db *db = NULL;
	int rc = db_open(conf_of(t->path), mode, &db, e);

	if (rc != -(int)code)
		fail_msg("expected %s, got %s: %s", err_name((int)code), err_name(rc), rc == 0 ? "opened" : e->msg);
	assert_null(db);
}

struct db *
raw_open(const char *path)
{
	struct db *db = mem_new(struct db);
	struct err e = {0};

	db->driver = &db_sqlite_driver;
	db->mode = DB_READ_WRITE;
	db->path = mem_strdup(path);
	must(db->driver->open(db, conf_of(path), &e));
	return db;
}

void
must_exec(struct db *db, const char *sql)
{
	struct err e = {0};

	if (db_exec(db, sql, NULL, 0, &e) != 0)
		fail_msg("%s: %s", sql, e.msg);
}

static int
on_cell(void *ctx, const struct db_value *v, size_t n UNUSED, struct err *e UNUSED)
{
	char scratch[DB_SCRATCH_BYTES];
	char **ret = ctx;

	*ret = mem_strdup(db_value_text(&v[0], scratch));
	return DB_STOP;
}

char *
must_text(struct db *db, const char *sql)
{
	struct err e = {0};
	char *text = NULL;

	if (db_query(db, sql, NULL, 0, on_cell, &text, &e) != 0)
		fail_msg("%s: %s", sql, e.msg);
	return text == NULL ? mem_strdup("(no row)") : text;
}

int64_t
must_number(struct db *db, const char *sql)
{
	char *text = must_text(db, sql);
	int64_t v = strtoll(text, NULL, 10);

	free(text);
	return v;
}

void
must_run_file(struct db *db, const char *path)
{
	char *text = read_file(path), *at = text, *end;

	if (text == NULL)
		fail_msg("cannot read %s", path);
	while ((end = strstr(at, ";\n")) != NULL) {
		*end = '\0';
		must_exec(db, at);
		at = end + 2;
	}
	free(text);
}
