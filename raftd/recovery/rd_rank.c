/* rd_rank.c — the order of those who may be promoted: the first criterion in which two differ decides, the last one is
 * their name, so that it is total. Pure; called by rd_choose.c. */
#include <string.h>

#include "rd_choose_private.h"
#include "topo/key.h"
#include "topo/version.h"

static int
cmp_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

int
rd_coord_cmp(const struct topo_coord *a, const struct topo_coord *b)
{
	const char *dot_a = strrchr(a->log_file, '.'), *dot_b = strrchr(b->log_file, '.');
	uint64_t x = 0, y = 0;
	struct err e;
	int order = strcmp(a->log_file, b->log_file);

	if (dot_a != NULL && dot_b != NULL && dot_a - a->log_file == dot_b - b->log_file &&
	    strncmp(a->log_file, b->log_file, (size_t)(dot_a - a->log_file)) == 0 &&
	    str_parse_u64(dot_a + 1, UINT64_MAX, &x, &e) == 0 && str_parse_u64(dot_b + 1, UINT64_MAX, &y, &e) == 0)
		order = cmp_u64(x, y);
	return order != 0 ? order : (a->log_pos > b->log_pos) - (a->log_pos < b->log_pos);
}

/* --- order: the first criterion in which two differ decides ------------------------------------------------------ */
struct asked {
	const struct rd_recovery_input *in;
	const struct rd_haves *haves;
};

/* Its GTIDs name what its filters left out as well: what it lacks is in no set. */
static int
by_filters(const struct asked *q UNUSED, const struct rd_ranked *a, const struct rd_ranked *b)
{
	return a->server->has_replication_filters - b->server->has_replication_filters;
}

static int
by_delay(const struct asked *q UNUSED, const struct rd_ranked *a, const struct rd_ranked *b)
{
	return (a->server->sql_delay > 0) - (b->server->sql_delay > 0);
}

static int
by_loss(const struct asked *q UNUSED, const struct rd_ranked *a, const struct rd_ranked *b)
{
	return cmp_u64(a->lost, b->lost);
}

static int
last_resort(const struct rd_ranked *j)
{
	return j->why == RD_WHY_CHOSEN ? 0 : (int)j->why;
}

static int
by_last_resort(const struct asked *q UNUSED, const struct rd_ranked *a, const struct rd_ranked *b)
{
	return last_resort(a) - last_resort(b);
}

/* recovery.md 4.3: a preferred one at the failed one's place, any preferred one, a neutral one, the others. */
static int
place_class(const struct rd_recovery_input *in, const struct rd_recovery_server *s)
{
	enum rd_promotion_rule rule = rd_recovery_rule(s);
	bool same_place = str_eq(s->data_center, in->failed.data_center) &&
			  str_eq(s->physical_environment, in->failed.physical_environment);

	if (rule <= RD_RULE_PREFER)
		return same_place ? 0 : 1;
	return rule == RD_RULE_NEUTRAL ? 2 : 3;
}

static int
by_class(const struct asked *q, const struct rd_ranked *a, const struct rd_ranked *b)
{
	return place_class(q->in, a->server) - place_class(q->in, b->server);
}

static int
by_stranded(const struct asked *q UNUSED, const struct rd_ranked *a, const struct rd_ranked *b)
{
	return cmp_u64(a->stranded, b->stranded);
}

static int
by_downtime(const struct asked *q UNUSED, const struct rd_ranked *a, const struct rd_ranked *b)
{
	return a->server->is_downtimed - b->server->is_downtimed;
}

static int
by_received(const struct asked *q, const struct rd_ranked *a, const struct rd_ranked *b)
{
	if (q->haves->family == GTID_NONE)
		return rd_coord_cmp(&b->server->read_coord, &a->server->read_coord);
	return cmp_u64(a->lacks, b->lacks);
}

static int
by_errant(const struct asked *q UNUSED, const struct rd_ranked *a, const struct rd_ranked *b)
{
	return !rd_set_is_empty(&a->have->errant) - !rd_set_is_empty(&b->have->errant);
}

static int
by_version(const struct asked *q UNUSED, const struct rd_ranked *a, const struct rd_ranked *b)
{
	return topo_version_cmp_major(a->server->version, b->server->version);
}

static int
by_place(const struct asked *q, const struct rd_ranked *a, const struct rd_ranked *b)
{
	const char *home = q->in->failed.data_center;

	return str_eq(b->server->data_center, home) - str_eq(a->server->data_center, home);
}

static int
by_rule(const struct asked *q UNUSED, const struct rd_ranked *a, const struct rd_ranked *b)
{
	return (int)rd_recovery_rule(a->server) - (int)rd_recovery_rule(b->server);
}

static int
by_backlog(const struct asked *q UNUSED, const struct rd_ranked *a, const struct rd_ranked *b)
{
	return cmp_u64(a->backlog, b->backlog);
}

static int
by_name(const struct asked *q UNUSED, const struct rd_ranked *a, const struct rd_ranked *b)
{
	return topo_key_cmp(&a->server->key, &b->server->key);
}

static const struct {
	int (*cmp)(const struct asked *q, const struct rd_ranked *a, const struct rd_ranked *b);
	enum rd_why why;
} criteria[] = {
    {by_filters, RD_WHY_FILTERS},   {by_delay, RD_WHY_DELAYED},	   {by_loss, RD_WHY_LOSES},
    {by_last_resort, RD_WHY_COUNT}, /* its own reason */
    {by_class, RD_WHY_RULE},	    {by_stranded, RD_WHY_STRANDS}, {by_downtime, RD_WHY_DOWNTIMED},
    {by_received, RD_WHY_RECEIVED}, {by_errant, RD_WHY_ERRANT},	   {by_version, RD_WHY_HIGHER_VERSION},
    {by_place, RD_WHY_PLACE},	    {by_rule, RD_WHY_WEAKER_RULE}, {by_backlog, RD_WHY_BACKLOG},
    {by_name, RD_WHY_NAME},
};

int
rd_rank_compare(const struct rd_recovery_input *in, const struct rd_haves *haves, const struct rd_ranked *a,
		const struct rd_ranked *b, enum rd_why *ret_why)
{
	const struct asked q = {in, haves};
	int order = 0;

	for (size_t i = 0; order == 0 && i < ARRAY_LEN(criteria); i++) {
		order = criteria[i].cmp(&q, a, b);
		*ret_why = criteria[i].why;
	}
	return order;
}
