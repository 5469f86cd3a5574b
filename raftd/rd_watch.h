/* rd_watch.h — which prober watches which server, and what it has not been told yet. Pure.
 *
 * A server belongs to the prober of its hash, so that all nodes and restarts agree without talking. A prober that comes
 * up is told everything of its share anew. */
#ifndef RD_WATCH_H
#define RD_WATCH_H

#include "ipc/ipc.h"

struct rd_watch;

#define RD_WATCH_BATCH 256 /* as in to_prober.def */

struct rd_watch *rd_watch_new(unsigned slots);
void rd_watch_free(struct rd_watch *w); /* NULL is fine */

unsigned rd_watch_slot(const struct rd_watch *w, const struct topo_key *key);
size_t rd_watch_count(const struct rd_watch *w);
bool rd_watch_has(const struct rd_watch *w, const struct topo_key *key);

/* Wants key watched with these flags (enum ipc_target_flags). HURRY counts for the first telling only. */
void rd_watch_set(struct rd_watch *w, const struct topo_key *key, uint64_t flags);
void rd_watch_unset(struct rd_watch *w, const struct topo_key *key);

void rd_watch_slot_up(struct rd_watch *w, unsigned slot);
void rd_watch_slot_down(struct rd_watch *w, unsigned slot);

/* What the prober of an up slot must be told next; up to RD_WATCH_BATCH, 0 = it knows everything. The keys are borrowed
 * until the next call; call rd_watch_told once they are sent, otherwise they are given out again. */
size_t rd_watch_targets(struct rd_watch *w, unsigned slot, struct ipc_target *ret);
size_t rd_watch_gone(struct rd_watch *w, unsigned slot, struct topo_key *ret);
void rd_watch_told_targets(struct rd_watch *w, unsigned slot, size_t n);
void rd_watch_told_gone(struct rd_watch *w, unsigned slot, size_t n);

#endif
