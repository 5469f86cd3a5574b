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
	RD_EFFECT_CHANGED,   /* what is shown for key changed: downtime, tags, promotion rule */
};

struct rd_effect {
	enum rd_effect_kind kind;
	struct topo_key key;	/* owning; empty for entries that concern no server */
	const char *audit_type; /* owning, as message */
	const char *message;
};

/* Zero-initialise; rd_applied_done. */
struct rd_applied {
	bool duplicate; /* this uid was applied before: nothing changed; index is that one's */
	uint64_t index;
	struct rd_changes changes; /* for the view, in one transaction */
	struct topo_key_list keys; /* servers concerned, for the answer */
	struct rd_effect *effects;
	size_t n_effects, cap_effects;
};

/* Applies c as entry `index`, which is above all before. An error (ERR_INVALID: see rd_command_check) is a result like
 * any other: the state then holds the index and the uid, and nothing else changed. */
int rd_apply(struct rd_state *s, const struct rd_command *c, uint64_t index, struct rd_applied *ret,
	     struct err *e) MUST_USE;
void rd_applied_done(struct rd_applied *a);

/* Whether a tick is due, and what it should say. expire_us: life of a promotion rule, of a remembered uid. False: there
 * is nothing to expire. */
bool rd_tick_due(const struct rd_state *s, int64_t now_us, int64_t candidate_life_us, int64_t uid_life_us,
		 struct rd_cmd_tick *ret);

#endif
