/* bench_db.c — what reads and writes of instances cost, in microseconds: b/tests/bench/bench_db [instances]. Not a
 * test. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "db/db_read.h"
#include "db/db_write.h"
#include "topo/derive.h"

#define S INT64_C(1000000)
#define PER_CLUSTER 10

static struct db *db;
static struct err e;
static const struct topo_limits limits = {.poll_s = 5, .reasonable_lag_s = 10, .maintenance_lag_s = 20};

static int64_t
now_us(void)
{
	return clk_mono(clk_real()).us;
}

static void
must(int rc)
{
	if (rc == 0)
		return;
	(void)fprintf(stderr, "bench_db: %s\n", e.msg);
	exit(1);
}

/* A replica like those of a sandbox, with GTID sets and errors of a usual length. */
static void
write_instance(int i, struct wall now)
{
	char host[64], source[64], cluster[80], uuid[64];
	struct topo_key replicas[PER_CLUSTER - 1];
	struct topo_instance x;

	(void)snprintf(host, sizeof(host), "db%05d.example.net", i);
	(void)snprintf(source, sizeof(source), "db%05d.example.net", i / PER_CLUSTER * PER_CLUSTER);
	(void)snprintf(cluster, sizeof(cluster), "%s:3306", source);
	(void)snprintf(uuid, sizeof(uuid), "3a1c0de2-1111-11ef-9a10-%012d", i);
	rec_init(&topo_instance_desc, &x);
	x.key = (struct topo_key){host, 3306};
	x.server_uuid = x.ancestry_uuid = uuid;
	x.version = "8.0.36";
	x.executed_gtid_set = x.gtid_purged = "3a1c0de2-1111-11ef-9a10-0242ac110002:1-812345678,"
					      "3a1c0de2-1111-11ef-9a10-0242ac110003:1-99";
	x.cluster_name = cluster;
	x.last_checked_us = x.last_attempted_us = x.last_seen_us = now.us;
	for (int r = 0; r < PER_CLUSTER - 1; r++)
		replicas[r] = (struct topo_key){"db00001.example.net", 3306 + r};
	if (i % PER_CLUSTER == 0)
		x.replicas = (struct topo_key_list){replicas, ARRAY_LEN(replicas)};
	else
		x.source_key = (struct topo_key){source, 3306};
	must(db_upsert_instance(db, &x, DB_INSTANCE_SEEN, &e));
}

static int
count_instance(void *ctx, const struct topo_instance *i UNUSED, struct err *ignored UNUSED)
{
	++*(int *)ctx;
	return 0;
}

static void
report(const char *what, int64_t began_us, int rounds, int rows)
{
	double us = (double)(now_us() - began_us) / rounds;

	(void)printf("%-44s %10.1f us   %7.2f us/row\n", what, us, us / (rows == 0 ? 1 : rows));
}

static void
bench_read(const char *what, const struct db_instance_filter *f, enum db_instance_order order, int rounds,
	   struct wall now)
{
	int64_t began = now_us();
	int rows = 0;

	for (int i = 0; i < rounds; i++)
		must(db_read_instances(db, f, order, now, &limits, count_instance, &rows, &e));
	report(what, began, rounds, rows / rounds);
}

static void
bench_write(const char *what, int n, enum db_durability durability, struct wall now)
{
	int64_t began = now_us();

	must(db_begin(db, durability, &e));
	for (int i = 0; i < n; i++)
		write_instance(i, now);
	must(db_commit(db, &e));
	report(what, began, 1, n);
}

static void
bench_data_version(void)
{
	int64_t began = now_us(), v;

	for (int i = 0; i < 10000; i++)
		must(db_data_version(db, &v, &e));
	report("data version", began, 10000, 1);
}

static void
bench_commits(void)
{
	int64_t began = now_us();

	for (int i = 0; i < 50; i++) {
		must(db_begin(db, DB_DURABLE, &e));
		must(db_set_applied_index(db, i, &e));
		must(db_commit(db, &e));
	}
	report("durable transaction of one row", began, 50, 1);
}

int
main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1000;
	char path[] = "/tmp/orc-bench-db-XXXXXX", file[64], command[64];
	struct wall now = clk_wall(clk_real());
	struct topo_key key = {"db00007.example.net", 3306};
	struct db_conf conf = {.backend = "sqlite", .path = file};
	int64_t began;

	if (mkdtemp(path) == NULL)
		return 1;
	(void)snprintf(file, sizeof(file), "%s/orc.db", path);
	began = now_us();
	must(db_open(&conf, DB_READ_WRITE, &db, &e));
	report("open, new file", began, 1, 1);
	bench_write("insert all, one relaxed transaction", n, DB_RELAXED, now);
	bench_write("update all, one relaxed transaction", n, DB_RELAXED, now);
	bench_write("update all, one durable transaction", n, DB_DURABLE, now);
	bench_commits();
	bench_read("read 1 by key", &(struct db_instance_filter){.key = &key}, DB_ORDER_KEY, 10000, now);
	bench_read("read a cluster", &(struct db_instance_filter){.cluster = "db00000.example.net:3306"}, DB_ORDER_KEY,
		   1000, now);
	bench_read("read all by key", &(struct db_instance_filter){0}, DB_ORDER_KEY, 10, now);
	bench_read("read all by depth", &(struct db_instance_filter){0}, DB_ORDER_DEPTH, 10, now);
	bench_read("search (no hit)", &(struct db_instance_filter){.search = "nosuchthing"}, DB_ORDER_DEPTH, 10, now);
	bench_data_version();
	db_close(db);
	began = now_us();
	must(db_open(&conf, DB_READ_WRITE, &db, &e));
	report("open, existing file", began, 1, 1);
	db_close(db);
	(void)snprintf(command, sizeof(command), "rm -r %s", path);
	return system(command);
}
