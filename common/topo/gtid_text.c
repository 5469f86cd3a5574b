/* gtid_text.c — GTID sets as texts: family, removing uuids, difference, errant sets, containment. Pure; called by the
 * model (errant GTIDs of a probed server) and by whoever compares servers of either family. */
#include "topo/gtid.h"

#include <string.h>
#include <strings.h>

#define BLANKS " \t\r\n\v\f"
#define DIGITS "0123456789"

/* "d-s-n" up to a blank, a comma or the end */
static bool
looks_like_position(const char *s)
{
	for (int i = 0; i < 3; i++) {
		size_t n = strspn(s, DIGITS);
		if (n == 0)
			return false;
		s += n;
		if (i < 2 && *s++ != '-')
			return false;
	}
	return *s == '\0' || strchr("," BLANKS, *s) != NULL;
}

enum gtid_family
gtid_detect(const char *text)
{
	char uuid[GTID_UUID_TEXT + 1];

	text += strspn(text, "," BLANKS);
	if (*text == '\0')
		return GTID_NONE;
	if (looks_like_position(text))
		return GTID_MARIADB;
	(void)str_copy(uuid, sizeof(uuid), text);
	return gtid_uuid_valid(uuid) ? GTID_MYSQL : GTID_UNKNOWN;
}

/* --- removing uuids -------------------------------------------------------------------------------------------- */
static bool
list_names(const char *uuids, const char *entry, size_t n)
{
	while (*uuids != '\0') {
		size_t len;
		uuids += strspn(uuids, "," BLANKS);
		len = strcspn(uuids, "," BLANKS);
		if (len == n && n > 0 && strncasecmp(uuids, entry, n) == 0)
			return true;
		uuids += len;
	}
	return false;
}

struct removal {
	const char *uuids;
	struct str_buf *b;
	bool any;
};

static void
keep_entry(void *arg, const char *entry)
{
	struct removal *r = arg;

	if (list_names(r->uuids, entry, strcspn(entry, ":" BLANKS)))
		return;
	if (r->any)
		str_buf_add_char(r->b, ',');
	r->any = true;
	str_buf_add(r->b, entry);
}

void
gtid_text_remove_uuids(const char *text, const char *uuids, struct str_buf *b)
{
	struct removal r = {.uuids = uuids, .b = b};

	str_split(text, ",", keep_entry, &r);
}

int
gtid_text_subtract(const char *a, const char *b, struct str_buf *ret, struct err *e)
{
	struct gtid_set x = {0}, y = {0}, diff = {0};
	int rc = gtid_set_parse(a, &x, e);

	if (rc == 0)
		rc = gtid_set_parse(b, &y, e);
	if (rc == 0)
		rc = gtid_set_subtract(&x, &y, &diff, e);
	if (rc == 0)
		gtid_set_write(&diff, ret, GTID_SEP_SERVER);
	gtid_set_done(&x);
	gtid_set_done(&y);
	gtid_set_done(&diff);
	return rc;
}

/* --- errant GTIDs ---------------------------------------------------------------------------------------------- */
static void
remove_ancestors(const struct gtid_errant_input *in, struct gtid_set *own)
{
	const char *p = in->ancestry;

	while (*p != '\0') {
		char uuid[GTID_UUID_TEXT + 1];
		size_t n;
		p += strspn(p, "," BLANKS);
		n = strcspn(p, "," BLANKS);
		if (n == GTID_UUID_TEXT) {
			memcpy(uuid, p, n);
			uuid[n] = '\0';
			if (in->is_co_source || !str_eq_nocase(uuid, in->own_uuid))
				gtid_set_remove_uuid(own, uuid);
		}
		p += n;
	}
	if (in->is_co_source)
		gtid_set_remove_uuid(own, in->own_uuid);
}

static int
subtract_parent(const struct gtid_errant_input *in, const struct gtid_set *own, struct str_buf *ret, struct err *e)
{
	struct gtid_set parent, errant;
	struct str_buf text = {0};
	int rc = gtid_set_parse(in->parent_set, &parent, e);

	if (rc != 0)
		return err_wrap(e, "executed set of the source");
	gtid_set_remove_uuid(&parent, in->source_uuid);
	rc = gtid_set_subtract(own, &parent, &errant, e);
	gtid_set_done(&parent);
	if (rc != 0)
		return rc;
	gtid_set_write(&errant, &text, GTID_SEP_SERVER);
	gtid_set_done(&errant);
	if (text.len > TOPO_GTID_MAX)
		rc = err_set(e, ERR_TOO_LARGE, "errant GTID set longer than %d bytes", TOPO_GTID_MAX);
	else
		str_buf_add_n(ret, str_buf_text(&text), text.len);
	str_buf_done(&text);
	return rc;
}

int
gtid_errant(const struct gtid_errant_input *in, struct str_buf *ret, struct err *e)
{
	struct gtid_set own;
	int rc;

	if (str_empty(in->own_set) || str_empty(in->parent_set))
		return 0;
	if (gtid_set_parse(in->own_set, &own, e) != 0)
		return err_wrap(e, "executed set of the server");
	remove_ancestors(in, &own);
	rc = gtid_set_is_empty(&own) ? 0 : subtract_parent(in, &own, ret, e);
	gtid_set_done(&own);
	return rc;
}

/* --- either family --------------------------------------------------------------------------------------------- */
static int
sets_contain(const char *have, const char *want, bool *ret, struct err *e)
{
	struct gtid_set a = {0}, b = {0};
	int rc = gtid_set_parse(have, &a, e);

	if (rc == 0)
		rc = gtid_set_parse(want, &b, e);
	if (rc == 0)
		*ret = gtid_set_contains(&a, &b);
	gtid_set_done(&a);
	gtid_set_done(&b);
	return rc;
}

static int
positions_contain(const char *have, const char *want, bool *ret, struct err *e)
{
	struct gtid_pos a = {0}, b = {0};
	int rc = gtid_pos_parse(have, &a, e);

	if (rc == 0)
		rc = gtid_pos_parse(want, &b, e);
	if (rc == 0)
		*ret = gtid_pos_contains(&a, &b);
	gtid_pos_done(&a);
	gtid_pos_done(&b);
	return rc;
}

int
gtid_text_contains(const char *have, const char *want, bool *ret_contains, struct err *e)
{
	enum gtid_family a = gtid_detect(have), b = gtid_detect(want);
	enum gtid_family family = b == GTID_NONE ? a : b;

	if (a != GTID_NONE && b != GTID_NONE && a != b)
		return err_set(e, ERR_INVALID, "GTID sets of two families: \"%.60s\" and \"%.60s\"", have, want);
	return family == GTID_MARIADB ? positions_contain(have, want, ret_contains, e)
				      : sets_contain(have, want, ret_contains, e);
}
