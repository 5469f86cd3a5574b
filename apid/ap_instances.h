/* ap_instances.h — writing instance lists from the backend; shared by the handlers of instances and clusters. */
#ifndef AP_INSTANCES_H
#define AP_INSTANCES_H

#include "ap_readers.h"
#include "db/db_read.h"

/* A JSON array of complete instances into rq->body. Reader threads only. */
int ap_write_instances(struct ap_request *rq, struct ap_reader *r, const struct db_instance_filter *filter,
		       enum db_instance_order order, struct err *e) MUST_USE;
/* Historically some empty lists are null, and clients know it. */
void ap_null_when_empty(struct ap_request *rq);

#endif
