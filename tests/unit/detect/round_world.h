/* round_world.h — a round under virtual time, for tests: what voters say, what readings bring, what is expected. Header only;
 * cmocka.h stands before it. */
#ifndef ROUND_WORLD_H
#define ROUND_WORLD_H

#include <string.h>

#include "rd_round.h"
#include "vote_world.h"

static const struct rd_suspect_replica all_replicas[WORLD_REPLICAS] = {
    {{"r1", 3306}, true}, {{"r2", 3306}, true}, {{"r3", 3306}, true}, {{"r4", 3306}, true}};

static inline struct rd_round *
begun(size_t n_voters, size_t n_replicas, bool may_restart, int64_t hold_s)
{
	struct rd_suspect_replica copy[WORLD_REPLICAS];
	struct rd_round_conf conf = {.id = 7,
				     .self = world_voters[0],
				     .voters = world_voters,
				     .n_voters = n_voters,
				     .server = &world_server,
				     .server_uuid = "uuid-1",
				     .replicas = {copy, n_replicas},
				     .answered = at(-700),
				     .may_restart = may_restart,
				     .hold_us = hold_s * CLK_S};
	struct rd_round *r;

	memcpy(copy, all_replicas, sizeof(copy));
	r = rd_round_new(&conf, at(0));
	assert_int_equal(rd_round_next(r, at(0)), RD_ACT_ASK);
	assert_int_equal(rd_round_next(r, at(0)), RD_ACT_NONE);
	return r;
}

static inline void
say_in(struct rd_round *r, size_t voter, const struct world_said *said, size_t n_replicas, uint64_t ask, int64_t ms)
{
	struct rd_replica_fact replicas[WORLD_REPLICAS];
	struct rd_facts f;

	world_say(said, n_replicas, replicas, &f);
	f.ask = ask;
	rd_round_facts(r, world_voters[voter], &f, at(ms));
}

#define SAY(r, voter, ms, ...)                                                                  \
	say_in(r, voter, &(const struct world_said){__VA_ARGS__}, rd_round_case(r)->n_replicas, \
	       rd_round_question(r)->ask, ms)

static inline void
expect_over(struct rd_round *r, int64_t ms, enum rd_verdict verdict)
{
	assert_int_equal(rd_round_next(r, at(ms)), RD_ACT_DONE);
	assert_string_equal(rd_verdict_name(rd_round_finding(r)->verdict), rd_verdict_name(verdict));
	assert_true(rd_round_is_over(r));
	assert_int_equal(rd_round_next(r, at(ms + 100000)), RD_ACT_NONE);
	rd_round_free(r);
}

static inline void
expect_act(struct rd_round *r, int64_t ms, enum rd_act act)
{
	assert_int_equal(rd_round_next(r, at(ms)), act);
	if (act != RD_ACT_NONE)
		assert_int_equal(rd_round_next(r, at(ms)), RD_ACT_NONE);
}

static inline void
expect_due(const struct rd_round *r, int64_t ms)
{
	assert_int_equal((rd_round_due(r).us - at(0).us) / CLK_MS, ms);
}

static inline void
silent(struct rd_round *r, int64_t ms)
{
	for (size_t i = 0; i < rd_round_case(r)->n_ballots; i++)
		SAY(r, i, ms, TIMED_OUT, {QUIET, QUIET, LOST, STOPPED});
}

static inline void
restarted(struct rd_round *r, size_t i, bool ok, int64_t ms)
{
	rd_round_restarted(r, &world_replicas[i], ok, at(ms));
}

static inline void
looked(struct rd_round *r, size_t i, enum topo_thread io, int64_t number, int64_t ms)
{
	struct rd_reading reading = {.at = at(ms), .io = io, .io_errno = number, .sql_running = true};

	rd_round_reading(r, &world_replicas[i], &reading, at(ms));
}

/* The silent ones are read once more first: nothing new. */
static inline void
expect_restart(struct rd_round *r, int64_t ms)
{
	size_t n;

	expect_act(r, ms, RD_ACT_READ);
	n = rd_round_targets(r)->n;
	for (size_t i = 0; i < n; i++)
		rd_round_reading(r, &rd_round_targets(r)->v[i], NULL, at(ms));
	expect_act(r, ms, RD_ACT_RESTART);
}

/* Up to the first look: both silent replicas were restarted at 1110, so it comes at 1410 and the last one at 2110. */
static inline struct rd_round *
tested(size_t n_replicas)
{
	struct rd_round *r = begun(3, n_replicas, true, 0);

	silent(r, 1100);
	expect_restart(r, 1100);
	assert_int_equal(rd_round_targets(r)->n, 2);
	assert_string_equal(rd_round_targets(r)->v[0].hostname, "r1");
	assert_string_equal(rd_round_targets(r)->v[1].hostname, "r2");
	restarted(r, 0, true, 1105);
	expect_act(r, 1105, RD_ACT_NONE);
	restarted(r, 1, true, 1110);
	expect_act(r, 1110, RD_ACT_NONE);
	expect_due(r, 1410);
	expect_act(r, 1409, RD_ACT_NONE);
	expect_act(r, 1410, RD_ACT_READ);
	assert_int_equal(rd_round_targets(r)->n, 2);
	return r;
}

#endif
