/* test_codec.c — every message round-trips; hostile bytes get errors, never crashes or large allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/codec.h"
#include "ipc/ipc.h"

/* Fills every field with something that is not its zero value. */
static void
fill(const struct rec_desc *d, void *rec, struct mem_arena *a, int depth)
{
	rec_init(d, rec);
	for (size_t i = 0; i < d->n_fields; i++) {
		const struct rec_field *f = &d->fields[i];
		void *at = rec_at_mut(rec, f);
		const char *text = f->max >= 3 ? "x\xc3\xa9" : "y";
		struct rec_list l;

		switch (f->kind) {
		case REC_BOOL:
			*(bool *)at = true;
			break;
		case REC_I64:
			*(int64_t *)at = -1 - (int64_t)i * 1000003;
			break;
		case REC_U64:
			*(uint64_t *)at = UINT64_MAX - i;
			break;
		case REC_F64:
			*(double *)at = 1.5;
			break;
		case REC_STR:
			memcpy(at, &text, sizeof(text));
			break;
		case REC_BIN:
			*(struct rec_bin *)at = (struct rec_bin){"\0\1\2", 3};
			break;
		case REC_NI64:
			*(struct rec_ni64 *)at = (struct rec_ni64){INT64_MIN, true};
			break;
		case REC_NBOOL:
			*(struct rec_nbool *)at = (struct rec_nbool){false, true};
			break;
		case REC_REC:
			fill(f->sub, at, a, depth + 1);
			break;
		case REC_LIST:
			l = (struct rec_list){mem_arena_alloc(a, 2 * f->sub->size), 2};
			fill(f->sub, l.v, a, depth + 1);
			fill(f->sub, (char *)l.v + f->sub->size, a, depth + 1);
			rec_list_set(rec, f, l);
			break;
		}
	}
}

static void
round_trip(const struct rec_desc *d, enum codec_mode mode, bool filled)
{
	struct mem_arena a = {0}, b = {0};
	struct codec_out out = {0};
	void *src = mem_alloc(d->size), *dst = mem_alloc(d->size);
	struct err e;

	if (filled)
		fill(d, src, &a, 0);
	else
		rec_init(d, src);
	assert_int_equal(codec_encode(&out, mode, d, src, IPC_SEND_MAX, &e), 0);
	if (codec_decode(out.p, out.len, mode, d, &b, dst, &e) != 0)
		fail_msg("%s: %s", d->name, e.msg);
	assert_true(rec_equal(d, src, dst));
	/* every shorter prefix is refused, and so is a stray byte */
	for (size_t n = 0; n < out.len; n += 1 + out.len / 200)
		assert_true(codec_decode(out.p, n, mode, d, &b, dst, &e) < 0);
	codec_out_done(&out);
	mem_arena_done(&a);
	mem_arena_done(&b);
	free(src);
	free(dst);
}

static void
every_message_round_trips(void **state UNUSED)
{
	for (size_t i = 0; i < ipc_msg_count(); i++) {
		const struct rec_desc *d = ipc_msg_at(i)->desc;
		for (int k = 0; k < 4; k++)
			round_trip(d, k & 1 ? CODEC_ARRAY : CODEC_MAP, (k & 2) != 0);
	}
}

static void
message_ids_and_names_are_unique(void **state UNUSED)
{
	for (size_t i = 0; i < ipc_msg_count(); i++) {
		assert_int_not_equal(ipc_msg_at(i)->from, 0);
		for (size_t k = 0; k < i; k++) {
			assert_int_not_equal(ipc_msg_at(i)->type, ipc_msg_at(k)->type);
			assert_string_not_equal(ipc_msg_at(i)->name, ipc_msg_at(k)->name);
		}
	}
	assert_int_not_equal(ipc_proto(), 0);
}

static void
map_mode_skips_what_it_does_not_know(void **state UNUSED)
{
	/* {"port": 3306, "new_field": [1, {"a": 2}], "hostname": "db"} */
	static const char bytes[] = "\x83\xa4port\xcd\x0c\xea\xa9new_field\x92\x01\x81\xa1"
				    "a\x02\xa8hostname\xa2"
				    "db";
	struct mem_arena a = {0};
	struct topo_key key;
	struct err e;

	assert_int_equal(codec_decode(bytes, sizeof(bytes) - 1, CODEC_MAP, &topo_key_desc, &a, &key, &e), 0);
	assert_string_equal(key.hostname, "db");
	assert_int_equal(key.port, 3306);
	mem_arena_done(&a);
}

static void
limits_are_enforced_on_both_sides(void **state UNUSED)
{
	char host[TOPO_HOST_MAX + 2];
	struct topo_key key = {host, 1};
	struct codec_out out = {0};
	struct mem_arena a = {0};
	struct err e;

	memset(host, 'h', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	assert_int_equal(codec_encode(&out, CODEC_ARRAY, &topo_key_desc, &key, 4096, &e), -ERR_TOO_LARGE);
	host[TOPO_HOST_MAX] = '\0';
	assert_int_equal(codec_encode(&out, CODEC_ARRAY, &topo_key_desc, &key, 100, &e), -ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
	assert_int_equal(codec_encode(&out, CODEC_ARRAY, &topo_key_desc, &key, 4096, &e), 0);
	/* same bytes, but announced as 256 long: str8 0xff → str16 is not needed, so lengthen the text by hand */
	{
		char hostile[512] = "\x92\xda\x01\x00";
		memset(hostile + 4, 'h', 256);
		hostile[260] = 1;
		assert_int_equal(codec_decode(hostile, 261, CODEC_ARRAY, &topo_key_desc, &a, &key, &e), -ERR_TOO_LARGE);
	}
	codec_out_done(&out);
	mem_arena_done(&a);
}

static void
hostile_bytes_get_errors(void **state UNUSED)
{
	static const struct {
		const char *what;
		const char *p;
		size_t n;
	} cases[] = {
#define CASE(what, bytes) {what, bytes, sizeof(bytes) - 1}
	    CASE("nothing", ""),
	    CASE("array of 4 billion", "\xdd\xff\xff\xff\xff"),
	    CASE("array that asks for 8 GB", "\xdd\x0f\xff\xff\xff"),
	    CASE("map of 4 billion", "\xdf\xff\xff\xff\xff"),
	    CASE("string of 4 billion", "\xdb\xff\xff\xff\xff"),
	    CASE("unused type byte", "\xc1"),
	    CASE("extension type", "\xc7\x01\x01\x00"),
	    CASE("stray byte", "\x92\xa1h\x01\x01"),
	    CASE("too few fields", "\x91\xa1h"),
	    CASE("too many fields", "\x93\xa1h\x01\x01"),
	    CASE("wrong type for text", "\x92\x01\x01"),
	    CASE("wrong type for number", "\x92\xa1h\xa1h"),
	    CASE("number above int64", "\x92\xa1h\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
	    CASE("NUL inside text", "\x92\xa2h\x00\x01"),
	    CASE("map instead of array", "\x82\xa1h\x01\xa1i\x01"),
#undef CASE
	};
	struct mem_arena a = {0};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct topo_key key = {"untouched", 7};
		if (codec_decode(cases[i].p, cases[i].n, CODEC_ARRAY, &topo_key_desc, &a, &key, &e) == 0)
			fail_msg("accepted: %s", cases[i].what);
		assert_string_equal(key.hostname, "untouched");
	}
	assert_true(a.total_bytes < 100000);
	mem_arena_done(&a);
}

static void
deep_nesting_is_refused(void **state UNUSED)
{
	char deep[100000];
	struct err e;

	memset(deep, 0x91, sizeof(deep));
	deep[sizeof(deep) - 1] = 1;
	assert_int_equal(codec_prescan(deep, sizeof(deep), &e), -ERR_IPC_FORMAT);
}

static void
mutated_messages_never_crash(void **state UNUSED)
{
	const struct rec_desc *d = ipc_msg_info(IPC_PROBE_RESULT)->desc;
	struct mem_arena a = {0}, b = {0};
	struct codec_out out = {0};
	void *rec = mem_alloc(d->size);
	uint32_t r = 12345;
	int refused = 0;
	struct err e;

	fill(d, rec, &a, 0);
	assert_int_equal(codec_encode(&out, CODEC_ARRAY, d, rec, IPC_SEND_MAX, &e), 0);
	for (int i = 0; i < 20000; i++) {
		r = r * 1664525u + 1013904223u;
		size_t at = r % out.len;
		char old = out.p[at];
		out.p[at] = (char)(r >> 24);
		refused += codec_decode(out.p, out.len, CODEC_ARRAY, d, &b, rec, &e) != 0;
		mem_arena_reset(&b);
		out.p[at] = old;
	}
	assert_true(refused > 1000);
	free(rec);
	codec_out_done(&out);
	mem_arena_done(&a);
	mem_arena_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_message_round_trips),
	    cmocka_unit_test(message_ids_and_names_are_unique),
	    cmocka_unit_test(map_mode_skips_what_it_does_not_know),
	    cmocka_unit_test(limits_are_enforced_on_both_sides),
	    cmocka_unit_test(hostile_bytes_get_errors),
	    cmocka_unit_test(deep_nesting_is_refused),
	    cmocka_unit_test(mutated_messages_never_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
