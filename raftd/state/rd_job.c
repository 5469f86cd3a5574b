/* rd_job.c — making and freeing the jobs of rd_view.h. Called by the loop's side, and by the simulation. */
#include <stdlib.h>

#include "rd_view.h"

struct rd_job *
rd_job_new(enum rd_job_kind kind, void (*done)(void *ctx, struct rd_job *job), void *ctx)
{
	struct rd_job *j = mem_new(struct rd_job);

	j->kind = kind;
	j->done = done;
	j->ctx = ctx;
	return j;
}

void
rd_job_free(struct rd_job *j)
{
	if (j == NULL)
		return;
	rd_changes_done(&j->changes);
	rd_loaded_free(j->loaded);
	str_buf_done(&j->lines);
	codec_out_done(&j->image);
	free(j->file);
	free(j);
}

struct rd_position
rd_position_of(const struct rd_state *s)
{
	return (struct rd_position){rd_state_index(s), rd_state_term(s), rd_state_time_us(s), rd_state_hash(s)};
}
