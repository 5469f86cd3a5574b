/* fuzz_conf.c — configuration text, or (when it doesn't begin with '{') a credentials file. Whatever loads must print,
 * and what is printed must load to the same configuration: both as a child's part and as a file. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_round_trip(struct conf *c)
{
	static struct conf_warnings w;
	struct conf *part = NULL, *again = NULL;
	struct str_buf text = {0};
	struct err e;

	conf_print(c, CONF_ALL_ROLES, false, &text);
	ASSERT(conf_from_role_json(str_buf_text(&text), text.len, &part, &e) == 0);
	ASSERT(conf_diff(c, part, CONF_ALL_ROLES, NULL, NULL) == 0);
	ASSERT(conf_parse("printed", str_buf_text(&text), text.len, &again, &w, &e) == 0);
	ASSERT(conf_diff(c, again, CONF_ALL_ROLES, NULL, NULL) == 0);
	str_buf_done(&text);
	conf_unref(part);
	conf_unref(again);
}

static void
try_text(const char *text, size_t size)
{
	static struct conf_warnings w;
	struct conf *c = NULL;
	struct err e = {0};
	int rc = conf_parse("fuzz", text, size, &c, &w, &e);

	ASSERT(w.n <= CONF_WARNINGS_MAX);
	ASSERT((rc == 0) == (c != NULL) && (rc == 0) == (e.msg[0] == '\0'));
	if (rc == 0)
		check_round_trip(c);
	conf_unref(c);
}

static void
try_credentials(const uint8_t *data, size_t size)
{
	char text[128];
	int fd = memfd_create("fuzz_conf", 0);
	int n;

	ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	n = snprintf(text, sizeof(text), "{\"MySQLTopologyCredentialsConfigFile\": \"/proc/self/fd/%d\"}", fd);
	try_text(text, (size_t)n);
	(void)close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && data[0] != '{')
		try_credentials(data, size);
	else
		try_text((const char *)data, size);
	return 0;
}
