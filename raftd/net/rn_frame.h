/* rn_frame.h — frames on the wire: u32 length (big-endian, of what follows), u8 kind, payload. Pure.
 *
 * Kinds and their limits stand in rn_channels.def. Before a connection is in use only the link's own frames are
 * allowed. Kinds of later builds are skipped within RN_FRAME_MAX. */
#ifndef RN_FRAME_H
#define RN_FRAME_H

#include "base/mem.h"
#include "ipc/codec.h"
#include "rn_net.h"

#define RN_HEAD_BYTES 5u

enum rn_control {
#define RN_CONTROL(NAME, name, id, max_bytes, doc) RN_CONTROL_##NAME = (id),
#define RN_CHANNEL(NAME, name, id, max_bytes, queue_bytes, doc)
#include "rn_channels.def"
#undef RN_CHANNEL
#undef RN_CONTROL
};

struct rn_channel_info {
	uint8_t id;
	const char *name;
	size_t max_bytes, queue_bytes;
};
/* Channels in the order of their priority. */
enum {
#define RN_CONTROL(NAME, name, id, max_bytes, doc)
#define RN_CHANNEL(NAME, name, id, max_bytes, queue_bytes, doc) RN_NTH_##NAME,
#include "rn_channels.def"
#undef RN_CHANNEL
#undef RN_CONTROL
	RN_CHANNELS
};
const struct rn_channel_info *rn_channel_at(size_t i); /* i < RN_CHANNELS */
/* Its place among them; -1: unknown. */
int rn_channel_index(uint8_t id);

struct rn_head {
	uint8_t kind;
	size_t bytes; /* of the payload */
};
void rn_head_put(uint8_t ret[RN_HEAD_BYTES], uint8_t kind, size_t payload_bytes);
/* in_use: whether channels are allowed. IPC_FORMAT, TOO_LARGE: close the connection. */
int rn_head_get(const uint8_t p[RN_HEAD_BYTES], bool in_use, struct rn_head *ret_head, struct err *e) MUST_USE;

/* Whole frames of the link itself, appended to out. */
int rn_frame_put_hello(struct codec_out *out, const struct rn_hello *h, struct err *e) MUST_USE;
int rn_frame_put_refusal(struct codec_out *out, const struct rn_refusal *r, struct err *e) MUST_USE;
/* Payloads; the record borrows from the arena. */
int rn_frame_get_hello(const void *p, size_t n, struct mem_arena *arena, struct rn_hello *ret, struct err *e) MUST_USE;
int rn_frame_get_refusal(const void *p, size_t n, struct mem_arena *arena, struct rn_refusal *ret,
			 struct err *e) MUST_USE;
void rn_frame_put_u64(uint8_t ret[8], uint64_t v);
int rn_frame_get_u64(const void *p, size_t n, uint64_t *ret_v, struct err *e) MUST_USE;

#endif
