/* rd_state_values.c — what is found in the replicated tables by name: single values, and recent commands by uid. Pure;
 * see rd_state.h. */
#include "rd_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* --- single values --------------------------------------------------------------------------------------------- */
const char *
rd_state_setting(const struct rd_state *s, const char *name)
{
	struct db_setting key = {.name = name, .value = ""};
	const struct db_setting *row = rd_state_get(s, RD_TABLE_setting, &key);

	return row == NULL ? "" : row->value;
}

void
rd_state_set(struct rd_state *s, const char *name, const char *value)
{
	rd_state_put(s, RD_TABLE_setting, &(struct db_setting){name, value});
}

const char *
rd_state_cluster_id(const struct rd_state *s)
{
	return rd_state_setting(s, RD_SETTING_CLUSTER_ID);
}

/* Every build knows level 1, so it is there from the start. */
uint32_t
rd_state_feature_level(const struct rd_state *s)
{
	int64_t level;
	struct err e;

	if (str_parse_i64(rd_state_setting(s, RD_SETTING_FEATURE_LEVEL), 1, UINT32_MAX, &level, &e) != 0)
		return 1;
	return (uint32_t)level;
}

bool
rd_state_recoveries_disabled(const struct rd_state *s)
{
	return rd_state_get(s, RD_TABLE_recovery_disable, &(struct db_recovery_disable){1}) != NULL;
}

/* --- access tokens --------------------------------------------------------------------------------------------- */
/* Takes as long for any two texts of these lengths. */
static bool
same_secret(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned differs = 0;

	if (strlen(b) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		differs |= (unsigned char)a[i] ^ (unsigned)(unsigned char)b[i];
	return differs == 0;
}

const struct db_access_token *
rd_state_token(const struct rd_state *s, const char *public_token)
{
	struct rd_cursor c = {.table = RD_TABLE_access_token};
	const struct db_access_token *found = NULL, *row;

	while ((row = rd_state_next_row(s, &c)) != NULL) {
		if (same_secret(row->public_token, public_token))
			found = row;
	}
	return found;
}

bool
rd_state_token_holds(const struct rd_state *s, const char *public_token, const char *digest, int64_t issued_after_us)
{
	const struct db_access_token *t = rd_state_token(s, public_token);

	if (t == NULL || !t->is_acquired || t->secret_token[0] == '\0')
		return false;
	return t->is_reentrant || (t->generated_at_us >= issued_after_us && same_secret(t->secret_token, digest));
}

/* --- recent commands ------------------------------------------------------------------------------------------- */
const struct db_applied_command *
rd_state_command(const struct rd_state *s, const char *uid)
{
	return rd_state_get(s, RD_TABLE_applied_command, &(struct db_applied_command){.uid = uid});
}

bool
rd_state_has_uid(const struct rd_state *s, const char *uid, uint64_t *ret_index)
{
	const struct db_applied_command *c = rd_state_command(s, uid);

	if (c == NULL)
		return false;
	*ret_index = (uint64_t)c->log_index;
	return true;
}

void
rd_state_add_command(struct rd_state *s, const struct db_applied_command *c)
{
	if (c->uid[0] != '\0' && rd_state_command(s, c->uid) == NULL)
		rd_state_put(s, RD_TABLE_applied_command, c);
}

size_t
rd_state_uid_count(const struct rd_state *s)
{
	return rd_state_count(s, RD_TABLE_applied_command);
}

/* They stand in the order of applying. */
static const struct db_applied_command *
nth_command(const struct rd_state *s, size_t n)
{
	struct rd_cursor c = {.table = RD_TABLE_applied_command};
	const struct db_applied_command *row = rd_state_next_row(s, &c);

	for (size_t i = 0; i < n && row != NULL; i++)
		row = rd_state_next_row(s, &c);
	return row;
}

void
rd_state_expire_uids(struct rd_state *s, int64_t before_us)
{
	const struct db_applied_command *c;

	while ((c = nth_command(s, 0)) != NULL && c->applied_at_us < before_us)
		ASSERT(rd_state_remove(s, RD_TABLE_applied_command, c));
}

int64_t
rd_state_oldest_uid_us(const struct rd_state *s)
{
	const struct db_applied_command *c = nth_command(s, 0);

	return c == NULL ? 0 : c->applied_at_us;
}

int64_t
rd_state_surplus_uids_us(const struct rd_state *s)
{
	size_t n = rd_state_uid_count(s);

	return n <= RD_UIDS_MAX + RD_UIDS_MAX / 8 ? 0 : nth_command(s, n - RD_UIDS_MAX)->applied_at_us;
}
