/* gtid_parse.c — the text form of MySQL GTID sets. Pure. Every byte read here may come from a hostile server or person:
 * the cursor never passes the NUL, lengths and counts are bounded before anything is stored. */
#include "gtid_private.h"

#include <string.h>

#define BLANKS " \t\r\n\v\f"

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* --- uuids ----------------------------------------------------------------------------------------------------- */
static int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
gtid_read_uuid(const char *text, uint8_t ret[GTID_UUID_BYTES])
{
	for (size_t i = 0, n = 0; i < GTID_UUID_TEXT; n++) {
		int high, low;
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i++] != '-')
				return false;
		}
		high = hex_value(text[i]);
		low = high < 0 ? -1 : hex_value(text[i + 1]);
		if (low < 0)
			return false;
		ret[n] = (uint8_t)(high << 4 | low);
		i += 2;
	}
	return true;
}

bool
gtid_uuid_valid(const char *text)
{
	uint8_t raw[GTID_UUID_BYTES];

	return gtid_read_uuid(text, raw) && text[GTID_UUID_TEXT] == '\0';
}

static void
write_uuid(struct str_buf *b, const uint8_t uuid[GTID_UUID_BYTES])
{
	static const char hex[] = "0123456789abcdef";
	char text[GTID_UUID_TEXT];
	size_t n = 0;

	for (size_t i = 0; i < GTID_UUID_BYTES; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[n++] = '-';
		text[n++] = hex[uuid[i] >> 4];
		text[n++] = hex[uuid[i] & 15];
	}
	str_buf_add_n(b, text, n);
}

static void
write_number(struct str_buf *b, char before, int64_t v)
{
	char text[24];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	text[--at] = before;
	str_buf_add_n(b, text + at, sizeof(text) - at);
}

/* --- parsing --------------------------------------------------------------------------------------------------- */
struct parser {
	const char *start, *p;
	struct gtid_set set;
	uint8_t uuid[GTID_UUID_BYTES];
	char tag[GTID_TAG_MAX + 1];
	struct err *e;
};

static int
syntax(const struct parser *ps, const char *what)
{
	return err_set(ps->e, ERR_SYNTAX, "GTID set: %s at offset %zu, near \"%.40s\"", what,
		       (size_t)(ps->p - ps->start), ps->p);
}

static void
skip_blanks(struct parser *ps)
{
	ps->p += strspn(ps->p, BLANKS);
}

static int
read_number(struct parser *ps, int64_t least, int64_t *ret)
{
	int64_t v = 0;
	const char *p = ps->p;

	if (!is_digit(*p))
		return syntax(ps, "number expected");
	for (; is_digit(*p); p++) {
		if (v > (GTID_NUMBER_MAX - (*p - '0')) / 10)
			return syntax(ps, "number too large");
		v = v * 10 + (*p - '0');
	}
	if (v < least)
		return syntax(ps, "transaction numbers start at 1");
	ps->p = p;
	skip_blanks(ps);
	*ret = v;
	return 0;
}

/* The part that the next interval belongs to: usually the newest one. */
static int
current_part(struct parser *ps, struct gtid_part **ret)
{
	struct gtid_part *last = ps->set.n == 0 ? NULL : &ps->set.parts[ps->set.n - 1];

	if (last != NULL && memcmp(last->uuid, ps->uuid, GTID_UUID_BYTES) == 0 && str_eq(last->tag, ps->tag)) {
		*ret = last;
		return 0;
	}
	return gtid_add_part(&ps->set, ps->uuid, ps->tag, ret, ps->e);
}

static int
read_interval(struct parser *ps)
{
	struct gtid_interval iv = {0};
	struct gtid_part *part;
	int rc = read_number(ps, 1, &iv.first);

	iv.last = iv.first;
	if (rc == 0 && *ps->p == '-') {
		ps->p++;
		skip_blanks(ps);
		rc = read_number(ps, 0, &iv.last);
	}
	if (rc != 0 || iv.last < iv.first)
		return rc;
	rc = current_part(ps, &part);
	return rc != 0 ? rc : gtid_add_interval(&ps->set, part, iv, ps->e);
}

static bool
is_tag_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && is_digit(c));
}

static int
read_tag(struct parser *ps)
{
	size_t n = 0;

	while (is_tag_char(ps->p[n], n == 0))
		n++;
	if (n == 0)
		return syntax(ps, "interval or tag expected");
	if (n > GTID_TAG_MAX)
		return syntax(ps, "tag too long");
	for (size_t i = 0; i < n; i++)
		ps->tag[i] = (char)(ps->p[i] >= 'A' && ps->p[i] <= 'Z' ? ps->p[i] - 'A' + 'a' : ps->p[i]);
	ps->tag[n] = '\0';
	ps->p += n;
	skip_blanks(ps);
	return 0;
}

/* What follows a ':': an interval, or a tag, after which an interval must come. */
static int
read_item(struct parser *ps, bool *after_tag)
{
	skip_blanks(ps);
	if (is_digit(*ps->p)) {
		*after_tag = false;
		return read_interval(ps);
	}
	if (*after_tag)
		return syntax(ps, "tag without an interval");
	*after_tag = true;
	return read_tag(ps);
}

static int
read_entry(struct parser *ps)
{
	bool after_tag = false;

	if (!gtid_read_uuid(ps->p, ps->uuid))
		return syntax(ps, "uuid expected");
	ps->tag[0] = '\0';
	ps->p += GTID_UUID_TEXT;
	skip_blanks(ps);
	if (*ps->p != ':')
		return syntax(ps, "':' expected after the uuid");
	while (*ps->p == ':') {
		int rc;
		ps->p++;
		rc = read_item(ps, &after_tag);
		if (rc != 0)
			return rc;
	}
	return after_tag ? syntax(ps, "tag without an interval") : 0;
}

static int
read_set(struct parser *ps)
{
	for (;;) {
		int rc;
		ps->p += strspn(ps->p, "," BLANKS);
		if (*ps->p == '\0')
			return 0;
		rc = read_entry(ps);
		if (rc != 0)
			return rc;
		if (*ps->p != ',' && *ps->p != '\0')
			return syntax(ps, "',' or ':' expected");
	}
}

int
gtid_set_parse(const char *text, struct gtid_set *ret, struct err *e)
{
	struct parser ps = {.start = text, .p = text, .e = e};
	int rc;

	if (strnlen(text, TOPO_GTID_MAX + 1) > TOPO_GTID_MAX)
		return err_set(e, ERR_TOO_LARGE, "GTID set longer than %d bytes", TOPO_GTID_MAX);
	rc = read_set(&ps);
	if (rc != 0) {
		gtid_set_done(&ps.set);
		return rc;
	}
	gtid_set_normalise(&ps.set);
	*ret = ps.set;
	return 0;
}

/* --- writing --------------------------------------------------------------------------------------------------- */
void
gtid_set_write(const struct gtid_set *s, struct str_buf *b, const char *sep)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct gtid_part *p = &s->parts[i];
		if (i == 0 || memcmp(p->uuid, s->parts[i - 1].uuid, GTID_UUID_BYTES) != 0) {
			str_buf_add(b, i == 0 ? "" : sep);
			write_uuid(b, p->uuid);
		}
		if (p->tag[0] != '\0')
			str_buf_printf(b, ":%s", p->tag);
		for (size_t k = 0; k < p->n; k++) {
			write_number(b, ':', p->v[k].first);
			if (p->v[k].last > p->v[k].first)
				write_number(b, '-', p->v[k].last);
		}
	}
}
