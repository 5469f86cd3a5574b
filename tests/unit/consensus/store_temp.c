/* store_temp.c — see store_temp.h. */
#include "store_temp.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static int made;

int
temp_setup(void **state)
{
	struct temp *t = mem_new(struct temp);

	(void)snprintf(t->dir, sizeof(t->dir), "/tmp/orc-store-%d-%d", (int)getpid(), ++made);
	*state = t;
	return 0;
}

static void
remove_all(const char *dir)
{
	char path[512];
	DIR *d = opendir(dir);
	struct dirent *x;

	while (d != NULL && (x = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, x->d_name);
		(void)unlink(path);
	}
	if (d != NULL)
		(void)closedir(d);
	(void)rmdir(dir);
}

int
temp_teardown(void **state)
{
	struct temp *t = *state;

	temp_close(t);
	remove_all(t->dir);
	free(t);
	return 0;
}

void
temp_close(struct temp *t)
{
	rd_stored_free(t->found);
	rd_store_close(t->store);
	t->found = NULL;
	t->store = NULL;
}

void
temp_open_recent(struct temp *t, size_t recent_bytes)
{
	const struct rd_store_conf c = {.dir = t->dir, .recent_bytes = recent_bytes};

	temp_close(t);
	must(t, rd_store_open(&c, &t->store, &t->found, &t->e));
}

void
temp_open(struct temp *t)
{
	temp_open_recent(t, 4 * MIB);
}

void
temp_open_fails(struct temp *t, enum err_code code, const char *says)
{
	const struct rd_store_conf c = {.dir = t->dir, .recent_bytes = MIB};
	int rc;

	temp_close(t);
	rc = rd_store_open(&c, &t->store, &t->found, &t->e);
	if (rc != -(int)code)
		fail_msg("%s instead of %s: %s", err_name(rc), err_name((int)code), rc == 0 ? "opened" : t->e.msg);
	if (strstr(t->e.msg, says) == NULL)
		fail_msg("no \"%s\" in: %s", says, t->e.msg);
}

const char *
temp_path(const struct temp *t, const char *name)
{
	static char paths[4][512];
	static size_t next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", t->dir, name);
	return path;
}

bool
temp_has_file(const struct temp *t, const char *name)
{
	return access(temp_path(t, name), F_OK) == 0;
}

/* --- entries -------------------------------------------------------------------------------------------------------- */
static uint8_t pattern[RD_ENTRY_BYTES_MAX + 512];

static const uint8_t *
pattern_at(uint64_t index)
{
	if (pattern[1] == 0) {
		for (size_t i = 0; i < sizeof(pattern); i++)
			pattern[i] = (uint8_t)(i * 7 + i / 251 + (i == 1));
	}
	return pattern + index % 251;
}

struct rd_log_entry
entry_of(uint64_t index, uint64_t term, size_t size)
{
	struct rd_log_entry x = {.term = term, .kind = index % 10 == 0 ? RD_LOG_CHANGE : RD_LOG_COMMAND};

	if (index % 7 == 0)
		x.kind = RD_LOG_BARRIER;
	x.n = x.kind == RD_LOG_BARRIER ? 0 : size == 0 ? index * 31 % 400 : size;
	x.data = pattern_at(index * term);
	return x;
}

bool
entry_is(const struct rd_log_entry *x, uint64_t index, uint64_t term, size_t size)
{
	struct rd_log_entry should = entry_of(index, term, size);

	return x->term == should.term && x->kind == should.kind && x->n == should.n &&
	       (x->data == NULL || memcmp(x->data, should.data, x->n) == 0);
}

int
put(struct temp *t, const struct rd_write *w)
{
	return rd_store_write(t->store, &w, 1, &t->e);
}

int
put_entries(struct temp *t, uint64_t index, size_t n, uint64_t term, size_t size)
{
	struct rd_log_entry *v = mem_calloc(n, sizeof(*v));
	int rc;

	for (size_t i = 0; i < n; i++)
		v[i] = entry_of(index + i, term, size);
	rc = put(t, &(struct rd_write){.index = index, .entries = v, .n = n});
	free(v);
	return rc;
}

struct rd_snapshot
put_snapshot_file(struct temp *t, uint64_t term, uint64_t index, size_t size)
{
	struct rd_snapshot meta = {.term = term, .index = index, .conf_index = 1, .conf = "conf", .conf_n = 4};
	size_t at = 0;

	do {
		size_t n = min_size(size - at, 64u << 10);
		must(t, rd_store_snapshot_put(t->store, RD_SNAPSHOT_OWN, &meta, at, pattern_at(at), n, at + n == size,
					      &t->e));
		at += n;
	} while (at < size);
	return meta;
}
