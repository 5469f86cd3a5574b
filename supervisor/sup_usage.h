/* sup_usage.h — what `orchestrator` says about itself. Texts for people on stdout and stderr. */
#ifndef SUPERVISOR_SUP_USAGE_H
#define SUPERVISOR_SUP_USAGE_H

void sup_usage_sheet(void);   /* stdout */
void sup_usage_version(void); /* stdout: two lines */
void sup_usage_short(void);   /* stderr */
void sup_usage_flags(void);   /* stderr: sup_usage_short and every flag */

#endif
