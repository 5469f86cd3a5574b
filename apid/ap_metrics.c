/* ap_metrics.c — writes figures in two text formats (ap_metrics.h). Pure; called by api_metrics.c. */
#include "ap_metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/metrics.h"

/* --- negotiation: RFC 9110 section 12.5.1, as far as two types need it ------------------------------------------ */

/* How much the client likes one of the two; a type of its own beats the ranges it lies in. */
struct liking {
	unsigned exact; /* 0 = not named at all, 1 = any, 2 = any of that kind, 3 = named */
	double q;
};

static void
like(struct liking *l, unsigned exact, double q)
{
	if (exact > l->exact || (exact == l->exact && q > l->q))
		*l = (struct liking){exact, q};
}

/* 1 when it is missing or no number from 0 to 1. */
static double
quality(const char *params)
{
	for (const char *p = params; (p = strchr(p, ';')) != NULL;) {
		char *end;
		double q;

		p += 1 + strspn(p + 1, " \t");
		if ((p[0] != 'q' && p[0] != 'Q') || p[1] != '=')
			continue;
		q = strtod(p + 2, &end);
		return end != p + 2 && q >= 0 && q <= 1 ? q : 1;
	}
	return 1;
}

static void
take_range(const char *range, struct liking *open, struct liking *plain)
{
	char type[64] = "";
	double q = quality(range);

	range += strspn(range, " \t");
	(void)snprintf(type, sizeof(type), "%.*s", (int)strcspn(range, " \t;"), range);
	if (str_eq_nocase(type, "application/openmetrics-text"))
		like(open, 3, q);
	else if (str_eq_nocase(type, "text/plain"))
		like(plain, 3, q);
	else if (str_eq_nocase(type, "application/*"))
		like(open, 2, q);
	else if (str_eq_nocase(type, "text/*"))
		like(plain, 2, q);
	else if (str_eq(type, "*/*"))
		like(open, 1, q), like(plain, 1, q);
}

enum ap_metrics_format
ap_metrics_choose(const char *accept)
{
	struct liking open = {0}, plain = {0};
	char range[256];

	for (const char *p = accept; p != NULL; p = strchr(p, ',')) {
		p += *p == ',';
		(void)snprintf(range, sizeof(range), "%.*s", (int)strcspn(p, ","), p);
		take_range(range, &open, &plain);
	}
	return plain.q > open.q ? AP_METRICS_PLAIN : AP_METRICS_OPEN;
}

const char *
ap_metrics_content_type(enum ap_metrics_format format)
{
	return format == AP_METRICS_OPEN ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
					 : "text/plain; version=0.0.4; charset=utf-8";
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

/* The older format names samples, not families. */
static void
put_head(struct str_buf *b, enum ap_metrics_format format, const char *family, const char *suffix, const char *type,
	 const char *unit, const char *help)
{
	if (format == AP_METRICS_OPEN)
		suffix = "";
	str_buf_printf(b, "# TYPE %s%s %s\n", family, suffix, type);
	if (unit != NULL && format == AP_METRICS_OPEN)
		str_buf_printf(b, "# UNIT %s %s\n", family, unit);
	str_buf_printf(b, "# HELP %s%s %s.\n", family, suffix, help);
}

static void
put_build(struct str_buf *b, enum ap_metrics_format format)
{
	put_head(b, format, "orchestrator_build", "_info", format == AP_METRICS_OPEN ? "info" : "gauge", NULL,
		 "Always 1, with the version of this node");
	str_buf_add(b, "orchestrator_build_info{version=\"" ORC_VERSION "\"} 1\n");
}

static void
put_figure(struct str_buf *b, enum ap_metrics_format format, const struct ipc_metric *m)
{
	const struct ipc_metric_info *info = ipc_metrics_find(m->name);
	const char *suffix = m->counter ? "_total" : "";
	struct str_buf family = {0};

	if (info == NULL)
		return;
	ipc_metrics_put_open_name(info, &family);
	put_head(b, format, str_buf_text(&family), suffix, m->counter ? "counter" : "gauge", ipc_metrics_unit(info),
		 info->help);
	str_buf_printf(b, "%s%s %.15g\n", str_buf_text(&family), suffix,
		       isfinite(m->value) ? ipc_metrics_scaled(info, m->value) : 0);
	str_buf_done(&family);
}

void
ap_metrics_put(struct str_buf *b, enum ap_metrics_format format, const struct ipc_metric *const *v, size_t n)
{
	put_build(b, format);
	for (size_t i = 0; i < n; i++)
		put_figure(b, format, v[i]);
	if (format == AP_METRICS_OPEN)
		str_buf_add(b, "# EOF\n");
}
