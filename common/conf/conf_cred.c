/* conf_cred.c — where account names and passwords come from: credentials files and ${NAME}. Called once per load,
 * before anything else is adjusted; reference/config-keys.md sections 2 and 3.
 *
 * A credentials file is INI-like; of it we want user and password of [client]. Historically any other section or key
 * was fatal, so that a ~/.my.cnf could not be used: those are skipped here, with a warning. Values are never quoted in
 * messages. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "conf_private.h"

#define CREDENTIALS_MAX 65536

/* The three keys of one account, as members of c. */
struct account {
	enum conf_index file_key, password_key;
	const char *file;
	const char **user, **password;
};

struct ini {
	const char *path;
	struct conf_warnings *w;
	unsigned line;
	bool in_section, in_client;
	struct str_buf user, password;
};

static int
ini_error(const struct ini *ini, struct err *e, const char *what)
{
	return err_set(e, ERR_CONFIG, "%.200s:%u: %s", ini->path, ini->line, what);
}

/* "…" with \" \\ \n \t \b inside; what follows may only be a comment. */
static int
quoted_value(const struct ini *ini, const char *s, struct str_buf *out, struct err *e)
{
	static const char from[] = "\"\\ntb", to[] = "\"\\\n\t\b";

	for (s++; *s != '"'; s++) {
		const char *escape = *s == '\\' && s[1] != '\0' ? strchr(from, s[1]) : NULL;
		if (*s == '\0')
			return ini_error(ini, e, "a value has no closing quote");
		if (*s == '\\' && escape == NULL)
			return ini_error(ini, e, "unknown escape in a quoted value; write \\\\ for a backslash");
		if (escape != NULL)
			s++;
		str_buf_add_n(out, escape == NULL ? s : &to[escape - from], 1);
	}
	s += 1 + strspn(s + 1, " \t");
	if (*s != '\0' && *s != '#' && *s != ';')
		return ini_error(ini, e, "text after the closing quote of a value");
	return 0;
}

static int
value(const struct ini *ini, char *s, struct str_buf *out, struct err *e)
{
	str_buf_clear(out);
	if (*s == '"')
		return quoted_value(ini, s, out, e);
	s[strcspn(s, "#;")] = '\0';
	str_buf_add(out, str_trim(s));
	return 0;
}

static int
key_line(struct ini *ini, char *s, struct err *e)
{
	char *equals = strchr(s, '=');
	struct str_buf *out;

	if (!ini->in_section)
		return ini_error(ini, e, "expects [client] before any key");
	if (!ini->in_client)
		return 0;
	if (equals != NULL)
		*equals = '\0';
	s = str_trim(s);
	out = str_eq_nocase(s, "user") ? &ini->user : str_eq_nocase(s, "password") ? &ini->password : NULL;
	if (out == NULL) {
		conf_warn_text(ini->w, "%.200s:%u: %s: ignored, only user and password are used", ini->path, ini->line,
			       LOG_Q(s));
		return 0;
	}
	if (equals == NULL)
		return ini_error(ini, e, "expects user = NAME and password = \"SECRET\"");
	return value(ini, str_trim(equals + 1), out, e);
}

static int
section_line(struct ini *ini, char *s, struct err *e)
{
	char *close = strchr(s, ']');

	if (close == NULL)
		return ini_error(ini, e, "a section has no closing ]");
	*close = '\0';
	ini->in_section = true;
	ini->in_client = str_eq_nocase(str_trim(s + 1), "client");
	if (!ini->in_client)
		conf_warn_text(ini->w, "%.200s:%u: section %s: ignored, only [client] is used", ini->path, ini->line,
			       LOG_Q(s + 1));
	return 0;
}

static int
ini_line(struct ini *ini, char *s, struct err *e)
{
	s = str_trim(s);
	if (*s == '\0' || *s == '#' || *s == ';')
		return 0;
	if (*s == '!') {
		conf_warn_text(ini->w, "%.200s:%u: !include is not followed", ini->path, ini->line);
		return 0;
	}
	return *s == '[' ? section_line(ini, s, e) : key_line(ini, s, e);
}

static int
ini_text(struct ini *ini, char *text, size_t len, struct err *e)
{
	char *next;

	if (memchr(text, '\0', len) != NULL)
		return err_set(e, ERR_CONFIG, "%.200s: not a text file", ini->path);
	for (char *s = text; s != NULL; s = next) {
		next = strchr(s, '\n');
		if (next != NULL)
			*next++ = '\0';
		ini->line++;
		if (ini_line(ini, s, e) != 0)
			return -e->code;
	}
	return 0;
}

/* User and password of the file replace the keys, even when empty. */
static int
read_credentials(struct conf_build *b, const struct account *a, struct err *e)
{
	struct ini ini = {.path = a->file, .w = b->w};
	size_t len;
	char *text;
	int rc;

	if (str_empty(a->file))
		return 0;
	if (conf_read_file(a->file, CREDENTIALS_MAX, &text, &len, e) != 0)
		return conf_fail(b, a->file_key, e, "%s; correct the path or the file's permissions", e->msg);
	rc = ini_text(&ini, text, len, e);
	if (rc == 0) {
		*a->user = conf_strdup(b->c, str_buf_text(&ini.user));
		*a->password = conf_strdup(b->c, str_buf_text(&ini.password));
	} else {
		rc = conf_fail(b, a->file_key, e, "%s", e->msg);
	}
	str_buf_done(&ini.user);
	str_buf_done(&ini.password);
	free(text);
	return rc;
}

/* Anywhere in the value, from the first "${" to the last "}" after it: the whole value becomes the variable's content.
 */
static void
substitute(struct conf_build *b, enum conf_index key, const char **password)
{
	const char *open = strstr(*password, "${");
	const char *close = open == NULL ? NULL : strrchr(open, '}');
	const char *content;
	char *name;

	if (close == NULL || memchr(open, '\n', (size_t)(close - open)) != NULL)
		return;
	name = mem_strndup(open + 2, (size_t)(close - open - 2));
	content = getenv(name);
	if (content == NULL)
		conf_warn(b, key, "names an environment variable that is not set; the password is empty");
	*password = conf_strdup(b->c, content == NULL ? "" : content);
	free(name);
}

/* What comes from a file or the environment is printed for the children as JSON, which carries UTF-8 only. */
static bool
is_utf8(const char *s)
{
	json_t *v = json_string(s);

	json_decref(v);
	return v != NULL;
}

int
conf_credentials(struct conf_build *b, struct err *e)
{
	struct conf *c = b->c;
	const struct account accounts[] = {
	    {CONF_IDX_MySQLOrchestratorCredentialsConfigFile, CONF_IDX_MySQLOrchestratorPassword,
	     c->MySQLOrchestratorCredentialsConfigFile, &c->MySQLOrchestratorUser, &c->MySQLOrchestratorPassword},
	    {CONF_IDX_MySQLTopologyCredentialsConfigFile, CONF_IDX_MySQLTopologyPassword,
	     c->MySQLTopologyCredentialsConfigFile, &c->MySQLTopologyUser, &c->MySQLTopologyPassword},
	};

	for (size_t i = 0; i < ARRAY_LEN(accounts); i++) {
		if (read_credentials(b, &accounts[i], e) != 0)
			return -e->code;
		substitute(b, accounts[i].password_key, accounts[i].password);
		if (!is_utf8(*accounts[i].user) || !is_utf8(*accounts[i].password))
			return conf_fail(b, accounts[i].password_key, e,
					 "user or password is not valid UTF-8; check the credentials file or variable");
	}
	substitute(b, CONF_IDX_SSLPrivateKeyPassword, &c->SSLPrivateKeyPassword);
	if (!is_utf8(c->SSLPrivateKeyPassword))
		return conf_fail(b, CONF_IDX_SSLPrivateKeyPassword, e, "is not valid UTF-8; check the variable");
	return 0;
}
