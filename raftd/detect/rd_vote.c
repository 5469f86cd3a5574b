/* rd_vote.c — see rd_vote.h. Pure; the bytes come from authenticated or unauthenticated peers: each limit is checked here. */
#include "rd_vote.h"

#include "topo/key.h"

#define REC_SELF struct rd_suspect_replica
REC_DEFINE(rd_suspect_replica, RD_SUSPECT_REPLICA_FIELDS);
#undef REC_SELF
#define REC_SELF struct rd_suspect_msg
REC_DEFINE(rd_suspect_msg, RD_SUSPECT_FIELDS);
#undef REC_SELF
#define REC_SELF struct rd_replica_fact
REC_DEFINE(rd_replica_fact, RD_REPLICA_FACT_FIELDS);
#undef REC_SELF
#define REC_SELF struct rd_facts
REC_DEFINE(rd_facts, RD_FACTS_FIELDS);
#undef REC_SELF

#define RD_VOTE_FRAME_FIELDS(F) \
	F(U64, kind, _, 0)      \
	F(BIN, body, _, RD_VOTE_BYTES_MAX)
REC_DECLARE(rd_vote_frame, RD_VOTE_FRAME_FIELDS);
#define REC_SELF struct rd_vote_frame
REC_DEFINE(rd_vote_frame, RD_VOTE_FRAME_FIELDS);
#undef REC_SELF

static const struct rec_desc *
desc_of(uint64_t kind)
{
	if (kind == RD_VOTE_SUSPECT)
		return &rd_suspect_msg_desc;
	return kind == RD_VOTE_FACTS ? &rd_facts_desc : NULL;
}

int
rd_vote_encode(enum rd_vote_kind kind, const void *msg, struct codec_out *out, struct err *e)
{
	const struct rec_desc *d = desc_of(kind);
	struct codec_out body = {0};
	int r;

	ASSERT(d != NULL);
	r = codec_encode(&body, CODEC_MAP, d, msg, RD_VOTE_BYTES_MAX, e);
	if (r == 0) {
		struct rd_vote_frame frame = {.kind = kind, .body = {body.p, body.len}};
		r = codec_encode(out, CODEC_MAP, &rd_vote_frame_desc, &frame, RD_VOTE_BYTES_MAX, e);
	}
	codec_out_done(&body);
	return r;
}

/* --- what a peer may say --------------------------------------------------------------------------------------------- */
static bool
is_round(uint64_t id, uint64_t ask)
{
	return id != 0 && ask != 0;
}

static int
malformed(struct err *e, const char *what)
{
	return err_set(e, ERR_IPC_FORMAT, "a vote's %s", what);
}

static int
check_suspect(const struct rd_suspect_msg *m, struct err *e)
{
	if (!is_round(m->id, m->ask))
		return malformed(e, "question has no number");
	if (!topo_key_valid(&m->key))
		return malformed(e, "question names no server");
	if (m->answered_age_us < RD_VOTE_NEVER || m->wait_us < 0)
		return malformed(e, "question has a negative time");
	for (size_t i = 0; i < m->replicas.n; i++) {
		if (!topo_key_valid(&m->replicas.v[i].key))
			return malformed(e, "question names a replica that is none");
	}
	return 0;
}

static int
check_replica(const struct rd_replica_fact *f, struct err *e)
{
	if (!topo_key_valid(&f->key))
		return malformed(e, "answer is about no server");
	if (f->read_age_us < 0 || f->since_age_us < 0)
		return malformed(e, "answer has a negative time");
	if (f->io_state < TOPO_THREAD_NONE || f->io_state > TOPO_THREAD_OTHER)
		return malformed(e, "answer has an unknown state of a receiver");
	return 0;
}

static int
check_facts(const struct rd_facts *m, struct err *e)
{
	int r;

	if (!is_round(m->id, m->ask))
		return malformed(e, "answer has no number");
	if (m->answered_age_us < RD_VOTE_NEVER || m->span_us < 0 || m->longest_us < 0)
		return malformed(e, "answer has a negative time");
	for (size_t i = 0; i < m->replicas.n; i++) {
		if ((r = check_replica(&m->replicas.v[i], e)) != 0)
			return r;
	}
	return 0;
}

int
rd_vote_decode(const void *p, size_t n, struct mem_arena *arena, struct rd_vote_msg *ret, struct err *e)
{
	struct rd_vote_frame frame;
	struct rd_vote_msg m;
	const struct rec_desc *d;
	int r = codec_decode(p, n, CODEC_MAP, &rd_vote_frame_desc, arena, &frame, e);

	if (r != 0)
		return r;
	if ((d = desc_of(frame.kind)) == NULL)
		return err_set(e, ERR_UNSUPPORTED, "a vote of kind %llu, of a newer version",
			       (unsigned long long)frame.kind);
	m.kind = (enum rd_vote_kind)frame.kind;
	if ((r = codec_decode(frame.body.p, frame.body.n, CODEC_MAP, d, arena, &m.u, e)) != 0)
		return r;
	r = m.kind == RD_VOTE_SUSPECT ? check_suspect(&m.u.suspect, e) : check_facts(&m.u.facts, e);
	if (r == 0)
		*ret = m;
	return r;
}
