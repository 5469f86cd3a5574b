/* sim_topo_mutants.c — the deliberate mistakes of sim_mutants.def in detection and recoveries, put in between raftd's modules
 * by the linker's --wrap (meson.build). Two more are sim_prober.c's: unfenced, redispatch. */
#include <stdio.h>
#include <string.h>

#include "detect/rd_verdict.h"
#include "detect/rd_voter.h"
#include "rd_recover.h"
#include "recovery/rd_plan.h"
#include "sim_topo.h"
#include "state/rd_records.h"

enum rd_loss __real_rd_loss_of(const struct rd_recovery_input *in, const struct rd_haves *haves,
			       const struct rd_set *has, int64_t now_us, struct mem_arena *arena, const char **ret_why,
			       const char **ret_lost);
enum rd_loss __wrap_rd_loss_of(const struct rd_recovery_input *in, const struct rd_haves *haves,
			       const struct rd_set *has, int64_t now_us, struct mem_arena *arena, const char **ret_why,
			       const char **ret_lost);
const char *__real_rd_records_cluster_id(const struct rd_state *s, const char *cluster_name);
const char *__wrap_rd_records_cluster_id(const struct rd_state *s, const char *cluster_name);
void __real_rd_records_decided(const struct rd_state *s, struct rd_recovery_server *row);
void __wrap_rd_records_decided(const struct rd_state *s, struct rd_recovery_server *row);
void __real_rd_voter_facts(struct rd_voter *v, struct mono answered, struct mono now, struct wall wall,
			   struct rd_facts *ret);
void __wrap_rd_voter_facts(struct rd_voter *v, struct mono answered, struct mono now, struct wall wall,
			   struct rd_facts *ret);
void __real_rd_judge(struct rd_case *c, struct rd_finding *ret);
void __wrap_rd_judge(struct rd_case *c, struct rd_finding *ret);
void __real_rd_plan_build(enum rd_plan_phase phase, const struct rd_recovery_input *in, const struct rd_haves *haves,
			  const struct rd_choice *choice, struct mem_arena *arena, struct rd_plan *ret);
void __wrap_rd_plan_build(enum rd_plan_phase phase, const struct rd_recovery_input *in, const struct rd_haves *haves,
			  const struct rd_choice *choice, struct mem_arena *arena, struct rd_plan *ret);

void
__wrap_rd_records_decided(const struct rd_state *s, struct rd_recovery_server *row)
{
	__real_rd_records_decided(s, row);
	if (sim.mutant == SIM_MUTANT_NO_RULES)
		row->promotion_rule = "";
}

const char *
__wrap_rd_records_cluster_id(const struct rd_state *s, const char *cluster_name)
{
	return sim.mutant == SIM_MUTANT_LOCK_BY_NAME ? cluster_name : __real_rd_records_cluster_id(s, cluster_name);
}

/* What the node concluded at its last probe, however long ago. */
void
__wrap_rd_voter_facts(struct rd_voter *v, struct mono answered, struct mono now, struct wall wall, struct rd_facts *ret)
{
	const struct rd_server *s = NULL;

	__real_rd_voter_facts(v, answered, now, wall, ret);
	for (size_t i = 0; i < topo.n; i++) {
		if (rd_voter_is_server(v, &topo.s[i].key))
			s = rd_model_find(&sim.cur->node.model, &topo.s[i].key);
	}
	if (sim.mutant != SIM_MUTANT_VOTE_ON_CODES || s == NULL)
		return;
	ret->evidence = s->last.evidence;
	ret->failed = s->found ? 0 : RD_VOTER_TRIES_MAX;
	ret->span_us = CLK_S;
}

/* A majority that concluded "dead" outvotes whoever was answered. */
static void
outvote(const struct rd_case *c, struct rd_ballot *v)
{
	for (size_t i = 0; i < c->n_ballots; i++) {
		const struct rd_facts *f = c->ballots[i].facts;
		v[i] = c->ballots[i];
		if (f != NULL && rd_reach_judge(f->evidence, f->failed, f->span_us, f->longest_us) != RD_REACH_FAILED)
			v[i].facts = NULL;
	}
}

void
__wrap_rd_judge(struct rd_case *c, struct rd_finding *ret)
{
	const struct rd_ballot *all = c->ballots;
	struct rd_ballot v[SIM_NODES_MAX];

	if (sim.mutant == SIM_MUTANT_VOTE_ON_CODES) {
		outvote(c, v);
		c->ballots = v;
	}
	__real_rd_judge(c, ret);
	c->ballots = all;
}

enum rd_loss
__wrap_rd_loss_of(const struct rd_recovery_input *in, const struct rd_haves *haves, const struct rd_set *has,
		  int64_t now_us, struct mem_arena *arena, const char **ret_why, const char **ret_lost)
{
	struct rd_recovery_input liar = *in;
	struct rd_haves all = *haves;
	struct rd_have *v = mem_arena_alloc(arena, (haves->n + 1) * sizeof(*v));
	struct rd_recovery_server *s = mem_arena_alloc(arena, (haves->n + 1) * sizeof(*s));

	if (sim.mutant == SIM_MUTANT_LOSS_DEGRADED) {
		liar.failed.semi_sync_source_status = true;
		liar.failed.semi_sync_since_us = now_us;
	}
	if (sim.mutant == SIM_MUTANT_LOSS_ENABLED) {
		for (size_t i = 0; i < haves->n; i++) {
			v[i] = haves->v[i];
			s[i] = *haves->v[i].server;
			s[i].semi_sync_acks = s[i].semi_sync_replica_enabled;
			s[i].uptime = 1000000;
			v[i].drops_relay_log = false;
			v[i].server = &s[i];
		}
		all.v = v;
	}
	return __real_rd_loss_of(&liar, &all, has, now_us, arena, ret_why, ret_lost);
}

static void
stop_and_start(const struct rd_recovery_server *s, struct mem_arena *arena, struct rd_plan *plan)
{
	char id[24];
	struct rd_step *v = mem_arena_alloc(arena, (plan->steps.n + 2) * sizeof(*v));

	for (size_t i = 0; i < plan->steps.n; i++) {
		v[i + 2] = plan->steps.v[i];
		v[i + 2].number += 2;
		v[i + 2].after = v[i + 2].after == 0 ? 2 : v[i + 2].after + 2;
		v[i + 2].and_after += v[i + 2].and_after == 0 ? 0 : 2;
	}
	(void)snprintf(id, sizeof(id), "%llu", (unsigned long long)s->server_id);
	for (size_t i = 0; i < 2; i++) {
		v[i] = plan->steps.v[0];
		v[i].number = i + 1;
		v[i].key = s->key;
		v[i].precondition = mem_arena_strndup(arena, id, strlen(id));
		v[i].statement = topo_step_name(i == 0 ? TOPO_STEP_STOP_REPLICA : TOPO_STEP_START_REPLICA);
		v[i].args = (struct rec_text_list){0};
		v[i].after = i;
		v[i].and_after = 0;
		v[i].within_ms = 10000;
	}
	plan->steps.v = v;
	plan->steps.n += 2;
}

void
__wrap_rd_plan_build(enum rd_plan_phase phase, const struct rd_recovery_input *in, const struct rd_haves *haves,
		     const struct rd_choice *choice, struct mem_arena *arena, struct rd_plan *ret)
{
	__real_rd_plan_build(phase, in, haves, choice, arena, ret);
	if (sim.mutant == SIM_MUTANT_START_BOTH && phase == RD_PHASE_PREPARE && topo.mariadb && ret->steps.n > 0)
		stop_and_start(choice->donor != NULL ? choice->donor : choice->chosen->server, arena, ret);
	if (sim.mutant == SIM_MUTANT_PROMOTE_EARLY && phase == RD_PHASE_PREPARE)
		ret->steps.n = 0;
}
