/* test_rd_store.c — the raft store without faults: what was written is there after reopening, and only that. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store_temp.h"

static void
test_blank_directory_gets_an_id_once(void **state)
{
	struct temp *t = *state;
	char dir_id[33];
	struct stat st;

	temp_open(t);
	assert_true(t->found->created);
	assert_false(t->found->unclean);
	assert_int_equal(strlen(t->found->identity.dir_id), 32);
	assert_int_equal(t->found->identity.raft_id, 0);
	assert_int_equal(t->found->term, 0);
	assert_int_equal(t->found->log->index, 1);
	assert_int_equal(t->found->log->n, 0);
	assert_int_equal(t->found->snapshot.index, 0);
	memcpy(dir_id, t->found->identity.dir_id, sizeof(dir_id));
	assert_int_equal(stat(temp_path(t, RD_STORE_FILE), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	temp_open(t);
	assert_false(t->found->created);
	assert_string_equal(t->found->identity.dir_id, dir_id);
}

static void
test_nested_directory_is_made(void **state)
{
	struct temp *t = *state;
	char dir[sizeof(t->dir)];
	const struct rd_store_conf c = {.dir = temp_path(t, "a//b/")};

	memcpy(dir, t->dir, sizeof(dir));
	must(t, rd_store_open(&c, &t->store, &t->found, &t->e));
	temp_close(t);
	assert_int_equal(access(temp_path(t, "a/b/" RD_STORE_FILE), F_OK), 0);
	(void)unlink(temp_path(t, "a/b/" RD_STORE_FILE));
	(void)unlink(temp_path(t, "a/b/" RD_STORE_FILE ".lock"));
	(void)unlink(temp_path(t, "a/b/raft_log.mark"));
	assert_int_equal(rmdir(temp_path(t, "a/b")), 0);
	assert_int_equal(rmdir(temp_path(t, "a")), 0);
}

static void
test_term_and_vote(void **state)
{
	struct temp *t = *state;

	temp_open(t);
	must(t, put(t, &(struct rd_write){.has_vote = true, .term = 7, .voted_for = UINT64_MAX >> 1}));
	must(t, put_entries(t, 1, 3, 7, 0)); /* leaves them alone */
	temp_open(t);
	assert_int_equal(t->found->term, 7);
	assert_true(t->found->voted_for == UINT64_MAX >> 1);
	must(t, put(t, &(struct rd_write){.has_vote = true, .term = 8}));
	temp_open(t);
	assert_int_equal(t->found->term, 8);
	assert_int_equal(t->found->voted_for, 0);
}

static void
test_identity(void **state)
{
	struct temp *t = *state;
	struct rd_founder founders[] = {{"a.example:10008", "0123456789abcdef0123456789abcdef"},
					{"b.example:10008", "fedcba9876543210fedcba9876543210"}};
	struct rd_identity id = {.dir_id = "not taken",
				 .raft_id = 42,
				 .name = "a.example:10008",
				 .cluster_id = "c1",
				 .config_hash = "h",
				 .founded = true,
				 .founded_with = {founders, 2}};
	char dir_id[33];

	temp_open(t);
	memcpy(dir_id, t->found->identity.dir_id, sizeof(dir_id));
	must(t, put(t, &(struct rd_write){.identity = &id}));
	id.founded_with.n = 1; /* a later one replaces all */
	id.cluster_id = "c2";
	must(t, put(t, &(struct rd_write){.identity = &id}));
	temp_open(t);
	id.dir_id = dir_id;
	assert_true(rec_equal(&rd_identity_desc, &id, &t->found->identity));
}

static void
assert_log(struct temp *t, uint64_t first, size_t n, uint64_t term, size_t size)
{
	assert_int_equal(t->found->log->index, first);
	assert_int_equal(t->found->log->n, n);
	for (size_t i = 0; i < n; i++)
		assert_true(entry_is(&t->found->log->v[i], first + i, term, size));
}

static void
test_entries_come_back(void **state)
{
	struct temp *t = *state;

	temp_open(t);
	for (uint64_t i = 1; i <= 500; i += 50)
		must(t, put_entries(t, i, 50, 3, 0));
	temp_open(t);
	assert_log(t, 1, 500, 3, 0);
	for (size_t i = 0; i < 500; i++)
		assert_non_null(t->found->log->v[i].data);
}

static void
test_only_recent_data_and_changes_are_loaded(void **state)
{
	struct temp *t = *state;
	size_t loaded = 0, changes = 0;

	temp_open(t);
	must(t, put_entries(t, 1, 1000, 1, 1000));
	temp_open_recent(t, 50000);
	assert_log(t, 1, 1000, 1, 1000);
	for (size_t i = 0; i < 900; i++) {
		const struct rd_log_entry *x = &t->found->log->v[i];
		changes += x->kind == RD_LOG_CHANGE;
		assert_true((x->data != NULL) == (x->kind == RD_LOG_CHANGE));
	}
	for (size_t i = 900; i < 1000; i++)
		loaded += t->found->log->v[i].data != NULL ? t->found->log->v[i].n : 0;
	assert_true(changes > 50);
	assert_in_range(loaded, 49000, 60000);
}

static void
test_a_conflicting_entry_replaces_the_rest(void **state)
{
	struct temp *t = *state;

	temp_open(t);
	must(t, put_entries(t, 1, 100, 1, 0));
	must(t, put_entries(t, 51, 10, 2, 0));
	temp_open(t);
	assert_int_equal(t->found->log->n, 60);
	for (size_t i = 0; i < 60; i++)
		assert_true(entry_is(&t->found->log->v[i], i + 1, i < 50 ? 1 : 2, 0));
	must(t, put(t, &(struct rd_write){.index = 11})); /* only truncate */
	temp_open(t);
	assert_log(t, 1, 10, 1, 0);
}

/* Several steps in one transaction act one after the other. */
static void
test_batch_of_writes(void **state)
{
	struct temp *t = *state;
	struct rd_log_entry a[] = {entry_of(1, 1, 0), entry_of(2, 1, 0)}, b[] = {entry_of(2, 2, 0)};
	const struct rd_write w1 = {.has_vote = true, .term = 1, .voted_for = 9, .index = 1, .entries = a, .n = 2};
	const struct rd_write w2 = {.has_vote = true, .term = 2, .index = 2, .entries = b, .n = 1};
	const struct rd_write *both[] = {&w1, &w2};

	temp_open(t);
	must(t, rd_store_write(t->store, both, 2, &t->e));
	temp_open(t);
	assert_int_equal(t->found->term, 2);
	assert_int_equal(t->found->voted_for, 0);
	assert_int_equal(t->found->log->n, 2);
	assert_true(entry_is(&t->found->log->v[0], 1, 1, 0));
	assert_true(entry_is(&t->found->log->v[1], 2, 2, 0));
}

static void
test_read_ranges(void **state)
{
	static const struct {
		uint64_t index;
		size_t max, max_bytes, n;
	} cases[] = {
	    {1, 10, MIB, 10},  {91, 100, MIB, 10}, {100, 1, MIB, 1}, {2, 100, 1, 1}, /* at least one */
	    {1, 100, 2500, 2}, {50, 3, 3000, 3},
	};
	struct temp *t = *state;
	struct rd_log_range *r = NULL;

	temp_open(t);
	must(t, put_entries(t, 1, 100, 1, 1000));
	for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
		must(t, rd_store_read(t->store, cases[c].index, cases[c].max, cases[c].max_bytes, &r, &t->e));
		assert_int_equal(r->index, cases[c].index);
		assert_int_equal(r->n, cases[c].n);
		for (size_t i = 0; i < r->n; i++) {
			assert_non_null(r->v[i].data);
			assert_true(entry_is(&r->v[i], r->index + i, 1, 1000));
		}
		free(r);
	}
	assert_int_equal(rd_store_read(t->store, 101, 1, 1, &r, &t->e), -ERR_NOT_FOUND);
	assert_int_equal(rd_store_read(t->store, 0, 1, 1, &r, &t->e), -ERR_NOT_FOUND);
}

static void
test_entry_sizes(void **state)
{
	struct temp *t = *state;

	temp_open(t);
	must(t, put_entries(t, 1, 1, 1, RD_ENTRY_BYTES_MAX));
	temp_open(t);
	assert_log(t, 1, 1, 1, RD_ENTRY_BYTES_MAX);
	assert_int_equal(put_entries(t, 2, 1, 1, RD_ENTRY_BYTES_MAX + 1), -ERR_TOO_LARGE);
	assert_non_null(strstr(t->e.msg, "log entry 2"));
}

/* --- snapshots and compaction --------------------------------------------------------------------------------------- */
static void
compact_all(struct temp *t)
{
	bool more = true;

	while (more)
		must(t, rd_store_compact(t->store, &more, &t->e));
}

static void
test_own_snapshot_and_compaction(void **state)
{
	struct temp *t = *state;
	struct rd_snapshot snap;
	struct rd_log_range *r;

	temp_open(t);
	must(t, put_entries(t, 1, 6000, 2, 10));
	snap = put_snapshot_file(t, 2, 5500, 300000);
	assert_int_equal(snap.size, 300000);
	must(t, put(t, &(struct rd_write){.snapshot = &snap, .compact_to = 5000}));
	compact_all(t);
	assert_int_equal(rd_store_read(t->store, 5000, 1, 1, &r, &t->e), -ERR_NOT_FOUND);
	temp_open(t);
	assert_log(t, 5001, 1000, 2, 10);
	assert_int_equal(t->found->snapshot.index, 5500);
	assert_int_equal(t->found->snapshot.term, 2);
	assert_int_equal(t->found->snapshot.conf_n, 4);
	assert_memory_equal(t->found->snapshot.conf, "conf", 4);
	assert_memory_equal(t->found->snapshot.sha256, snap.sha256, 32);
	must(t, put_entries(t, 6001, 10, 2, 10)); /* the log goes on */
	temp_open(t);
	assert_log(t, 5001, 1010, 2, 10);
}

/* A process that dies in the middle of compacting goes on after the next start. */
static void
test_compaction_is_resumed(void **state)
{
	struct temp *t = *state;
	struct rd_snapshot snap;
	bool more;

	temp_open(t);
	must(t, put_entries(t, 1, 6000, 2, 10));
	snap = put_snapshot_file(t, 2, 6000, 10);
	must(t, put(t, &(struct rd_write){.snapshot = &snap, .compact_to = 5990}));
	must(t, rd_store_compact(t->store, &more, &t->e));
	assert_true(more);
	temp_open(t);
	assert_true(t->found->log->n > 10);
	compact_all(t);
	temp_open(t);
	assert_log(t, 5991, 10, 2, 10);
}

static void
test_compaction_never_passes_the_snapshot(void **state)
{
	struct temp *t = *state;

	temp_open(t);
	must(t, put_entries(t, 1, 100, 2, 10));
	must(t, put(t, &(struct rd_write){.compact_to = 90}));
	compact_all(t);
	temp_open(t);
	assert_log(t, 1, 100, 2, 10);
}

/* From the leader: in pieces, compared with its checksum, and then the log begins behind it. */
static int
receive(struct temp *t, struct rd_snapshot *meta, const uint8_t *content, size_t size, size_t piece)
{
	int rc = 0;

	for (size_t at = 0; at < size && rc == 0; at += piece) {
		size_t n = min_size(piece, size - at);
		rc = rd_store_snapshot_put(t->store, RD_SNAPSHOT_RECEIVED, meta, at, content + at, n, at + n == size,
					   &t->e);
	}
	return rc;
}

static uint8_t *
read_snapshot(struct temp *t, uint64_t term, uint64_t index, size_t size)
{
	uint8_t *content = mem_alloc(size + 1000);
	size_t at = 0, n = 1;

	while (n > 0) {
		must(t, rd_store_snapshot_get(t->store, term, index, at, content + at, min_size(1000, size + 1000 - at),
					      &n, &t->e));
		at += n;
	}
	assert_int_equal(at, size);
	return content;
}

static void
test_received_snapshot_replaces_the_log(void **state)
{
	struct temp *t = *state;
	struct rd_snapshot own, meta;
	uint8_t *content;

	temp_open(t);
	must(t, put_entries(t, 1, 100, 1, 0));
	own = put_snapshot_file(t, 1, 90, 50000);
	must(t, put(t, &(struct rd_write){.snapshot = &own}));
	content = read_snapshot(t, 1, 90, 50000);
	meta = own;
	meta.term = 4;
	meta.index = 5000;
	must(t, receive(t, &meta, content, 50000, 7000));
	assert_true(temp_has_file(t, "snapshot-4-5000.orc"));
	assert_true(temp_has_file(t, "snapshot-1-90.orc")); /* still the current one */
	must(t, put(t, &(struct rd_write){.snapshot = &meta, .clears_log = true}));
	assert_false(temp_has_file(t, "snapshot-1-90.orc"));
	must(t, put_entries(t, 5001, 5, 4, 0));
	temp_open(t);
	assert_log(t, 5001, 5, 4, 0);
	assert_int_equal(t->found->snapshot.index, 5000);
	free(content);
	content = read_snapshot(t, 4, 5000, 50000);
	free(content);
}

static void
test_a_snapshot_that_differs_from_its_checksum_is_refused(void **state)
{
	struct temp *t = *state;
	struct rd_snapshot own, meta;
	uint8_t *content;

	temp_open(t);
	must(t, put_entries(t, 1, 10, 1, 0));
	own = put_snapshot_file(t, 1, 9, 50000);
	content = read_snapshot(t, 1, 9, 50000);
	meta = own;
	meta.index = 77;
	content[12345] ^= 1;
	assert_int_equal(receive(t, &meta, content, 50000, 7000), -ERR_INVALID);
	assert_false(temp_has_file(t, "snapshot-received.tmp"));
	content[12345] ^= 1;
	assert_int_equal(receive(t, &meta, content, 49999, 7000), -ERR_INVALID); /* short */
	must(t, receive(t, &meta, content, 50000, 50000));
	free(content);
}

static void
test_pieces_out_of_order_are_refused(void **state)
{
	struct temp *t = *state;
	struct rd_snapshot meta = {.term = 1, .index = 5};

	temp_open(t);
	assert_int_equal(rd_store_snapshot_put(t->store, RD_SNAPSHOT_RECEIVED, &meta, 10, "x", 1, false, &t->e),
			 -ERR_INVALID);
	must(t, rd_store_snapshot_put(t->store, RD_SNAPSHOT_RECEIVED, &meta, 0, "abc", 3, false, &t->e));
	assert_int_equal(rd_store_snapshot_put(t->store, RD_SNAPSHOT_RECEIVED, &meta, 2, "x", 1, false, &t->e),
			 -ERR_INVALID);
	rd_store_snapshot_abort(t->store, RD_SNAPSHOT_RECEIVED);
	assert_false(temp_has_file(t, "snapshot-received.tmp"));
}

/* What a process that died left behind, is removed; the historical program's files are not. */
static void
test_leftovers_are_removed_at_open(void **state)
{
	static const char *const left[] = {"snapshot-own.tmp", "snapshot-received.tmp", "snapshot-1-3.orc",
					   "snapshot-9-99.orc"};
	static const char *const kept[] = {"raft_store.db", "snapshot-1-3.orc.bak", "snapshot-01-3.orc", "other"};
	struct temp *t = *state;

	temp_open(t);
	temp_close(t);
	for (size_t i = 0; i < ARRAY_LEN(left); i++) {
		assert_return_code(symlink("/nonexistent", temp_path(t, left[i])), 0);
		assert_return_code(symlink("/", temp_path(t, kept[i])), 0);
	}
	temp_open(t);
	for (size_t i = 0; i < ARRAY_LEN(left); i++) {
		struct stat st;
		assert_int_not_equal(lstat(temp_path(t, left[i]), &st), 0);
		assert_int_equal(lstat(temp_path(t, kept[i]), &st), 0);
	}
}

static void
test_empty_snapshot(void **state)
{
	struct temp *t = *state;
	struct rd_snapshot snap;

	temp_open(t);
	must(t, put_entries(t, 1, 10, 1, 0));
	snap = put_snapshot_file(t, 1, 10, 0);
	must(t, put(t, &(struct rd_write){.snapshot = &snap}));
	temp_open(t);
	assert_int_equal(t->found->snapshot.index, 10);
	assert_int_equal(t->found->snapshot.size, 0);
}

/* The same index again (a leader's copy of what we have): ours stays, and fits its metadata at the next start. */
static void
test_a_second_file_of_the_current_snapshot_changes_nothing(void **state)
{
	struct temp *t = *state;
	struct rd_snapshot first, second;

	temp_open(t);
	must(t, put_entries(t, 1, 10, 1, 0));
	first = put_snapshot_file(t, 1, 10, 5000);
	must(t, put(t, &(struct rd_write){.snapshot = &first}));
	second = put_snapshot_file(t, 1, 10, 6000);
	assert_int_equal(second.size, 5000);
	assert_memory_equal(second.sha256, first.sha256, 32);
	temp_open(t);
	assert_int_equal(t->found->snapshot.size, 5000);
}

static void
test_wipe_forgets_everything(void **state)
{
	struct temp *t = *state;
	struct rd_identity id = {.raft_id = 42, .name = "a:1", .cluster_id = "c", .config_hash = "h"};
	struct rd_snapshot snap;
	struct rd_stored *wiped = NULL;
	char dir_id[33];

	temp_open(t);
	memcpy(dir_id, t->found->identity.dir_id, sizeof(dir_id));
	must(t, put_entries(t, 1, 10, 1, 0));
	snap = put_snapshot_file(t, 1, 10, 100);
	must(t, put(t, &(struct rd_write){
			   .identity = &id, .has_vote = true, .term = 5, .voted_for = 1, .snapshot = &snap}));
	must(t, rd_store_wipe(t->store, &wiped, &t->e));
	rd_stored_free(wiped);
	for (int again = 0; again < 2; again++) {
		if (again)
			temp_open(t);
		else
			must(t, put(t, &(struct rd_write){.has_vote = true, .term = 1}));
	}
	assert_string_not_equal(t->found->identity.dir_id, dir_id);
	assert_int_equal(t->found->identity.raft_id, 0);
	assert_int_equal(t->found->term, 1);
	assert_int_equal(t->found->log->index, 1);
	assert_int_equal(t->found->log->n, 0);
	assert_int_equal(t->found->snapshot.index, 0);
	assert_false(temp_has_file(t, "snapshot-1-10.orc"));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, temp_setup, temp_teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_blank_directory_gets_an_id_once),
	    T(test_nested_directory_is_made),
	    T(test_term_and_vote),
	    T(test_identity),
	    T(test_entries_come_back),
	    T(test_only_recent_data_and_changes_are_loaded),
	    T(test_a_conflicting_entry_replaces_the_rest),
	    T(test_batch_of_writes),
	    T(test_read_ranges),
	    T(test_entry_sizes),
	    T(test_own_snapshot_and_compaction),
	    T(test_compaction_is_resumed),
	    T(test_compaction_never_passes_the_snapshot),
	    T(test_received_snapshot_replaces_the_log),
	    T(test_a_snapshot_that_differs_from_its_checksum_is_refused),
	    T(test_pieces_out_of_order_are_refused),
	    T(test_leftovers_are_removed_at_open),
	    T(test_empty_snapshot),
	    T(test_a_second_file_of_the_current_snapshot_changes_nothing),
	    T(test_wipe_forgets_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
