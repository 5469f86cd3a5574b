/* rd_group.c — life of the node's part in the group: configuration, opening of the directory, phases, the end. Owns
 * struct rd_group. Logs every phase once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf_addr.h"
#include "rd_group_private.h"

#define RECENT_BYTES ((size_t)4 << 20) /* of the newest entries, loaded at start */
#define LOG_END_MS 1000

/* --- phases ---------------------------------------------------------------------------------------------------- */
static const char *const phase_texts[] = {
    [RD_PHASE_OPENING] = "opening",	  [RD_PHASE_FOUNDING] = "founding", [RD_PHASE_WAITING] = "reading",
    [RD_PHASE_MEMBER] = "member started", [RD_PHASE_STOPPED] = "stopped",   [RD_PHASE_FAILED] = "failed",
};

void
rd_group_set_phase(struct rd_group *g, enum rd_group_phase phase, const char *why)
{
	ASSERT(g->phase != RD_PHASE_FAILED || phase == RD_PHASE_FAILED);
	if (phase != g->phase)
		log_info("raft", "%s%s%s", phase_texts[phase], why[0] == '\0' ? "" : ": ", why);
	g->phase = phase;
	(void)str_copy(g->why, sizeof(g->why), why);
	rd_publish_state(g->node);
}

void
rd_group_fail(struct rd_group *g, int exit_code, const struct err *e)
{
	if (g->phase == RD_PHASE_FAILED || g->phase == RD_PHASE_STOPPED)
		return;
	if (g->raft != NULL)
		rd_raft_write_failed(g->raft, e->msg);
	rd_group_set_phase(g, RD_PHASE_FAILED, e->msg);
	proc_fail(g->node->proc, exit_code, e); /* tests: test_group_trouble.py */
}

/* --- configuration --------------------------------------------------------------------------------------------- */
static int
make_name(const char *text, int64_t port, char ret[RD_MEMBER_NAME_BYTES], struct err *e)
{
	_Static_assert(RN_NAME_MAX < RD_MEMBER_NAME_BYTES, "a member's name holds any name of the net");

	return rn_name_make(text, port, ret, e);
}

static int
read_names(struct rd_group *g, const struct conf *c, struct err *e)
{
	char name[RD_MEMBER_NAME_BYTES];

	g->names = mem_calloc(c->RaftNodes.n + 1, sizeof(*g->names));
	g->names[g->n_names++] = mem_strdup(g->name);
	for (size_t i = 0; i < c->RaftNodes.n; i++) {
		if (make_name(c->RaftNodes.v[i], c->DefaultRaftPort, name, e) != 0)
			return err_wrap(e, "RaftNodes");
		if (strcmp(name, g->name) != 0)
			g->names[g->n_names++] = mem_strdup(name);
	}
	if (g->n_names > RD_MEMBERS_MAX)
		return err_set(e, ERR_CONFIG, "RaftNodes names %zu members, %d at most", g->n_names, RD_MEMBERS_MAX);
	return 0;
}

/* Under which other nodes' apid reach this one's (raft-and-nodes.md section 3). */
static int
make_http_uri(struct rd_group *g, const struct conf *c, struct err *e)
{
	char host[CONF_HOST_BYTES], listen[CONF_HOST_BYTES];
	int64_t port, raft_port;

	if (c->HTTPAdvertise[0] != '\0') {
		(void)str_copy(g->http_uri, sizeof(g->http_uri), c->HTTPAdvertise);
		return 0;
	}
	if (conf_addr_split(c->ListenAddress, 3000, listen, &port, e) != 0 ||
	    conf_addr_split(g->name, -1, host, &raft_port, e) != 0)
		return err_wrap(e, "the address of the HTTP API for other nodes");
	(void)snprintf(g->http_uri, sizeof(g->http_uri), strchr(host, ':') == NULL ? "%s://%s:%lld" : "%s://[%s]:%lld",
		       c->UseSSL ? "https" : "http", host, (long long)port);
	return 0;
}

static int
read_conf(struct rd_group *g, const struct conf *c, struct err *e)
{
	const char *advertised = c->RaftAdvertise[0] != '\0' ? c->RaftAdvertise : c->RaftBind;

	g->election_ms = (unsigned)c->RaftElectionTimeoutMilliseconds;
	g->heartbeat_ms = (unsigned)c->RaftHeartbeatMilliseconds;
	if (make_name(c->RaftBind, c->DefaultRaftPort, g->bind, e) != 0)
		return err_wrap(e, "RaftBind");
	if (make_name(advertised, c->DefaultRaftPort, g->name, e) != 0)
		return err_wrap(e, "RaftAdvertise");
	if (read_names(g, c, e) != 0 || make_http_uri(g, c, e) != 0)
		return -e->code;
	rd_found_conf_hash((const char *const *)g->names, g->n_names, g->name, g->conf_hash);
	return 0;
}

static int
make_directory(const char *dir, struct err *e)
{
	if (mkdir(dir, 0750) == 0 || errno == EEXIST)
		return 0;
	return err_set(e, errno == EACCES ? ERR_PERMISSION : ERR_CONFIG, "RaftDataDir %s cannot be made: %s", dir,
		       strerror(errno));
}

/* --- the directory --------------------------------------------------------------------------------------------- */
/* What the directory lacks is of a newer build; who holds it may be about to end. */
static int
exit_code_of(int code)
{
	if (code == ERR_UNSUPPORTED)
		return PROC_EXIT_VERSION;
	return code == ERR_DB_BUSY ? PROC_EXIT_RETRY : rd_exit_code(code);
}

static void
on_log_failed(void *ctx, const struct err *e)
{
	struct rd_group *g = ctx;

	rd_group_fail(g, exit_code_of(e->code), e);
}

static int
check_identity(const struct rd_group *g, struct err *e)
{
	const struct rd_identity *id = &g->identity;

	if (id->raft_id == 0 || strcmp(id->name, g->name) == 0)
		return 0;
	return err_set(
	    e, ERR_CONFIG,
	    "RaftDataDir belongs to member %s, but this node is configured as %s: set RaftAdvertise to %s, or "
	    "remove the directory so that the node joins anew under its new name",
	    id->name, g->name, id->name);
}

static void
on_log_open(void *ctx, struct rd_stored *found)
{
	struct rd_group *g = ctx;
	struct err e;

	rec_assign(&rd_identity_desc, &g->identity, &found->identity);
	log_info("raft", "directory opened term=%llu entries=%llu..%llu snapshot=%llu%s%s",
		 (unsigned long long)found->term, (unsigned long long)found->log->index,
		 (unsigned long long)(found->log->index + found->log->n - 1), (unsigned long long)found->snapshot.index,
		 found->created ? " (new)" : "", found->unclean ? " (not closed by the last process)" : "");
	rd_stored_free(g->stored);
	g->stored = found;
	if (check_identity(g, &e) != 0) {
		rd_group_fail(g, PROC_EXIT_CONFIG, &e);
		return;
	}
	if (g->identity.raft_id == 0) {
		rd_group_set_phase(g, RD_PHASE_FOUNDING, "asking the other nodes");
		proc_ready(g->node->proc, "waiting for the other nodes");
		rd_group_set_peers(g);
		rd_group_say_hello(g);
		rd_group_found(g);
		return;
	}
	rd_group_set_phase(g, RD_PHASE_WAITING, "");
	rd_group_set_peers(g);
	rd_group_say_hello(g);
	rd_group_backend_read(g);
}

/* --- memory ---------------------------------------------------------------------------------------------------- */
/* Neither of the two may be dropped without being asked, and to merge them nobody can: the group may have decided the
 * contrary, and rows don't show what was ended without raft. */
static void
refuse_forked(struct rd_group *g)
{
	const char *file = proc_conf(g->node->proc)->SQLite3DataFile;
	struct err e;

	(void)err_set(
	    &e, ERR_CONFIG,
	    "operators have changed this node's backend while RaftEnabled was off, and its group knows nothing "
	    "of that. To give these changes up, move %s away and start again: it is written anew. To keep them "
	    "instead of the group's, stop all nodes, empty every RaftDataDir and start all of them together",
	    LOG_Q(file));
	rd_group_fail(g, PROC_EXIT_CONFIG, &e);
}

static void
note_audited(struct rd_group *g, const struct rd_state *s)
{
	(void)str_copy(g->audited_cluster, sizeof(g->audited_cluster), rd_state_cluster_id(s));
	g->audited_index = rd_state_index(s);
}

/* Both are needed: what the directory holds, and what the backend holds. */
void
rd_group_backend_read(struct rd_group *g)
{
	struct rd_loaded *l = g->node->loading;
	struct rd_store_facts facts;
	const char *unfit;

	if (g->phase != RD_PHASE_WAITING || l == NULL || l->state == NULL)
		return;
	facts = (struct rd_store_facts){g->identity.cluster_id, g->stored->snapshot.index, rd_stored_last(g->stored)};
	if (rd_loaded_forked(l, &facts)) {
		refuse_forked(g);
		return;
	}
	if (rd_state_term(l->state) != 0) /* else its index is not one of the log */
		note_audited(g, l->state);
	unfit = rd_loaded_unfit(l, &facts);
	if (unfit == NULL) {
		struct rd_state *state = l->state;
		l->state = NULL;
		rd_group_core_start(g, state, true);
		return;
	}
	if (rd_loaded_former(l)) {
		rd_group_import_keep(g, l->state);
		l->state = NULL;
	} else {
		log_notice("raft", "decisions in the backend are not used: %s; it is written anew", unfit);
	}
	if (g->stored->snapshot.index > 0)
		rd_group_snapshot_load(g);
	else
		rd_group_core_start(g, rd_state_new(), false);
}

/* A directory that was lost, or a backend that was written anew, gets entries again whose audit is there already. */
bool
rd_group_is_audited(struct rd_group *g, uint64_t index)
{
	return index <= g->audited_index && g->audited_cluster[0] != '\0' &&
	       strcmp(g->audited_cluster, rd_state_cluster_id(rd_group_state(g))) == 0;
}

/* --- the net --------------------------------------------------------------------------------------------------- */
/* The first one, when the connection is up, or another one over it. */
static void
on_hello(void *ctx, const char *peer, const struct rn_hello *hello)
{
	struct rd_group *g = ctx;

	rd_group_found(g);
	rd_group_adopt(g, peer, hello);
	rd_group_want_work(g);
}

static void
on_refused(void *ctx, const char *peer, enum rn_refuse code, const struct rn_hello *hello)
{
	rd_group_note_refused(ctx, peer, code, hello);
}

static void
on_down(void *ctx, const char *peer, const char *why UNUSED)
{
	struct rd_group *g = ctx;

	rd_group_snapshot_peer_down(g, peer);
	rd_group_want_work(g);
}

static void
on_message(void *ctx, const char *peer, enum rn_channel channel, const void *p, size_t n)
{
	struct rd_group *g = ctx;
	const struct rn_hello *h = rn_net_hello(g->net, peer);

	if (!rd_group_runs(g) || h == NULL || !rd_group_is_same(g->identity.cluster_id, h->cluster_id))
		return;
	switch (channel) {
	case RN_CHANNEL_RAFT:
		rd_group_core_message(g, peer, p, n);
		break;
	case RN_CHANNEL_SNAPSHOT:
		rd_group_snapshot_message(g, peer, p, n);
		break;
	case RN_CHANNEL_HEALTH:
		rd_group_health_message(g, peer, p, n);
		break;
	case RN_CHANNEL_VIEWS:
		rd_detect_message(g->node, peer, p, n);
		break;
	case RN_CHANNEL_CANDIDATES:
		rd_group_candidates_message(g, peer, p, n);
		break;
	}
}

static void
on_room(void *ctx, const char *peer)
{
	rd_group_snapshot_room(ctx, peer);
}

static struct rn_tls_conf
tls_conf(const struct conf *c)
{
	return (struct rn_tls_conf){c->RaftUseTLS, c->RaftTLSCAFile, c->RaftTLSCertFile, c->RaftTLSKeyFile};
}

static int
open_net(struct rd_group *g, struct err *e)
{
	const struct conf *c = proc_conf(g->node->proc);
	struct rn_net_conf nc = {.bind = c->RaftBind,
				 .name = g->name,
				 .default_port = (uint16_t)c->DefaultRaftPort,
				 .tls = tls_conf(c),
				 .clock = g->node->clock,
				 .ctx = g,
				 .on_up = on_hello,
				 .on_hello = on_hello,
				 .on_refused = on_refused,
				 .on_down = on_down,
				 .on_message = on_message,
				 .on_room = on_room};

	return rn_net_open(g->node->base, &nc, &g->net, e);
}

/* --- life ------------------------------------------------------------------------------------------------------ */
int
rd_group_start(struct rd_node *n, struct rd_group **ret_group, int *ret_exit, struct err *e)
{
	const struct conf *c = proc_conf(n->proc);
	struct rd_group *g = mem_new(struct rd_group);
	struct rd_logwriter_conf lc = {.base = n->base,
				       .dir = c->RaftDataDir,
				       .recent_bytes = RECENT_BYTES,
				       .ctx = g,
				       .on_open = on_log_open,
				       .on_failed = on_log_failed};

	g->node = n;
	g->born = rd_mono(n);
	TAILQ_INIT(&g->sending);
	rec_init(&rd_identity_desc, &g->identity);
	if (read_conf(g, c, e) != 0 || make_directory(c->RaftDataDir, e) != 0 || open_net(g, e) != 0 ||
	    rd_group_core_init(g, e) != 0 || rd_logwriter_start(&lc, &g->log, e) != 0) {
		*ret_exit = e->code == ERR_IO ? PROC_EXIT_RETRY : exit_code_of(e->code);
		rd_group_free(g);
		return -e->code;
	}
	log_info("raft", "member=%s nodes=%zu election timeout=%u ms", LOG_Q(g->name), g->n_names, g->election_ms);
	*ret_group = g;
	return 0;
}

void
rd_group_reload(struct rd_group *g)
{
	struct rn_tls_conf tls = tls_conf(proc_conf(g->node->proc));
	struct err e;

	if (rn_net_reload_tls(g->net, &tls, &e) != 0)
		log_error("raft", "kept the former certificates for other nodes: %s", e.msg);
}

void
rd_group_free(struct rd_group *g)
{
	if (g == NULL)
		return;
	rn_net_close(g->net);
	rd_group_snapshot_done(g);
	rd_group_import_done(g);
	rd_group_core_done(g);
	if (!rd_logwriter_free(g->log, LOG_END_MS)) {
		log_warning("raft", "the disk of RaftDataDir did not answer in time");
		_exit(proc_code(g->node->proc) == PROC_EXIT_OK ? PROC_EXIT_FAILED : proc_code(g->node->proc));
	}
	rd_stored_free(g->stored);
	rec_done(&rd_identity_desc, &g->identity);
	rd_group_forget_peers(g);
	for (size_t i = 0; i < g->n_names; i++)
		free(g->names[i]);
	free(g->names);
	free(g);
}
