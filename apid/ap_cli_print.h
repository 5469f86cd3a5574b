/* ap_cli_print.h — how commands print the API's answers: int cli_print_<name>(cli, what) for each name used in
 * commands.def. They return the exit code; the text goes to c->out. Pure. */
#ifndef AP_CLI_PRINT_H
#define AP_CLI_PRINT_H

#include "ap_cli.h"

/* Declares each one as often as commands.def uses it. */
#define COMMAND(name, aliases, flags, needs, path, print, of, doc) int cli_print_##print(struct cli *c, json_t *what);
#include "commands.def"

#endif
