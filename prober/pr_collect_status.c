/* pr_collect_status.c — the replica status row, in old and new words: probing.md sections 3 and 5. Pure. */
#include "pr_collect_private.h"

#include "base/str.h"

enum kind { TEXT, NUMBER, UNSIGNED, YES, QUOTED };

/* Columns that are copied as they are. */
static const struct column {
	const char *old_name, *new_name;
	enum kind kind;
	size_t offset; /* in struct topo_probe */
} columns[] = {
#define AT(member) offsetof(struct topo_probe, member)
    {"Master_Host", "Source_Host", TEXT, AT(source_host)},
    {"Master_Port", "Source_Port", NUMBER, AT(source_port)},
    {"Master_User", "Source_User", TEXT, AT(replication_user)},
    {"Last_IO_Errno", "Last_IO_Errno", NUMBER, AT(last_io_errno)},
    {"Last_SQL_Errno", "Last_SQL_Errno", NUMBER, AT(last_sql_errno)},
    {"Last_IO_Error", "Last_IO_Error", QUOTED, AT(inst.last_io_error)},
    {"Last_SQL_Error", "Last_SQL_Error", QUOTED, AT(inst.last_sql_error)},
    {"Master_Log_File", "Source_Log_File", TEXT, AT(inst.read_coord.log_file)},
    {"Read_Master_Log_Pos", "Read_Source_Log_Pos", NUMBER, AT(inst.read_coord.log_pos)},
    {"Relay_Master_Log_File", "Relay_Source_Log_File", TEXT, AT(inst.exec_coord.log_file)},
    {"Exec_Master_Log_Pos", "Exec_Source_Log_Pos", NUMBER, AT(inst.exec_coord.log_pos)},
    {"Relay_Log_File", "Relay_Log_File", TEXT, AT(inst.relay_coord.log_file)},
    {"Relay_Log_Pos", "Relay_Log_Pos", NUMBER, AT(inst.relay_coord.log_pos)},
    {"SQL_Delay", "SQL_Delay", UNSIGNED, AT(inst.sql_delay)},
    {"Auto_Position", "Auto_Position", YES, AT(inst.using_oracle_gtid)},
    {"Master_SSL_Allowed", "Source_SSL_Allowed", YES, AT(inst.allow_tls)},
    {"Master_SSL_CA_File", "Source_SSL_CA_File", TEXT, AT(inst.repl_ssl_ca_file)},
    {"Master_SSL_CA_Path", "Source_SSL_CA_Path", TEXT, AT(inst.repl_ssl_ca_path)},
    {"Master_SSL_Cert", "Source_SSL_Cert", TEXT, AT(inst.repl_ssl_cert)},
    {"Master_SSL_Cipher", "Source_SSL_Cipher", TEXT, AT(inst.repl_ssl_cipher)},
    {"Master_SSL_Crl", "Source_SSL_Crl", TEXT, AT(inst.repl_ssl_crl_file)},
    {"Master_SSL_Crlpath", "Source_SSL_Crlpath", TEXT, AT(inst.repl_ssl_crl_path)},
    {"Master_SSL_Key", "Source_SSL_Key", TEXT, AT(inst.repl_ssl_key)},
    {"Master_TLS_Version", "Source_TLS_Version", TEXT, AT(inst.repl_tls_version)},
    {"Master_TLS_Ciphersuites", "Source_TLS_Ciphersuites", TEXT, AT(inst.repl_tls_ciphersuites)},
    {"Master_public_key_path", "Source_public_key_path", TEXT, AT(inst.repl_source_public_key_path)},
#undef AT
};

static const char *const filters[] = {"Replicate_Do_DB",	 "Replicate_Ignore_DB",
				      "Replicate_Do_Table",	 "Replicate_Ignore_Table",
				      "Replicate_Wild_Do_Table", "Replicate_Wild_Ignore_Table"};

/* NULL when the server has neither column, or NULL in it. */
static const char *
either(const struct pr_rows *r, size_t row, const char *old_name, const char *new_name)
{
	size_t col = pr_rows_col(r, new_name);

	return pr_rows_at(r, row, col != PR_NO_COL ? col : pr_rows_col(r, old_name));
}

/* Historically stored with quotes and escapes, except when empty. The cut keeps the quoted text within its maximum. */
static const char *
quoted(const struct pr_collect *in, const char *s)
{
	char cut[4000];
	struct str_buf b = {0};
	const char *text;

	if (s[0] == '\0')
		return "";
	(void)str_copy(cut, sizeof(cut), s);
	str_quote_go_ascii(&b, cut);
	text = pr_collect_dup(in, str_buf_text(&b));
	str_buf_done(&b);
	return text;
}

static void
put_column(const struct pr_collect *in, const struct pr_rows *r, size_t row, const struct column *c,
	   struct topo_probe *out)
{
	const char *s = either(r, row, c->old_name, c->new_name);
	void *member = (char *)out + c->offset;

	if (s == NULL)
		return;
	switch (c->kind) {
	case TEXT:
		*(const char **)member = s;
		break;
	case NUMBER:
		*(int64_t *)member = pr_text_i64(s);
		break;
	case UNSIGNED:
		*(uint64_t *)member = pr_text_u64(s);
		break;
	case YES:
		*(bool *)member = pr_text_bool(s);
		break;
	case QUOTED:
		*(const char **)member = quoted(in, s);
		break;
	}
}

static int64_t
thread_state(const char *s)
{
	if (str_eq_nocase(s, "Yes"))
		return TOPO_THREAD_RUNNING;
	return str_eq_nocase(s, "No") ? TOPO_THREAD_STOPPED : TOPO_THREAD_OTHER;
}

static void
put_threads(const struct pr_collect *in, const struct pr_rows *r, size_t row, struct topo_instance *inst)
{
	const char *io = either(r, row, "Slave_IO_Running", "Replica_IO_Running");
	const char *sql = either(r, row, "Slave_SQL_Running", "Replica_SQL_Running");
	const char *state = either(r, row, "Slave_IO_State", "Replica_IO_State");

	inst->io_thread_state = thread_state(io == NULL ? "" : io);
	inst->sql_thread_state = thread_state(sql == NULL ? "" : sql);
	if ((in->caps & PR_CAP_MAXSCALE_1_1) != 0)
		inst->io_thread_state =
		    state != NULL && str_eq(state, "Binlog Dump") ? TOPO_THREAD_RUNNING : TOPO_THREAD_STOPPED;
	inst->io_running = inst->io_thread_state == TOPO_THREAD_RUNNING;
	inst->sql_running = inst->sql_thread_state == TOPO_THREAD_RUNNING;
}

/* Columns whose absence or NULL means something. */
static void
put_nullable(const struct pr_rows *r, size_t row, struct topo_instance *inst)
{
	const char *behind = either(r, row, "Seconds_Behind_Master", "Seconds_Behind_Source");
	const char *uuid = either(r, row, "Master_UUID", "Source_UUID");
	const char *gtid = pr_rows_at(r, row, pr_rows_col(r, "Using_Gtid"));
	const char *verify = either(r, row, "Master_SSL_Verify_Server_Cert", "Source_SSL_Verify_Server_Cert");
	const char *key = either(r, row, "Get_master_public_key", "Get_source_public_key");

	if (behind != NULL)
		inst->seconds_behind_source = (struct rec_ni64){.v = max_i64(0, pr_text_i64(behind)), .valid = true};
	inst->source_uuid = uuid == NULL ? "No" : uuid;
	inst->using_mariadb_gtid = gtid != NULL && !str_eq_nocase(gtid, "No");
	if (verify != NULL && verify[0] != '\0')
		inst->repl_ssl_verify_server_cert = (struct rec_nbool){.v = pr_text_bool(verify), .valid = true};
	if (key != NULL && (key[0] != '\0' || inst->repl_source_public_key_path[0] != '\0'))
		inst->repl_get_source_public_key = (struct rec_nbool){.v = pr_text_bool(key), .valid = true};
}

static bool
has_filters(const struct pr_rows *r, size_t row)
{
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		if (pr_rows_text(r, row, filters[i])[0] != '\0')
			return true;
	}
	return false;
}

/* MySQL tells how long ago the last one was; of MariaDB only the count is known here, its moves are seen by the pool.
 */
static void
put_heartbeats(const struct pr_collect *in, const struct pr_rows *r, size_t row, struct topo_probe *out)
{
	const struct pr_rows *ps = &in->answers[PR_ASK_HEARTBEATS];
	const char *age;

	if (pr_rows_col(r, "Slave_received_heartbeats") != PR_NO_COL)
		out->heartbeats_received = pr_rows_i64(r, row, "Slave_received_heartbeats");
	if (!pr_rows_ok(ps) || ps->n_rows == 0)
		return;
	out->heartbeats_received = pr_rows_i64(ps, ps->n_rows - 1, "heartbeats");
	age = pr_rows_at(ps, ps->n_rows - 1, pr_rows_col(ps, "age_us"));
	if (age != NULL && age[0] != '-')
		out->last_heartbeat_us = max_i64(0, in->now.us - pr_text_i64(age));
}

static void
put_received(const struct pr_rows *r, size_t row, struct topo_probe *out)
{
	const char *s = pr_rows_text(r, row, "Gtid_IO_Pos");

	out->gtid_io_pos = s[0] != '\0' ? s : pr_rows_text(r, row, "Retrieved_Gtid_Set");
}

/* The last row, as historically; of MariaDB's named connections only the default one, which its statements without a
 * name speak of. */
static size_t
choose_row(const struct pr_rows *r)
{
	size_t name = pr_rows_col(r, "Connection_name");

	for (size_t i = r->n_rows; i-- > 0;) {
		const char *s = pr_rows_at(r, i, name);
		if (s == NULL || s[0] == '\0')
			return i;
	}
	return PR_NO_COL;
}

void
pr_collect_status(const struct pr_collect *in, struct topo_probe *out)
{
	const struct pr_rows *r = &in->answers[PR_ASK_REPLICA_STATUS];
	size_t row = choose_row(r);
	struct topo_instance *inst = &out->inst;

	out->channels = r->n_rows + r->n_dropped;
	if (row == PR_NO_COL)
		return;
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		put_column(in, r, row, &columns[i], out);
	inst->relay_coord.type = TOPO_COORD_RELAY;
	inst->has_replication_credentials = out->replication_user[0] != '\0';
	inst->has_replication_filters = has_filters(r, row);
	put_threads(in, r, row, inst);
	put_nullable(r, row, inst);
	put_heartbeats(in, r, row, out);
	put_received(r, row, out);
}
