/* rd_loss.c — what a promotion loses: nothing provably, something possibly, or a known set. Pure; design.md section 7,
 * "Loss is explicit". Called by rd_choose.c. */
#include <string.h>

#include "rd_choose.h"

static const char *
say(struct mem_arena *arena, struct str_buf *b)
{
	const char *text = mem_arena_strndup(arena, str_buf_text(b), b->len);

	str_buf_done(b);
	return text;
}

/* What it acknowledged since the source was read last it still has. A relay log that the next START throws away, or may
 * have been thrown away by a restart, was acknowledged for nothing; so was what belongs to another history. */
static bool
keeps_what_it_acknowledged(const struct rd_recovery_input *in, const struct rd_have *v)
{
	const struct rd_recovery_server *s = v->server;
	int64_t since_us = max_i64(0, s->answered_us - in->failed.answered_us) + RD_CLOCKS_APART_US;

	return rd_recovery_is_fresh(in, s) && v->unreadable == NULL && !v->strayed && !v->drops_relay_log &&
	       s->semi_sync_acks && s->uptime > (uint64_t)(since_us / CLK_S);
}

/* Who may acknowledge, and who of them certainly did and answered. */
static void
count_semi_sync(const struct rd_recovery_input *in, const struct rd_haves *h, uint64_t *ret_all, uint64_t *ret_answered)
{
	uint64_t all = 0, answered = 0;

	for (size_t i = 0; i < h->n; i++) {
		const struct rd_have *v = &h->v[i];
		if (!v->server->semi_sync_replica_enabled || !rd_recovery_is_direct(in, v->server))
			continue;
		all++;
		answered += keeps_what_it_acknowledged(in, v);
	}
	*ret_all = all > in->failed.semi_sync_source_clients ? all : in->failed.semi_sync_source_clients;
	*ret_answered = answered;
}

/* NULL, or what is missing for the proof that every acknowledged commit reached somebody who answered. */
static const char *
no_proof(const struct rd_recovery_input *in, const struct rd_haves *h, int64_t now_us, struct mem_arena *arena)
{
	const struct rd_recovery_server *f = &in->failed;
	uint64_t all, answered;
	uint64_t count =
	    f->semi_sync_source_wait_count == 0 ? 1 : f->semi_sync_source_wait_count; /* MariaDB: always 1 */
	int64_t open_us = now_us - f->semi_sync_since_us;
	struct str_buf b = {0};

	if (!f->semi_sync_source_enabled)
		return "replication was asynchronous";
	if (!f->semi_sync_source_status)
		return "semi-sync was degraded when the source was last seen";
	if (!str_eq(f->semi_sync_wait_point, "AFTER_SYNC"))
		return "the semi-sync wait point was not known to be AFTER_SYNC";
	if (f->semi_sync_source_gives_up)
		return "semi-sync may have given up when a replica lost its connection (wait_no_slave is off)";
	if (f->semi_sync_since_us == 0 || open_us < 0 || (uint64_t)open_us / 1000 >= f->semi_sync_source_timeout_ms)
		return "semi-sync may have timed out after the source was last seen";
	count_semi_sync(in, h, &all, &answered);
	if (answered > 0 && answered + count > all) /* answered ≥ all − count + 1 */
		return NULL;
	str_buf_printf(&b, "%llu of %llu semi-sync replicas answered, with %llu acknowledgements at least %llu must",
		       (unsigned long long)answered, (unsigned long long)all, (unsigned long long)count,
		       (unsigned long long)(count > all ? 1 : all - count + 1));
	return say(arena, &b);
}

/* What anybody, the failed server included, was seen to have. */
static bool
known_loss(const struct rd_haves *h, const struct rd_set *has, struct mem_arena *arena, const char **ret_lost)
{
	struct rd_set all = {0}, lost = {0};
	struct str_buf b = {0};
	struct err e;
	int rc = rd_set_join(h->family, &h->best, &h->failed, &all, &e);

	if (rc == 0)
		rc = rd_set_minus(h->family, &all, has, &lost, &e);
	if (rc != 0)
		str_buf_add(&b, "unknown: the sets are too large");
	else
		rd_set_write(&lost, &b);
	rd_set_done(&all);
	rd_set_done(&lost);
	*ret_lost = say(arena, &b);
	return (*ret_lost)[0] != '\0';
}

enum rd_loss
rd_loss_of(const struct rd_recovery_input *in, const struct rd_haves *haves, const struct rd_set *has, int64_t now_us,
	   struct mem_arena *arena, const char **ret_why, const char **ret_lost)
{
	*ret_lost = "";
	if (haves->family == GTID_NONE) {
		*ret_why = "positions of files do not tell";
		return RD_LOSS_POSSIBLE;
	}
	*ret_why = "seen on a server, and not on the promoted one";
	if (known_loss(haves, has, arena, ret_lost))
		return RD_LOSS_SOME;
	*ret_why = no_proof(in, haves, now_us, arena);
	if (*ret_why != NULL)
		return RD_LOSS_POSSIBLE;
	*ret_why = "semi-sync: every acknowledged commit is on a replica that answered";
	return RD_LOSS_NONE;
}
