/* fake_node.h — apid inside a test's own process: the real listeners, reader threads, links and handlers; a database
 * that the test fills; and the test's own raftd and supervisor at the other ends of the links. Nothing here sleeps:
 * each wait runs the event loop until its condition holds, and aborts after FAKE_PATIENCE_MS.
 *
 * proc.h's functions are fake_node.c's: link it before proc_dep. One node at a time. Time: wall is FAKE_NOW and stands
 * still, mono is real plus fake_clock_shift(). */
#ifndef FAKE_NODE_H
#define FAKE_NODE_H

#include "ap.h"
#include "db/db.h"

#define FAKE_NOW ((struct wall){INT64_C(1767607200) * CLK_S}) /* 2026-01-05 10:00:00 */
#define FAKE_HOSTNAME "orc1"
#define FAKE_TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FAKE_PATIENCE_MS 10000

struct fake_raftd;

struct fake_node {
	struct ap *ap;
	struct event_base *base;
	char dir[64];		  /* everything lives here */
	char client[96], ctl[96]; /* sockets: ListenSocket, and the one of `orchestrator -c` */
	char db_path[96];
	struct db *db; /* open for writing, as raftd has it; NULL until fake_db_open */
	struct fake_raftd *raftd;
};

/* config: keys laid over a small configuration, as JSON text ("{}"). The links need half a
 * second to come up, which requests to raftd wait for. */
void fake_node_start(struct fake_node *n, const char *config);
/* The same without a database: fake_db_open makes it. */
void fake_node_start_bare(struct fake_node *n, const char *config);
/* Stops everything in main.c's order; requests that still wait are answered. */
void fake_node_stop(struct fake_node *n);

void fake_db_open(struct fake_node *n);
/* Statements separated by ";\n". */
void fake_sql(struct fake_node *n, const char *sql);
void fake_clock_shift(int64_t us);

/* --- raftd ----------------------------------------------------------------------------------------------------- */
/* Replies to come: code 0 or negative, message, and the asked key; mute: none is sent. Default: code 0. */
void fake_raftd_reply(struct fake_node *n, int64_t code, const char *message);
void fake_raftd_mute(struct fake_node *n, bool mute);
/* Number of requests so far. */
size_t fake_raftd_asked(const struct fake_node *n);
/* The last request as text: "BEGIN_DOWNTIME user= key=db1:3306 owner=me …", without its id; borrowed. */
const char *fake_raftd_last(const struct fake_node *n);
/* Publishes a state; returns when apid has it. */
void fake_raftd_publish(struct fake_node *n, bool is_leader, bool backend_ok);
/* The process ends (as the supervisor tells it), and comes back as another generation. */
void fake_raftd_kill(struct fake_node *n);
void fake_raftd_restart(struct fake_node *n);

/* --- clients --------------------------------------------------------------------------------------------------- */
struct fake_client {
	int fd;
	struct str_buf in;
	bool eof;
};
void fake_client_open(struct fake_node *n, struct fake_client *c, const char *socket_path);
void fake_client_close(struct fake_client *c);
void fake_client_send(struct fake_node *n, struct fake_client *c, const char *bytes);
/* Runs the loop until the server has closed the connection. */
void fake_client_drain(struct fake_node *n, struct fake_client *c);
/* Runs the loop until c->in holds count times text. */
void fake_client_expect(struct fake_node *n, struct fake_client *c, const char *text, int count);

struct fake_answer {
	int status;
	char *head; /* status line and headers */
	char *body;
};
/* "GET /api/clusters", on a connection of its own. fake_answer_done frees it. */
struct fake_answer fake_request(struct fake_node *n, const char *request);
void fake_answer_done(struct fake_answer *a);

/* Runs the loop until fn is true. */
void fake_wait(struct fake_node *n, const char *what, bool (*fn)(struct fake_node *n, void *ctx), void *ctx);
/* One turn of the loop. */
void fake_turn(struct fake_node *n);

#endif
