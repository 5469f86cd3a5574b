/* derive.c — what follows from an instance's stored fields at a given time. Pure; called by whoever shows instances
 * (backend reader, renderers) and by the model. The short words for people stand in describe.c. */
#include "topo/derive.h"

#include <stdlib.h>
#include <string.h>

#include "topo/key.h"
#include "topo/version.h"

#define RECENT_POLLS 5 /* "recently checked": within so many poll intervals */

bool
topo_using_gtid(const struct topo_instance *i)
{
	return i->using_oracle_gtid || i->using_mariadb_gtid;
}

bool
topo_is_replica(const struct topo_instance *i)
{
	const struct topo_key *source = &i->source_key;

	if (str_empty(source->hostname) || str_eq(source->hostname, "_") || source->port == 0)
		return false;
	return !str_empty(i->read_coord.log_file) || topo_using_gtid(i);
}

bool
topo_is_group_member(const struct topo_instance *i)
{
	return !str_empty(i->group_name);
}

bool
topo_is_group_secondary(const struct topo_instance *i)
{
	return topo_is_group_member(i) && !topo_key_equal(&i->group_primary_key, &i->key);
}

bool
topo_is_source(const struct topo_instance *i)
{
	return !topo_is_replica(i) && (!topo_is_group_member(i) || str_eq(i->group_member_role, "PRIMARY"));
}

bool
topo_threads_exist(const struct topo_instance *i)
{
	return i->sql_thread_state != TOPO_THREAD_NONE && i->io_thread_state != TOPO_THREAD_NONE;
}

bool
topo_replica_running(const struct topo_instance *i)
{
	return topo_is_replica(i) && i->sql_thread_state == TOPO_THREAD_RUNNING &&
	       i->io_thread_state == TOPO_THREAD_RUNNING;
}

bool
topo_coord_equal(const struct topo_coord *a, const struct topo_coord *b)
{
	return rec_equal(&topo_coord_desc, a, b);
}

bool
topo_sql_up_to_date(const struct topo_instance *i)
{
	return topo_coord_equal(&i->read_coord, &i->exec_coord);
}

bool
topo_coord_is_detached(const struct topo_coord *c)
{
	const char *colon = strrchr(c->log_file, ':');

	if (!str_starts(c->log_file, "//") || colon == NULL || colon == c->log_file + 2)
		return false;
	return strcspn(c->log_file + 2, "/:") == (size_t)(colon - c->log_file - 2) && colon[1] != '\0' &&
	       colon[1 + strspn(colon + 1, "0123456789")] == '\0';
}

static int64_t
distance(int64_t lag, uint64_t delay)
{
	int64_t d = delay > INT64_MAX ? INT64_MAX : (int64_t)delay;

	lag = max_i64(lag, 0);
	return lag > d ? lag - d : d - lag;
}

bool
topo_maintenance_lag_ok(const struct topo_instance *i, const struct topo_limits *l)
{
	if (!i->seconds_behind_source.valid)
		return false;
	if (i->sql_delay > 0)
		return distance(i->seconds_behind_source.v, i->sql_delay) <= l->maintenance_lag_s;
	return i->seconds_behind_source.v <= l->maintenance_lag_s;
}

/* --- read-time derivation -------------------------------------------------------------------------------------- */
static void
put_text(const char **member, const char *text, struct mem_arena *arena)
{
	if (arena != NULL)
		*member = mem_arena_strndup(arena, text, strlen(text));
	else
		rec_set_str(member, text);
}

static bool
checked_within(const struct topo_instance *i, int64_t limit_s, struct wall now)
{
	return i->last_checked_us > 0 && (now.us - i->last_checked_us) / CLK_S <= limit_s;
}

static void
derive_times(struct topo_instance *i, const struct topo_limits *l, struct wall now)
{
	i->is_last_check_valid = i->last_seen_us > 0 && i->last_checked_us <= i->last_seen_us;
	i->is_up_to_date = checked_within(i, l->poll_s, now);
	i->is_recently_checked = checked_within(i, RECENT_POLLS * l->poll_s, now);
	i->seconds_since_last_seen = (struct rec_ni64){0};
	if (i->last_seen_us > 0)
		i->seconds_since_last_seen = (struct rec_ni64){(now.us - i->last_seen_us) / CLK_S, true};
}

/* The first four exclude each other. */
static const char *
main_problem(const struct topo_instance *i, const struct topo_limits *l)
{
	if (!i->is_last_check_valid)
		return "last_check_invalid";
	if (!i->is_recently_checked)
		return "not_recently_checked";
	if (topo_threads_exist(i) && !topo_replica_running(i))
		return "not_replicating";
	if (i->replication_lag_s.valid && distance(i->replication_lag_s.v, i->sql_delay) > l->reasonable_lag_s)
		return "replication_lag";
	return NULL;
}

static struct rec_text *
new_texts(size_t n, struct mem_arena *arena)
{
	if (n == 0)
		return NULL;
	return arena != NULL ? mem_arena_alloc(arena, n * sizeof(struct rec_text))
			     : mem_calloc(n, sizeof(struct rec_text));
}

static void
set_problems(struct topo_instance *i, const char *const *texts, size_t n, struct mem_arena *arena)
{
	if (arena == NULL) {
		for (size_t k = 0; k < i->problems.n; k++)
			rec_done(&rec_text_desc, &i->problems.v[k]);
		free(i->problems.v);
	}
	i->problems = (struct rec_text_list){new_texts(n, arena), n};
	for (size_t k = 0; k < n; k++)
		put_text(&i->problems.v[k].s, texts[k], arena);
}

static void
derive_problems(struct topo_instance *i, const struct topo_limits *l, struct mem_arena *arena)
{
	const char *found[4];
	size_t n = 0;

	found[n] = main_problem(i, l);
	n += found[n] != NULL;
	if (!str_empty(i->gtid_errant))
		found[n++] = "errant_gtid";
	if (topo_is_group_member(i) && !str_eq(i->group_member_state, "ONLINE"))
		found[n++] = "group_replication_member_not_online";
	if (i->shares_uuid && i->is_last_check_valid)
		found[n++] = "duplicate_server_uuid";
	set_problems(i, found, n, arena);
}

void
topo_derive(struct topo_instance *i, const struct topo_limits *l, struct wall now, struct mem_arena *arena)
{
	char seen[CLK_STAMP_BYTES] = "";

	if (i->last_seen_us > 0)
		clk_format_wall((struct wall){i->last_seen_us}, seen);
	put_text(&i->last_seen_text, seen, arena);
	put_text(&i->flavor_name, topo_flavor_name(i->version, i->version_comment), arena);
	i->is_detached = topo_coord_is_detached(&i->exec_coord);
	i->is_detached_source = topo_key_is_detached(&i->source_key);
	i->relay_coord.type = TOPO_COORD_RELAY;
	derive_times(i, l, now);
	derive_problems(i, l, arena);
}
