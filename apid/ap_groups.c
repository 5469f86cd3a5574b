/* ap_groups.c — see ap_groups.h. Owns the thread (started at the first question), its queue and what it found. Called by
 * ap_gate.c. */
#include "ap_groups.h"

#include <errno.h>
#include <event2/event.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/log.h"

#define GIDS_MAX 65536	     /* the kernel's own limit */
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
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct question_queue waiting, done; /* under lock */
	size_t n_waiting;		     /* under lock */
	bool stopping;			     /* under lock */
	int done_fd;
	struct event *done_event;
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
static struct question *
next_question(struct ap_groups *g)
{
	struct question *q;

	(void)pthread_mutex_lock(&g->lock);
	while (STAILQ_EMPTY(&g->waiting) && !g->stopping)
		(void)pthread_cond_wait(&g->wake, &g->lock);
	q = g->stopping ? NULL : STAILQ_FIRST(&g->waiting);
	if (q != NULL) {
		STAILQ_REMOVE_HEAD(&g->waiting, next);
		g->n_waiting--;
	}
	(void)pthread_mutex_unlock(&g->lock);
	return q;
}

static void *
thread_main(void *arg)
{
	struct ap_groups *g = arg;
	struct question *q;
	uint64_t one = 1;

	while ((q = next_question(g)) != NULL) {
		q->member = ap_groups_has(q->rq->user, &q->rq->conf->PowerAuthGroups);
		(void)pthread_mutex_lock(&g->lock);
		STAILQ_INSERT_TAIL(&g->done, q, next);
		(void)pthread_mutex_unlock(&g->lock);
		if (write(g->done_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
			log_error("auth", "eventfd: %s", strerror(errno));
	}
	return NULL;
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
on_done(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct ap_groups *g = arg;
	struct question_queue batch = STAILQ_HEAD_INITIALIZER(batch);
	struct question *q;
	uint64_t count;

	if (read(fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
		return;
	(void)pthread_mutex_lock(&g->lock);
	STAILQ_CONCAT(&batch, &g->done);
	(void)pthread_mutex_unlock(&g->lock);
	while ((q = STAILQ_FIRST(&batch)) != NULL) {
		STAILQ_REMOVE_HEAD(&batch, next);
		deliver(g, q);
	}
}

static void
free_groups(struct ap_groups *g)
{
	while (!TAILQ_EMPTY(&g->kept))
		drop_kept(g, TAILQ_FIRST(&g->kept));
	conf_unref(g->kept_of);
	event_free(g->done_event);
	(void)close(g->done_fd);
	(void)pthread_mutex_destroy(&g->lock);
	(void)pthread_cond_destroy(&g->wake);
	free(g);
}

/* NULL when the system has no thread or file left. */
static struct ap_groups *
start(struct ap *ap)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct ap_groups *g;

	if (fd < 0)
		return NULL;
	g = mem_new(struct ap_groups);
	g->ap = ap;
	STAILQ_INIT(&g->waiting);
	STAILQ_INIT(&g->done);
	TAILQ_INIT(&g->kept);
	(void)pthread_mutex_init(&g->lock, NULL);
	(void)pthread_cond_init(&g->wake, NULL);
	g->done_fd = fd;
	g->done_event = event_new(ap->base, fd, EV_READ | EV_PERSIST, on_done, g);
	ASSERT(g->done_event != NULL && event_add(g->done_event, NULL) == 0);
	if (pthread_create(&g->thread, NULL, thread_main, g) == 0)
		return g;
	free_groups(g);
	return NULL;
}

/* False when there is no room. */
static bool
enqueue(struct ap_groups *g, struct ap_request *rq, ap_groups_fn then)
{
	struct question *q = mem_new(struct question);
	bool room;

	*q = (struct question){.rq = rq, .then = then};
	(void)pthread_mutex_lock(&g->lock);
	room = g->n_waiting < AP_GROUPS_QUEUE_MAX;
	if (room) {
		STAILQ_INSERT_TAIL(&g->waiting, q, next);
		g->n_waiting++;
	}
	(void)pthread_mutex_unlock(&g->lock);
	if (room)
		(void)pthread_cond_signal(&g->wake);
	else
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
	(void)pthread_mutex_lock(&g->lock);
	g->stopping = true;
	(void)pthread_mutex_unlock(&g->lock);
	(void)pthread_cond_signal(&g->wake);
	(void)pthread_join(g->thread, NULL);
	ap->groups = NULL;
	STAILQ_CONCAT(&g->waiting, &g->done);
	while ((q = STAILQ_FIRST(&g->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&g->waiting, next);
		cancel(q);
	}
	free_groups(g);
}
