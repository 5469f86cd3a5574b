/* proc/args.h — the command line of `orchestrator`, read the same way by the supervisor and by apid, which gets its
 * words in CHILD_CONFIG.args. Pure.
 *
 * Historical syntax (Go's): -x and --x are the same, -x=v and -x v both work, a boolean flag takes a value only after
 * "=", flags end at the first other word or after "--". Flags and their defaults: proc/flags.def, cli.md section 2. */
#ifndef PROC_ARGS_H
#define PROC_ARGS_H

#include "base/err.h"
#include "base/rec.h"
#include "base/str.h"

#define ARG_TYPE_STR const char *
#define ARG_TYPE_BOOL bool

/* Strings are borrowed from the words given to args_parse, and never NULL. */
struct args {
#define ARG_FLAG(kind, member, name, def, doc) ARG_TYPE_##kind member;
#include "proc/flags.def"
#undef ARG_FLAG
	struct rec_text_list words; /* what follows the flags; borrowed */
};

/* line: the words after the program's name. ERR_SYNTAX: unknown flag, missing or bad value. ERR_NOT_FOUND: -h, -help:
 * the caller prints args_flag_help. ERR_INVALID: values that no command accepts (-s beside -d, -promotion-rule). */
int args_parse(const struct rec_text_list *line, struct args *ret, struct err *e) MUST_USE;

/* The i-th word after the flags, "" when there are fewer. */
static inline const char *
args_word(const struct args *a, size_t i)
{
	return i < a->words.n ? a->words.v[i].s : "";
}

/* The list of flags as text, appended. */
void args_flag_help(struct str_buf *out);

#endif
