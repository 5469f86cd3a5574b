/* conf.c — the object behind struct conf: defaults, references, and the few questions that need more than a member.
 * Owns the arena with every string and list of one configuration. */
#include <stdlib.h>
#include <string.h>

#include "conf_private.h"

struct conf_box *
conf_box_of(struct conf *c)
{
	return (struct conf_box *)c; /* c is the first member */
}

const char *
conf_strdup(struct conf *c, const char *s)
{
	return s[0] == '\0' ? "" : mem_arena_strndup(&conf_box_of(c)->arena, s, strlen(s));
}

static struct conf_strs
default_list(struct conf *c, const struct conf_key *k)
{
	const char **v;

	if (k->default_str[0] == '\0')
		return (struct conf_strs){NULL, 0};
	v = mem_arena_alloc(&conf_box_of(c)->arena, sizeof(*v));
	v[0] = k->default_str;
	return (struct conf_strs){v, 1};
}

static void
set_default(struct conf *c, const struct conf_key *k)
{
	void *at = (char *)c + k->offset;

	switch (k->kind) {
	case CONF_BOOL:
		*(bool *)at = k->default_bool;
		break;
	case CONF_INT:
	case CONF_UINT:
		*(int64_t *)at = k->default_int;
		break;
	case CONF_REAL:
		*(double *)at = k->default_real;
		break;
	case CONF_STR:
		*(const char **)at = k->default_str;
		break;
	case CONF_LIST:
		*(struct conf_strs *)at = default_list(c, k);
		break;
	case CONF_MAP:
	case CONF_UMAP:
		break; /* empty */
	}
}

struct conf *
conf_new_raw(void)
{
	struct conf_box *box = mem_new(struct conf_box);

	mem_arena_init(&box->arena);
	box->refs = 1;
	box->origin = "built-in defaults";
	for (size_t i = 0; i < conf_key_count(); i++)
		set_default(&box->c, conf_key_at(i));
	return &box->c;
}

struct conf *
conf_ref(const struct conf *c)
{
	struct conf *held = (struct conf *)(uintptr_t)c; /* to count and to free; its contents never change */
	int before = __atomic_fetch_add(&conf_box_of(held)->refs, 1, __ATOMIC_RELAXED);

	ASSERT(before > 0);
	return held;
}

void
conf_unref(struct conf *c)
{
	int before;

	if (c == NULL)
		return;
	before = __atomic_fetch_sub(&conf_box_of(c)->refs, 1, __ATOMIC_ACQ_REL);
	ASSERT(before > 0);
	if (before > 1)
		return;
	mem_arena_done(&conf_box_of(c)->arena);
	free(conf_box_of(c));
}

const char *
conf_origin(const struct conf *c)
{
	return ((const struct conf_box *)c)->origin;
}

bool
conf_backend_is_sqlite(const struct conf *c)
{
	return strstr(c->BackendDB, "sqlite") != NULL;
}

bool
conf_loss_parse(const char *text, enum conf_loss *ret_loss, int64_t *ret_wait_s)
{
	struct err ignored;

	*ret_wait_s = 0;
	if (str_eq_nocase(text, "promote"))
		*ret_loss = CONF_LOSS_PROMOTE;
	else if (str_eq_nocase(text, "abort"))
		*ret_loss = CONF_LOSS_ABORT;
	else if (str_starts(text, "wait:") &&
		 str_parse_i64(text + 5, 0, CONF_LOSS_WAIT_MAX_S, ret_wait_s, &ignored) == 0)
		*ret_loss = CONF_LOSS_WAIT;
	else
		return false;
	return true;
}

enum conf_loss
conf_promotion_on_possible_loss(const struct conf *c, int64_t *ret_wait_s)
{
	enum conf_loss loss = CONF_LOSS_PROMOTE;
	bool understood = conf_loss_parse(c->PromotionOnPossibleLoss, &loss, ret_wait_s);

	ASSERT(understood); /* conf_check.c refuses anything else */
	return loss;
}
