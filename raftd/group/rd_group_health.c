/* rd_group_health.c — small talk between nodes: follower health (raft-and-nodes.md section 6: the leader asks with a
 * token every 10 s, reports count for 20 s), the comparison of state hashes, and servers that a follower has found. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "rd_group_private.h"

#define TOKEN_LIFE_US (20 * CLK_S)
#define HEALTH_BYTES_MAX 4096

enum { ASK = 1, REPORT = 2, HASH = 3 };

#define RD_HEALTH_FIELDS(F)                                    \
	F(U64, kind, _, 0)                                     \
	F(STR, token, _, 64, .doc = "ASK, REPORT")             \
	F(U64, index, _, 0, .doc = "HASH: after that entry …") \
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

/* --- state hashes ---------------------------------------------------------------------------------------------- */
void
rd_group_say_hash(struct rd_group *g)
{
	struct rd_health m = {.kind = HASH, .token = ""};

	m.index = rd_state_newest_hash(rd_group_state(g), &m.hash);
	if (m.index == 0 || m.index == g->hash_said)
		return;
	g->hash_said = m.index;
	say_to_all(g, &m);
}

/* Two nodes applied the same entries and hold different rows: a defect, or somebody changed memory or disk. */
static void
compare_hash(struct rd_group *g, const char *peer, const struct rd_health *m)
{
	uint64_t own;

	if (!rd_state_hash_at(rd_group_state(g), m->index, &own) || own == m->hash)
		return;
	if (g->diverged[0] == '\0')
		log_error(
		    "raft",
		    "the replicated state at index=%llu differs from that of peer=%s: %016llx here, %016llx there; "
		    "which of them is wrong shows the third node",
		    (unsigned long long)m->index, LOG_Q(peer), (unsigned long long)own, (unsigned long long)m->hash);
	(void)snprintf(g->diverged, sizeof(g->diverged), "the replicated state at index %llu differs from that of %s",
		       (unsigned long long)m->index, peer);
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
		compare_hash(g, peer, &m);
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
