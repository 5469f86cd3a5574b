/* rd_recover_tell.c — requests that wait for the end of a recovery: of who asked for it, and of who asked for its end. The
 * record tells, so that one is answered even after this node has lost the lead. Owns the askers. See rd_recoveries.h. */
#include <stdlib.h>
#include <string.h>

#include "rd_recoveries_private.h"

#define ASKERS_MAX 256
#define REASON_MAX 1000	       /* of REPLY.message; of what is longer its last line is told */
#define APPEAR_US (10 * CLK_S) /* for a beginning of which nobody knows whether it was decided */

struct rd_recover_asker {
	LIST_ENTRY(rd_recover_asker) next;
	struct rd_req req;
	struct mono deadline;
	bool aborts;
	bool attempted; /* it was seen beyond its first hooks */
	char uid[];
};

static void
drop(struct rd_recoveries *rs, struct rd_recover_asker *a)
{
	LIST_REMOVE(a, next);
	rs->n_askers--;
	free(a);
}

void
rd_recover_tell_done(struct rd_recoveries *rs)
{
	while (!LIST_EMPTY(&rs->askers))
		drop(rs, LIST_FIRST(&rs->askers));
}

int
rd_recover_await(struct rd_recoveries *rs, const char *uid, struct rd_req req, struct mono deadline, bool aborts,
		 struct err *e)
{
	size_t n = strlen(uid) + 1;
	struct rd_recover_asker *a;

	if (rs->n_askers >= ASKERS_MAX)
		return err_set(e, ERR_LIMIT, "%d requests wait for recoveries already", ASKERS_MAX);
	a = mem_calloc(1, sizeof(*a) + n);
	a->req = req;
	a->deadline = deadline;
	a->aborts = aborts;
	memcpy(a->uid, uid, n);
	LIST_INSERT_HEAD(&rs->askers, a, next);
	rs->n_askers++;
	return 0;
}

/* The newest asker, just added. */
void
rd_recover_give_up(struct rd_recoveries *rs, const char *uid)
{
	if (!LIST_EMPTY(&rs->askers) && str_eq(LIST_FIRST(&rs->askers)->uid, uid))
		drop(rs, LIST_FIRST(&rs->askers));
}

/* --- answers ------------------------------------------------------------------------------------------------------- */
static void
answer_error(struct rd_recoveries *rs, struct rd_recover_asker *a, const struct err *e)
{
	rd_reply_error(rs->n, a->req, e);
	drop(rs, a);
}

/* As a line: why nobody was promoted, and what came of it. */
static const char *
reason_of(struct rd_recoveries *rs, const struct rd_recovery *r, struct str_buf *b)
{
	const struct db_recovery *row = rd_records_row(rd_decisions(rs->n), r->uid);

	if (r->promoted || row == NULL || row->all_errors[0] == '\0' || strlen(row->all_errors) > REASON_MAX)
		return r->why;
	for (const char *p = row->all_errors; *p != '\0'; p++) {
		if (*p == '\n')
			str_buf_add(b, "; ");
		else
			str_buf_add_char(b, *p);
	}
	return str_buf_text(b);
}

/* Beyond its first hooks. Who asks when it is over sees that by its errors: what was attempted was given up, and restored. */
static bool
was_attempted(struct rd_recoveries *rs, const struct rd_recover_asker *a, const struct rd_recovery *r)
{
	const struct db_recovery *row = rd_records_row(rd_decisions(rs->n), r->uid);

	return r->promoted || a->attempted || (row != NULL && strchr(row->all_errors, '\n') != NULL);
}

static void
answer_end(struct rd_recoveries *rs, struct rd_recover_asker *a, const struct rd_recovery *r)
{
	static const struct topo_key nobody = {"", 0};
	uint64_t index = rs->n->group == NULL ? 0 : rd_state_index(rd_decisions(rs->n));
	struct str_buf reason = {0};
	const char *why = reason_of(rs, r, &reason);
	struct err e;

	if (a->aborts && r->promoted) {
		(void)err_set(&e, ERR_PRECONDITION, "recovery %s has ended with a promotion: %s", a->uid, r->why);
		answer_error(rs, a, &e);
	} else if (!a->aborts && !was_attempted(rs, a, r)) {
		(void)err_set(&e, ERR_PRECONDITION, "%s", why);
		answer_error(rs, a, &e);
	} else {
		rd_reply_promoted(rs->n, a->req, index, r->promoted ? &r->successor : &nobody, why);
		drop(rs, a);
	}
	str_buf_done(&reason);
}

static void
answer_late(struct rd_recoveries *rs, struct rd_recover_asker *a, const struct rd_recovery *r)
{
	struct err e;

	if (r == NULL)
		(void)err_set(&e, ERR_UNKNOWN_OUTCOME, "recovery %s: whether it begins is not known", a->uid);
	else
		(void)err_set(&e, ERR_TIMEOUT, "recovery %s is still under way (%s); see audit-recovery-steps", a->uid,
			      rd_recovery_state_name(r->state));
	answer_error(rs, a, &e);
}

void
rd_recover_tell_refused(struct rd_recoveries *rs, const char *uid, const struct rd_proposed *p)
{
	struct mono soon = mono_add_us(rd_mono(rs->n), APPEAR_US);
	struct rd_recover_asker *a, *next;

	for (a = LIST_FIRST(&rs->askers); a != NULL; a = next) {
		next = LIST_NEXT(a, next);
		if (!str_eq(a->uid, uid))
			continue;
		if (p->outcome != RD_UNKNOWN)
			answer_error(rs, a, p->e);
		else if (mono_before(soon, a->deadline))
			a->deadline = soon;
	}
}

/* It is being undone already, whoever asked for that, or it is over: the end will be told. */
static bool
ends_anyhow(struct rd_recoveries *rs, const char *uid)
{
	const struct db_recovery_machine *row = rd_records_machine_row(rd_decisions(rs->n), uid);

	return row == NULL || !rd_records_is_running(row) ||
	       rd_recovery_state_by_name(row->state) == RD_RECOVERY_RESTORE;
}

void
rd_recover_tell_too_late(struct rd_recoveries *rs, const char *uid)
{
	struct rd_recover_asker *a, *next;
	struct err e;

	if (ends_anyhow(rs, uid))
		return;
	for (a = LIST_FIRST(&rs->askers); a != NULL; a = next) {
		next = LIST_NEXT(a, next);
		if (!a->aborts || !str_eq(a->uid, uid))
			continue;
		(void)err_set(&e, ERR_PRECONDITION, "recovery %s can not be aborted any more, it goes on", uid);
		answer_error(rs, a, &e);
	}
}

/* --- ends ---------------------------------------------------------------------------------------------------------- */
/* Its last hooks run when the record is over already. */
static bool
has_ended(struct rd_recoveries *rs, const struct rd_recovery *r)
{
	const struct rd_recovering *x = rd_recovering_find(rs, r->uid);

	if (rd_recovery_runs(r->state))
		return false;
	return x == NULL || x->r == NULL || x->broken || rd_recover_has_ended(x->r);
}

static void
look_at(struct rd_recoveries *rs, struct rd_recover_asker *a)
{
	const struct db_recovery_machine *row = rd_records_machine_row(rd_decisions(rs->n), a->uid);
	struct rd_recovery r;

	if (row != NULL)
		rd_records_from_row(row, NULL, &r);
	if (row != NULL && has_ended(rs, &r)) {
		answer_end(rs, a, &r);
		return;
	}
	a->attempted = a->attempted || (row != NULL && r.state != RD_RECOVERY_HOOKS && rd_records_is_running(row));
	if (!mono_before(rd_mono(rs->n), a->deadline))
		answer_late(rs, a, row == NULL ? NULL : &r);
}

void
rd_recover_tell_ends(struct rd_recoveries *rs)
{
	struct rd_recover_asker *a, *next;

	if (rs->n->decide == NULL)
		return;
	for (a = LIST_FIRST(&rs->askers); a != NULL; a = next) {
		next = LIST_NEXT(a, next);
		look_at(rs, a);
	}
}
