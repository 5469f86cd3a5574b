/* rd_model.h — every known server in memory: its instance record, the evidence of its last probe, who stands below
 * whom, and what must still be written to the backend.
 *
 * Pure container (no I/O, no clock). Servers are found by key; the replicas of a key are those that name it as their
 * source, whether or not that source is known. A server pointer is valid until rd_model_remove.
 *
 * Listed servers are in the inventory: only their rows are written. The others are held until they are listed or
 * dropped: found, but the decision to know them is still on its way. */
#ifndef RD_MODEL_H
#define RD_MODEL_H

#include <sys/queue.h>

#include <uthash.h>

#include "detect/rd_tries.h"
#include "detect/rd_witness.h"
#include "recovery/rd_semi_sync.h"
#include "topo/analysis.h"
#include "topo/key.h"
#include "topo/topo.h"

/* What the last probe (of any kind) told about reaching the server; see topo/probe.def. */
struct rd_evidence {
	uint64_t evidence, phase; /* enum topo_evidence, enum topo_phase */
	int64_t errno_mysql;
	int64_t ended_us;
	int64_t last_answer_us, answered_us;
	uint64_t failed_attempts;
	int64_t first_failed_us;
};

enum rd_dirty {
	RD_CLEAN = 0, /* in rising order: the stronger covers the weaker */
	RD_DIRTY_ATTEMPT,
	RD_DIRTY_CHECK,
	RD_DIRTY_NOT_SEEN,
	RD_DIRTY_SEEN,
};

struct rd_server {
	struct topo_instance inst; /* owning; inst.key is the server's key and never changes */
	struct rd_evidence last;
	struct rd_seen seen;	      /* rd_detect.c: whether it is suspected … */
	struct rd_heard heard;	      /* … and, as a replica, what was read of its receiver */
	struct mono vote_ended;	      /* the newest vote about it; us 0 = none */
	unsigned same_votes;	      /* that found the same in a row */
	uint64_t verdict;	      /* enum rd_verdict of that vote; OPEN = it answered since */
	struct mono restarted;	      /* its replicas' receivers, for a vote; us 0 = never */
	struct mono restarted_before; /* the time before that */
	uint64_t dead_code; /* enum topo_code of its failure, as rd_detect.h told it; NO_PROBLEM: it didn't, or … */
	uint64_t dead_term; /* … in that term */
	unsigned back;	    /* enum rd_back: how far it has come since */
	bool listed;	    /* in the inventory */
	bool probed;	    /* since the start: a result came in */
	bool found;	    /* by the last probe */
	char *asked_host;   /* name under which the last probe reached it; NULL = its own */
	char *received;	    /* rd_recovery_server: received_gtid_set, gtid_current_pos, … as read last; NULL = none */
	char *current_pos;
	uint64_t channels;
	int64_t last_sql_errno, last_io_errno;
	struct rd_semi_sync semi_sync; /* for recoveries, too */
	int64_t writable_us;	       /* wall: every attempt since then has read it as writable; 0: not the newest */
	char *domain;		       /* of its cluster, as the last probe said; NULL = unknown */
	unsigned root_polls;	       /* for how many polls in a row it has been the valid root of its cluster */
	enum rd_dirty dirty;
	int64_t moved_after_us; /* wall: read then, it followed another source than now; 0 = unknown */
	bool tls_written;	/* database_instance_tls says: required */
	bool judged;		/* rd_analyst.c: code is what the backend has, or will have */
	enum topo_code code;
	char *stale_file; /* and the position at which it seems to be locked; NULL = it doesn't */
	int64_t stale_pos, stale_since_us;
	uint64_t batch; /* number of the newest batch with its row, 0 = none */
	UT_hash_handle hh;
	struct rd_family *family; /* of its source; NULL without one */
	LIST_ENTRY(rd_server) sibling;
	TAILQ_ENTRY(rd_server) to_write;
	char text[]; /* "host:port" */
};
LIST_HEAD(rd_sibling_list, rd_server);
TAILQ_HEAD(rd_write_queue, rd_server);

/* The servers that name one key as their source. */
struct rd_family {
	UT_hash_handle hh;
	struct topo_key key; /* owning */
	struct rd_sibling_list replicas;
	size_t n;
	char text[];
};

struct rd_model {
	struct rd_server *servers;   /* hash; iterate by hh.next */
	struct rd_family *families;  /* hash */
	struct rd_write_queue queue; /* dirty and listed */
	size_t n_queued;
};

void rd_model_init(struct rd_model *m);
void rd_model_done(struct rd_model *m);

struct rd_server *rd_model_find(const struct rd_model *m, const struct topo_key *key); /* NULL */
/* A placeholder, unless it is there already. */
struct rd_server *rd_model_add(struct rd_model *m, const struct topo_key *key);
void rd_model_remove(struct rd_model *m, struct rd_server *s);
size_t rd_model_count(const struct rd_model *m);
/* Takes inst (owning; empty afterwards); inst->key must be the server's. */
void rd_model_set(struct rd_model *m, struct rd_server *s, struct topo_instance *inst);
/* NULL when nobody names key as source. */
const struct rd_family *rd_model_family(const struct rd_model *m, const struct topo_key *key);

/* Queues the row for writing; a weaker reason does not replace a stronger one. */
void rd_model_mark(struct rd_model *m, struct rd_server *s, enum rd_dirty dirty);
/* The next server to write, now clean, with the kind of write it needs; NULL when there is none. */
struct rd_server *rd_model_take(struct rd_model *m, enum rd_dirty *ret_dirty);
void rd_model_set_listed(struct rd_model *m, struct rd_server *s, bool listed);

/* topo_lookup_fn over the model; ctx is the model. */
const struct topo_instance *rd_model_lookup(void *ctx, const struct topo_key *key);

#endif
