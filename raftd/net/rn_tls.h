/* rn_tls.h — mutual TLS between nodes: one context, sessions made from it, and whose certificate it is.
 *
 * TLS 1.2 or newer, both sides show a certificate that RaftTLSCAFile has signed; no session is ever resumed, so each
 * connection is judged by its certificate. The certificate is used both to dial and to be dialled: with an extended key
 * usage it needs serverAuth and clientAuth. */
#ifndef RN_TLS_H
#define RN_TLS_H

#include "rn_net.h"

struct rn_tls;
struct ssl_st;

/* Reads the three files. CONFIG names the key of the configuration and the file. */
int rn_tls_new(const struct rn_tls_conf *conf, struct rn_tls **ret_tls, struct err *e) MUST_USE;
void rn_tls_free(struct rn_tls *tls); /* sessions made from it live on; NULL is fine */

/* host: the server name asked for, NULL for the accepting side. Owned by the caller (a bufferevent takes it). NULL: out
 * of memory. */
struct ssl_st *rn_tls_session(struct rn_tls *tls, const char *host);
/* Whether the other side's certificate is made out to host: a DNS or IP name among its alternative names, the common
 * name only if it has no alternative names at all. names (may be NULL) gets what it is made out to, for the log. */
bool rn_tls_is(const struct ssl_st *ssl, const char *host, char *names, size_t names_bytes);
/* What others will hold against this node's own certificate: false and "" when there is nothing. host: of its name. */
bool rn_tls_own_trouble(const struct rn_tls *tls, const char *host, char *text, size_t bytes);

#endif
