/* rd_recoveries_private.h — between rd_recoveries.c (executors and their lives), rd_recover_ops.c (what they ask for),
 * rd_recover_start.c (beginning), rd_detected.c (detections), rd_old_sources.c (what was replaced) and rd_recover_hooks.c (hooks). */
#ifndef RD_RECOVERIES_PRIVATE_H
#define RD_RECOVERIES_PRIVATE_H

#include <sys/queue.h>

#include "hooks/rd_hooks.h"
#include "rd_detect.h"
#include "rd_node_private.h"
#include "rd_recover_begin.h"
#include "rd_recover.h"
#include "rd_recoveries.h"
#include "state/rd_records.h"

/* An event that was applied, until the next turn of the loop. */
struct rd_happened {
	TAILQ_ENTRY(rd_happened) next;
	char *uid;
	unsigned todo;
	uint64_t term;
	struct rd_recovery record; /* owned */
};
TAILQ_HEAD(rd_happened_list, rd_happened);

#define RD_LOST_DOWNTIME_US (INT64_C(31536000) * CLK_S) /* recovery.md section 5, step 6 */

struct rd_recovering {
	TAILQ_ENTRY(rd_recovering) next;
	struct rd_recoveries *rs;
	char *uid;
	struct topo_key failed; /* owned */
	uint64_t term;
	struct rd_recover *r; /* NULL: an orphan that waits */
	int64_t since_us;     /* wall: an orphan's taking over */
	struct mono orphan_until;
	struct mono entered;		  /* its state, as this node knows */
	uint64_t pending_turn;		  /* of the event that is proposed; 0 = none */
	struct mono fenced;		  /* when the failed server was made read-only; us 0 = never */
	bool broken;			  /* to be given up, and taken over anew */
	struct rd_recovery_input *chosen; /* owned: what the newest choice was made on, not recorded yet; NULL */
	bool ends;			  /* without its input */
	bool hooks_left_out;		  /* of this list: it is over at the next turn */
	enum rd_hook_list left_out;
	struct topo_key_list unread;	 /* owned: readings that could not be asked for */
	char *stays;			 /* what was told of the old source that stays read-only; NULL */
	struct rd_audit_line_list lines; /* owned; to be proposed */
	size_t cap_lines;
};
TAILQ_HEAD(rd_recovering_list, rd_recovering);

/* What outlives an executor: questions (rd_recover_ops.c), jobs of hooks (rd_recover_hooks.c). */
struct rd_recover_asked {
	LIST_ENTRY(rd_recover_asked) next;
	struct rd_recoveries *rs;
	uint64_t turn;
	struct topo_key begins; /* owned: of a recovery-begin on its way, the failed server; else "" */
	struct mono since;
	char uid[];
};
struct rd_recover_job;
struct rd_recover_asker;
LIST_HEAD(rd_recover_asked_list, rd_recover_asked);
LIST_HEAD(rd_recover_job_list, rd_recover_job);
LIST_HEAD(rd_recover_asker_list, rd_recover_asker);
struct rd_detected;
LIST_HEAD(rd_detected_list, rd_detected);

struct rd_recoveries {
	struct rd_node *n;
	struct event *timer;
	struct rd_hooks *hooks;
	struct rd_recovering_list list;
	size_t n_list;
	struct rd_happened_list happened;
	struct rd_recover_asked_list asked;
	struct rd_recover_job_list jobs;
	struct rd_recover_asker_list askers; /* rd_recover_tell.c */
	size_t n_askers;
	struct rd_detected_list detected;
	size_t n_detected;
	bool leads;
	uint64_t term;
	uint64_t
	    newest_number; /* of all steps that were sent since the start: an executor may be given up and made anew */
};

struct rd_recovering *rd_recovering_find(struct rd_recoveries *rs, const char *uid);
/* rd_recoveries_begin follows. NULL: there is no room. */
struct rd_recovering *rd_recovering_add(struct rd_recoveries *rs, const struct rd_recovery *record);
/* The loop's next turn looks at all of them. */
void rd_recoveries_wake(struct rd_recoveries *rs);

struct rd_recover_asked *rd_recover_new_asked(struct rd_recoveries *rs, const char *uid, uint64_t turn);
void rd_recover_drop_asked(struct rd_recover_asked *a);
/* For orphans: it is carried out here from now on. */
void rd_recoveries_begin(struct rd_recovering *x, enum rd_recover_origin origin, unsigned effects);

/* rd_old_sources.c: of a recovery that is done: its failed server, if it answers. */
bool rd_old_is_to_be_fenced(struct rd_recoveries *rs, const struct rd_recovery *r);
/* Its failed server became the source again, by a later recovery. */
bool rd_old_was_promoted_later(struct rd_recoveries *rs, const struct rd_recovery *than);
/* A recovery replaced s, and nothing has shown it as a source since: who ended its downtime may have put it anywhere, and its row
 * may be from before that. */
bool rd_old_stays_replaced(struct rd_recoveries *rs, const struct rd_server *s);
/* Once a second: those that rd_recoveries_found could not judge, as their successor had to be read after them. */
void rd_old_look(struct rd_recoveries *rs);

extern const struct rd_recover_ops rd_recover_ops;
void rd_recover_tell_lines(struct rd_recovering *x);
void rd_recover_tell_unread(struct rd_recovering *x);
void rd_recover_tell_chosen(struct rd_recovering *x);
void rd_recover_drop_chosen(struct rd_recovering *x);
void rd_recover_ops_done(struct rd_recoveries *rs);

/* It is in a downtime that a recovery began. */
bool rd_recoveries_lost(struct rd_recoveries *rs, const struct topo_key *key);
/* Replicas that turn up behind a server that was replaced while nobody knew of them are named as lost (rd_recover_behind.c). */
void rd_recover_name_behind(struct rd_recoveries *rs);

/* The input of a recovery, from what this node knows. */
struct rd_gathered {
	struct rd_recovery_input in;
	struct rd_recovery_server *servers; /* heap; borrow from the model */
	bool all_probed;
};
/* Of d: server, cluster_name, cluster_alias and the analysis' code. uid is borrowed. */
void rd_recover_gather(struct rd_recoveries *rs, const struct rd_dead *d, const char *uid, struct rd_gathered *g);
/* Whether d may be recovered: by the configuration and what is known of it; by recoveries of the past (ret_id: the one that
 * speaks against it). forced: an operator asks. */
enum rd_recover_refusal rd_recover_refusal(struct rd_recoveries *rs, const struct rd_dead *d,
					   const struct rd_gathered *g, bool forced);
enum rd_block rd_recover_block(struct rd_recoveries *rs, const struct rd_dead *d, bool forced, int64_t *ret_id);
int rd_recover_propose_begin(struct rd_recoveries *rs, const struct rd_dead *d, struct rd_gathered *g, const char *by,
			     bool skip_hooks, struct err *e) MUST_USE;
void rd_recover_dead_server(struct rd_recoveries *rs, const struct rd_dead *d);

/* --- hooks (rd_recover_hooks.c): recorded before each entry starts, and when it has ended */
/* Nobody waits for the list any more; from the loop, never from within a call. */
typedef void (*rd_hooks_over_fn)(struct rd_recoveries *rs, const char *uid, enum rd_hook_list list, bool failed);
/* Runs what is left of a list by the record. uid: of a recovery, or RD_DETECTION_UID <id>. values are needed for the call
 * only; attempt is filled here. If the list runs here already, that run's end is told. UNAVAILABLE: too many. */
int rd_recover_add_hooks(struct rd_recoveries *rs, const char *uid, enum rd_hook_list list,
			 struct rd_hook_values *values, rd_hooks_over_fn over, struct err *e) MUST_USE;
void rd_recover_run_hooks(struct rd_recovering *x, enum rd_hook_list list, const struct rd_lost_list *lost);
void rd_recover_tell_left_out(struct rd_recovering *x);
/* One that was undone lately, while its PostUnsuccessfulFailoverProcesses ran on: by the record they have not ended. */
bool rd_recover_owes_hooks(struct rd_recoveries *rs, const struct rd_recovery *r);
void rd_recover_hooks_done(struct rd_recoveries *rs);

/* --- rd_recover_tell.c: requests that wait for the end of a recovery ---------------------------------------------------- */
/* Answers req when that recovery ended, or at the deadline. aborts: it asked for that end. LIMIT. */
int rd_recover_await(struct rd_recoveries *rs, const char *uid, struct rd_req req, struct mono deadline, bool aborts,
		     struct err *e) MUST_USE;
/* Who waits for it got another answer. */
void rd_recover_give_up(struct rd_recoveries *rs, const char *uid);
/* It does not begin. */
void rd_recover_tell_refused(struct rd_recoveries *rs, const char *uid, const struct rd_proposed *p);
/* Who wants its end is told that it is too late. */
void rd_recover_tell_too_late(struct rd_recoveries *rs, const char *uid);
/* Something may have changed, or a second has passed. */
void rd_recover_tell_ends(struct rd_recoveries *rs);
void rd_recover_tell_done(struct rd_recoveries *rs);
/* --- what hooks are told (rd_recover_values.c); borrows, and from the arena */
void rd_recover_fill_values(const struct rd_recovering *x, const struct rd_lost_list *lost, struct mem_arena *arena,
			    struct rd_hook_values *v);
char *rd_hook_keys(struct mem_arena *arena, struct topo_key_list *keys); /* "a:1,b:2", by name; takes the list */
struct rd_failure {							 /* that was detected */
	struct topo_key key;
	enum topo_code code;
	const char *type; /* of the server: "master" and so on */
	bool is_source, is_co_source, is_downtimed;
	const char *cluster_name, *cluster_alias;
	const char *replicas; /* a:1,b:2 */
	size_t n_replicas;
};
void rd_detected_fill_values(struct rd_recoveries *rs, const struct rd_failure *f, struct rd_hook_values *v);

/* --- detections (rd_detected.c): their hooks, and recoveries that wait for them */
/* Before a recovery of d begins: false = hooks of its detection run first; it is begun when they are over. */
bool rd_detected_may_go_on(struct rd_recoveries *rs, const struct rd_dead *d);
/* A detection is on a majority, or (0) could not be recorded. */
void rd_detected_recorded(struct rd_recoveries *rs, int64_t id);
/* Once a second. */
void rd_detected_tick(struct rd_recoveries *rs);
void rd_detected_done(struct rd_recoveries *rs); /* all of them */

#endif
