/* rd_command_check.c — what no state could make a valid command: refused before it is proposed, and again before it is
 * applied, since a command may come from another build. Pure. */
#include "rd_command_check.h"

#include <string.h>

#include "base/str.h"
#include "rd_fsm.h"
#include "rd_hook_seq.h"
#include "topo/key.h"

/* "must" was never supported by the historical program either; rows of old databases may hold it. */
static const char *const rules[] = {"prefer", "neutral", "prefer_not", "must_not"};

bool
rd_promotion_rule_valid(const char *rule)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (strcmp(rules[i], rule) == 0)
			return true;
	}
	return false;
}

static int
check_key(const struct topo_key *key, struct err *e)
{
	return topo_key_valid(key) ? 0 : err_set(e, ERR_INVALID, "not a valid server: %s", TOPO_KEY_TEXT(key));
}

static int
check_not_empty(const char *text, const char *what, struct err *e)
{
	return text[0] != '\0' ? 0 : err_set(e, ERR_INVALID, "%s is empty", what);
}

static int
check_keys(const struct topo_key_list *keys, struct err *e)
{
	int rc = keys->n > 0 ? 0 : err_set(e, ERR_INVALID, "no servers given");

	for (size_t i = 0; rc == 0 && i < keys->n; i++)
		rc = check_key(&keys->v[i], e);
	return rc;
}

/* What fits a time stamp of the backend. */
#define END_MAX_US (INT64_C(253402300799) * 1000000)

static int
check_end(int64_t ends_us, const char *what, struct err *e)
{
	if (ends_us > 0 && ends_us <= END_MAX_US)
		return 0;
	return err_set(e, ERR_INVALID, "%s must end before the year 10000", what);
}

static int
check_inventory_add(const struct rd_cmd_inventory_add *c, struct err *e)
{
	return check_keys(&c->keys, e);
}

/* Invalid keys may stand in an old database: they can be forgotten. */
static int
check_inventory_forget(const struct rd_cmd_inventory_forget *c, struct err *e)
{
	return c->keys.n > 0 ? 0 : err_set(e, ERR_INVALID, "no servers given");
}

static int
check_begin_downtime(const struct rd_cmd_begin_downtime *c, struct err *e)
{
	if (check_key(&c->key, e) != 0 || check_not_empty(c->owner, "downtime owner", e) != 0 ||
	    check_not_empty(c->reason, "downtime reason", e) != 0)
		return -e->code;
	if (c->ends_us <= c->begins_us)
		return err_set(e, ERR_INVALID, "downtime ends before it begins");
	return check_end(c->ends_us, "downtime", e);
}

static int
check_end_downtime(const struct rd_cmd_end_downtime *c, struct err *e)
{
	return check_key(&c->key, e);
}

static int
check_put_tag(const struct rd_cmd_put_tag *c, struct err *e)
{
	return check_key(&c->key, e) != 0 ? -e->code : check_not_empty(c->tag_name, "tag name", e);
}

static int
check_delete_tag(const struct rd_cmd_delete_tag *c, struct err *e)
{
	return check_key(&c->key, e) != 0 ? -e->code : check_not_empty(c->tag_name, "tag name", e);
}

static int
check_untag_all(const struct rd_cmd_untag_all *c, struct err *e)
{
	return check_not_empty(c->tag_name, "tag name", e);
}

static int
check_register_candidate(const struct rd_cmd_register_candidate *c, struct err *e)
{
	if (check_key(&c->key, e) != 0)
		return -e->code;
	if (!rd_promotion_rule_valid(c->promotion_rule))
		return err_set(e, ERR_INVALID,
			       "CandidatePromotionRule: \"%s\" is not supported; use prefer, neutral, prefer_not or "
			       "must_not",
			       c->promotion_rule);
	return 0;
}

static int
check_set_cluster_alias(const struct rd_cmd_set_cluster_alias *c, struct err *e)
{
	return check_not_empty(c->cluster_name, "cluster name", e);
}

static int
check_cluster_upsert(const struct rd_cmd_cluster_upsert *c, struct err *e)
{
	return check_not_empty(c->cluster_id, "cluster id", e) != 0
		   ? -e->code
		   : check_not_empty(c->cluster_name, "cluster name", e);
}

static int
check_tick(const struct rd_cmd_tick *c UNUSED, struct err *e UNUSED)
{
	return 0;
}

/* --- operators ------------------------------------------------------------------------------------------------- */
static int
check_begin_maintenance(const struct rd_cmd_begin_maintenance *c, struct err *e)
{
	if (check_key(&c->key, e) != 0 || check_not_empty(c->owner, "maintenance owner", e) != 0)
		return -e->code;
	if (check_not_empty(c->reason, "maintenance reason", e) != 0)
		return -e->code;
	return check_end(c->ends_us, "maintenance", e);
}

static int
check_end_maintenance(const struct rd_cmd_end_maintenance *c, struct err *e)
{
	if (c->maintenance_id < 0)
		return err_set(e, ERR_INVALID, "not a maintenance id: %lld", (long long)c->maintenance_id);
	return c->maintenance_id > 0 ? 0 : check_key(&c->key, e);
}

static int
check_submit_pool(const struct rd_cmd_submit_pool *c, struct err *e)
{
	if (check_not_empty(c->pool, "pool name", e) != 0)
		return -e->code;
	return c->keys.n == 0 ? 0 : check_keys(&c->keys, e);
}

static int
check_register_hostname_unresolve(const struct rd_cmd_register_hostname_unresolve *c, struct err *e)
{
	return check_key(&c->key, e);
}

static int
check_disable_global_recoveries(const struct rd_cmd_disable_global_recoveries *c UNUSED, struct err *e UNUSED)
{
	return 0;
}

static int
check_enable_global_recoveries(const struct rd_cmd_enable_global_recoveries *c UNUSED, struct err *e UNUSED)
{
	return 0;
}

static int
check_set_attribute(const struct rd_cmd_set_attribute *c, struct err *e)
{
	if (check_not_empty(c->hostname, "host name", e) != 0 ||
	    check_not_empty(c->attribute_name, "attribute name", e) != 0)
		return -e->code;
	return check_not_empty(c->attribute_value, "attribute value", e);
}

/* A public part is chosen by a node, 64 hex digits, and so is the digest. */
static int
check_hex(const char *text, const char *what, struct err *e)
{
	if (strlen(text) == RD_TOKEN_DIGITS && strspn(text, "0123456789abcdef") == RD_TOKEN_DIGITS)
		return 0;
	return err_set(e, ERR_INVALID, "%s: %d hex digits needed", what, RD_TOKEN_DIGITS);
}

static int
check_issue_token(const struct rd_cmd_issue_token *c, struct err *e)
{
	return check_hex(c->public_token, "public part of an access token", e) != 0
		   ? -e->code
		   : check_not_empty(c->owner, "owner of an access token", e);
}

/* An operator may have made the public part by hand: any text. */
static int
check_acquire_token(const struct rd_cmd_acquire_token *c, struct err *e)
{
	return check_not_empty(c->public_token, "public part of an access token", e) != 0
		   ? -e->code
		   : check_hex(c->secret_digest, "digest of an access token", e);
}

/* --- the group of nodes ---------------------------------------------------------------------------------------- */
static int
check_cluster_found(const struct rd_cmd_cluster_found *c, struct err *e)
{
	return check_not_empty(c->cluster_id, "id of the group", e);
}

static int
check_cluster_rescue(const struct rd_cmd_cluster_rescue *c, struct err *e)
{
	return check_not_empty(c->cluster_id, "id of the group", e);
}

/* Without directory and raft id: a node of this name may come (raft-add-peer, a wiped disk), it has not yet said hello. */
static int
check_node_record(const struct rd_cmd_node_record *c, struct err *e)
{
	if (check_not_empty(c->name, "node name", e) != 0)
		return -e->code;
	if ((c->dir_id[0] == '\0') != (c->raft_id == 0))
		return err_set(e, ERR_INVALID, "node %s: a directory id without a raft id, or the reverse", c->name);
	if (c->raft_id > INT64_MAX || c->feature_level > UINT32_MAX)
		return err_set(e, ERR_INVALID, "node %s: raft id or feature level out of range", c->name);
	return 0;
}

static int
check_node_forget(const struct rd_cmd_node_forget *c, struct err *e)
{
	return check_not_empty(c->name, "node name", e);
}

static int
check_leader_uri(const struct rd_cmd_leader_uri *c, struct err *e)
{
	return check_not_empty(c->uri, "leader URI", e);
}

static int
check_feature_level(const struct rd_cmd_feature_level *c, struct err *e)
{
	return c->level >= 1 && c->level <= UINT32_MAX ? 0 : err_set(e, ERR_INVALID, "feature level out of range");
}

static int
check_yield(const struct rd_cmd_yield *c, struct err *e)
{
	return check_not_empty(c->node, "node name", e);
}

static int
check_yield_hint(const struct rd_cmd_yield_hint *c, struct err *e)
{
	return check_not_empty(c->hint, "yield hint", e);
}

/* --- failures -------------------------------------------------------------------------------------------------- */
static int
check_register_failure_detection(const struct rd_cmd_register_failure_detection *c, struct err *e)
{
	if (check_key(&c->key, e) != 0 || check_not_empty(c->analysis, "analysis", e) != 0)
		return -e->code;
	for (size_t i = 0; i < c->witnesses.n; i++) {
		if (check_not_empty(c->witnesses.v[i].witness, "witness of a failure", e) != 0)
			return -e->code;
	}
	return c->replicas.n == 0 ? 0 : check_keys(&c->replicas, e);
}

/* --- recoveries ------------------------------------------------------------------------------------------------ */
static int
check_recovery_input(const struct rd_cmd_recovery_input *c, struct err *e)
{
	if (c->part >= RD_INPUT_CHOSEN + RD_INPUT_PARTS_MAX)
		return err_set(e, ERR_LIMIT, "input of a recovery: at most %d parts", RD_INPUT_PARTS_MAX);
	return check_not_empty(c->recovery_uid, "uid of a recovery", e);
}

static int
check_recovery_begin(const struct rd_cmd_recovery_begin *c, struct err *e)
{
	if (check_not_empty(c->recovery_uid, "uid of a recovery", e) != 0 || check_key(&c->key, e) != 0 ||
	    check_not_empty(c->cluster_id, "cluster id", e) != 0 ||
	    check_not_empty(c->cluster_name, "cluster name", e) != 0)
		return -e->code;
	if (c->input_parts > RD_INPUT_PARTS_MAX || c->count_replicas > UINT32_MAX || c->block_us < 0)
		return err_set(e, ERR_INVALID, "recovery %s: a number is out of range", c->recovery_uid);
	return c->replicas.n == 0 ? 0 : check_keys(&c->replicas, e);
}

static int
check_recovery_event(const struct rd_cmd_recovery_event *c, struct err *e)
{
	if (c->event >= RD_EVENTS)
		return err_set(e, ERR_INVALID, "no such event of a recovery: %llu", (unsigned long long)c->event);
	if (c->event == RD_EVENT_CHOSEN && check_key(&c->successor, e) != 0)
		return -e->code;
	return check_not_empty(c->recovery_uid, "uid of a recovery", e);
}

static int
check_recovery_record(const struct rd_cmd_recovery_record *c, struct err *e)
{
	for (size_t i = 0; i < c->lost.n; i++) {
		if (check_key(&c->lost.v[i].key, e) != 0)
			return -e->code;
	}
	if (c->participating.n > 0 && check_keys(&c->participating, e) != 0)
		return -e->code;
	return check_not_empty(c->recovery_uid, "uid of a recovery", e);
}

static int
check_recovery_step(const struct rd_cmd_recovery_step *c, struct err *e)
{
	return check_not_empty(c->recovery_uid, "uid of a recovery", e);
}

static int
check_hook_ran(const struct rd_cmd_hook_ran *c, struct err *e)
{
	if (c->mark == RD_HOOK_MARK_NONE || c->mark > RD_HOOK_MARK_FAILED || c->number > UINT32_MAX)
		return err_set(e, ERR_INVALID, "mark of a hook is out of range");
	return check_not_empty(c->recovery_uid, "uid of a recovery", e) != 0
		   ? -e->code
		   : check_not_empty(c->hook_list, "list of hooks", e);
}

/* http-api.md: a comment is mandatory. */
static int
check_ack_recoveries(const struct rd_cmd_ack_recoveries *c, struct err *e)
{
	bool of_something = c->all || c->recovery_id > 0 || c->recovery_uid[0] != '\0' || c->key.hostname[0] != '\0' ||
			    c->cluster_name[0] != '\0';

	if (!of_something)
		return err_set(e, ERR_INVALID, "no recovery to acknowledge given");
	return check_not_empty(c->owner, "who acknowledges", e) != 0
		   ? -e->code
		   : check_not_empty(c->comment, "comment of an acknowledgement", e);
}

static int
check_blocked_recovery(const struct rd_cmd_blocked_recovery *c, struct err *e)
{
	if (c->blocking_recovery_id < 0)
		return err_set(e, ERR_INVALID, "not a recovery id: %lld", (long long)c->blocking_recovery_id);
	return check_key(&c->key, e);
}

/* Names may be such as no server has by now. */
static int
check_import_detection(const struct rd_cmd_import_detection *c, struct err *e)
{
	if (c->row.detection_id <= 0)
		return err_set(e, ERR_INVALID, "a detection without an id");
	return check_not_empty(c->row.hostname, "host of a detection", e);
}

static int
check_import_recovery(const struct rd_cmd_import_recovery *c, struct err *e)
{
	if (c->row.recovery_id <= 0)
		return err_set(e, ERR_INVALID, "a recovery without an id");
	return check_not_empty(c->row.hostname, "host of a recovery", e);
}

static int
check_import_recovery_steps(const struct rd_cmd_import_recovery_steps *c, struct err *e)
{
	for (size_t i = 0; i < c->rows.n; i++) {
		if (c->rows.v[i].recovery_step_id <= 0)
			return err_set(e, ERR_INVALID, "a step without an id");
	}
	return 0;
}

/* Typed dispatch: an op without a check does not compile. */
#define F(...)
#define RD_OP(NAME, name, wire, since, ...)                         \
	static int thunk_##name(const void *payload, struct err *e) \
	{                                                           \
		return check_##name(payload, e);                    \
	}
#include "rd_command.def"
#undef RD_OP
static int (*const checks[RD_OP_COUNT])(const void *payload, struct err *e) = {
#define RD_OP(NAME, name, wire, since, ...) [RD_OP_##NAME] = thunk_##name,
#include "rd_command.def"
#undef RD_OP
#undef F
};

int
rd_command_check(const struct rd_command *c, struct err *e)
{
	ASSERT((size_t)c->op < RD_OP_COUNT);
	if (c->uid[0] == '\0' || strlen(c->uid) > RD_UID_MAX)
		return err_set(e, ERR_INVALID, "command %s: uid of 1 to %d bytes needed", rd_op_name(c->op),
			       RD_UID_MAX);
	return checks[c->op](c->payload, e);
}
