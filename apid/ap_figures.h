/* ap_figures.h — all figures of this node, under their names in ipc/metrics.def: what raftd published last (its own and the
 * probers'), and apid's own. Loop only. */
#ifndef AP_FIGURES_H
#define AP_FIGURES_H

#include "ap.h"

struct ap_figures {
	const struct ipc_metric **v; /* sorted by name; borrowed from what raftd published, until the next message */
	size_t n;
	struct ipc_metric *own;
};
/* Of a name that both know apid's own figure stands. */
void ap_figures_collect(const struct ap *ap, struct ap_figures *ret);
void ap_figures_done(struct ap_figures *f);

/* Historical names of what is never done here, always 0, so that agents which expect them find them. */
const struct ipc_metric *ap_figures_gone(size_t *ret_n);

#endif
