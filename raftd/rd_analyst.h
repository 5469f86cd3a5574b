/* rd_analyst.h — what the model says is wrong with servers that have replicas, and how that changes: the rows of
 * database_instance_last_analysis, …_analysis_changelog and …_stale_binlog_coordinates (analysis.md sections 8 and 9). Pure.
 *
 * It is telemetry: every node judges its own rows and keeps its own history. Nothing is decided here. */
#ifndef RD_ANALYST_H
#define RD_ANALYST_H

#include "rd_model.h"
#include "state/rd_changes.h"
#include "topo/analysis.h"

struct rd_analyst_input {
	struct topo_analysis_rules rules;
	const struct topo_key_list *in_maintenance; /* these are not judged */
	bool
	    settled; /* until it is, only servers that were probed since the start are judged, with all their replicas */
};

struct rd_analyst_counts {
	uint64_t told;	  /* rows of last_analysis handed out: the writer compares them with what is there */
	uint64_t changed; /* of these: differ from what this process thought before */
};

/* Looks at every listed server that has listed replicas, remembers its code in it, and appends rows for what is new.
 * Counts are added to. */
void rd_analyst_run(struct rd_model *m, const struct rd_analyst_input *in, struct rd_changes *out,
		    struct rd_analyst_counts *counts);

#endif
