/* tls/tls.h — one way to make an OpenSSL context, for every port of ours that speaks TLS: the node link (raftd) and the
 * HTTP API (apid).
 *
 * TLS 1.2 or newer; no compression, no renegotiation; no session is ever resumed, so each connection is judged by the
 * certificates and rules of now. Nothing here asks a person: a key that is protected needs its password given. */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include "base/base.h"
#include "base/err.h"

struct ssl_ctx_st;
struct ssl_st;

/* A file, and the key of the configuration that names it, for messages. */
struct tls_file {
	const char *key, *path;
};
struct tls_files {
	const char *switch_key; /* what asks for them: "UseSSL" */
	struct tls_file cert, private_key;
	struct tls_file ca; /* path "": what the system trusts, unless the other side must show a certificate */
	const char *password_key, *password; /* of private_key; password_key NULL: there can't be one */
};

enum tls_other {
	TLS_OTHER_ANY,	/* is not asked for a certificate */
	TLS_OTHER_MAY,	/* a certificate that it shows must be valid; none is fine */
	TLS_OTHER_MUST, /* must show a valid one */
};

/* CONFIG names the key of the configuration, the file and what to do. The caller frees it (SSL_CTX_free). */
int tls_context_new(const struct tls_files *f, enum tls_other other, struct ssl_ctx_st **ret_ctx,
		    struct err *e) MUST_USE;

#define TLS_UNITS_MAX 16
#define TLS_UNIT_BYTES 128
/* The organizational units in the subject of the other side's certificate, if it showed a valid one; further ones, longer
 * ones and ones with a NUL inside are left out. Returns their number. */
size_t tls_units(const struct ssl_st *ssl, char ret_units[TLS_UNITS_MAX][TLS_UNIT_BYTES]);

/* Why a handshake failed: ssl_error from the bufferevent (0: unknown). */
void tls_why(const struct ssl_st *ssl, unsigned long ssl_error, char *text, size_t bytes);

#endif
