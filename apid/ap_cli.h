/* ap_cli.h — `orchestrator -c COMMAND`: one command against this node's own API.
 *
 * A one-shot node's apid opens no listener but its control socket, runs the command in a thread of its own as a client
 * of that socket, prints the result and reports the exit code. When a service is running on the data
 * (PROC_MODE_ATTACH), the same code is a client of the service's control socket. So a command does exactly what the
 * route does; only the printing differs. Outputs and exit codes: cli.md sections 3 to 5. */
#ifndef AP_CLI_H
#define AP_CLI_H

#include <jansson.h>

#include "base/err.h"
#include "base/str.h"
#include "proc/args.h"

enum cli_needs {
	CMD_INSTANCE = 1,      /* {i}: -i, else this host; once per instance */
	CMD_EXPLICIT = 2,      /* -i must be given */
	CMD_CLUSTER = 4,       /* {cluster}: -alias, else -i, else this host */
	CMD_MAYBE_CLUSTER = 8, /* {cluster}: -alias or -i, else empty */
	CMD_PATTERN = 16,
	CMD_ARG_TAG = 32,
	CMD_REASON = 64,
	CMD_EMPTY_OK = 128,    /* an unknown cluster is logged and printed as an empty line, exit code 0 */
	CMD_ELSEWHERE = 512,   /* no path, but served: by the supervisor */
	CMD_WHOLE_LIST = 1024, /* {list}: -i is not split, the command runs once */
	CMD_POOL = 2048,
	CMD_HOSTNAME = 4096,
	CMD_DESTINATION = 8192, /* {d}: -d must be given */
	CMD_NOTHING_OK = 16384, /* that there is nothing to recover is no error: nothing is printed */
};

struct cli {
	struct args args;
	const char *socket_path; /* control socket */
	const char *hostname;	 /* this machine */
	int64_t default_port;
	struct str_buf out; /* for stdout */
	struct str_buf err; /* for stderr */
};

struct cli_command {
	const char *section;
	const char *name;
	const char *aliases; /* comma separated */
	const char *flags;   /* for the help: "-i|-alias [-d]" */
	unsigned needs;
	const char *path;			   /* NULL: not served yet */
	int (*print)(struct cli *c, json_t *what); /* returns the exit code */
	const char *of;				   /* member of the answer to print; "": all of it */
	const char *doc;
};

size_t cli_command_count(void);
const struct cli_command *cli_command_at(size_t i);
/* By name or alias; NULL. */
const struct cli_command *cli_command_find(const char *name);

/* The route's path with placeholders filled, appended; instance may be NULL. Pure. */
int cli_build_path(struct cli *c, const struct cli_command *cmd, const char *instance, struct str_buf *path,
		   struct err *e) MUST_USE;

/* Runs the words of args (c->args set): output in c->out and c->err. Blocking: call it outside the loop. Returns the
 * exit code. */
int cli_run(struct cli *c);
void cli_done(struct cli *c);

/* Appends "<time> LEVEL text" to c->err. */
void cli_report(struct cli *c, const char *level, const char *text);

/* "help": the list, grouped by section, to err; "help TOPIC": to out. */
void cli_help(struct cli *c, const char *topic);

/* Starts the thread that runs the command of proc_setup(p)->args and then tells the supervisor. */
struct proc;
int cli_start(struct proc *p, int64_t default_port, struct err *e) MUST_USE;

#endif
