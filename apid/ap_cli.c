/* ap_cli.c — from the words of the command line to calls of the API. Pure but for cli_run, which talks HTTP over the
 * control socket with libcurl (blocking: it has a thread of its own). */
#include "ap_cli.h"

#include <curl/curl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ap_cli_print.h"
#include "base/clock.h"
#include "topo/key.h"

#define ANSWER_MAX ((size_t)512 << 20) /* our own server's answer */

static const struct cli_command commands[] = {
#define SECTION(title) {.section = (title)},
#define COMMAND(name, aliases, flags, needs, path, print, of, doc) \
	{NULL, name, aliases, flags, needs, path, cli_print_##print, of, doc},
#define COMMAND_LATER(name, aliases, flags, doc) {NULL, name, aliases, flags, 0, NULL, NULL, NULL, doc},
#define COMMAND_ELSEWHERE(name, aliases, flags, doc) {NULL, name, aliases, flags, CMD_ELSEWHERE, NULL, NULL, NULL, doc},
#include "commands.def"
};

size_t
cli_command_count(void)
{
	return ARRAY_LEN(commands);
}

const struct cli_command *
cli_command_at(size_t i)
{
	ASSERT(i < ARRAY_LEN(commands));
	return &commands[i];
}

/* --- finding --------------------------------------------------------------------------------------------------- */
struct wanted {
	const char *name;
	bool found;
};

static void
compare_alias(void *ctx, const char *piece)
{
	struct wanted *w = ctx;

	w->found |= strcmp(piece, w->name) == 0;
}

const struct cli_command *
cli_command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		struct wanted w = {name, false};
		if (commands[i].name == NULL)
			continue;
		str_split(commands[i].aliases, ",", compare_alias, &w);
		if (w.found || strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* --- path ------------------------------------------------------------------------------------------------------ */
static void
add_encoded(struct str_buf *b, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    strchr("-_.~", c) != NULL)
			str_buf_add_char(b, (char)c);
		else
			str_buf_printf(b, "%%%02X", c);
	}
}

static int
add_instance(struct cli *c, const char *instance, struct str_buf *path, struct err *e)
{
	const char *text = str_empty(instance) ? c->hostname : instance;
	struct topo_key key;

	if (topo_key_parse(text, c->default_port, &key, e) != 0)
		return err_wrap(e, "Cannot deduce instance: %s", text);
	add_encoded(path, key.hostname);
	str_buf_printf(path, "/%lld", (long long)key.port);
	topo_key_done(&key);
	return 0;
}

static void
add_cluster(struct cli *c, const struct cli_command *cmd, const char *instance, struct str_buf *path)
{
	if (c->args.alias[0] != '\0')
		add_encoded(path, c->args.alias);
	else if (!str_empty(instance))
		add_encoded(path, instance);
	else if (cmd->needs & CMD_CLUSTER)
		add_encoded(path, c->hostname);
}

static const char *
os_user(void)
{
	const struct passwd *pw = getpwuid(getuid());

	return pw == NULL ? "orchestrator" : pw->pw_name;
}

static int
add_placeholder(struct cli *c, const struct cli_command *cmd, const char *name, const char *instance,
		struct str_buf *path, struct err *e)
{
	const struct {
		const char *name, *value;
	} plain[] = {
	    {"pattern", c->args.pattern},
	    {"history", c->args.pattern},
	    {"tag", c->args.tag},
	    {"reason", c->args.reason},
	    {"rule", c->args.promotion_rule},
	    {"confirm", c->args.confirm},
	    {"duration", c->args.duration},
	    {"pool", c->args.pool},
	    {"maybe_pool", c->args.pool},
	    {"hostname", c->args.hostname},
	    {"list", c->args.i},
	    {"owner", c->args.owner[0] == '\0' ? os_user() : c->args.owner},
	};

	if (strcmp(name, "i") == 0)
		return add_instance(c, instance, path, e);
	if (strcmp(name, "d") == 0)
		return add_instance(c, c->args.d, path, e);
	if (strcmp(name, "/d") == 0 && c->args.d[0] == '\0')
		return 0;
	if (strcmp(name, "/d") == 0) {
		str_buf_add_char(path, '/');
		return add_instance(c, c->args.d, path, e);
	}
	if (strcmp(name, "?noop") == 0) {
		str_buf_add(path, c->args.noop ? "?dry-run=true" : "");
		return 0;
	}
	if (strcmp(name, "cluster") == 0) {
		add_cluster(c, cmd, instance, path);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		if (strcmp(plain[i].name, name) == 0) {
			add_encoded(path, plain[i].value);
			return 0;
		}
	}
	ASSERT(!"unknown placeholder in commands.def");
	return 0;
}

static int
check_needs(const struct cli *c, const struct cli_command *cmd, struct err *e)
{
	if ((cmd->needs & CMD_EXPLICIT) && c->args.i[0] == '\0')
		return err_set(e, ERR_INVALID, "instance must be indicated via -i");
	if ((cmd->needs & CMD_DESTINATION) && c->args.d[0] == '\0')
		return err_set(e, ERR_INVALID, "destination instance must be indicated via -d");
	if ((cmd->needs & CMD_PATTERN) && c->args.pattern[0] == '\0')
		return err_set(e, ERR_INVALID, "no pattern given; use -pattern");
	if ((cmd->needs & CMD_ARG_TAG) && c->args.tag[0] == '\0')
		return err_set(e, ERR_INVALID, "no tag given; use -tag");
	if ((cmd->needs & CMD_POOL) && c->args.pool[0] == '\0')
		return err_set(e, ERR_INVALID, "no pool given; use -pool");
	if ((cmd->needs & CMD_HOSTNAME) && c->args.hostname[0] == '\0')
		return err_set(e, ERR_INVALID, "no host name given; use -hostname");
	if ((cmd->needs & CMD_REASON) && c->args.reason[0] == '\0')
		return err_set(e, ERR_INVALID, "--reason option required");
	return 0;
}

int
cli_build_path(struct cli *c, const struct cli_command *cmd, const char *instance, struct str_buf *path, struct err *e)
{
	int rc = check_needs(c, cmd, e);

	for (const char *p = cmd->path; rc == 0 && *p != '\0'; p++) {
		const char *end = *p == '{' ? strchr(p, '}') : NULL;
		char name[16];
		if (end == NULL) {
			str_buf_add_char(path, *p);
			continue;
		}
		ASSERT((size_t)(end - p) <= sizeof(name));
		memcpy(name, p + 1, (size_t)(end - p - 1));
		name[end - p - 1] = '\0';
		rc = add_placeholder(c, cmd, name, instance, path, e);
		p = end;
	}
	return rc;
}

/* --- calling --------------------------------------------------------------------------------------------------- */
static size_t
on_bytes(char *p, size_t size, size_t n, void *ctx)
{
	struct str_buf *b = ctx;

	if (b->len + size * n > ANSWER_MAX)
		return 0;
	str_buf_add_n(b, p, size * n);
	return size * n;
}

static int
fetch(struct cli *c, const char *path, struct str_buf *answer, struct err *e)
{
	struct str_buf url = {0};
	CURL *curl = curl_easy_init();
	CURLcode rc;

	if (curl == NULL)
		return err_set(e, ERR_NO_MEMORY, "curl");
	str_buf_printf(&url, "http://localhost/api/%s", path);
	(void)curl_easy_setopt(curl, CURLOPT_URL, str_buf_text(&url));
	(void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, c->socket_path);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
	rc = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	str_buf_done(&url);
	return rc == CURLE_OK ? 0 : err_set(e, ERR_UNAVAILABLE, "calling the node: %s", curl_easy_strerror(rc));
}

/* Errors of the API become errors here; otherwise the answer is the caller's. */
static int
call(struct cli *c, const char *path, json_t **ret_answer, struct err *e)
{
	struct str_buf text = {0};
	json_error_t je;
	json_t *answer;
	const char *code;
	int rc = fetch(c, path, &text, e);

	if (rc != 0) {
		str_buf_done(&text);
		return rc;
	}
	answer = json_loads(str_buf_text(&text), JSON_DECODE_ANY, &je);
	str_buf_done(&text);
	if (answer == NULL)
		return err_set(e, ERR_INTERNAL, "the node's answer to %s is not JSON: %s", path, je.text);
	code = json_string_value(json_object_get(answer, "Code"));
	if (code != NULL && strcmp(code, "OK") != 0) {
		const char *message = json_string_value(json_object_get(answer, "Message"));
		rc = err_set(e, ERR_SERVER, "%s", message == NULL ? "error" : message);
		json_decref(answer);
		return rc;
	}
	*ret_answer = answer;
	return 0;
}

void
cli_report(struct cli *c, const char *level, const char *text)
{
	char stamp[CLK_STAMP_BYTES];

	clk_format_wall(clk_wall(clk_real()), stamp);
	str_buf_printf(&c->err, "%s %s %s\n", stamp, level, text);
}

static int
run_once(struct cli *c, const struct cli_command *cmd, const char *instance)
{
	struct str_buf path = {0};
	json_t *answer = NULL;
	struct err e;
	int code = 1;

	if (cli_build_path(c, cmd, instance, &path, &e) == 0 && call(c, str_buf_text(&path), &answer, &e) == 0) {
		code = cmd->print(c, cmd->of[0] == '\0' ? answer : json_object_get(answer, cmd->of));
		json_decref(answer);
	} else if ((cmd->needs & CMD_NOTHING_OK) && str_ends(e.msg, "Recovery not attempted")) {
		code = 0;
	} else if (cmd->needs & CMD_EMPTY_OK) {
		cli_report(c, "ERROR", e.msg);
		str_buf_add(&c->out, "\n");
		code = 0;
	} else {
		cli_report(c, "FATAL", e.msg);
	}
	str_buf_done(&path);
	return code;
}

struct each {
	struct cli *c;
	const struct cli_command *cmd;
	int code;
};

static void
run_piece(void *ctx, const char *instance)
{
	struct each *each = ctx;

	if (each->code == 0)
		each->code = run_once(each->c, each->cmd, instance);
}

static int
run_command(struct cli *c, const char *name)
{
	const struct cli_command *cmd = cli_command_find(name);
	struct each each = {c, cmd, 0};
	struct err e;

	if (cmd == NULL || cmd->path == NULL) {
		(void)err_set(&e, ERR_NOT_YET,
			      cmd == NULL
				  ? "Unknown command: \"%s\". See: orchestrator help"
				  : "%s: this version does not have this command yet (see \"Not yet\" in the README)",
			      name);
		cli_report(c, "FATAL", e.msg);
		return 1;
	}
	if (c->args.i[0] == '\0' || (cmd->needs & CMD_WHOLE_LIST))
		return run_once(c, cmd, NULL);
	str_split(c->args.i, ", \t", run_piece, &each);
	return each.code;
}

int
cli_run(struct cli *c)
{
	const char *name = c->args.c;

	if (strcmp(name, "help") == 0 || (name[0] == '\0' && strcmp(args_word(&c->args, 0), "help") == 0)) {
		cli_help(c, name[0] == '\0' ? args_word(&c->args, 1) : "");
		return 0;
	}
	return run_command(c, name);
}

void
cli_done(struct cli *c)
{
	str_buf_done(&c->out);
	str_buf_done(&c->err);
}

/* --- help ------------------------------------------------------------------------------------------------------ */
static bool
is_later(const struct cli_command *cmd)
{
	return cmd->path == NULL && !(cmd->needs & CMD_ELSEWHERE);
}

static void
help_list(struct cli *c)
{
	str_buf_add(&c->err, "Available commands (-c):\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (commands[i].name == NULL)
			str_buf_printf(&c->err, "%s:\n", commands[i].section);
		else
			str_buf_printf(&c->err, "\t%-40s %s%s\n", commands[i].name, commands[i].doc,
				       is_later(&commands[i]) ? " (not yet)" : "");
	}
	str_buf_add(&c->err, "Run 'orchestrator help <command>' for detailed help on given command, e.g. 'orchestrator "
			     "help relocate'\n");
}

/* One flag of a command: its name, and what flags.def says about it. */
static void
help_flag(void *ctx, const char *name)
{
	static const struct {
		const char *name, *doc;
	} docs[] = {
#define ARG_FLAG(kind, member, name, def, doc) {"-" name, doc},
#include "proc/flags.def"
#undef ARG_FLAG
	};
	struct cli *c = ctx;

	for (size_t i = 0; i < ARRAY_LEN(docs); i++) {
		if (strcmp(docs[i].name, name) == 0)
			str_buf_printf(&c->out, "\t  %-16s %s\n", name, docs[i].doc);
	}
}

void
cli_help(struct cli *c, const char *topic)
{
	const struct cli_command *cmd;

	if (topic[0] == '\0') {
		help_list(c);
		return;
	}
	cmd = cli_command_find(topic);
	str_buf_printf(&c->out, "%s:\n", topic);
	if (cmd == NULL)
		return; /* historically an empty topic, exit code 0 */
	str_buf_printf(&c->out, "\t%s\n", cmd->doc);
	if (is_later(cmd))
		str_buf_add(&c->out, "\tThis version does not have the command yet.\n");
	if (cmd->aliases[0] != '\0')
		str_buf_printf(&c->out, "\tAlso known as: %s\n", cmd->aliases);
	str_buf_printf(&c->out, "\tUsage: orchestrator -c %s %s\n", cmd->name, cmd->flags);
	str_split(cmd->flags, " []|", help_flag, c);
}
