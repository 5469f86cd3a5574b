/* rd_view_private.h — struct rd_view, shared by the loop's side (rd_view.c) and the thread (rd_view_thread.c). */
#ifndef RD_VIEW_PRIVATE_H
#define RD_VIEW_PRIVATE_H

#include "rd_view.h"
#include "proc/worker.h"

STAILQ_HEAD(job_queue, rd_job);

struct rd_view {
	struct rd_view_conf conf; /* strings owned */
	struct worker worker;
	uint64_t refused; /* loop only */
	/* under the worker's lock */
	struct job_queue todo, finished;
	size_t waiting, waiting_rows;
	struct rd_job *opened;	  /* RELOAD job that carries the result of opening */
	struct db_open_info info; /* with opened */
	struct err open_error;	  /* newest failure, code 0 = told already */
	/* thread only */
	struct db *db;
	bool poisoned; /* a decision failed: memory is ahead of the database */
	struct err poison;
	int64_t data_version;
};

void rd_view_thread(void *view);

#endif
