/* sim_trace.c — what happened, readable by people: the newest lines in a ring, and a running hash of all of them, by
 * which two runs of a seed are compared. The shell's own log lines are part of it. Also the randomness that the shell
 * asks for: from the seed. Owns the ring. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "sim.h"

#define LINES 4000
#define LINE_BYTES 240

bool sim_verbose;

static struct {
	char v[LINES][LINE_BYTES];
	size_t n;
	uint64_t hash;
} ring;

/* The linker puts these in the places of log.c's and str.c's (meson.build). */
void __wrap_log_write(enum log_level level, const char *module, const char *fmt, ...) PRINTF_LIKE(3, 4);
enum log_level __wrap_log_get_level(void);
void __wrap_str_random_hex(char *ret, size_t n);

void
sim_trace_reset(void)
{
	ring.n = 0;
	ring.hash = 0xcbf29ce484222325;
}

uint64_t
sim_trace_hash(void)
{
	return ring.hash;
}

static void add(const char *who, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

static void
add(const char *who, const char *fmt, va_list ap)
{
	char *line = ring.v[ring.n++ % LINES];
	int at = snprintf(line, LINE_BYTES, "%4lld.%06lld %-3s ", (long long)(sim.now / CLK_S),
			  (long long)(sim.now % CLK_S), who);

	(void)vsnprintf(line + at, LINE_BYTES - (size_t)at, fmt, ap);
	for (const char *c = line; *c != '\0'; c++)
		ring.hash = (ring.hash ^ (uint8_t)*c) * 0x100000001b3;
	if (sim_verbose)
		(void)fprintf(stderr, "%s\n", line);
}

void
sim_trace(const char *fmt, ...)
{
	char who[8] = "";
	va_list ap;

	if (sim.cur != NULL)
		(void)snprintf(who, sizeof(who), "n%zu", sim.cur->i);
	va_start(ap, fmt);
	add(who, fmt, ap);
	va_end(ap);
}

void
sim_trace_print(size_t lines)
{
	size_t from = ring.n > lines ? ring.n - lines : 0;

	if (ring.n - from > LINES)
		from = ring.n - LINES;
	for (size_t i = from; i < ring.n; i++)
		(void)printf("    %s\n", ring.v[i % LINES]);
}

void
sim_count(enum sim_fault f)
{
	sim.faults[f]++;
}

void
__wrap_log_write(enum log_level level, const char *module, const char *fmt, ...)
{
	char text[LINE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sim_trace("%s %s: %s", log_level_name(level), module, text);
}

enum log_level
__wrap_log_get_level(void)
{
	return LOG_LVL_DEBUG;
}

void
__wrap_str_random_hex(char *ret, size_t n)
{
	for (size_t i = 0; i < 2 * n; i++)
		ret[i] = "0123456789abcdef"[sim_rand(16)];
	ret[2 * n] = '\0';
}
