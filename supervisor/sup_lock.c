/* sup_lock.c — the lock on the data (sup_lock.h). Called by sup_start.c. */
#include "sup_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/newfile.h"
#include "base/str.h"

#define TEXT_BYTES 256

bool
sup_holder_parse(const char *text, size_t len, struct sup_holder *ret)
{
	char copy[TEXT_BYTES], *lines[3], *rest = copy;
	struct sup_holder h = {0};
	struct err e;

	if (len >= sizeof(copy) || memchr(text, '\0', len) != NULL)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		lines[i] = rest;
		rest = strchr(rest, '\n');
		if (rest == NULL)
			return false;
		*rest++ = '\0';
	}
	if (str_parse_i64(lines[0], 1, INT32_MAX, &h.pid, &e) != 0 || *rest != '\0')
		return false;
	h.service = str_eq(lines[1], "service");
	if (!h.service && !str_eq(lines[1], "one-shot"))
		return false;
	if (lines[2][0] != '/' || !str_copy(h.runtime_dir, sizeof(h.runtime_dir), lines[2]))
		return false;
	*ret = h;
	return true;
}

static void
read_holder(int fd, struct sup_holder *ret)
{
	char text[TEXT_BYTES];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	*ret = (struct sup_holder){0};
	if (n > 0)
		(void)sup_holder_parse(text, (size_t)n, ret);
}

static enum err_code
code_of(int errno_value)
{
	switch (errno_value) {
	case ENOENT:
	case ENOTDIR:
		return ERR_NOT_FOUND;
	case EACCES:
	case EPERM:
		return ERR_PERMISSION;
	case EROFS:
		return ERR_DB_READONLY;
	case ENOSPC:
	case EDQUOT:
		return ERR_DB_FULL;
	default:
		return ERR_IO;
	}
}

int
sup_lock_take(const char *data_file, struct sup_lock *ret_lock, struct sup_holder *ret_holder, struct err *e)
{
	struct str_buf path = {0};
	int fd, rc = 0;

	str_buf_printf(&path, "%s.node", data_file);
	fd = newfile_open(path.p, O_RDWR | O_NOFOLLOW);
	if (fd < 0) {
		rc = err_sys(e, code_of(errno), errno, "lock file %s (key SQLite3DataFile)", path.p);
	} else if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		read_holder(fd, ret_holder);
		ret_lock->fd = fd;
	} else {
		rc = errno == EWOULDBLOCK ? err_set(e, ERR_BUSY, "%s is held", path.p)
					  : err_sys(e, ERR_IO, errno, "locking %s", path.p);
		read_holder(fd, ret_holder);
		(void)close(fd);
	}
	str_buf_done(&path);
	return rc;
}

int
sup_lock_write(struct sup_lock *l, const struct sup_holder *me, struct err *e)
{
	char text[TEXT_BYTES];
	int n = snprintf(text, sizeof(text), "%lld\n%s\n%s\n", (long long)me->pid, me->service ? "service" : "one-shot",
			 me->runtime_dir);

	ASSERT(n > 0 && (size_t)n < sizeof(text));
	if (ftruncate(l->fd, 0) != 0 || pwrite(l->fd, text, (size_t)n, 0) != n)
		return err_sys(e, code_of(errno), errno,
			       "writing the lock file beside the database (key SQLite3DataFile)");
	return 0;
}

void
sup_lock_release(struct sup_lock *l)
{
	if (l->fd < 0)
		return;
	if (ftruncate(l->fd, 0) != 0)
		errno = 0; /* the text then names a directory that is gone: the next holder finds nothing to remove */
	(void)close(l->fd);
	l->fd = -1;
}
