/* pr_probe.c — see pr_probe.h. Owns the arena with the answers. Called by pr_target.c. */
#include "pr_probe.h"

#include <string.h>

#include "base/str.h"
#include "pr_evidence.h"

static void
begin_phase(struct pr_probe *p)
{
	unsigned want = (p->want_domain ? PR_WANT_DOMAIN : 0u) | (p->known->process_asked ? 0u : PR_WANT_PROCESS);

	p->next = p->batch_first = p->batch_n = 0;
	if (p->known->version_known)
		pr_plan_probe(p->conf, p->known->caps, want, &p->plan);
	else
		pr_plan_first(p->conf, &p->plan);
}

void
pr_probe_init(struct pr_probe *p, const struct conf *conf, struct pr_known *known, bool want_domain)
{
	*p = (struct pr_probe){.conf = conf, .known = known, .want_domain = want_domain};
	begin_phase(p);
}

void
pr_probe_restart(struct pr_probe *p)
{
	memset(p->answers, 0, sizeof(p->answers));
	mem_arena_reset(&p->arena);
	p->fatal = false;
	begin_phase(p);
}

void
pr_probe_done(struct pr_probe *p)
{
	mem_arena_done(&p->arena);
}

/* As many as fit a batch; one at least. */
void
pr_probe_ask(struct pr_probe *p, struct pr_conn *c)
{
	size_t bytes = 0;

	p->batch_first = p->next;
	p->batch_n = 0;
	while (p->next < p->plan.n && p->batch_n < PR_BATCH_MAX) {
		const struct pr_plan_item *item = &p->plan.v[p->next];

		bytes += strlen(item->sql);
		if (p->batch_n > 0 && bytes > PR_BATCH_BYTES)
			break;
		p->batch[p->batch_n++] = (struct pr_query){.sql = item->sql, .keep_rows = pr_ask_rows(item->ask)};
		p->next++;
	}
	pr_conn_run(c, p->batch, p->batch_n, &p->arena, p->patient);
}

/* The first questions are answered: which server is it? */
static bool
learn(struct pr_probe *p)
{
	const struct pr_rows *version = &p->answers[PR_ASK_VERSION];
	const char *text = "";
	bool fatal = false;

	if (p->plan.v[0].ask == PR_ASK_MAXSCALE)
		text = pr_collect_maxscale(&p->answers[PR_ASK_MAXSCALE], &p->arena, &fatal);
	if (!fatal && text[0] == '\0' && pr_rows_ok(version))
		text = pr_rows_text(version, 0, "version");
	if (fatal || text[0] == '\0') {
		p->fatal = true;
		return false;
	}
	(void)str_copy(p->known->version, sizeof(p->known->version), text);
	p->known->caps = pr_flavor_caps(p->known->version);
	p->known->version_known = true;
	begin_phase(p);
	return true;
}

static void
learn_privileges(struct pr_probe *p)
{
	const struct pr_rows *r = &p->answers[PR_ASK_PROCESS];

	if (!r->answered)
		return;
	p->known->process_asked = true;
	p->known->process_denied = r->err_no == PR_ERR_PRIVILEGE;
}

bool
pr_probe_take(struct pr_probe *p)
{
	bool first_phase = !p->known->version_known, complete = true;

	for (size_t i = 0; i < p->batch_n; i++) {
		p->answers[p->plan.v[p->batch_first + i].ask] = p->batch[i].rows;
		complete = complete && p->batch[i].rows.answered;
	}
	learn_privileges(p);
	if (!complete)
		return false;
	if (p->next < p->plan.n)
		return true;
	return first_phase && learn(p);
}

struct pr_collect
pr_probe_answers(struct pr_probe *p)
{
	return (struct pr_collect){.answers = p->answers,
				   .plan = &p->plan,
				   .caps = p->known->caps,
				   .version = p->known->version,
				   .process_denied = p->known->process_denied,
				   .credentials_query = p->conf->ReplicationCredentialsQuery[0] != '\0',
				   .arena = &p->arena};
}

void
pr_probe_collect(struct pr_probe *p, bool is_root, struct wall now, struct topo_probe *out)
{
	struct pr_collect in = pr_probe_answers(p);
	const struct pr_rows *maxscale = &p->answers[PR_ASK_MAXSCALE];

	in.is_root = is_root;
	in.now = now;
	if (p->fatal && maxscale->err_no != 0) {
		out->errno_mysql = maxscale->err_no;
		out->error = maxscale->err_text;
		return;
	}
	pr_collect(&in, out);
}
