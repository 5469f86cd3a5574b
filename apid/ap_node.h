/* ap_node.h — what main.c passes on to the node routes. */
#ifndef AP_NODE_H
#define AP_NODE_H

#include "ipc/ipc.h"

/* The supervisor's answer to reload-configuration. */
void ap_node_reload_result(const struct ipc_child_reload_result *m);
/* At the end: answers requests that still wait for the supervisor. */
void ap_node_drop_waiting(void);

#endif
