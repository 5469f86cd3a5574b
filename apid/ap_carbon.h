/* ap_carbon.h — lines of text to a TCP server (Graphite's plaintext protocol), by a thread, so that neither names that do
 * not resolve nor a server that does not read keeps the loop waiting.
 *
 * Each time there are lines, the thread connects, sends all of them, and closes when the server does, or after
 * AP_CARBON_CLOSE_MS. A server that cannot be reached, that takes longer than AP_CARBON_SEND_MS or that throws away what it
 * has not read gets the same lines again, after 1 second, 2, 4 … 60: to Graphite a line twice is the line once. Bound:
 * AP_CARBON_BYTES wait; beyond that the oldest lines go, counted. Failures are logged when they begin and when they end. */
#ifndef AP_CARBON_H
#define AP_CARBON_H

#include "base/base.h"

#define AP_CARBON_BYTES ((size_t)1 << 20)
#define AP_CARBON_CONNECT_MS 5000
#define AP_CARBON_SEND_MS 10000
#define AP_CARBON_CLOSE_MS 10000

struct ap_carbon;
struct ap_carbon *ap_carbon_new(void); /* the thread begins with the first lines */
/* What it does ends at once; a look-up that hangs is left to itself. What was not sent is lost. NULL is fine. */
void ap_carbon_free(struct ap_carbon *c);

/* text: whole lines. address: "host:port", for these lines and those that wait. */
void ap_carbon_send(struct ap_carbon *c, const char *address, const char *text, size_t n);

struct ap_carbon_stats {
	uint64_t sent, dropped; /* lines */
	uint64_t failures;	/* of connections */
};
struct ap_carbon_stats ap_carbon_stats(struct ap_carbon *c); /* NULL: zeroes */

#endif
