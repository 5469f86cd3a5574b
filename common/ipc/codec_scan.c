/* codec_scan.c — one linear pass over MessagePack bytes before anything allocates for them. Pure.
 * Why: msgpack-c has no limits; five hostile bytes ask it for gigabytes (reference/libraries.md section 5). */
#include "ipc/codec.h"
#include "ipc/codec_private.h"

struct scan {
	const unsigned char *p;
	size_t n;
	size_t at;
};

/* What a type byte announces: fixed bytes after it, how many of them hold a length, and how that length is used. */
enum scan_use { USE_NONE, USE_BYTES, USE_ARRAY, USE_MAP, USE_BAD };
struct scan_head {
	enum scan_use use;
	size_t fixed;	  /* bytes after the type byte, length bytes included */
	size_t len_bytes; /* big-endian length in the first len_bytes of them */
	uint64_t count;	  /* when len_bytes == 0 */
};

static struct scan_head
head_of(unsigned char t)
{
	static const struct scan_head table[32] = {
	    /* 0xc0 … 0xdf */
	    {USE_NONE, 0, 0, 0},  {USE_BAD, 0, 0, 0},	{USE_NONE, 0, 0, 0},
	    {USE_NONE, 0, 0, 0},					      /* nil, -, false, true */
	    {USE_BYTES, 1, 1, 0}, {USE_BYTES, 2, 2, 0}, {USE_BYTES, 4, 4, 0}, /* bin */
	    {USE_BAD, 0, 0, 0},	  {USE_BAD, 0, 0, 0},	{USE_BAD, 0, 0, 0},   /* ext: never ours */
	    {USE_NONE, 4, 0, 0},  {USE_NONE, 8, 0, 0},			      /* float, double */
	    {USE_NONE, 1, 0, 0},  {USE_NONE, 2, 0, 0},	{USE_NONE, 4, 0, 0},
	    {USE_NONE, 8, 0, 0}, /* uint */
	    {USE_NONE, 1, 0, 0},  {USE_NONE, 2, 0, 0},	{USE_NONE, 4, 0, 0},
	    {USE_NONE, 8, 0, 0}, /* int */
	    {USE_BAD, 0, 0, 0},	  {USE_BAD, 0, 0, 0},	{USE_BAD, 0, 0, 0},
	    {USE_BAD, 0, 0, 0},	  {USE_BAD, 0, 0, 0},			      /* fixext */
	    {USE_BYTES, 1, 1, 0}, {USE_BYTES, 2, 2, 0}, {USE_BYTES, 4, 4, 0}, /* str */
	    {USE_ARRAY, 2, 2, 0}, {USE_ARRAY, 4, 4, 0}, {USE_MAP, 2, 2, 0},
	    {USE_MAP, 4, 4, 0},
	};

	if (t < 0x80 || t >= 0xe0)
		return (struct scan_head){USE_NONE, 0, 0, 0};
	if (t < 0x90)
		return (struct scan_head){USE_MAP, 0, 0, t & 0x0fu};
	if (t < 0xa0)
		return (struct scan_head){USE_ARRAY, 0, 0, t & 0x0fu};
	if (t < 0xc0)
		return (struct scan_head){USE_BYTES, 0, 0, t & 0x1fu};
	return table[t - 0xc0];
}

static int
read_head(struct scan *s, struct scan_head *ret_head, struct err *e)
{
	struct scan_head h;

	if (s->at >= s->n)
		return err_set(e, ERR_IPC_FORMAT, "truncated at byte %zu", s->at);
	h = head_of(s->p[s->at]);
	if (h.use == USE_BAD)
		return err_set(e, ERR_IPC_FORMAT, "type byte 0x%02x at byte %zu is not used here", s->p[s->at], s->at);
	s->at++;
	if (s->n - s->at < h.fixed)
		return err_set(e, ERR_IPC_FORMAT, "truncated at byte %zu", s->n);
	for (size_t i = 0; i < h.len_bytes; i++)
		h.count = h.count << 8 | s->p[s->at + i];
	s->at += h.fixed;
	*ret_head = h;
	return 0;
}

static int
scan_value(struct scan *s, int depth, struct err *e)
{
	struct scan_head h = {USE_BAD, 0, 0, 0};
	uint64_t items;
	int rc = read_head(s, &h, e);

	if (rc != 0 || h.use == USE_NONE)
		return rc;
	items = h.use == USE_MAP ? 2 * h.count : h.count;
	if (items > s->n - s->at)
		return err_set(e, ERR_IPC_FORMAT, "count %llu exceeds the %zu bytes left", (unsigned long long)h.count,
			       s->n - s->at);
	if (h.use == USE_BYTES) {
		s->at += (size_t)h.count;
		return 0;
	}
	if (depth >= CODEC_DEPTH_MAX)
		return err_set(e, ERR_IPC_FORMAT, "nested deeper than %d", CODEC_DEPTH_MAX);
	for (uint64_t i = 0; i < items; i++) {
		rc = scan_value(s, depth + 1, e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int
codec_skip(const unsigned char *p, size_t n, size_t *ret_len, struct err *e)
{
	struct scan s = {p, n, 0};
	int rc = scan_value(&s, 0, e);

	if (rc == 0)
		*ret_len = s.at;
	return rc;
}

int
codec_prescan(const void *p, size_t n, struct err *e)
{
	size_t len = 0;
	int rc = codec_skip(p, n, &len, e);

	if (rc == 0 && len != n)
		return err_set(e, ERR_IPC_FORMAT, "%zu stray bytes after the value", n - len);
	return rc;
}
