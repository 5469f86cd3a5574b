/* rd_suspect.c — immediate probes after lost connections (rd_suspect.h). Pure. Owns the waiting keys. */
#include "rd_suspect.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <uthash.h>

#include "topo/key.h"

#define WINDOW_US CLK_S
#define MASS_LASTS_US (5 * CLK_S) /* of calm, before single losses count as such again */
#define RECENT_MAX 256		  /* losses remembered for the window; more are a mass anyway */

enum stage { STAGE_WAITING, STAGE_UNDER_WAY, STAGE_AGAIN };

struct suspect {
	UT_hash_handle hh;
	struct topo_key key; /* owning */
	enum stage stage;
	bool has_replicas;
	TAILQ_ENTRY(suspect) next; /* while waiting */
	char text[];
};
TAILQ_HEAD(suspect_queue, suspect);

struct rd_suspect {
	struct suspect *all;
	struct suspect_queue sources, others;
	struct mono recent[RECENT_MAX]; /* ring of loss times */
	size_t n_recent, at_recent;
	struct mono mass_until;
	bool mass;
	struct rd_suspect_stats stats;
};

struct rd_suspect *
rd_suspect_new(void)
{
	struct rd_suspect *s = mem_new(struct rd_suspect);

	TAILQ_INIT(&s->sources);
	TAILQ_INIT(&s->others);
	return s;
}

static void
drop(struct rd_suspect *s, struct suspect *x)
{
	HASH_DEL(s->all, x);
	topo_key_done(&x->key);
	free(x);
}

void
rd_suspect_free(struct rd_suspect *s)
{
	struct suspect *x, *next;

	if (s == NULL)
		return;
	HASH_ITER (hh, s->all, x, next)
		drop(s, x);
	free(s);
}

/* --- mass losses ----------------------------------------------------------------------------------------------- */
static size_t
losses_in_window(const struct rd_suspect *s, struct mono now)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_recent; i++)
		n += mono_diff_us(now, s->recent[i]) < WINDOW_US;
	return n;
}

static bool
is_mass(const struct rd_suspect *s, struct mono now)
{
	return s->mass && mono_before(now, s->mass_until);
}

static bool
note_loss(struct rd_suspect *s, struct mono now, size_t known_servers)
{
	bool before = is_mass(s, now), many;
	size_t n;

	s->recent[s->at_recent] = now;
	s->at_recent = (s->at_recent + 1) % RECENT_MAX;
	s->n_recent = min_size(s->n_recent + 1, RECENT_MAX);
	n = losses_in_window(s, now);
	s->stats.lost++;
	many = n > RD_SUSPECT_MASS || (n >= RD_SUSPECT_MASS_LEAST && n * 10 > known_servers);
	s->mass = before || many;
	if (many)
		s->mass_until = mono_add_us(now, MASS_LASTS_US);
	s->stats.mass_events += many && !before;
	return many && !before;
}

/* --- the queue ------------------------------------------------------------------------------------------------- */
static struct suspect *
find(const struct rd_suspect *s, const struct topo_key *key)
{
	struct topo_key_text text = topo_key_text(key);
	struct suspect *x;

	HASH_FIND_STR(s->all, text.text, x);
	return x;
}

static void
enqueue(struct rd_suspect *s, struct suspect *x)
{
	x->stage = STAGE_WAITING;
	if (x->has_replicas)
		TAILQ_INSERT_TAIL(&s->sources, x, next);
	else
		TAILQ_INSERT_TAIL(&s->others, x, next);
	s->stats.waiting++;
}

void
rd_suspect_related(struct rd_suspect *s, const struct topo_key *key, bool has_replicas)
{
	struct topo_key_text text = topo_key_text(key);
	struct suspect *x = find(s, key);
	size_t n = strlen(text.text);

	if (x != NULL)
		return;
	if (s->stats.waiting >= RD_SUSPECT_MAX) {
		s->stats.overflows++;
		return;
	}
	x = mem_calloc(1, sizeof(*x) + n + 1);
	memcpy(x->text, text.text, n);
	rec_dup(&topo_key_desc, &x->key, key);
	x->has_replicas = has_replicas;
	HASH_ADD_STR(s->all, text, x);
	enqueue(s, x);
}

bool
rd_suspect_lost(struct rd_suspect *s, const struct topo_key *key, bool has_replicas, struct mono now,
		size_t known_servers)
{
	bool fresh_mass = note_loss(s, now, known_servers);
	struct suspect *x = find(s, key);

	if (x != NULL && x->stage == STAGE_UNDER_WAY)
		x->stage = STAGE_AGAIN; /* that probe may have begun before the loss */
	rd_suspect_related(s, key, has_replicas);
	return fresh_mass;
}

bool
rd_suspect_next(struct rd_suspect *s, struct mono now, const struct topo_key **ret_key)
{
	size_t at_once = is_mass(s, now) ? RD_SUSPECT_MASS_AT_ONCE : RD_SUSPECT_AT_ONCE;
	bool from_sources = !TAILQ_EMPTY(&s->sources);
	struct suspect *x = from_sources ? TAILQ_FIRST(&s->sources) : TAILQ_FIRST(&s->others);

	if (x == NULL || s->stats.under_way >= at_once)
		return false;
	if (from_sources)
		TAILQ_REMOVE(&s->sources, x, next);
	else
		TAILQ_REMOVE(&s->others, x, next);
	s->stats.waiting--;
	s->stats.under_way++;
	x->stage = STAGE_UNDER_WAY;
	*ret_key = &x->key;
	return true;
}

void
rd_suspect_done(struct rd_suspect *s, const struct topo_key *key)
{
	struct suspect *x = find(s, key);

	if (x == NULL || x->stage == STAGE_WAITING)
		return;
	s->stats.under_way--;
	if (x->stage == STAGE_AGAIN)
		enqueue(s, x);
	else
		drop(s, x);
}

struct rd_suspect_stats
rd_suspect_stats(const struct rd_suspect *s, struct mono now)
{
	struct rd_suspect_stats r = s->stats;

	r.mass = is_mass(s, now);
	return r;
}
