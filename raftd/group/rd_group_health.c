/* rd_group_health.c — small talk between nodes: follower health (raft-and-nodes.md section 6: the leader asks with a
 * token every 10 s, reports count for 20 s), the comparison of state hashes, logs that have lost something, and servers
 * that a follower has found. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "rd_group_private.h"

#define TOKEN_LIFE_US (20 * CLK_S)
#define HEALTH_BYTES_MAX 4096
#define RENEWALS_MAX 3

enum { ASK = 1, REPORT = 2, HASH = 3, LOST = 4 };

#define RD_HEALTH_FIELDS(F)                                                                    \
	F(U64, kind, _, 0)                                                                     \
	F(STR, token, _, 64, .doc = "ASK, REPORT")                                             \
	F(U64, index, _, 0, .doc = "HASH: after that entry …; LOST: acknowledged up to there") \
	F(U64, hash, _, 0, .doc = "… the state has this hash")
REC_DECLARE(rd_health, RD_HEALTH_FIELDS);
#define REC_SELF struct rd_health
REC_DEFINE(rd_health, RD_HEALTH_FIELDS);
#undef REC_SELF

#define RD_FOUND_SERVERS_FIELDS(F) F(LIST, keys, topo_key, RD_KEYS_MAX)
REC_DECLARE(rd_found_servers, RD_FOUND_SERVERS_FIELDS);
#define REC_SELF struct rd_found_servers
REC_DEFINE(rd_found_servers, RD_FOUND_SERVERS_FIELDS);
#undef REC_SELF

static void
say(struct rd_group *g, const char *peer, const struct rd_health *m)
{
	struct codec_out bytes = {0};
	struct err e;

	if (codec_encode(&bytes, CODEC_MAP, &rd_health_desc, m, HEALTH_BYTES_MAX, &e) != 0 ||
	    rn_net_send(g->net, peer, RN_CHANNEL_HEALTH, bytes.p, bytes.len, &e) != 0)
		log_debug("raft", "health not said to %s: %s", LOG_Q(peer), e.msg);
	codec_out_done(&bytes);
}

static void
say_to_all(struct rd_group *g, const struct rd_health *m)
{
	const struct rd_members *members = rd_raft_members(g->raft);

	for (size_t i = 0; i < members->n; i++) {
		if (rn_net_is_up(g->net, members->v[i].name))
			say(g, members->v[i].name, m);
	}
}

/* --- follower health ------------------------------------------------------------------------------------------- */
void
rd_group_ask_health(struct rd_group *g)
{
	struct rd_health_token *t = &g->tokens[g->next_token++ % ARRAY_LEN(g->tokens)];
	struct rd_health m = {.kind = ASK, .token = t->text};

	if (!rd_group_leads(g))
		return;
	str_random_hex(t->text, (RD_TOKEN_BYTES - 1) / 2);
	t->at = rd_group_now(g);
	say_to_all(g, &m);
}

static bool
is_issued(struct rd_group *g, const char *token)
{
	for (size_t i = 0; i < ARRAY_LEN(g->tokens); i++) {
		if (g->tokens[i].text[0] != '\0' && strcmp(g->tokens[i].text, token) == 0)
			return mono_diff_us(rd_group_now(g), g->tokens[i].at) <= TOKEN_LIFE_US;
	}
	return false;
}

static void
note_report(struct rd_group *g, const char *name)
{
	struct rd_reporter *r = NULL;

	for (size_t i = 0; i < g->n_reporters && r == NULL; i++) {
		if (strcmp(g->reporters[i].name, name) == 0 ||
		    mono_diff_us(rd_group_now(g), g->reporters[i].at) > TOKEN_LIFE_US)
			r = &g->reporters[i];
	}
	if (r == NULL && g->n_reporters < ARRAY_LEN(g->reporters))
		r = &g->reporters[g->n_reporters++];
	if (r == NULL)
		return;
	(void)str_copy(r->name, sizeof(r->name), name);
	r->at = rd_group_now(g);
}

size_t
rd_group_healthy(struct rd_group *g, struct rec_text *ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n_reporters && n < max; i++) {
		if (mono_diff_us(rd_group_now(g), g->reporters[i].at) <= TOKEN_LIFE_US)
			ret[n++] = (struct rec_text){g->reporters[i].name};
	}
	return n;
}

/* The historical way, by HTTP. */
void
rd_group_health_report(struct rd_group *g, struct rd_req req, const struct ipc_follower_health_report *m)
{
	struct err e;

	if (is_issued(g, m->token)) {
		note_report(g, m->raft_advertise);
		rd_reply_ok(g->node, req, 0, NULL, NULL);
		return;
	}
	(void)err_set(&e, ERR_UNAUTHORIZED, "unknown health token");
	rd_reply_error(g->node, req, &e);
}

/* --- state hashes (design.md section 12, invariant 7) ---------------------------------------------------------- */
static struct rd_hash_said *
slot_of(struct rd_group *g, const char *name)
{
	struct rd_hash_said *oldest = &g->hashes[0];

	for (size_t i = 0; i < g->n_hashes; i++) {
		if (strcmp(g->hashes[i].name, name) == 0)
			return &g->hashes[i];
		if (g->hashes[i].index < oldest->index)
			oldest = &g->hashes[i];
	}
	return g->n_hashes < ARRAY_LEN(g->hashes) ? &g->hashes[g->n_hashes++] : oldest; /* of a member that has gone */
}

static const struct rd_hash_said *
who_differs(struct rd_group *g, uint64_t index, uint64_t own)
{
	for (size_t i = 0; i < g->n_hashes; i++) {
		if (g->hashes[i].index == index && g->hashes[i].hash != own)
			return &g->hashes[i];
	}
	return NULL;
}

/* Said once, and shown until the states agree at a later index. */
static void
say_difference(struct rd_group *g, enum rd_hash_verdict verdict, uint64_t index, uint64_t own)
{
	const struct rd_hash_said *d = who_differs(g, index, own);
	bool news = verdict != g->hash_verdict;

	g->hash_verdict = verdict;
	if (d == NULL)
		return;
	(void)snprintf(g->diverged, sizeof(g->diverged),
		       verdict == RD_HASH_OTHERS_DIFFER ? "%.100s holds other rows than the majority at index %llu"
							: "this node's rows differ from those of %.100s at index %llu, "
							  "a third node is needed to tell who is wrong",
		       d->name, (unsigned long long)index);
	rd_publish_state(g->node);
	if (news)
		log_error("raft", "%s: %016llx here, %016llx there", g->diverged, (unsigned long long)own,
			  (unsigned long long)d->hash);
}

static void
say_agreement(struct rd_group *g, uint64_t index)
{
	g->hash_verdict = RD_HASH_SAME;
	if (g->diverged[0] == '\0')
		return;
	log_notice("raft", "the replicated rows agree again at index=%llu", (unsigned long long)index);
	g->diverged[0] = '\0';
	rd_publish_state(g->node);
}

static void
renew(struct rd_group *g, const char *why)
{
	struct err e;

	if (g->renewing)
		return;
	if (g->identity.renewals < RENEWALS_MAX) {
		rd_group_renew(g, why, g->identity.renewals + 1);
		return;
	}
	(void)err_set(&e, ERR_UNSUPPORTED,
		      "%s, again, although this node began anew %d times: let all nodes run the same version, look at "
		      "this one's disk, then remove RaftDataDir here and start it",
		      why, RENEWALS_MAX);
	rd_group_fail(g, PROC_EXIT_VERSION, &e);
}

/* The log is the same everywhere, so a node that applied it to other rows than the majority is broken, by a defect or by
 * somebody's hand, and so may be its snapshots: it neither leads nor votes any more, and gets all of it anew. */
static void
judge_hash(struct rd_group *g, uint64_t index)
{
	enum rd_hash_verdict verdict;
	uint64_t own;

	if (!rd_state_hash_at(rd_group_state(g), index, &own))
		return;
	verdict = rd_group_judge_hash(rd_raft_members(g->raft), g->name, index, own, g->hashes, g->n_hashes);
	switch (verdict) {
	case RD_HASH_UNKNOWN:
		break;
	case RD_HASH_SAME:
		say_agreement(g, index);
		break;
	case RD_HASH_OPEN:
	case RD_HASH_OTHERS_DIFFER:
		say_difference(g, verdict, index, own);
		break;
	case RD_HASH_OWN_DIFFERS:
		log_error("raft", "this node's rows differ from those of the majority at index=%llu (%016llx here)",
			  (unsigned long long)index, (unsigned long long)own); /* tests: test_group_trouble.py */
		renew(g, "its rows were not those of the majority");
		break;
	}
}

void
rd_group_say_hash(struct rd_group *g)
{
	struct rd_health m = {.kind = HASH, .token = ""};

	m.index = rd_state_newest_hash(rd_group_state(g), &m.hash);
	if (m.index == 0 || m.index == g->hash_said)
		return;
	g->hash_said = m.index;
	say_to_all(g, &m);
	judge_hash(g, m.index);
}

static void
take_hash(struct rd_group *g, const char *peer, const struct rd_health *m)
{
	struct rd_hash_said *s = slot_of(g, peer);

	(void)str_copy(s->name, sizeof(s->name), peer);
	s->index = m->index;
	s->hash = m->hash;
	judge_hash(g, m->index);
}

/* --- a log that was put back ----------------------------------------------------------------------------------- */
void
rd_group_say_lost(struct rd_group *g, const char *peer, uint64_t acknowledged)
{
	say(g, peer, &(struct rd_health){.kind = LOST, .token = "", .index = acknowledged});
}

/* What this member had acknowledged only the leader of its term knows; entries that it lost, it lost for good. */
static void
take_lost(struct rd_group *g, const char *peer, const struct rd_health *m)
{
	struct rd_raft_status s;

	rd_raft_status(g->raft, &s);
	if (s.leader_id == 0 || s.leader_id == s.id || strcmp(s.leader_name, peer) != 0 || s.last_index >= m->index)
		return;
	renew(g, "its log had lost entries that it had acknowledged (was RaftDataDir restored from a backup?)");
}

void
rd_group_health_message(struct rd_group *g, const char *peer, const void *p, size_t n)
{
	struct mem_arena arena = {0};
	struct rd_health m;
	struct err e;

	if (codec_decode(p, n, CODEC_MAP, &rd_health_desc, &arena, &m, &e) != 0) {
		log_warning("raft", "health message of peer=%s dropped: %s", LOG_Q(peer), e.msg);
	} else if (m.kind == ASK) {
		struct rd_health report = {.kind = REPORT, .token = m.token};
		if (g->phase == RD_PHASE_MEMBER && g->node->health.open && g->node->health.failing_since_us == 0)
			say(g, peer, &report);
	} else if (m.kind == REPORT && is_issued(g, m.token)) {
		note_report(g, peer);
	} else if (m.kind == HASH) {
		take_hash(g, peer, &m);
	} else if (m.kind == LOST) {
		take_lost(g, peer, &m);
	}
	mem_arena_done(&arena);
}

/* --- candidates ------------------------------------------------------------------------------------------------ */
void
rd_group_candidates(struct rd_group *g, const struct topo_key_list *keys)
{
	struct rd_raft_status s;
	struct err e;

	if (g->raft == NULL)
		return;
	rd_raft_status(g->raft, &s);
	if (s.leader_id == 0 || s.leader_id == s.id)
		return;
	for (size_t i = 0; i < keys->n; i += RD_KEYS_MAX) {
		struct rd_found_servers m = {.keys = {keys->v + i, min_size(keys->n - i, RD_KEYS_MAX)}};
		struct codec_out bytes = {0};
		if (codec_encode(&bytes, CODEC_MAP, &rd_found_servers_desc, &m, RD_COMMAND_MAX, &e) != 0 ||
		    rn_net_send(g->net, s.leader_name, RN_CHANNEL_CANDIDATES, bytes.p, bytes.len, &e) != 0)
			log_debug("raft", "new servers not told to the leader, their next probe tells it: %s", e.msg);
		codec_out_done(&bytes);
	}
}

void
rd_group_candidates_message(struct rd_group *g, const char *peer, const void *p, size_t n)
{
	struct mem_arena arena = {0};
	struct rd_found_servers m;
	struct err e;

	if (codec_decode(p, n, CODEC_MAP, &rd_found_servers_desc, &arena, &m, &e) != 0)
		log_warning("raft", "candidates of peer=%s dropped: %s", LOG_Q(peer), e.msg);
	else if (rd_group_leads(g)) {
		for (size_t i = 0; i < m.keys.n; i++)
			rd_discover_name(g->node, &m.keys.v[i], false);
	}
	mem_arena_done(&arena);
}
