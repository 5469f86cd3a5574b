/* rd_command.c — replicated commands to bytes and back. Pure; called by rd_propose.c, apply and tests. What no state
 * could make valid is refused by rd_command_check.c. */
#include "rd_command.h"

#include <string.h>

#include "base/str.h"

#define REC_SELF struct rd_witness
REC_DEFINE(rd_witness, RD_WITNESS_FIELDS);
#undef REC_SELF

#define REC_SELF struct rd_audit_line
REC_DEFINE(rd_audit_line, RD_AUDIT_LINE_FIELDS);
#undef REC_SELF

/* A local typedef gives each op's F lines their struct (as in common/ipc/ipc.c). */
#define REC_SELF rec_self
#define F REC_FIELD
#define RD_OP(NAME, name_, wire, since_, ...)                                                            \
	static const struct rec_desc *desc_##name_(void)                                                 \
	{                                                                                                \
		typedef struct rd_cmd_##name_ rec_self;                                                  \
		static const struct rec_field fields[] = {__VA_ARGS__};                                  \
		static const struct rec_desc desc = {wire, sizeof(rec_self), fields, ARRAY_LEN(fields)}; \
		return &desc;                                                                            \
	}
#include "rd_command.def"
#undef RD_OP
#undef F
#undef REC_SELF

static const struct {
	const char *name;
	uint32_t since;
	const struct rec_desc *(*desc)(void);
} ops[RD_OP_COUNT] = {
#define F(...)
#define RD_OP(NAME, name_, wire, since_, ...) [RD_OP_##NAME] = {wire, since_, desc_##name_},
#include "rd_command.def"
#undef RD_OP
#undef F
};

/* The envelope. Its field names are on the wire too. */
#define ENVELOPE_FIELDS(F)           \
	F(STR, op, _, 64)            \
	F(U64, since, _, 0)          \
	F(STR, uid, _, RD_UID_MAX)   \
	F(STR, originator, _, 256)   \
	F(I64, leader_time_us, _, 0) \
	F(BIN, payload, _, RD_COMMAND_MAX)
REC_DECLARE(rd_envelope, ENVELOPE_FIELDS);
#define REC_SELF struct rd_envelope
REC_DEFINE(rd_envelope, ENVELOPE_FIELDS);
#undef REC_SELF

const char *
rd_op_name(enum rd_op op)
{
	ASSERT((size_t)op < RD_OP_COUNT);
	return ops[op].name;
}

const struct rec_desc *
rd_op_desc(enum rd_op op)
{
	ASSERT((size_t)op < RD_OP_COUNT);
	return ops[op].desc();
}

uint32_t
rd_op_since(enum rd_op op)
{
	ASSERT((size_t)op < RD_OP_COUNT);
	return ops[op].since;
}

const struct rec_field *
rd_op_split_field(enum rd_op op)
{
	const struct rec_desc *d = rd_op_desc(op);

	for (size_t i = 0; i < d->n_fields; i++) {
		if (d->fields[i].flags & RD_FIELD_SPLIT)
			return &d->fields[i];
	}
	return NULL;
}

/* --- feature levels -------------------------------------------------------------------------------------------- */
static bool
is_zero(const void *rec, const struct rec_field *f)
{
	static const char zero[sizeof(struct rec_list)];

	switch (f->kind) {
	case REC_BOOL:
		return !*(const bool *)rec_at(rec, f);
	case REC_I64:
	case REC_U64:
	case REC_F64:
		return memcmp(rec_at(rec, f), zero, 8) == 0;
	case REC_STR:
		return rec_str_at(rec, f)[0] == '\0';
	case REC_BIN:
		return ((const struct rec_bin *)rec_at(rec, f))->n == 0;
	case REC_NI64:
		return !((const struct rec_ni64 *)rec_at(rec, f))->valid;
	case REC_NBOOL:
		return !((const struct rec_nbool *)rec_at(rec, f))->valid;
	case REC_LIST:
		return rec_list_at(rec, f).n == 0;
	case REC_REC:
		break; /* a record that is new as a whole is used when one of its fields is; say so in those */
	}
	return true;
}

/* A field of a level that is in use needs that level; one that is zero isn't sent (codec.h). */
uint32_t
rd_fields_since(const struct rec_desc *d, const void *rec)
{
	uint32_t since = 0;

	for (size_t i = 0; i < d->n_fields; i++) {
		const struct rec_field *f = &d->fields[i];
		struct rec_list l = f->kind == REC_LIST ? rec_list_at(rec, f) : (struct rec_list){0};
		if (f->since > since && !is_zero(rec, f))
			since = f->since;
		if (f->kind == REC_REC)
			since = (uint32_t)max_i64(since, rd_fields_since(f->sub, rec_at(rec, f)));
		for (size_t k = 0; k < l.n; k++)
			since = (uint32_t)max_i64(since, rd_fields_since(f->sub, (char *)l.v + k * f->sub->size));
	}
	return since;
}

/* The command that raises the level is meant to stop whoever doesn't have it. */
uint32_t
rd_command_since(const struct rd_command *c)
{
	int64_t since = max_i64(rd_op_since(c->op), rd_fields_since(rd_op_desc(c->op), c->payload));

	if (c->op == RD_OP_FEATURE_LEVEL)
		since = max_i64(since, (int64_t)((const struct rd_cmd_feature_level *)c->payload)->level);
	return (uint32_t)since;
}

int
rd_command_gate(const struct rd_command *c, uint32_t level, struct err *e)
{
	uint32_t since = rd_command_since(c);

	if (c->op == RD_OP_FEATURE_LEVEL)
		level =
		    RD_FEATURE_LEVEL; /* what this build understands; whether all members do is the leader's matter */
	if (since <= level)
		return 0;
	return err_set(e, ERR_UNSUPPORTED, "%s needs feature level %u, the group is at %u: upgrade all nodes first",
		       rd_op_name(c->op), since, level);
}

/* --- bytes ----------------------------------------------------------------------------------------------------- */
static enum rd_op
find_op(const char *name)
{
	enum rd_op op = 0;

	while (op < RD_OP_COUNT && strcmp(ops[op].name, name) != 0)
		op++;
	return op;
}

int
rd_command_encode(const struct rd_command *c, struct codec_out *out, struct err *e)
{
	struct rd_envelope env = {.op = rd_op_name(c->op),
				  .since = rd_command_since(c),
				  .uid = c->uid,
				  .originator = c->originator,
				  .leader_time_us = c->leader_time_us};
	struct codec_out payload = {0};
	int rc;

	rc = codec_encode(&payload, CODEC_MAP, rd_op_desc(c->op), c->payload, RD_COMMAND_MAX, e);
	if (rc == 0) {
		env.payload = (struct rec_bin){payload.p, payload.len};
		rc = codec_encode(out, CODEC_MAP, &rd_envelope_desc, &env, RD_COMMAND_MAX, e);
	}
	codec_out_done(&payload);
	return rc == 0 ? 0 : err_wrap(e, "command %s", rd_op_name(c->op));
}

static int
decode_payload(const struct rd_envelope *env, struct mem_arena *arena, struct rd_command *ret, struct err *e)
{
	const struct rec_desc *d = rd_op_desc(ret->op);
	void *payload = mem_arena_alloc(arena, d->size);

	if (codec_decode(env->payload.p, env->payload.n, CODEC_MAP, d, arena, payload, e) != 0)
		return err_wrap(e, "command %s", env->op);
	ret->payload = payload;
	return 0;
}

int
rd_command_decode(const void *p, size_t n, struct mem_arena *arena, struct rd_command *ret, struct err *e)
{
	struct rd_envelope env;
	struct rd_command c;

	if (n > RD_COMMAND_MAX)
		return err_set(e, ERR_TOO_LARGE, "command of %zu bytes, at most %zu", n, RD_COMMAND_MAX);
	if (codec_decode(p, n, CODEC_MAP, &rd_envelope_desc, arena, &env, e) != 0)
		return err_wrap(e, "command envelope");
	c = (struct rd_command){find_op(env.op), env.uid, env.originator, env.leader_time_us, NULL};
	if (c.op == RD_OP_COUNT || env.since > RD_FEATURE_LEVEL)
		return err_set(e, ERR_UNSUPPORTED, "command \"%.64s\" of feature level %llu: upgrade this node", env.op,
			       (unsigned long long)env.since);
	if (env.uid[0] == '\0')
		return err_set(e, ERR_IPC_FORMAT, "command %s has no uid", env.op);
	if (decode_payload(&env, arena, &c, e) != 0)
		return -e->code;
	*ret = c;
	return 0;
}
