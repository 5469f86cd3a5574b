/* sim_world.c — virtual time: a heap of events, the seeded random numbers, and the nodes' clocks. Owns the heap. Events
 * of a node whose process has ended since are dropped, those of a stopped one wait until it goes on. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim.h"

struct sim sim;

/* --- chance: splitmix64 --- */
uint64_t
sim_rand(uint64_t below)
{
	uint64_t z = sim.rng += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return below == 0 ? 0 : z % below;
}

int64_t
sim_between(int64_t from, int64_t to)
{
	return from + (int64_t)sim_rand((uint64_t)(to - from + 1));
}

bool
sim_chance(unsigned per_mille)
{
	return sim_rand(1000) < per_mille;
}

/* --- events --- */
static bool
earlier(const struct sim_event *a, const struct sim_event *b)
{
	return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void
push(struct sim_event e)
{
	size_t at = sim.n_heap;

	mem_grow(sim.heap, sim.cap_heap, sim.n_heap + 1);
	sim.n_heap++;
	for (; at > 0 && earlier(&e, &sim.heap[(at - 1) / 2]); at = (at - 1) / 2)
		sim.heap[at] = sim.heap[(at - 1) / 2];
	sim.heap[at] = e;
}

static struct sim_event
pop(void)
{
	struct sim_event top = sim.heap[0], last = sim.heap[--sim.n_heap];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= sim.n_heap)
			break;
		if (child + 1 < sim.n_heap && earlier(&sim.heap[child + 1], &sim.heap[child]))
			child++;
		if (!earlier(&sim.heap[child], &last))
			break;
		sim.heap[at] = sim.heap[child];
		at = child;
	}
	if (sim.n_heap > 0)
		sim.heap[at] = last;
	return top;
}

void
sim_at(int64_t at, struct sim_node *n, void (*run)(void *arg), void (*drop)(void *arg), void *arg)
{
	struct sim_event e = {.at = at < sim.now ? sim.now : at,
			      .seq = ++sim.seq,
			      .node = n,
			      .life = n == NULL ? 0 : n->life,
			      .run = run,
			      .drop = drop,
			      .arg = arg};

	push(e);
}

static void
drop(const struct sim_event *e)
{
	if (e->drop != NULL)
		e->drop(e->arg);
}

static void
run_on_node(const struct sim_event *e)
{
	struct sim_node *n = e->node;

	sim.cur = n;
	e->run(e->arg);
	sim.cur = NULL;
	if (n->dying)
		sim_node_kill(n, "killed there");
	else if (n->up)
		sim_check_step(n);
	if (n->up && n->exit_code >= 0)
		sim_node_kill(n, "it ends by itself");
}

bool
sim_step(void)
{
	struct sim_event e;

	if (sim.failed || sim.n_heap == 0)
		return false;
	e = pop();
	ASSERT(e.at >= sim.now);
	sim.now = e.at;
	sim.step++;
	if (e.node == NULL) {
		e.run(e.arg);
	} else if (!e.node->up || e.node->life != e.life) {
		drop(&e);
	} else if (e.node->paused_until > sim.now) {
		e.at = e.node->paused_until; /* seq stays: the order does */
		push(e);
	} else {
		run_on_node(&e);
	}
	return !sim.failed;
}

void
sim_world_done(void)
{
	while (sim.n_heap > 0) {
		struct sim_event e = pop();
		drop(&e);
	}
	free(sim.heap);
	sim.heap = NULL;
	sim.cap_heap = 0;
}

/* --- clocks --- */
struct mono
sim_local(const struct sim_node *n)
{
	return (struct mono){n->local_us + (sim.now - n->since_us) * n->rate / 1000};
}

int64_t
sim_true_us(const struct sim_node *n, struct mono local)
{
	int64_t ahead = local.us - sim_local(n).us;

	return ahead <= 0 ? sim.now : sim.now + (ahead * 1000 + n->rate - 1) / n->rate;
}

void
sim_set_rate(struct sim_node *n, int64_t rate)
{
	n->local_us = sim_local(n).us;
	n->since_us = sim.now;
	n->rate = rate;
}
