/* fake_node.c — see fake_node.h. Used by the tests of this folder and by tests/golden/apid. */
#include "fake_node.h"

#include <event2/event.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ap_groups.h"
#include "ap_httpd.h"
#include "ap_node.h"
#include "ap_proxy.h"
#include "ap_raftd.h"
#include "ap_readers.h"
#include "base/log.h"
#include "topo/key.h"

#define TURN_MS 2

static void
must(int rc, const struct err *e)
{
	if (rc == 0)
		return;
	fprintf(stderr, "fake_node: %s\n", e->msg);
	abort();
}

/* --- the clock ------------------------------------------------------------------------------------------------- */
static _Atomic int64_t shift_us; /* reader threads ask for the time, too */

static struct mono
shifted_mono(struct clock *c UNUSED)
{
	return mono_add_us(clk_mono(clk_real()), shift_us);
}

static struct wall
fixed_wall(struct clock *c UNUSED)
{
	return FAKE_NOW;
}

static struct clock fake_clock = {shifted_mono, fixed_wall};

void
fake_clock_shift(int64_t us)
{
	shift_us += us;
}

/* --- the process: what proc.c gives to apid, and the supervisor behind it -------------------------------------- */
static struct {
	struct ipc_child_config setup;
	struct ipc_link *lifeline, *supervisor;
} process;

struct event_base *
proc_base(struct proc *p UNUSED)
{
	return NULL;
}

const struct ipc_child_config *
proc_setup(struct proc *p UNUSED)
{
	return &process.setup;
}

uint64_t
proc_generation(struct proc *p UNUSED)
{
	return 7;
}

struct ipc_link *
proc_lifeline(struct proc *p UNUSED)
{
	return process.lifeline;
}

void
proc_missed(struct proc *p UNUSED)
{
	fprintf(stderr, "fake_node: no link to raftd\n");
	abort();
}

uint64_t
proc_overruns(struct proc *p UNUSED)
{
	return 0;
}

void
proc_socket_address(struct proc *p UNUSED, char *ret, size_t size, const char *fmt, ...)
{
	int n = snprintf(ret, size, "ipc://%s/", process.setup.runtime_dir);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(ret + n, size - (size_t)n, fmt, ap);
	va_end(ap);
}

/* child → supervisor */
#define SUP_IGNORE(name)                                                                                          \
	static void sup_on_##name(void *ctx UNUSED, struct ipc_link *l UNUSED, const struct ipc_##name *m UNUSED) \
	{                                                                                                         \
	}
SUP_IGNORE(child_ready)
SUP_IGNORE(child_beat)
SUP_IGNORE(child_done)

/* A file named "bad" is refused, one named "never" not answered. */
static void
sup_on_child_reload_request(void *ctx UNUSED, struct ipc_link *l, const struct ipc_child_reload_request *m)
{
	struct ipc_child_reload_result result = {.request_id = m->request_id, .message = ""};
	struct err e;

	if (str_eq(m->extra_file, "never"))
		return;
	if (str_eq(m->extra_file, "bad")) {
		result.code = -ERR_CONFIG;
		result.message = "bad: line 1: no";
	}
	must(ipc_send_child_reload_result(l, &result, &e), &e);
}

#define IPC_INBOX_DEF "ipc/to_supervisor.def"
#define IPC_INBOX_NAME sup_inbox
#define IPC_INBOX_ON(name) sup_on_##name
#include "ipc/make_inbox.h"

/* supervisor → child */
#define CHILD_IGNORE(name)                                                                                          \
	static void child_on_##name(void *ctx UNUSED, struct ipc_link *l UNUSED, const struct ipc_##name *m UNUSED) \
	{                                                                                                           \
	}
CHILD_IGNORE(child_config)
CHILD_IGNORE(child_reload)
CHILD_IGNORE(child_stop)
CHILD_IGNORE(child_peer)

static void
child_on_child_reload_result(void *ctx UNUSED, struct ipc_link *l UNUSED, const struct ipc_child_reload_result *m)
{
	ap_node_reload_result(m);
}

#define IPC_INBOX_DEF "ipc/to_child.def"
#define IPC_INBOX_NAME child_inbox
#define IPC_INBOX_ON(name) child_on_##name
#include "ipc/make_inbox.h"

static void
open_lifeline(struct fake_node *n)
{
	struct ipc_link_conf child = {.name = "lifeline",
				      .self = IPC_ROLE_APID,
				      .generation = proc_generation(NULL),
				      .peer_roles = IPC_ROLE_SUPERVISOR,
				      .inbox = &child_inbox};
	struct ipc_link_conf supervisor = {.name = "supervisor",
					   .self = IPC_ROLE_SUPERVISOR,
					   .generation = 1,
					   .peer_roles = IPC_ROLE_APID,
					   .inbox = &sup_inbox};
	struct err e;
	int pair[2];

	ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	must(ipc_link_open_stream(n->base, &child, pair[0], &process.lifeline, &e), &e);
	must(ipc_link_open_stream(n->base, &supervisor, pair[1], &process.supervisor, &e), &e);
}

/* --- raftd ----------------------------------------------------------------------------------------------------- */
struct fake_raftd {
	struct ipc_link *link, *events; /* NULL while it is dead */
	uint64_t generation, seq;
	size_t asked;
	struct str_buf last;
	int64_t code;
	char *message;
	bool mute;
};

static void
describe_keys(struct str_buf *b, const struct rec_field *f, const void *msg)
{
	struct rec_list list = rec_list_at(msg, f);
	const struct topo_key *keys = list.v;

	for (size_t i = 0; f->sub == &topo_key_desc && i < list.n; i++)
		str_buf_printf(b, "%s%s", i == 0 ? "" : ",", TOPO_KEY_TEXT(&keys[i]));
}

static void
describe_field(struct str_buf *b, const struct rec_field *f, const void *msg)
{
	const void *at = rec_at(msg, f);

	if (strcmp(f->name, "uid") == 0 && str_empty(rec_str_at(msg, f)))
		return; /* few changes have one */
	str_buf_printf(b, " %s=", f->name);
	if (f->kind == REC_LIST)
		describe_keys(b, f, msg);
	else if (f->kind == REC_STR)
		str_buf_add(b, rec_str_at(msg, f));
	else if (f->kind == REC_REC && f->sub == &topo_key_desc)
		str_buf_add(b, TOPO_KEY_TEXT(at));
	else if (f->kind == REC_BOOL)
		str_buf_add(b, *(const bool *)at ? "true" : "false");
	else
		str_buf_printf(b, "%lld", (long long)*(const int64_t *)at);
}

static void
send_reply(struct fake_raftd *r, struct ipc_link *l, uint64_t id, const struct topo_key *key)
{
	struct ipc_reply reply;
	struct topo_key keys[] = {*key};
	struct err e;

	rec_init(ipc_msg_info(IPC_REPLY)->desc, &reply);
	reply.request_id = id;
	reply.code = r->code;
	reply.message = r->message;
	if (key->hostname[0] != '\0') {
		reply.keys = (struct topo_key_list){keys, 1};
		reply.has_instance = r->code == 0;
		reply.instance.key = *key;
	}
	must(ipc_send_reply(l, &reply, &e), &e);
}

static void
take_request(struct fake_raftd *r, struct ipc_link *l, uint32_t type, const void *m)
{
	const struct ipc_msg_info *info = ipc_msg_info(type);
	struct topo_key key = {"", 0};

	r->asked++;
	str_buf_clear(&r->last);
	str_buf_add(&r->last, info->name);
	for (size_t i = 1; i < info->desc->n_fields; i++) {
		const struct rec_field *f = &info->desc->fields[i];
		describe_field(&r->last, f, m);
		if (f->kind == REC_REC && f->sub == &topo_key_desc)
			key = *(const struct topo_key *)rec_at(m, f);
	}
	if (!r->mute)
		send_reply(r, l, *(const uint64_t *)m, &key);
}

#define F(...)
#define IPC_MSG(NAME, name, id, from, ...)                                                            \
	static void raftd_on_##name(void *ctx, struct ipc_link *l, const struct ipc_##name *m UNUSED) \
	{                                                                                             \
		if ((from) == IPC_ROLE_APID && (id) != IPC_SEND_STATE)                                \
			take_request(ctx, l, (id), m);                                                \
	}
#include "ipc/to_raftd.def"
#undef IPC_MSG
#undef F

#define IPC_INBOX_DEF "ipc/to_raftd.def"
#define IPC_INBOX_NAME raftd_inbox
#define IPC_INBOX_ON(name) raftd_on_##name
#include "ipc/make_inbox.h"

static void
open_raftd_link(struct fake_node *n, bool events)
{
	struct fake_raftd *r = n->raftd;
	struct ipc_link_conf conf = {.name = "fake",
				     .self = IPC_ROLE_RAFTD,
				     .generation = r->generation,
				     .peer_generation = proc_generation(NULL),
				     .peer_roles = IPC_ROLE_APID,
				     .inbox = events ? NULL : &raftd_inbox,
				     .ctx = r};
	char address[160];
	struct err e;

	proc_socket_address(NULL, address, sizeof(address), events ? PROC_SOCKET_EVENTS : PROC_SOCKET_APID,
			    conf.generation, conf.peer_generation);
	must(ipc_link_open_nn(n->base, &conf, events ? IPC_NN_PUB_BIND : IPC_NN_PAIR_BIND, address,
			      events ? &r->events : &r->link, &e),
	     &e);
}

static void
tell_of_raftd(struct fake_node *n, bool up)
{
	struct ipc_child_peer m = {.role = IPC_ROLE_RAFTD, .generation = n->raftd->generation, .up = up};
	struct err e;

	must(ap_raftd_peer(n->ap->raftd, &m, &e), &e);
}

void
fake_raftd_restart(struct fake_node *n)
{
	n->raftd->generation++;
	n->raftd->seq = 0;
	open_raftd_link(n, false);
	open_raftd_link(n, true);
	tell_of_raftd(n, true);
}

void
fake_raftd_kill(struct fake_node *n)
{
	ipc_link_close(n->raftd->link);
	ipc_link_close(n->raftd->events);
	n->raftd->link = n->raftd->events = NULL;
	tell_of_raftd(n, false);
}

void
fake_raftd_reply(struct fake_node *n, int64_t code, const char *message)
{
	free(n->raftd->message);
	n->raftd->message = mem_strdup(message);
	n->raftd->code = code;
}

void
fake_raftd_mute(struct fake_node *n, bool mute)
{
	n->raftd->mute = mute;
}

size_t
fake_raftd_asked(const struct fake_node *n)
{
	return n->raftd->asked;
}

const char *
fake_raftd_last(const struct fake_node *n)
{
	return str_buf_text(&n->raftd->last);
}

/* PUB reaches only who is connected already: said again until it is heard. */
static bool
state_is_known(struct fake_node *n, void *ctx)
{
	struct ipc_state *s = ctx;
	const struct ipc_state *known = ap_state(n->ap);
	struct err e;

	if (known->is_leader == s->is_leader && known->backend_ok == s->backend_ok &&
	    known->lease_end_us == s->lease_end_us)
		return true;
	s->seq = ++n->raftd->seq;
	must(ipc_send_state(n->raftd->events, s, &e), &e);
	return false;
}

void
fake_raftd_publish(struct fake_node *n, bool is_leader, bool backend_ok)
{
	struct ipc_state s = {.is_leader = is_leader,
			      .backend_ok = backend_ok,
			      .lease_end_us = mono_add_us(clk_mono(&fake_clock), 3600 * CLK_S).us};

	fake_wait(n, "state", state_is_known, &s);
}

/* --- the loop -------------------------------------------------------------------------------------------------- */
static void
on_tick(evutil_socket_t fd UNUSED, short what UNUSED, void *arg UNUSED)
{
}

void
fake_turn(struct fake_node *n)
{
	static const struct timeval tick = {0, TURN_MS * 1000};

	ASSERT(event_base_once(n->base, -1, EV_TIMEOUT, on_tick, NULL, &tick) == 0);
	ASSERT(event_base_loop(n->base, EVLOOP_ONCE) == 0);
}

void
fake_wait(struct fake_node *n, const char *what, bool (*fn)(struct fake_node *n, void *ctx), void *ctx)
{
	struct mono end = mono_add_us(clk_mono(clk_real()), FAKE_PATIENCE_MS * CLK_MS);

	while (!fn(n, ctx)) {
		if (!mono_before(clk_mono(clk_real()), end)) {
			fprintf(stderr, "fake_node: waited in vain for: %s\n", what);
			abort();
		}
		fake_turn(n);
	}
}

/* --- database -------------------------------------------------------------------------------------------------- */
void
fake_db_open(struct fake_node *n)
{
	struct db_conf conf = {.backend = "sqlite", .path = n->db_path, .version = "test"};
	struct err e;

	must(db_open(&conf, DB_READ_WRITE, &n->db, &e), &e);
}

void
fake_sql(struct fake_node *n, const char *sql)
{
	char *text = mem_strdup(sql), *at = text;
	struct err e;

	for (char *end; *at != '\0'; at = end) {
		end = strstr(at, ";\n");
		if (end == NULL) {
			end = at + strlen(at);
		} else {
			*end = '\0';
			end += 2;
		}
		if (at[strspn(at, " \n")] != '\0')
			must(db_exec(n->db, at, NULL, 0, &e), &e);
	}
	free(text);
}

/* --- start and end --------------------------------------------------------------------------------------------- */
static struct conf *
make_conf(struct fake_node *n, const char *config)
{
	struct conf_warnings warnings;
	struct str_buf text = {0};
	struct conf *conf = NULL;
	struct err e;

	ASSERT(config[0] == '{');
	str_buf_printf(&text, "{\"ListenSocket\":\"%s\",\"BackendDB\":\"sqlite\",\"SQLite3DataFile\":\"%s\"%s%s",
		       n->client, n->db_path, config[1] == '}' ? "" : ",", config + 1);
	must(conf_parse("test", str_buf_text(&text), text.len, &conf, &warnings, &e), &e);
	str_buf_done(&text);
	return conf;
}

void
fake_node_start_bare(struct fake_node *n, const char *config)
{
	struct err e;

	log_init("test", LOG_LVL_ERROR);
	(void)signal(SIGPIPE, SIG_IGN); /* as proc.c does */
	*n = (struct fake_node){.base = event_base_new()};
	(void)snprintf(n->dir, sizeof(n->dir), "/tmp/orc-test-apid-XXXXXX");
	ASSERT(n->base != NULL && mkdtemp(n->dir) != NULL);
	(void)snprintf(n->client, sizeof(n->client), "%s/http", n->dir);
	(void)snprintf(n->ctl, sizeof(n->ctl), "%s/ctl", n->dir);
	(void)snprintf(n->db_path, sizeof(n->db_path), "%s/db", n->dir);
	shift_us = 0;
	rec_init(ipc_msg_info(IPC_CHILD_CONFIG)->desc, &process.setup);
	process.setup.runtime_dir = n->dir;
	process.setup.hostname = FAKE_HOSTNAME;
	process.setup.node_token = FAKE_TOKEN;
	open_lifeline(n);
	n->raftd = mem_new(struct fake_raftd);
	n->raftd->message = mem_strdup("");
	n->raftd->generation = 100;

	n->ap = mem_new(struct ap);
	n->ap->base = n->base;
	n->ap->clock = &fake_clock;
	n->ap->conf = make_conf(n, config);
	n->ap->hostname = FAKE_HOSTNAME;
	n->ap->node_token = FAKE_TOKEN;
	n->ap->message_prefix = ap_message_prefix(n->ap->conf, FAKE_HOSTNAME);
	must(ap_readers_start(n->ap, &n->ap->readers, &e), &e);
	n->ap->raftd = ap_raftd_start(n->ap);
	fake_raftd_restart(n);
	ap_proxy_start(n->ap, &n->ap->proxy);
	must(ap_httpd_start(n->ap, true, &n->ap->httpd, &e), &e);
}

void
fake_node_start(struct fake_node *n, const char *config)
{
	fake_node_start_bare(n, config);
	fake_db_open(n);
}

static int
remove_entry(const char *path, const struct stat *st UNUSED, int type UNUSED, struct FTW *ftw UNUSED)
{
	return remove(path);
}

void
fake_node_stop(struct fake_node *n)
{
	ap_groups_stop(n->ap);
	ap_readers_stop(n->ap);
	ap_proxy_stop(n->ap);
	ap_raftd_stop(n->ap);
	ap_node_drop_waiting();
	ap_httpd_stop(n->ap->httpd);
	ap_health_free(n->ap);
	conf_unref(n->ap->conf);
	free(n->ap->message_prefix);
	free(n->ap);
	ipc_link_close(n->raftd->link);
	ipc_link_close(n->raftd->events);
	ipc_link_close(process.lifeline);
	ipc_link_close(process.supervisor);
	str_buf_done(&n->raftd->last);
	free(n->raftd->message);
	free(n->raftd);
	db_close(n->db);
	event_base_free(n->base);
	(void)nftw(n->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}
