/* rd_choose.c — see rd_choose.h: picks among those who may be promoted and says why not of everybody else. Pure; called when a
 * recovery has read its servers, by dry runs and by the simulation. */
#include "rd_choose.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "rd_choose_private.h"
#include "rd_follow.h"
#include "topo/key.h"

static const struct {
	const char *text;
	enum rd_why_class class;
} whys[RD_WHY_COUNT] = {
    [RD_WHY_CHOSEN] = {"promoted", RD_WHY_BETTER},
#define WHY(NAME, class_, text_) [RD_WHY_##NAME] = {text_, RD_WHY_##class_},
#include "rd_why.def"
#undef WHY
};

const char *
rd_why_text(enum rd_why why)
{
	return whys[why].text;
}

enum rd_why_class
rd_why_class(enum rd_why why)
{
	return whys[why].class;
}

const char *
rd_loss_text(enum rd_loss loss)
{
	static const char *const texts[] = {"none", "possible", "some"};

	return texts[loss];
}

const char *
rd_choice_verdict_text(enum rd_choice_verdict verdict)
{
	static const char *const texts[] = {"promote", "wait", "abort", "nobody"};

	return texts[verdict];
}

struct asked {
	const struct rd_recovery_input *in;
	const struct rd_haves *haves;
	struct rd_follow *follow;
};

/* --- figures --------------------------------------------------------------------------------------------------- */
static uint64_t
backlog_of(const struct rd_haves *h, const struct rd_have *v)
{
	if (h->family == GTID_NONE)
		return rd_coord_cmp(&v->server->read_coord, &v->server->exec_coord) > 0;
	return rd_set_lacks(h->family, &v->applied, &v->received);
}

/* It can hand on to j what it received: it logs it, and will apply the rest soon. What filters leave out goes on as empty
 * transactions, after which nobody could tell that they are missing. */
static bool
may_donate(const struct rd_recovery_input *in, const struct rd_ranked *d, const struct rd_ranked *j)
{
	const struct rd_recovery_server *s = d->server;

	return rd_recovery_is_fresh(in, s) && d->have->unreadable == NULL && d->have->strayed == j->have->strayed &&
	       s->log_bin_enabled && (!s->has_replication_filters || j->server->has_replication_filters) &&
	       s->log_replica_updates && !s->is_binlog_server &&
	       (d->backlog == 0 || (s->sql_delay == 0 && s->last_sql_errno == 0 && !s->in_maintenance));
}

static size_t
index_of(const struct asked *q, const struct rd_ranked *j)
{
	return (size_t)(j->have - q->haves->v);
}

static uint64_t
lost_with(const struct asked *q, const struct rd_have *a, const struct rd_have *b)
{
	const struct rd_haves *h = q->haves;
	struct rd_set both;
	struct err e;
	uint64_t n = UINT64_MAX;

	q->follow->joined++;
	if (rd_set_join(h->family, &a->received, &b->received, &both, &e) == 0)
		n = rd_set_lacks(h->family, &both, &h->best);
	rd_set_done(&both);
	return n;
}

/* The one from whom most of what j lacks can be fetched; of equal ones the one that is done sooner. */
static void
find_donor(const struct asked *q, struct rd_ranked *all, size_t n, struct rd_ranked *j)
{
	const struct rd_ranked *best = NULL;

	j->lost = j->lacks; /* the chosen one is judged twice */
	for (size_t i = 0; i < n && j->lacks > 0; i++) {
		const struct rd_ranked *d = &all[i];
		uint64_t lost;

		if (d == j || d->lacks >= j->lacks || (j->lost == 0 && best != NULL && d->backlog >= best->backlog) ||
		    !may_donate(q->in, d, j) || !rd_follow_can(q->follow, index_of(q, j), i))
			continue;
		lost = d->lacks == 0 ? 0 : lost_with(q, j->have, d->have);
		if (lost > j->lost || (lost == j->lost && (best == NULL || d->backlog >= best->backlog)))
			continue;
		best = d;
		j->lost = lost;
	}
	j->donor = best == NULL ? NULL : best->have;
}

static uint64_t
count_stranded(const struct asked *q, const struct rd_ranked *j)
{
	size_t y = index_of(q, j);
	uint64_t n = 0;

	for (size_t x = 0; x < q->haves->n; x++)
		n += x != y && rd_follow_is_direct(q->follow, x) && !rd_follow_can(q->follow, x, y);
	return n;
}

static bool
may_be_promoted(const struct rd_ranked *j)
{
	return j->why == RD_WHY_CHOSEN || rd_why_class(j->why) == RD_WHY_LAST;
}

static void
judge_all(const struct asked *q, struct rd_ranked *v, size_t n)
{
	const struct rd_most most = {rd_priority_version(q->in), rd_priority_format(q->in)};

	for (size_t i = 0; i < n; i++) {
		const struct rd_have *have = &q->haves->v[i];
		v[i] = (struct rd_ranked){.server = have->server, .have = have, .detail = ""};
		v[i].backlog = backlog_of(q->haves, have);
		v[i].lacks = v[i].lost = rd_set_lacks(q->haves->family, &have->received, &q->haves->best);
		rd_choose_judge(q->in, q->haves, &most, &v[i]);
	}
	for (size_t i = 0; i < n; i++) {
		if (!may_be_promoted(&v[i]))
			continue;
		find_donor(q, v, n, &v[i]);
		v[i].stranded = count_stranded(q, &v[i]);
	}
}

/* --- the choice ------------------------------------------------------------------------------------------------ */
static const struct rd_ranked *
best_of(const struct asked *q, const struct rd_ranked *v, size_t n)
{
	const struct rd_ranked *best = NULL;
	enum rd_why why;

	for (size_t i = 0; i < n; i++) {
		if (may_be_promoted(&v[i]) && (best == NULL || rd_rank_compare(q->in, q->haves, &v[i], best, &why) < 0))
			best = &v[i];
	}
	return best;
}

static void
refuse(struct rd_choice *c, struct mem_arena *arena, const char *fmt, const char *who, const char *why)
{
	struct str_buf b = {0};

	str_buf_printf(&b, "%s%s%s", fmt, who, why);
	c->refusal = mem_arena_strndup(arena, str_buf_text(&b), b.len);
	str_buf_done(&b);
}

static const struct rd_ranked *
asked_for(const struct rd_recovery_input *in, struct mem_arena *arena, struct rd_choice *c)
{
	const struct topo_key *key = &in->candidate;

	for (size_t i = 0; i < c->n; i++) {
		const struct rd_ranked *j = &c->v[i];
		if (!topo_key_equal(&j->server->key, key))
			continue;
		if (may_be_promoted(j))
			return j;
		refuse(c, arena, TOPO_KEY_TEXT(key), " cannot be promoted: ", rd_why_text(j->why));
		return NULL;
	}
	refuse(c, arena, TOPO_KEY_TEXT(key), " cannot be promoted: ", "it is no server of this cluster");
	return NULL;
}

/* The server that was chosen before: whatever it is now, it may be writable already. */
static const struct rd_ranked *
chosen_before(const struct rd_recovery_input *in, const struct asked *q, struct mem_arena *arena, struct rd_choice *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct rd_ranked *j = &c->v[i];
		if (!topo_key_equal(&j->server->key, &in->successor))
			continue;
		j->donor = NULL;
		if (!in->prepared)
			find_donor(q, c->v, c->n, j);
		j->why = RD_WHY_CHOSEN;
		j->detail = "";
		return j;
	}
	refuse(c, arena, TOPO_KEY_TEXT(&in->successor), " was chosen before: ", "it is no server of this cluster");
	return NULL;
}

static void
explain_others(const struct asked *q, struct rd_choice *c)
{
	bool is_asked = q->in->candidate.hostname[0] != '\0' || q->in->successor.hostname[0] != '\0';

	for (size_t i = 0; i < c->n; i++) {
		struct rd_ranked *j = &c->v[i];
		enum rd_why why = RD_WHY_NAME;

		if (j == c->chosen || !may_be_promoted(j))
			continue;
		if (is_asked)
			j->why = RD_WHY_NOT_ASKED;
		else if (rd_rank_compare(q->in, q->haves, c->chosen, j, &why) < 0 && why != RD_WHY_COUNT)
			j->why = why;
	}
}

/* What the donor hands over, and what is missing in the end. */
static void
state_loss(const struct rd_recovery_input *in, const struct rd_haves *h, int64_t now_us, struct mem_arena *arena,
	   struct rd_choice *c)
{
	const struct rd_ranked *j = c->chosen;
	struct rd_set has = {0}, fetch = {0};
	struct str_buf b = {0}, goal = {0};
	struct err e;
	int rc = rd_set_join(h->family, &j->have->received, j->donor == NULL ? &fetch : &j->donor->received, &has, &e);

	if (rc == 0)
		rd_set_write(&has, &goal);
	if (rc == 0)
		rc = rd_set_minus(h->family, &has, &j->have->received, &fetch, &e);
	if (rc == 0)
		rd_set_write(&fetch, &b);
	c->goal = mem_arena_strndup(arena, str_buf_text(&goal), goal.len);
	c->fetch = mem_arena_strndup(arena, str_buf_text(&b), b.len);
	c->donor = j->donor == NULL ? NULL : j->donor->server;
	c->loss = rd_loss_of(in, h, &has, now_us, arena, &c->loss_why, &c->lost);
	rd_set_done(&has);
	rd_set_done(&fetch);
	str_buf_done(&b);
	str_buf_done(&goal);
}

static void
decide(const struct rd_recovery_input *in, int64_t now_us, struct rd_choice *c)
{
	enum conf_loss loss = CONF_LOSS_PROMOTE;
	int64_t wait_s = 0;

	if (in->policy.on_possible_loss[0] != '\0' && !conf_loss_parse(in->policy.on_possible_loss, &loss, &wait_s))
		loss = CONF_LOSS_ABORT; /* of a newer build: the careful one */
	c->verdict = RD_CHOICE_PROMOTE;
	if (c->loss == RD_LOSS_NONE || loss == CONF_LOSS_PROMOTE)
		return;
	c->wait_until_us = in->decided_us + wait_s * CLK_S;
	if (loss == CONF_LOSS_WAIT && now_us < c->wait_until_us)
		c->verdict = RD_CHOICE_WAIT;
	else if (loss == CONF_LOSS_ABORT)
		c->verdict = RD_CHOICE_ABORT;
	if (c->verdict == RD_CHOICE_ABORT)
		c->refusal = "transactions may be lost (PromotionOnPossibleLoss)";
}

const char *
rd_kind_promotes_nobody(const char *analysis, bool forced)
{
	if (str_eq(analysis, "DeadMasterWithoutReplicas")) /* historical */
		return "it has no replicas: there is nobody to promote";
	if (str_eq(analysis, "DeadMasterAndReplicas") && !forced) /* historical */
		return "no replica could be read when the failure was voted on: those that answer again are voted on "
		       "anew";
	return NULL;
}

static const struct rd_ranked *
choose(const struct asked *q, struct mem_arena *arena, struct rd_choice *c)
{
	const struct rd_recovery_server *there = rd_recovery_taken_over(q->in);
	const char *nobody = rd_kind_promotes_nobody(q->in->analysis, q->in->forced);

	if (q->in->successor.hostname[0] != '\0')
		return chosen_before(q->in, q, arena, c);
	if (nobody != NULL) {
		c->refusal = nobody;
		return NULL;
	}
	if (there != NULL) {
		refuse(c, arena, TOPO_KEY_TEXT(&there->key),
		       " has taken over already: ", "it is writable and has no source any more");
		return NULL;
	}
	return q->in->candidate.hostname[0] != '\0' ? asked_for(q->in, arena, c) : best_of(q, c->v, c->n);
}

static const char nobody_may[] = "no server of the cluster may be promoted";

void
rd_choose(const struct rd_recovery_input *in, const struct rd_haves *haves, int64_t now_us, struct mem_arena *arena,
	  struct rd_choice *ret)
{
	struct rd_follow follow;
	const struct asked q = {in, haves, &follow};
	struct rd_choice c = {.verdict = RD_CHOICE_NOBODY,
			      .fetch = "",
			      .lost = "",
			      .loss_why = "",
			      .loss = RD_LOSS_POSSIBLE,
			      .refusal = "",
			      .n = haves->n};

	c.v = mem_arena_alloc(arena, (c.n + 1) * sizeof(*c.v));
	rd_follow_init(in, haves, arena, &follow);
	judge_all(&q, c.v, c.n);
	c.work = follow.checked + follow.joined;
	c.chosen = choose(&q, arena, &c);
	if (c.chosen != NULL) {
		explain_others(&q, &c);
		state_loss(in, haves, now_us, arena, &c);
		decide(in, now_us, &c);
	} else if (c.refusal[0] == '\0') {
		c.refusal = nobody_may;
	}
	*ret = c;
}

/* --- for people ------------------------------------------------------------------------------------------------ */
static void
add_judged(const struct rd_choice *c, const struct rd_ranked *j, struct str_buf *b)
{
	bool chosen = j == c->chosen;

	str_buf_printf(b, "  %s: %s", TOPO_KEY_TEXT(&j->server->key),
		       chosen			 ? "promoted"
		       : j->why == RD_WHY_CHOSEN ? "fit to be promoted"
						 : rd_why_text(j->why));
	if (chosen && j->why != RD_WHY_CHOSEN)
		str_buf_printf(b, ", although it %s", rd_why_text(j->why));
	if (j->detail[0] != '\0')
		str_buf_printf(b, ": %.64s", j->detail);
	str_buf_add_char(b, '\n');
}

void
rd_choice_write(const struct rd_choice *c, struct str_buf *b)
{
	str_buf_printf(b, "choice: %s", rd_choice_verdict_text(c->verdict));
	if (c->chosen != NULL)
		str_buf_printf(b, " %s", TOPO_KEY_TEXT(&c->chosen->server->key));
	if (c->donor != NULL)
		str_buf_printf(b, ", which fetches %s from %s", c->fetch, TOPO_KEY_TEXT(&c->donor->key));
	if (c->refusal[0] != '\0')
		str_buf_printf(b, ": %s", c->refusal);
	str_buf_add_char(b, '\n');
	if (c->chosen != NULL)
		str_buf_printf(b, "loss: %s%s%s (%s)\n", rd_loss_text(c->loss), c->lost[0] != '\0' ? " " : "", c->lost,
			       c->loss_why);
	for (size_t i = 0; i < c->n; i++)
		add_judged(c, &c->v[i], b);
}

#define NAMED_MAX 4 /* a dry run tells all */

const char *
rd_choice_why_nobody(const struct rd_choice *c, struct mem_arena *arena)
{
	struct str_buf b = {0};
	const char *text;
	size_t n = 0;

	if (c->refusal != nobody_may)
		return c->refusal;
	str_buf_add(&b, c->refusal);
	for (size_t i = 0; i < c->n; i++) {
		const struct rd_ranked *j = &c->v[i];
		if (j->why != RD_WHY_NOT_DIRECT && ++n <= NAMED_MAX)
			str_buf_printf(&b, "%s %s: %s", n == 1 ? ";" : ",", TOPO_KEY_TEXT(&j->server->key),
				       rd_why_text(j->why));
	}
	if (n > NAMED_MAX)
		str_buf_printf(&b, " and %zu more", n - NAMED_MAX);
	text = mem_arena_strndup(arena, str_buf_text(&b), b.len);
	str_buf_done(&b);
	return text;
}
