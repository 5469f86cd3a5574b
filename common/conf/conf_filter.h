/* conf/conf_filter.h — hostname filters: the compiled form of keys like DiscoveryIgnoreHostnameFilters.
 *
 * An entry is a regular expression searched for in "host:port", or, when it is an IP address, that host exactly
 * (reference/config-keys.md section 7.7). Keys whose expressions see something else (RecoveryIgnoreHostnameFilters: the
 * host without port; DiscoveryIgnoreReplicationUsernameFilters: a user name) use conf_filter_matches_text. Empty
 * entries match nothing (historically everything; conf_load warns). One filter belongs to one thread at a time; make
 * it anew when the configuration changes. */
#ifndef CONF_CONF_FILTER_H
#define CONF_CONF_FILTER_H

#include "conf/conf.h"

struct conf_filter;

/* The filter keeps its own copies. Expressions of a loaded configuration always compile; ERR_INVALID names the entry.
 */
int conf_filter_new(const struct conf_strs *patterns, struct conf_filter **ret_filter, struct err *e) MUST_USE;
void conf_filter_free(struct conf_filter *f); /* NULL is fine */

bool conf_filter_matches(struct conf_filter *f, const char *host, int64_t port);
/* Searches every expression in text itself; entries that are IP addresses compare the whole text. */
bool conf_filter_matches_text(struct conf_filter *f, const char *text);
bool conf_filter_empty(const struct conf_filter *f);
uint64_t conf_filter_limit_hits(const struct conf_filter *f); /* see rx_limit_hits */

#endif
