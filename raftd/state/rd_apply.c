/* rd_apply.c — what each command does to the state (rd_command.def). Pure: see rd_apply.h. Called by rd_propose.c when
 * a command is decided, by tests and (later) the simulation. */
#include "rd_apply.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "rd_command_check.h"
#include "topo/key.h"

struct apply {
	struct rd_state *s;
	struct rd_applied *out;
	int64_t now_us; /* of the command, monotonic */
};

/* --- results --------------------------------------------------------------------------------------------------- */
static struct rd_effect *
add_effect(struct apply *a, enum rd_effect_kind kind, const struct topo_key *key)
{
	struct rd_applied *o = a->out;
	struct rd_effect *x;

	mem_grow(o->effects, o->cap_effects, o->n_effects + 1);
	x = &o->effects[o->n_effects++];
	*x = (struct rd_effect){.kind = kind};
	if (key == NULL)
		rec_init(&topo_key_desc, &x->key);
	else
		rec_dup(&topo_key_desc, &x->key, key);
	return x;
}

static void PRINTF_LIKE(4, 5) audit(struct apply *a, const char *type, const struct topo_key *key, const char *fmt, ...)
{
	struct rd_effect *x = add_effect(a, RD_EFFECT_AUDIT, key);
	struct str_buf b = {0};
	va_list ap;

	va_start(ap, fmt);
	str_buf_vprintf(&b, fmt, ap);
	va_end(ap);
	rec_set_str(&x->audit_type, type);
	rec_set_str(&x->message, str_buf_text(&b));
	str_buf_done(&b);
}

/* The server's answerable part changed. */
static void
touched(struct apply *a, const struct topo_key *key)
{
	(void)topo_key_list_add(&a->out->keys, key);
	(void)add_effect(a, RD_EFFECT_CHANGED, key);
}

static void
put(struct apply *a, enum rd_table table, const void *row)
{
	rd_state_put(a->s, table, row);
	rd_changes_add(&a->out->changes, RD_CHANGE_UPSERT, rd_table_db(table), row);
}

static bool
take_away(struct apply *a, enum rd_table table, const void *key_row)
{
	/* first the change: key_row may be the very row that goes */
	const void *row = rd_state_get(a->s, table, key_row);

	if (row == NULL)
		return false;
	rd_changes_add(&a->out->changes, RD_CHANGE_DELETE, rd_table_db(table), row);
	return rd_state_remove(a->s, table, key_row);
}

/* The backend keeps whole seconds; memory must not know better, or nodes would differ after a restart. */
static int64_t
floor_s(int64_t us)
{
	return us - us % CLK_S;
}

static int64_t
ceil_s(int64_t us)
{
	return floor_s(us + CLK_S - 1);
}

/* --- inventory ------------------------------------------------------------------------------------------------- */
/* Until its first probe the row says: known, never seen (historically it claimed to have been seen just now). */
static void
add_placeholder(struct apply *a, const struct topo_key *key)
{
	struct topo_key_text name = topo_key_text(key);
	struct topo_instance inst;

	rec_init(&topo_instance_desc, &inst);
	inst.key = *key;
	inst.version = "Unknown";
	inst.cluster_name = name.text;
	inst.sql_thread_state = inst.io_thread_state = TOPO_THREAD_NONE;
	rd_changes_add(&a->out->changes, RD_CHANGE_INSTANCE_ABSENT, DB_TABLE_instance, &inst);
}

static void
apply_inventory_add(struct apply *a, const struct rd_cmd_inventory_add *c)
{
	for (size_t i = 0; i < c->keys.n; i++) {
		const struct topo_key *key = &c->keys.v[i];
		if (rd_state_get(a->s, RD_TABLE_inventory, key) != NULL)
			continue;
		rd_state_put(a->s, RD_TABLE_inventory, key);
		add_placeholder(a, key);
		(void)topo_key_list_add(&a->out->keys, key);
		(void)add_effect(a, RD_EFFECT_KNOWN, key);
		if (c->reason[0] != '\0')
			audit(a, c->reason, key, "injected");
	}
}

static void
apply_inventory_forget(struct apply *a, const struct rd_cmd_inventory_forget *c)
{
	for (size_t i = 0; i < c->keys.n; i++) {
		const struct topo_key *key = &c->keys.v[i];
		struct topo_instance inst;
		if (!rd_state_remove(a->s, RD_TABLE_inventory, key))
			continue;
		rec_init(&topo_instance_desc, &inst);
		inst.key = *key;
		rd_changes_add(&a->out->changes, RD_CHANGE_DELETE, DB_TABLE_instance, &inst);
		(void)topo_key_list_add(&a->out->keys, key);
		(void)add_effect(a, RD_EFFECT_FORGOTTEN, key);
		if (c->reason[0] != '\0')
			audit(a, c->reason, key, "%s", c->message);
	}
}

/* --- downtime -------------------------------------------------------------------------------------------------- */
static void
apply_begin_downtime(struct apply *a, const struct rd_cmd_begin_downtime *c)
{
	struct db_downtime row = {.hostname = c->key.hostname,
				  .port = c->key.port,
				  .downtime_active = {1, true},
				  .begin_timestamp_us = floor_s(c->begins_us),
				  .end_timestamp_us = ceil_s(c->ends_us),
				  .owner = c->owner,
				  .reason = c->reason};

	if (c->ends_us <= a->now_us)
		return;
	put(a, RD_TABLE_downtime, &row);
	touched(a, &c->key);
	audit(a, "begin-downtime", &c->key, "owner: %s, reason: %s", c->owner, c->reason);
}

static void
apply_end_downtime(struct apply *a, const struct rd_cmd_end_downtime *c)
{
	struct db_downtime row = {.hostname = c->key.hostname, .port = c->key.port};

	if (!take_away(a, RD_TABLE_downtime, &row))
		return;
	touched(a, &c->key);
	audit(a, "end-downtime", &c->key, "ended downtime");
}

/* --- tags ------------------------------------------------------------------------------------------------------ */
static void
apply_put_tag(struct apply *a, const struct rd_cmd_put_tag *c)
{
	struct db_tag row = {.hostname = c->key.hostname,
			     .port = c->key.port,
			     .tag_name = c->tag_name,
			     .tag_value = c->tag_value,
			     .last_updated_us = floor_s(a->now_us)};

	put(a, RD_TABLE_tag, &row);
	touched(a, &c->key);
}

static void
apply_delete_tag(struct apply *a, const struct rd_cmd_delete_tag *c)
{
	struct db_tag row = {.hostname = c->key.hostname, .port = c->key.port, .tag_name = c->tag_name};
	const struct db_tag *old = rd_state_get(a->s, RD_TABLE_tag, &row);

	if (old == NULL || (c->has_value && strcmp(old->tag_value, c->tag_value) != 0))
		return;
	audit(a, "delete-instance-tag", &c->key, "%s=%s", c->tag_name, old->tag_value);
	(void)take_away(a, RD_TABLE_tag, &row);
	touched(a, &c->key);
}

/* --- promotion rules ------------------------------------------------------------------------------------------- */
static void
apply_register_candidate(struct apply *a, const struct rd_cmd_register_candidate *c)
{
	struct db_candidate row = {.hostname = c->key.hostname,
				   .port = c->key.port,
				   .last_suggested_us = floor_s(a->now_us),
				   .priority = 1,
				   .promotion_rule = c->promotion_rule};

	put(a, RD_TABLE_candidate, &row);
	touched(a, &c->key);
	if (!c->detected)
		audit(a, "register-candidate", &c->key, "%s", c->promotion_rule);
}

/* --- clusters -------------------------------------------------------------------------------------------------- */
static void
apply_set_cluster_alias(struct apply *a, const struct rd_cmd_set_cluster_alias *c)
{
	struct db_cluster_alias_override row = {.cluster_name = c->cluster_name, .alias = c->alias};

	if (c->alias[0] != '\0')
		put(a, RD_TABLE_cluster_alias_override, &row);
	else
		(void)take_away(a, RD_TABLE_cluster_alias_override, &row);
}

static void
apply_cluster_upsert(struct apply *a, const struct rd_cmd_cluster_upsert *c)
{
	struct db_cluster_record row = {.cluster_id = c->cluster_id,
					.cluster_name = c->cluster_name,
					.alias = c->alias,
					.domain_name = c->domain_name,
					.created_at_us = floor_s(a->now_us),
					.updated_at_us = floor_s(a->now_us)};
	const struct db_cluster_record *old = rd_state_get(a->s, RD_TABLE_cluster_record, &row);

	if (old != NULL)
		row.created_at_us = old->created_at_us;
	put(a, RD_TABLE_cluster_record, &row);
}

/* --- expiry ---------------------------------------------------------------------------------------------------- */
struct expiry {
	const struct rd_cmd_tick *c;
	const void **rows; /* borrowed */
	size_t n, cap;
};

static void
add_expired(struct expiry *x, const void *row)
{
	mem_grow(x->rows, x->cap, x->n + 1);
	x->rows[x->n++] = row;
}

/* A downtime without an end (NULL, written by hand) goes on. */
static void
pick_downtime(void *ctx, const void *row)
{
	struct expiry *x = ctx;
	const struct db_downtime *d = row;

	if (d->end_timestamp_us != 0 && d->end_timestamp_us <= x->c->downtimes_before_us)
		add_expired(x, row);
}

static void
pick_candidate(void *ctx, const void *row)
{
	struct expiry *x = ctx;
	const struct db_candidate *d = row;

	if (d->last_suggested_us < x->c->candidates_before_us)
		add_expired(x, row);
}

/* Both tables begin with hostname and port. */
static void
key_of_row(enum rd_table table, const void *row, struct topo_key *ret)
{
	const struct rec_desc *d = rd_table_desc(table);

	ret->hostname = rec_str_at(row, rec_field_by_name(d, "hostname"));
	ret->port = *(const int64_t *)rec_at(row, rec_field_by_name(d, "port"));
}

static void
expire(struct apply *a, enum rd_table table, const struct rd_cmd_tick *c, rd_row_fn pick, const char *audit_type)
{
	struct expiry x = {.c = c};

	rd_state_each(a->s, table, pick, &x);
	for (size_t i = 0; i < x.n; i++) {
		struct topo_key key;
		key_of_row(table, x.rows[i], &key);
		touched(a, &key);
		if (audit_type != NULL)
			audit(a, audit_type, &key, "ended by itself");
		(void)take_away(a, table, x.rows[i]);
	}
	free(x.rows);
}

static void
apply_tick(struct apply *a, const struct rd_cmd_tick *c)
{
	expire(a, RD_TABLE_downtime, c, pick_downtime, "expire-downtime");
	expire(a, RD_TABLE_candidate, c, pick_candidate, NULL);
	rd_state_expire_uids(a->s, c->uids_before_us);
	if (c->uids_before_us > 0)
		rd_changes_purge(&a->out->changes, DB_TABLE_applied_command, "applied_at < ?", c->uids_before_us);
}

/* --- dispatch -------------------------------------------------------------------------------------------------- */
#define F(...)
#define RD_OP(NAME, name, wire, since, ...)                            \
	static void thunk_##name(struct apply *a, const void *payload) \
	{                                                              \
		apply_##name(a, payload);                              \
	}
#include "rd_command.def"
#undef RD_OP
static void (*const handlers[RD_OP_COUNT])(struct apply *a, const void *payload) = {
#define RD_OP(NAME, name, wire, since, ...) [RD_OP_##NAME] = thunk_##name,
#include "rd_command.def"
#undef RD_OP
#undef F
};

int
rd_apply(struct rd_state *s, const struct rd_command *c, uint64_t index, struct rd_applied *ret, struct err *e)
{
	struct apply a = {.s = s, .out = ret};
	int rc;

	ASSERT(index > rd_state_index(s));
	*ret = (struct rd_applied){.index = index};
	if (rd_state_has_uid(s, c->uid, &ret->index)) {
		ret->duplicate = true;
		rd_state_set_applied(s, index, c->leader_time_us);
		return 0;
	}
	rd_state_set_applied(s, index, c->leader_time_us);
	a.now_us = rd_state_time_us(s);
	rc = rd_command_check(c, e);
	if (rc == 0)
		handlers[c->op](&a, c->payload);
	rd_state_add_uid(s, c->uid, index, a.now_us);
	return rc;
}

void
rd_applied_done(struct rd_applied *a)
{
	for (size_t i = 0; i < a->n_effects; i++) {
		rec_done(&topo_key_desc, &a->effects[i].key);
		rec_set_str(&a->effects[i].audit_type, NULL);
		rec_set_str(&a->effects[i].message, NULL);
	}
	free(a->effects);
	rd_changes_done(&a->changes);
	topo_key_list_done(&a->keys);
	*a = (struct rd_applied){0};
}

/* --- is a tick due? -------------------------------------------------------------------------------------------- */
struct due {
	struct expiry x;
	struct rd_cmd_tick c;
};

bool
rd_tick_due(const struct rd_state *s, int64_t now_us, int64_t candidate_life_us, int64_t uid_life_us,
	    struct rd_cmd_tick *ret)
{
	struct rd_cmd_tick c = {.downtimes_before_us = now_us, .candidates_before_us = now_us - candidate_life_us};
	struct expiry x = {.c = &c};
	int64_t oldest_us = rd_state_oldest_uid_us(s);

	rd_state_each(s, RD_TABLE_downtime, pick_downtime, &x);
	rd_state_each(s, RD_TABLE_candidate, pick_candidate, &x);
	free(x.rows);
	/* uids in batches of an hour: each expiry is a command itself, and leaves a uid */
	if (oldest_us != 0 && oldest_us < now_us - uid_life_us - 3600 * CLK_S)
		c.uids_before_us = now_us - uid_life_us;
	c.uids_before_us = max_i64(c.uids_before_us, rd_state_surplus_uids_us(s));
	*ret = c;
	return x.n > 0 || c.uids_before_us > 0;
}
