/* rd_follow.c — see rd_follow.h. Pure; called by rd_choose.c, which asks for every pair. */
#include "rd_follow.h"

#include <string.h>

#include "base/fnv.h"
#include "rd_choose.h"

struct rd_follow_one {
	uint64_t server_id;
	uint64_t uuid; /* hash; of texts that differ it may be the same: then the pair is checked. 0: it has none */
	uint8_t kind;  /* RD_FOLLOW_KINDS_MAX = none */
	bool direct;   /* and fresh: what others have purged is known to be applied */
};

enum known { NOT_KNOWN, CAN, CANNOT };

/* What may differ between two of a kind: who they are, and what they have. Everything else is the same, so that a new rule
 * about anything else is heeded. */
static struct rd_recovery_server
kind_of(const struct rd_recovery_server *s)
{
	struct rd_recovery_server k = *s;

	k.key = (struct topo_key){"", 0};
	k.server_uuid = k.executed_gtid_set = k.received_gtid_set = k.gtid_current_pos = k.gtid_purged = "";
	k.server_id = k.uptime = 0;
	k.read_coord = k.exec_coord = (struct topo_coord){.log_file = ""};
	k.read_coord.log_file = s->read_coord.log_file[0] == '\0' ? "" : "some"; /* without one it may be no replica */
	k.replication_lag_s.valid = false;
	k.replication_lag_s.v = 0;
	k.answered_us = 0;
	k.semi_sync_since_us = 0;
	return k;
}

static uint8_t
find_kind(struct rd_follow *f, const struct rd_have *v, struct rd_recovery_server *kinds, bool *unreadable)
{
	struct rd_recovery_server k = kind_of(v->server);

	for (size_t i = 0; i < f->kinds; i++) {
		if (unreadable[i] == (v->unreadable != NULL) && rec_equal(&rd_recovery_server_desc, &kinds[i], &k))
			return (uint8_t)i;
	}
	if (f->kinds == RD_FOLLOW_KINDS_MAX)
		return RD_FOLLOW_KINDS_MAX;
	kinds[f->kinds] = k;
	unreadable[f->kinds] = v->unreadable != NULL;
	return (uint8_t)f->kinds++;
}

void
rd_follow_init(const struct rd_recovery_input *in, const struct rd_haves *haves, struct mem_arena *arena,
	       struct rd_follow *ret)
{
	struct rd_recovery_server kinds[RD_FOLLOW_KINDS_MAX];
	bool unreadable[RD_FOLLOW_KINDS_MAX];

	*ret = (struct rd_follow){.in = in, .haves = haves};
	ret->of = mem_arena_alloc(arena, (haves->n + 1) * sizeof(*ret->of));
	for (size_t i = 0; i < haves->n; i++) {
		const struct rd_recovery_server *s = haves->v[i].server;
		ret->of[i] = (struct rd_follow_one){
		    .server_id = s->server_id,
		    .uuid = s->server_uuid[0] == '\0' ? 0 : fnv1a(FNV1A_BASIS, s->server_uuid, strlen(s->server_uuid)),
		    .kind = find_kind(ret, &haves->v[i], kinds, unreadable),
		    .direct = rd_recovery_is_direct(in, s) && rd_recovery_is_fresh(in, s)};
	}
}

static bool
check(struct rd_follow *f, size_t x, size_t y)
{
	struct err e;

	f->checked++;
	return rd_can_follow(f->in, f->haves, &f->haves->v[x], &f->haves->v[y], &e) == 0;
}

bool
rd_follow_is_direct(const struct rd_follow *f, size_t x)
{
	return f->of[x].direct;
}

/* Nothing in the answer is about these two alone: neither are they the same server, nor do their sets matter. */
static bool
is_by_kind(const struct rd_follow *f, size_t x, size_t y)
{
	const struct rd_follow_one *a = &f->of[x], *b = &f->of[y];

	if (a->kind == RD_FOLLOW_KINDS_MAX || b->kind == RD_FOLLOW_KINDS_MAX || x == y ||
	    (a->uuid != 0 && a->uuid == b->uuid) || a->server_id == b->server_id)
		return false;
	return f->haves->family != GTID_MYSQL || (f->haves->v[y].purged_by_all && a->direct);
}

bool
rd_follow_can(struct rd_follow *f, size_t x, size_t y)
{
	uint8_t *known;

	if (!is_by_kind(f, x, y))
		return check(f, x, y);
	known = &f->known[f->of[x].kind][f->of[y].kind];
	if (*known == NOT_KNOWN)
		*known = check(f, x, y) ? CAN : CANNOT;
	return *known == CAN;
}
