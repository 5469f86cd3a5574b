/* rd_hook_result.h — what became of one run of a hook, and the texts about it. Pure.
 *
 * Every run is audited twice, historically: when it begins, with the command, and when it has ended (recovery.md
 * section 18). */
#ifndef RD_HOOK_RESULT_H
#define RD_HOOK_RESULT_H

#include "base/clock.h"
#include "base/str.h"
#include "rd_hook_values.h"

enum rd_hook_outcome {
	RD_HOOK_OK,
	RD_HOOK_EXITED,	     /* with a code other than 0 */
	RD_HOOK_KILLED,	     /* by a signal that isn't ours */
	RD_HOOK_TIMED_OUT,   /* and was killed */
	RD_HOOK_CANCELLED,   /* killed because its list was cancelled or the node stops */
	RD_HOOK_NOT_STARTED, /* why: error */
	RD_HOOK_VANISHED,    /* the process that watches over it was killed, and it with that */
	RD_HOOK_OUTCOME_COUNT
};
/* "ok", "exited", "killed", "timed-out" …: for the record. */
const char *rd_hook_outcome_name(enum rd_hook_outcome o);

#define RD_HOOK_OUTPUT_MAX 4096 /* bytes kept of what a hook writes: the last ones */

struct rd_hook_result {
	enum rd_hook_list list;
	size_t index, count; /* of the list: entry index (from 0) of count */
	const char *command; /* as it was run; borrowed */
	bool background;
	enum rd_hook_outcome outcome;
	int value;	   /* exit code or signal */
	int64_t limit_s;   /* for TIMED_OUT */
	const char *error; /* NOT_STARTED; borrowed, else "" */
	struct wall began;
	int64_t took_us;
	uint64_t output_bytes; /* all that it wrote until it ended */
	const char *output;    /* the last of them, printable UTF-8; borrowed, never NULL */
};

static inline bool
rd_hook_ok(const struct rd_hook_result *r)
{
	return r->outcome == RD_HOOK_OK;
}

/* "PreFailoverProcesses hook 1 of 2", with " (async)" in the background as historically. */
void rd_hook_name(const struct rd_hook_result *r, struct str_buf *b);
/* Audit text at the start. */
void rd_hook_text_began(const struct rd_hook_result *r, struct str_buf *b);
/* Audit text at the end. */
void rd_hook_text_ended(const struct rd_hook_result *r, struct str_buf *b);

/* The last bytes of an endless output. Zero-initialise. */
struct rd_hook_tail {
	char ring[RD_HOOK_OUTPUT_MAX];
	uint64_t total;
};
void rd_hook_tail_add(struct rd_hook_tail *t, const char *p, size_t n);
/* As text: valid UTF-8; control characters other than tab and line end, and broken characters, become "?". Blanks and
 * line ends at the end are left out. */
void rd_hook_tail_text(const struct rd_hook_tail *t, struct str_buf *b);

#endif
