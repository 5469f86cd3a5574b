/* sim_topo_votes.c — the votes that stand in a node's state. Owns nothing; called by sim_topo_check.c. */
#include "base/mem.h"
#include "sim_topo.h"
#include "state/rd_records.h"

static bool
is_vote(const struct db_detection_witness *w)
{
	static const char *const failed[] = {"refused", "reset", "timed_out", "unreachable"};

	for (size_t i = 0; i < ARRAY_LEN(failed); i++) {
		if (!w->is_replica && str_eq(w->seen, failed[i]))
			return true;
	}
	return false;
}

static size_t
votes_of(const struct rd_state *s, int64_t id)
{
	struct rd_cursor c = {.table = RD_TABLE_detection_witness};
	const struct db_detection_witness *w;
	size_t n = 0;

	while ((w = rd_state_next_row(s, &c)) != NULL)
		n += w->detection_id == id && is_vote(w);
	return n;
}

/* Of the detections of that server, the most recorded ones of voters whom it did not answer. */
size_t
sim_topo_votes(const struct rd_state *s, const struct topo_key *failed)
{
	struct rd_cursor c = {.table = RD_TABLE_detection};
	const struct db_detection *d;
	size_t most = 0;

	while ((d = rd_state_next_row(s, &c)) != NULL) {
		if (d->port == failed->port && str_eq(d->hostname, failed->hostname))
			most = votes_of(s, d->detection_id) > most ? votes_of(s, d->detection_id) : most;
	}
	return most;
}
