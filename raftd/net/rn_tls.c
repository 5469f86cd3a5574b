/* rn_tls.c — OpenSSL's side of the node link (rn_tls.h). Owns the SSL_CTX. Called by rn_net.c (contexts) and rn_conn.c
 * (sessions, names). Never logs keys or certificates' contents beyond names. */
#include "rn_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "tls/tls.h"

struct rn_tls {
	SSL_CTX *ctx;
};

int
rn_tls_new(const struct rn_tls_conf *conf, struct rn_tls **ret_tls, struct err *e)
{
	struct tls_files files = {.switch_key = "RaftUseTLS",
				  .ca = {"RaftTLSCAFile", conf->ca_file},
				  .cert = {"RaftTLSCertFile", conf->cert_file},
				  .private_key = {"RaftTLSKeyFile", conf->key_file}};
	SSL_CTX *ctx;
	int rc = tls_context_new(&files, TLS_OTHER_MUST, &ctx, e);

	if (rc != 0)
		return rc;
	*ret_tls = mem_new(struct rn_tls);
	(*ret_tls)->ctx = ctx;
	return 0;
}

void
rn_tls_free(struct rn_tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->ctx);
	free(tls);
}

static bool
is_address(const char *host)
{
	union rn_address a;

	return inet_pton(AF_INET, host, &a.in.sin_addr) == 1 || inet_pton(AF_INET6, host, &a.in6.sin6_addr) == 1;
}

struct ssl_st *
rn_tls_session(struct rn_tls *tls, const char *host)
{
	SSL *ssl = SSL_new(tls->ctx);

	if (ssl != NULL && host != NULL && !is_address(host))
		(void)SSL_set_tlsext_host_name(ssl, host);
	return ssl;
}

/* --- whose certificate it is ------------------------------------------------------------------------------------- */

static bool
common_name(const X509 *cert, char *ret, size_t bytes)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int n = X509_NAME_get_text_by_NID(subject, NID_commonName, ret, (int)bytes);

	return n > 0 && strlen(ret) == (size_t)n; /* no NUL inside */
}

static bool
has_alternative_names(const X509 *cert)
{
	return X509_get_ext_by_NID(cert, NID_subject_alt_name, -1) >= 0;
}

static void
describe_names(X509 *cert, char *names, size_t bytes)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	struct str_buf b = {0};
	char cn[256];

	if (all == NULL && common_name(cert, cn, sizeof(cn)))
		str_buf_add(&b, cn);
	for (int i = 0; i < sk_GENERAL_NAME_num(all) && b.len < bytes; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
		const ASN1_STRING *s = g->type == GEN_DNS ? g->d.dNSName : g->type == GEN_IPADD ? g->d.iPAddress : NULL;
		char ip[INET6_ADDRSTRLEN] = "";
		if (s == NULL)
			continue;
		if (b.len > 0)
			str_buf_add_char(&b, ' ');
		if (g->type == GEN_DNS)
			str_buf_add_n(&b, ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
		else if (inet_ntop(ASN1_STRING_length(s) == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(s), ip,
				   sizeof(ip)) != NULL)
			str_buf_add(&b, ip);
	}
	(void)str_copy(names, bytes, str_buf_text(&b));
	str_buf_done(&b);
	GENERAL_NAMES_free(all);
}

static bool
cert_is(X509 *cert, const char *host)
{
	char cn[256];

	if (!is_address(host))
		return X509_check_host(cert, host, 0,
				       has_alternative_names(cert) ? X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
								   : X509_CHECK_FLAG_ALWAYS_CHECK_SUBJECT,
				       NULL) == 1;
	if (has_alternative_names(cert))
		return X509_check_ip_asc(cert, host, 0) == 1;
	return common_name(cert, cn, sizeof(cn)) && str_eq_nocase(cn, host);
}

bool
rn_tls_is(const struct ssl_st *ssl, const char *host, char *names, size_t names_bytes)
{
	X509 *cert = SSL_get1_peer_certificate(ssl);
	bool is;

	if (names != NULL)
		(void)str_copy(names, names_bytes, "nobody");
	if (cert == NULL || SSL_get_verify_result(ssl) != X509_V_OK) {
		X509_free(cert);
		return false;
	}
	is = cert_is(cert, host);
	if (names != NULL)
		describe_names(cert, names, names_bytes);
	X509_free(cert);
	ERR_clear_error();
	return is;
}

bool
rn_tls_own_trouble(const struct rn_tls *tls, const char *host, char *text, size_t bytes)
{
	X509 *cert = SSL_CTX_get0_certificate(tls->ctx);
	char names[128];

	text[0] = '\0';
	describe_names(cert, names, sizeof(names));
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		(void)snprintf(text, bytes,
			       "RaftTLSCertFile has expired: the other nodes refuse this one; renew it, then reload");
	else if (!cert_is(cert, host))
		(void)snprintf(
		    text, bytes,
		    "RaftTLSCertFile is made out to \"%s\", but the other nodes know this one as \"%.100s\" and "
		    "refuse it: name that in the certificate",
		    names, host);
	ERR_clear_error();
	return text[0] != '\0';
}
