/* sup_rundir.c — makes and removes the runtime directory (sup_rundir.h). Called by sup_start.c. */
#include "sup_rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

#define PREFIX "/orchestrator-"
#define SUFFIX_BYTES (sizeof(PREFIX "XXXXXX") - 1)

static int
make_below(const char *base, char *ret, struct err *e)
{
	char path[SUP_RUNDIR_BYTES];

	if (base[0] != '/')
		return err_set(e, ERR_CONFIG, "runtime directory %s: give an absolute path in RuntimeDir", base);
	if (strlen(base) + SUFFIX_BYTES >= sizeof(path))
		return err_set(e, ERR_TOO_LARGE,
			       "runtime directory below %s: socket paths would be too long, set RuntimeDir to a path "
			       "of at most %zu bytes",
			       base, sizeof(path) - SUFFIX_BYTES - 1);
	(void)snprintf(path, sizeof(path), "%s%sXXXXXX", base, PREFIX);
	if (mkdtemp(path) == NULL)
		return err_sys(e, errno == EACCES || errno == EPERM ? ERR_PERMISSION : ERR_IO, errno,
			       "making a runtime directory below %s (key RuntimeDir)", base);
	memcpy(ret, path, sizeof(path));
	return 0;
}

int
sup_rundir_make(const struct sup_rundir_from *from, char *ret, struct err *e)
{
	char first[SUP_RUNDIR_BYTES];

	if (!str_empty(from->configured)) {
		if (from->configured[0] == '/' && mkdir(from->configured, 0700) != 0 && errno != EEXIST)
			return err_sys(e, ERR_PERMISSION, errno, "RuntimeDir %s", from->configured);
		return make_below(from->configured, ret, e);
	}
	if (!str_empty(from->runtime_directory)) {
		/* systemd separates several by colons */
		(void)snprintf(first, sizeof(first), "%.*s", (int)strcspn(from->runtime_directory, ":"),
			       from->runtime_directory);
		return make_below(first, ret, e);
	}
	/* after su(1) it may be another user's, or gone */
	if (!str_empty(from->xdg) && make_below(from->xdg, ret, e) == 0)
		return 0;
	return make_below("/tmp", ret, e);
}

static bool
is_ours(const char *path, int fd)
{
	const char *name = strrchr(path, '/');
	struct stat st;

	return name != NULL && str_starts(name, PREFIX) && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

static void
empty(DIR *dir)
{
	struct dirent *d;

	while ((d = readdir(dir)) != NULL) {
		if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, ".."))
			(void)unlinkat(dirfd(dir), d->d_name, 0);
	}
}

void
sup_rundir_remove(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir;

	if (fd < 0)
		return;
	dir = is_ours(path, fd) ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		(void)close(fd);
		return;
	}
	empty(dir);
	(void)closedir(dir);
	(void)rmdir(path);
}
