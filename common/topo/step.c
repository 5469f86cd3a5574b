/* step.c — see step.h: the table of steps and its texts. Called by the prober (sending) and raftd (planning, dry runs). */
#include "topo/step.h"

#include <string.h>

#include "topo/version.h"

struct variant {
	unsigned needs, lacks;
	const char *sql;
};

#define STEP(NAME, text, args, flags, ...) static const struct variant variants_##NAME[] = {__VA_ARGS__};
#include "topo/step.def"
#undef STEP

static const struct {
	const char *name, *args;
	unsigned flags;
	const struct variant *v;
	size_t n;
} steps[TOPO_STEP_COUNT] = {
#define STEP(NAME, text, args, flags, ...) {text, args, (flags), variants_##NAME, ARRAY_LEN(variants_##NAME)},
#include "topo/step.def"
#undef STEP
};

const char *
topo_step_name(enum topo_step_kind kind)
{
	return steps[kind].name;
}

const char *
topo_step_args(enum topo_step_kind kind)
{
	return steps[kind].args;
}

unsigned
topo_step_flags(enum topo_step_kind kind)
{
	return steps[kind].flags;
}

enum topo_step_kind
topo_step_by_name(const char *name)
{
	size_t i = 0;

	while (i < TOPO_STEP_COUNT && !str_eq(steps[i].name, name))
		i++;
	return (enum topo_step_kind)i;
}

static unsigned
dialect(const char *version, bool use_super_read_only)
{
	static const struct {
		unsigned what;
		bool mariadb;
		unsigned major, minor, patch;
	} since[] = {
	    {TOPO_SQL_SOURCE_WORDS, false, 8, 4, 0}, {TOPO_SQL_SUPER, false, 5, 7, 8},
	    {TOPO_SQL_WAIT_SET, false, 5, 7, 5},     {TOPO_SQL_NEW_SEMI_SYNC, false, 8, 0, 26},
	    {TOPO_SQL_WAIT_POS, true, 10, 0, 9},     {TOPO_SQL_SEMI_SYNC_INSIDE, true, 10, 3, 3},
	    {TOPO_SQL_PUBLIC_KEY, false, 8, 0, 4},
	};
	unsigned d = 0;

	if (topo_is_mariadb(version) && str_starts(version, "5.5.5-")) /* the greeting's */
		version += strlen("5.5.5-");
	for (size_t i = 0; i < ARRAY_LEN(since); i++) {
		if (since[i].mariadb == topo_is_mariadb(version) && topo_version_known(version) &&
		    topo_version_at_least(version, since[i].major, since[i].minor, since[i].patch))
			d |= since[i].what;
	}
	return use_super_read_only ? d : d & ~(unsigned)TOPO_SQL_SUPER;
}

static const char *
choose(enum topo_step_kind kind, unsigned d)
{
	for (size_t i = 0; i < steps[kind].n; i++) {
		const struct variant *v = &steps[kind].v[i];
		if ((v->needs & d) == v->needs && (v->lacks & d) == 0)
			return v->sql;
	}
	return NULL;
}

/* --- arguments ------------------------------------------------------------------------------------------------- */
static bool
consists_of(const char *text, const char *others)
{
	for (const char *p = text; *p != '\0'; p++) {
		bool plain = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
		if (!plain && strchr(others, *p) == NULL)
			return false;
	}
	return text[0] != '\0';
}

static int
add_number(const char *text, struct str_buf *buf, struct err *e)
{
	uint64_t v;

	if (str_parse_u64(text, UINT64_MAX, &v, e) != 0)
		return err_wrap(e, "argument");
	str_buf_printf(buf, "%llu", (unsigned long long)v);
	return 0;
}

/* What ends a quoted text, or begins an escape, is in neither alphabet. */
static int
add_arg(char letter, const char *text, struct str_buf *buf, struct err *e)
{
	size_t max = letter == 'h' ? TOPO_HOST_MAX : TOPO_GTID_MAX;

	if (letter == 'n')
		return add_number(text, buf, e);
	if (strlen(text) > max)
		return err_set(e, ERR_TOO_LARGE, "argument of %zu bytes", strlen(text));
	if (!consists_of(text, letter == 'h' ? "._-:/" : ":,-_"))
		return err_set(e, ERR_INVALID, "argument is no %s: %.64s", letter == 'h' ? "host name" : "set of GTIDs",
			       text);
	str_buf_add(buf, text);
	return 0;
}

static int
fill_in(const char *sql, const char *letters, const struct rec_text_list *args, struct str_buf *buf, struct err *e)
{
	size_t next = 0;
	int rc = 0;

	for (const char *hole = strchr(sql, '%'); rc == 0 && hole != NULL; hole = strchr(sql, '%')) {
		ASSERT(next < args->n && hole[1] == letters[next]);
		str_buf_add_n(buf, sql, (size_t)(hole - sql));
		rc = add_arg(hole[1], args->v[next++].s, buf, e);
		sql = hole + 2;
	}
	if (rc == 0)
		str_buf_add(buf, sql);
	return rc;
}

int
topo_step_sql(const char *name, const struct rec_text_list *args, const char *version, bool use_super_read_only,
	      struct str_buf *buf, struct err *e)
{
	enum topo_step_kind kind = topo_step_by_name(name);
	const char *sql;

	if (kind == TOPO_STEP_COUNT)
		return err_set(e, ERR_UNSUPPORTED, "no step \"%.64s\"", name);
	if (args->n != strlen(steps[kind].args))
		return err_set(e, ERR_INVALID, "%s takes %zu arguments, not %zu", name, strlen(steps[kind].args),
			       args->n);
	sql = choose(kind, dialect(version, use_super_read_only));
	if (sql == NULL)
		return err_set(e, ERR_UNSUPPORTED, "%s on version %s", name, version);
	return fill_in(sql, steps[kind].args, args, buf, e);
}

/* --- what the prober appends ------------------------------------------------------------------------------------- */
/* Quotes are doubled, which every sql_mode understands; what a backslash means depends on it. */
static int
add_quoted(const char *what, const char *text, struct str_buf *buf, struct err *e)
{
	str_buf_add_char(buf, '\'');
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '\\' || (*p >= 0 && *p < ' ') || *p == 0x7f)
			return err_set(e, ERR_INVALID, "%s has a backslash or a control character", what);
		if (*p == '\'')
			str_buf_add_char(buf, '\'');
		str_buf_add_char(buf, *p);
	}
	str_buf_add_char(buf, '\'');
	return 0;
}

static const char *
words_of(const struct str_buf *buf)
{
	return str_starts(str_buf_text(buf), "change replication source") ? "source" : "master";
}

static int
add_option(const char *option, const char *text, struct str_buf *buf, struct err *e)
{
	str_buf_printf(buf, ", %s_%s=", words_of(buf), option);
	return add_quoted("a replication account", text, buf, e);
}

/* What the channel has of the others stays. */
static int
add_tls(const struct topo_step_account *a, struct str_buf *buf, struct err *e)
{
	const struct {
		const char *option, *path;
	} files[] = {{"ssl_ca", a->ca}, {"ssl_cert", a->cert}, {"ssl_key", a->key}};
	size_t told = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(files); i++) {
		if (str_empty(files[i].path))
			continue;
		rc = add_option(files[i].option, files[i].path, buf, e);
		told++;
	}
	if (told > 0)
		str_buf_printf(buf, ", %s_ssl=1", words_of(buf));
	return rc;
}

int
topo_step_add_account(const struct topo_step_account *a, struct str_buf *buf, struct err *e)
{
	int rc;

	if (str_empty(a->user))
		return err_set(e, ERR_INVALID, "the replication account has no name");
	rc = add_option("user", a->user, buf, e);
	if (rc == 0)
		rc = add_option("password", a->password, buf, e);
	return rc == 0 ? add_tls(a, buf, e) : rc;
}

int
topo_step_add_channel(const char *name, struct str_buf *buf, struct err *e)
{
	if (str_empty(name))
		return 0;
	str_buf_add(buf, " for channel ");
	return add_quoted("the channel's name", name, buf, e);
}
