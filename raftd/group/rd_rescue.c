/* rd_rescue.c — one survivor becomes a group of its own, on a stopped node (rd_rescue.h). Owns the store while it works.
 * Called by rd_ipc_raft.c in a one-shot node. */
#include "rd_rescue.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "state/rd_command.h"

#define CLUSTER_ID_BYTES 16

const char *
rd_rescue_unfit(const struct rd_rescue_facts *f)
{
	const struct rd_member *own = rd_members_by_id(&f->members, f->own_id);

	if (f->own_id == 0 || f->last_index == 0)
		return "its RaftDataDir holds nothing of a group";
	if (own == NULL)
		return "it was removed from the group, or had not been added: rescue another member";
	if (own->role != RD_ROLE_VOTER)
		return "it had not caught up and may lack what was decided: rescue another member";
	return NULL;
}

void
rd_rescue_sentence(const struct rd_rescue_facts *f, struct str_buf *out)
{
	str_buf_printf(out, "%s alone at %llu", f->name, (unsigned long long)f->last_index);
}

/* --- what is there --------------------------------------------------------------------------------------------- */
static int
find_members(const struct rd_stored *s, struct rd_members *ret, struct err *e)
{
	*ret = (struct rd_members){0};
	for (size_t i = s->log->n; i > 0; i--) {
		const struct rd_log_entry *x = &s->log->v[i - 1];
		if (x->kind == RD_LOG_CHANGE)
			return rd_members_decode(x->data, x->n, ret, e);
	}
	return s->snapshot.index == 0 ? 0 : rd_members_decode(s->snapshot.conf, s->snapshot.conf_n, ret, e);
}

static int
find_facts(const struct rd_stored *s, struct rd_rescue_facts *ret, struct err *e)
{
	ret->name = s->identity.name;
	ret->own_id = s->identity.raft_id;
	ret->last_index = rd_stored_last(s);
	return find_members(s, &ret->members, e);
}

static void
explain(const struct rd_rescue_facts *f, const struct str_buf *sentence, struct str_buf *out)
{
	str_buf_printf(out,
		       "%s would become a group of its own, with all that is in its log up to entry %llu. "
		       "Do this only when a majority of the members is lost for good. It parts for ever with:",
		       f->name, (unsigned long long)f->last_index);
	for (size_t i = 0; i < f->members.n; i++) {
		if (f->members.v[i].id != f->own_id)
			str_buf_printf(out, " %s", f->members.v[i].name);
	}
	str_buf_printf(
	    out,
	    ". What they decided and this node never received is lost. Stop them first; those that come back "
	    "must have an empty RaftDataDir. To go on: orchestrator -c raft-rescue --confirm \"%s\"",
	    str_buf_text(sentence));
}

/* --- what is done ---------------------------------------------------------------------------------------------- */
static int
encode_rescue(const char *name, const char *cluster_id, int64_t now_us, struct codec_out *out, struct err *e)
{
	struct rd_cmd_cluster_rescue payload = {.cluster_id = cluster_id};
	struct rd_command c = {.op = RD_OP_CLUSTER_RESCUE,
			       .uid = cluster_id,
			       .originator = name,
			       .leader_time_us = now_us,
			       .payload = &payload};

	return rd_command_encode(&c, out, e);
}

static int
write_rescue(struct rd_store *store, const struct rd_stored *s, const struct rd_rescue_facts *f, int64_t now_us,
	     struct err *e)
{
	char cluster_id[2 * CLUSTER_ID_BYTES + 1], conf[RD_MEMBERS_BYTES_MAX];
	struct rd_identity id = s->identity;
	struct rd_members alone = {0};
	struct codec_out command = {0};
	struct rd_log_entry entries[2] = {{.term = s->term + 1, .kind = RD_LOG_CHANGE, .data = conf},
					  {.term = s->term + 1, .kind = RD_LOG_COMMAND}};
	struct rd_write w = {.identity = &id,
			     .has_vote = true,
			     .term = s->term + 1,
			     .voted_for = f->own_id,
			     .index = f->last_index + 1,
			     .entries = entries,
			     .n = ARRAY_LEN(entries)};
	const struct rd_write *const writes[] = {&w};
	int rc;

	str_random_hex(cluster_id, CLUSTER_ID_BYTES);
	rc = rd_members_insert(&alone, f->own_id, f->name, RD_ROLE_VOTER, e);
	if (rc == 0)
		rc = encode_rescue(f->name, cluster_id, now_us, &command, e);
	if (rc == 0) {
		id.cluster_id = cluster_id;
		id.founded = false; /* nobody founds along with it any more */
		id.founded_with = (struct rd_founder_list){0};
		entries[0].n = rd_members_encode(&alone, conf);
		entries[1].data = command.p;
		entries[1].n = command.len;
		rc = rd_store_write(store, writes, 1, e);
	}
	codec_out_done(&command);
	return rc;
}

static int
rescue(struct rd_store *store, const struct rd_stored *s, const char *confirm, int64_t now_us, struct str_buf *ret_text,
       struct err *e)
{
	struct rd_rescue_facts f;
	struct str_buf sentence = {0};
	const char *unfit;
	int rc = find_facts(s, &f, e);

	if (rc == 0 && (unfit = rd_rescue_unfit(&f)) != NULL)
		rc = err_set(e, ERR_INVALID, "this node cannot be rescued: %s", unfit);
	if (rc == 0)
		rd_rescue_sentence(&f, &sentence);
	if (rc == 0 && confirm[0] == '\0') {
		explain(&f, &sentence, ret_text);
	} else if (rc == 0 && strcmp(confirm, str_buf_text(&sentence)) != 0) {
		rc = err_set(e, ERR_INVALID, "nothing was done: the sentence to confirm is \"%s\"",
			     str_buf_text(&sentence));
	} else if (rc == 0) {
		rc = write_rescue(store, s, &f, now_us, e);
		if (rc == 0)
			str_buf_printf(ret_text, "%s is a group of its own now: start it", f.name);
	}
	str_buf_done(&sentence);
	return rc;
}

int
rd_rescue(struct rd_node *n, const char *confirm, struct str_buf *ret_text, struct err *e)
{
	const struct conf *c = proc_conf(n->proc);
	struct rd_store_conf sc = {.dir = c->RaftDataDir};
	struct rd_store *store;
	struct rd_stored *found;
	int rc;

	if (!n->one_shot)
		return err_set(e, ERR_UNAVAILABLE, "raft-rescue works on a stopped node: stop this one first");
	if (!c->RaftEnabled || access(c->RaftDataDir, F_OK) != 0)
		return err_set(e, ERR_CONFIG,
			       "there is nothing to rescue: RaftEnabled is off, or RaftDataDir is missing");
	rc = rd_store_open(&sc, &store, &found, e);
	if (rc != 0)
		return rc;
	rc = rescue(store, found, confirm, rd_now_us(n), ret_text, e);
	rd_stored_free(found);
	rd_store_close(store);
	return rc;
}
