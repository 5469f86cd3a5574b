/* conf/conf.h — the configuration: one immutable struct whose members carry the historical key names.
 *
 * The supervisor loads files (conf_load), and sends each child its part as JSON text (conf_print with the child's role,
 * conf_from_role_json there). A key that is not a role's own holds its default there: read it in conf_keys.def before
 * relying on one. After a failed load nothing has changed; a reload is a load, so a key that left the file is back at
 * its default. Facts: reference/config-keys.md; where its defects were mended, conf_adjust.c and conf_check.c say so.
 *
 * Ownership: struct conf is reference-counted (conf_ref/conf_unref, any thread) and never changes; its strings and
 * lists live exactly as long as it does. Files, environment variables and credentials files are read by conf_load and
 * nowhere else. Nothing is logged: warnings are returned to the caller. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "base/base.h"
#include "base/err.h"
#include "base/str.h"

struct conf_strs {
	const char *const *v;
	size_t n;
};
struct conf_pair {
	const char *key, *value;
};
struct conf_map {
	const struct conf_pair *v;
	size_t n;
};
struct conf_upair {
	const char *key;
	int64_t value;
};
struct conf_umap {
	const struct conf_upair *v;
	size_t n;
};

/* INT and UINT differ in what the parser accepts; both are int64_t within the key's range. Strings are never NULL. */
#define CONF_TYPE_BOOL bool
#define CONF_TYPE_INT int64_t
#define CONF_TYPE_UINT int64_t
#define CONF_TYPE_REAL double
#define CONF_TYPE_STR const char *
#define CONF_TYPE_LIST struct conf_strs
#define CONF_TYPE_MAP struct conf_map
#define CONF_TYPE_UMAP struct conf_umap

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the order is that of the table */
struct conf {
#define CONF_GROUP(title)
#define CONF_KEY(kind, name, ...) CONF_TYPE_##kind name;
#define CONF_REMOVED(name)
#include "conf/conf_keys.def"
#undef CONF_REMOVED
#undef CONF_KEY
#undef CONF_GROUP
};

/* --- loading ------------------------------------------------------------------------------------------------------ */

#define CONF_FILE_MAX (1 << 20) /* bytes of one file */
#define CONF_TEXT_MAX (1 << 20) /* bytes that the merged configuration may print to: what IPC has to carry */
#define CONF_LIST_MAX 4096	/* items of one list, entries of one map */

struct conf_files {
	const char *file;  /* --config: only this one, must exist. NULL or "": the historical search order */
	const char *extra; /* read after the others, must exist (reload-configuration?config=). NULL or "": none */
	const char
	    *overrides; /* JSON text read last, for command-line flags: {"SkipOrchestratorDatabaseUpdate":false} */
	const char *key_password; /* SSLPrivateKeyPassword if no file gives one: typed at the terminal. NULL or "" */
	const char *base_dir;	  /* tests: directory in front of the search order's paths; NULL: the real ones */
	const struct conf *reload_of; /* reload: the running one; a file it was read from must still be there */
};

#define CONF_WARNINGS_MAX 64
struct conf_warnings {
	struct {
		char text[384]; /* file:line:column: key: what — ready to log; strings from outside are quoted */
	} v[CONF_WARNINGS_MAX];
	size_t n;
	size_t dropped; /* warnings beyond CONF_WARNINGS_MAX */
};

/* Reads, overlays, adjusts, checks. The error names file, line, key, what is wrong and what to do; its code is
 * ERR_CONFIG, or ERR_IO / ERR_TOO_LARGE for a file that can't be read. w is overwritten. Runs on defaults when the
 * search order finds no file. Credentials files are read and ${NAME} replaced here. */
int conf_load(const struct conf_files *files, struct conf **ret_conf, struct conf_warnings *w, struct err *e) MUST_USE;
/* As conf_load of one file that contains text; name stands in messages. */
int conf_parse(const char *name, const char *text, size_t len, struct conf **ret_conf, struct conf_warnings *w,
	       struct err *e) MUST_USE;
/* What only a node that serves HTTP needs: listener address, credentials of method multi. For `http` and `-t`. */
int conf_check_http(const struct conf *c, struct err *e) MUST_USE;
/* A child's part as the supervisor printed it: no adjustments, no checks but type and range, no files; unknown keys are
 * an error (ERR_IPC_PROTO): supervisor and child are one build. */
int conf_from_role_json(const char *text, size_t len, struct conf **ret_conf, struct err *e) MUST_USE;
/* All defaults, adjusted. */
struct conf *conf_defaults(void);

struct conf *conf_ref(const struct conf *c); /* the caller holds it then */
void conf_unref(struct conf *c);	     /* NULL is fine */

/* The files it was read from, for one log line: "/etc/a.json, b.json"; "built-in defaults" when none was found. */
const char *conf_origin(const struct conf *c);

/* --- asking ------------------------------------------------------------------------------------------------------- */

/* BackendDB contains "sqlite"; otherwise it is MySQL. */
bool conf_backend_is_sqlite(const struct conf *c);

enum conf_loss { CONF_LOSS_PROMOTE, CONF_LOSS_WAIT, CONF_LOSS_ABORT };
/* False when text is no value of PromotionOnPossibleLoss. */
bool conf_loss_parse(const char *text, enum conf_loss *ret_loss, int64_t *ret_wait_s);
/* PromotionOnPossibleLoss taken apart; ret_wait_s is set for WAIT, else 0. */
enum conf_loss conf_promotion_on_possible_loss(const struct conf *c, int64_t *ret_wait_s);

/* --- the table ---------------------------------------------------------------------------------------------------- */

enum conf_kind { CONF_BOOL, CONF_INT, CONF_UINT, CONF_REAL, CONF_STR, CONF_LIST, CONF_MAP, CONF_UMAP };
enum conf_reload { CONF_RELOAD_L, CONF_RELOAD_S, CONF_RELOAD_M, CONF_RELOAD_N };

/* The supervisor may have every key. */
enum conf_role {
	CONF_SUPERVISOR = 1,
	CONF_RAFTD = 2,
	CONF_PROBER = 4,
	CONF_APID = 8,
	CONF_ALL_ROLES = 15,
};

enum conf_flag {
	CONF_SECRET = 1,     /* masked in prints for people, never logged */
	CONF_REGEX = 2,	     /* the value, its items or its map keys are regular expressions */
	CONF_CLUSTERS = 4,   /* items are cluster filters: reference/recovery.md section 2 */
	CONF_DEPRECATED = 8, /* synonym of a newer key */
	CONF_NEW = 16,	     /* unknown to historical versions */
	CONF_STRICT = 32,    /* a value outside choices is an error */
	CONF_HOOKS = 64,     /* items are hook entries: conf_hook.h */
};

struct conf_key {
	const char *name;
	enum conf_kind kind;
	size_t offset; /* in struct conf */
	bool default_bool;
	int64_t default_int;
	double default_real;
	const char *default_str; /* LIST: its one item, or "" */
	int64_t min, max;	 /* INT, UINT, REAL, values of UMAP */
	const char *unit;	 /* NULL: none */
	const char *choices;	 /* "a|b", compared without case; "" is always allowed. NULL: any text */
	enum conf_reload reload;
	unsigned roles; /* enum conf_role */
	unsigned flags; /* enum conf_flag */
	const char *doc;
};

size_t conf_key_count(void);
const struct conf_key *conf_key_at(size_t i);		/* in the order of conf_keys.def */
const struct conf_key *conf_key_find(const char *name); /* without regard to case; NULL when unknown */
bool conf_key_removed(const char *name);		/* accepted and ignored (config-keys.md section 8) */

/* The keys of any of these roles as one JSON object in table order, appended to buf; it parses again. mask_secrets:
 * non-empty secrets print as "********". */
void conf_print(const struct conf *c, unsigned roles, bool mask_secrets, struct str_buf *buf);
/* Every key, as one line of JSON, secrets included (-c dump-config). */
void conf_print_line(const struct conf *c, struct str_buf *buf);
/* Appends one value as JSON, on one line. */
void conf_print_value(const struct conf *c, const struct conf_key *k, bool mask_secrets, struct str_buf *buf);
/* Calls fn for each key of these roles whose value differs; returns their number. fn may be NULL. */
size_t conf_diff(const struct conf *a, const struct conf *b, unsigned roles,
		 void (*fn)(void *ctx, const struct conf_key *k), void *ctx);

#endif
