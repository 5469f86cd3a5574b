/* sim_brain.c — the parts of struct rd_node that detect and recover, for nodes of runs with --topology: made and ended with
 * the process, ticked like rd_house.c does. Names, inventory, rows, hooks' processes and the log of what was published are
 * left out: their functions stand here, and do nothing. Owns nothing that outlives a process. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "hooks/rd_hooks.h"
#include "rd_recoveries_private.h"
#include "rd_sidelines.h"
#include "sim_topo.h"
#include "topo/key.h"

/* --- what rd_work.c and its kin expect of the others --- */
const char *
rd_names_resolve(struct rd_node *n UNUSED, const char *host)
{
	return host;
}

bool
rd_names_park(struct rd_node *n UNUSED, const struct topo_probe *p UNUSED)
{
	return false;
}

void
rd_names_own_key(struct rd_node *n UNUSED, const struct topo_probe *p, const char *host, struct topo_key *ret)
{
	rec_init(&topo_key_desc, ret);
	topo_key_set(ret, host, p->asked_key.port);
}

void
rd_discover_neighbours(struct rd_node *n UNUSED, const struct topo_instance *inst UNUSED)
{
}

void
rd_discover_list(struct rd_node *n UNUSED, const struct topo_key *key UNUSED, bool now UNUSED)
{
}

void
rd_discover_drop_candidate(struct rd_node *n UNUSED, const struct topo_key *key UNUSED)
{
}

void
rd_discover_forget(struct rd_node *n UNUSED, const struct topo_key_list *keys UNUSED, const char *type UNUSED,
		   const char *message UNUSED)
{
}

void
rd_sidelines(struct rd_node *n UNUSED, struct rd_server *s UNUSED, const struct topo_probe *p UNUSED)
{
}

void
rd_flush_row(struct rd_node *n UNUSED, enum rd_change_kind kind UNUSED, enum db_table table UNUSED,
	     const void *row UNUSED)
{
}

void
rd_flush_soon(struct rd_node *n UNUSED)
{
}

void
rd_flush_now(struct rd_node *n UNUSED)
{
}

void
rd_link_tell(struct rd_node *n UNUSED)
{
}

void
rd_reply_promoted(struct rd_node *n UNUSED, struct rd_req req UNUSED, uint64_t index UNUSED,
		  const struct topo_key *promoted UNUSED, const char *message UNUSED)
{
}

bool
rd_node_leads(struct rd_node *n)
{
	return n->decide != NULL && !n->stopping && n->group != NULL && rd_group_leads(n->group);
}

/* --- steps leave raftd --- */
int __wrap_ipc_send(struct ipc_link *l, uint32_t type, const void *msg, struct err *e);

/* The link is the node: nothing else has one here. */
int
__wrap_ipc_send(struct ipc_link *l, uint32_t type, const void *msg, struct err *e)
{
	ASSERT(type == IPC_STEP);
	return sim_prober_step((struct sim_node *)(void *)l, msg, e);
}

/* --- hooks: nothing is run, it takes its time --- */
struct hook_job {
	struct sim_node *node;
	enum rd_hook_list list;
	char uid[40];
};

struct rd_hooks *
rd_hooks_new(const struct rd_hooks_conf *c UNUSED)
{
	return NULL;
}

void
rd_hooks_free(struct rd_hooks *h UNUSED)
{
}

static void
on_hooks_over(void *arg)
{
	struct hook_job *j = arg;
	struct rd_recoveries *rs = j->node->node.recoveries;
	struct rd_recovering *x = rs == NULL ? NULL : rd_recovering_find(rs, j->uid);

	if (x != NULL && x->r != NULL) {
		rd_recover_hooks_over(x->r, j->list, false);
		rd_recoveries_wake(rs);
	}
	free(j);
}

void
rd_recover_run_hooks(struct rd_recovering *x, enum rd_hook_list list, const struct rd_lost_list *lost UNUSED)
{
	struct hook_job *j = mem_new(struct hook_job);
	bool slow = sim_chance(300);

	j->node = x->rs->n->proc->node;
	j->list = list;
	(void)str_copy(j->uid, sizeof(j->uid), x->uid);
	sim_after(slow ? sim_between(1, 6) * CLK_S : sim_between(500, 20 * CLK_MS), j->node, on_hooks_over, free, j);
}

/* None is configured for detections. */
int
rd_recover_add_hooks(struct rd_recoveries *rs UNUSED, const char *uid UNUSED, enum rd_hook_list list UNUSED,
		     struct rd_hook_values *values UNUSED, rd_hooks_over_fn over UNUSED, struct err *e)
{
	return err_set(e, ERR_UNAVAILABLE, "no hooks are run here");
}

void
rd_recover_tell_left_out(struct rd_recovering *x UNUSED)
{
}

bool
rd_recover_owes_hooks(struct rd_recoveries *rs UNUSED, const struct rd_recovery *r UNUSED)
{
	return false;
}

void
rd_recover_hooks_done(struct rd_recoveries *rs UNUSED)
{
}

/* --- life --- */
void
sim_brain_configure(struct sim_node *n)
{
	static struct conf *defaults;
	static const char *const all[] = {"*"};

	if (defaults == NULL)
		defaults = conf_defaults();
	n->conf = *defaults;
	n->conf.RecoverMasterClusterFilters = (struct conf_strs){all, 1};
	n->conf.RecoveryPeriodBlockSeconds = 5;
	n->conf.InstancePollSeconds = topo.poll_us / CLK_S;
	n->conf.RaftEnabled = true;
}

/* The rows of a node's backend: what it knew when it ended. */
static struct row {
	bool there;
	struct topo_instance inst; /* owned */
} rows[SIM_NODES_MAX][SIM_SERVERS_MAX];

static void
know_servers(struct sim_node *node)
{
	struct rd_model *m = &node->node.model;

	for (size_t i = 0; i < topo.n; i++) {
		struct rd_server *s = rd_model_add(m, &topo.s[i].key);
		struct row *row = &rows[node->i][i];
		rd_model_set_listed(m, s, true);
		if (row->there)
			rd_model_set(m, s, &row->inst);
		row->there = false;
	}
}

static void
keep_rows(struct sim_node *node)
{
	for (size_t i = 0; i < topo.n; i++) {
		const struct rd_server *s = rd_model_find(&node->node.model, &topo.s[i].key);
		if (s == NULL || s->inst.last_seen_us == 0)
			continue;
		rec_dup(&topo_instance_desc, &rows[node->i][i].inst, &s->inst);
		rows[node->i][i].there = true;
	}
}

void
sim_brains_done(void)
{
	for (size_t i = 0; i < SIM_NODES_MAX; i++) {
		for (size_t k = 0; k < SIM_SERVERS_MAX; k++) {
			if (rows[i][k].there)
				rec_done(&topo_instance_desc, &rows[i][k].inst);
			rows[i][k].there = false;
		}
	}
}

void
sim_brain_start(struct sim_node *node)
{
	struct rd_node *n = &node->node;
	struct err e;

	if (rd_rules_new(&node->conf, &n->rules, &e) != 0)
		sim_fail("rules: %s", e.msg);
	rd_model_init(&n->model);
	TAILQ_INIT(&n->asks);
	TAILQ_INIT(&n->parked);
	n->suspect = rd_suspect_new();
	n->steps = rd_steps_new(n);
	n->detect = rd_detect_new(n);
	n->recoveries = rd_recoveries_new(n);
	n->n_probers = 1;
	n->probers = rd_probers_new(1, &sim_prober_ops, node);
	n->prober_doors = mem_calloc(1, sizeof(*n->prober_doors));
	n->prober_doors[0].link = (struct ipc_link *)(void *)node;
	know_servers(node);
	sim_prober_begin(node);
}

/* Only written by rd_flush.c. */
static void
drop_writes(struct rd_model *m)
{
	enum rd_dirty dirty;

	while (rd_model_take(m, &dirty) != NULL)
		;
}

void
sim_brain_end(struct sim_node *node)
{
	struct rd_node *n = &node->node;

	if (n->recoveries == NULL)
		return;
	keep_rows(node);
	rd_recoveries_free(n->recoveries);
	rd_steps_free(n->steps);
	rd_detect_free(n->detect);
	rd_suspect_free(n->suspect);
	rd_probers_free(n->probers);
	drop_writes(&n->model);
	rd_model_done(&n->model);
	rd_rules_free(n->rules);
	free(n->prober_doors);
}

void
sim_brain_tick(struct sim_node *node)
{
	struct rd_node *n = &node->node;

	if (n->recoveries == NULL || n->decide == NULL)
		return;
	drop_writes(&n->model);
	rd_probers_tick(n->probers, rd_mono(n));
	rd_work_suspects(n);
	if (++n->analysing_since.us % 4 != 0) /* of 250 ms; nobody else uses it here */
		return;
	rd_detect_tick(n);
	rd_recoveries_tick(n->recoveries);
}
