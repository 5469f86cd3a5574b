/* rd_input.c — see rd_input.h: the records of a recovery's input and simple questions about them. Pure; called by the
 * shell that begins a recovery, the choice and the planner. */
#include "rd_input.h"

#include "conf/conf.h"
#include "topo/key.h"

#define REC_SELF struct rd_recovery_server
static const struct rec_field rd_recovery_server_fields[] = {
#define I REC_FIELD
#define F REC_FIELD
#include "rd_server.def"
#undef F
#undef I
};
#undef REC_SELF
const struct rec_desc rd_recovery_server_desc = {"rd_recovery_server", sizeof(struct rd_recovery_server),
						 rd_recovery_server_fields, ARRAY_LEN(rd_recovery_server_fields)};

#define REC_SELF struct rd_recovery_policy
static const struct rec_field rd_recovery_policy_fields[] = {
#define P(kind, field, max, key) REC_FIELD(kind, field, _, max, .doc = #key)
#include "rd_policy.def"
#undef P
};
#undef REC_SELF
const struct rec_desc rd_recovery_policy_desc = {"rd_recovery_policy", sizeof(struct rd_recovery_policy),
						 rd_recovery_policy_fields, ARRAY_LEN(rd_recovery_policy_fields)};

#define REC_SELF struct rd_recovery_input
REC_DEFINE(rd_recovery_input, RD_RECOVERY_INPUT_FIELDS);
#undef REC_SELF

void
rd_recovery_server_from(const struct topo_instance *inst, const struct topo_probe *probe,
			struct rd_recovery_server *ret)
{
	rec_init(&rd_recovery_server_desc, ret);
#define I(kind, field, ...) ret->field = inst->field;
#define F(...)
#include "rd_server.def"
#undef F
#undef I
	ret->received_gtid_set = probe->gtid_io_pos;
	ret->gtid_current_pos = probe->gtid_current_pos;
	ret->channels = probe->channels;
	ret->last_sql_errno = probe->last_sql_errno;
	ret->last_io_errno = probe->last_io_errno;
	ret->answered = probe->found;
	ret->answered_us = probe->found ? probe->ended_us : probe->last_answer_us;
}

void
rd_recovery_server_instance(const struct rd_recovery_server *s, struct topo_instance *ret)
{
	rec_init(&topo_instance_desc, ret);
#define I(kind, field, ...) ret->field = s->field;
#define F(...)
#include "rd_server.def"
#undef F
#undef I
}

void
rd_recovery_policy_from(const struct conf *c, struct rd_recovery_policy *ret)
{
#define P_BOOL(v) (v)
#define P_U64(v) ((uint64_t)(v))
#define P_I64(v) ((int64_t)(v))
#define P_STR(v) (v)
#define P(kind, field, max, key) ret->field = P_##kind(c->key);
#include "rd_policy.def"
#undef P
}

const struct rd_recovery_server *
rd_recovery_find(const struct rd_recovery_input *in, const struct topo_key *key)
{
	for (size_t i = 0; i < in->servers.n; i++) {
		if (topo_key_equal(&in->servers.v[i].key, key))
			return &in->servers.v[i];
	}
	return NULL;
}

bool
rd_recovery_is_direct(const struct rd_recovery_input *in, const struct rd_recovery_server *s)
{
	return s->was_direct || topo_key_equal(&s->source_key, &in->failed.key);
}

void
rd_recovery_carry(const struct rd_recovery_input *before, struct rd_recovery_input *now)
{
	for (size_t i = 0; i < now->servers.n; i++) {
		const struct rd_recovery_server *was = rd_recovery_find(before, &now->servers.v[i].key);
		now->servers.v[i].was_direct = was != NULL && rd_recovery_is_direct(before, was);
	}
}

bool
rd_recovery_is_fresh(const struct rd_recovery_input *in, const struct rd_recovery_server *s)
{
	return s->answered && s->answered_us >= in->suspected_us;
}

const struct rd_recovery_server *
rd_recovery_taken_over(const struct rd_recovery_input *in)
{
	for (size_t i = 0; i < in->servers.n; i++) {
		const struct rd_recovery_server *s = &in->servers.v[i];
		if (rd_recovery_is_fresh(in, s) && s->was_direct && s->source_key.hostname[0] == '\0' && !s->read_only)
			return s;
	}
	return NULL;
}

enum rd_promotion_rule
rd_recovery_rule(const struct rd_recovery_server *s)
{
	static const char *const names[] = {"must", "prefer", "neutral", "prefer_not", "must_not"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_eq(s->promotion_rule, names[i]))
			return (enum rd_promotion_rule)i;
	}
	return RD_RULE_NEUTRAL;
}
