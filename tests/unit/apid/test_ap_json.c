/* test_ap_json.c — the reply writer: Go's escaping, numbers, nesting, and the instance object's keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "ap_json.h"

static void
texts_are_escaped_as_go_does(void **state UNUSED)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"", "\"\""},
	    {"a\"b\\c", "\"a\\\"b\\\\c\""},
	    {"<a>&b", "\"\\u003ca\\u003e\\u0026b\""},
	    {"\n\r\t\x01", "\"\\n\\r\\t\\u0001\""},
	    {"h\xc3\xa9", "\"h\xc3\xa9\""},
	    {"\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\""},
	    {"\xff!", "\"\\ufffd!\""},
	    {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
	    {"\x7f", "\"\x7f\""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str_buf b = {0};
		struct ap_json j = {.out = &b};
		ap_json_text(&j, cases[i].in);
		assert_string_equal(str_buf_text(&b), cases[i].out);
		str_buf_done(&b);
	}
}

static void
floats_are_shortest_and_without_exponent_where_go_has_none(void **state UNUSED)
{
	static const struct {
		double in;
		const char *out;
	} cases[] = {{0, "0"},
		     {1, "1"},
		     {-1.5, "-1.5"},
		     {0.1, "0.1"},
		     {1e20, "100000000000000000000"},
		     {1e21, "1e+21"},
		     {9000000000.0, "9000000000"},
		     {0.000001, "0.000001"},
		     {1e-7, "1e-07"},
		     {0.30000000000000004, "0.30000000000000004"}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str_buf b = {0};
		struct ap_json j = {.out = &b};
		ap_json_f64(&j, cases[i].in);
		assert_string_equal(str_buf_text(&b), cases[i].out);
		str_buf_done(&b);
	}
}

static void
integers_are_written_in_full(void **state UNUSED)
{
	struct str_buf b = {0};
	struct ap_json j = {.out = &b};

	ap_json_array(&j);
	ap_json_i64(&j, 0);
	ap_json_i64(&j, -1);
	ap_json_i64(&j, INT64_MAX);
	ap_json_i64(&j, INT64_MIN);
	ap_json_u64(&j, UINT64_MAX);
	ap_json_array_end(&j);
	assert_string_equal(str_buf_text(&b), "[0,-1,9223372036854775807,-9223372036854775808,18446744073709551615]");
	str_buf_done(&b);
}

static void
commas_stand_between_items_at_every_level(void **state UNUSED)
{
	struct str_buf b = {0};
	struct ap_json j = {.out = &b};

	ap_json_object(&j);
	ap_json_key(&j, "a");
	ap_json_array(&j);
	ap_json_i64(&j, 1);
	ap_json_array(&j);
	ap_json_array_end(&j);
	ap_json_bool(&j, true);
	ap_json_array_end(&j);
	ap_json_key(&j, "b");
	ap_json_null(&j);
	ap_json_object_end(&j);
	assert_string_equal(str_buf_text(&b), "{\"a\":[1,[],true],\"b\":null}");
	str_buf_done(&b);
}

/* The list of keys in order is checked against the reference by the topo tests; here: it is valid JSON with all of
 * them. */
static void
an_instance_has_its_102_keys(void **state UNUSED)
{
	struct topo_instance inst;
	struct str_buf b = {0};
	struct ap_json j = {.out = &b};
	json_error_t error;
	json_t *o;

	rec_init(&topo_instance_desc, &inst);
	inst.key = (struct topo_key){"db1", 3306};
	inst.seconds_behind_source = (struct rec_ni64){7, true};
	ap_json_instance(&j, &inst);
	o = json_loads(str_buf_text(&b), JSON_REJECT_DUPLICATES, &error);
	assert_non_null(o);
	assert_int_equal(json_object_size(o), 102);
	assert_true(
	    str_starts(str_buf_text(&b), "{\"Key\":{\"Hostname\":\"db1\",\"Port\":3306},\"InstanceAlias\":\"\""));
	assert_true(str_ends(str_buf_text(&b), ",\"QSP\":{}}"));
	assert_non_null(strstr(str_buf_text(&b), "\"SecondsBehindMaster\":{\"Int64\":7,\"Valid\":true}"));
	assert_non_null(strstr(str_buf_text(&b), "\"SlaveHosts\":[],\"Replicas\":[]"));
	assert_non_null(
	    strstr(str_buf_text(&b), "\"ReplicationSSLVerifyServerCert\":{\"Bool\":false,\"Valid\":false}"));
	json_decref(o);
	str_buf_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts_are_escaped_as_go_does),
	    cmocka_unit_test(floats_are_shortest_and_without_exponent_where_go_has_none),
	    cmocka_unit_test(integers_are_written_in_full),
	    cmocka_unit_test(commas_stand_between_items_at_every_level),
	    cmocka_unit_test(an_instance_has_its_102_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
