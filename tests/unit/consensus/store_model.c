/* store_model.c — see store_model.h. */
#include "store_model.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char model_content[1000] = "everything up to here";

void
model_init(struct model *m)
{
	*m = (struct model){.term = mem_calloc(MODEL_INDEX_MAX, sizeof(uint64_t))};
}

void
model_done(struct model *m)
{
	free(m->term);
}

static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 31)) * UINT64_C(0x9e3779b97f4a7c15);
	return x ^ (x >> 29);
}

static void
snapshot_at(struct model *m, struct model_step *s, uint64_t index, uint64_t term)
{
	s->snapshot = (struct rd_snapshot){
	    .term = term, .index = index, .size = sizeof(model_content), .conf_index = 1, .conf = "conf", .conf_n = 4};
	(void)SHA256((const unsigned char *)model_content, sizeof(model_content), s->snapshot.sha256);
	s->write.snapshot = &s->snapshot;
	m->snapshot_index = index;
	m->snapshot_term = term;
}

static void
append(struct model *m, struct model_step *s, uint64_t index, size_t n)
{
	s->write.index = index;
	s->write.entries = s->entries;
	s->write.n = n;
	for (size_t i = 0; i < n; i++) {
		s->entries[i] = entry_of(index + i, m->step, 0);
		m->term[index + i] = m->step;
	}
	m->last = index + n - 1;
}

void
model_next(struct model *m, struct model_step *s)
{
	uint64_t n = ++m->step, random = mix(n);

	memset(s, 0, sizeof(*s));
	assert_true(m->last + 200 < MODEL_INDEX_MAX);
	s->write.has_vote = true;
	s->write.term = n;
	s->write.voted_for = random >> 1;
	if (n % 97 == 0) { /* the leader's snapshot */
		s->source = RD_SNAPSHOT_RECEIVED;
		s->write.clears_log = true;
		m->last += 50;
		snapshot_at(m, s, m->last, n);
	} else if (n % 41 == 0 && m->last > m->snapshot_index) {
		s->source = RD_SNAPSHOT_OWN;
		snapshot_at(m, s, m->last, m->term[m->last]);
		s->write.compact_to = m->compact_to = m->last > 20 ? m->last - 20 : 0;
	} else if (n % 5 == 0 && m->last >= m->snapshot_index + 3) { /* another leader's entries replace the newest */
		append(m, s, m->last + 1 - random % 3, 2);
	} else {
		append(m, s, m->last + 1, 1 + random % MODEL_ENTRIES_MAX);
	}
}

void
model_check(struct model *m, const struct rd_stored *found)
{
	const struct rd_log_range *log = found->log;

	while (m->step < found->term) {
		struct model_step s;
		model_next(m, &s);
	}
	assert_int_equal(m->step, found->term);
	if (m->step > 0)
		assert_true(found->voted_for == mix(m->step) >> 1);
	assert_int_equal(found->snapshot.index, m->snapshot_index);
	assert_int_equal(found->snapshot.term, m->snapshot_term);
	assert_int_equal(log->index + log->n, m->last + 1);
	for (size_t i = 0; i < log->n; i++) {
		assert_non_null(log->v[i].data);
		assert_true(entry_is(&log->v[i], log->index + i, m->term[log->index + i], 0));
	}
}
