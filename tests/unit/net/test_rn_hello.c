/* test_rn_hello.c — who works with whom: each refusal, its text, both ends of one mind; member names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rn_hello.h"

#define OWN "db-a:10008"
#define PEER "db-b:10008"

static struct rn_hello
hello_of(const char *name)
{
	struct rn_hello h;

	rec_init(&rn_hello_desc, &h);
	h.protocol = RN_PROTOCOL;
	h.protocol_min = RN_PROTOCOL_MIN;
	h.name = name;
	h.instance = name[3] == 'a' ? 1 : 2;
	h.raft_id = name[3] == 'a' ? 11 : 12;
	h.dir_id = name;
	h.config_hash = "c1";
	h.state = RN_BLANK;
	h.election_timeout_ms = 500;
	h.feature_level = 1;
	h.version = "1";
	return h;
}

#define ACTIVE_IN(id) .state = RN_ACTIVE, .cluster_id = (id)

/* Fields that differ from hello_of: 0 or NULL leaves a field alone. */
struct change {
	uint64_t protocol, protocol_min, instance, raft_id, state, election_timeout_ms, feature_level, feature_active;
	const char *name, *dir_id, *cluster_id, *config_hash;
	bool adoptable, no_dir, no_instance, no_timeout;
};

static void
apply(struct rn_hello *h, const struct change *c)
{
#define TAKE(f)        \
	if (c->f != 0) \
		h->f = c->f;
	TAKE(protocol)
	TAKE(protocol_min)
	TAKE(instance)
	TAKE(raft_id)
	TAKE(state)
	TAKE(election_timeout_ms)
	TAKE(feature_level)
	TAKE(feature_active)
	TAKE(name)
	TAKE(dir_id)
	TAKE(cluster_id)
	TAKE(config_hash)
	TAKE(adoptable)
#undef TAKE
	if (c->no_dir)
		h->dir_id = "";
	if (c->no_instance)
		h->instance = 0;
	if (c->no_timeout)
		h->election_timeout_ms = 0;
}

static const struct hello_case {
	const char *what;
	struct change own, peer;
	enum rn_refuse want;
	const char *says; /* part of the text */
} cases[] = {
    {"two blank nodes", {0}, {0}, RN_ACCEPT, ""},
    {"blank and active", {0}, {ACTIVE_IN("g1")}, RN_ACCEPT, ""},
    {"one group", {ACTIVE_IN("g1")}, {ACTIVE_IN("g1")}, RN_ACCEPT, ""},
    {"its id not known yet", {ACTIVE_IN("g1")}, {.state = RN_ACTIVE}, RN_ACCEPT, ""},
    {"no raft id yet on both", {.raft_id = 0}, {.raft_id = 0}, RN_ACCEPT, ""},
    {"overlapping protocols", {0}, {.protocol = 9, .protocol_min = 1}, RN_ACCEPT, ""},

    {"newer protocol only", {0}, {.protocol = 9, .protocol_min = 2}, RN_REFUSE_PROTOCOL, "upgrade the older"},
    {"older protocol only", {.protocol = 9, .protocol_min = 2}, {0}, RN_REFUSE_PROTOCOL, "upgrade the older"},
    {"no name", {0}, {.name = "db-b"}, RN_REFUSE_FORMAT, "name"},
    {"name with another spelling", {0}, {.name = "DB-B:10008"}, RN_REFUSE_FORMAT, "name"},
    {"no directory id", {0}, {.no_dir = true}, RN_REFUSE_FORMAT, "dir_id"},
    {"no instance", {0}, {.no_instance = true}, RN_REFUSE_FORMAT, "instance"},
    {"no election timeout", {0}, {.no_timeout = true}, RN_REFUSE_FORMAT, "election_timeout_ms"},
    {"no such state", {0}, {.state = 9}, RN_REFUSE_FORMAT, "state 9"},

    {"itself", {0}, {.instance = 1, .name = OWN}, RN_REFUSE_SELF, "reached itself"},
    {"namesake", {0}, {.name = OWN}, RN_REFUSE_SELF, "RaftAdvertise"},
    {"copied directory", {0}, {.dir_id = OWN}, RN_REFUSE_DIRECTORY, "is a copy"},
    {"same raft id", {0}, {.raft_id = 11}, RN_REFUSE_DIRECTORY, "is a copy"},

    {"two groups", {ACTIVE_IN("g1")}, {ACTIVE_IN("g2")}, RN_REFUSE_CLUSTER, "belongs to group g2"},
    {"two groups, one adoptable", {ACTIVE_IN("g1")}, {ACTIVE_IN("g2"), .adoptable = true}, RN_ACCEPT, ""},
    {"two groups, this one adoptable", {ACTIVE_IN("g1"), .adoptable = true}, {ACTIVE_IN("g2")}, RN_ACCEPT, ""},
    {"other members, both blank", {0}, {.config_hash = "c2"}, RN_REFUSE_CONFIG, "RaftNodes"},
    {"other members, founded", {.state = RN_FOUNDED}, {.config_hash = "c2"}, RN_REFUSE_CONFIG, "RaftNodes"},
    {"other members, one active", {0}, {.config_hash = "c2", ACTIVE_IN("g1")}, RN_ACCEPT, ""},
    {"other members, one joining", {0}, {.config_hash = "c2", .state = RN_JOINING}, RN_ACCEPT, ""},
    {"other members, adoptable", {0}, {.config_hash = "c2", .state = RN_FOUNDED, .adoptable = true}, RN_ACCEPT, ""},
    {"other election timeout", {0}, {.election_timeout_ms = 900}, RN_REFUSE_ELECTION_TIMEOUT, "900"},
    {"too old for the group", {.feature_active = 2, .feature_level = 2}, {0}, RN_REFUSE_FEATURE, "db-b:10008 knows 1"},
    {"too old ourselves", {0}, {.feature_active = 2, .feature_level = 2}, RN_REFUSE_FEATURE, "db-a:10008 knows 1"},
};

static void
each_rule(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rn_hello own = hello_of(OWN), peer = hello_of(PEER);
		char text[RN_TEXT_BYTES];
		enum rn_refuse got;

		apply(&own, &cases[i].own);
		apply(&peer, &cases[i].peer);
		got = rn_hello_check(&own, &peer, text);
		if (got != cases[i].want || strstr(text, cases[i].says) == NULL ||
		    (got == RN_ACCEPT) != (text[0] == '\0'))
			fail_msg("%s: %s, \"%s\"", cases[i].what, rn_refuse_name(got), text);
	}
}

/* What one end refuses the other refuses too, for the same reason (its own hello is always well formed). */
static void
both_ends_agree(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rn_hello own = hello_of(OWN), peer = hello_of(PEER);
		char text[RN_TEXT_BYTES];

		if (cases[i].want == RN_REFUSE_FORMAT)
			continue;
		apply(&own, &cases[i].own);
		apply(&peer, &cases[i].peer);
		if (rn_hello_check(&peer, &own, text) != cases[i].want)
			fail_msg("%s: the other end sees it differently: %s", cases[i].what, text);
	}
}

static void
each_refusal_has_a_case_or_another_test(void **state UNUSED)
{
	/* these depend on the connection rather than on the hellos: process/nodelink */
	bool seen[RN_REFUSE_COUNT] = {
	    [RN_REFUSE_NAME] = true,	  [RN_REFUSE_MEMBER] = true, [RN_REFUSE_CERTIFICATE] = true,
	    [RN_REFUSE_DUPLICATE] = true, [RN_REFUSE_LIMIT] = true,  [RN_REFUSE_TWIN] = true,
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		seen[cases[i].want] = true;
	for (unsigned i = 0; i < RN_REFUSE_COUNT; i++) {
		if (!seen[i])
			fail_msg("no case refuses for %s", rn_refuse_name(i));
		assert_string_not_equal(rn_refuse_name(i), "unknown");
	}
	assert_string_equal(rn_refuse_name(RN_REFUSE_COUNT), "unknown");
}

static void
a_running_group_with_another_list_is_a_warning(void **state UNUSED)
{
	struct rn_hello own = hello_of(OWN), peer = hello_of(PEER);
	char text[RN_TEXT_BYTES];

	assert_false(rn_hello_warning(&own, &peer, text));
	assert_string_equal(text, "");
	peer.config_hash = "c2";
	peer.state = RN_ACTIVE;
	assert_true(rn_hello_warning(&own, &peer, text));
	assert_non_null(strstr(text, "RaftNodes"));
	peer.adoptable = true; /* a lone node lists nobody: nothing to mend */
	assert_false(rn_hello_warning(&own, &peer, text));
}

static void
names(void **state UNUSED)
{
	static const struct {
		const char *text;
		int64_t port;
		const char *want; /* NULL: refused */
	} all[] = {
	    {"db1:10008", -1, "db1:10008"},
	    {"db1", 10008, "db1:10008"},
	    {"db1", -1, NULL},
	    {"Db1.Example.COM:7", 1, "db1.example.com:7"},
	    {"10.0.0.1", 10008, "10.0.0.1:10008"},
	    {"[2001:DB8:0:0::1]:9", -1, "[2001:db8::1]:9"},
	    {"2001:db8::1", 10008, "[2001:db8::1]:10008"},
	    {"[::1]", 10008, "[::1]:10008"},
	    {"::ffff:10.0.0.1", 10008, "[::ffff:10.0.0.1]:10008"},
	    {":10008", -1, NULL},
	    {"db1:0", -1, NULL},
	    {"db1:65536", -1, NULL},
	    {"", 10008, NULL},
	    {"a b:1", -1, NULL},
	};
	char made[RN_NAME_MAX + 1];
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		int rc = rn_name_make(all[i].text, all[i].port, made, &e);
		if ((rc == 0) != (all[i].want != NULL) || (rc == 0 && strcmp(made, all[i].want) != 0))
			fail_msg("%s: %s", all[i].text, rc == 0 ? made : e.msg);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_rule),
	    cmocka_unit_test(both_ends_agree),
	    cmocka_unit_test(each_refusal_has_a_case_or_another_test),
	    cmocka_unit_test(a_running_group_with_another_list_is_a_warning),
	    cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
