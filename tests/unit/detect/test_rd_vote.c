/* test_rd_vote.c — the bytes of votes: there and back, and what a peer may not say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "vote_world.h"

static void
decode(const struct codec_out *o, struct mem_arena *arena, struct rd_vote_msg *ret)
{
	struct err e;

	if (rd_vote_decode(o->p, o->len, arena, ret, &e) != 0)
		fail_msg("%s", e.msg);
}

static struct rd_suspect_msg
question(struct rd_suspect_replica *replicas)
{
	replicas[0] = (struct rd_suspect_replica){world_replicas[0], true};
	replicas[1] = (struct rd_suspect_replica){world_replicas[1], false};
	return (struct rd_suspect_msg){
	    .id = 7, .ask = 2, .key = world_server, .answered_age_us = 5, .wait_us = CLK_S, .replicas = {replicas, 2}};
}

static void
a_question_and_its_answer_come_back_as_they_were(void **state UNUSED)
{
	static const struct world_said said = {TIMED_OUT, {LOST, RENAMED, UNREAD}};
	struct rd_suspect_replica replicas[2];
	struct rd_replica_fact facts[3];
	struct rd_suspect_msg q = question(replicas);
	struct codec_out bytes = {0};
	struct mem_arena arena = {0};
	struct rd_vote_msg m;
	struct rd_facts f;
	struct err e;

	assert_int_equal(rd_vote_encode(RD_VOTE_SUSPECT, &q, &bytes, &e), 0);
	decode(&bytes, &arena, &m);
	assert_int_equal(m.kind, RD_VOTE_SUSPECT);
	assert_true(rec_equal(&rd_suspect_msg_desc, &m.u.suspect, &q));
	codec_out_done(&bytes);

	world_say(&said, 3, facts, &f);
	assert_int_equal(rd_vote_encode(RD_VOTE_FACTS, &f, &bytes, &e), 0);
	decode(&bytes, &arena, &m);
	assert_int_equal(m.kind, RD_VOTE_FACTS);
	assert_true(rec_equal(&rd_facts_desc, &m.u.facts, &f));
	codec_out_done(&bytes);
	mem_arena_done(&arena);
}

static int
send_suspect(const struct rd_suspect_msg *q)
{
	struct codec_out bytes = {0};
	struct mem_arena arena = {0};
	struct rd_vote_msg m;
	struct err e;
	int r;

	assert_int_equal(rd_vote_encode(RD_VOTE_SUSPECT, q, &bytes, &e), 0);
	r = rd_vote_decode(bytes.p, bytes.len, &arena, &m, &e);
	codec_out_done(&bytes);
	mem_arena_done(&arena);
	return r;
}

static int
send_facts(const struct rd_facts *f)
{
	struct codec_out bytes = {0};
	struct mem_arena arena = {0};
	struct rd_vote_msg m;
	struct err e;
	int r;

	assert_int_equal(rd_vote_encode(RD_VOTE_FACTS, f, &bytes, &e), 0);
	r = rd_vote_decode(bytes.p, bytes.len, &arena, &m, &e);
	codec_out_done(&bytes);
	mem_arena_done(&arena);
	return r;
}

/* Each line breaks one field of a good message. */
static void
nonsense_is_refused(void **state UNUSED)
{
	static const struct world_said said = {TIMED_OUT, {LOST}};
	struct rd_suspect_replica replicas[2];
	struct rd_replica_fact fact;
	struct rd_suspect_msg good = question(replicas), q;
	struct rd_facts f, well;

	world_say(&said, 1, &fact, &well);
	assert_int_equal(send_suspect(&good), 0);
	assert_int_equal(send_facts(&well), 0);
#define BAD_QUESTION(change) (q = good, (change), assert_int_equal(send_suspect(&q), -ERR_IPC_FORMAT))
#define BAD_FACTS(change) (f = well, (change), assert_int_equal(send_facts(&f), -ERR_IPC_FORMAT))
	BAD_QUESTION(q.id = 0);
	BAD_QUESTION(q.ask = 0);
	BAD_QUESTION(q.key.port = 0);
	BAD_QUESTION(q.key.hostname = "");
	BAD_QUESTION(q.answered_age_us = -2);
	BAD_QUESTION(q.wait_us = -1);
	BAD_QUESTION(replicas[1].key.port = 0);
	BAD_FACTS(f.id = 0);
	BAD_FACTS(f.ask = 0);
	BAD_FACTS(f.answered_age_us = -2);
	BAD_FACTS(f.span_us = -1);
	BAD_FACTS(f.longest_us = -1);
	BAD_FACTS(fact.read_age_us = -1);
	fact.read_age_us = 0;
	BAD_FACTS(fact.since_age_us = -1);
	fact.since_age_us = 0;
	BAD_FACTS(fact.io_state = TOPO_THREAD_OTHER + 1);
	BAD_FACTS(fact.io_state = TOPO_THREAD_NONE - 1);
	fact.io_state = TOPO_THREAD_OTHER;
	BAD_FACTS(fact.key.hostname = "//detached");
	fact.key.hostname = "r1";
	assert_int_equal(send_facts(&well), 0);
}

static void
what_is_not_understood_is_said_so(void **state UNUSED)
{
	static const char newer[] = "\x82\xa4kind\x09\xa4"
				    "body\xc4\x00";
	struct mem_arena arena = {0};
	struct rd_vote_msg m;
	struct err e;

	assert_int_equal(rd_vote_decode(newer, sizeof(newer) - 1, &arena, &m, &e), -ERR_UNSUPPORTED);
	assert_int_not_equal(rd_vote_decode("", 0, &arena, &m, &e), 0);
	assert_int_not_equal(rd_vote_decode("\xc0", 1, &arena, &m, &e), 0);
	mem_arena_done(&arena);
}

/* Every cut of a good message is an error, not a message. */
static void
half_a_message_is_none(void **state UNUSED)
{
	static const struct world_said said = {REFUSED, {LOST, QUIET}};
	struct rd_replica_fact facts[2];
	struct codec_out bytes = {0};
	struct mem_arena arena = {0};
	struct rd_vote_msg m;
	struct rd_facts f;
	struct err e;

	world_say(&said, 2, facts, &f);
	assert_int_equal(rd_vote_encode(RD_VOTE_FACTS, &f, &bytes, &e), 0);
	for (size_t n = 0; n < bytes.len; n++)
		assert_int_not_equal(rd_vote_decode(bytes.p, n, &arena, &m, &e), 0);
	codec_out_done(&bytes);
	mem_arena_done(&arena);
}

static void
the_largest_message_fits(void **state UNUSED)
{
	static struct rd_replica_fact facts[RD_VOTE_REPLICAS_MAX + 1];
	static char host[TOPO_HOST_MAX + 1];
	struct codec_out bytes = {0};
	struct mem_arena arena = {0};
	struct rd_vote_msg m;
	struct rd_facts f;
	struct err e;

	memset(host, 'h', TOPO_HOST_MAX);
	world_see(&f, TIMED_OUT);
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		world_read(&facts[i], &world_replicas[0], HEARS);
		facts[i].key.hostname = facts[i].source_key.hostname = host;
		facts[i].source_uuid = "0123456789012345678901234567890123456789012345678901234567890123";
	}
	f.replicas = (struct rd_replica_fact_list){facts, RD_VOTE_REPLICAS_MAX};
	assert_int_equal(rd_vote_encode(RD_VOTE_FACTS, &f, &bytes, &e), 0);
	decode(&bytes, &arena, &m);
	assert_int_equal(m.u.facts.replicas.n, RD_VOTE_REPLICAS_MAX);
	f.replicas.n++;
	codec_out_done(&bytes);
	assert_int_equal(rd_vote_encode(RD_VOTE_FACTS, &f, &bytes, &e), -ERR_TOO_LARGE);
	codec_out_done(&bytes);
	mem_arena_done(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_question_and_its_answer_come_back_as_they_were),
	    cmocka_unit_test(nonsense_is_refused),
	    cmocka_unit_test(what_is_not_understood_is_said_so),
	    cmocka_unit_test(half_a_message_is_none),
	    cmocka_unit_test(the_largest_message_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
