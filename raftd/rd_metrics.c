/* rd_metrics.c — adds up and lists figures (rd_metrics.h). Pure. Called once a second. */
#include "rd_metrics.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/mem.h"

struct share {
	double before; /* counters: what former processes of this slot had */
	double now;
};

struct figure {
	UT_hash_handle hh;
	bool counter;
	struct share *shares; /* one per slot */
	char name[];
};

struct rd_pool_stats {
	unsigned slots;
	struct figure *figures;
};

struct rd_pool_stats *
rd_pool_stats_new(unsigned slots)
{
	struct rd_pool_stats *p = mem_new(struct rd_pool_stats);

	p->slots = slots;
	return p;
}

void
rd_pool_stats_free(struct rd_pool_stats *p)
{
	struct figure *f, *next;

	if (p == NULL)
		return;
	HASH_ITER (hh, p->figures, f, next) {
		HASH_DEL(p->figures, f);
		free(f->shares);
		free(f);
	}
	free(p);
}

static struct figure *
figure_of(struct rd_pool_stats *p, const struct ipc_metric *m)
{
	size_t n = strlen(m->name);
	struct figure *f;

	HASH_FIND_STR(p->figures, m->name, f);
	if (f != NULL || HASH_COUNT(p->figures) >= RD_POOL_NAMES_MAX)
		return f;
	f = mem_calloc(1, sizeof(*f) + n + 1);
	memcpy(f->name, m->name, n);
	f->counter = m->counter;
	f->shares = mem_calloc(p->slots, sizeof(*f->shares));
	HASH_ADD_STR(p->figures, name, f);
	return f;
}

void
rd_pool_stats_take(struct rd_pool_stats *p, unsigned slot, const struct ipc_metric_list *list)
{
	ASSERT(slot < p->slots);
	for (size_t i = 0; i < list->n; i++) {
		struct figure *f = figure_of(p, &list->v[i]);
		if (f != NULL)
			f->shares[slot].now = list->v[i].value;
	}
}

void
rd_pool_stats_down(struct rd_pool_stats *p, unsigned slot)
{
	ASSERT(slot < p->slots);
	for (struct figure *f = p->figures; f != NULL; f = f->hh.next) {
		struct share *s = &f->shares[slot];
		if (f->counter)
			s->before += s->now;
		s->now = 0;
	}
}

static double
sum(const struct figure *f, unsigned slots)
{
	double total = 0;

	for (unsigned i = 0; i < slots; i++)
		total += f->shares[i].before + f->shares[i].now;
	return total;
}

#define COUNTER true
#define GAUGE false
static const struct {
	const char *name;
	bool counter;
	size_t offset;
} own[] = {
#define METRIC_RAFTD(member, name, kind, ...) {name, kind, offsetof(struct rd_metrics, member)},
#define METRIC_LINK(member, kind, ...) {"raft.link." #member, kind, offsetof(struct rd_metrics, link_##member)},
#include "ipc/metrics.def"
};

static bool
is_own(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (strcmp(own[i].name, name) == 0)
			return true;
	}
	return false;
}

size_t
rd_metrics_list(const struct rd_metrics *m, const struct rd_pool_stats *p, struct ipc_metric *ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(own) && n < max; i++) {
		const void *at = (const char *)m + own[i].offset;
		ret[n++] = (struct ipc_metric){own[i].name, (double)*(const uint64_t *)at, own[i].counter};
	}
	for (const struct figure *f = p->figures; f != NULL && n < max; f = f->hh.next) {
		if (!is_own(f->name))
			ret[n++] = (struct ipc_metric){f->name, sum(f, p->slots), f->counter};
	}
	return n;
}
