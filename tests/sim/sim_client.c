/* sim_client.c — operators: each proposes one real command after the other (rd_command.def), with a uid of its own that
 * it repeats until it is told what became of it, at whichever node. Records what was acknowledged, and in which order.
 * Owns the record. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim.h"

#define CLIENTS 4
#define UID_BYTES 24
#define PATIENCE_US (4 * CLK_S)

struct client {
	size_t i;
	uint64_t number; /* of the present command */
	uint64_t attempt;
	bool busy, appended;
	uint64_t last_index; /* of the newest acknowledged command */
	uint64_t op_seed;    /* what it is: the same at each attempt */
	struct sim_node *at;
};

struct attempt {
	struct attempt *next;
	struct client *client;
	uint64_t attempt;
};

static struct {
	struct client v[CLIENTS];
	struct attempt *attempts; /* freed at the end: a killed process never answers */
	char (*acked)[UID_BYTES];
	size_t n, cap;
	size_t burst;
	int64_t rest_until;
} clients;

static void
uid_of(const struct client *c, char uid[UID_BYTES])
{
	(void)snprintf(uid, UID_BYTES, "client%zu-%llu", c->i, (unsigned long long)c->number);
}

static void
next_command(struct client *c)
{
	c->number++;
	c->appended = false;
	c->op_seed = sim_rand(1000000);
}

static void
acknowledged(struct client *c, uint64_t index)
{
	char uid[UID_BYTES];

	uid_of(c, uid);
	sim_check_acked(uid, index);
	if (index != 0 && index <= c->last_index)
		sim_fail("command %s is at index %llu, the one before it at %llu", uid, (unsigned long long)index,
			 (unsigned long long)c->last_index);
	c->last_index = index;
	mem_grow(clients.acked, clients.cap, clients.n + 1);
	memcpy(clients.acked[clients.n++], uid, UID_BYTES);
	sim_trace("client %zu: %s is decided, index %llu", c->i, uid, (unsigned long long)index);
	next_command(c);
}

static void
on_outcome(void *ctx, const struct rd_proposed *p)
{
	struct attempt *a = ctx;
	struct client *c = a->client;

	if (sim_dead(sim.cur) || a->attempt != c->attempt)
		return;
	c->busy = false;
	if (p->outcome == RD_COMMITTED || p->outcome == RD_REFUSED)
		acknowledged(c, p->index);
	else
		sim_trace("client %zu: outcome %d, trying again", c->i, (int)p->outcome);
}

/* --- what they ask for --- */
union payload {
	struct rd_cmd_put_tag tag;
	struct rd_cmd_delete_tag untag;
	struct rd_cmd_begin_downtime downtime;
	struct rd_cmd_end_downtime uptime;
	struct rd_cmd_begin_maintenance maintenance;
	struct rd_cmd_end_maintenance maintained;
	struct rd_cmd_inventory_add add;
	struct rd_cmd_inventory_forget forget;
	struct rd_cmd_submit_pool pool;
	struct rd_cmd_set_cluster_alias alias;
	struct rd_cmd_register_candidate candidate;
	struct rd_cmd_register_hostname_unresolve name;
	struct rd_cmd_disable_global_recoveries off;
};

static enum rd_op
command_of(const struct client *c, struct topo_key *key, union payload *p)
{
	static const char *const hosts[] = {"db1", "db2", "db3", "db4", "db5", "db6"};
	static const char long_text[] = "a reason that is as long as those that people write when they must give one, "
					"so that entries differ in size and snapshots have several pieces";
	uint64_t s = c->op_seed;
	int64_t wall_us = INT64_C(1700000000) * CLK_S + sim.now;
	struct topo_key_list one = {key, 1};

	rec_init(&topo_key_desc, key);
	key->hostname = hosts[s % ARRAY_LEN(hosts)];
	key->port = 3306 + (uint16_t)(s / 7 % 3);
	memset(p, 0, sizeof(*p));
	switch (s % 14) {
	case 0:
	case 1:
		p->downtime = (struct rd_cmd_begin_downtime){*key, "sim", long_text, wall_us, wall_us + 3 * CLK_S};
		return RD_OP_BEGIN_DOWNTIME;
	case 2:
		p->uptime.key = *key;
		return RD_OP_END_DOWNTIME;
	case 3:
	case 4:
		p->maintenance = (struct rd_cmd_begin_maintenance){*key, "sim", "test", wall_us + 2 * CLK_S, true, "t"};
		return RD_OP_BEGIN_MAINTENANCE;
	case 5:
		p->maintained.key = *key;
		return RD_OP_END_MAINTENANCE;
	case 6:
		p->add = (struct rd_cmd_inventory_add){one, ""};
		return RD_OP_INVENTORY_ADD;
	case 7:
		p->forget = (struct rd_cmd_inventory_forget){one, "", ""};
		return RD_OP_INVENTORY_FORGET;
	case 8:
		p->pool = (struct rd_cmd_submit_pool){s % 2 == 0 ? "pool-a" : "pool-b", one};
		return RD_OP_SUBMIT_POOL;
	case 9:
		p->alias = (struct rd_cmd_set_cluster_alias){key->hostname, s % 3 == 0 ? "" : "alias"};
		return RD_OP_SET_CLUSTER_ALIAS;
	case 10:
		p->candidate = (struct rd_cmd_register_candidate){*key, "prefer", false};
		return RD_OP_REGISTER_CANDIDATE;
	case 11:
		p->untag = (struct rd_cmd_delete_tag){*key, "tag", false, ""};
		return RD_OP_DELETE_TAG;
	case 12:
		p->name = (struct rd_cmd_register_hostname_unresolve){*key, "virtual"};
		return RD_OP_REGISTER_HOSTNAME_UNRESOLVE;
	default:
		p->tag = (struct rd_cmd_put_tag){*key, "tag", s % 5 == 0 ? long_text : "value"};
		return RD_OP_PUT_TAG;
	}
}

static bool
propose(struct client *c, struct sim_node *n)
{
	struct attempt *a = mem_new(struct attempt);
	char uid[UID_BYTES];
	struct topo_key key;
	union payload p;
	enum rd_op op = command_of(c, &key, &p);
	struct err e;
	bool ok;

	a->next = clients.attempts;
	clients.attempts = a;
	a->client = c;
	a->attempt = c->attempt;
	uid_of(c, uid);
	sim.cur = n;
	ok = rd_propose(n->node.decide, op, &p, uid, on_outcome, a, &e) == 0;
	if (ok)
		sim_trace("client %zu asks for %s, %s", c->i, uid, rd_op_name(op));
	sim.cur = NULL;
	if (n->dying)
		sim_node_kill(n, "killed there");
	return ok;
}

static struct sim_node *
somebody(void)
{
	struct sim_node *n = sim_leader();

	if (n == NULL || sim_chance(50))
		n = &sim.nodes[sim_rand(sim.n)];
	return !sim_dead(n) && !sim_stranger(n) && n->node.decide != NULL && n->paused_until <= sim.now ? n : NULL;
}

static void on_turn(void *arg);

static void
on_patience(void *arg)
{
	struct attempt *a = arg;

	if (a->client->busy && a->client->attempt == a->attempt) {
		a->client->busy = false;
		a->client->attempt++;
	}
}

static void
try_again(struct client *c)
{
	struct sim_node *n = somebody();

	if (n == NULL)
		return;
	c->attempt++;
	if (!propose(c, n))
		return;
	if (sim.mutant == SIM_MUTANT_ACK_EARLY) {
		c->attempt++;
		acknowledged(c, 0);
		return;
	}
	c->busy = true;
	sim_after(PATIENCE_US, NULL, on_patience, NULL, clients.attempts);
}

static void
on_turn(void *arg)
{
	struct client *c = arg;
	int64_t pause = clients.burst > 0 ? sim_between(1, 3) * CLK_MS : sim_between(20, 300) * CLK_MS;

	if (clients.burst > 0)
		clients.burst--;
	if (!c->busy && !sim.quiet && sim.now >= clients.rest_until)
		try_again(c);
	sim_after(pause, NULL, on_turn, NULL, c);
}

/* --- life --- */
void
sim_clients_start(void)
{
	memset(&clients, 0, sizeof(clients));
	for (size_t i = 0; i < CLIENTS; i++) {
		clients.v[i].i = i;
		next_command(&clients.v[i]);
		sim_after(sim_between(0, CLK_S), NULL, on_turn, NULL, &clients.v[i]);
	}
}

void
sim_clients_burst(void)
{
	clients.burst = 400;
}

void
sim_clients_rest(int64_t us)
{
	clients.burst = 0;
	clients.rest_until = sim.now + us;
}

size_t
sim_clients_acked(void)
{
	return clients.n;
}

void
sim_clients_done(void)
{
	struct attempt *a;

	while ((a = clients.attempts) != NULL) {
		clients.attempts = a->next;
		free(a);
	}
	free(clients.acked);
	memset(&clients, 0, sizeof(clients));
}

void
sim_clients_check_all(void)
{
	for (size_t k = 0; k < clients.n; k++) {
		sim_check_acked(clients.acked[k], 0);
		for (size_t i = 0; i < sim.n; i++) {
			struct sim_node *n = &sim.nodes[i];
			uint64_t index;
			if (n->wanted && !rd_state_has_uid(rd_proposer_state(n->node.decide), clients.acked[k], &index))
				sim_fail("command %s was acknowledged, n%zu does not have it", clients.acked[k], i);
		}
	}
}
