/* main.c — orchestrator-prober: the only program of a node that connects to probed servers. */
#include "pr_app.h"

int
main(int argc, char **argv)
{
	return pr_main(argc, argv);
}
