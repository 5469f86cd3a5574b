/* tls.c — see tls.h. Called at start, at reloads, and for each connection that was made. Owns nothing; never logs. */
#include "tls/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define CHAIN_DEPTH 8

static int
openssl_says(struct err *e, const struct tls_file *f)
{
	char text[256] = "not usable";
	unsigned long code = ERR_peek_last_error();

	if (code != 0)
		ERR_error_string_n(code, text, sizeof(text));
	ERR_clear_error();
	return err_set(e, ERR_CONFIG, "%s: \"%.200s\": %s; it must be a readable PEM file", f->key, f->path, text);
}

/* --- the private key ------------------------------------------------------------------------------------------- */
struct asked {
	const char *password;
	bool asked;
};

/* Without a callback of ours OpenSSL would ask at the terminal, and wait. */
static int
on_password(char *buf, int size, int writing UNUSED, void *ctx)
{
	struct asked *a = ctx;
	size_t n = strlen(a->password);

	a->asked = true;
	if (n == 0 || n > (size_t)size)
		return -1;
	memcpy(buf, a->password, n);
	return (int)n;
}

static int
no_password(const struct tls_files *f, struct err *e)
{
	ERR_clear_error();
	if (f->password_key == NULL)
		return err_set(e, ERR_CONFIG, "%s: \"%.200s\" is protected by a password; store it without",
			       f->private_key.key, f->private_key.path);
	if (f->password[0] == '\0')
		return err_set(e, ERR_CONFIG, "%s: \"%.200s\" is protected by a password: give it as %s",
			       f->private_key.key, f->private_key.path, f->password_key);
	return err_set(e, ERR_CONFIG, "%s does not open %s \"%.200s\"", f->password_key, f->private_key.key,
		       f->private_key.path);
}

static int
load_key(SSL_CTX *ctx, const struct tls_files *f, struct err *e)
{
	struct asked a = {.password = f->password_key == NULL ? "" : f->password};
	bool ok;

	SSL_CTX_set_default_passwd_cb(ctx, on_password);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, &a);
	ok = SSL_CTX_use_PrivateKey_file(ctx, f->private_key.path, SSL_FILETYPE_PEM) == 1;
	SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
	SSL_CTX_set_default_passwd_cb(ctx, NULL);
	if (!ok && ERR_GET_REASON(ERR_peek_last_error()) != X509_R_KEY_VALUES_MISMATCH)
		return a.asked ? no_password(f, e) : openssl_says(e, &f->private_key);
	if (ok && SSL_CTX_check_private_key(ctx) == 1)
		return 0;
	ERR_clear_error();
	return err_set(e, ERR_CONFIG, "%s \"%.200s\" does not belong to %s \"%.200s\"", f->private_key.key,
		       f->private_key.path, f->cert.key, f->cert.path);
}

/* --- contexts -------------------------------------------------------------------------------------------------- */
static int
check_given(const struct tls_files *f, enum tls_other other, struct err *e)
{
	const char *missing = other == TLS_OTHER_MUST && str_empty(f->ca.path) ? f->ca.key
			      : str_empty(f->cert.path)			       ? f->cert.key
			      : str_empty(f->private_key.path)		       ? f->private_key.key
									       : NULL;

	if (missing == NULL)
		return 0;
	return err_set(e, ERR_CONFIG, "%s needs %s: name the file, or switch %s off", f->switch_key, missing,
		       f->switch_key);
}

static int
load_authority(SSL_CTX *ctx, const struct tls_file *ca, struct err *e)
{
	STACK_OF(X509_NAME) * names;

	if (str_empty(ca->path))
		return SSL_CTX_set_default_verify_paths(ctx) == 1 ? 0 : openssl_says(e, ca);
	if (SSL_CTX_load_verify_file(ctx, ca->path) != 1)
		return openssl_says(e, ca);
	names = SSL_load_client_CA_file(ca->path);
	if (names != NULL)
		SSL_CTX_set_client_CA_list(ctx, names); /* takes it */
	ERR_clear_error();
	return 0;
}

static int
load(SSL_CTX *ctx, const struct tls_files *f, enum tls_other other, struct err *e)
{
	int rc = other == TLS_OTHER_ANY ? 0 : load_authority(ctx, &f->ca, e);

	if (rc != 0)
		return rc;
	if (SSL_CTX_use_certificate_chain_file(ctx, f->cert.path) != 1)
		return openssl_says(e, &f->cert);
	return load_key(ctx, f, e);
}

static void
harden(SSL_CTX *ctx, enum tls_other other)
{
	static const int modes[] = {[TLS_OTHER_ANY] = SSL_VERIFY_NONE,
				    [TLS_OTHER_MAY] = SSL_VERIFY_PEER,
				    [TLS_OTHER_MUST] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT};

	(void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_num_tickets(ctx, 0);
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/* no SSL_MODE_ENABLE_PARTIAL_WRITE: libevent would go on behind what was not written */
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(ctx, modes[other], NULL);
	SSL_CTX_set_verify_depth(ctx, CHAIN_DEPTH);
}

int
tls_context_new(const struct tls_files *f, enum tls_other other, struct ssl_ctx_st **ret_ctx, struct err *e)
{
	SSL_CTX *ctx;
	int rc = check_given(f, other, e);

	if (rc != 0)
		return rc;
	ERR_clear_error();
	ctx = SSL_CTX_new(TLS_method());
	if (ctx == NULL)
		return err_set(e, ERR_NO_MEMORY, "TLS context for %s", f->switch_key);
	harden(ctx, other);
	rc = load(ctx, f, other, e);
	if (rc != 0) {
		SSL_CTX_free(ctx);
		return rc;
	}
	*ret_ctx = ctx;
	return 0;
}

/* --- the other side -------------------------------------------------------------------------------------------- */
static bool
take_unit(const X509_NAME_ENTRY *entry, char ret[TLS_UNIT_BYTES])
{
	unsigned char *utf8 = NULL;
	int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
	bool taken = n > 0 && n < TLS_UNIT_BYTES && memchr(utf8, '\0', (size_t)n) == NULL;

	if (taken) {
		memcpy(ret, utf8, (size_t)n);
		ret[n] = '\0';
	}
	OPENSSL_free(utf8);
	return taken;
}

size_t
tls_units(const struct ssl_st *ssl, char ret_units[TLS_UNITS_MAX][TLS_UNIT_BYTES])
{
	X509 *cert = SSL_get1_peer_certificate(ssl);
	X509_NAME *subject = cert == NULL ? NULL : X509_get_subject_name(cert);
	size_t n = 0;
	int at = -1;

	if (subject != NULL && SSL_get_verify_result(ssl) == X509_V_OK) {
		while (n < TLS_UNITS_MAX &&
		       (at = X509_NAME_get_index_by_NID(subject, NID_organizationalUnitName, at)) >= 0)
			n += take_unit(X509_NAME_get_entry(subject, at), ret_units[n]);
	}
	X509_free(cert);
	ERR_clear_error();
	return n;
}

void
tls_why(const struct ssl_st *ssl, unsigned long ssl_error, char *text, size_t bytes)
{
	long verify = SSL_get_verify_result(ssl);
	const char *reason = ERR_reason_error_string(ssl_error);

	if (verify != X509_V_OK)
		(void)snprintf(text, bytes, "its certificate: %s", X509_verify_cert_error_string(verify));
	else
		(void)snprintf(text, bytes, "%s", reason != NULL ? reason : "closed during the handshake");
	ERR_clear_error();
}
