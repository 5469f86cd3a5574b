/* rn_hello.c — the hello's records and the rules of who works with whom (rn_hello.h). Pure. Called by rn_conn.c, by the
 * founding rules' tests and by the fuzz target; knows no sockets and logs nothing. */
#include "rn_hello.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "conf/conf_addr.h"

#define REC_SELF struct rn_founder
REC_DEFINE(rn_founder, RN_FOUNDER_FIELDS);
#undef REC_SELF
#define REC_SELF struct rn_hello
REC_DEFINE(rn_hello, RN_HELLO_FIELDS);
#undef REC_SELF
#define REC_SELF struct rn_refusal
REC_DEFINE(rn_refusal, RN_REFUSAL_FIELDS);
#undef REC_SELF

const char *
rn_refuse_name(uint64_t code)
{
	static const char *const names[RN_REFUSE_COUNT] = {
	    [RN_ACCEPT] = "accepted",
	    [RN_REFUSE_FORMAT] = "format",
	    [RN_REFUSE_PROTOCOL] = "protocol",
	    [RN_REFUSE_SELF] = "self",
	    [RN_REFUSE_DIRECTORY] = "directory",
	    [RN_REFUSE_CLUSTER] = "cluster id",
	    [RN_REFUSE_CONFIG] = "configuration",
	    [RN_REFUSE_ELECTION_TIMEOUT] = "election timeout",
	    [RN_REFUSE_FEATURE] = "feature level",
	    [RN_REFUSE_NAME] = "name",
	    [RN_REFUSE_MEMBER] = "membership",
	    [RN_REFUSE_CERTIFICATE] = "certificate",
	    [RN_REFUSE_DUPLICATE] = "duplicate",
	    [RN_REFUSE_LIMIT] = "limit",
	    [RN_REFUSE_TWIN] = "twin",
	};

	return code < RN_REFUSE_COUNT ? names[code] : "unknown";
}

static enum rn_refuse because(enum rn_refuse why, char *text, const char *fmt, ...) PRINTF_LIKE(3, 4);

static enum rn_refuse
because(enum rn_refuse why, char *text, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, RN_TEXT_BYTES, fmt, ap);
	va_end(ap);
	return why;
}

static bool
name_is_made(const char *name)
{
	char made[RN_NAME_MAX + 1];
	struct err e;

	return rn_name_make(name, -1, made, &e) == 0 && strcmp(made, name) == 0;
}

static enum rn_refuse
check_format(const struct rn_hello *own, const struct rn_hello *h, char *text)
{
	if (own->protocol < h->protocol_min || h->protocol < own->protocol_min)
		return because(RN_REFUSE_PROTOCOL, text,
			       "%.80s speaks protocols %llu to %llu, %.80s %llu to %llu: upgrade the older one",
			       h->name, (unsigned long long)h->protocol_min, (unsigned long long)h->protocol, own->name,
			       (unsigned long long)own->protocol_min, (unsigned long long)own->protocol);
	if (!name_is_made(h->name))
		return because(RN_REFUSE_FORMAT, text, "the hello's name is not host:port in its usual form");
	if (h->dir_id[0] == '\0' || h->instance == 0 || h->election_timeout_ms == 0)
		return because(RN_REFUSE_FORMAT, text,
			       "the hello of %.80s lacks dir_id, instance or election_timeout_ms", h->name);
	if (h->state < RN_BLANK || h->state > RN_JOINING)
		return because(RN_REFUSE_FORMAT, text, "the hello of %.80s names state %llu, which is none", h->name,
			       (unsigned long long)h->state);
	return RN_ACCEPT;
}

static enum rn_refuse
check_identity(const struct rn_hello *own, const struct rn_hello *h, char *text)
{
	if (h->instance == own->instance)
		return because(RN_REFUSE_SELF, text,
			       "%.80s has reached itself: check RaftNodes and the name's addresses", own->name);
	if (str_eq(h->name, own->name))
		return because(RN_REFUSE_SELF, text,
			       "two nodes are called %.80s: each needs a RaftAdvertise (else RaftBind) of its own",
			       own->name);
	if (str_eq(h->dir_id, own->dir_id) || (own->raft_id != 0 && h->raft_id == own->raft_id))
		return because(
		    RN_REFUSE_DIRECTORY, text,
		    "the RaftDataDir of %.80s is a copy of that of %.80s: empty it on the node that got the copy",
		    h->name, own->name);
	return RN_ACCEPT;
}

static bool
groupless(const struct rn_hello *h)
{
	return h->state == RN_BLANK || h->state == RN_FOUNDED;
}

static bool
config_differs(const struct rn_hello *a, const struct rn_hello *b)
{
	return !str_eq(a->config_hash, b->config_hash) && !a->adoptable && !b->adoptable;
}

static enum rn_refuse
check_group(const struct rn_hello *own, const struct rn_hello *h, char *text)
{
	bool ids_known = own->cluster_id[0] != '\0' && h->cluster_id[0] != '\0';

	if (ids_known && !own->adoptable && !h->adoptable && !str_eq(own->cluster_id, h->cluster_id))
		return because(
		    RN_REFUSE_CLUSTER, text,
		    "%.80s belongs to group %.40s, %.80s to group %.40s: the node that is to change groups needs "
		    "an empty RaftDataDir",
		    h->name, h->cluster_id, own->name, own->cluster_id);
	if (groupless(own) && groupless(h) && config_differs(own, h))
		return because(
		    RN_REFUSE_CONFIG, text,
		    "%.80s and %.80s are to found a group, but their RaftNodes (or RaftAdvertise) differ: make "
		    "them list the same nodes",
		    h->name, own->name);
	if (own->election_timeout_ms != h->election_timeout_ms)
		return because(
		    RN_REFUSE_ELECTION_TIMEOUT, text,
		    "RaftElectionTimeoutMilliseconds is %llu on %.80s and %llu on %.80s: it must be the same "
		    "everywhere",
		    (unsigned long long)h->election_timeout_ms, h->name, (unsigned long long)own->election_timeout_ms,
		    own->name);
	return RN_ACCEPT;
}

static enum rn_refuse
check_feature(const struct rn_hello *group, const struct rn_hello *old, char *text)
{
	if (old->feature_level >= group->feature_active)
		return RN_ACCEPT;
	return because(RN_REFUSE_FEATURE, text, "the group uses feature level %llu, %.80s knows %llu only: upgrade it",
		       (unsigned long long)group->feature_active, old->name, (unsigned long long)old->feature_level);
}

enum rn_refuse
rn_hello_check(const struct rn_hello *own, const struct rn_hello *peer, char text[RN_TEXT_BYTES])
{
	enum rn_refuse why = check_format(own, peer, text);

	if (why == RN_ACCEPT)
		why = check_identity(own, peer, text);
	if (why == RN_ACCEPT)
		why = check_group(own, peer, text);
	if (why == RN_ACCEPT)
		why = check_feature(own, peer, text);
	if (why == RN_ACCEPT)
		why = check_feature(peer, own, text);
	if (why == RN_ACCEPT)
		text[0] = '\0';
	return why;
}

bool
rn_hello_warning(const struct rn_hello *own, const struct rn_hello *peer, char text[RN_TEXT_BYTES])
{
	text[0] = '\0';
	if (!config_differs(own, peer))
		return false;
	(void)snprintf(
	    text, RN_TEXT_BYTES,
	    "RaftNodes of %.80s and %.80s differ; harmless in a running group, but a node that starts with an "
	    "empty directory would found with the wrong ones: make the lists equal",
	    peer->name, own->name);
	return true;
}

/* --- names ------------------------------------------------------------------------------------------------------- */

static void
shorten(char *host)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET6, host, bytes) == 1)
		(void)inet_ntop(AF_INET6, bytes, host, CONF_HOST_BYTES);
	for (char *c = host; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
}

int
rn_name_make(const char *text, int64_t default_port, char *ret, struct err *e)
{
	char host[CONF_HOST_BYTES];
	int64_t port = 0;
	int rc = conf_addr_split(text, default_port, host, &port, e);

	if (rc != 0)
		return rc;
	if (host[0] == '\0' || port == 0)
		return err_set(e, ERR_INVALID, "\"%.80s\" does not name a node; write host:port", text);
	shorten(host);
	(void)snprintf(ret, RN_NAME_MAX + 1, strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, (int)port);
	return 0;
}
