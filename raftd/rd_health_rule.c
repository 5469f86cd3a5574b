/* rd_health_rule.c — what failed is owed until it is made good (rd_health_rule.h). Owns nothing; called by rd_health.c. */
#include "rd_health_rule.h"

#include "base/base.h"

void
rd_health_rule_failed(struct rd_health_rule *r, enum rd_health_work work)
{
	r->owed[work == RD_HEALTH_ONCE ? RD_HEALTH_BEAT : work] = true;
}

bool
rd_health_rule_succeeded(struct rd_health_rule *r, enum rd_health_work work)
{
	r->owed[work] = false;
	for (size_t i = 0; i < ARRAY_LEN(r->owed); i++) {
		if (r->owed[i])
			return false;
	}
	return true;
}
