/* test_rd_raft_chaos.c — short random lives of small groups: crashes, one-way cuts, loss, duplicates, stuck disks,
 * snapshots, hand-overs, wrong clock rates. raft_group checks its invariants after every event; at the end everything
 * heals and everybody must have everything. A few seeds as a unit test; `test_rd_raft_chaos FROM TO` runs more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "raft_group.h"

static struct group g;
static unsigned seed_from = 1, seed_to = 60;
static size_t done[16];

static void
do_crash(size_t i)
{
	if (g.node[i].r == NULL)
		return;
	group_crash(&g, i);
	g.node[i].state_is_lost = group_random(&g, 2) == 0;
}

static void
do_start(size_t i)
{
	if (g.node[i].r == NULL)
		group_start(&g, i);
}

static void
do_cut(size_t i)
{
	g.cut[i][group_random(&g, (unsigned)g.n)] = true;
}

static void
do_isolate(size_t i)
{
	group_cut_off(&g, i, true);
}

static void
do_heal(size_t i)
{
	(void)i;
	for (size_t a = 0; a < g.n; a++)
		for (size_t b = 0; b < g.n; b++)
			g.cut[a][b] = false;
}

static void
do_submit(size_t i)
{
	(void)i;
	for (size_t k = 0; k < g.n; k++)
		for (unsigned n = group_random(&g, 12); g.node[k].r != NULL && n > 0; n--)
			group_submit_bytes(&g, k, 1 + group_random(&g, 2000));
}

static void
do_snapshot(size_t i)
{
	if (g.node[i].r != NULL)
		group_snapshot(&g, i);
}

static void
do_stick(size_t i)
{
	if (group_random(&g, 2) == 0)
		g.node[i].disk_stuck = true;
	else
		g.node[i].reads_stuck = true;
}

static void
do_unstick(size_t i)
{
	group_unstick(&g, i);
}

static void
do_transfer(size_t i)
{
	struct err e;
	int rc;

	(void)i;
	for (size_t k = 0; k < g.n; k++)
		if (g.node[k].r != NULL) {
			rc =
			    rd_raft_transfer(g.node[k].r, group_now(&g, k), group_random(&g, 2) ? g.node[i].id : 0, &e);
			assert_in_range(-rc, 0, ERR_COUNT);
		}
}

static void
do_step_down(size_t i)
{
	if (g.node[i].r != NULL)
		rd_raft_step_down(g.node[i].r, group_now(&g, i), group_random(&g, 3) * 500 * CLK_MS);
}

static void
do_network(size_t i)
{
	(void)i;
	g.loss_percent = group_random(&g, 3) * 10;
	g.duplicate_percent = group_random(&g, 3) * 10;
	g.delay_us = 200 + group_random(&g, 20000);
}

static void (*const ops[])(size_t i) = {do_crash,   do_start,	do_start,    do_cut,	  do_isolate,  do_heal,
					do_heal,    do_submit,	do_submit,   do_submit,	  do_snapshot, do_stick,
					do_unstick, do_unstick, do_transfer, do_step_down};

static void
heal_everything(void)
{
	do_heal(0);
	g.loss_percent = g.duplicate_percent = 0;
	g.delay_us = 500;
	for (size_t i = 0; i < g.n; i++) {
		do_start(i);
		group_unstick(&g, i);
	}
}

static void
one_life(unsigned seed)
{
	uint64_t index;
	int leader;

	group_init(&g, 3 + 2 * (seed % 2), seed);
	for (size_t i = 0; i < g.n; i++) {
		g.node[i].trailing = 1 + group_random(&g, 40);
		g.node[i].cache_bytes = 1 + group_random(&g, 20000);
		g.node[i].clock_rate = 950 + group_random(&g, 100); /* within 10 % of each other */
	}
	group_start_all(&g);
	for (int step = 0; step < 80; step++) {
		size_t op = group_random(&g, ARRAY_LEN(ops));

		if (group_random(&g, 10) == 0)
			do_network(0);
		ops[op](group_random(&g, (unsigned)g.n));
		done[op]++;
		group_run(&g, group_random(&g, 3) == 0 ? group_random(&g, 1500) : group_random(&g, 60));
	}
	heal_everything();
	group_run(&g, 3000);
	leader = group_wait_leader(&g, -1, 8000);
	assert_int_not_equal(leader, -1);
	index = group_submit(&g, (size_t)leader, "at last");
	assert_int_not_equal(index, 0);
	assert_true(group_wait_applied(&g, index, 5000));
	group_done(&g);
}

static void
test_lives(void **state)
{
	(void)state;
	for (unsigned seed = seed_from; seed <= seed_to; seed++) {
		print_message("seed %u\n", seed);
		one_life(seed);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lives)};

	if (argc == 3) {
		seed_from = (unsigned)strtoul(argv[1], NULL, 10);
		seed_to = (unsigned)strtoul(argv[2], NULL, 10);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
