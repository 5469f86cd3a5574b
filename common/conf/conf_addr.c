/* conf_addr.c — taking host:port texts apart. Pure; called by the configuration checks and by whoever listens. */
#include "conf/conf_addr.h"

#include <string.h>

#include "base/str.h"

static bool
host_char_ok(char c)
{
	return c > ' ' && c < 0x7f && strchr("/?#@\"'\\[]", c) == NULL;
}

static int
copy_host(const char *text, const char *from, size_t n, char *host, struct err *e)
{
	if (n >= CONF_HOST_BYTES)
		return err_set(e, ERR_INVALID, "host name of %zu bytes, at most %d", n, CONF_HOST_BYTES - 1);
	for (size_t i = 0; i < n; i++) {
		if (!host_char_ok(from[i]))
			return err_set(e, ERR_INVALID, "\"%.80s\" is not host:port", text);
	}
	memcpy(host, from, n);
	host[n] = '\0';
	return 0;
}

/* Where the host ends and, when there is one, the port begins. */
static int
find_parts(const char *text, const char **ret_host, size_t *ret_host_n, const char **ret_port, struct err *e)
{
	const char *colon = strrchr(text, ':');
	const char *close = strchr(text, ']');

	*ret_host = text;
	*ret_host_n = strlen(text);
	*ret_port = NULL;
	if (text[0] == '[') {
		if (close == NULL || (close[1] != '\0' && close[1] != ':'))
			return err_set(e, ERR_INVALID, "\"%.80s\" is not [address]:port", text);
		*ret_host = text + 1;
		*ret_host_n = (size_t)(close - text - 1);
		*ret_port = close[1] == ':' ? close + 2 : NULL;
	} else if (colon != NULL && strchr(text, ':') == colon) {
		*ret_host_n = (size_t)(colon - text);
		*ret_port = colon + 1;
	}
	return 0;
}

int
conf_addr_split(const char *text, int64_t default_port, char host[CONF_HOST_BYTES], int64_t *ret_port, struct err *e)
{
	const char *from, *port_text;
	char copy[CONF_HOST_BYTES];
	int64_t port = default_port;
	size_t n;
	int rc = find_parts(text, &from, &n, &port_text, e);

	if (rc == 0)
		rc = copy_host(text, from, n, copy, e);
	if (rc != 0)
		return rc;
	if (port_text == NULL && default_port < 0)
		return err_set(e, ERR_INVALID, "\"%.80s\" names no port; write host:port", text);
	if (port_text == NULL && n == 0)
		return err_set(e, ERR_INVALID, "the address is empty; write host:port");
	if (port_text != NULL && str_parse_i64(port_text, 0, 65535, &port, e) != 0)
		return err_set(e, ERR_INVALID, "\"%.80s\": the port must be a number from 0 to 65535", text);
	memcpy(host, copy, n + 1);
	*ret_port = port;
	return 0;
}
