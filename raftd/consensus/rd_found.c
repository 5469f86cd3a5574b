/* rd_found.c — what to do with a blank data directory. Pure; called by the shell until the verdict isn't WAIT.
 *
 * The one mistake to avoid is founding a second time where a group lives: a majority of blank nodes that see nobody
 * with state is the proof that there is none (design section 4), and the list of a founder's partners lets those
 * partners follow it although it has state by then. */
#include "rd_found.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <raft.h>

#include "base/str.h"

static void PRINTF_LIKE(3, 4) verdict(struct rd_found_out *out, enum rd_found_verdict v, const char *fmt, ...)
{
	va_list ap;

	out->verdict = v;
	va_start(ap, fmt);
	(void)vsnprintf(out->why, sizeof out->why, fmt, ap);
	va_end(ap);
}

static bool
is_configured(const struct rd_found_in *in, const char *name)
{
	for (size_t i = 0; i < in->n_names; i++)
		if (strcmp(in->names[i], name) == 0)
			return true;
	return strcmp(in->own_name, name) == 0;
}

/* With the same list of names as well: founders write the same bytes. */
static bool
founded_with_me(const struct rd_found_in *in, const struct rd_found_peer *peer)
{
	char hash[RD_CONF_HASH_BYTES];

	rd_found_conf_hash(in->names, in->n_names, in->own_name, hash);
	if (strcmp(peer->conf_hash, hash) != 0)
		return false;
	for (size_t i = 0; i < peer->founded_with.n; i++)
		if (strcmp(peer->founded_with.v[i].name, in->own_name) == 0 &&
		    strcmp(peer->founded_with.v[i].dir_id, in->own_dir_id) == 0)
			return true;
	return false;
}

static void
add_pair(struct rd_found_pairs *pairs, const char *name, const char *dir_id)
{
	struct rd_found_pair *pair;

	if (pairs->n == RD_MEMBERS_MAX)
		return;
	pair = &pairs->v[pairs->n++];
	str_copy(pair->name, sizeof pair->name, name);
	str_copy(pair->dir_id, sizeof pair->dir_id, dir_id);
}

/* The peer that decides alone: an active one anywhere, else a founded one that is configured. */
static const struct rd_found_peer *
peer_with_state(const struct rd_found_in *in)
{
	const struct rd_found_peer *found = NULL;

	for (size_t i = 0; i < in->n_peers; i++) {
		const struct rd_found_peer *peer = &in->peers[i];

		if (peer->state == RD_FOUND_ACTIVE)
			return peer;
		if (peer->state == RD_FOUND_FOUNDED && is_configured(in, peer->name) && found == NULL)
			found = peer;
	}
	return found;
}

static const struct rd_found_peer *
founder_with_me(const struct rd_found_in *in)
{
	for (size_t i = 0; i < in->n_peers; i++)
		if ((in->peers[i].state == RD_FOUND_FOUNDED || in->peers[i].state == RD_FOUND_ACTIVE) &&
		    is_configured(in, in->peers[i].name) && founded_with_me(in, &in->peers[i]))
			return &in->peers[i];
	return NULL;
}

static bool
members_of(const struct rd_found_in *in, struct rd_members *ret)
{
	const char **names = mem_calloc(in->n_names + 1, sizeof *names);
	struct err e;
	int rc;

	for (size_t i = 0; i < in->n_names; i++)
		names[i] = in->names[i];
	names[in->n_names] = in->own_name;
	rc = rd_members_found(names, in->n_names + 1, ret, &e);
	free(names);
	return rc == 0;
}

/* Blank peers that were configured like this node, with this node itself. */
static void
blank_partners(const struct rd_found_in *in, struct rd_found_pairs *ret)
{
	char hash[RD_CONF_HASH_BYTES];

	*ret = (struct rd_found_pairs){0};
	rd_found_conf_hash(in->names, in->n_names, in->own_name, hash);
	add_pair(ret, in->own_name, in->own_dir_id);
	for (size_t i = 0; i < in->n_peers; i++)
		if (in->peers[i].state == RD_FOUND_BLANK && strcmp(in->peers[i].name, in->own_name) != 0 &&
		    is_configured(in, in->peers[i].name) && strcmp(in->peers[i].conf_hash, hash) == 0)
			add_pair(ret, in->peers[i].name, in->peers[i].dir_id);
}

static void
decide_among_blanks(const struct rd_found_in *in, struct rd_found_out *out)
{
	struct mono patience = mono_add_us(in->asking_since, RD_FOUND_PATIENCE_US);
	size_t majority = out->members.n / 2 + 1;

	blank_partners(in, &out->with);
	out->again = mono_add_us(in->now, RD_FOUND_PATIENCE_US);
	if (out->with.n < majority) {
		verdict(out, RD_FOUND_WAIT,
			"%zu of the %zu configured nodes are there, at least %zu are needed to found the group",
			out->with.n, out->members.n, majority);
	} else if (out->with.n < out->members.n && mono_before(in->now, patience)) {
		out->again = patience;
		verdict(out, RD_FOUND_WAIT, "%zu of the %zu configured nodes are there, waiting for all for a moment",
			out->with.n, out->members.n);
	} else {
		verdict(out, RD_FOUND_FOUND, "founding the group: %zu of the %zu configured nodes are there and blank",
			out->with.n, out->members.n);
	}
}

void
rd_found_decide(const struct rd_found_in *in, struct rd_found_out *out)
{
	const struct rd_found_peer *peer;

	memset(out, 0, sizeof *out);
	out->again = mono_add_us(in->now, RD_FOUND_PATIENCE_US);
	if (in->own == RD_FOUND_FOUNDED || in->own == RD_FOUND_ACTIVE) {
		verdict(out, RD_FOUND_START, "the data directory belongs to a group");
	} else if (in->own == RD_FOUND_BLANK && !members_of(in, &out->members)) {
		verdict(out, RD_FOUND_WAIT, "the configured nodes don't make a group: too many, or a name is too long");
	} else if (in->own == RD_FOUND_BLANK && (peer = founder_with_me(in)) != NULL) {
		add_pair(&out->with, in->own_name, in->own_dir_id);
		for (size_t i = 0; i < peer->founded_with.n; i++)
			if (strcmp(peer->founded_with.v[i].name, in->own_name) != 0)
				add_pair(&out->with, peer->founded_with.v[i].name, peer->founded_with.v[i].dir_id);
		verdict(out, RD_FOUND_FOUND, "founding the group: %.60s has done so together with this node",
			peer->name);
	} else if ((peer = peer_with_state(in)) != NULL && peer->state == RD_FOUND_ACTIVE) {
		verdict(out, RD_FOUND_JOIN, "%.60s belongs to a group, this directory is new: waiting to be added",
			peer->name);
	} else if (in->own == RD_FOUND_JOINING) {
		verdict(out, RD_FOUND_JOIN, "waiting to be added to the group");
	} else if (peer != NULL) {
		verdict(out, RD_FOUND_WAIT, "%.60s has founded a group without this node, waiting for its first leader",
			peer->name);
	} else {
		decide_among_blanks(in, out);
	}
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void
rd_found_conf_hash(const char *const *names, size_t n, const char *own_name, char ret[RD_CONF_HASH_BYTES])
{
	const char **sorted = mem_calloc(n + 1, sizeof *sorted);
	struct str_buf text = {0};

	for (size_t i = 0; i < n; i++)
		sorted[i] = names[i];
	sorted[n] = own_name;
	qsort(sorted, n + 1, sizeof *sorted, compare_names);
	for (size_t i = 0; i <= n; i++)
		if (i == 0 || strcmp(sorted[i - 1], sorted[i]) != 0)
			str_buf_printf(&text, "%s\n", sorted[i]);
	(void)snprintf(ret, RD_CONF_HASH_BYTES, "%016" PRIx64 "%016" PRIx64,
		       (uint64_t)raft_digest(str_buf_text(&text), 1), (uint64_t)raft_digest(str_buf_text(&text), 2));
	str_buf_done(&text);
	free(sorted);
}

bool
rd_found_adoptable(const struct rd_members *members, uint64_t own_id, bool operator_decided)
{
	return members->n == 1 && members->v[0].id == own_id && !operator_decided;
}
