/* rd_recover_start.c — a recovery begins: a verdict is held against the configuration and the record, and the input is
 * gathered from what this node knows. Owns nothing. See rd_recoveries.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "rd_recover_begin.h"
#include "rd_recoveries_private.h"
#include "topo/key.h"

#define BEGIN_WAIT_US (5 * CLK_S) /* then another verdict may begin it anew */

/* --- the input ------------------------------------------------------------------------------------------------------ */
static bool
is_in_maintenance(struct rd_node *n, const struct topo_key *key)
{
	struct rd_cursor c = {.table = RD_TABLE_maintenance};
	const struct db_maintenance *m;

	while ((m = rd_state_next_row(rd_decisions(n), &c)) != NULL) {
		if (m->port == key->port && str_eq(m->hostname, key->hostname))
			return true;
	}
	return false;
}

/* As it was read last; it is read anew before anything is chosen. */
static void
fill_server(struct rd_node *n, const struct rd_server *s, struct conf_filter *banned, struct rd_recovery_server *ret)
{
	const struct topo_key *key = &s->inst.key;
	struct topo_probe probe;

	rec_init(&topo_probe_desc, &probe);
	probe.found = s->found;
	probe.ended_us = s->last.ended_us;
	probe.last_answer_us = s->last.last_answer_us;
	probe.channels = s->channels;
	probe.last_sql_errno = s->last_sql_errno;
	probe.last_io_errno = s->last_io_errno;
	probe.gtid_io_pos = s->received == NULL ? "" : s->received;
	probe.gtid_current_pos = s->current_pos == NULL ? "" : s->current_pos;
	rd_recovery_server_from(&s->inst, &probe, ret);
	rd_records_decided(rd_decisions(n), ret);
	ret->semi_sync_acks = s->semi_sync.acks;
	ret->semi_sync_since_us = s->semi_sync.since_us;
	ret->in_maintenance = is_in_maintenance(n, key);
	ret->is_banned = banned != NULL && conf_filter_matches(banned, key->hostname, key->port);
}

/* Its replicas are, also if they were read last while the cluster had another name: right after a recovery. */
static bool
is_of(const struct rd_server *s, const struct rd_dead *d)
{
	return str_eq(s->inst.cluster_name, d->cluster_name) ||
	       topo_key_equal(&s->inst.source_key, &d->server->inst.key);
}

/* Whose place somebody of this cluster took in a former recovery. */
static void
find_replaced(struct rd_node *n, const struct rd_gathered *g, struct topo_key_list *ret)
{
	struct rd_cursor c = {0};
	struct rd_recovery r;

	while (rd_records_next(rd_decisions(n), &c, &r)) {
		if (r.promoted &&
		    (str_eq(r.cluster_id, g->in.cluster_id) || topo_key_equal(&r.successor, &g->in.failed.key)))
			(void)topo_key_list_add(ret, &r.failed);
	}
}

static void
add_server(struct rd_node *n, const struct rd_server *s, struct conf_filter *banned, bool in_doubt,
	   struct rd_gathered *g)
{
	struct rd_recovery_server *ret = &g->servers[g->in.servers.n];

	if (g->in.servers.n == RD_RECOVERY_SERVERS_MAX)
		return;
	g->in.servers.n++;
	fill_server(n, s, banned, ret);
	if (!in_doubt) {
		g->all_probed = g->all_probed && s->probed;
		return;
	}
	ret->in_doubt = true;
	ret->answered = false;
	ret->answered_us = 0;
}

/* It died soon after a recovery had pointed it to the failed server, it seems: nobody else names it as lost. */
static void
add_unreached(struct rd_node *n, const struct rd_server *s, struct conf_filter *banned, struct rd_gathered *g)
{
	size_t i = g->in.servers.n;

	add_server(n, s, banned, true, g);
	if (i == g->in.servers.n)
		return;
	g->servers[i].in_doubt = false;
	g->servers[i].was_direct = true;
}

/* What this node knows may be a poll old. An old source that has rejoined, and replicas that a recovery has just pointed to the
 * failed server, may stand there with what they followed before, and so without this cluster's name. The record and the failed
 * server itself tell who may be meant. */
static void
add_doubtful(struct rd_recoveries *rs, const struct rd_dead *d, struct conf_filter *banned, struct rd_gathered *g)
{
	struct rd_node *n = rs->n;
	const struct topo_key_list *named = &d->server->inst.replicas;
	struct topo_key_list replaced = {0};

	find_replaced(n, g, &replaced);
	for (const struct rd_server *s = n->model.servers; replaced.n > 0 && s != NULL; s = s->hh.next) {
		bool is_replaced = topo_key_list_has(&replaced, &s->inst.key),
		     is_below = topo_key_list_has(&replaced, &s->inst.source_key);
		if (s == d->server || is_of(s, d) || (!is_replaced && !is_below))
			continue;
		if (s->found)
			add_server(n, s, banned, true, g);
		else if (!is_replaced && !rd_recoveries_lost(rs, &s->inst.key))
			add_unreached(n, s, banned, g);
	}
	for (size_t i = 0; i < named->n; i++) {
		const struct rd_server *s = rd_model_find(&n->model, &named->v[i]);
		if (s != NULL && s != d->server && s->found && !is_of(s, d) &&
		    !topo_key_list_has(&replaced, &s->inst.key) && !topo_key_list_has(&replaced, &s->inst.source_key))
			add_server(n, s, banned, true, g);
	}
	topo_key_list_done(&replaced);
}

void
rd_recover_gather(struct rd_recoveries *rs, const struct rd_dead *d, const char *uid, struct rd_gathered *g)
{
	struct rd_node *n = rs->n;
	struct rd_recovery_input *in = &g->in;
	struct conf_filter *banned = NULL;
	struct err e;

	if (conf_filter_new(&proc_conf(n->proc)->PromotionIgnoreHostnameFilters, &banned, &e) != 0)
		log_error("recovery", "PromotionIgnoreHostnameFilters is left out: %s",
			  e.msg); /* a loaded one compiles */
	rec_init(&rd_recovery_input_desc, in);
	g->servers = mem_calloc(RD_RECOVERY_SERVERS_MAX, sizeof(*g->servers));
	g->all_probed = d->server->probed;
	in->uid = uid;
	in->cluster_name = d->cluster_name;
	in->cluster_id = rd_records_cluster_id(rd_decisions(n), d->cluster_name);
	in->cluster_alias = d->cluster_alias;
	in->analysis = topo_code_name((enum topo_code)d->analysis->code);
	in->suspected_us = d->server->last.first_failed_us != 0 ? d->server->last.first_failed_us : rd_now_us(n);
	in->decided_us = rd_now_us(n);
	rd_recovery_policy_from(proc_conf(n->proc), &in->policy);
	fill_server(n, d->server, banned, &in->failed);
	in->failed.answered = false;
	in->servers.v = g->servers;
	for (const struct rd_server *s = n->model.servers; s != NULL; s = s->hh.next) {
		if (s != d->server && is_of(s, d))
			add_server(n, s, banned, false, g);
	}
	add_doubtful(rs, d, banned, g);
	rd_recovery_carry(in, in);
	conf_filter_free(banned);
}

/* --- beginning ------------------------------------------------------------------------------------------------------- */
/* Of this server; many may fail at once. */
static bool
is_beginning(struct rd_recoveries *rs, const struct topo_key *failed)
{
	const struct rd_recover_asked *a;

	LIST_FOREACH (a, &rs->asked, next) {
		if (topo_key_equal(&a->begins, failed) && mono_diff_us(rd_mono(rs->n), a->since) < BEGIN_WAIT_US)
			return true;
	}
	return false;
}

static void
on_begun(void *ctx, const struct rd_proposed *p)
{
	struct rd_recover_asked *a = ctx;

	if (p->outcome != RD_COMMITTED) {
		log_warning("recovery", "a recovery of instance=%s does not begin: %s", TOPO_KEY_TEXT(&a->begins),
			    p->e->msg);
		rd_recover_tell_refused(a->rs, a->uid, p);
	}
	rd_recover_drop_asked(a);
}

int
rd_recover_propose_begin(struct rd_recoveries *rs, const struct rd_dead *d, struct rd_gathered *g, const char *by,
			 bool skip_hooks, struct err *e)
{
	struct rd_node *n = rs->n;
	const struct conf *c = proc_conf(n->proc);
	size_t listed = min_size(g->in.servers.n, 256), n_replicas = 0;
	struct topo_key *replicas = mem_calloc(listed + 1, sizeof(*replicas));
	struct rd_recover_asked *a = rd_recover_new_asked(rs, g->in.uid, 0);
	struct rd_cmd_recovery_begin cmd;
	char drawn[33];
	int rc;

	for (size_t i = 0; i < g->in.servers.n && n_replicas < listed; i++) {
		if (g->servers[i].was_direct)
			replicas[n_replicas++] = g->servers[i].key;
	}
	str_random_hex(drawn, 16);
	if (g->in.cluster_id[0] == '\0')
		g->in.cluster_id = drawn;
	cmd =
	    (struct rd_cmd_recovery_begin){.recovery_uid = g->in.uid,
					   .cluster_id = g->in.cluster_id,
					   .cluster_name = d->cluster_name,
					   .cluster_alias = d->cluster_alias,
					   .key = d->server->inst.key,
					   .analysis = g->in.analysis,
					   .forced = g->in.forced,
					   .skip_hooks = skip_hooks || c->PreFailoverProcesses.n == 0 ||
							 rd_kind_promotes_nobody(g->in.analysis, g->in.forced) != NULL,
					   .block_us = max_i64(1, c->RecoveryPeriodBlockSeconds) * CLK_S,
					   .token = proc_setup(n->proc)->node_token,
					   .by = by,
					   .count_replicas = n_replicas,
					   .replicas = {replicas, n_replicas}};
	g->in.skip_hooks = skip_hooks;
	rec_assign(&topo_key_desc, &a->begins, &d->server->inst.key);
	a->since = rd_mono(n);
	rc = rd_records_begin(n->decide, &cmd, &g->in, on_begun, a, e);
	if (rc != 0)
		rd_recover_drop_asked(a);
	free(replicas);
	return rc;
}

enum rd_recover_refusal
rd_recover_refusal(struct rd_recoveries *rs, const struct rd_dead *d, const struct rd_gathered *g, bool forced)
{
	const struct rd_recover_case f = {.code = (enum topo_code)d->analysis->code,
					  .hostname = d->server->inst.key.hostname,
					  .cluster_name = d->cluster_name,
					  .cluster_alias = d->cluster_alias,
					  .disabled = rd_state_recoveries_disabled(rd_decisions(rs->n)),
					  .downtimed = g->in.failed.is_downtimed,
					  .in_maintenance = g->in.failed.in_maintenance,
					  .replaced = rd_old_stays_replaced(rs, d->server),
					  .all_probed = g->all_probed,
					  .forced = forced};

	return rd_recover_may_begin(proc_conf(rs->n->proc), &f);
}

enum rd_block
rd_recover_block(struct rd_recoveries *rs, const struct rd_dead *d, bool forced, int64_t *ret_id)
{
	const struct rd_state *s = rd_decisions(rs->n);
	int64_t block_us = max_i64(1, proc_conf(rs->n->proc)->RecoveryPeriodBlockSeconds) * CLK_S;

	return rd_records_block(s, rd_records_cluster_id(s, d->cluster_name), &d->server->inst.key,
				topo_code_name((enum topo_code)d->analysis->code), forced, rd_now_us(rs->n), block_us,
				ret_id);
}

/* A failure that is blocked is recorded once. */
static bool
is_blocked(struct rd_recoveries *rs, const struct rd_dead *d)
{
	struct rd_node *n = rs->n;
	int64_t id;
	enum rd_block block = rd_recover_block(rs, d, false, &id);
	const struct db_blocked_recovery *row = rd_records_blocked(rd_decisions(n), &d->server->inst.key);
	struct rd_cmd_blocked_recovery c = {.key = d->server->inst.key,
					    .cluster_name = d->cluster_name,
					    .analysis = topo_code_name((enum topo_code)d->analysis->code),
					    .blocking_recovery_id = id};
	struct err e;

	if (block == RD_BLOCK_NONE || block == RD_BLOCK_RUNNING)
		return block != RD_BLOCK_NONE;
	if (row != NULL && row->blocking_recovery_id.v == id && str_eq(row->analysis, c.analysis))
		return true;
	log_warning("recovery",
		    "instance=%s is not recovered: %s (recovery %lld): acknowledge that one, or ask for a recovery",
		    d->server->text, rd_block_text(block), (long long)id);
	if (rd_propose_blocked_recovery(n->decide, &c, NULL, NULL, &e) != 0)
		log_debug("recovery", "a blocked recovery is not recorded: %s", e.msg);
	return true;
}

void
rd_recover_dead_server(struct rd_recoveries *rs, const struct rd_dead *d)
{
	const struct topo_key *key = &d->server->inst.key;
	char uid[33];
	struct rd_gathered g;
	enum rd_recover_refusal no;
	struct err e;

	if (!rs->leads || d->term != rs->term || is_beginning(rs, key))
		return;
	str_random_hex(uid, 16);
	rd_recover_gather(rs, d, uid, &g);
	no = rd_recover_refusal(rs, d, &g, false);
	if (no != RD_MAY_RECOVER && !d->again)
		log_notice("recovery", "instance=%s is not recovered: %s", d->server->text,
			   rd_recover_refusal_text(no)); /* tests: test_recovery.py */
	if (no == RD_MAY_RECOVER && !is_blocked(rs, d) && rd_recover_propose_begin(rs, d, &g, "", false, &e) != 0)
		log_warning("recovery", "a recovery of instance=%s does not begin: %s", d->server->text, e.msg);
	free(g.servers);
}
