/* test_rd_raft_msg.c — messages to bytes and back, and what decoding refuses because libraft would only assert it. The
 * cache of recent entries is tried here too. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "rd_members.h"
#include "rd_raft_cache.h"
#include "rd_raft_msg.h"

static uint8_t members_bytes[RD_MEMBERS_BYTES_MAX];
static uint8_t sum[32];

static struct rec_bin
members(void)
{
	struct rd_members m;
	struct err e;

	assert_int_equal(rd_members_found((const char *const[]){"a:1", "b:1"}, 2, &m, &e), 0);
	return (struct rec_bin){members_bytes, rd_members_encode(&m, members_bytes)};
}

static struct rd_raft_msg
valid(uint64_t type)
{
	static struct rd_raft_entry entries[3];
	struct rd_raft_msg m;

	rec_init(&rd_raft_msg_desc, &m);
	m.type = type;
	m.from = 1;
	m.to = 2;
	m.term = 5;
	m.log_index = 7;
	m.log_term = type == RD_MSG_APPEND_RESULT ? 0 : 3;
	if (type == RD_MSG_SNAPSHOT)
		m.snapshot = (struct rd_raft_snapshot){10, 4, 3, members(), 100, {sum, sizeof sum}};
	if (type != RD_MSG_APPEND)
		return m;
	entries[0] = (struct rd_raft_entry){3, RD_KIND_COMMAND, {"abc", 3}};
	entries[1] = (struct rd_raft_entry){4, RD_KIND_CHANGE, members()};
	entries[2] = (struct rd_raft_entry){5, RD_KIND_BARRIER, {NULL, 0}};
	m.entries.v = entries;
	m.entries.n = 3;
	m.commit = 9;
	m.sent_us = 123456789;
	m.fresh = true;
	return m;
}

static void
test_round_trip(void **state)
{
	(void)state;
	for (uint64_t type = RD_MSG_APPEND; type < RD_MSG_TYPE_COUNT; type++) {
		struct rd_raft_msg m = valid(type), back;
		struct codec_out out = {0};
		struct mem_arena arena = {0};
		struct err e;

		assert_string_not_equal(rd_raft_msg_name(type), "unknown");
		assert_int_equal(rd_raft_msg_encode(&out, &m, &e), 0);
		assert_int_equal(rd_raft_msg_decode(out.p, out.len, &arena, &back, &e), 0);
		assert_true(rec_equal(&rd_raft_msg_desc, &m, &back));
		for (size_t n = 0; n < out.len; n++)
			assert_int_not_equal(rd_raft_msg_decode(out.p, n, &arena, &back, &e), 0);
		codec_out_done(&out);
		mem_arena_done(&arena);
	}
	assert_string_equal(rd_raft_msg_name(99), "unknown");
}

#define REFUSED(msg_type, change)                                             \
	do {                                                                  \
		struct rd_raft_msg m = valid(msg_type);                       \
		struct err e;                                                 \
		assert_int_equal(rd_raft_msg_check(&m, &e), 0);               \
		change;                                                       \
		assert_int_equal(rd_raft_msg_check(&m, &e), -ERR_IPC_FORMAT); \
	} while (0)

static void
test_content_is_checked(void **state)
{
	(void)state;
	REFUSED(RD_MSG_VOTE, m.type = 0);
	REFUSED(RD_MSG_VOTE, m.type = RD_MSG_TYPE_COUNT);
	REFUSED(RD_MSG_VOTE, m.from = 0);
	REFUSED(RD_MSG_VOTE, m.to = 0);
	REFUSED(RD_MSG_VOTE, m.to = m.from);
	REFUSED(RD_MSG_VOTE, m.term = 0);
	REFUSED(RD_MSG_VOTE, m.term = UINT64_MAX);
	REFUSED(RD_MSG_VOTE, m.log_term = 0);
	REFUSED(RD_MSG_TIMEOUT_NOW, m.log_index = 0);
	REFUSED(RD_MSG_APPEND_RESULT, m.rejected = UINT64_MAX);
	REFUSED(RD_MSG_APPEND_RESULT, m.echo_us = -1);
	REFUSED(RD_MSG_APPEND, m.log_term = 6);
	REFUSED(RD_MSG_APPEND, m.commit = UINT64_MAX);
	REFUSED(RD_MSG_APPEND, m.sent_us = -1);
	REFUSED(RD_MSG_APPEND, m.entries.v[0].term = 2); /* before the previous one */
	REFUSED(RD_MSG_APPEND, m.entries.v[2].term = 3); /* falling */
	REFUSED(RD_MSG_APPEND, m.entries.v[2].term = 6); /* after the message's */
	REFUSED(RD_MSG_APPEND, m.entries.v[0].term = 0);
	REFUSED(RD_MSG_APPEND, m.entries.v[0].kind = 0);
	REFUSED(RD_MSG_APPEND, m.entries.v[0].kind = 4);
	REFUSED(RD_MSG_APPEND, m.entries.v[0].data.n = 0);
	REFUSED(RD_MSG_APPEND, m.entries.v[1].data.n = 20);
	REFUSED(RD_MSG_APPEND, m.log_index = m.log_term = 0); /* entry 1 isn't a configuration */
	REFUSED(RD_MSG_APPEND, m.type = RD_MSG_VOTE);	      /* with entries */
	REFUSED(RD_MSG_SNAPSHOT, m.snapshot.index = 0);
	REFUSED(RD_MSG_SNAPSHOT, m.snapshot.term = 6);
	REFUSED(RD_MSG_SNAPSHOT, m.snapshot.members_index = 11);
	REFUSED(RD_MSG_SNAPSHOT, m.snapshot.members.n = 9);
	REFUSED(RD_MSG_SNAPSHOT, m.snapshot.sha256.n = 31);
}

static void
test_cache(void **state)
{
	struct rd_raft_cache c = {0};
	struct rd_raft_entry entry = {1, RD_KIND_COMMAND, {"0123456789", 10}};

	(void)state;
	for (uint64_t i = 100; i < 400; i++)
		rd_raft_cache_put(&c, i, &entry);
	assert_null(rd_raft_cache_get(&c, 99));
	assert_null(rd_raft_cache_get(&c, 400));
	assert_memory_equal(rd_raft_cache_get(&c, 399)->data.p, "0123456789", 10);
	rd_raft_cache_truncate(&c, 350);
	assert_null(rd_raft_cache_get(&c, 350));
	entry.term = 2;
	rd_raft_cache_put(&c, 350, &entry);
	assert_int_equal(rd_raft_cache_get(&c, 350)->term, 2);
	rd_raft_cache_evict(&c, 0, 199); /* what isn't durable stays */
	assert_null(rd_raft_cache_get(&c, 199));
	assert_non_null(rd_raft_cache_get(&c, 200));
	rd_raft_cache_evict(&c, c.bytes / 2, 1000);
	assert_non_null(rd_raft_cache_get(&c, 350));
	assert_in_range(c.n, 70, 80);
	rd_raft_cache_truncate(&c, 1);
	assert_int_equal(c.n, 0);
	assert_int_equal(c.bytes, 0);
	rd_raft_cache_put(&c, 7, &entry); /* empty: begins anywhere */
	assert_non_null(rd_raft_cache_get(&c, 7));
	rd_raft_cache_clear(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_content_is_checked),
	    cmocka_unit_test(test_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
