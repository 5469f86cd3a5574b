/* rd_house_private.h — the periodic tasks, one function per line of rd_periodic.def. Private to rd_house*.c. */
#ifndef RD_HOUSE_PRIVATE_H
#define RD_HOUSE_PRIVATE_H

#include "rd_node_private.h"

#define RD_PERIODIC(task, every, when) void rd_task_##task(struct rd_node *n);
#include "rd_periodic.def"
#undef RD_PERIODIC

/* Adds a row for each listed server: who replicates from whom now. */
void rd_house_record_topologies(struct rd_node *n, struct rd_changes *rows);

#endif
