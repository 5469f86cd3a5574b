/* test_ap_gzip.c — who takes gzip, and that what is packed unpacks to the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "ap_gzip.h"
#include "base/mem.h"

static void
who_takes_it(void **state UNUSED)
{
	static const struct {
		const char *value;
		bool accepted;
	} cases[] = {{NULL, false},
		     {"", false},
		     {"gzip", true},
		     {"deflate, gzip, br", true},
		     {"GZIP", true},
		     {"gzip;q=0.5", true},
		     {"gzip; q=0", false},
		     {"gzip;q=0.0,br", false},
		     {"x-gzip, gzipx", false},
		     {"identity", false},
		     {"*", false},
		     {"br;q=1.0, gzip;q=0.8, *;q=0.1", true}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (ap_gzip_is_accepted(cases[i].value) != cases[i].accepted)
			fail_msg("%s", cases[i].value);
	}
}

static void
unpack(const struct str_buf *body, unsigned char *ret, size_t n)
{
	z_stream z = {.next_in = (Bytef *)body->p, .avail_in = (uInt)body->len, .next_out = ret, .avail_out = (uInt)n};

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, n);
	(void)inflateEnd(&z);
}

static void
bodies_come_back(void **state UNUSED)
{
	static const size_t sizes[] = {AP_GZIP_MIN, AP_GZIP_MIN + 1, 100000, 3000000};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		unsigned char *plain = mem_alloc(sizes[i]), *back = mem_alloc(sizes[i]);
		struct str_buf body = {0};
		unsigned random = 1;
		for (size_t k = 0; k < sizes[i]; k++) /* half of the sizes: nothing to be won */
			plain[k] =
			    (unsigned char)(i % 2 == 0 ? k % 17 : (random = random * 1103515245u + 12345u) >> 16);
		str_buf_add_n(&body, plain, sizes[i]);
		assert_true(ap_gzip_body(&body));
		unpack(&body, back, sizes[i]);
		assert_memory_equal(plain, back, sizes[i]);
		str_buf_done(&body);
		free(plain);
		free(back);
	}
}

static void
small_bodies_stay(void **state UNUSED)
{
	struct str_buf body = {0};

	assert_false(ap_gzip_body(&body));
	str_buf_pad(&body, 'x', AP_GZIP_MIN - 1);
	assert_false(ap_gzip_body(&body));
	assert_int_equal(body.len, AP_GZIP_MIN - 1);
	assert_int_equal(body.p[0], 'x');
	str_buf_done(&body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_takes_it),
	    cmocka_unit_test(bodies_come_back),
	    cmocka_unit_test(small_bodies_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
