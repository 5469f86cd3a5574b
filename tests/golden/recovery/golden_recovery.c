/* golden_recovery.c — what is decided for the inputs of tests/golden/recovery/<family>.txt, compared with the lines
 * "=> …" there.
 *
 *   golden_recovery DIR            compares every case, says what differs, exits 1
 *   golden_recovery DIR --update   rewrites the "=>" lines; review the diff
 *
 * A case: a comment that says what it shows, then an input as raftd saves it (rd_input.h), so that a saved file dropped
 * in here is a test. For writing by hand there are short forms:
 *   dead mysql a …, dead mariadb a …   the failed server: was read 2 s before the failure
 *   mysql b …, mariadb b …             a replica of a, read since, with defaults that make it a good candidate
 *   executed= received= pos= rule= dc= env= source= lag=   fields by short names
 *   silent, stopped, sql-stopped, io-stopped, yes          not read since; threads
 *   acks                                                   a semi-sync replica that acknowledged
 *   $a                                 the uuid aaaaaaaa-aaaa-…; host:3306 may be written without the port
 *   policy …                           ApplyMySQLPromotion… and DetachLost… are on unless said otherwise
 * The time is 1 s after the first sign of the failure, or what a saved input says; "now +SECONDS" is later. "show choice" leaves the plans out.
 * Each reason of rd_why.def must occur. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rd_choose.h"
#include "rd_plan.h"

#define SUSPECTED_US (INT64_C(1700000000) * CLK_S)
#define DECIDED_US (SUSPECTED_US + CLK_S)

struct scenario {
	struct mem_arena arena;
	struct rd_recovery_input in;
	int64_t later_us;
	bool any, choice_only;
};

static bool why_seen[RD_WHY_COUNT];

static void
fail(const char *what, const char *text)
{
	fprintf(stderr, "golden_recovery: %s: %s\n", what, text);
	exit(2);
}

/* --- short forms ------------------------------------------------------------------------------------------------ */
static const char replica_defaults[] =
    " log_bin_enabled=1 log_replica_updates=1 binlog_format=ROW read_only=1 "
    "io_thread_state=2 sql_thread_state=1 answered=1 channels=1 source_key=a:3306 uptime=86400";
static const char dead_defaults[] = " log_bin_enabled=1 log_replica_updates=1 binlog_format=ROW";
static const char mysql_defaults[] = " version=8.4.0 supports_oracle_gtid=1 using_oracle_gtid=1";
static const char mariadb_defaults[] = " version=10.11.14-MariaDB using_mariadb_gtid=1";

static const struct {
	const char *word, *field;
} shorts[] = {
    {"executed=", "executed_gtid_set="},
    {"received=", "received_gtid_set="},
    {"pos=", "gtid_current_pos="},
    {"rule=", "promotion_rule="},
    {"dc=", "data_center="},
    {"env=", "physical_environment="},
    {"source=", "source_key="},
    {"lag=", "replication_lag_s="},
    {"purged=", "gtid_purged="},
    {"silent", "answered=0"},
    {"stopped", "io_thread_state=0 sql_thread_state=0"},
    {"sql-stopped", "sql_thread_state=0"},
    {"io-stopped", "io_thread_state=0"},
    {"yes", "io_thread_state=1"},
    {"acks", "semi_sync_replica_enabled=1 semi_sync_acks=1"},
};

static void
add_uuids(struct str_buf *b, const char *word)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	for (; *word != '\0'; word++) {
		if (*word != '$' || word[1] == '\0') {
			str_buf_add_char(b, *word);
			continue;
		}
		word++;
		for (const char *p = form; *p != '\0'; p++)
			str_buf_add_char(b, *p == 'x' ? *word : *p);
	}
}

static void
add_word(void *ctx, const char *word)
{
	struct str_buf *b = ctx;

	str_buf_add_char(b, ' ');
	for (size_t i = 0; i < ARRAY_LEN(shorts); i++) {
		size_t n = strlen(shorts[i].word);
		bool whole = shorts[i].word[n - 1] != '=';
		if (whole ? !str_eq(word, shorts[i].word) : !str_starts(word, shorts[i].word))
			continue;
		str_buf_add(b, shorts[i].field);
		word += n;
		break;
	}
	add_uuids(b, word);
}

static void
add_server(struct str_buf *b, const char *line, bool dead)
{
	bool mysql = str_starts(line, "mysql ");
	const char *name = line + (mysql ? strlen("mysql ") : strlen("mariadb "));
	size_t n = strcspn(name, " ");
	char host[64];

	(void)snprintf(host, sizeof(host), "%.*s", (int)n, name);
	str_buf_printf(b, "%s key=%s server_id=%d answered_us=%lld", dead ? "failed" : "server", host, host[0],
		       (long long)(dead ? SUSPECTED_US - 2 * CLK_S : SUSPECTED_US + CLK_S / 2));
	if (dead)
		str_buf_printf(b, " semi_sync_since_us=%lld", (long long)(SUSPECTED_US - 2 * CLK_S));
	str_buf_add(b, dead ? dead_defaults : replica_defaults);
	str_buf_add(b, mysql ? mysql_defaults : mariadb_defaults);
	if (mysql && n == 1) {
		char uuid[] = {' ', 's', 'e', 'r', 'v', 'e', 'r', '_', 'u', 'u', 'i', 'd', '=', '$', host[0], '\0'};
		add_uuids(b, uuid);
	}
	str_split(name + n, " ", add_word, b);
}

static void
read_line(struct scenario *s, const char *line)
{
	struct str_buf b = {0};
	struct err e;

	s->any = true;
	if (str_starts(line, "recovery uid=")) /* a saved one says all that is not zero */
		rec_init(&rd_recovery_input_desc, &s->in);
	if (str_starts(line, "now +")) {
		s->later_us = atoll(line + strlen("now +")) * CLK_S;
		return;
	}
	if (str_eq(line, "show choice")) {
		s->choice_only = true;
		return;
	}
	if (str_starts(line, "dead "))
		add_server(&b, line + strlen("dead "), true);
	else if (str_starts(line, "mysql ") || str_starts(line, "mariadb "))
		add_server(&b, line, false);
	else
		add_uuids(&b, line);
	if (rd_recovery_input_read(str_buf_text(&b), &s->arena, &s->in, &e) != 0)
		fail(line, e.msg);
	str_buf_done(&b);
}

static void
begin_case(struct scenario *s)
{
	*s = (struct scenario){0};
	rec_init(&rd_recovery_input_desc, &s->in);
	s->in.suspected_us = SUSPECTED_US;
	s->in.decided_us = DECIDED_US;
	s->in.policy.apply_promotion = s->in.policy.detach_lost = true;
	s->in.policy.drain_wait_s = 10;
	s->in.policy.maintenance_lag_s = 20;
}

/* --- answers --------------------------------------------------------------------------------------------------- */
static void
add_lines(struct str_buf *out, const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");
		str_buf_add(out, "=> ");
		/* uuids of one character back to their short form */
		for (size_t i = 0; i < n; i++) {
			if (i + 36 <= n && text[i + 8] == '-' && text[i + 13] == '-' && text[i] == text[i + 1] &&
			    text[i] == text[i + 9] && text[i] == text[i + 35]) {
				str_buf_printf(out, "$%c", text[i]);
				i += 35;
				continue;
			}
			str_buf_add_char(out, text[i]);
		}
		str_buf_add_char(out, '\n');
		text += n + (text[n] == '\n');
	}
}

/* As a saved input comes back. */
static void
check_text(struct scenario *s)
{
	struct rd_recovery_input again;
	struct str_buf text = {0};
	struct err e;
	char *save = NULL;

	rec_init(&rd_recovery_input_desc, &again);
	rd_recovery_input_write(&s->in, &text);
	for (char *line = strtok_r(text.p, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		if (rd_recovery_input_read(line, &s->arena, &again, &e) != 0)
			fail(line, e.msg);
	}
	if (!rec_equal(&rd_recovery_input_desc, &s->in, &again))
		fail("an input is not what was written", str_buf_text(&text));
	str_buf_done(&text);
}

static void
answer(struct scenario *s, struct str_buf *out)
{
	struct str_buf text = {0};
	struct rd_haves haves;
	struct rd_choice choice;

	check_text(s);
	rd_haves_build(&s->in, &s->arena, &haves);
	rd_choose(&s->in, &haves, (s->in.chosen_us != 0 ? s->in.chosen_us : s->in.decided_us) + s->later_us, &s->arena,
		  &choice);
	for (size_t i = 0; i < choice.n; i++)
		why_seen[choice.v[i].why] = true;
	rd_choice_write(&choice, &text);
	if (!s->choice_only)
		rd_plan_dry_run(&s->in, &haves, &choice, &s->arena, &text);
	add_lines(out, str_buf_text(&text));
	rd_haves_done(&haves);
	str_buf_done(&text);
}

static void
end_case(struct scenario *s, struct str_buf *out)
{
	if (s->any)
		answer(s, out);
	mem_arena_done(&s->arena);
	begin_case(s);
}

/* --- files ----------------------------------------------------------------------------------------------------- */
static char *
read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	struct str_buf b = {0};
	char chunk[4096];
	size_t n;

	if (f == NULL)
		fail("cannot read", path);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		str_buf_add_n(&b, chunk, n);
	(void)fclose(f);
	return str_buf_take(&b);
}

static void
run_file(const char *text, struct str_buf *out)
{
	struct scenario s;

	begin_case(&s);
	for (;;) {
		size_t n = strcspn(text, "\n");
		char *line = mem_strndup(text, n);
		bool last = text[n] == '\0';

		if (line[0] == '\0') {
			end_case(&s, out);
			if (!last)
				str_buf_add_char(out, '\n');
		} else if (!str_starts(line, "=>")) {
			str_buf_printf(out, "%s\n", line);
			if (line[0] != '#')
				read_line(&s, line);
		}
		free(line);
		if (last)
			break;
		text += n + 1;
	}
	mem_arena_done(&s.arena);
}

static bool
check_file(const char *path, bool update)
{
	char *text = read_file(path);
	struct str_buf out = {0};
	bool same;

	run_file(text, &out);
	same = str_eq(text, str_buf_text(&out));
	if (!same && update) {
		FILE *f = fopen(path, "w");
		if (f == NULL || fputs(str_buf_text(&out), f) < 0 || fclose(f) != 0)
			fail("cannot write", path);
	} else if (!same) {
		printf("%s differs; it would be:\n%s\n", path, str_buf_text(&out));
	}
	free(text);
	str_buf_done(&out);
	return same || update;
}

int
main(int argc, char **argv)
{
	char pattern[4096];
	glob_t files;
	bool ok = true;

	if (argc < 2)
		fail("usage", "golden_recovery DIR [--update]");
	(void)snprintf(pattern, sizeof(pattern), "%s/*.txt", argv[1]);
	if (glob(pattern, 0, NULL, &files) != 0)
		fail("no files", pattern);
	for (size_t i = 0; i < files.gl_pathc; i++)
		ok = check_file(files.gl_pathv[i], argc > 2) && ok;
	globfree(&files);
	for (size_t i = 0; i < RD_WHY_COUNT; i++) {
		if (!why_seen[i])
			printf("no case shows: %s\n", rd_why_text((enum rd_why)i));
		ok = ok && why_seen[i];
	}
	return ok ? 0 : 1;
}
