/* spawn.h — starting a child process: fork and exec with nothing inherited by accident.
 *
 * The child gets: descriptor 0 /dev/null, 1 ours or /dev/null, 2 ours, PROC_LIFELINE_FD its end of a socketpair, none
 * else; default signal dispositions, none blocked; a clean environment (a short list of names, plus PROC_ENV_*); as
 * many descriptors as the hard limit allows; SIGKILL when we die. Between fork and exec only async-signal-safe calls
 * run. */
#ifndef SUPERVISOR_SPAWN_H
#define SUPERVISOR_SPAWN_H

#include <sys/types.h>

#include "base/err.h"

struct sup_spawn {
	const char *path; /* of the program */
	const char *role; /* "raftd" */
	uint64_t generation;
	bool keep_stdout;
};

/* *ret_fd: our end of the lifeline, close-on-exec. A program that cannot be executed exits with PROC_EXIT_PERMISSION.
 */
int sup_spawn(const struct sup_spawn *s, pid_t *ret_pid, int *ret_fd, struct err *e) MUST_USE;

/* Looks for the executable "orchestrator-<role>" in dirs (separated by colons). ret holds PATH_MAX. ERR_NOT_FOUND. */
int sup_spawn_find(const char *dirs, const char *role, char *ret, struct err *e) MUST_USE;

#endif
