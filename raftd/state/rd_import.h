/* rd_import.h — decisions of a life without raft → commands: a node with such a backend, switched to raft, takes them into
 * the group that it founds (design.md section 8). Which rows, as which commands, and which node does it. Pure.
 *
 * The uid of a command is made of its importer and its content, so an import that is broken off and begun again takes
 * effect once. What the group has decided about the same thing meanwhile stays. What commands don't carry becomes the
 * time of the import: last_suggested, last_updated, registered_at, begin and id of a maintenance. */
#ifndef RD_IMPORT_H
#define RD_IMPORT_H

#include "rd_apply.h"

#define RD_IMPORT_UID_BYTES 64

struct rd_import_command {
	enum rd_op op;
	const void *payload; /* texts are borrowed from the source */
	char uid[RD_IMPORT_UID_BYTES];
};

struct rd_import {
	struct rd_import_command *v;
	size_t n, cap;
	size_t rows;	 /* carried by them */
	size_t expired;	 /* left out: ended by now */
	size_t unusable; /* left out: no command can say it (an invalid name, a rule that is no more) */
	struct mem_arena arena;
};

/* current: the group's state so far. importer: raft id. Borrows from source until rd_import_free. */
struct rd_import *rd_import_new(const struct rd_state *source, const struct rd_state *current, int64_t now_us,
				const struct rd_lives *lives, uint64_t importer);
void rd_import_free(struct rd_import *m); /* NULL is fine */

/* --- who imports ----------------------------------------------------------------------------------------------- */
/* A voter of a group that has no id yet, as its leader knows it. */
struct rd_import_voter {
	uint64_t id;
	bool self;
	bool heard;  /* it is connected, and its backend is read */
	size_t rows; /* heard: decisions of a life without raft */
	bool begun;  /* filled by rd_import_choose: commands of its import are applied */
};

enum rd_import_verdict {
	RD_IMPORT_WAIT,	     /* for somebody who isn't heard */
	RD_IMPORT_HAND_OVER, /* that voter should lead */
	RD_IMPORT_OWN,	     /* import what there is here, possibly nothing, then name the group */
};

struct rd_import_choice {
	enum rd_import_verdict verdict;
	uint64_t to;   /* HAND_OVER */
	uint64_t gone; /* OWN: this voter had begun an import and has not come back; 0 = none */
};

#define RD_IMPORT_ASK_US (5 * CLK_S)   /* for all voters to be heard, before an import has begun */
#define RD_IMPORT_GONE_US (60 * CLK_S) /* for the one that has begun */

/* Whoever has begun goes on; else who has the most decisions, the leader itself among equals. waited_us: since this node
 * leads the group without an id. */
struct rd_import_choice rd_import_choose(const struct rd_state *s, struct rd_import_voter *voters, size_t n,
					 int64_t waited_us);

#endif
