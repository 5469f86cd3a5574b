/* db_file.c — checks, creation and locking of the SQLite file. Called by db_sqlite.c before it opens the file.
 *
 * Never opens the database file itself while SQLite has it open: closing any descriptor of it would drop SQLite's POSIX
 * locks. Therefore the writer's lock is a file of its own. */
#include "db/db_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/newfile.h"

char *
db_file_directory(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return mem_strdup(".");
	return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

int
db_file_fail(const char *setting, const char *path, int errno_value, struct err *e)
{
	switch (errno_value) {
	case ENOENT:
		return err_set(e, ERR_NOT_FOUND, "%s does not exist: check %s", path, setting);
	case EACCES:
	case EPERM:
		return err_set(e, ERR_PERMISSION,
			       "%s: permission denied for uid %u: give the file and its directory to the user that "
			       "runs orchestrator",
			       path, (unsigned)geteuid());
	case EROFS:
		return err_set(e, ERR_DB_READONLY, "%s is on a read-only file system: remount it writable or change %s",
			       path, setting);
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return err_set(e, ERR_DB_FULL, "%s: no space left: free some on its file system", path);
	default:
		return err_sys(e, ERR_IO, errno_value, "%s", path);
	}
}

static int
check_directory(const char *setting, const char *path, struct err *e)
{
	char *dir = db_file_directory(path);
	struct stat st;
	int rc = 0;

	if (stat(dir, &st) != 0 && errno == ENOENT)
		rc = err_set(
		    e, ERR_NOT_FOUND,
		    "directory %s does not exist: create it, owned by the user that runs orchestrator, or change "
		    "%s (%s)",
		    dir, setting, path);
	else if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode))
		rc = err_set(e, ERR_CONFIG, "%s is not a directory: change %s (%s)", dir, setting, path);
	else if (access(dir, W_OK | X_OK) != 0) /* SQLite keeps its log beside the file */
		rc = db_file_fail(setting, dir, errno, e);
	free(dir);
	return rc;
}

static int
check_regular(const char *setting, const char *path, const struct stat *st, struct err *e)
{
	if (S_ISREG(st->st_mode))
		return 0;
	return err_set(e, ERR_CONFIG, "%s is not a regular file: change %s", path, setting);
}

static int
check_writable(const char *setting, const char *path, struct err *e)
{
	if (access(path, R_OK | W_OK) == 0)
		return 0;
	if (errno == EACCES && access(path, R_OK) == 0)
		return err_set(e, ERR_DB_READONLY,
			       "%s is read-only for uid %u: make it writable for the user that runs orchestrator", path,
			       (unsigned)geteuid());
	return db_file_fail(setting, path, errno, e);
}

static int
create_file(const char *setting, const char *path, struct err *e)
{
	int fd = newfile_open(path, O_RDWR);

	if (fd < 0)
		return db_file_fail(setting, path, errno, e);
	(void)close(fd);
	return 0;
}

int
db_file_prepare(const char *setting, const char *path, bool *ret_created, struct err *e)
{
	struct stat st;
	int rc;

	if (path[0] == '\0')
		return err_set(e, ERR_CONFIG, "%s is empty: name the file that shall hold the database", setting);
	rc = check_directory(setting, path, e);
	if (rc != 0)
		return rc;
	if (stat(path, &st) != 0) {
		if (errno != ENOENT)
			return db_file_fail(setting, path, errno, e);
		*ret_created = true;
		return create_file(setting, path, e);
	}
	rc = check_regular(setting, path, &st, e);
	if (rc == 0)
		rc = check_writable(setting, path, e);
	if (rc == 0)
		*ret_created = st.st_size == 0;
	return rc;
}

int
db_file_check_readable(const char *setting, const char *path, struct err *e)
{
	struct stat st;

	if (path[0] == '\0')
		return err_set(e, ERR_CONFIG, "%s is empty: name the file that holds the database", setting);
	if (stat(path, &st) != 0 || access(path, R_OK) != 0)
		return db_file_fail(setting, path, errno, e);
	return check_regular(setting, path, &st, e);
}

/* --- the writer's lock ----------------------------------------------------------------------- */
static int
lock_is_taken(int fd, const char *setting, const char *path, struct err *e)
{
	char owner[32] = "";
	ssize_t n = pread(fd, owner, sizeof(owner) - 1, 0);

	owner[n < 0 ? 0 : strcspn(owner, "\n")] = '\0';
	return err_set(e, ERR_DB_BUSY,
		       "%s is in use by another orchestrator (process %s): stop it, or give each its own %s", path,
		       owner[0] == '\0' ? "unknown" : owner, setting);
}

static int
note_owner(int fd, const char *setting, const char *lock_path, struct err *e)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return db_file_fail(setting, lock_path, errno, e);
	return 0;
}

static int
lock_fd(int fd, const char *setting, const char *path, const char *lock_path, bool *ret_unclean, struct err *e)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? lock_is_taken(fd, setting, path, e)
					    : db_file_fail(setting, lock_path, errno, e);
	if (fstat(fd, &st) != 0)
		return db_file_fail(setting, lock_path, errno, e);
	*ret_unclean = st.st_size > 0;
	return note_owner(fd, setting, lock_path, e);
}

int
db_file_lock(const char *setting, const char *path, int *ret_fd, bool *ret_unclean, struct err *e)
{
	char lock_path[PATH_MAX];
	int fd, rc;

	if (snprintf(lock_path, sizeof(lock_path), "%s.lock", path) >= (int)sizeof(lock_path))
		return err_set(e, ERR_CONFIG, "%s is too long (%zu bytes)", setting, strlen(path));
	fd = newfile_open(lock_path, O_RDWR | O_NOFOLLOW);
	if (fd < 0)
		return db_file_fail(setting, lock_path, errno, e);
	rc = lock_fd(fd, setting, path, lock_path, ret_unclean, e);
	if (rc != 0)
		(void)close(fd);
	else
		*ret_fd = fd;
	return rc;
}

void
db_file_unlock(int fd, bool clean)
{
	if (fd < 0)
		return;
	if (clean)
		(void)!ftruncate(fd, 0);
	(void)close(fd);
}
