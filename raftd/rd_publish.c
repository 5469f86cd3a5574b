/* rd_publish.c — what raftd tells everybody who listens: STATE, METRICS, CHANGED, numbered so that a gap is noticed (a
 * listener then asks SEND_STATE); and SAMPLES, for apid alone. Called periodically and after writes. */
#include <stdlib.h>

#include "base/log.h"
#include "group/rd_group.h"
#include "rd_node_private.h"

#define LEASE_US (2 * CLK_S) /* without raft: as long as raftd says so, and a little longer */
#define METRICS_MAX 1024
#define SAMPLES_QUEUED_MAX ((size_t)1 << 20)

/* A listener that lost one finds the gap in the numbers. */
static void
note_sent(struct rd_node *n, int rc, const struct err *e)
{
	if (rc == 0 || rc == -ERR_IPC_DOWN) /* nobody listens */
		return;
	if (n->metrics.publish_failures++ % 100 == 0)
		log_warning("publish", "event not sent: %s", e->msg);
}

static bool
all_probed(const struct rd_node *n)
{
	for (const struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		if (s->listed && !s->probed)
			return false;
	}
	return n->decide != NULL;
}

void
rd_publish_state(struct rd_node *n)
{
	bool leads = n->decide != NULL && !n->stopping;
	struct ipc_state m = {.is_leader = leads,
			      .lease_end_us = leads ? mono_add_us(rd_mono(n), LEASE_US).us : 0,
			      .backend_ok = n->health.open && n->health.failing_since_us == 0,
			      .backend_failing_since_us = n->health.failing_since_us,
			      .applied_index = n->decide == NULL ? 0 : rd_state_index(rd_decisions(n)),
			      .first_seen_active_us = n->health.first_seen_us,
			      .known_instances = rd_model_count(&n->model),
			      .caught_up = all_probed(n)};
	struct err e;

	if (n->group != NULL)
		rd_group_fill_state(n->group, &m);
	m.seq = ++n->published;
	note_sent(n, ipc_send_state(n->events_door.link, &m, &e), &e);
}

/* Small and often: STATE follows when something else changes. */
uint64_t
rd_publish_lease(struct rd_node *n, bool leads, uint64_t term, struct mono lease_end, struct mono quorum_until)
{
	struct ipc_lease m = {.is_leader = leads,
			      .term = term,
			      .lease_end_us = lease_end.us,
			      .quorum_until_us = quorum_until.us,
			      .applied_index = n->decide == NULL ? 0 : rd_state_index(rd_decisions(n))};
	struct err e;

	m.seq = ++n->published;
	note_sent(n, ipc_send_lease(n->events_door.link, &m, &e), &e);
	return m.seq;
}

/* --- figures --------------------------------------------------------------------------------------------------- */
static void
take_names(struct rd_node *n, struct rd_metrics *m)
{
	struct rd_resolve_stats s = rd_resolve_stats(n->names);

	m->names = s.names;
	m->names_read = s.reads;
	m->names_written = s.writes;
}

static void
take_probers(struct rd_node *n, struct rd_metrics *m)
{
	struct rd_probers_stats p = rd_probers_stats(n->probers);
	struct rd_suspect_stats s = rd_suspect_stats(n->suspect, rd_mono(n));

	m->watched = rd_watch_count(rd_probers_watches(n->probers));
	m->asked = p.asked;
	m->resent = p.resent;
	m->asked_late = p.timed_out;
	m->probers_up = rd_probers_up_count(n->probers);
	m->suspect_mass = s.mass_events;
	m->suspect_waiting = s.waiting;
}

static void
take_decisions(struct rd_node *n, struct rd_metrics *m)
{
	struct rd_view_stats v = rd_view_stats(n->view);
	struct rd_proposer_stats p = {0};

	if (n->decide != NULL)
		p = rd_proposer_stats(n->decide);
	m->committed = p.committed;
	m->propose_failed = p.failed;
	m->propose_unknown = p.unknown;
	m->propose_refused = p.refused;
	m->reloads = p.reloads;
	m->view_waiting = v.waiting;
	m->view_refused = v.refused;
}

void
rd_publish_metrics(struct rd_node *n)
{
	struct ipc_metric list[METRICS_MAX];
	struct rd_metrics *m = &n->metrics;
	struct ipc_metrics out = {.metrics = {list, 0}};
	struct err e;

	take_names(n, m);
	take_probers(n, m);
	take_decisions(n, m);
	m->instances = rd_model_count(&n->model);
	m->candidates = HASH_COUNT(n->candidates.all);
	m->candidate_overflows = n->candidates.overflows;
	m->requests_waiting = n->n_asks;
	m->is_elected = rd_node_leads(n);
	m->is_healthy = n->health.open && n->health.failing_since_us == 0;
	m->overruns = proc_overruns(n->proc);
	if (n->group != NULL)
		rd_group_fill_metrics(n->group, m);
	out.metrics.n = rd_metrics_list(m, n->pool_stats, list, METRICS_MAX);
	out.seq = ++n->published;
	note_sent(n, ipc_send_metrics(n->events_door.link, &out, &e), &e);
}

void
rd_publish_changed(struct rd_node *n, const struct topo_key_list *keys, bool more)
{
	struct ipc_changed m = {.keys = *keys, .more = more};
	struct err e;

	m.seq = ++n->published;
	note_sent(n, ipc_send_changed(n->events_door.link, &m, &e), &e);
}

/* --- samples --------------------------------------------------------------------------------------------------- */
/* An apid that does not take them gets no more of them: its answers come first. */
static bool
is_behind(const struct ipc_link *l)
{
	return l != NULL && ipc_link_stats(l).queued_bytes > SAMPLES_QUEUED_MAX;
}

void
rd_publish_samples(struct rd_node *n)
{
	struct ipc_link *l = n->apid_door.link;
	struct err e;

	if (rd_samples_is_empty(&n->samples))
		return;
	if (is_behind(l) || ipc_send_samples(l, &n->samples.m, &e) != 0)
		n->metrics.samples_unsent++;
	rd_samples_clear(&n->samples);
}

void
rd_publish_probe(struct rd_node *n, const struct topo_probe *p, int64_t handled_us)
{
	if (!n->one_shot && rd_samples_probe(&n->samples, clk_wall(n->clock), p, handled_us))
		rd_publish_samples(n);
}

void
rd_publish_write(void *node, const struct rd_job *job)
{
	struct rd_node *n = node;
	struct ipc_write_sample w = {
	    .at_us = rd_now_us(n), .waited_us = job->waited_us, .took_us = job->took_us, .failed = job->rc != 0};

	if (!n->one_shot && rd_samples_write(&n->samples, &w))
		rd_publish_samples(n);
}

void
rd_publish_flush(struct rd_node *n, size_t instances, int64_t waited_us, int64_t took_us)
{
	struct ipc_flush_sample f = {
	    .at_us = rd_now_us(n), .instances = instances, .waited_us = waited_us, .took_us = took_us};

	if (n->rules->bulk_writes && !n->one_shot && rd_samples_flush(&n->samples, &f))
		rd_publish_samples(n);
}
