/* topo/version.h — server versions and flavours. Pure. Reference: probing.md sections 3 and 5.
 *
 * Versions compare as numbers, not as strings: historically 8.0.4 sorted above 8.0.14 and got statements it doesn't
 * know. A version text starts with up to four dot-separated numbers; what follows ("-MariaDB-log") does not count. */
#ifndef TOPO_VERSION_H
#define TOPO_VERSION_H

#include "base/base.h"

/* <0, 0, >0. Missing numbers count as 0; a text that starts with no digit ("", "Unknown") is below every number. */
int topo_version_cmp(const char *a, const char *b);
/* As above over the first two numbers only. */
int topo_version_cmp_major(const char *a, const char *b);
/* False when the version is unknown. */
bool topo_version_at_least(const char *version, unsigned major, unsigned minor, unsigned patch);
bool topo_version_known(const char *version);

/* First two dot-separated tokens as text, "0.0" if there are fewer; cut at TOPO_MAJOR_BYTES. Column major_version. */
#define TOPO_MAJOR_BYTES 17
void topo_version_major(const char *version, char ret[TOPO_MAJOR_BYTES]);

bool topo_is_mariadb(const char *version);
bool topo_is_percona(const char *version_comment);
bool topo_is_maxscale(const char *version);
bool topo_is_ndb(const char *version);
bool topo_is_oracle_mysql(const char *version, const char *version_comment); /* none of MariaDB, Percona, MaxScale */
/* "MySQL", "MariaDB", "Percona" or "MaxScale", tested in the historical order. Constants. */
const char *topo_flavor_name(const char *version, const char *version_comment);

#endif
