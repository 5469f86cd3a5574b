/* rd_store_snap.c — snapshot files: written in pieces under a temporary name, synced, renamed; read in pieces. Owns the
 * descriptors of files under way. Called by rd_store.c and, through rd_store.h, by the log writer's thread.
 *
 * A file is one line of text that says everything about it, padded to HEADER_BYTES, and the content. The line is made from
 * the metadata, so comparing it is comparing the metadata. Two files of one (term, index) never replace each other when
 * the first is the current one: its metadata stands in the database already. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "rd_store_private.h"

#define HEADER_BYTES 256
#define SYNC_BYTES (8u << 20) /* the disk gets it in such portions, so that the last sync is short */
#define NAME_BYTES 80
#define NAME_FORMAT "snapshot-%" PRIu64 "-%" PRIu64 ".orc"

static const char *const temporary[] = {
    [RD_SNAPSHOT_OWN] = "snapshot-own.tmp",
    [RD_SNAPSHOT_RECEIVED] = "snapshot-received.tmp",
};

static void
name_of(uint64_t term, uint64_t index, char *ret_name)
{
	(void)snprintf(ret_name, NAME_BYTES, NAME_FORMAT, term, index);
}

static void
header_of(const struct rd_snapshot *meta, char *ret_header)
{
	char hex[65];
	int n;

	str_hex(hex, meta->sha256, sizeof(meta->sha256));
	n = snprintf(ret_header, HEADER_BYTES,
		     "orchestrator raft snapshot 1: term=%" PRIu64 " index=%" PRIu64 " bytes=%" PRIu64 " sha256=%s",
		     meta->term, meta->index, meta->size, hex);
	memset(ret_header + n, '\n', HEADER_BYTES - (size_t)n);
}

/* --- writing -------------------------------------------------------------------------------------------------------- */
static void
forget(struct rd_snapshot_file *f)
{
	if (f->fd >= 0)
		(void)close(f->fd);
	EVP_MD_CTX_free(f->sha);
	*f = (struct rd_snapshot_file){.fd = -1};
}

void
rd_store_snapshot_abort(struct rd_store *s, enum rd_snapshot_source source)
{
	if (s->writing[source].fd < 0)
		return;
	forget(&s->writing[source]);
	(void)unlinkat(s->dir_fd, temporary[source], 0);
}

static int
begin(struct rd_store *s, enum rd_snapshot_source source, struct err *e)
{
	struct rd_snapshot_file *f = &s->writing[source];

	rd_store_snapshot_abort(s, source);
	f->fd = openat(s->dir_fd, temporary[source], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (f->fd < 0)
		return rd_store_fail(s, temporary[source], errno, e);
	f->sha = EVP_MD_CTX_new();
	ASSERT(f->sha != NULL && EVP_DigestInit_ex(f->sha, EVP_sha256(), NULL) == 1);
	return 0;
}

static int
write_at(int fd, const char *p, size_t n, uint64_t offset)
{
	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? errno : ENOSPC;
		p += done;
		n -= (size_t)done;
		offset += (uint64_t)done;
	}
	return 0;
}

static int
append(struct rd_snapshot_file *f, const void *data, size_t n)
{
	int sys = write_at(f->fd, data, n, HEADER_BYTES + f->size);

	if (sys != 0)
		return sys;
	ASSERT(EVP_DigestUpdate(f->sha, data, n) == 1);
	f->size += n;
	f->unsynced += n;
	if (f->unsynced < SYNC_BYTES)
		return 0;
	f->unsynced = 0;
	return fdatasync(f->fd) == 0 ? 0 : errno;
}

static int
check_content(const struct rd_snapshot_file *f, const uint8_t *sha, const struct rd_snapshot *meta, struct err *e)
{
	if (f->size == meta->size && memcmp(sha, meta->sha256, sizeof(meta->sha256)) == 0)
		return 0;
	return err_set(e, ERR_INVALID,
		       "the snapshot received for term %" PRIu64 ", index %" PRIu64
		       " differs from its checksum (%" PRIu64 " of %" PRIu64 " bytes)",
		       meta->term, meta->index, f->size, meta->size);
}

static bool
is_current(const struct rd_store *s, const struct rd_snapshot *meta)
{
	return s->snapshot.index != 0 && s->snapshot.index == meta->index && s->snapshot.term == meta->term;
}

static int
name_file(struct rd_store *s, enum rd_snapshot_source source, const struct rd_snapshot *meta, struct err *e)
{
	char header[HEADER_BYTES], name[NAME_BYTES];
	int fd = s->writing[source].fd, sys;

	header_of(meta, header);
	name_of(meta->term, meta->index, name);
	sys = write_at(fd, header, sizeof(header), 0);
	if (sys == 0 && fsync(fd) != 0)
		sys = errno;
	if (sys != 0)
		return rd_store_fail(s, temporary[source], sys, e);
	if (renameat(s->dir_fd, temporary[source], s->dir_fd, name) != 0 || fsync(s->dir_fd) != 0)
		return rd_store_fail(s, name, errno, e);
	forget(&s->writing[source]);
	if (s->reading_term == meta->term && s->reading_index == meta->index)
		s->reading_index = 0; /* another file has this name now */
	return 0;
}

static int
finish(struct rd_store *s, enum rd_snapshot_source source, struct rd_snapshot *meta, struct err *e)
{
	struct rd_snapshot_file *f = &s->writing[source];
	uint8_t sha[32];
	int rc = 0;

	ASSERT(EVP_DigestFinal_ex(f->sha, sha, NULL) == 1);
	if (source == RD_SNAPSHOT_RECEIVED)
		rc = check_content(f, sha, meta, e);
	if (rc != 0)
		return rc;
	if (is_current(s, meta)) { /* what we have is the same state */
		rd_store_snapshot_abort(s, source);
		meta->size = s->snapshot.size;
		memcpy(meta->sha256, s->snapshot.sha256, sizeof(sha));
		return 0;
	}
	meta->size = f->size;
	memcpy(meta->sha256, sha, sizeof(sha));
	return name_file(s, source, meta, e);
}

int
rd_store_snapshot_put(struct rd_store *s, enum rd_snapshot_source source, struct rd_snapshot *meta, uint64_t offset,
		      const void *data, size_t n, bool last, struct err *e)
{
	struct rd_snapshot_file *f = &s->writing[source];
	int rc = 0, sys;

	if (offset == 0)
		rc = begin(s, source, e);
	else if (f->fd < 0 || f->size != offset)
		return err_set(e, ERR_INVALID, "a piece of a snapshot at offset %" PRIu64 ", %" PRIu64 " was expected",
			       offset, f->fd < 0 ? 0 : f->size);
	if (rc != 0)
		return rc;
	sys = append(f, data, n);
	if (sys != 0)
		rc = rd_store_fail(s, temporary[source], sys, e);
	if (rc == 0 && last)
		rc = finish(s, source, meta, e);
	if (rc != 0)
		rd_store_snapshot_abort(s, source);
	return rc;
}

/* --- reading -------------------------------------------------------------------------------------------------------- */
static int
open_to_read(struct rd_store *s, uint64_t term, uint64_t index, struct err *e)
{
	char name[NAME_BYTES];

	if (s->reading_fd >= 0 && s->reading_term == term && s->reading_index == index)
		return 0;
	if (s->reading_fd >= 0)
		(void)close(s->reading_fd);
	name_of(term, index, name);
	s->reading_fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	s->reading_term = term;
	s->reading_index = index;
	return s->reading_fd >= 0 ? 0 : rd_store_fail(s, name, errno, e);
}

int
rd_store_snapshot_get(struct rd_store *s, uint64_t term, uint64_t index, uint64_t offset, void *buf, size_t max,
		      size_t *ret_n, struct err *e)
{
	char name[NAME_BYTES];
	ssize_t n;
	int rc = open_to_read(s, term, index, e);

	if (rc != 0)
		return rc;
	n = pread(s->reading_fd, buf, max, (off_t)(HEADER_BYTES + offset));
	if (n < 0) {
		name_of(term, index, name);
		return rd_store_fail(s, name, errno, e);
	}
	*ret_n = (size_t)n;
	return 0;
}

/* --- checking and cleaning ------------------------------------------------------------------------------------------ */
static int
sum_content(struct rd_store *s, uint64_t *ret_size, uint8_t *ret_sha, struct err *e)
{
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	char *buf = mem_alloc(RD_SNAPSHOT_CHUNK);
	size_t n = 0;
	int rc;

	ASSERT(sha != NULL && EVP_DigestInit_ex(sha, EVP_sha256(), NULL) == 1);
	*ret_size = 0;
	do {
		rc = rd_store_snapshot_get(s, s->snapshot.term, s->snapshot.index, *ret_size, buf, RD_SNAPSHOT_CHUNK,
					   &n, e);
		if (rc == 0)
			ASSERT(EVP_DigestUpdate(sha, buf, n) == 1);
		*ret_size += n;
	} while (rc == 0 && n > 0);
	ASSERT(EVP_DigestFinal_ex(sha, ret_sha, NULL) == 1);
	EVP_MD_CTX_free(sha);
	free(buf);
	return rc;
}

int
rd_store_snapshot_check(struct rd_store *s, struct err *e)
{
	char expected[HEADER_BYTES], found[HEADER_BYTES] = "", name[NAME_BYTES];
	uint8_t sha[32];
	uint64_t size;
	int rc;

	if (s->snapshot.index == 0)
		return 0;
	name_of(s->snapshot.term, s->snapshot.index, name);
	rc = sum_content(s, &size, sha, e);
	if (rc == -ERR_NOT_FOUND)
		return rd_store_damaged(s, name, e, "the file is missing");
	if (rc != 0)
		return rc;
	header_of(&s->snapshot, expected);
	if (pread(s->reading_fd, found, sizeof(found), 0) != HEADER_BYTES ||
	    memcmp(found, expected, sizeof(found)) != 0)
		return rd_store_damaged(s, name, e, "its first line is not what the log says about it");
	if (size != s->snapshot.size || memcmp(sha, s->snapshot.sha256, sizeof(sha)) != 0)
		return rd_store_damaged(s, name, e, "its content does not match its checksum");
	return 0;
}

static bool
is_obsolete(const struct rd_store *s, const char *name, uint64_t below)
{
	char exact[NAME_BYTES];
	uint64_t term, index;

	if (below == UINT64_MAX && (str_eq(name, temporary[0]) || str_eq(name, temporary[1])))
		return true;
	if (sscanf(name, "snapshot-%20" SCNu64 "-%20" SCNu64, &term, &index) != 2)
		return false;
	name_of(term, index, exact);
	return str_eq(name, exact) && index < below && !(index == s->snapshot.index && term == s->snapshot.term);
}

int
rd_store_snapshot_clean(struct rd_store *s, uint64_t below, struct err *e)
{
	int fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *x;

	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return rd_store_fail(s, ".", errno, e);
	}
	while ((x = readdir(d)) != NULL) {
		if (is_obsolete(s, x->d_name, below))
			(void)unlinkat(s->dir_fd, x->d_name, 0); /* tried again at the next open */
	}
	(void)closedir(d);
	return 0;
}

void
rd_store_snapshot_close(struct rd_store *s)
{
	rd_store_snapshot_abort(s, RD_SNAPSHOT_OWN);
	rd_store_snapshot_abort(s, RD_SNAPSHOT_RECEIVED);
	if (s->reading_fd >= 0)
		(void)close(s->reading_fd);
	s->reading_fd = -1;
}
