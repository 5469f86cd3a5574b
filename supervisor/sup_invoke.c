/* sup_invoke.c — decisions about a command line (sup_invoke.h). PURE: called by sup_start.c and sup_reload.c. */
#include "sup_invoke.h"

static enum sup_what
what_command(const struct args *a)
{
	if (str_empty(a->c))
		return a->words.n == 0 ? SUP_SHEET : SUP_USAGE;
	if (str_eq(a->c, "help"))
		return SUP_HELP;
	if (str_eq(a->c, "dump-config"))
		return SUP_DUMP;
	return str_eq(a->c, "continuous") ? SUP_CONTINUOUS : SUP_COMMAND;
}

enum sup_what
sup_invocation(const struct args *a)
{
	const char *word = args_word(a, 0);

	if (a->version)
		return SUP_VERSION;
	if (a->t || a->check_config)
		return SUP_CHECK;
	if (a->print_config)
		return SUP_PRINT;
	if (str_eq(word, "help"))
		return SUP_HELP;
	if (str_eq(word, "http"))
		return SUP_HTTP;
	if (str_eq(word, "continuous"))
		return SUP_CONTINUOUS;
	if (a->words.n == 0 || str_eq(word, "cli"))
		return what_command(a);
	return SUP_USAGE;
}

enum log_level
sup_log_level(const struct args *a, const struct conf *conf, bool command)
{
	enum log_level level;

	if (a->quiet)
		return LOG_LVL_ERROR;
	if (a->debug)
		return LOG_LVL_DEBUG;
	if (a->verbose)
		return LOG_LVL_INFO;
	if (conf != NULL && log_level_parse(conf->LogLevel, &level))
		return level;
	if (conf != NULL && conf->Debug)
		return LOG_LVL_DEBUG;
	return command ? LOG_LVL_WARNING : LOG_LVL_NOTICE;
}

void
sup_overrides(struct str_buf *out, const struct args *a, const struct conf *old, const struct conf_key *const *changed,
	      size_t n)
{
	const char *before = "{";

	if (a->enable_database_update) {
		str_buf_add(out, "{\"SkipOrchestratorDatabaseUpdate\": false");
		before = ", ";
	}
	for (size_t i = 0; i < n; i++) {
		str_buf_printf(out, "%s\"%s\": ", before, changed[i]->name);
		conf_print_value(old, changed[i], false, out);
		before = ", ";
	}
	if (out->len > 0)
		str_buf_add_char(out, '}');
}

static int
check_raft(const struct args *a, enum sup_what what, struct err *e)
{
	if ((what == SUP_COMMAND || what == SUP_CONTINUOUS) && !a->ignore_raft_setup && !str_eq(a->c, "raft-rescue"))
		return err_set(
		    e, ERR_CONFIG,
		    "Orchestrator configured to run raft (\"RaftEnabled\": true). All access must go through the "
		    "web API of the active raft node. You may use the orchestrator-client script which has a "
		    "similar interface to the command line invocation. You may override this with "
		    "--ignore-raft-setup, which acts on this node's own data");
	return 0;
}

int
sup_check_conf(const struct conf *conf, const struct args *a, enum sup_what what, struct err *e)
{
	int rc;

	if (conf->RaftEnabled && (rc = check_raft(a, what, e)) != 0)
		return rc;
	if (!conf_backend_is_sqlite(conf))
		return err_set(e, ERR_CONFIG,
			       "BackendDB is \"%.32s\": a MySQL backend is not available yet in this version, "
			       "set BackendDB to \"sqlite\" and SQLite3DataFile to a file (read from: %s)",
			       conf->BackendDB, conf_origin(conf));
	if (str_eq(conf->SQLite3DataFile, ":memory:"))
		return err_set(
		    e, ERR_CONFIG,
		    "SQLite3DataFile is \":memory:\", which the processes of a node cannot share: give a file");
	if (what == SUP_COMMAND || what == SUP_CONTINUOUS)
		return 0;
	return conf_check_http(conf, e);
}

enum sup_wait
sup_when_held(enum sup_what what, const struct sup_holder *holder, int64_t waited_us)
{
	if (holder->pid == 0)
		return waited_us < SUP_WAIT_TEXT_US ? SUP_WAIT : SUP_REFUSE;
	if (holder->service)
		return what == SUP_COMMAND ? SUP_ATTACH : SUP_REFUSE;
	return waited_us < SUP_WAIT_COMMAND_US ? SUP_WAIT : SUP_REFUSE;
}
