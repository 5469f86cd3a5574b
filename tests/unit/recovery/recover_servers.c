/* recover_servers.c — the MySQL/MariaDB servers of recover_world.h, and what must hold of them in the end. */
#include "recover_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "topo/key.h"
#include "topo/step.h"

const char *
world_kept(struct world *w, const char *s)
{
	return mem_arena_strndup(&w->arena, s, strlen(s));
}

struct world_server *
world_server(struct world *w, const struct topo_key *key)
{
	for (size_t i = 0; i < WORLD_SERVERS; i++) {
		if (topo_key_equal(&w->servers[i].row.key, key))
			return &w->servers[i];
	}
	return NULL;
}

/* An application writes at once. */
static void
become_writable(struct world *w, struct rd_recovery_server *s)
{
	static const char *const own[] = {"", "0-98-150", "0-99-150", "0-100-150"};
	size_t i = s->server_id - 97;

	if (w->mariadb && s->read_only && i > 0) {
		w->had = s->gtid_current_pos;
		s->gtid_current_pos = own[i];
	}
	s->read_only = false;
}

/* --- servers ----------------------------------------------------------------------------------------------------- */
void
world_make_server(struct world *w, size_t i)
{
	static const char *const names[] = {"a", "b", "c", "d"};
	static const char *const uuids[] = {WORLD_UUID, "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb",
					    "cccccccc-cccc-cccc-cccc-cccccccccccc",
					    "dddddddd-dddd-dddd-dddd-dddddddddddd"};
	static const char *const mysql[] = {WORLD_UUID ":1-100", WORLD_UUID ":1-98", WORLD_UUID ":1-100",
					    WORLD_UUID ":1-99"};
	static const char *const mariadb[] = {"0-97-100", "0-97-98", "0-97-100", "0-97-99"};
	struct rd_recovery_server *s = &w->servers[i].row;

	rec_init(&rd_recovery_server_desc, s);
	w->servers[i].up = i > 0;
	s->key = (struct topo_key){names[i], 3306};
	s->server_id = 97 + i;
	s->server_uuid = w->mariadb ? "" : uuids[i];
	s->version = w->mariadb ? "10.11.14-MariaDB" : "8.4.0";
	s->binlog_format = "ROW";
	s->log_bin_enabled = s->log_replica_updates = true;
	s->supports_oracle_gtid = !w->mariadb;
	*(w->mariadb ? &s->gtid_current_pos : &s->executed_gtid_set) = w->mariadb ? mariadb[i] : mysql[i];
	s->channels = i > 0;
	s->io_thread_state = s->sql_thread_state = TOPO_THREAD_NONE;
	s->answered = i > 0;
	s->answered_us = WORLD_START_US + (i == 0 ? -2 * CLK_S : 100);
	if (i == 0)
		return;
	s->read_only = true;
	s->source_key = w->servers[0].row.key;
	s->received_gtid_set = w->mariadb ? mariadb[i] : mysql[i];
	s->using_mariadb_gtid = w->mariadb;
	s->using_oracle_gtid = !w->mariadb;
	s->io_thread_state = TOPO_THREAD_OTHER;
	s->sql_thread_state = TOPO_THREAD_RUNNING;
	s->was_direct = true;
}

void
world_make_stuck(struct world *w)
{
	struct rd_recovery_server *c = &w->servers[2].row;

	if (!w->stuck)
		return;
	*(w->mariadb ? &c->gtid_current_pos : &c->executed_gtid_set) = w->mariadb ? "0-97-97" : WORLD_UUID ":1-97";
	w->in_servers[1] = *c;
}

void
world_make_doubt(struct world *w)
{
	struct rd_recovery_server *s = &w->in_servers[w->doubt == 0 ? 0 : w->doubt - 1];

	if (w->doubt == 0)
		return;
	s->in_doubt = true;
	s->was_direct = s->answered = false;
	s->answered_us = 0;
	s->source_key = (struct topo_key){"old", 3306};
	w->servers[w->doubt].row.was_direct = false;
	if (w->foreign)
		w->servers[w->doubt].row.source_key = (struct topo_key){"elsewhere", 3306};
}

/* Whatever was sent when: nobody becomes writable whom the record does not call for. */
bool
world_may_become_writable(const struct world *w, const struct topo_key *key)
{
	unsigned flags = rd_recovery_state_flags((enum rd_recovery_state)w->record.state);

	if (topo_key_equal(key, &w->record.failed))
		return !w->record.promoted &&
		       (w->record.state == RD_RECOVERY_RESTORE || w->record.state == RD_RECOVERY_UNDONE);
	return (flags & RD_STATE_COMMITTED) != 0 && topo_key_equal(key, &w->record.successor);
}

bool
world_is_refused(struct world *w, const struct world_server *s)
{
	bool is_refused = w->refuse != 0 && s == &w->servers[0] && w->now_us < w->refuse_until_us;

	w->refused += is_refused;
	return is_refused;
}

bool
world_waits_in_vain(struct world *w, struct world_server *s, struct world_event *ev)
{
	if (!w->stuck || !s->up || s != &w->servers[2] ||
	    topo_step_by_name(ev->step.statement) != TOPO_STEP_WAIT_EXECUTED)
		return false;
	s->row.sql_thread_state = TOPO_THREAD_STOPPED;
	s->row.last_sql_errno = 1062;
	ev->at_us = w->now_us + 600 * CLK_S;
	w->events[w->n_events++] = *ev;
	return true;
}

bool
world_forgets(struct world *w, struct world_server *s, const struct ipc_step *m)
{
	if (w->forgets == 0 || s != &w->servers[w->forgets] || w->forgot ||
	    topo_step_by_name(m->statement) != TOPO_STEP_WAIT_EXECUTED)
		return false;
	w->forgot = true;
	s->row.received_gtid_set = w->mariadb ? s->row.gtid_current_pos : s->row.executed_gtid_set;
	return true;
}

static int
apply_some(struct world *w, struct rd_recovery_server *s)
{
	char set[64];

	(void)snprintf(set, sizeof(set), w->mariadb ? "0-97-%u" : WORLD_UUID ":1-%u", 99 - w->slow);
	if (!w->idle)
		*(w->mariadb ? &s->gtid_current_pos : &s->executed_gtid_set) = world_kept(w, set);
	w->slow--;
	return ERR_TIMEOUT;
}

int
world_carry_out(struct world *w, struct rd_recovery_server *s, const struct ipc_step *m)
{
	bool is_replica = s->source_key.hostname[0] != '\0';

	switch ((int)topo_step_by_name(m->statement)) {
	case TOPO_STEP_SET_READ_ONLY:
		s->read_only = true;
		return 0;
	case TOPO_STEP_SET_WRITABLE:
		become_writable(w, s);
		return 0;
	case TOPO_STEP_START_REPLICA:
		s->io_thread_state = s->sql_thread_state = TOPO_THREAD_RUNNING;
		return is_replica ? 0 : ERR_SERVER;
	case TOPO_STEP_STOP_REPLICA:
		s->io_thread_state = s->sql_thread_state = TOPO_THREAD_STOPPED;
		return 0;
	case TOPO_STEP_STOP_REPLICA_IO:
		s->io_thread_state = TOPO_THREAD_STOPPED;
		return 0;
	case TOPO_STEP_START_REPLICA_IO:
		s->io_thread_state = TOPO_THREAD_OTHER;
		return 0;
	case TOPO_STEP_START_REPLICA_SQL:
		s->sql_thread_state = TOPO_THREAD_RUNNING;
		return 0;
	case TOPO_STEP_POINT_TO:
		if (s->io_thread_state == TOPO_THREAD_RUNNING)
			return ERR_SERVER;
		s->source_key = (struct topo_key){world_kept(w, m->args.v[0].s), 3306};
		return 0;
	case TOPO_STEP_WAIT_EXECUTED: {
		if (w->slow > 0)
			return apply_some(w, s);
		struct world_server *from = world_server(w, &s->source_key);
		if (!str_eq(s->received_gtid_set, m->args.v[0].s) &&
		    (from == NULL || !from->up || from == &w->servers[0]))
			return ERR_TIMEOUT;
		s->received_gtid_set = world_kept(w, m->args.v[0].s);
		*(w->mariadb ? &s->gtid_current_pos : &s->executed_gtid_set) = s->received_gtid_set;
		return 0;
	}
	case TOPO_STEP_RESET_REPLICA:
		s->source_key = (struct topo_key){"", 0};
		s->io_thread_state = s->sql_thread_state = TOPO_THREAD_NONE;
		s->using_oracle_gtid = s->using_mariadb_gtid = false;
		s->received_gtid_set = "";
		s->channels = 0;
		return 0;
	case TOPO_STEP_DEMOTE:
		w->demoted = true;
		return is_replica ? ERR_SERVER : 0;
	case TOPO_STEP_FOLLOW:
		if (s->io_thread_state == TOPO_THREAD_RUNNING || (w->mariadb && !w->demoted))
			return ERR_SERVER;
		s->source_key = (struct topo_key){world_kept(w, m->args.v[0].s), 3306};
		s->io_thread_state = s->sql_thread_state = TOPO_THREAD_STOPPED;
		s->channels = 1;
		return 0;
	default:
		return ERR_UNSUPPORTED;
	}
}

/* --- in the end -------------------------------------------------------------------------------------------------- */
static bool
is_lost(struct world *w, const struct topo_key *key)
{
	for (size_t i = 0; i < w->lost.n; i++) {
		if (topo_key_equal(&w->lost.v[i].key, key))
			return true;
	}
	return false;
}

void
world_check_follower(struct world *w, struct world_server *s)
{
	const struct topo_key *source = w->record.promoted ? &w->record.successor : &w->record.failed;
	bool runs = s->row.io_thread_state != TOPO_THREAD_STOPPED && s->row.sql_thread_state != TOPO_THREAD_STOPPED;

	if (w->foreign && s == &w->servers[w->doubt]) {
		WORLD_CHECK(w, str_eq(s->row.source_key.hostname, "elsewhere") && !is_lost(w, &s->row.key));
		return;
	}
	if (!s->up || is_lost(w, &s->row.key) || topo_key_equal(&s->row.key, &w->record.successor))
		return;
	WORLD_CHECK(w, topo_key_equal(&s->row.source_key, source) && runs);
	WORLD_CHECK(w, s->row.read_only);
}

struct world_server *
world_candidate(struct world *w)
{
	return w->record.successor.hostname[0] != '\0' ? world_server(w, &w->record.successor) : &w->servers[2];
}

void
world_check_end(struct world *w)
{
	size_t writable = 0;

	for (size_t i = 0; i < WORLD_SERVERS; i++) {
		writable += w->servers[i].up && !w->servers[i].row.read_only;
		if (i > 0)
			world_check_follower(w, &w->servers[i]);
	}
	for (size_t i = 0; i < w->lost.n; i++) /* nobody ever has more than c */
		WORLD_CHECK(w, world_candidate(w) != &w->servers[2] || strstr(w->lost.v[i].why, "lacks") == NULL);
	WORLD_CHECK(w, writable <= 1);
	WORLD_CHECK(w, !w->record.promoted || (w->hooks_ran[RD_HOOK_LIST_POST_SOURCE_FAILOVER] &&
					       w->hooks_ran[RD_HOOK_LIST_POST_FAILOVER]));
	WORLD_CHECK(w, w->record.promoted || !w->undoes || w->hooks_ran[RD_HOOK_LIST_POST_UNSUCCESSFUL_FAILOVER]);
	WORLD_CHECK(w, !w->servers[0].up || w->record.promoted == w->servers[0].row.read_only);
	/* who was found dead once more is not waited for */
	WORLD_CHECK(w, (w->faults & WORLD_AWAY_FOR_GOOD) == 0 || !w->undoes || w->record.promoted ||
			   w->now_us - w->undoes_us < 25 * CLK_S);
	if (w->record.promoted && world_candidate(w)->up) {
		const char *has = w->mariadb ? w->had : world_candidate(w)->row.executed_gtid_set;
		WORLD_CHECK(w, !world_candidate(w)->row.read_only);
		WORLD_CHECK(w, !w->servers[2].up || w->stuck || w->forgot || (w->foreign && w->doubt == 2) ||
				   str_eq(has, w->mariadb ? "0-97-100" : WORLD_UUID ":1-100"));
	}
}
