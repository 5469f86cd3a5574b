/* main.c — raftd, the node's brain: what it knows, decides and writes. Started by orchestrator(8), see raftd(8). */
#include "rd_node.h"

int
main(int argc, char **argv)
{
	static const struct proc_ops ops = {.program = "raftd",
					    .role = IPC_ROLE_RAFTD,
					    .start = rd_node_start,
					    .reload = rd_node_reload,
					    .stop = rd_node_stop,
					    .done = rd_node_done,
					    .peer = rd_node_peer};

	return proc_main(argc, argv, &ops);
}
