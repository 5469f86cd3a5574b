/* metrics.c — the table of figures (metrics.h). Pure; apid shows what it says, the manual page is made from it. */
#include "metrics.h"

#include <ctype.h>

static const struct ipc_metric_info table[] = {
#define COUNTER true
#define GAUGE false
#define ROW(name_, counter_, unit_, ...) \
	{.name = name_, .counter = counter_, .unit = IPC_UNIT_##unit_, .help = __VA_ARGS__},
#define METRIC_RAFTD(member, name, kind, unit, ...) ROW(name, kind, unit, __VA_ARGS__)
#define METRIC_LINK(member, kind, unit, ...) ROW("raft.link." #member, kind, unit, __VA_ARGS__)
#define METRIC_PROBER(member, name, kind, unit, ...) ROW(name, kind, unit, __VA_ARGS__)
#define METRIC_APID(member, name, kind, unit, ...) ROW(name, kind, unit, __VA_ARGS__)
#include "metrics.def"
};

size_t
ipc_metrics_count(void)
{
	return ARRAY_LEN(table);
}

const struct ipc_metric_info *
ipc_metrics_at(size_t i)
{
	ASSERT(i < ARRAY_LEN(table));
	return &table[i];
}

const struct ipc_metric_info *
ipc_metrics_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (str_eq(table[i].name, name))
			return &table[i];
	}
	return NULL;
}

void
ipc_metrics_put_open_name(const struct ipc_metric_info *m, struct str_buf *b)
{
	str_buf_add(b, "orchestrator_");
	for (const char *p = m->open != NULL ? m->open : m->name; *p != '\0'; p++)
		str_buf_add_char(b, isalnum((unsigned char)*p) ? *p : '_');
}

const char *
ipc_metrics_unit(const struct ipc_metric_info *m)
{
	static const char *const texts[] = {
	    [IPC_UNIT_NONE] = NULL,
	    [IPC_UNIT_BYTES] = "bytes",
	    [IPC_UNIT_MS] = "seconds",
	    [IPC_UNIT_US] = "seconds",
	};

	return texts[m->unit];
}

double
ipc_metrics_scaled(const struct ipc_metric_info *m, double value)
{
	static const double parts[] = {
	    [IPC_UNIT_NONE] = 1,
	    [IPC_UNIT_BYTES] = 1,
	    [IPC_UNIT_MS] = 1e3,
	    [IPC_UNIT_US] = 1e6,
	};

	return value / parts[m->unit];
}
