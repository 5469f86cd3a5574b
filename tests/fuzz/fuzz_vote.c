/* fuzz_vote.c — what a peer says about a suspected server: bytes to a question or to facts (rd_vote.c), which must encode
 * to the same again; facts go to the round of a leader, who must come to an end, and who must never call a server dead
 * because of what one voter of three says. Input: one frame of the channel. */
#include <stdlib.h>

#include "rd_round.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TURNS_MAX 64 /* of a round: asking, restarting, two looks, with room */

static void
encodes_again(const struct rd_vote_msg *m)
{
	struct codec_out out = {0};
	struct mem_arena arena = {0};
	struct rd_vote_msg again;
	struct err e;
	bool same;

	if (rd_vote_encode(m->kind, &m->u, &out, &e) != 0 || rd_vote_decode(out.p, out.len, &arena, &again, &e) != 0)
		abort();
	same = m->kind == RD_VOTE_SUSPECT ? rec_equal(&rd_suspect_msg_desc, &m->u.suspect, &again.u.suspect)
					  : rec_equal(&rd_facts_desc, &m->u.facts, &again.u.facts);
	if (!same || again.kind != m->kind)
		abort();
	mem_arena_done(&arena);
	codec_out_done(&out);
}

static void
carry_on(struct rd_round *r)
{
	struct mono now = {CLK_S};
	int turns = 0;

	while (!rd_round_is_over(r)) {
		while (rd_round_next(r, now) != RD_ACT_NONE)
			ASSERT(++turns < TURNS_MAX);
		if (mono_before(now, rd_round_due(r)))
			now = rd_round_due(r);
		ASSERT(++turns < TURNS_MAX);
	}
}

static void
one_voter_says(const struct rd_facts *f)
{
	static const char *const voters[] = {"a:10008", "b:10008", "c:10008"};
	static const struct topo_key server = {"db1.example.net", 3306};
	struct rd_suspect_replica replicas[8];
	struct rd_round_conf conf = {.id = f->id,
				     .self = "a:10008",
				     .voters = voters,
				     .n_voters = ARRAY_LEN(voters),
				     .server = &server,
				     .server_uuid = "",
				     .may_restart = true};
	struct rd_round *r;

	conf.replicas.v = replicas;
	for (size_t i = 0; i < f->replicas.n && i < ARRAY_LEN(replicas); i++)
		replicas[conf.replicas.n++] = (struct rd_suspect_replica){f->replicas.v[i].key, true};
	r = rd_round_new(&conf, (struct mono){CLK_S});
	(void)rd_round_next(r, (struct mono){CLK_S});
	rd_round_absent(r, "c:10008", (struct mono){CLK_S});
	rd_round_facts(r, "b:10008", f, (struct mono){CLK_S});
	rd_round_facts(r, "stranger", f, (struct mono){CLK_S});
	carry_on(r);
	if (rd_round_finding(r)->verdict == RD_VERDICT_DEAD)
		abort();
	rd_round_free(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mem_arena arena = {0};
	struct rd_vote_msg m;
	struct err e;

	if (rd_vote_decode(data, size, &arena, &m, &e) == 0) {
		encodes_again(&m);
		if (m.kind == RD_VOTE_FACTS)
			one_voter_says(&m.u.facts);
	}
	mem_arena_done(&arena);
	return 0;
}
