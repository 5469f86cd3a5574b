/* base/rec.h — records described by one table.
 *
 * A record's fields are written once, as lines F(kind, name, sub, max, ...), in a .def file or a FIELDS macro. The same
 * lines give the C struct (REC_MEMBER) and its description (REC_FIELD): IPC codec, SQL columns, JSON keys, copying,
 * comparing and freeing are loops over the description, so no list of the same names exists twice.
 *
 *   F(STR,  hostname, _,        255, .json = "Hostname", .column = "hostname")
 *   F(I64,  port,     _,        0,   .json = "Port",     .column = "port")
 *   F(REC,  key,      topo_key, 0,   .json = "Key")
 *   F(LIST, replicas, topo_key, 4096, .json = "Replicas")
 *
 * kind   C type                        max
 * BOOL   bool                          -
 * I64    int64_t                       -
 * U64    uint64_t                      -
 * F64    double                        -
 * STR    const char *                  bytes without the NUL; never NULL in a valid record ("" when empty)
 * BIN    struct rec_bin                bytes
 * NI64   struct rec_ni64 (nullable)    -
 * NBOOL  struct rec_nbool (nullable)   -
 * REC    struct <sub>                  -
 * LIST   struct <sub>_list {v, n}      items
 *
 * Ownership: a record either borrows its strings and lists (decoded into an arena, constants) or owns all of them on
 * the heap (made by rec_dup, or filled by rec_set_str). rec_done frees an owning record. Never mix both in one record.
 */
#ifndef BASE_REC_H
#define BASE_REC_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

struct rec_bin {
	const void *p;
	size_t n;
};
struct rec_ni64 {
	int64_t v;
	bool valid;
};
struct rec_nbool {
	bool v;
	bool valid;
};
/* What each <sub>_list looks like; the generic code reads lists through it. */
struct rec_list {
	void *v;
	size_t n;
};

enum rec_kind { REC_BOOL, REC_I64, REC_U64, REC_F64, REC_STR, REC_BIN, REC_NI64, REC_NBOOL, REC_REC, REC_LIST };

struct rec_desc;

struct rec_field {
	const char *name;
	enum rec_kind kind;
	size_t offset;
	uint32_t max;
	const struct rec_desc *sub; /* REC and LIST */
	const char *json;	    /* historical JSON key, NULL = not in JSON */
	const char *column;	    /* backend column, NULL = not stored; REC: prefix rules are the owner's */
	uint32_t flags;		    /* meaning belongs to the table that uses them */
	uint32_t since;		    /* feature level that introduced the field (replicated commands) */
	const char *doc;
};

struct rec_desc {
	const char *name;
	size_t size;
	const struct rec_field *fields;
	size_t n_fields;
};

/* --- turning F lines into a struct ------------------------------------------------------------------------------ */
#define REC_T_BOOL(sub) bool
#define REC_T_I64(sub) int64_t
#define REC_T_U64(sub) uint64_t
#define REC_T_F64(sub) double
#define REC_T_STR(sub) const char *
#define REC_T_BIN(sub) struct rec_bin
#define REC_T_NI64(sub) struct rec_ni64
#define REC_T_NBOOL(sub) struct rec_nbool
#define REC_T_REC(sub) struct sub
#define REC_T_LIST(sub) struct sub##_list
#define REC_MEMBER(kind, fname, sub, max, ...) REC_T_##kind(sub) fname;

/* --- turning F lines into a description; REC_SELF names the struct type ------------------------------------------- */
#define REC_SUB_BOOL(sub) NULL
#define REC_SUB_I64(sub) NULL
#define REC_SUB_U64(sub) NULL
#define REC_SUB_F64(sub) NULL
#define REC_SUB_STR(sub) NULL
#define REC_SUB_BIN(sub) NULL
#define REC_SUB_NI64(sub) NULL
#define REC_SUB_NBOOL(sub) NULL
#define REC_SUB_REC(t) &t##_desc
#define REC_SUB_LIST(t) &t##_desc
#define REC_FIELD(kind_, fname, sub_, max_, ...) \
	{.name = #fname,                         \
	 .kind = REC_##kind_,                    \
	 .offset = offsetof(REC_SELF, fname),    \
	 .max = (max_),                          \
	 .sub = REC_SUB_##kind_(sub_),           \
	 __VA_ARGS__},

/* --- records whose fields are a FIELDS(F) macro ------------------------------------------------------------------- */
/* In a header: struct t, struct t_list, extern t_desc. */
#define REC_DECLARE(t, FIELDS)     \
	struct t {                 \
		FIELDS(REC_MEMBER) \
	};                         \
	REC_DECLARE_LIST(t)
#define REC_DECLARE_LIST(t)  \
	struct t##_list {    \
		struct t *v; \
		size_t n;    \
	};                   \
	extern const struct rec_desc t##_desc
/* In one .c, with `#define REC_SELF struct t` before and `#undef REC_SELF` after. */
#define REC_DEFINE(t, FIELDS)                                             \
	static const struct rec_field t##_fields[] = {FIELDS(REC_FIELD)}; \
	const struct rec_desc t##_desc = {#t, sizeof(struct t), t##_fields, ARRAY_LEN(t##_fields)}

/* A list item that is just a string. */
#define REC_TEXT_FIELDS(F) F(STR, s, _, 65535)
REC_DECLARE(rec_text, REC_TEXT_FIELDS);

/* --- generic operations ---------------------------------------------------------------------------------------- */
/* All fields to zero, strings to "". Use it for stack records before filling them. */
void rec_init(const struct rec_desc *d, void *rec);
/* Deep copy to the heap into dst (uninitialised before); the copy owns everything. NULL strings become "". */
void rec_dup(const struct rec_desc *d, void *dst, const void *src);
/* Frees what an owning record owns and re-inits it; fine on a rec_init-ed record. The struct itself is the caller's. */
void rec_done(const struct rec_desc *d, void *rec);
/* dst (owning) becomes a deep copy of src; dst's old content is freed. src may not alias dst. */
void rec_assign(const struct rec_desc *d, void *dst, const void *src);
bool rec_equal(const struct rec_desc *d, const void *a, const void *b);
/* Checks strings and lists against their written maxima. */
int rec_check(const struct rec_desc *d, const void *rec, struct err *e) MUST_USE;
const struct rec_field *rec_field_by_name(const struct rec_desc *d, const char *name);

/* Owning string member: frees the old text, copies the new one; s may be NULL (= ""). */
void rec_set_str(const char **member, const char *s);

/* Typed access through a description. */
static inline const void *
rec_at(const void *rec, const struct rec_field *f)
{
	return (const char *)rec + f->offset;
}

static inline void *
rec_at_mut(void *rec, const struct rec_field *f)
{
	return (char *)rec + f->offset;
}

static inline const char *
rec_str_at(const void *rec, const struct rec_field *f)
{
	const char *s = *(const char *const *)rec_at(rec, f);

	return s == NULL ? "" : s;
}

struct rec_list rec_list_at(const void *rec, const struct rec_field *f);
void rec_list_set(void *rec, const struct rec_field *f, struct rec_list l);

#endif
