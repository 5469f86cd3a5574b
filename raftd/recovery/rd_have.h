/* rd_have.h — which transactions each server of a recovery holds, as sets of one GTID family. Pure.
 *
 * received: what came from the source, applied or not: MySQL Retrieved ∪ Executed, MariaDB the higher of Gtid_IO_Pos and
 * the applied position in each domain. A MariaDB replica whose two threads are stopped holds what it applied alone: its
 * relay logs are gone at the next START (reference/failover-timing.md 4). What only a server itself wrote is errant: it
 * is no transaction of the cluster, and counts neither as received nor as lost. */
#ifndef RD_HAVE_H
#define RD_HAVE_H

#include "rd_input.h"
#include "topo/gtid.h"

/* A set of the family in question; the other one stays empty. Zero-initialise = empty. */
struct rd_set {
	struct gtid_set mysql;
	struct gtid_pos mariadb;
};
void rd_set_done(struct rd_set *s);
bool rd_set_is_empty(const struct rd_set *s);
/* As the server's functions take it. Appends. */
void rd_set_write(const struct rd_set *s, struct str_buf *b);

struct rd_have {
	const struct rd_recovery_server *server;
	const char *unreadable;		 /* why its sets could not be read; NULL = they are */
	bool drops_relay_log;		 /* MariaDB, both threads stopped */
	bool strayed;			 /* its source refused to go on where it stands */
	struct rd_set received, applied; /* of the cluster's transactions */
	struct rd_set errant;
	struct gtid_set purged;	       /* MySQL */
	const char *purged_unreadable; /* NULL = it is not */
	bool purged_by_all;	       /* every direct replica that answered has applied what it purged */
	struct topo_instance inst;     /* the same server, for the rules of topo/replicate.h; borrows */
};

struct rd_haves {
	enum gtid_family family; /* NONE: nobody replicates by GTID */
	struct rd_have *v;	 /* of in->servers, in that order; untouched ones of servers that are not fresh */
	size_t n;
	struct rd_set failed; /* what the failed server had when it was read last */
	struct rd_set best;   /* received by anybody who answered, and has not strayed */
};

/* Never fails: what can't be read makes its server unreadable. rd_haves_done. Texts live in the arena. */
void rd_haves_build(const struct rd_recovery_input *in, struct mem_arena *arena, struct rd_haves *ret);
void rd_haves_done(struct rd_haves *h);

/* ret is uninitialised before; rd_set_done. Errors of the limits in topo/gtid.h. */
int rd_set_minus(enum gtid_family family, const struct rd_set *a, const struct rd_set *b, struct rd_set *ret,
		 struct err *e) MUST_USE;
int rd_set_join(enum gtid_family family, const struct rd_set *a, const struct rd_set *b, struct rd_set *ret,
		struct err *e) MUST_USE;

/* How many transactions of `of` are not in `have`. */
uint64_t rd_set_lacks(enum gtid_family family, const struct rd_set *have, const struct rd_set *of);

/* Both of a replica's threads are stopped. */
bool rd_both_stopped(const struct rd_recovery_server *s);

#endif
