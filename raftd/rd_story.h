/* rd_story.h — what an operator reads at the default log level after an incident: who came, went, changed. Logs only;
 * one line per change, never one per probe. */
#ifndef RD_STORY_H
#define RD_STORY_H

#include "rd_model.h"

/* A probe did not find a known server. Said when it was well until now, and once after the start. Call it before
 * s->probed is set. */
void rd_story_failed(const struct rd_server *s, bool was_valid, const struct topo_probe *p);
/* The first probe of a seed, or of a server that another one named, failed. The latter is shown nowhere else. */
void rd_story_candidate_failed(bool seed, const struct topo_probe *p);
/* A probe found the server: call it while s still holds what was known before. */
void rd_story_found(const struct rd_server *s, const struct topo_instance *now);
/* what: "known from now on", "forgotten". first: one of them. */
void rd_story_inventory(const char *what, size_t n, const struct topo_key *first);

#endif
