/* sim_disk.c — RaftDataDir in memory, with the meaning of rd_store.h: identity, term and vote, log, snapshots. Belongs to
 * the machine and outlives the process. Written by sim_writer.c only. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "sim.h"

/* --- the disk --- */
static void
cut_log(struct sim_disk *d, size_t n)
{
	while (d->n > n)
		free(d->log[--d->n].data);
}

static void
drop_head(struct sim_disk *d, uint64_t upto)
{
	size_t n = upto < d->first ? 0 : min_size(d->n, (size_t)(upto - d->first + 1));

	for (size_t i = 0; i < n; i++)
		free(d->log[i].data);
	d->n -= n;
	d->first += n;
	if (n > 0)
		memmove(d->log, d->log + n, d->n * sizeof(*d->log));
}

void
sim_disk_wipe(struct sim_disk *d)
{
	cut_log(d, 0);
	rd_snapshot_done(&d->snapshot);
	d->snapshot = (struct rd_snapshot){0};
	for (size_t i = 0; i < SIM_FILES_MAX; i++) {
		codec_out_done(&d->files[i].bytes);
		d->files[i] = (struct sim_file){0};
	}
	if (d->lineage != 0)
		rec_done(&rd_identity_desc, &d->identity);
	d->lineage = 0;
	d->term = d->vote = 0;
	d->first = 1;
}

void
sim_disk_done(struct sim_disk *d)
{
	sim_disk_wipe(d);
	free(d->log);
}

uint64_t
sim_disk_last(const struct sim_disk *d)
{
	return d->n > 0 ? d->first + d->n - 1 : d->snapshot.index;
}

uint64_t
sim_disk_term(const struct sim_disk *d, uint64_t index)
{
	if (index == d->snapshot.index)
		return d->snapshot.term;
	return index >= d->first && index < d->first + d->n ? d->log[index - d->first].term : 0;
}

bool
sim_disk_holds(const struct sim_disk *d, uint64_t index, uint64_t term)
{
	return index <= d->snapshot.index || sim_disk_term(d, index) == term;
}

struct sim_file *
sim_disk_file(struct sim_disk *d, uint64_t term, uint64_t index)
{
	for (size_t i = 0; i < SIM_FILES_MAX; i++) {
		if (d->files[i].index == index && d->files[i].term == term)
			return &d->files[i];
	}
	return NULL;
}

bool
sim_disk_fits(const struct sim_disk *d, const struct rd_write *w)
{
	return w->index == 0 || w->clears_log || (w->index <= sim_disk_last(d) + 1 && w->index >= d->first);
}

static void
append(struct sim_disk *d, const struct rd_write *w)
{
	cut_log(d, (size_t)(w->index - d->first));
	for (size_t i = 0; i < w->n; i++) {
		const struct rd_log_entry *x = &w->entries[i];
		mem_grow(d->log, d->cap, d->n + 1);
		d->log[d->n++] = (struct sim_entry){x->term, (uint64_t)x->kind, mem_dup(x->data, x->n), x->n};
	}
}

static void
set_snapshot(struct sim_disk *d, const struct rd_write *w)
{
	struct sim_file *f = sim_disk_file(d, w->snapshot->term, w->snapshot->index);

	ASSERT(f != NULL); /* its file comes first */
	if (w->clears_log) {
		cut_log(d, 0);
		d->first = w->snapshot->index + 1;
	}
	rd_snapshot_done(&d->snapshot);
	rd_snapshot_dup(&d->snapshot, w->snapshot);
	for (size_t i = 0; i < SIM_FILES_MAX; i++) {
		if (d->files[i].index != 0 && d->files[i].index < w->snapshot->index) {
			codec_out_done(&d->files[i].bytes);
			d->files[i] = (struct sim_file){0};
		}
	}
}

void
sim_disk_write(struct sim_node *n, const struct rd_write *w)
{
	struct sim_disk *d = &n->disk;

	if (w->identity != NULL) {
		struct rd_identity id;
		rec_dup(&rd_identity_desc, &id, w->identity);
		rec_set_str(&id.dir_id, d->identity.dir_id);
		rec_done(&rd_identity_desc, &d->identity);
		d->identity = id;
	}
	sim_check_durable(n, w);
	if (w->has_vote) {
		d->term = w->term;
		d->vote = w->voted_for;
	}
	if (w->snapshot != NULL)
		set_snapshot(d, w);
	if (w->index != 0)
		append(d, w);
	if (w->compact_to > 0)
		drop_head(d, (uint64_t)min_i64((int64_t)w->compact_to, (int64_t)d->snapshot.index));
}

struct rd_log_range *
sim_disk_range(const struct sim_disk *d, uint64_t index, size_t n, uint64_t recent)
{
	size_t bytes = 0;
	struct rd_log_range *r;
	char *at;

	for (size_t i = 0; i < n; i++)
		bytes += d->log[index - d->first + i].n + 1;
	r = mem_calloc(1, sizeof(*r) + n * sizeof(r->v[0]) + bytes + 1);
	at = (char *)&r->v[n];
	r->index = index;
	r->n = n;
	for (size_t i = 0; i < n; i++) {
		const struct sim_entry *x = &d->log[index - d->first + i];
		r->v[i] = (struct rd_log_entry){.term = x->term, .kind = (enum rd_log_kind)x->kind, .n = x->n};
		if (x->kind != RD_LOG_CHANGE && index + i < recent)
			continue;
		if (x->n > 0)
			memcpy(at, x->data, x->n);
		r->v[i].data = at;
		r->bytes += x->n;
		at += x->n + 1;
	}
	return r;
}

struct rd_stored *
sim_disk_found(struct sim_node *n)
{
	struct sim_disk *d = &n->disk;
	struct rd_stored *f = mem_new(struct rd_stored);
	uint64_t recent = sim_chance(500) ? 0 : d->first + sim_rand(d->n + 1);

	if (d->lineage == 0) {
		char dir_id[33];
		d->lineage = ++sim.lineages;
		d->first = 1;
		rec_init(&rd_identity_desc, &d->identity);
		str_random_hex(dir_id, 16);
		rec_set_str(&d->identity.dir_id, dir_id);
		f->created = true;
	}
	rec_dup(&rd_identity_desc, &f->identity, &d->identity);
	f->term = d->term;
	f->voted_for = d->vote;
	rd_snapshot_dup(&f->snapshot, &d->snapshot);
	f->log = sim_disk_range(d, d->first, d->n, recent);
	return f;
}
