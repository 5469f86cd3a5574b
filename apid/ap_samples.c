/* ap_samples.c — see ap_samples.h. Filled by ap_raftd.c, read by api_samples.c. Owns the batches and their lock. */
#include "ap_samples.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/mem.h"

struct row {
	void *v;
	size_t n;
};

struct ap_batch {
	TAILQ_ENTRY(ap_batch) next;
	struct mono at;
	unsigned holders; /* under the lock; the list is one of them */
	size_t bytes;
	struct row rows[AP_SAMPLE_KINDS]; /* behind this, and then the texts */
};
TAILQ_HEAD(batch_list, ap_batch);

struct ap_samples {
	pthread_mutex_t lock;
	/* under the lock */
	struct batch_list all; /* oldest first */
	size_t n, bytes;
	uint64_t overflows;
};

static const size_t sizes[AP_SAMPLE_KINDS] = {
    [AP_PROBE_SAMPLES] = sizeof(struct ipc_probe_sample),
    [AP_WRITE_SAMPLES] = sizeof(struct ipc_write_sample),
    [AP_FLUSH_SAMPLES] = sizeof(struct ipc_flush_sample),
};
_Static_assert(offsetof(struct ipc_probe_sample, at_us) == 0, "read without knowing the kind");
_Static_assert(offsetof(struct ipc_write_sample, at_us) == 0, "the same");
_Static_assert(offsetof(struct ipc_flush_sample, at_us) == 0, "the same");

struct ap_samples *
ap_samples_new(void)
{
	struct ap_samples *s = mem_new(struct ap_samples);

	ASSERT(pthread_mutex_init(&s->lock, NULL) == 0);
	TAILQ_INIT(&s->all);
	return s;
}

static void
free_batches(struct batch_list *gone)
{
	struct ap_batch *b;

	while ((b = TAILQ_FIRST(gone)) != NULL) {
		TAILQ_REMOVE(gone, b, next);
		free(b);
	}
}

void
ap_samples_free(struct ap_samples *s)
{
	if (s == NULL)
		return;
	free_batches(&s->all);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- adding ---------------------------------------------------------------------------------------------------- */
static size_t
texts_bytes(const struct ipc_samples *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->probes.n; i++)
		n += strlen(m->probes.v[i].key.hostname) + 1 + strlen(m->probes.v[i].error) + 1;
	return n;
}

static const char *
keep_text(char **at, const char *text)
{
	char *copy = *at;
	size_t n = strlen(text) + 1;

	memcpy(copy, text, n);
	*at += n;
	return copy;
}

/* One allocation for all of it: samples of all kinds need the same alignment as the batch. */
static struct ap_batch *
new_batch(const struct ipc_samples *m, struct mono now)
{
	const struct row from[AP_SAMPLE_KINDS] = {[AP_PROBE_SAMPLES] = {m->probes.v, m->probes.n},
						  [AP_WRITE_SAMPLES] = {m->writes.v, m->writes.n},
						  [AP_FLUSH_SAMPLES] = {m->flushes.v, m->flushes.n}};
	size_t bytes = sizeof(struct ap_batch) + texts_bytes(m);
	struct ipc_probe_sample *probes;
	struct ap_batch *b;
	char *at;

	for (size_t k = 0; k < AP_SAMPLE_KINDS; k++)
		bytes += from[k].n * sizes[k];
	b = mem_alloc(bytes);
	*b = (struct ap_batch){.at = now, .holders = 1, .bytes = bytes};
	at = (char *)(b + 1);
	for (size_t k = 0; k < AP_SAMPLE_KINDS; at += from[k].n * sizes[k], k++) {
		b->rows[k] = (struct row){at, from[k].n};
		if (from[k].n > 0)
			memcpy(at, from[k].v, from[k].n * sizes[k]);
	}
	probes = b->rows[AP_PROBE_SAMPLES].v;
	for (size_t i = 0; i < m->probes.n; i++) {
		probes[i].key.hostname = keep_text(&at, probes[i].key.hostname);
		probes[i].error = keep_text(&at, probes[i].error);
	}
	return b;
}

/* The newest stays, whatever its size. */
static bool
has_too_many(const struct ap_samples *s)
{
	return s->n > 1 && (s->bytes > AP_SAMPLES_BYTES || s->n > AP_BATCHES_MAX);
}

/* With the lock. Whom nobody else holds goes to gone. */
static void
drop_oldest(struct ap_samples *s, struct batch_list *gone)
{
	struct ap_batch *b = TAILQ_FIRST(&s->all);

	TAILQ_REMOVE(&s->all, b, next);
	s->n--;
	s->bytes -= b->bytes;
	if (--b->holders == 0)
		TAILQ_INSERT_TAIL(gone, b, next);
}

void
ap_samples_add(struct ap_samples *s, const struct ipc_samples *m, struct mono now, int64_t keep_s)
{
	struct batch_list gone = TAILQ_HEAD_INITIALIZER(gone);
	struct ap_batch *b = new_batch(m, now);

	(void)pthread_mutex_lock(&s->lock);
	TAILQ_INSERT_TAIL(&s->all, b, next);
	s->n++;
	s->bytes += b->bytes;
	while (s->n > 0 && mono_diff_us(now, TAILQ_FIRST(&s->all)->at) >= keep_s * CLK_S)
		drop_oldest(s, &gone);
	while (has_too_many(s)) {
		drop_oldest(s, &gone);
		s->overflows++;
	}
	(void)pthread_mutex_unlock(&s->lock);
	free_batches(&gone);
}

struct ap_samples_stats
ap_samples_stats(struct ap_samples *s)
{
	struct ap_samples_stats stats = {0};

	if (s == NULL)
		return stats;
	(void)pthread_mutex_lock(&s->lock);
	stats = (struct ap_samples_stats){s->bytes, s->overflows};
	(void)pthread_mutex_unlock(&s->lock);
	return stats;
}

/* --- taking ---------------------------------------------------------------------------------------------------- */
static void
hold_all(struct ap_samples *s, struct ap_sample_set *set)
{
	struct ap_batch *b;

	(void)pthread_mutex_lock(&s->lock);
	set->batches = mem_calloc(s->n, sizeof(struct ap_batch *));
	TAILQ_FOREACH (b, &s->all, next) {
		b->holders++;
		set->batches[set->n_batches++] = b;
	}
	(void)pthread_mutex_unlock(&s->lock);
}

void
ap_samples_take(struct ap_samples *s, enum ap_sample_kind kind, struct wall since, struct ap_sample_set *ret)
{
	size_t cap = 0;

	*ret = (struct ap_sample_set){0};
	hold_all(s, ret);
	for (size_t i = 0; i < ret->n_batches; i++) {
		const struct row *r = &ret->batches[i]->rows[kind];
		for (size_t j = 0; j < r->n; j++) {
			const void *sample = (const char *)r->v + j * sizes[kind];
			if (*(const int64_t *)sample <= since.us)
				continue;
			mem_grow(ret->v, cap, ret->n + 1);
			ret->v[ret->n++] = sample;
		}
	}
}

void
ap_sample_set_done(struct ap_samples *s, struct ap_sample_set *set)
{
	struct batch_list gone = TAILQ_HEAD_INITIALIZER(gone);

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < set->n_batches; i++) {
		if (--set->batches[i]->holders == 0)
			TAILQ_INSERT_TAIL(&gone, set->batches[i], next);
	}
	(void)pthread_mutex_unlock(&s->lock);
	free_batches(&gone);
	free(set->batches);
	free(set->v);
}
