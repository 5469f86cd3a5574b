/* gtid_private.h — what the parser and the set operations share. Private to common/topo/gtid_*.c. */
#ifndef TOPO_GTID_PRIVATE_H
#define TOPO_GTID_PRIVATE_H

#include "topo/gtid.h"

/* Appends an empty part; ERR_LIMIT. The set is not normalised until gtid_set_normalise. */
int gtid_add_part(struct gtid_set *s, const uint8_t *uuid, const char *tag, struct gtid_part **ret,
		  struct err *e) MUST_USE;
/* Appends to a part of s; ERR_LIMIT. */
int gtid_add_interval(struct gtid_set *s, struct gtid_part *p, struct gtid_interval iv, struct err *e) MUST_USE;
/* Sorts and merges; no part may be empty. */
void gtid_set_normalise(struct gtid_set *s);
/* By uuid, then tag. */
int gtid_part_cmp(const struct gtid_part *a, const struct gtid_part *b);
/* Reads 36 characters at text; false when they are no uuid. */
bool gtid_read_uuid(const char *text, uint8_t ret[GTID_UUID_BYTES]);

#endif
