/* main.c — the installed command `orchestrator`. */
#include "supervisor.h"

int
main(int argc, char **argv)
{
	const struct sup_limits limits = {.times = sup_times_default, .restart = sup_restart_policy_default};

	return sup_main(argc, argv, &limits);
}
