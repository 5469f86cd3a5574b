/* view_world.h — what the tests of proposing share: a proposer's callbacks, counted; a clock that stands still; the real
 * view writer's thread on a real SQLite file; and another program on that file. */
#ifndef VIEW_WORLD_H
#define VIEW_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>
#include <sqlite3.h>

#include "db_temp.h"
#include "rd_propose.h"

#define DB1                                     \
	{                                       \
		.hostname = "db1", .port = 3306 \
	}

/* Time stands still unless a test moves it. */
static struct wall fake_wall_now = {INT64_C(1763800000) * CLK_S};
static struct mono fake_mono_now = {1000 * CLK_S};

static UNUSED struct wall
fake_wall(struct clock *c UNUSED)
{
	return fake_wall_now;
}

static UNUSED struct mono
fake_mono(struct clock *c UNUSED)
{
	return fake_mono_now;
}

static struct clock fake_clock = {.wall = fake_wall, .mono = fake_mono};

/* --- a proposer and its backend -------------------------------------------------------------------------------- */
struct heard {
	unsigned applied, committed, reloaded, backend_errors;
};

static UNUSED void
on_applied(void *ctx, const struct rd_applied *a UNUSED)
{
	((struct heard *)ctx)->applied++;
}

static UNUSED void
on_committed(void *ctx, const struct rd_applied *a UNUSED)
{
	((struct heard *)ctx)->committed++;
}

static UNUSED void
on_reloaded(void *ctx)
{
	((struct heard *)ctx)->reloaded++;
}

static UNUSED void
on_backend(void *ctx, const struct rd_job *job)
{
	((struct heard *)ctx)->backend_errors += job->rc != 0;
}

static UNUSED struct rd_proposer_conf
proposer_conf(struct rd_view *view, struct heard *heard)
{
	return (struct rd_proposer_conf){.view = view,
					 .clock = &fake_clock,
					 .originator = "node1",
					 .ctx = heard,
					 .on_applied = on_applied,
					 .on_committed = on_committed,
					 .on_reloaded = on_reloaded,
					 .on_backend = on_backend};
}

static UNUSED struct rd_view_conf
view_conf(struct event_base *base, const struct temp *t)
{
	return (struct rd_view_conf){.base = base, .backend = "sqlite3", .path = t->path, .version = "test-1"};
}

/* --- another program on the same file, such as an operator with sqlite3(1); it ignores our lock ------------------ */
static UNUSED sqlite3 *
stranger(const struct temp *t)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(t->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_busy_timeout(db, 5000), SQLITE_OK);
	return db;
}

static UNUSED int64_t
ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t number = 0;
	int rc;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		number = sqlite3_column_int64(st, 0);
	assert_true(rc == SQLITE_ROW || rc == SQLITE_DONE);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	return number;
}

static UNUSED int64_t
count(const struct temp *t, const char *sql)
{
	sqlite3 *db = stranger(t);
	int64_t number = ask(db, sql);

	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return number;
}
#define others_do(t, sql) ((void)count((t), (sql)))

#endif
