/* rd_tries.c — see rd_tries.h. Pure; called by rd_voter.c for votes, by rd_verdict.c to judge what voters say, and by the
 * node for its own suspicions. */
#include "rd_tries.h"

/* --- one attempt ----------------------------------------------------------------------------------------------------- */
enum rd_reach
rd_reach_of(uint64_t evidence)
{
	static const enum rd_reach table[TOPO_EVIDENCE_COUNT] = {
	    [TOPO_EVIDENCE_NONE] = RD_REACH_UNKNOWN,	   [TOPO_EVIDENCE_ANSWERED] = RD_REACH_ANSWERED,
	    [TOPO_EVIDENCE_REFUSED] = RD_REACH_FAILED,	   [TOPO_EVIDENCE_RESET] = RD_REACH_FAILED,
	    [TOPO_EVIDENCE_TIMED_OUT] = RD_REACH_FAILED,   [TOPO_EVIDENCE_UNREACHABLE] = RD_REACH_FAILED,
	    [TOPO_EVIDENCE_UNRESOLVED] = RD_REACH_UNKNOWN,
	};

	return evidence < TOPO_EVIDENCE_COUNT ? table[evidence] : RD_REACH_UNKNOWN;
}

static int64_t
at_least_zero(int64_t us)
{
	return us > 0 ? us : 0;
}

struct rd_attempt
rd_attempt_of(const struct topo_probe *p, struct mono now)
{
	return (struct rd_attempt){.evidence = p->evidence,
				   .errno_mysql = p->errno_mysql,
				   .found = p->found,
				   .began = mono_add_us(now, -at_least_zero(p->ended_us - p->started_us)),
				   .ended = now};
}

/* --- several --------------------------------------------------------------------------------------------------------- */
void
rd_tries_note(struct rd_tries *t, const struct rd_attempt *a)
{
	enum rd_reach reach = rd_reach_of(a->evidence);
	int64_t took_us = at_least_zero(mono_diff_us(a->ended, a->began));

	if (reach == RD_REACH_UNKNOWN) {
		t->unclear = a->evidence;
		return;
	}
	t->evidence = a->evidence;
	t->errno_mysql = a->errno_mysql;
	t->found = a->found;
	if (reach == RD_REACH_ANSWERED) {
		t->failed = 0;
		t->longest_us = 0;
		return;
	}
	if (t->failed++ == 0)
		t->failed_first = a->ended;
	t->failed_last = a->ended;
	if (a->evidence == TOPO_EVIDENCE_TIMED_OUT && took_us > t->longest_us)
		t->longest_us = took_us;
}

enum rd_reach
rd_reach_judge(uint64_t evidence, uint64_t failed, int64_t span_us, int64_t longest_us)
{
	enum rd_reach reach = rd_reach_of(evidence);

	if (reach != RD_REACH_FAILED)
		return reach;
	if ((failed >= 2 && span_us >= RD_APART_US) || (failed >= 1 && longest_us >= RD_SILENCE_US))
		return RD_REACH_FAILED;
	return RD_REACH_UNKNOWN;
}

enum rd_reach
rd_tries_judge(const struct rd_tries *t)
{
	return rd_reach_judge(t->evidence, t->failed, mono_diff_us(t->failed_last, t->failed_first), t->longest_us);
}

/* --- suspicion ------------------------------------------------------------------------------------------------------- */
static void
note_life(struct rd_seen *s, struct mono at)
{
	if (mono_before(s->answered, at))
		s->answered = at;
}

void
rd_seen_attempt(struct rd_seen *s, const struct rd_attempt *a)
{
	enum rd_reach reach = rd_reach_of(a->evidence);

	rd_tries_note(&s->tries, a);
	if (reach == RD_REACH_ANSWERED) {
		note_life(s, a->ended);
		s->lost = s->attempted = (struct mono){0};
	} else if (reach == RD_REACH_FAILED) {
		s->attempted = a->began;
	}
}

void
rd_seen_lost(struct rd_seen *s, uint64_t evidence, int64_t age_us, struct mono now)
{
	if (age_us >= 0)
		note_life(s, mono_add_us(now, -age_us));
	s->lost = now;
	s->lost_evidence = evidence;
}

enum rd_suspicion
rd_seen_suspicion(const struct rd_seen *s, bool in_mass)
{
	bool failed = s->tries.failed > 0, lost = s->lost.us != 0;

	if (in_mass) /* an attempt that began before the loss may have been cut by what cut all the others */
		failed = failed && !mono_before(s->attempted, s->lost);
	if (failed)
		return RD_ASK;
	if (!lost)
		return s->tries.failed > 0 ? RD_LOOK : RD_UNSUSPECTED;
	/* the silence of a ping has taken its time already; what was merely closed is asked again in no time */
	return !in_mass && s->lost_evidence == TOPO_EVIDENCE_TIMED_OUT ? RD_ASK : RD_LOOK;
}

/* --- names ----------------------------------------------------------------------------------------------------------- */
static const struct {
	int64_t number;
	const char *text;
} causes[] = {
#define CAUSE(number, text) {number, text},
#include "rd_cause.def"
};

static const char *
cause_of_errno(int64_t errno_mysql)
{
	for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
		if (causes[i].number == errno_mysql)
			return causes[i].text;
	}
	return NULL;
}

bool
rd_errno_is_answer(int64_t errno_mysql)
{
	static const int64_t numbers[] = {
#define OWN_CAUSE(number, text)
#define CAUSE(number, text) number,
#include "rd_cause.def"
	};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		if (numbers[i] == errno_mysql)
			return true;
	}
	return false;
}

const char *
rd_cause(uint64_t evidence, bool found, int64_t errno_mysql)
{
	static const char *const silent[TOPO_EVIDENCE_COUNT] = {
	    [TOPO_EVIDENCE_NONE] = "not probed",
	    [TOPO_EVIDENCE_ANSWERED] = "stalled",
	    [TOPO_EVIDENCE_REFUSED] = "refused",
	    [TOPO_EVIDENCE_RESET] = "connection reset",
	    [TOPO_EVIDENCE_TIMED_OUT] = "timed out",
	    [TOPO_EVIDENCE_UNREACHABLE] = "network unreachable",
	    [TOPO_EVIDENCE_UNRESOLVED] = "name not resolved",
	};
	const char *named = cause_of_errno(errno_mysql);
	bool of_server = errno_mysql > 0 && !(errno_mysql >= 2000 && errno_mysql < 3000) &&
			 !(errno_mysql >= 5000 && errno_mysql < 6000);

	if (evidence >= TOPO_EVIDENCE_COUNT)
		return "not understood";
	if (evidence != TOPO_EVIDENCE_ANSWERED)
		return silent[evidence];
	if (found)
		return "";
	if (named != NULL)
		return named;
	return of_server ? "answers with an error" : silent[evidence];
}
