/* topo_make.c — see topo_make.h. Used by unit tests and by the golden runner of common/topo. */
#include "topo_make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topo/key.h"

static void
fail(const char *what, const char *text)
{
	fprintf(stderr, "topo_make: %s: \"%s\"\n", what, text);
	abort();
}

static struct topo_key
make_key(const char *text)
{
	struct topo_key k;
	struct err e;

	if (topo_key_parse(text, 3306, &k, &e) != 0)
		fail(e.msg, text);
	return k;
}

static void
set_coord(struct topo_coord *c, const char *text)
{
	const char *colon = strrchr(text, ':');
	char *file;

	if (colon == NULL)
		fail("coordinates are file:pos", text);
	file = mem_strndup(text, (size_t)(colon - text));
	rec_set_str(&c->log_file, file);
	free(file);
	c->log_pos = atoll(colon + 1);
}

static void
set_rec(struct topo_instance *i, const struct rec_field *f, const char *value)
{
	if (f->sub == &topo_coord_desc) {
		set_coord(rec_at_mut(i, f), value);
	} else if (f->sub == &topo_key_desc) {
		struct topo_key k = make_key(value);
		rec_assign(&topo_key_desc, rec_at_mut(i, f), &k);
		topo_key_done(&k);
	} else {
		fail("field of this kind", f->name);
	}
}

static void
set_list(struct topo_instance *i, const struct rec_field *f, const char *value)
{
	struct topo_key_list l;
	struct err e;

	if (f->sub != &topo_key_desc || topo_key_list_parse(value, 3306, &l, &e) != 0)
		fail("list of keys", value);
	rec_list_set(i, f, (struct rec_list){l.v, l.n});
}

static void
set_number(struct topo_instance *i, const struct rec_field *f, int64_t v)
{
	struct rec_ni64 nullable = {v, true};

	if (f->kind == REC_BOOL)
		*(bool *)rec_at_mut(i, f) = v != 0;
	else if (f->kind == REC_NI64)
		memcpy(rec_at_mut(i, f), &nullable, sizeof(nullable));
	else if (f->kind == REC_I64 || f->kind == REC_U64)
		memcpy(rec_at_mut(i, f), &v, sizeof(v));
	else
		fail("field of this kind", f->name);
}

static void
set_field(struct topo_instance *i, const char *name, const char *value)
{
	const struct rec_field *f = rec_field_by_name(&topo_instance_desc, name);

	if (f == NULL)
		fail("no such field", name);
	else if (f->kind == REC_STR)
		rec_set_str(rec_at_mut(i, f), value);
	else if (f->kind == REC_REC)
		set_rec(i, f, value);
	else if (f->kind == REC_LIST)
		set_list(i, f, value);
	else
		set_number(i, f, atoll(value));
}

static void
set_threads(struct topo_instance *i, enum topo_thread state)
{
	i->io_thread_state = i->sql_thread_state = state;
	i->io_running = i->sql_running = state == TOPO_THREAD_RUNNING;
	set_coord(&i->read_coord, "binlog.000001:4");
	set_coord(&i->exec_coord, "binlog.000001:4");
}

static void
set_word(struct topo_instance *i, const char *word)
{
	if (strcmp(word, "up") == 0) {
		i->last_checked_us = i->last_attempted_us = i->last_seen_us = TOPO_MAKE_NOW.us - CLK_S;
	} else if (strcmp(word, "logging") == 0) {
		i->log_bin_enabled = i->log_replica_updates = i->using_mariadb_gtid = true;
		rec_set_str(&i->binlog_format, "ROW");
		rec_set_str(&i->major_version, "10.11");
	} else if (strcmp(word, "down") == 0) {
		i->last_checked_us = i->last_attempted_us = TOPO_MAKE_NOW.us - CLK_S;
		i->last_seen_us = TOPO_MAKE_NOW.us - 60 * CLK_S;
	} else if (strcmp(word, "failing") == 0) {
		set_threads(i, TOPO_THREAD_RUNNING);
		i->io_running = false;
		i->io_thread_state = TOPO_THREAD_OTHER;
		rec_set_str(&i->last_io_error, "\"error connecting to master 'repl@a:3306' - retry-time: 1\"");
	} else if (strcmp(word, "replicating") == 0) {
		set_threads(i, TOPO_THREAD_RUNNING);
		i->seconds_behind_source = i->replication_lag_s = (struct rec_ni64){0, true};
	} else if (strcmp(word, "stopped") == 0) {
		set_threads(i, TOPO_THREAD_STOPPED);
	} else {
		fail("no such word", word);
	}
}

/* The next token of *p, quotes removed; NULL at the end. Caller frees. */
static char *
next_token(const char **p)
{
	char *token, *out;
	bool quoted = false;

	*p += strspn(*p, " \t");
	if (**p == '\0')
		return NULL;
	token = out = mem_alloc(strlen(*p) + 1);
	for (; **p != '\0' && (quoted || (**p != ' ' && **p != '\t')); (*p)++) {
		if (**p == '\'')
			quoted = !quoted;
		else
			*out++ = **p;
	}
	*out = '\0';
	return token;
}

struct topo_instance *
topo_make(const char *line)
{
	struct topo_instance *i = mem_new(struct topo_instance);
	char *token = next_token(&line);

	if (token == NULL)
		fail("no key", line);
	rec_init(&topo_instance_desc, i);
	i->io_thread_state = i->sql_thread_state = TOPO_THREAD_NONE;
	i->key = make_key(token);
	for (free(token); (token = next_token(&line)) != NULL; free(token)) {
		char *equals = strchr(token, '=');
		if (equals == NULL) {
			set_word(i, token);
			continue;
		}
		*equals = '\0';
		set_field(i, token, equals + 1);
	}
	return i;
}

void
topo_make_free(struct topo_instance *i)
{
	if (i == NULL)
		return;
	rec_done(&topo_instance_desc, i);
	free(i);
}
