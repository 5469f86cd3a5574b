/* ap_cli_print.c — the printing half of the command line. Pure: JSON in, text out. An answer of an unexpected shape
 * prints nothing and ends with exit code 1. */
#include "ap_cli_print.h"

#include <stdio.h>
#include <string.h>

#include "base/rx.h"
#include "topo/key.h"

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s == NULL ? "" : s;
}

static int
put_line(struct cli *c, const char *text)
{
	str_buf_add(&c->out, text);
	str_buf_add_char(&c->out, '\n');
	return 0;
}

/* An instance has a Key; a key is one: {"Hostname":…,"Port":…}. As "host:port"; "" when there is no host. */
static int
key_text(const json_t *item, char text[static TOPO_KEY_TEXT_BYTES])
{
	const json_t *own = json_object_get(item, "Key");
	const json_t *key = own != NULL ? own : item;
	const char *host = text_of(key, "Hostname");

	text[0] = '\0';
	if (!json_is_object(key))
		return 1;
	if (host[0] != '\0' && strcmp(host, "_") != 0)
		(void)snprintf(text, TOPO_KEY_TEXT_BYTES, "%.*s:%lld", TOPO_HOST_MAX, host,
			       (long long)json_integer_value(json_object_get(key, "Port")));
	return 0;
}

/* A primary's source has no host: nothing is printed. */
int
cli_print_key(struct cli *c, json_t *what)
{
	char text[TOPO_KEY_TEXT_BYTES];

	if (key_text(what, text) != 0)
		return 1;
	return text[0] == '\0' ? 0 : put_line(c, text);
}

int
cli_print_text(struct cli *c, json_t *what)
{
	return json_is_string(what) ? put_line(c, json_string_value(what)) : 1;
}

int
cli_print_text_if_any(struct cli *c, json_t *what)
{
	return str_empty(json_string_value(what)) ? (json_is_string(what) ? 0 : 1) : cli_print_text(c, what);
}

int
cli_print_nothing(struct cli *c UNUSED, json_t *what UNUSED)
{
	return 0;
}

/* Fixed texts: the message of the answer may have an identity in front. */
int
cli_print_names_reset(struct cli *c, json_t *what UNUSED)
{
	return put_line(c, "hostname resolve cache cleared");
}

int
cli_print_redeployed(struct cli *c, json_t *what UNUSED)
{
	return put_line(c, "Redeployed internal db");
}

/* --- recoveries ------------------------------------------------------------------------------------------------ */
int
cli_print_acknowledged(struct cli *c, json_t *what)
{
	if (!json_is_integer(what))
		return 1;
	str_buf_printf(&c->out, "%lld recoveries acknowledged\n", (long long)json_integer_value(what));
	return 0;
}

/* Who was promoted, or the lines of a dry run. */
int
cli_print_recovered(struct cli *c, json_t *what)
{
	return json_is_array(what) ? cli_print_lines(c, what) : cli_print_key(c, what);
}

int
cli_print_recoveries_switched(struct cli *c, json_t *what)
{
	const char *now = json_string_value(what);

	if (now == NULL)
		return 1;
	str_buf_printf(&c->out, "OK: Orchestrator recoveries %s globally\n",
		       strcmp(now, "disabled") == 0 ? "DISABLED" : "ENABLED");
	return 0;
}

/* Scripts parse it. */
int
cli_print_recoveries_switch(struct cli *c, json_t *what)
{
	const char *now = json_string_value(what);

	if (now == NULL)
		return 1;
	str_buf_printf(&c->out, "OK: Global recoveries disabled: %s\n",
		       strcmp(now, "disabled") == 0 ? "true" : "false");
	return 0;
}

/* --- lists; null is an empty one ------------------------------------------------------------------------------- */
static int
print_each(struct cli *c, json_t *list, int (*print)(struct cli *c, json_t *what))
{
	size_t i;
	json_t *item;
	int code = 0;

	json_array_foreach(list, i, item) code |= print(c, item);
	return code;
}

int
cli_print_keys(struct cli *c, json_t *what)
{
	return print_each(c, what, cli_print_key);
}

int
cli_print_lines(struct cli *c, json_t *what)
{
	return print_each(c, what, cli_print_text);
}

static int
print_name_and_alias(struct cli *c, json_t *what)
{
	str_buf_printf(&c->out, "%s\t%s\n", text_of(what, "ClusterName"), text_of(what, "ClusterAlias"));
	return 0;
}

int
cli_print_clusters_alias(struct cli *c, json_t *what)
{
	return print_each(c, what, print_name_and_alias);
}

static int
print_pool_member(struct cli *c, json_t *what)
{
	char text[TOPO_KEY_TEXT_BYTES];

	if (key_text(what, text) != 0)
		return 1;
	str_buf_printf(&c->out, "%s\t%s\t%s\t%s\n", text_of(what, "ClusterName"), text_of(what, "ClusterAlias"),
		       text_of(what, "Pool"), text);
	return 0;
}

int
cli_print_pool_members(struct cli *c, json_t *what)
{
	return print_each(c, what, print_pool_member);
}

static int
print_if_lost(struct cli *c, json_t *what)
{
	return strcmp(text_of(what, "DowntimeReason"), "lost-in-recovery") == 0 ? cli_print_key(c, what) : 0;
}

int
cli_print_lost_keys(struct cli *c, json_t *what)
{
	return print_each(c, what, print_if_lost);
}

/* "host:port (cluster name): codes"; what is in downtime is left out. */
static int
print_analysis(struct cli *c, json_t *what)
{
	const char *code = text_of(what, "Analysis"), *separator = "";
	char key[TOPO_KEY_TEXT_BYTES];
	size_t i;
	json_t *warning;

	if (key_text(json_object_get(what, "AnalyzedInstanceKey"), key) != 0)
		return 1;
	if (json_is_true(json_object_get(what, "SkippableDueToDowntime")))
		return 0;
	str_buf_printf(&c->out, "%s (cluster %s): ", key,
		       text_of(json_object_get(what, "ClusterDetails"), "ClusterName"));
	if (strcmp(code, "NoProblem") != 0) {
		str_buf_add(&c->out, code);
		separator = ", ";
	}
	json_array_foreach(json_object_get(what, "StructureAnalysis"), i, warning)
	{
		str_buf_printf(&c->out, "%s%s", separator, json_is_string(warning) ? json_string_value(warning) : "");
		separator = ", ";
	}
	return put_line(c, "");
}

int
cli_print_analyses(struct cli *c, json_t *what)
{
	return print_each(c, what, print_analysis);
}

/* "name=value"; a missing tag prints nothing, exit code 0. */
static int
print_if_wanted(struct cli *c, json_t *what)
{
	const char *s = json_string_value(what);
	size_t n = strlen(c->args.tag);

	return s != NULL && strncmp(s, c->args.tag, n) == 0 && s[n] == '=' ? put_line(c, s + n + 1) : 0;
}

int
cli_print_tag_value(struct cli *c, json_t *what)
{
	return print_each(c, what, print_if_wanted);
}

int
cli_print_find(struct cli *c, json_t *what)
{
	struct rx *rx = NULL;
	struct err e;
	size_t i;
	json_t *item;

	if (rx_new(c->args.pattern, &rx, &e) != 0) {
		(void)err_wrap(&e, "-pattern");
		cli_report(c, "FATAL", e.msg);
		return 1;
	}
	json_array_foreach(what, i, item)
	{
		char text[TOPO_KEY_TEXT_BYTES];
		if (key_text(item, text) == 0 && rx_match(rx, text))
			(void)put_line(c, text);
	}
	rx_free(rx);
	return 0;
}

/* "host:port rule" */
static int
print_rule(struct cli *c, json_t *what)
{
	char text[TOPO_KEY_TEXT_BYTES];

	if (key_text(what, text) != 0)
		return 1;
	str_buf_printf(&c->out, "%s %s\n", text, text_of(what, "PromotionRule"));
	return 0;
}

int
cli_print_promotion_rules(struct cli *c, json_t *what)
{
	return print_each(c, what, print_rule);
}

/* --- verdicts and figures --------------------------------------------------------------------------------------- */
/* The message may have an identity in front (PrependMessagesWithOrcIdentity). */
int
cli_print_key_if_true(struct cli *c, json_t *answer)
{
	const char *message = text_of(answer, "Message");
	size_t n = strlen(message);
	bool is_true = n >= strlen("true") && strcmp(message + n - strlen("true"), "true") == 0;

	return is_true ? cli_print_key(c, json_object_get(answer, "Details")) : 0;
}

/* Of a list of instances; an unknown lag counts as 0, no instances are an error. */
int
cli_print_greatest_lag(struct cli *c, json_t *what)
{
	json_int_t greatest = 0;
	size_t i;
	json_t *item;

	if (json_array_size(what) == 0) {
		cli_report(c, "FATAL", "no replica of the cluster is fit to tell its lag");
		return 1;
	}
	json_array_foreach(what, i, item)
	{
		json_int_t lag =
		    json_integer_value(json_object_get(json_object_get(item, "ReplicationLagSeconds"), "Int64"));
		greatest = lag > greatest ? lag : greatest;
	}
	str_buf_printf(&c->out, "%lld\n", (long long)greatest);
	return 0;
}

/* As Go prints the struct: meant for eyes. */
static int
print_node(struct cli *c, json_t *what)
{
	str_buf_printf(&c->out, "&{%s %s %s %s %s %s %s %s}\n", text_of(what, "Hostname"), text_of(what, "Token"),
		       text_of(what, "AppVersion"), text_of(what, "FirstSeenActive"), text_of(what, "LastSeenActive"),
		       text_of(what, "ExtraInfo"), text_of(what, "Command"), text_of(what, "DBBackend"));
	return 0;
}

int
cli_print_nodes(struct cli *c, json_t *health)
{
	return print_each(c, json_object_get(health, "AvailableNodes"), print_node);
}

/* --- replication threads --------------------------------------------------------------------------------------- */
static int
print_if_threads(struct cli *c, json_t *instance, enum topo_thread state)
{
	if (json_integer_value(json_object_get(instance, "ReplicationSQLThreadState")) == state &&
	    json_integer_value(json_object_get(instance, "ReplicationIOThreadState")) == state)
		return cli_print_key(c, instance);
	return 0;
}

int
cli_print_key_if_replicating(struct cli *c, json_t *what)
{
	return print_if_threads(c, what, TOPO_THREAD_RUNNING);
}

int
cli_print_key_if_stopped(struct cli *c, json_t *what)
{
	return print_if_threads(c, what, TOPO_THREAD_STOPPED);
}
