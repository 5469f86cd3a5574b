/* rd_hook_keep.h — the watcher: a small process between raftd and one hook, raftd's own program run with
 * RD_HOOK_KEEP_ARG as its first argument.
 *
 * It writes the hook's text into a file, runs the shell on it, ends the whole process group when the time is up or raftd
 * asks or dies, tells raftd how the shell ended, and stays until all that the shell started is gone. So raftd's loop
 * touches no file and waits for nobody, and a killed raftd leaves neither processes nor files behind: the kernel sends
 * the watcher SIGUSR1 then (a hook's own children get no such signal). What has left the process group (a daemon) is
 * left alone.
 *
 * Contract with rd_hook_run.c: session leader, all signals blocked, PR_SET_PDEATHSIG SIGUSR1; argv: program,
 * RD_HOOK_KEEP_ARG, limit_ms (of the shell; 0: none), left_ms (of what it leaves behind, from the start), directory,
 * shell, the text's arguments; the environment is the hook's. Descriptors: 0 /dev/null, 1 and 2 its output, STATUS_FD
 * takes one struct rd_hook_status, TEXT_FD holds the text. SIGTERM cancels. */
#ifndef RD_HOOK_KEEP_H
#define RD_HOOK_KEEP_H

#include "rd_hook_result.h"

#define RD_HOOK_KEEP_ARG "keep-hook"
#define RD_HOOK_STATUS_FD 3
#define RD_HOOK_TEXT_FD 4
#define RD_HOOK_GRACE_MS 2000 /* SIGTERM, then SIGKILL */

/* When the shell has ended. */
struct rd_hook_status {
	int32_t outcome; /* enum rd_hook_outcome */
	int32_t value;	 /* exit code or signal */
	char error[200]; /* NOT_STARTED */
};

/* The watcher's main; its exit code says nothing. */
int rd_hook_keep(int argc, char **argv);

#endif
