/* base/base.h — attributes, assertions and small macros that every file may use. Knows nothing of MySQL or IPC.
 *
 * ASSERT is on in release builds and is for our own bugs only; bytes from a peer, a server, a file or a user get an
 * error instead (see base/err.h). A failed ASSERT logs file, line and expression and aborts: the supervisor restarts.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))
#define NORETURN __attribute__((noreturn))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* The struct T that p, its member of that name, is part of. */
#define CONTAINER_OF(p, T, member) ((T *)(void *)((char *)(p)-offsetof(T, member)))

#define ASSERT(x) ((x) ? (void)0 : base_assert_failed(__FILE__, __LINE__, #x))

NORETURN void base_assert_failed(const char *file, int line, const char *expr);

static inline int64_t
min_i64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t
max_i64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static inline size_t
min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

#endif
