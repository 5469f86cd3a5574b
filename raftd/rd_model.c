/* rd_model.c — the container of known servers (rd_model.h). Pure. Owns servers and families. */
#include "rd_model.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void
rd_model_init(struct rd_model *m)
{
	*m = (struct rd_model){0};
	TAILQ_INIT(&m->queue);
}

void
rd_model_done(struct rd_model *m)
{
	struct rd_server *s, *next;

	HASH_ITER (hh, m->servers, s, next)
		rd_model_remove(m, s);
	ASSERT(m->families == NULL && m->n_queued == 0);
}

/* --- servers --------------------------------------------------------------------------------------------------- */
struct rd_server *
rd_model_find(const struct rd_model *m, const struct topo_key *key)
{
	struct topo_key_text text = topo_key_text(key);
	struct rd_server *s;

	HASH_FIND_STR(m->servers, text.text, s);
	return s;
}

struct rd_server *
rd_model_add(struct rd_model *m, const struct topo_key *key)
{
	struct topo_key_text text = topo_key_text(key);
	struct rd_server *s = rd_model_find(m, key);
	size_t n = strlen(text.text);

	if (s != NULL)
		return s;
	s = mem_calloc(1, sizeof(*s) + n + 1);
	memcpy(s->text, text.text, n);
	rec_init(&topo_instance_desc, &s->inst);
	topo_key_set(&s->inst.key, key->hostname, key->port);
	rec_set_str(&s->inst.cluster_name, text.text);
	s->inst.sql_thread_state = s->inst.io_thread_state = TOPO_THREAD_NONE;
	HASH_ADD_STR(m->servers, text, s);
	return s;
}

size_t
rd_model_count(const struct rd_model *m)
{
	return HASH_COUNT(m->servers);
}

/* --- families -------------------------------------------------------------------------------------------------- */
static struct rd_family *
find_family(const struct rd_model *m, const struct topo_key *key)
{
	struct topo_key_text text = topo_key_text(key);
	struct rd_family *f;

	HASH_FIND_STR(m->families, text.text, f);
	return f;
}

const struct rd_family *
rd_model_family(const struct rd_model *m, const struct topo_key *key)
{
	return find_family(m, key);
}

static struct rd_family *
add_family(struct rd_model *m, const struct topo_key *key)
{
	struct topo_key_text text = topo_key_text(key);
	struct rd_family *f = find_family(m, key);
	size_t n = strlen(text.text);

	if (f != NULL)
		return f;
	f = mem_calloc(1, sizeof(*f) + n + 1);
	memcpy(f->text, text.text, n);
	rec_dup(&topo_key_desc, &f->key, key);
	LIST_INIT(&f->replicas);
	HASH_ADD_STR(m->families, text, f);
	return f;
}

static void
leave_family(struct rd_model *m, struct rd_server *s)
{
	struct rd_family *f = s->family;

	if (f == NULL)
		return;
	LIST_REMOVE(s, sibling);
	s->family = NULL;
	if (--f->n > 0)
		return;
	HASH_DEL(m->families, f);
	rec_done(&topo_key_desc, &f->key);
	free(f);
}

static void
join_family(struct rd_model *m, struct rd_server *s)
{
	if (!topo_key_valid(&s->inst.source_key))
		return;
	s->family = add_family(m, &s->inst.source_key);
	s->family->n++;
	LIST_INSERT_HEAD(&s->family->replicas, s, sibling);
}

void
rd_model_set(struct rd_model *m, struct rd_server *s, struct topo_instance *inst)
{
	ASSERT(topo_key_equal(&s->inst.key, &inst->key));
	if (s->family != NULL && topo_key_equal(&s->family->key, &inst->source_key)) {
		rec_done(&topo_instance_desc, &s->inst);
		s->inst = *inst;
	} else {
		leave_family(m, s);
		rec_done(&topo_instance_desc, &s->inst);
		s->inst = *inst;
		join_family(m, s);
	}
	rec_init(&topo_instance_desc, inst);
}

/* --- writing --------------------------------------------------------------------------------------------------- */
static bool
is_queued(const struct rd_server *s)
{
	return s->listed && s->dirty != RD_CLEAN;
}

static void
queue(struct rd_model *m, struct rd_server *s)
{
	TAILQ_INSERT_TAIL(&m->queue, s, to_write);
	m->n_queued++;
}

static void
unqueue(struct rd_model *m, struct rd_server *s)
{
	TAILQ_REMOVE(&m->queue, s, to_write);
	m->n_queued--;
}

void
rd_model_mark(struct rd_model *m, struct rd_server *s, enum rd_dirty dirty)
{
	bool was_queued = is_queued(s);

	if (dirty > s->dirty)
		s->dirty = dirty;
	if (!was_queued && is_queued(s))
		queue(m, s);
}

struct rd_server *
rd_model_take(struct rd_model *m, enum rd_dirty *ret_dirty)
{
	struct rd_server *s = TAILQ_FIRST(&m->queue);

	if (s == NULL)
		return NULL;
	unqueue(m, s);
	*ret_dirty = s->dirty;
	s->dirty = RD_CLEAN;
	return s;
}

void
rd_model_set_listed(struct rd_model *m, struct rd_server *s, bool listed)
{
	if (s->listed == listed)
		return;
	if (is_queued(s))
		unqueue(m, s);
	s->listed = listed;
	if (is_queued(s))
		queue(m, s);
}

void
rd_model_remove(struct rd_model *m, struct rd_server *s)
{
	if (is_queued(s))
		unqueue(m, s);
	leave_family(m, s);
	HASH_DEL(m->servers, s);
	rec_done(&topo_instance_desc, &s->inst);
	free(s->asked_host);
	free(s->domain);
	free(s->received);
	free(s->current_pos);
	free(s->stale_file);
	free(s);
}

const struct topo_instance *
rd_model_lookup(void *ctx, const struct topo_key *key)
{
	const struct rd_server *s = rd_model_find(ctx, key);

	return s == NULL ? NULL : &s->inst;
}
