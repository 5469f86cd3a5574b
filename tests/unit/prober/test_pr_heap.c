/* The heap of what is due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "pr_heap.h"

/* The heap against sorting, with removals in the middle. */
static void
test_heap(void **state UNUSED)
{
	enum { N = 500 };
	struct pr_heap_node v[N] = {0};
	struct pr_heap h = {0};
	unsigned seed = 7;
	int64_t before = -1;

	for (int i = 0; i < N; i++) {
		seed = seed * 1103515245u + 12345u;
		pr_heap_put(&h, &v[i], (struct mono){seed % 1000});
	}
	for (int i = 0; i < N; i += 3)
		pr_heap_take(&h, &v[i]);
	pr_heap_take(&h, &v[0]); /* already out */
	for (size_t left = h.n; left > 0; left--) {
		struct pr_heap_node *node = pr_heap_first(&h);

		assert_true(node->due.us >= before);
		before = node->due.us;
		pr_heap_take(&h, node);
	}
	assert_null(pr_heap_first(&h));
	pr_heap_done(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
