/* test_ap_auth.c — who may: tables of configurations and requests (auth-and-web.md section 1), and group lookups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <grp.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "ap_auth.h"
#include "ap_groups.h"

#define OPS "{\"AuthenticationMethod\": \"Basic\", \"HTTPAuthUser\": \"ops\", \"HTTPAuthPassword\": \"pass:word\"}"
#define NOBODY "{\"AuthenticationMethod\": \"basic\"}"
#define MULTI "{\"AuthenticationMethod\": \"MULTI\", \"HTTPAuthUser\": \"ops\", \"HTTPAuthPassword\": \"secret\"}"
#define PROXY(more) "{\"AuthenticationMethod\": \"proxy\"" more "}"
#define POWER PROXY(", \"PowerAuthUsers\": [\"alice\", \"bob\"]")
#define GROUPS PROXY(", \"PowerAuthUsers\": [\"alice\"], \"PowerAuthGroups\": [\"dba\"]")
#define TOKEN "{\"AuthenticationMethod\": \"token\"}"
#define MTLS(more) "{\"UseMutualTLS\": true, \"SSLValidOUs\": [\"dba\", \"ops\"]" more "}"

static struct ap_auth_token token;

static struct conf *
conf_of(const char *text)
{
	struct conf_warnings w;
	struct conf *conf;
	struct err e;

	if (conf_parse("test", text, strlen(text), &conf, &w, &e) != 0)
		fail_msg("%s: %s", text, e.msg);
	return conf;
}

/* "ops:secret" → "Basic b3Bz…" */
static const char *
basic(const char *login, char room[256])
{
	int n = snprintf(room, 256, "Basic ");

	(void)EVP_EncodeBlock((unsigned char *)room + n, (const unsigned char *)login, (int)strlen(login));
	return room;
}

struct gate_case {
	const char *conf;
	const char *login; /* NULL: none; encoded as basic unless it begins with '=' */
	enum ap_gate gate;
	const char *user;
	enum ap_right right; /* of what passes */
};

static void
logins_open_the_gate(void **state UNUSED)
{
	static const struct gate_case cases[] = {
	    {"{}", NULL, AP_GATE_OPEN, "", AP_RIGHT_YES},
	    {"{}", "any:body", AP_GATE_OPEN, "", AP_RIGHT_YES},
	    {OPS, "ops:pass:word", AP_GATE_OPEN, "ops", AP_RIGHT_YES},
	    {OPS, NULL, AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "ops:pass", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "ops:pass:word2", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "ops:", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "ops", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "Ops:pass:word", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, ":pass:word", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "readonly:x", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, ":", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "=", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "=Basic", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "=Basic ", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "=Basic =", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "=Basic ====", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "=Basic !!!!", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "=Bearer b3BzOnBhc3M6d29yZA==", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "=Basic b3BzOnBhc3M6d29yZA==", AP_GATE_OPEN, "ops", AP_RIGHT_YES},
	    {OPS, "=bASIC  b3BzOnBhc3M6d29yZA==", AP_GATE_OPEN, "ops", AP_RIGHT_YES},
	    {OPS, "=Basic b3BzOnBhc3M6d29yZA", AP_GATE_NO_LOGIN, "", 0},
	    {OPS, "=Basic b3BzOnBhc3M6d29yZAA=", AP_GATE_NO_LOGIN, "", 0}, /* a NUL at its end */
	    {NOBODY, NULL, AP_GATE_NO_LOGIN, "", 0},
	    {NOBODY, ":", AP_GATE_OPEN, "", AP_RIGHT_YES},
	    {NOBODY, "x:", AP_GATE_NO_LOGIN, "", 0},
	    {MULTI, "ops:secret", AP_GATE_OPEN, "ops", AP_RIGHT_YES},
	    {MULTI, "ops:secre", AP_GATE_NO_LOGIN, "", 0},
	    {MULTI, "readonly:", AP_GATE_OPEN, "readonly", AP_RIGHT_NO},
	    {MULTI, "readonly:whatever", AP_GATE_OPEN, "readonly", AP_RIGHT_NO},
	    {MULTI, "Readonly:whatever", AP_GATE_NO_LOGIN, "", 0},
	    {MULTI, NULL, AP_GATE_NO_LOGIN, "", 0},
	    {TOKEN, NULL, AP_GATE_OPEN, "", AP_RIGHT_NO},
	    {"{\"AuthenticationMethod\": \"oauth\"}", "any:body", AP_GATE_OPEN, "", AP_RIGHT_NO},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct gate_case *c = &cases[i];
		struct conf *conf = conf_of(c->conf);
		char room[256], user[AP_USER_BYTES];
		struct ap_auth_facts f = {0};
		if (c->login != NULL)
			f.authorization = c->login[0] == '=' ? c->login + 1 : basic(c->login, room);
		if (ap_auth_gate(conf, &f, user) != c->gate || strcmp(user, c->user) != 0 ||
		    (c->gate == AP_GATE_OPEN && ap_auth_right(conf, &f, user, &token) != c->right))
			fail_msg("case %zu: %s %s: user %s", i, c->conf, c->login, user);
		conf_unref(conf);
	}
}

static void
a_login_of_any_length_is_refused(void **state UNUSED)
{
	struct conf *conf = conf_of(OPS);
	char header[32000] = "Basic ", user[AP_USER_BYTES];
	struct ap_auth_facts f = {.authorization = header};

	for (size_t n = 4; n + 7 < sizeof(header); n += n < 1000 ? 4 : 996) {
		memset(header + 6, 'O', n);
		header[6 + n] = '\0';
		assert_int_equal(ap_auth_gate(conf, &f, user), AP_GATE_NO_LOGIN);
	}
	conf_unref(conf);
}

static void
a_proxy_names_the_user(void **state UNUSED)
{
	static const struct {
		const char *conf, *header, *user;
		enum ap_right right;
	} cases[] = {
	    {PROXY(""), NULL, "", AP_RIGHT_YES}, /* "*" is the default */
	    {PROXY(""), "mallory", "mallory", AP_RIGHT_YES},
	    {POWER, "alice", "alice", AP_RIGHT_YES},
	    {POWER, "bob", "bob", AP_RIGHT_YES},
	    {POWER, "mallory", "mallory", AP_RIGHT_NO},
	    {POWER, "Alice", "Alice", AP_RIGHT_NO},
	    {POWER, "alice,bob", "alice,bob", AP_RIGHT_NO},
	    {POWER, "*", "*", AP_RIGHT_NO},
	    {POWER, "", "", AP_RIGHT_NO},
	    {POWER, NULL, "", AP_RIGHT_NO},
	    {POWER, "ali\tce", "", AP_RIGHT_NO},
	    {PROXY(", \"PowerAuthUsers\": [\"\"]"), NULL, "", AP_RIGHT_NO},
	    {PROXY(", \"PowerAuthUsers\": []"), "alice", "alice", AP_RIGHT_NO},
	    {GROUPS, "alice", "alice", AP_RIGHT_YES},
	    {GROUPS, "carol", "carol", AP_RIGHT_GROUPS},
	    {GROUPS, "", "", AP_RIGHT_NO},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf *conf = conf_of(cases[i].conf);
		struct ap_auth_facts f = {.proxy_user = cases[i].header};
		char user[AP_USER_BYTES];
		assert_int_equal(ap_auth_gate(conf, &f, user), AP_GATE_OPEN);
		if (strcmp(user, cases[i].user) != 0 || ap_auth_right(conf, &f, user, &token) != cases[i].right)
			fail_msg("case %zu: %s: user \"%s\"", i, cases[i].conf, user);
		conf_unref(conf);
	}
}

/* Cut, it might be another user's name. */
static void
a_user_name_that_is_too_long_is_nobody(void **state UNUSED)
{
	struct conf *conf = conf_of(GROUPS);
	char longest[AP_USER_BYTES + 1], user[AP_USER_BYTES];
	struct ap_auth_facts f = {.proxy_user = longest};

	memset(longest, 'a', sizeof(longest));
	longest[AP_USER_BYTES] = '\0';
	assert_int_equal(ap_auth_gate(conf, &f, user), AP_GATE_OPEN);
	assert_string_equal(user, "");
	longest[AP_USER_BYTES - 1] = '\0';
	assert_int_equal(ap_auth_gate(conf, &f, user), AP_GATE_OPEN);
	assert_string_equal(user, longest);
	conf_unref(conf);
}

static void
certificates_need_a_valid_unit(void **state UNUSED)
{
	static const char *const good[] = {"web", "ops"}, *const bad[] = {"web", "Ops", "dba "};
	static const struct {
		const char *conf;
		bool tls, exempt;
		const char *const *ous;
		size_t n;
		enum ap_gate gate;
	} cases[] = {
	    {"{}", false, false, NULL, 0, AP_GATE_OPEN},
	    {"{}", true, false, NULL, 0, AP_GATE_OPEN},
	    {MTLS(""), true, false, good, 2, AP_GATE_OPEN},
	    {MTLS(""), true, false, bad, 3, AP_GATE_BAD_OU},
	    {MTLS(""), true, false, NULL, 0, AP_GATE_BAD_OU},
	    {MTLS(""), false, false, NULL, 0, AP_GATE_NO_TLS},
	    {MTLS(""), true, true, NULL, 0, AP_GATE_OPEN},
	    {MTLS(""), false, true, NULL, 0, AP_GATE_OPEN},
	    {MTLS(", \"StatusOUVerify\": true"), true, true, NULL, 0, AP_GATE_BAD_OU},
	    {MTLS(", \"StatusOUVerify\": true"), true, true, good, 2, AP_GATE_OPEN},
	    {MTLS(", \"SSLValidOUs\": []"), true, false, good, 2, AP_GATE_BAD_OU},
	    /* who is not logged in is told that first */
	    {MTLS(", \"AuthenticationMethod\": \"basic\""), true, false, bad, 3, AP_GATE_NO_LOGIN},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf *conf = conf_of(cases[i].conf);
		struct ap_auth_facts f = {
		    .tls = cases[i].tls, .ou_exempt = cases[i].exempt, .ous = cases[i].ous, .n_ous = cases[i].n};
		char user[AP_USER_BYTES];
		if (ap_auth_gate(conf, &f, user) != cases[i].gate)
			fail_msg("case %zu: %s", i, cases[i].conf);
		conf_unref(conf);
	}
}

static void
tokens_are_taken_from_cookies(void **state UNUSED)
{
	static const struct {
		const char *cookies, *public_part, *secret_part; /* NULL: none */
	} cases[] = {
	    {"access-token=pub:sec", "pub", "sec"},
	    {"a=b; access-token=pub:sec; c=d", "pub", "sec"},
	    {"a=b;access-token=pub:s:c", "pub", "s:c"},
	    {NULL, NULL, NULL},
	    {"", NULL, NULL},
	    {";;;", NULL, NULL},
	    {"access-token=", NULL, NULL},
	    {"access-token=pub", NULL, NULL}, /* historically the end of the request's goroutine */
	    {"access-token=pub:", NULL, NULL},
	    {"access-token=:sec", NULL, NULL},
	    {"access-token=p; x:y", NULL, NULL},
	    {"xaccess-token=pub:sec", NULL, NULL},
	    {"x=access-token=pub:sec", NULL, NULL},
	    {"access-token=pub; access-token=pub:sec", NULL, NULL},
	    {"access-token=\"pub:sec\"", NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ap_auth_token t;
		bool found = ap_auth_token_of(cases[i].cookies, &t);
		if (found != (cases[i].public_part != NULL))
			fail_msg("case %zu: %s", i, cases[i].cookies);
		if (found) {
			assert_string_equal(t.public_part, cases[i].public_part);
			assert_string_equal(t.secret_part, cases[i].secret_part);
		}
	}
}

static void
texts_are_compared_whole(void **state UNUSED)
{
	assert_true(ap_auth_same("", ""));
	assert_true(ap_auth_same("secret", "secret"));
	assert_false(ap_auth_same("secret", "secre"));
	assert_false(ap_auth_same("secret", "secret "));
	assert_false(ap_auth_same("secret", ""));
	assert_false(ap_auth_same("secret", "Secret"));
}

/* Of the machine's own database: root, and whoever runs the test. */
static void
the_system_knows_who_is_in_a_group(void **state UNUSED)
{
	const struct passwd *me = getpwuid(getuid());
	const struct group *mine = me == NULL ? NULL : getgrgid(me->pw_gid);
	const char *groups[] = {"no-such-group-1", mine == NULL ? "" : mine->gr_name};

	if (mine == NULL)
		return; /* a container whose user has no name */
	assert_true(ap_groups_has(me->pw_name, &(struct conf_strs){groups, 2}));
	assert_false(ap_groups_has(me->pw_name, &(struct conf_strs){groups, 1}));
	assert_false(ap_groups_has(me->pw_name, &(struct conf_strs){NULL, 0}));
	assert_false(ap_groups_has("no-such-user-1", &(struct conf_strs){groups, 2}));
	assert_false(ap_groups_has("", &(struct conf_strs){groups, 2}));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(logins_open_the_gate),	      cmocka_unit_test(a_login_of_any_length_is_refused),
	    cmocka_unit_test(a_proxy_names_the_user),	      cmocka_unit_test(a_user_name_that_is_too_long_is_nobody),
	    cmocka_unit_test(certificates_need_a_valid_unit), cmocka_unit_test(tokens_are_taken_from_cookies),
	    cmocka_unit_test(texts_are_compared_whole),	      cmocka_unit_test(the_system_knows_who_is_in_a_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
