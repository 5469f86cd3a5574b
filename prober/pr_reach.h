/* pr_reach.h — does anything accept TCP connections there, does it greet? Blocks up to a deadline: for threads. */
#ifndef PR_REACH_H
#define PR_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

struct addrinfo;

/* One address after the other, wait_ms in all. False: error says why of the first one, as the historical program did:
 * "dial tcp 10.0.0.1:3306: connect: connection refused". */
bool pr_reach(const struct addrinfo *list, uint16_t port, int64_t wait_ms, char *error, size_t error_bytes);

/* What is at a numeric address: 0 = it says something, else an errno. ETIMEDOUT: nothing happens; ECONNRESET: it takes
 * connections and closes them. */
int pr_reach_hear(const char *address, uint16_t port, struct mono until);

#endif
