/* analysis_private.h — between the files of analysis. Private to analysis*.c. */
#ifndef TOPO_ANALYSIS_PRIVATE_H
#define TOPO_ANALYSIS_PRIVATE_H

#include "topo/analysis.h"

/* The aggregates are set: code, description, warnings, and whether downtime hides them. */
void topo_analysis_judge(struct topo_analysis *a, const struct topo_analysis_rules *rules, struct mem_arena *arena);

#endif
