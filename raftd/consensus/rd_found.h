/* rd_found.h — what a node does with its data directory at start: start with what it has, found the group, join one, or
 * wait. Pure decision over what the peers' hellos said; every rule is there so that a wiped voter is never bootstrapped
 * again (libraft.md 5.2), which would lose acknowledged changes. Design section 4, "Founding".
 *
 * A blank directory never held a log, a term or a vote. A founded one holds entry 1 only, term <= 1, never voted. An
 * active one holds more, or belongs to a member that was added. A joining one is blank but has decided to join. */
#ifndef RD_FOUND_H
#define RD_FOUND_H

#include "base/clock.h"
#include "base/err.h"
#include "base/rec.h"
#include "rd_members.h"

#define RD_DIR_ID_BYTES 33	   /* 128 bits in hex, NUL */
#define RD_CONF_HASH_BYTES 33	   /* the same */
#define RD_FOUND_PATIENCE_US CLK_S /* for all configured names before a majority will do */

/* In hellos: append only. */
enum rd_found_state { RD_FOUND_BLANK, RD_FOUND_FOUNDED, RD_FOUND_ACTIVE, RD_FOUND_JOINING };
enum rd_found_verdict { RD_FOUND_WAIT, RD_FOUND_START, RD_FOUND_FOUND, RD_FOUND_JOIN };

/* One blank directory with which a founder founded. */
struct rd_found_pair {
	char name[RD_MEMBER_NAME_BYTES];
	char dir_id[RD_DIR_ID_BYTES];
};
struct rd_found_pairs {
	size_t n;
	struct rd_found_pair v[RD_MEMBERS_MAX];
};

/* What a peer's newest hello said. Peers that were never reached are not listed; names outside the configured list
 * are ignored, unless they are active. */
struct rd_found_peer {
	char name[RD_MEMBER_NAME_BYTES];
	char dir_id[RD_DIR_ID_BYTES];
	char conf_hash[RD_CONF_HASH_BYTES];
	enum rd_found_state state;
	struct rd_found_pairs founded_with;
};

struct rd_found_in {
	enum rd_found_state own;
	const char *own_name;
	const char *own_dir_id;
	const char *const *names; /* configured, normalised host:port; own name may be missing (then it is added) */
	size_t n_names;
	const struct rd_found_peer *peers;
	size_t n_peers;
	struct mono asking_since; /* when the node began to ask its peers */
	struct mono now;
};

struct rd_found_out {
	enum rd_found_verdict verdict;
	struct rd_found_pairs with; /* FOUND: own and the blank peers' pairs, to be stored and told in hellos */
	struct rd_members members;  /* FOUND: the bootstrap configuration */
	struct mono again;	    /* WAIT: ask again at this time at the latest */
	char why[160];		    /* for the log and the status */
};

void rd_found_decide(const struct rd_found_in *in, struct rd_found_out *out);

/* Hash of the set of names (order and repetitions don't matter); own_name counts as one of them. */
void rd_found_conf_hash(const char *const *names, size_t n, const char *own_name, char ret[RD_CONF_HASH_BYTES]);

/* A group asks this node to join: a lone founder (only voter) in whose state no operator ever decided anything wipes
 * itself and joins. */
bool rd_found_adoptable(const struct rd_members *members, uint64_t own_id, bool operator_decided);

#endif
