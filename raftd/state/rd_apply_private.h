/* rd_apply_private.h — shared by rd_apply.c (dispatch), rd_apply_*.c (what each op does) and, for
 * rd_row_pick, rd_import.c; nobody else. */
#ifndef RD_APPLY_PRIVATE_H
#define RD_APPLY_PRIVATE_H

#include "base/clock.h"
#include "base/str.h"
#include "rd_apply.h"

struct apply {
	struct rd_state *s;
	const struct rd_command *c;
	struct rd_applied *out;
	int64_t
	    now_us; /* of the command, monotonic, whole seconds: the backend keeps no more, and nodes must not differ
			   after a restart */
};

/* One per op, found by its name (RD_OP): a missing one does not compile. An error leaves everything as it was. */
#define F(...)
#define RD_OP(NAME, name, wire, since, ...) \
	int rd_apply_##name(struct apply *a, const struct rd_cmd_##name *c, struct err *e) MUST_USE;
#include "rd_command.def"
#undef RD_OP
#undef F

struct rd_effect *rd_effect_add(struct apply *a, enum rd_effect_kind kind, const struct topo_key *key);
/* key NULL: concerns no server */
void rd_effect_audit(struct apply *a, const char *type, const struct topo_key *key, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void rd_effect_say(struct apply *a, enum rd_effect_kind kind, const char *message);
/* The server's answerable part changed. */
void rd_effect_touched(struct apply *a, const struct topo_key *key);

/* Row changes, in memory and for the view. */
void rd_row_put(struct apply *a, enum rd_table table, const void *row);
bool rd_row_take_away(struct apply *a, enum rd_table table, const void *key_row); /* key_row may be the row itself */
/* The rows of a table that match; their memory is the caller's (free rows), the rows are borrowed. */
struct rd_picked {
	const void **rows;
	size_t n, cap;
};
typedef bool (*rd_match_fn)(const void *row, const void *what);
struct rd_picked rd_row_pick(const struct rd_state *s, enum rd_table table, rd_match_fn match, const void *what);

/* The backend keeps the ended row as history. */
void rd_end_maintenance(struct apply *a, const struct db_maintenance *m, const char *audit_type);

/* Ends of active periods (rd_apply_acks.c). A recovery's row that is active no more blocks nobody. */
void rd_end_recovery(struct apply *a, const struct db_recovery *row);
void rd_end_detection(struct apply *a, const struct db_detection *row);
/* Detections of this server. */
void rd_end_detections_of(struct apply *a, const char *hostname, int64_t port);
/* A recovery is forgotten with all that belongs to it. */
void rd_forget_recovery(struct apply *a, const struct db_recovery *row);
void rd_forget_detection(struct apply *a, const struct db_detection *row);

/* Recoveries (rd_apply_steps.c). */
const struct db_recovery_machine *rd_machine_find(const struct apply *a, const char *uid);  /* NULL */
int rd_no_such_recovery(const char *uid, struct err *e) MUST_USE;			    /* ERR_NOT_FOUND */
void rd_step_say(struct apply *a, const char *uid, const char *fmt, ...) PRINTF_LIKE(3, 4); /* a line of its audit */
void rd_lost_downtime(struct apply *a, const struct topo_key *key, int64_t ends_us);	    /* 0 = none */
void rd_line_add(struct str_buf *b, const char *lines, const char *line);

/* "a:1,b:2", after what is there already. */
void rd_add_key(struct str_buf *list, const struct topo_key *key);

int64_t rd_floor_s(int64_t us);
int64_t rd_ceil_s(int64_t us);

#endif
