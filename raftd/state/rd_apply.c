/* rd_apply.c — applying one command: bookkeeping, dispatch, and what the rd_apply_*.c files build results with. Pure: see
 * rd_apply.h. Called by the proposers when a command is decided, by tests and the simulation. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rd_apply_private.h"
#include "rd_command_check.h"
#include "topo/key.h"

/* --- results --------------------------------------------------------------------------------------------------- */
struct rd_effect *
rd_effect_add(struct apply *a, enum rd_effect_kind kind, const struct topo_key *key)
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

void
rd_effect_say(struct apply *a, enum rd_effect_kind kind, const char *message)
{
	rec_set_str(&rd_effect_add(a, kind, NULL)->message, message);
}

void
rd_effect_audit(struct apply *a, const char *type, const struct topo_key *key, const char *fmt, ...)
{
	struct rd_effect *x = rd_effect_add(a, RD_EFFECT_AUDIT, key);
	struct str_buf b = {0};
	va_list ap;

	va_start(ap, fmt);
	str_buf_vprintf(&b, fmt, ap);
	va_end(ap);
	rec_set_str(&x->audit_type, type);
	rec_set_str(&x->message, str_buf_text(&b));
	str_buf_done(&b);
}

void
rd_effect_touched(struct apply *a, const struct topo_key *key)
{
	(void)topo_key_list_add(&a->out->keys, key);
	(void)rd_effect_add(a, RD_EFFECT_CHANGED, key);
}

/* --- rows ------------------------------------------------------------------------------------------------------ */
void
rd_row_put(struct apply *a, enum rd_table table, const void *row)
{
	/* first the change: row may borrow from the one that it replaces */
	rd_changes_add(&a->out->changes, RD_CHANGE_UPSERT, rd_table_db(table), row);
	rd_state_put(a->s, table, row);
}

bool
rd_row_take_away(struct apply *a, enum rd_table table, const void *key_row)
{
	/* first the change: key_row may be the very row that goes */
	const void *row = rd_state_get(a->s, table, key_row);

	if (row == NULL)
		return false;
	rd_changes_add(&a->out->changes, RD_CHANGE_DELETE, rd_table_db(table), row);
	return rd_state_remove(a->s, table, key_row);
}

struct rd_picked
rd_row_pick(const struct rd_state *s, enum rd_table table, rd_match_fn match, const void *what)
{
	struct rd_cursor c = {.table = table};
	struct rd_picked p = {0};
	const void *row;

	while ((row = rd_state_next_row(s, &c)) != NULL) {
		if (!match(row, what))
			continue;
		mem_grow(p.rows, p.cap, p.n + 1);
		p.rows[p.n++] = row;
	}
	return p;
}

int64_t
rd_floor_s(int64_t us)
{
	return us - us % CLK_S;
}

int64_t
rd_ceil_s(int64_t us)
{
	return rd_floor_s(us + CLK_S - 1);
}

/* --- dispatch -------------------------------------------------------------------------------------------------- */
#define F(...)
#define RD_OP(NAME, name, wire, since, ...)                                          \
	static int thunk_##name(struct apply *a, const void *payload, struct err *e) \
	{                                                                            \
		return rd_apply_##name(a, payload, e);                               \
	}
#include "rd_command.def"
#undef RD_OP
static int (*const handlers[RD_OP_COUNT])(struct apply *a, const void *payload, struct err *e) = {
#define RD_OP(NAME, name, wire, since, ...) [RD_OP_##NAME] = thunk_##name,
#include "rd_command.def"
#undef RD_OP
#undef F
};

/* The same answer as the first time. */
static int
repeat(const struct db_applied_command *first, struct rd_applied *ret, struct err *e)
{
	ret->duplicate = true;
	ret->index = (uint64_t)first->log_index;
	ret->id = first->result_id;
	if (first->result == 0)
		return 0;
	return err_set(e, (enum err_code)first->result, "%s (answered before)", err_text((int)first->result));
}

static void
remember(struct apply *a, uint64_t index, int rc)
{
	struct db_applied_command row = {.uid = a->c->uid,
					 .log_index = (int64_t)index,
					 .applied_at_us = a->now_us,
					 .result = -rc,
					 .result_id = a->out->id};

	rd_row_put(a, RD_TABLE_applied_command, &row);
}

int
rd_apply(struct rd_state *s, const struct rd_command *c, struct rd_entry_at at, struct rd_applied *ret, struct err *e)
{
	const struct db_applied_command *first = rd_state_command(s, c->uid);
	struct apply a = {.s = s, .c = c, .out = ret};
	int rc;

	ASSERT(at.index > rd_state_index(s));
	*ret = (struct rd_applied){.index = at.index, .term = at.term};
	rd_state_set_applied(s, at.index, at.term, c->leader_time_us);
	ret->time_us = rd_state_time_us(s);
	a.now_us = rd_floor_s(ret->time_us);
	if (first != NULL) {
		rc = repeat(first, ret, e);
	} else {
		rc = rd_command_check(c, e);
		if (rc == 0)
			rc = handlers[c->op](&a, c->payload, e);
		remember(&a, at.index, rc);
	}
	rd_state_end_entry(s);
	return rc;
}

void
rd_apply_nothing(struct rd_state *s, struct rd_entry_at at)
{
	ASSERT(at.index > rd_state_index(s));
	rd_state_set_applied(s, at.index, at.term, 0);
	rd_state_end_entry(s);
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
