/* rd_view_write.c — what the view writer does to the backend: one function per kind of change, two kinds of
 * transactions. Runs in the view writer's thread only. Beside rd_rebuild.c the one includer of db_write.h. */
#include "rd_view_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/newfile.h"
#include "db/db_read.h"
#include "db/db_write.h"
#include "rd_load.h"
#include "topo/key.h"

/* --- one change ------------------------------------------------------------------------------------------------ */
static int
write_upsert(struct db *db, const struct rd_change *c, struct err *e)
{
	return db_upsert(db, c->table, c->row, e);
}

static int
write_insert(struct db *db, const struct rd_change *c, struct err *e)
{
	return db_insert(db, c->table, c->row, NULL, e);
}

static int
write_insert_ignore(struct db *db, const struct rd_change *c, struct err *e)
{
	return db_insert_ignore(db, c->table, c->row, NULL, e);
}

static int
write_delete(struct db *db, const struct rd_change *c, struct err *e)
{
	return db_delete(db, c->table, c->row, e);
}

static int
write_seen(struct db *db, const struct rd_change *c, struct err *e)
{
	return db_upsert_instance(db, c->row, DB_INSTANCE_SEEN, e);
}

static int
write_not_seen(struct db *db, const struct rd_change *c, struct err *e)
{
	return db_upsert_instance(db, c->row, DB_INSTANCE_NOT_SEEN, e);
}

static int
write_absent(struct db *db, const struct rd_change *c, struct err *e)
{
	return db_upsert_instance(db, c->row, DB_INSTANCE_ABSENT, e);
}

static int
write_check(struct db *db, const struct rd_change *c, struct err *e)
{
	const struct topo_instance *i = c->row;

	return db_touch_instance_check(db, &i->key, i->last_checked_us, i->last_check_partial_success, e);
}

static int
write_attempt(struct db *db, const struct rd_change *c, struct err *e)
{
	const struct topo_instance *i = c->row;

	return db_touch_instance_attempt(db, &i->key, i->last_attempted_us, e);
}

struct former {
	struct str_buf analysis;
	bool found;
};

static int
take_former(void *ctx, const void *row, struct err *e UNUSED)
{
	struct former *f = ctx;

	f->found = true;
	str_buf_add(&f->analysis, ((const struct db_last_analysis *)row)->analysis);
	return DB_STOP;
}

static int
write_if_changed(struct db *db, const struct db_last_analysis *now, const struct former *f, struct err *e)
{
	struct db_analysis_changelog change = {.hostname = now->hostname,
					       .port = now->port,
					       .analysis_timestamp_us = now->analysis_timestamp_us,
					       .analysis = now->analysis};

	if (f->found && str_eq(str_buf_text(&f->analysis), now->analysis))
		return 0;
	if (db_upsert(db, DB_TABLE_last_analysis, now, e) != 0)
		return -e->code;
	return f->found ? db_insert(db, DB_TABLE_analysis_changelog, &change, NULL, e) : 0;
}

/* A first sighting is no change, historically; nor is what a restart finds again. */
static int
write_analysis(struct db *db, const struct rd_change *c, struct err *e)
{
	const struct db_last_analysis *now = c->row;
	struct db_value key[] = {db_text(now->hostname), db_i64(now->port)};
	struct former f = {0};
	int rc = db_read_where(db, DB_TABLE_last_analysis, "WHERE hostname = ? AND port = ?", key, ARRAY_LEN(key),
			       take_former, &f, e);

	if (rc == 0)
		rc = write_if_changed(db, now, &f, e);
	str_buf_done(&f.analysis);
	return rc;
}

static int
write_purge(struct db *db, const struct rd_change *c, struct err *e)
{
	char stamp[CLK_STAMP_BYTES];
	struct db_value before = db_stamp(c->before_us, stamp);

	return db_delete_where(db, c->table, c->condition, &before, 1, NULL, e);
}

static int (*const writers[RD_CHANGE_KIND_COUNT])(struct db *db, const struct rd_change *c, struct err *e) = {
    [RD_CHANGE_UPSERT] = write_upsert,
    [RD_CHANGE_INSERT] = write_insert,
    [RD_CHANGE_INSERT_IGNORE] = write_insert_ignore,
    [RD_CHANGE_DELETE] = write_delete,
    [RD_CHANGE_INSTANCE_SEEN] = write_seen,
    [RD_CHANGE_INSTANCE_NOT_SEEN] = write_not_seen,
    [RD_CHANGE_INSTANCE_ABSENT] = write_absent,
    [RD_CHANGE_TOUCH_CHECK] = write_check,
    [RD_CHANGE_TOUCH_ATTEMPT] = write_attempt,
    [RD_CHANGE_ANALYSIS] = write_analysis,
    [RD_CHANGE_PURGE] = write_purge,
};

static int
write_changes(struct db *db, const struct rd_changes *c, struct err *e)
{
	for (size_t i = 0; i < c->n; i++) {
		ASSERT((size_t)c->v[i].kind < ARRAY_LEN(writers));
		if (writers[c->v[i].kind](db, &c->v[i], e) != 0)
			return err_wrap(e, "table %s", db_table_name(c->v[i].table));
	}
	return 0;
}

/* --- transactions ---------------------------------------------------------------------------------------------- */
int
rd_write_finish(struct db *db, int rc, struct err *e)
{
	if (rc == 0)
		return db_commit(db, e);
	db_rollback(db);
	return rc;
}

static int
set_number(struct db *db, const char *name, uint64_t value, struct err *e)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return db_set_meta(db, name, text, e);
}

int
rd_write_position(struct db *db, const struct rd_position *at, struct err *e)
{
	if (db_set_applied_index(db, (int64_t)at->index, e) != 0 ||
	    set_number(db, RD_META_APPLIED_TERM, at->term, e) != 0 ||
	    set_number(db, RD_META_APPLIED_TIME, (uint64_t)at->time_us, e) != 0)
		return -e->code;
	return set_number(db, RD_META_STATE_HASH, at->hash, e);
}

static int
write_jobs(struct db *db, struct rd_job *const *jobs, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (write_changes(db, &jobs[i]->changes, e) != 0)
			return -e->code;
	}
	return rd_write_position(db, &jobs[n - 1]->at, e);
}

int
rd_write_decisions(struct db *db, struct rd_job *const *jobs, size_t n, enum db_durability how, struct err *e)
{
	ASSERT(n > 0);
	if (db_begin(db, how, e) != 0)
		return -e->code;
	return rd_write_finish(db, write_jobs(db, jobs, n, e), e);
}

int
rd_write_telemetry(struct db *db, const struct rd_changes *c, struct err *e)
{
	if (c->n == 0)
		return 0;
	if (db_begin(db, DB_RELAXED, e) != 0)
		return -e->code;
	return rd_write_finish(db, write_changes(db, c, e), e);
}

int
rd_write_singly(struct db *db, const struct rd_changes *c, size_t *ret_refused, struct err *e)
{
	*ret_refused = 0;
	for (size_t i = 0; i < c->n; i++) {
		struct rd_changes one = {.v = &c->v[i], .n = 1};
		int rc = rd_write_telemetry(db, &one, e);
		if (rc != 0 && rc != -ERR_DB)
			return rc;
		*ret_refused += rc != 0;
	}
	return 0;
}

/* --- audit file ------------------------------------------------------------------------------------------------ */
/* Opened anew each time: a rotated file is followed. */
int
rd_write_schema(struct db *db, struct err *e)
{
	return db_redeploy(db, e);
}

int
rd_append_file(const char *path, const char *text, size_t n, struct err *e)
{
	int fd = newfile_open(path, O_WRONLY | O_APPEND | O_NOCTTY);
	ssize_t done;

	if (fd < 0)
		return err_sys(e, ERR_IO, errno, "opening %s", path);
	done = write(fd, text, n);
	if (done != (ssize_t)n)
		(void)err_sys(e, ERR_IO, done < 0 ? errno : ENOSPC, "writing %s", path);
	(void)close(fd);
	return done == (ssize_t)n ? 0 : -e->code;
}
