/* rd_members.c — configurations of the group: look-ups, their bytes, allowed changes, catching up.
 *
 * Pure. The bytes are libraft's own encoding (version 1, count, then id, name, role for each; little-endian, padded to
 * 8), decoded here a second time because libraft's decoder trusts its input. Callers: the raft member, founding, tests.
 */
#include "rd_members.h"

#include <endian.h>
#include <string.h>

#include <raft.h>

#include "base/str.h"

#define ENCODING_VERSION 1

const char *
rd_role_name(enum rd_role role)
{
	static const char *const names[] = {
	    [RD_ROLE_LEARNER] = "learner", [RD_ROLE_VOTER] = "voter", [RD_ROLE_SPARE] = "spare"};

	return (size_t)role < ARRAY_LEN(names) ? names[role] : "unknown";
}

uint64_t
rd_member_id(const char *name, const char *dir_id)
{
	struct str_buf text = {0};
	uint64_t id;

	str_buf_add(&text, name);
	if (!str_empty(dir_id))
		str_buf_printf(&text, "\n%s", dir_id);
	id = raft_digest(str_buf_text(&text), 0) & INT64_MAX;
	str_buf_done(&text);
	return id == 0 ? 1 : id;
}

const struct rd_member *
rd_members_by_id(const struct rd_members *m, uint64_t id)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].id == id)
			return &m->v[i];
	return NULL;
}

const struct rd_member *
rd_members_by_name(const struct rd_members *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->v[i].name, name) == 0)
			return &m->v[i];
	return NULL;
}

size_t
rd_members_voters(const struct rd_members *m)
{
	size_t voters = 0;

	for (size_t i = 0; i < m->n; i++)
		voters += m->v[i].role == RD_ROLE_VOTER;
	return voters;
}

size_t
rd_members_majority(const struct rd_members *m)
{
	return rd_members_voters(m) / 2 + 1;
}

int
rd_members_insert(struct rd_members *m, uint64_t id, const char *name, enum rd_role role, struct err *e)
{
	size_t at = 0;

	if (id == 0 || str_empty(name) || strlen(name) >= RD_MEMBER_NAME_BYTES)
		return err_set(e, ERR_INVALID, "a member needs an id and a name of 1 to %d bytes",
			       RD_MEMBER_NAME_BYTES - 1);
	if (rd_members_by_id(m, id) != NULL || rd_members_by_name(m, name) != NULL)
		return err_set(e, ERR_EXISTS, "%s is a member already", name);
	if (m->n == RD_MEMBERS_MAX)
		return err_set(e, ERR_LIMIT, "a group has at most %d members", RD_MEMBERS_MAX);
	while (at < m->n && m->v[at].id < id)
		at++;
	memmove(&m->v[at + 1], &m->v[at], (m->n - at) * sizeof m->v[0]);
	m->v[at] = (struct rd_member){.id = id, .role = role};
	str_copy(m->v[at].name, sizeof m->v[at].name, name);
	m->n++;
	return 0;
}

int
rd_members_found(const char *const *names, size_t n, struct rd_members *ret_members, struct err *e)
{
	struct rd_members m = {0};

	for (size_t i = 0; i < n; i++) {
		if (names[i] != NULL && rd_members_by_name(&m, names[i]) != NULL)
			continue;
		if (rd_members_insert(&m, names[i] == NULL ? 0 : rd_member_id(names[i], NULL), names[i], RD_ROLE_VOTER,
				      e) != 0)
			return err_wrap(e, "founding members");
	}
	if (m.n == 0)
		return err_set(e, ERR_INVALID, "a group needs at least one member");
	*ret_members = m;
	return 0;
}

/* --- bytes ---------------------------------------------------------------------------------------------------------
 */
static uint8_t *
put_u64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof v);
	return p + sizeof v;
}

size_t
rd_members_encode(const struct rd_members *m, void *ret)
{
	uint8_t *start = ret, *p = ret;

	_Static_assert(RD_MEMBERS_BYTES_MAX >= 9 + RD_MEMBERS_MAX * (9 + RD_MEMBER_NAME_BYTES) + 7,
		       "room for the largest");
	*p++ = ENCODING_VERSION;
	p = put_u64(p, m->n);
	for (size_t i = 0; i < m->n; i++) {
		size_t name_bytes = strlen(m->v[i].name) + 1;

		p = put_u64(p, m->v[i].id);
		memcpy(p, m->v[i].name, name_bytes);
		p += name_bytes;
		*p++ = (uint8_t)m->v[i].role;
	}
	while ((p - start) % 8 != 0)
		*p++ = 0;
	return (size_t)(p - start);
}

struct reader {
	const uint8_t *p;
	size_t left;
};

static bool
get(struct reader *in, void *ret, size_t n)
{
	if (in->left < n)
		return false;
	memcpy(ret, in->p, n);
	in->p += n;
	in->left -= n;
	return true;
}

static bool
get_u64(struct reader *in, uint64_t *ret)
{
	if (!get(in, ret, sizeof *ret))
		return false;
	*ret = le64toh(*ret);
	return true;
}

static int
get_member(struct reader *in, struct rd_members *m, struct err *e)
{
	char name[RD_MEMBER_NAME_BYTES] = "";
	const uint8_t *end = NULL;
	uint64_t id;
	uint8_t role;

	if (!get_u64(in, &id) || (end = memchr(in->p, '\0', min_size(in->left, sizeof name))) == NULL ||
	    !get(in, name, (size_t)(end - in->p) + 1) || !get(in, &role, 1) || role > RD_ROLE_SPARE)
		return err_set(e, ERR_IPC_FORMAT, "configuration: cut short, name too long or unknown role");
	if (m->n > 0 && m->v[m->n - 1].id >= id)
		return err_set(e, ERR_IPC_FORMAT, "configuration: ids not in order");
	return rd_members_insert(m, id, name, (enum rd_role)role, e);
}

int
rd_members_decode(const void *p, size_t n, struct rd_members *ret_members, struct err *e)
{
	struct reader in = {p, n};
	struct rd_members m = {0};
	uint64_t count;
	uint8_t version;

	if (!get(&in, &version, 1) || version != ENCODING_VERSION || !get_u64(&in, &count) || count == 0 ||
	    count > RD_MEMBERS_MAX)
		return err_set(e, ERR_IPC_FORMAT, "configuration: unknown version or impossible number of members");
	for (uint64_t i = 0; i < count; i++)
		if (get_member(&in, &m, e) != 0)
			return e->code == 0 ? -ERR_IPC_FORMAT : -e->code;
	if (in.left >= 8)
		return err_set(e, ERR_IPC_FORMAT, "configuration: %zu bytes too many", in.left);
	for (; in.left > 0; in.left--)
		if (*in.p++ != 0)
			return err_set(e, ERR_IPC_FORMAT, "configuration: padding is not zero");
	*ret_members = m;
	return 0;
}

/* --- changes -------------------------------------------------------------------------------------------------------
 */
static int
check_time(const struct rd_change_view *view, struct err *e)
{
	if (view->handing_over)
		return err_set(e, ERR_BUSY, "leadership is being handed over, retry");
	if (view->term_open)
		return err_set(e, ERR_BUSY, "the new leader hasn't finished the former leader's work, retry");
	if (view->pending)
		return err_set(e, ERR_BUSY, "another change of the membership is under way, retry");
	return 0;
}

static bool
is_live(const struct rd_change_view *view, uint64_t id)
{
	const struct rd_member *m = rd_members_by_id(view->members, id);

	return m != NULL && view->live[m - view->members->v];
}

/* A change that leaves fewer living voters than a majority would stop the group. */
static int
check_majority(const struct rd_change_view *view, const struct rd_members *after, struct err *e)
{
	size_t living = 0;

	for (size_t i = 0; i < after->n; i++)
		living += after->v[i].role == RD_ROLE_VOTER && is_live(view, after->v[i].id);
	if (rd_members_voters(after) == 0)
		return err_set(e, ERR_PRECONDITION, "the last voter cannot be removed");
	if (living < rd_members_majority(after))
		return err_set(e, ERR_PRECONDITION,
			       "only %zu of the %zu voters afterwards are reachable: the group would stop; bring "
			       "members back first",
			       living, rd_members_voters(after));
	return 0;
}

static void
remove_member(struct rd_members *m, uint64_t id)
{
	size_t at = (size_t)(rd_members_by_id(m, id) - m->v);

	m->n--;
	memmove(&m->v[at], &m->v[at + 1], (m->n - at) * sizeof m->v[0]);
	memset(&m->v[m->n], 0, sizeof m->v[0]);
}

int
rd_members_change(const struct rd_change_view *view, enum rd_member_change what, uint64_t id, const char *name,
		  struct rd_members *ret_members, struct err *e)
{
	const struct rd_member *old = rd_members_by_id(view->members, id);
	struct rd_members after = *view->members;
	int rc = check_time(view, e);

	if (rc != 0)
		return rc;
	if (what == RD_CHANGE_ADD) {
		rc = rd_members_insert(&after, id, name, RD_ROLE_LEARNER, e);
		if (rc != 0)
			return rc;
	} else if (old == NULL) {
		return err_set(e, ERR_NOT_FOUND, "no member has the id %llu", (unsigned long long)id);
	} else if (what == RD_CHANGE_PROMOTE) {
		if (old->role == RD_ROLE_VOTER)
			return err_set(e, ERR_EXISTS, "%s is a voter already", old->name);
		if (!is_live(view, id))
			return err_set(e, ERR_PRECONDITION, "%s isn't reachable", old->name);
		after.v[old - view->members->v].role = RD_ROLE_VOTER;
	} else {
		remove_member(&after, id);
	}
	rc = check_majority(view, &after, e);
	if (rc == 0)
		*ret_members = after;
	return rc;
}

bool
rd_catch_up_step(struct rd_catch_up *c, uint64_t match, uint64_t last, struct mono now, int64_t election_us)
{
	if (match == 0)
		return false; /* it has not answered yet */
	if (c->target != 0 && match >= c->target && mono_diff_us(now, c->since) < election_us)
		return true;
	if (c->target == 0 || match >= c->target) {
		c->target = last;
		c->since = now;
	}
	return match >= c->target;
}
