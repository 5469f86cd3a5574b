/* ap_router.c — the route table and its matcher. Pure; called by ap_httpd for each request and by tests. */
#include "ap_router.h"

#include <string.h>

static const struct ap_route routes[] = {
#define ROUTE(path, handler, access, where, doc) {path, false, AP_##access, AP_##where, api_##handler, doc},
#define ROUTE_ROOT(path, handler, doc) {path, true, AP_READ, AP_LOCAL, api_##handler, doc},
#define ROUTE_ALIAS(path, handler, access, where) {path, false, AP_##access, AP_##where, api_##handler, "same"},
#define ROUTE_LATER(path, access, where, doc) {path, false, AP_##access, AP_##where, NULL, doc},
#include "routes.def"
};

size_t
ap_route_count(void)
{
	return ARRAY_LEN(routes);
}

const struct ap_route *
ap_route_at(size_t i)
{
	ASSERT(i < ARRAY_LEN(routes));
	return &routes[i];
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decoded copy in the arena; NULL for a broken escape or an encoded NUL. '+' stays: this is a path. */
static char *
decode_path(const char *path, struct mem_arena *arena)
{
	char *out = mem_arena_alloc(arena, strlen(path) + 1);
	size_t o = 0;

	for (const char *p = path; *p != '\0'; p++) {
		if (*p == '%') {
			int hi = hex_digit(p[1]);
			int lo = hi < 0 ? -1 : hex_digit(p[2]);
			if (lo < 0 || (hi == 0 && lo == 0))
				return NULL;
			out[o++] = (char)(hi * 16 + lo);
			p += 2;
		} else {
			out[o++] = *p;
		}
	}
	return out;
}

/* Splits text at '/' in place; -1 when there are too many or an empty one. */
static int
split_segments(char *text, char **segments)
{
	int n = 0;
	size_t len = strlen(text);

	if (len > 0 && text[len - 1] == '/')
		text[len - 1] = '\0'; /* exactly one optional trailing slash */
	for (;;) {
		char *slash = strchr(text, '/');
		if (slash != NULL)
			*slash = '\0';
		if (*text == '\0' || n == AP_SEGMENTS_MAX)
			return -1;
		segments[n++] = text;
		if (slash == NULL)
			return n;
		text = slash + 1;
	}
}

/* Compares one route with the segments, collecting parameters. */
static bool
match_route(const struct ap_route *r, char **segments, int n, struct mem_arena *arena, struct ap_match *m)
{
	const char *p = r->path;

	m->n_params = 0;
	for (int i = 0; i < n; i++) {
		size_t len = strcspn(p, "/");
		if (len == 0)
			return false;
		if (*p == ':') {
			ASSERT(m->n_params < AP_PARAMS_MAX);
			m->params[m->n_params].name = mem_arena_strndup(arena, p + 1, len - 1);
			m->params[m->n_params++].value = segments[i];
		} else if (strlen(segments[i]) != len || memcmp(p, segments[i], len) != 0) {
			return false;
		}
		p += len;
		p += *p == '/';
	}
	m->route = r;
	return *p == '\0';
}

bool
ap_route_match(const char *path, bool root, struct mem_arena *arena, struct ap_match *ret_match)
{
	char *segments[AP_SEGMENTS_MAX];
	char *decoded = decode_path(path, arena);
	int n = decoded == NULL ? -1 : split_segments(decoded, segments);

	for (size_t i = 0; n > 0 && i < ARRAY_LEN(routes); i++) {
		if (routes[i].root == root && match_route(&routes[i], segments, n, arena, ret_match))
			return true;
	}
	return false;
}

const char *
ap_match_param(const struct ap_match *m, const char *name)
{
	for (size_t i = 0; i < m->n_params; i++) {
		if (strcmp(m->params[i].name, name) == 0)
			return m->params[i].value;
	}
	ASSERT(!"the route has no such parameter");
	return NULL;
}
