/* api_recover.c — recoveries that an operator asks for, what one would do, the end of one, and what one was decided on
 * (http-api.md section 12, recovery.md section 1). raftd answers when the recovery has ended; nothing depends on whether the
 * client still waits. Texts of answers are historical up to a colon, behind which the reason stands. */
#include <stdlib.h>
#include <string.h>

#include "ap_change.h"
#include "ap_lookup.h"
#include "topo/key.h"

#define ANSWER_MS 2000 /* raftd's answer comes so long before the request's end */
#define VIEW_MS 2000

struct recover_state {
	struct topo_key key, candidate, promoted;
	bool skip_hooks;
	const char *message; /* of the answer, while this node's view is waited for */
};

/* The request's, made at first use. */
static struct recover_state *
state_of(struct ap_request *rq)
{
	if (rq->state == NULL)
		rq->state = mem_arena_alloc(&rq->arena, sizeof(struct recover_state));
	return rq->state;
}

static bool
is_dry_run(const struct ap_request *rq)
{
	return str_eq(ap_query(rq, "dry-run"), "true");
}

static int64_t
deadline_us(const struct ap_request *rq, int64_t ms)
{
	return mono_add_us(clk_mono(rq->ap->clock), (ms - ANSWER_MS) * CLK_MS).us;
}

/* --- lines ------------------------------------------------------------------------------------------------------------- */
static void
reply_lines(struct ap_request *rq, const char *message, const char *text)
{
	struct ap_json j;

	ap_envelope_begin(rq, &j, true, "%s", message);
	ap_json_array(&j);
	for (size_t n; *text != '\0'; text += n + (text[n] == '\n')) {
		char *line;
		n = strcspn(text, "\n");
		line = mem_strndup(text, n);
		ap_json_text(&j, line);
		free(line);
	}
	ap_json_array_end(&j);
	ap_envelope_end(&j);
	ap_reply_body(rq);
}

static void
on_plan(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		reply_lines(rq, "Dry run: nothing was changed", reply->text);
}

static void
on_input(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	if (!ap_change_failed(rq, reply, e))
		reply_lines(rq, "Input of the recovery", reply->text);
}

void
api_recovery_input(struct ap_request *rq)
{
	struct ipc_recovery_input ask = {.recovery_uid = ap_param(rq, "uid"),
					 .beginning = str_eq(ap_query(rq, "beginning"), "true")};

	if (strlen(ask.recovery_uid) > 128)
		ap_reply_error(rq, "not the uid of a recovery");
	else
		ap_ask(rq, IPC_RECOVERY_INPUT, &ask, AP_CHANGE_TIMEOUT_MS, on_input);
}

/* --- recover ------------------------------------------------------------------------------------------------------------ */
/* A read that follows sees the record; if it is late it is late: the recovery is over. */
static void
on_view(struct ap_request *rq, const struct ipc_reply *reply UNUSED, const struct err *e UNUSED)
{
	const struct recover_state *s = state_of(rq);

	if (s->promoted.hostname[0] == '\0')
		ap_reply_error_key(rq, &s->key, "Recovery attempted but no instance promoted: %s", s->message);
	else
		ap_reply_ok_key(rq, &s->promoted, "Recovery executed on %s", TOPO_KEY_TEXT(&s->key));
}

static void
answer_ended(struct ap_request *rq, const struct ipc_reply *reply)
{
	struct recover_state *s = state_of(rq);
	struct ipc_wait_index ask = {.index = reply->index,
				     .deadline_us = mono_add_us(clk_mono(rq->ap->clock), VIEW_MS * CLK_MS).us};

	s->promoted = (struct topo_key){"", 0};
	if (reply->keys.n > 0)
		s->promoted = (struct topo_key){ap_keep(rq, reply->keys.v[0].hostname), reply->keys.v[0].port};
	s->message = ap_keep(rq, reply->message);
	if (ask.index == 0)
		on_view(rq, NULL, NULL); /* without raft the record is there */
	else
		ap_ask(rq, IPC_WAIT_INDEX, &ask, VIEW_MS + ANSWER_MS, on_view);
}

static void
on_ended(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	const struct recover_state *s = state_of(rq);

	if (reply == NULL)
		ap_reply_err(rq, e);
	else if (reply->code == 0)
		answer_ended(rq, reply);
	else if (reply->code == -ERR_NOT_FOUND)
		ap_reply_error_key(rq, &s->key, "Recovery not attempted");
	else if (reply->code == -ERR_PRECONDITION || reply->code == -ERR_BUSY)
		ap_reply_error_key(rq, &s->key, "Recovery not attempted: %s", reply->message);
	else
		ap_reply_error_key(rq, &s->key, "%s", reply->message);
}

static int
find_keys(struct ap_request *rq, struct ap_reader *r, struct err *e)
{
	struct recover_state *s = state_of(rq);
	int rc = ap_route_key(rq, r, &s->key, e);

	s->candidate = (struct topo_key){"", 0};
	if (rc == 0 && ap_has_param(rq, "candidateHost"))
		rc = ap_named_key(rq, r, "candidateHost", "candidatePort", &s->candidate, e);
	return rc;
}

static void
ask_recover(struct ap_request *rq, const struct err *e)
{
	const struct recover_state *s = state_of(rq);
	bool dry = is_dry_run(rq);
	int64_t ms = dry ? AP_CHANGE_TIMEOUT_MS : AP_RECOVER_TIMEOUT_MS;
	struct ipc_recover ask = {.user = rq->user[0] != '\0' ? rq->user : rq->ap->hostname,
				  .key = s->key,
				  .candidate = s->candidate,
				  .skip_hooks = s->skip_hooks,
				  .dry_run = dry,
				  .deadline_us = deadline_us(rq, ms),
				  .uid = ""};

	if (e != NULL)
		ap_reply_err(rq, e);
	else
		ap_ask(rq, IPC_RECOVER, &ask, ms, dry ? on_plan : on_ended);
}

void
api_recover(struct ap_request *rq)
{
	state_of(rq)->skip_hooks = str_eq(ap_query(rq, "skipProcesses"), "true");
	ap_read_then(rq, find_keys, ask_recover);
}

void
api_recover_lite(struct ap_request *rq)
{
	state_of(rq)->skip_hooks = true;
	ap_read_then(rq, find_keys, ask_recover);
}

/* --- abort -------------------------------------------------------------------------------------------------------------- */
static void
on_aborted(struct ap_request *rq, const struct ipc_reply *reply, const struct err *e)
{
	struct ap_json j;

	if (ap_change_failed(rq, reply, e))
		return;
	ap_envelope_begin(rq, &j, true, "Recovery aborted: %s", reply->message);
	ap_json_text(&j, ap_param(rq, "uid"));
	ap_envelope_end(&j);
	ap_reply_body(rq);
}

void
api_abort_recovery(struct ap_request *rq)
{
	struct ipc_abort_recovery ask = {.user = rq->user[0] != '\0' ? rq->user : rq->ap->hostname,
					 .recovery_uid = ap_param(rq, "uid"),
					 .deadline_us = deadline_us(rq, AP_RECOVER_TIMEOUT_MS)};

	if (strlen(ask.recovery_uid) > 128)
		ap_reply_error(rq, "not the uid of a recovery");
	else
		ap_ask(rq, IPC_ABORT_RECOVERY, &ask, AP_RECOVER_TIMEOUT_MS, on_aborted);
}
