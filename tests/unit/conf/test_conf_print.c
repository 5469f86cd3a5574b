/* The table and the printer: every key prints and reads back, secrets stay where they belong, nothing historical is
 * missing. argv[1]: tests/compat/config_keys.txt */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf_fixture.h"

static const char *historical_keys;

/* JSON of a value of k that isn't its default. */
static void
other_value(const struct conf_key *k, struct str_buf *out)
{
	switch (k->kind) {
	case CONF_BOOL:
		str_buf_add(out, k->default_bool ? "false" : "true");
		return;
	case CONF_INT:
	case CONF_UINT:
		str_buf_printf(out, "%lld", (long long)(k->max == k->default_int ? k->min : k->max));
		return;
	case CONF_REAL:
		str_buf_add(out, "1.1");
		return;
	case CONF_STR:
		str_buf_add(out, "\"odd \\\"text\\\" \\\\ / \\u0001 \u00e9 \U0001f600\"");
		return;
	case CONF_LIST:
		str_buf_add(out, "[\"one\", \"\", \"t\\two\"]");
		return;
	case CONF_MAP:
		str_buf_add(out, "{\"b\": \"1\", \"a\": \"\", \"\": \"\\n\"}");
		return;
	case CONF_UMAP:
		str_buf_add(out, "{\"b\": 1, \"a\": 0}");
		return;
	}
	fail_msg("%s: unknown kind", k->name);
}

static struct conf *
from_role(const char *text)
{
	struct conf *c = NULL;

	if (conf_from_role_json(text, strlen(text), &c, &fixture_err) != 0)
		fail_msg("%s", fixture_err.msg);
	return c;
}

/* A configuration in which no key has its default. */
static struct conf *
everything_changed(void)
{
	struct str_buf text = {0};
	struct conf *c;

	for (size_t i = 0; i < conf_key_count(); i++) {
		str_buf_printf(&text, "%s\"%s\": ", i == 0 ? "{" : ", ", conf_key_at(i)->name);
		other_value(conf_key_at(i), &text);
	}
	str_buf_add(&text, "}");
	c = from_role(str_buf_text(&text));
	str_buf_done(&text);
	return c;
}

static void
every_key_prints_and_reads_back_equal(void **state UNUSED)
{
	struct conf *c = everything_changed(), *raw = from_role("{}"), *back;
	struct str_buf text = {0};

	assert_int_equal(conf_diff(c, raw, CONF_ALL_ROLES, NULL, NULL), conf_key_count());
	conf_print(c, CONF_ALL_ROLES, false, &text);
	back = from_role(str_buf_text(&text));
	assert_int_equal(conf_diff(c, back, CONF_ALL_ROLES, NULL, NULL), 0);
	str_buf_done(&text);
	conf_unref(c);
	conf_unref(raw);
	conf_unref(back);
}

static void
a_masked_print_parses_and_shows_no_secret(void **state UNUSED)
{
	struct conf *c = fixture_load("{\"MySQLTopologyPassword\": \"hunter2\", \"HTTPAuthPassword\": \"\"}");
	struct str_buf text = {0};
	struct conf *back;

	conf_print(c, CONF_ALL_ROLES, true, &text);
	assert_null(strstr(str_buf_text(&text), "hunter2"));
	back = from_role(str_buf_text(&text));
	assert_string_equal(back->MySQLTopologyPassword, "********");
	assert_string_equal(back->HTTPAuthPassword, "");
	str_buf_done(&text);
	conf_unref(c);
	conf_unref(back);
}

static void
secrets_go_only_to_who_needs_them(void **state UNUSED)
{
	static const struct {
		const char *key;
		unsigned roles;
	} secrets[] = {
	    {"HTTPAuthPassword", CONF_APID},	    {"SSLPrivateKeyPassword", CONF_APID},
	    {"OAuthClientSecret", CONF_APID},	    {"MySQLOrchestratorPassword", CONF_RAFTD | CONF_APID},
	    {"MySQLTopologyPassword", CONF_PROBER}, {"ConsulAclToken", CONF_RAFTD},
	};
	size_t n = 0;

	for (size_t i = 0; i < conf_key_count(); i++)
		n += (conf_key_at(i)->flags & CONF_SECRET) != 0;
	assert_int_equal(n, ARRAY_LEN(secrets));
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		const struct conf_key *k = conf_key_find(secrets[i].key);
		assert_non_null(k);
		assert_true(k->flags & CONF_SECRET);
		assert_int_equal(k->roles, secrets[i].roles | CONF_SUPERVISOR);
	}
	assert_int_equal(conf_key_find("MySQLTopologyUser")->roles, CONF_PROBER | CONF_SUPERVISOR);
	assert_int_equal(conf_key_find("MySQLTopologyCredentialsConfigFile")->roles, CONF_SUPERVISOR);
}

static void
a_child_gets_its_part_and_defaults_for_the_rest(void **state UNUSED)
{
	struct conf *c = fixture_load("{\"MySQLTopologyPassword\": \"hunter2\", \"InstancePollSeconds\": 7,"
				      " \"HTTPAuthPassword\": \"x\", \"URLPrefix\": \"p\", \"Debug\": true}");
	struct str_buf text = {0};
	struct conf *prober;

	conf_print(c, CONF_PROBER, false, &text);
	prober = from_role(str_buf_text(&text));
	assert_int_equal(conf_diff(c, prober, CONF_PROBER, NULL, NULL), 0);
	assert_string_equal(prober->MySQLTopologyPassword, "hunter2");
	assert_int_equal(prober->InstancePollSeconds, 7);
	assert_true(prober->Debug);
	assert_string_equal(prober->HTTPAuthPassword, "");
	assert_string_equal(prober->URLPrefix, "");
	assert_string_equal(conf_origin(prober), "supervisor");
	str_buf_done(&text);
	conf_unref(c);
	conf_unref(prober);
}

static void
a_part_from_another_build_is_refused(void **state UNUSED)
{
	static const struct {
		const char *text;
		int code;
	} cases[] = {
	    {"{\"NoSuchKey\": 1}", ERR_IPC_PROTO},
	    {"{\"AuditPageSize\": 1}", ERR_IPC_PROTO},
	    {"{\"Debug\": 1}", ERR_CONFIG},
	    {"[]", ERR_IPC_FORMAT},
	    {"{} x", ERR_IPC_FORMAT},
	    {"", ERR_IPC_FORMAT},
	};
	struct conf *c;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(conf_from_role_json(cases[i].text, strlen(cases[i].text), &c, &fixture_err),
				 -cases[i].code);
	assert_int_equal(conf_from_role_json("{}", CONF_TEXT_MAX + 1, &c, &fixture_err), -ERR_TOO_LARGE);
}

static void
count_key(void *ctx, const struct conf_key *k)
{
	(void)str_copy(ctx, 64, k->name);
}

static void
a_difference_names_its_key(void **state UNUSED)
{
	struct conf *a = conf_defaults(), *b = fixture_load("{\"InstancePollSeconds\": 6}");
	char name[64] = "";

	assert_int_equal(conf_diff(a, b, CONF_ALL_ROLES, count_key, name), 1);
	assert_string_equal(name, "InstancePollSeconds");
	assert_int_equal(conf_diff(a, a, CONF_ALL_ROLES, count_key, name), 0);
	conf_unref(a);
	conf_unref(b);
}

static void
references_keep_it_alive(void **state UNUSED)
{
	struct conf *c = fixture_load("{\"WebMessage\": \"still here\"}");

	assert_ptr_equal(conf_ref(c), c);
	conf_unref(c);
	assert_string_equal(c->WebMessage, "still here");
	conf_unref(c);
	conf_unref(NULL);
}

static void
possible_loss_is_taken_apart(void **state UNUSED)
{
	static const struct {
		const char *given;
		enum conf_loss loss;
		int64_t wait_s;
	} cases[] = {{"{}", CONF_LOSS_PROMOTE, 0},
		     {"{\"PromotionOnPossibleLoss\": \"wait:30\"}", CONF_LOSS_WAIT, 30},
		     {"{\"PromotionOnPossibleLoss\": \"Abort\"}", CONF_LOSS_ABORT, 0}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf *c = fixture_load(cases[i].given);
		int64_t wait_s = -1;

		assert_int_equal(conf_promotion_on_possible_loss(c, &wait_s), cases[i].loss);
		assert_int_equal(wait_s, cases[i].wait_s);
		conf_unref(c);
	}
}

static void
the_table_is_complete_and_sane(void **state UNUSED)
{
	for (size_t i = 0; i < conf_key_count(); i++) {
		const struct conf_key *k = conf_key_at(i);
		assert_ptr_equal(conf_key_find(k->name), k); /* names are unique without regard to case */
		assert_false(conf_key_removed(k->name));
		assert_non_null(k->doc);
		assert_true(strlen(k->doc) > 5 && strchr("].", k->doc[strlen(k->doc) - 1]) != NULL);
		assert_true(k->roles & CONF_SUPERVISOR);
		if (k->kind == CONF_INT || k->kind == CONF_UINT || k->kind == CONF_UMAP) {
			assert_true(k->min < k->max);
			assert_true(k->default_int >= k->min && k->default_int <= k->max);
		}
		if (k->kind == CONF_UINT)
			assert_true(k->min >= 0);
	}
}

static const char *
kind_word(enum conf_kind kind)
{
	static const char *const words[] = {"bool", "int", "uint", "real", "string", "list", "map", "umap"};

	return words[kind];
}

/* A line begins "Name type default-as-JSON", or is "Name removed". */
static void
check_line(struct conf *defaults, char *line)
{
	char *name = strtok(line, " \n"), *kind = strtok(NULL, " \n"), *value = strtok(NULL, " \n");
	const struct conf_key *k = conf_key_find(name);
	struct str_buf out = {0};

	if (strcmp(kind, "removed") == 0) {
		if (!conf_key_removed(name))
			fail_msg("%s is not listed as removed", name);
		return;
	}
	if (k == NULL || strcmp(k->name, name) != 0)
		fail_msg("%s is missing from conf_keys.def", name);
	if (strcmp(kind_word(k->kind), kind) != 0)
		fail_msg("%s is a %s, historically a %s", name, kind_word(k->kind), kind);
	if (k->flags & CONF_NEW)
		fail_msg("%s is historical, not new", name);
	conf_print_value(defaults, k, false, &out);
	if (strcmp(str_buf_text(&out), value) != 0)
		fail_msg("%s is %s by default, historically %s", name, str_buf_text(&out), value);
	str_buf_done(&out);
}

static void
no_historical_key_is_missing_or_different(void **state UNUSED)
{
	FILE *f = fopen(historical_keys, "r");
	struct conf *raw = from_role("{}"); /* defaults before any adjustment */
	size_t n = 0, historical = 0;
	char line[256];

	if (f == NULL)
		fail_msg("cannot read %s", historical_keys);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		n += strstr(line, " removed\n") == NULL;
		check_line(raw, line);
	}
	for (size_t i = 0; i < conf_key_count(); i++)
		historical += !(conf_key_at(i)->flags & CONF_NEW);
	assert_int_equal(n, historical);
	assert_int_equal(fclose(f), 0);
	conf_unref(raw);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_key_prints_and_reads_back_equal),
	    cmocka_unit_test(a_masked_print_parses_and_shows_no_secret),
	    cmocka_unit_test(secrets_go_only_to_who_needs_them),
	    cmocka_unit_test(a_child_gets_its_part_and_defaults_for_the_rest),
	    cmocka_unit_test(a_part_from_another_build_is_refused),
	    cmocka_unit_test(a_difference_names_its_key),
	    cmocka_unit_test(references_keep_it_alive),
	    cmocka_unit_test(possible_loss_is_taken_apart),
	    cmocka_unit_test(the_table_is_complete_and_sane),
	    cmocka_unit_test(no_historical_key_is_missing_or_different),
	};

	if (argc < 2) {
		(void)fprintf(stderr, "usage: %s config_keys.txt\n", argv[0]);
		return 2;
	}
	historical_keys = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
