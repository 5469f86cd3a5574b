/* rd_log_job.c — making, copying, measuring and freeing the jobs of rd_logwriter.h. Called by the loop's side. */
#include <stdlib.h>
#include <string.h>

#include "rd_logwriter.h"

struct rd_log_job *
rd_log_job_new(enum rd_log_job_kind kind, void (*done)(void *ctx, struct rd_log_job *job), void *ctx)
{
	struct rd_log_job *j = mem_new(struct rd_log_job);

	j->kind = kind;
	j->done = done;
	j->ctx = ctx;
	return j;
}

static size_t
data_bytes(const struct rd_write *w)
{
	size_t bytes = 0;

	for (size_t i = 0; i < w->n; i++)
		bytes += w->entries[i].n;
	return bytes;
}

/* The entries and all their data in one block. */
static struct rd_log_entry *
copy_entries(const struct rd_write *w)
{
	size_t head = w->n * sizeof(struct rd_log_entry);
	struct rd_log_entry *copy = mem_alloc(head + data_bytes(w) + 1);
	char *at = (char *)copy + head;

	for (size_t i = 0; i < w->n; i++) {
		copy[i] = w->entries[i];
		copy[i].data = at;
		if (copy[i].n > 0)
			memcpy(at, w->entries[i].data, copy[i].n);
		at += copy[i].n;
	}
	return copy;
}

struct rd_log_job *
rd_log_job_write(const struct rd_write *w, void (*done)(void *ctx, struct rd_log_job *job), void *ctx)
{
	struct rd_log_job *j = rd_log_job_new(RD_LOG_JOB_WRITE, done, ctx);

	j->write = *w;
	if (w->identity != NULL) {
		struct rd_identity *id = mem_new(struct rd_identity);
		rec_dup(&rd_identity_desc, id, w->identity);
		j->write.identity = id;
	}
	if (w->snapshot != NULL) {
		rd_snapshot_dup(&j->snapshot, w->snapshot);
		j->write.snapshot = &j->snapshot;
	}
	j->write.entries = w->n > 0 ? copy_entries(w) : NULL;
	return j;
}

void
rd_log_job_free(struct rd_log_job *j)
{
	struct rd_identity *id;

	if (j == NULL)
		return;
	if (j->write.identity != NULL) {
		id = (struct rd_identity *)(uintptr_t)j->write.identity;
		rec_done(&rd_identity_desc, id);
		free(id);
	}
	free((void *)(uintptr_t)j->write.entries);
	rd_snapshot_done(&j->snapshot);
	rd_stored_free(j->found);
	free(j->range);
	free(j->data);
	free(j);
}

size_t
rd_log_job_bytes(const struct rd_log_job *j)
{
	size_t bytes = sizeof(*j) + j->n + data_bytes(&j->write);

	return bytes + j->write.n * sizeof(struct rd_log_entry);
}
