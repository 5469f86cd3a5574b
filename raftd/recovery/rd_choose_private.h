/* rd_choose_private.h — shared by rd_choose.c, rd_eligible.c and rd_rank.c alone. */
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
/* <0: a is to be promoted rather than b. ret_why: what decided it, of the other one; RD_WHY_COUNT: its own reason. */
int rd_rank_compare(const struct rd_recovery_input *in, const struct rd_haves *haves, const struct rd_ranked *a,
		    const struct rd_ranked *b, enum rd_why *ret_why);
bool rd_uses_family(const struct rd_recovery_server *s, enum gtid_family family);

#endif
