/* rd_names.c — host names in probe results: resolved through the cache, looked up when that is configured, learned from
 * the servers themselves (probing.md section 6). Owns the results that wait for a look-up. Called by rd_work.c. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rd_merge.h"
#include "rd_node_private.h"
#include "topo/key.h"

#define PARKED_MAX 1024
#define LOOKUP_DEADLINE_US (5 * CLK_S)

/* A result whose names are being looked up. */
struct rd_parked {
	TAILQ_ENTRY(rd_parked) next;
	struct rd_node *node;
	struct topo_probe probe; /* owning */
	size_t missing;
};

/* --- names ----------------------------------------------------------------------------------------------------- */
/* A name that a server gave, resolved; what isn't in the cache stands as given (see rd_names_park). */
const char *
rd_names_resolve(struct rd_node *n, const char *host)
{
	struct rd_changes rows = {0};
	const char *name;

	(void)rd_resolve_name(n->names, n->rules, host, rd_now_us(n), &name, &rows);
	rd_flush_rows(n, &rows);
	return name;
}

static void
on_looked_up(void *ctx, const char *host, const struct ipc_resolved *m)
{
	struct rd_parked *x = ctx;
	struct rd_node *n = x->node;
	struct rd_changes rows = {0};

	rd_resolve_answered(n->names, n->rules, host, m->resolved, rd_now_us(n), &rows);
	rd_flush_rows(n, &rows);
	if (--x->missing > 0)
		return;
	TAILQ_REMOVE(&n->parked, x, next);
	n->metrics.parked--;
	rd_work_process(n, &x->probe);
	rec_done(&topo_probe_desc, &x->probe);
	free(x);
}

/* Names on their way to be known again; nothing waits for these. */
static void
on_looked_up_again(void *ctx, const char *host, const struct ipc_resolved *m)
{
	struct rd_node *n = ctx;
	struct rd_changes rows = {0};

	if (m->resolved[0] == '\0')
		return; /* what we have is better than nothing */
	rd_resolve_answered(n->names, n->rules, host, m->resolved, rd_now_us(n), &rows);
	rd_flush_rows(n, &rows);
}

static void
on_probed_again(void *ctx UNUSED, const struct topo_key *asked UNUSED, const void *result UNUSED,
		const struct err *e UNUSED)
{
}

static const char *
lookup_method(const struct rd_node *n)
{
	return n->rules->resolve == RD_RESOLVE_CNAME ? "cname" : "ip";
}

/* A learned name is learned anew by a probe under the name as given. */
static void
revalidate(struct rd_node *n, const struct topo_key *key)
{
	struct err e;
	int rc;

	if (rd_resolve_is_learned(n->names, key->hostname))
		rc = rd_probers_probe(n->probers, key, IPC_LANE_REGULAR, rd_mono(n), n->rules->probe_deadline_us,
				      on_probed_again, n, &e);
	else
		rc = rd_probers_resolve(n->probers, key->hostname, lookup_method(n), rd_mono(n), LOOKUP_DEADLINE_US,
					on_looked_up_again, n, &e);
	if (rc != 0)
		log_debug("resolve", "not looked at again: %s", e.msg);
}

struct name_check {
	struct rd_node *n;
	struct rd_parked *parked; /* NULL: only count */
	size_t missing;
};

static void
check_name(void *ctx, const struct topo_key *key)
{
	struct name_check *c = ctx;
	struct rd_node *n = c->n;
	struct rd_changes rows = {0};
	const char *name;
	struct err e;

	switch (rd_resolve_name(n->names, n->rules, key->hostname, rd_now_us(n), &name, &rows)) {
	case RD_NAME_READY:
		break;
	case RD_NAME_STALE:
		revalidate(n, key);
		break;
	case RD_NAME_ASK:
		c->missing++;
		if (c->parked != NULL && rd_probers_resolve(n->probers, key->hostname, lookup_method(n), rd_mono(n),
							    LOOKUP_DEADLINE_US, on_looked_up, c->parked, &e) == 0)
			c->parked->missing++;
		break;
	}
	rd_flush_rows(n, &rows);
}

/* Names that need a look-up hold the result back: a server filed under its source's raw name for a moment would change
 * its cluster. Bounded: beyond PARKED_MAX the raw names are used. */
bool
rd_names_park(struct rd_node *n, const struct topo_probe *p)
{
	struct name_check check = {.n = n};
	struct rd_parked *x;

	rd_probe_names(p, check_name, &check);
	if (check.missing == 0)
		return false;
	if (n->metrics.parked >= PARKED_MAX) {
		n->metrics.parked_overflows++;
		return false;
	}
	x = mem_new(struct rd_parked);
	x->node = n;
	rec_dup(&topo_probe_desc, &x->probe, p);
	check.parked = x;
	rd_probe_names(&x->probe, check_name, &check);
	if (x->missing == 0) {
		rec_done(&topo_probe_desc, &x->probe);
		free(x);
		return false;
	}
	TAILQ_INSERT_TAIL(&n->parked, x, next);
	n->metrics.parked++;
	return true;
}

void
rd_names_done(struct rd_node *n)
{
	struct rd_parked *x;

	while ((x = TAILQ_FIRST(&n->parked)) != NULL) {
		TAILQ_REMOVE(&n->parked, x, next);
		rec_done(&topo_probe_desc, &x->probe);
		free(x);
	}
}

/* --- the own name ---------------------------------------------------------------------------------------------- */
/* Two servers that give themselves the same name: merging them into one row would hide one of them (historically it
 * did). The one that already has the name keeps it, the other is filed as it was asked for. */
static bool
is_ambiguous(const struct rd_node *n, const struct topo_probe *p, const struct topo_key *key)
{
	const struct rd_server *s = rd_model_find(&n->model, key);
	const struct topo_instance *a = &p->inst, *b = s == NULL ? NULL : &s->inst;

	if (b == NULL || !s->found || topo_key_equal(&p->asked_key, key))
		return false;
	if (s->asked_host != NULL && strcmp(s->asked_host, p->asked_key.hostname) == 0)
		return false; /* the same way as before: the server itself has changed */
	if (a->server_uuid[0] != '\0' && b->server_uuid[0] != '\0')
		return strcmp(a->server_uuid, b->server_uuid) != 0;
	return a->server_id != b->server_id;
}

/* The key under which the server is filed. */
void
rd_names_own_key(struct rd_node *n, const struct topo_probe *p, const char *host, struct topo_key *ret)
{
	struct topo_key key = {.hostname = host, .port = p->asked_key.port};
	struct rd_changes rows = {0};

	if (!rd_host_is_plausible(host) || is_ambiguous(n, p, &key)) {
		n->metrics.ambiguous_names++;
		log_debug("resolve", "name is not used, another server has it: name=%s asked=%s", LOG_Q(host),
			  LOG_Q(p->asked_key.hostname));
		key.hostname = p->asked_key.hostname;
	} else if (n->rules->own_name != RD_OWN_NAME_ASKED) {
		rd_resolve_learn(n->names, n->rules, p->asked_key.hostname, host, rd_now_us(n), &rows);
		/* what the cache says now: the name may have been rejected */
		key.hostname = rd_names_resolve(n, p->asked_key.hostname);
	}
	rd_flush_rows(n, &rows);
	rec_dup(&topo_key_desc, ret, &key);
}
