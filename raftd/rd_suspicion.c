/* rd_suspicion.c — lost connections, and the probes that follow at once (design.md section 5). What is probed when is
 * decided in rd_suspect.c; this asks the probers. */
#include "base/log.h"
#include "rd_node_private.h"

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
void
rd_work_suspect_replicas(struct rd_node *n, const struct topo_key *key)
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
	struct rd_server *s = rd_model_find(&n->model, &m->key);
	bool has_replicas = s != NULL && rd_server_has_replicas(n, s);

	n->metrics.connections_lost++;
	if (s == NULL || n->one_shot)
		return;
	log_info("suspect", "connection lost, probing anew instance=%s evidence=%s", s->text,
		 topo_evidence_text(m->evidence));
	if (rd_suspect_lost(n->suspect, &m->key, has_replicas, rd_mono(n), rd_model_count(&n->model)))
		log_warning("suspect", "many connections were lost at once: probing servers with replicas first");
	rd_work_suspect_replicas(n, &m->key);
	rd_work_suspects(n);
	rd_detect_lost(n, s, m);
}
