/* test_rd_store_crash.c — a process that writes as fast as it can through the log writer's thread is killed (SIGKILL) at
 * random moments, again and again, also while it opens the store. How we know that nothing completed is lost: each
 * completion is reported through a pipe, whose content outlives the process; the reopened store tells by its term how many
 * steps it holds, which must be at least as many as were reported and at most as many as were submitted, and its content
 * must be exactly what store_model.h says for that number.
 *
 *   ORC_CRASH_ROUNDS=5000 test_rd_store_crash      more than the default */
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "rd_logwriter.h"
#include "store_model.h"

#define IN_FLIGHT 40
#define ROUNDS 60
#define KILL_WITHIN_US 30000
#define WRITES_BEFORE_KILL 300

/* --- the process that is killed ------------------------------------------------------------------------------------- */
struct writer {
	struct rd_logwriter *w;
	struct model m;
	int report_fd;
	size_t in_flight;
	bool putting; /* a snapshot's file is being written: its metadata waits for it, and everything after it */
	struct model_step step;
};

static void
report(struct writer *x, uint64_t step, char what)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "%c%llu\n", what, (unsigned long long)step);

	if (write(x->report_fd, line, (size_t)n) != n) /* one write: whole or not at all */
		_exit(3);
}

static void submit_more(struct writer *x);

static void
give_up(const char *what, const struct err *e)
{
	(void)fprintf(stderr, "%s: %s\n", what, e->msg);
	_exit(2);
}

static void
on_written(void *ctx, struct rd_log_job *j)
{
	struct writer *x = ctx;

	if (j->rc != 0)
		give_up("write", &j->e);
	report(x, j->write.term, 'w');
	rd_log_job_free(j);
	x->in_flight--;
	submit_more(x);
}

static void
submit(struct writer *x, struct rd_log_job *j)
{
	struct err e;

	if (rd_log_submit(x->w, j, &e) != 0)
		give_up("submit", &e);
}

static void
submit_write(struct writer *x)
{
	report(x, x->step.write.term, 's');
	submit(x, rd_log_job_write(&x->step.write, on_written, x));
	x->in_flight++;
}

static void
on_put(void *ctx, struct rd_log_job *j)
{
	struct writer *x = ctx;

	if (j->rc != 0)
		give_up("snapshot", &j->e);
	rd_log_job_free(j);
	x->putting = false;
	submit_write(x);
	submit_more(x);
}

static void
put_file(struct writer *x)
{
	struct rd_log_job *j = rd_log_job_new(RD_LOG_JOB_SNAP_PUT, on_put, x);

	rd_snapshot_dup(&j->snapshot, &x->step.snapshot);
	j->source = x->step.source;
	j->data = mem_dup(model_content, sizeof(model_content));
	j->n = sizeof(model_content);
	j->last = true;
	x->putting = true;
	submit(x, j);
}

static void
submit_more(struct writer *x)
{
	while (!x->putting && x->in_flight < IN_FLIGHT) {
		model_next(&x->m, &x->step);
		if (x->step.write.snapshot != NULL)
			put_file(x);
		else
			submit_write(x);
	}
}

static void
on_open(void *ctx, struct rd_stored *found)
{
	struct writer *x = ctx;
	struct model_step ignored;

	while (x->m.step < found->term)
		model_next(&x->m, &ignored);
	rd_stored_free(found);
	submit_more(x);
}

static void
on_failed(void *ctx, const struct err *e)
{
	(void)ctx;
	give_up("store", e);
}

NORETURN static void
write_until_killed(const char *dir, int report_fd)
{
	struct event_base *base = event_base_new();
	struct writer x = {.report_fd = report_fd};
	const struct rd_logwriter_conf c = {
	    .base = base, .dir = dir, .recent_bytes = MIB, .ctx = &x, .on_open = on_open, .on_failed = on_failed};
	struct err e;

	model_init(&x.m);
	if (rd_logwriter_start(&c, &x.w, &e) != 0)
		give_up("start", &e);
	(void)event_base_dispatch(base);
	_exit(4);
}

/* --- the one that kills --------------------------------------------------------------------------------------------- */
struct reports {
	uint64_t submitted, written;
};

/* Reads until so many more steps are written, or to the end. */
static void
read_reports(FILE *f, struct reports *r, uint64_t written)
{
	uint64_t until = r->written + written;
	unsigned long long step;
	char what;

	while (r->written < until && fscanf(f, "%c%llu\n", &what, &step) == 2) {
		if (what == 's' && step > r->submitted)
			r->submitted = step;
		if (what == 'w') {
			assert_int_equal(step, r->written + 1); /* in order, each once */
			r->written = step;
		}
	}
}

/* In every other round the process is killed whatever it is doing, in the others when it has written for a while. */
static void
round_trip(struct temp *t, struct model *m, struct reports *r, bool let_it_write)
{
	int fds[2], status;
	pid_t pid;
	FILE *f;

	assert_return_code(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_return_code(pid, 0);
	if (pid == 0)
		write_until_killed(t->dir, fds[1]);
	(void)close(fds[1]);
	f = fdopen(fds[0], "r");
	assert_non_null(f);
	r->written = m->step;
	if (let_it_write)
		read_reports(f, r, (uint64_t)(rand() % WRITES_BEFORE_KILL));
	(void)usleep((useconds_t)(rand() % (let_it_write ? KILL_WITHIN_US / 10 : KILL_WITHIN_US)));
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	read_reports(f, r, UINT64_MAX / 2);
	(void)fclose(f);
	temp_open(t);
	assert_in_range(t->found->term, r->written, r->submitted > r->written ? r->submitted : r->written);
	model_check(m, t->found);
	temp_close(t);
}

static void
test_nothing_completed_is_lost_by_kill_9(void **state)
{
	struct temp *t = *state;
	const char *wanted = getenv("ORC_CRASH_ROUNDS");
	int rounds = wanted != NULL ? atoi(wanted) : ROUNDS;
	struct reports r = {0};
	struct model m;

	model_init(&m);
	srand((unsigned)getpid());
	for (int i = 0; i < rounds; i++)
		round_trip(t, &m, &r, i % 2 == 0);
	print_message("%d rounds, %llu steps\n", rounds, (unsigned long long)m.step);
	assert_true(m.step > (uint64_t)rounds); /* it did write between the kills */
	model_done(&m);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_nothing_completed_is_lost_by_kill_9, temp_setup, temp_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
