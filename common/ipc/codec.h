/* ipc/codec.h — described records (base/rec.h) to MessagePack and back.
 *
 * CODEC_ARRAY: positional, for messages between processes of one build. CODEC_MAP: map with the field names as keys,
 * for bytes that outlive a build (replicated commands, snapshots): unknown keys are skipped, missing ones keep their
 * zero value, zero values are left out. Decoding trusts nothing: a linear pre-scan bounds counts, depth and size before
 * msgpack-c sees the bytes, then each field's type and limit is checked. Decoded records borrow from the arena: rec_dup
 * what must live longer. */
#ifndef IPC_CODEC_H
#define IPC_CODEC_H

#include "base/err.h"
#include "base/mem.h"
#include "base/rec.h"

enum codec_mode { CODEC_ARRAY, CODEC_MAP };

#define CODEC_DEPTH_MAX 16

/* Growable output; zero-initialise. */
struct codec_out {
	char *p;
	size_t len;
	size_t cap;
};
void codec_out_done(struct codec_out *o);

/* Appends; fails with TOO_LARGE when a field exceeds its written limit or the output max_bytes. */
int codec_encode(struct codec_out *o, enum codec_mode mode, const struct rec_desc *d, const void *rec, size_t max_bytes,
		 struct err *e) MUST_USE;
/* Exactly one value of n bytes. rec is filled only on success. */
int codec_decode(const void *p, size_t n, enum codec_mode mode, const struct rec_desc *d, struct mem_arena *arena,
		 void *rec, struct err *e) MUST_USE;

/* Checks that p holds exactly one well-formed value, nested at most CODEC_DEPTH_MAX deep, no count above the bytes
 * left. */
int codec_prescan(const void *p, size_t n, struct err *e) MUST_USE;

/* The envelope of ipc.h around an already encoded payload. */
struct codec_envelope {
	uint32_t proto;
	uint32_t type;
	uint64_t seq;
	uint32_t role;
	uint64_t generation;
	uint64_t to_generation;
	const void *payload; /* borrowed */
	size_t payload_bytes;
};
int codec_put_message(struct codec_out *o, const struct codec_envelope *env, const struct rec_desc *d, const void *msg,
		      size_t max_bytes, struct err *e) MUST_USE;
/* Pre-scans the whole frame; env->payload points into p. */
int codec_get_envelope(const void *p, size_t n, struct codec_envelope *ret_env, struct err *e) MUST_USE;

#endif
