/* log.c — formats a line and writes it to stderr (and syslog). Owns the process-wide level and program name.
 * Called from any thread; one write(2) per line, so lines of several processes sharing stderr do not mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 2048

static const char *log_program = "orchestrator";
static _Atomic int log_level_now = LOG_LVL_INFO;
static _Atomic bool log_to_syslog = false;

static const struct {
	const char *name;
	int priority;
} levels[] = {
    [LOG_LVL_ERROR] = {"ERROR", LOG_ERR},      [LOG_LVL_WARNING] = {"WARNING", LOG_WARNING},
    [LOG_LVL_NOTICE] = {"NOTICE", LOG_NOTICE}, [LOG_LVL_INFO] = {"INFO", LOG_INFO},
    [LOG_LVL_DEBUG] = {"DEBUG", LOG_DEBUG},    [LOG_LVL_TRACE] = {"TRACE", LOG_DEBUG},
};

void
log_init(const char *program, enum log_level level)
{
	log_program = program;
	log_set_level(level);
}

void
log_set_level(enum log_level level)
{
	atomic_store(&log_level_now, (int)level);
}

enum log_level
log_get_level(void)
{
	return (enum log_level)atomic_load(&log_level_now);
}

void
log_enable_syslog(const char *ident)
{
	openlog(ident, LOG_PID, LOG_DAEMON);
	atomic_store(&log_to_syslog, true);
}

bool
log_level_parse(const char *text, enum log_level *ret_level)
{
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (strcasecmp(levels[i].name, text) == 0) {
			*ret_level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

const char *
log_level_name(enum log_level level)
{
	ASSERT((size_t)level < ARRAY_LEN(levels));
	return levels[level].name;
}

static void
write_all(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(STDERR_FILENO, p, n);
		if (done <= 0)
			return; /* nobody left to tell */
		p += done;
		n -= (size_t)done;
	}
}

static size_t
put_prefix(char *line, size_t size, enum log_level level, const char *module)
{
	struct timespec ts;
	struct tm tm;
	char stamp[32];
	int n;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	(void)gmtime_r(&ts.tv_sec, &tm);
	(void)strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
	n = snprintf(line, size, "%s.%03ld %s %s[%ld] %s: ", stamp, ts.tv_nsec / 1000000, levels[level].name,
		     log_program, (long)getpid(), module);
	return n < 0 ? 0 : min_size((size_t)n, size - 1);
}

void
log_write(enum log_level level, const char *module, const char *fmt, ...)
{
	char line[LINE_BYTES];
	size_t prefix = put_prefix(line, sizeof(line) - 1, level, module);
	size_t used = prefix;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line + prefix, sizeof(line) - 1 - prefix, fmt, ap);
	va_end(ap);
	if (n > 0)
		used += min_size((size_t)n, sizeof(line) - 2 - prefix);
	if (atomic_load(&log_to_syslog) && level <= LOG_LVL_INFO)
		syslog(levels[level].priority, "%s: %.*s", module, (int)(used - prefix), line + prefix);
	line[used++] = '\n';
	write_all(line, used);
}

void
log_raw(const char *text)
{
	char line[LINE_BYTES];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	if (n > 0)
		write_all(line, min_size((size_t)n, sizeof(line) - 1));
}

void
log_syslog(const char *ident, const char *line)
{
	if (!atomic_load(&log_to_syslog))
		openlog(ident, LOG_PID, LOG_DAEMON);
	syslog(LOG_INFO, "%.*s", (int)strcspn(line, "\n"), line);
}

struct log_quoted
log_quote(const char *text)
{
	struct log_quoted q;
	size_t o = 0;
	const size_t limit = sizeof(q.text) - 8; /* room for one escape, dots and the closing quote */

	q.text[o++] = '"';
	for (; *text != '\0' && o < limit; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\') {
			q.text[o++] = '\\';
			q.text[o++] = (char)c;
		} else if (c < 0x20 || c == 0x7f) {
			static const char hex[] = "0123456789abcdef";
			q.text[o++] = '\\';
			q.text[o++] = 'x';
			q.text[o++] = hex[c >> 4];
			q.text[o++] = hex[c & 15];
		} else {
			q.text[o++] = (char)c;
		}
	}
	if (*text != '\0') {
		memcpy(q.text + o, "..", 2);
		o += 2;
	}
	q.text[o++] = '"';
	q.text[o] = '\0';
	return q;
}

void
base_assert_failed(const char *file, int line, const char *expr)
{
	log_write(LOG_LVL_ERROR, "assert", "our own bug at %s:%d: %s", file, line, expr);
	abort();
}
