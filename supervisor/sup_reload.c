/* sup_reload.c — SIGHUP and reload requests: the new configuration is loaded and checked aside; a bad one changes
 * nothing (historically it ended the service).
 *
 * Keys that take effect only at a restart keep their running value until then, in every process: a child that is
 * started again must fit to those that were not (another SQLite3DataFile, say, would be one that we hold no lock on).
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "sup_paths.h"
#include "sup_private.h"

struct changes {
	const struct conf_key **v;
	size_t n, cap;
	struct str_buf *names;
};

static void
on_change(void *ctx, const struct conf_key *k)
{
	struct changes *ch = ctx;

	if (ch->names != NULL)
		str_buf_printf(ch->names, "%s%s", ch->names->len > 0 ? ", " : "", k->name);
	if (k->reload != CONF_RELOAD_S)
		return;
	mem_grow(ch->v, ch->cap, ch->n + 1);
	ch->v[ch->n++] = k;
}

static void
log_warnings(const struct conf_warnings *w)
{
	for (size_t i = 0; i < w->n; i++)
		log_warning("conf", "%s", w->v[i].text);
	if (w->dropped > 0)
		log_warning("conf", "%zu more warnings", w->dropped);
}

/* The files as they are now; the keys in keep with their running values. */
static int
load(struct sup *s, const char *extra_file, const struct changes *keep, struct conf **ret_conf, struct err *e)
{
	struct str_buf overrides = {0};
	struct conf_warnings *w = mem_new(struct conf_warnings);
	struct conf_files files = {.file = s->setup->args->config,
				   .extra = extra_file,
				   .reload_of = s->conf,
				   .key_password = s->setup->key_password};
	int rc;

	sup_overrides(&overrides, s->setup->args, s->conf, keep->v, keep->n);
	files.overrides = str_buf_text(&overrides);
	rc = conf_load(&files, ret_conf, w, e);
	if (rc == 0 && keep->n == 0)
		log_warnings(w);
	if (rc == 0) {
		rc = sup_check_conf(*ret_conf, s->setup->args, s->setup->what, e);
		if (rc == 0 && keep->n == 0)
			rc = sup_check_paths(*ret_conf, s->setup->what, e);
		if (rc != 0)
			conf_unref(*ret_conf);
	}
	str_buf_done(&overrides);
	free(w);
	return rc;
}

static void
swap(struct sup *s, struct conf *fresh, struct str_buf *said)
{
	struct str_buf names = {0};
	struct changes ch = {.names = &names};
	size_t n = conf_diff(s->conf, fresh, CONF_ALL_ROLES, on_change, &ch);

	conf_unref(s->conf);
	s->conf = fresh;
	log_set_level(sup_log_level(s->setup->args, s->conf, sup_is_command(s)));
	log_notice("conf", "configuration reloaded: %zu keys changed%s%s files=%s", n, n > 0 ? ": " : "",
		   str_buf_text(&names), conf_origin(fresh)); /* tests: process/supervisor */
	str_buf_printf(said, "%s%s%s", n > 0 ? "changed: " : "nothing changed", str_buf_text(&names),
		       said->len > 0 ? "; " : "");
	str_buf_done(&names);
	free(ch.v);
	sup_talk_reload(s);
}

int
sup_reload(struct sup *s, const char *extra_file, struct str_buf *said, struct err *e)
{
	struct str_buf late = {0};
	struct changes none = {0}, kept = {.names = NULL};
	struct conf *fresh;
	int rc;

	rc = load(s, extra_file, &none, &fresh, e);
	if (rc != 0)
		return err_wrap(e, "nothing was reloaded");
	(void)conf_diff(s->conf, fresh, CONF_ALL_ROLES, on_change, &kept);
	if (kept.n > 0) {
		conf_unref(fresh);
		rc = load(s, extra_file, &kept, &fresh, e);
	}
	for (size_t i = 0; i < kept.n; i++)
		str_buf_printf(&late, "%s%s", i > 0 ? ", " : "", kept.v[i]->name);
	if (rc == 0)
		swap(s, fresh, said);
	else
		(void)err_wrap(e, "nothing was reloaded, as these keys need a restart: %s", str_buf_text(&late));
	if (rc == 0 && kept.n > 0) {
		log_warning("conf", "these keys take effect at the next restart: %s", str_buf_text(&late));
		str_buf_printf(said, "; at the next restart: %s", str_buf_text(&late));
	}
	str_buf_done(&late);
	free(kept.v);
	return rc;
}

void
sup_reload_by_signal(struct sup *s)
{
	struct str_buf said = {0};
	struct err e;

	if (s->announced)
		sup_notify_send(&s->notify, "RELOADING=1");
	if (sup_reload(s, "", &said, &e) != 0)
		log_error("conf", "%s", e.msg); /* tests: process/supervisor */
	if (s->announced)
		sup_notify_send(&s->notify, "READY=1");
	str_buf_done(&said);
}
