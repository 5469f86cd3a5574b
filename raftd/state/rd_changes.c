/* rd_changes.c — the list of row changes. Owns the copied rows. Called by apply, telemetry and the view writer. */
#include "rd_changes.h"

#include <stdlib.h>
#include <string.h>

void
rd_changes_add(struct rd_changes *c, enum rd_change_kind kind, enum db_table table, const void *row)
{
	const struct rec_desc *d = db_table_desc(table);
	void *copy = mem_alloc(d->size);

	rec_dup(d, copy, row);
	mem_grow(c->v, c->cap, c->n + 1);
	c->v[c->n++] = (struct rd_change){.kind = kind, .table = table, .row = copy};
}

void
rd_changes_purge(struct rd_changes *c, enum db_table table, const char *condition, int64_t before_us)
{
	mem_grow(c->v, c->cap, c->n + 1);
	c->v[c->n++] =
	    (struct rd_change){.kind = RD_CHANGE_PURGE, .table = table, .condition = condition, .before_us = before_us};
}

void
rd_placeholder(const struct topo_key *key, const char *name, struct topo_instance *ret)
{
	rec_init(&topo_instance_desc, ret);
	ret->key = *key;
	ret->version = "Unknown";
	ret->cluster_name = name;
	ret->sql_thread_state = ret->io_thread_state = TOPO_THREAD_NONE;
}

void
rd_changes_move(struct rd_changes *to, struct rd_changes *from)
{
	mem_grow(to->v, to->cap, to->n + from->n);
	if (from->n > 0)
		memcpy(to->v + to->n, from->v, from->n * sizeof(*from->v));
	to->n += from->n;
	from->n = 0;
	rd_changes_done(from);
}

void
rd_changes_done(struct rd_changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->v[i].row == NULL)
			continue;
		rec_done(db_table_desc(c->v[i].table), c->v[i].row);
		free(c->v[i].row);
	}
	free(c->v);
	*c = (struct rd_changes){0};
}
