/* rd_story.c — see rd_story.h. Owns nothing. Called by rd_work.c and rd_discover.c. The wording is what operators and
 * their log filters see: "does not answer" only where nothing came back, else the server is alive and refuses us. */
#include "rd_story.h"

#include "base/log.h"
#include "base/str.h"

static bool
may_name(struct rd_story *st, struct mono now)
{
	uint64_t left_out;
	enum line_say say = line_budget_spend(&st->budget, RD_STORY_LINES, RD_STORY_S * CLK_S, now, &left_out);

	if (left_out > 0)
		log_notice("probe", "servers again named one by one not_named=%llu", (unsigned long long)left_out);
	if (say == LINE_OTHERS)
		log_warning("probe",
			    "more than %d changes of servers within %d s: others are not named here, see "
			    "/api/problems",
			    RD_STORY_LINES, RD_STORY_S);
	return say == LINE_SAY;
}

static const char *
failure_text(const struct topo_probe *p)
{
	switch (p->evidence) {
	case TOPO_EVIDENCE_ANSWERED:
		return "server answers, but cannot be probed";
	case TOPO_EVIDENCE_NONE:
		return "server cannot be probed";
	default:
		return "server does not answer";
	}
}

void
rd_story_failed(struct rd_story *st, struct mono now, const struct rd_server *s, bool was_valid,
		const struct topo_probe *p)
{
	if ((!was_valid && s->probed) || !may_name(st, now))
		return;
	log_notice("probe", "%s instance=%s evidence=%s errno=%lld error=%s", failure_text(p), s->text,
		   topo_evidence_text(p->evidence), (long long)p->errno_mysql,
		   LOG_Q(p->error)); /* tests: test_raftd.py, test_breakage.py */
}

void
rd_story_candidate_failed(struct rd_story *st, struct mono now, bool seed, const struct topo_probe *p)
{
	if (!may_name(st, now))
		return;
	log_warning("discover", "%s: %s instance=%s evidence=%s errno=%lld error=%s",
		    seed ? "seed" : "named by another server", failure_text(p), LOG_Q(TOPO_KEY_TEXT(&p->asked_key)),
		    topo_evidence_text(p->evidence), (long long)p->errno_mysql, LOG_Q(p->error)); /* tests: as above */
}

static void
identity_changed(struct rd_story *st, struct mono now, const struct rd_server *s, const struct topo_instance *inst)
{
	const struct topo_instance *was = &s->inst;
	bool other =
	    was->server_id != inst->server_id || (!str_empty(was->server_uuid) && !str_empty(inst->server_uuid) &&
						  !str_eq(was->server_uuid, inst->server_uuid));

	if ((!other && str_eq(was->version, inst->version)) || !may_name(st, now))
		return;
	if (other)
		log_notice("probe",
			   "another server answers under this name instance=%s server_id=%llu former_server_id=%llu "
			   "server_uuid=%s former_server_uuid=%s version=%s",
			   s->text, (unsigned long long)inst->server_id, (unsigned long long)was->server_id,
			   LOG_Q(inst->server_uuid), LOG_Q(was->server_uuid), LOG_Q(inst->version));
	else
		log_notice("probe", "server has another version instance=%s version=%s former_version=%s", s->text,
			   LOG_Q(inst->version), LOG_Q(was->version));
}

static const char *
source_text(const struct topo_key *source, struct topo_key_text *space)
{
	if (!topo_key_valid(source))
		return "none";
	*space = topo_key_text(source);
	return space->text;
}

static void
source_changed(struct rd_story *st, struct mono now, const struct rd_server *s, const struct topo_instance *inst)
{
	struct topo_key_text new_space, old_space;

	if (topo_key_equal(&s->inst.source_key, &inst->source_key) || !may_name(st, now))
		return;
	log_notice("topology", "server has another source instance=%s source=%s former_source=%s", s->text,
		   LOG_Q(source_text(&inst->source_key, &new_space)),
		   LOG_Q(source_text(&s->inst.source_key, &old_space)));
}

static void
answers_again(struct rd_story *st, struct mono now, const struct rd_server *s, const struct topo_instance *inst)
{
	const struct topo_instance *was = &s->inst;

	if (was->last_checked_us <= was->last_seen_us || inst->last_checked_us > inst->last_seen_us ||
	    !may_name(st, now))
		return;
	log_notice("probe", "server answers again instance=%s after_s=%lld", s->text,
		   (long long)((inst->last_seen_us - was->last_seen_us) / CLK_S)); /* tests: as above */
}

static void
answers_first(struct rd_story *st, struct mono now, const struct rd_server *s, const struct topo_instance *inst)
{
	if (!s->probed || inst->last_checked_us > inst->last_seen_us || !may_name(st, now))
		return;
	log_notice("probe", "server answers for the first time instance=%s version=%s", s->text, LOG_Q(inst->version));
}

void
rd_story_found(struct rd_story *st, struct mono now, const struct rd_server *s, const struct topo_instance *inst)
{
	if (s->inst.last_seen_us == 0) {
		answers_first(st, now, s, inst);
		return;
	}
	answers_again(st, now, s, inst);
	identity_changed(st, now, s, inst);
	source_changed(st, now, s, inst);
}

void
rd_story_inventory(const char *what, size_t n, const struct topo_key *first)
{
	if (n > 0)
		log_notice("discover", "servers are %s: count=%zu first=%s", what, n, LOG_Q(TOPO_KEY_TEXT(first)));
}
