/* sup_rundir.h — the private directory (0700) with the sockets between our processes.
 *
 * A fresh "orchestrator-XXXXXX" below the first of: the key RuntimeDir (made if missing), $RUNTIME_DIRECTORY (systemd),
 * $XDG_RUNTIME_DIR, /tmp. Fresh, so that nothing of a former life or of somebody else is in it. Removed at the end;
 * what a killed supervisor left is removed by the next one, which finds the name in the data's lock file (sup_lock.h).
 */
#ifndef SUPERVISOR_SUP_RUNDIR_H
#define SUPERVISOR_SUP_RUNDIR_H

#include "base/err.h"

/* ipc/to_child.def carries that much; the sockets' names still fit into an AF_UNIX address. */
#define SUP_RUNDIR_BYTES 97

/* The candidates, any of them NULL or empty. */
struct sup_rundir_from {
	const char *configured, *runtime_directory, *xdg;
};

/* ret holds SUP_RUNDIR_BYTES. ERR_TOO_LARGE, ERR_PERMISSION, ERR_IO; the text names the key to set. */
int sup_rundir_make(const struct sup_rundir_from *from, char *ret, struct err *e) MUST_USE;
/* The directory and the files in it. Refuses (quietly) what we wouldn't have made: another name, owner, or kind. */
void sup_rundir_remove(const char *path);

#endif
