/* run_corpus.c — runs a fuzz target once over the files of its corpus, without a fuzzer: the regression test of what
 * fuzzing found. Linked with any fuzz_<name>.c; arguments are directories or files. Fails when there is no file. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define INPUT_MAX (4L << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int files_run;

static void
run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	long size = -1;
	uint8_t *data;

	if (f != NULL && fseek(f, 0, SEEK_END) == 0)
		size = ftell(f);
	if (f == NULL || size < 0 || size > INPUT_MAX || fseek(f, 0, SEEK_SET) != 0) {
		(void)fprintf(stderr, "%s: cannot be read, or is larger than %ld bytes\n", path, INPUT_MAX);
		exit(1);
	}
	data = malloc((size_t)size +
		      (size == 0)); /* exactly as long as the input: a sanitizer sees the first byte beyond */
	if (data == NULL || fread(data, 1, (size_t)size, f) != (size_t)size)
		abort();
	(void)fclose(f);
	(void)LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
	files_run++;
}

static int
is_visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void
run_dir(const char *dir)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_visible, alphasort);
	char path[4096];

	for (int i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		run_file(path);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

int
main(int argc, char **argv)
{
	struct stat st;

	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			run_dir(argv[i]);
		else
			run_file(argv[i]);
	}
	(void)printf("%d inputs\n", files_run);
	return files_run == 0;
}
