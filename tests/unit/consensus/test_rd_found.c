/* test_rd_found.c — the founding table: who founds, who joins, who waits. Written as short texts: own state, then peers
 * as name:state[!][+me], where ! is another list of names and + says that it founded with this node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "rd_found.h"

static const char *const three[] = {"a:1", "b:1", "c:1"};
static const char *const five[] = {"a:1", "b:1", "c:1", "d:1", "e:1"};
#define OWN_DIR "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct world {
	struct rd_found_in in;
	struct rd_found_peer peers[8];
};

static enum rd_found_state
state_of(char c)
{
	static const char letters[] = "bfaj"; /* blank, founded, active, joining */

	assert_non_null(strchr(letters, c));
	return (enum rd_found_state)(strchr(letters, c) - letters);
}

static void
add_peer(void *ctx, const char *text)
{
	struct world *w = ctx;
	struct rd_found_peer *p = &w->peers[w->in.n_peers++];

	memset(p, 0, sizeof *p);
	snprintf(p->name, sizeof p->name, "%c:1", text[0]);
	snprintf(p->dir_id, sizeof p->dir_id, "%032d", text[0]);
	p->state = state_of(text[2]);
	rd_found_conf_hash(w->in.names, w->in.n_names, w->in.own_name, p->conf_hash);
	if (strchr(text, '!') != NULL)
		str_copy(p->conf_hash, sizeof p->conf_hash, "other");
	if (strchr(text, '+') == NULL)
		return;
	p->founded_with.n = 2;
	memcpy(p->founded_with.v[0].name, p->name, sizeof p->name);
	str_copy(p->founded_with.v[1].name, RD_MEMBER_NAME_BYTES, "a:1");
	str_copy(p->founded_with.v[1].dir_id, RD_DIR_ID_BYTES, strchr(text, '-') == NULL ? OWN_DIR : "former");
}

static void
test_table(void **state)
{
	static const struct {
		const char *const *names;
		size_t n;
		char own;
		const char *peers;
		int64_t asking_ms;
		enum rd_found_verdict verdict;
		size_t with;
	} cases[] = {
	    /* what is there already is started */
	    {three, 3, 'a', "", 0, RD_FOUND_START, 0},
	    {three, 3, 'f', "b:a", 0, RD_FOUND_START, 0},
	    /* alone */
	    {three, 0, 'b', "", 0, RD_FOUND_FOUND, 1},
	    {three, 1, 'b', "", 0, RD_FOUND_FOUND, 1},
	    /* blanks: all at once, a majority after a second, never fewer */
	    {three, 3, 'b', "", 60000, RD_FOUND_WAIT, 0},
	    {three, 3, 'b', "b:b c:b", 0, RD_FOUND_FOUND, 3},
	    {three, 3, 'b', "b:b", 999, RD_FOUND_WAIT, 0},
	    {three, 3, 'b', "b:b", 1000, RD_FOUND_FOUND, 2},
	    {five, 5, 'b', "b:b", 60000, RD_FOUND_WAIT, 0},
	    {five, 5, 'b', "b:b c:b", 1000, RD_FOUND_FOUND, 3},
	    /* other lists, strangers and joiners don't count */
	    {three, 3, 'b', "b:b! c:b!", 60000, RD_FOUND_WAIT, 0},
	    {three, 3, 'b', "b:b c:b!", 1000, RD_FOUND_FOUND, 2},
	    {three, 3, 'b', "x:b y:b", 60000, RD_FOUND_WAIT, 0},
	    {three, 3, 'b', "b:j c:j", 60000, RD_FOUND_WAIT, 0},
	    /* somebody has state */
	    {three, 3, 'b', "b:a", 0, RD_FOUND_JOIN, 0},
	    {three, 3, 'b', "b:b c:a", 60000, RD_FOUND_JOIN, 0},
	    {three, 3, 'b', "x:a", 0, RD_FOUND_JOIN, 0},
	    {three, 3, 'b', "b:b c:f", 60000, RD_FOUND_WAIT, 0},
	    {three, 3, 'b', "b:b x:f", 60000, RD_FOUND_FOUND, 2}, /* a lone founder elsewhere: not ours */
	    {three, 3, 'j', "b:b c:b", 60000, RD_FOUND_JOIN, 0},
	    {three, 3, 'j', "", 0, RD_FOUND_JOIN, 0},
	    /* it founded with this very directory */
	    {three, 3, 'b', "b:f+", 0, RD_FOUND_FOUND, 2},
	    {three, 3, 'b', "b:a+", 0, RD_FOUND_FOUND, 2},
	    {three, 3, 'b', "b:f+ c:a", 0, RD_FOUND_FOUND, 2},
	    {three, 3, 'b', "b:f+-", 60000, RD_FOUND_WAIT, 0}, /* with a former one, since wiped */
	    {three, 3, 'b', "b:a+-", 0, RD_FOUND_JOIN, 0},
	    {three, 3, 'b', "b:a+!", 0, RD_FOUND_JOIN, 0}, /* the list was changed since: other bytes */
	    {three, 3, 'j', "b:f+", 0, RD_FOUND_JOIN, 0},  /* it decided otherwise */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w = {.in = {.own = state_of(cases[i].own),
					 .own_name = "a:1",
					 .own_dir_id = OWN_DIR,
					 .names = cases[i].names,
					 .n_names = cases[i].n,
					 .now = {CLK_S + cases[i].asking_ms * CLK_MS},
					 .asking_since = {CLK_S}}};
		struct rd_found_out out;

		w.in.peers = w.peers;
		str_split(cases[i].peers, " ", add_peer, &w);
		rd_found_decide(&w.in, &out);
		if (out.verdict != cases[i].verdict)
			print_message("case %zu '%s': %s\n", i, cases[i].peers, out.why);
		assert_int_equal(out.verdict, cases[i].verdict);
		assert_string_not_equal(out.why, "");
		if (out.verdict == RD_FOUND_WAIT)
			assert_true(mono_before(w.in.now, out.again));
		if (out.verdict != RD_FOUND_FOUND)
			continue;
		assert_int_equal(out.with.n, cases[i].with);
		assert_string_equal(out.with.v[0].dir_id, OWN_DIR);
		assert_int_equal(out.members.n, cases[i].n == 0 ? 1 : cases[i].n);
	}
}

static void
test_conf_hash(void **state)
{
	const char *const mixed[] = {"c:1", "a:1", "b:1", "c:1"};
	char one[RD_CONF_HASH_BYTES], two[RD_CONF_HASH_BYTES];

	(void)state;
	rd_found_conf_hash(three, 3, "a:1", one);
	rd_found_conf_hash(mixed, 4, "b:1", two);
	assert_string_equal(one, two);
	rd_found_conf_hash(three + 1, 2, "a:1", two); /* own name left out */
	assert_string_equal(one, two);
	rd_found_conf_hash(three, 3, "x:1", two);
	assert_string_not_equal(one, two);
	assert_int_equal(strlen(one), RD_CONF_HASH_BYTES - 1);
}

static void
test_adoption(void **state)
{
	struct rd_members m;
	struct err e;

	(void)state;
	assert_int_equal(rd_members_found(three, 1, &m, &e), 0);
	assert_true(rd_found_adoptable(&m, m.v[0].id, false));
	assert_false(rd_found_adoptable(&m, m.v[0].id, true));
	assert_false(rd_found_adoptable(&m, 5, false));
	assert_int_equal(rd_members_found(three, 3, &m, &e), 0);
	assert_false(rd_found_adoptable(&m, m.v[0].id, false));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_conf_hash),
	    cmocka_unit_test(test_adoption),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
