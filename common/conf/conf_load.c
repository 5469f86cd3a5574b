/* conf_load.c — reads configuration files and overlays them in order, then has the result adjusted and checked once.
 * Called by the supervisor (start, reload, -t) and, with the supervisor's text, by its children. The only file here
 * that touches configuration files; reference/config-keys.md section 1. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "conf_private.h"

static const char *const search_order[] = {"/etc/orchestrator.conf.json", "conf/orchestrator.conf.json",
					   "orchestrator.conf.json"};
_Static_assert(ARRAY_LEN(search_order) <= CONF_SOURCES_MAX, "room for the search order");

static int
read_open_file(int fd, const char *path, size_t max, char **ret_text, size_t *ret_len, struct err *e)
{
	struct stat st;
	char *text;
	size_t len = 0;
	ssize_t n = 1;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return err_set(e, ERR_IO, "%.200s: not a regular file", path);
	text = mem_alloc(max + 1);
	while (len <= max && n != 0) {
		n = read(fd, text + len, max + 1 - len);
		if (n < 0 && errno != EINTR) {
			free(text);
			return err_sys(e, ERR_IO, errno, "%.200s: reading", path);
		}
		len += n > 0 ? (size_t)n : 0;
	}
	if (len > max) {
		free(text);
		return err_set(e, ERR_TOO_LARGE, "%.200s: more than %zu bytes", path, max);
	}
	text[len] = '\0';
	*ret_text = text;
	*ret_len = len;
	return 0;
}

int
conf_read_file(const char *path, size_t max, char **ret_text, size_t *ret_len, struct err *e)
{
	struct stat st;
	int fd, rc;

	/* A directory that may not be searched counts as "no such file": what is in it can't be meant for us. */
	if (stat(path, &st) != 0)
		return err_sys(e, ERR_NOT_FOUND, errno, "%.200s", path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_sys(e, ERR_IO, errno, "%.200s: opening", path);
	rc = read_open_file(fd, path, max, ret_text, ret_len, e);
	(void)close(fd);
	return rc;
}

/* One text that is being applied. */
struct input {
	const char *source; /* its name; this very pointer marks the keys that it gave */
	const char *text;
	size_t len;
	struct conf_places places;
};

static void
note_unknown(struct conf_build *b, const struct input *in, const char *key)
{
	struct conf_place p = {0};

	if (b->w != NULL && b->w->n < CONF_WARNINGS_MAX) /* beyond that it is only counted */
		p = conf_locate_key(in->text, in->len, key);
	conf_warn_text(b->w, "%.200s:%u:%u: %s: %s", in->source, p.line, p.column, LOG_Q(key),
		       conf_key_removed(key) ? "no longer used, ignored; remove it"
					     : "unknown key, ignored; see orchestrator.conf(5) for the spelling");
}

static int
set_key(struct conf_build *b, const struct input *in, enum conf_index i, json_t *v, struct err *e)
{
	struct conf_place before = b->at[i];
	const char *note;
	bool set;

	b->at[i] = in->places.at[i];
	b->at[i].source = in->source;
	if (conf_set_value(b->c, conf_key_at(i), v, &set, &note, e) != 0)
		return conf_fail(b, i, e, "%s", e->msg);
	if (note != NULL)
		conf_warn(b, i, "%s", note);
	if (in->places.times[i] > 1 && before.source != in->source) /* else it was said of another spelling */
		conf_warn(b, i, "given %u times, the last one counts", in->places.times[i]);
	if (!set)
		b->at[i] = before;
	return 0;
}

static int
apply_object(struct conf_build *b, const struct input *in, json_t *root, struct err *e)
{
	const char *name;
	json_t *v;

	json_object_foreach(root, name, v)
	{
		const struct conf_key *k = conf_key_find(name);
		if (k == NULL)
			note_unknown(b, in, name);
		else if (set_key(b, in, (enum conf_index)(k - conf_key_at(0)), v, e) != 0)
			return -e->code;
	}
	return 0;
}

/* jansson's texts end in "near '<token>'", which may be a piece of a password. */
static int
syntax_error(const char *source, json_error_t *at, struct err *e)
{
	char *near = strstr(at->text, " near ");

	if (near != NULL)
		*near = '\0';
	return err_set(e, ERR_CONFIG, "%.200s:%d:%d: not valid JSON: %s; correct the text at or before this place",
		       source, at->line, at->column, at->text);
}

static void
note_trailing(struct conf_build *b, const struct input *in, size_t end)
{
	while (end < in->len && strchr(" \t\r\n", in->text[end]) != NULL)
		end++;
	if (end < in->len)
		conf_warn_text(b->w, "%.200s: text after the closing brace is ignored (%zu bytes)", in->source,
			       in->len - end);
}

static int
apply_text(struct conf_build *b, const char *name, const char *text, size_t len, struct err *e)
{
	struct input in = {.source = conf_strdup(b->c, name), .text = text, .len = len};
	json_error_t at;
	json_t *root = json_loadb(text, len, JSON_DISABLE_EOF_CHECK, &at);
	int rc;

	if (root == NULL)
		return syntax_error(in.source, &at, e);
	if (json_is_object(root)) {
		note_trailing(b, &in, (size_t)at.position);
		conf_locate_keys(text, len, &in.places);
		rc = apply_object(b, &in, root, e);
	} else {
		rc = err_set(e, ERR_CONFIG, "%.200s:1:1: expects one JSON object: { \"Key\": value, ... }", in.source);
	}
	json_decref(root);
	return rc;
}

static int
apply_file(struct conf_build *b, const char *path, struct err *e)
{
	struct conf_box *box = conf_box_of(b->c);
	char *text = NULL;
	size_t len = 0;
	int rc = conf_read_file(path, CONF_FILE_MAX, &text, &len, e);

	if (rc != 0)
		return rc;
	rc = apply_text(b, path, text, len, e);
	free(text);
	ASSERT(box->n_sources < ARRAY_LEN(box->sources));
	box->sources[box->n_sources++] = conf_strdup(b->c, path);
	return rc;
}

static bool
was_read_by(const struct conf *c, const char *path)
{
	const struct conf_box *box = (const struct conf_box *)c;

	for (size_t i = 0; c != NULL && i < box->n_remembered; i++) {
		if (strcmp(box->sources[i], path) == 0)
			return true;
	}
	return false;
}

/* Reads what exists of the historical places. A file that vanished since the last load would silently take its keys
 * back to their defaults, so that is refused. */
static int
apply_search_order(struct conf_build *b, const struct conf_files *f, struct err *e)
{
	struct str_buf path = {0};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(search_order) && rc == 0; i++) {
		str_buf_clear(&path);
		if (f->base_dir != NULL)
			str_buf_printf(&path, "%s%s", f->base_dir, search_order[i][0] == '/' ? "" : "/");
		str_buf_add(&path, search_order[i]);
		rc = apply_file(b, str_buf_text(&path), e);
		if (rc == -ERR_NOT_FOUND && was_read_by(f->reload_of, str_buf_text(&path)))
			rc = err_set(e, ERR_CONFIG,
				     "%.200s: gone since it was last read; put it back, or restart without it",
				     str_buf_text(&path));
		else if (rc == -ERR_NOT_FOUND)
			rc = 0;
	}
	str_buf_done(&path);
	return rc;
}

static int
apply_named(struct conf_build *b, const char *path, const char *where, struct err *e)
{
	int rc = apply_file(b, path, e);

	return rc == -ERR_NOT_FOUND ? err_wrap(e, "the file named by %s can't be read", where) : rc;
}

static int
apply_all(struct conf_build *b, const struct conf_files *f, struct err *e)
{
	struct conf_box *box = conf_box_of(b->c);
	int rc = str_empty(f->file) ? apply_search_order(b, f, e) : apply_named(b, f->file, "--config", e);

	box->n_remembered = box->n_sources;
	if (rc == 0 && !str_empty(f->extra))
		rc = apply_named(b, f->extra, "the reload request", e);
	if (rc == 0 && !str_empty(f->overrides))
		rc = apply_text(b, "command line", f->overrides, strlen(f->overrides), e);
	return rc;
}

static int
check_size(const struct conf *c, struct err *e)
{
	struct str_buf out = {0};
	size_t n;

	conf_print(c, CONF_ALL_ROLES, true, &out);
	n = out.len;
	str_buf_done(&out);
	if (n <= CONF_TEXT_MAX)
		return 0;
	return err_set(e, ERR_TOO_LARGE, "the configuration is too large: %zu bytes in all, at most %d", n,
		       CONF_TEXT_MAX);
}

static void
set_origin(struct conf_box *box)
{
	struct str_buf joined = {0};

	for (size_t i = 0; i < box->n_sources; i++)
		str_buf_printf(&joined, "%s%s", i == 0 ? "" : ", ", box->sources[i]);
	if (box->n_sources > 0)
		box->origin = conf_strdup(&box->c, str_buf_text(&joined));
	str_buf_done(&joined);
}

/* Adjusts and checks what was read so far (rc: how that went), and hands it over or throws it away. */
static int
finish(struct conf_build *b, int rc, struct conf **ret_conf, struct err *e)
{
	if (rc == 0)
		rc = conf_credentials(b, e);
	if (rc == 0)
		rc = conf_adjust(b, e);
	if (rc == 0)
		rc = conf_check(b, e);
	if (rc == 0)
		rc = check_size(b->c, e);
	if (rc != 0) {
		conf_unref(b->c);
		return rc;
	}
	set_origin(conf_box_of(b->c));
	*ret_conf = b->c;
	return 0;
}

int
conf_load(const struct conf_files *files, struct conf **ret_conf, struct conf_warnings *w, struct err *e)
{
	struct conf_build b = {.c = conf_new_raw(), .w = w};

	int rc;

	w->n = w->dropped = 0;
	rc = finish(&b, apply_all(&b, files, e), ret_conf, e);
	if (rc == 0 && (*ret_conf)->SSLPrivateKeyPassword[0] == '\0' && !str_empty(files->key_password))
		(*ret_conf)->SSLPrivateKeyPassword = conf_strdup(*ret_conf, files->key_password);
	return rc;
}

int
conf_parse(const char *name, const char *text, size_t len, struct conf **ret_conf, struct conf_warnings *w,
	   struct err *e)
{
	struct conf_build b = {.c = conf_new_raw(), .w = w};

	w->n = w->dropped = 0;
	return finish(&b, apply_text(&b, name, text, len, e), ret_conf, e);
}

struct conf *
conf_defaults(void)
{
	struct conf_build b = {.c = conf_new_raw()};
	struct conf *c = NULL;
	struct err e;
	int rc = finish(&b, 0, &c, &e);

	ASSERT(rc == 0);
	return c;
}

static int
apply_role_object(struct conf *c, json_t *root, struct err *e)
{
	const char *name, *note;
	json_t *v;
	bool set;

	json_object_foreach(root, name, v)
	{
		const struct conf_key *k = conf_key_find(name);
		if (k == NULL)
			return err_set(e, ERR_IPC_PROTO, "the supervisor sent an unknown key %s", LOG_Q(name));
		if (conf_set_value(c, k, v, &set, &note, e) != 0)
			return err_wrap(e, "%s", k->name);
	}
	return 0;
}

int
conf_from_role_json(const char *text, size_t len, struct conf **ret_conf, struct err *e)
{
	struct conf *c;
	json_t *root;
	json_error_t at;
	int rc;

	if (len > CONF_TEXT_MAX)
		return err_set(e, ERR_TOO_LARGE, "configuration of %zu bytes, at most %d", len, CONF_TEXT_MAX);
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(e, ERR_IPC_FORMAT, "the configuration from the supervisor is no JSON object");
	}
	c = conf_new_raw();
	rc = apply_role_object(c, root, e);
	json_decref(root);
	if (rc != 0) {
		conf_unref(c);
		return rc;
	}
	conf_box_of(c)->origin = "supervisor";
	*ret_conf = c;
	return 0;
}
