/* test_rd_apply_tokens.c — access tokens: issued, acquired once and in time, held for a while. */
#include "apply_world.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define D1 "1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "2222222222222222222222222222222222222222222222222222222222222222"

static int
acquire(struct world *w, const char *public_token, const char *digest, int64_t issued_after_us, int64_t at_us)
{
	char uid[32];

	(void)snprintf(uid, sizeof(uid), "uid-%u", ++w->uids);
	return apply_uid(w, RD_OP_ACQUIRE_TOKEN, &(struct rd_cmd_acquire_token){public_token, digest, issued_after_us},
			 at_us, uid);
}

static bool
audited(const struct world *w, const char *type)
{
	const struct rd_effect *x = effect(w, RD_EFFECT_AUDIT);

	return x != NULL && strcmp(x->audit_type, type) == 0 && strcmp(x->message, "owner: gromit") == 0;
}

static void
a_token_is_acquired_once(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	APPLY(&w, ISSUE_TOKEN, issue_token, T0, A, "gromit");
	assert_true(audited(&w, "issue-access-token"));
	assert_int_equal(rd_state_token(w.s, A)->access_token_id, 1);
	assert_false(rd_state_token_holds(w.s, A, D1, T0));
	assert_false(rd_state_token_holds(w.s, A, "", T0)); /* not acquired yet: there is no secret to be right about */
	assert_int_equal(acquire(&w, B, D1, T0, T0 + 1), -ERR_UNAUTHORIZED);
	assert_int_equal(acquire(&w, A, D1, T0, T0 + 1), 0);
	assert_true(audited(&w, "acquire-access-token"));
	assert_int_equal(changes(&w), 1);
	assert_int_equal(acquire(&w, A, D2, T0, T0 + 2), -ERR_UNAUTHORIZED);
	assert_int_equal(changes(&w), 0);
	assert_true(rd_state_token_holds(w.s, A, D1, T0));
	assert_false(rd_state_token_holds(w.s, A, D2, T0));
	assert_false(rd_state_token_holds(w.s, A, "", T0));
	assert_false(rd_state_token_holds(w.s, B, D1, T0));
	assert_string_equal(rd_state_token(w.s, A)->generated_by, "gromit");
	world_done(&w);
}

/* Sent again under the same uid, it is the same answer and not a second use. */
static void
acquiring_is_idempotent(void **state UNUSED)
{
	const struct rd_cmd_acquire_token c = {A, D1, T0};
	struct world w;

	world_init(&w);
	APPLY(&w, ISSUE_TOKEN, issue_token, T0, A, "gromit");
	assert_int_equal(apply_uid(&w, RD_OP_ACQUIRE_TOKEN, &c, T0, "same"), 0);
	assert_int_equal(apply_uid(&w, RD_OP_ACQUIRE_TOKEN, &c, T0, "same"), 0);
	assert_true(w.a.duplicate);
	assert_true(rd_state_token_holds(w.s, A, D1, T0));
	world_done(&w);
}

/* The backend keeps whole seconds: a token lives to the end of its last one. */
static void
a_token_is_acquired_in_time(void **state UNUSED)
{
	struct world w;

	world_init(&w);
	APPLY(&w, ISSUE_TOKEN, issue_token, T0 + 900000, A, "gromit");
	assert_int_equal(acquire(&w, A, D1, T0 + CLK_S, T0 + 61 * CLK_S), -ERR_UNAUTHORIZED);
	assert_int_equal(acquire(&w, A, D1, T0 + 999999, T0 + 61 * CLK_S), 0);
	assert_true(rd_state_token_holds(w.s, A, D1, T0));
	assert_false(rd_state_token_holds(w.s, A, D1, T0 + 1));
	world_done(&w);
}

static void
a_tick_ends_tokens_that_are_not_reentrant(void **state UNUSED)
{
	const struct rd_lives lives = {.token_us = 60 * CLK_S, .uid_us = 86400 * CLK_S};
	struct db_access_token by_hand = {.access_token_id = 7,
					  .public_token = "mine",
					  .secret_token = "",
					  .generated_at_us = T0,
					  .generated_by = "gromit",
					  .is_reentrant = true};
	struct rd_cmd_tick tick;
	struct world w;

	world_init(&w);
	rd_state_put(w.s, RD_TABLE_access_token, &by_hand);
	APPLY(&w, ISSUE_TOKEN, issue_token, T0, A, "gromit");
	assert_false(rd_tick_due(w.s, T0 + 60 * CLK_S, &lives, &tick));
	assert_true(rd_tick_due(w.s, T0 + 61 * CLK_S, &lives, &tick));
	apply_at(&w, RD_OP_TICK, &tick, T0 + 61 * CLK_S);
	assert_null(rd_state_token(w.s, A));
	/* who has the public part of a reentrant one has everything, for ever */
	assert_int_equal(acquire(&w, "mine", D1, T0 + 3600 * CLK_S, T0 + 3660 * CLK_S), 0);
	assert_int_equal(acquire(&w, "mine", D2, T0 + 3600 * CLK_S, T0 + 3660 * CLK_S), 0);
	assert_true(rd_state_token_holds(w.s, "mine", D1, T0 + 7200 * CLK_S));
	assert_true(rd_state_token_holds(w.s, "mine", D2, T0 + 7200 * CLK_S));
	world_done(&w);
}

static void
ids_and_numbers_are_bounded(void **state UNUSED)
{
	struct world w;
	char text[65];

	world_init(&w);
	APPLY(&w, ISSUE_TOKEN, issue_token, T0, A, "gromit");
	assert_int_equal(apply_uid(&w, RD_OP_ISSUE_TOKEN, &(struct rd_cmd_issue_token){A, "x"}, T0, "again"),
			 -ERR_EXISTS);
	for (int i = 1; i < RD_TOKENS_MAX; i++) {
		(void)snprintf(text, sizeof(text), "%064x", (unsigned)i);
		rd_state_put(
		    w.s, RD_TABLE_access_token,
		    &(struct db_access_token){
			.access_token_id = 100 + i, .public_token = text, .secret_token = "", .generated_by = ""});
	}
	assert_int_equal(apply_uid(&w, RD_OP_ISSUE_TOKEN, &(struct rd_cmd_issue_token){B, "x"}, T0, "full"),
			 -ERR_LIMIT);
	assert_true(rd_state_remove(w.s, RD_TABLE_access_token, rd_state_token(w.s, text)));
	rd_state_set_applied(w.s, 149, 0, T0);
	APPLY(&w, ISSUE_TOKEN, issue_token, T0, B, "x"); /* entry 150, an id that is taken */
	assert_int_equal(rd_state_token(w.s, B)->access_token_id, 100 + RD_TOKENS_MAX - 1);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_token_is_acquired_once),	   cmocka_unit_test(acquiring_is_idempotent),
	    cmocka_unit_test(a_token_is_acquired_in_time), cmocka_unit_test(a_tick_ends_tokens_that_are_not_reentrant),
	    cmocka_unit_test(ids_and_numbers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
