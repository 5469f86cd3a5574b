/* fuzz_nodelink.c — a stranger's bytes on the node link: frame after frame, first as a stranger, then as a member; what
 * decodes as a hello is judged, and must encode to the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rn_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
judge(const struct rn_hello *h)
{
	struct rn_hello own;
	char text[RN_TEXT_BYTES];

	rec_init(&rn_hello_desc, &own);
	own.protocol = RN_PROTOCOL;
	own.protocol_min = RN_PROTOCOL_MIN;
	own.name = "db1:10008";
	own.dir_id = "d";
	own.instance = 1;
	own.state = RN_ACTIVE;
	own.cluster_id = "g";
	own.election_timeout_ms = 500;
	own.feature_level = own.feature_active = 1;
	ASSERT((rn_hello_check(&own, h, text) == RN_ACCEPT) == (text[0] == '\0'));
	ASSERT(strlen(text) < sizeof(text));
	(void)rn_hello_warning(&own, h, text);
}

static void
try_hello(const void *p, size_t n, struct mem_arena *arena)
{
	struct rn_hello h, again;
	struct codec_out out = {0};
	struct err e;

	if (rn_frame_get_hello(p, n, arena, &h, &e) != 0)
		return;
	judge(&h);
	if (rn_frame_put_hello(&out, &h, &e) == 0) {
		ASSERT(rn_frame_get_hello(out.p + RN_HEAD_BYTES, out.len - RN_HEAD_BYTES, arena, &again, &e) == 0);
		ASSERT(rec_equal(&rn_hello_desc, &h, &again));
	}
	codec_out_done(&out);
}

static void
frames(const uint8_t *p, size_t n, bool in_use)
{
	struct mem_arena arena = {0};
	struct rn_refusal r;
	struct rn_head head;
	uint64_t v;
	struct err e;

	while (n >= RN_HEAD_BYTES && rn_head_get(p, in_use, &head, &e) == 0) {
		p += RN_HEAD_BYTES;
		n -= RN_HEAD_BYTES;
		ASSERT(head.bytes <= RN_FRAME_MAX);
		if (head.bytes > n)
			break;
		try_hello(p, head.bytes, &arena);
		if (rn_frame_get_refusal(p, head.bytes, &arena, &r, &e) == 0)
			(void)rn_refuse_name(r.code);
		if (rn_frame_get_u64(p, head.bytes, &v, &e) == 0)
			ASSERT(head.bytes == 8);
		mem_arena_reset(&arena);
		p += head.bytes;
		n -= head.bytes;
	}
	mem_arena_done(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[RN_NAME_MAX + 1];
	char *text = strndup((const char *)data, size);
	struct err e;

	frames(data, size, false);
	frames(data, size, true);
	if (text != NULL && rn_name_make(text, 10008, name, &e) == 0)
		ASSERT(rn_name_make(name, -1, name, &e) == 0);
	free(text);
	return 0;
}
