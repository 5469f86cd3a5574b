/* rd_apply_steps.c — what a recovery leaves behind besides its states: lost servers and their downtime, lines of its audit, marks
 * of its hooks (rd_command.def; recovery.md section 17). Pure: see rd_apply.h. Dispatched by rd_apply.c; lines are also
 * written by rd_apply_recovery.c. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "rd_apply_private.h"
#include "rd_records.h"
#include "topo/key.h"

#define STEPS_KEPT 20000 /* audit lines of one recovery */

const struct db_recovery_machine *
rd_machine_find(const struct apply *a, const char *uid)
{
	return rd_records_machine_row(a->s, uid);
}

int
rd_no_such_recovery(const char *uid, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "no recovery %.128s", uid);
}

/* The column has whole seconds, in which a recovery may be over: the text begins with the time since its beginning. */
static void
put_step(struct apply *a, int64_t *id, const char *uid, int64_t at_us, const char *message)
{
	const struct db_recovery_machine *m = rd_machine_find(a, uid);
	int64_t when_us = at_us == 0 ? a->out->time_us : at_us;
	int64_t ms = m == NULL ? 0 : max_i64(0, when_us - m->began) / CLK_MS;
	struct str_buf text = {0};
	struct db_recovery_step row = {.recovery_step_id = *id, .recovery_uid = uid};

	str_buf_printf(&text, "+%lld.%03lld s: %s", (long long)(ms / 1000), (long long)(ms % 1000), message);
	row.message = str_buf_text(&text);
	row.audit_at_us = rd_floor_s(when_us);
	while (rd_state_get(a->s, RD_TABLE_recovery_step, &row) != NULL)
		row.recovery_step_id++;
	*id = row.recovery_step_id;
	rd_row_put(a, RD_TABLE_recovery_step, &row);
	str_buf_done(&text);
}

void
rd_step_say(struct apply *a, const char *uid, const char *fmt, ...)
{
	int64_t id = (int64_t)a->out->index;
	struct str_buf b = {0};
	va_list ap;

	va_start(ap, fmt);
	str_buf_vprintf(&b, fmt, ap);
	va_end(ap);
	put_step(a, &id, uid, 0, str_buf_text(&b));
	str_buf_done(&b);
}

void
rd_line_add(struct str_buf *b, const char *lines, const char *line)
{
	str_buf_printf(b, "%s%s%s", lines, lines[0] == '\0' || line[0] == '\0' ? "" : "\n", line);
}

void
rd_lost_downtime(struct apply *a, const struct topo_key *key, int64_t ends_us)
{
	struct db_downtime row = {.hostname = key->hostname,
				  .port = key->port,
				  .downtime_active = {1, true},
				  .begin_timestamp_us = a->now_us,
				  .end_timestamp_us = rd_ceil_s(ends_us),
				  .owner = "orchestrator", /* historical */
				  .reason = RD_LOST_REASON};

	if (ends_us <= a->now_us)
		return;
	rd_row_put(a, RD_TABLE_downtime, &row);
	rd_effect_touched(a, key);
	rd_effect_audit(a, "begin-downtime", key, "owner: %s, reason: %s", row.owner, row.reason);
}

/* --- its record --------------------------------------------------------------------------------------------------- */
static bool
list_has(const char *list, const struct topo_key *key)
{
	struct topo_key_text text = topo_key_text(key);
	size_t n = strlen(text.text);

	for (const char *p = list; (p = strstr(p, text.text)) != NULL; p += n) {
		if ((p == list || p[-1] == ',') && (p[n] == '\0' || p[n] == ','))
			return true;
	}
	return false;
}

static void
add_to_list(struct str_buf *list, const struct topo_key *key)
{
	if (!list_has(str_buf_text(list), key) && list->len + TOPO_KEY_TEXT_BYTES < 65535)
		rd_add_key(list, key);
}

static void
record_loss(struct apply *a, const struct rd_cmd_recovery_record *c)
{
	struct db_recovery_machine row = *rd_machine_find(a, c->recovery_uid);

	if (c->loss[0] == '\0')
		return;
	row.loss = c->loss;
	rd_row_put(a, RD_TABLE_recovery_machine, &row);
	rd_step_say(a, c->recovery_uid, "lost transactions: %.1000s", c->loss);
}

static bool
has_line(const char *lines, const char *line)
{
	size_t n = strlen(line);

	for (const char *p = lines; n > 0 && (p = strstr(p, line)) != NULL; p += n) {
		if ((p == lines || p[-1] == '\n') && (p[n] == '\0' || p[n] == '\n'))
			return true;
	}
	return false;
}

static void
record_row(struct apply *a, const struct rd_cmd_recovery_record *c)
{
	struct db_recovery row = *rd_records_row(a->s, c->recovery_uid);
	struct str_buf lost = {0}, participants = {0}, errors = {0};

	str_buf_add(&lost, row.lost_slaves); /* historical */
	for (size_t i = 0; i < c->lost.n; i++)
		add_to_list(&lost, &c->lost.v[i].key);
	str_buf_add(&participants, row.participating_instances);
	for (size_t i = 0; i < c->participating.n; i++)
		add_to_list(&participants, &c->participating.v[i]);
	if (strlen(row.all_errors) + strlen(c->error) < 65535 && !c->is_note && !has_line(row.all_errors, c->error))
		rd_line_add(&errors, row.all_errors, c->error);
	else
		str_buf_add(&errors, row.all_errors);
	row.lost_slaves = str_buf_text(&lost); /* historical */
	row.participating_instances = str_buf_text(&participants);
	row.all_errors = str_buf_text(&errors);
	rd_row_put(a, RD_TABLE_recovery, &row);
	str_buf_done(&lost);
	str_buf_done(&participants);
	str_buf_done(&errors);
}

int
rd_apply_recovery_record(struct apply *a, const struct rd_cmd_recovery_record *c, struct err *e)
{
	if (rd_machine_find(a, c->recovery_uid) == NULL)
		return rd_no_such_recovery(c->recovery_uid, e);
	if (c->error[0] != '\0' && !has_line(rd_records_row(a->s, c->recovery_uid)->all_errors, c->error))
		rd_step_say(a, c->recovery_uid, "%.1000s", c->error);
	record_row(a, c);
	record_loss(a, c);
	for (size_t i = 0; i < c->lost.n; i++) {
		rd_lost_downtime(a, &c->lost.v[i].key, c->downtime_ends_us);
		rd_step_say(a, c->recovery_uid, "lost: %s: %s", TOPO_KEY_TEXT(&c->lost.v[i].key), c->lost.v[i].why);
	}
	return 0;
}

/* --- steps and hooks ------------------------------------------------------------------------------------------------ */
static void
write_line(const struct rd_audit_line *l, struct str_buf *b)
{
	if (l->number > 0)
		str_buf_printf(b, "step %llu.%llu ", (unsigned long long)l->term, (unsigned long long)l->number);
	if (l->key.hostname[0] != '\0')
		str_buf_printf(b, "%s ", TOPO_KEY_TEXT(&l->key));
	str_buf_printf(b, "%s%s%s%s%s", l->statement, l->statement[0] == '\0' ? "" : ": ", l->outcome,
		       l->outcome[0] == '\0' || l->text[0] == '\0' ? "" : ", ", l->text);
}

static void
put_lines(struct apply *a, const struct rd_cmd_recovery_step *c, size_t n)
{
	int64_t id = (int64_t)a->out->index;

	for (size_t i = 0; i < n; i++) {
		struct str_buf b = {0};
		write_line(&c->lines.v[i], &b);
		put_step(a, &id, c->recovery_uid, c->lines.v[i].at_us, str_buf_text(&b));
		str_buf_done(&b);
	}
}

/* Hooks of a detection; each has as many lines as its entries have runs. */
static bool
is_detection(const struct apply *a, const char *uid)
{
	struct db_detection key = {0};
	struct err e;

	return str_starts(uid, RD_DETECTION_UID) &&
	       str_parse_i64(uid + sizeof(RD_DETECTION_UID) - 1, 1, INT64_MAX, &key.detection_id, &e) == 0 &&
	       rd_state_get(a->s, RD_TABLE_detection, &key) != NULL;
}

int
rd_apply_recovery_step(struct apply *a, const struct rd_cmd_recovery_step *c, struct err *e)
{
	const struct db_recovery_machine *there = rd_machine_find(a, c->recovery_uid);
	struct db_recovery_machine row;

	if (there == NULL && is_detection(a, c->recovery_uid)) {
		put_lines(a, c, c->lines.n);
		return 0;
	}
	if (there == NULL)
		return rd_no_such_recovery(c->recovery_uid, e);
	put_lines(a, c, min_size(c->lines.n, (size_t)max_i64(0, STEPS_KEPT - there->step_count)));
	row = *there;
	row.step_count += (int64_t)c->lines.n;
	rd_row_put(a, RD_TABLE_recovery_machine, &row);
	return 0;
}

int
rd_apply_hook_ran(struct apply *a, const struct rd_cmd_hook_ran *c, struct err *e UNUSED)
{
	struct db_recovery_hook row = {.recovery_uid = c->recovery_uid,
				       .hook_list = c->hook_list,
				       .number = (int64_t)c->number,
				       .mark = (int64_t)c->mark,
				       .marked_at_us = a->now_us};
	const struct db_recovery_hook *old = rd_state_get(a->s, RD_TABLE_recovery_hook, &row);

	row.attempts = (old == NULL ? 0 : old->attempts) + (c->mark == RD_HOOK_MARK_STARTED);
	if (old == NULL || old->mark <= row.mark)
		rd_row_put(a, RD_TABLE_recovery_hook, &row);
	return 0;
}
