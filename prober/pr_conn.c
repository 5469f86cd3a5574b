/* pr_conn.c — batches of statements on open connections. With pr_conn_login.c the only includer of the MySQL client
 * library (MariaDB Connector/C 3.3 or newer). See pr_conn.h.
 *
 * Facts this rests on, read in the library's source and measured (reference/libraries.md section 1):
 *   - mysql_read_query_result calls through the handle's table of methods. Ours runs the whole batch inside the
 * library's coroutine, as straight-line code: write all statements, read all answers. It takes packets with
 *     mysql_net_read_packet and never lets the library parse a result.
 *   - ma_pvio_register_callback: every read is seen before the library sees it: a server that never stops sending is
 * cut off.
 *   - After shutdown(2) no call waits any more, so a suspended coroutine unwinds at once.
 * Owns handles, sockets and their events. Called by pr_target.c and pr_step.c in the loop. */
#include "pr_conn.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/str.h"
#include "pr_conn_private.h"
#include "pr_wire.h"

#define COLUMNS_MAX 256
#define ARENA_MAX ((size_t)32 << 20)
#define UNWIND_MAX 1000
/* A server's answers to a batch come one by one, each a wake-up of 20 us or more. A batch that is not urgent lets them
 * gather, this long, so many times; a server that takes longer is waited for as usual. */
#define PATIENCE_US INT64_C(2000)
#define PATIENCE_TIMES 6

struct pr_conn {
	MYSQL *mysql;
	int fd;			/* -1 once the library has closed it */
	struct event *readable; /* always on: an idle connection that ends is news */
	struct event *writable; /* on while the coroutine waits for it */
	struct event *later;	/* for ends that come without waiting, and for patience */
	bool reads, writes;	/* which of the events are on */
	int patience;		/* how many more times answers may gather before we look */
	const struct pr_conn_events *ev;
	void *ctx;
	int waits_for; /* MYSQL_WAIT_*; 0 = no coroutine is suspended */
	bool busy, usable, tls;
	struct mono answered_at;
	size_t answers, read_bytes;
	struct pr_query *queries;
	size_t n_queries;
	struct mem_arena *arena;
	struct pr_failure failure;
};

static struct st_mariadb_methods methods; /* the library's, with our read_query_result */
static struct pr_conn *running_conn;	  /* the loop is one thread */

static struct mono
now(void)
{
	return clk_mono(clk_real());
}

/* From now on nothing waits for this connection. */
static void
cut(struct pr_conn *c)
{
	if (c->fd >= 0)
		(void)shutdown(c->fd, SHUT_RDWR);
}

/* The library has read n bytes; 0 or -1: it failed. */
void
pr_conn_on_read(size_t n, int error)
{
	struct pr_conn *c = running_conn;

	if (c == NULL)
		return;
	if (n == 0 || n == (size_t)-1) {
		c->failure.closed = true;
		c->failure.sys_errno = error;
		return;
	}
	c->read_bytes += n;
	if (c->read_bytes > PR_ANSWER_BYTES)
		cut(c);
}

/* --- a batch, inside the coroutine ------------------------------------------------------------------------------ */

/* The library calls some nonsense a lost connection; when nothing is lost, whoever sent it lives. */
static void
note_failure(struct pr_conn *c)
{
	bool floods = c->read_bytes > PR_ANSWER_BYTES, babbles = c->read_bytes > 0 && !c->failure.closed;
	const char *text = floods    ? "the server sends too much"
			   : babbles ? "the answer breaks the protocol"
				     : mysql_error(c->mysql);

	c->usable = false;
	if (c->failure.text[0] != '\0')
		return;
	c->failure.err_no = mysql_errno(c->mysql);
	c->failure.greeted = floods || babbles;
	(void)str_copy(c->failure.text, sizeof(c->failure.text), text);
}

/* One segment for all statements of a batch instead of one each. */
static void
cork(const struct pr_conn *c, int on)
{
	if (c->fd >= 0)
		(void)setsockopt(c->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

static bool
send_all(struct pr_conn *c)
{
	for (size_t i = 0; i < c->n_queries; i++) {
		struct pr_query *q = &c->queries[i];
		int rc;

		if (q->not_after.us != 0 && !mono_before(now(), q->not_after)) {
			q->late = true;
			c->n_queries = i; /* nothing after it is sent either */
			return true;
		}
		q->sent = true;
		if (q->sql == NULL)
			rc = methods.db_command(c->mysql, COM_PING, NULL, 0, 1, NULL);
		else
			rc = mysql_send_query(c->mysql, q->sql, strlen(q->sql));
		if (rc != 0) {
			note_failure(c);
			return false;
		}
	}
	return true;
}

static enum pr_wire_next
read_packet(struct pr_conn *c, struct pr_wire *w)
{
	unsigned long n = mysql_net_read_packet(c->mysql);
	struct err e;
	enum pr_wire_next next;

	if (n == packet_error && pr_errno_is_clients(mysql_errno(c->mysql)))
		return PR_WIRE_BAD;
	if (n == packet_error) {
		pr_wire_error(w, mysql_errno(c->mysql), mysql_error(c->mysql));
		return PR_WIRE_DONE;
	}
	next = pr_wire_packet(w, c->mysql->net.read_pos, n, &e);
	if (next == PR_WIRE_BAD) {
		(void)str_copy(c->failure.text, sizeof(c->failure.text), e.msg);
		c->failure.greeted = true; /* it talks nonsense, but it talks */
	}
	return next;
}

static bool
read_all(struct pr_conn *c)
{
	for (size_t i = 0; i < c->n_queries; i++) {
		struct pr_query *q = &c->queries[i];
		struct pr_wire_limits limits = {
		    .cols = COLUMNS_MAX, .rows = q->keep_rows, .bytes = PR_ANSWER_BYTES, .memory = ARENA_MAX};
		enum pr_wire_next next;
		struct pr_wire w;

		pr_wire_begin(&w, &limits, c->arena, &q->rows);
		do
			next = read_packet(c, &w);
		while (next == PR_WIRE_MORE);
		if (next == PR_WIRE_BAD) {
			note_failure(c);
			return false;
		}
		c->answers++;
		c->answered_at = now();
	}
	return true;
}

static int
run_batch(MYSQL *m UNUSED)
{
	struct pr_conn *c = running_conn;
	bool several = c->n_queries > 1, ok;

	if (several)
		cork(c, 1);
	ok = send_all(c);
	if (ok && several)
		cork(c, 0);
	if (ok)
		(void)read_all(c);
	return 0;
}

/* --- connections in the loop ------------------------------------------------------------------------------------ */

static void
set_reading(struct pr_conn *c, bool on)
{
	if (c->reads == on)
		return;
	c->reads = on;
	if (on)
		ASSERT(event_add(c->readable, NULL) == 0);
	else
		(void)event_del(c->readable);
}

static void
set_writing(struct pr_conn *c, bool on)
{
	if (c->writes == on)
		return;
	c->writes = on;
	if (on)
		ASSERT(event_add(c->writable, NULL) == 0);
	else
		(void)event_del(c->writable);
}

/* Looks again at the next even tick: then many connections' ticks are one wake-up of the loop. */
static void
look_later(struct pr_conn *c)
{
	struct timeval wait = clk_timeval(2 * PATIENCE_US - now().us % PATIENCE_US);

	c->patience--;
	ASSERT(event_add(c->later, &wait) == 0);
}

/* The read event is on except while only writing is waited for (it is level-triggered) or answers may gather. */
static void
watch(struct pr_conn *c, int waits_for)
{
	bool reads = (waits_for & MYSQL_WAIT_READ) != 0, writes = (waits_for & MYSQL_WAIT_WRITE) != 0;
	bool gathers = reads && !writes && c->patience > 0;

	c->waits_for = waits_for;
	if (c->fd < 0)
		return;
	set_reading(c, (reads || !writes) && !gathers);
	set_writing(c, writes);
	if (gathers)
		look_later(c);
}

static void
batch_ended(struct pr_conn *c)
{
	c->busy = false;
	c->ev->on_end(c->ctx, c);
}

/* The library closes a lost socket by itself. A thread that logs in may have the number at once: the loop must not watch it. */
static int
resume(struct pr_conn *c, int events)
{
	my_bool ret;
	int waits_for;

	set_reading(c, false);
	set_writing(c, false);
	running_conn = c;
	waits_for = events == 0 ? mysql_read_query_result_start(&ret, c->mysql)
				: mysql_read_query_result_cont(&ret, c->mysql, events);
	running_conn = NULL;
	if (c->mysql->net.pvio == NULL)
		c->fd = -1; /* closed by the library */
	return waits_for;
}

static void
go_on(struct pr_conn *c, int events)
{
	watch(c, resume(c, events));
	if (c->waits_for == 0)
		batch_ended(c);
}

static enum topo_evidence
look(struct pr_conn *c)
{
	struct pr_failure f = {.closed = true};
	char byte;
	ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n > 0)
		return TOPO_EVIDENCE_ANSWERED;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return TOPO_EVIDENCE_NONE;
	f.sys_errno = n < 0 ? errno : 0;
	return pr_evidence(&f);
}

static void
on_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct pr_conn *c = arg;
	enum topo_evidence evidence;

	if (c->waits_for != 0) {
		if ((c->waits_for & MYSQL_WAIT_READ) != 0)
			go_on(c, MYSQL_WAIT_READ);
		return;
	}
	if (c->busy)
		return; /* its end is being told */
	evidence = look(c);
	if (evidence == TOPO_EVIDENCE_NONE)
		return;
	if (evidence != TOPO_EVIDENCE_ANSWERED) {
		c->usable = false;
		set_reading(c, false);
	}
	c->ev->on_idle_event(c->ctx, c, evidence);
}

static void
on_writable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct pr_conn *c = arg;

	if ((c->waits_for & MYSQL_WAIT_WRITE) != 0)
		go_on(c, MYSQL_WAIT_WRITE);
}

static void
on_later(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct pr_conn *c = arg;

	if ((c->waits_for & MYSQL_WAIT_READ) != 0)
		go_on(c, MYSQL_WAIT_READ);
	else if (c->busy && c->waits_for == 0)
		batch_ended(c);
}

struct pr_conn *
pr_conn_adopt(struct event_base *base, struct pr_login *l, const struct pr_conn_events *ev, void *ctx)
{
	struct pr_conn *c = mem_new(struct pr_conn);

	ASSERT(l->ok && l->handle != NULL);
	c->mysql = l->handle;
	l->handle = NULL;
	if (methods.db_command == NULL) {
		methods = *c->mysql->methods;
		methods.db_read_query_result = run_batch;
	}
	c->mysql->methods = &methods;
	c->fd = (int)mysql_get_socket(c->mysql);
	(void)evutil_make_socket_nonblocking(c->fd);
	c->usable = true;
	c->tls = l->tls_used;
	c->answered_at = now();
	c->ev = ev;
	c->ctx = ctx;
	c->readable = event_new(base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, c->fd, EV_WRITE | EV_PERSIST, on_writable, c);
	c->later = event_new(base, -1, 0, on_later, c);
	ASSERT(c->readable != NULL && c->writable != NULL && c->later != NULL);
	set_reading(c, true);
	return c;
}

void
pr_conn_run(struct pr_conn *c, struct pr_query *v, size_t n, struct mem_arena *arena, bool patient)
{
	ASSERT(c->usable && !c->busy && n > 0 && n <= PR_BATCH_MAX);
	c->busy = true;
	c->queries = v;
	c->n_queries = n;
	c->arena = arena;
	c->answers = c->read_bytes = 0;
	c->patience = patient ? PATIENCE_TIMES : 0;
	memset(&c->failure, 0, sizeof(c->failure));
	watch(c, resume(c, 0));
	if (c->waits_for == 0)
		event_active(c->later, EV_TIMEOUT, 1);
}

void
pr_conn_cancel(struct pr_conn *c)
{
	if (!c->busy)
		return;
	c->usable = false;
	c->patience = 0;
	cut(c);
	for (int i = 0; c->waits_for != 0; i++) {
		ASSERT(i < UNWIND_MAX);
		watch(c, resume(c, MYSQL_WAIT_READ | MYSQL_WAIT_WRITE));
	}
	c->busy = false;
}

static void
set_free(struct pr_conn *c)
{
	event_free(c->readable);
	event_free(c->writable);
	event_free(c->later);
	if (!c->usable)
		cut(c); /* so that the library's goodbye cannot wait */
	mysql_close(c->mysql);
	free(c);
}

void
pr_conn_close(struct pr_conn *c)
{
	if (c == NULL)
		return;
	pr_conn_cancel(c);
	set_free(c);
}

void
pr_conn_abort(struct pr_conn *c)
{
	struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	if (c->fd >= 0)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	pr_conn_close(c);
}

bool
pr_conn_usable(const struct pr_conn *c)
{
	return c->usable;
}

bool
pr_conn_busy(const struct pr_conn *c)
{
	return c->busy;
}

size_t
pr_conn_answers(const struct pr_conn *c)
{
	return c->answers;
}

struct mono
pr_conn_answered_at(const struct pr_conn *c)
{
	return c->answered_at;
}

const struct pr_failure *
pr_conn_failure(const struct pr_conn *c)
{
	return &c->failure;
}

bool
pr_conn_tls(const struct pr_conn *c)
{
	return c->tls;
}

const char *
pr_conn_server_version(const struct pr_conn *c)
{
	return mysql_get_server_info(c->mysql);
}

size_t
pr_conn_unacknowledged(const struct pr_conn *c)
{
	int n = 0;

	return c->fd >= 0 && ioctl(c->fd, SIOCOUTQ, &n) == 0 && n > 0 ? (size_t)n : 0;
}
