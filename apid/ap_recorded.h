/* ap_recorded.h — topologies of the past, as snapshot-topologies recorded them (probing.md section 13). For reader
 * threads. */
#ifndef AP_RECORDED_H
#define AP_RECORDED_H

#include "ap_instances.h"

#define AP_RECORDED_PATTERN_MAX 64
#define AP_RECORDED_MAX 10000 /* snapshots of a cluster that are looked at, from the newest on */

/* The servers of the cluster in its newest snapshot whose time (seconds since 1970, as text) fits pattern: a regular
 * expression, in which % and _ stand for any text and any digit too, for the historical program knew both kinds,
 * depending on its backend. They have a key and a source, and nothing else. ERR_NOT_FOUND: there is no such snapshot.
 * Zero-initialise list; it is to be freed in any case. */
int ap_read_recorded(struct ap_reader *r, const char *cluster, const char *pattern, struct ap_instance_list *list,
		     struct err *e) MUST_USE;

#endif
