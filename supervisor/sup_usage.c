/* sup_usage.c — cheat sheet, usage, version. Called by sup_start.c. */
#include "sup_usage.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proc/args.h"
#include "sup_version.h"

static const char sheet[] =
    "orchestrator finds MySQL and MariaDB replication topologies, shows, rearranges and heals them.\n"
    "\n"
    "Run a node with API and web interface:\n"
    "  orchestrator http\n"
    "\n"
    "Check the configuration, or see what is in effect:\n"
    "  orchestrator -t\n"
    "  orchestrator --print-config\n"
    "\n"
    "Run a command on this node's data (a running node is asked to do it):\n"
    "  orchestrator -c discover -i some.host:3306\n"
    "  orchestrator -c clusters\n"
    "  orchestrator -c topology -i some.host\n"
    "  orchestrator -c all-instances\n"
    "\n"
    "From elsewhere, over HTTP:\n"
    "  orchestrator-client -c topology -i some.host\n"
    "\n"
    "More:\n"
    "  orchestrator help              all commands\n"
    "  orchestrator help COMMAND      one command\n"
    "  orchestrator -help             all flags\n"
    "  man orchestrator\n"
    "\n"
    "Configuration: --config FILE, else /etc/orchestrator.conf.json, conf/orchestrator.conf.json and\n"
    "orchestrator.conf.json, later ones on top of earlier ones.\n";

void
sup_usage_sheet(void)
{
	(void)fputs(sheet, stdout);
}

void
sup_usage_version(void)
{
	(void)printf("%s\n%s\n", ORC_VERSION, SUP_COMMIT);
}

void
sup_usage_short(void)
{
	log_raw("Usage: orchestrator [flags] http | continuous | help [COMMAND]");
	log_raw("       orchestrator [flags] -c COMMAND [cli]");
	log_raw("       orchestrator -t | --print-config | --version | -help");
	log_raw("Commands: orchestrator help. Flags: orchestrator -help.");
}

void
sup_usage_flags(void)
{
	struct str_buf text = {0};

	sup_usage_short();
	args_flag_help(&text);
	for (char *line = text.p, *end; line != NULL && (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		log_raw(line);
	}
	str_buf_done(&text);
}
