/* ap_recorded.c — see ap_recorded.h. Called by api_topology.c. Rows may be somebody else's: nothing about them is sure. */
#include "ap_recorded.h"

#include <stdio.h>
#include <string.h>

#include "base/rx.h"

static int
compile(const char *pattern, struct rx **ret_rx, struct err *e)
{
	struct str_buf text = {0};
	int rc;

	if (strlen(pattern) > AP_RECORDED_PATTERN_MAX)
		return err_set(e, ERR_TOO_LARGE, "a pattern of times has at most %d bytes", AP_RECORDED_PATTERN_MAX);
	for (const char *p = pattern; *p != '\0'; p++) {
		if (*p == '%')
			str_buf_add(&text, ".*");
		else
			str_buf_add_char(&text, *p == '_' ? '.' : *p);
	}
	rc = rx_new(str_buf_text(&text), ret_rx, e);
	str_buf_done(&text);
	return rc;
}

static int
take_time(void *ctx, const void *row, struct err *e UNUSED)
{
	*(int64_t *)ctx = ((const struct db_topology_history *)row)->snapshot_unix_timestamp;
	return 0;
}

/* The newest time before `before` at which the cluster was recorded; 0 when there is none. */
static int
read_time(struct ap_reader *r, const char *cluster, int64_t before, int64_t *ret_time, struct err *e)
{
	const struct db_value params[] = {db_text(cluster), db_i64(before)};

	*ret_time = 0;
	return db_read_where(r->db, DB_TABLE_topology_history,
			     "WHERE cluster_name = ? AND snapshot_unix_timestamp < ? "
			     "ORDER BY snapshot_unix_timestamp DESC LIMIT 1",
			     params, ARRAY_LEN(params), take_time, ret_time, e);
}

static int
find_time(struct ap_reader *r, const char *cluster, struct rx *rx, int64_t *ret_time, struct err *e)
{
	int64_t before = INT64_MAX;
	char text[24];

	for (int i = 0; i < AP_RECORDED_MAX; i++) {
		if (read_time(r, cluster, before, &before, e) != 0)
			return -e->code;
		if (before == 0)
			break;
		(void)snprintf(text, sizeof(text), "%lld", (long long)before);
		if (!rx_match(rx, text))
			continue;
		*ret_time = before;
		return 0;
	}
	return err_set(e, ERR_NOT_FOUND, "no topology of cluster %.256s was recorded at a time like %s", cluster,
		       rx_pattern(rx));
}

static int
take_server(void *ctx, const void *row, struct err *e)
{
	const struct db_topology_history *h = row;
	struct ap_instance_list *list = ctx;
	struct topo_instance inst;

	rec_init(&topo_instance_desc, &inst);
	inst.key = (struct topo_key){h->hostname, h->port};
	inst.source_key = (struct topo_key){h->master_host, h->master_port}; /* historical columns */
	inst.cluster_name = h->cluster_name;
	return ap_keep_instance(list, &inst, e);
}

int
ap_read_recorded(struct ap_reader *r, const char *cluster, const char *pattern, struct ap_instance_list *list,
		 struct err *e)
{
	struct rx *rx = NULL;
	int64_t time = 0;
	int rc = compile(pattern, &rx, e);

	if (rc == 0)
		rc = find_time(r, cluster, rx, &time, e);
	rx_free(rx);
	if (rc == 0) {
		const struct db_value params[] = {db_i64(time), db_text(cluster)};
		rc = db_read_where(r->db, DB_TABLE_topology_history,
				   "WHERE snapshot_unix_timestamp = ? AND cluster_name = ? ORDER BY hostname, port",
				   params, ARRAY_LEN(params), take_server, list, e);
	}
	return rc;
}
