/* fuzz_gtid.c — GTID texts of either family, and keys and versions, from hostile servers.
 *
 * The input is two texts with a "|" between them. Beside not crashing: what parses must come back from its own text
 * unchanged, and the set operations must agree with each other. */
#include <stdlib.h>
#include <string.h>

#include "topo/gtid.h"
#include "topo/key.h"
#include "topo/version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_round_trip(const struct gtid_set *s)
{
	struct str_buf b = {0};
	struct gtid_set again = {0};
	struct err e;
	int rc;

	gtid_set_write(s, &b, GTID_SEP_SERVER);
	rc = gtid_set_parse(str_buf_text(&b), &again, &e);
	ASSERT(rc == 0 || rc == -ERR_TOO_LARGE);
	ASSERT(rc != 0 || gtid_set_equal(s, &again));
	gtid_set_done(&again);
	str_buf_done(&b);
}

/* a = (a − b) ∪ (a ∩ b), and both sides of the difference are disjoint */
static void
check_algebra(const struct gtid_set *a, const struct gtid_set *b)
{
	struct gtid_set diff, both, sum, none;
	struct err e;
	int rc = gtid_set_subtract(a, b, &diff, &e);

	ASSERT(rc == 0);
	rc = gtid_set_intersect(a, b, &both, &e);
	ASSERT(rc == 0);
	rc = gtid_set_union(&diff, &both, &sum, &e);
	ASSERT(rc == 0 && gtid_set_equal(&sum, a));
	rc = gtid_set_intersect(&diff, b, &none, &e);
	ASSERT(rc == 0 && gtid_set_is_empty(&none));
	ASSERT(gtid_set_contains(a, b) == (gtid_set_count(&both) == gtid_set_count(b) && gtid_set_equal(&both, b)));
	gtid_set_done(&diff);
	gtid_set_done(&both);
	gtid_set_done(&sum);
	gtid_set_done(&none);
}

static void
fuzz_sets(const char *x, const char *y)
{
	struct gtid_set a = {0}, b = {0};
	struct err e;

	if (gtid_set_parse(x, &a, &e) == 0 && gtid_set_parse(y, &b, &e) == 0) {
		check_round_trip(&a);
		check_algebra(&a, &b);
		check_algebra(&b, &a);
	}
	gtid_set_done(&a);
	gtid_set_done(&b);
}

static void
fuzz_positions(const char *x, const char *y)
{
	struct gtid_pos a = {0}, b = {0}, diff;
	struct err e;

	if (gtid_pos_parse(x, &a, &e) == 0 && gtid_pos_parse(y, &b, &e) == 0) {
		gtid_pos_diff(&a, &b, &diff);
		ASSERT((gtid_pos_compare(&a, &b) == GTID_EQUAL) == (gtid_pos_compare(&b, &a) == GTID_EQUAL));
		gtid_pos_done(&diff);
	}
	gtid_pos_done(&a);
	gtid_pos_done(&b);
}

static void
fuzz_texts(const char *x, const char *y)
{
	struct gtid_errant_input in = {x, y, y, strlen(x) % 2 == 1, y, x};
	struct str_buf b = {0};
	struct err e;
	bool contains;

	(void)gtid_detect(x);
	gtid_text_remove_uuids(x, y, &b);
	ASSERT(b.len <= strlen(x));
	if (gtid_text_contains(x, y, &contains, &e) == 0 && gtid_errant(&in, &b, &e) == 0)
		ASSERT(b.len <= (size_t)2 * TOPO_GTID_MAX);
	str_buf_done(&b);
}

static void
fuzz_keys(const char *x, const char *y)
{
	struct topo_key k;
	struct topo_key_list l;
	char major[TOPO_MAJOR_BYTES];
	struct err e;

	if (topo_key_parse(x, 3306, &k, &e) == 0) {
		ASSERT(k.hostname[0] != '\0' && k.port > 0 && k.port <= TOPO_PORT_MAX);
		topo_key_done(&k);
	}
	topo_key_list_read_json(y, &l);
	topo_key_list_done(&l);
	topo_version_major(x, major);
	ASSERT(topo_version_cmp(x, y) == -topo_version_cmp(y, x));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *x = mem_strndup((const char *)data, size);
	char *bar = strchr(x, '|');
	const char *y = bar == NULL ? "" : bar + 1;

	if (bar != NULL)
		*bar = '\0';
	fuzz_sets(x, y);
	fuzz_positions(x, y);
	fuzz_texts(x, y);
	fuzz_keys(x, y);
	free(x);
	return 0;
}
