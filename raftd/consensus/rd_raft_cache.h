/* rd_raft_cache.h — payloads of the newest log entries in RAM: a run of entries without holes, bounded in bytes. What
 * isn't durable yet is never evicted, for it can be read from nowhere else. Owns copies. Zero-initialise. */
#ifndef RD_RAFT_CACHE_H
#define RD_RAFT_CACHE_H

#include "rd_raft_msg.h"

struct rd_raft_cache {
	struct rd_raft_entry *ring; /* slot of index i: i % cap; data owned */
	size_t cap;
	uint64_t first; /* index; meaningless while n is 0 */
	size_t n;
	size_t bytes; /* payloads, and a little for each entry */
};

void rd_raft_cache_clear(struct rd_raft_cache *c); /* frees everything; empty and usable afterwards */
/* index must continue the run unless the cache is empty. Copies. */
void rd_raft_cache_put(struct rd_raft_cache *c, uint64_t index, const struct rd_raft_entry *entry);
void rd_raft_cache_truncate(struct rd_raft_cache *c, uint64_t from); /* from and above go */
/* Oldest first until at most max_bytes are left, but only up to index `upto`. */
void rd_raft_cache_evict(struct rd_raft_cache *c, size_t max_bytes, uint64_t upto);
/* NULL when it isn't there. Borrowed until the next change. */
const struct rd_raft_entry *rd_raft_cache_get(const struct rd_raft_cache *c, uint64_t index);

#endif
