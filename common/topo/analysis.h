/* topo/analysis.h — what is wrong with servers, as their rows say: the codes, warnings and aggregates of
 * reference/analysis.md. Pure: rows, limits and the time are given. (Evidence and votes are not looked at here.)
 *
 * The codes and their conditions stand in analysis_codes.def, the result's fields and JSON names in analysis.def.
 * Results borrow from the servers given and from the arena; nothing here is freed one by one. */
#ifndef TOPO_ANALYSIS_H
#define TOPO_ANALYSIS_H

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "topo/topo.h"

enum topo_code {
	TOPO_NO_PROBLEM,
#define TOPO_CODE(id, ...) TOPO_##id,
#include "topo/analysis_codes.def"
	TOPO_CODE_COUNT
};
const char *topo_code_name(enum topo_code code);	/* "DeadMaster" */
const char *topo_code_description(enum topo_code code); /* "" for NoProblem */

enum topo_structure {
#define TOPO_STRUCTURE(id, ...) TOPO_STRUCTURE_##id,
#include "topo/analysis_codes.def"
	TOPO_STRUCTURE_COUNT
};
const char *topo_structure_name(enum topo_structure warning);

/* json-shapes.md section 3. alias and domain are the cluster's name until the caller knows better; the counts and flags
 * are the caller's. */
#define TOPO_CLUSTER_DETAILS_FIELDS(F)                                                  \
	F(STR, name, _, 270, .json = "ClusterName")                                     \
	F(STR, alias, _, 270, .json = "ClusterAlias")                                   \
	F(STR, domain, _, 270, .json = "ClusterDomain")                                 \
	F(U64, n_instances, _, 0, .json = "CountInstances")                             \
	F(I64, heuristic_lag, _, 0, .json = "HeuristicLag")                             \
	F(BOOL, automated_primary_recovery, _, 0, .json = "HasAutomatedMasterRecovery") \
	F(BOOL, automated_intermediate_recovery, _, 0, .json = "HasAutomatedIntermediateMasterRecovery")
REC_DECLARE(topo_cluster_details, TOPO_CLUSTER_DETAILS_FIELDS);

struct topo_analysis {
#define F REC_MEMBER
#include "topo/analysis.def"
#undef F
};
REC_DECLARE_LIST(topo_analysis);

/* A server with what other tables say about it. */
struct topo_analysed {
	const struct topo_instance *inst;
	const char *resolved;	 /* the name its hostname resolves to, by which replicas know it; NULL: its own */
	int64_t downtime_end_us; /* of active downtime; 0 = none. Without an end it does not count here */
	bool in_maintenance;	 /* not analysed itself, but counted as a replica */
	struct topo_coord stale; /* the stored position at which it seems to stand still; log_file "" or NULL = none */
	int64_t stale_since_us;
};

struct topo_analysis_rules {
	struct wall now;
	int64_t poll_s;				/* InstancePollSeconds */
	int64_t reasonable_check_s;		/* ReasonableInstanceCheckSeconds */
	int64_t reasonable_lag_s;		/* ReasonableReplicationLagSeconds */
	int64_t reasonable_locked_s;		/* how long a semi-sync source must stand still to count as locked */
	bool enforce_exact_semi_sync;		/* EnforceExactSemiSyncReplicas */
	bool recover_non_writable;		/* a read-only primary is a failure */
	const char *node_hostname, *node_token; /* of this node */

	/* --- topo_analyse only --- */
	bool reduce;		    /* ReduceReplicationAnalysisCount: leaves that are fine are left out */
	bool include_no_problem;    /* servers without code and warning too */
	bool include_downtimed;	    /* those that are to be skipped because of downtime too */
	const char *cluster;	    /* exact name; NULL or "" = all */
	const struct topo_key *key; /* this server alone; NULL = all */
	bool (*is_ignored)(void *ctx, const char *hostname); /* RecoveryIgnoreHostnameFilters; NULL = nobody */
	void *ctx;
};

/* One server and its direct replicas. Makes no choice: everything above "topo_analyse only" counts. */
void topo_analyse_one(const struct topo_analysed *server, const struct topo_analysed *const *replicas, size_t n,
		      const struct topo_analysis_rules *rules, struct mem_arena *arena, struct topo_analysis *ret);

/* All servers: who is whose replica, whom to leave out (analysis.md sections 1 and 5), in the historical order; equals
 * by host and port. Replicas count wherever they are, whatever cluster or key is asked for. */
void topo_analyse(const struct topo_analysed *servers, size_t n, const struct topo_analysis_rules *rules,
		  struct mem_arena *arena, struct topo_analysis_list *ret);

/* "DeadMaster, ErrantGTIDStructureWarning": the code, unless there is no problem, then the warnings; appended. */
void topo_analysis_text(const struct topo_analysis *a, struct str_buf *b);
/* co-master, group-member, master, intermediate-master: historical words, also given to hooks. */
const char *topo_analysed_type(const struct topo_analysis *a);

/* A copy of what analysis looks at, other texts and lists empty: for callers whose rows are gone before the next. */
struct topo_instance *topo_analysis_keep(const struct topo_instance *inst, struct mem_arena *arena);

#endif
