/* tidegated(8): reads the command line, runs the supervisor, logs its error once. */
#include <bsd/unistd.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "supervisor/supervisor.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/*
 * libbsd marks the end of a longer argv[0] with a dot, for kernels that are long gone; ps would show it
 * behind many blanks, as argv[0] is a whole path here.
 */
static void title(char *argv0_end, const char *name)
{
	setproctitle("%s", name);
	if (*argv0_end == '.')
		*argv0_end = '\0';
}

int main(int argc, char **argv)
{
	char *argv0_end = argv[0] + strlen(argv[0]);
	struct super_args a;
	struct err e = {0};
	int r;

	setproctitle_init(argc, argv, environ); /* copies argv: its strings stay ours */
	if (args_parse(argc, argv, &a, &e) < 0) {
		fprintf(stderr, "tidegated: %s; see tidegated --help\n", e.text);
		args_fini(&a);
		return EXIT_USAGE;
	}
	if (a.help) {
		args_help(stdout);
		return 0;
	}
	if (a.version) {
		puts("tidegated " TIDEGATE_VERSION);
		return 0;
	}
	log_stamp("tidegated");
	log_set_level(a.level);
	title(argv0_end, a.name);
	r = super_run(&a, &e);
	args_fini(&a);
	if (r == 0)
		return 0;
	log_err(&e);
	return e.code == ERR_usage ? EXIT_USAGE : EXIT_FAILED;
}
