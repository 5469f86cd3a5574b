/* rd_resolve.c — the cache of host names (rd_resolve.h). Pure. Owns its entries. Called by whoever meets a host name:
 * probe results, operators' requests, seeds. */
#include "rd_resolve.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/clock.h"

struct name {
	UT_hash_handle hh;
	char *resolved;
	int64_t at_us;	      /* of the answer */
	int64_t written_us;   /* of the row; 0 = not stored */
	int64_t asked_us;     /* last time the caller was told to ask */
	bool failed, learned; /* failed: resolved is the name itself */
	char host[];
};

struct rd_resolve {
	struct name *names;
	struct rd_resolve_stats stats;
};

struct rd_resolve *
rd_resolve_new(void)
{
	return mem_new(struct rd_resolve);
}

static void
drop(struct rd_resolve *r, struct name *n)
{
	HASH_DEL(r->names, n);
	free(n->resolved);
	free(n);
}

void
rd_resolve_free(struct rd_resolve *r)
{
	if (r == NULL)
		return;
	rd_resolve_clear(r);
	free(r);
}

struct rd_resolve_stats
rd_resolve_stats(const struct rd_resolve *r)
{
	struct rd_resolve_stats s = r->stats;

	s.names = HASH_COUNT(r->names);
	return s;
}

static struct name *
find(const struct rd_resolve *r, const char *host)
{
	struct name *n;

	HASH_FIND_STR(r->names, host, n);
	return n;
}

/* The entry of host, resolved to name now; NULL when the cache is full. */
static struct name *
put(struct rd_resolve *r, const char *host, const char *name, int64_t now_us)
{
	struct name *n = find(r, host);

	if (n == NULL) {
		if (HASH_COUNT(r->names) >= RD_NAMES_MAX) {
			r->stats.overflows++;
			return NULL;
		}
		n = mem_calloc(1, sizeof(*n) + strlen(host) + 1);
		memcpy(n->host, host, strlen(host));
		HASH_ADD_STR(r->names, host, n);
	}
	if (n->resolved == NULL || strcmp(n->resolved, name) != 0) {
		free(n->resolved);
		n->resolved = mem_strdup(name);
		n->written_us = 0;
	}
	n->at_us = now_us;
	n->failed = false;
	n->asked_us = 0;
	return n;
}

void
rd_resolve_load(struct rd_resolve *r, const struct db_hostname_resolve *row, int64_t now_us)
{
	struct name *n;

	if (row->hostname[0] == '\0' || row->resolved_hostname[0] == '\0' || row->resolved_timestamp_us > now_us)
		return;
	n = put(r, row->hostname, row->resolved_hostname, row->resolved_timestamp_us);
	if (n == NULL)
		return;
	n->written_us = row->resolved_timestamp_us;
	n->learned = strcmp(row->hostname, row->resolved_hostname) != 0;
}

/* --- rows ------------------------------------------------------------------------------------------------------ */
/* An unchanged mapping is written again when half of its life is over. */
static void
store(struct rd_resolve *r, const struct rd_rules *rules, struct name *n, struct rd_changes *out)
{
	struct db_hostname_resolve row = {n->host, n->resolved, n->at_us};
	struct db_hostname_resolve_history history = {n->resolved, n->host, n->at_us};

	if (n->written_us != 0 && n->at_us - n->written_us < rules->name_life_us / 2)
		return;
	n->written_us = n->at_us;
	r->stats.writes++;
	rd_changes_add(out, RD_CHANGE_UPSERT, DB_TABLE_hostname_resolve, &row);
	if (strcmp(n->host, n->resolved) != 0)
		rd_changes_add(out, RD_CHANGE_UPSERT, DB_TABLE_hostname_resolve_history, &history);
}

/* Of A→B and B→A the newer stands. */
static void
break_loop(struct rd_resolve *r, const char *host, const char *name, struct rd_changes *out)
{
	struct name *back = strcmp(host, name) == 0 ? NULL : find(r, name);
	struct db_hostname_resolve row = {name, "", 0};

	if (back == NULL || strcmp(back->resolved, host) != 0)
		return;
	rd_changes_add(out, RD_CHANGE_DELETE, DB_TABLE_hostname_resolve, &row);
	drop(r, back);
}

/* --- asking ---------------------------------------------------------------------------------------------------- */
static bool
is_plain_ip(const char *host)
{
	return strchr(host, ':') != NULL || host[strspn(host, "0123456789.")] == '\0';
}

static bool
needs_no_resolving(const char *host)
{
	return host[0] == '\0' || str_starts(host, "//") || strchr(host, ',') != NULL;
}

static bool
by_look_up(const struct rd_rules *rules, const char *host)
{
	return (rules->resolve == RD_RESOLVE_CNAME || rules->resolve == RD_RESOLVE_IP) && !is_plain_ip(host);
}

/* A new name that stands for itself. */
static enum rd_name_state
take_as_given(struct rd_resolve *r, const struct rd_rules *rules, const char *host, int64_t now_us,
	      struct rd_changes *out)
{
	struct name *n = put(r, host, host, now_us);

	if (n != NULL && rules->resolve != RD_RESOLVE_NONE)
		store(r, rules, n, out);
	return RD_NAME_READY;
}

static enum rd_name_state
stale(struct name *n, int64_t now_us)
{
	if (now_us - n->asked_us < RD_NAME_REVALIDATE_US)
		return RD_NAME_READY;
	n->asked_us = now_us;
	return RD_NAME_STALE;
}

enum rd_name_state
rd_resolve_name(struct rd_resolve *r, const struct rd_rules *rules, const char *host, int64_t now_us,
		const char **ret_name, struct rd_changes *out)
{
	struct name *n = needs_no_resolving(host) ? NULL : find(r, host);
	int64_t life_us = n != NULL && n->failed ? RD_NAME_FAILED_US : rules->name_life_us;

	*ret_name = host;
	r->stats.reads++;
	if (needs_no_resolving(host))
		return RD_NAME_READY;
	if (n != NULL && now_us - n->at_us < 2 * life_us)
		*ret_name = n->resolved;
	if (n != NULL && now_us - n->at_us < life_us)
		return RD_NAME_READY;
	if (n != NULL && !n->failed && now_us - n->at_us < 2 * life_us && (n->learned || by_look_up(rules, host)))
		return stale(n, now_us);
	if (by_look_up(rules, host))
		return RD_NAME_ASK;
	*ret_name = host;
	return take_as_given(r, rules, host, now_us, out);
}

bool
rd_resolve_is_learned(const struct rd_resolve *r, const char *host)
{
	const struct name *n = find(r, host);

	return n != NULL && n->learned;
}

/* --- answers --------------------------------------------------------------------------------------------------- */
static bool
is_rejected(const struct rd_rules *rules, const char *name)
{
	return rules->reject_name != NULL && rx_match(rules->reject_name, name);
}

void
rd_resolve_answered(struct rd_resolve *r, const struct rd_rules *rules, const char *host, const char *name,
		    int64_t now_us, struct rd_changes *out)
{
	bool failed = name[0] == '\0' || is_rejected(rules, name);
	struct name *n;

	if (needs_no_resolving(host))
		return;
	if (!failed)
		break_loop(r, host, name, out);
	n = put(r, host, failed ? host : name, now_us);
	if (n == NULL)
		return;
	n->failed = failed;
	n->learned = false;
	if (!failed && rules->resolve != RD_RESOLVE_NONE)
		store(r, rules, n, out);
}

void
rd_resolve_learn(struct rd_resolve *r, const struct rd_rules *rules, const char *host, const char *name, int64_t now_us,
		 struct rd_changes *out)
{
	struct name *n;

	if (needs_no_resolving(host) || needs_no_resolving(name) || is_rejected(rules, name))
		return;
	break_loop(r, host, name, out);
	n = put(r, host, name, now_us);
	if (n == NULL)
		return;
	n->learned = true;
	if (rules->resolve != RD_RESOLVE_NONE || strcmp(host, name) != 0)
		store(r, rules, n, out);
}

void
rd_resolve_expire(struct rd_resolve *r, const struct rd_rules *rules, int64_t now_us)
{
	struct name *n, *next;

	HASH_ITER (hh, r->names, n, next)
		if (now_us - n->at_us >= 2 * (n->failed ? RD_NAME_FAILED_US : rules->name_life_us))
			drop(r, n);
}

/* --- the whole cache -------------------------------------------------------------------------------------------- */
size_t
rd_resolve_list(const struct rd_resolve *r, const struct rd_rules *rules, size_t skip, struct ipc_name *ret, size_t max)
{
	size_t n = 0;

	for (const struct name *x = r->names; x != NULL && n < max; x = x->hh.next) {
		int64_t life_us = x->failed ? RD_NAME_FAILED_US : rules->name_life_us;
		if (skip > 0)
			skip--;
		else
			ret[n++] = (struct ipc_name){x->host, x->resolved, x->at_us + life_us};
	}
	return n;
}

void
rd_resolve_clear(struct rd_resolve *r)
{
	struct name *n, *next;

	HASH_ITER (hh, r->names, n, next)
		drop(r, n);
}
