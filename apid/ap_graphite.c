/* ap_graphite.c — see ap_graphite.h. Owns the timer and the sender. Called by main.c. */
#include "ap_graphite.h"

#include <event2/event.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ap_figures.h"
#include "base/log.h"

#define PLACEHOLDER "{hostname}"

struct ap_graphite {
	struct ap *ap;
	struct event *timer;
	struct ap_carbon *carbon;
};

/* --- text ------------------------------------------------------------------------------------------------------ */
static void
add_hostname(struct str_buf *b, const char *hostname, bool convert)
{
	for (; *hostname != '\0'; hostname++)
		str_buf_add_char(b, convert && *hostname == '.' ? '_' : *hostname);
}

void
ap_graphite_prefix(const struct conf *conf, const char *hostname, struct str_buf *ret)
{
	const char *rest = conf->GraphitePath, *at;

	while ((at = strstr(rest, PLACEHOLDER)) != NULL) {
		str_buf_add_n(ret, rest, (size_t)(at - rest));
		add_hostname(ret, hostname, conf->GraphiteConvertHostnameDotsToUnderscores);
		rest = at + strlen(PLACEHOLDER);
	}
	str_buf_add(ret, rest);
}

void
ap_graphite_put(struct str_buf *b, const char *prefix, const struct ipc_metric *m, struct wall now)
{
	double v = isfinite(m->value) ? m->value : 0;

	str_buf_printf(b, "%s.%s.%s %.*f %lld\n", prefix, m->name, m->counter ? "count" : "value",
		       v == floor(v) ? 0 : 6, v, (long long)(now.us / CLK_S));
}

/* --- the timer ------------------------------------------------------------------------------------------------- */
static bool
is_on(const struct conf *c)
{
	return c->GraphiteAddr[0] != '\0' && c->GraphitePath[0] != '\0' && c->GraphitePollSeconds > 0;
}

static void
arm(struct ap_graphite *g)
{
	struct timeval tv = clk_timeval(g->ap->conf->GraphitePollSeconds * CLK_S);

	if (is_on(g->ap->conf))
		(void)event_add(g->timer, &tv);
	else
		(void)event_del(g->timer);
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct ap_graphite *g = arg;
	struct wall now = clk_wall(g->ap->clock);
	struct str_buf prefix = {0}, text = {0};
	const struct ipc_metric *gone;
	struct ap_figures f;
	size_t n_gone;

	ap_figures_collect(g->ap, &f);
	ap_graphite_prefix(g->ap->conf, g->ap->hostname, &prefix);
	for (size_t i = 0; i < f.n; i++)
		ap_graphite_put(&text, str_buf_text(&prefix), f.v[i], now);
	gone = ap_figures_gone(&n_gone);
	for (size_t i = 0; i < n_gone; i++)
		ap_graphite_put(&text, str_buf_text(&prefix), &gone[i], now);
	ap_carbon_send(g->carbon, g->ap->conf->GraphiteAddr, str_buf_text(&text), text.len);
	ap_figures_done(&f);
	str_buf_done(&prefix);
	str_buf_done(&text);
	arm(g);
}

void
ap_graphite_reload(struct ap_graphite *g)
{
	if (g == NULL)
		return;
	if (g->ap->conf->GraphiteAddr[0] != '\0' && g->ap->conf->GraphitePath[0] == '\0')
		log_error("graphite",
			  "no metrics are sent to Graphite: GraphitePath is empty"); /* tests: test_graphite.py */
	arm(g);
}

struct ap_graphite *
ap_graphite_start(struct ap *ap)
{
	struct ap_graphite *g = mem_new(struct ap_graphite);

	g->ap = ap;
	g->carbon = ap_carbon_new();
	g->timer = event_new(ap->base, -1, 0, on_timer, g);
	ASSERT(g->timer != NULL);
	ap_graphite_reload(g);
	return g;
}

void
ap_graphite_stop(struct ap *ap)
{
	struct ap_graphite *g = ap->graphite;

	if (g == NULL)
		return;
	ap->graphite = NULL;
	event_free(g->timer);
	ap_carbon_free(g->carbon);
	free(g);
}

struct ap_carbon_stats
ap_graphite_stats(const struct ap_graphite *g)
{
	return ap_carbon_stats(g == NULL ? NULL : g->carbon);
}
