/* rd_apply_tokens.c — access tokens: issued to a user, acquired once (auth-and-web.md section 1.2). Pure: see rd_apply.h.
 * Dispatched by rd_apply.c; rd_apply_tick.c ends them. No text of here names a token: public parts are half a secret. */
#include "rd_apply_private.h"

/* The entry's index: grows, and is the same everywhere. A database taken over may hold higher ones. */
static int64_t
new_token_id(const struct apply *a)
{
	struct db_access_token row = {.access_token_id = (int64_t)a->out->index};

	while (rd_state_get(a->s, RD_TABLE_access_token, &row) != NULL)
		row.access_token_id++;
	return row.access_token_id;
}

int
rd_apply_issue_token(struct apply *a, const struct rd_cmd_issue_token *c, struct err *e)
{
	struct db_access_token row = {.access_token_id = new_token_id(a),
				      .public_token = c->public_token,
				      .secret_token = "",
				      .generated_at_us = a->now_us,
				      .generated_by = c->owner};

	if (rd_state_token(a->s, c->public_token) != NULL)
		return err_set(e, ERR_EXISTS, "there is such an access token already");
	if (rd_state_count(a->s, RD_TABLE_access_token) >= RD_TOKENS_MAX)
		return err_set(e, ERR_LIMIT, "there are %d access tokens already: wait until some expire",
			       RD_TOKENS_MAX);
	rd_row_put(a, RD_TABLE_access_token, &row);
	rd_effect_audit(a, "issue-access-token", NULL, "owner: %s", c->owner);
	return 0;
}

int
rd_apply_acquire_token(struct apply *a, const struct rd_cmd_acquire_token *c, struct err *e)
{
	const struct db_access_token *there = rd_state_token(a->s, c->public_token);
	struct db_access_token row;

	if (there == NULL ||
	    (!there->is_reentrant && (there->is_acquired || there->generated_at_us < rd_floor_s(c->issued_after_us))))
		return err_set(e, ERR_UNAUTHORIZED, "Cannot acquire this token: unknown, acquired already, or too old");
	rec_dup(&db_access_token_desc, &row, there); /* there is replaced */
	row.is_acquired = true;
	row.acquired_at_us = a->now_us;
	rec_set_str(&row.secret_token, c->secret_digest);
	rd_row_put(a, RD_TABLE_access_token, &row);
	rd_effect_audit(a, "acquire-access-token", NULL, "owner: %s", row.generated_by);
	rec_done(&db_access_token_desc, &row);
	return 0;
}
