/* sim_server.c — a MySQL or MariaDB server as steps and probes meet it: transactions, the channel to its source, statements
 * and the lock they hold. Facts: failover-timing.md. Owns `topo`. Called by the world's clock, probers and writers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim_topo.h"
#include "topo/gtid.h"
#include "topo/key.h"

#define TICK_US (10 * CLK_MS)
#define FETCHED_AT_ONCE 8
#define CONNECT_US (3 * CLK_S) /* of a receiver, until it says so */

struct sim_topo topo;

/* --- sets --- */
bool
sim_set_has(const struct sim_set *s, const struct sim_txn *t)
{
	return s->n[t->origin] >= t->n;
}

bool
sim_set_contains(const struct sim_set *a, const struct sim_set *b)
{
	for (size_t i = 0; i < SIM_SERVERS_MAX; i++) {
		if (a->n[i] < b->n[i])
			return false;
	}
	return true;
}

void
sim_set_join(struct sim_set *into, const struct sim_set *more)
{
	for (size_t i = 0; i < SIM_SERVERS_MAX; i++) {
		if (into->n[i] < more->n[i])
			into->n[i] = more->n[i];
	}
}

static void
set_add(struct sim_set *s, const struct sim_txn *t)
{
	if (s->n[t->origin] < t->n)
		s->n[t->origin] = t->n;
}

static void
log_add(struct sim_log *l, const struct sim_txn *t)
{
	mem_grow(l->v, l->cap, l->n + 1);
	l->v[l->n++] = *t;
}

static void
execute(struct sim_server *s, const struct sim_txn *t)
{
	log_add(&s->binlog, t);
	set_add(&s->executed, t);
	set_add(&s->received, t);
	s->seq = t->seq;
}

void
sim_server_write(struct sim_server *s, struct sim_txn *ret)
{
	*ret = (struct sim_txn){s->i, s->executed.n[s->i] + 1, s->seq + 1};
	execute(s, ret);
}

void
sim_relay_purge(struct sim_server *s, bool by_step)
{
	struct sim_set lost = s->received;

	if (s->relay.n == 0)
		return;
	for (size_t i = 0; i < SIM_SERVERS_MAX; i++) /* what it has executed is not lost */
		lost.n[i] = lost.n[i] > s->executed.n[i] ? lost.n[i] : 0;
	s->relay.n = 0;
	s->received = s->executed;
	sim_trace("%s drops its relay log", s->host);
	topo.purged++;
	if (by_step)
		sim_topo_check_purged(s, &lost);
}

/* --- who reaches whom --- */
struct sim_server *
sim_server_find(const struct topo_key *key)
{
	for (size_t i = 0; i < topo.n; i++) {
		if (topo_key_equal(&topo.s[i].key, key))
			return &topo.s[i];
	}
	return NULL;
}

bool
sim_server_runs(const struct sim_server *s)
{
	return s->up && s->paused_until <= sim.now;
}

enum sim_way
sim_server_way(size_t node, const struct sim_server *s)
{
	return topo.way[node][s->i];
}

/* --- the channel --- */
static struct sim_server *
source_of(const struct sim_server *s)
{
	return s->source == SIM_NOBODY || s->detached ? NULL : &topo.s[s->source];
}

static void
disconnect(struct sim_server *s, int64_t io_errno)
{
	s->connected = false;
	s->io_errno = io_errno; /* acks_here stays: its status does not change while it tries to reach the source */
	s->try_at = sim.now + topo.retry_us;
}

/* MariaDB's position must be one of the source's. */
static bool
is_known_there(const struct sim_server *s, const struct sim_server *source)
{
	const struct sim_log *l = s->relay.n > 0 ? &s->relay : &s->binlog;

	return l->n == 0 || sim_set_has(&source->executed, &l->v[l->n - 1]);
}

static void
connect_to(struct sim_server *s, struct sim_server *source)
{
	bool silent = topo.apart[s->i][source->i] || (source->up && !sim_server_runs(source));

	if (silent) {
		if (sim.now - s->try_at > CONNECT_US)
			disconnect(s, 2003);
	} else if (!source->up) {
		disconnect(s, 2003);
	} else if (topo.mariadb && !is_known_there(s, source)) {
		sim_trace("%s: 1236 from %s", s->host, source->host);
		s->io = false;
		s->io_errno = 1236;
	} else {
		s->connected = true;
		s->acks_here = topo.semi_sync && s->acks;
		s->source_boots = source->boots;
		s->io_errno = 0;
		s->heard_at = sim.now;
	}
}

static void
fetch(struct sim_server *s, const struct sim_server *source)
{
	size_t at = 0, got = 0;

	/* a prefix is common: what was received last is found from the end */
	for (at = source->binlog.n; at > 0 && !sim_set_has(&s->received, &source->binlog.v[at - 1]); at--)
		;
	for (; at < source->binlog.n && got < FETCHED_AT_ONCE; at++, got++) {
		log_add(&s->relay, &source->binlog.v[at]);
		set_add(&s->received, &source->binlog.v[at]);
	}
	if (got > 0 || sim.now - s->heard_at >= topo.net_timeout_us / 2) {
		s->heartbeats += got == 0;
		s->heard_at = sim.now;
	}
}

static void
receive(struct sim_server *s)
{
	struct sim_server *source = source_of(s);

	if (!s->io || source == NULL)
		return;
	if (!s->connected) {
		if (sim.now >= s->try_at)
			connect_to(s, source);
	} else if (topo.apart[s->i][source->i] ||
		   (source->boots == s->source_boots && source->up && !sim_server_runs(source))) {
		if (sim.now - s->heard_at >= topo.net_timeout_us)
			disconnect(s, 1159);
	} else if (!source->up || source->boots != s->source_boots) {
		disconnect(s, 2013);
	} else {
		fetch(s, source);
	}
}

static void
apply_relay(struct sim_server *s)
{
	size_t done = 0;

	if (!s->sql || sim.now < s->apply_at)
		return;
	while (done < s->relay.n)
		execute(s, &s->relay.v[done++]);
	if (done == 0)
		return;
	s->relay.n = 0; /* all of it */
	s->apply_at = sim.now + sim_between(0, topo.lag_us);
}

/* --- the process --- */
void
sim_server_kill(struct sim_server *s, int64_t restart_us)
{
	if (!s->up)
		return;
	sim_trace("%s killed", s->host);
	s->up = false;
	s->paused_until = 0;
	if (sim_server_lies(s))
		s->lies_until = INT64_MAX / 2; /* what was told last is known until it is read again */
	s->restart_at = restart_us < 0 ? 0 : sim.now + restart_us;
	sim_load_ended(s);
	s->trouble_at = sim.now;
	if (s->session.running)
		sim_prober_answered(&s->session, s, ERR_UNKNOWN_OUTCOME);
	sim_session_end(s);
	sim_prober_lost(s);
}

/* Relay logs are read anew from the source (relay_log_recovery); threads run as they were configured. */
void
sim_server_boot(struct sim_server *s)
{
	if (s->up)
		return;
	s->up = true;
	s->boots++;
	s->restart_at = 0;
	s->crowded_until = 0;
	s->lies_until = min_i64(s->lies_until, sim.now);
	s->read_only = !s->writable_at_boot;
	s->relay.n = 0;
	s->received = s->base = s->executed;
	s->io = s->sql = s->source != SIM_NOBODY && !s->detached && !s->skip_start;
	s->stopped_by_operator = s->source != SIM_NOBODY && s->skip_start;
	s->connected = s->acks_here = s->degraded = false;
	s->n_acked = 0;
	s->booted_at = sim.now;
	s->io_errno = 0;
	s->try_at = sim.now;
	s->trouble_at = sim.now;
	sim_trace("%s started, %s", s->host, s->read_only ? "read-only" : "writable");
}

static void
on_tick(void *arg UNUSED)
{
	for (size_t i = 0; i < topo.n; i++) {
		struct sim_server *s = &topo.s[i];
		if (!s->up && s->restart_at != 0 && sim.now >= s->restart_at)
			sim_server_boot(s);
		if (!sim_server_runs(s))
			continue;
		receive(s);
		apply_relay(s);
		sim_session_work(s);
	}
	sim_topo_check_step();
	sim_after(TICK_US, NULL, on_tick, NULL, NULL);
}

/* --- what is read --- */
const char *
sim_set_text(const struct sim_server *s, bool received, struct mem_arena *arena)
{
	const struct sim_log *l = received && s->relay.n > 0 ? &s->relay : &s->binlog;
	const struct sim_set *set = received ? &s->received : &s->executed;
	struct str_buf b = {0};
	const char *text;

	if (topo.mariadb && l->n > 0) {
		str_buf_printf(&b, "0-%zu-%llu", 100 + l->v[l->n - 1].origin, (unsigned long long)l->v[l->n - 1].seq);
	} else if (!topo.mariadb) {
		for (size_t i = 0; i < topo.n; i++) {
			uint64_t from = received ? s->base.n[i] : 0;
			if (set->n[i] > from)
				str_buf_printf(&b, "%s%s:%llu-%llu", b.len > 0 ? "," : "", topo.s[i].uuid,
					       (unsigned long long)from + 1, (unsigned long long)set->n[i]);
		}
	}
	text = mem_arena_strndup(arena, str_buf_text(&b), strlen(str_buf_text(&b)));
	str_buf_done(&b);
	return text;
}

static uint64_t
sum(const struct sim_set *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < SIM_SERVERS_MAX; i++)
		n += s->n[i];
	return n;
}

static enum topo_thread
receiver_state(const struct sim_server *s)
{
	if (!s->io)
		return TOPO_THREAD_STOPPED;
	return s->connected ? TOPO_THREAD_RUNNING : TOPO_THREAD_OTHER;
}

static void
read_channel(const struct sim_server *s, struct mem_arena *arena, struct topo_probe *p)
{
	const struct sim_server *source = &topo.s[s->source];
	struct topo_instance *i = &p->inst;
	struct str_buf host = {0};

	str_buf_printf(&host, "%s%s", s->detached ? "//" : "", source->host);
	p->source_host = mem_arena_strndup(arena, str_buf_text(&host), host.len);
	str_buf_done(&host);
	p->source_port = source->key.port;
	p->replication_user = "repl";
	p->channels = 1;
	p->last_io_errno = s->io_errno;
	p->gtid_io_pos = sim_set_text(s, true, arena);
	p->heartbeats_received = topo.mariadb ? -1 : (int64_t)s->heartbeats;
	i->io_thread_state = receiver_state(s);
	i->sql_thread_state = s->sql ? TOPO_THREAD_RUNNING : TOPO_THREAD_STOPPED;
	i->io_running = i->io_thread_state == TOPO_THREAD_RUNNING;
	i->sql_running = s->sql;
	i->last_io_error = s->io_errno == 0 ? "" : "error connecting to source";
	i->source_uuid = topo.mariadb ? "" : source->uuid;
	i->using_mariadb_gtid = topo.mariadb;
	i->using_oracle_gtid = !topo.mariadb;
	i->read_coord = (struct topo_coord){"bin.000001", (int64_t)sum(&s->received) * 100 + 4, 0};
	i->exec_coord = (struct topo_coord){"bin.000001", (int64_t)sum(&s->executed) * 100 + 4, 0};
	i->has_replication_credentials = true;
	i->replication_lag_s = i->seconds_behind_source = (struct rec_ni64){0, s->sql && i->io_running};
}

static void
read_replicas(const struct sim_server *s, struct mem_arena *arena, struct topo_probe *p)
{
	struct topo_peer *v = mem_arena_alloc(arena, (topo.n + 1) * sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < topo.n; i++) {
		const struct sim_server *r = &topo.s[i];
		if (r->up && r->connected && r->source == s->i)
			v[n++] = (struct topo_peer){r->host, r->key.port, "", "", "", ""};
	}
	p->replicas.v = v;
	p->replicas.n = n;
	p->replicas_known = true;
}

static void
read_semi_sync(const struct sim_server *s, struct topo_instance *i)
{
	i->semi_sync_wait_point = "";
	if (!topo.semi_sync)
		return;
	i->semi_sync_available = i->semi_sync_source_enabled = true;
	i->semi_sync_replica_enabled = s->acks;
	i->semi_sync_replica_status = s->acks_here && s->io;
	i->semi_sync_source_status = !s->degraded;
	i->semi_sync_source_timeout_ms = (uint64_t)(topo.ack_timeout_us / 1000);
	i->semi_sync_source_wait_count = topo.ack_count;
	i->semi_sync_source_clients = sim_load_acks(s, NULL);
	i->semi_sync_wait_point = topo.after_sync ? "AFTER_SYNC" : "AFTER_COMMIT";
	i->semi_sync_source_waiting = sim_load_waits(s);
	i->semi_sync_source_acked = s->n_acked;
}

void
sim_server_read(const struct sim_server *s, struct mem_arena *arena, struct topo_probe *p)
{
	struct topo_instance *i = &p->inst;

	p->found = p->partial = true;
	p->self_hostname = p->report_host = s->host;
	p->report_port = s->key.port;
	i->server_id = SIM_SERVER_ID(s);
	i->server_uuid = topo.mariadb ? "" : s->uuid;
	i->version = topo.mariadb ? "10.11.14-MariaDB-log" : "8.4.3";
	i->major_version = topo.mariadb ? "10.11" : "8.4";
	i->uptime = (uint64_t)((sim.now - s->booted_at) / CLK_S) + (s->boots == 1 ? 1000 : 0);
	i->binlog_format = "ROW";
	i->binlog_row_image = "FULL";
	i->read_only = s->read_only;
	i->log_bin_enabled = i->log_replica_updates = true;
	i->supports_oracle_gtid = !topo.mariadb;
	i->gtid_mode = topo.mariadb ? "" : "ON";
	i->self_coord = (struct topo_coord){"bin.000001", (int64_t)sum(&s->executed) * 100 + 4, 0};
	if (topo.mariadb)
		p->gtid_current_pos = p->gtid_binlog_pos = sim_set_text(s, false, arena);
	else
		i->executed_gtid_set = sim_set_text(s, false, arena);
	i->io_thread_state = i->sql_thread_state = TOPO_THREAD_NONE;
	p->heartbeats_received = -1;
	i->last_check_partial_success = true;
	read_semi_sync(s, i);
	read_replicas(s, arena, p);
	if (s->source != SIM_NOBODY)
		read_channel(s, arena, p);
	if (sim_server_lies(s))
		s->lie(s, p);
}

/* --- operators --- */
void
sim_server_start_threads(struct sim_server *s)
{
	sim_threads_start(s, s->source != SIM_NOBODY && !s->detached, s->source != SIM_NOBODY, false);
}

void
sim_server_copy(struct sim_server *s, const struct sim_server *from)
{
	struct sim_log *l = &s->binlog;

	mem_grow(l->v, l->cap, from->binlog.n + 1);
	if (from->binlog.n > 0)
		memcpy(l->v, from->binlog.v, from->binlog.n * sizeof(*l->v));
	l->n = from->binlog.n;
	s->relay.n = 0;
	s->acks_here = s->degraded = false;
	s->executed = s->received = s->base = from->executed;
	s->seq = from->seq;
	s->source = from->i;
	s->detached = false;
	s->io = s->sql = false;
	s->read_only = true;
	s->writable_at_boot = false;
	s->trouble_at = sim.now;
	sim_load_copied(s);
	sim_server_start_threads(s);
}

/* --- life --- */
void
sim_servers_start(void)
{
	static const char *const rules[] = {"prefer", "neutral", "prefer_not", "must_not", "must_not"};

	memset(&topo, 0, sizeof(topo));
	topo.on = true;
	topo.mariadb = sim_chance(500);
	topo.semi_sync = sim_chance(500);
	topo.n = 3 + sim_rand(SIM_SERVERS_MAX - 3);
	topo.after_sync = sim_chance(850);
	topo.ack_count = topo.mariadb || sim_chance(600) ? 1 : 2;
	topo.ack_timeout_us = sim_between(1, 4) * 5 * CLK_S;
	topo.poll_us = sim_between(1, 4) * CLK_S;
	topo.net_timeout_us = sim_between(3, 40) * CLK_S;
	topo.retry_us = sim_between(1, 10) * CLK_S;
	topo.lag_us = sim_chance(400)	? 0
		      : sim_chance(500) ? sim_between(1, 300) * CLK_MS
		      : sim_chance(750) ? sim_between(300, 3000) * CLK_MS
					: sim_between(3000, 20000) * CLK_MS;
	for (size_t i = 0; i < topo.n; i++) {
		struct sim_server *s = &topo.s[i];
		rec_init(&topo_probe_desc, &s->old);
		s->i = i;
		(void)snprintf(s->host, sizeof(s->host), "s%zu", i);
		(void)snprintf(s->uuid, sizeof(s->uuid), "%08zu-0000-0000-0000-000000000000", i + 1);
		s->key = (struct topo_key){s->host, 3306};
		s->up = true;
		s->boots = 1;
		s->source = i == 0 ? SIM_NOBODY : 0;
		s->read_only = i > 0;
		s->writable_at_boot = i == 0;
		s->io = s->sql = i > 0;
		s->acks = sim_chance(750);
		s->skip_start = sim_chance(250);
		s->rule = i > 0 && sim_chance(350) ? rules[sim_rand(ARRAY_LEN(rules))] : NULL;
	}
	sim_trace("%zu servers of %s, poll %lld s, net timeout %lld s, retry %lld s", topo.n,
		  topo.mariadb ? "MariaDB" : "MySQL", (long long)(topo.poll_us / CLK_S),
		  (long long)(topo.net_timeout_us / CLK_S), (long long)(topo.retry_us / CLK_S));
	sim_after(TICK_US, NULL, on_tick, NULL, NULL);
}

void
sim_servers_done(void)
{
	for (size_t i = 0; i < topo.n; i++) {
		sim_session_end(&topo.s[i]);
		rec_done(&topo_probe_desc, &topo.s[i].old);
		free(topo.s[i].binlog.v);
		free(topo.s[i].relay.v);
	}
	topo.n = 0;
}
