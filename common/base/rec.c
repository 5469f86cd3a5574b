/* rec.c — generic operations on described records. Pure; called by codec, state, database and JSON code.
 * Empty strings in owning records are the one shared constant, so a record full of "" costs no allocations. */
#include "base/rec.h"

#include <stdlib.h>
#include <string.h>

#define REC_SELF struct rec_text
REC_DEFINE(rec_text, REC_TEXT_FIELDS);
#undef REC_SELF

static const char empty[] = "";

static const char *
own_str(const char *s)
{
	return s == NULL || s[0] == '\0' ? empty : mem_strdup(s);
}

static void
free_str(const char *s)
{
	if (s != empty)
		free((void *)(uintptr_t)s);
}

void
rec_set_str(const char **member, const char *s)
{
	const char *old = *member;

	*member = own_str(s);
	if (old != NULL && old != empty)
		free_str(old);
}

struct rec_list
rec_list_at(const void *rec, const struct rec_field *f)
{
	struct rec_list l;

	memcpy(&l, rec_at(rec, f), sizeof(l));
	return l;
}

void
rec_list_set(void *rec, const struct rec_field *f, struct rec_list l)
{
	memcpy(rec_at_mut(rec, f), &l, sizeof(l));
}

static void
put_str(void *rec, const struct rec_field *f, const char *s)
{
	memcpy(rec_at_mut(rec, f), &s, sizeof(s));
}

void
rec_init(const struct rec_desc *d, void *rec)
{
	memset(rec, 0, d->size);
	for (size_t i = 0; i < d->n_fields; i++) {
		const struct rec_field *f = &d->fields[i];
		if (f->kind == REC_STR)
			put_str(rec, f, empty);
		else if (f->kind == REC_REC)
			rec_init(f->sub, rec_at_mut(rec, f));
	}
}

static void
dup_list(const struct rec_field *f, void *dst, const void *src)
{
	struct rec_list from = rec_list_at(src, f);
	struct rec_list to = {NULL, from.n};

	if (from.n > 0)
		to.v = mem_calloc(from.n, f->sub->size);
	for (size_t i = 0; i < from.n; i++)
		rec_dup(f->sub, (char *)to.v + i * f->sub->size, (const char *)from.v + i * f->sub->size);
	rec_list_set(dst, f, to);
}

static void
dup_bin(const struct rec_field *f, void *dst)
{
	struct rec_bin *b = rec_at_mut(dst, f);

	b->p = b->n == 0 ? NULL : mem_dup(b->p, b->n);
}

void
rec_dup(const struct rec_desc *d, void *dst, const void *src)
{
	memcpy(dst, src, d->size);
	for (size_t i = 0; i < d->n_fields; i++) {
		const struct rec_field *f = &d->fields[i];
		if (f->kind == REC_STR)
			put_str(dst, f, own_str(rec_str_at(src, f)));
		else if (f->kind == REC_BIN)
			dup_bin(f, dst);
		else if (f->kind == REC_REC)
			rec_dup(f->sub, rec_at_mut(dst, f), rec_at(src, f));
		else if (f->kind == REC_LIST)
			dup_list(f, dst, src);
	}
}

static void
done_list(const struct rec_field *f, void *rec)
{
	struct rec_list l = rec_list_at(rec, f);

	for (size_t i = 0; i < l.n; i++)
		rec_done(f->sub, (char *)l.v + i * f->sub->size);
	free(l.v);
}

void
rec_done(const struct rec_desc *d, void *rec)
{
	for (size_t i = 0; i < d->n_fields; i++) {
		const struct rec_field *f = &d->fields[i];
		if (f->kind == REC_STR)
			free_str(*(const char *const *)rec_at(rec, f));
		else if (f->kind == REC_BIN)
			free((void *)(uintptr_t)((const struct rec_bin *)rec_at(rec, f))->p);
		else if (f->kind == REC_REC)
			rec_done(f->sub, rec_at_mut(rec, f));
		else if (f->kind == REC_LIST)
			done_list(f, rec);
	}
	rec_init(d, rec);
}

void
rec_assign(const struct rec_desc *d, void *dst, const void *src)
{
	ASSERT(dst != src);
	rec_done(d, dst);
	rec_dup(d, dst, src);
}

static bool
list_equal(const struct rec_field *f, const void *a, const void *b)
{
	struct rec_list x = rec_list_at(a, f), y = rec_list_at(b, f);

	if (x.n != y.n)
		return false;
	for (size_t i = 0; i < x.n; i++) {
		if (!rec_equal(f->sub, (char *)x.v + i * f->sub->size, (char *)y.v + i * f->sub->size))
			return false;
	}
	return true;
}

static bool
field_equal(const struct rec_field *f, const void *a, const void *b)
{
	const void *x = rec_at(a, f), *y = rec_at(b, f);

	switch (f->kind) {
	case REC_BOOL:
		return *(const bool *)x == *(const bool *)y;
	case REC_I64:
	case REC_U64:
		return memcmp(x, y, sizeof(int64_t)) == 0;
	case REC_F64:
		return memcmp(x, y, sizeof(double)) == 0;
	case REC_STR:
		return strcmp(rec_str_at(a, f), rec_str_at(b, f)) == 0;
	case REC_BIN: {
		const struct rec_bin *p = x, *q = y;
		return p->n == q->n && (p->n == 0 || memcmp(p->p, q->p, p->n) == 0);
	}
	case REC_NI64: {
		const struct rec_ni64 *p = x, *q = y;
		return p->valid == q->valid && (!p->valid || p->v == q->v);
	}
	case REC_NBOOL: {
		const struct rec_nbool *p = x, *q = y;
		return p->valid == q->valid && (!p->valid || p->v == q->v);
	}
	case REC_REC:
		return rec_equal(f->sub, x, y);
	case REC_LIST:
		return list_equal(f, a, b);
	}
	ASSERT(!"unknown field kind");
	return false;
}

bool
rec_equal(const struct rec_desc *d, const void *a, const void *b)
{
	for (size_t i = 0; i < d->n_fields; i++) {
		if (!field_equal(&d->fields[i], a, b))
			return false;
	}
	return true;
}

static int
check_list(const struct rec_field *f, const void *rec, struct err *e)
{
	struct rec_list l = rec_list_at(rec, f);

	if (l.n > f->max)
		return err_set(e, ERR_TOO_LARGE, "%s: %zu items, at most %u", f->name, l.n, f->max);
	for (size_t i = 0; i < l.n; i++) {
		if (rec_check(f->sub, (char *)l.v + i * f->sub->size, e) != 0)
			return err_wrap(e, "%s[%zu]", f->name, i);
	}
	return 0;
}

static int
check_field(const struct rec_field *f, const void *rec, struct err *e)
{
	size_t n = 0;

	if (f->kind == REC_STR)
		n = strlen(rec_str_at(rec, f));
	else if (f->kind == REC_BIN)
		n = ((const struct rec_bin *)rec_at(rec, f))->n;
	else if (f->kind == REC_LIST)
		return check_list(f, rec, e);
	else if (f->kind == REC_REC)
		return rec_check(f->sub, rec_at(rec, f), e) == 0 ? 0 : err_wrap(e, "%s", f->name);
	if (n > f->max)
		return err_set(e, ERR_TOO_LARGE, "%s: %zu bytes, at most %u", f->name, n, f->max);
	return 0;
}

int
rec_check(const struct rec_desc *d, const void *rec, struct err *e)
{
	for (size_t i = 0; i < d->n_fields; i++) {
		int rc = check_field(&d->fields[i], rec, e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

const struct rec_field *
rec_field_by_name(const struct rec_desc *d, const char *name)
{
	for (size_t i = 0; i < d->n_fields; i++) {
		if (strcmp(d->fields[i].name, name) == 0)
			return &d->fields[i];
	}
	return NULL;
}
