/* fuzz_input.c — the input of a decision as text, as it is replayed (rd_input_text.c), with whatever the servers said in it:
 * what was read is written as the same again, and it comes to a choice and to plans. Input: lines. */
#include <stdlib.h>
#include <string.h>

#include "rd_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES_MAX 64

static bool
read_lines(char *text, struct mem_arena *arena, struct rd_recovery_input *in)
{
	struct err e;
	char *rest = text, *line;
	int n = 0;

	rec_init(&rd_recovery_input_desc, in);
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (n++ == LINES_MAX || rd_recovery_input_read(line, arena, in, &e) != 0)
			return false;
	}
	return true;
}

static void
writes_the_same_again(const struct rd_recovery_input *in, struct mem_arena *arena)
{
	struct str_buf once = {0}, twice = {0};
	struct rd_recovery_input again;
	char *copy;

	rd_recovery_input_write(in, &once);
	copy = mem_strdup(str_buf_text(&once));
	if (!read_lines(copy, arena, &again))
		abort();
	rd_recovery_input_write(&again, &twice);
	if (strcmp(str_buf_text(&once), str_buf_text(&twice)) != 0)
		abort();
	free(copy);
	str_buf_done(&once);
	str_buf_done(&twice);
}

static void
decide(const struct rd_recovery_input *in, struct mem_arena *arena)
{
	struct rd_choice choice;
	struct rd_haves haves;
	struct rd_plan plan;
	struct str_buf b = {0};

	rd_haves_build(in, arena, &haves);
	rd_choose(in, &haves, in->decided_us, arena, &choice);
	if (rd_plan_refusal(&haves, &choice) == NULL && choice.chosen != NULL) {
		for (int phase = RD_PHASE_FENCE; phase <= RD_PHASE_REPOINT; phase++)
			rd_plan_build((enum rd_plan_phase)phase, in, &haves, &choice, arena, &plan);
		rd_plan_dry_run(in, &haves, &choice, arena, &b);
	}
	rd_plan_restore(in, in, true, arena, &plan);
	str_buf_done(&b);
	rd_haves_done(&haves);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mem_arena arena = {0};
	struct rd_recovery_input in;
	char *text = mem_calloc(size + 1, 1);

	memcpy(text, data, size);
	if (read_lines(text, &arena, &in)) {
		writes_the_same_again(&in, &arena);
		decide(&in, &arena);
	}
	free(text);
	mem_arena_done(&arena);
	return 0;
}
