/* rd_audit.c — audit entries to wherever the configuration says: backend table, file, syslog, else the log. Types:
 * json-shapes.md section 6. The file is written by the view writer's thread, in the order of the entries. */
#include <stdio.h>

#include "base/log.h"
#include "conf/conf.h"
#include "rd_node_private.h"

static const char *
cluster_of(const struct rd_node *n, const struct topo_key *key)
{
	const struct rd_server *s = key == NULL ? NULL : rd_model_find(&n->model, key);

	return s == NULL ? "" : s->inst.cluster_name;
}

static void
to_backend(struct rd_node *n, int64_t at_us, const char *type, const struct topo_key *key, const char *message)
{
	struct db_audit row = {.audit_timestamp_us = at_us,
			       .audit_type = type,
			       .hostname = key == NULL ? "" : key->hostname,
			       .port = key == NULL ? 0 : key->port,
			       .cluster_name = cluster_of(n, key),
			       .message = message};

	n->metrics.audit_writes++;
	rd_flush_row(n, RD_CHANGE_INSERT, DB_TABLE_audit, &row);
}

/* Tabs and line ends inside a field would forge fields and lines. */
static void
add_field(struct str_buf *b, const char *text)
{
	for (; *text != '\0'; text++)
		str_buf_add_char(b, (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text);
}

static void
format(struct rd_node *n, int64_t at_us, const char *type, const struct topo_key *key, const char *message,
       struct str_buf *b)
{
	char stamp[CLK_STAMP_BYTES];

	clk_format_wall((struct wall){at_us}, stamp);
	str_buf_printf(b, "%s\t%s\t", stamp, type);
	add_field(b, key == NULL ? "" : key->hostname);
	str_buf_printf(b, "\t%lld\t[", key == NULL ? 0LL : (long long)key->port);
	add_field(b, cluster_of(n, key));
	str_buf_add(b, "]\t");
	add_field(b, message);
	str_buf_add_char(b, '\n');
}

static void
to_log(struct rd_node *n, const char *type, const struct topo_key *key, const char *message)
{
	char cluster[LOG_Q_BYTES];

	(void)snprintf(cluster, sizeof(cluster), "%s", LOG_Q(cluster_of(n, key)));
	log_info("audit", "type=%s instance=%s cluster=%s message=%s", type,
		 key == NULL ? "\"\"" : LOG_Q(topo_key_text(key).text), cluster, LOG_Q(message));
}

void
rd_audit(struct rd_node *n, const char *type, const struct topo_key *key, const char *message)
{
	rd_audit_at(n, rd_now_us(n), type, key, message);
}

void
rd_audit_at(struct rd_node *n, int64_t at_us, const char *type, const struct topo_key *key, const char *message)
{
	const struct conf *c = proc_conf(n->proc);
	struct str_buf line = {0};

	if (c->AuditToBackendDB)
		to_backend(n, at_us, type, key, message);
	format(n, at_us, type, key, message, &line);
	if (c->AuditLogFile[0] != '\0')
		rd_flush_line(n, line.p);
	if (c->AuditToSyslog)
		log_syslog("orchestrator", line.p);
	if (c->AuditLogFile[0] == '\0' && !c->AuditToSyslog)
		to_log(n, type, key, message);
	str_buf_done(&line);
}
