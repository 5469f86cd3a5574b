/* rn_frame.c — frame heads, the link's own frames, and the table of channels (rn_frame.h). Pure; called by rn_conn.c
 * and the fuzz target. Nothing is allocated for a length that its table line does not allow. */
#include "rn_frame.h"

#include <string.h>

static const struct rn_channel_info channels[RN_CHANNELS] = {
#define RN_CONTROL(NAME, name, id, max_bytes, doc)
#define RN_CHANNEL(NAME, name, id, max_bytes, queue_bytes, doc) {(id), #name, (max_bytes), (queue_bytes)},
#include "rn_channels.def"
#undef RN_CHANNEL
#undef RN_CONTROL
};

static const struct rn_channel_info controls[] = {
#define RN_CONTROL(NAME, name, id, max_bytes, doc) {(id), #name, (max_bytes), 0},
#define RN_CHANNEL(NAME, name, id, max_bytes, queue_bytes, doc)
#include "rn_channels.def"
#undef RN_CHANNEL
#undef RN_CONTROL
};

const struct rn_channel_info *
rn_channel_at(size_t i)
{
	ASSERT(i < RN_CHANNELS);
	return &channels[i];
}

int
rn_channel_index(uint8_t id)
{
	for (size_t i = 0; i < RN_CHANNELS; i++) {
		if (channels[i].id == id)
			return (int)i;
	}
	return -1;
}

const char *
rn_channel_name(enum rn_channel c)
{
	int i = rn_channel_index((uint8_t)c);

	return i < 0 ? "unknown" : channels[i].name;
}

static const struct rn_channel_info *
find_control(uint8_t id)
{
	for (size_t i = 0; i < ARRAY_LEN(controls); i++) {
		if (controls[i].id == id)
			return &controls[i];
	}
	return NULL;
}

void
rn_head_put(uint8_t ret[RN_HEAD_BYTES], uint8_t kind, size_t payload_bytes)
{
	size_t n = payload_bytes + 1;

	ASSERT(n <= RN_FRAME_MAX + 1);
	for (int i = 3; i >= 0; i--, n >>= 8)
		ret[i] = (uint8_t)(n & 0xff);
	ret[4] = kind;
}

/* What a frame of this kind may hold; 0: not allowed now. */
static size_t
most_bytes(uint8_t kind, bool in_use)
{
	const struct rn_channel_info *control = find_control(kind);
	int channel = rn_channel_index(kind);

	if (control != NULL)
		return control->max_bytes;
	if (!in_use)
		return 0;
	return channel < 0 ? RN_FRAME_MAX : channels[channel].max_bytes;
}

int
rn_head_get(const uint8_t p[RN_HEAD_BYTES], bool in_use, struct rn_head *ret_head, struct err *e)
{
	size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	size_t most = most_bytes(p[4], in_use);

	if (n == 0)
		return err_set(e, ERR_IPC_FORMAT, "a frame of length 0");
	if (most == 0)
		return err_set(e, ERR_IPC_FORMAT, "a frame of kind %u before the hello was accepted", p[4]);
	if (n - 1 > most)
		return err_set(e, ERR_TOO_LARGE, "a frame of kind %u with %zu bytes, at most %zu", p[4], n - 1, most);
	*ret_head = (struct rn_head){p[4], n - 1};
	return 0;
}

/* --- the link's own frames ------------------------------------------------------------------------------------------
 */

static int
put_record(struct codec_out *out, enum rn_control kind, const struct rec_desc *d, const void *rec, struct err *e)
{
	uint8_t head[RN_HEAD_BYTES];
	size_t start = out->len;
	int rc;

	mem_grow(out->p, out->cap, start + RN_HEAD_BYTES);
	out->len += RN_HEAD_BYTES;
	rc = codec_encode(out, CODEC_MAP, d, rec, find_control((uint8_t)kind)->max_bytes, e);
	if (rc != 0) {
		out->len = start;
		return rc;
	}
	rn_head_put(head, (uint8_t)kind, out->len - start - RN_HEAD_BYTES);
	memcpy(out->p + start, head, RN_HEAD_BYTES);
	return 0;
}

int
rn_frame_put_hello(struct codec_out *out, const struct rn_hello *h, struct err *e)
{
	return put_record(out, RN_CONTROL_HELLO, &rn_hello_desc, h, e);
}

int
rn_frame_put_refusal(struct codec_out *out, const struct rn_refusal *r, struct err *e)
{
	return put_record(out, RN_CONTROL_REFUSE, &rn_refusal_desc, r, e);
}

int
rn_frame_get_hello(const void *p, size_t n, struct mem_arena *arena, struct rn_hello *ret, struct err *e)
{
	return codec_decode(p, n, CODEC_MAP, &rn_hello_desc, arena, ret, e);
}

int
rn_frame_get_refusal(const void *p, size_t n, struct mem_arena *arena, struct rn_refusal *ret, struct err *e)
{
	return codec_decode(p, n, CODEC_MAP, &rn_refusal_desc, arena, ret, e);
}

void
rn_frame_put_u64(uint8_t ret[8], uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		ret[i] = (uint8_t)(v & 0xff);
}

int
rn_frame_get_u64(const void *p, size_t n, uint64_t *ret_v, struct err *e)
{
	const uint8_t *b = p;
	uint64_t v = 0;

	if (n != 8)
		return err_set(e, ERR_IPC_FORMAT, "a number of %zu bytes instead of 8", n);
	for (size_t i = 0; i < n; i++)
		v = v << 8 | b[i];
	*ret_v = v;
	return 0;
}
