/* sup_invoke.h — what a command line asks for and what that needs. Pure. Facts: reference/cli.md sections 1 to 3. */
#ifndef SUPERVISOR_SUP_INVOKE_H
#define SUPERVISOR_SUP_INVOKE_H

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "proc/args.h"
#include "proc/proc_contract.h"
#include "sup_lock.h"

enum sup_what {
	SUP_SHEET,	/* nothing given: cheat sheet */
	SUP_USAGE,	/* words that mean nothing */
	SUP_VERSION,	/* --version */
	SUP_CHECK,	/* -t */
	SUP_PRINT,	/* --print-config */
	SUP_DUMP,	/* -c dump-config */
	SUP_HELP,	/* help, help TOPIC, -c help: apid alone answers */
	SUP_COMMAND,	/* -c COMMAND */
	SUP_HTTP,	/* a node */
	SUP_CONTINUOUS, /* a node without HTTP */
};

enum sup_what sup_invocation(const struct args *a);

/* Flags beat LogLevel, which beats Debug; without any of them notice, or warning for a command: its output stands
 * beside. conf may be NULL. */
enum log_level sup_log_level(const struct args *a, const struct conf *conf, bool command);

/* Configuration that only the command line can give, as JSON text for conf_load; what old and changed say is kept from
 * a former configuration (old may be NULL). Appended to out; nothing when there is none. */
void sup_overrides(struct str_buf *out, const struct args *a, const struct conf *old,
		   const struct conf_key *const *changed, size_t n);

/* Whether this program can do it with this configuration; ERR_CONFIG. */
int sup_check_conf(const struct conf *conf, const struct args *a, enum sup_what what, struct err *e) MUST_USE;

/* What to do while somebody else holds the data. */
enum sup_wait { SUP_WAIT, SUP_ATTACH, SUP_REFUSE };
#define SUP_WAIT_COMMAND_US (30 * CLK_S) /* for a one-shot command to end */
#define SUP_WAIT_TEXT_US (2 * CLK_S)	 /* for a holder to say who it is */
enum sup_wait sup_when_held(enum sup_what what, const struct sup_holder *holder, int64_t waited_us);

#endif
