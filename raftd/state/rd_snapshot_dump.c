/* rd_snapshot_dump.c — the state as bytes, in slices (rd_snapshot.h). Pure. Owns only its place in the state. Called by
 * whoever takes snapshots, and by the proposer for rebuilding the view. */
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"
#include "base/str.h"
#include "rd_snapshot_private.h"

#define REC_SELF struct rd_snap_header
REC_DEFINE(rd_snap_header, RD_SNAP_HEADER_FIELDS);
#undef REC_SELF
#define REC_SELF struct rd_snap_table
REC_DEFINE(rd_snap_table, RD_SNAP_TABLE_FIELDS);
#undef REC_SELF
#define REC_SELF struct rd_snap_trailer
REC_DEFINE(rd_snap_trailer, RD_SNAP_TRAILER_FIELDS);
#undef REC_SELF

struct rd_snapshot_dump {
	const struct rd_state *s;
	uint64_t index, hash; /* to notice a state that changes meanwhile */
	struct rd_cursor at;
	const void *row;    /* next one to write, NULL at the end */
	enum rd_table open; /* the table whose head was written; COUNT = none yet */
	bool started, ended;
	uint64_t rows, sum;
};

struct rd_snapshot_dump *
rd_snapshot_dump_new(const struct rd_state *s)
{
	struct rd_snapshot_dump *d = mem_new(struct rd_snapshot_dump);

	*d = (struct rd_snapshot_dump){
	    .s = s, .index = rd_state_index(s), .hash = rd_state_hash(s), .open = RD_TABLE_COUNT, .sum = FNV1A_BASIS};
	if (!rd_state_next(s, &d->at, &d->row))
		d->row = NULL;
	return d;
}

void
rd_snapshot_dump_free(struct rd_snapshot_dump *d)
{
	free(d);
}

/* What is in memory fits: commands have smaller limits than a frame. */
static void
put_frame(struct rd_snapshot_dump *d, struct codec_out *out, const struct rec_desc *desc, const void *rec)
{
	static const char room[4];
	size_t start = out->len;
	struct err e;
	size_t n;

	mem_grow(out->p, out->cap, out->len + sizeof(room));
	memcpy(out->p + out->len, room, sizeof(room));
	out->len += sizeof(room);
	ASSERT(codec_encode(out, CODEC_MAP, desc, rec, RD_SNAPSHOT_FRAME_MAX, &e) == 0);
	n = out->len - start - sizeof(room);
	for (size_t i = 0; i < sizeof(room); i++)
		out->p[start + i] = (char)(n >> (24 - 8 * i));
	d->sum = fnv1a(d->sum, out->p + start, out->len - start);
}

static void
start(struct rd_snapshot_dump *d, struct codec_out *out)
{
	struct rd_snap_header h = {.format = RD_SNAPSHOT_FORMAT,
				   .feature_level = rd_state_feature_level(d->s),
				   .cluster_id = rd_state_cluster_id(d->s),
				   .index = d->index,
				   .term = rd_state_term(d->s),
				   .time_us = rd_state_time_us(d->s)};

	for (enum rd_table t = 0; t < RD_TABLE_COUNT; t++)
		h.tables += rd_state_count(d->s, t) > 0;
	mem_grow(out->p, out->cap, out->len + RD_SNAPSHOT_MAGIC_BYTES);
	memcpy(out->p + out->len, RD_SNAPSHOT_MAGIC, RD_SNAPSHOT_MAGIC_BYTES);
	out->len += RD_SNAPSHOT_MAGIC_BYTES;
	d->sum = fnv1a(d->sum, RD_SNAPSHOT_MAGIC, RD_SNAPSHOT_MAGIC_BYTES);
	put_frame(d, out, &rd_snap_header_desc, &h);
	d->started = true;
}

static void
put_row(struct rd_snapshot_dump *d, struct codec_out *out)
{
	enum rd_table t = d->at.table;
	struct rd_snap_table head = {rd_table_name(t), rd_state_count(d->s, t)};

	if (d->open != t)
		put_frame(d, out, &rd_snap_table_desc, &head);
	d->open = t;
	put_frame(d, out, rd_table_desc(t), d->row);
	d->rows++;
	if (!rd_state_next(d->s, &d->at, &d->row))
		d->row = NULL;
}

static void
end(struct rd_snapshot_dump *d, struct codec_out *out)
{
	struct rd_snap_trailer t = {.rows = d->rows, .state_hash = d->hash, .checksum = d->sum};

	put_frame(d, out, &rd_snap_trailer_desc, &t);
	d->ended = true;
}

bool
rd_snapshot_dump_step(struct rd_snapshot_dump *d, size_t budget, struct codec_out *out)
{
	size_t until = out->len + budget;

	ASSERT(!d->ended);
	ASSERT(rd_state_index(d->s) == d->index && rd_state_hash(d->s) == d->hash);
	if (!d->started)
		start(d, out);
	while (d->row != NULL && out->len < until)
		put_row(d, out);
	if (d->row == NULL)
		end(d, out);
	return d->ended;
}

void
rd_snapshot_write(const struct rd_state *s, struct codec_out *out)
{
	struct rd_snapshot_dump *d = rd_snapshot_dump_new(s);

	ASSERT(rd_snapshot_dump_step(d, SIZE_MAX / 2, out));
	rd_snapshot_dump_free(d);
}
