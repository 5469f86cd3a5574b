/* rd_work.c — what a probe result does: names, model, watches, neighbours, rows (design.md section 2, "A probe"); and
 * lost connections. Owns the results that wait for a name look-up. Called by the probers' links. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rd_merge.h"
#include "rd_node_private.h"
#include "rd_sidelines.h"
#include "rd_story.h"
#include "topo/key.h"

#define PARKED_MAX 1024
#define HURRY_ALL_MAX 200
#define LOOKUP_DEADLINE_US (5 * CLK_S)

/* A result whose names are being looked up. */
struct rd_parked {
	TAILQ_ENTRY(rd_parked) next;
	struct rd_node *node;
	struct topo_probe probe; /* owning */
	size_t missing;
};

bool
rd_server_is_valid(const struct rd_server *s)
{
	return s->inst.last_seen_us != 0 && s->inst.last_checked_us <= s->inst.last_seen_us;
}

/* --- names ----------------------------------------------------------------------------------------------------- */
/* A name that a server gave, resolved; what isn't in the cache stands as given (see park). */
static const char *
resolve(void *ctx, const char *host)
{
	struct rd_node *n = ctx;
	struct rd_changes rows = {0};
	const char *name;

	(void)rd_resolve_name(n->names, n->rules, host, rd_now_us(n), &name, &rows);
	rd_flush_rows(n, &rows);
	return name;
}

static void process(struct rd_node *n, const struct topo_probe *p);

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
	process(n, &x->probe);
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
static bool
park(struct rd_node *n, const struct topo_probe *p)
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
rd_work_done(struct rd_node *n)
{
	struct rd_parked *x;

	while ((x = TAILQ_FIRST(&n->parked)) != NULL) {
		TAILQ_REMOVE(&n->parked, x, next);
		rec_done(&topo_probe_desc, &x->probe);
		free(x);
	}
}

/* --- watching -------------------------------------------------------------------------------------------------- */
static uint64_t
watch_flags(const struct rd_node *n, const struct rd_server *s)
{
	const struct rd_family *family = rd_model_family(&n->model, &s->inst.key);
	uint64_t flags = 0;

	if (family != NULL || s->inst.replicas.n > 0)
		flags |= IPC_TARGET_HAS_REPLICAS;
	if (s->inst.replication_depth == 0)
		flags |= IPC_TARGET_IS_ROOT;
	/* after a restart the known ones are spread over the interval, unless they are few */
	if (!s->probed && (s->inst.last_seen_us == 0 || rd_model_count(&n->model) <= HURRY_ALL_MAX))
		flags |= IPC_TARGET_HURRY;
	return flags;
}

static bool
may_probe(struct rd_node *n, const struct topo_key *key)
{
	return topo_key_valid(key) && !conf_filter_matches(n->rules->never_probe, key->hostname, key->port);
}

void
rd_work_watch(struct rd_node *n, const struct topo_key *key)
{
	const struct rd_server *s = rd_model_find(&n->model, key);
	bool candidate = rd_candidates_find(&n->candidates, key) != NULL;

	if (n->one_shot)
		return;
	if ((s == NULL && !candidate) || !may_probe(n, key))
		rd_watch_unset(rd_probers_watches(n->probers), key);
	else
		rd_watch_set(rd_probers_watches(n->probers), key, s == NULL ? IPC_TARGET_HURRY : watch_flags(n, s));
	rd_link_tell(n);
}

/* --- suspicion ------------------------------------------------------------------------------------------------- */
static void
on_suspect_probed(void *ctx, const struct topo_key *asked, const void *result UNUSED, const struct err *e UNUSED)
{
	struct rd_node *n = ctx;

	rd_suspect_done(n->suspect, asked);
	rd_work_suspects(n);
}

void
rd_work_suspects(struct rd_node *n)
{
	const struct topo_key *key;
	struct err e;

	while (rd_suspect_next(n->suspect, rd_mono(n), &key)) {
		if (rd_probers_probe(n->probers, key, IPC_LANE_URGENT, rd_mono(n), n->rules->probe_deadline_us + CLK_S,
				     on_suspect_probed, n, &e) != 0)
			rd_suspect_done(n->suspect, key); /* the regular schedule will find it */
	}
}

/* What the replicas of a suspect know is fresh evidence. */
static void
suspect_replicas(struct rd_node *n, const struct topo_key *key)
{
	const struct rd_family *family = rd_model_family(&n->model, key);
	struct rd_server *s;

	if (family == NULL)
		return;
	LIST_FOREACH (s, &family->replicas, sibling)
		rd_suspect_related(n->suspect, &s->inst.key, rd_model_family(&n->model, &s->inst.key) != NULL);
}

void
rd_work_lost(struct rd_node *n, const struct ipc_connection_lost *m)
{
	const struct rd_server *s = rd_model_find(&n->model, &m->key);
	bool has_replicas = s != NULL && (watch_flags(n, s) & IPC_TARGET_HAS_REPLICAS) != 0;

	n->metrics.connections_lost++;
	if (s == NULL || n->one_shot)
		return;
	log_info("suspect", "connection lost, probing anew instance=%s evidence=%s", s->text,
		 topo_evidence_text(m->evidence));
	if (rd_suspect_lost(n->suspect, &m->key, has_replicas, rd_mono(n), rd_model_count(&n->model)))
		log_warning("suspect", "many connections were lost at once: probing servers with replicas first");
	suspect_replicas(n, &m->key);
	rd_work_suspects(n);
}

/* --- a probe that did not find its server ---------------------------------------------------------------------- */
static void
note_evidence(struct rd_server *s, const struct topo_probe *p)
{
	s->last = (struct rd_evidence){.evidence = p->evidence,
				       .phase = p->phase,
				       .errno_mysql = p->errno_mysql,
				       .ended_us = p->ended_us,
				       .last_answer_us = p->last_answer_us,
				       .answered_us = p->answered_us,
				       .failed_attempts = p->failed_attempts,
				       .first_failed_us = p->first_failed_us};
	s->probed = true;
	s->found = p->found;
}

/* The server that a failed probe was about: asked for by its key, or by a name that stands for it. */
static struct rd_server *
failed_server(struct rd_node *n, const struct topo_probe *p)
{
	struct rd_server *s = rd_model_find(&n->model, &p->asked_key);
	struct topo_key key = {.port = p->asked_key.port};

	if (s != NULL)
		return s;
	key.hostname = resolve(n, p->asked_key.hostname);
	return rd_model_find(&n->model, &key);
}

static void
mark_failed(struct rd_node *n, struct rd_server *s, const struct topo_probe *p)
{
	bool was_valid = rd_server_is_valid(s);

	rd_story_failed(s, was_valid, p);
	note_evidence(s, p);
	s->inst.last_checked_us = rd_failed_check_us(s->inst.last_seen_us, p->ended_us);
	s->inst.last_check_partial_success = p->partial;
	rd_model_mark(&n->model, s, RD_DIRTY_CHECK);
	if (!was_valid) {
		rd_flush_soon(n);
		return;
	}
	rd_flush_now(n);
	suspect_replicas(n, &s->inst.key);
	rd_work_suspects(n);
}

static void
fail(struct rd_node *n, const struct topo_probe *p, const struct err *why)
{
	struct rd_candidate *c = rd_candidates_find(&n->candidates, &p->asked_key);
	struct rd_server *s = failed_server(n, p);
	struct rd_probed done = {.e = why};

	n->metrics.access_denied += p->errno_mysql == 1045;
	if (s != NULL && p->evidence != TOPO_EVIDENCE_NONE)
		mark_failed(n, s, p);
	if (c != NULL && !c->tried && c->seed && s == NULL)
		rd_discover_list(n, &p->asked_key, false); /* an unreachable seed is a problem to be seen */
	if (c != NULL && !c->tried && !n->one_shot)
		rd_story_candidate_failed(c->seed, p);
	if (c != NULL)
		c->tried = true;
	rd_probers_finish(n->probers, p->probe_id, &done);
}

static void
fail_with(struct rd_node *n, const struct topo_probe *p)
{
	static const enum err_code codes[TOPO_EVIDENCE_COUNT] = {
	    [TOPO_EVIDENCE_NONE] = ERR_CANCELLED,	  [TOPO_EVIDENCE_ANSWERED] = ERR_SERVER,
	    [TOPO_EVIDENCE_REFUSED] = ERR_UNREACHABLE,	  [TOPO_EVIDENCE_RESET] = ERR_UNREACHABLE,
	    [TOPO_EVIDENCE_TIMED_OUT] = ERR_TIMEOUT,	  [TOPO_EVIDENCE_UNREACHABLE] = ERR_UNREACHABLE,
	    [TOPO_EVIDENCE_UNRESOLVED] = ERR_UNREACHABLE,
	};
	struct err e;

	(void)err_set(&e, p->evidence < TOPO_EVIDENCE_COUNT ? codes[p->evidence] : ERR_UNREACHABLE, "%s: %s",
		      TOPO_KEY_TEXT(&p->asked_key), p->error[0] == '\0' ? topo_evidence_text(p->evidence) : p->error);
	fail(n, p, &e);
}

/* --- a probe that found its server ----------------------------------------------------------------------------- */
static const struct topo_key *
group_primary(void *ctx, const char *group_name)
{
	const struct rd_node *n = ctx;

	for (const struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		if (str_eq(s->inst.group_name, group_name) && str_eq_nocase(s->inst.group_member_role, "PRIMARY"))
			return &s->inst.key;
	}
	return NULL;
}

static const char *
alias_override(void *ctx, const char *cluster_name)
{
	const struct rd_node *n = ctx;
	struct db_cluster_alias_override key = {.cluster_name = cluster_name};
	const struct db_cluster_alias_override *row =
	    rd_state_get(rd_decisions(n), RD_TABLE_cluster_alias_override, &key);

	return row == NULL || row->alias[0] == '\0' ? NULL : row->alias;
}

static const struct topo_instance *
lookup(void *ctx, const struct topo_key *key)
{
	return rd_model_lookup(&((struct rd_node *)ctx)->model, key);
}

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
static void
own_key(struct rd_node *n, const struct topo_probe *p, const char *host, struct topo_key *ret)
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
		key.hostname = resolve(n, p->asked_key.hostname);
	}
	rd_flush_rows(n, &rows);
	rec_dup(&topo_key_desc, ret, &key);
}

static void
note_found(struct rd_server *s, const struct topo_probe *p)
{
	bool by_own_name = strcmp(p->asked_key.hostname, s->inst.key.hostname) == 0;

	note_evidence(s, p);
	free(s->asked_host);
	s->asked_host = by_own_name ? NULL : mem_strdup(p->asked_key.hostname);
}

/* The server, its source and its former source: their flags may have changed. */
static void
rewatch(struct rd_node *n, const struct rd_server *s, const struct topo_key *former_source)
{
	rd_work_watch(n, &s->inst.key);
	if (topo_key_equal(former_source, &s->inst.source_key))
		return;
	if (rd_model_find(&n->model, former_source) != NULL)
		rd_work_watch(n, former_source);
	if (rd_model_find(&n->model, &s->inst.source_key) != NULL)
		rd_work_watch(n, &s->inst.source_key);
}

static struct rd_server *
store(struct rd_node *n, const struct topo_probe *p, const struct topo_key *key)
{
	struct rd_merge merge = {.rules = n->rules,
				 .ctx = n,
				 .resolve = resolve,
				 .lookup = lookup,
				 .group_primary = group_primary,
				 .alias_override = alias_override};
	struct rd_server *s = rd_model_add(&n->model, key);
	struct topo_key former_source;
	struct topo_instance inst;

	rec_dup(&topo_key_desc, &former_source, &s->inst.source_key);
	rd_merge(&merge, p, key, s->inst.last_seen_us, &inst);
	rd_story_found(s, &inst);
	rd_model_set(&n->model, s, &inst);
	note_found(s, p);
	rd_model_mark(&n->model, s, p->has_read_errors ? RD_DIRTY_NOT_SEEN : RD_DIRTY_SEEN);
	if (!n->one_shot)
		rewatch(n, s, &former_source);
	topo_key_done(&former_source);
	return s;
}

/* Known by another name until now: that name is no server of its own. */
static void
retire_asked_key(struct rd_node *n, const struct topo_probe *p, const struct topo_key *key)
{
	struct topo_key asked = p->asked_key;
	struct topo_key_list one = {&asked, 1};

	if (topo_key_equal(&asked, key))
		return;
	rd_discover_drop_candidate(n, &asked);
	if (rd_state_get(rd_decisions(n), RD_TABLE_inventory, &asked) != NULL)
		rd_discover_forget(n, &one, "forget-unseen-differently-resolved", "known under its own name now");
}

static void
skip(struct rd_node *n, const struct topo_probe *p)
{
	struct rd_probed done = {.skipped = true};

	rd_probers_finish(n->probers, p->probe_id, &done);
}

static void
take_found(struct rd_node *n, const struct topo_probe *p, const struct topo_key *key)
{
	/* a one-shot node follows only what it was asked to follow */
	bool follow = !n->one_shot || rd_candidates_find(&n->candidates, &p->asked_key) != NULL;
	struct rd_probed done = {0};
	struct rd_server *s;

	if (p->probe_id != 0)
		rd_forgotten_lift(&n->candidates, key); /* somebody wants it back */
	if (!may_probe(n, key) || rd_forgotten_has(&n->candidates, key, rd_mono(n))) {
		skip(n, p);
		return;
	}
	s = store(n, p, key);
	retire_asked_key(n, p, key);
	if (!s->listed)
		rd_discover_list(n, key, p->probe_id != 0);
	rd_discover_drop_candidate(n, key);
	rd_sidelines(n, s, p);
	if (follow)
		rd_discover_neighbours(n, &s->inst);
	rd_flush_soon(n);
	done.server = s;
	rd_probers_finish(n->probers, p->probe_id, &done);
}

static void
found(struct rd_node *n, const struct topo_probe *p)
{
	struct topo_key key;
	const char *host;
	struct err e;

	if (rd_probe_is_skipped(p, n->rules)) {
		skip(n, p);
		return;
	}
	if (rd_probe_own_host(p, n->rules, &host, &e) != 0) {
		fail(n, p, &e);
		return;
	}
	own_key(n, p, host, &key);
	take_found(n, p, &key);
	topo_key_done(&key);
}

static void
process(struct rd_node *n, const struct topo_probe *p)
{
	if (p->found)
		found(n, p);
	else
		fail_with(n, p);
}

void
rd_work_result(struct rd_node *n, const struct topo_probe *p)
{
	if (n->decide == NULL || !topo_key_valid(&p->asked_key))
		return; /* the backend isn't read yet: nothing can be compared or stored */
	if (!p->found || !park(n, p))
		process(n, p);
}
