/* ap_auth.c — see ap_auth.h. Called by ap_gate.c. Pure; knows no HTTP but the texts of some headers. */
#include "ap_auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/str.h"

#define LOGIN_BYTES 512 /* of "user:password" */

enum ap_auth_method
ap_auth_method_of(const struct conf *conf)
{
	static const char *const names[] = {
	    [AP_AUTH_NONE] = "",       [AP_AUTH_BASIC] = "basic", [AP_AUTH_MULTI] = "multi",
	    [AP_AUTH_PROXY] = "proxy", [AP_AUTH_TOKEN] = "token", [AP_AUTH_OAUTH] = "oauth",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_eq_nocase(conf->AuthenticationMethod, names[i]))
			return (enum ap_auth_method)i;
	}
	return AP_AUTH_OAUTH; /* a loaded configuration has none other; if it had, nobody may write */
}

bool
ap_auth_same(const char *a, const char *b)
{
	unsigned char x[EVP_MAX_MD_SIZE], y[EVP_MAX_MD_SIZE];
	unsigned nx = 0, ny = 0;

	return EVP_Digest(a, strlen(a), x, &nx, EVP_sha256(), NULL) == 1 &&
	       EVP_Digest(b, strlen(b), y, &ny, EVP_sha256(), NULL) == 1 && nx == ny && CRYPTO_memcmp(x, y, nx) == 0;
}

/* --- basic ----------------------------------------------------------------------------------------------------- */
struct login {
	char text[LOGIN_BYTES];
	const char *user, *password; /* in text */
};

/* What follows "Basic ": RFC 7617. The decoder of OpenSSL takes whole groups only, and pads with NUL. */
static bool
decode_login(const char *base64, struct login *l)
{
	size_t n = strlen(base64), pad = 0;
	int bytes;
	char *colon;

	while (pad < 2 && pad < n && base64[n - 1 - pad] == '=')
		pad++;
	if (n == 0 || n % 4 != 0 || n / 4 * 3 >= sizeof(l->text) || strspn(base64, " \t\r\n") > 0)
		return false;
	bytes = EVP_DecodeBlock((unsigned char *)l->text, (const unsigned char *)base64, (int)n);
	if (bytes < (int)pad)
		return false;
	l->text[(size_t)bytes - pad] = '\0';
	if (memchr(l->text, '\0', (size_t)bytes - pad) != NULL || (colon = strchr(l->text, ':')) == NULL)
		return false;
	*colon = '\0';
	l->user = l->text;
	l->password = colon + 1;
	return true;
}

static bool
login_of(const char *authorization, struct login *l)
{
	static const char scheme[] = "Basic ";
	size_t n = sizeof(scheme) - 1;
	char head[sizeof(scheme)];

	if (authorization == NULL || strlen(authorization) < n)
		return false;
	memcpy(head, authorization, n);
	head[n] = '\0';
	return str_eq_nocase(head, scheme) && decode_login(authorization + n + strspn(authorization + n, " "), l);
}

/* Both are compared whatever the first comparison says. */
static bool
login_is_configured(const struct conf *conf, const struct login *l)
{
	bool user = ap_auth_same(l->user, conf->HTTPAuthUser);
	bool password = ap_auth_same(l->password, conf->HTTPAuthPassword);

	return user && password;
}

static enum ap_gate
login_gate(const struct conf *conf, const struct ap_auth_facts *f, bool multi, char *ret_user)
{
	struct login l;
	bool passes;

	if (!login_of(f->authorization, &l))
		return AP_GATE_NO_LOGIN;
	passes = login_is_configured(conf, &l) || (multi && str_eq(l.user, AP_AUTH_READONLY_USER));
	if (passes)
		(void)str_copy(ret_user, AP_USER_BYTES, l.user);
	OPENSSL_cleanse(&l, sizeof(l));
	return passes ? AP_GATE_OPEN : AP_GATE_NO_LOGIN;
}

/* --- proxy ----------------------------------------------------------------------------------------------------- */
/* Of printable text, and short enough to be recorded whole: two users must not look the same. */
static void
take_proxy_user(const struct ap_auth_facts *f, char *ret_user)
{
	const char *user = f->proxy_user;

	if (user == NULL || strlen(user) >= AP_USER_BYTES)
		return;
	for (const char *p = user; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return;
	}
	(void)str_copy(ret_user, AP_USER_BYTES, user);
}

static enum ap_right
proxy_right(const struct conf *conf, const char *user)
{
	const struct conf_strs *users = &conf->PowerAuthUsers;

	for (size_t i = 0; i < users->n; i++) {
		if (str_eq(users->v[i], "*") || (user[0] != '\0' && str_eq(users->v[i], user)))
			return AP_RIGHT_YES;
	}
	return user[0] != '\0' && conf->PowerAuthGroups.n > 0 ? AP_RIGHT_GROUPS : AP_RIGHT_NO;
}

/* --- certificates ---------------------------------------------------------------------------------------------- */
static bool
has_valid_ou(const struct conf *conf, const struct ap_auth_facts *f)
{
	for (size_t i = 0; i < f->n_ous; i++) {
		for (size_t k = 0; k < conf->SSLValidOUs.n; k++) {
			if (str_eq(f->ous[i], conf->SSLValidOUs.v[k]))
				return true;
		}
	}
	return false;
}

static enum ap_gate
certificate_gate(const struct conf *conf, const struct ap_auth_facts *f)
{
	if (!conf->UseMutualTLS || (f->ou_exempt && !conf->StatusOUVerify))
		return AP_GATE_OPEN;
	if (!f->tls)
		return AP_GATE_NO_TLS;
	return has_valid_ou(conf, f) ? AP_GATE_OPEN : AP_GATE_BAD_OU;
}

/* --- the two questions ----------------------------------------------------------------------------------------- */
enum ap_gate
ap_auth_gate(const struct conf *conf, const struct ap_auth_facts *f, char ret_user[AP_USER_BYTES])
{
	enum ap_gate gate = AP_GATE_OPEN;

	ret_user[0] = '\0';
	switch (ap_auth_method_of(conf)) {
	case AP_AUTH_BASIC:
		gate = login_gate(conf, f, false, ret_user);
		break;
	case AP_AUTH_MULTI:
		gate = login_gate(conf, f, true, ret_user);
		break;
	case AP_AUTH_PROXY:
		take_proxy_user(f, ret_user);
		break;
	case AP_AUTH_NONE:
	case AP_AUTH_TOKEN:
	case AP_AUTH_OAUTH:
		break;
	}
	return gate != AP_GATE_OPEN ? gate : certificate_gate(conf, f);
}

enum ap_right
ap_auth_right(const struct conf *conf, const struct ap_auth_facts *f, const char *user, struct ap_auth_token *ret_token)
{
	switch (ap_auth_method_of(conf)) {
	case AP_AUTH_NONE:
	case AP_AUTH_BASIC:
		return AP_RIGHT_YES;
	case AP_AUTH_MULTI:
		return str_eq(user, AP_AUTH_READONLY_USER) ? AP_RIGHT_NO : AP_RIGHT_YES;
	case AP_AUTH_PROXY:
		return proxy_right(conf, user);
	case AP_AUTH_TOKEN:
		return ap_auth_token_of(f->cookies, ret_token) ? AP_RIGHT_TOKEN : AP_RIGHT_NO;
	case AP_AUTH_OAUTH:
		break;
	}
	return AP_RIGHT_NO;
}

/* --- tokens ---------------------------------------------------------------------------------------------------- */
/* n bytes of text, none of them special. */
static bool
take_part(const char *text, size_t n, char ret[AP_USER_BYTES])
{
	if (n == 0 || n >= AP_USER_BYTES || memchr(text, '"', n) != NULL)
		return false;
	memcpy(ret, text, n);
	ret[n] = '\0';
	return true;
}

bool
ap_auth_token_of(const char *cookies, struct ap_auth_token *ret_token)
{
	static const char name[] = "access-token=";
	const char *at = cookies;

	while (at != NULL) {
		at += strspn(at, " \t");
		if (str_starts(at, name)) {
			const char *value = at + sizeof(name) - 1, *colon;
			size_t n = strcspn(value, "; \t");
			colon = memchr(value, ':', n);
			return colon != NULL && take_part(value, (size_t)(colon - value), ret_token->public_part) &&
			       take_part(colon + 1, n - (size_t)(colon - value) - 1, ret_token->secret_part);
		}
		at = strchr(at, ';');
		at = at == NULL ? NULL : at + 1;
	}
	return false;
}
