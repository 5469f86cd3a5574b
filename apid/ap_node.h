/* ap_node.h — what main.c passes on to the node routes, and their end. */
#ifndef AP_NODE_H
#define AP_NODE_H

#include "ap.h"

/* PrependMessagesWithOrcIdentity: "Orchestrator <id> says: ", or "". May ask the resolver: for the start only. The
 * caller frees it. */
char *ap_message_prefix(const struct conf *conf, const char *hostname);

/* raft-health: leader or follower, with fresh evidence of a quorum. */
bool ap_raft_is_healthy(const struct ap *ap);

/* The supervisor's answer to reload-configuration. */
void ap_node_reload_result(const struct ipc_child_reload_result *m);
/* At the end: answers requests that still wait for the supervisor. */
void ap_node_drop_waiting(void);
void ap_health_free(struct ap *ap);

#endif
