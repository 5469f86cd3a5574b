/* gtid_pos.c — MariaDB GTID positions "domain-server-seq,…": parse, write, compare. Pure. */
#include "topo/gtid.h"

#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n\v\f"

void
gtid_pos_done(struct gtid_pos *p)
{
	free(p->v);
	*p = (struct gtid_pos){0};
}

static void
append(struct gtid_pos *p, struct gtid_pos_item item)
{
	mem_grow(p->v, p->cap, p->n + 1);
	p->v[p->n++] = item;
}

/* --- parsing --------------------------------------------------------------------------------------------------- */
static bool
read_number(const char **p, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	const char *s = *p;

	for (; *s >= '0' && *s <= '9'; s++) {
		uint64_t d = (uint64_t)(*s - '0');
		if (v > (max - d) / 10)
			return false;
		v = v * 10 + d;
	}
	if (s == *p)
		return false;
	*p = s;
	*ret = v;
	return true;
}

static bool
read_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static bool
read_item(const char **p, struct gtid_pos_item *ret)
{
	uint64_t domain, server, seq;

	if (!read_number(p, UINT32_MAX, &domain) || !read_char(p, '-') || !read_number(p, UINT32_MAX, &server) ||
	    !read_char(p, '-') || !read_number(p, UINT64_MAX, &seq))
		return false;
	*ret = (struct gtid_pos_item){(uint32_t)domain, (uint32_t)server, seq};
	return true;
}

static int
read_items(const char *text, struct gtid_pos *ret, struct err *e)
{
	for (const char *p = text + strspn(text, "," BLANKS); *p != '\0'; p += strspn(p, "," BLANKS)) {
		const char *entry = p;
		struct gtid_pos_item item;
		if (!read_item(&p, &item) || (*p != '\0' && strchr("," BLANKS, *p) == NULL))
			return err_set(e, ERR_SYNTAX,
				       "GTID position: domain-server-sequence expected at offset %zu, near \"%.40s\"",
				       (size_t)(entry - text), entry);
		if (ret->n >= GTID_DOMAINS_MAX)
			return err_set(e, ERR_LIMIT, "GTID position names more than %d domains", GTID_DOMAINS_MAX);
		append(ret, item);
	}
	return 0;
}

static int
cmp_domains(const void *a, const void *b)
{
	const struct gtid_pos_item *x = a, *y = b;

	return (x->domain > y->domain) - (x->domain < y->domain);
}

static int
check_doubles(const struct gtid_pos *p, struct err *e)
{
	for (size_t i = 1; i < p->n; i++)
		if (p->v[i].domain == p->v[i - 1].domain)
			return err_set(e, ERR_SYNTAX, "GTID position: domain %u twice", p->v[i].domain);
	return 0;
}

int
gtid_pos_parse(const char *text, struct gtid_pos *ret, struct err *e)
{
	struct gtid_pos p = {0};
	int rc;

	if (strnlen(text, TOPO_GTID_MAX + 1) > TOPO_GTID_MAX)
		return err_set(e, ERR_TOO_LARGE, "GTID position longer than %d bytes", TOPO_GTID_MAX);
	rc = read_items(text, &p, e);
	if (rc == 0 && p.n > 1)
		qsort(p.v, p.n, sizeof(*p.v), cmp_domains);
	if (rc == 0)
		rc = check_doubles(&p, e);
	if (rc != 0)
		gtid_pos_done(&p);
	else
		*ret = p;
	return rc;
}

void
gtid_pos_write(const struct gtid_pos *p, struct str_buf *b)
{
	for (size_t i = 0; i < p->n; i++)
		str_buf_printf(b, "%s%u-%u-%llu", i == 0 ? "" : ",", p->v[i].domain, p->v[i].server,
			       (unsigned long long)p->v[i].seq);
}

/* --- comparing ------------------------------------------------------------------------------------------------- */
static const struct gtid_pos_item *
find(const struct gtid_pos *p, uint32_t domain)
{
	struct gtid_pos_item want = {.domain = domain};

	return p->n == 0 ? NULL : bsearch(&want, p->v, p->n, sizeof(*p->v), cmp_domains);
}

enum gtid_order
gtid_pos_compare_domain(const struct gtid_pos *a, const struct gtid_pos *b, uint32_t domain)
{
	const struct gtid_pos_item *x = find(a, domain), *y = find(b, domain);
	uint64_t seq_a = x == NULL ? 0 : x->seq, seq_b = y == NULL ? 0 : y->seq;

	if (seq_a != seq_b)
		return seq_a > seq_b ? GTID_AHEAD : GTID_BEHIND;
	return seq_a == 0 || x->server == y->server ? GTID_EQUAL : GTID_DIVERGED;
}

bool
gtid_pos_contains(const struct gtid_pos *a, const struct gtid_pos *b)
{
	for (size_t i = 0; i < b->n; i++) {
		enum gtid_order o = gtid_pos_compare_domain(a, b, b->v[i].domain);
		if (o == GTID_BEHIND || o == GTID_DIVERGED)
			return false;
	}
	return true;
}

enum gtid_order
gtid_pos_compare(const struct gtid_pos *a, const struct gtid_pos *b)
{
	bool a_has_b = gtid_pos_contains(a, b), b_has_a = gtid_pos_contains(b, a);

	if (a_has_b && b_has_a)
		return GTID_EQUAL;
	if (a_has_b)
		return GTID_AHEAD;
	return b_has_a ? GTID_BEHIND : GTID_DIVERGED;
}

void
gtid_pos_diff(const struct gtid_pos *a, const struct gtid_pos *b, struct gtid_pos *ret)
{
	*ret = (struct gtid_pos){0};
	for (size_t i = 0; i < a->n; i++) {
		enum gtid_order o = gtid_pos_compare_domain(a, b, a->v[i].domain);
		if (o == GTID_AHEAD || o == GTID_DIVERGED)
			append(ret, a->v[i]);
	}
}
