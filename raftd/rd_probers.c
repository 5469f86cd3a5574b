/* rd_probers.c — watches, probes on demand and look-ups over the pool (rd_probers.h). Owns what waits for an answer.
 * Called by the links' handlers (rd_link.c) and by whoever wants a server probed. */
#include "rd_probers.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "topo/key.h"

/* Slot of something that waits for a prober. */
#define NO_SLOT RD_NO_PROBER

struct ask {
	UT_hash_handle hh;
	uint64_t id;
	unsigned slot;
	unsigned sends;
	struct mono deadline;
	void *ctx;
	/* a probe: */
	struct topo_key key; /* owning */
	enum ipc_lane lane;
	int64_t patience_ms; /* 0 = the prober's own time-outs */
	rd_probed_fn probed;
	/* or a look-up: */
	char *host, *method;
	uint16_t port; /* 0: no connect */
	int64_t wait_ms;
	rd_looked_up_fn looked_up;
};

struct rd_probers {
	const struct rd_prober_ops *ops;
	void *ctx;
	unsigned n_slots;
	bool *up;
	uint64_t *results; /* taken, not yet credited */
	struct rd_watch *watch;
	struct ask *probes, *lookups;
	uint64_t last_id;
	struct rd_probers_stats stats;
};

struct rd_probers *
rd_probers_new(unsigned slots, const struct rd_prober_ops *ops, void *ctx)
{
	struct rd_probers *p = mem_new(struct rd_probers);

	p->ops = ops;
	p->ctx = ctx;
	p->n_slots = slots;
	p->up = mem_calloc(slots, sizeof(*p->up));
	p->results = mem_calloc(slots, sizeof(*p->results));
	p->watch = rd_watch_new(slots);
	return p;
}

static void
free_ask(struct ask *a)
{
	topo_key_done(&a->key);
	free(a->host);
	free(a->method);
	free(a);
}

void
rd_probers_free(struct rd_probers *p)
{
	struct ask *a, *next;

	if (p == NULL)
		return;
	HASH_ITER (hh, p->probes, a, next) {
		HASH_DEL(p->probes, a);
		free_ask(a);
	}
	HASH_ITER (hh, p->lookups, a, next) {
		HASH_DEL(p->lookups, a);
		free_ask(a);
	}
	rd_watch_free(p->watch);
	free(p->up);
	free(p->results);
	free(p);
}

struct rd_watch *
rd_probers_watches(struct rd_probers *p)
{
	return p->watch;
}

struct rd_probers_stats
rd_probers_stats(const struct rd_probers *p)
{
	struct rd_probers_stats s = p->stats;

	s.under_way = HASH_COUNT(p->probes);
	s.looking_up = HASH_COUNT(p->lookups);
	return s;
}

/* --- watches and credits --------------------------------------------------------------------------------------- */
static bool
tell_gone(struct rd_probers *p, unsigned slot)
{
	struct topo_key keys[RD_WATCH_BATCH];
	size_t n;
	struct err e;

	while ((n = rd_watch_gone(p->watch, slot, keys)) > 0) {
		struct ipc_unwatch m = {.keys = {keys, n}};
		if (p->ops->unwatch(p->ctx, slot, &m, &e) != 0)
			return true;
		rd_watch_told_gone(p->watch, slot, n);
	}
	return false;
}

static bool
tell_targets(struct rd_probers *p, unsigned slot)
{
	struct ipc_target targets[RD_WATCH_BATCH];
	size_t n;
	struct err e;

	while ((n = rd_watch_targets(p->watch, slot, targets)) > 0) {
		struct ipc_watch m = {.targets = {targets, n}};
		if (p->ops->watch(p->ctx, slot, &m, &e) != 0)
			return true;
		rd_watch_told_targets(p->watch, slot, n);
	}
	return false;
}

bool
rd_probers_tell(struct rd_probers *p)
{
	bool again = false;

	for (unsigned slot = 0; slot < p->n_slots; slot++) {
		if (p->up[slot])
			again |= tell_gone(p, slot) || tell_targets(p, slot);
	}
	return again;
}

void
rd_probers_credit(struct rd_probers *p, unsigned slot)
{
	struct ipc_credit m;
	struct err e;

	if (++p->results[slot] < RD_CREDIT_BATCH)
		return;
	m.n = p->results[slot];
	if (p->ops->credit(p->ctx, slot, &m, &e) == 0)
		p->results[slot] = 0;
}

/* --- sending asks ---------------------------------------------------------------------------------------------- */
/* The server's own prober when it is up, else any. */
static unsigned
pick_slot(const struct rd_probers *p, unsigned preferred)
{
	for (unsigned i = 0; i < p->n_slots; i++) {
		unsigned slot = (preferred + i) % p->n_slots;
		if (p->up[slot])
			return slot;
	}
	return NO_SLOT;
}

unsigned
rd_probers_slot_of(const struct rd_probers *p, const struct topo_key *key)
{
	return pick_slot(p, rd_watch_slot(p->watch, key));
}

static int
send_probe(struct rd_probers *p, unsigned slot, const struct ask *a, struct err *e)
{
	struct ipc_probe m = {.probe_id = a->id, .key = a->key, .lane = a->lane, .deadline_ms = a->patience_ms};

	return p->ops->probe(p->ctx, slot, &m, e);
}

static int
send_lookup(struct rd_probers *p, unsigned slot, const struct ask *a, struct err *e)
{
	struct ipc_resolve m = {
	    .request_id = a->id, .hostname = a->host, .method = a->method, .port = a->port, .wait_ms = a->wait_ms};

	return p->ops->resolve(p->ctx, slot, &m, e);
}

/* What cannot be sent now waits for the next prober that comes up, or for its deadline. */
static void
send_ask(struct rd_probers *p, struct ask *a)
{
	unsigned slot = pick_slot(p, a->host != NULL ? 0 : rd_watch_slot(p->watch, &a->key));
	struct err e;

	a->slot = NO_SLOT;
	if (slot == NO_SLOT || a->sends >= RD_PROBE_SENDS_MAX)
		return;
	if ((a->host != NULL ? send_lookup(p, slot, a, &e) : send_probe(p, slot, a, &e)) != 0)
		return;
	a->slot = slot;
	p->stats.resent += a->sends > 0;
	a->sends++;
}

static void
send_waiting(struct rd_probers *p, struct ask *list)
{
	for (struct ask *a = list; a != NULL; a = a->hh.next) {
		if (a->slot == NO_SLOT)
			send_ask(p, a);
	}
}

void
rd_probers_up(struct rd_probers *p, unsigned slot)
{
	struct ipc_credit window = {.n = IPC_PROBE_WINDOW};
	struct err e;

	ASSERT(slot < p->n_slots);
	p->up[slot] = true;
	p->results[slot] = 0;
	if (p->ops->credit(p->ctx, slot, &window, &e) != 0)
		p->results[slot] = IPC_PROBE_WINDOW; /* with the first result */
	rd_watch_slot_up(p->watch, slot);
	send_waiting(p, p->probes);
	send_waiting(p, p->lookups);
}

static void
lose_slot(struct ask *list, unsigned slot)
{
	for (struct ask *a = list; a != NULL; a = a->hh.next) {
		if (a->slot == slot)
			a->slot = NO_SLOT;
	}
}

void
rd_probers_down(struct rd_probers *p, unsigned slot)
{
	ASSERT(slot < p->n_slots);
	p->up[slot] = false;
	rd_watch_slot_down(p->watch, slot);
	lose_slot(p->probes, slot);
	lose_slot(p->lookups, slot);
	send_waiting(p, p->probes);
	send_waiting(p, p->lookups);
}

unsigned
rd_probers_up_count(const struct rd_probers *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->n_slots; i++)
		n += p->up[i];
	return n;
}

/* --- asking ---------------------------------------------------------------------------------------------------- */
static struct ask *
new_ask(struct rd_probers *p, struct mono now, int64_t deadline_us, void *ctx)
{
	struct ask *a = mem_new(struct ask);

	rec_init(&topo_key_desc, &a->key);
	a->id = ++p->last_id;
	a->deadline = mono_add_us(now, deadline_us);
	a->ctx = ctx;
	return a;
}

static int
probe(struct rd_probers *p, const struct topo_key *key, enum ipc_lane lane, struct mono now, int64_t patience_us,
      int64_t deadline_us, rd_probed_fn fn, void *ctx, struct err *e)
{
	struct ask *a;

	if (HASH_COUNT(p->probes) >= RD_PROBES_MAX) {
		p->stats.refused++;
		return err_set(e, ERR_LIMIT, "%d probes are under way already, try again later", RD_PROBES_MAX);
	}
	a = new_ask(p, now, deadline_us, ctx);
	topo_key_set(&a->key, key->hostname, key->port);
	a->lane = lane;
	a->patience_ms = patience_us / CLK_MS;
	a->probed = fn;
	HASH_ADD(hh, p->probes, id, sizeof(a->id), a);
	p->stats.asked++;
	send_ask(p, a);
	return 0;
}

int
rd_probers_probe(struct rd_probers *p, const struct topo_key *key, enum ipc_lane lane, struct mono now,
		 int64_t deadline_us, rd_probed_fn fn, void *ctx, struct err *e)
{
	return probe(p, key, lane, now, 0, deadline_us, fn, ctx, e);
}

int
rd_probers_probe_briefly(struct rd_probers *p, const struct topo_key *key, struct mono now, int64_t patience_us,
			 int64_t deadline_us, rd_probed_fn fn, void *ctx, struct err *e)
{
	return probe(p, key, IPC_LANE_URGENT, now, patience_us, deadline_us, fn, ctx, e);
}

void
rd_probers_finish(struct rd_probers *p, uint64_t probe_id, const void *result)
{
	struct ask *a;

	HASH_FIND(hh, p->probes, &probe_id, sizeof(probe_id), a);
	if (a == NULL)
		return;
	HASH_DEL(p->probes, a);
	a->probed(a->ctx, &a->key, result, NULL);
	free_ask(a);
}

static int
new_lookup(struct rd_probers *p, const char *host, const char *method, struct mono now, int64_t deadline_us,
	   rd_looked_up_fn fn, void *ctx, struct ask **ret, struct err *e)
{
	struct ask *a;

	if (HASH_COUNT(p->lookups) >= RD_LOOKUPS_MAX) {
		p->stats.refused++;
		return err_set(e, ERR_LIMIT, "%d name look-ups are under way already", RD_LOOKUPS_MAX);
	}
	a = new_ask(p, now, deadline_us, ctx);
	a->host = mem_strdup(host);
	a->method = mem_strdup(method);
	a->looked_up = fn;
	HASH_ADD(hh, p->lookups, id, sizeof(a->id), a);
	*ret = a;
	return 0;
}

int
rd_probers_resolve(struct rd_probers *p, const char *host, const char *method, struct mono now, int64_t deadline_us,
		   rd_looked_up_fn fn, void *ctx, struct err *e)
{
	struct ask *a;

	if (new_lookup(p, host, method, now, deadline_us, fn, ctx, &a, e) != 0)
		return -e->code;
	send_ask(p, a);
	return 0;
}

int
rd_probers_reach(struct rd_probers *p, const struct topo_key *key, int64_t wait_ms, struct mono now,
		 int64_t deadline_us, rd_looked_up_fn fn, void *ctx, struct err *e)
{
	struct ask *a;

	if (new_lookup(p, key->hostname, "cname", now, deadline_us, fn, ctx, &a, e) != 0)
		return -e->code;
	a->port = (uint16_t)key->port;
	a->wait_ms = wait_ms;
	send_ask(p, a);
	return 0;
}

static void
end_lookup(struct rd_probers *p, struct ask *a, const struct ipc_resolved *m)
{
	HASH_DEL(p->lookups, a);
	a->looked_up(a->ctx, a->host, m);
	free_ask(a);
}

void
rd_probers_resolved(struct rd_probers *p, const struct ipc_resolved *m)
{
	struct ask *a;

	HASH_FIND(hh, p->lookups, &m->request_id, sizeof(m->request_id), a);
	if (a != NULL && strcmp(a->host, m->hostname) == 0)
		end_lookup(p, a, m);
}

/* --- deadlines ------------------------------------------------------------------------------------------------- */
static void
end_late_probe(struct rd_probers *p, struct ask *a)
{
	struct err e;

	(void)err_set(&e, ERR_TIMEOUT, "%s was not probed in time: %s", TOPO_KEY_TEXT(&a->key),
		      a->slot == NO_SLOT ? "no prober is running" : "the prober did not answer");
	p->stats.timed_out++;
	HASH_DEL(p->probes, a);
	a->probed(a->ctx, &a->key, NULL, &e);
	free_ask(a);
}

static void
end_late_lookup(struct rd_probers *p, struct ask *a)
{
	struct ipc_resolved none = {.hostname = a->host, .resolved = "", .ipv4 = "", .ipv6 = "", .error = "timed out"};

	p->stats.timed_out++;
	end_lookup(p, a, &none);
}

/* A callback may ask anew, so each round looks for one late ask. */
static struct ask *
find_late(struct ask *list, struct mono now)
{
	for (struct ask *a = list; a != NULL; a = a->hh.next) {
		if (!mono_before(now, a->deadline))
			return a;
	}
	return NULL;
}

void
rd_probers_tick(struct rd_probers *p, struct mono now)
{
	struct ask *a;

	while ((a = find_late(p->probes, now)) != NULL)
		end_late_probe(p, a);
	while ((a = find_late(p->lookups, now)) != NULL)
		end_late_lookup(p, a);
	send_waiting(p, p->probes);
	send_waiting(p, p->lookups);
}
