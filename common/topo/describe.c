/* describe.c — the status block of topology drawings and instance-status: "[0s,ok,8.0.36,rw,ROW,>>,GTID]". Pure.
 * Works on derived instances. Reference: probing.md section 10.2. */
#include "topo/derive.h"

void
topo_add_clean(struct str_buf *b, const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		const unsigned char *at = (const unsigned char *)p;
		bool c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0; /* control characters in two bytes */
		bool control = *at < ' ' || *at == 0x7f || c1;
		str_buf_add_n(b, control ? "?" : p, 1);
		p += c1;
	}
}

const char *
topo_status_word(const struct topo_instance *i, const struct topo_limits *l)
{
	if (!i->is_last_check_valid)
		return "invalid";
	if (!i->is_recently_checked)
		return "unchecked";
	if (!topo_is_replica(i))
		return "ok";
	if (!topo_replica_running(i))
		return "nonreplicating";
	return topo_maintenance_lag_ok(i, l) ? "ok" : "lag";
}

static int64_t
known_lag_s(const struct topo_instance *i)
{
	if (i->replication_lag_s.valid)
		return i->replication_lag_s.v;
	return i->seconds_behind_source.valid ? i->seconds_behind_source.v : 0;
}

void
topo_lag_word(const struct topo_instance *i, struct str_buf *b)
{
	const char *word = NULL;

	if (i->is_detached)
		word = "detached";
	else if (!i->is_last_check_valid || !i->is_recently_checked)
		word = "unknown";
	else if (topo_is_replica(i) && (!topo_replica_running(i) || !i->seconds_behind_source.valid))
		word = "null";
	if (word != NULL)
		str_buf_add(b, word);
	else
		str_buf_printf(b, "%llds", (long long)known_lag_s(i));
}

static void
add_extra(struct str_buf *b, bool *first, const char *text)
{
	if (!*first)
		str_buf_add_char(b, ',');
	*first = false;
	str_buf_add(b, text);
}

static void
add_extras(const struct topo_instance *i, struct str_buf *b)
{
	bool first = true;

	if (i->log_bin_enabled && i->log_replica_updates)
		add_extra(b, &first, ">>");
	if (topo_using_gtid(i) || i->supports_oracle_gtid)
		add_extra(b, &first, str_empty(i->gtid_errant) ? "GTID" : "GTID:errant");
	if (i->using_pseudo_gtid)
		add_extra(b, &first, "P-GTID");
	if (i->semi_sync_source_status)
		add_extra(b, &first, "semi:master");
	if (i->semi_sync_replica_status)
		add_extra(b, &first, "semi:replica");
	if (i->is_downtimed)
		add_extra(b, &first, "downtimed");
}

void
topo_token(const struct topo_instance *i, const struct topo_limits *l, enum topo_token token, struct str_buf *b)
{
	switch (token) {
	case TOPO_TOKEN_LAG:
		topo_lag_word(i, b);
		break;
	case TOPO_TOKEN_STATUS:
		str_buf_add(b, topo_status_word(i, l));
		break;
	case TOPO_TOKEN_VERSION:
		topo_add_clean(b, i->version);
		break;
	case TOPO_TOKEN_RW:
		str_buf_add(b, i->read_only ? "ro" : "rw");
		break;
	case TOPO_TOKEN_FORMAT:
		topo_add_clean(b, i->log_bin_enabled ? i->binlog_format : "nobinlog");
		break;
	case TOPO_TOKEN_EXTRAS:
		add_extras(i, b);
		break;
	case TOPO_TOKENS:
	default:
		ASSERT(false);
	}
}

void
topo_describe(const struct topo_instance *i, const struct topo_limits *l, struct str_buf *b)
{
	bool first = true;

	str_buf_add_char(b, '[');
	for (enum topo_token t = TOPO_TOKEN_LAG; t < TOPO_TOKENS; t++) {
		struct str_buf token = {0};
		topo_token(i, l, t, &token);
		if (token.len > 0)
			add_extra(b, &first, token.p);
		str_buf_done(&token);
	}
	str_buf_add_char(b, ']');
}
