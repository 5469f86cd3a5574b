/* sup_paths.c — see sup_paths.h. Owns nothing. Called by sup_start.c and sup_reload.c before anything is started or
 * changed. */
#include "sup_paths.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHER_USER "or is this not the user that runs the service?"

static int
refuse(struct err *e, const char *key, const char *path, const char *why, const char *remedy)
{
	return err_set(e, ERR_CONFIG, "%s: %s: %s; %s", key, LOG_Q(path), why, remedy);
}

static int
check_file(const char *key, const char *path, struct err *e)
{
	struct stat st;

	if (path[0] == '\0')
		return 0;
	if (stat(path, &st) != 0)
		return refuse(e, key, path, strerror(errno), "put the PEM file there or change the key");
	if (S_ISDIR(st.st_mode))
		return refuse(e, key, path, "is a directory", "name a PEM file");
	if (access(path, R_OK) != 0)
		return refuse(e, key, path, strerror(errno), "make it readable, " OTHER_USER);
	return 0;
}

static int
check_files(const struct conf *c, const char *const *names, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const char *path = *(const char *const *)((const char *)c + conf_key_find(names[i])->offset);

		if (check_file(names[i], path, e) != 0)
			return -e->code;
	}
	return 0;
}

static int
check_topology_tls(const struct conf *c, enum sup_what what, struct err *e)
{
	static const char *const names[] = {"MySQLTopologySSLCAFile", "MySQLTopologySSLCertFile",
					    "MySQLTopologySSLPrivateKeyFile"};

	if (!c->MySQLTopologyUseMutualTLS && !c->MySQLTopologyUseMixedTLS)
		return 0;
	if (check_files(c, names, ARRAY_LEN(names), e) == 0)
		return 0;
	if (what == SUP_CHECK || c->MySQLTopologyUseMutualTLS)
		return -e->code;
	log_warning("conf", "%s: until then servers that demand TLS cannot be probed", e->msg);
	return 0;
}

static int
check_raft_tls(const struct conf *c, struct err *e)
{
	static const char *const names[] = {"RaftTLSCAFile", "RaftTLSCertFile", "RaftTLSKeyFile"};

	return c->RaftEnabled && c->RaftUseTLS ? check_files(c, names, ARRAY_LEN(names), e) : 0;
}

static int
check_http_tls(const struct conf *c, struct err *e)
{
	static const char *const names[] = {"SSLCertFile", "SSLPrivateKeyFile", "SSLCAFile"};

	return c->UseSSL && c->ListenSocket[0] == '\0' ? check_files(c, names, ARRAY_LEN(names), e) : 0;
}

/* The directory alone: the file itself is made at the first start. */
static int
check_database(const struct conf *c, struct err *e)
{
	static const char key[] = "SQLite3DataFile";
	const char *path = c->SQLite3DataFile, *slash = strrchr(path, '/');
	struct str_buf dir = {0};
	struct stat st;
	int rc = 0;

	str_buf_add(&dir, slash == NULL ? "." : "/");
	if (slash != NULL && slash != path) {
		str_buf_clear(&dir);
		str_buf_add_n(&dir, path, (size_t)(slash - path));
	}
	if (stat(dir.p, &st) != 0)
		rc = refuse(e, key, path, strerror(errno), "make its directory or change the key");
	else if (!S_ISDIR(st.st_mode))
		rc = refuse(e, key, path, "is in no directory", "change the key");
	else if (access(dir.p, W_OK | X_OK) != 0)
		rc = refuse(e, key, path, strerror(errno), "make its directory writable, " OTHER_USER);
	str_buf_done(&dir);
	return rc;
}

int
sup_check_paths(const struct conf *conf, enum sup_what what, struct err *e)
{
	int rc;

	if (what == SUP_COMMAND)
		return 0;
	if (what == SUP_CHECK && (rc = check_database(conf, e)) != 0)
		return rc;
	if ((rc = check_raft_tls(conf, e)) != 0 || (rc = check_http_tls(conf, e)) != 0)
		return rc;
	return check_topology_tls(conf, what, e);
}
