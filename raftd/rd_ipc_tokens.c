/* rd_ipc_tokens.c — apid's requests about access tokens (auth-and-web.md section 1.2). As rd_ipc.c. Whether a token
 * holds is asked of memory, which on a leader is never behind. */
#include "rd_ipc_private.h"

void
rd_on_issue_token(struct rd_door *door, struct ipc_link *l, const struct ipc_issue_token *m)
{
	struct rd_cmd_issue_token c = {.public_token = m->public_token, .owner = m->owner};

	rd_ipc_change(door->node, rd_ipc_request(door, l, m->request_id), "", RD_OP_ISSUE_TOKEN, &c);
}

void
rd_on_acquire_token(struct rd_door *door, struct ipc_link *l, const struct ipc_acquire_token *m)
{
	struct rd_node *n = door->node;
	struct rd_cmd_acquire_token c = {.public_token = m->public_token,
					 .secret_digest = m->secret_digest,
					 .issued_after_us = rd_now_us(n) - n->rules->token_use_us};

	rd_ipc_change(n, rd_ipc_request(door, l, m->request_id), "", RD_OP_ACQUIRE_TOKEN, &c);
}

void
rd_on_check_token(struct rd_door *door, struct ipc_link *l, const struct ipc_check_token *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	int64_t after_us = rd_now_us(n) - n->rules->token_life_us;
	struct err e;

	if (!rd_ipc_is_open(n, req))
		return;
	if (rd_state_token_holds(rd_decisions(n), m->public_token, m->secret_digest, after_us)) {
		rd_reply_ok(n, req, 0, NULL, NULL);
		return;
	}
	(void)err_set(&e, ERR_UNAUTHORIZED, "the access token does not hold");
	rd_reply_error(n, req, &e);
}
