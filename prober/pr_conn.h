/* pr_conn.h — connections to probed servers; the one door to the MySQL client library, narrow enough for another
 *client.
 *
 * Two phases, as measured in reference/libraries.md section 1:
 *   login   pr_login_run blocks in a connector thread (DNS, TCP, TLS, authentication) but never beyond its deadline:
 *the library waits through our own poll, whose deadline is the login's, not an I/O operation's. queries run in the
 *loop: pr_conn_run sends a batch of statements in one go and reads their answers one after the other (pipelining, no
 *multi-statements); each has its own result. The socket is non-blocking, and the answers are read by pr_wire.c under
 *limits, not by the library. No deadline is kept here for batches: the owner cancels with pr_conn_cancel. Nothing
 *reconnects by itself. Passwords stay inside the library; no text made here contains them. */
#ifndef PR_CONN_H
#define PR_CONN_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pr_evidence.h"
#include "pr_rows.h"
#include "topo/topo.h"

struct event_base;

/* Once per process, before the first thread starts. */
int pr_conn_global_init(struct err *e) MUST_USE;
/* All logins under way end soon; later ones fail at once. */
void pr_login_stop_all(void);

/* --- login ------------------------------------------------------------------------------------------------------ */

enum pr_login_stage { PR_LOGIN_QUEUED, PR_LOGIN_RESOLVING, PR_LOGIN_CONNECTING };
enum pr_tls_mode { PR_TLS_OFF, PR_TLS_ON, PR_TLS_IF_DEMANDED /* plain first: UseMixedTLS */ };

struct pr_login {
	/* In; strings are borrowed and must not change until the login has ended. */
	const char *host;
	unsigned port;
	const char *user, *password;
	enum pr_tls_mode tls;
	bool tls_verify; /* chain and host name */
	const char *ca_file, *cert_file,
	    *key_file;	   /* "" = none; without ca_file the system's directory is the trust root */
	struct mono asked; /* when it was submitted: a busy lane lets time go by */
	struct mono deadline;
	size_t max_packet;     /* bytes */
	bool multi_statements; /* a text may hold several, with ";" between them */
	/* In and out: the numeric address at which it last let us in, "" = unknown. Once the name is gone (a container's goes
	 * with the container), a server that neither greets nor takes connections there is not merely one of unknown name. */
	char address[46];
	/* Private to pr_conn_login.c */
	size_t seen_bytes, greeting_bytes;
	bool error_first;
	/* Any thread: how far it is; and nobody waits for it any more: if it has not begun, it needn't. */
	_Atomic(enum pr_login_stage) stage;
	atomic_bool abandoned;
	/* Out */
	bool ok;
	void *handle; /* for pr_conn_adopt or pr_login_drop */
	bool tls_used;
	bool tls_demanded; /* found out now: plain was refused, and the server asks for TLS or let us in with it */
	struct mono waited_from;   /* for the server, no longer for a thread or its name; 0 = it never came to that */
	struct mono greeted_at;	   /* 0 = never; the server lived then */
	struct pr_failure failure; /* why not ok */
};

/* Blocking; a connector thread's job. A login that was never run is one that failed, cancelled. */
void pr_login_init(struct pr_login *l);
void pr_login_run(struct pr_login *l);
/* Closes what was not adopted. */
void pr_login_drop(struct pr_login *l);

/* --- queries ---------------------------------------------------------------------------------------------------- */

struct pr_query {
	const char *sql; /* borrowed until the batch has ended; NULL = ping */
	size_t keep_rows;
	struct mono not_after; /* 0 = none; compared immediately before the write: later it is not sent */
	bool sent;	       /* may have reached the socket */
	bool late;	       /* was not sent because of not_after */
	struct pr_rows rows;   /* in the batch's arena */
};

#define PR_BATCH_MAX 40 /* statements */
#define PR_BATCH_BYTES \
	((size_t)8 << 10) /* of statements: less than any socket buffer, so that sending never waits for reading */
#define PR_ANSWER_BYTES ((size_t)8 << 20) /* of all answers to a batch */

struct pr_conn;

struct pr_conn_events {
	/* The batch has ended: by answers (pr_conn_usable), or by failure. Never called from within pr_conn_run. */
	void (*on_end)(void *ctx, struct pr_conn *c);
	/* Nothing was asked, and the server closed (RESET, TIMED_OUT, …) or says something (ANSWERED): ask it, or
	 * close. */
	void (*on_idle_event)(void *ctx, struct pr_conn *c, enum topo_evidence evidence);
};

/* Takes the handle of a login that is ok. */
struct pr_conn *pr_conn_adopt(struct event_base *base, struct pr_login *l, const struct pr_conn_events *ev, void *ctx);
/* NULL is fine. Says goodbye if the connection is usable. Not from within a pr_conn_run of the same connection. */
void pr_conn_close(struct pr_conn *c);
/* As close, but the kernel forgets what it has not delivered: a late statement must not arrive. */
void pr_conn_abort(struct pr_conn *c);

/* At most PR_BATCH_MAX statements of PR_BATCH_BYTES together (a longer one alone). v and arena live until the end. The
 * connection must be usable and idle. patient: some milliseconds later will do as well, with fewer wake-ups. */
void pr_conn_run(struct pr_conn *c, struct pr_query *v, size_t n, struct mem_arena *arena, bool patient);
/* Ends the batch now, without on_end; answers that came are in place. The connection is not usable any more. */
void pr_conn_cancel(struct pr_conn *c);

bool pr_conn_usable(const struct pr_conn *c);
bool pr_conn_busy(const struct pr_conn *c);
size_t pr_conn_answers(const struct pr_conn *c);		   /* complete ones of the current or last batch */
struct mono pr_conn_answered_at(const struct pr_conn *c);	   /* the last of them ever, or of the greeting */
const struct pr_failure *pr_conn_failure(const struct pr_conn *c); /* of the last batch; all zero without one */
bool pr_conn_tls(const struct pr_conn *c);
const char *pr_conn_server_version(const struct pr_conn *c); /* as greeted */
/* Bytes written but not yet acknowledged by the other side's kernel; 0 when unknown. */
size_t pr_conn_unacknowledged(const struct pr_conn *c);

#endif
