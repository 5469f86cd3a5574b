/* rd_story.h — what an operator reads at the default log level after an incident: who came, went, changed. Logs only;
 * one line per change, never one per probe, and not thousands when everything changes at once. */
#ifndef RD_STORY_H
#define RD_STORY_H

#include "base/line_budget.h"
#include "rd_model.h"

/* In RD_STORY_S seconds this many lines name single servers; then one says that others are not named. */
#define RD_STORY_LINES 500
#define RD_STORY_S 60

struct rd_story { /* zero-initialise */
	struct line_budget budget;
};

/* A probe did not find a known server. Said when it was well until now, and once after the start. Call it before
 * s->probed is set. */
void rd_story_failed(struct rd_story *st, struct mono now, const struct rd_server *s, bool was_valid,
		     const struct topo_probe *p);
/* The first probe of a seed, or of a server that another one named, failed. The latter is shown nowhere else. */
void rd_story_candidate_failed(struct rd_story *st, struct mono now, bool seed, const struct topo_probe *p);
/* A probe found the server: call it while s still holds what was known before. */
void rd_story_found(struct rd_story *st, struct mono now, const struct rd_server *s, const struct topo_instance *inst);
/* what: "known from now on", "forgotten". first: one of them. */
void rd_story_inventory(const char *what, size_t n, const struct topo_key *first);

#endif
