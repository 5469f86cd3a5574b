/* rd_hook_run.h — one hook as a process: started, its output read, its end told. Nothing here blocks the loop.
 *
 * The watcher (rd_hook_keep.h) does what takes time. A run exists from rd_hook_run_start until on_gone; its slot counts
 * as long, for a hook may leave processes behind. All callbacks come from the loop, never from within a call. Runs are
 * started by the loop's thread alone: the kernel tells the watcher of the end of that thread. */
#ifndef RD_HOOK_RUN_H
#define RD_HOOK_RUN_H

#include "rd_hook_result.h"

struct event_base;
struct rd_hook_run;

struct rd_hook_end {
	enum rd_hook_outcome outcome;
	int value;
	const char *error;		 /* NOT_STARTED, else "" */
	const struct rd_hook_tail *tail; /* of the output until the end */
};

struct rd_hook_run_conf {
	struct event_base *base;
	const char *dir; /* private, for the text's file */
	const char *shell;
	const char *text;
	size_t len;
	char *const *env;
	const char *const *args; /* of the text, NULL-terminated; NULL: none */
	int64_t limit_ms;	 /* 0: none */
	int64_t left_ms;	 /* for what the hook leaves behind, from the start; 0: none */
	void *ctx;
	void (*on_ended)(void *ctx, const struct rd_hook_end *end); /* once */
	void (*on_gone)(void *ctx);				    /* last; the run is freed */
};

/* Everything in conf but base and the callbacks is needed during the call only. */
int rd_hook_run_start(const struct rd_hook_run_conf *conf, struct rd_hook_run **ret_run, struct err *e) MUST_USE;
/* Asks for its end; on_ended follows, within RD_HOOK_GRACE_MS. */
void rd_hook_run_cancel(struct rd_hook_run *r);
/* Kills it without callbacks, and frees r: for the end of the process. NULL is fine. */
void rd_hook_run_free(struct rd_hook_run *r);

#endif
