/* sim_mutants.c — between the modules of raftd, by the linker's --wrap (meson.build): what the invariants watch, what
 * the simulation makes smaller (trailing entries, caches, slices), and the deliberate mistakes of sim_mutants.def. */
#include <string.h>

#include "consensus/rd_raft_private.h"
#undef RD_HELD_MAX /* of another module as well */
#include "sim.h"

struct rd_raft *__real_rd_raft_new(const struct rd_raft_conf *conf, const struct rd_raft_out *out);
struct rd_raft *__wrap_rd_raft_new(const struct rd_raft_conf *conf, const struct rd_raft_out *out);
bool __real_rd_raft_silent(const struct rd_raft *r);
bool __wrap_rd_raft_silent(const struct rd_raft *r);
void __real_rd_raft_hold(struct rd_raft *r, const char *to_name, const struct rd_raft_msg *m, bool snapshot);
void __wrap_rd_raft_hold(struct rd_raft *r, const char *to_name, const struct rd_raft_msg *m, bool snapshot);
struct mono __real_rd_lease_claim(struct rd_lease *l, uint64_t term, bool open_term, struct mono evidence, int64_t us);
struct mono __wrap_rd_lease_claim(struct rd_lease *l, uint64_t term, bool open_term, struct mono evidence, int64_t us);
int __real_rd_raft_msg_encode(struct codec_out *o, const struct rd_raft_msg *m, struct err *e);
int __wrap_rd_raft_msg_encode(struct codec_out *o, const struct rd_raft_msg *m, struct err *e);
void __real_rd_found_decide(const struct rd_found_in *in, struct rd_found_out *out);
void __wrap_rd_found_decide(const struct rd_found_in *in, struct rd_found_out *out);
int __real_rd_proposer_entry(struct rd_proposer *p, struct rd_entry_at at, const void *b, size_t n, struct err *e);
int __wrap_rd_proposer_entry(struct rd_proposer *p, struct rd_entry_at at, const void *b, size_t n, struct err *e);
void __real_rd_proposer_barrier(struct rd_proposer *p, struct rd_entry_at at);
void __wrap_rd_proposer_barrier(struct rd_proposer *p, struct rd_entry_at at);
void __real_rd_proposer_install(struct rd_proposer *p, struct rd_state *state);
void __wrap_rd_proposer_install(struct rd_proposer *p, struct rd_state *state);
int __real_rd_apply(struct rd_state *s, const struct rd_command *c, struct rd_entry_at at, struct rd_applied *ret,
		    struct err *e);
int __wrap_rd_apply(struct rd_state *s, const struct rd_command *c, struct rd_entry_at at, struct rd_applied *ret,
		    struct err *e);
bool __real_rd_snapshot_dump_step(struct rd_snapshot_dump *d, size_t budget, struct codec_out *out);
bool __wrap_rd_snapshot_dump_step(struct rd_snapshot_dump *d, size_t budget, struct codec_out *out);

/* --- the member --- */
struct rd_raft *
__wrap_rd_raft_new(const struct rd_raft_conf *conf, const struct rd_raft_out *out)
{
	struct rd_raft_conf small = *conf;

	small.trailing = 1 + sim_rand(60);
	small.cache_bytes = 200 + sim_rand(20000);
	small.batch_bytes = 200 + sim_rand(4000);
	return __real_rd_raft_new(&small, out);
}

bool
__wrap_rd_raft_silent(const struct rd_raft *r)
{
	return sim.mutant == SIM_MUTANT_VOTE_AT_ONCE ? mono_before(r->now, r->lease.end) : __real_rd_raft_silent(r);
}

void
__wrap_rd_raft_hold(struct rd_raft *r, const char *to_name, const struct rd_raft_msg *m, bool snapshot)
{
	if (sim.mutant == SIM_MUTANT_SEND_EARLY && !snapshot)
		r->out.send(r->out.ctx, m->to, to_name, m);
	else
		__real_rd_raft_hold(r, to_name, m, snapshot);
}

struct mono
__wrap_rd_lease_claim(struct rd_lease *l, uint64_t term, bool open_term, struct mono evidence, int64_t us)
{
	if (sim.mutant == SIM_MUTANT_LONG_LEASE)
		us = us * 130 / RD_LEASE_PERCENT;
	return __real_rd_lease_claim(l, term, open_term, evidence, us);
}

int
__wrap_rd_raft_msg_encode(struct codec_out *o, const struct rd_raft_msg *m, struct err *e)
{
	sim_check_sent(sim.cur, m);
	return __real_rd_raft_msg_encode(o, m, e);
}

void
__wrap_rd_found_decide(const struct rd_found_in *in, struct rd_found_out *out)
{
	struct rd_found_in liar = *in;
	struct rd_found_peer peers[RN_PEERS_MAX];

	if (sim.mutant == SIM_MUTANT_REFOUND) {
		for (size_t i = 0; i < in->n_peers; i++) {
			peers[i] = in->peers[i];
			peers[i].state = RD_FOUND_BLANK;
		}
		liar.peers = peers;
	}
	__real_rd_found_decide(&liar, out);
}

/* --- memory --- */
int
__wrap_rd_proposer_entry(struct rd_proposer *p, struct rd_entry_at at, const void *b, size_t n, struct err *e)
{
	uint64_t before = rd_state_index(rd_proposer_state(p));
	int rc = __real_rd_proposer_entry(p, at, b, n, e);

	if (at.index != before + 1)
		sim_fail("n%zu applies index %llu after %llu", sim.cur->i, (unsigned long long)at.index,
			 (unsigned long long)before);
	if (rc == 0)
		sim_check_applied(sim.cur, rd_proposer_state(p), at, sim_print(b, n, 1));
	return rc;
}

void
__wrap_rd_proposer_barrier(struct rd_proposer *p, struct rd_entry_at at)
{
	__real_rd_proposer_barrier(p, at);
	sim_check_applied(sim.cur, rd_proposer_state(p), at, 0);
}

void
__wrap_rd_proposer_install(struct rd_proposer *p, struct rd_state *state)
{
	sim_check_state(sim.cur, state, "received snapshot");
	__real_rd_proposer_install(p, state);
}

int
__wrap_rd_apply(struct rd_state *s, const struct rd_command *c, struct rd_entry_at at, struct rd_applied *ret,
		struct err *e)
{
	struct rd_command by_own_clock = *c;
	struct rd_cmd_tick tick;
	int rc;

	if (sim.mutant == SIM_MUTANT_LOCAL_CLOCK && c->op == RD_OP_TICK) {
		int64_t now_us = clk_wall(&sim.cur->clock).us;
		tick = *(const struct rd_cmd_tick *)c->payload;
		tick.downtimes_before_us = tick.maintenances_before_us = now_us;
		by_own_clock.payload = &tick;
	}
	rc = __real_rd_apply(s, &by_own_clock, at, ret, e);
	sim_check_fresh(sim.cur, c->uid, at.index, ret->duplicate);
	return rc;
}

bool
__wrap_rd_snapshot_dump_step(struct rd_snapshot_dump *d, size_t budget, struct codec_out *out)
{
	(void)budget;
	return __real_rd_snapshot_dump_step(d, 800, out);
}
