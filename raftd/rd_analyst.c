/* rd_analyst.c — see rd_analyst.h. Called by rd_house_servers.c once a second: it must stay cheap with 10 000 servers. */
#include "rd_analyst.h"

#include <stdlib.h>
#include <string.h>

struct run {
	const struct rd_analyst_input *in;
	struct rd_changes *out;
	struct rd_analyst_counts *counts;
	struct mem_arena arena; /* of one family */
	struct topo_analysed *replicas;
	const struct topo_analysed **pointers;
	size_t n, cap, cap_pointers;
};

/* --- who is judged --------------------------------------------------------------------------------------------- */
/* False: this family is to be left alone for now. */
static bool
take_family(struct run *r, const struct rd_server *source, const struct rd_family *f)
{
	const struct rd_server *s;
	bool known = r->in->settled || source->probed;

	r->n = 0;
	LIST_FOREACH (s, &f->replicas, sibling) {
		if (!s->listed)
			continue;
		known &= r->in->settled || s->probed;
		mem_grow(r->replicas, r->cap, r->n + 1);
		r->replicas[r->n++] = (struct topo_analysed){.inst = &s->inst};
	}
	mem_grow(r->pointers, r->cap_pointers, r->n);
	for (size_t i = 0; i < r->n; i++)
		r->pointers[i] = &r->replicas[i];
	return known && r->n > 0;
}

/* --- standing still -------------------------------------------------------------------------------------------- */
static bool
is_locked(enum topo_code code)
{
	return code == TOPO_LOCKED_SEMI_SYNC_PRIMARY || code == TOPO_LOCKED_SEMI_SYNC_PRIMARY_HYPOTHESIS;
}

/* The position at which a source seems to be locked, since when. The row goes when it isn't any more (historically after
 * a minute, locked or not). */
static void
note_position(struct run *r, struct rd_server *s, const struct topo_analysis *a)
{
	struct db_stale_coordinates row = {.hostname = s->inst.key.hostname, .port = s->inst.key.port};

	if (!is_locked((enum topo_code)a->code)) {
		if (s->stale_file != NULL)
			rd_changes_add(r->out, RD_CHANGE_DELETE, DB_TABLE_stale_coordinates, &row);
		free(s->stale_file);
		s->stale_file = NULL;
		return;
	}
	if (str_eq(s->stale_file, a->coord.log_file) && s->stale_pos == a->coord.log_pos)
		return;
	free(s->stale_file);
	s->stale_file = mem_strdup(a->coord.log_file);
	s->stale_pos = a->coord.log_pos;
	s->stale_since_us = r->in->rules.now.us;
	row.binary_log_file = s->stale_file;
	row.binary_log_pos = s->stale_pos;
	row.first_seen_us = s->stale_since_us;
	rd_changes_add(r->out, RD_CHANGE_UPSERT, DB_TABLE_stale_coordinates, &row);
}

/* --- codes ----------------------------------------------------------------------------------------------------- */
static void
note_code(struct run *r, struct rd_server *s, const struct topo_analysis *a)
{
	struct db_last_analysis row = {.hostname = s->inst.key.hostname,
				       .port = s->inst.key.port,
				       .analysis_timestamp_us = r->in->rules.now.us,
				       .analysis = a->analysis};

	if (s->judged && s->code == a->code)
		return;
	r->counts->told++;
	r->counts->changed += s->judged;
	s->judged = true;
	s->code = (enum topo_code)a->code;
	rd_changes_add(r->out, RD_CHANGE_ANALYSIS, DB_TABLE_last_analysis, &row);
}

static void
judge(struct run *r, struct rd_server *s)
{
	struct topo_analysed server = {.inst = &s->inst, .stale_since_us = s->stale_since_us};
	struct topo_analysis a;

	server.stale = (struct topo_coord){s->stale_file, s->stale_pos, TOPO_COORD_BINARY};
	topo_analyse_one(&server, r->pointers, r->n, &r->in->rules, &r->arena, &a);
	note_position(r, s, &a);
	note_code(r, s, &a);
	mem_arena_reset(&r->arena);
}

void
rd_analyst_run(struct rd_model *m, const struct rd_analyst_input *in, struct rd_changes *out,
	       struct rd_analyst_counts *counts)
{
	struct run r = {.in = in, .out = out, .counts = counts};

	for (const struct rd_family *f = m->families; f != NULL; f = f->hh.next) {
		struct rd_server *s = rd_model_find(m, &f->key);
		if (s != NULL && s->listed && !topo_key_list_has(in->in_maintenance, &f->key) && take_family(&r, s, f))
			judge(&r, s);
	}
	mem_arena_done(&r.arena);
	free(r.replicas);
	free(r.pointers);
}
