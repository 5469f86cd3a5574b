/* pr_wire.h — from the packets of one answer to struct pr_rows. Pure: no socket, no clock; fuzzed.
 *
 * The client library's own reader of results believes the server (counts, lengths, missing fields) and keeps all it is
 * sent, so it isn't used: pr_conn.c takes packets one by one out of the library and feeds them here. Text protocol,
 * packets as in "Protocol::COM_QUERY Response"; error packets (0xff) never get here, the library reads them. */
#ifndef PR_WIRE_H
#define PR_WIRE_H

#include "base/err.h"
#include "base/mem.h"
#include "pr_rows.h"

struct pr_wire_limits {
	size_t cols;
	size_t rows;   /* kept; further ones are counted and forgotten */
	size_t bytes;  /* of all packets of this answer */
	size_t memory; /* of the arena, which may serve many answers */
};

enum pr_wire_state { PR_WIRE_HEAD, PR_WIRE_COLUMNS, PR_WIRE_COLUMNS_END, PR_WIRE_ROWS };
enum pr_wire_next { PR_WIRE_BAD = -1, PR_WIRE_MORE = 0, PR_WIRE_DONE = 1 };

struct pr_wire {
	struct pr_wire_limits limits;
	struct mem_arena *arena;
	struct pr_rows *out;
	enum pr_wire_state state;
	bool spare; /* a second result set of the same statement (CALL): read and forgotten */
	size_t n_cols, seen_cols;
	size_t bytes;
	size_t cap_rows;
	const char **names;
	const char **cells;
};

/* out is zeroed and filled as packets come; it is complete (out->answered) when PR_WIRE_DONE was returned. */
void pr_wire_begin(struct pr_wire *w, const struct pr_wire_limits *limits, struct mem_arena *arena,
		   struct pr_rows *out);
/* One packet without its header. PR_WIRE_BAD: e says why; the connection cannot be used any more. */
enum pr_wire_next pr_wire_packet(struct pr_wire *w, const uint8_t *p, size_t n, struct err *e) MUST_USE;
/* The server's error packet in place of the next packet: ends the answer. */
void pr_wire_error(struct pr_wire *w, int64_t err_no, const char *text);

#endif
