/* rd_choose_private.h — shared by rd_choose.c and rd_eligible.c alone. */
#ifndef RD_CHOOSE_PRIVATE_H
#define RD_CHOOSE_PRIVATE_H

#include "rd_choose.h"

/* What most replicas are: rd_priority_version, rd_priority_format. */
struct rd_most {
	const char *version;
	int format;
};
/* Sets why and detail: CHOSEN when nothing speaks against it, else of class NEVER or LAST. backlog is set before. */
void rd_choose_judge(const struct rd_recovery_input *in, const struct rd_haves *h, const struct rd_most *most,
		     struct rd_ranked *j);
bool rd_uses_family(const struct rd_recovery_server *s, enum gtid_family family);

#endif
