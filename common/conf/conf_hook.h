/* conf/conf_hook.h — an entry of a hook list such as PreFailoverProcesses, taken apart.
 *
 * Historically an entry was a shell text, run in the background when it ended with "&" (reference/recovery.md section
 * 18). New here: it may begin with options in braces, "{onFailure=continue} {timeout=20s} /usr/local/bin/notify". No
 * shell text begins like that. Pure; conf_load refuses entries that don't parse. */
#ifndef CONF_CONF_HOOK_H
#define CONF_CONF_HOOK_H

#include "base/base.h"
#include "base/err.h"

#define CONF_HOOKS_MAX 256 /* entries of one list */
#define CONF_HOOK_TIMEOUT_MAX_S (7 * 86400)

enum conf_hook_failure {
	CONF_HOOK_FAILURE_AS_LIST, /* what is usual for its list */
	CONF_HOOK_FAILURE_STOP,	   /* ends the list, and what the list stands before */
	CONF_HOOK_FAILURE_CONTINUE,
};

struct conf_hook {
	const char *text; /* points into the entry; len bytes without options, blanks around it and ampersands */
	size_t len;	  /* 0: an empty entry, to be left out */
	bool background;
	enum conf_hook_failure on_failure;
	int64_t timeout_s; /* -1: the usual; 0: no limit */
};

/* ERR_INVALID names the option and what is possible. */
int conf_hook_parse(const char *entry, struct conf_hook *ret_hook, struct err *e) MUST_USE;

#endif
