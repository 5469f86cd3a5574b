/* key.c — instance keys: parse and print, compare, detach. Pure; owns nothing. Called by whoever reads a key that a
 * person or a server wrote, and by everything that sorts servers. Lists of keys stand in key_list.c. */
#include "topo/key.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define DETACHED "//"
#define DIGITS "0123456789"

struct topo_key_text
topo_key_text(const struct topo_key *k)
{
	struct topo_key_text t;

	(void)snprintf(t.text, sizeof(t.text), "%.*s:%lld", TOPO_HOST_MAX, k->hostname, (long long)k->port);
	return t;
}

void
topo_key_set(struct topo_key *k, const char *hostname, int64_t port)
{
	rec_set_str(&k->hostname, hostname);
	k->port = port;
}

void
topo_key_done(struct topo_key *k)
{
	rec_done(&topo_key_desc, k);
}

static bool
host_ok(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f || strchr(",[]", s[i]) != NULL)
			return false;
	return n > 0 && n <= TOPO_HOST_MAX;
}

/* Where the text forms put host and port; port NULL = none given. */
struct pieces {
	const char *host;
	size_t host_len;
	const char *port;
};

static bool
is_ipv6(const char *s, size_t n)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr ignored;

	if (n >= sizeof(text))
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	return inet_pton(AF_INET6, text, &ignored) == 1;
}

static bool
is_port(const char *s)
{
	return s[0] != '\0' && s[strspn(s, DIGITS)] == '\0';
}

/* "[v6]:port" */
static bool
split_bracketed(const char *s, struct pieces *ret)
{
	size_t n = strcspn(s, "]");

	if (s[0] != '[' || s[n] == '\0' || s[n + 1] != ':' || !is_port(s + n + 2))
		return false;
	*ret = (struct pieces){s + 1, n - 1, s + n + 2};
	return is_ipv6(s + 1, n - 1);
}

static bool
split_text(const char *s, struct pieces *ret)
{
	size_t before_colon = strcspn(s, ":");

	*ret = (struct pieces){s, before_colon, NULL};
	if (s[before_colon] == '\0')
		return true;
	if (is_port(s + before_colon + 1)) {
		ret->port = s + before_colon + 1;
		return true;
	}
	if (split_bracketed(s, ret))
		return true;
	*ret = (struct pieces){s, strlen(s), NULL};
	return is_ipv6(ret->host, ret->host_len);
}

static int
parse_trimmed(const char *text, int64_t default_port, struct topo_key *ret_key, struct err *e)
{
	struct pieces p;
	char host[TOPO_HOST_MAX + 1];
	int64_t port = default_port;

	if (!split_text(text, &p) || !host_ok(p.host, p.host_len))
		return err_set(e, ERR_INVALID, "cannot read \"%.300s\" as host:port, host or [ipv6]:port", text);
	if (p.port != NULL && str_parse_i64(p.port, 1, TOPO_PORT_MAX, &port, e) != 0)
		return err_wrap(e, "port of \"%.300s\"", text);
	memcpy(host, p.host, p.host_len);
	host[p.host_len] = '\0';
	rec_init(&topo_key_desc, ret_key);
	topo_key_set(ret_key, host, port);
	return 0;
}

int
topo_key_parse(const char *text, int64_t default_port, struct topo_key *ret_key, struct err *e)
{
	char copy[2 * TOPO_KEY_TEXT_BYTES];

	if (!str_copy(copy, sizeof(copy), text))
		return err_set(e, ERR_INVALID, "instance key too long: \"%.60s...\"", text);
	return parse_trimmed(str_trim(copy), default_port, ret_key, e);
}

bool
topo_key_is_detached(const struct topo_key *k)
{
	return str_starts(k->hostname, DETACHED);
}

bool
topo_key_valid(const struct topo_key *k)
{
	return k->hostname[0] != '\0' && !str_eq(k->hostname, "_") && !topo_key_is_detached(k) && k->port > 0;
}

bool
topo_key_equal(const struct topo_key *a, const struct topo_key *b)
{
	return a->port == b->port && str_eq(a->hostname, b->hostname);
}

int
topo_key_cmp(const struct topo_key *a, const struct topo_key *b)
{
	int by_host = strcmp(a->hostname, b->hostname);

	return by_host != 0 ? by_host : (a->port > b->port) - (a->port < b->port);
}

bool
topo_host_is_ipv4(const char *hostname)
{
	for (int i = 0; i < 4; i++) {
		size_t n = strspn(hostname, DIGITS);
		if (n == 0 || hostname[n] != (i < 3 ? '.' : '\0'))
			return false;
		hostname += n + (i < 3);
	}
	return true;
}

int
topo_key_detach(const struct topo_key *k, struct topo_key *ret_key, struct err *e)
{
	char host[TOPO_HOST_MAX + 1];
	int n = snprintf(host, sizeof(host), "%s%s", topo_key_is_detached(k) ? "" : DETACHED, k->hostname);

	if (n < 0 || (size_t)n >= sizeof(host))
		return err_set(e, ERR_TOO_LARGE, "host name too long to be detached: %.60s...", k->hostname);
	rec_init(&topo_key_desc, ret_key);
	topo_key_set(ret_key, host, k->port);
	return 0;
}

void
topo_key_reattach(const struct topo_key *k, struct topo_key *ret_key)
{
	rec_init(&topo_key_desc, ret_key);
	topo_key_set(ret_key, k->hostname + (topo_key_is_detached(k) ? strlen(DETACHED) : 0), k->port);
}
