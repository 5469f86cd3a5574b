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

/* {"Hostname":…,"Port":…} as "host:port" */
static bool
key_text(const json_t *key, char text[static TOPO_KEY_TEXT_BYTES])
{
	(void)snprintf(text, TOPO_KEY_TEXT_BYTES, "%.*s:%lld", TOPO_HOST_MAX, text_of(key, "Hostname"),
		       (long long)json_integer_value(json_object_get(key, "Port")));
	return json_is_object(key);
}

static int
put_key(struct cli *c, const json_t *key)
{
	char text[TOPO_KEY_TEXT_BYTES];

	return key_text(key, text) ? put_line(c, text) : 1;
}

/* An instance has a Key; a key is one. */
static const json_t *
key_of(const json_t *item)
{
	const json_t *key = json_object_get(item, "Key");

	return key != NULL ? key : item;
}

int
cli_print_key(struct cli *c, json_t *answer)
{
	return put_key(c, key_of(answer));
}

int
cli_print_keys(struct cli *c, json_t *answer)
{
	size_t i;
	json_t *item;
	int code = 0;

	json_array_foreach(answer, i, item) code |= put_key(c, key_of(item));
	return code;
}

int
cli_print_lines(struct cli *c, json_t *answer)
{
	size_t i;
	json_t *item;

	json_array_foreach(answer, i, item)
	{
		if (json_is_string(item))
			(void)put_line(c, json_string_value(item));
	}
	return 0;
}

int
cli_print_details_text(struct cli *c, json_t *answer)
{
	return put_line(c, text_of(answer, "Details"));
}

int
cli_print_details_key(struct cli *c, json_t *answer)
{
	return put_key(c, json_object_get(answer, "Details"));
}

int
cli_print_details_keys(struct cli *c, json_t *answer)
{
	return cli_print_keys(c, json_object_get(answer, "Details"));
}

int
cli_print_details_instance_key(struct cli *c, json_t *answer)
{
	return put_key(c, json_object_get(json_object_get(answer, "Details"), "Key"));
}

int
cli_print_clusters_alias(struct cli *c, json_t *answer)
{
	size_t i;
	json_t *item;

	json_array_foreach(answer, i, item)
	    str_buf_printf(&c->out, "%s\t%s\n", text_of(item, "ClusterName"), text_of(item, "ClusterAlias"));
	return 0;
}

int
cli_print_cluster_name(struct cli *c, json_t *answer)
{
	return put_line(c, text_of(answer, "ClusterName"));
}

int
cli_print_cluster_alias(struct cli *c, json_t *answer)
{
	return put_line(c, text_of(answer, "ClusterAlias"));
}

int
cli_print_cluster_domain(struct cli *c, json_t *answer)
{
	return put_line(c, text_of(answer, "ClusterDomain"));
}

int
cli_print_master_key(struct cli *c, json_t *answer)
{
	const json_t *key = json_object_get(answer, "MasterKey");
	const char *host = text_of(key, "Hostname");

	if (host[0] == '\0' || strcmp(host, "_") == 0)
		return 0; /* a primary: nothing */
	return put_key(c, key);
}

static int
put_key_if_threads(struct cli *c, const json_t *instance, json_int_t state)
{
	if (json_integer_value(json_object_get(instance, "ReplicationSQLThreadState")) == state &&
	    json_integer_value(json_object_get(instance, "ReplicationIOThreadState")) == state)
		return put_key(c, key_of(instance));
	return 0;
}

int
cli_print_key_if_replicating(struct cli *c, json_t *answer)
{
	return put_key_if_threads(c, answer, 1);
}

int
cli_print_key_if_stopped(struct cli *c, json_t *answer)
{
	return put_key_if_threads(c, answer, 0);
}

int
cli_print_lost_keys(struct cli *c, json_t *answer)
{
	size_t i;
	json_t *item;

	json_array_foreach(answer, i, item)
	{
		if (strcmp(text_of(item, "DowntimeReason"), "lost-in-recovery") == 0)
			(void)put_key(c, key_of(item));
	}
	return 0;
}

/* "name=value" lines; a missing tag prints nothing, exit code 0. */
int
cli_print_tag_value(struct cli *c, json_t *answer)
{
	size_t i, n = strlen(c->args.tag);
	json_t *item;

	json_array_foreach(answer, i, item)
	{
		const char *s = json_string_value(item);
		if (s != NULL && strncmp(s, c->args.tag, n) == 0 && s[n] == '=')
			(void)put_line(c, s + n + 1);
	}
	return 0;
}

int
cli_print_find(struct cli *c, json_t *answer)
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
	json_array_foreach(answer, i, item)
	{
		char text[TOPO_KEY_TEXT_BYTES];
		if (key_text(key_of(item), text) && rx_match(rx, text))
			(void)put_line(c, text);
	}
	rx_free(rx);
	return 0;
}
