/* ap_listen.h — listening sockets of apid: TCP and Unix. Blocks (names are resolved): for the start only. */
#ifndef AP_LISTEN_H
#define AP_LISTEN_H

#include "base/base.h"
#include "base/err.h"

/* address: "host:port", ":port", "[v6]:port". The socket is non-blocking and close-on-exec; TCP_NODELAY is set, and
 * inherited by accepted connections (evhttp has 40 ms stalls without: libraries.md section 6). ":port" serves both IP
 * versions. */
int ap_listen_tcp(const char *address, int *ret_fd, struct err *e) MUST_USE;
/* A socket file that nobody serves any more is replaced. One that is served is ERR_BUSY; any other kind of file is
 * left alone: ERR_CONFIG. */
int ap_listen_unix(const char *path, int *ret_fd, struct err *e) MUST_USE;

#endif
