/* db_copy.c — a copy of the backend beside it, made once (db.h). Called by raftd's view writer before rows of another
 * life of the node are replaced. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/newfile.h"
#include "base/str.h"
#include "db/db_driver.h"
#include "db/db_file.h"

/* An empty file is made first: it has our mode and owner, and SQLite accepts it. */
static int
make_empty(const char *setting, const char *path, struct err *e)
{
	int fd;

	if (unlink(path) != 0 && errno != ENOENT)
		return db_file_fail(setting, path, errno, e);
	fd = newfile_open(path, O_WRONLY);
	if (fd < 0)
		return db_file_fail(setting, path, errno, e);
	(void)close(fd);
	return 0;
}

static int
sync_path(const char *setting, const char *path, int flags, struct err *e)
{
	int fd = open(path, flags | O_CLOEXEC), bad;

	if (fd < 0)
		return db_file_fail(setting, path, errno, e);
	bad = fsync(fd) == 0 ? 0 : errno;
	(void)close(fd);
	return bad == 0 ? 0 : db_file_fail(setting, path, bad, e);
}

/* Durable under its name, which nobody has taken meanwhile. */
static int
publish(const char *setting, const char *temporary, const char *path, struct err *e)
{
	char *dir = db_file_directory(path);
	int rc = sync_path(setting, temporary, O_RDONLY, e);

	if (rc == 0 && link(temporary, path) != 0 && errno != EEXIST)
		rc = db_file_fail(setting, path, errno, e);
	if (rc == 0)
		rc = sync_path(setting, dir, O_RDONLY | O_DIRECTORY, e);
	free(dir);
	return rc;
}

static int
copy(struct db *db, const char *temporary, const char *path, struct err *e)
{
	struct db_value to = db_text(temporary);

	if (make_empty(db->setting, temporary, e) != 0 || db_exec(db, "VACUUM INTO ?", &to, 1, e) != 0)
		return -e->code;
	return publish(db->setting, temporary, path, e);
}

int
db_copy_once(struct db *db, const char *path, bool *ret_made, struct err *e)
{
	struct str_buf temporary = {0};
	int rc;

	*ret_made = false;
	if (db->driver->dialect != DB_DIALECT_SQLITE)
		return err_set(e, ERR_UNSUPPORTED, "only a SQLite backend can be copied");
	if (access(path, F_OK) == 0)
		return 0;
	str_buf_printf(&temporary, "%s.tmp", path);
	rc = copy(db, str_buf_text(&temporary), path, e);
	(void)unlink(str_buf_text(&temporary));
	str_buf_done(&temporary);
	*ret_made = rc == 0;
	return rc == 0 ? 0 : err_wrap(e, "copying the backend to %s", path);
}
