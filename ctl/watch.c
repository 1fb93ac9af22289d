/*
 * --watch: the same word, which must change nothing, again and again, on a terminal over the answer before. A
 * master that is away for a while is said in its place, and asked again. Ends with Ctrl-C.
 */
#include "ctl/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "ctl/words.h"

enum { WATCH_MAX_S = 3600 };

static int read_seconds(const char *text, unsigned *out, struct err *e)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n < 1 || n > WATCH_MAX_S)
		return err_set(e, ERR_usage, "--watch wants seconds from 1 to %d", WATCH_MAX_S);
	*out = (unsigned)n;
	return 0;
}

static void clear_screen(void)
{
	fputs("\033[H\033[J", stdout);
}

int watch_send(const struct args *a, const char *word, json_t *args, struct err *e)
{
	bool terminal = isatty(STDOUT_FILENO);
	struct ask *k = NULL;
	unsigned seconds = 1;

	if (read_seconds(a->watch, &seconds, e) < 0 || !(k = words_open(a, e))) {
		json_decref(args);
		return e->code == ERR_usage ? EXIT_USAGE : EXIT_FAILED;
	}
	for (;;) {
		struct err why = {0};

		if (terminal && !a->json)
			clear_screen();
		if (words_send(k, a, word, json_incref(args), &why) == EXIT_USAGE) {
			*e = why;
			break;
		}
		fflush(stdout);
		if (why.code)
			ctl_complain(&why, a);
		clock_sleep_ms(seconds * 1000);
	}
	json_decref(args);
	ask_close(&k);
	return EXIT_USAGE;
}
