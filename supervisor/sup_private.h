/* sup_private.h — the node's state, shared by supervisor.c (the loop), sup_child.c (one child's start and end),
 * sup_talk.c (messages) and sup_reload.c. */
#ifndef SUPERVISOR_SUP_PRIVATE_H
#define SUPERVISOR_SUP_PRIVATE_H

#include <event2/event.h>
#include <limits.h>
#include <sys/types.h>

#include "ipc/link.h"
#include "supervisor.h"

enum sup_role_index {
#define SUP_ROLE(index, name, ipc, conf, waits_for, stop_percent) SUP_##index,
#include "children.def"
#undef SUP_ROLE
	SUP_ROLES
};

struct sup_role {
	const char *name;
	enum ipc_role ipc;
	unsigned conf;
	int waits_for;
	unsigned stop_percent;
};

struct sup;

struct sup_child {
	struct sup *sup;
	const struct sup_role *role;
	unsigned slot;
	char name[24];	       /* "raftd", "prober1" */
	const char *path;      /* of its program */
	struct sup_life *life; /* its place in sup->lives */
	struct sup_history history;
	pid_t pid; /* 0: no process */
	uint64_t generation;
	struct ipc_link *link; /* NULL: no process */
	bool was_ready;	       /* this process */
	bool killed_by_us;     /* this process */
};

enum sup_signal { SUP_SIG_CHLD, SUP_SIG_TERM, SUP_SIG_INT, SUP_SIG_QUIT, SUP_SIG_HUP, SUP_SIGNALS };

struct sup {
	const struct sup_setup *setup;
	struct event_base *base;
	struct conf *conf;
	char paths[SUP_ROLES][PATH_MAX];
	struct sup_child *children;
	struct sup_life *lives; /* lives[i] belongs to children[i] */
	size_t n;
	unsigned probers;
	uint64_t generations; /* given out so far */
	char node_token[65];
	char hostname[256];
	struct sup_notify notify;
	struct event *tick, *watchdog, *signals[SUP_SIGNALS];
	bool announced; /* READY=1 was sent */
	bool stopping;
	struct mono stop_began, last_step;
	int exit_code;
};

static inline struct mono
sup_now(void)
{
	return clk_mono(clk_real());
}

/* One-shot: one command, no restarts, ends with the command. */
static inline bool
sup_is_command(const struct sup *s)
{
	return s->setup->what == SUP_COMMAND || s->setup->what == SUP_HELP;
}

/* supervisor.c */
const struct sup_role *sup_role_at(enum sup_role_index index);
/* Begins to stop the node. The first exit code that isn't 0 stays. */
void sup_stop(struct sup *s, int exit_code);
/* Something has changed: look what is due. */
void sup_turn_soon(struct sup *s);

/* sup_child.c */
void sup_child_do(struct sup_child *c, enum sup_action action, struct mono now);
void sup_child_kill(struct sup_child *c);
void sup_child_is_ready(struct sup_child *c, const char *what);
/* status: of waitpid */
void sup_child_ended(struct sup_child *c, int status);

/* sup_talk.c */
int sup_talk_open(struct sup_child *c, int fd, struct err *e) MUST_USE;
int sup_talk_stop(struct sup_child *c, int64_t deadline_ms, struct err *e) MUST_USE;
/* c has started or ended: those who have a link to it hear of it. */
void sup_talk_peer(const struct sup_child *c, bool up);
/* The running configuration to every child, each its part. */
void sup_talk_reload(struct sup *s);

/* sup_reload.c: validates first; on failure nothing has changed. said: what a person should know, appended. */
int sup_reload(struct sup *s, const char *extra_file, struct str_buf *said, struct err *e) MUST_USE;
/* SIGHUP */
void sup_reload_by_signal(struct sup *s);

#endif
