/* rd_alias.h — which alias each cluster shows: the rebuild of cluster_alias. Pure. Reference: probing.md section 8. */
#ifndef RD_ALIAS_H
#define RD_ALIAS_H

#include "base/base.h"

/* What one server says about its cluster; strings borrowed. Leave out servers downtimed as lost-in-recovery. */
struct rd_alias_vote {
	const char *cluster_name;
	const char *alias; /* suggested; "" = no suggestion */
	bool valid;	   /* last check */
	bool read_only;
	size_t replicas;
};

struct rd_alias_row {
	const char *cluster_name, *alias; /* borrowed from the votes */
};

/* Votes are sorted in place: invalid first, read-only first, few replicas first (then by names, to be deterministic);
 * the last one wins, both for its cluster and for its alias: an alias belongs to one cluster. A cluster left without an
 * alias shows its name. Appends up to n rows to ret_rows (room for n), sorted by cluster; returns their number. */
size_t rd_alias_rebuild(struct rd_alias_vote *votes, size_t n, struct rd_alias_row *ret_rows);
/* Differs when the rows do. */
uint64_t rd_alias_fingerprint(const struct rd_alias_row *rows, size_t n);

#endif
