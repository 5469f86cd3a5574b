/* sim_main.c — runs of the simulation and what they say. One seed is one run: a group is founded, lives for a minute of
 * virtual time among faults, then is left alone and must heal completely within two minutes.
 *
 *   sim --seed N [-v]             one run; -v: its whole trace on stderr
 *   sim --from A --to B           many; ends at the first violation. --table: how often each fault happened; with
 *                                 --complete a fault that never did is a failure
 *   sim --replay N                a seed twice: the traces must be equal; prints the trace's hash
 *   sim --topology ...            the same with servers below the nodes (sim_topo.h)
 *   sim --mutant NAME ...         with a deliberate mistake; sim --mutants: each must be caught within its seeds
 *
 * Exit codes: 0 fine, 1 violation (or a mutant that was not caught, a trace that differs), 64 usage. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sim_topo.h"

#define FAULTS_US (62 * CLK_S)
#define HEAL_US (120 * CLK_S)
#define STEPS_MAX 20000000 /* a run has about 100 000 */
#define LINES_SHOWN 120

static const struct {
	const char *name, *what;
} fault_texts[] =
    {
#define SIM_FAULT(NAME, what, weight) {#NAME, what},
#include "sim_faults.def"
#undef SIM_FAULT
},
  point_texts[] = {
#define SIM_POINT(NAME, what) {#NAME, what},
#include "sim_points.def"
#undef SIM_POINT
};

static const struct {
	const char *name, *what;
	bool topology;
	uint64_t seeds;
} mutants[] = {
#define SIM_MUTANT(NAME, name, topology, seeds, what) {#name, what, topology, seeds},
#include "sim_mutants.def"
#undef SIM_MUTANT
};

struct totals {
	uint64_t runs, steps, faults, faults_min, acked, heal_max_us;
	uint64_t by_kind[SIM_FAULT_COUNT], by_point[SIM_POINT_COUNT];
	uint64_t by_topo[SIM_TOPO_FAULT_COUNT], by_moment[SIM_MOMENT_COUNT];
	uint64_t recoveries, promotions, proven, undone, server_steps;
};

/* What a killed process can't free: contexts of callbacks that will not come. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:rd_group_snapshot_send\nleak:begin_receiving\nleak:rd_show\nleak:ask\n";
}

/* With servers below the nodes: --topology. */
static bool topology;

/* --- one run --- */
static void
set_up(uint64_t seed, enum sim_mutant mutant)
{
	static const int per_mille[] = {0, 2, 10, 50};
	size_t spares;

	memset(&sim, 0, sizeof(sim));
	sim.seed = seed;
	sim.rng = seed * 0x9e3779b97f4a7c15 + 1;
	sim.mutant = mutant;
	sim_trace_reset();
	sim_net_init();
	sim_check_init();
	sim.founders = sim_chance(650) ? 3 : 5;
	spares = topology ? 0 : sim_rand(3);
	sim.n = sim.founders + spares;
	sim.loss = per_mille[sim_rand(4)];
	sim.duplicate = per_mille[sim_rand(4)];
	sim.reorder = per_mille[sim_rand(4)];
	sim.net_us = sim_between(100, 8000);
	memset(&topo, 0, sizeof(topo));
	if (topology)
		sim_servers_start();
	for (size_t i = 0; i < sim.n; i++)
		sim_node_init(&sim.nodes[i], i, i >= sim.founders, i > sim.founders);
	sim_trace("seed %llu: %zu founders, %zu spares, loss %d, doubled %d, overtaken %d per mille, %lld us",
		  (unsigned long long)seed, sim.founders, spares, sim.loss, sim.duplicate, sim.reorder,
		  (long long)sim.net_us);
	sim_nemesis_start();
	if (!topology) {
		sim_clients_start();
		return;
	}
	sim_probers_start();
	sim_load_start();
	sim_topo_check_start();
	sim_topo_faults_start();
}

static void
tear_down(void)
{
	bool failed = sim.failed;

	for (size_t i = 0; i < sim.n; i++)
		sim_node_done(&sim.nodes[i]);
	sim_world_done();
	sim_clients_done();
	sim_check_done();
	sim_probers_done();
	sim_brains_done();
	sim_servers_done();
	sim_topo_check_done();
	sim.failed = failed;
}

static int64_t
heal(void)
{
	int64_t from = sim.now, look = sim.now;
	char why[160] = "";

	sim_nemesis_rest();
	if (topology)
		sim_topo_rest();
	while (sim_step()) {
		if (sim.now < look)
			continue;
		look = sim.now + 20 * CLK_MS;
		if (sim_all_well(why, sizeof(why)) && (!topology || sim_topo_all_well(why, sizeof(why))))
			break;
		if (sim.now - from > HEAL_US)
			sim_fail("not healed after %d s without faults: %s", (int)(HEAL_US / CLK_S), why);
	}
	if (!sim.failed)
		sim_clients_check_all();
	return sim.now - from;
}

static void
add_servers(struct totals *t)
{
	for (size_t i = 0; i < SIM_TOPO_FAULT_COUNT; i++)
		t->by_topo[i] += topo.faults[i];
	for (size_t i = 0; i < SIM_MOMENT_COUNT; i++)
		t->by_moment[i] += topo.moments[i];
	t->recoveries += topo.recoveries;
	t->promotions += topo.promotions;
	t->proven += topo.proven;
	t->undone += topo.undone;
	t->server_steps += topo.steps;
}

static void
run(uint64_t seed, enum sim_mutant mutant, struct totals *t)
{
	int64_t healed;

	set_up(seed, mutant);
	while (sim.now < FAULTS_US && sim_step()) {
		if (sim.step > STEPS_MAX)
			sim_fail("more than %d steps", STEPS_MAX);
	}
	healed = sim.failed ? 0 : heal();
	sim_trace("end: %llu steps, %zu commands decided, healed in %lld ms", (unsigned long long)sim.step,
		  sim_clients_acked(), (long long)(healed / CLK_MS));
	t->runs++;
	t->steps += sim.step;
	t->faults += sim.n_faults;
	t->faults_min = t->runs == 1 || sim.n_faults < t->faults_min ? sim.n_faults : t->faults_min;
	t->acked += sim_clients_acked();
	t->heal_max_us = (uint64_t)max_i64((int64_t)t->heal_max_us, healed);
	for (size_t i = 0; i < SIM_FAULT_COUNT; i++)
		t->by_kind[i] += sim.faults[i];
	for (size_t i = 0; i < SIM_POINT_COUNT; i++)
		t->by_point[i] += sim.points[i];
	add_servers(t);
	tear_down();
}

static void
say_violation(void)
{
	printf("\nVIOLATION in seed %llu, step %llu, after %lld.%06lld s: %s\nthe newest events:\n",
	       (unsigned long long)sim.seed, (unsigned long long)sim.step, (long long)(sim.now / CLK_S),
	       (long long)(sim.now % CLK_S), sim.violation);
	sim_trace_print(LINES_SHOWN);
	printf("again: sim%s --seed %llu%s%s -v\n", topology ? " --topology" : "", (unsigned long long)sim.seed,
	       sim.mutant == SIM_MUTANT_NONE ? "" : " --mutant ",
	       sim.mutant == SIM_MUTANT_NONE ? "" : mutants[sim.mutant].name);
}

/* An assertion is a violation like any other. */
static void
on_abort(int sig)
{
	(void)sig;
	sim_fail("an assertion failed, or memory is broken: see above");
	say_violation();
	fflush(stdout);
	_exit(1);
}

/* --- many --- */
static bool
say_servers(const struct totals *t)
{
	static const struct {
		const char *name, *what;
	} faults[] =
	    {
#define SIM_TOPO_FAULT(NAME, what, weight) {#NAME, what},
#include "sim_topo_faults.def"
#undef SIM_TOPO_FAULT
	    },
	  moments[] = {
#define SIM_MOMENT(NAME, what) {#NAME, what},
#include "sim_moments.def"
#undef SIM_MOMENT
	  };
	bool complete = t->promotions > 0 && t->proven > 0 && t->undone > 0;

	printf("%-18s %10s\n", "fault", "times");
	for (size_t i = 0; i < SIM_TOPO_FAULT_COUNT; i++) {
		printf("%-18s %10llu  %s\n", faults[i].name, (unsigned long long)t->by_topo[i], faults[i].what);
		complete = complete && t->by_topo[i] > 0;
	}
	for (size_t i = 0; i < SIM_MOMENT_COUNT; i++) {
		printf("%-18s %10llu  %s\n", moments[i].name, (unsigned long long)t->by_moment[i], moments[i].what);
		complete = complete && t->by_moment[i] > 0;
	}
	return complete;
}

static bool
say_table(const struct totals *t)
{
	bool complete = true;

	printf("%-18s %10s\n", "fault", "times");
	for (size_t i = 0; i < SIM_FAULT_COUNT; i++) {
		printf("%-18s %10llu  %s\n", fault_texts[i].name, (unsigned long long)t->by_kind[i],
		       fault_texts[i].what);
		complete = complete && t->by_kind[i] > 0;
	}
	printf("%-18s %10s\n", "killed at", "times");
	for (size_t i = 0; i < SIM_POINT_COUNT; i++) {
		printf("%-18s %10llu  %s\n", point_texts[i].name, (unsigned long long)t->by_point[i],
		       point_texts[i].what);
		complete = complete && t->by_point[i] > 0;
	}
	return complete;
}

static int
run_many(uint64_t from, uint64_t to, enum sim_mutant mutant, bool table, bool must_be_complete)
{
	struct totals t = {0};
	bool complete = true;

	for (uint64_t seed = from; seed <= to; seed++) {
		run(seed, mutant, &t);
		if (!sim.failed)
			continue;
		say_violation();
		return 1;
	}
	if (table)
		complete = topology ? say_servers(&t) : say_table(&t);
	if (topology)
		printf(
		    "%llu recoveries began, %llu promoted a server (%llu without loss, as they say), %llu were undone; "
		    "%llu statements\n",
		    (unsigned long long)t.recoveries, (unsigned long long)t.promotions, (unsigned long long)t.proven,
		    (unsigned long long)t.undone, (unsigned long long)t.server_steps);
	printf("seeds %llu to %llu: no violation; %llu steps, %llu faults (at least %llu in a run), %llu commands "
	       "decided, "
	       "healed within %llu ms\n",
	       (unsigned long long)from, (unsigned long long)to, (unsigned long long)t.steps,
	       (unsigned long long)t.faults, (unsigned long long)t.faults_min, (unsigned long long)t.acked,
	       (unsigned long long)t.heal_max_us / CLK_MS);
	if (must_be_complete && !complete)
		printf("some fault never happened: its line above says 0\n");
	return must_be_complete && !complete ? 1 : 0;
}

static int
replay(uint64_t seed, enum sim_mutant mutant)
{
	struct totals t = {0};
	uint64_t hash[2];

	for (size_t i = 0; i < 2; i++) {
		run(seed, mutant, &t);
		hash[i] = sim_trace_hash();
	}
	printf("seed %llu trace %016llx %016llx\n", (unsigned long long)seed, (unsigned long long)hash[0],
	       (unsigned long long)hash[1]);
	return hash[0] == hash[1] ? 0 : 1;
}

static int
catch_mutants(void)
{
	bool which = topology;
	int rc = 0;

	for (size_t m = 1; m < ARRAY_LEN(mutants); m++) {
		if (mutants[m].topology != which)
			continue;
		struct totals t = {0};
		uint64_t seed = 1;
		for (; seed <= mutants[m].seeds; seed++) {
			run(seed, (enum sim_mutant)m, &t);
			if (sim.failed)
				break;
		}
		if (seed > mutants[m].seeds)
			rc = 1;
		printf("%-12s %s: %s", mutants[m].name, seed > mutants[m].seeds ? "NOT CAUGHT" : "caught",
		       mutants[m].what);
		if (seed <= mutants[m].seeds)
			printf("\n             by seed %llu: %s", (unsigned long long)seed, sim.violation);
		printf("\n");
		fflush(stdout);
	}
	return rc;
}

static int
usage(void)
{
	fprintf(stderr, "usage: sim --seed N | --from A --to B [--table] [--complete] | --replay N | --mutants; "
			"[--topology] [--mutant NAME] [-v]\n");
	return 64;
}

static enum sim_mutant
mutant_named(const char *name)
{
	for (size_t m = 0; m < ARRAY_LEN(mutants); m++) {
		if (strcmp(mutants[m].name, name) == 0)
			return (enum sim_mutant)m;
	}
	fprintf(stderr, "no mutant %s\n", name);
	exit(64);
}

int
main(int argc, char **argv)
{
	uint64_t from = 0, to = 0, again = 0;
	bool table = false, complete = false, all_mutants = false;
	enum sim_mutant mutant = SIM_MUTANT_NONE;

	(void)signal(SIGABRT, on_abort);
	(void)signal(SIGSEGV, on_abort);
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		if (strcmp(argv[i], "-v") == 0)
			sim_verbose = true;
		else if (strcmp(argv[i], "--table") == 0)
			table = true;
		else if (strcmp(argv[i], "--complete") == 0)
			table = complete = true;
		else if (strcmp(argv[i], "--topology") == 0)
			topology = true;
		else if (strcmp(argv[i], "--mutants") == 0)
			all_mutants = true;
		else if (i + 1 == argc)
			return usage();
		else if (strcmp(argv[i], "--seed") == 0)
			from = to = strtoull(value, NULL, 10), i++;
		else if (strcmp(argv[i], "--from") == 0)
			from = strtoull(value, NULL, 10), i++;
		else if (strcmp(argv[i], "--to") == 0)
			to = strtoull(value, NULL, 10), i++;
		else if (strcmp(argv[i], "--replay") == 0)
			again = strtoull(value, NULL, 10), i++;
		else if (strcmp(argv[i], "--mutant") == 0)
			mutant = mutant_named(value), i++;
		else
			return usage();
	}
	if (all_mutants)
		return catch_mutants();
	if (again != 0)
		return replay(again, mutant);
	return from == 0 || to < from ? usage() : run_many(from, to, mutant, table, complete);
}
