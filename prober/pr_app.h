/* pr_app.h — the prober process: link to raftd, pool, steps, look-ups, statistics. */
#ifndef PR_APP_H
#define PR_APP_H

#include <stdbool.h>

int pr_main(int argc, char **argv);

#endif
