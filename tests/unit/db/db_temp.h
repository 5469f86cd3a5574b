/* db_temp.h — what the db tests share: a temporary directory per test, opening with assertions, raw files.
 *
 * Each test owns a struct temp; temp_init makes the directory, temp_done removes it with what is in it. */
#ifndef DB_TEMP_H
#define DB_TEMP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/db.h"
#include "db/db_read.h"
#include "db/db_write.h"

struct temp {
	char dir[64];
	char path[96]; /* <dir>/orc.db */
};

void temp_init(struct temp *t);
void temp_done(struct temp *t);

/* Opens t->path; fails the test with the error's text. */
struct db *temp_open(const struct temp *t, enum db_mode mode);
/* The error of an open that must fail. */
void temp_open_fails(const struct temp *t, enum db_mode mode, enum err_code code, struct err *e);
/* Opens without looking at or changing the schema: what another program would do. */
struct db *raw_open(const char *path);
void must_exec(struct db *db, const char *sql);
int64_t must_number(struct db *db, const char *sql);
/* First cell as text; caller frees. */
char *must_text(struct db *db, const char *sql);
/* Runs the statements of a file, separated by ";\n". */
void must_run_file(struct db *db, const char *path);

/* Asserts rc == 0, showing e otherwise. */
#define must(call)                                                                 \
	do {                                                                       \
		int must_rc_ = (call);                                             \
		if (must_rc_ != 0)                                                 \
			fail_msg("%s: %s (%s)", #call, e.msg, err_name(must_rc_)); \
	} while (0)

#endif
