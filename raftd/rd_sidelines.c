/* rd_sidelines.c — the smaller rows that follow from a found server (probing.md section 4, steps 18 to 20). Called by
 * rd_work.c for each. */
#include "rd_sidelines.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rd_merge.h"
#include "state/rd_command_check.h"
#include "topo/key.h"

/* DetectPromotionRuleQuery: registered anew when it differs, or when half of its life is over (historically with every
 * probe, and under the name asked for instead of the server's own). */
static void
take_promotion_rule(struct rd_node *n, const struct rd_server *s, const struct topo_probe *p)
{
	struct db_candidate key = {.hostname = s->inst.key.hostname, .port = s->inst.key.port};
	const struct db_candidate *row = rd_state_get(rd_decisions(n), RD_TABLE_candidate, &key);
	struct rd_cmd_register_candidate c = {
	    .key = s->inst.key, .promotion_rule = p->detected_promotion_rule, .detected = true};
	struct err e;

	if (!rd_promotion_rule_valid(c.promotion_rule) || !rd_node_leads(n))
		return;
	if (row != NULL && strcmp(row->promotion_rule, c.promotion_rule) == 0 &&
	    rd_now_us(n) - row->last_suggested_us < n->rules->candidate_life_us / 2)
		return;
	if (rd_propose_register_candidate(n->decide, &c, NULL, NULL, &e) != 0)
		log_debug("probe", "promotion rule not registered instance=%s: %s", s->text, e.msg);
}

static void
take_domain(struct rd_node *n, struct rd_server *s, const struct topo_probe *p)
{
	struct db_cluster_domain row = {
	    .cluster_name = s->inst.cluster_name, .domain_name = p->cluster_domain, .last_registered_us = p->ended_us};

	if (s->inst.replication_depth != 0 || p->cluster_domain[0] == '\0')
		return;
	free(s->domain);
	s->domain = mem_strdup(p->cluster_domain);
	rd_flush_row(n, RD_CHANGE_UPSERT, DB_TABLE_cluster_domain, &row);
}

/* The prober fills these only when it has just looked, about once in ten minutes. */
static void
take_addresses(struct rd_node *n, const struct rd_server *s, const struct topo_probe *p)
{
	struct db_hostname_ips row = {
	    .hostname = s->inst.key.hostname, .ipv4 = p->ipv4, .ipv6 = p->ipv6, .last_updated_us = p->ended_us};

	if (p->ipv4[0] != '\0' || p->ipv6[0] != '\0')
		rd_flush_row(n, RD_CHANGE_UPSERT, DB_TABLE_hostname_ips, &row);
}

static void
take_tls(struct rd_node *n, struct rd_server *s, const struct topo_probe *p)
{
	struct db_instance_tls row = {
	    .hostname = s->inst.key.hostname, .port = s->inst.key.port, .required = p->tls_required};

	if (p->tls_required == s->tls_written)
		return;
	s->tls_written = p->tls_required;
	n->metrics.tls_writes++;
	rd_flush_row(n, RD_CHANGE_UPSERT, DB_TABLE_instance_tls, &row);
}

void
rd_sidelines(struct rd_node *n, struct rd_server *s, const struct topo_probe *p)
{
	take_promotion_rule(n, s, p);
	take_domain(n, s, p);
	take_addresses(n, s, p);
	take_tls(n, s, p);
}
