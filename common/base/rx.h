/* base/rx.h — regular expressions from users' configuration and requests, with a bound on what a hostile one can cost.
 *
 * Patterns were written for Go's RE2; PCRE2 reads that syntax (\d, (?i), (?:..), .*?, (?P<n>..)), and the options are
 * set so that `$` matches only at the very end, `.` stops at \n and text counts as UTF-8 (broken bytes never match and
 * never fail). An expression is searched for anywhere in the text, as Go's MatchString does.
 *
 * Backtracking is limited (RX_STEPS_MAX, RX_HEAP_KIB_MAX): a search that hits the limit counts as "no match" and is
 * counted in rx_limit_hits. One rx belongs to one thread at a time. */
#ifndef BASE_RX_H
#define BASE_RX_H

#include "base/base.h"
#include "base/err.h"
#include "base/str.h"

#define RX_PATTERN_MAX 8192
#define RX_STEPS_MAX 200000
#define RX_HEAP_KIB_MAX 4096

struct rx;

/* ERR_INVALID names the offset (in bytes) and what is wrong there. */
int rx_new(const char *pattern, struct rx **ret_rx, struct err *e) MUST_USE;
void rx_free(struct rx *rx); /* NULL is fine */

bool rx_match(struct rx *rx, const char *text);
/* The text of a group of the first match (0 = all of it) replaces buf's content. False, and buf empty, when the text
 * doesn't match or the group took no part in the match or doesn't exist. */
bool rx_capture(struct rx *rx, const char *text, unsigned group, struct str_buf *buf);

unsigned rx_groups(const struct rx *rx);     /* capturing groups in the pattern */
uint64_t rx_limit_hits(const struct rx *rx); /* searches given up since rx_new */
const char *rx_pattern(const struct rx *rx); /* as given; lives as long as rx */

#endif
