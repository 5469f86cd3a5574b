/* test_topo_tables.c — drift: instance.def against the lists of the historical JSON keys and backend columns.
 *
 * Both are tables of tests/compat, which is held against a running node by its own tests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "topo/graph.h"
#include "topo/topo.h"
#include "topo/version.h"

struct lines {
	char *v[256];
	size_t n;
};

/* The first words of the lines after `heading`, up to an empty one; or with NULL the second words of the lines whose first
 * is `table`. */
static void
read_words(const char *path, const char *heading, const char *table, struct lines *l)
{
	char line[256], *save;
	FILE *f = fopen(path, "r");
	bool within = heading == NULL;

	assert_non_null(f);
	l->n = 0;
	while (fgets(line, sizeof(line), f) != NULL && !(within && table == NULL && line[0] == '\n')) {
		char *word = strtok_r(line, " \n", &save);
		if (within && word != NULL && (table == NULL || str_eq(word, table))) {
			assert_true(l->n < ARRAY_LEN(l->v));
			l->v[l->n++] = mem_strdup(table == NULL ? word : strtok_r(NULL, " ", &save));
		}
		within = within || (word != NULL && str_eq(word, heading));
	}
	(void)fclose(f);
}

static void
free_lines(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
}

static void
json_keys_are_the_historical_ones_in_order(void **state UNUSED)
{
	struct lines want;
	size_t n, at = 0;
	const struct topo_json_key *keys = topo_instance_json(&n);

	read_words(COMPAT_DIR "/json_keys.txt", "[Instance]", NULL, &want);
	for (size_t i = 0; i < n; i++) {
		const char *json = keys[i].json != NULL ? keys[i].json : keys[i].field->json;
		if (json == NULL)
			continue;
		assert_true(at < want.n);
		assert_string_equal(json, want.v[at++]);
	}
	assert_int_equal(at, 101);
	assert_int_equal(want.n, 102);
	assert_string_equal(want.v[at], "QSP"); /* the JSON writer's */
	free_lines(&want);
}

static void
collect(void *arg, const char *piece)
{
	struct lines *l = arg;

	assert_true(l->n < ARRAY_LEN(l->v));
	l->v[l->n++] = mem_strdup(piece);
}

static void
assert_subset(const struct lines *a, const struct lines *b)
{
	for (size_t i = 0; i < a->n; i++) {
		size_t times = 0;
		for (size_t k = 0; k < b->n; k++)
			times += str_eq(a->v[i], b->v[k]);
		if (times != 1)
			fail_msg("column %s: %zu times on the other side", a->v[i], times);
	}
}

static void
every_column_has_its_field_and_no_other(void **state UNUSED)
{
	struct lines want, have = {0};

	read_words(COMPAT_DIR "/columns.txt", NULL, "database_instance", &want);
	assert_int_equal(want.n, 78);
	for (size_t i = 0; i < topo_instance_desc.n_fields; i++)
		if (topo_instance_desc.fields[i].column != NULL)
			str_split(topo_instance_desc.fields[i].column, ",", collect, &have);
	assert_subset(&want, &have);
	assert_subset(&have, &want);
	free_lines(&want);
	free_lines(&have);
}

static void
live_and_read_fields_are_never_stored(void **state UNUSED)
{
	for (size_t i = 0; i < topo_instance_desc.n_fields; i++) {
		const struct rec_field *f = &topo_instance_desc.fields[i];
		bool shown_only = (f->flags & (TOPO_READ | TOPO_LIVE)) != 0;
		if ((f->column != NULL) == shown_only)
			fail_msg("field %s: column and flags disagree", f->name);
	}
}

static void
limits_that_stand_twice_agree(void **state UNUSED)
{
	assert_int_equal(rec_field_by_name(&topo_instance_desc, "ancestry_uuid")->max, TOPO_ANCESTRY_MAX);
	assert_int_equal(rec_field_by_name(&topo_instance_desc, "major_version")->max, TOPO_MAJOR_BYTES - 1);
}

static void
evidence_has_texts(void **state UNUSED)
{
	for (uint64_t i = 0; i < TOPO_EVIDENCE_COUNT; i++)
		assert_string_not_equal(topo_evidence_text(i), "unknown");
	assert_string_equal(topo_evidence_text(TOPO_EVIDENCE_COUNT), "unknown");
	assert_string_equal(topo_evidence_text(TOPO_EVIDENCE_TIMED_OUT), "timed_out");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json_keys_are_the_historical_ones_in_order),
	    cmocka_unit_test(every_column_has_its_field_and_no_other),
	    cmocka_unit_test(live_and_read_fields_are_never_stored),
	    cmocka_unit_test(limits_that_stand_twice_agree),
	    cmocka_unit_test(evidence_has_texts),
	};

	return cmocka_run_group_tests_name("topo_tables", tests, NULL, NULL);
}
