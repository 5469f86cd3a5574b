/* rd_apply.h — command → memory. Deterministic: no clock (time comes from the command and never goes back), no I/O, no
 * configuration; what follows from a command is returned as data and carried out by the caller, after apply. Pure. */
#ifndef RD_APPLY_H
#define RD_APPLY_H

#include "rd_changes.h"
#include "rd_command.h"
#include "rd_state.h"

enum rd_effect_kind {
	RD_EFFECT_AUDIT,     /* write an audit entry: audit_type, key, message */
	RD_EFFECT_KNOWN,     /* key entered the inventory */
	RD_EFFECT_FORGOTTEN, /* key left it */
	RD_EFFECT_CHANGED, /* what is shown for key changed: downtime, tags, promotion rule, maintenance, pools, names */
	RD_EFFECT_SETTING, /* message: the RD_SETTING_… that changed, or RD_SWITCH_RECOVERIES */
	RD_EFFECT_NODE,	   /* message: the member whose record changed or went */
	/* Only of an entry of the term that is current now (rd_applied.term): entries are applied again after a restart. */
	RD_EFFECT_YIELD,      /* message: the member that should lead */
	RD_EFFECT_YIELD_HINT, /* message: part of the host names that may go on */
	RD_EFFECT_RECOVERY,   /* message: a recovery's uid; todo: what its new state asks for (rd_records.h) */
};
/* Ended maintenance stays in the backend this long (historically MaintenancePurgeDays). */
#define RD_MAINTENANCE_HISTORY_US (7 * 24 * 3600 * INT64_C(1000000))
#define RD_TOKENS_MAX 4096 /* access tokens at a time */
#define RD_SWITCH_RECOVERIES "global_recoveries"

struct rd_effect {
	enum rd_effect_kind kind;
	struct topo_key key;	/* owning; empty for entries that concern no server */
	const char *audit_type; /* owning, as message */
	const char *message;
	unsigned todo; /* RECOVERY: enum rd_recovery_effect */
};

/* Zero-initialise; rd_applied_done. */
struct rd_applied {
	bool duplicate; /* this uid was applied before: nothing changed; index, id and refusal are that one's */
	uint64_t index;
	uint64_t term;		   /* of the entry; 0 without raft */
	int64_t time_us;	   /* of the command, as it counts: rd_state_time_us */
	int64_t id;		   /* given to what was made (maintenance); 0 = none */
	struct rd_changes changes; /* for the view, in one transaction */
	struct topo_key_list keys; /* servers concerned, for the answer */
	struct rd_effect *effects;
	size_t n_effects, cap_effects;
};

/* Where in the log the command stands. */
struct rd_entry_at {
	uint64_t index; /* above all before */
	uint64_t term;	/* 0 without raft */
};

/* Applies c as that entry. An error (ERR_INVALID: see rd_command_check; ERR_EXISTS, …) is a result like any other: the
 * state then holds the index, and the uid with the error's code, and nothing else changed. A repeated uid gives the same
 * result again. */
int rd_apply(struct rd_state *s, const struct rd_command *c, struct rd_entry_at at, struct rd_applied *ret,
	     struct err *e) MUST_USE;
/* An entry that is no command (a barrier, a change of membership): the index moves on. */
void rd_apply_nothing(struct rd_state *s, struct rd_entry_at at);
void rd_applied_done(struct rd_applied *a);

/* How long what has no end of its own lives; 0 = for ever. */
struct rd_lives {
	int64_t candidate_us; /* a promotion rule */
	int64_t pool_us;      /* a pool's member */
	int64_t unresolve_us; /* a virtual host name */
	int64_t token_us;     /* an access token */
	int64_t uid_us;	      /* a remembered command */
	int64_t detection_us; /* the active period of a detection */
	int64_t recovery_us;  /* ... of a recovery: that long it blocks others */
	int64_t record_us;    /* of either, as a record */
};
/* Whether a tick is due, and what it should say. False: there is nothing to expire. */
bool rd_tick_due(const struct rd_state *s, int64_t now_us, const struct rd_lives *lives, struct rd_cmd_tick *ret);

#endif
