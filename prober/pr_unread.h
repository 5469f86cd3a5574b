/* pr_unread.h — what a server that answers does not let us read: missing grants, operators' queries that fail. Pure.
 *
 * None of this makes the server unknown, so nobody sees it but by what is missing then: replicas that are not found, an
 * alias that is not there. The operator is told once per server and question, again while it goes on after
 * PR_UNREAD_AGAIN_S at the earliest, and once when it works again. Memory is bounded by the servers, the log by a
 * number of lines per minute for all of them together; who is left out is not told about before the hour is over. */
#ifndef PR_UNREAD_H
#define PR_UNREAD_H

#include "base/line_budget.h"
#include "base/str.h"
#include "pr_collect.h"

#define PR_UNREAD_AGAIN_S 3600
/* In PR_UNREAD_S seconds this many lines name single servers; then one says that others are not named. */
#define PR_UNREAD_LINES 100
#define PR_UNREAD_S 60
#define PR_UNREAD_SILENCE (-1) /* as an error number: no answer in time */

/* Of one server; zero-initialise. */
struct pr_unread {
	uint64_t told;	 /* bit per question: fails, and the operator knows */
	uint64_t denied; /* bit per question: for want of a global privilege, which are those of the login */
	struct mono said[PR_ASK_COUNT];
};

enum pr_unread_say {
	PR_UNREAD_NOTHING,
	PR_UNREAD_FAILS,  /* tell it */
	PR_UNREAD_WORKS,  /* told to fail before: tell that it works */
	PR_UNREAD_OTHERS, /* tell that others are not named */
};
/* An answer to this question: err_no is the server's, 0 = none. b is of the process. */
enum pr_unread_say pr_unread_note(struct pr_unread *u, struct line_budget *b, enum pr_ask ask, int64_t err_no,
				  struct mono now);

/* What the answer to this question says, among all answers of a probe that found the server. False: nothing, because
 * its failure has other reasons or does no harm. */
bool pr_unread_judge(const struct pr_collect *in, enum pr_ask ask, int64_t *ret_err_no);

/* For log lines: "replicas in the process list", "the answer to DetectDataCenterQuery". */
void pr_unread_what(enum pr_ask ask, struct str_buf *out);
/* What to do: "GRANT PROCESS ON *.* TO 'user'@'HOST'". version: the server's. */
void pr_unread_remedy(enum pr_ask ask, int64_t err_no, const char *version, const char *user, struct str_buf *out);

#endif
