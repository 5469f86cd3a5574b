/* rd_ipc_recover.c — apid's requests about recoveries: one that an operator asks for, the end of one, what one was decided
 * on. As rd_ipc.c; the rules are rd_recover_ask.c's. */
#include <stdio.h>

#include "group/rd_group.h"
#include "rd_ipc_private.h"
#include "rd_recoveries.h"
#include "state/rd_records.h"

static void
dry_run(struct rd_node *n, struct rd_req req, const struct rd_recover_wish *wish)
{
	struct str_buf text = {0};
	struct err e;

	if (rd_recoveries_dry_run(n->recoveries, wish, &text, &e) == 0)
		rd_reply_text(n, req, &text);
	else
		rd_reply_error(n, req, &e);
	str_buf_done(&text);
}

/* The client's own name for a change, as the uid of a recovery: it stands in paths. */
static void
uid_of(const char *name, char ret[static RD_RECOVER_UID_BYTES])
{
	ret[0] = '\0';
	if (name[0] != '\0')
		(void)snprintf(ret, RD_RECOVER_UID_BYTES, "asked-%s", name);
	for (char *p = ret; *p != '\0'; p++)
		*p = *p == '/' ? '~' : *p;
}

void
rd_on_recover(struct rd_door *door, struct ipc_link *l, const struct ipc_recover *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	char uid[RD_RECOVER_UID_BYTES];
	struct rd_recover_wish wish = {
	    .key = &m->key, .candidate = &m->candidate, .skip_hooks = m->skip_hooks, .by = m->user, .uid = uid};
	struct err e;

	if (!rd_ipc_is_open(n, req))
		return;
	uid_of(m->uid, uid);
	if (m->dry_run)
		dry_run(n, req, &wish);
	else if ((n->group != NULL && rd_group_takes_changes(n->group, &e) != 0) ||
		 rd_recoveries_ask(n->recoveries, &wish, req, (struct mono){m->deadline_us}, &e) != 0)
		rd_reply_error(n, req, &e);
}

void
rd_on_abort_recovery(struct rd_door *door, struct ipc_link *l, const struct ipc_abort_recovery *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	struct err e;

	if (rd_ipc_is_open(n, req) &&
	    rd_recoveries_abort(n->recoveries, m->recovery_uid, m->user, req, (struct mono){m->deadline_us}, &e) != 0)
		rd_reply_error(n, req, &e);
}

/* Any node has it. What it began with, where no choice was made, or none is recorded: its leader is gone. */
void
rd_on_recovery_input(struct rd_door *door, struct ipc_link *l, const struct ipc_recovery_input *m)
{
	struct rd_node *n = door->node;
	struct rd_req req = rd_ipc_request(door, l, m->request_id);
	struct str_buf text = {0};
	struct err e;
	int rc;

	if (!rd_ipc_is_open(n, req))
		return;
	rc = m->beginning ? -ERR_NOT_FOUND : rd_records_input_text(rd_decisions(n), m->recovery_uid, true, &text, &e);
	if (rc != 0)
		rc = rd_records_input_text(rd_decisions(n), m->recovery_uid, false, &text, &e);
	if (rc == 0)
		rd_reply_text(n, req, &text);
	else
		rd_reply_error(n, req, &e);
	str_buf_done(&text);
}
