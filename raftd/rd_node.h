/* rd_node.h — raftd as a whole: what main.c hands to the child skeleton. See rd_node_private.h for the parts. */
#ifndef RD_NODE_H
#define RD_NODE_H

#include "proc/proc.h"

/* The operations of struct proc_ops (proc/proc.h). */
int rd_node_start(struct proc *p, void **ret_app);
void rd_node_reload(struct proc *p, void *app);
void rd_node_stop(struct proc *p, void *app, int64_t deadline_ms);
void rd_node_done(struct proc *p, void *app);
void rd_node_peer(struct proc *p, void *app, const struct ipc_child_peer *m);

#endif
