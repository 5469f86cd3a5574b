/* pr_collect_private.h — pieces of pr_collect, one file each. Private to pr_collect*.c. */
#ifndef PR_COLLECT_PRIVATE_H
#define PR_COLLECT_PRIVATE_H

#include "pr_collect.h"

const char *pr_collect_dup(const struct pr_collect *in, const char *s);
/* Notes the error of this question as the decisive one unless there is one already. */
void pr_collect_fatal(const struct pr_collect *in, enum pr_ask ask, struct topo_probe *out);

void pr_collect_status(const struct pr_collect *in, struct topo_probe *out);
/* False after a fatal error (probing.md section 4 step 11). */
bool pr_collect_group(const struct pr_collect *in, struct topo_probe *out);
void pr_collect_replicas(const struct pr_collect *in, struct topo_probe *out);
/* Cuts texts and lists to their written maxima. */
void pr_collect_clip(const struct pr_collect *in, struct topo_probe *out);

#endif
