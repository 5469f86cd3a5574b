/* rd_sidelines.h — what a found server tells besides its own row: promotion rule, cluster domain, addresses, TLS. */
#ifndef RD_SIDELINES_H
#define RD_SIDELINES_H

#include "rd_node_private.h"

void rd_sidelines(struct rd_node *n, struct rd_server *s, const struct topo_probe *p);

#endif
