/* sim_prober_private.h — between sim_prober.c (steps, life) and sim_prober_probe.c (probes, pings, lost connections). */
#ifndef SIM_PROBER_PRIVATE_H
#define SIM_PROBER_PRIVATE_H

#include "sim_topo.h"

#define SIM_CONNECT_US CLK_S

struct sim_memory { /* of one server */
	bool kept;  /* an idle connection */
	int64_t answered_us, good_us, first_failed_us;
	uint64_t failed;
};

struct sim_prober {
	bool up;
	uint64_t life;
	int64_t paused_until, restart_at;
	int64_t in_at, out_at; /* newest arrival of a message, either way */
	struct pr_fence fence;
	struct sim_memory of[SIM_SERVERS_MAX];
};
extern struct sim_prober sim_probers[SIM_NODES_MAX];

/* Something that goes on in a prober. */
struct sim_job {
	size_t node;
	uint64_t life;
	struct sim_server *server;
	void (*run)(struct sim_job *j);
	/* a probe */
	uint64_t probe_id;
	int64_t patience_us, began_us, at_us;
	/* a step */
	bool has_step;
	struct ipc_step step; /* owned */
	uint64_t session;
};

int64_t sim_prober_wall_us(size_t node);
struct sim_job *sim_job_new(size_t node, struct sim_server *s, void (*run)(struct sim_job *j));
void sim_job_free(void *arg);
void sim_job_run(void *arg);
/* The prober goes on with it in a while, unless it has ended by then. */
void sim_job_go_on(struct sim_job *j, int64_t us, void (*run)(struct sim_job *j));
/* When a message arrives: they keep their order. */
int64_t sim_prober_arrival(int64_t *last);
/* --- sim_prober_probe.c */
void sim_probe_taken(struct sim_job *j);
void sim_ping(struct sim_job *j);

#endif
