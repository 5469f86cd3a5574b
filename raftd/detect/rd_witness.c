/* rd_witness.c — see rd_witness.h. Pure; rd_voter.c takes notes, rd_verdict.c and rd_round.c judge. */
#include "rd_witness.h"

#include <string.h>

#include "base/fnv.h"
#include "rd_tries.h"

/* --- readings -------------------------------------------------------------------------------------------------------- */
static uint64_t
hash_text(uint64_t h, const char *s)
{
	return s == NULL ? fnv1a(h, "", 1) : fnv1a(h, s, strlen(s) + 1);
}

struct rd_reading
rd_reading_of(const struct topo_probe *p, struct mono now)
{
	const struct topo_coord *read = &p->inst.read_coord;
	uint64_t h = hash_text(FNV1A_BASIS, read->log_file);

	h = fnv1a(h, &read->log_pos, sizeof(read->log_pos));
	return (struct rd_reading){.at = now,
				   .io = (enum topo_thread)p->inst.io_thread_state,
				   .sql_running = p->inst.sql_running,
				   .io_errno = p->last_io_errno,
				   .heartbeats = p->heartbeats_received,
				   .received = hash_text(h, p->gtid_io_pos)};
}

enum rd_news
rd_heard_note(struct rd_heard *h, const struct rd_reading *r)
{
	const struct rd_reading *l = &h->last;
	bool turned = h->read && (l->io != r->io || l->io_errno != r->io_errno);
	/* a counter that has become smaller was reset: that says nothing */
	bool beat = l->heartbeats >= 0 && r->heartbeats > l->heartbeats;
	bool heard = h->read && !turned && r->io == TOPO_THREAD_RUNNING && (beat || r->received != l->received);

	if (!h->read || turned)
		h->since = r->at;
	h->witnessed |= turned;
	h->last = *r;
	h->read = true;
	if (turned)
		return RD_TURNED;
	return heard ? RD_HEARD : RD_NO_NEWS;
}

/* --- words ----------------------------------------------------------------------------------------------------------- */
const char *
rd_word_text(uint64_t word)
{
	static const char *const texts[RD_WORD_COUNT] = {
	    [RD_WORD_UNREAD] = "could not be read",
	    [RD_WORD_ELSEWHERE] = "has another source",
	    [RD_WORD_MUTE] = "its receiver is stopped",
	    [RD_WORD_DEAD] = "lost its source",
	    [RD_WORD_ALIVE] = "hears its source",
	    [RD_WORD_SILENT] = "connected, nothing comes in",
	    [RD_WORD_STALE] = "was not connected before either",
	};

	return word < RD_WORD_COUNT ? texts[word] : "unknown";
}

/* Errors with which a receiver says that it cannot reach its source: of the client library, and of the server's own reads
 * from the network. 0: it has just lost the connection and not tried again yet. */
static bool
is_no_connection(int64_t io_errno)
{
	static const int64_t numbers[] = {0, 2002, 2003, 2006, 2013, 2055, 1158, 1159, 1160, 1161};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		if (numbers[i] == io_errno)
			return true;
	}
	return false;
}

/* A receiver that has given up (No) was stopped, or met an error that trying again does not cure: the source's answer, if it
 * was one, is of some time ago. One that goes on trying has what it says from its newest try. */
static enum rd_word
of_broken(const struct rd_sight *v)
{
	bool since_then = v->witnessed && mono_before(v->answered, v->since);

	if (rd_errno_is_answer(v->io_errno) && v->turned)
		return RD_WORD_ALIVE;
	if (v->io == TOPO_THREAD_STOPPED)
		return RD_WORD_MUTE;
	if (is_no_connection(v->io_errno) && (v->turned || since_then))
		return RD_WORD_DEAD;
	return is_no_connection(v->io_errno) || rd_errno_is_answer(v->io_errno) ? RD_WORD_STALE : RD_WORD_MUTE;
}

enum rd_word
rd_word_of(const struct rd_sight *v)
{
	if (!v->read)
		return RD_WORD_UNREAD;
	if (!v->follows || v->io == TOPO_THREAD_NONE)
		return RD_WORD_ELSEWHERE;
	if (v->heard)
		return RD_WORD_ALIVE;
	return v->io == TOPO_THREAD_RUNNING ? RD_WORD_SILENT : of_broken(v);
}

bool
rd_word_needs_test(enum rd_word word)
{
	return word == RD_WORD_SILENT || word == RD_WORD_STALE;
}

bool
rd_sight_is_testable(const struct rd_sight *v)
{
	return v->read && v->follows && v->sql_running;
}

enum rd_word
rd_word_since(const struct rd_sight *v, enum topo_thread io, int64_t io_errno)
{
	struct rd_sight now = *v;
	enum rd_word word;

	if (io == v->io && io_errno == v->io_errno)
		return RD_WORD_UNREAD;
	now.turned = true;
	now.io = io;
	now.io_errno = io_errno;
	word = rd_word_of(&now);
	return word == RD_WORD_DEAD || word == RD_WORD_ALIVE ? word : RD_WORD_UNREAD;
}

enum rd_word
rd_word_after_restart(enum topo_thread io, int64_t io_errno, int64_t former_errno, bool last_look)
{
	bool is_new = io_errno != 0 && io_errno != former_errno;

	if (io == TOPO_THREAD_RUNNING)
		return RD_WORD_ALIVE;
	if (rd_errno_is_answer(io_errno) && (is_new || last_look))
		return RD_WORD_ALIVE;
	if (!is_new && !last_look)
		return RD_WORD_SILENT;
	return io == TOPO_THREAD_OTHER && is_no_connection(io_errno) ? RD_WORD_DEAD : RD_WORD_MUTE;
}
