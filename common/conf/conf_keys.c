/* conf_keys.c — the table behind conf_key_*: conf_keys.def as data. Constants only; everything generic in this folder
 * and the manual page generator loop over it. */
#include <strings.h>

#include "conf_private.h"

#define RANGE(lo, hi) .min = (lo), .max = (hi)
#define MILLIS(lo) RANGE(lo, INT64_C(3155760000000)), .unit = "ms"
#define SECONDS(lo) RANGE(lo, INT64_C(3155760000)), .unit = "s"
#define MINUTES(lo) RANGE(lo, 52596000), .unit = "min"
#define HOURS(lo) RANGE(lo, 876600), .unit = "h"
#define DAYS(lo) RANGE(lo, 36525), .unit = "d"

#define DEFAULT_BOOL(x) .default_bool = (x), .default_str = ""
#define DEFAULT_INT(x) .default_int = (x), .default_str = ""
#define DEFAULT_UINT(x) .default_int = (x), .default_str = ""
#define DEFAULT_REAL(x) .default_real = (x), .default_str = ""
#define DEFAULT_STR(x) .default_str = (x)
#define DEFAULT_LIST(x) .default_str = (x)
#define DEFAULT_MAP(x) .default_str = (x)
#define DEFAULT_UMAP(x) .default_str = (x)

enum {
	ROLES_S = CONF_SUPERVISOR,
	ROLES_R = CONF_SUPERVISOR | CONF_RAFTD,
	ROLES_P = CONF_SUPERVISOR | CONF_PROBER,
	ROLES_A = CONF_SUPERVISOR | CONF_APID,
	ROLES_RP = ROLES_R | ROLES_P,
	ROLES_RA = ROLES_R | ROLES_A,
	ROLES_RPA = ROLES_R | ROLES_P | ROLES_A,
};

static const struct conf_key keys[] = {
#define CONF_GROUP(title)
#define CONF_REMOVED(name)
#define CONF_KEY(kind_, name_, default_, reload_, roles_, ...) \
	{.name = #name_,                                       \
	 .kind = CONF_##kind_,                                 \
	 .offset = offsetof(struct conf, name_),               \
	 .reload = CONF_RELOAD_##reload_,                      \
	 .roles = ROLES_##roles_,                              \
	 DEFAULT_##kind_(default_),                            \
	 __VA_ARGS__},
#include "conf/conf_keys.def"
#undef CONF_KEY
#undef CONF_REMOVED
#undef CONF_GROUP
};

static const char *const removed[] = {
#define CONF_GROUP(title)
#define CONF_KEY(...)
#define CONF_REMOVED(name) #name,
#include "conf/conf_keys.def"
#undef CONF_REMOVED
#undef CONF_KEY
#undef CONF_GROUP
};

size_t
conf_key_count(void)
{
	return ARRAY_LEN(keys);
}

const struct conf_key *
conf_key_at(size_t i)
{
	ASSERT(i < ARRAY_LEN(keys));
	return &keys[i];
}

const struct conf_key *
conf_key_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (strcasecmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

bool
conf_key_removed(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(removed); i++) {
		if (strcasecmp(removed[i], name) == 0)
			return true;
	}
	return false;
}
