/* rd_store.c — the store as a whole: opening and checking everything, writes as transactions, wiping, errors. The parts:
 * rd_store_rows.c, rd_store_log.c, rd_store_mark.c, rd_store_snap.c. Never logs; blocks on the disk.
 *
 * Why a write-ahead log: one sync per transaction (513 counted for 500) instead of four to five with a rollback journal;
 * its frames carry checksums, so a torn one ends the log instead of damaging a page; the database file itself is touched
 * only by checkpoints, which sync in the right order, and the write-ahead log is not reused before. What SQLite can't see
 * (an end that is missing altogether, a flipped bit in a page) is found by the mark and by checksums of our own. */
#include "rd_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "rd_store_private.h"

#define APPLICATION_ID 0x4f524c47 /* "ORLG" */
#define FORMAT 1

#define REC_SELF struct rd_founder
REC_DEFINE(rd_founder, RD_FOUNDER_FIELDS);
#undef REC_SELF
#define REC_SELF struct rd_identity
REC_DEFINE(rd_identity, RD_IDENTITY_FIELDS);
#undef REC_SELF

/* --- errors --------------------------------------------------------------------------------------------------------- */
static int
fail_path(const char *path, int errno_value, struct err *e)
{
	switch (errno_value) {
	case ENOENT:
	case ENOTDIR:
		return err_set(e, ERR_NOT_FOUND, "%s does not exist: check " RD_STORE_SETTING, path);
	case EACCES:
	case EPERM:
		return err_set(e, ERR_PERMISSION,
			       "%s: permission denied for uid %u: give " RD_STORE_SETTING
			       " and all in it to the user that "
			       "runs orchestrator",
			       path, (unsigned)geteuid());
	case EROFS:
		return err_set(e, ERR_DB_READONLY,
			       "%s is on a read-only file system: remount it writable or change " RD_STORE_SETTING,
			       path);
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return err_set(e, ERR_DB_FULL, "%s: no space left (disk, quota or file size limit): free some", path);
	default:
		return err_sys(e, ERR_IO, errno_value, "%s", path);
	}
}

int
rd_store_fail(const struct rd_store *s, const char *name, int errno_value, struct err *e)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	return fail_path(path, errno_value, e);
}

int
rd_store_damaged(const struct rd_store *s, const char *name, struct err *e, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(e, ERR_DB_CORRUPT, "%s/%s is damaged (%s): " RD_STORE_IF_DAMAGED, s->dir, name, what);
}

/* --- opening -------------------------------------------------------------------------------------------------------- */
/* As historically, a missing directory is made. */
static int
make_directory(const char *dir, struct err *e)
{
	char *path;
	int rc = 0;

	if (str_empty(dir))
		return err_set(e, ERR_CONFIG, RD_STORE_SETTING " is empty: name the directory for raft's files");
	path = mem_strdup(dir);
	for (char *p = path + 1; rc == 0; p++) {
		char c = *p;
		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(path, 0750) != 0 && errno != EEXIST && access(path, F_OK) != 0)
			rc = fail_path(path, errno, e);
		if (c == '\0')
			break;
		*p = c;
	}
	free(path);
	return rc;
}

static int
open_database(struct rd_store *s, struct err *e)
{
	char path[PATH_MAX];
	const struct db_own own = {.path = path,
				   .setting = RD_STORE_SETTING,
				   .if_damaged = RD_STORE_IF_DAMAGED,
				   .what = "a raft store",
				   .application_id = APPLICATION_ID,
				   .version = FORMAT,
				   .schema = rd_store_schema};

	if (snprintf(path, sizeof(path), "%s/" RD_STORE_FILE, s->dir) >= (int)sizeof(path) - 32)
		return err_set(e, ERR_CONFIG, RD_STORE_SETTING " is too long (%zu bytes)", strlen(s->dir));
	return db_open_own(&own, &s->db, e);
}

static int
in_transaction(struct rd_store *s, int (*fn)(struct rd_store *s, struct err *e), struct err *e)
{
	int rc = db_begin(s->db, DB_DURABLE, e);

	if (rc != 0)
		return rc;
	rc = fn(s, e);
	if (rc == 0)
		return db_commit(s->db, e);
	db_rollback(s->db);
	return rc;
}

/* The schema and the first rows are two transactions: a process may have died in between. */
static int
on_has_state(void *ctx, const struct db_value *v, size_t n UNUSED, struct err *e UNUSED)
{
	*(bool *)ctx = db_value_i64(&v[0]) != 0;
	return 0;
}

static int
load_or_make(struct rd_store *s, bool *ret_created, struct err *e)
{
	bool has_rows = false;
	int rc = db_query(
	    s->db,
	    "SELECT EXISTS (SELECT 1 FROM state) OR EXISTS (SELECT 1 FROM identity) OR EXISTS (SELECT 1 FROM log)",
	    NULL, 0, on_has_state, &has_rows, e);

	*ret_created = !has_rows;
	if (rc == 0 && !has_rows)
		rc = rd_store_mark_check_blank(s, e);
	if (rc == 0 && !has_rows)
		rc = in_transaction(s, rd_store_rows_make, e);
	return rc == 0 ? rd_store_rows_load(s, e) : rc;
}

static int
open_all(struct rd_store *s, size_t recent_bytes, struct rd_stored *found, struct err *e)
{
	struct db_open_info info;
	int rc = open_database(s, e);

	if (rc != 0)
		return rc;
	db_open_result(s->db, &info);
	found->unclean = info.unclean;
	s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		return fail_path(s->dir, errno, e);
	rc = rd_store_mark_open(s, e);
	if (rc == 0)
		rc = load_or_make(s, &found->created, e);
	if (rc == 0)
		rc = rd_store_mark_check(s, e);
	if (rc == 0)
		rc = rd_store_log_load(s, recent_bytes, &found->log, e);
	if (rc == 0)
		rc = rd_store_snapshot_check(s, e);
	if (rc == 0)
		rc = rd_store_snapshot_clean(s, UINT64_MAX, e);
	return rc == 0 ? rd_store_mark_set(s, e) : rc;
}

static void
describe(const struct rd_store *s, struct rd_stored *found)
{
	rec_dup(&rd_identity_desc, &found->identity, &s->identity);
	found->term = s->now.term;
	found->voted_for = s->now.voted_for;
	rd_snapshot_dup(&found->snapshot, &s->snapshot);
}

int
rd_store_open(const struct rd_store_conf *conf, struct rd_store **ret_store, struct rd_stored **ret_found,
	      struct err *e)
{
	struct rd_store *s;
	struct rd_stored *found;
	int rc = make_directory(conf->dir, e);

	if (rc != 0)
		return rc;
	s = mem_new(struct rd_store);
	s->dir = mem_strdup(conf->dir);
	s->dir_fd = s->mark_fd = s->reading_fd = s->writing[0].fd = s->writing[1].fd = -1;
	rec_init(&rd_identity_desc, &s->identity);
	found = mem_new(struct rd_stored);
	rec_init(&rd_identity_desc, &found->identity);
	rc = open_all(s, conf->recent_bytes, found, e);
	if (rc != 0) {
		rd_stored_free(found);
		rd_store_close(s);
		return rc;
	}
	describe(s, found);
	*ret_store = s;
	*ret_found = found;
	return 0;
}

void
rd_stored_free(struct rd_stored *f)
{
	if (f == NULL)
		return;
	rec_done(&rd_identity_desc, &f->identity);
	rd_snapshot_done(&f->snapshot);
	free(f->log);
	free(f);
}

uint64_t
rd_stored_last(const struct rd_stored *s)
{
	return s->log->n > 0 ? s->log->index + s->log->n - 1 : s->snapshot.index;
}

void
rd_store_close(struct rd_store *s)
{
	if (s == NULL)
		return;
	rd_store_snapshot_close(s);
	db_close(s->db); /* releases the lock: last, but for what cannot hurt another process */
	if (s->mark_fd >= 0)
		(void)close(s->mark_fd);
	if (s->dir_fd >= 0)
		(void)close(s->dir_fd);
	rec_done(&rd_identity_desc, &s->identity);
	rd_snapshot_done(&s->snapshot);
	free(s->dir);
	free(s);
}

/* --- writing -------------------------------------------------------------------------------------------------------- */
static int
put_one(struct rd_store *s, const struct rd_write *w, struct rd_store_state *next, struct err *e)
{
	int rc = 0;

	ASSERT(!w->clears_log || w->snapshot != NULL);
	if (w->identity != NULL) {
		struct rd_identity id = *w->identity;
		id.dir_id = s->identity.dir_id;
		rc = rd_store_put_identity(s, &id, e);
	}
	if (w->has_vote) {
		next->term = w->term;
		next->voted_for = w->voted_for;
	}
	if (rc == 0 && w->snapshot != NULL)
		rc = rd_store_put_snapshot(s, w->snapshot, e);
	if (rc == 0)
		rc = rd_store_log_put(s, w, next, e);
	if (w->compact_to > next->compact_to)
		next->compact_to = w->compact_to;
	return rc;
}

static int
put_all(struct rd_store *s, const struct rd_write *const *writes, size_t n, struct rd_store_state *next, struct err *e)
{
	int rc = db_begin(s->db, DB_DURABLE, e);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = put_one(s, writes[i], next, e);
	next->seq++;
	if (rc == 0)
		rc = rd_store_put_state(s, next, e);
	if (rc == 0)
		return db_commit(s->db, e);
	db_rollback(s->db);
	return rc;
}

/* What memory holds of the files follows them. */
static void
remember(struct rd_store *s, const struct rd_write *w)
{
	if (w->identity != NULL) {
		char dir_id[33];
		(void)str_copy(dir_id, sizeof(dir_id), s->identity.dir_id);
		rec_assign(&rd_identity_desc, &s->identity, w->identity);
		rec_set_str(&s->identity.dir_id, dir_id);
	}
	if (w->snapshot != NULL) {
		rd_snapshot_done(&s->snapshot);
		rd_snapshot_dup(&s->snapshot, w->snapshot);
	}
}

int
rd_store_write(struct rd_store *s, const struct rd_write *const *writes, size_t n, struct err *e)
{
	struct rd_store_state next = s->now;
	uint64_t snapshot = s->snapshot.index;
	int rc;

	if (s->broken.code != 0) {
		*e = s->broken;
		return -e->code;
	}
	rc = put_all(s, writes, n, &next, e);
	if (rc == 0) {
		s->now = next;
		for (size_t i = 0; i < n; i++)
			remember(s, writes[i]);
		rc = rd_store_mark_set(s, e);
	}
	if (rc == 0 && s->snapshot.index != snapshot)
		rc = rd_store_snapshot_clean(s, s->snapshot.index, e);
	if (rc != 0)
		s->broken = *e;
	return rc;
}

/* --- wiping --------------------------------------------------------------------------------------------------------- */
static int
wipe_rows(struct rd_store *s, struct err *e)
{
	static const char *const tables[] = {"DELETE FROM state", "DELETE FROM log", "DELETE FROM snapshot",
					     "DELETE FROM identity", "DELETE FROM founder"};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(tables) && rc == 0; i++)
		rc = db_exec(s->db, tables[i], NULL, 0, e);
	return rc == 0 ? rd_store_rows_make(s, e) : rc;
}

int
rd_store_wipe(struct rd_store *s, struct rd_stored **ret_found, struct err *e)
{
	struct rd_stored *found = mem_new(struct rd_stored);
	int rc;

	rec_init(&rd_identity_desc, &found->identity);
	if (s->broken.code != 0) {
		*e = s->broken;
		rc = -e->code;
	} else {
		rc = in_transaction(s, wipe_rows, e);
	}
	if (rc == 0) {
		rd_store_snapshot_close(s);
		rd_snapshot_done(&s->snapshot);
		rc = rd_store_snapshot_clean(s, UINT64_MAX, e);
	}
	if (rc == 0)
		rc = rd_store_mark_set(s, e);
	if (rc == 0)
		rc = rd_store_log_load(s, 0, &found->log, e);
	if (rc != 0) {
		s->broken = *e;
		rd_stored_free(found);
		return rc;
	}
	found->created = true;
	describe(s, found);
	*ret_found = found;
	return 0;
}
