/* ap_json.c — JSON text of replies. Pure; called by handlers on the loop and in reader threads. */
#include "ap_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
separate(struct ap_json *j)
{
	uint64_t bit = UINT64_C(1) << j->depth;

	if (j->after_key) {
		j->after_key = false;
		return;
	}
	if (j->has_items & bit)
		str_buf_add_char(j->out, ',');
	j->has_items |= bit;
}

static void
open_level(struct ap_json *j, char c)
{
	separate(j);
	str_buf_add_char(j->out, c);
	j->depth++;
	ASSERT(j->depth < AP_JSON_DEPTH);
	j->has_items &= ~(UINT64_C(1) << j->depth);
}

static void
close_level(struct ap_json *j, char c)
{
	ASSERT(j->depth > 0);
	j->depth--;
	str_buf_add_char(j->out, c);
}

void
ap_json_object(struct ap_json *j)
{
	open_level(j, '{');
}

void
ap_json_object_end(struct ap_json *j)
{
	close_level(j, '}');
}

void
ap_json_array(struct ap_json *j)
{
	open_level(j, '[');
}

void
ap_json_array_end(struct ap_json *j)
{
	close_level(j, ']');
}

/* How many bytes of s can be copied as they are. */
static size_t
plain_run(const unsigned char *s)
{
	size_t n = 0;

	while (s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\' && s[n] != '<' && s[n] != '>' && s[n] != '&')
		n++;
	return n;
}

static void
escape_ascii(struct str_buf *out, unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		str_buf_add_char(out, '\\');
		str_buf_add_char(out, (char)c);
		return;
	case '\n':
		str_buf_add(out, "\\n");
		return;
	case '\r':
		str_buf_add(out, "\\r");
		return;
	case '\t':
		str_buf_add(out, "\\t");
		return;
	case 0x7f:
		str_buf_add_char(out, (char)c);
		return;
	default:
		str_buf_printf(out, "\\u%04x", c);
	}
}

/* One character from s[0] >= 0x80; returns the bytes consumed. */
static size_t
escape_utf8(struct str_buf *out, const unsigned char *s)
{
	uint32_t cp = 0;
	size_t n = str_utf8_decode(s, &cp);

	if (n == 0) {
		str_buf_add(out, "\\ufffd");
		return 1;
	}
	if (cp == 0x2028 || cp == 0x2029)
		str_buf_printf(out, "\\u%04x", cp);
	else
		str_buf_add_n(out, s, n);
	return n;
}

static void
put_string(struct str_buf *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	str_buf_add_char(out, '"');
	while (*s != '\0') {
		size_t n = plain_run(s);
		str_buf_add_n(out, s, n);
		s += n;
		if (*s >= 0x80) {
			s += escape_utf8(out, s);
		} else if (*s != '\0') {
			escape_ascii(out, *s);
			s++;
		}
	}
	str_buf_add_char(out, '"');
}

void
ap_json_key(struct ap_json *j, const char *key)
{
	separate(j);
	put_string(j->out, key);
	str_buf_add_char(j->out, ':');
	j->after_key = true;
}

void
ap_json_text(struct ap_json *j, const char *s)
{
	separate(j);
	put_string(j->out, s);
}

/* printf is most of the time of a long list. */
static void
put_number(struct str_buf *out, bool negative, uint64_t v)
{
	char text[24], *p = text + sizeof(text);

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	if (negative)
		*--p = '-';
	str_buf_add_n(out, p, (size_t)(text + sizeof(text) - p));
}

void
ap_json_i64(struct ap_json *j, int64_t v)
{
	separate(j);
	put_number(j->out, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void
ap_json_u64(struct ap_json *j, uint64_t v)
{
	separate(j);
	put_number(j->out, false, v);
}

void
ap_json_f64(struct ap_json *j, double v)
{
	char text[64];
	double size = fabs(v);
	int digits = 1;

	ASSERT(isfinite(v));
	separate(j);
	do {
		(void)snprintf(text, sizeof(text), "%.*e", digits - 1, v);
	} while (strtod(text, NULL) != v && ++digits <= 17);
	if (v == 0 || (size >= 1e-6 && size < 1e21)) {
		int exponent = atoi(strchr(text, 'e') + 1);
		int decimals = digits - 1 - exponent;
		(void)snprintf(text, sizeof(text), "%.*f", decimals > 0 ? decimals : 0, v);
	}
	str_buf_add(j->out, text);
}

void
ap_json_bool(struct ap_json *j, bool v)
{
	separate(j);
	str_buf_add(j->out, v ? "true" : "false");
}

void
ap_json_null(struct ap_json *j)
{
	separate(j);
	str_buf_add(j->out, "null");
}

void
ap_json_empty_object(struct ap_json *j)
{
	separate(j);
	str_buf_add(j->out, "{}");
}

void
ap_json_member_text(struct ap_json *j, const char *key, const char *s)
{
	ap_json_key(j, key);
	ap_json_text(j, s);
}

void
ap_json_member_i64(struct ap_json *j, const char *key, int64_t v)
{
	ap_json_key(j, key);
	ap_json_i64(j, v);
}

void
ap_json_member_bool(struct ap_json *j, const char *key, bool v)
{
	ap_json_key(j, key);
	ap_json_bool(j, v);
}

void
ap_json_raw(struct ap_json *j, const char *text, size_t n)
{
	separate(j);
	str_buf_add_n(j->out, text, n);
}

static void
put_list(struct ap_json *j, const struct rec_field *f, const void *rec)
{
	struct rec_list l = rec_list_at(rec, f);

	ap_json_array(j);
	for (size_t i = 0; i < l.n; i++) {
		const void *item = (const char *)l.v + i * f->sub->size;
		if (f->sub == &rec_text_desc)
			ap_json_text(j, ((const struct rec_text *)item)->s);
		else
			ap_json_record(j, f->sub, item);
	}
	ap_json_array_end(j);
}

static void
put_nullable(struct ap_json *j, const struct rec_field *f, const void *at)
{
	ap_json_object(j);
	if (f->kind == REC_NI64) {
		const struct rec_ni64 *v = at;
		ap_json_key(j, "Int64");
		ap_json_i64(j, v->valid ? v->v : 0);
		ap_json_key(j, "Valid");
		ap_json_bool(j, v->valid);
	} else {
		const struct rec_nbool *v = at;
		ap_json_key(j, "Bool");
		ap_json_bool(j, v->valid && v->v);
		ap_json_key(j, "Valid");
		ap_json_bool(j, v->valid);
	}
	ap_json_object_end(j);
}

static void
put_field(struct ap_json *j, const struct rec_field *f, const void *rec)
{
	const void *at = rec_at(rec, f);

	switch (f->kind) {
	case REC_BOOL:
		ap_json_bool(j, *(const bool *)at);
		return;
	case REC_I64:
		ap_json_i64(j, *(const int64_t *)at);
		return;
	case REC_U64:
		ap_json_u64(j, *(const uint64_t *)at);
		return;
	case REC_F64:
		ap_json_f64(j, *(const double *)at);
		return;
	case REC_STR:
		ap_json_text(j, rec_str_at(rec, f));
		return;
	case REC_NI64:
	case REC_NBOOL:
		put_nullable(j, f, at);
		return;
	case REC_REC:
		ap_json_record(j, f->sub, at);
		return;
	case REC_LIST:
		put_list(j, f, rec);
		return;
	case REC_BIN:
		break;
	}
	ASSERT(!"binary fields have no JSON form");
}

void
ap_json_record(struct ap_json *j, const struct rec_desc *d, const void *rec)
{
	ap_json_object(j);
	for (size_t i = 0; i < d->n_fields; i++) {
		if (d->fields[i].json == NULL)
			continue;
		ap_json_key(j, d->fields[i].json);
		put_field(j, &d->fields[i], rec);
	}
	ap_json_object_end(j);
}

void
ap_json_keys(struct ap_json *j, const struct topo_key_list *keys)
{
	ap_json_array(j);
	for (size_t i = 0; i < keys->n; i++)
		ap_json_record(j, &topo_key_desc, &keys->v[i]);
	ap_json_array_end(j);
}

void
ap_json_instance(struct ap_json *j, const struct topo_instance *inst)
{
	size_t n;
	const struct topo_json_key *keys = topo_instance_json(&n);

	ap_json_object(j);
	for (size_t i = 0; i < n; i++) {
		const char *name = keys[i].json != NULL ? keys[i].json : keys[i].field->json;
		if (name == NULL)
			continue;
		ap_json_key(j, name);
		put_field(j, keys[i].field, inst);
	}
	ap_json_key(j, "QSP"); /* a struct that the historical server leaks; always empty */
	ap_json_empty_object(j);
	ap_json_object_end(j);
}

/* No warnings are null, not an empty list; the replicas stand there twice, historically. */
void
ap_json_analysis_members(struct ap_json *j, const struct topo_analysis *a)
{
	for (size_t i = 0; i < topo_analysis_desc.n_fields; i++) {
		const struct rec_field *f = &topo_analysis_desc.fields[i];
		if (f->json == NULL)
			continue;
		ap_json_key(j, f->json);
		if (f->offset == offsetof(struct topo_analysis, structure) && a->structure.n == 0)
			ap_json_null(j);
		else
			put_field(j, f, a);
		if (f->offset != offsetof(struct topo_analysis, replicas))
			continue;
		ap_json_key(j, "SlaveHosts");
		put_field(j, f, a);
	}
}

void
ap_json_analysis(struct ap_json *j, const struct topo_analysis *a)
{
	ap_json_object(j);
	ap_json_analysis_members(j, a);
	ap_json_object_end(j);
}
