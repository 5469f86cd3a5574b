/* fuzz_http.c — what a client controls after evhttp has parsed its request: path to route and parameters, query to
 * arguments, and texts that come back in JSON. A parameter must read back from the JSON unchanged when it is valid
 * UTF-8. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ap_json.h"
#include "ap_router.h"
#include "ap_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_utf8(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t cp;

	while (*s != '\0') {
		size_t n = str_utf8_decode(s, &cp);
		if (n == 0)
			return false;
		s += n;
	}
	return true;
}

static void
text_survives_json(const char *text)
{
	struct str_buf b = {0};
	struct ap_json j = {.out = &b};
	json_t *back;

	ap_json_array(&j);
	ap_json_text(&j, text);
	ap_json_array_end(&j);
	back = json_loads(str_buf_text(&b), 0, NULL);
	ASSERT(back != NULL && json_array_size(back) == 1);
	if (is_utf8(text))
		ASSERT(strcmp(json_string_value(json_array_get(back, 0)), text) == 0);
	json_decref(back);
	str_buf_done(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *path = mem_strndup((const char *)data, size);
	struct mem_arena arena = {0};
	struct ap_query q;
	struct ap_match m;

	for (int root = 0; root < 2; root++) {
		if (!ap_route_match(path, root == 1, &arena, &m))
			continue;
		ASSERT(m.n_params <= AP_PARAMS_MAX);
		for (size_t i = 0; i < m.n_params; i++) {
			ASSERT(strchr(m.params[i].value, '/') == NULL);
			text_survives_json(m.params[i].value);
		}
	}
	ap_query_parse(path, &arena, &q);
	ASSERT(q.n <= AP_QUERY_MAX);
	for (size_t i = 0; i < q.n; i++)
		text_survives_json(ap_query_value(&q, q.v[i].name));
	text_survives_json(path);
	mem_arena_done(&arena);
	free(path);
	return 0;
}
