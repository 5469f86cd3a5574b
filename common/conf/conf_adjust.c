/* conf_adjust.c — what happens to a merged configuration once, before it is checked: synonyms, derived values,
 * normal forms. reference/config-keys.md section 4 in its order; called by conf_load.c.
 *
 * Mended here: a key that is given beats the default of its synonym; everything happens once, over the result of all
 * files; nothing survives a reload. Applying the adjustments to their own result changes nothing, so a printed
 * configuration loads to the same one. */
#include <string.h>

#include "conf_private.h"

#define GIVEN(name) conf_given(b, CONF_IDX_##name)
#define FAIL(name, ...) conf_fail(b, CONF_IDX_##name, e, __VA_ARGS__)
#define WARN(name, ...) conf_warn(b, CONF_IDX_##name, __VA_ARGS__)

static void
note_deprecated(struct conf_build *b)
{
	for (size_t i = 0; i < conf_key_count(); i++) {
		const struct conf_key *k = conf_key_at(i);
		if (!conf_given(b, (enum conf_index)i))
			continue;
		if (k->flags & CONF_DEPRECATED)
			conf_warn(b, (enum conf_index)i, "deprecated. %s", k->doc);
		else if (k->reload == CONF_RELOAD_N)
			conf_warn(b, (enum conf_index)i, "has no effect. %s", k->doc);
	}
}

/* Historically minutes alone had no effect, because seconds have a default. */
static void
recovery_block(struct conf_build *b)
{
	struct conf *c = b->c;
	bool use_minutes = GIVEN(RecoveryPeriodBlockMinutes) &&
			   (!GIVEN(RecoveryPeriodBlockSeconds) || c->RecoveryPeriodBlockSeconds == 0);

	if (use_minutes)
		c->RecoveryPeriodBlockSeconds = c->RecoveryPeriodBlockMinutes * 60;
	c->RecoveryPeriodBlockMinutes = c->RecoveryPeriodBlockSeconds / 60;
}

static int
lag_query(struct conf_build *b, struct err *e)
{
	struct conf *c = b->c;

	if (c->ReplicationLagQuery[0] == '\0')
		c->ReplicationLagQuery = c->SlaveLagQuery;
	else if (c->SlaveLagQuery[0] != '\0' && strcmp(c->SlaveLagQuery, c->ReplicationLagQuery) != 0)
		return FAIL(SlaveLagQuery,
			    "differs from ReplicationLagQuery, whose old name it is; remove SlaveLagQuery");
	c->SlaveLagQuery = "";
	return 0;
}

/* Two names of one switch. Given both, true wins as historically; given one, that one. */
static void
merge_switch(struct conf_build *b, enum conf_index old_key, bool *old, enum conf_index new_key, bool *new)
{
	bool result = *new;

	if (conf_given(b, old_key) && conf_given(b, new_key)) {
		result = *old || *new;
		if (*old != *new)
			conf_warn(b, old_key, "differs from %s: both count as true", conf_key_at(new_key)->name);
	} else if (conf_given(b, old_key)) {
		result = *old;
	}
	*old = *new = result;
}

static void
detach_switches(struct conf_build *b)
{
	struct conf *c = b->c;

	merge_switch(b, CONF_IDX_DetachLostSlavesAfterMasterFailover, &c->DetachLostSlavesAfterMasterFailover,
		     CONF_IDX_DetachLostReplicasAfterMasterFailover, &c->DetachLostReplicasAfterMasterFailover);
	merge_switch(b, CONF_IDX_MasterFailoverDetachSlaveMasterHost, &c->MasterFailoverDetachSlaveMasterHost,
		     CONF_IDX_MasterFailoverDetachReplicaMasterHost, &c->MasterFailoverDetachReplicaMasterHost);
}

static int
postpone_recovery(struct conf_build *b, struct err *e)
{
	int64_t *old = &b->c->PostponeSlaveRecoveryOnLagMinutes, *new = &b->c->PostponeReplicaRecoveryOnLagMinutes;

	if (*old != 0 && *new != 0 && *old != *new)
		return FAIL(PostponeSlaveRecoveryOnLagMinutes,
			    "differs from PostponeReplicaRecoveryOnLagMinutes, whose old name it is; remove "
			    "PostponeSlaveRecoveryOnLagMinutes");
	if (*old != 0)
		*new = *old;
	*old = *new;
	return 0;
}

/* text without slashes at its end (and, with both, at its beginning), before and after put around it. */
static const char *
between_slashes(struct conf *c, const char *text, bool both, const char *before, const char *after)
{
	struct str_buf out = {0};
	size_t n = strlen(text);
	const char *result;

	while (n > 0 && text[n - 1] == '/')
		n--;
	for (; both && n > 0 && *text == '/'; n--)
		text++;
	str_buf_add(&out, n > 0 ? before : "");
	str_buf_add_n(&out, text, n);
	str_buf_add(&out, after);
	result = conf_strdup(c, str_buf_text(&out));
	str_buf_done(&out);
	return result;
}

static void
normal_forms(struct conf_build *b)
{
	struct conf *c = b->c;

	c->URLPrefix = between_slashes(c, c->URLPrefix, true, "/", "");
	c->KVClusterMasterPrefix = between_slashes(c, c->KVClusterMasterPrefix, false, "", "/");
	if (c->RaftAdvertise[0] == '\0')
		c->RaftAdvertise = c->RaftBind;
}

static void
auto_pseudo_gtid(struct conf_build *b)
{
	struct conf *c = b->c;

	if (!c->AutoPseudoGTID)
		return;
	c->PseudoGTIDPattern = "drop view if exists `_pseudo_gtid_`";
	c->PseudoGTIDPatternIsFixedSubstring = true;
	c->PseudoGTIDMonotonicHint = "asc:";
	c->DetectPseudoGTIDQuery = "select 1";
}

/* Historically done only when HTTPAdvertise was set. */
static void
write_buffer(struct conf_build *b)
{
	if (b->c->InstanceWriteBufferSize > 0 || !b->c->BufferInstanceWrites)
		return;
	WARN(InstanceWriteBufferSize, "is 0: BufferInstanceWrites is turned off");
	b->c->BufferInstanceWrites = false;
}

static void
consul_transaction(struct conf_build *b)
{
	int64_t *n = &b->c->ConsulMaxKVsPerTransaction;
	int64_t given = *n;

	*n = max_i64(5, min_i64(64, given));
	if (*n != given)
		WARN(ConsulMaxKVsPerTransaction, "%lld is outside 5 to 64: taken as %lld", (long long)given,
		     (long long)*n);
}

static void
derived_values(struct conf_build *b)
{
	struct conf *c = b->c;

	if (c->ReasonableLockedSemiSyncMasterSeconds == 0)
		c->ReasonableLockedSemiSyncMasterSeconds = c->ReasonableReplicationLagSeconds;
	/* A poll interval above the ceiling's default was historically fatal. */
	if (!GIVEN(DeadInstancePollSecondsMax))
		c->DeadInstancePollSecondsMax = max_i64(c->DeadInstancePollSecondsMax, c->InstancePollSeconds);
}

/* Keys whose 0 would wait for ever, or never wait. */
static void
zero_means_default(struct conf_build *b)
{
	static const enum conf_index keys[] = {
	    CONF_IDX_MySQLConnectTimeoutSeconds,	CONF_IDX_MySQLDiscoveryReadTimeoutSeconds,
	    CONF_IDX_MySQLTopologyReadTimeoutSeconds,	CONF_IDX_MySQLOrchestratorReadTimeoutSeconds,
	    CONF_IDX_InstanceFlushIntervalMilliseconds,
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct conf_key *k = conf_key_at(keys[i]);
		int64_t *at = (int64_t *)((char *)b->c + k->offset);
		if (*at != 0)
			continue;
		*at = k->default_int;
		conf_warn(b, keys[i], "is 0: taken as the default, %lld %s", (long long)*at, k->unit);
	}
}

/* What cannot be run would be noticed when the first hook fails, which ends a recovery. */
static void
hook_shell(struct conf_build *b)
{
	const char **shell = &b->c->ProcessesShellCommand;

	if ((*shell)[0] == '\0') {
		*shell = conf_key_at(CONF_IDX_ProcessesShellCommand)->default_str;
		WARN(ProcessesShellCommand, "is empty: taken as \"%s\"", *shell);
	} else if (strpbrk(*shell, " \t") != NULL) {
		WARN(ProcessesShellCommand, "names a program without arguments, and blanks are part of its name");
	}
}

int
conf_adjust(struct conf_build *b, struct err *e)
{
	note_deprecated(b);
	recovery_block(b);
	if (lag_query(b, e) != 0)
		return -e->code;
	detach_switches(b);
	if (postpone_recovery(b, e) != 0)
		return -e->code;
	normal_forms(b);
	auto_pseudo_gtid(b);
	write_buffer(b);
	consul_transaction(b);
	derived_values(b);
	zero_means_default(b);
	hook_shell(b);
	return 0;
}
