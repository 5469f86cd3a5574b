/* rd_story.c — see rd_story.h. Owns nothing. Called by rd_work.c and rd_discover.c. The wording is what operators and
 * their log filters see: "does not answer" only where nothing came back, else the server is alive and refuses us. */
#include "rd_story.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

static const char *
failure_text(const struct topo_probe *p)
{
	return p->evidence == TOPO_EVIDENCE_ANSWERED ? "server answers, but cannot be probed"
						     : "server does not answer";
}

void
rd_story_failed(const struct rd_server *s, bool was_valid, const struct topo_probe *p)
{
	if (!was_valid && s->probed)
		return;
	log_notice("probe", "%s instance=%s evidence=%s errno=%lld error=%s", failure_text(p), s->text,
		   topo_evidence_text(p->evidence), (long long)p->errno_mysql,
		   LOG_Q(p->error)); /* tests: test_raftd.py, test_breakage.py */
}

void
rd_story_candidate_failed(bool seed, const struct topo_probe *p)
{
	log_warning("discover", "%s: %s instance=%s evidence=%s errno=%lld error=%s",
		    seed ? "seed" : "named by another server", failure_text(p), LOG_Q(TOPO_KEY_TEXT(&p->asked_key)),
		    topo_evidence_text(p->evidence), (long long)p->errno_mysql, LOG_Q(p->error)); /* tests: as above */
}

static void
identity_changed(const struct rd_server *s, const struct topo_instance *now)
{
	const struct topo_instance *was = &s->inst;
	bool other_uuid =
	    !str_empty(was->server_uuid) && !str_empty(now->server_uuid) && !str_eq(was->server_uuid, now->server_uuid);

	if (was->server_id != now->server_id || other_uuid)
		log_notice("probe",
			   "another server answers under this name instance=%s server_id=%llu former_server_id=%llu "
			   "server_uuid=%s former_server_uuid=%s version=%s",
			   s->text, (unsigned long long)now->server_id, (unsigned long long)was->server_id,
			   LOG_Q(now->server_uuid), LOG_Q(was->server_uuid), LOG_Q(now->version));
	else if (!str_eq(was->version, now->version))
		log_notice("probe", "server has another version instance=%s version=%s former_version=%s", s->text,
			   LOG_Q(now->version), LOG_Q(was->version));
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
source_changed(const struct rd_server *s, const struct topo_instance *now)
{
	struct topo_key_text new_space, old_space;

	if (topo_key_equal(&s->inst.source_key, &now->source_key))
		return;
	log_notice("topology", "server has another source instance=%s source=%s former_source=%s", s->text,
		   LOG_Q(source_text(&now->source_key, &new_space)),
		   LOG_Q(source_text(&s->inst.source_key, &old_space)));
}

void
rd_story_found(const struct rd_server *s, const struct topo_instance *now)
{
	const struct topo_instance *was = &s->inst;
	bool was_valid = was->last_seen_us != 0 && was->last_checked_us <= was->last_seen_us;
	bool is_valid = now->last_checked_us <= now->last_seen_us;

	if (was->last_seen_us == 0) {
		if (s->probed && is_valid)
			log_notice("probe", "server answers for the first time instance=%s version=%s", s->text,
				   LOG_Q(now->version));
		return;
	}
	if (!was_valid && is_valid)
		log_notice("probe", "server answers again instance=%s after_s=%lld", s->text,
			   (long long)((now->last_seen_us - was->last_seen_us) / CLK_S)); /* tests: as above */
	identity_changed(s, now);
	source_changed(s, now);
}

void
rd_story_inventory(const char *what, size_t n, const struct topo_key *first)
{
	if (n > 0)
		log_notice("discover", "servers are %s: count=%zu first=%s", what, n, LOG_Q(TOPO_KEY_TEXT(first)));
}
