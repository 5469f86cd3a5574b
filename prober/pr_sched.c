/* pr_sched.c — the schedule of probes and pings. Pure: owns its heaps only, called by pr_pool.c with the time. */
#include "pr_sched.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

#define GOLDEN 0.6180339887498949
#define BUCKET_US CLK_S /* as many connections may start at once as otherwise in a second */

void
pr_sched_limits(struct pr_sched_conf *c, const size_t lane_threads[IPC_LANE_COUNT], size_t dead_max)
{
	size_t half = c->max_in_flight / 2 > 0 ? c->max_in_flight / 2 : 1;
	size_t quarter = half / 2 > 0 ? half / 2 : 1; /* what hangs together leaves room for logins that don't */

	c->limit[PR_CLASS_URGENT] = 4 * lane_threads[IPC_LANE_URGENT];	   /* those with a connection need no thread */
	c->limit[PR_CLASS_LIVE] = c->max_in_flight - c->max_in_flight / 8; /* logins go on when probes are late */
	c->limit[PR_CLASS_SOURCES] = min_size(lane_threads[IPC_LANE_SOURCES], half);
	c->limit[PR_CLASS_REGULAR] = min_size(lane_threads[IPC_LANE_REGULAR], half);
	c->limit[PR_CLASS_SLOW] = quarter / 2 > 0 ? quarter / 2 : 1;
	c->limit[PR_CLASS_DEAD] = min_size(lane_threads[IPC_LANE_DEAD], dead_max > 0 ? dead_max : quarter);
}

void
pr_sched_init(struct pr_sched *s, const struct pr_sched_conf *conf, struct mono now)
{
	*s = (struct pr_sched){.conf = *conf, .tokens_us = BUCKET_US, .refilled = now};
	ASSERT(conf->poll_us > 0);
}

void
pr_sched_done(struct pr_sched *s)
{
	for (size_t i = 0; i < PR_CLASS_COUNT; i++)
		pr_heap_done(&s->heap[i]);
	pr_heap_done(&s->pings);
}

static bool
is_dead(const struct pr_sched_item *it)
{
	return it->backoffs > 0;
}

static enum pr_class
class_of(const struct pr_sched_item *it)
{
	if (it->urgent)
		return PR_CLASS_URGENT;
	if (it->connected)
		return PR_CLASS_LIVE;
	if ((it->flags & IPC_TARGET_FAILED_OVER) != 0) /* tried often and long: never behind other dead ones */
		return PR_CLASS_SOURCES;
	if (is_dead(it))
		return PR_CLASS_DEAD;
	if (it->slow)
		return PR_CLASS_SLOW;
	return (it->flags & IPC_TARGET_HAS_REPLICAS) != 0 ? PR_CLASS_SOURCES : PR_CLASS_REGULAR;
}

static void
unqueue(struct pr_sched *s, struct pr_sched_item *it)
{
	pr_heap_take(&s->heap[it->class], &it->node);
}

static void
queue(struct pr_sched *s, struct pr_sched_item *it, struct mono due)
{
	ASSERT(it->added && !it->in_flight);
	unqueue(s, it);
	it->class = class_of(it);
	pr_heap_put(&s->heap[it->class], &it->node, due);
}

/* Pings need an idle connection to a server that has replicas. */
static void
plan_ping(struct pr_sched *s, struct pr_sched_item *it, struct mono now)
{
	bool wanted = it->added && it->connected && !it->in_flight && (it->flags & IPC_TARGET_HAS_REPLICAS) != 0;

	if (wanted && it->ping.pos == 0)
		pr_heap_put(&s->pings, &it->ping, mono_add_us(now, PR_SCHED_PING_MS * CLK_MS));
	else if (!wanted)
		pr_heap_take(&s->pings, &it->ping);
}

/* The first time after `after` that is the item's own place within the poll interval. */
static struct mono
next_place(const struct pr_sched *s, const struct pr_sched_item *it, int64_t after_us)
{
	int64_t poll = s->conf.poll_us, phase = (int64_t)(it->place * (double)poll);
	int64_t turns = (after_us - phase) / poll;

	if (turns * poll + phase <= after_us)
		turns++;
	return (struct mono){turns * poll + phase};
}

void
pr_sched_add(struct pr_sched *s, struct pr_sched_item *it, uint64_t flags, struct mono now)
{
	bool hurry = (flags & (IPC_TARGET_HURRY | IPC_TARGET_FAILED_OVER)) != 0;

	ASSERT(!it->added);
	it->added = true;
	s->n_items++;
	it->place = fmod((double)++s->numbered * GOLDEN, 1.0);
	it->flags = flags;
	if ((flags & IPC_TARGET_FAILED_OVER) != 0)
		it->failed_over_until = mono_add_us(now, PR_SCHED_FAILED_OVER_FOR_S * CLK_S);
	queue(s, it, hurry ? now : next_place(s, it, now.us));
	plan_ping(s, it, now);
}

void
pr_sched_remove(struct pr_sched *s, struct pr_sched_item *it)
{
	ASSERT(it->added && !it->in_flight);
	unqueue(s, it);
	pr_heap_take(&s->pings, &it->ping);
	it->added = false;
	s->n_items--;
}

/* Where it stands may have changed; its time hasn't. */
static void
requeue(struct pr_sched *s, struct pr_sched_item *it)
{
	if (it->added && !it->in_flight && it->node.pos > 0)
		queue(s, it, it->node.due);
}

void
pr_sched_set_flags(struct pr_sched *s, struct pr_sched_item *it, uint64_t flags, struct mono now)
{
	bool failed_over = (flags & ~it->flags & IPC_TARGET_FAILED_OVER) != 0;
	bool hurry = failed_over || ((flags & IPC_TARGET_HURRY) != 0 && !it->probed);

	it->flags = flags;
	if (failed_over)
		it->failed_over_until = mono_add_us(now, PR_SCHED_FAILED_OVER_FOR_S * CLK_S);
	if (hurry && !it->in_flight && mono_before(now, it->node.due))
		queue(s, it, now);
	else
		requeue(s, it);
	plan_ping(s, it, now);
}

void
pr_sched_hurry(struct pr_sched *s, struct pr_sched_item *it, struct mono now)
{
	if (it->in_flight) {
		it->again = true;
		return;
	}
	it->urgent = true;
	queue(s, it, now);
}

void
pr_sched_spread_loss(struct pr_sched *s, struct pr_sched_item *it, double random, struct mono now)
{
	bool source = (it->flags & IPC_TARGET_HAS_REPLICAS) != 0;
	double wait_s = source ? random * 0.2 : 0.2 + random * 0.8;

	if (!it->in_flight)
		queue(s, it, mono_add_us(now, (int64_t)(wait_s * (double)CLK_S)));
}

void
pr_sched_set_connected(struct pr_sched *s, struct pr_sched_item *it, bool connected, struct mono now)
{
	it->connected = connected;
	requeue(s, it);
	plan_ping(s, it, now);
}

/* What one connection takes out of the bucket. */
static int64_t
token_us(const struct pr_sched *s)
{
	int64_t two_polls_us = 2 * s->conf.poll_us, usual_us = CLK_S / PR_SCHED_CONNECTS_PER_S;

	return max_i64(1, min_i64(usual_us, two_polls_us / max_i64(1, (int64_t)s->n_items)));
}

static void
refill(struct pr_sched *s, struct mono now)
{
	int64_t passed = mono_diff_us(now, s->refilled);

	s->refilled = now;
	s->tokens_us = min_i64(BUCKET_US, s->tokens_us + max_i64(0, passed));
}

static bool needs_token(enum pr_class class)
{
	return class != PR_CLASS_URGENT && class != PR_CLASS_LIVE;
}

/* Logins together take half of max_in_flight, one at least: each may hang for a connect timeout, and what is left goes
 * to servers that answer in milliseconds. Those have one place whatever happens. */
static bool
has_room(const struct pr_sched *s, enum pr_class class)
{
	size_t max = s->conf.max_in_flight, live = s->in_flight[PR_CLASS_LIVE];
	size_t logins = s->in_flight[PR_CLASS_SOURCES] + s->in_flight[PR_CLASS_REGULAR] + s->in_flight[PR_CLASS_SLOW] +
			s->in_flight[PR_CLASS_DEAD];

	if (s->in_flight[class] >= s->conf.limit[class])
		return false;
	if (class == PR_CLASS_URGENT)
		return true;
	if (class == PR_CLASS_LIVE)
		return live == 0 || live + logins < max;
	return logins == 0 || (logins < max / 2 && live + logins < max);
}

struct pr_sched_item *
pr_sched_next(struct pr_sched *s, struct mono now)
{
	refill(s, now);
	for (size_t i = 0; i < PR_CLASS_COUNT; i++) {
		enum pr_class class = (enum pr_class)i;
		struct pr_heap_node *node = pr_heap_first(&s->heap[class]);
		struct pr_sched_item *it;

		if (node == NULL || mono_before(now, node->due) || !has_room(s, class))
			continue;
		if (needs_token(class)) {
			if (s->tokens_us < token_us(s))
				continue;
			s->tokens_us -= token_us(s);
		}
		it = CONTAINER_OF(node, struct pr_sched_item, node);
		unqueue(s, it);
		it->in_flight = true;
		it->again = false;
		s->in_flight[class]++;
		plan_ping(s, it, now);
		return it;
	}
	return NULL;
}

static double
backoff_most(const struct pr_sched_conf *c)
{
	return (double)max_i64(c->dead_max_us, c->poll_us);
}

static int64_t
backoff_us(const struct pr_sched_conf *c, double factor)
{
	double wait = factor * (double)c->poll_us, most = backoff_most(c);

	return (int64_t)(wait < most ? wait : most);
}

int64_t
pr_sched_backoff_us(const struct pr_sched_conf *c, uint64_t nth, double *factor)
{
	if (nth <= 1)
		*factor = 1;
	else if (*factor * (double)c->poll_us < backoff_most(c)) /* the factor stops growing at the ceiling */
		*factor *= c->dead_factor;
	return backoff_us(c, *factor);
}

static struct mono
after_failure(struct pr_sched *s, struct pr_sched_item *it, bool was_well, struct mono now)
{
	bool failed_over = (it->flags & IPC_TARGET_FAILED_OVER) != 0;

	if (failed_over && mono_before(now, it->failed_over_until))
		return mono_add_us(now, PR_SCHED_FAILED_OVER_MS * CLK_MS);
	if (failed_over)
		return mono_add_us(now, s->conf.poll_us);
	if (was_well)
		return mono_add_us(now, PR_SCHED_CONFIRM_MS * CLK_MS);
	return mono_add_us(now, pr_sched_backoff_us(&s->conf, it->backoffs, &it->factor));
}

static struct mono
next_after(struct pr_sched *s, struct pr_sched_item *it, enum pr_sched_end end, bool was_well, struct mono now)
{
	if (end == PR_SCHED_UNREACHED)
		return after_failure(s, it, was_well, now);
	return next_place(s, it, now.us + s->conf.poll_us / 4);
}

void
pr_sched_finish(struct pr_sched *s, struct pr_sched_item *it, enum pr_sched_end end, struct mono now)
{
	bool was_well = it->was_well, confirm;

	ASSERT(it->in_flight && s->in_flight[it->class] > 0);
	it->in_flight = false;
	s->in_flight[it->class]--;
	it->probed = it->probed || end != PR_SCHED_ABANDONED;
	it->ended = now;
	if (end != PR_SCHED_ABANDONED)
		it->slow = end == PR_SCHED_SLOW;
	if (end == PR_SCHED_WELL || end == PR_SCHED_SLOW) {
		it->was_well = true;
		it->backoffs = 0;
	} else if (end == PR_SCHED_UNREACHED) {
		it->was_well = false;
		it->backoffs += was_well ? 0 : 1;
	}
	confirm = end == PR_SCHED_UNREACHED && was_well;
	it->urgent = it->again || (confirm && it->urgent);
	queue(s, it, it->again ? now : next_after(s, it, end, was_well, now));
	plan_ping(s, it, now);
}

/* When a waiting item would be due had the present configuration held since its last probe. */
static struct mono
due_by_conf(const struct pr_sched *s, const struct pr_sched_item *it, struct mono now)
{
	struct mono due;

	if (!is_dead(it))
		return next_place(s, it, now.us);
	if ((it->flags & IPC_TARGET_FAILED_OVER) != 0)
		due = mono_add_us(it->ended, s->conf.poll_us);
	else
		due = mono_add_us(it->ended, backoff_us(&s->conf, it->factor));
	return mono_before(due, now) ? now : due;
}

static void
bring_forward(struct pr_sched *s, struct pr_heap *h, struct mono now)
{
	size_t n = h->n;
	struct pr_heap_node **v = mem_calloc(n, sizeof(struct pr_heap_node *)); /* the heap moves under our hands */

	for (size_t i = 0; i < n; i++)
		v[i] = h->v[i];
	for (size_t i = 0; i < n; i++) {
		struct pr_sched_item *it = CONTAINER_OF(v[i], struct pr_sched_item, node);
		struct mono due = due_by_conf(s, it, now);

		if (mono_before(due, it->node.due))
			queue(s, it, due);
	}
	free(v);
}

void
pr_sched_configure(struct pr_sched *s, const struct pr_sched_conf *conf, struct mono now)
{
	bool sooner = conf->poll_us < s->conf.poll_us || conf->dead_max_us < s->conf.dead_max_us;

	ASSERT(conf->poll_us > 0);
	s->conf = *conf;
	for (size_t i = 0; sooner && i < PR_CLASS_COUNT; i++)
		bring_forward(s, &s->heap[i], now);
}

struct pr_sched_item *
pr_sched_next_ping(struct pr_sched *s, struct mono now)
{
	struct pr_heap_node *node = pr_heap_first(&s->pings);

	if (node == NULL || mono_before(now, node->due))
		return NULL;
	pr_heap_take(&s->pings, node);
	pr_heap_put(&s->pings, node, mono_add_us(now, PR_SCHED_PING_MS * CLK_MS));
	return CONTAINER_OF(node, struct pr_sched_item, ping);
}

/* What is due on a connection that is well may wait for the next even tick, and so for others' (pr_sched.h). */
static int64_t
tick_of(int64_t due_us, struct mono now)
{
	if (due_us <= now.us)
		return due_us;
	return (due_us + PR_SCHED_TICK_MS * CLK_MS - 1) / (PR_SCHED_TICK_MS * CLK_MS) * (PR_SCHED_TICK_MS * CLK_MS);
}

struct mono
pr_sched_wake(struct pr_sched *s, struct mono now)
{
	int64_t wake = INT64_MAX;

	refill(s, now);
	for (size_t i = 0; i < PR_CLASS_COUNT; i++) {
		enum pr_class class = (enum pr_class)i;
		struct pr_heap_node *node = pr_heap_first(&s->heap[class]);
		int64_t at;

		if (node == NULL || !has_room(s, class))
			continue; /* pr_sched_finish makes room */
		at = class == PR_CLASS_LIVE ? tick_of(node->due.us, now) : node->due.us;
		if (needs_token(class) && s->tokens_us < token_us(s))
			at = max_i64(at, now.us + token_us(s) - s->tokens_us);
		wake = min_i64(wake, at);
	}
	if (pr_heap_first(&s->pings) != NULL)
		wake = min_i64(wake, tick_of(pr_heap_first(&s->pings)->due.us, now));
	return (struct mono){wake};
}
