/* sup_start.c — from the command line to a running node and back to an exit code: configuration, the lock on the data,
 * the runtime directory. Decisions stand in sup_invoke.c. Called by main.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "sup_password.h"
#include "sup_paths.h"
#include "sup_usage.h"
#include "supervisor.h"

#define LINE_MAX_WORDS 512 /* ipc/to_child.def */
#define HELD_POLL_US 50000

/* Everything of one invocation. */
struct start {
	const struct sup_limits *limits;
	struct rec_text_list line;
	struct args args;
	enum sup_what what;
	struct conf *conf;
	struct sup_lock lock;
	struct sup_holder holder;	       /* ATTACH: the service */
	char key_password[SUP_PASSWORD_BYTES]; /* typed; "" = none */
	char runtime_dir[SUP_RUNDIR_BYTES];
	bool made_runtime_dir;
};

static bool
is_command(const struct start *st)
{
	return st->what == SUP_COMMAND || st->what == SUP_HELP || st->what == SUP_DUMP;
}

/* A command's own failure is 1 and nothing else, as historically; init gets the finer codes. */
static int
exit_code_of(const struct start *st, int code)
{
	return is_command(st) && code >= PROC_EXIT_USAGE ? PROC_EXIT_FAILED : code;
}

static int
code_of(const struct err *e)
{
	switch (e->code) {
	case ERR_CONFIG:
	case ERR_TOO_LARGE:
	case ERR_NOT_FOUND:
		return PROC_EXIT_CONFIG;
	case ERR_PERMISSION:
		return PROC_EXIT_PERMISSION;
	case ERR_DB_READONLY:
	case ERR_DB_FULL:
		return PROC_EXIT_BACKEND;
	default:
		return PROC_EXIT_RETRY;
	}
}

/* --- configuration ------------------------------------------------------------------------------------------------ */

static int
load_conf(struct start *st, struct err *e)
{
	bool again = st->conf != NULL;
	struct conf_warnings *w = mem_new(struct conf_warnings);
	struct str_buf overrides = {0};
	struct conf_files files = {.file = st->args.config, .key_password = st->key_password};
	struct conf *conf = NULL;
	int rc;

	sup_overrides(&overrides, &st->args, NULL, NULL, 0);
	files.overrides = str_buf_text(&overrides);
	rc = conf_load(&files, &conf, w, e);
	if (rc == 0) {
		conf_unref(st->conf);
		st->conf = conf;
	}
	for (size_t i = 0; rc == 0 && !again && i < w->n; i++)
		log_warning("conf", "%s", w->v[i].text);
	if (rc == 0 && !again && w->dropped > 0)
		log_warning("conf", "%zu more warnings", w->dropped);
	if (rc == 0)
		log_set_level(sup_log_level(&st->args, st->conf, is_command(st)));
	str_buf_done(&overrides);
	free(w);
	return rc;
}

static int
conf_failed(const struct err *e)
{
	log_error("conf", "%s", e->msg);
	return PROC_EXIT_CONFIG;
}

static int
check_loaded(const struct start *st, struct err *e)
{
	int rc = sup_check_conf(st->conf, &st->args, st->what, e);

	return rc != 0 ? rc : sup_check_paths(st->conf, st->what, e);
}

/* Once the configuration is known to be good. */
static int
ask_password(struct start *st, struct err *e)
{
	int rc;

	if (st->what != SUP_HTTP || !sup_password_needed(st->conf))
		return 0;
	rc = sup_password_ask(st->conf, st->key_password, e);
	return rc != 0 ? rc : load_conf(st, e);
}

static int
check_config(struct start *st)
{
	struct err e;

	if (load_conf(st, &e) != 0 || check_loaded(st, &e) != 0)
		return conf_failed(&e);
	(void)puts("configuration OK");
	return 0;
}

static int
print_config(struct start *st)
{
	struct str_buf text = {0};
	struct err e;

	if (load_conf(st, &e) != 0)
		return conf_failed(&e);
	conf_print(st->conf, CONF_ALL_ROLES, true, &text);
	(void)fputs(str_buf_text(&text), stdout);
	str_buf_done(&text);
	return 0;
}

/* Historically with passwords: scripts read it, and who may run it may read the file. */
static int
dump_config(struct start *st)
{
	struct str_buf text = {0};
	struct err e;

	if (load_conf(st, &e) != 0 || sup_check_conf(st->conf, &st->args, SUP_COMMAND, &e) != 0)
		return conf_failed(&e);
	conf_print_line(st->conf, &text);
	(void)fputs(str_buf_text(&text), stdout);
	str_buf_done(&text);
	return 0;
}

/* --- the data ----------------------------------------------------------------------------------------------------- */

static int
refuse(const struct start *st, struct err *e)
{
	if (st->holder.pid == 0)
		return err_set(e, ERR_BUSY, "%s is in use by another process", st->conf->SQLite3DataFile);
	return err_set(e, ERR_BUSY,
		       "%s is in use by another orchestrator (process %lld): stop it, or give each its own "
		       "SQLite3DataFile",
		       st->conf->SQLite3DataFile, (long long)st->holder.pid);
}

/* Waits for those who will be done soon. lock.fd stays -1 when a running service is to be asked instead. */
static int
lock_data(struct start *st, struct err *e)
{
	struct mono began = clk_mono(clk_real());
	int rc;

	while ((rc = sup_lock_take(st->conf->SQLite3DataFile, &st->lock, &st->holder, e)) == -ERR_BUSY) {
		switch (sup_when_held(st->what, &st->holder, mono_diff_us(clk_mono(clk_real()), began))) {
		case SUP_WAIT:
			(void)usleep(HELD_POLL_US);
			break;
		case SUP_ATTACH:
			return 0;
		case SUP_REFUSE:
			return refuse(st, e);
		}
	}
	if (rc == 0 && st->holder.pid != 0)
		sup_rundir_remove(st->holder.runtime_dir); /* left by one that was killed */
	return rc;
}

static int
make_runtime_dir(struct start *st, struct err *e)
{
	const struct sup_rundir_from from = {.configured = st->conf->RuntimeDir,
					     .runtime_directory = getenv("RUNTIME_DIRECTORY"),
					     .xdg = getenv("XDG_RUNTIME_DIR")};

	if (sup_rundir_make(&from, st->runtime_dir, e) != 0)
		return -e->code;
	st->made_runtime_dir = true;
	return 0;
}

static int
write_lock(struct start *st, struct err *e)
{
	struct sup_holder me = {.pid = getpid(), .service = !is_command(st)};

	(void)str_copy(me.runtime_dir, sizeof(me.runtime_dir), st->runtime_dir);
	return sup_lock_write(&st->lock, &me, e);
}

/* Help needs no data; a command may find a service to ask; a node takes the data for itself. */
static int
prepare(struct start *st, struct err *e)
{
	int rc;

	if (st->what == SUP_HELP)
		return make_runtime_dir(st, e);
	rc = lock_data(st, e);
	if (rc != 0)
		return rc;
	if (st->lock.fd < 0) {
		(void)str_copy(st->runtime_dir, sizeof(st->runtime_dir), st->holder.runtime_dir);
		return 0;
	}
	rc = make_runtime_dir(st, e);
	return rc != 0 ? rc : write_lock(st, e);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static enum proc_mode
mode_of(const struct start *st)
{
	if (st->what == SUP_HTTP)
		return PROC_MODE_SERVICE;
	if (st->what == SUP_CONTINUOUS)
		return PROC_MODE_CONTINUOUS;
	return st->what == SUP_COMMAND && st->lock.fd < 0 ? PROC_MODE_ATTACH : PROC_MODE_ONE_SHOT;
}

static int
run_node(struct start *st)
{
	const char *dirs = getenv("ORCHESTRATOR_LIBEXEC");
	struct sup_setup setup = {.limits = st->limits,
				  .what = st->what,
				  .mode = mode_of(st),
				  .args = &st->args,
				  .line = &st->line,
				  .conf = st->conf,
				  .key_password = st->key_password,
				  .runtime_dir = st->runtime_dir,
				  .program_dirs = str_empty(dirs) ? SUP_LIBEXECDIR : dirs,
				  .notify = {.notify_socket = getenv("NOTIFY_SOCKET"),
					     .watchdog_usec = getenv("WATCHDOG_USEC"),
					     .watchdog_pid = getenv("WATCHDOG_PID"),
					     .pid = getpid()}};
	int rc;

	setup.apid_alone = st->what == SUP_HELP || setup.mode == PROC_MODE_ATTACH;
	if (st->conf->EnableSyslog && !is_command(st))
		log_enable_syslog("orchestrator");
	if (!is_command(st))
		log_notice("node", "orchestrator %s starts pid=%d configuration=%s data=%s", ORC_VERSION, (int)getpid(),
			   LOG_Q(conf_origin(st->conf)), LOG_Q(st->conf->SQLite3DataFile));
	rc = sup_run(&setup);
	if (!is_command(st))
		log_notice("node", "orchestrator ended exit_code=%d", rc);
	return rc;
}

static int
node(struct start *st)
{
	struct err e;
	int rc;

	if (load_conf(st, &e) != 0) {
		if (st->what != SUP_HELP)
			return conf_failed(&e);
		st->conf = conf_defaults();
	}
	if (st->what != SUP_HELP && (check_loaded(st, &e) != 0 || ask_password(st, &e) != 0))
		return conf_failed(&e);
	if (prepare(st, &e) == 0) {
		rc = run_node(st);
	} else {
		log_error("node", "%s", e.msg);
		rc = code_of(&e);
	}
	if (st->made_runtime_dir)
		sup_rundir_remove(st->runtime_dir);
	sup_lock_release(&st->lock);
	return rc;
}

static int
dispatch(struct start *st)
{
	switch (st->what) {
	case SUP_SHEET:
		sup_usage_sheet();
		return 0;
	case SUP_VERSION:
		sup_usage_version();
		return 0;
	case SUP_USAGE:
		sup_usage_short();
		return PROC_EXIT_FAILED;
	case SUP_CHECK:
		return check_config(st);
	case SUP_PRINT:
		return print_config(st);
	case SUP_DUMP:
		return dump_config(st);
	case SUP_HELP:
	case SUP_COMMAND:
	case SUP_HTTP:
	case SUP_CONTINUOUS:
		break;
	}
	return node(st);
}

/* --- the words ---------------------------------------------------------------------------------------------------- */

/* Go's flag package: 0 for -help, 2 for bad flags. Values that no command accepts ended historically with 1. */
static int
bad_line(const struct err *e)
{
	if (e->code == ERR_NOT_FOUND) {
		sup_usage_flags();
		return 0;
	}
	log_raw(e->msg);
	if (e->code == ERR_INVALID)
		return PROC_EXIT_FAILED;
	sup_usage_short();
	return 2;
}

/* Descriptors 0 to 2 exist, so that no socket of ours is ever taken for stderr. */
static void
open_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		(void)close(fd);
}

int
sup_main(int argc, char **argv, const struct sup_limits *limits)
{
	struct start st = {.limits = limits, .lock = {.fd = -1}};
	struct rec_text words[LINE_MAX_WORDS];
	struct err e;
	int rc;

	open_standard_fds();
	(void)umask(077);
	log_init("orchestrator", LOG_LVL_NOTICE);
	for (int i = 1; i < argc && st.line.n < LINE_MAX_WORDS; i++)
		words[st.line.n++].s = argv[i];
	st.line.v = words;
	if (argc - 1 > LINE_MAX_WORDS)
		rc = err_set(&e, ERR_SYNTAX, "more than %d words", LINE_MAX_WORDS);
	else
		rc = args_parse(&st.line, &st.args, &e);
	if (rc != 0)
		return bad_line(&e);
	st.what = sup_invocation(&st.args);
	log_set_level(sup_log_level(&st.args, NULL, is_command(&st)));
	rc = exit_code_of(&st, dispatch(&st));
	conf_unref(st.conf);
	if (fflush(stdout) != 0)
		return PROC_EXIT_FAILED;
	return rc;
}
