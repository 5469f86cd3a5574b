/* codec_decode.c — MessagePack → record, every type and limit checked. Pure; strings and lists go into the caller's
 * arena. */
#include <msgpack.h>
#include <string.h>

#include "ipc/codec.h"
#include "ipc/codec_private.h"

static int decode_record(const msgpack_object *o, enum codec_mode mode, const struct rec_desc *d,
			 struct mem_arena *arena, void *rec, struct err *e);

static int
wrong_type(const struct rec_field *f, struct err *e)
{
	return err_set(e, ERR_IPC_FORMAT, "%s: wrong type", f->name);
}

static bool
get_i64(const msgpack_object *o, int64_t *ret_v)
{
	if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX)
		*ret_v = (int64_t)o->via.u64;
	else if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		*ret_v = o->via.i64;
	else
		return false;
	return true;
}

static int
decode_text(const struct rec_field *f, const msgpack_object *o, struct mem_arena *arena, void *rec, struct err *e)
{
	const char *copy;

	if (o->type != MSGPACK_OBJECT_STR)
		return wrong_type(f, e);
	if (o->via.str.size > f->max)
		return err_set(e, ERR_TOO_LARGE, "%s: %u bytes, at most %u", f->name, o->via.str.size, f->max);
	if (o->via.str.size > 0 && memchr(o->via.str.ptr, '\0', o->via.str.size) != NULL)
		return err_set(e, ERR_IPC_FORMAT, "%s: text holds a NUL byte", f->name);
	copy = o->via.str.size == 0 ? "" : mem_arena_strndup(arena, o->via.str.ptr, o->via.str.size);
	memcpy(rec_at_mut(rec, f), &copy, sizeof(copy));
	return 0;
}

static int
decode_bin(const struct rec_field *f, const msgpack_object *o, struct mem_arena *arena, void *rec, struct err *e)
{
	struct rec_bin *b = rec_at_mut(rec, f);

	if (o->type != MSGPACK_OBJECT_BIN)
		return wrong_type(f, e);
	if (o->via.bin.size > f->max)
		return err_set(e, ERR_TOO_LARGE, "%s: %u bytes, at most %u", f->name, o->via.bin.size, f->max);
	b->n = o->via.bin.size;
	b->p = mem_arena_strndup(arena, o->via.bin.ptr, b->n);
	return 0;
}

static int
decode_list(const struct rec_field *f, enum codec_mode mode, const msgpack_object *o, struct mem_arena *arena,
	    void *rec, struct err *e)
{
	struct rec_list l = {NULL, 0};

	if (o->type != MSGPACK_OBJECT_ARRAY)
		return wrong_type(f, e);
	if (o->via.array.size > f->max)
		return err_set(e, ERR_TOO_LARGE, "%s: %u items, at most %u", f->name, o->via.array.size, f->max);
	l.n = o->via.array.size;
	if (l.n > 0)
		l.v = mem_arena_alloc(arena, l.n * f->sub->size);
	for (size_t i = 0; i < l.n; i++) {
		void *item = (char *)l.v + i * f->sub->size;
		if (decode_record(&o->via.array.ptr[i], mode, f->sub, arena, item, e) != 0)
			return err_wrap(e, "%s[%zu]", f->name, i);
	}
	rec_list_set(rec, f, l);
	return 0;
}

static int
decode_number(const struct rec_field *f, const msgpack_object *o, void *rec, struct err *e)
{
	void *at = rec_at_mut(rec, f);

	if (f->kind == REC_I64 && get_i64(o, at))
		return 0;
	if (f->kind == REC_U64 && o->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
		*(uint64_t *)at = o->via.u64;
		return 0;
	}
	if (f->kind == REC_F64 && (o->type == MSGPACK_OBJECT_FLOAT64 || o->type == MSGPACK_OBJECT_FLOAT32)) {
		*(double *)at = o->via.f64;
		return 0;
	}
	return wrong_type(f, e);
}

static int
decode_nullable(const struct rec_field *f, const msgpack_object *o, void *rec, struct err *e)
{
	void *at = rec_at_mut(rec, f);

	if (o->type == MSGPACK_OBJECT_NIL)
		return 0; /* rec_init made it invalid */
	if (f->kind == REC_NI64) {
		struct rec_ni64 *v = at;
		v->valid = get_i64(o, &v->v);
		return v->valid ? 0 : wrong_type(f, e);
	}
	if (o->type != MSGPACK_OBJECT_BOOLEAN)
		return wrong_type(f, e);
	*(struct rec_nbool *)at = (struct rec_nbool){o->via.boolean, true};
	return 0;
}

static int
decode_field(const struct rec_field *f, enum codec_mode mode, const msgpack_object *o, struct mem_arena *arena,
	     void *rec, struct err *e)
{
	switch (f->kind) {
	case REC_BOOL:
		if (o->type != MSGPACK_OBJECT_BOOLEAN)
			return wrong_type(f, e);
		*(bool *)rec_at_mut(rec, f) = o->via.boolean;
		return 0;
	case REC_I64:
	case REC_U64:
	case REC_F64:
		return decode_number(f, o, rec, e);
	case REC_STR:
		return decode_text(f, o, arena, rec, e);
	case REC_BIN:
		return decode_bin(f, o, arena, rec, e);
	case REC_NI64:
	case REC_NBOOL:
		return decode_nullable(f, o, rec, e);
	case REC_REC:
		if (decode_record(o, mode, f->sub, arena, rec_at_mut(rec, f), e) != 0)
			return err_wrap(e, "%s", f->name);
		return 0;
	case REC_LIST:
		return decode_list(f, mode, o, arena, rec, e);
	}
	ASSERT(!"unknown field kind");
	return 0;
}

static int
decode_array(const msgpack_object *o, const struct rec_desc *d, struct mem_arena *arena, void *rec, struct err *e)
{
	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size != d->n_fields)
		return err_set(e, ERR_IPC_FORMAT, "%s: not an array of %zu fields", d->name, d->n_fields);
	for (size_t i = 0; i < d->n_fields; i++) {
		int rc = decode_field(&d->fields[i], CODEC_ARRAY, &o->via.array.ptr[i], arena, rec, e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static const struct rec_field *
field_of_key(const struct rec_desc *d, const msgpack_object *k)
{
	for (size_t i = 0; k->type == MSGPACK_OBJECT_STR && i < d->n_fields; i++) {
		const char *name = d->fields[i].name;
		if (strlen(name) == k->via.str.size && memcmp(name, k->via.str.ptr, k->via.str.size) == 0)
			return &d->fields[i];
	}
	return NULL;
}

static int
decode_map(const msgpack_object *o, const struct rec_desc *d, struct mem_arena *arena, void *rec, struct err *e)
{
	if (o->type != MSGPACK_OBJECT_MAP)
		return err_set(e, ERR_IPC_FORMAT, "%s: not a map", d->name);
	for (size_t i = 0; i < o->via.map.size; i++) {
		const msgpack_object_kv *kv = &o->via.map.ptr[i];
		const struct rec_field *f = field_of_key(d, &kv->key);
		int rc = f == NULL ? 0 : decode_field(f, CODEC_MAP, &kv->val, arena, rec, e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
decode_record(const msgpack_object *o, enum codec_mode mode, const struct rec_desc *d, struct mem_arena *arena,
	      void *rec, struct err *e)
{
	rec_init(d, rec);
	return mode == CODEC_ARRAY ? decode_array(o, d, arena, rec, e) : decode_map(o, d, arena, rec, e);
}

int
codec_decode(const void *p, size_t n, enum codec_mode mode, const struct rec_desc *d, struct mem_arena *arena,
	     void *rec, struct err *e)
{
	msgpack_unpacked u;
	size_t off = 0;
	void *scratch;
	int rc = codec_prescan(p, n, e);

	if (rc != 0)
		return err_wrap(e, "%s", d->name);
	msgpack_unpacked_init(&u);
	if (msgpack_unpack_next(&u, p, n, &off) != MSGPACK_UNPACK_SUCCESS) {
		rc = err_set(e, ERR_IPC_FORMAT, "%s: not MessagePack", d->name);
	} else {
		scratch = mem_arena_alloc(arena, d->size);
		rc = decode_record(&u.data, mode, d, arena, scratch, e);
		if (rc == 0)
			memcpy(rec, scratch, d->size);
	}
	msgpack_unpacked_destroy(&u);
	return rc;
}

/* Reads the unsigned integer at *at; the bytes were pre-scanned. */
static bool
take_uint(const unsigned char *p, size_t n, size_t *at, uint64_t max, uint64_t *ret_v)
{
	uint64_t v = 0;
	size_t bytes;

	if (*at >= n)
		return false;
	if (p[*at] < 0x80) {
		*ret_v = p[(*at)++];
		return true;
	}
	if (p[*at] < 0xcc || p[*at] > 0xcf)
		return false;
	bytes = (size_t)1 << (p[*at] - 0xcc);
	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | p[*at + 1 + i];
	*at += 1 + bytes;
	*ret_v = v;
	return v <= max;
}

int
codec_get_envelope(const void *bytes, size_t n, struct codec_envelope *ret_env, struct err *e)
{
	const unsigned char *p = bytes;
	uint64_t proto, type, seq, role, gen, to;
	size_t at = 1;
	int rc = codec_prescan(p, n, e);

	if (rc != 0)
		return err_wrap(e, "envelope");
	if (p[0] != (0x90 | CODEC_ENVELOPE_ITEMS) || !take_uint(p, n, &at, UINT32_MAX, &proto) ||
	    !take_uint(p, n, &at, UINT32_MAX, &type) || !take_uint(p, n, &at, UINT64_MAX, &seq) ||
	    !take_uint(p, n, &at, UINT32_MAX, &role) || !take_uint(p, n, &at, UINT64_MAX, &gen) ||
	    !take_uint(p, n, &at, UINT64_MAX, &to))
		return err_set(e, ERR_IPC_FORMAT, "envelope: malformed");
	*ret_env =
	    (struct codec_envelope){(uint32_t)proto, (uint32_t)type, seq, (uint32_t)role, gen, to, p + at, n - at};
	return 0;
}
