/* fuzz_snapshot.c — hostile snapshots and commands (raftd/state). Byte 0: 0 = a command of the log; else a snapshot, fed
 * in pieces of that many bytes. What a command's bytes say must be applicable, whatever it is. */
#include <stdlib.h>

#include "rd_apply.h"
#include "rd_snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
command(const uint8_t *p, size_t n)
{
	struct rd_state *s = rd_state_new();
	struct mem_arena arena = {0};
	struct rd_command c;
	struct err e;

	if (rd_command_decode(p, n, &arena, &c, &e) == 0) {
		struct rd_applied a;
		int rc = rd_apply(s, &c, (struct rd_entry_at){1, 1}, &a, &e);
		if (rc == 0 && rd_state_command(s, c.uid) == NULL)
			abort();
		rd_applied_done(&a);
	}
	mem_arena_done(&arena);
	rd_state_free(s);
}

static void
snapshot(const uint8_t *p, size_t n, size_t piece)
{
	struct rd_snapshot_load *l = rd_snapshot_load_new();
	struct rd_state *s;
	struct err e;
	int rc = 0;

	for (size_t at = 0; rc == 0 && at < n; at += piece) {
		size_t some = n - at < piece ? n - at : piece;
		uint8_t *copy = mem_dup(p + at, some); /* so that the sanitizer sees its end */
		rc = rd_snapshot_load_feed(l, copy, some, &e);
		free(copy);
	}
	if (rc == 0 && rd_snapshot_load_end(l, &s, &e) == 0)
		rd_state_free(s);
	rd_snapshot_load_free(l);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 0)
		command(data + 1, size - 1);
	else
		snapshot(data + 1, size - 1, data[0]);
	return 0;
}
