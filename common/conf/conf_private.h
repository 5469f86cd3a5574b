/* conf_private.h — what the files of this folder share: the object behind struct conf and a configuration being made.
 */
#ifndef CONF_PRIVATE_H
#define CONF_PRIVATE_H

#include <jansson.h>

#include "base/mem.h"
#include "conf/conf.h"

enum conf_index {
#define CONF_GROUP(title)
#define CONF_KEY(kind, name, ...) CONF_IDX_##name,
#define CONF_REMOVED(name)
#include "conf/conf_keys.def"
#undef CONF_REMOVED
#undef CONF_KEY
#undef CONF_GROUP
	CONF_KEYS
};

#define CONF_SOURCES_MAX 4 /* the search order, or --config, and one extra file */

/* struct conf and what it owns; c comes first. */
struct conf_box {
	struct conf c;
	struct mem_arena arena;
	int refs;
	const char *sources[CONF_SOURCES_MAX]; /* files that were read */
	size_t n_sources;
	size_t n_remembered; /* the first of them, which a reload must find again */
	const char *origin;
};

/* Where a key's value was given: source NULL = nowhere, it is the default. */
struct conf_place {
	const char *source; /* lives as long as the conf */
	unsigned line, column;
};

/* A configuration that nobody else sees yet. */
struct conf_build {
	struct conf *c;
	struct conf_warnings *w;
	struct conf_place at[CONF_KEYS];
};

struct conf *conf_new_raw(void); /* table defaults, one reference */
struct conf_box *conf_box_of(struct conf *c);
const char *conf_strdup(struct conf *c, const char *s); /* lives as long as c */
static inline bool
conf_given(const struct conf_build *b, enum conf_index i)
{
	return b->at[i].source != NULL;
}

#define CONF_LOSS_WAIT_MAX_S 86400

/* "file:line:column: Key: text" as error (ERR_CONFIG) or warning. */
int conf_fail(const struct conf_build *b, enum conf_index i, struct err *e, const char *fmt, ...) PRINTF_LIKE(4, 5);
void conf_warn(struct conf_build *b, enum conf_index i, const char *fmt, ...) PRINTF_LIKE(3, 4);
void conf_warn_text(struct conf_warnings *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The whole of a regular file of at most max bytes; ERR_NOT_FOUND when there is none. Caller frees. */
int conf_read_file(const char *path, size_t max, char **ret_text, size_t *ret_len, struct err *e) MUST_USE;

/* conf_json.c: stores v into c's member after checking type and range; lists replace, maps merge. *ret_note: NULL or a
 * static text for a warning (a value was corrected). null leaves scalars alone (*ret_set false) and empties lists and
 * maps. The error says what was expected, never what a secret was. */
int conf_set_value(struct conf *c, const struct conf_key *k, json_t *v, bool *ret_set, const char **ret_note,
		   struct err *e) MUST_USE;
/* conf_locate.c: where top-level keys stand in a text (source is left NULL): the last of each known key and how often
 * it is given; the first of one name, line 0 when it isn't there (written with escapes). */
struct conf_places {
	struct conf_place at[CONF_KEYS];
	unsigned times[CONF_KEYS];
};
void conf_locate_keys(const char *text, size_t len, struct conf_places *ret_places);
struct conf_place conf_locate_key(const char *text, size_t len, const char *name);

/* conf_cred.c: the credentials files and ${NAME} of both passwords. */
int conf_credentials(struct conf_build *b, struct err *e) MUST_USE;
/* conf_adjust.c, then conf_check.c */
int conf_adjust(struct conf_build *b, struct err *e) MUST_USE;
int conf_check(struct conf_build *b, struct err *e) MUST_USE;

#endif
