/* conf/conf_addr.h — host:port texts of the configuration (ListenAddress, RaftBind, RaftNodes …). Pure.
 *
 * "host", "host:port", ":port", "[v6]", "[v6]:port"; a text with several colons and no brackets is an IPv6 address
 * without port. Keys of servers (host:port of MySQL) have rules of their own in common/topo. */
#ifndef CONF_CONF_ADDR_H
#define CONF_CONF_ADDR_H

#include "base/base.h"
#include "base/err.h"

#define CONF_HOST_BYTES 256

/* default_port < 0: the text must name a port. host is "" for ":port", and never has brackets. */
int conf_addr_split(const char *text, int64_t default_port, char host[CONF_HOST_BYTES], int64_t *ret_port,
		    struct err *e) MUST_USE;

#endif
