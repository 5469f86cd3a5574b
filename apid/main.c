/* main.c — apid: wiring only. The skeleton is common/proc; each part has its own file. */
#include <stdlib.h>
#include <string.h>

#include "ap_cli.h"
#include "ap_graphite.h"
#include "ap_groups.h"
#include "ap_httpd.h"
#include "ap_node.h"
#include "ap_proxy.h"
#include "ap_raftd.h"
#include "ap_readers.h"
#include "ap_request.h"
#include "base/log.h"

/* ATTACH: the service that holds the data does the work; this process is only a client of its control socket. */
static int
start_parts(struct ap *ap, uint64_t mode, struct err *e)
{
	int rc;

	if (mode == PROC_MODE_ATTACH)
		return 0;
	rc = ap_readers_start(ap, &ap->readers, e);
	if (rc == 0) {
		ap->raftd = ap_raftd_start(ap);
		ap_proxy_start(ap, &ap->proxy);
		rc = ap_httpd_start(ap, mode == PROC_MODE_SERVICE, &ap->httpd, e);
		if (rc == 0 && mode == PROC_MODE_SERVICE)
			ap->graphite = ap_graphite_start(ap);
	}
	return rc;
}

/* Whoever still waits is answered before its connection goes. */
static void
free_parts(struct ap *ap)
{
	ap_graphite_stop(ap);
	ap_groups_stop(ap);
	ap_readers_stop(ap);
	ap_proxy_stop(ap);
	ap_raftd_stop(ap);
	ap_node_drop_waiting();
	ap_httpd_stop(ap->httpd);
	ap_health_free(ap);
	conf_unref(ap->conf);
	free(ap->message_prefix);
	free(ap);
}

static void
on_done(struct proc *p UNUSED, void *app)
{
	free_parts(app);
}

static int
on_start(struct proc *p, void **ret_app)
{
	uint64_t mode = proc_setup(p)->mode;
	struct ap *ap = mem_new(struct ap);
	struct err e;
	int rc;

	ap->proc = p;
	ap->base = proc_base(p);
	ap->conf = conf_ref(proc_conf(p));
	ap->clock = clk_real();
	ap->hostname = proc_setup(p)->hostname;
	ap->node_token = proc_setup(p)->node_token;
	ap->message_prefix = ap_message_prefix(ap->conf, ap->hostname);
	*ret_app = ap;
	rc = start_parts(ap, mode, &e);
	if (rc == 0 && (mode == PROC_MODE_ONE_SHOT || mode == PROC_MODE_ATTACH))
		rc = cli_start(p, ap->conf->DefaultInstancePort, &e);
	if (rc != 0) {
		log_error("apid", "%s", e.msg);
		free_parts(ap);
		return rc == -ERR_PERMISSION ? PROC_EXIT_PERMISSION : PROC_EXIT_CONFIG;
	}
	proc_ready(p, mode != PROC_MODE_SERVICE		  ? "control socket"
		      : ap->conf->ListenSocket[0] != '\0' ? ap->conf->ListenSocket
							  : ap->conf->ListenAddress);
	return 0;
}

static void
on_reload(struct proc *p, void *app)
{
	struct ap *ap = app;

	conf_unref(ap->conf);
	ap->conf = conf_ref(proc_conf(p));
	ap_httpd_reload(ap->httpd);
	ap_graphite_reload(ap->graphite);
}

static void
on_drained(void *ctx)
{
	proc_exit_loop(ctx, PROC_EXIT_OK);
}

/* Some of the time is for the rest: what waits in the readers, closing. */
static void
on_stop(struct proc *p, void *app, int64_t deadline_ms)
{
	struct ap *ap = app;

	ap->stopping = true;
	ap_proxy_finish(ap, deadline_ms / 3);
	if (ap->httpd == NULL)
		on_drained(p);
	else
		ap_httpd_drain(ap->httpd, deadline_ms / 2, on_drained, p);
}

static void
on_peer(struct proc *p, void *app, const struct ipc_child_peer *m)
{
	struct ap *ap = app;
	struct err e;

	if (ap->raftd != NULL && ap_raftd_peer(ap->raftd, m, &e) != 0)
		proc_fail(p, PROC_EXIT_RETRY, &e);
}

static void
on_reload_result(struct proc *p UNUSED, void *app UNUSED, const struct ipc_child_reload_result *m)
{
	ap_node_reload_result(m);
}

int
main(int argc, char **argv)
{
	static const struct proc_ops ops = {.program = "apid",
					    .role = IPC_ROLE_APID,
					    .start = on_start,
					    .reload = on_reload,
					    .stop = on_stop,
					    .done = on_done,
					    .peer = on_peer,
					    .reload_result = on_reload_result};

	return proc_main(argc, argv, &ops);
}
