/* ap_token.c — see ap_token.h. Called by ap_gate.c and api_token.c. Neither part is ever logged. */
#include "ap_token.h"

#include <openssl/evp.h>
#include <string.h>

#include "ap_change.h"

void
ap_token_digest(const char *secret, char ret[AP_TOKEN_BYTES])
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	ASSERT(EVP_Digest(secret, strlen(secret), raw, &n, EVP_sha256(), NULL) == 1);
	str_hex(ret, raw, n);
}

static void
on_checked(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (reply != NULL && reply->code == -ERR_UNAUTHORIZED)
		ap_reply_error(rq, "Unauthorized");
	else if (!ap_change_failed(rq, reply, e))
		rq->then_run(rq);
}

void
ap_token_check(struct ap_request *rq, const struct ap_auth_token *token, void (*then)(struct ap_request *rq))
{
	char digest[AP_TOKEN_BYTES];
	struct ipc_check_token ask = {.public_token = token->public_part, .secret_digest = digest};

	ap_token_digest(token->secret_part, digest);
	rq->then_run = then;
	ap_ask(rq, IPC_CHECK_TOKEN, &ask, AP_CHANGE_TIMEOUT_MS, on_checked);
}
