/* store_temp.h — what the tests of the raft store share: a directory per test, opening with assertions, entries whose
 * content is known from their index. */
#ifndef STORE_TEMP_H
#define STORE_TEMP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rd_store.h"

#define MIB (1u << 20)

struct temp {
	char dir[64];
	struct rd_store *store; /* NULL: closed */
	struct rd_stored *found;
	struct err e;
};

/* cmocka setup and teardown; *state is a struct temp. The directory does not exist yet: the store makes it. */
int temp_setup(void **state);
int temp_teardown(void **state);

/* (Re)opens t->store; fails the test with the error's text. */
void temp_open(struct temp *t);
void temp_open_recent(struct temp *t, size_t recent_bytes);
void temp_close(struct temp *t);
/* The open must fail with this code and a text that has `says` in it. */
void temp_open_fails(struct temp *t, enum err_code code, const char *says);
/* "<dir>/<name>"; static buffers, a few at a time. */
const char *temp_path(const struct temp *t, const char *name);
bool temp_has_file(const struct temp *t, const char *name);

/* Entry i of a test log: term, kind and data are functions of (index, salt). size 0: of varying length. */
struct rd_log_entry entry_of(uint64_t index, uint64_t term, size_t size);
bool entry_is(const struct rd_log_entry *x, uint64_t index, uint64_t term, size_t size);
/* Appends n such entries from index on in one write. */
int put_entries(struct temp *t, uint64_t index, size_t n, uint64_t term, size_t size);
int put(struct temp *t, const struct rd_write *w);
/* A whole own snapshot of `size` bytes, taken in pieces; not yet in the metadata. */
struct rd_snapshot put_snapshot_file(struct temp *t, uint64_t term, uint64_t index, size_t size);

#define must(t, call)                                                                   \
	do {                                                                            \
		int must_rc_ = (call);                                                  \
		if (must_rc_ != 0)                                                      \
			fail_msg("%s: %s (%s)", #call, (t)->e.msg, err_name(must_rc_)); \
	} while (0)

#endif
