/* topo/gtid.h — GTID sets of both families: parse, normalise, compute, compare, write. Pure.
 *
 * Oracle/Percona MySQL: sets "uuid:1-5:7,uuid2:1-3", since 8.3 with tags "uuid:1-5:tag:1-3". MariaDB: positions
 * "domain-server-seq,…", one per domain. Texts come from servers and operators and are hostile: longer than
 * TOPO_GTID_MAX is ERR_TOO_LARGE, more than GTID_PARTS_MAX or GTID_INTERVALS_MAX is ERR_LIMIT, anything malformed is
 * ERR_SYNTAX naming the place. Reference: probing.md section 9. */
#ifndef TOPO_GTID_H
#define TOPO_GTID_H

#include "base/str.h"
#include "topo/topo.h"

enum gtid_family { GTID_NONE, GTID_MYSQL, GTID_MARIADB, GTID_UNKNOWN };
/* From the first entry only: NONE for blank text, UNKNOWN when it fits neither. The rest may still not parse. */
enum gtid_family gtid_detect(const char *text);

/* --- MySQL sets ------------------------------------------------------------------------------------------------- */
#define GTID_UUID_BYTES 16
#define GTID_UUID_TEXT 36
#define GTID_TAG_MAX 32
#define GTID_PARTS_MAX 65536
#define GTID_INTERVALS_MAX 1000000
#define GTID_NUMBER_MAX (INT64_MAX - 1) /* the server's own limit */

struct gtid_interval {
	int64_t first, last; /* both inside, 1 ≤ first ≤ last */
};

/* Everything of one (uuid, tag): intervals ascending, apart by at least one number. */
struct gtid_part {
	uint8_t uuid[GTID_UUID_BYTES];
	char tag[GTID_TAG_MAX + 1]; /* "" = untagged */
	struct gtid_interval *v;
	size_t n, cap;
};

/* Always normalised: parts ascending by uuid and tag (untagged first), none empty. Zero-initialise = empty set.
 * Owns its memory: gtid_set_done. The result of an operation may not alias an operand. */
struct gtid_set {
	struct gtid_part *parts;
	size_t n, cap;
	size_t intervals; /* over all parts */
};

/* Accepts what the servers accept: any case, blanks and newlines around items, empty entries, intervals backwards
 * ("5-4" is empty), any order, overlaps. A tag needs an interval. *ret is uninitialised before; written on success
 * only. */
int gtid_set_parse(const char *text, struct gtid_set *ret, struct err *e) MUST_USE;
void gtid_set_done(struct gtid_set *s);
/* Appends normalised text; sep stands between uuids: GTID_SEP_SERVER is what gtid_subtract() answers. */
#define GTID_SEP_SERVER ",\n"
#define GTID_SEP_LINE ","
void gtid_set_write(const struct gtid_set *s, struct str_buf *b, const char *sep);

bool gtid_set_is_empty(const struct gtid_set *s);
bool gtid_set_equal(const struct gtid_set *a, const struct gtid_set *b);
bool gtid_set_contains(const struct gtid_set *a, const struct gtid_set *b); /* b is a subset of a */
uint64_t gtid_set_count(const struct gtid_set *s);			    /* transactions; stops at UINT64_MAX */
/* ERR_LIMIT when the result would exceed the limits above. *ret is uninitialised before. */
int gtid_set_union(const struct gtid_set *a, const struct gtid_set *b, struct gtid_set *ret, struct err *e) MUST_USE;
int gtid_set_subtract(const struct gtid_set *a, const struct gtid_set *b, struct gtid_set *ret,
		      struct err *e) MUST_USE; /* in a and not in b */
int gtid_set_intersect(const struct gtid_set *a, const struct gtid_set *b, struct gtid_set *ret,
		       struct err *e) MUST_USE;
/* With all its tags; a uuid that is absent or not a uuid removes nothing. */
void gtid_set_remove_uuid(struct gtid_set *s, const char *uuid);

/* Whether text is a uuid in the 36 character form, any case. */
bool gtid_uuid_valid(const char *text);
/* Appends text's entries except those of the given comma-separated uuids; what is kept stays as it was written (entries
 * trimmed, joined by ","). Works on any text: what does not look like an entry is kept. */
void gtid_text_remove_uuids(const char *text, const char *uuids, struct str_buf *b);
/* gtid_subtract(a, b) on texts; appends the server's format. */
int gtid_text_subtract(const char *a, const char *b, struct str_buf *ret, struct err *e) MUST_USE;

/* --- errant GTIDs of one server (probing.md section 9) --------------------------------------------------------- */
struct gtid_errant_input {
	const char *own_set;  /* executed set of the server; "" = unknown */
	const char *own_uuid; /* its server_uuid */
	const char *ancestry; /* its ancestry_uuid: comma list, may hold the group name */
	bool is_co_source;
	const char *parent_set;	 /* executed set of its source as stored; "" = unknown */
	const char *source_uuid; /* uuid of that source */
};
/* Appends the errant set in the format of gtid_subtract(), nothing when there is none or either set is unknown.
 * Errors: as gtid_set_parse, and ERR_TOO_LARGE when the answer exceeds TOPO_GTID_MAX. */
int gtid_errant(const struct gtid_errant_input *in, struct str_buf *ret, struct err *e) MUST_USE;

/* --- MariaDB positions -------------------------------------------------------------------------------------------- */
#define GTID_DOMAINS_MAX 65536

struct gtid_pos_item {
	uint32_t domain, server;
	uint64_t seq;
};

/* Ascending by domain, each domain once (the server refuses doubles too: ERR_SYNTAX). Zero-initialise = empty. */
struct gtid_pos {
	struct gtid_pos_item *v;
	size_t n, cap;
};

enum gtid_order {
	GTID_EQUAL,
	GTID_AHEAD,   /* a has all of b, and more */
	GTID_BEHIND,  /* b has all of a, and more */
	GTID_DIVERGED /* each has something the other lacks; the same number from two servers counts as that */
};

int gtid_pos_parse(const char *text, struct gtid_pos *ret, struct err *e) MUST_USE;
void gtid_pos_done(struct gtid_pos *p);
void gtid_pos_write(const struct gtid_pos *p, struct str_buf *b);
enum gtid_order gtid_pos_compare(const struct gtid_pos *a, const struct gtid_pos *b);
/* One domain; a domain that is absent counts as sequence 0. */
enum gtid_order gtid_pos_compare_domain(const struct gtid_pos *a, const struct gtid_pos *b, uint32_t domain);
bool gtid_pos_contains(const struct gtid_pos *a, const struct gtid_pos *b); /* a is at or past b in each domain of b */
/* The items of a in whose domains a is not covered by b (ahead, or diverged). */
void gtid_pos_diff(const struct gtid_pos *a, const struct gtid_pos *b, struct gtid_pos *ret);

/* --- either family --------------------------------------------------------------------------------------------- */
/* Whether `have` contains all of `want`. Blank text is the empty set of any family; two families are ERR_INVALID. */
int gtid_text_contains(const char *have, const char *want, bool *ret_contains, struct err *e) MUST_USE;

#endif
