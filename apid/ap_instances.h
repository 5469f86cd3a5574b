/* ap_instances.h — lists of instances from the backend: written, or kept; shared by the handlers of instances and
 * clusters. */
#ifndef AP_INSTANCES_H
#define AP_INSTANCES_H

#include "ap_readers.h"
#include "db/db_read.h"

/* A JSON array of complete instances into rq->body. Reader threads only. */
int ap_write_instances(struct ap_request *rq, struct ap_reader *r, const struct db_instance_filter *filter,
		       enum db_instance_order order, struct err *e) MUST_USE;
/* Historically some empty lists are null, and clients know it. */
void ap_null_when_empty(struct ap_request *rq);

/* Whole records kept beyond their callback, for what looks at several at once. */
#define AP_COLLECT_MAX 20000
struct ap_instance_list {
	const struct topo_instance **v; /* owned */
	size_t n, cap;
};
/* A db_instance_fn; ctx: struct ap_instance_list. */
int ap_keep_instance(void *ctx, const struct topo_instance *inst, struct err *e) MUST_USE;
/* ERR_LIMIT above AP_COLLECT_MAX. Zero-initialise list; it is to be freed in any case. */
int ap_collect_instances(struct ap_reader *r, const struct db_instance_filter *filter, enum db_instance_order order,
			 struct ap_instance_list *list, struct err *e) MUST_USE;
void ap_instance_list_done(struct ap_instance_list *list);
/* They are not copied: a JSON array into rq->body. */
void ap_write_picked(struct ap_request *rq, const struct topo_instance *const *v, size_t n);

#endif
