/*
 * tidegate: what an operator types. Finds the command in its table, prints its error, gives its exit code. It
 * touches no database and no data: it asks the master, and `run` starts the supervisor.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "ctl/ctl.h"
#include "ctl/plain.h"

static const struct {
	const char *word;
	int (*fn)(const struct args *a, struct err *e);
} commands[] = {
#define CTL(word, fn, usage, help) {word, fn},
#include "ctl.def"
#undef CTL
};

static void complain_json(const struct err *e, const struct err_info *i, const char *more)
{
	json_t *o = json_pack("{s:b, s:i, s:s, s:o, s:s+}", "result", 0, "code", (int)e->code, "class",
		i->class, "msg", json_any_text(e->text), "workaround", i->workaround, more);
	struct buf line = {0}, escaped = {0};

	json_write(o, &line);
	plain_escape(buf_cstr(&line), &escaped);
	fprintf(stderr, "%s\n", buf_cstr(&escaped));
	buf_free(&escaped);
	buf_free(&line);
	json_decref(o);
}

/* The words that an error advises reach a job while it runs: one that ends with its first error hears none.
 */
static const char *more_advice(const struct args *a, const struct err_info *i)
{
	bool of_run = a && a->word && strcmp(a->word, "run") == 0 && !a->stay;

	if (of_run && (strstr(i->workaround, "binlog skip") || strstr(i->workaround, "binlog replace")))
		return "; tidegate run takes such words while it runs: start it with --stay";
	if (of_run && strstr(i->workaround, "resume-task"))
		return " (of tidegate run: give the same command again)";
	return "";
}

void ctl_complain(const struct err *e, const struct args *a)
{
	const struct err_info *i = err_info(e->code);
	struct err plain = *e;

	plain_text(plain.text, "\n");
	if (a && a->json)
		complain_json(e, i, more_advice(a, i));
	else
		fprintf(stderr, "tidegate: error %u: %s; %s%s\n", e->code, plain.text, i->workaround,
			more_advice(a, i));
}

/* A password in a URL must not stay readable in ps: everything between "://user:" and the last '@' becomes
 * stars. */
static void hide_password(char *arg)
{
	char *scheme = strstr(arg, "://"), *colon, *at = scheme ? strrchr(scheme, '@') : NULL;

	if (!at)
		return;
	colon = memchr(scheme + 3, ':', (size_t)(at - scheme - 3));
	for (char *p = colon ? colon + 1 : at; p < at; p++)
		*p = '*';
}

/* Works on copies of the arguments; the originals, which ps shows, lose their passwords. */
static char **take_arguments(int argc, char **argv)
{
	char **copy = xcalloc((size_t)argc + 1, sizeof(char *));

	for (int i = 0; i < argc; i++) {
		copy[i] = xstrdup(argv[i]);
		hide_password(argv[i]);
	}
	return copy;
}

static void wipe_arguments(char **copy)
{
	for (char **p = copy; *p; p++) {
		explicit_bzero(*p, strlen(*p));
		free(*p);
	}
	free(copy);
}

static int run_words(int argc, char **argv)
{
	struct args a;
	struct err e = {0};
	int code = EXIT_USAGE;

	if (args_parse(argc, argv, &a, &e) < 0) {
		ctl_complain(&e, NULL);
		return EXIT_USAGE;
	}
	if (a.version) {
		puts("tidegate " TIDEGATE_VERSION);
		return EXIT_DONE;
	}
	if (a.word && strcmp(a.word, "help") == 0) { /* dmctl's, too */
		a.help = "1";
		a.word = a.nrest ? a.rest[0] : NULL;
	}
	if ((a.help || !a.word) && args_help(a.word))
		return a.help ? EXIT_DONE : EXIT_USAGE;
	err_set(&e, ERR_usage, "unknown command '%s'", a.word);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].word, a.word) == 0) {
			err_clear(&e);
			code = commands[i].fn(&a, &e);
		}
	if (e.code)
		ctl_complain(&e, &a);
	if (code < 0)
		code = e.code == ERR_usage ? EXIT_USAGE : EXIT_FAILED;
	return code;
}

int main(int argc, char **argv)
{
	char **copy = take_arguments(argc, argv);
	int code;

	signal(SIGPIPE, SIG_IGN);
	code = run_words(argc, copy);
	wipe_arguments(copy);
	return code;
}
