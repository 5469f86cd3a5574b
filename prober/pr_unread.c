/* pr_unread.c — see pr_unread.h. Pure; called by pr_outcome.c for each probe that found its server. */
#include "pr_unread.h"

#include "pr_evidence.h"
#include "topo/version.h"

/* Questions whose failure is worth a line. grant: what makes it work; new_grant: on MariaDB from 10.5.2 on, where
 * privileges were split; the same when NULL. */
static const struct question {
	const char *what, *grant, *new_grant;
	const char *key; /* operators' queries */
} questions[PR_ASK_COUNT] = {
    [PR_ASK_UPTIME] = {.what = "the uptime"},
    [PR_ASK_SEMI_SYNC_VARIABLES] = {.what = "semi-sync settings"},
    [PR_ASK_SEMI_SYNC_STATUS] = {.what = "semi-sync status"},
    [PR_ASK_GTID] = {.what = "GTID settings"},
    [PR_ASK_HEARTBEATS] = {"received heartbeats", "SELECT ON performance_schema.*"},
    [PR_ASK_CREDENTIALS] = {"the replication account", "SELECT ON mysql.slave_master_info"},
    [PR_ASK_LISTING] = {"the listing of replicas", "REPLICATION SLAVE ON *.*", "REPLICATION MASTER ADMIN ON *.*"},
    [PR_ASK_PROCESS] = {"replicas in the process list", "PROCESS ON *.*"},
    [PR_ASK_PROCESS_LIST] = {"the process list", "PROCESS ON *.*"},
    [PR_ASK_NDB] = {"the processes of the NDB cluster", "SELECT ON ndbinfo.processes"},
    [PR_ASK_COORDINATES] = {"binary log coordinates", "REPLICATION CLIENT ON *.*", "BINLOG MONITOR ON *.*"},
#define PR_ASK(NAME, rows, ...)
#define PR_ASK_CONF(NAME, conf_key) [PR_ASK_##NAME] = {.key = #conf_key},
#include "pr_ask.def"
#undef PR_ASK_CONF
#undef PR_ASK
};
_Static_assert(PR_ASK_COUNT <= 64, "a bit per question");

static bool
is_denied(int64_t err_no)
{
	return err_no == PR_ERR_PRIVILEGE || err_no == 1044 || err_no == 1142 || err_no == 1143 || err_no == 1370;
}

static enum pr_unread_say
spend(struct line_budget *b, enum pr_unread_say say, struct mono now)
{
	switch (line_budget_spend(b, PR_UNREAD_LINES, PR_UNREAD_S * CLK_S, now, NULL)) {
	case LINE_SAY:
		return say;
	case LINE_OTHERS:
		return PR_UNREAD_OTHERS;
	case LINE_NOTHING:
		break;
	}
	return PR_UNREAD_NOTHING;
}

enum pr_unread_say
pr_unread_note(struct pr_unread *u, struct line_budget *b, enum pr_ask ask, int64_t err_no, struct mono now)
{
	uint64_t bit = UINT64_C(1) << ask;
	bool told = (u->told & bit) != 0;
	enum pr_unread_say say;

	u->denied = err_no == PR_ERR_PRIVILEGE ? u->denied | bit : u->denied & ~bit;
	if (err_no == 0) {
		u->told &= ~bit;
		return told ? spend(b, PR_UNREAD_WORKS, now) : PR_UNREAD_NOTHING;
	}
	if (u->said[ask].us != 0 && mono_diff_us(now, u->said[ask]) < PR_UNREAD_AGAIN_S * CLK_S)
		return PR_UNREAD_NOTHING;
	u->said[ask] = now;
	say = spend(b, PR_UNREAD_FAILS, now);
	u->told = say == PR_UNREAD_FAILS ? u->told | bit : u->told & ~bit;
	return say;
}

/* The listing has said all there is: the process list is not looked at. */
static bool
listing_suffices(const struct pr_collect *in)
{
	const struct pr_rows *r = &in->answers[PR_ASK_LISTING];

	for (size_t i = 0; pr_rows_ok(r) && i < r->n_rows; i++) {
		if (pr_rows_text(r, i, "Host")[0] == '\0' || pr_rows_i64(r, i, "Port") <= 0)
			return false;
	}
	return pr_rows_ok(r);
}

bool
pr_unread_judge(const struct pr_collect *in, enum pr_ask ask, int64_t *ret_err_no)
{
	const struct pr_rows *r = &in->answers[ask];

	if (!r->answered || (questions[ask].what == NULL && questions[ask].key == NULL))
		return false;
	*ret_err_no = r->err_no;
	if (r->err_no == 0)
		return true;
	if (ask == PR_ASK_PROCESS) /* any other error: the table asked for is not there */
		return r->err_no == PR_ERR_PRIVILEGE && !listing_suffices(in);
	if (ask == PR_ASK_CREDENTIALS) /* else they are in a file, which nobody can ask for */
		return pr_rows_bool(&in->answers[PR_ASK_GTID], 0, "info_in_table");
	return true;
}

void
pr_unread_what(enum pr_ask ask, struct str_buf *out)
{
	if (questions[ask].key != NULL)
		str_buf_printf(out, "the answer to %s", questions[ask].key);
	else
		str_buf_add(out, questions[ask].what != NULL ? questions[ask].what : pr_ask_name(ask));
}

static const char *
grant_of(const struct question *q, const char *version)
{
	bool split = topo_is_mariadb(version) && topo_version_at_least(version, 10, 5, 2);

	return split && q->new_grant != NULL ? q->new_grant : q->grant;
}

void
pr_unread_remedy(enum pr_ask ask, int64_t err_no, const char *version, const char *user, struct str_buf *out)
{
	const struct question *q = &questions[ask];

	if (err_no == PR_UNREAD_SILENCE && q->key != NULL)
		str_buf_printf(out, "make the query of %s faster, or empty the key", q->key);
	else if (q->key != NULL && is_denied(err_no))
		str_buf_printf(out, "GRANT SELECT ON what %s reads TO '%s'@'HOST', or empty the key", q->key, user);
	else if (q->key != NULL)
		str_buf_printf(out, "correct %s, or create on the server what it reads, or empty the key", q->key);
	else if (is_denied(err_no) && q->grant != NULL)
		str_buf_printf(out, "GRANT %s TO '%s'@'HOST'", grant_of(q, version), user);
	else
		str_buf_add(out, "see the server's error");
}
