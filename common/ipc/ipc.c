/* ipc.c — the descriptions behind ipc.h. Owns constants and the lazily computed protocol hash. */
#include "ipc/ipc.h"

#include <stdatomic.h>
#include <string.h>

#define REC_SELF struct ipc_target
REC_DEFINE(ipc_target, IPC_TARGET_FIELDS);
#undef REC_SELF
#define REC_SELF struct ipc_metric
REC_DEFINE(ipc_metric, IPC_METRIC_FIELDS);
#undef REC_SELF
#define REC_SELF struct ipc_member
REC_DEFINE(ipc_member, IPC_MEMBER_FIELDS);
#undef REC_SELF
#define REC_SELF struct ipc_name
REC_DEFINE(ipc_name, IPC_NAME_FIELDS);
#undef REC_SELF
#define REC_SELF struct ipc_probe_sample
REC_DEFINE(ipc_probe_sample, IPC_PROBE_SAMPLE_FIELDS);
#undef REC_SELF
#define REC_SELF struct ipc_write_sample
REC_DEFINE(ipc_write_sample, IPC_WRITE_SAMPLE_FIELDS);
#undef REC_SELF
#define REC_SELF struct ipc_flush_sample
REC_DEFINE(ipc_flush_sample, IPC_FLUSH_SAMPLE_FIELDS);
#undef REC_SELF

/* A local typedef gives each message's F lines their struct: macro arguments expand before they know it. */
#define REC_SELF rec_self
#define F REC_FIELD
#define IPC_MSG(NAME, name_, id, from, ...)                                                               \
	static const struct rec_desc *desc_##name_(void)                                                  \
	{                                                                                                 \
		typedef struct ipc_##name_ rec_self;                                                      \
		static const struct rec_field fields[] = {__VA_ARGS__};                                   \
		static const struct rec_desc desc = {#NAME, sizeof(rec_self), fields, ARRAY_LEN(fields)}; \
		return &desc;                                                                             \
	}
#include IPC_ALL_DEFS
#undef IPC_MSG
#undef F
#undef REC_SELF

static const struct {
	uint32_t type;
	const char *name;
	uint32_t from;
	const struct rec_desc *(*desc)(void);
} messages[] = {
#define F(...)
#define IPC_MSG(NAME, name_, id, from_, ...) {(id), #NAME, (from_), desc_##name_},
#include IPC_ALL_DEFS
#undef IPC_MSG
#undef F
};

size_t
ipc_msg_count(void)
{
	return ARRAY_LEN(messages);
}

const struct ipc_msg_info *
ipc_msg_at(size_t i)
{
	static struct ipc_msg_info infos[ARRAY_LEN(messages)];
	static _Atomic bool ready = false;

	ASSERT(i < ARRAY_LEN(messages));
	if (!atomic_load(&ready)) { /* filling twice from two threads writes the same values */
		for (size_t k = 0; k < ARRAY_LEN(messages); k++)
			infos[k] = (struct ipc_msg_info){messages[k].type, messages[k].name, messages[k].from,
							 messages[k].desc()};
		atomic_store(&ready, true);
	}
	return &infos[i];
}

const struct ipc_msg_info *
ipc_msg_info(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		if (messages[i].type == type)
			return ipc_msg_at(i);
	}
	return NULL;
}

const char *
ipc_role_name(uint32_t role)
{
	switch (role) {
	case IPC_ROLE_SUPERVISOR:
		return "supervisor";
	case IPC_ROLE_RAFTD:
		return "raftd";
	case IPC_ROLE_PROBER:
		return "prober";
	case IPC_ROLE_APID:
		return "apid";
	default:
		return "unknown";
	}
}

/* FNV-1a over everything that both sides must agree on. */
static uint32_t
mix(uint32_t h, const void *p, size_t n)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 16777619u;
	return h;
}

static uint32_t
mix_desc(uint32_t h, const struct rec_desc *d)
{
	for (size_t i = 0; i < d->n_fields; i++) {
		const struct rec_field *f = &d->fields[i];
		uint32_t kind = (uint32_t)f->kind;
		h = mix(h, f->name, strlen(f->name));
		h = mix(h, &kind, sizeof(kind));
		h = mix(h, &f->max, sizeof(f->max));
		if (f->sub != NULL)
			h = mix_desc(h, f->sub);
	}
	return h;
}

uint32_t
ipc_proto(void)
{
	static _Atomic uint32_t proto = 0;
	uint32_t h = atomic_load(&proto);

	if (h != 0)
		return h;
	h = 2166136261u;
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		h = mix(h, &messages[i].type, sizeof(messages[i].type));
		h = mix_desc(h, messages[i].desc());
	}
	h |= 1u;
	atomic_store(&proto, h);
	return h;
}
