/* pr_wire.c — result sets of the text protocol, read with suspicion. Pure; called by pr_conn.c for each packet.
 * Every count and length is checked against the packet and the limits before it is used. */
#include "pr_wire.h"

#include <string.h>

#define OK_HEAD 0x00
#define NULL_CELL 0xfb /* as a first byte: LOAD DATA LOCAL INFILE, a server asking for our files */
#define EOF_HEAD 0xfe
#define EOF_MAX 8		 /* longer ones are rows that begin with a huge length */
#define MORE_RESULTS_FLAG 0x0008 /* SERVER_MORE_RESULTS_EXIST */
#define TEXT_MAX 512		 /* of an error text or a column name */

/* What is left of a packet. */
struct piece {
	const uint8_t *p;
	size_t n;
};

static bool
take_u8(struct piece *in, uint8_t *ret)
{
	if (in->n < 1)
		return false;
	*ret = in->p[0];
	in->p++;
	in->n--;
	return true;
}

static bool
take_le(struct piece *in, size_t bytes, uint64_t *ret)
{
	uint64_t v = 0;

	if (in->n < bytes)
		return false;
	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)in->p[i] << (8 * i);
	in->p += bytes;
	in->n -= bytes;
	*ret = v;
	return true;
}

/* A length-encoded integer; NULL_CELL and 0xff are none. */
static bool
take_length(struct piece *in, uint64_t *ret)
{
	uint8_t head;

	if (!take_u8(in, &head))
		return false;
	if (head < NULL_CELL) {
		*ret = head;
		return true;
	}
	if (head == 0xfc)
		return take_le(in, 2, ret);
	if (head == 0xfd)
		return take_le(in, 3, ret);
	return head == EOF_HEAD && take_le(in, 8, ret);
}

static bool
take_text(struct piece *in, struct piece *ret)
{
	uint64_t n;

	if (!take_length(in, &n) || n > in->n)
		return false;
	ret->p = in->p;
	ret->n = (size_t)n;
	in->p += n;
	in->n -= (size_t)n;
	return true;
}

void
pr_wire_begin(struct pr_wire *w, const struct pr_wire_limits *limits, struct mem_arena *arena, struct pr_rows *out)
{
	*out = (struct pr_rows){0};
	*w = (struct pr_wire){.limits = *limits, .arena = arena, .out = out};
}

static enum pr_wire_next
finish(struct pr_wire *w)
{
	w->out->answered = true;
	return PR_WIRE_DONE;
}

/* One result of the statement has ended; a CALL may have further ones. */
static enum pr_wire_next
end_result(struct pr_wire *w, uint64_t status)
{
	(void)finish(w);
	if ((status & MORE_RESULTS_FLAG) == 0)
		return PR_WIRE_DONE;
	w->out->answered = false;
	w->spare = true;
	w->state = PR_WIRE_HEAD;
	return PR_WIRE_MORE;
}

static enum pr_wire_next
bad(struct err *e, enum err_code code, const char *what)
{
	(void)err_set(e, code, "unusable answer: %s", what);
	return PR_WIRE_BAD;
}

static enum pr_wire_next
on_ok(struct pr_wire *w, struct piece in, struct err *e)
{
	uint64_t skipped, status;

	if (!take_length(&in, &skipped) || !take_length(&in, &skipped) || !take_le(&in, 2, &status))
		return bad(e, ERR_SYNTAX, "short OK packet");
	return end_result(w, status);
}

static enum pr_wire_next
on_head(struct pr_wire *w, struct piece in, struct err *e)
{
	uint64_t n;

	if (in.n == 0)
		return bad(e, ERR_SYNTAX, "empty packet");
	if (in.p[0] == OK_HEAD)
		return on_ok(w, (struct piece){in.p + 1, in.n - 1}, e);
	if (in.p[0] == NULL_CELL)
		return bad(e, ERR_PERMISSION, "the server asks for a local file");
	if (!take_length(&in, &n))
		return bad(e, ERR_SYNTAX, "column count");
	if (n == 0 || n > w->limits.cols)
		return bad(e, ERR_TOO_LARGE, "number of columns");
	if (in.n > 1 || (in.n == 1 && in.p[0] == 0))
		return bad(e, ERR_SYNTAX, "column count");
	w->n_cols = (size_t)n;
	w->seen_cols = 0;
	if (!w->spare) {
		w->names = mem_arena_alloc(w->arena, w->n_cols * sizeof(*w->names));
		w->out->names = w->names;
	}
	w->state = PR_WIRE_COLUMNS;
	return PR_WIRE_MORE;
}

/* catalog, schema, table, original table, name, …: only the name matters. */
static enum pr_wire_next
on_column(struct pr_wire *w, struct piece in, struct err *e)
{
	struct piece text;

	for (int i = 0; i < 5; i++) {
		if (!take_text(&in, &text))
			return bad(e, ERR_SYNTAX, "column definition");
	}
	if (!w->spare)
		w->names[w->seen_cols] = mem_arena_strndup(w->arena, (const char *)text.p, min_size(text.n, TEXT_MAX));
	if (++w->seen_cols == w->n_cols)
		w->state = PR_WIRE_COLUMNS_END;
	return PR_WIRE_MORE;
}

static bool
is_eof(struct piece in)
{
	return in.n > 0 && in.n <= EOF_MAX && in.p[0] == EOF_HEAD;
}

static enum pr_wire_next
on_columns_end(struct pr_wire *w, struct piece in, struct err *e)
{
	if (!is_eof(in))
		return bad(e, ERR_SYNTAX, "no end of the column definitions");
	if (!w->spare)
		w->out->n_cols = w->n_cols;
	w->state = PR_WIRE_ROWS;
	return PR_WIRE_MORE;
}

static enum pr_wire_next
on_eof(struct pr_wire *w, struct piece in, struct err *e)
{
	uint64_t skipped, status;

	in.p++;
	in.n--;
	if (!take_le(&in, 2, &skipped) || !take_le(&in, 2, &status))
		return bad(e, ERR_SYNTAX, "short EOF packet");
	return end_result(w, status);
}

static void
make_room(struct pr_wire *w)
{
	size_t cap = w->cap_rows == 0 ? 1 : min_size(w->cap_rows * 4, w->limits.rows);
	const char **cells;

	if (w->out->n_rows < w->cap_rows)
		return;
	cells = mem_arena_alloc(w->arena, cap * w->n_cols * sizeof(*cells));
	if (w->out->n_rows > 0)
		memcpy(cells, w->cells, w->out->n_rows * w->n_cols * sizeof(*cells));
	w->cells = cells;
	w->out->cells = cells;
	w->cap_rows = cap;
}

static enum pr_wire_next
on_row(struct pr_wire *w, struct piece in, struct err *e)
{
	const char **row;

	if (w->spare || w->out->n_rows >= w->limits.rows) {
		w->out->n_dropped++;
		return PR_WIRE_MORE;
	}
	make_room(w);
	row = w->cells + w->out->n_rows * w->n_cols;
	for (size_t i = 0; i < w->n_cols; i++) {
		struct piece text;

		if (in.n > 0 && in.p[0] == NULL_CELL) {
			row[i] = NULL;
			in.p++;
			in.n--;
			continue;
		}
		if (!take_text(&in, &text))
			return bad(e, ERR_SYNTAX, "row");
		row[i] = mem_arena_strndup(w->arena, (const char *)text.p, text.n);
	}
	w->out->n_rows++;
	return PR_WIRE_MORE;
}

enum pr_wire_next
pr_wire_packet(struct pr_wire *w, const uint8_t *p, size_t n, struct err *e)
{
	struct piece in = {p, n};

	w->bytes += n;
	if (w->bytes > w->limits.bytes)
		return bad(e, ERR_TOO_LARGE, "size");
	if (w->arena->total_bytes > w->limits.memory)
		return bad(e, ERR_TOO_LARGE, "memory for it");
	switch (w->state) {
	case PR_WIRE_HEAD:
		return on_head(w, in, e);
	case PR_WIRE_COLUMNS:
		return on_column(w, in, e);
	case PR_WIRE_COLUMNS_END:
		return on_columns_end(w, in, e);
	case PR_WIRE_ROWS:
		return is_eof(in) ? on_eof(w, in, e) : on_row(w, in, e);
	}
	ASSERT(false);
	return PR_WIRE_BAD;
}

void
pr_wire_error(struct pr_wire *w, int64_t err_no, const char *text)
{
	w->out->err_no = err_no;
	w->out->err_text = mem_arena_strndup(w->arena, text, strnlen(text, TEXT_MAX));
	w->out->n_rows = 0;
	w->out->answered = true;
}
