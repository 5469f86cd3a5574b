/* rd_store_log.c — the rows of the log: appending, truncating, compacting, reading back with every checksum looked at.
 * Called by rd_store.c; what is read here comes from a file and is believed only when place, bounds and checksum fit. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "rd_store_private.h"

#define COMPACT_ROWS 2048	 /* removed by one call of rd_store_compact: a few milliseconds */
#define LOG_ENTRIES_MAX 50000000 /* in one range; more than any log that is compacted */

static uint64_t
entry_sum(uint64_t index, const struct rd_log_entry *x)
{
	const uint64_t place[] = {index, x->term, (uint64_t)x->kind, x->n};

	return fnv1a(fnv1a(FNV1A_BASIS, place, sizeof(place)), x->data, x->n);
}

/* --- writing -------------------------------------------------------------------------------------------------------- */
static int
put_entry(struct rd_store *s, uint64_t index, const struct rd_log_entry *x, struct err *e)
{
	const struct db_value v[] = {db_i64((int64_t)index), db_i64((int64_t)x->term), db_i64(x->kind),
				     db_i64((int64_t)entry_sum(index, x)), db_blob(x->data, x->n)};

	if (x->n > RD_ENTRY_BYTES_MAX)
		return err_set(e, ERR_TOO_LARGE, "log entry %" PRIu64 " has %zu bytes, at most %u", index, x->n,
			       RD_ENTRY_BYTES_MAX);
	return db_exec(s->db, "INSERT INTO log VALUES (?, ?, ?, ?, ?)", v, ARRAY_LEN(v), e);
}

static int
truncate_from(struct rd_store *s, uint64_t index, struct rd_store_state *next, struct err *e)
{
	const struct db_value v = db_i64((int64_t)index);

	if (index > next->last)
		return 0;
	next->last = index - 1;
	return db_exec(s->db, "DELETE FROM log WHERE idx >= ?", &v, 1, e);
}

static int
clear_log(struct rd_store *s, uint64_t index, struct rd_store_state *next, struct err *e)
{
	next->last = index;
	next->first = index + 1;
	next->compact_to = 0;
	return db_exec(s->db, "DELETE FROM log", NULL, 0, e);
}

int
rd_store_log_put(struct rd_store *s, const struct rd_write *w, struct rd_store_state *next, struct err *e)
{
	int rc = 0;

	if (w->clears_log)
		rc = clear_log(s, w->snapshot->index, next, e);
	if (rc != 0 || w->index == 0)
		return rc;
	ASSERT(w->index >= next->first && w->index <= next->last + 1);
	rc = truncate_from(s, w->index, next, e);
	for (size_t i = 0; i < w->n && rc == 0; i++)
		rc = put_entry(s, w->index + i, &w->entries[i], e);
	next->last += w->n;
	return rc;
}

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int
remove_up_to(struct rd_store *s, uint64_t index, struct err *e)
{
	const struct db_value v = db_i64((int64_t)index);
	int rc = db_begin(s->db, DB_RELAXED, e); /* not a promise: they may come back */

	if (rc != 0)
		return rc;
	rc = db_exec(s->db, "DELETE FROM log WHERE idx <= ?", &v, 1, e);
	if (rc == 0)
		return db_commit(s->db, e);
	db_rollback(s->db);
	return rc;
}

int
rd_store_compact(struct rd_store *s, bool *ret_more, struct err *e)
{
	uint64_t goal = min_u64(s->now.compact_to, s->snapshot.index);
	uint64_t to = min_u64(goal, s->now.first + COMPACT_ROWS - 1);
	int rc;

	*ret_more = false;
	if (s->broken.code != 0) {
		*e = s->broken;
		return -e->code;
	}
	if (to < s->now.first)
		return 0;
	rc = remove_up_to(s, to, e);
	if (rc != 0) {
		s->broken = *e;
		return rc;
	}
	s->now.first = to + 1;
	*ret_more = to < goal;
	return 0;
}

/* --- reading -------------------------------------------------------------------------------------------------------- */
struct reader {
	struct rd_store *s;
	uint64_t first, last; /* what the log should have */
	size_t max_bytes;     /* of data */
	size_t n;	      /* entries */
	size_t bytes;	      /* of their data */
	size_t load_bytes;    /* of what is loaded, a NUL each */
	uint64_t recent;      /* from here on data is loaded */
	struct rd_log_range *range;
	char *at;
};

static int
not_whole(struct reader *r, uint64_t index, struct err *e)
{
	return rd_store_damaged(r->s, RD_STORE_FILE, e,
				"log entry %" PRIu64 " is missing or does not match its checksum", index);
}

static bool
length_is_sound(const struct db_value *v, size_t *ret_n)
{
	*ret_n = (size_t)db_value_i64(v);
	return v->kind == DB_I64 && v->i >= 0 && v->i <= RD_ENTRY_BYTES_MAX;
}

/* A row of (index, term, kind, sum, length, data or NULL), in order. */
static int
on_entry(void *ctx, const struct db_value *v, size_t n UNUSED, struct err *e)
{
	struct reader *r = ctx;
	uint64_t index = r->range->index + r->range->n;
	struct rd_log_entry *x = &r->range->v[r->range->n];
	int64_t kind = db_value_i64(&v[2]);

	if (r->range->n == r->n || (uint64_t)db_value_i64(&v[0]) != index || kind < RD_LOG_COMMAND ||
	    kind > RD_LOG_CHANGE || !length_is_sound(&v[4], &x->n))
		return not_whole(r, index, e);
	x->term = (uint64_t)db_value_i64(&v[1]);
	x->kind = (enum rd_log_kind)kind;
	if (v[5].kind == DB_TEXT) {
		if (v[5].t.n != x->n || x->n + 1 > r->load_bytes)
			return not_whole(r, index, e);
		r->load_bytes -= x->n + 1;
		memcpy(r->at, v[5].t.p, x->n);
		x->data = r->at;
		r->at += x->n + 1;
		if (entry_sum(index, x) != (uint64_t)db_value_i64(&v[3]))
			return not_whole(r, index, e);
		r->range->bytes += x->n;
	}
	r->range->n++;
	return 0;
}

static int
fill(struct reader *r, uint64_t index, struct rd_log_range **ret_range, struct err *e)
{
	size_t head = sizeof(*r->range) + r->n * sizeof(r->range->v[0]);
	const struct db_value v[] = {db_i64((int64_t)r->recent), db_i64((int64_t)index),
				     db_i64((int64_t)(index + r->n) - 1)};
	int rc;

	r->range = mem_calloc(1, head + r->load_bytes);
	r->range->index = index;
	r->at = (char *)r->range + head;
	rc =
	    db_query(r->s->db,
		     "SELECT idx, term, kind, sum, length(data), CASE WHEN idx >= ? OR kind = 3 THEN data END FROM log "
		     "WHERE idx BETWEEN ? AND ? ORDER BY idx",
		     v, ARRAY_LEN(v), on_entry, r, e);
	if (rc == 0 && r->range->n != r->n)
		rc = not_whole(r, index + r->range->n, e);
	if (rc != 0) {
		free(r->range);
		return rc;
	}
	*ret_range = r->range;
	return 0;
}

/* A row of (index, kind, length), newest first: how many, and how much of their data is to be loaded. */
static int
on_measure_all(void *ctx, const struct db_value *v, size_t n UNUSED, struct err *e)
{
	struct reader *r = ctx;
	uint64_t index = (uint64_t)db_value_i64(&v[0]);
	size_t len;

	if (index != r->last - r->n || !length_is_sound(&v[2], &len) || r->n == LOG_ENTRIES_MAX)
		return not_whole(r, r->last - r->n, e);
	r->n++;
	r->bytes += len;
	if (r->bytes <= r->max_bytes)
		r->recent = index;
	if (r->recent == index || db_value_i64(&v[1]) == RD_LOG_CHANGE)
		r->load_bytes += len + 1;
	return 0;
}

int
rd_store_log_load(struct rd_store *s, size_t recent_bytes, struct rd_log_range **ret_log, struct err *e)
{
	struct reader r = {.s = s, .last = s->now.last, .max_bytes = recent_bytes, .recent = s->now.last + 1};
	int rc = db_query(s->db, "SELECT idx, kind, length(data) FROM log ORDER BY idx DESC", NULL, 0, on_measure_all,
			  &r, e);

	if (rc != 0)
		return rc;
	s->now.first = s->now.last - r.n + 1;
	if (s->now.first == 0 || s->now.first > s->snapshot.index + 1 || s->now.last < s->snapshot.index)
		return rd_store_damaged(s, RD_STORE_FILE, e,
					"it lacks log entries between its snapshot (up to %" PRIu64 ") and %" PRIu64,
					s->snapshot.index, s->now.first);
	return fill(&r, s->now.first, ret_log, e);
}

/* A row of (length), oldest first. */
static int
on_measure(void *ctx, const struct db_value *v, size_t n UNUSED, struct err *e)
{
	struct reader *r = ctx;
	size_t len;

	if (!length_is_sound(&v[0], &len))
		return not_whole(r, r->first + r->n, e);
	if (r->n > 0 && r->bytes + len > r->max_bytes)
		return DB_STOP;
	r->n++;
	r->bytes += len;
	r->load_bytes += len + 1;
	return 0;
}

int
rd_store_read(struct rd_store *s, uint64_t index, size_t max, size_t max_bytes, struct rd_log_range **ret_range,
	      struct err *e)
{
	struct reader r = {.s = s, .first = index, .max_bytes = max_bytes, .recent = index};
	const struct db_value v[] = {db_i64((int64_t)index), db_i64((int64_t)min_size(max, LOG_ENTRIES_MAX))};
	int rc;

	ASSERT(max > 0);
	if (index < s->now.first || index > s->now.last)
		return err_set(e, ERR_NOT_FOUND, "the log has entries %" PRIu64 " to %" PRIu64 ", not %" PRIu64,
			       s->now.first, s->now.last, index);
	rc = db_query(s->db, "SELECT length(data) FROM log WHERE idx >= ? ORDER BY idx LIMIT ?", v, ARRAY_LEN(v),
		      on_measure, &r, e);
	if (rc == 0 && r.n == 0)
		rc = not_whole(&r, index, e);
	return rc == 0 ? fill(&r, index, ret_range, e) : rc;
}
