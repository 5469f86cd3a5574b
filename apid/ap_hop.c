/* ap_hop.c — see ap_hop.h. Called by ap_relay.c for requests and answers. */
#include "ap_hop.h"

#include <string.h>

#include "base/str.h"

static bool
is_ours_or_hop(const char *name)
{
	static const char *const stays[] = {
	    "Connection",
	    "Keep-Alive",
	    "Proxy-Connection",
	    "Proxy-Authenticate",
	    "Proxy-Authorization",
	    "TE",
	    "Trailer",
	    "Transfer-Encoding",
	    "Upgrade",
	    "Expect",
	    "Host",
	    "Content-Length",
	    AP_HEADER_RELAYED,
	    AP_HEADER_NOT_LEADER,
	    AP_HEADER_STALE,
	};

	for (size_t i = 0; i < ARRAY_LEN(stays); i++) {
		if (str_eq_nocase(stays[i], name))
			return true;
	}
	return false;
}

struct named {
	const char *name;
	bool found;
};

static void
compare(void *ctx, const char *piece)
{
	struct named *n = ctx;

	n->found |= str_eq_nocase(piece, n->name);
}

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

bool
ap_hop_passes(const char *name, const char *value, const char *connection)
{
	struct named n = {name, false};

	if (name[0] == '\0' || strpbrk(name, " \t:;,") != NULL || has_control(name) || has_control(value))
		return false;
	if (connection != NULL)
		str_split(connection, ",", compare, &n);
	return !n.found && !is_ours_or_hop(name);
}
