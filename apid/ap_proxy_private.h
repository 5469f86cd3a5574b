/* ap_proxy_private.h — one relayed request, shared by ap_proxy.c (its course) and ap_relay.c (one attempt of it). */
#ifndef AP_PROXY_PRIVATE_H
#define AP_PROXY_PRIVATE_H

#include <event2/keyvalq_struct.h>
#include <sys/queue.h>

#include "ap_multi.h"
#include "ap_proxy.h"
#include "ap_where.h"

#define AP_RELAY_HEADERS_MAX 100
#define AP_RELAY_HEADER_BYTES_MAX (64 * 1024)

struct ap_relay {
	TAILQ_ENTRY(ap_relay) next;
	struct ap_proxy *p;
	struct ap_request *rq;
	bool changes;

	/* the attempt under way; easy NULL: waits until next_try */
	CURL *easy;
	struct ap_transfer transfer;
	struct curl_slist *headers;
	char *leader; /* whom it asks; of the last attempt when there is none under way */
	char error[CURL_ERROR_SIZE];
	struct mono deadline;
	bool hurried;	/* the leader has changed: it has little time left */
	bool timed_out; /* by the deadline */
	bool in_multi;
	struct mono next_try;

	/* what came back so far */
	int status;
	struct evkeyvalq answer; /* headers to pass on */
	size_t n_headers, header_bytes;
	char *connection; /* value of its Connection header */
	bool not_leader, too_large;
	uint64_t index;
	bool streaming, paused;
	bool finishing, was_empty; /* all has come; the client's buffer was empty when last looked at */
};

/* ap_relay.c: makes r->easy for the current leader. */
void ap_relay_prepare(struct ap_relay *r, const struct ipc_state *state);
/* Frees what belongs to the attempt; r->easy must be out of the multi handle. */
void ap_relay_reset(struct ap_relay *r);
/* Puts the answer's headers into the client's answer. */
void ap_relay_copy_headers(struct ap_relay *r);

#endif
