/* topo_make.h — instances for tests from one line of text: "host:port field=value …".
 *
 * Fields are those of instance.def. Values: numbers; 0/1 for bools; texts, in '…' when they hold blanks; host:port for
 * keys; file:pos for coordinates; a,b for lists of keys. Words without "=": "up" (checked and seen at TOPO_MAKE_NOW - 1
 * s), "down" (checked then, seen a minute ago), "failing" (the IO thread can't connect), "logging" (MariaDB with GTID, ROW and
 * log_slave_updates), "replicating" (both threads run, lag 0, a read position), "stopped" (threads exist, stopped). Aborts on anything
 * else. */
#ifndef TOPO_MAKE_H
#define TOPO_MAKE_H

#include "base/clock.h"
#include "topo/topo.h"

#define TOPO_MAKE_NOW ((struct wall){INT64_C(1700000000) * CLK_S})

struct topo_instance *topo_make(const char *line); /* owning; topo_make_free */
void topo_make_free(struct topo_instance *i);

#endif
