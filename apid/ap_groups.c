/* ap_groups.c — see ap_groups.h. Owns the thread (started at the first question), its queue and what it found. Called by
 * ap_gate.c. */
#include "ap_groups.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/worker.h"

#define GIDS_MAX 65536 /* the kernel's own limit */
#define LOOKUP_WAIT_MS 2000
#define ENTRY_MAX (1U << 20) /* of one user or group in the database */

struct question {
	STAILQ_ENTRY(question) next;
	struct ap_request *rq;
	ap_groups_fn then;
	bool member;
};
STAILQ_HEAD(question_queue, question);

struct kept {
	TAILQ_ENTRY(kept) next;
	char user[AP_USER_BYTES];
	bool member;
	struct mono until;
};
TAILQ_HEAD(kept_list, kept);

struct ap_groups {
	struct ap *ap;
	struct worker worker;
	struct question_queue waiting, done; /* under its lock, as the next */
	size_t n_waiting;
	struct conf *kept_of;  /* the configuration that kept holds for */
	struct kept_list kept; /* oldest first; loop only */
	size_t n_kept;
};

/* --- the lookup ------------------------------------------------------------------------------------------------ */
static bool
find_user(const char *user, gid_t *ret_primary)
{
	struct passwd entry, *found = NULL;
	char *room = NULL;
	int rc = ERANGE;

	for (size_t n = 4096; rc == ERANGE && n <= ENTRY_MAX; n *= 4) {
		free(room);
		room = mem_alloc(n);
		rc = getpwnam_r(user, &entry, room, n, &found);
	}
	if (found != NULL)
		*ret_primary = entry.pw_gid;
	free(room);
	return rc == 0 && found != NULL;
}

static bool
find_group(const char *name, gid_t *ret_gid)
{
	struct group entry, *found = NULL;
	char *room = NULL;
	int rc = ERANGE;

	for (size_t n = 4096; rc == ERANGE && n <= ENTRY_MAX; n *= 4) {
		free(room);
		room = mem_alloc(n);
		rc = getgrnam_r(name, &entry, room, n, &found);
	}
	if (found != NULL)
		*ret_gid = entry.gr_gid;
	free(room);
	return rc == 0 && found != NULL;
}

static gid_t *
groups_of(const char *user, gid_t primary, int *ret_n)
{
	int n = 64;
	gid_t *gids = mem_calloc((size_t)n, sizeof(*gids));

	while (getgrouplist(user, primary, gids, &n) < 0 && n <= GIDS_MAX) { /* n says how many there are */
		free(gids);
		gids = mem_calloc((size_t)n, sizeof(*gids));
	}
	*ret_n = n <= GIDS_MAX ? n : 0;
	return gids;
}

bool
ap_groups_has(const char *user, const struct conf_strs *groups)
{
	gid_t primary = 0, *gids;
	bool member = false;
	int n;

	if (user[0] == '\0' || !find_user(user, &primary))
		return false;
	gids = groups_of(user, primary, &n);
	for (size_t i = 0; i < groups->n && !member; i++) {
		gid_t gid = 0;
		bool known = find_group(groups->v[i], &gid);
		for (int k = 0; known && k < n && !member; k++)
			member = gids[k] == gid;
	}
	free(gids);
	return member;
}

/* --- in the thread --------------------------------------------------------------------------------------------- */
/* NULL: the end. */
static struct question *
next_question(struct ap_groups *g)
{
	struct question *q = NULL;

	worker_lock(&g->worker);
	while (!g->worker.stopping && (q = STAILQ_FIRST(&g->waiting)) == NULL)
		worker_wait(&g->worker);
	if (q != NULL) {
		STAILQ_REMOVE_HEAD(&g->waiting, next);
		g->n_waiting--;
	}
	worker_unlock(&g->worker);
	return q;
}

static void
run(void *ctx)
{
	struct ap_groups *g = ctx;
	struct question *q;

	while ((q = next_question(g)) != NULL) {
		q->member = ap_groups_has(q->rq->user, &q->rq->conf->PowerAuthGroups);
		worker_lock(&g->worker);
		STAILQ_INSERT_TAIL(&g->done, q, next);
		worker_unlock(&g->worker);
		worker_wake(&g->worker);
	}
}

/* --- what is kept ---------------------------------------------------------------------------------------------- */
static void
drop_kept(struct ap_groups *g, struct kept *k)
{
	TAILQ_REMOVE(&g->kept, k, next);
	g->n_kept--;
	free(k);
}

/* Forgets what is old, too much, or of another configuration. */
static void
tidy_kept(struct ap_groups *g, struct conf *conf)
{
	struct mono now = clk_mono(g->ap->clock);
	bool other = g->kept_of != conf;
	struct kept *k;

	while ((k = TAILQ_FIRST(&g->kept)) != NULL &&
	       (other || !mono_before(now, k->until) || g->n_kept >= AP_GROUPS_KEPT_MAX))
		drop_kept(g, k);
	if (!other)
		return;
	conf_unref(g->kept_of);
	g->kept_of = conf_ref(conf);
}

static const struct kept *
find_kept(struct ap_groups *g, const struct ap_request *rq)
{
	const struct kept *k;

	tidy_kept(g, rq->conf);
	TAILQ_FOREACH (k, &g->kept, next) {
		if (str_eq(k->user, rq->user))
			return k;
	}
	return NULL;
}

static void
keep(struct ap_groups *g, const struct ap_request *rq, bool member)
{
	struct kept *k;

	if (g->kept_of != rq->conf || find_kept(g, rq) != NULL)
		return;
	k = mem_new(struct kept);
	(void)str_copy(k->user, sizeof(k->user), rq->user);
	k->member = member;
	k->until = mono_add_us(clk_mono(g->ap->clock), AP_GROUPS_KEEP_MS * CLK_MS);
	TAILQ_INSERT_TAIL(&g->kept, k, next);
	g->n_kept++;
}

/* --- on the loop ----------------------------------------------------------------------------------------------- */
static void
deliver(struct ap_groups *g, struct question *q)
{
	struct ap_request *rq = q->rq;
	ap_groups_fn then = q->then;
	bool member = q->member;

	keep(g, rq, member);
	free(q);
	then(rq, member, NULL);
}

static void
on_wake(void *ctx)
{
	struct ap_groups *g = ctx;
	struct question_queue batch = STAILQ_HEAD_INITIALIZER(batch);
	struct question *q;

	worker_lock(&g->worker);
	STAILQ_CONCAT(&batch, &g->done);
	worker_unlock(&g->worker);
	while ((q = STAILQ_FIRST(&batch)) != NULL) {
		STAILQ_REMOVE_HEAD(&batch, next);
		deliver(g, q);
	}
}

/* NULL when the system has no thread or file left. */
static struct ap_groups *
start(struct ap *ap)
{
	struct ap_groups *g = mem_new(struct ap_groups);
	const struct worker_conf conf = {
	    .base = ap->base, .name = "group look-up", .ctx = g, .run = run, .on_wake = on_wake};
	struct err e;

	g->ap = ap;
	STAILQ_INIT(&g->waiting);
	STAILQ_INIT(&g->done);
	TAILQ_INIT(&g->kept);
	if (worker_start(&g->worker, &conf, &e) == 0)
		return g;
	free(g); /* whoever asks is told */
	return NULL;
}

/* False when there is no room. */
static bool
enqueue(struct ap_groups *g, struct ap_request *rq, ap_groups_fn then)
{
	struct question *q = mem_new(struct question);
	bool room;

	*q = (struct question){.rq = rq, .then = then};
	worker_lock(&g->worker);
	room = g->n_waiting < AP_GROUPS_QUEUE_MAX;
	if (room) {
		STAILQ_INSERT_TAIL(&g->waiting, q, next);
		g->n_waiting++;
		worker_tell(&g->worker);
	}
	worker_unlock(&g->worker);
	if (!room)
		free(q);
	return room;
}

void
ap_groups_ask(struct ap_request *rq, ap_groups_fn then)
{
	struct ap *ap = rq->ap;
	const struct kept *k;
	struct err e;

	if (ap->groups == NULL && !ap->stopping)
		ap->groups = start(ap);
	k = ap->groups == NULL ? NULL : find_kept(ap->groups, rq);
	if (k != NULL) {
		then(rq, k->member, NULL);
	} else if (ap->groups == NULL || !enqueue(ap->groups, rq, then)) {
		(void)err_set(&e, ERR_BUSY, "cannot look the user's groups up now, try again");
		then(rq, false, &e);
	}
}

static void
cancel(struct question *q)
{
	struct err e;

	(void)err_set(&e, ERR_CANCELLED, "the node is stopping");
	q->then(q->rq, false, &e);
	free(q);
}

void
ap_groups_stop(struct ap *ap)
{
	struct ap_groups *g = ap->groups;
	struct question *q;

	if (g == NULL)
		return;
	while (!worker_end(&g->worker, LOOKUP_WAIT_MS))
		log_warning("auth", "a group look-up does not end, still waiting for it");
	ap->groups = NULL;
	STAILQ_CONCAT(&g->waiting, &g->done);
	while ((q = STAILQ_FIRST(&g->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&g->waiting, next);
		cancel(q);
	}
	while (!TAILQ_EMPTY(&g->kept))
		drop_kept(g, TAILQ_FIRST(&g->kept));
	conf_unref(g->kept_of);
	free(g);
}
