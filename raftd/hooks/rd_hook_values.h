/* rd_hook_values.h — the hook lists, and what a hook is told (rd_hook.def). Pure.
 *
 * struct rd_hook_values is filled by whoever runs a hook; strings are borrowed, NULL reads as "". Server lists are
 * "host:port,host:port". */
#ifndef RD_HOOK_VALUES_H
#define RD_HOOK_VALUES_H

#include "conf/conf.h"

enum rd_hook_times { RD_HOOK_AT_MOST_ONCE, RD_HOOK_AT_LEAST_ONCE };
enum rd_hook_failure { RD_HOOK_STOP, RD_HOOK_CONTINUE };
enum rd_hook_tell { RD_HOOK_TELL_ALL, RD_HOOK_TELL_TAKE };

enum rd_hook_list {
#define RD_HOOK_LIST(NAME, key, times, failure, tell) RD_HOOK_LIST_##NAME,
#include "rd_hook.def"
#undef RD_HOOK_LIST
	RD_HOOK_LIST_COUNT
};

struct rd_hook_list_info {
	const char *name; /* the configuration key; historically what audit entries call the list */
	enum rd_hook_times times;
	enum rd_hook_failure failure;
	enum rd_hook_tell tell;
};
const struct rd_hook_list_info *rd_hook_list_info(enum rd_hook_list list);
/* Its entries; they live as long as c. */
const struct conf_strs *rd_hook_list_entries(const struct conf *c, enum rd_hook_list list);

#define RD_HOOK_C_NAME const char *
#define RD_HOOK_C_TEXT const char *
#define RD_HOOK_C_FLAG bool
#define RD_HOOK_C_NUM int64_t
struct rd_hook_values {
#define RD_HOOK_VALUE(kind, field, known, env, placeholders) RD_HOOK_C_##kind field;
#include "rd_hook.def"
#undef RD_HOOK_VALUE
};

/* Longer values (lists of thousands of replicas) are cut, lists after a whole item: the kernel takes 128 KiB for one
 * variable. */
#define RD_HOOK_VALUE_MAX 98304

/* One line of the table with its value. */
struct rd_hook_told {
	const char *env;
	const char *placeholders;
	bool is_name;
	bool known;
	char *text; /* heap, not NULL */
};
size_t rd_hook_told_count(void);
/* The caller frees ret->text. i < rd_hook_told_count(). */
void rd_hook_tell(const struct rd_hook_values *v, size_t i, struct rd_hook_told *ret);

/* The environment of a hook: NULL-terminated, heap, freed with rd_hook_env_free. Nothing but a few variables of our own
 * environment (get: getenv, or a test's) and the known values; with TELL_TAKE only the hosts. */
char **rd_hook_env(const struct rd_hook_values *v, enum rd_hook_tell tell, char *(*get)(const char *name));
void rd_hook_env_free(char **env); /* NULL is fine */

#endif
