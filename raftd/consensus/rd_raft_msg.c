/* rd_raft_msg.c — the messages between members: descriptions, checks of content, bytes. Pure; called by the member and
 * by whoever owns the wire. Everything that libraft would only assert about a received message is checked here. */
#include "rd_raft_msg.h"

#include "rd_members.h"

/* Terms and indexes count by ones: what is beyond this was made up, and arithmetic stays far from overflow. */
#define NUMBER_MAX (UINT64_C(1) << 60)

#define REC_SELF struct rd_raft_entry
REC_DEFINE(rd_raft_entry, RD_RAFT_ENTRY_FIELDS);
#undef REC_SELF
#define REC_SELF struct rd_raft_snapshot
REC_DEFINE(rd_raft_snapshot, RD_RAFT_SNAPSHOT_FIELDS);
#undef REC_SELF
#define REC_SELF struct rd_raft_msg
REC_DEFINE(rd_raft_msg, RD_RAFT_MSG_FIELDS);
#undef REC_SELF

static int
check_entry(const struct rd_raft_entry *x, uint64_t index, uint64_t before, uint64_t term, struct err *e)
{
	struct rd_members members;

	if (x->term == 0 || x->term < before || x->term > term)
		return err_set(e, ERR_IPC_FORMAT, "entry %llu: impossible term", (unsigned long long)index);
	if (x->kind < RD_KIND_COMMAND || x->kind > RD_KIND_CHANGE)
		return err_set(e, ERR_IPC_FORMAT, "entry %llu: unknown kind", (unsigned long long)index);
	if (x->kind == RD_KIND_COMMAND && x->data.n == 0)
		return err_set(e, ERR_IPC_FORMAT, "entry %llu: empty command", (unsigned long long)index);
	if (index == 1 && x->kind != RD_KIND_CHANGE)
		return err_set(e, ERR_IPC_FORMAT, "entry 1 is not the founding configuration");
	if (x->kind == RD_KIND_CHANGE && rd_members_decode(x->data.p, x->data.n, &members, e) != 0)
		return err_wrap(e, "entry %llu", (unsigned long long)index);
	return 0;
}

static int
check_append(const struct rd_raft_msg *m, struct err *e)
{
	uint64_t before = m->log_term;

	if (m->log_term > m->term)
		return err_set(e, ERR_IPC_FORMAT, "previous entry is of a later term");
	for (size_t i = 0; i < m->entries.n; i++) {
		if (check_entry(&m->entries.v[i], m->log_index + 1 + i, before, m->term, e) != 0)
			return -ERR_IPC_FORMAT;
		before = m->entries.v[i].term;
	}
	return 0;
}

static int
check_snapshot(const struct rd_raft_msg *m, struct err *e)
{
	const struct rd_raft_snapshot *s = &m->snapshot;
	struct rd_members members;

	if (s->index == 0 || s->index > NUMBER_MAX || s->term == 0 || s->term > m->term)
		return err_set(e, ERR_IPC_FORMAT, "snapshot: impossible index or term");
	if (s->members_index == 0 || s->members_index > s->index || s->sha256.n != 32)
		return err_set(e, ERR_IPC_FORMAT, "snapshot: impossible configuration index or hash");
	if (rd_members_decode(s->members.p, s->members.n, &members, e) != 0)
		return err_wrap(e, "snapshot");
	return 0;
}

static int
check_result(const struct rd_raft_msg *m, struct err *e)
{
	if (m->rejected > NUMBER_MAX || m->echo_us < 0)
		return err_set(e, ERR_IPC_FORMAT, "result: impossible index or time");
	return 0;
}

static int
check_nothing(const struct rd_raft_msg *m, struct err *e)
{
	(void)m;
	(void)e;
	return 0;
}

static const struct kind {
	const char *name;
	int (*check)(const struct rd_raft_msg *m, struct err *e);
	bool entries; /* may carry entries */
} kinds[RD_MSG_TYPE_COUNT] = {
    [RD_MSG_APPEND] = {"append", check_append, true},
    [RD_MSG_APPEND_RESULT] = {"append-result", check_result, false},
    [RD_MSG_VOTE] = {"vote", check_nothing, false},
    [RD_MSG_VOTE_RESULT] = {"vote-result", check_nothing, false},
    [RD_MSG_SNAPSHOT] = {"snapshot", check_snapshot, false},
    [RD_MSG_TIMEOUT_NOW] = {"timeout-now", check_nothing, false},
};

static const struct kind *
kind_of(uint64_t type)
{
	return type < RD_MSG_TYPE_COUNT && kinds[type].name != NULL ? &kinds[type] : NULL;
}

const char *
rd_raft_msg_name(uint64_t type)
{
	const struct kind *k = kind_of(type);

	return k == NULL ? "unknown" : k->name;
}

int
rd_raft_msg_check(const struct rd_raft_msg *m, struct err *e)
{
	const struct kind *k = kind_of(m->type);

	if (k == NULL)
		return err_set(e, ERR_IPC_FORMAT, "unknown message type %llu", (unsigned long long)m->type);
	if (m->from == 0 || m->to == 0 || m->from == m->to)
		return err_set(e, ERR_IPC_FORMAT, "%s: impossible ids", k->name);
	if (m->term == 0 || m->term > NUMBER_MAX || m->log_index > NUMBER_MAX || m->log_term > NUMBER_MAX ||
	    m->commit > NUMBER_MAX || m->sent_us < 0)
		return err_set(e, ERR_IPC_FORMAT, "%s: impossible term, index or time", k->name);
	if ((m->log_index == 0) != (m->log_term == 0) && m->type != RD_MSG_APPEND_RESULT)
		return err_set(e, ERR_IPC_FORMAT, "%s: log index and term contradict each other", k->name);
	if (m->entries.n > 0 && !k->entries)
		return err_set(e, ERR_IPC_FORMAT, "%s: has entries", k->name);
	return k->check(m, e);
}

int
rd_raft_msg_encode(struct codec_out *o, const struct rd_raft_msg *m, struct err *e)
{
	return codec_encode(o, CODEC_ARRAY, &rd_raft_msg_desc, m, RD_RAFT_MSG_BYTES_MAX, e);
}

int
rd_raft_msg_decode(const void *p, size_t n, struct mem_arena *arena, struct rd_raft_msg *ret, struct err *e)
{
	struct rd_raft_msg m;
	int rc;

	if (n > RD_RAFT_MSG_BYTES_MAX)
		return err_set(e, ERR_TOO_LARGE, "raft message of %zu bytes, at most %d", n, RD_RAFT_MSG_BYTES_MAX);
	rc = codec_decode(p, n, CODEC_ARRAY, &rd_raft_msg_desc, arena, &m, e);
	if (rc == 0)
		rc = rd_raft_msg_check(&m, e);
	if (rc == 0)
		*ret = m;
	return rc;
}
