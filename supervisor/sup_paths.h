/* sup_paths.h — the files and directories that a configuration names: are they there, may this user use them?
 *
 * Who fails later fails worse: a missing CA file shows as one failed login per server. Only what has to exist before a
 * start is looked at; RaftDataDir is made by raftd. Files are looked at, not read: what is in them is for those who
 * use them. */
#ifndef SUPERVISOR_SUP_PATHS_H
#define SUPERVISOR_SUP_PATHS_H

#include "sup_invoke.h"

/* ERR_CONFIG, naming key, path and remedy. what: SUP_CHECK looks at everything. A node (its reload, too) insists on the
 * files of TLS that it cannot do without; it leaves the database to sup_lock.h, and of the files for servers that may
 * demand TLS (MySQLTopologyUseMixedTLS) it only warns in the log: the historical program started without them. A
 * command looks at nothing: the service that runs it, if there is one, has done so. */
int sup_check_paths(const struct conf *conf, enum sup_what what, struct err *e) MUST_USE;

#endif
