/* newfile.c — see newfile.h. Called for the database, its locks, raft's mark and the audit file. Owns nothing. */
#include "base/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define FILE_MODE 0640
#define TRIES 10 /* somebody else creates and removes it all the time */

static void
give_to_owner_of_directory(int fd, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash == NULL ? mem_strdup(".") : mem_strndup(path, (size_t)(slash - path) + 1);
	struct stat st;

	/* a file system or a container without the right to do so: it stays root's */
	if (stat(dir, &st) == 0 && fchown(fd, st.st_uid, st.st_gid) != 0)
		errno = 0;
	free(dir);
}

static int
create(const char *path, int flags)
{
	int fd = open(path, flags | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);

	if (fd < 0)
		return -1;
	(void)fchmod(fd, FILE_MODE);
	if (geteuid() == 0)
		give_to_owner_of_directory(fd, path);
	return fd;
}

int
newfile_open(const char *path, int flags)
{
	int fd = -1;

	for (int i = 0; i < TRIES; i++) {
		fd = open(path, flags | O_CLOEXEC);
		if (fd >= 0 || errno != ENOENT)
			return fd;
		fd = create(path, flags);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return fd;
}
