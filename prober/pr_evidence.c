/* pr_evidence.c — classifies failures. Pure; called by pr_conn.c's users. Numbers: errmsg.h and mysqld_error.h of the
 * client library, repeated here because only pr_conn.c may include it. */
#include "pr_evidence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define CR_UNKNOWN_HOST 2005

bool
pr_errno_is_clients(int64_t err_no)
{
	return (err_no >= 2000 && err_no < 3000) || (err_no >= 5000 && err_no < 6000);
}

bool
pr_errno_is_denied(int64_t err_no)
{
	return err_no == 1045 || err_no == 1698 || err_no == 1044;
}

bool
pr_errno_wants_tls(int64_t err_no)
{
	return err_no == 3159 || pr_errno_is_denied(err_no);
}

int
pr_evidence_errno_of_text(const char *text)
{
	const char *open = strrchr(text, '(');
	long v;
	char *end;

	if (open == NULL)
		return 0;
	v = strtol(open + 1, &end, 10);
	return end != open + 1 && *end == ')' && v > 0 && v < 4096 ? (int)v : 0;
}

int64_t
pr_evidence_hidden_error(const char *text)
{
	static const char mark[] = "cannot be verified: ";
	const char *at = strstr(text, mark);
	long v;

	if (at == NULL)
		return 0;
	v = strtol(at + sizeof(mark) - 1, NULL, 10);
	return v > 0 && v < 65535 && !pr_errno_is_clients(v) ? v : 0;
}

static enum topo_evidence
of_errno(int sys_errno)
{
	static const struct {
		int sys_errno;
		enum topo_evidence evidence;
	} table[] = {
	    {ECONNREFUSED, TOPO_EVIDENCE_REFUSED},
	    {ECONNRESET, TOPO_EVIDENCE_RESET},
	    {EPIPE, TOPO_EVIDENCE_RESET},
	    {ECONNABORTED, TOPO_EVIDENCE_RESET},
	    {ENOTCONN, TOPO_EVIDENCE_RESET},
	    {ETIMEDOUT, TOPO_EVIDENCE_TIMED_OUT},
	    {EHOSTUNREACH, TOPO_EVIDENCE_UNREACHABLE},
	    {ENETUNREACH, TOPO_EVIDENCE_UNREACHABLE},
	    {EHOSTDOWN, TOPO_EVIDENCE_UNREACHABLE},
	    {ENETDOWN, TOPO_EVIDENCE_UNREACHABLE},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].sys_errno == sys_errno)
			return table[i].evidence;
	}
	return TOPO_EVIDENCE_NONE;
}

enum topo_evidence
pr_evidence(const struct pr_failure *f)
{
	enum topo_evidence e;

	if (f->cancelled)
		return TOPO_EVIDENCE_NONE;
	if (f->greeted || (f->err_no > 0 && !pr_errno_is_clients(f->err_no)))
		return TOPO_EVIDENCE_ANSWERED;
	if (f->err_no == CR_UNKNOWN_HOST)
		return TOPO_EVIDENCE_UNRESOLVED;
	if (f->timed_out)
		return TOPO_EVIDENCE_TIMED_OUT;
	e = of_errno(f->sys_errno);
	if (e != TOPO_EVIDENCE_NONE)
		return e;
	return f->closed ? TOPO_EVIDENCE_RESET : TOPO_EVIDENCE_NONE;
}
