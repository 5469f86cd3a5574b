/* rd_work.c — what a probe result does: model, watches, neighbours, rows (design.md section 2, "A probe"). Called by
 * the probers' links, and by rd_names.c for results that waited for a name. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rd_merge.h"
#include "rd_node_private.h"
#include "rd_recoveries.h"
#include "rd_sidelines.h"
#include "topo/key.h"

#define HURRY_ALL_MAX 200

bool
rd_server_is_valid(const struct rd_server *s)
{
	return s->inst.last_seen_us != 0 && s->inst.last_checked_us <= s->inst.last_seen_us;
}

/* --- watching -------------------------------------------------------------------------------------------------- */
bool
rd_server_has_replicas(const struct rd_node *n, const struct rd_server *s)
{
	return s->inst.replicas.n > 0 || rd_model_family(&n->model, &s->inst.key) != NULL;
}

/* Counting those that are still to be taken over. */
static size_t
count_known(const struct rd_node *n)
{
	return n->loading != NULL ? n->loading->instances.n : rd_model_count(&n->model);
}

static uint64_t
watch_flags(const struct rd_node *n, const struct rd_server *s)
{
	uint64_t flags = rd_server_has_replicas(n, s) ? (uint64_t)IPC_TARGET_HAS_REPLICAS : 0;

	if (s->inst.replication_depth == 0)
		flags |= IPC_TARGET_IS_ROOT;
	/* after a restart the known ones are spread over the interval, unless they are few */
	if (!s->probed && (s->inst.last_seen_us == 0 || count_known(n) <= HURRY_ALL_MAX))
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
	key.hostname = rd_names_resolve(n, p->asked_key.hostname);
	return rd_model_find(&n->model, &key);
}

static void
mark_failed(struct rd_node *n, struct rd_server *s, const struct topo_probe *p)
{
	bool was_valid = rd_server_is_valid(s);

	rd_story_failed(&n->story, rd_mono(n), s, was_valid, p);
	note_evidence(s, p);
	rd_detect_probed(n, s, p);
	s->inst.last_checked_us = rd_failed_check_us(s->inst.last_seen_us, p->ended_us);
	s->inst.last_check_partial_success = p->partial;
	rd_model_mark(&n->model, s, RD_DIRTY_CHECK);
	if (!was_valid) {
		rd_flush_soon(n);
		return;
	}
	rd_flush_now(n);
	rd_work_suspect_replicas(n, &s->inst.key);
	rd_work_suspects(n);
}

static void
fail(struct rd_node *n, const struct topo_probe *p, const struct err *why)
{
	struct rd_candidate *c = rd_candidates_find(&n->candidates, &p->asked_key);
	struct rd_server *s = failed_server(n, p);
	struct rd_probed done = {.e = why, .probe = p};

	n->metrics.access_denied += p->errno_mysql == 1045;
	if (s != NULL && p->evidence != TOPO_EVIDENCE_NONE)
		mark_failed(n, s, p);
	if (c != NULL && !c->tried && c->seed && s == NULL)
		rd_discover_list(n, &p->asked_key, false); /* an unreachable seed is a problem to be seen */
	if (c != NULL && !c->tried && !n->one_shot)
		rd_story_candidate_failed(&n->story, rd_mono(n), c->seed, p);
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
static const char *
resolve(void *ctx, const char *host)
{
	return rd_names_resolve(ctx, host);
}

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

static void
note_found(struct rd_server *s, const struct topo_probe *p)
{
	bool by_own_name = strcmp(p->asked_key.hostname, s->inst.key.hostname) == 0;

	if (s->inst.read_only)
		s->writable_us = 0;
	else if (s->writable_us == 0 || !s->found)
		s->writable_us = p->ended_us;
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

static void
keep_text(char **kept, const char *text)
{
	if (*kept != NULL && str_eq(*kept, text))
		return;
	free(*kept);
	*kept = text[0] == '\0' ? NULL : mem_strdup(text);
}

/* What recoveries want to know beyond the instance. */
static void
note_transactions(struct rd_server *s, const struct topo_probe *p)
{
	keep_text(&s->received, p->gtid_io_pos);
	keep_text(&s->current_pos, p->gtid_current_pos);
	s->channels = p->channels;
	s->last_sql_errno = p->last_sql_errno;
	s->last_io_errno = p->last_io_errno;
	rd_semi_sync_note(&s->semi_sync, &p->inst, p->started_us);
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
	int64_t former_seen_us = s->inst.last_seen_us;
	struct topo_key former_source;
	struct topo_instance inst;

	rec_dup(&topo_key_desc, &former_source, &s->inst.source_key);
	rd_merge(&merge, p, key, s->inst.last_seen_us, &inst);
	rd_story_found(&n->story, rd_mono(n), s, &inst);
	rd_model_set(&n->model, s, &inst);
	note_found(s, p);
	note_transactions(s, p);
	if (!topo_key_equal(&former_source, &s->inst.source_key)) {
		s->heard = (struct rd_heard){0};
		s->moved_after_us = former_seen_us;
	}
	rd_detect_probed(n, s, p);
	rd_recoveries_found(n->recoveries, s);
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
	struct rd_probed done = {.skipped = true, .probe = p};

	rd_probers_finish(n->probers, p->probe_id, &done);
}

static void
take_found(struct rd_node *n, const struct topo_probe *p, const struct topo_key *key)
{
	/* a one-shot node follows only what it was asked to follow */
	bool follow = !n->one_shot || rd_candidates_find(&n->candidates, &p->asked_key) != NULL;
	struct rd_probed done = {.probe = p};
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
	rd_names_own_key(n, p, host, &key);
	take_found(n, p, &key);
	topo_key_done(&key);
}

void
rd_work_process(struct rd_node *n, const struct topo_probe *p)
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
	if (!p->found || !rd_names_park(n, p))
		rd_work_process(n, p);
}
