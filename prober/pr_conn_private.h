/* pr_conn_private.h — between pr_conn.c and pr_conn_login.c, the two sides of the door to the client library. */
#ifndef PR_CONN_PRIVATE_H
#define PR_CONN_PRIVATE_H

#include <mysql.h>
#include <errmsg.h>

#include "base/base.h"

/* The library has read for the batch that runs, if one does: n bytes, or 0 (end of file), or (size_t)-1 with errno. */
void pr_conn_on_read(size_t n, int error);

#endif
