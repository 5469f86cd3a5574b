/* api_token.c — access-token: a new token is made (for `orchestrator -c`), and web/access-token: it is acquired
 * (auth-and-web.md section 1.2). The cookie of former versions had neither HttpOnly nor SameSite nor Secure. */
#include <stdio.h>

#include "ap_change.h"
#include "ap_proxy.h"
#include "ap_tls.h"
#include "ap_token.h"

/* --- issuing --------------------------------------------------------------------------------------------------- */
static void
on_issued(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	const char *public_token = ap_change_of(rq)->text;
	struct ap_json j;

	if (ap_change_failed(rq, reply, e))
		return;
	ap_envelope_begin(rq, &j, true, "Access token");
	ap_json_text(&j, public_token);
	ap_envelope_end(&j);
	ap_reply_body(rq);
}

/* Who may open the control socket is the administrator; nobody else makes a way in, so this is not passed on either. */
void
api_access_token(struct ap_request *rq)
{
	char *public_token = mem_arena_alloc(&rq->arena, AP_TOKEN_BYTES);
	struct ipc_issue_token ask = {.user = rq->user, .owner = ap_query(rq, "owner"), .public_token = public_token};
	struct ap_standing s = ap_standing_now(rq->ap);

	if (!rq->trusted || (s.raft && !s.leads)) {
		ap_reply_error(rq, "access tokens are made by \"orchestrator -c access-token\" on the machine of the "
				   "leading node only");
		return;
	}
	str_random_hex(public_token, AP_TOKEN_BYTES / 2);
	ap_change_of(rq)->text = public_token;
	ap_ask(rq, IPC_ISSUE_TOKEN, &ask, AP_CHANGE_TIMEOUT_MS, on_issued);
}

/* --- acquiring ------------------------------------------------------------------------------------------------- */
/* Whoever calls a link that somebody else wrote brings no Strict cookie along; what is read needs none. */
static void
set_cookie(struct ap_request *rq, const char *public_token, const char *secret)
{
	struct str_buf cookie = {0};

	str_buf_printf(&cookie, "access-token=%s:%s; Path=/; HttpOnly; SameSite=Strict%s", public_token, secret,
		       rq->conf->UseSSL ? "; Secure" : "");
	ap_add_header(rq, "Set-Cookie", str_buf_text(&cookie));
	str_buf_done(&cookie);
}

static void
on_acquired(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	struct str_buf home = {0};

	ap_add_header(rq, "Cache-Control", "no-store");
	ap_add_header(rq, "Referrer-Policy", "no-referrer");
	if (reply == NULL || reply->code != 0) {
		ap_reply_error_status(rq, HTTP_OK, "%s", reply != NULL ? reply->message : e->msg); /* 200: historical */
		return;
	}
	set_cookie(rq, ap_query(rq, "publicToken"), ap_change_of(rq)->text);
	str_buf_printf(&home, "%s/", rq->conf->URLPrefix);
	ap_add_header(rq, "Location", str_buf_text(&home));
	str_buf_done(&home);
	str_buf_clear(&rq->body);
	ap_reply_as(rq, HTTP_MOVETEMP, "text/html; charset=utf-8");
}

/* What would not come back in a cookie is no token. */
static bool
is_plausible(const char *public_token)
{
	char cookie[AP_USER_BYTES + 32];
	struct ap_auth_token t;

	return snprintf(cookie, sizeof(cookie), "access-token=%s:x", public_token) < (int)sizeof(cookie) &&
	       ap_auth_token_of(cookie, &t) && str_eq(t.public_part, public_token);
}

void
api_web_access_token(struct ap_request *rq)
{
	char *secret = mem_arena_alloc(&rq->arena, AP_TOKEN_BYTES), digest[AP_TOKEN_BYTES];
	struct ipc_acquire_token ask = {.public_token = ap_query(rq, "publicToken"), .secret_digest = digest};

	if (!is_plausible(ask.public_token)) {
		ap_reply_error_status(rq, HTTP_OK, "Cannot acquire this token: publicToken is missing, or is none");
		return;
	}
	str_random_hex(secret, AP_TOKEN_BYTES / 2);
	ap_token_digest(secret, digest);
	ap_change_of(rq)->text = secret;
	ap_ask(rq, IPC_ACQUIRE_TOKEN, &ask, AP_CHANGE_TIMEOUT_MS, on_acquired);
}
