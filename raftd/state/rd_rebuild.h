/* rd_rebuild.h — the backend's replicated tables made to hold exactly what a snapshot says: when the view can't be
 * trusted, or fell behind. For the view writer's thread alone.
 *
 * Transactions are bounded (RD_REBUILD_ROWS). The first marks the view as being rebuilt (DB_META_VIEW: readers don't
 * show it, a restart doesn't believe it), the last as complete, with index and hash. Known servers keep their telemetry;
 * absent ones go, as every other row that the snapshot doesn't have. */
#ifndef RD_REBUILD_H
#define RD_REBUILD_H

#include "db/db.h"

#define RD_REBUILD_ROWS 512

/* image: a snapshot (rd_snapshot.h). On error the view is as it was, or is marked; the next rebuild mends it. */
int rd_rebuild(struct db *db, const void *image, size_t n, struct err *e) MUST_USE;

#endif
