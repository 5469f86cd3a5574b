/* test_key.c — instance keys: text forms, validity, order, detaching, lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "topo/key.h"

static struct topo_key
key(const char *host, int64_t port)
{
	return (struct topo_key){.hostname = host, .port = port};
}

static void
text_forms_are_tried_in_their_order(void **state UNUSED)
{
	static const struct {
		const char *text, *host; /* host NULL = refused */
		int64_t port;
	} cases[] = {
	    {"db1:3307", "db1", 3307},
	    {"db1", "db1", 3306},
	    {" db1.example.net:1\n", "db1.example.net", 1},
	    {"10.0.0.1:65535", "10.0.0.1", 65535},
	    {"[fe80::1]:3307", "fe80::1", 3307},
	    {"fe80::1", "fe80::1", 3306},
	    {"::1", "::1", 3306},
	    {"fe80::1:3307", "fe80::1:3307", 3306}, /* a bare v6 address: the port cannot be told apart */
	    {"//db1:3306", "//db1", 3306},
	    {"_:3306", "_", 3306},
	    {"\xc3\xa9t\xc3\xa9:1", "\xc3\xa9t\xc3\xa9", 1},
	    {"", NULL, 0},
	    {":3306", NULL, 0},
	    {"db1:", NULL, 0},
	    {"db1:0", NULL, 0},
	    {"db1:65536", NULL, 0},
	    {"db1:99999999999999999999", NULL, 0},
	    {"db1:-1", NULL, 0},
	    {"db1:33x", NULL, 0},
	    {"db1:1:2", NULL, 0},
	    {"[fe80::1]", NULL, 0},
	    {"[fe80::1]:", NULL, 0},
	    {"[]:3306", NULL, 0},
	    {"[db1]:3306", NULL, 0},
	    {"[:3306", NULL, 0},
	    {"]:3306", NULL, 0},
	    {"dead:beef", NULL, 0}, /* hexadecimal digits and colons, but no address */
	    {"[fe80::1:3306", NULL, 0},
	    {"[fe80::g]:3306", NULL, 0},
	    {"fe80::g", NULL, 0},
	    {"a b:3306", NULL, 0},
	    {"a,b:3306", NULL, 0},
	    {"a\x01:3306", NULL, 0},
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct topo_key k;
		int rc = topo_key_parse(cases[i].text, 3306, &k, &e);
		if (rc != (cases[i].host == NULL ? -ERR_INVALID : 0))
			fail_msg("\"%s\": %d", cases[i].text, rc);
		if (rc != 0)
			continue;
		assert_string_equal(k.hostname, cases[i].host);
		assert_int_equal(k.port, cases[i].port);
		topo_key_done(&k);
	}
}

static void
host_names_are_bounded(void **state UNUSED)
{
	char text[2000];
	struct topo_key k;
	struct err e;

	memset(text, 'a', sizeof(text));
	text[TOPO_HOST_MAX] = '\0';
	assert_int_equal(topo_key_parse(text, 3306, &k, &e), 0);
	assert_int_equal(strlen(topo_key_text(&k).text), TOPO_HOST_MAX + 5);
	topo_key_done(&k);
	text[TOPO_HOST_MAX] = 'a';
	text[TOPO_HOST_MAX + 1] = '\0';
	assert_int_equal(topo_key_parse(text, 3306, &k, &e), -ERR_INVALID);
	text[TOPO_HOST_MAX + 1] = 'a';
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(topo_key_parse(text, 3306, &k, &e), -ERR_INVALID);
}

static void
keys_print_as_host_and_port(void **state UNUSED)
{
	struct topo_key v6 = key("fe80::1", 3306), none = key("", 0);

	assert_string_equal(TOPO_KEY_TEXT(&v6), "fe80::1:3306");
	assert_string_equal(TOPO_KEY_TEXT(&none), ":0");
}

static void
valid_keys_name_a_reachable_place(void **state UNUSED)
{
	static const struct {
		const char *host;
		int64_t port;
		bool valid;
	} cases[] = {{"db1", 3306, true}, {"", 3306, false},	  {"_", 3306, false},
		     {"db1", 0, false},	  {"//db1", 3306, false}, {"/db1", 3306, true}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct topo_key k = key(cases[i].host, cases[i].port);
		assert_int_equal(topo_key_valid(&k), cases[i].valid);
	}
}

static void
order_is_bytes_of_the_host_then_port(void **state UNUSED)
{
	static const struct {
		const char *host;
		int64_t port;
	} ascending[] = {{"", 0}, {"DB", 1}, {"a", 99}, {"a", 100}, {"a.b", 1}, {"ab", 1}, {"\xc3\xa9", 1}};

	for (size_t i = 0; i < ARRAY_LEN(ascending); i++)
		for (size_t k = 0; k < ARRAY_LEN(ascending); k++) {
			struct topo_key a = key(ascending[i].host, ascending[i].port);
			struct topo_key b = key(ascending[k].host, ascending[k].port);
			int order = topo_key_cmp(&a, &b);
			assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
			assert_int_equal(topo_key_equal(&a, &b), i == k);
		}
}

static void
ipv4_looks(void **state UNUSED)
{
	static const struct {
		const char *host;
		bool is;
	} cases[] = {{"10.0.0.1", true},    {"999.1.1.12345", true}, {"10.0.0", false},
		     {"10.0.0.1.2", false}, {"10.0.0.x", false},     {"", false},
		     {"10..0.1", false},    {"10.0.0.1a", false}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(topo_host_is_ipv4(cases[i].host), cases[i].is);
}

static void
detaching_is_reversible_and_idempotent(void **state UNUSED)
{
	struct topo_key k = key("db1", 3306), once, twice, back;
	struct err e;

	assert_int_equal(topo_key_detach(&k, &once, &e), 0);
	assert_string_equal(TOPO_KEY_TEXT(&once), "//db1:3306");
	assert_true(topo_key_is_detached(&once));
	assert_int_equal(topo_key_detach(&once, &twice, &e), 0);
	assert_true(topo_key_equal(&once, &twice));
	topo_key_reattach(&twice, &back);
	assert_true(topo_key_equal(&back, &k));
	topo_key_done(&once);
	topo_key_done(&twice);
	topo_key_reattach(&back, &once);
	assert_true(topo_key_equal(&once, &k));
	topo_key_done(&once);
	topo_key_done(&back);
}

static void
a_host_of_full_length_cannot_be_detached(void **state UNUSED)
{
	char host[TOPO_HOST_MAX + 1];
	struct topo_key k = key(host, 3306), detached;
	struct err e;

	memset(host, 'a', TOPO_HOST_MAX);
	host[TOPO_HOST_MAX] = '\0';
	assert_int_equal(topo_key_detach(&k, &detached, &e), -ERR_TOO_LARGE);
}

/* --- lists ----------------------------------------------------------------------------------------------------- */
static char *
list_json(const struct topo_key_list *l)
{
	struct str_buf b = {0};

	topo_key_list_write_json(l, &b);
	return str_buf_take(&b);
}

static void
comma_lists_keep_order_and_drop_doubles(void **state UNUSED)
{
	struct topo_key_list l;
	struct err e;

	assert_int_equal(topo_key_list_parse(" b:2,a , ,b:2\ta:1,,", 3306, &l, &e), 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(TOPO_KEY_TEXT(&l.v[0]), "b:2");
	assert_string_equal(TOPO_KEY_TEXT(&l.v[1]), "a:3306");
	assert_string_equal(TOPO_KEY_TEXT(&l.v[2]), "a:1");
	topo_key_list_sort(&l);
	assert_string_equal(TOPO_KEY_TEXT(&l.v[0]), "a:1");
	assert_string_equal(TOPO_KEY_TEXT(&l.v[2]), "b:2");
	for (size_t i = 0; i < 3; i++)
		assert_true(topo_key_list_append(&l, &(struct topo_key){.hostname = "a", .port = 1}));
	topo_key_list_sort_unique(&l);
	assert_int_equal(l.n, 3);
	assert_string_equal(TOPO_KEY_TEXT(&l.v[0]), "a:1");
	assert_string_equal(TOPO_KEY_TEXT(&l.v[2]), "b:2");
	topo_key_list_done(&l);

	assert_int_equal(topo_key_list_parse("", 3306, &l, &e), 0);
	assert_int_equal(l.n, 0);
	assert_int_equal(topo_key_list_parse("a:1,b:x,c:1", 3306, &l, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "b:x"));
}

static void
comma_lists_are_bounded(void **state UNUSED)
{
	struct str_buf b = {0};
	struct topo_key_list l;
	struct err e;

	for (int i = 0; i < TOPO_LIST_MAX; i++)
		str_buf_printf(&b, "h%d,", i);
	assert_int_equal(topo_key_list_parse(str_buf_text(&b), 3306, &l, &e), 0);
	assert_int_equal(l.n, TOPO_LIST_MAX);
	assert_false(topo_key_list_add(&l, &(struct topo_key){.hostname = "more", .port = 1}));
	topo_key_list_done(&l);
	str_buf_add(&b, "one-more");
	assert_int_equal(topo_key_list_parse(str_buf_text(&b), 3306, &l, &e), -ERR_LIMIT);
	str_buf_done(&b);
}

static void
lists_write_sorted_json_as_go_does(void **state UNUSED)
{
	struct topo_key items[] = {key("b<&>\"\\\x01", 2), key("a\xff", 3), key("a", 10), key("a", 9)};
	struct topo_key_list l = {items, ARRAY_LEN(items)}, none = {0};
	char *json = list_json(&l);

	assert_string_equal(json, "[{\"Hostname\":\"a\",\"Port\":9},{\"Hostname\":\"a\",\"Port\":10},"
				  "{\"Hostname\":\"a\\ufffd\",\"Port\":3},"
				  "{\"Hostname\":\"b\\u003c\\u0026\\u003e\\\"\\\\\\u0001\",\"Port\":2}]");
	assert_string_equal(items[0].hostname, "b<&>\"\\\x01"); /* the list itself stays as it was */
	free(json);
	json = list_json(&none);
	assert_string_equal(json, "[]");
	free(json);
}

static void
lists_read_back_what_they_write(void **state UNUSED)
{
	struct topo_key items[] = {key("a", 9), key("b\"<\\\t", 2), key("\xe2\x80\xa1", 65535)};
	struct topo_key_list l = {items, ARRAY_LEN(items)}, back;
	char *json = list_json(&l);

	topo_key_list_read_json(json, &back);
	assert_int_equal(back.n, 3);
	for (size_t i = 0; i < back.n; i++)
		assert_true(topo_key_equal(&back.v[i], &items[i]));
	topo_key_list_done(&back);
	free(json);
}

static void
what_is_no_list_reads_as_empty(void **state UNUSED)
{
	static const struct {
		const char *json;
		size_t n;
	} cases[] = {
	    {"", 0},
	    {"null", 0},
	    {"{}", 0},
	    {"[", 0},
	    {"[{\"Hostname\":\"a\",\"Port\":1}", 0},
	    {"[1,null,\"x\",[],{}]", 0},
	    {"[{\"Hostname\":\"a\"},{\"Port\":1},{\"Hostname\":1,\"Port\":1},{\"Hostname\":\"a\",\"Port\":\"1\"}]", 0},
	    {"[{\"Hostname\":\"a\",\"Port\":-1},{\"Hostname\":\"a\",\"Port\":65536}]", 0},
	    {" [ {\"Port\": 1, \"Hostname\": \"a\", \"More\": []}, 7 ] ", 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct topo_key_list l;
		topo_key_list_read_json(cases[i].json, &l);
		assert_int_equal(l.n, cases[i].n);
		topo_key_list_done(&l);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_forms_are_tried_in_their_order),
	    cmocka_unit_test(host_names_are_bounded),
	    cmocka_unit_test(keys_print_as_host_and_port),
	    cmocka_unit_test(valid_keys_name_a_reachable_place),
	    cmocka_unit_test(order_is_bytes_of_the_host_then_port),
	    cmocka_unit_test(ipv4_looks),
	    cmocka_unit_test(detaching_is_reversible_and_idempotent),
	    cmocka_unit_test(a_host_of_full_length_cannot_be_detached),
	    cmocka_unit_test(comma_lists_keep_order_and_drop_doubles),
	    cmocka_unit_test(comma_lists_are_bounded),
	    cmocka_unit_test(lists_write_sorted_json_as_go_does),
	    cmocka_unit_test(lists_read_back_what_they_write),
	    cmocka_unit_test(what_is_no_list_reads_as_empty),
	};

	return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
