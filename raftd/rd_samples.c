/* rd_samples.c — see rd_samples.h. Filled by rd_publish.c, which sends and clears it. */
#include "rd_samples.h"

#include <stdlib.h>
#include <string.h>

#define ERROR_MAX 256 /* as IPC_PROBE_SAMPLE_FIELDS says */

/* Numbers of the client library (2000 and more, MariaDB's 5000 and more) are no server's. */
static bool
is_of_a_server(int64_t number)
{
	return (number >= 1000 && number < 2000) || (number >= 3000 && number < 5000);
}

static int64_t
failure_of(const struct topo_probe *p)
{
	if (p->found)
		return 0;
	return is_of_a_server(p->errno_mysql) ? p->errno_mysql : -1;
}

bool
rd_samples_probe(struct rd_samples *s, struct wall now, const struct topo_probe *p, int64_t handled_us)
{
	struct ipc_probe_sample_list *l = &s->m.probes;
	const struct topo_key *key = &p->asked_key;
	int64_t failure = failure_of(p);

	mem_grow(l->v, s->cap_probes, l->n + 1);
	l->v[l->n++] = (struct ipc_probe_sample){
	    .at_us = now.us,
	    .key = {mem_arena_strndup(&s->texts, key->hostname, strlen(key->hostname)), key->port},
	    .instance_us = max_i64(0, p->ended_us - p->started_us),
	    .backend_us = handled_us,
	    .total_us = max_i64(0, now.us - p->started_us),
	    .failure = failure,
	    .error = failure > 0 ? mem_arena_strndup(&s->texts, p->error, strnlen(p->error, ERROR_MAX)) : "",
	};
	return l->n >= IPC_SAMPLES_MAX;
}

bool
rd_samples_write(struct rd_samples *s, const struct ipc_write_sample *w)
{
	struct ipc_write_sample_list *l = &s->m.writes;

	mem_grow(l->v, s->cap_writes, l->n + 1);
	l->v[l->n++] = *w;
	return l->n >= IPC_SAMPLES_MAX;
}

bool
rd_samples_flush(struct rd_samples *s, const struct ipc_flush_sample *f)
{
	struct ipc_flush_sample_list *l = &s->m.flushes;

	mem_grow(l->v, s->cap_flushes, l->n + 1);
	l->v[l->n++] = *f;
	return l->n >= IPC_SAMPLES_MAX;
}

bool
rd_samples_is_empty(const struct rd_samples *s)
{
	return s->m.probes.n == 0 && s->m.writes.n == 0 && s->m.flushes.n == 0;
}

void
rd_samples_clear(struct rd_samples *s)
{
	s->m.probes.n = s->m.writes.n = s->m.flushes.n = 0;
	mem_arena_reset(&s->texts);
}

void
rd_samples_done(struct rd_samples *s)
{
	free(s->m.probes.v);
	free(s->m.writes.v);
	free(s->m.flushes.v);
	mem_arena_done(&s->texts);
	*s = (struct rd_samples){0};
}
