/* sup_password.c — see sup_password.h. Owns nothing. Called by sup_start.c. What is typed is never logged or shown. */
#include "sup_password.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"

#define KEY_BYTES_MAX 65536

/* Both forms that OpenSSL writes say so in plain text. The file itself is apid's business. */
static bool
is_protected(const char *path)
{
	static char text[KEY_BYTES_MAX];
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL)
		return false; /* sup_paths.c has complained */
	n = fread(text, 1, sizeof(text), f);
	(void)fclose(f);
	return memmem(text, n, "BEGIN ENCRYPTED PRIVATE KEY", 27) != NULL ||
	       memmem(text, n, "Proc-Type: 4,ENCRYPTED", 22) != NULL;
}

bool
sup_password_needed(const struct conf *conf)
{
	return conf->UseSSL && conf->ListenSocket[0] == '\0' && conf->SSLPrivateKeyPassword[0] == '\0' &&
	       is_protected(conf->SSLPrivateKeyFile);
}

static bool
is_utf8(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p != '\0') {
		uint32_t cp;
		size_t n = str_utf8_decode(p, &cp);
		if (n == 0)
			return false;
		p += n;
	}
	return true;
}

/* One line; false at the end of input, or when it is too long. */
static bool
read_line(char *ret, size_t size)
{
	size_t n = 0;

	while (n + 1 < size) {
		ssize_t got = read(STDIN_FILENO, ret + n, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		if (ret[n] == '\n') {
			ret[n] = '\0';
			return true;
		}
		n++;
	}
	return false;
}

static bool
read_unseen(const char *question, char *ret, size_t size)
{
	struct termios seen, unseen;
	bool done;

	if (tcgetattr(STDIN_FILENO, &seen) != 0)
		return false;
	unseen = seen;
	unseen.c_lflag &= ~(tcflag_t)ECHO;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen) != 0)
		return false;
	(void)fputs(question, stderr);
	done = read_line(ret, size);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &seen);
	(void)fputs("\n", stderr);
	return done;
}

int
sup_password_ask(const struct conf *conf, char ret_password[SUP_PASSWORD_BYTES], struct err *e)
{
	char question[512];

	if (isatty(STDIN_FILENO) == 0)
		return err_set(e, ERR_CONFIG,
			       "SSLPrivateKeyFile: %s is protected by a password and there is no terminal to ask at: "
			       "give it as SSLPrivateKeyPassword, which may be \"${NAME}\" of an environment variable",
			       LOG_Q(conf->SSLPrivateKeyFile));
	(void)snprintf(question, sizeof(question),
		       "Password of SSLPrivateKeyFile %s: ", LOG_Q(conf->SSLPrivateKeyFile));
	if (!read_unseen(question, ret_password, SUP_PASSWORD_BYTES) || ret_password[0] == '\0' ||
	    !is_utf8(ret_password)) {
		explicit_bzero(ret_password, SUP_PASSWORD_BYTES);
		return err_set(e, ERR_CONFIG, "SSLPrivateKeyFile: no password was given");
	}
	return 0;
}
