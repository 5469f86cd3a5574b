/* ap_groups.h — is a user a member of one of PowerAuthGroups? Asked of the system's user database (primary and
 * supplementary groups), which may be a directory service far away: in a thread of its own, whose answers are kept for
 * AP_GROUPS_KEEP_MS. Anybody can name users: the queue and what is kept are bounded, and a full queue means no. */
#ifndef AP_GROUPS_H
#define AP_GROUPS_H

#include "ap.h"

#define AP_GROUPS_QUEUE_MAX 256
#define AP_GROUPS_KEPT_MAX 1024
#define AP_GROUPS_KEEP_MS 30000

struct ap_groups;

/* Runs on the loop, perhaps before ap_groups_ask returns, and must end the request. e NULL: member says. */
typedef void (*ap_groups_fn)(struct ap_request *rq, bool member, const struct err *e);

/* rq->user, against rq->conf's PowerAuthGroups. */
void ap_groups_ask(struct ap_request *rq, ap_groups_fn then);
/* Waits for the lookup under way; the others are answered with an error. Sets ap->groups to NULL; NULL is fine. */
void ap_groups_stop(struct ap *ap);

/* The lookup itself; blocks. Unknown users and groups are no members. */
bool ap_groups_has(const char *user, const struct conf_strs *groups);

#endif
