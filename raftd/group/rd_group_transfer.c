/* rd_group_transfer.c — snapshots between nodes: sent and received in pieces on a channel of their own, with a window of
 * pieces under way (design.md section 4). Owns the transfers and a received state until it is installed. Bytes are on
 * disk, verified and decoded before the core hears of a snapshot. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rd_group_private.h"

#define WINDOW 4 /* pieces under way */
#define PROGRESS_US (10 * CLK_S)

/* --- frames of the SNAPSHOT channel ---------------------------------------------------------------------------- */
enum { PIECE = 1, ACK = 2 };

/* PIECE: bytes at offset; the last one carries the message. ACK: that piece is written (n: its offset), ok false: give
 * up; last: the message was taken. */
#define RD_PIECE_FIELDS(F)                 \
	F(U64, kind, _, 0)                 \
	F(U64, term, _, 0)                 \
	F(U64, index, _, 0)                \
	F(U64, offset, _, 0)               \
	F(BIN, data, _, RD_SNAPSHOT_CHUNK) \
	F(BOOL, last, _, 0)                \
	F(BOOL, ok, _, 0)                  \
	F(BIN, message, _, 64 << 10, .doc = "last")
REC_DECLARE(rd_piece, RD_PIECE_FIELDS);
#define REC_SELF struct rd_piece
REC_DEFINE(rd_piece, RD_PIECE_FIELDS);
#undef REC_SELF
#define PIECE_BYTES_MAX ((size_t)512 << 10)

static bool
send_piece(struct rd_group *g, const char *peer, const struct rd_piece *p)
{
	struct codec_out bytes = {0};
	struct err e;
	bool ok = codec_encode(&bytes, CODEC_ARRAY, &rd_piece_desc, p, PIECE_BYTES_MAX, &e) == 0 &&
		  rn_net_send(g->net, peer, RN_CHANNEL_SNAPSHOT, bytes.p, bytes.len, &e) == 0;

	codec_out_done(&bytes);
	return ok;
}

/* --- sending --------------------------------------------------------------------------------------------------- */
struct rd_sending {
	TAILQ_ENTRY(rd_sending) next;
	struct rd_group *g;
	uint64_t to;
	char name[RD_MEMBER_NAME_BYTES];
	struct codec_out message; /* as its bytes */
	uint64_t term, index, size;
	uint64_t offset; /* asked for */
	size_t unacked;
	bool reading, ended, dead;
	struct mono progress;
};

static void
free_sending(struct rd_sending *s)
{
	codec_out_done(&s->message);
	free(s);
}

/* A read under way still points at it. */
static void
end_sending(struct rd_sending *s, bool ok, const char *why)
{
	struct rd_group *g = s->g;

	TAILQ_REMOVE(&g->sending, s, next);
	if (ok)
		log_info("raft", "snapshot index=%llu sent to peer=%s", (unsigned long long)s->index, LOG_Q(s->name));
	else
		log_warning("raft", "snapshot index=%llu not sent to peer=%s, trying again: %s",
			    (unsigned long long)s->index, LOG_Q(s->name), why);
	if (rd_group_runs(g)) {
		rd_raft_snapshot_sent(g->raft, rd_group_now(g), s->to, s->index, ok);
		rd_group_core_after(g);
	}
	s->dead = true;
	if (!s->reading)
		free_sending(s);
}

static void send_more(struct rd_sending *s);

static void
on_sending_read(void *ctx, struct rd_log_job *job)
{
	struct rd_sending *s = ctx;
	struct rd_piece p = {.kind = PIECE, .term = s->term, .index = s->index, .offset = job->offset};

	s->reading = false;
	if (s->dead) {
		free_sending(s);
	} else if (job->rc != 0) {
		end_sending(s, false, job->e.msg);
	} else {
		p.data = (struct rec_bin){job->data, job->n};
		p.last = job->offset + job->n >= s->size;
		if (p.last)
			p.message = (struct rec_bin){s->message.p, s->message.len};
		s->offset = job->offset + job->n;
		s->ended = p.last;
		s->unacked++;
		if (!send_piece(s->g, s->name, &p))
			end_sending(s, false, "the connection is lost or full");
		else
			send_more(s);
	}
	rd_log_job_free(job);
}

static void
send_more(struct rd_sending *s)
{
	struct rd_log_job *job;
	struct err e;

	if (s->reading || s->ended || s->unacked >= WINDOW ||
	    rn_net_room(s->g->net, s->name, RN_CHANNEL_SNAPSHOT) < PIECE_BYTES_MAX)
		return;
	job = rd_log_job_new(RD_LOG_JOB_SNAP_GET, on_sending_read, s);
	job->snapshot.term = s->term;
	job->snapshot.index = s->index;
	job->offset = s->offset;
	job->max = RD_SNAPSHOT_PIECE;
	s->reading = true;
	if (rd_log_submit(s->g->log, job, &e) == 0)
		return;
	rd_log_job_free(job);
	s->reading = false;
	s->progress = (struct mono){0}; /* the next tick ends it */
}

/* What a former term of this leader began: the core has forgotten it. */
static void
supersede(struct rd_group *g, const char *to_name)
{
	struct rd_sending *s, *next;

	for (s = TAILQ_FIRST(&g->sending); s != NULL; s = next) {
		next = TAILQ_NEXT(s, next);
		if (strcmp(s->name, to_name) != 0)
			continue;
		TAILQ_REMOVE(&g->sending, s, next);
		s->dead = true;
		if (!s->reading)
			free_sending(s);
	}
}

/* Called from inside the core: the first piece is read, and sent, later. */
void
rd_group_snapshot_send(struct rd_group *g, uint64_t to, const char *to_name, const struct rd_raft_msg *m)
{
	struct rd_sending *s = mem_new(struct rd_sending);
	struct err e;

	supersede(g, to_name);
	s->g = g;
	s->to = to;
	(void)str_copy(s->name, sizeof(s->name), to_name);
	s->term = m->snapshot.term;
	s->index = m->snapshot.index;
	s->size = m->snapshot.size;
	s->progress = rd_group_now(g);
	if (rd_raft_msg_encode(&s->message, m, &e) != 0) {
		log_error("raft", "own snapshot message: %s", e.msg);
		s->progress = (struct mono){0};
	}
	TAILQ_INSERT_TAIL(&g->sending, s, next);
	log_info("raft", "sending snapshot index=%llu bytes=%llu to peer=%s", (unsigned long long)s->index,
		 (unsigned long long)s->size, LOG_Q(to_name));
	if (s->progress.us != 0)
		send_more(s);
}

void
rd_group_snapshot_room(struct rd_group *g, const char *peer)
{
	struct rd_sending *s, *next;

	for (s = TAILQ_FIRST(&g->sending); s != NULL; s = next) {
		next = TAILQ_NEXT(s, next);
		if (strcmp(s->name, peer) == 0)
			send_more(s);
	}
}

static void
take_ack(struct rd_group *g, const char *peer, const struct rd_piece *p)
{
	struct rd_sending *s;

	TAILQ_FOREACH (s, &g->sending, next) {
		if (strcmp(s->name, peer) == 0 && s->index == p->index && s->term == p->term)
			break;
	}
	if (s == NULL)
		return;
	s->progress = rd_group_now(g);
	s->unacked -= s->unacked > 0;
	if (!p->ok)
		end_sending(s, false, "the receiver gave up");
	else if (p->last)
		end_sending(s, true, "");
	else
		send_more(s);
}

/* --- receiving ------------------------------------------------------------------------------------------------- */
struct rd_receiving {
	struct rd_group *g;
	char peer[RD_MEMBER_NAME_BYTES];
	uint64_t term, index, offset;
	struct rd_snapshot_load *load;
	struct codec_out message; /* of the last piece */
	size_t writing;
	bool dead;
	struct mono progress;
};

static void
free_receiving(struct rd_receiving *r)
{
	rd_snapshot_load_free(r->load);
	codec_out_done(&r->message);
	free(r);
}

static void
drop_receiving(struct rd_group *g)
{
	struct rd_receiving *r = g->receiving;

	if (r == NULL)
		return;
	g->receiving = NULL;
	r->dead = true;
	if (r->writing == 0)
		free_receiving(r);
}

static void
ack(struct rd_group *g, const struct rd_receiving *r, uint64_t offset, bool ok, bool last)
{
	struct rd_piece p = {.kind = ACK, .term = r->term, .index = r->index, .offset = offset, .ok = ok, .last = last};

	(void)send_piece(g, r->peer, &p);
}

static void
refuse(struct rd_group *g, const struct err *e)
{
	struct rd_receiving *r = g->receiving;

	log_warning("raft", "snapshot index=%llu of peer=%s is not taken: %s", (unsigned long long)r->index,
		    LOG_Q(r->peer), e->msg);
	ack(g, r, r->offset, false, false);
	drop_receiving(g);
}

/* File and content are verified and decoded: now the core may hear of it. */
static void
complete(struct rd_group *g)
{
	struct rd_receiving *r = g->receiving;
	struct rd_state *state = NULL;
	struct mem_arena arena = {0};
	struct rd_raft_msg m;
	struct err e;

	if (g->received != NULL) {
		(void)err_set(&e, ERR_BUSY, "another one is being installed");
		refuse(g, &e);
	} else if (rd_snapshot_load_end(r->load, &state, &e) != 0 ||
		   rd_raft_msg_decode(r->message.p, r->message.len, &arena, &m, &e) != 0) {
		refuse(g, &e);
	} else if (m.type != RD_MSG_SNAPSHOT || m.snapshot.index != r->index || rd_state_index(state) != r->index) {
		(void)err_set(&e, ERR_INVALID, "its message speaks of another one");
		refuse(g, &e);
	} else {
		g->received = state;
		state = NULL;
		ack(g, r, r->offset, true, true);
		rd_raft_received(g->raft, rd_group_now(g), r->peer, &m);
		drop_receiving(g);
		rd_group_core_after(g);
	}
	rd_state_free(state);
	mem_arena_done(&arena);
}

static void
on_received_written(void *ctx, struct rd_log_job *job)
{
	struct rd_receiving *r = ctx;
	struct rd_group *g = r->g;

	r->writing--;
	if (r->dead) {
		if (r->writing == 0)
			free_receiving(r);
	} else if (job->rc != 0) {
		refuse(g, &job->e);
	} else if (job->last) {
		complete(g);
	} else {
		ack(g, r, job->offset, true, false);
	}
	rd_log_job_free(job);
}

static void
begin_receiving(struct rd_group *g, const char *peer, const struct rd_piece *p)
{
	struct rd_receiving *r = mem_new(struct rd_receiving);

	drop_receiving(g);
	r->g = g;
	(void)str_copy(r->peer, sizeof(r->peer), peer);
	r->term = p->term;
	r->index = p->index;
	r->load = rd_snapshot_load_new();
	g->receiving = r;
	log_info("raft", "receiving snapshot index=%llu from peer=%s", (unsigned long long)p->index, LOG_Q(peer));
}

/* What the file must be is in the message, which comes with the last piece. */
static int
expected(const struct rd_piece *p, struct rd_snapshot *ret, struct err *e)
{
	struct mem_arena arena = {0};
	struct rd_raft_msg m;
	int rc = rd_raft_msg_decode(p->message.p, p->message.n, &arena, &m, e);

	if (rc == 0) {
		rd_group_to_store(&m.snapshot, ret);
		ret->conf = NULL;
		ret->conf_n = 0;
	}
	mem_arena_done(&arena);
	return rc;
}

static void
take_piece(struct rd_group *g, const char *peer, const struct rd_piece *p)
{
	struct rd_receiving *r;
	struct rd_log_job *job;
	struct rd_snapshot meta = {.term = p->term, .index = p->index};
	struct err e;

	if (p->offset == 0)
		begin_receiving(g, peer, p);
	r = g->receiving;
	if (r == NULL || strcmp(r->peer, peer) != 0 || r->term != p->term || r->index != p->index ||
	    r->offset != p->offset || r->message.len > 0)
		return; /* of a transfer that has ended here; its sender times out */
	if (rd_snapshot_load_feed(r->load, p->data.p, p->data.n, &e) != 0 || (p->last && expected(p, &meta, &e) != 0)) {
		refuse(g, &e);
		return;
	}
	job = rd_log_job_new(RD_LOG_JOB_SNAP_PUT, on_received_written, r);
	job->source = RD_SNAPSHOT_RECEIVED;
	job->snapshot = meta;
	job->offset = p->offset;
	job->data = mem_dup(p->data.p, p->data.n);
	job->n = p->data.n;
	job->last = p->last;
	if (p->last)
		r->message = (struct codec_out){mem_dup(p->message.p, p->message.n), p->message.n, p->message.n};
	r->offset += p->data.n;
	r->progress = rd_group_now(g);
	r->writing++;
	if (rd_log_submit(g->log, job, &e) == 0)
		return;
	rd_log_job_free(job);
	r->writing--;
	refuse(g, &e);
}

void
rd_group_snapshot_message(struct rd_group *g, const char *peer, const void *p, size_t n)
{
	struct mem_arena arena = {0};
	struct rd_piece piece;
	struct err e;

	if (codec_decode(p, n, CODEC_ARRAY, &rd_piece_desc, &arena, &piece, &e) != 0)
		log_warning("raft", "snapshot piece of peer=%s dropped: %s", LOG_Q(peer), e.msg);
	else if (piece.kind == PIECE)
		take_piece(g, peer, &piece);
	else if (piece.kind == ACK)
		take_ack(g, peer, &piece);
	mem_arena_done(&arena);
}

/* --- installing ------------------------------------------------------------------------------------------------ */
/* The file is the newest snapshot on disk now; the old memory goes in the same turn. Called from inside the core. */
void
rd_group_snapshot_install(struct rd_group *g, const struct rd_raft_snapshot *s)
{
	ASSERT(g->received != NULL && rd_state_index(g->received) == s->index);
	rd_group_snapshot_give_up(g);
	log_notice("raft", "state taken from a snapshot index=%llu", (unsigned long long)s->index);
	rd_proposer_install(g->node->decide, g->received);
	g->received = NULL;
}

/* Another one may be on its way to the disk meanwhile: that stays. */
void
rd_group_snapshot_drop(struct rd_group *g, const struct rd_raft_snapshot *s)
{
	if (g->received == NULL || rd_state_index(g->received) != s->index)
		return;
	rd_state_free(g->received);
	g->received = NULL;
}

/* --- life ------------------------------------------------------------------------------------------------------ */
void
rd_group_snapshot_peer_down(struct rd_group *g, const char *peer)
{
	struct rd_sending *s, *next;

	for (s = TAILQ_FIRST(&g->sending); s != NULL; s = next) {
		next = TAILQ_NEXT(s, next);
		if (strcmp(s->name, peer) == 0)
			end_sending(s, false, "the connection was lost");
	}
	if (g->receiving != NULL && strcmp(g->receiving->peer, peer) == 0)
		drop_receiving(g);
}

void
rd_group_transfer_tick(struct rd_group *g)
{
	struct mono now = rd_group_now(g);
	struct rd_sending *s, *next;

	for (s = TAILQ_FIRST(&g->sending); s != NULL; s = next) {
		next = TAILQ_NEXT(s, next);
		if (mono_diff_us(now, s->progress) > PROGRESS_US)
			end_sending(s, false, "no progress");
	}
	if (g->receiving != NULL && g->receiving->writing == 0 &&
	    mono_diff_us(now, g->receiving->progress) > 2 * PROGRESS_US)
		drop_receiving(g);
}

void
rd_group_transfer_done(struct rd_group *g)
{
	struct rd_sending *s;

	while ((s = TAILQ_FIRST(&g->sending)) != NULL) {
		TAILQ_REMOVE(&g->sending, s, next);
		free_sending(s);
	}
	if (g->receiving != NULL)
		free_receiving(g->receiving);
	rd_state_free(g->received);
}
