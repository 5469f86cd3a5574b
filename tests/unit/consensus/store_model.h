/* store_model.h — an endless, repeatable history of writes: step n is a function of n and of the steps before it, and
 * carries term = n, so a reopened store itself tells how many steps it holds; the model tells what it must then contain.
 *
 * Steps append entries, replace the newest few, take own snapshots with compaction and install received ones. */
#ifndef STORE_MODEL_H
#define STORE_MODEL_H

#include "store_temp.h"

#define MODEL_INDEX_MAX 2000000
#define MODEL_ENTRIES_MAX 8

struct model {
	uint64_t step;	/* carried out */
	uint64_t last;	/* index */
	uint64_t *term; /* of entry i */
	uint64_t snapshot_index, snapshot_term;
	uint64_t compact_to;
};

struct model_step {
	struct rd_write write; /* points into this struct */
	struct rd_log_entry entries[MODEL_ENTRIES_MAX];
	struct rd_snapshot snapshot; /* write.snapshot: its file is to be put first, content: model_content */
	enum rd_snapshot_source source;
};

void model_init(struct model *m);
void model_done(struct model *m);
/* The next step, and the model after it. */
void model_next(struct model *m, struct model_step *ret_step);
/* The content of every snapshot. */
extern const char model_content[1000];
/* What was found is what the history left after the number of steps that it has; fails the test otherwise. The model,
 * which may be behind, is brought there. */
void model_check(struct model *m, const struct rd_stored *found);

#endif
