/* pr_evidence.h — what an attempt to reach a server proves: design.md section 6, failover-timing.md section 2. Pure.
 *
 * A whole greeting or any error packet proves life; an accepted TCP connection doesn't: the kernel accepts for stopped
 * processes and for killed ones whose memory it is still freeing. */
#ifndef PR_EVIDENCE_H
#define PR_EVIDENCE_H

#include "topo/topo.h"

/* How an attempt ended, as the client library and the socket told it. */
struct pr_failure {
	int64_t err_no; /* the library's or the server's error number, 0 = none */
	int sys_errno;	/* of the socket operation that failed, 0 = unknown */
	bool timed_out; /* our deadline passed */
	bool greeted;	/* the server's first packet had arrived whole */
	bool closed;	/* end of file or reset */
	bool cancelled; /* by ourselves: nothing learnt */
	char text[512]; /* for people; no secrets in it */
};

#define PR_ERR_PRIVILEGE 1227 /* the server's: a statement needs a global privilege that the login does not have */

/* Numbers made by the client library rather than sent by the server. */
bool pr_errno_is_clients(int64_t err_no);
/* "Access denied", for instance.access_denied and for UseMixedTLS. */
bool pr_errno_is_denied(int64_t err_no);
/* The server wants TLS (UseMixedTLS): by number, historically by texts that no longer matched. */
bool pr_errno_wants_tls(int64_t err_no);

/* The library reports the reason of a failed connect only as "(111)" at the end of its text; 0 when there is none. */
int pr_evidence_errno_of_text(const char *text);
/* In TLS mode an error packet before the handshake is reported as "… cannot be verified: 1040 - text"; 0 when not. */
int64_t pr_evidence_hidden_error(const char *text);

enum topo_evidence pr_evidence(const struct pr_failure *f);

#endif
