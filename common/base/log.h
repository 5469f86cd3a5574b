/* base/log.h — the one door to stderr and syslog.
 *
 * Line: "2026-11-22 10:00:00.123 WARNING raftd[4711] probe: text key=value". Levels say who acts: ERROR an operator
 * should; WARNING it went wrong and we go on; NOTICE what one reads after an incident; INFO, DEBUG, TRACE for
 * developers. Strings from outside must pass through LOG_Q (quoted, control characters escaped, cut at 256 bytes).
 * Never log secrets. Libraries (common/, pure code) never log above DEBUG. Thread-safe; one write(2) per line. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"

enum log_level { LOG_LVL_ERROR = 0, LOG_LVL_WARNING, LOG_LVL_NOTICE, LOG_LVL_INFO, LOG_LVL_DEBUG, LOG_LVL_TRACE };

/* program: shown in each line, borrowed for the process' lifetime. */
void log_init(const char *program, enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* ident for syslog; NOTICE and above (INFO too) go there as well. */
void log_enable_syslog(const char *ident);
/* "error" … "trace"; false when unknown. */
bool log_level_parse(const char *text, enum log_level *ret_level);
const char *log_level_name(enum log_level level);

void log_write(enum log_level level, const char *module, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* To syslog alone, at INFO, whatever the level and whether or not log lines go there; a line end is cut off. */
void log_syslog(const char *ident, const char *line);
/* A whole line of a child or tool that is already formatted. */
void log_raw(const char *line);

#define log_at(level, module, ...)                                 \
	do {                                                       \
		if ((level) <= log_get_level())                    \
			log_write((level), (module), __VA_ARGS__); \
	} while (0)
#define log_error(module, ...) log_at(LOG_LVL_ERROR, module, __VA_ARGS__)
#define log_warning(module, ...) log_at(LOG_LVL_WARNING, module, __VA_ARGS__)
#define log_notice(module, ...) log_at(LOG_LVL_NOTICE, module, __VA_ARGS__)
#define log_info(module, ...) log_at(LOG_LVL_INFO, module, __VA_ARGS__)
#define log_debug(module, ...) log_at(LOG_LVL_DEBUG, module, __VA_ARGS__)
#define log_trace(module, ...) log_at(LOG_LVL_TRACE, module, __VA_ARGS__)

#define LOG_Q_BYTES 320
struct log_quoted {
	char text[LOG_Q_BYTES];
};
/* Quotes text from outside for a log line: log_warning("x", "host=%s", LOG_Q(name)). */
struct log_quoted log_quote(const char *text);
#define LOG_Q(s) (log_quote(s).text)

#endif
