/* ap_token.h — access tokens (AuthenticationMethod token; auth-and-web.md section 1.2).
 *
 * A token has a public part, printed by `orchestrator -c access-token`, and a secret part, made when the public one is
 * acquired and known to the user's cookie alone: everybody else has its digest. Handlers: api_token.c. */
#ifndef AP_TOKEN_H
#define AP_TOKEN_H

#include "ap.h"

#define AP_TOKEN_BYTES 65 /* of a part or a digest, as hex digits */

/* SHA-256 in hex. */
void ap_token_digest(const char *secret, char ret[AP_TOKEN_BYTES]);
/* Runs then() if the token holds, else answers Unauthorized (or why it is not known). Texts are copied. */
void ap_token_check(struct ap_request *rq, const struct ap_auth_token *token, void (*then)(struct ap_request *rq));

#endif
