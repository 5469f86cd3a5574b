/* conf_check.c — what makes a configuration unacceptable: reference/config-keys.md section 5, and the silent mistakes
 * of the historical versions (broken expressions, unknown words). Called by conf_load.c on the adjusted result; pure.
 *
 * Each error names the key, what is wrong and what to do. Values are quoted only of keys that are no secret. */
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/rx.h"
#include "conf/conf_addr.h"
#include "conf/conf_hook.h"
#include "conf_private.h"

#define GIVEN(name) conf_given(b, CONF_IDX_##name)
#define FAIL(name, ...) conf_fail(b, CONF_IDX_##name, e, __VA_ARGS__)
#define WARN(name, ...) conf_warn(b, CONF_IDX_##name, __VA_ARGS__)

static bool
is_choice(const char *choices, const char *text)
{
	size_t n;

	for (const char *p = choices; *p != '\0'; p += n + (p[n] == '|')) {
		n = strcspn(p, "|");
		if (strlen(text) == n && strncasecmp(p, text, n) == 0)
			return true;
	}
	return text[0] == '\0';
}

static int
check_choice(struct conf_build *b, const struct conf_key *k, enum conf_index i, struct err *e)
{
	const char *text = *(const char *const *)((const char *)b->c + k->offset);

	if (is_choice(k->choices, text))
		return 0;
	if (k->flags & CONF_STRICT)
		return conf_fail(b, i, e, "unknown value %s; choose one of %s, or \"\"", LOG_Q(text), k->choices);
	conf_warn(b, i, "unknown value %s, treated as \"\"; choose one of %s", LOG_Q(text), k->choices);
	return 0;
}

static int
check_pattern(struct conf_build *b, enum conf_index i, const char *pattern, struct err *e)
{
	struct rx *rx;

	if (rx_new(pattern, &rx, e) != 0)
		return conf_fail(b, i, e, "%s: %s", LOG_Q(pattern), e->msg);
	rx_free(rx);
	return 0;
}

/* Entries that aren't expressions ("*", "alias=x") need no check. */
static const char *
cluster_filter_pattern(const char *entry)
{
	if (strcmp(entry, "*") == 0 || str_starts(entry, "alias="))
		return NULL;
	return str_starts(entry, "alias~=") ? entry + strlen("alias~=") : entry;
}

static int
check_list_patterns(struct conf_build *b, const struct conf_key *k, enum conf_index i, struct err *e)
{
	const struct conf_strs *list = (const void *)((const char *)b->c + k->offset);

	for (size_t n = 0; n < list->n; n++) {
		const char *pattern = list->v[n];
		if (pattern[0] == '\0')
			conf_warn(b, i, "item %zu is empty and ignored; remove it", n + 1);
		if (k->flags & CONF_CLUSTERS)
			pattern = cluster_filter_pattern(pattern);
		if (pattern != NULL && check_pattern(b, i, pattern, e) != 0)
			return -e->code;
	}
	return 0;
}

static int
check_patterns(struct conf_build *b, const struct conf_key *k, enum conf_index i, struct err *e)
{
	const void *at = (const char *)b->c + k->offset;
	const struct conf_map *map = at;
	const struct conf_umap *umap = at;
	int rc = 0;

	if (k->kind == CONF_STR)
		return check_pattern(b, i, *(const char *const *)at, e);
	if (k->kind == CONF_LIST)
		return check_list_patterns(b, k, i, e);
	for (size_t n = 0; k->kind == CONF_MAP && n < map->n && rc == 0; n++)
		rc = check_pattern(b, i, map->v[n].key, e);
	for (size_t n = 0; k->kind == CONF_UMAP && n < umap->n && rc == 0; n++)
		rc = check_pattern(b, i, umap->v[n].key, e);
	return rc;
}

static int
check_hooks(struct conf_build *b, const struct conf_key *k, enum conf_index i, struct err *e)
{
	const struct conf_strs *list = (const void *)((const char *)b->c + k->offset);
	struct conf_hook hook;

	if (list->n > CONF_HOOKS_MAX)
		return conf_fail(b, i, e, "%zu entries are too many, at most %d; call them from a script", list->n,
				 CONF_HOOKS_MAX);
	for (size_t n = 0; n < list->n; n++) {
		if (conf_hook_parse(list->v[n], &hook, e) != 0)
			return conf_fail(b, i, e, "item %zu: %s", n + 1, e->msg);
		if (hook.len == 0)
			conf_warn(b, i, "item %zu is empty and ignored; remove it", n + 1);
	}
	return 0;
}

static int
check_by_table(struct conf_build *b, struct err *e)
{
	for (size_t n = 0; n < conf_key_count(); n++) {
		const struct conf_key *k = conf_key_at(n);
		enum conf_index i = (enum conf_index)n;
		if (k->choices != NULL && check_choice(b, k, i, e) != 0)
			return -e->code;
		if ((k->flags & (CONF_REGEX | CONF_CLUSTERS)) && check_patterns(b, k, i, e) != 0)
			return -e->code;
		if ((k->flags & CONF_HOOKS) && check_hooks(b, k, i, e) != 0)
			return -e->code;
	}
	if (!b->c->PseudoGTIDPatternIsFixedSubstring)
		return check_pattern(b, CONF_IDX_PseudoGTIDPattern, b->c->PseudoGTIDPattern, e);
	return 0;
}

static int
check_promotion(struct conf_build *b, struct err *e)
{
	const struct conf *c = b->c;
	enum conf_loss loss;
	int64_t wait_s;

	if (c->FailMasterPromotionIfSQLThreadNotUpToDate && c->DelayMasterPromotionIfSQLThreadNotUpToDate)
		return FAIL(DelayMasterPromotionIfSQLThreadNotUpToDate,
			    "contradicts FailMasterPromotionIfSQLThreadNotUpToDate; set only one of them to true");
	if (c->FailMasterPromotionOnLagMinutes > 0 && c->ReplicationLagQuery[0] == '\0')
		return FAIL(FailMasterPromotionOnLagMinutes, "needs ReplicationLagQuery; set that too, or this to 0");
	if (!conf_loss_parse(c->PromotionOnPossibleLoss, &loss, &wait_s))
		return FAIL(PromotionOnPossibleLoss,
			    "unknown value %s; choose \"promote\", \"abort\" or \"wait:SECONDS\" (at most %d)",
			    LOG_Q(c->PromotionOnPossibleLoss), CONF_LOSS_WAIT_MAX_S);
	return 0;
}

static int
check_polling(struct conf_build *b, struct err *e)
{
	const struct conf *c = b->c;
	char host[CONF_HOST_BYTES];
	struct err ignored;
	int64_t port;

	if (c->DeadInstancePollSecondsMax < c->InstancePollSeconds)
		return FAIL(DeadInstancePollSecondsMax, "%lld is less than InstancePollSeconds, %lld; raise it",
			    (long long)c->DeadInstancePollSecondsMax, (long long)c->InstancePollSeconds);
	for (size_t i = 0; i < c->DiscoverySeeds.n; i++) {
		if (conf_addr_split(c->DiscoverySeeds.v[i], 0, host, &port, &ignored) != 0)
			WARN(DiscoverySeeds, "item %zu: %s", i + 1, ignored.msg);
	}
	return 0;
}

static int
check_backend(struct conf_build *b, struct err *e)
{
	const struct conf *c = b->c;

	if (conf_backend_is_sqlite(c) && c->SQLite3DataFile[0] == '\0')
		return FAIL(SQLite3DataFile, "is empty, but BackendDB is sqlite; name the database file");
	if (!conf_backend_is_sqlite(c) && c->BackendDB[0] != '\0' && strcmp(c->BackendDB, "mysql") != 0)
		return FAIL(BackendDB, "unknown value %s; choose \"mysql\" or \"sqlite\"", LOG_Q(c->BackendDB));
	return 0;
}

static int
check_address(struct conf_build *b, enum conf_index i, const char *text, int64_t default_port, struct err *e)
{
	char host[CONF_HOST_BYTES];
	int64_t port;

	return conf_addr_split(text, default_port, host, &port, e) == 0 ? 0 : conf_fail(b, i, e, "%s", e->msg);
}

static int
check_raft_tls(struct conf_build *b, struct err *e)
{
	const struct conf *c = b->c;

	if (!c->RaftUseTLS)
		return 0;
	if (c->RaftTLSCAFile[0] == '\0')
		return FAIL(RaftTLSCAFile, "is empty, but RaftUseTLS is true; name the file");
	if (c->RaftTLSCertFile[0] == '\0')
		return FAIL(RaftTLSCertFile, "is empty, but RaftUseTLS is true; name the file");
	if (c->RaftTLSKeyFile[0] == '\0')
		return FAIL(RaftTLSKeyFile, "is empty, but RaftUseTLS is true; name the file");
	return 0;
}

static int
check_raft(struct conf_build *b, struct err *e)
{
	const struct conf *c = b->c;
	int rc;

	if (!c->RaftEnabled)
		return 0;
	if (c->RaftDataDir[0] == '\0')
		return FAIL(RaftDataDir, "is empty, but RaftEnabled is true; name a directory");
	if (c->RaftBind[0] == '\0')
		return FAIL(RaftBind, "is empty, but RaftEnabled is true; set host:port");
	if (2 * c->RaftHeartbeatMilliseconds > c->RaftElectionTimeoutMilliseconds)
		return FAIL(RaftHeartbeatMilliseconds,
			    "%lld is more than half of RaftElectionTimeoutMilliseconds, %lld; lower it or raise that",
			    (long long)c->RaftHeartbeatMilliseconds, (long long)c->RaftElectionTimeoutMilliseconds);
	rc = check_address(b, CONF_IDX_RaftBind, c->RaftBind, c->DefaultRaftPort, e);
	if (rc == 0)
		rc = check_address(b, CONF_IDX_RaftAdvertise, c->RaftAdvertise, c->DefaultRaftPort, e);
	for (size_t i = 0; i < c->RaftNodes.n && rc == 0; i++)
		rc = check_address(b, CONF_IDX_RaftNodes, c->RaftNodes.v[i], c->DefaultRaftPort, e);
	return rc == 0 ? check_raft_tls(b, e) : rc;
}

static int
check_http_access(struct conf_build *b, struct err *e UNUSED)
{
	const struct conf *c = b->c;

	if (str_eq_nocase(c->AuthenticationMethod, "basic") && c->HTTPAuthUser[0] == '\0')
		WARN(HTTPAuthUser, "is empty: requests need an empty user and %s password",
		     c->HTTPAuthPassword[0] == '\0' ? "an empty" : "the");
	if (c->UseMutualTLS && c->SSLValidOUs.n == 0)
		WARN(SSLValidOUs, "is empty, but UseMutualTLS is true: every request is refused; name the units");
	if (c->UseMutualTLS && c->SSLCAFile[0] == '\0')
		WARN(SSLCAFile, "is empty, but UseMutualTLS is true: certificates of every authority that this system "
				"trusts count; name your own");
	return 0;
}

static int
check_advertise(struct conf_build *b, struct err *e)
{
	const char *url = b->c->HTTPAdvertise, *rest;
	char host[CONF_HOST_BYTES];
	int64_t port;

	if (url[0] == '\0')
		return 0;
	rest = str_starts(url, "http://") ? url + 7 : str_starts(url, "https://") ? url + 8 : NULL;
	if (rest == NULL)
		return FAIL(HTTPAdvertise, "expects http://HOST:PORT or https://HOST:PORT");
	if (strpbrk(rest, "/?#") != NULL)
		return FAIL(HTTPAdvertise, "may name no path, not even \"/\"; end it after the port");
	if (conf_addr_split(rest, -1, host, &port, e) != 0)
		return conf_fail(b, CONF_IDX_HTTPAdvertise, e, "%s", e->msg);
	if (host[0] == '\0' || port == 0)
		return FAIL(HTTPAdvertise, "names no host or no port; write http://HOST:PORT");
	return 0;
}

static int
check_url_prefix(struct conf_build *b, struct err *e)
{
	for (const char *p = b->c->URLPrefix; *p != '\0'; p++) {
		if (*p <= ' ' || *p >= 0x7f || strchr("?#%\"\\", *p) != NULL)
			return FAIL(URLPrefix,
				    "may hold neither blanks nor ? # %% \" \\; write a path such as /orchestrator");
	}
	return 0;
}

int
conf_check(struct conf_build *b, struct err *e)
{
	static int (*const checks[])(struct conf_build * b, struct err * e) = {
	    check_by_table, check_promotion, check_polling,    check_backend,
	    check_raft,	    check_advertise, check_url_prefix, check_http_access,
	};

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		if (checks[i](b, e) != 0)
			return -e->code;
	}
	return 0;
}

static int
check_listener(const char *key, const char *text, struct err *e)
{
	char host[CONF_HOST_BYTES];
	struct err why;
	int64_t port;

	if (conf_addr_split(text, -1, host, &port, &why) == 0)
		return 0;
	return err_set(e, ERR_CONFIG, "%s: %s", key, why.msg);
}

static int
check_https(const struct conf *c, struct err *e)
{
	const char *missing = c->SSLCertFile[0] == '\0'		? "SSLCertFile"
			      : c->SSLPrivateKeyFile[0] == '\0' ? "SSLPrivateKeyFile"
								: NULL;

	if (missing == NULL || !c->UseSSL || c->ListenSocket[0] != '\0')
		return 0;
	return err_set(e, ERR_CONFIG, "%s: is empty, but UseSSL is true; name the file", missing);
}

int
conf_check_http(const struct conf *c, struct err *e)
{
	if (check_https(c, e) != 0)
		return -e->code;
	if (str_eq_nocase(c->AuthenticationMethod, "multi") && c->HTTPAuthUser[0] == '\0')
		return err_set(e, ERR_CONFIG, "HTTPAuthUser: is empty, but AuthenticationMethod is multi; name a user");
	if (c->ListenSocket[0] == '\0' && check_listener("ListenAddress", c->ListenAddress, e) != 0)
		return -e->code;
	return c->ServeAgentsHttp ? check_listener("AgentsServerPort", c->AgentsServerPort, e) : 0;
}
