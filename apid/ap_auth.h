/* ap_auth.h — who may: authentication and write rights. Pure; auth-and-web.md section 1.
 *
 * Two questions to each request of a client, none to those of the control socket. The gate: may it be answered at all?
 * The right: may it change something? (Only asked where a route needs it, on the node that carries it out, after
 * ReadOnly.) What the answer to the second depends on, beyond the request and the configuration, is asked elsewhere:
 * the system's groups (ap_groups.h), what raftd knows of tokens (ap_token.h).
 *
 * Differs from former versions, always towards "no": the status check's exemption from the OU rule is for that path,
 * not for every URL that contains its text; AuthUserHeader given twice is nobody; a user may not be "". And towards what
 * was meant: AuthUserHeader may be written in any letter case. */
#ifndef AP_AUTH_H
#define AP_AUTH_H

#include "conf/conf.h"

#define AP_USER_BYTES 128
#define AP_AUTH_READONLY_USER "readonly" /* method multi */

enum ap_auth_method {
	AP_AUTH_NONE,
	AP_AUTH_BASIC,
	AP_AUTH_MULTI,
	AP_AUTH_PROXY,
	AP_AUTH_TOKEN,
	AP_AUTH_OAUTH, /* reserved: nobody may write */
};
enum ap_auth_method ap_auth_method_of(const struct conf *conf);

/* What a request shows; texts NULL when absent. */
struct ap_auth_facts {
	const char *authorization; /* its header, if it is there once */
	const char *proxy_user;	   /* header AuthUserHeader, if it is there once */
	const char *cookies;	   /* header Cookie */
	bool tls;
	bool ou_exempt;		/* the status check, the health names */
	const char *const *ous; /* organizational units of the client's certificate, which is valid */
	size_t n_ous;
};

enum ap_gate {
	AP_GATE_OPEN,
	AP_GATE_NO_LOGIN, /* 401, and the browser may ask */
	AP_GATE_NO_TLS,	  /* 401 */
	AP_GATE_BAD_OU,	  /* 401 */
};
/* ret_user: whom the answer is for, "" when nobody is known. */
enum ap_gate ap_auth_gate(const struct conf *conf, const struct ap_auth_facts *f, char ret_user[AP_USER_BYTES]);

enum ap_right {
	AP_RIGHT_NO,
	AP_RIGHT_YES,
	AP_RIGHT_GROUPS, /* if the user is in one of PowerAuthGroups */
	AP_RIGHT_TOKEN,	 /* if the cookie's token holds */
};
struct ap_auth_token {
	char public_part[AP_USER_BYTES], secret_part[AP_USER_BYTES];
};
/* user: of the gate. ret_token: of AP_RIGHT_TOKEN. */
enum ap_right ap_auth_right(const struct conf *conf, const struct ap_auth_facts *f, const char *user,
			    struct ap_auth_token *ret_token);

/* The token of the cookie access-token, "<public>:<secret>". False when there is none, or it is none. */
bool ap_auth_token_of(const char *cookies, struct ap_auth_token *ret_token);

/* Equal, in a time that tells nothing of where they differ. */
bool ap_auth_same(const char *a, const char *b);

#endif
