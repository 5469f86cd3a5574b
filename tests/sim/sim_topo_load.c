/* sim_topo_load.c — a program that writes: one transaction after the other on whatever server takes writes. It keeps what
 * was acknowledged. With semi-sync a commit is acknowledged when a replica has received it, or never here. */
#include <stdlib.h>

#include "base/mem.h"
#include "sim_topo.h"

static struct {
	size_t at; /* server written on last */
} load;

static bool
takes_writes(const struct sim_server *s)
{
	return sim_server_runs(s) && !s->read_only && s->crowded_until <= sim.now;
}

static void
on_write(void *arg)
{
	struct sim_txn t;

	if (!takes_writes(&topo.s[load.at]))
		load.at = (load.at + 1) % topo.n;
	if (takes_writes(&topo.s[load.at]))
		sim_server_write(&topo.s[load.at], &t);
	sim_after(sim_between(20, 150) * CLK_MS, NULL, on_write, NULL, arg);
}

void
sim_load_start(void)
{
	load.at = 0;
	sim_after(CLK_S, NULL, on_write, NULL, NULL);
}

void
sim_load_done(void)
{
}
