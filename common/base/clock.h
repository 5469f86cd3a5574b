/* base/clock.h — time, in two types that cannot be mixed up.
 *
 * struct mono counts microseconds of CLOCK_BOOTTIME (never set back, goes on during suspend: leases and deadlines).
 * struct wall counts microseconds since 1970-01-01 UTC. Pure code is given a time and never asks for one; shells ask a
 * `struct clock`, which tests and the simulation replace. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <sys/time.h>
#include <time.h>

#include "base/base.h"

struct mono {
	int64_t us;
};
struct wall {
	int64_t us;
};

struct clock {
	struct mono (*mono)(struct clock *c);
	struct wall (*wall)(struct clock *c);
};

/* The machine's clocks; a static object, never freed. */
struct clock *clk_real(void);

static inline struct mono
clk_mono(struct clock *c)
{
	return c->mono(c);
}

static inline struct wall
clk_wall(struct clock *c)
{
	return c->wall(c);
}

#define CLK_MS INT64_C(1000)
#define CLK_S INT64_C(1000000)

static inline struct mono
mono_add_us(struct mono t, int64_t us)
{
	return (struct mono){t.us + us};
}

/* a - b in microseconds */
static inline int64_t
mono_diff_us(struct mono a, struct mono b)
{
	return a.us - b.us;
}

static inline bool
mono_before(struct mono a, struct mono b)
{
	return a.us < b.us;
}

/* A delay for event_add; us >= 0. */
static inline struct timeval
clk_timeval(int64_t us)
{
	return (struct timeval){.tv_sec = (time_t)(us / CLK_S), .tv_usec = (suseconds_t)(us % CLK_S)};
}

/* The time ms from now for pthread_cond_timedwait, of a condition whose clock is CLOCK_MONOTONIC. */
struct timespec clk_cond_deadline(int64_t ms);

/* "YYYY-MM-DD HH:MM:SS" in UTC; ret must hold CLK_STAMP_BYTES. */
#define CLK_STAMP_BYTES 24
void clk_format_wall(struct wall t, char *ret);
/* Accepts "YYYY-MM-DD[ T]HH:MM:SS[.frac][Z]" as UTC; false when it isn't one. */
bool clk_parse_wall(const char *text, struct wall *ret_t);

#endif
