/* ap_router.c — the route table and its matcher. Pure; called by ap_httpd for each request and by tests. */
#include "ap_router.h"

#include <string.h>

#include "ap_url.h"
#include "base/str.h"

#define CALLS(name) .calls = api_##name
#define READS(name) .reads = api_##name

static const struct ap_route routes[] = {
#define ROUTE(path, handler, access, where, doc) {path, false, AP_##access, AP_##where, doc, handler},
#define ROUTE_WEB(path, handler, access, where, doc) {path, true, AP_##access, AP_##where, doc, handler},
#define ROUTE_ROOT(path, handler, doc) {path, true, AP_READ, AP_LOCAL, doc, handler},
#define ROUTE_ALIAS(path, handler, access, where) {path, false, AP_##access, AP_##where, "same", handler},
#define ROUTE_LATER(path, access, where, doc) {path, false, AP_##access, AP_##where, doc},
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

/* Does the route fit the segments? Says nothing about parameters: most routes don't fit. */
static bool
fits(const struct ap_route *r, char *const *segments, int n)
{
	const char *p = r->path;

	for (int i = 0; i < n; i++) {
		size_t len = strcspn(p, "/");
		if (len == 0 || (*p != ':' && (strncmp(p, segments[i], len) != 0 || segments[i][len] != '\0')))
			return false;
		p += len;
		p += *p == '/';
	}
	return *p == '\0';
}

static void
take_params(const struct ap_route *r, char *const *segments, struct ap_match *m)
{
	const char *p = r->path;

	*m = (struct ap_match){.route = r};
	for (int i = 0; *p != '\0'; i++) {
		size_t len = strcspn(p, "/");
		if (*p == ':') {
			ASSERT(m->n_params < AP_PARAMS_MAX);
			m->params[m->n_params++] = (struct ap_param){p + 1, len - 1, str_trim(segments[i])};
		}
		p += len;
		p += *p == '/';
	}
}

bool
ap_route_match(const char *path, bool root, struct mem_arena *arena, struct ap_match *ret_match)
{
	char *segments[AP_SEGMENTS_MAX];
	char *decoded = ap_url_decode(path, strlen(path), false, arena);
	int n = decoded == NULL ? -1 : split_segments(decoded, segments);

	for (size_t i = 0; n > 0 && i < ARRAY_LEN(routes); i++) {
		if (routes[i].root != root || !fits(&routes[i], segments, n))
			continue;
		take_params(&routes[i], segments, ret_match);
		return true;
	}
	return false;
}

static const struct ap_param *
find_param(const struct ap_match *m, const char *name)
{
	for (size_t i = 0; i < m->n_params; i++) {
		const struct ap_param *p = &m->params[i];
		if (strncmp(p->name, name, p->name_len) == 0 && name[p->name_len] == '\0')
			return p;
	}
	return NULL;
}

bool
ap_match_has_param(const struct ap_match *m, const char *name)
{
	return find_param(m, name) != NULL;
}

const char *
ap_match_param(const struct ap_match *m, const char *name)
{
	const struct ap_param *p = find_param(m, name);

	ASSERT(p != NULL); /* the route has no such parameter */
	return p->value;
}
