/* rd_members.h — who belongs to the group: ids, roles, the bytes of a configuration entry, and which change is allowed.
 * Pure decisions on plain values; nothing here owns memory.
 *
 * A member's name is its configured host:port. Its raft id is a hash: of the name alone for a founding member, of name
 * and directory id for a node that joined later, so that a wiped disk never speaks with its old id. One change at a
 * time: add a learner, promote a learner that caught up, remove a member. Reference: libraft.md sections 4 and 5. */
#ifndef RD_MEMBERS_H
#define RD_MEMBERS_H

#include "base/clock.h"
#include "base/err.h"
#include "base/rec.h"

#define RD_MEMBERS_MAX 15
#define RD_MEMBER_NAME_BYTES 265 /* with the NUL: host name, brackets, colon, port */
#define RD_MEMBERS_BYTES_MAX 8192

/* Numbers of libraft's roles: they are in the log. */
enum rd_role { RD_ROLE_LEARNER = 0, RD_ROLE_VOTER = 1, RD_ROLE_SPARE = 2 };

struct rd_member {
	uint64_t id;
	enum rd_role role;
	char name[RD_MEMBER_NAME_BYTES];
};

/* Sorted by id; ids and names are unique. Zero-initialised = empty. Copy it by assignment. */
struct rd_members {
	size_t n;
	struct rd_member v[RD_MEMBERS_MAX];
};

/* "learner", "voter", "spare" */
const char *rd_role_name(enum rd_role role);
/* Never 0, below 2^63. dir_id NULL or "": the id of a founding member. */
uint64_t rd_member_id(const char *name, const char *dir_id);

const struct rd_member *rd_members_by_id(const struct rd_members *m, uint64_t id);
const struct rd_member *rd_members_by_name(const struct rd_members *m, const char *name);
size_t rd_members_voters(const struct rd_members *m);
/* How many votes win: more than half of the voters. */
size_t rd_members_majority(const struct rd_members *m);

/* INVALID: id 0, empty or too long name; EXISTS: id or name is there already; LIMIT: RD_MEMBERS_MAX. */
int rd_members_insert(struct rd_members *m, uint64_t id, const char *name, enum rd_role role, struct err *e) MUST_USE;
/* The founders' configuration: each name a voter with the id of a founding member. Every founder gets the same bytes
 * from the same set of names, in whatever order they are written. */
int rd_members_found(const char *const *names, size_t n, struct rd_members *ret_members, struct err *e) MUST_USE;

/* The bytes of a configuration entry (libraft's encoding). ret must hold RD_MEMBERS_BYTES_MAX; returns the length. */
size_t rd_members_encode(const struct rd_members *m, void *ret);
/* Of bytes from outside: every length is checked, at least one member, nothing behind but zero padding. */
int rd_members_decode(const void *p, size_t n, struct rd_members *ret_members, struct err *e) MUST_USE;

enum rd_member_change { RD_CHANGE_ADD, RD_CHANGE_PROMOTE, RD_CHANGE_REMOVE };

/* What the leader knows when somebody wants a change. */
struct rd_change_view {
	const struct rd_members *members; /* the newest configuration, committed or not */
	bool pending;			  /* a configuration is not committed yet */
	bool term_open;			  /* the barrier of the leader's own term is not applied yet */
	bool handing_over;		  /* a leadership transfer is under way */
	const bool *live;		  /* [members->n]: heard from within an election timeout (self: true) */
};

/* The configuration after the change, or why not: BUSY (retry later: pending, term_open, handing_over), NOT_FOUND,
 * EXISTS, PRECONDITION (the group would not have a living majority of voters afterwards, or no voter at all).
 * `name` is used by ADD only. */
int rd_members_change(const struct rd_change_view *view, enum rd_member_change what, uint64_t id, const char *name,
		      struct rd_members *ret_members, struct err *e) MUST_USE;

/* Catching up in rounds (thesis 4.2.1): caught up once a round, from "the log ends here" to "the learner has it", took
 * less than an election timeout. Zero-initialise. */
struct rd_catch_up {
	uint64_t target;
	struct mono since;
};
bool rd_catch_up_step(struct rd_catch_up *c, uint64_t match, uint64_t last, struct mono now, int64_t election_us);

#endif
