/* raft_group_private.h — shared by raft_group.c (life and time) and raft_group_io.c (disk, wire, state). */
#ifndef RAFT_GROUP_PRIVATE_H
#define RAFT_GROUP_PRIVATE_H

#include "raft_group.h"

struct group_message {
	int64_t at_us;
	uint64_t order;
	size_t from, to;
	bool snapshot;
	bool lost; /* on the way: nobody gets it */
	char from_name[RD_MEMBER_NAME_BYTES];
	struct codec_out bytes;
};

struct group_pending {
	uint64_t ticket;
	bool read;
	uint64_t first, last;
	size_t max_bytes;
	uint64_t term; /* on disk after this write */
};

extern struct group *the_group; /* callbacks get a node; one group at a time */

uint64_t group_disk_last(const struct group_node *d);
void group_disk_truncate(struct group_node *d, uint64_t from);
/* The callbacks of a member; ctx is its node. */
struct rd_raft_out group_out(struct group_node *d);
void group_report_read(struct group *g, size_t i, const struct group_pending *p);
void group_deliver(struct group *g, struct group_message *m);

#endif
