/* ap_multi.c — see ap_multi.h. Owns curl's multi handle, an event for each of its sockets, and its timer. */
#include "ap_multi.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

struct ap_multi {
	struct event_base *base;
	CURLM *curl;
	struct event *timer;
};

static void
report_done(struct ap_multi *m)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(m->curl, &left)) != NULL) {
		CURL *easy = msg->easy_handle;
		CURLcode rc = msg->data.result;
		struct ap_transfer *t = NULL;
		if (msg->msg != CURLMSG_DONE)
			continue;
		ASSERT(curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t) == CURLE_OK && t != NULL);
		ASSERT(curl_multi_remove_handle(m->curl, easy) == CURLM_OK);
		t->on_done(t->ctx, easy, rc);
	}
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct ap_multi *m = arg;
	int mask = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
	int running;

	(void)curl_multi_socket_action(m->curl, fd, mask, &running);
	report_done(m);
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	on_event(CURL_SOCKET_TIMEOUT, 0, arg);
}

/* curl wants this socket watched, in another way, or no more. */
static int
on_socket(CURL *easy UNUSED, curl_socket_t fd, int what, void *ctx, void *of_socket)
{
	struct ap_multi *m = ctx;
	struct event *event = of_socket;
	int mask = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);

	if (event != NULL)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE) {
		event = event_new(m->base, fd, (short)(mask | EV_PERSIST), on_event, m);
		ASSERT(event != NULL && event_add(event, NULL) == 0);
	}
	(void)curl_multi_assign(m->curl, fd, event);
	return 0;
}

static int
on_timer_wanted(CURLM *curl UNUSED, long ms, void *ctx)
{
	struct ap_multi *m = ctx;
	struct timeval tv = clk_timeval(ms * CLK_MS);

	if (ms < 0)
		(void)event_del(m->timer);
	else
		ASSERT(event_add(m->timer, &tv) == 0);
	return 0;
}

struct ap_multi *
ap_multi_new(struct event_base *base)
{
	struct ap_multi *m = mem_new(struct ap_multi);

	ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	m->base = base;
	m->curl = curl_multi_init();
	m->timer = event_new(base, -1, 0, on_timer, m);
	ASSERT(m->curl != NULL && m->timer != NULL);
	(void)curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
	(void)curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
	(void)curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
	(void)curl_multi_setopt(m->curl, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	(void)curl_multi_setopt(m->curl, CURLMOPT_MAXCONNECTS, (long)AP_MULTI_IDLE_MAX);
	(void)curl_multi_setopt(m->curl, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)AP_MULTI_CONNECTIONS_MAX);
	return m;
}

void
ap_multi_free(struct ap_multi *m)
{
	if (m == NULL)
		return;
	(void)curl_multi_cleanup(m->curl);
	event_free(m->timer);
	free(m);
}

void
ap_multi_add(struct ap_multi *m, CURL *easy, struct ap_transfer *t)
{
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	ASSERT(curl_multi_add_handle(m->curl, easy) == CURLM_OK);
}

void
ap_multi_remove(struct ap_multi *m, CURL *easy)
{
	ASSERT(curl_multi_remove_handle(m->curl, easy) == CURLM_OK);
}
