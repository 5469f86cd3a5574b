/* rd_hook_text.c — see rd_hook_text.h. Follows the quoting of a POSIX shell or bash as far as hooks use it: quotes,
 * substitutions, comments, here-documents. What it doesn't follow (case within a substitution, quotes within "${x:-}")
 * is harmless, see there. Called by rd_hooks.c; owns nothing. */
#include "rd_hook_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define DEPTH_MAX 64
#define HERE_MAX 8
#define PLACEHOLDER_MAX 64 /* bytes */

enum quoting { PLAIN, SUBSTITUTION, PAREN, TICK, DOUBLE, SINGLE, ANSI, COMMENT, HERE };

/* The end of a here-document. */
struct here {
	const char *word;
	size_t len;
	bool tabs; /* <<- */
};

struct fill {
	const char *at, *start, *end;
	struct str_buf *out;
	enum quoting stack[DEPTH_MAX]; /* [0] is PLAIN */
	size_t depth;
	struct here here[HERE_MAX]; /* begun on this line, or [0] the one that we are in */
	size_t n_here;
	struct rd_hook_told *told;
	size_t n_told;
};

static enum quoting
top(const struct fill *f)
{
	return f->stack[f->depth];
}

/* Beyond the bound the quoting is no longer followed: harmless. */
static void
push(struct fill *f, enum quoting q)
{
	if (f->depth + 1 < DEPTH_MAX)
		f->stack[++f->depth] = q;
}

static void
pop(struct fill *f)
{
	if (f->depth > 0)
		f->depth--;
}

static bool
is_quoted(enum quoting q)
{
	return q >= DOUBLE;
}

static void
copy(struct fill *f, size_t n)
{
	n = min_size(n, (size_t)(f->end - f->at));
	str_buf_add_n(f->out, f->at, n);
	f->at += n;
}

static char
peek(const struct fill *f, size_t i)
{
	return (size_t)(f->end - f->at) > i ? f->at[i] : '\0';
}

/* --- values ------------------------------------------------------------------------------------------------------- */
enum look { LOOKS_EMPTY, LOOKS_PLAIN, LOOKS_TAME, LOOKS_ACTIVE };

static enum look
look_of_char(unsigned char c)
{
	if ((c < 0x80 && isalnum(c)) || (c != '\0' && strchr("_.:,/@+-", c) != NULL))
		return LOOKS_PLAIN;
	return c >= 0x80 || (c != '\0' && strchr(" \t=%[]", c) != NULL) ? LOOKS_TAME : LOOKS_ACTIVE;
}

static enum look
look_of(const char *value)
{
	enum look worst = LOOKS_EMPTY;

	for (; *value != '\0'; value++) {
		enum look l = look_of_char((unsigned char)*value);
		if (l > worst)
			worst = l;
	}
	return worst;
}

static void
disarm_name(char *value)
{
	for (; *value != '\0'; value++) {
		if (look_of_char((unsigned char)*value) == LOOKS_ACTIVE)
			*value = '_';
	}
}

static void
add_around(struct str_buf *b, const char *before, const char *text, const char *after)
{
	str_buf_add(b, before);
	str_buf_add(b, text);
	str_buf_add(b, after);
}

static void
add_reference(struct fill *f, const char *env)
{
	switch (top(f)) {
	case SINGLE:
		add_around(f->out, "'\"${", env, "}\"'");
		break;
	case ANSI:
		add_around(f->out, "'\"${", env, "}\"$'");
		break;
	case DOUBLE:
	case COMMENT:
	case HERE:
		add_around(f->out, "${", env, "}");
		break;
	case PLAIN:
	case SUBSTITUTION:
	case PAREN:
	case TICK:
		add_around(f->out, "\"${", env, "}\"");
		break;
	}
}

static void
add_value(struct fill *f, const struct rd_hook_told *t)
{
	enum look look = look_of(t->text);
	bool redirects = peek(f, 0) == '<' || peek(f, 0) == '>'; /* 2>file */

	if (look == LOOKS_ACTIVE)
		add_reference(f, t->env);
	else if (is_quoted(top(f)) || (look == LOOKS_PLAIN && !redirects))
		str_buf_add(f->out, t->text);
	else
		add_around(f->out, "'", t->text, "'");
}

static bool
lists_word(const char *words, const char *word, size_t n)
{
	for (const char *p = words; *p != '\0'; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");
		if (len == n && memcmp(p, word, n) == 0)
			return true;
		p += len;
	}
	return false;
}

/* At "{": fills a placeholder in, if it is one. */
static bool
take_placeholder(struct fill *f)
{
	const char *close = memchr(f->at, '}', min_size((size_t)(f->end - f->at), PLACEHOLDER_MAX));
	size_t n = close == NULL ? 0 : (size_t)(close - f->at) + 1;
	bool expands = top(f) != SINGLE && top(f) != ANSI && top(f) != COMMENT;

	if (n == 0 || (expands && f->at > f->start && f->at[-1] == '$' && !(f->at - f->start > 1 && f->at[-2] == '\\')))
		return false;
	for (size_t i = 0; i < f->n_told; i++) {
		const struct rd_hook_told *t = &f->told[i];
		if (!t->known || !lists_word(t->placeholders, f->at, n))
			continue;
		f->at += n;
		add_value(f, t);
		return true;
	}
	return false;
}

/* --- here-documents ----------------------------------------------------------------------------------------------- */
/* At "<<": notes the word that will end the document. Arithmetic shifts and <<< are none. */
static void
note_here(struct fill *f)
{
	size_t i = 2, len;
	struct here h = {.tabs = peek(f, i) == '-'};
	char quote;

	for (i += h.tabs; peek(f, i) == ' ' || peek(f, i) == '\t'; i++)
		continue;
	quote = peek(f, i);
	i += quote == '\'' || quote == '"' || quote == '\\';
	h.word = f->at + min_size(i, (size_t)(f->end - f->at));
	for (len = 0; isalnum((unsigned char)peek(f, i + len)) || peek(f, i + len) == '_'; len++)
		continue;
	h.len = len;
	copy(f, i + len);
	if ((quote == '\'' || quote == '"') && peek(f, 0) == quote)
		copy(f, 1);
	if (len > 0 && !isdigit((unsigned char)h.word[0]) && f->n_here < HERE_MAX)
		f->here[f->n_here++] = h;
}

/* At the start of a line in a here-document: is it the last one? */
static bool
ends_here(const struct fill *f)
{
	const struct here *h = &f->here[0];
	const char *p = f->at;

	while (h->tabs && p < f->end && *p == '\t')
		p++;
	return (size_t)(f->end - p) >= h->len && memcmp(p, h->word, h->len) == 0 &&
	       (p + h->len == f->end || p[h->len] == '\n');
}

/* After a line end: here-documents begin, end, follow each other. */
static void
begin_line(struct fill *f)
{
	if (f->n_here == 0)
		return;
	if (top(f) != HERE)
		push(f, HERE);
	if (!ends_here(f))
		return;
	while (f->at < f->end && *f->at != '\n')
		copy(f, 1);
	memmove(&f->here[0], &f->here[1], --f->n_here * sizeof(f->here[0]));
	pop(f);
}

/* --- one step of each kind of quoting ----------------------------------------------------------------------------- */
static bool
begins_word(const struct fill *f)
{
	return f->at == f->start || strchr(" \t\n;&|()", f->at[-1]) != NULL;
}

static void
take_line_end(struct fill *f)
{
	copy(f, 1);
	begin_line(f);
}

/* $( and `, in double quotes too. */
static bool
take_substitution(struct fill *f)
{
	if (peek(f, 0) == '$' && peek(f, 1) == '(') {
		copy(f, 2);
		push(f, SUBSTITUTION);
		return true;
	}
	if (peek(f, 0) != '`')
		return false;
	copy(f, 1);
	if (top(f) == TICK)
		pop(f);
	else
		push(f, TICK);
	return true;
}

static void
step_unquoted(struct fill *f)
{
	char c = peek(f, 0);
	bool nested = top(f) == SUBSTITUTION || top(f) == PAREN;

	if (take_substitution(f))
		return;
	if (c == '\n') {
		take_line_end(f);
		return;
	}
	if (c == '<' && peek(f, 1) == '<' && peek(f, 2) == '<') {
		copy(f, 3);
		return;
	}
	if (c == '<' && peek(f, 1) == '<' && top(f) != PAREN) {
		note_here(f);
		return;
	}
	if (c == '\'')
		push(f, f->at > f->start && f->at[-1] == '$' ? ANSI : SINGLE);
	else if (c == '"')
		push(f, DOUBLE);
	else if (c == '#' && begins_word(f))
		push(f, COMMENT);
	else if (c == '(' && nested)
		push(f, PAREN);
	else if (c == ')' && nested)
		pop(f);
	copy(f, c == '\\' ? 2 : 1);
}

static void
step_quoted(struct fill *f)
{
	char c = peek(f, 0), next = peek(f, 1);

	switch (top(f)) {
	case DOUBLE:
		if (take_substitution(f))
			return;
		if (c == '"')
			pop(f);
		copy(f, c == '\\' && next != '\0' && strchr("$`\"\\\n", next) != NULL ? 2 : 1);
		return;
	case ANSI:
	case SINGLE:
		if (c == '\\' && top(f) == ANSI && (next == '\'' || next == '\\')) {
			copy(f, 2);
			return;
		}
		if (c == '\'')
			pop(f);
		copy(f, 1);
		return;
	case COMMENT:
		if (c == '\n')
			pop(f); /* the line end counts for what the comment stands in */
		else
			copy(f, 1);
		return;
	case HERE:
		if (c == '\n')
			take_line_end(f);
		else
			copy(f, 1);
		return;
	case PLAIN:
	case SUBSTITUTION:
	case PAREN:
	case TICK:
		break;
	}
	ASSERT(!"not quoted");
}

static void
fill_in(struct fill *f)
{
	while (f->at < f->end && f->out->len <= RD_HOOK_TEXT_MAX) {
		if (*f->at == '{' && take_placeholder(f))
			continue;
		if (is_quoted(top(f)))
			step_quoted(f);
		else
			step_unquoted(f);
	}
}

int
rd_hook_text_fill(const char *text, size_t len, const struct rd_hook_values *v, struct str_buf *out, struct err *e)
{
	struct fill f = {.at = text, .start = text, .end = text + len, .out = out, .n_told = rd_hook_told_count()};

	f.told = mem_calloc(f.n_told, sizeof(*f.told));
	for (size_t i = 0; i < f.n_told; i++) {
		rd_hook_tell(v, i, &f.told[i]);
		if (f.told[i].is_name)
			disarm_name(f.told[i].text);
	}
	fill_in(&f);
	for (size_t i = 0; i < f.n_told; i++)
		free(f.told[i].text);
	free(f.told);
	if (out->len > RD_HOOK_TEXT_MAX)
		return err_set(e, ERR_TOO_LARGE,
			       "with its values the hook has more than %d bytes; use the ORC_ variables",
			       RD_HOOK_TEXT_MAX);
	return 0;
}
