/* main.c — raftd, the node's brain: what it knows, decides and writes. Started by orchestrator(8), see raftd(8); and by
 * itself, as the watcher of a hook. */
#include "base/str.h"
#include "rd_hook_keep.h"
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

	if (argc > 1 && str_eq(argv[1], RD_HOOK_KEEP_ARG))
		return rd_hook_keep(argc, argv);
	return proc_main(argc, argv, &ops);
}
