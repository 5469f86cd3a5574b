/* rd_command_check.h — what no state could make a valid command. Pure. */
#ifndef RD_COMMAND_CHECK_H
#define RD_COMMAND_CHECK_H

#include "rd_command.h"

/* ERR_INVALID with a text for the operator: missing uid, invalid keys, empty names, unknown promotion rules. */
int rd_command_check(const struct rd_command *c, struct err *e) MUST_USE;
/* prefer, neutral, prefer_not, must_not */
bool rd_promotion_rule_valid(const char *rule);

#endif
