/* rd_group.h — this node's part in the raft group: the shell that joins consensus/ (decisions), the log writer (disk),
 * net/ (other nodes), state/ (what was decided) and apid's requests. All of it runs in the loop.
 *
 * Life (enum rd_group_phase): the directory is opened → a blank node founds or joins (rd_found.h) → memory is taken from
 * the backend, or from the newest snapshot when the backend doesn't fit → member. A failure of the directory, or an
 * entry of a newer build, ends the membership: the node says why and stops voting. Design: design.md sections 3, 4, 8. */
#ifndef RD_GROUP_H
#define RD_GROUP_H

#include "ipc/ipc.h"
#include "rd_node_private.h"

struct rd_group;

#define RD_ELECTORATE_MAX 15

/* Opens RaftDataDir and listens. Errors are the configuration's or the machine's: the process should end with *ret_exit. */
int rd_group_start(struct rd_node *n, struct rd_group **ret_group, int *ret_exit, struct err *e) MUST_USE;
void rd_group_free(struct rd_group *g); /* NULL is fine */
/* The backend is read and its servers are taken over (n->loading): memory can be made as soon as the directory is open. */
void rd_group_backend_read(struct rd_group *g);
void rd_group_reload(struct rd_group *g);
/* Whether the audit entries of the command at index are in the backend already, from before this process. */
bool rd_group_is_audited(struct rd_group *g, uint64_t index);

/* Whether this node leads and may decide: its lease holds and all of former terms is applied. */
bool rd_group_leads(struct rd_group *g);
/* The same, in which term and until when; written only with true. */
bool rd_group_lease(struct rd_group *g, uint64_t *ret_term, struct mono *ret_end);
/* Whether a majority of the group was heard of within the last moments. */
bool rd_group_in_quorum(struct rd_group *g);
/* Whether a leader may take an operator's change: not before its group has an id. Until then decisions of a life without
 * raft may still be taken over, and would undo what is acknowledged here. */
int rd_group_takes_changes(struct rd_group *g, struct err *e) MUST_USE;
/* The backend still holds decisions of a life without raft, which the group does not have yet: what is derived from decisions
 * stays as it is. */
bool rd_group_holds_former(const struct rd_group *g);
/* Servers that this node has found, to the leader (bounded; lost when there is none: the next probe names them again). */
void rd_group_candidates(struct rd_group *g, const struct topo_key_list *keys);
/* Who votes about suspected servers: the group's voters, this node among them (names are borrowed until members change);
 * the term; false: there is no group yet. */
struct rd_electorate {
	const char *self;
	const char *names[RD_ELECTORATE_MAX];
	size_t n;
	uint64_t term;
};
bool rd_group_electorate(struct rd_group *g, struct rd_electorate *ret);
/* A message of rd_vote.h; false: that node is not connected, or too slow. */
bool rd_group_say_view(struct rd_group *g, const char *peer, const void *p, size_t n);
/* An effect of a command of the present term that concerns the group. */
void rd_group_effect(struct rd_group *g, const struct rd_applied *a, const struct rd_effect *x);

/* SIGTERM: hands leadership over first, then ends the log writer; done is called once, within wait_us and a little. */
void rd_group_stop(struct rd_group *g, int64_t wait_us, void (*done)(struct rd_node *n));
/* The backend has been failing for so long: a leader hands over. */
void rd_group_give_way(struct rd_group *g, const char *why);

/* apid has heard the event of that number, and that this node leads no longer. */
void rd_group_lease_seen(struct rd_group *g, uint64_t seq);

/* Periodic work of rd_periodic.def. */
void rd_group_tick(struct rd_group *g);
void rd_group_ask_health(struct rd_group *g);

/* STATE: fills what concerns the group; texts and lists are borrowed until the next call. */
void rd_group_fill_state(struct rd_group *g, struct ipc_state *m);
void rd_group_fill_metrics(struct rd_group *g, struct rd_metrics *m);

/* Requests of apid, answered later or at once (rd_ipc_raft.c checks nothing but that there is a group). */
void rd_group_step_down(struct rd_group *g, struct rd_req req);
void rd_group_yield(struct rd_group *g, struct rd_req req, const char *node);
void rd_group_yield_hint(struct rd_group *g, struct rd_req req, const char *hint);
void rd_group_snapshot(struct rd_group *g, struct rd_req req);
void rd_group_add_peer(struct rd_group *g, struct rd_req req, const char *addr);
void rd_group_remove_peer(struct rd_group *g, struct rd_req req, const char *addr);
void rd_group_health_report(struct rd_group *g, struct rd_req req, const struct ipc_follower_health_report *m);

#endif
