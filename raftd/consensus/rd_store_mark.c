/* rd_store_mark.c — the file raft_log.mark: "<dir_id> <number of the newest completed write>".
 *
 * Why it exists: SQLite can't tell a write-ahead log that lost its end (removed, truncated, a damaged frame, a restored
 * backup) from one that never had it, and would quietly go on with an older state; a raft member that forgets what it has
 * acknowledged breaks the group. The mark is written after each synced write and not synced itself, so it is never ahead
 * of a sound database, and costs a microsecond. An unreadable or foreign mark (after a power loss) proves nothing and is
 * replaced. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/newfile.h"
#include "rd_store_private.h"

#define MARK_FILE "raft_log.mark"
#define MARK_FORMAT "%.32s %020" PRIu64 "\n"

int
rd_store_mark_open(struct rd_store *s, struct err *e)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/" MARK_FILE, s->dir);
	s->mark_fd = newfile_open(path, O_RDWR | O_NOFOLLOW);
	return s->mark_fd >= 0 ? 0 : rd_store_fail(s, MARK_FILE, errno, e);
}

/* *ret_seq = 0: there is none that can be read. */
static int
read_mark(struct rd_store *s, char *ret_dir_id, uint64_t *ret_seq, struct err *e)
{
	char text[64] = "";

	*ret_seq = 0;
	if (pread(s->mark_fd, text, sizeof(text) - 1, 0) < 0)
		return rd_store_fail(s, MARK_FILE, errno, e);
	if (sscanf(text, "%32s %20" SCNu64, ret_dir_id, ret_seq) != 2)
		*ret_seq = 0;
	return 0;
}

int
rd_store_mark_check_blank(struct rd_store *s, struct err *e)
{
	char dir_id[33];
	uint64_t seq;
	int rc = read_mark(s, dir_id, &seq, e);

	if (rc != 0 || seq <= 1)
		return rc;
	return err_set(
	    e, ERR_DB_CORRUPT,
	    "%s/" RD_STORE_FILE " is gone or empty, but " MARK_FILE " says that it held %" PRIu64
	    " writes: put it back, with its -wal; or, to let this node begin anew, remove all of the directory",
	    s->dir, seq);
}

int
rd_store_mark_check(struct rd_store *s, struct err *e)
{
	char dir_id[33];
	uint64_t seq;
	int rc = read_mark(s, dir_id, &seq, e);

	if (rc != 0 || seq <= s->now.seq || strcmp(dir_id, s->identity.dir_id) != 0)
		return rc;
	return rd_store_damaged(s, RD_STORE_FILE, e,
				"%" PRIu64
				" completed writes are missing at its end (the file or its -wal was damaged, "
				"removed, or restored from a backup)",
				seq - s->now.seq);
}

int
rd_store_mark_set(struct rd_store *s, struct err *e)
{
	char text[64];
	int n = snprintf(text, sizeof(text), MARK_FORMAT, s->identity.dir_id, s->now.seq);

	if (pwrite(s->mark_fd, text, (size_t)n, 0) != n)
		return rd_store_fail(s, MARK_FILE, errno, e);
	return 0;
}
