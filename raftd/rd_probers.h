/* rd_probers.h — raftd's side of the prober pool: watches told, credits given back, probes on demand and name look-ups
 * with their answers. Pure apart from the sending functions given to it; times given.
 *
 * A prober that dies loses what was queued: its watches are told anew when it is back, probes on demand are sent again
 * (to any prober that is up), look-ups too. Steps never (they are not here: recovery owns them). */
#ifndef RD_PROBERS_H
#define RD_PROBERS_H

#include <limits.h>

#include "base/clock.h"
#include "rd_watch.h"

struct rd_probers;

#define RD_PROBES_MAX 8192   /* probes on demand under way */
#define RD_LOOKUPS_MAX 8192  /* name look-ups under way */
#define RD_PROBE_SENDS_MAX 3 /* a probe whose prober died is sent so often in all */
#define RD_CREDIT_BATCH 64

/* Sending to the prober of a slot; errors as ipc_send. */
struct rd_prober_ops {
	int (*watch)(void *ctx, unsigned slot, const struct ipc_watch *m, struct err *e);
	int (*unwatch)(void *ctx, unsigned slot, const struct ipc_unwatch *m, struct err *e);
	int (*probe)(void *ctx, unsigned slot, const struct ipc_probe *m, struct err *e);
	int (*resolve)(void *ctx, unsigned slot, const struct ipc_resolve *m, struct err *e);
	int (*credit)(void *ctx, unsigned slot, const struct ipc_credit *m, struct err *e);
};

struct rd_probers *rd_probers_new(unsigned slots, const struct rd_prober_ops *ops, void *ctx);
void rd_probers_free(struct rd_probers *p); /* NULL is fine; no callbacks */

void rd_probers_up(struct rd_probers *p, unsigned slot);
void rd_probers_down(struct rd_probers *p, unsigned slot);
unsigned rd_probers_up_count(const struct rd_probers *p);
/* Whom to send what concerns this server: its own prober when that is up, else another. */
#define RD_NO_PROBER UINT_MAX
unsigned rd_probers_slot_of(const struct rd_probers *p, const struct topo_key *key);

struct rd_watch *rd_probers_watches(struct rd_probers *p);
/* Tells the probers what changed; call after changes of the watches. True: something could not be sent, call again
 * soon. */
bool rd_probers_tell(struct rd_probers *p);

/* A PROBE_RESULT arrived from slot. */
void rd_probers_credit(struct rd_probers *p, unsigned slot);

/* A probe on demand. fn is called exactly once: with what the caller of rd_probers_finish gives, or with e when no
 * answer came by the deadline. ERR_LIMIT. While no prober is up it waits, up to its deadline. */
typedef void (*rd_probed_fn)(void *ctx, const struct topo_key *asked, const void *result, const struct err *e);
int rd_probers_probe(struct rd_probers *p, const struct topo_key *key, enum ipc_lane lane, struct mono now,
		     int64_t deadline_us, rd_probed_fn fn, void *ctx, struct err *e) MUST_USE;
/* The same for a vote: in the urgent lane, and the prober ends it as timed out after patience_us (0: its own time-outs). */
int rd_probers_probe_briefly(struct rd_probers *p, const struct topo_key *key, struct mono now, int64_t patience_us,
			     int64_t deadline_us, rd_probed_fn fn, void *ctx, struct err *e) MUST_USE;
/* The result of probe_id has been dealt with; unknown ids (late, scheduled: 0) are fine. */
void rd_probers_finish(struct rd_probers *p, uint64_t probe_id, const void *result);

/* A name look-up; fn as above with the RESOLVED message as result. */
typedef void (*rd_looked_up_fn)(void *ctx, const char *host, const struct ipc_resolved *m);
int rd_probers_resolve(struct rd_probers *p, const char *host, const char *method, struct mono now, int64_t deadline_us,
		       rd_looked_up_fn fn, void *ctx, struct err *e) MUST_USE;
/* The same, and whether the port takes TCP connections within wait_ms: RESOLVED.error is empty then. */
int rd_probers_reach(struct rd_probers *p, const struct topo_key *key, int64_t wait_ms, struct mono now,
		     int64_t deadline_us, rd_looked_up_fn fn, void *ctx, struct err *e) MUST_USE;
void rd_probers_resolved(struct rd_probers *p, const struct ipc_resolved *m);

/* Ends what is past its deadline. Call a few times a second. */
void rd_probers_tick(struct rd_probers *p, struct mono now);

struct rd_probers_stats {
	uint64_t asked, resent, timed_out, refused;
	size_t under_way, looking_up;
};
struct rd_probers_stats rd_probers_stats(const struct rd_probers *p);

#endif
