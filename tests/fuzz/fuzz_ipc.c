/* fuzz_ipc.c — frames from another process: envelope, then the payload as the message its type names, and as a command
 * map. A decoded message must encode to bytes that decode to the same again. */
#include <stdint.h>
#include <stdlib.h>

#include "ipc/codec.h"
#include "ipc/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
decode_and_back(const void *p, size_t n, enum codec_mode mode, const struct rec_desc *d)
{
	struct mem_arena arena = {0};
	struct codec_out out = {0};
	void *first = mem_arena_alloc(&arena, d->size), *again = mem_arena_alloc(&arena, d->size);
	struct err e;

	if (codec_decode(p, n, mode, d, &arena, first, &e) == 0) {
		ASSERT(codec_encode(&out, mode, d, first, IPC_RECEIVE_MAX, &e) == 0);
		ASSERT(codec_decode(out.p, out.len, mode, d, &arena, again, &e) == 0);
		ASSERT(rec_equal(d, first, again));
	}
	codec_out_done(&out);
	mem_arena_done(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ipc_msg_info *info;
	struct codec_envelope env;
	struct err e;

	if (codec_get_envelope(data, size, &env, &e) == 0) {
		info = ipc_msg_info(env.type);
		if (info != NULL)
			decode_and_back(env.payload, env.payload_bytes, CODEC_ARRAY, info->desc);
	}
	if (size > 1) {
		info = ipc_msg_at(data[0] % ipc_msg_count());
		decode_and_back(data + 1, size - 1, data[0] & 0x80 ? CODEC_MAP : CODEC_ARRAY, info->desc);
	}
	return 0;
}
