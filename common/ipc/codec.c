/* codec.c — record ↔ MessagePack. Pure; called by ipc/link.c for messages and by raftd for commands.
 * The only includer of msgpack-c besides tests. */
#include "ipc/codec.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/codec_private.h"

void
codec_out_done(struct codec_out *o)
{
	free(o->p);
	*o = (struct codec_out){0};
}

static int
out_write(void *ctx, const char *p, size_t n)
{
	struct codec_out *o = ctx;

	if (n == 0)
		return 0; /* an empty value has no address */
	mem_grow(o->p, o->cap, o->len + n);
	if (n > 0) /* an empty value may have no address */
		memcpy(o->p + o->len, p, n);
	o->len += n;
	return 0;
}

static void encode_record(msgpack_packer *pk, enum codec_mode mode, const struct rec_desc *d, const void *rec);

static void
encode_text(msgpack_packer *pk, const char *s)
{
	size_t n = strlen(s);

	(void)msgpack_pack_str(pk, n);
	(void)msgpack_pack_str_body(pk, s, n);
}

static void
encode_list(msgpack_packer *pk, enum codec_mode mode, const struct rec_field *f, const void *rec)
{
	struct rec_list l = rec_list_at(rec, f);

	(void)msgpack_pack_array(pk, l.n);
	for (size_t i = 0; i < l.n; i++)
		encode_record(pk, mode, f->sub, (const char *)l.v + i * f->sub->size);
}

static void
encode_bool(msgpack_packer *pk, bool v)
{
	(void)(v ? msgpack_pack_true(pk) : msgpack_pack_false(pk));
}

static void
encode_field(msgpack_packer *pk, enum codec_mode mode, const struct rec_field *f, const void *rec)
{
	const void *at = rec_at(rec, f);

	switch (f->kind) {
	case REC_BOOL:
		encode_bool(pk, *(const bool *)at);
		return;
	case REC_I64:
		(void)msgpack_pack_int64(pk, *(const int64_t *)at);
		return;
	case REC_U64:
		(void)msgpack_pack_uint64(pk, *(const uint64_t *)at);
		return;
	case REC_F64:
		(void)msgpack_pack_double(pk, *(const double *)at);
		return;
	case REC_STR:
		encode_text(pk, rec_str_at(rec, f));
		return;
	case REC_BIN: {
		const struct rec_bin *b = at;
		(void)msgpack_pack_bin(pk, b->n);
		(void)msgpack_pack_bin_body(pk, b->p, b->n);
		return;
	}
	case REC_NI64: {
		const struct rec_ni64 *v = at;
		(void)(v->valid ? msgpack_pack_int64(pk, v->v) : msgpack_pack_nil(pk));
		return;
	}
	case REC_NBOOL: {
		const struct rec_nbool *v = at;
		if (v->valid)
			encode_bool(pk, v->v);
		else
			(void)msgpack_pack_nil(pk);
		return;
	}
	case REC_REC:
		encode_record(pk, mode, f->sub, at);
		return;
	case REC_LIST:
		encode_list(pk, mode, f, rec);
		return;
	}
	ASSERT(!"unknown field kind");
}

static bool
is_zero(const struct rec_field *f, const void *rec)
{
	const void *at = rec_at(rec, f);

	switch (f->kind) {
	case REC_BOOL:
		return !*(const bool *)at;
	case REC_I64:
	case REC_U64:
		return *(const uint64_t *)at == 0;
	case REC_F64:
		return *(const uint64_t *)at == 0; /* the bits of +0.0 */
	case REC_STR:
		return rec_str_at(rec, f)[0] == '\0';
	case REC_BIN:
		return ((const struct rec_bin *)at)->n == 0;
	case REC_NI64:
		return !((const struct rec_ni64 *)at)->valid;
	case REC_NBOOL:
		return !((const struct rec_nbool *)at)->valid;
	case REC_REC:
		return false;
	case REC_LIST:
		return rec_list_at(rec, f).n == 0;
	}
	ASSERT(!"unknown field kind");
	return false;
}

static void
encode_map(msgpack_packer *pk, const struct rec_desc *d, const void *rec)
{
	size_t count = 0;

	for (size_t i = 0; i < d->n_fields; i++)
		count += !is_zero(&d->fields[i], rec);
	(void)msgpack_pack_map(pk, count);
	for (size_t i = 0; i < d->n_fields; i++) {
		if (is_zero(&d->fields[i], rec))
			continue;
		encode_text(pk, d->fields[i].name);
		encode_field(pk, CODEC_MAP, &d->fields[i], rec);
	}
}

static void
encode_record(msgpack_packer *pk, enum codec_mode mode, const struct rec_desc *d, const void *rec)
{
	if (mode == CODEC_MAP) {
		encode_map(pk, d, rec);
		return;
	}
	(void)msgpack_pack_array(pk, d->n_fields);
	for (size_t i = 0; i < d->n_fields; i++)
		encode_field(pk, mode, &d->fields[i], rec);
}

int
codec_encode(struct codec_out *o, enum codec_mode mode, const struct rec_desc *d, const void *rec, size_t max_bytes,
	     struct err *e)
{
	size_t start = o->len;
	msgpack_packer pk;

	if (rec_check(d, rec, e) != 0)
		return err_wrap(e, "encoding %s", d->name);
	msgpack_packer_init(&pk, o, out_write);
	encode_record(&pk, mode, d, rec);
	if (o->len - start > max_bytes) {
		size_t n = o->len - start;
		o->len = start;
		return err_set(e, ERR_TOO_LARGE, "encoding %s: %zu bytes, at most %zu", d->name, n, max_bytes);
	}
	return 0;
}

int
codec_put_message(struct codec_out *o, const struct codec_envelope *env, const struct rec_desc *d, const void *msg,
		  size_t max_bytes, struct err *e)
{
	size_t start = o->len;
	msgpack_packer pk;
	int rc;

	msgpack_packer_init(&pk, o, out_write);
	(void)msgpack_pack_array(&pk, CODEC_ENVELOPE_ITEMS);
	(void)msgpack_pack_uint32(&pk, env->proto);
	(void)msgpack_pack_uint32(&pk, env->type);
	(void)msgpack_pack_uint64(&pk, env->seq);
	(void)msgpack_pack_uint32(&pk, env->role);
	(void)msgpack_pack_uint64(&pk, env->generation);
	(void)msgpack_pack_uint64(&pk, env->to_generation);
	rc = codec_encode(o, CODEC_ARRAY, d, msg, max_bytes, e);
	if (rc != 0)
		o->len = start;
	return rc;
}
