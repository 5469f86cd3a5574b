/* apply_world.h — a state and commands applied to it one after the other, for the tests of rd_apply_*.c. */
#ifndef APPLY_WORLD_H
#define APPLY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "rd_apply.h"
#include "topo/key.h"

#define T0 (INT64_C(1763800000) * CLK_S)
#define DB1                                     \
	{                                       \
		.hostname = "db1", .port = 3306 \
	}
#define DB2                                     \
	{                                       \
		.hostname = "db2", .port = 3306 \
	}
static UNUSED const struct topo_key db1 = DB1, db2 = DB2;

struct world {
	struct rd_state *s;
	struct rd_applied a; /* of the last command */
	unsigned uids;
};

static UNUSED void
world_init(struct world *w)
{
	*w = (struct world){.s = rd_state_new()};
}

static UNUSED void
world_done(struct world *w)
{
	rd_applied_done(&w->a);
	rd_state_free(w->s);
}

static UNUSED int
apply_uid(struct world *w, enum rd_op op, const void *payload, int64_t time_us, const char *uid)
{
	struct rd_command c = {op, uid, "node1", time_us, payload};
	struct err e;

	rd_applied_done(&w->a);
	return rd_apply(w->s, &c, (struct rd_entry_at){rd_state_index(w->s) + 1, 0}, &w->a, &e);
}

static UNUSED void
apply_at(struct world *w, enum rd_op op, const void *payload, int64_t time_us)
{
	char uid[32];

	(void)snprintf(uid, sizeof(uid), "uid-%u", ++w->uids);
	assert_int_equal(apply_uid(w, op, payload, time_us, uid), 0);
}
#define APPLY(w, OP, name, time_us, ...) apply_at((w), RD_OP_##OP, &(struct rd_cmd_##name){__VA_ARGS__}, (time_us))

static UNUSED const struct rd_effect *
effect(const struct world *w, enum rd_effect_kind kind)
{
	for (size_t i = 0; i < w->a.n_effects; i++) {
		if (w->a.effects[i].kind == kind)
			return &w->a.effects[i];
	}
	return NULL;
}

/* Row changes but the one that remembers the command. */
static UNUSED size_t
changes(const struct world *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->a.changes.n; i++)
		n += w->a.changes.v[i].table != DB_TABLE_applied_command;
	return n;
}

static UNUSED const struct db_downtime *
downtime_of(const struct world *w, const struct topo_key *key)
{
	struct db_downtime row = {.hostname = key->hostname, .port = key->port};

	return rd_state_get(w->s, RD_TABLE_downtime, &row);
}

static UNUSED const struct db_tag *
tag_of(const struct world *w, const struct topo_key *key, const char *name)
{
	struct db_tag row = {.hostname = key->hostname, .port = key->port, .tag_name = name};

	return rd_state_get(w->s, RD_TABLE_tag, &row);
}

static UNUSED const struct db_candidate *
candidate_of(const struct world *w, const struct topo_key *key)
{
	struct db_candidate row = {.hostname = key->hostname, .port = key->port};

	return rd_state_get(w->s, RD_TABLE_candidate, &row);
}

#endif
