/* fuzz_wire.c — answers of hostile servers: packets to rows (pr_wire.c), rows to the record of a probe (pr_collect.c).
 * Input: byte 0 chooses the version, then packets: 1 byte which question it belongs to (0xff: as the one before), 1
 * byte of length, that many bytes. */
#include <stdlib.h>
#include <string.h>

#include "pr_collect.h"
#include "pr_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const versions[] = {"8.4.3",	       "10.11.19-MariaDB", "5.6.51",
				       "2.5-maxscale", "1.1.0-maxscale",   "8.0.3-ndb-8"};

struct world {
	struct mem_arena arena;
	struct pr_rows answers[PR_ASK_COUNT];
	struct pr_wire wire;
	bool open;
};

static void
feed(struct world *w, size_t ask, const uint8_t *p, size_t n)
{
	static const struct pr_wire_limits limits = {.cols = 64, .rows = 16, .bytes = 4096, .memory = 1 << 20};
	uint8_t *copy = mem_dup(p, n); /* so that the sanitizer sees its end */
	struct err e;

	if (ask < PR_ASK_COUNT || !w->open) {
		pr_wire_begin(&w->wire, &limits, &w->arena, &w->answers[ask % PR_ASK_COUNT]);
		w->open = true;
	}
	if (n > 2 && p[0] == 0xff) {
		pr_wire_error(&w->wire, p[1], "made up");
		w->open = false; /* as in pr_conn.c: an error ends the answer */
	} else if (pr_wire_packet(&w->wire, copy, n, &e) != PR_WIRE_MORE)
		w->open = false;
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = {.open = false};
	struct conf *conf = conf_defaults();
	struct pr_collect in = {.answers = w.answers, .now = {INT64_C(1700000000000000)}, .arena = &w.arena};
	struct pr_plan plan;
	struct topo_probe out;
	struct err e;

	in.version = versions[size == 0 ? 0 : data[0] % ARRAY_LEN(versions)];
	in.caps = pr_flavor_caps(in.version);
	pr_plan_probe(conf, in.caps, PR_WANT_DOMAIN | PR_WANT_PROCESS, &plan);
	in.plan = &plan;
	for (size_t at = 1; at + 2 <= size;) {
		size_t n = data[at + 1] < size - at - 2 ? data[at + 1] : size - at - 2;

		feed(&w, data[at], data + at + 2, n);
		at += 2 + n;
	}
	rec_init(&topo_probe_desc, &out);
	pr_collect(&in, &out);
	if (rec_check(&topo_probe_desc, &out, &e) != 0)
		abort(); /* what leaves must fit its written limits */
	mem_arena_done(&w.arena);
	conf_unref(conf);
	return 0;
}
