/* rd_snapshot_load.c — bytes → a fresh state, in slices (rd_snapshot.h). Pure; owns the state until it is complete and
 * one frame's worth of bytes that have not been read. Every byte is hostile: sizes before contents, contents before
 * meaning, and the sums at the end. */
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"
#include "base/str.h"
#include "rd_command.h"
#include "rd_snapshot_private.h"

#define LENGTH_BYTES 4

enum expect { EXPECT_MAGIC, EXPECT_HEADER, EXPECT_TABLE, EXPECT_ROW, EXPECT_TRAILER, EXPECT_NOTHING };

struct rd_snapshot_load {
	struct rd_state *s;
	enum expect expect;
	char *rest; /* the beginning of a frame */
	size_t n_rest, cap_rest;
	struct mem_arena arena;	      /* one frame's */
	struct rd_snap_header header; /* cluster_id is not kept */
	uint64_t tables_left, rows_left, rows;
	enum rd_table table;
	bool seen[RD_TABLE_COUNT];
	uint64_t sum;
};

struct rd_snapshot_load *
rd_snapshot_load_new(void)
{
	struct rd_snapshot_load *l = mem_new(struct rd_snapshot_load);

	l->s = rd_state_new();
	l->sum = FNV1A_BASIS;
	return l;
}

void
rd_snapshot_load_free(struct rd_snapshot_load *l)
{
	if (l == NULL)
		return;
	rd_state_free(l->s);
	mem_arena_done(&l->arena);
	free(l->rest);
	free(l);
}

/* --- frames ---------------------------------------------------------------------------------------------------- */
static int
take_header(struct rd_snapshot_load *l, const void *p, size_t n, struct err *e)
{
	struct rd_snap_header h;

	if (codec_decode(p, n, CODEC_MAP, &rd_snap_header_desc, &l->arena, &h, e) != 0)
		return -e->code;
	if (h.format != RD_SNAPSHOT_FORMAT || h.feature_level > RD_FEATURE_LEVEL)
		return err_set(e, ERR_UNSUPPORTED, "format %llu, feature level %llu: upgrade this node",
			       (unsigned long long)h.format, (unsigned long long)h.feature_level);
	if (h.tables > RD_TABLE_COUNT)
		return err_set(e, ERR_UNSUPPORTED, "%llu tables: upgrade this node", (unsigned long long)h.tables);
	if (h.index > INT64_MAX || h.time_us < 0)
		return err_set(e, ERR_INVALID, "index or time out of range");
	l->tables_left = h.tables;
	l->header = h;
	l->header.cluster_id = "";
	l->expect = h.tables > 0 ? EXPECT_TABLE : EXPECT_TRAILER;
	return 0;
}

static int
take_table(struct rd_snapshot_load *l, const void *p, size_t n, struct err *e)
{
	struct rd_snap_table t;

	if (codec_decode(p, n, CODEC_MAP, &rd_snap_table_desc, &l->arena, &t, e) != 0)
		return -e->code;
	l->table = rd_table_by_name(t.table);
	if (l->table == RD_TABLE_COUNT)
		return err_set(e, ERR_UNSUPPORTED, "table \"%.64s\": upgrade this node", t.table);
	if (l->seen[l->table] || t.rows == 0)
		return err_set(e, ERR_INVALID, "table %s twice or without rows", t.table);
	l->seen[l->table] = true;
	l->rows_left = t.rows;
	l->tables_left--;
	l->expect = EXPECT_ROW;
	return 0;
}

static int
take_row(struct rd_snapshot_load *l, const void *p, size_t n, struct err *e)
{
	const struct rec_desc *d = rd_table_desc(l->table);
	void *row = mem_arena_alloc(&l->arena, d->size);

	if (codec_decode(p, n, CODEC_MAP, d, &l->arena, row, e) != 0)
		return err_wrap(e, "table %s", rd_table_name(l->table));
	if (rd_state_get(l->s, l->table, row) != NULL)
		return err_set(e, ERR_INVALID, "table %s has the same row twice", rd_table_name(l->table));
	rd_state_put(l->s, l->table, row);
	l->rows++;
	if (--l->rows_left == 0)
		l->expect = l->tables_left > 0 ? EXPECT_TABLE : EXPECT_TRAILER;
	return 0;
}

/* Before this frame went into the sum. */
static int
take_trailer(struct rd_snapshot_load *l, const void *p, size_t n, struct err *e)
{
	struct rd_snap_trailer t;

	if (codec_decode(p, n, CODEC_MAP, &rd_snap_trailer_desc, &l->arena, &t, e) != 0)
		return -e->code;
	rd_state_set_applied(l->s, l->header.index, l->header.term, l->header.time_us);
	if (t.checksum != l->sum || t.rows != l->rows)
		return err_set(e, ERR_INVALID, "checksum mismatch: the bytes are damaged");
	if (t.state_hash != rd_state_hash(l->s))
		return err_set(e, ERR_INVALID, "state hash mismatch: it was written by a node that differs");
	l->expect = EXPECT_NOTHING;
	return 0;
}

static int
take_nothing(struct rd_snapshot_load *l UNUSED, const void *p UNUSED, size_t n UNUSED, struct err *e)
{
	return err_set(e, ERR_INVALID, "bytes after its end");
}

static int
take_frame(struct rd_snapshot_load *l, const char *p, size_t n, struct err *e)
{
	static int (*const takes[])(struct rd_snapshot_load * l, const void *p, size_t n, struct err *e) = {
	    [EXPECT_HEADER] = take_header,   [EXPECT_TABLE] = take_table,     [EXPECT_ROW] = take_row,
	    [EXPECT_TRAILER] = take_trailer, [EXPECT_NOTHING] = take_nothing,
	};
	int rc = takes[l->expect](l, p + LENGTH_BYTES, n - LENGTH_BYTES, e);

	l->sum = fnv1a(l->sum, p, n);
	mem_arena_reset(&l->arena);
	return rc;
}

/* --- bytes ----------------------------------------------------------------------------------------------------- */
/* How many bytes the frame (or magic) at p has; 0 = too few to tell. */
static int
frame_bytes(const struct rd_snapshot_load *l, const char *p, size_t n, size_t *ret, struct err *e)
{
	const unsigned char *u = (const unsigned char *)p;

	*ret = 0;
	if (l->expect == EXPECT_MAGIC) {
		*ret = RD_SNAPSHOT_MAGIC_BYTES;
		return 0;
	}
	if (n < LENGTH_BYTES)
		return 0;
	*ret = (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
	if (*ret > RD_SNAPSHOT_FRAME_MAX)
		return err_set(e, ERR_TOO_LARGE, "frame of %zu bytes", *ret);
	*ret += LENGTH_BYTES;
	return 0;
}

static int
take(struct rd_snapshot_load *l, const char *p, size_t n, struct err *e)
{
	if (l->expect != EXPECT_MAGIC)
		return take_frame(l, p, n, e);
	if (memcmp(p, RD_SNAPSHOT_MAGIC, n) != 0)
		return err_set(e, ERR_INVALID, "it does not begin like one");
	l->sum = fnv1a(l->sum, p, n);
	l->expect = EXPECT_HEADER;
	return 0;
}

/* All whole frames at p; *ret_used bytes of them. */
static int
take_all(struct rd_snapshot_load *l, const char *p, size_t n, size_t *ret_used, struct err *e)
{
	*ret_used = 0;
	for (;;) {
		size_t bytes;
		if (frame_bytes(l, p + *ret_used, n - *ret_used, &bytes, e) != 0)
			return -e->code;
		if (bytes == 0 || bytes > n - *ret_used)
			return 0;
		if (take(l, p + *ret_used, bytes, e) != 0)
			return -e->code;
		*ret_used += bytes;
	}
}

int
rd_snapshot_load_feed(struct rd_snapshot_load *l, const void *p, size_t n, struct err *e)
{
	size_t used;

	mem_grow(l->rest, l->cap_rest, l->n_rest + n);
	if (n > 0)
		memcpy(l->rest + l->n_rest, p, n);
	l->n_rest += n;
	if (take_all(l, l->rest, l->n_rest, &used, e) != 0)
		return err_wrap(e, "snapshot");
	l->n_rest -= used;
	memmove(l->rest, l->rest + used, l->n_rest);
	return 0;
}

int
rd_snapshot_load_end(struct rd_snapshot_load *l, struct rd_state **ret_state, struct err *e)
{
	if (l->expect != EXPECT_NOTHING)
		return err_set(e, ERR_INVALID, "snapshot: it ends too early");
	if (l->n_rest > 0)
		return err_set(e, ERR_INVALID, "snapshot: bytes after its end");
	*ret_state = l->s;
	l->s = NULL;
	return 0;
}

int
rd_snapshot_read(const void *p, size_t n, struct rd_state **ret_state, struct err *e)
{
	struct rd_snapshot_load *l = rd_snapshot_load_new();
	int rc = 0;

	for (size_t at = 0; rc == 0 && at < n; at += RD_SNAPSHOT_SLICE)
		rc = rd_snapshot_load_feed(l, (const char *)p + at, min_size(n - at, RD_SNAPSHOT_SLICE), e);
	if (rc == 0)
		rc = rd_snapshot_load_end(l, ret_state, e);
	rd_snapshot_load_free(l);
	return rc;
}
