/* rd_group_rule.c — the decisions of a member's shell (rd_group_rule.h). Pure. */
#include "rd_group_rule.h"

#include <string.h>

/* --- hello ----------------------------------------------------------------------------------------------------- */
enum rn_state
rd_group_own_state(const struct rd_own *own)
{
	if (own->raft_id == 0)
		return RN_BLANK;
	if (!own->founded)
		return own->last_index > 0 || own->snapshot_index > 0 ? RN_ACTIVE : RN_JOINING;
	return own->term <= 1 && own->vote == 0 && own->last_index <= 1 && own->snapshot_index == 0 ? RN_FOUNDED
												    : RN_ACTIVE;
}

/* The other tables are what a leader keeps by itself, or finds again. */
bool
rd_group_operator_decided(const struct rd_state *s)
{
	static const enum rd_table kept[] = {RD_TABLE_inventory,      RD_TABLE_node_record,	 RD_TABLE_setting,
					     RD_TABLE_cluster_record, RD_TABLE_applied_command,	 RD_TABLE_candidate,
					     RD_TABLE_detection,      RD_TABLE_detection_witness};
	size_t found = 0;

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		found += rd_state_count(s, kept[i]);
	return rd_state_rows(s) > found;
}

bool
rd_group_refusal_blocks(enum rn_refuse code, enum rn_state known)
{
	/* said only between nodes without a group, or about a connection and not about the node */
	if (code == RN_REFUSE_CONFIG || code == RN_REFUSE_DUPLICATE || code == RN_REFUSE_LIMIT)
		return false;
	return known == RN_ACTIVE || known == RN_FOUNDED;
}

bool
rd_group_is_same(const char *own_cluster_id, const char *peers_cluster_id)
{
	return own_cluster_id[0] == '\0' || peers_cluster_id[0] == '\0' ||
	       strcmp(own_cluster_id, peers_cluster_id) == 0;
}

/* --- peers ----------------------------------------------------------------------------------------------------- */
void
rd_group_add_peer_name(struct rd_peer_names *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->v[i], name) == 0)
			return;
	}
	if (l->n < ARRAY_LEN(l->v))
		l->v[l->n++] = name;
}

static void
add_record(void *ctx, const void *row)
{
	const struct db_node_record *r = row;

	rd_group_add_peer_name(ctx, r->name);
}

void
rd_group_peer_names(const struct rd_members *members, const char *leader, const char *const *configured,
		    size_t n_configured, const struct rd_state *s, struct rd_peer_names *ret)
{
	ret->n = 0;
	for (size_t i = 0; members != NULL && i < members->n; i++)
		rd_group_add_peer_name(ret, members->v[i].name);
	if (ret->n == 0) {
		for (size_t i = 0; i < n_configured; i++)
			rd_group_add_peer_name(ret, configured[i]);
	}
	if (leader[0] != '\0')
		rd_group_add_peer_name(ret, leader);
	if (s != NULL)
		rd_state_each(s, RD_TABLE_node_record, add_record, ret);
}

bool
rd_group_is_open(enum rn_state own, bool adoptable, bool has_leader)
{
	return adoptable || own == RN_BLANK || own == RN_JOINING || (own == RN_ACTIVE && !has_leader);
}

/* --- what a leader proposes ------------------------------------------------------------------------------------ */
const struct db_node_record *
rd_group_record(const struct rd_state *s, const char *name)
{
	struct db_node_record key = {.name = name};

	return rd_state_get(s, RD_TABLE_node_record, &key);
}

struct rd_cmd_node_record
rd_group_record_of(const struct rn_hello *h)
{
	return (struct rd_cmd_node_record){.name = h->name,
					   .dir_id = h->dir_id,
					   .raft_id = h->raft_id,
					   .http_uri = h->http_uri,
					   .feature_level = h->feature_level,
					   .version = h->version};
}

bool
rd_group_record_due(const struct rd_state *s, const struct rd_cmd_node_record *want)
{
	const struct db_node_record *r = rd_group_record(s, want->name);

	return r == NULL || strcmp(r->dir_id, want->dir_id) != 0 || (uint64_t)r->raft_id != want->raft_id ||
	       strcmp(r->http_uri, want->http_uri) != 0 || (uint64_t)r->feature_level != want->feature_level ||
	       strcmp(r->version, want->version) != 0;
}

uint64_t
rd_group_level_due(const struct rd_members *members, const struct rd_state *s, uint64_t own_level)
{
	uint64_t level = own_level;

	for (size_t i = 0; i < members->n; i++) {
		const struct db_node_record *r = rd_group_record(s, members->v[i].name);
		uint64_t theirs = r == NULL || r->feature_level < 0 ? 0 : (uint64_t)r->feature_level;
		if (members->v[i].role == RD_ROLE_VOTER && theirs < level)
			level = theirs;
	}
	return level > rd_state_feature_level(s) ? level : 0;
}

/* --- whom a leader takes in ------------------------------------------------------------------------------------ */
/* What it holds, if anything, is of this group. */
static bool
comes_clean(const struct rd_state *s, const struct rn_hello *h)
{
	return h->state == RN_JOINING ||
	       (h->cluster_id[0] != '\0' && strcmp(h->cluster_id, rd_state_cluster_id(s)) == 0);
}

enum rd_take_in
rd_group_take_in(const struct rd_members *members, const struct rd_state *s, const struct rn_hello *h)
{
	const struct rd_member *m = rd_members_by_name(members, h->name);
	const struct db_node_record *r = rd_group_record(s, h->name);

	if (h->state == RN_BLANK || h->raft_id == 0 || (m != NULL && m->id == h->raft_id))
		return RD_TAKE_NOTHING;
	if (m != NULL && !comes_clean(s, h))
		return RD_TAKE_NOTHING;
	if (m != NULL)
		return r == NULL ? RD_TAKE_RECORD : RD_TAKE_REMOVE;
	return r != NULL && (uint64_t)r->raft_id != h->raft_id && comes_clean(s, h) ? RD_TAKE_ADD : RD_TAKE_NOTHING;
}

/* --- invariant 7 ----------------------------------------------------------------------------------------------- */
static bool
votes(const struct rd_members *members, const char *name)
{
	const struct rd_member *m = rd_members_by_name(members, name);

	return m != NULL && m->role == RD_ROLE_VOTER;
}

/* How many voters hold that hash at index; of those that said one. */
static size_t
holders(const struct rd_members *members, uint64_t index, uint64_t hash, const struct rd_hash_said *said, size_t n_said)
{
	size_t n = 0;

	for (size_t i = 0; i < n_said; i++)
		n += said[i].index == index && said[i].hash == hash && votes(members, said[i].name);
	return n;
}

enum rd_hash_verdict
rd_group_judge_hash(const struct rd_members *members, const char *own_name, uint64_t index, uint64_t own_hash,
		    const struct rd_hash_said *said, size_t n_said)
{
	size_t majority = rd_members_majority(members);
	size_t mine = holders(members, index, own_hash, said, n_said) + votes(members, own_name);
	bool differ = false;

	for (size_t i = 0; i < n_said; i++) {
		if (said[i].index != index || said[i].hash == own_hash || !votes(members, said[i].name))
			continue;
		differ = true;
		if (holders(members, index, said[i].hash, said, n_said) >= majority)
			return RD_HASH_OWN_DIFFERS;
	}
	if (!differ)
		return mine >= majority ? RD_HASH_SAME : RD_HASH_UNKNOWN;
	return mine >= majority ? RD_HASH_OTHERS_DIFFER : RD_HASH_OPEN;
}
