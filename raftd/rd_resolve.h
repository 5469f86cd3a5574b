/* rd_resolve.h — the cache of host names: what a name that an operator or a server gave stands for. Pure: times are
 * given, look-ups are asked for by the caller, stored rows come out as changes. Rules: probing.md section 6.
 *
 * Mended: a learned name (MySQLHostnameResolveMethod) that has outlived its time is used on, up to twice that time,
 * while the caller asks again; historically a server was filed under another name for a moment once an hour. */
#ifndef RD_RESOLVE_H
#define RD_RESOLVE_H

#include "rd_rules.h"
#include "ipc/ipc.h"
#include "state/rd_changes.h"

struct rd_resolve;

#define RD_NAMES_MAX 100000		   /* cached names; beyond that names are used as given (counted) */
#define RD_NAME_FAILED_US (60 * CLK_S)	   /* life of a failed or rejected look-up */
#define RD_NAME_REVALIDATE_US (60 * CLK_S) /* a stale name is asked for again this often */

struct rd_resolve *rd_resolve_new(void);
void rd_resolve_free(struct rd_resolve *r); /* NULL is fine */
void rd_resolve_load(struct rd_resolve *r, const struct db_hostname_resolve *row, int64_t now_us);

enum rd_name_state {
	RD_NAME_READY,
	RD_NAME_STALE, /* use it, and ask again: by look-up, or by a probe of the name as given when it was learned */
	RD_NAME_ASK,   /* unknown: a look-up is needed (methods cname and ip) */
};
/* ret_name: borrowed until the next call that changes the cache; with ASK it is the name as given. Names that are
 * empty, detached, or hold a comma are returned as they are. */
enum rd_name_state rd_resolve_name(struct rd_resolve *r, const struct rd_rules *rules, const char *host, int64_t now_us,
				   const char **ret_name, struct rd_changes *out);
/* Whether the stale name was learned from the server itself. */
bool rd_resolve_is_learned(const struct rd_resolve *r, const char *host);

/* A look-up ended; name "" = it failed: the name as given stands for a minute. */
void rd_resolve_answered(struct rd_resolve *r, const struct rd_rules *rules, const char *host, const char *name,
			 int64_t now_us, struct rd_changes *out);
/* The server that was reached under host calls itself name. */
void rd_resolve_learn(struct rd_resolve *r, const struct rd_rules *rules, const char *host, const char *name,
		      int64_t now_us, struct rd_changes *out);
/* Entries in an order of the cache's own, after the first `skip`; texts are borrowed. Returns how many. */
size_t rd_resolve_list(const struct rd_resolve *r, const struct rd_rules *rules, size_t skip, struct ipc_name *ret,
		       size_t max);
void rd_resolve_clear(struct rd_resolve *r);
/* Drops what is too old. */
void rd_resolve_expire(struct rd_resolve *r, const struct rd_rules *rules, int64_t now_us);

struct rd_resolve_stats {
	uint64_t reads, writes, overflows;
	size_t names;
};
struct rd_resolve_stats rd_resolve_stats(const struct rd_resolve *r);

#endif
