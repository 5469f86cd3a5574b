/* pr_conn_login.c — logins, in connector threads. With pr_conn.c the only includer of the MySQL client library. See
 * pr_conn.h.
 *
 * Facts this rests on, read in the library's source and measured (reference/libraries.md section 1):
 *   - MARIADB_OPT_IO_WAIT: every wait of the blocking calls goes through on_wait. Once the socket is non-blocking that
 *     includes the TLS handshake and what follows, which otherwise block without a deadline. The library remembers the
 *     mode it set itself and doesn't undo ours.
 *   - ma_pvio_register_callback: on_io sees every read before the library does, in all threads.
 * Owns nothing but the handle until it is adopted. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "pr_conn.h"
#include "pr_conn_private.h"
#include "pr_reach.h"

#define LOGIN_BYTES ((size_t)256 << 10) /* from the server until we are in */
#define SYSTEM_CA_DIR "/etc/ssl/certs"
#define DEPRECATE_EOF_FLAG (1UL << 24) /* would change how results end */

/* Which ways of logging in a server may choose: none that hands it the password as it is, unless inside TLS. */
#define AUTH_PLAIN "mysql_native_password,caching_sha2_password,client_ed25519,sha256_password"
#define AUTH_TLS AUTH_PLAIN ",mysql_clear_password"

/* Exported by the library for plugins; its header drags in private ones. */
int ma_pvio_register_callback(my_bool on, void (*fn)(int mode, MYSQL *m, const unsigned char *p, size_t n));

static atomic_bool stopping;
static int stop_fd = -1; /* readable once stopping */
static __thread struct pr_login *running_login;

static struct mono
now(void)
{
	return clk_mono(clk_real());
}

static void
make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && (flags & O_NONBLOCK) == 0)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* Milliseconds left, rounded up; 0 when none is. */
static int
left_ms(const struct pr_login *l)
{
	int64_t us = mono_diff_us(l->deadline, now());

	return us <= 0 ? 0 : (int)min_i64((us + 999) / 1000, 3600 * 1000);
}

static int
fail_wait(struct pr_login *l, int sys_errno)
{
	l->failure.sys_errno = sys_errno;
	l->failure.timed_out = sys_errno == ETIMEDOUT;
	l->failure.cancelled = sys_errno == ECANCELED;
	errno = sys_errno; /* the library puts it into its text */
	return -1;
}

/* A failed connect is told here: the library would report whatever errno happens to hold. */
static int
connect_error(int fd)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &size) == 0 ? value : errno;
}

/* Every wait of the library. In the loop there are none: anything that would wait fails. */
static int
on_wait(my_socket fd, my_bool is_read, int timeout UNUSED)
{
	struct pr_login *l = running_login;
	struct pollfd fds[2] = {{.fd = fd, .events = is_read ? POLLIN : POLLOUT}, {.fd = stop_fd, .events = POLLIN}};
	int rc;

	if (l == NULL) {
		errno = ETIMEDOUT;
		return -1;
	}
	atomic_store(&l->stage, PR_LOGIN_CONNECTING);
	if (l->waited_from.us == 0)
		l->waited_from = now();
	do
		rc = poll(fds, 2, left_ms(l));
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return fail_wait(l, errno);
	if (fds[1].revents != 0)
		return fail_wait(l, ECANCELED);
	if (rc == 0)
		return fail_wait(l, ETIMEDOUT);
	if (!is_read && (fds[0].revents & (POLLERR | POLLHUP)) != 0)
		return fail_wait(l, connect_error(fd));
	return 1;
}

/* Watches the server's first packet pass: 3 bytes of length, 1 of number, and what it says.
 * The library (3.3.19, 3.4.2) dereferences NULL when that packet is error 65535, "progress report": the number is made
 * a harmless one before the library reads it. p is the library's own buffer. */
static void
watch_greeting(struct pr_login *l, unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t at = l->seen_bytes + i;

		if (at < 3)
			l->greeting_bytes |= (size_t)p[i] << (8 * at);
		else if (at == 4)
			l->error_first = p[i] == 0xff;
		else if (at == 6 && l->error_first && p[i] == 0xff)
			p[i] = 0xfe;
		else if (at > 6)
			break;
	}
	if (l->seen_bytes + n >= 4 && l->greeting_bytes > 0 && l->seen_bytes + n >= l->greeting_bytes + 4) {
		l->failure.greeted = true;
		l->greeted_at = now();
	}
}

static void
login_read(struct pr_login *l, int fd, const unsigned char *p, size_t n)
{
	atomic_store(&l->stage, PR_LOGIN_CONNECTING);
	make_nonblocking(fd);
	if (!l->failure.greeted)
		watch_greeting(l, (unsigned char *)(uintptr_t)p, n);
	l->seen_bytes += n;
	if (l->seen_bytes > LOGIN_BYTES || left_ms(l) == 0) {
		l->failure.timed_out = l->failure.timed_out || left_ms(l) == 0;
		(void)shutdown(fd, SHUT_RDWR);
	}
}

/* After each read (mode 0) or write of any connection, in the thread that did it. */
static void
on_io(int mode, MYSQL *m, const unsigned char *p, size_t n)
{
	int error = n == (size_t)-1 ? errno : 0;

	if (mode != 0)
		return;
	if (running_login == NULL)
		pr_conn_on_read(n, error);
	else if (n == 0)
		running_login->failure.closed = true;
	else if (n != (size_t)-1)
		login_read(running_login, (int)mysql_get_socket(m), p, n);
	else if (running_login->failure.sys_errno == 0)
		running_login->failure.sys_errno = error;
}

static void
set_option(MYSQL *m, enum mysql_option option, const void *value)
{
	int rc = mysql_optionsv(m, option, value);

	ASSERT(rc == 0);
}

static void
set_tls(MYSQL *m, const struct pr_login *l)
{
	my_bool yes = 1, verify = l->tls_verify ? 1 : 0;

	set_option(m, MYSQL_OPT_SSL_ENFORCE, &yes);
	set_option(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify); /* the default differs between versions */
	if (l->tls_verify && l->ca_file[0] != '\0')
		set_option(m, MYSQL_OPT_SSL_CA, l->ca_file);
	else if (l->tls_verify)
		set_option(m, MYSQL_OPT_SSL_CAPATH, SYSTEM_CA_DIR); /* read by hash: the bundle costs 50 ms a login */
	if (l->cert_file[0] != '\0' && l->key_file[0] != '\0') {
		set_option(m, MYSQL_OPT_SSL_CERT, l->cert_file);
		set_option(m, MYSQL_OPT_SSL_KEY, l->key_file);
		set_option(m, MARIADB_OPT_TLS_PASSPHRASE, ""); /* or OpenSSL asks the terminal */
	}
}

static void
set_options(MYSQL *m, const struct pr_login *l, bool tls)
{
	unsigned timeout_s = (unsigned)(left_ms(l) / 1000 + 1), protocol = MYSQL_PROTOCOL_TCP, no = 0;
	my_bool false_ = 0;
	unsigned long max_packet = l->max_packet;

	set_option(m, MYSQL_OPT_NONBLOCK, NULL);
	set_option(m, MYSQL_OPT_PROTOCOL, &protocol); /* "localhost" would mean the Unix socket */
	set_option(m, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
	set_option(m, MYSQL_OPT_LOCAL_INFILE, &no);
	set_option(m, MYSQL_OPT_RECONNECT, &false_);
	set_option(m, MYSQL_OPT_MAX_ALLOWED_PACKET, &max_packet);
	set_option(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	set_option(m, MARIADB_OPT_IO_WAIT, (const void *)(uintptr_t)on_wait);
	set_option(m, MARIADB_OPT_RESTRICTED_AUTH, tls ? AUTH_TLS : AUTH_PLAIN);
	if (tls)
		set_tls(m, l);
}

static void
note_login_error(struct pr_login *l, MYSQL *m)
{
	int64_t hidden = pr_evidence_hidden_error(mysql_error(m));

	l->failure.err_no = hidden != 0 ? hidden : mysql_errno(m);
	if (l->failure.sys_errno == 0 && !l->failure.greeted)
		l->failure.sys_errno = pr_evidence_errno_of_text(mysql_error(m));
	(void)str_copy(l->failure.text, sizeof(l->failure.text),
		       str_empty(mysql_error(m)) ? "the login ended without an error" : mysql_error(m));
}

static void
note_address(struct pr_login *l, MYSQL *m)
{
	struct sockaddr_storage peer;
	socklen_t n = sizeof(peer);

	if (getpeername((int)mysql_get_socket(m), (struct sockaddr *)&peer, &n) != 0 ||
	    getnameinfo((struct sockaddr *)&peer, n, l->address, sizeof(l->address), NULL, 0, NI_NUMERICHOST) != 0)
		l->address[0] = '\0';
}

/* One attempt, plain or TLS. */
static bool
attempt(struct pr_login *l, bool tls)
{
	MYSQL *m = mysql_init(NULL);
	bool ok;

	ASSERT(m != NULL);
	memset(&l->failure, 0, sizeof(l->failure));
	l->seen_bytes = l->greeting_bytes = 0;
	set_options(m, l, tls);
	running_login = l;
	ok = mysql_real_connect(m, l->host, l->user, l->password, NULL, l->port, NULL,
				l->multi_statements ? CLIENT_MULTI_STATEMENTS : 0) != NULL;
	if (!ok)
		note_login_error(l, m);
	running_login = NULL;
	if (ok && (m->client_flag & DEPRECATE_EOF_FLAG) != 0) {
		ok = false;
		(void)str_copy(l->failure.text, sizeof(l->failure.text), "unsupported client library");
	}
	if (ok) {
		l->handle = m;
		note_address(l, m);
	} else {
		mysql_close(m);
	}
	l->tls_used = tls;
	return ok;
}

/* UseMixedTLS: plain until the server demands otherwise. Access denied may mean an account that requires TLS: if TLS
 * doesn't help, the first answer stands. */
static bool
attempt_mixed(struct pr_login *l)
{
	struct pr_failure plain;

	if (attempt(l, false))
		return true;
	if (!pr_errno_wants_tls(l->failure.err_no))
		return false;
	plain = l->failure;
	l->tls_demanded = plain.err_no == 3159;
	if (attempt(l, true)) {
		l->tls_demanded = true;
		return true;
	}
	if (!l->tls_demanded)
		l->failure = plain;
	return false;
}

/* The name is unknown now. Whoever says something at the former address may be another server by now: that proves nothing,
 * and nobody logs in there. */
static void
ask_former_address(struct pr_login *l)
{
	int rc;

	atomic_store(&l->stage, PR_LOGIN_CONNECTING);
	l->waited_from = now();
	rc = pr_reach_hear(l->address, (uint16_t)l->port, l->deadline);
	if (rc == 0)
		return;
	l->failure = (struct pr_failure){.err_no = CR_CONN_HOST_ERROR, .sys_errno = rc, .timed_out = rc == ETIMEDOUT};
	(void)snprintf(l->failure.text, sizeof(l->failure.text),
		       "Unknown server host '%.128s'; where it was, at %s: %s", l->host, l->address,
		       strerrordesc_np(rc));
}

void
pr_login_init(struct pr_login *l)
{
	memset(l, 0, sizeof(*l));
	l->failure.cancelled = true;
	(void)str_copy(l->failure.text, sizeof(l->failure.text), "cancelled");
}

void
pr_login_run(struct pr_login *l)
{
	if (atomic_load(&stopping) || atomic_load(&l->abandoned))
		return;
	atomic_store(&l->stage, PR_LOGIN_RESOLVING);
	if (strchr(l->host, ',') != NULL) { /* the library would take it for a list of hosts */
		l->failure = (struct pr_failure){.err_no = CR_UNKNOWN_HOST, .text = "host name with a comma"};
		return;
	}
	(void)mysql_thread_init();
	l->ok = l->tls == PR_TLS_IF_DEMANDED ? attempt_mixed(l) : attempt(l, l->tls == PR_TLS_ON);
	if (!l->ok && l->failure.err_no == CR_UNKNOWN_HOST && l->address[0] != '\0')
		ask_former_address(l);
	mysql_thread_end();
}

void
pr_login_drop(struct pr_login *l)
{
	mysql_close(l->handle); /* NULL is fine */
	l->handle = NULL;
	l->ok = false;
}

int
pr_conn_global_init(struct err *e)
{
	stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (stop_fd < 0)
		return err_sys(e, ERR_IO, errno, "eventfd");
	if (mysql_library_init(0, NULL, NULL) != 0)
		return err_set(e, ERR_INTERNAL, "the MySQL client library does not start");
	if (ma_pvio_register_callback(1, on_io) != 0)
		return err_set(e, ERR_INTERNAL, "the MySQL client library takes no callback");
	return 0;
}

void
pr_login_stop_all(void)
{
	uint64_t one = 1;
	ssize_t n;

	atomic_store(&stopping, true);
	n = write(stop_fd, &one, sizeof(one));
	(void)n;
}
