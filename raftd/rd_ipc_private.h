/* rd_ipc_private.h — what the handlers of apid's requests share. Private to rd_ipc*.c. */
#ifndef RD_IPC_PRIVATE_H
#define RD_IPC_PRIVATE_H

#include "rd_node_private.h"

/* False: answered already, there is no state to change or read yet. */
bool rd_ipc_is_open(struct rd_node *n, struct rd_req req);
struct rd_req rd_ipc_request(struct rd_door *door, struct ipc_link *l, uint64_t id);
/* Proposes and answers when it is decided. */
/* uid: of the client, "" = none. */
void rd_ipc_change(struct rd_node *n, struct rd_req req, const char *uid, enum rd_op op, const void *payload);
int rd_ipc_check_duration(const char *what, int64_t duration_s, struct err *e) MUST_USE;

#endif
