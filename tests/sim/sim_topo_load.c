/* sim_topo_load.c — a program that writes: one transaction after the other on whatever server takes writes. It keeps what
 * was acknowledged. With semi-sync a commit is acknowledged when so many replicas have received it, or after the time-out,
 * which ends waiting until replicas have caught up; or never, when its server dies before. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim_topo.h"

static struct {
	size_t at; /* server written on last */
	bool waits;
	struct sim_txn txn;
	int64_t since;
	struct sim_set told;
} load;

static bool
takes_writes(const struct sim_server *s)
{
	return sim_server_runs(s) && !s->read_only && s->crowded_until <= sim.now;
}

size_t
sim_load_acks(const struct sim_server *s, const struct sim_txn *t)
{
	size_t n = 0;

	for (size_t i = 0; i < topo.n; i++) {
		const struct sim_server *r = &topo.s[i];
		n += r->acks_here && r->connected && r->source == s->i && !r->detached &&
		     (t == NULL || sim_set_has(&r->received, t));
	}
	return n;
}

bool
sim_load_waits(const struct sim_server *s)
{
	return load.waits && load.at == s->i;
}

const struct sim_set *
sim_load_told(void)
{
	return &load.told;
}

void
sim_load_ended(const struct sim_server *s)
{
	load.waits = load.waits && load.at != s->i;
}

void
sim_load_copied(const struct sim_server *s)
{
	if (load.told.n[s->i] > s->executed.n[s->i])
		load.told.n[s->i] = s->executed.n[s->i];
}

static void
tell(struct sim_server *s)
{
	load.waits = false;
	if (load.told.n[s->i] < load.txn.n)
		load.told.n[s->i] = load.txn.n;
}

/* Stopped processes acknowledge nothing. */
static void
look(struct sim_server *s)
{
	if (!sim_server_runs(s))
		return;
	if (s->degraded) {
		tell(s);
	} else if (sim_load_acks(s, &load.txn) >= topo.ack_count) {
		s->n_acked++;
		tell(s);
	} else if (sim.now - load.since >= topo.ack_timeout_us) {
		sim_trace("%s: semi-sync has timed out", s->host);
		s->degraded = true;
		tell(s);
	}
}

/* Its replicas have caught up. */
static void
look_for_replicas(struct sim_server *s)
{
	const struct sim_txn newest = {s->i, s->executed.n[s->i], 0};

	s->degraded = s->degraded && sim_load_acks(s, &newest) < topo.ack_count;
}

static void
write_one(struct sim_server *s)
{
	look_for_replicas(s);
	sim_server_write(s, &load.txn);
	load.since = sim.now;
	load.waits = topo.semi_sync && !s->degraded;
	if (!load.waits)
		tell(s);
}

static void
on_write(void *arg)
{
	if (load.waits) {
		look(&topo.s[load.at]);
	} else {
		if (!takes_writes(&topo.s[load.at]))
			load.at = (load.at + 1) % topo.n;
		if (takes_writes(&topo.s[load.at]))
			write_one(&topo.s[load.at]);
	}
	sim_after(load.waits ? 5 * CLK_MS : sim_between(20, 150) * CLK_MS, NULL, on_write, NULL, arg);
}

void
sim_load_start(void)
{
	memset(&load, 0, sizeof(load));
	sim_after(CLK_S, NULL, on_write, NULL, NULL);
}
