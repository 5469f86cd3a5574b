/* rd_samples.h — what took how long, collected until it is published as SAMPLES (http-api.md section 15). Pure; loop only.
 *
 * Bound: IPC_SAMPLES_MAX of each kind. Whoever adds is told when a list is full, and publishes at once: nothing is lost
 * here. A sample costs a copy of its server's name. */
#ifndef RD_SAMPLES_H
#define RD_SAMPLES_H

#include "base/clock.h"
#include "base/mem.h"
#include "ipc/ipc.h"

struct rd_samples {
	struct ipc_samples m; /* lists on the heap, texts in the arena */
	size_t cap_probes, cap_writes, cap_flushes;
	struct mem_arena texts;
};

/* Zero-initialise. Each returns true when its list is full now. */
bool rd_samples_probe(struct rd_samples *s, struct wall now, const struct topo_probe *p, int64_t handled_us) MUST_USE;
bool rd_samples_write(struct rd_samples *s, const struct ipc_write_sample *w) MUST_USE;
bool rd_samples_flush(struct rd_samples *s, const struct ipc_flush_sample *f) MUST_USE;

bool rd_samples_is_empty(const struct rd_samples *s);
void rd_samples_clear(struct rd_samples *s); /* keeps memory for the next ones */
void rd_samples_done(struct rd_samples *s);

#endif
