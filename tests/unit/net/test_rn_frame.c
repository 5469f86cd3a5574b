/* test_rn_frame.c — frame heads and their limits, the link's own frames there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rn_frame.h"

static void
heads(void **state UNUSED)
{
	static const struct {
		uint8_t kind;
		uint32_t length; /* as on the wire: with the kind */
		bool stranger_ok, member_ok;
	} all[] = {
	    {RN_CONTROL_HELLO, 1 + 4096, true, true},
	    {RN_CONTROL_HELLO, 1 + 4097, false, false},
	    {RN_CONTROL_REFUSE, 1 + 1024, true, true},
	    {RN_CONTROL_USE, 9, true, true},
	    {RN_CONTROL_PING, 1, true, true},
	    {RN_CONTROL_PING, 100, false, false},
	    {RN_CONTROL_HELLO, 0, false, false},
	    {RN_CHANNEL_RAFT, 1, false, true},
	    {RN_CHANNEL_RAFT, 1 + (4u << 20), false, true},
	    {RN_CHANNEL_RAFT, 2 + (4u << 20), false, false},
	    {RN_CHANNEL_RAFT, UINT32_MAX, false, false},
	    {RN_CHANNEL_HEALTH, 2 + (64u << 10), false, false},
	    {200, 1 + (4u << 20), false, true}, /* of a later build */
	    {200, UINT32_MAX, false, false},
	    {0, 5, false, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		uint32_t n = all[i].length;
		uint8_t raw[RN_HEAD_BYTES] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n,
					      all[i].kind};
		struct rn_head h;
		struct err e;

		if ((rn_head_get(raw, false, &h, &e) == 0) != all[i].stranger_ok)
			fail_msg("line %zu, before the hello", i);
		if ((rn_head_get(raw, true, &h, &e) == 0) != all[i].member_ok)
			fail_msg("line %zu, in use", i);
		if (all[i].member_ok)
			assert_true(h.kind == all[i].kind && h.bytes == n - 1);
	}
}

static void
a_head_there_and_back(void **state UNUSED)
{
	static const size_t sizes[] = {0, 1, 255, 256, 65536, RN_FRAME_MAX};
	uint8_t raw[RN_HEAD_BYTES];
	struct rn_head h;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		rn_head_put(raw, RN_CHANNEL_RAFT, sizes[i]);
		assert_int_equal(rn_head_get(raw, true, &h, &e), 0);
		assert_int_equal(h.bytes, sizes[i]);
	}
}

static void
channels_are_consistent(void **state UNUSED)
{
	for (size_t i = 0; i < RN_CHANNELS; i++) {
		const struct rn_channel_info *c = rn_channel_at(i);
		assert_int_equal(rn_channel_index(c->id), i);
		assert_true(c->id >= 16 && c->max_bytes <= RN_FRAME_MAX && c->queue_bytes >= c->max_bytes);
		assert_string_equal(rn_channel_name((enum rn_channel)c->id), c->name);
	}
	assert_int_equal(rn_channel_at(0)->id, RN_CHANNEL_RAFT); /* heartbeats first */
	assert_int_equal(rn_channel_at(RN_CHANNELS - 1)->id, RN_CHANNEL_SNAPSHOT);
	assert_int_equal(rn_channel_index(99), -1);
	assert_string_equal(rn_channel_name((enum rn_channel)99), "unknown");
}

static void
a_hello_there_and_back(void **state UNUSED)
{
	struct rn_founder founders[] = {{"a:1", "d1"}, {"b:1", "d2"}};
	struct rn_hello h, again;
	struct codec_out out = {0};
	struct mem_arena arena = {0};
	struct rn_head head;
	struct err e;

	rec_init(&rn_hello_desc, &h);
	h.protocol = 3;
	h.instance = UINT64_MAX;
	h.name = "db1:10008";
	h.dir_id = "0123";
	h.founded_with = (struct rn_founder_list){founders, 2};
	h.is_leader = true;
	assert_int_equal(rn_frame_put_hello(&out, &h, &e), 0);
	assert_int_equal(rn_head_get((const uint8_t *)out.p, false, &head, &e), 0);
	assert_int_equal(head.kind, RN_CONTROL_HELLO);
	assert_int_equal(head.bytes + RN_HEAD_BYTES, out.len);
	assert_int_equal(rn_frame_get_hello(out.p + RN_HEAD_BYTES, head.bytes, &arena, &again, &e), 0);
	assert_true(rec_equal(&rn_hello_desc, &h, &again));
	codec_out_done(&out);
	mem_arena_done(&arena);
}

/* The longest hello that the limits of its fields allow still is one frame, or is refused when it is set. */
static void
an_oversized_hello_is_our_error(void **state UNUSED)
{
	struct rn_founder founders[RN_FOUNDERS_MAX];
	char name[RN_NAME_MAX + 1], dir[RN_DIR_ID_MAX + 1], uri[513];
	struct rn_hello h;
	struct codec_out out = {0};
	struct err e;

	memset(name, 'n', sizeof(name));
	memset(dir, 'd', sizeof(dir));
	memset(uri, 'u', sizeof(uri));
	name[RN_NAME_MAX] = dir[RN_DIR_ID_MAX] = uri[512] = '\0';
	rec_init(&rn_hello_desc, &h);
	for (size_t i = 0; i < RN_FOUNDERS_MAX; i++)
		founders[i] = (struct rn_founder){name, dir};
	h.founded_with = (struct rn_founder_list){founders, RN_FOUNDERS_MAX};
	h.name = name;
	h.dir_id = dir;
	assert_int_equal(rn_frame_put_hello(&out, &h, &e), 0);
	h.http_uri = uri;
	h.cluster_id = h.config_hash = h.version = dir;
	assert_int_equal(rn_frame_put_hello(&out, &h, &e), -ERR_TOO_LARGE);
	codec_out_done(&out);
}

static void
a_refusal_there_and_back(void **state UNUSED)
{
	char text[RN_TEXT_BYTES];
	struct rn_refusal r = {RN_REFUSE_CLUSTER, text}, again;
	struct codec_out out = {0};
	struct mem_arena arena = {0};
	struct err e;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(rn_frame_put_refusal(&out, &r, &e), 0);
	assert_int_equal(rn_frame_get_refusal(out.p + RN_HEAD_BYTES, out.len - RN_HEAD_BYTES, &arena, &again, &e), 0);
	assert_true(rec_equal(&rn_refusal_desc, &r, &again));
	codec_out_done(&out);
	mem_arena_done(&arena);
}

static void
hostile_hellos(void **state UNUSED)
{
	static const char *const all[] = {"",
					  "\xc0",
					  "\x90",
					  "\xdd\xff\xff\xff\xff",
					  "\x81\xa4name\x01",
					  "\x81\xa4name\xa3\x61\x01",
					  "\xdf\x0f\xff\xff\xff",
					  "\x80\x80"};
	struct mem_arena arena = {0};
	struct rn_hello h;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (rn_frame_get_hello(all[i], strlen(all[i]), &arena, &h, &e) == 0)
			fail_msg("line %zu was taken for a hello", i);
	}
	assert_int_equal(rn_frame_get_hello("\x80", 1, &arena, &h, &e),
			 0); /* all fields empty: rn_hello_check refuses */
	mem_arena_done(&arena);
}

static void
numbers(void **state UNUSED)
{
	uint8_t raw[8];
	uint64_t v = 0;
	struct err e;

	rn_frame_put_u64(raw, 0x0102030405060708);
	assert_int_equal(raw[0], 1);
	assert_int_equal(rn_frame_get_u64(raw, 8, &v, &e), 0);
	assert_true(v == 0x0102030405060708);
	assert_int_not_equal(rn_frame_get_u64(raw, 7, &v, &e), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(heads),
	    cmocka_unit_test(a_head_there_and_back),
	    cmocka_unit_test(channels_are_consistent),
	    cmocka_unit_test(a_hello_there_and_back),
	    cmocka_unit_test(an_oversized_hello_is_our_error),
	    cmocka_unit_test(a_refusal_there_and_back),
	    cmocka_unit_test(hostile_hellos),
	    cmocka_unit_test(numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
