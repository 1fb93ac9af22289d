/* tidegated(8): reads the command line, runs the supervisor, logs its error once. */
#include <bsd/unistd.h>
#include <stdio.h>

#include "common/base/log.h"
#include "supervisor/supervisor.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

int main(int argc, char **argv)
{
	struct super_args a;
	struct err e = {0};

	setproctitle_init(argc, argv, environ); /* copies argv: its strings stay ours */
	if (args_parse(argc, argv, &a, &e) < 0) {
		fprintf(stderr, "tidegated: %s; see tidegated --help\n", e.text);
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
	setproctitle("%s", a.name);
	if (super_run(&a, &e) == 0)
		return 0;
	log_err(&e);
	return e.code == ERR_usage ? EXIT_USAGE : EXIT_FAILED;
}
