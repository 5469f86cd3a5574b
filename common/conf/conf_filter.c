/* conf_filter.c — compiled hostname filters. Called by raftd's, prober's and apid's rules about which servers to leave
 * alone; owns its expressions. */
#include "conf/conf_filter.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rx.h"

/* Either an address or an expression. */
struct item {
	char *address;
	struct rx *rx;
};

struct conf_filter {
	struct item *v;
	size_t n;
};

static bool
is_address(const char *text)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

int
conf_filter_new(const struct conf_strs *patterns, struct conf_filter **ret_filter, struct err *e)
{
	struct conf_filter *f = mem_new(struct conf_filter);

	f->v = mem_calloc(patterns->n, sizeof(*f->v));
	for (size_t i = 0; i < patterns->n; i++) {
		const char *pattern = patterns->v[i];
		struct item *item = &f->v[f->n];
		if (pattern[0] == '\0')
			continue;
		if (is_address(pattern)) {
			item->address = mem_strdup(pattern);
		} else if (rx_new(pattern, &item->rx, e) != 0) {
			conf_filter_free(f);
			return err_wrap(e, "%s", LOG_Q(pattern));
		}
		f->n++;
	}
	*ret_filter = f;
	return 0;
}

void
conf_filter_free(struct conf_filter *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].address);
		rx_free(f->v[i].rx);
	}
	free(f->v);
	free(f);
}

/* address is what entries that are addresses compare, text what expressions see. */
static bool
matches(struct conf_filter *f, const char *address, const char *text)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct item *item = &f->v[i];
		if (item->address != NULL ? strcmp(item->address, address) == 0 : rx_match(item->rx, text))
			return true;
	}
	return false;
}

bool
conf_filter_matches(struct conf_filter *f, const char *host, int64_t port)
{
	struct str_buf text = {0};
	bool result;

	if (f->n == 0)
		return false;
	str_buf_printf(&text, "%s:%lld", host, (long long)port);
	result = matches(f, host, str_buf_text(&text));
	str_buf_done(&text);
	return result;
}

bool
conf_filter_matches_text(struct conf_filter *f, const char *text)
{
	return matches(f, text, text);
}

bool
conf_filter_empty(const struct conf_filter *f)
{
	return f->n == 0;
}

uint64_t
conf_filter_limit_hits(const struct conf_filter *f)
{
	uint64_t hits = 0;

	for (size_t i = 0; i < f->n; i++)
		hits += f->v[i].rx == NULL ? 0 : rx_limit_hits(f->v[i].rx);
	return hits;
}
