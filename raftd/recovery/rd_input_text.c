/* rd_input_text.c — a recovery's input as lines of text and back (rd_input.h): what an operator reads, and what the
 * golden tests are made of. Pure; loops over the descriptions, so a new field needs nothing here. */
#include <string.h>

#include "rd_input.h"
#include "topo/key.h"

/* --- writing --------------------------------------------------------------------------------------------------- */
static void
add_quoted(struct str_buf *b, const char *text)
{
	bool plain = text[0] != '\0' && strpbrk(text, " '\t\r\n\\") == NULL;

	if (!plain)
		str_buf_add_char(b, '\'');
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '\'' || *p == '\\')
			str_buf_add_char(b, '\\');
		str_buf_add_char(b, *p == '\n' || *p == '\r' ? ' ' : *p);
	}
	if (!plain)
		str_buf_add_char(b, '\'');
}

/* An address of IPv6 in brackets, so that it can be read again. */
static void
write_key(const struct topo_key *k, struct str_buf *b)
{
	str_buf_printf(b, strchr(k->hostname, ':') != NULL ? "[%s]:%lld" : "%s:%lld", k->hostname, (long long)k->port);
}

static void
write_keys(const struct topo_key_list *l, struct str_buf *b)
{
	for (size_t i = 0; i < l->n; i++) {
		str_buf_add(b, i > 0 ? "," : "");
		write_key(&l->v[i], b);
	}
}

static void
write_value(const struct rec_field *f, const void *rec, struct str_buf *b)
{
	const void *at = rec_at(rec, f);
	const struct topo_coord *coord = at;

	if (f->kind == REC_STR)
		str_buf_add(b, rec_str_at(rec, f));
	else if (f->kind == REC_LIST && f->sub == &topo_key_desc)
		write_keys(at, b);
	else if (f->kind == REC_REC && f->sub == &topo_key_desc)
		write_key(at, b);
	else if (f->kind == REC_REC && f->sub == &topo_coord_desc)
		str_buf_printf(b, "%s:%lld", coord->log_file, (long long)coord->log_pos);
	else if (f->kind == REC_BOOL)
		str_buf_add(b, "1");
	else
		str_buf_printf(b, "%lld", (long long)*(const int64_t *)at); /* a nullable one begins with its value */
}

static void
add_value(struct str_buf *b, const struct rec_field *f, const void *rec)
{
	struct str_buf text = {0};

	write_value(f, rec, &text);
	add_quoted(b, str_buf_text(&text));
	str_buf_done(&text);
}

static bool
is_written(const struct rec_field *f, const void *rec)
{
	const void *at = rec_at(rec, f);

	switch (f->kind) {
	case REC_BOOL:
		return *(const bool *)at;
	case REC_I64:
	case REC_U64:
		return *(const uint64_t *)at != 0;
	case REC_STR:
		return rec_str_at(rec, f)[0] != '\0';
	case REC_NI64:
		return ((const struct rec_ni64 *)at)->valid;
	case REC_REC:
		return f->sub == &topo_key_desc	    ? ((const struct topo_key *)at)->hostname[0] != '\0'
		       : f->sub == &topo_coord_desc ? ((const struct topo_coord *)at)->log_file[0] != '\0'
						    : false;
	case REC_LIST:
		return f->sub == &topo_key_desc && rec_list_at(rec, f).n > 0;
	case REC_F64:
	case REC_BIN:
	case REC_NBOOL:
		break;
	}
	ASSERT(!"no such kind in these records");
	return false;
}

static void
add_line(struct str_buf *b, const char *word, const struct rec_desc *d, const void *rec)
{
	str_buf_add(b, word);
	for (size_t i = 0; i < d->n_fields; i++) {
		const struct rec_field *f = &d->fields[i];
		if (!is_written(f, rec))
			continue;
		str_buf_printf(b, " %s=", f->name);
		add_value(b, f, rec);
	}
	str_buf_add_char(b, '\n');
}

void
rd_recovery_input_write(const struct rd_recovery_input *in, struct str_buf *b)
{
	add_line(b, "recovery", &rd_recovery_input_desc, in);
	add_line(b, "policy", &rd_recovery_policy_desc, &in->policy);
	add_line(b, "failed", &rd_recovery_server_desc, &in->failed);
	for (size_t i = 0; i < in->servers.n; i++)
		add_line(b, "server", &rd_recovery_server_desc, &in->servers.v[i]);
}

/* --- reading --------------------------------------------------------------------------------------------------- */
static int
read_key(const char *text, struct mem_arena *arena, struct topo_key *ret, struct err *e)
{
	struct topo_key key;
	int rc = topo_key_parse(text, 3306, &key, e);

	if (rc != 0)
		return rc;
	*ret = (struct topo_key){mem_arena_strndup(arena, key.hostname, strlen(key.hostname)), key.port};
	topo_key_done(&key);
	return 0;
}

static int
read_coord(const char *text, struct mem_arena *arena, struct topo_coord *ret, struct err *e)
{
	const char *colon = strrchr(text, ':');

	if (colon == NULL)
		return err_set(e, ERR_SYNTAX, "FILE:POSITION expected: %.64s", text);
	ret->log_file = mem_arena_strndup(arena, text, (size_t)(colon - text));
	return str_parse_i64(colon + 1, 0, INT64_MAX, &ret->log_pos, e);
}

struct read_keys {
	struct mem_arena *arena;
	struct topo_key_list *list;
	struct err *e;
	int rc;
};

static void
read_listed_key(void *ctx, const char *piece)
{
	struct read_keys *r = ctx;
	struct topo_key key, *v;

	if (r->rc == 0)
		r->rc = read_key(piece, r->arena, &key, r->e);
	if (r->rc != 0)
		return;
	v = mem_arena_alloc(r->arena, (r->list->n + 1) * sizeof(*v));
	if (r->list->n > 0)
		memcpy(v, r->list->v, r->list->n * sizeof(*v));
	v[r->list->n++] = key;
	r->list->v = v;
}

static int
read_value(const struct rec_field *f, const char *text, struct mem_arena *arena, void *rec, struct err *e)
{
	void *at = rec_at_mut(rec, f);
	int64_t v = 0;
	int rc = 0;

	if (f->kind == REC_STR) {
		*(const char **)at = mem_arena_strndup(arena, text, strlen(text));
	} else if (f->kind == REC_REC && f->sub == &topo_key_desc) {
		rc = read_key(text, arena, at, e);
	} else if (f->kind == REC_REC && f->sub == &topo_coord_desc) {
		rc = read_coord(text, arena, at, e);
	} else if (f->kind == REC_LIST && f->sub == &topo_key_desc) {
		struct read_keys r = {arena, at, e, 0};
		str_split(text, ",", read_listed_key, &r);
		rc = r.rc;
	} else if (f->kind == REC_REC || f->kind == REC_LIST) {
		rc = err_set(e, ERR_INVALID, "%s has lines of its own", f->name);
	} else {
		rc =
		    str_parse_i64(text, f->kind == REC_I64 ? INT64_MIN : 0, f->kind == REC_BOOL ? 1 : INT64_MAX, &v, e);
		if (f->kind == REC_BOOL)
			*(bool *)at = v == 1;
		else if (f->kind == REC_NI64)
			*(struct rec_ni64 *)at = (struct rec_ni64){v, true};
		else
			*(int64_t *)at = v;
	}
	return rc == 0 ? 0 : err_wrap(e, "%s", f->name);
}

/* The next "name=value" of *p; value without its quotes. False at the end. */
static bool
next_word(const char **p, struct str_buf *name, struct str_buf *value)
{
	bool quoted;

	str_buf_clear(name);
	str_buf_clear(value);
	*p += strspn(*p, " \t\r\n");
	while (**p != '\0' && strchr(" \t\r\n=", **p) == NULL)
		str_buf_add_char(name, *(*p)++);
	if (**p == '=')
		++*p;
	quoted = **p == '\'' && name->len > 0;
	*p += quoted;
	while (**p != '\0' && (quoted ? **p != '\'' : strchr(" \t\r\n", **p) == NULL)) {
		if (quoted && **p == '\\' && (*p)[1] != '\0')
			++*p;
		str_buf_add_char(value, *(*p)++);
	}
	*p += quoted && **p == '\'';
	return name->len > 0;
}

static int
read_fields(const char *p, const struct rec_desc *d, struct mem_arena *arena, void *rec, struct err *e)
{
	struct str_buf name = {0}, value = {0};
	int rc = 0;

	while (rc == 0 && next_word(&p, &name, &value)) {
		const struct rec_field *f = rec_field_by_name(d, str_buf_text(&name));
		rc = f == NULL ? err_set(e, ERR_INVALID, "no field \"%.64s\" in %s", str_buf_text(&name), d->name)
			       : read_value(f, str_buf_text(&value), arena, rec, e);
	}
	str_buf_done(&name);
	str_buf_done(&value);
	return rc != 0 ? rc : rec_check(d, rec, e);
}

static int
read_server(const char *p, struct mem_arena *arena, struct rd_recovery_input *in, struct err *e)
{
	struct rd_recovery_server *v;
	int rc;

	if (in->servers.n == RD_RECOVERY_SERVERS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d servers", RD_RECOVERY_SERVERS_MAX);
	v = mem_arena_alloc(arena, (in->servers.n + 1) * sizeof(*v));
	if (in->servers.n > 0)
		memcpy(v, in->servers.v, in->servers.n * sizeof(*v));
	rec_init(&rd_recovery_server_desc, &v[in->servers.n]);
	rc = read_fields(p, &rd_recovery_server_desc, arena, &v[in->servers.n], e);
	in->servers.v = v;
	in->servers.n++;
	return rc;
}

int
rd_recovery_input_read(const char *line, struct mem_arena *arena, struct rd_recovery_input *in, struct err *e)
{
	size_t n = strcspn(line, " \t\r\n");
	char word[16];

	if (n == 0 || line[0] == '#')
		return 0;
	(void)str_copy(word, sizeof(word), "");
	if (n < sizeof(word)) {
		memcpy(word, line, n);
		word[n] = '\0';
	}
	if (str_eq(word, "recovery"))
		return read_fields(line + n, &rd_recovery_input_desc, arena, in, e);
	if (str_eq(word, "policy"))
		return read_fields(line + n, &rd_recovery_policy_desc, arena, &in->policy, e);
	if (str_eq(word, "failed"))
		return read_fields(line + n, &rd_recovery_server_desc, arena, &in->failed, e);
	if (str_eq(word, "server"))
		return read_server(line + n, arena, in, e);
	return err_set(e, ERR_SYNTAX, "a line begins with recovery, policy, failed or server: %.64s", line);
}
