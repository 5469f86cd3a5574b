/* rd_recover_read.c — the executor's readings: servers are read again, and what they say becomes the input of the next
 * choice or plan. See rd_recover.h. Belongs to rd_recover.c. */
#include "rd_recover_private.h"

#include <stdlib.h>

#include "topo/key.h"
#include "topo/step.h"

struct rd_recovery_input
rd_recover_view(const struct rd_recover *r)
{
	struct rd_recovery_input in = r->now;

	in.successor = r->record.successor;
	in.promoted_at = r->record.promoted_at;
	in.excluded = r->record.excluded;
	in.prepared = (rd_recovery_state_flags((enum rd_recovery_state)r->record.state) & RD_STATE_COMMITTED) != 0;
	return in;
}

static struct rd_recovery_server *
server_at(struct rd_recover *r, size_t i)
{
	return i < r->now.servers.n ? &r->now.servers.v[i] : &r->now.failed;
}

static void
ask(struct rd_recover *r, size_t i)
{
	if (r->reading[i] == RD_READING_ASKED || r->reading[i] == RD_READING_STALE_WANTED)
		return;
	r->n_reading++;
	if (r->reading[i] == RD_READING_STALE) {
		r->reading[i] = RD_READING_STALE_WANTED;
		return;
	}
	r->reading[i] = RD_READING_ASKED;
	r->stats.readings++;
	r->ops->read(r->ctx, &server_at(r, i)->key, RD_RECOVER_PATIENCE_US);
}

static void
start(struct rd_recover *r)
{
	r->stage = RD_STAGE_READ;
	r->one_read = false;
}

void
rd_recover_read_all(struct rd_recover *r, bool failed_too)
{
	start(r);
	r->read_all = true;
	for (size_t i = 0; i < r->now.servers.n + (failed_too ? 1 : 0); i++)
		ask(r, i);
}

void
rd_recover_read_keys(struct rd_recover *r, const struct topo_key_list *keys)
{
	start(r);
	for (size_t i = 0; i <= r->now.servers.n; i++) {
		if (topo_key_list_has(keys, &server_at(r, i)->key))
			ask(r, i);
	}
}

void
rd_recover_read_silent(struct rd_recover *r)
{
	start(r);
	r->news = false;
	for (size_t i = 0; i < r->now.servers.n; i++) {
		if (!rd_recovery_is_fresh(&r->now, &r->now.servers.v[i]))
			ask(r, i);
	}
}

void
rd_recover_read_stop(struct rd_recover *r)
{
	for (size_t i = 0; i <= r->now.servers.n; i++) {
		if (r->reading[i] != RD_READING_NONE)
			r->reading[i] = RD_READING_STALE;
	}
	r->n_reading = 0;
	free(r->stuck);
	r->stuck = NULL;
}

/* --- while the candidate is prepared ------------------------------------------------------------------------------- */
/* Its step under way, if that waits for the server to apply. */
static struct rd_run_item *
waited_for(const struct rd_recover *r, const struct topo_key *key)
{
	if (r->stage != RD_STAGE_RUN || r->record.state != RD_RECOVERY_PREPARE)
		return NULL;
	for (size_t i = 0; i < r->run.n; i++) {
		struct rd_run_item *x = &r->run.items[i];
		if (x->state == RD_RUN_SENT && topo_step_by_name(x->step.statement) == TOPO_STEP_WAIT_EXECUTED &&
		    topo_key_equal(&x->step.key, key))
			return x;
	}
	return NULL;
}

/* A SQL thread that has stopped does not go on by itself: it would be waited for in vain, and for hours. */
static void
look_whether_it_applies(struct rd_recover *r, const struct topo_key *key, const struct rd_recovery_server *s)
{
	const struct rd_run_item *x = waited_for(r, key);
	struct str_buf b = {0};

	if (x == NULL || !x->watched || s == NULL || s->sql_thread_state != TOPO_THREAD_STOPPED)
		return;
	str_buf_printf(&b, "%s: its SQL thread has stopped before it had applied what it received, errno %lld",
		       TOPO_KEY_TEXT(key), (long long)s->last_sql_errno);
	free(r->stuck);
	r->stuck = str_buf_take(&b);
}

void
rd_recover_watch(struct rd_recover *r)
{
	struct mono now = rd_recover_now(r);

	if (r->stuck != NULL && !r->proposed)
		rd_recover_say(r, RD_EVENT_CANDIDATE_FAILED, r->stuck);
	if (mono_before(now, r->watch_at))
		return;
	r->watch_at = mono_add_us(now, RD_RECOVER_WATCH_US);
	for (size_t i = 0; i < r->now.servers.n; i++) {
		struct rd_run_item *x = waited_for(r, &r->now.servers.v[i].key);
		if (x == NULL || r->reading[i] != RD_READING_NONE)
			continue;
		x->watched = true;
		ask(r, i);
	}
}

struct mono
rd_recover_watch_due(const struct rd_recover *r)
{
	for (size_t i = 0; i < r->now.servers.n; i++) {
		if (waited_for(r, &r->now.servers.v[i].key) != NULL)
			return r->stuck != NULL ? rd_recover_now(r) : r->watch_at;
	}
	return (struct mono){INT64_MAX};
}

/* --- what was read ------------------------------------------------------------------------------------------------- */
static void
take(struct rd_recover *r, struct rd_recovery_server *into, const struct rd_recovery_server *s)
{
	struct rd_recovery_server row = *s, copy;

	row.key = into->key;
	row.was_direct = into->was_direct || into->in_doubt;
	row.in_maintenance = into->in_maintenance;
	row.is_banned = into->is_banned;
	row.promotion_rule = into->promotion_rule; /* the group's decisions: no reading tells them */
	row.is_downtimed = into->is_downtimed;
	row.answered = true;
	/* read by order of this recovery, and so after its beginning, whatever the nodes' clocks say */
	if (row.answered_us < r->now.suspected_us)
		row.answered_us = r->now.suspected_us;
	rec_dup(&rd_recovery_server_desc, &copy, &row);
	rec_done(&rd_recovery_server_desc, into);
	*into = copy;
}

/* Who is in doubt belongs to this recovery if it follows the failed server, or was made to follow the promoted one since. */
static bool
belongs(const struct rd_recover *r, const struct rd_recovery_server *into, const struct rd_recovery_server *s)
{
	return !into->in_doubt || topo_key_equal(&s->source_key, &r->record.failed) ||
	       (r->record.promoted && topo_key_equal(&s->source_key, &r->record.successor));
}

/* Another server under its name, e.g. one made anew: what it says is of no use here, and nothing is done to it. */
static bool
is_another(struct rd_recover *r, size_t i, const struct rd_recovery_server *s)
{
	const struct rd_recovery_server *b = i < r->before.servers.n ? &r->before.servers.v[i] : &r->before.failed;

	if (!str_empty(b->server_uuid) && !str_empty(s->server_uuid))
		return !str_eq(b->server_uuid, s->server_uuid);
	return b->server_id != 0 && s->server_id != 0 && b->server_id != s->server_id;
}

/* Nothing was changed yet: a thread that runs now need not be stopped, should everything have to be as it was. The last poll
 * may have been before somebody started it. */
static void
note_running(struct rd_recover *r, size_t i, const struct rd_recovery_server *s)
{
	struct rd_recovery_server *b = i < r->before.servers.n ? &r->before.servers.v[i] : NULL;

	if (b == NULL || r->prepared_once || r->is_orphan)
		return;
	if (b->io_thread_state == TOPO_THREAD_STOPPED)
		b->io_thread_state = s->io_thread_state;
	if (b->sql_thread_state == TOPO_THREAD_STOPPED)
		b->sql_thread_state = s->sql_thread_state;
}

static size_t
index_of(struct rd_recover *r, const struct topo_key *key)
{
	for (size_t i = 0; i <= r->now.servers.n; i++) {
		if (topo_key_equal(&server_at(r, i)->key, key))
			return i;
	}
	return r->now.servers.n + 1;
}

void
rd_recover_read(struct rd_recover *r, const struct topo_key *key, const struct rd_recovery_server *s)
{
	size_t i = index_of(r, key);
	enum rd_reading was;

	if (i > r->now.servers.n || r->reading[i] == RD_READING_NONE)
		return;
	was = r->reading[i];
	r->reading[i] = RD_READING_NONE;
	if (was == RD_READING_STALE)
		return;
	r->n_reading--;
	if (was == RD_READING_STALE_WANTED) {
		ask(r, i);
		return;
	}
	if (s != NULL && is_another(r, i, s))
		s = NULL;
	if (r->stage == RD_STAGE_RUN) { /* only to be looked at: what is planned on stays as it was read before */
		look_whether_it_applies(r, key, s);
		return;
	}
	if (s != NULL && !belongs(r, server_at(r, i), s))
		s = NULL;
	/* it answers for the first time; after WAIT all locks are taken anyway */
	if (s != NULL && r->record.state != RD_RECOVERY_WAIT && !topo_key_list_has(&r->locked, key))
		rd_recover_open(r, key, (struct mono){0}, true);
	/* where somebody else may hold the lock, or a step of ours may still arrive, a reading proves nothing */
	if (s != NULL && rd_recover_is_open(r, key))
		rd_recover_relock(r, key);
	if (s == NULL || rd_recover_is_open(r, key)) {
		server_at(r, i)->answered = false;
		return;
	}
	r->one_read = topo_key_equal(key, &r->record.successor) || r->one_read;
	if (!rd_recovery_is_fresh(&r->now, server_at(r, i)))
		r->news = true;
	if (server_at(r, i)->in_doubt && topo_key_equal(&s->source_key, &r->record.failed))
		take(r, &r->before.servers.v[i], s); /* this is what may have to be restored */
	note_running(r, i, s);
	take(r, server_at(r, i), s);
}
