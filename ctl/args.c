/*
 * Command line: options and commands from their tables (include/option.def, include/ctl.def), and the help
 * made of them. Reads nothing but argv.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

enum {
	OPT_FIRST = 1000,
#define OPTION(name, letter, value, who, help) OPT_##name,
#include "option.def"
#undef OPTION
	OPT_END
};

static const struct row {
	const char *name, *who, *help;
	int letter, value;
} rows[] = {
#define OPTION(name, letter, value, who, help) {#name, who, help, letter, value},
#include "option.def"
#undef OPTION
};

static const struct word {
	const char *word, *usage, *help;
} words[] = {
#define CTL(word, fn, usage, help) {word, usage, help},
#include "ctl.def"
#undef CTL
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]), WORDS = sizeof(words) / sizeof(words[0]), NAME_MAX_ = 40 };

void args_option_name(const char *name, char *out, size_t size)
{
	size_t i = 0;

	for (; name[i] && i < size - 1; i++)
		out[i] = name[i] == '_' ? '-' : name[i];
	/* "for_": a keyword of C with a tail. */
	if (i > 0 && out[i - 1] == '-')
		i--;
	out[i] = '\0';
}

/* Where it is kept, but for what is a list. */
static const char **place_of(struct args *a, int opt)
{
	switch (opt) {
#define OPTION(name, letter, takes, who, help) \
	case OPT_##name:                       \
		return &a->name;
#include "option.def"
#undef OPTION
	default:
		return NULL;
	}
}

/* As in dmctl "-s a,b" is "-s a -s b". Cuts value, which is the process's own, into its names. */
static int keep_more(const char **list, unsigned *n, char *value, const char *option, struct err *e)
{
	for (char *name; (name = strsep(&value, ",")) != NULL;) {
		if (!*name)
			return err_set(e, ERR_usage, "--%s has an empty name", option);
		if (*n == ARGS_MANY)
			return err_set(e, ERR_usage, "--%s is given more than %d times", option, ARGS_MANY);
		list[(*n)++] = name;
	}
	return 0;
}

/* Of two values one would be passed by in silence. */
static int keep(struct args *a, int opt, char *given, const char *word, struct err *e)
{
	bool many = opt == OPT_name && word && strcmp(word, "list-member") == 0;
	const char **at = place_of(a, opt), *value = given ? given : "1";
	char name[NAME_MAX_];

	args_option_name(rows[opt - OPT_FIRST - 1].name, name, sizeof(name));
	if (opt == OPT_source)
		return keep_more(a->sources, &a->nsources, given, name, e);
	if (many)
		return keep_more(a->names, &a->nnames, given, name, e);
	if (*at && strcmp(*at, value) != 0)
		return err_set(e, ERR_usage, "--%s is given twice: '%s' and '%s'", name, *at, value);
	*at = value;
	return 0;
}

/* Is word one of "a, b, c"? */
static int listed(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; at; at = strstr(at, ", "), at = at ? at + 2 : NULL)
		if (strncmp(at, word, n) == 0 && (at[n] == ',' || at[n] == '\0'))
			return 1;
	return 0;
}

bool args_option_is_for(const char *who, const char *word)
{
	if (strcmp(who, "all") == 0)
		return true;
	if (strcmp(who, "commands") == 0)
		return !listed("run, dump, load, grants, logs, completion, encrypt, decrypt", word);
	return listed(who, word);
}

/* The command among the arguments; NULL: there is none. An option's value that is called like one is rare,
 * and only letters of options depend on it. */
static const char *find_word(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		for (int k = 0; k < WORDS; k++)
			if (strcmp(argv[i], words[k].word) == 0)
				return words[k].word;
	return NULL;
}

/* A letter may stand for several options, of different commands: the row that it means here, or -1. */
static int letter_row(int c, const char *word)
{
	int first = -1;

	for (int i = 0; i < ROWS; i++) {
		if (rows[i].letter != c)
			continue;
		if (word && args_option_is_for(rows[i].who, word))
			return i;
		first = first < 0 ? i : first;
	}
	return first;
}

static int option_of(int c, const char *word)
{
	return c >= OPT_FIRST ? c : OPT_FIRST + 1 + letter_row(c, word);
}

static void put_letters(const char *word, char *out, size_t size)
{
	snprintf(out, size, ":");
	for (int i = 0; i < ROWS; i++)
		if (rows[i].letter && letter_row(rows[i].letter, word) == i)
			snprintf(out + strlen(out), 3, "%c%s", rows[i].letter, rows[i].value ? ":" : "");
}

static const struct word *word_row(const char *word)
{
	for (int i = 0; word && i < WORDS; i++)
		if (strcmp(words[i].word, word) == 0)
			return &words[i];
	return NULL;
}

/* An option of another command is a mistake: left aside, it would do less than was meant, or something else.
 */
static int check_given(const bool given[ROWS], const char *word, struct err *e)
{
	char name[NAME_MAX_];

	for (int i = 0; i < ROWS; i++) {
		if (!given[i] || args_option_is_for(rows[i].who, word))
			continue;
		args_option_name(rows[i].name, name, sizeof(name));
		return err_set(e, ERR_usage, "%s has no option --%s", word, name);
	}
	return 0;
}

int args_parse(int argc, char **argv, struct args *a, struct err *e)
{
	static char names[ROWS][NAME_MAX_];
	struct option longs[ROWS + 1];
	const char *word = find_word(argc, argv);
	char letters[2 * ROWS + 2];
	bool given[ROWS] = {false};
	int c;

	memset(longs, 0, sizeof(longs));
	*a = (struct args){0};
	for (int i = 0; i < ROWS; i++) {
		args_option_name(rows[i].name, names[i], NAME_MAX_);
		longs[i] = (struct option){names[i], rows[i].value, NULL, OPT_FIRST + 1 + i};
	}
	put_letters(word, letters, sizeof(letters));
	opterr = 0;
	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (c == '?')
			return err_set(e, ERR_usage, "unknown option '%s'", argv[optind - 1]);
		if (c == ':')
			return err_set(e, ERR_usage, "option '%s' wants a value", argv[optind - 1]);
		c = option_of(c, word);
		if (keep(a, c, optarg, word, e) < 0)
			return -1;
		given[c - OPT_FIRST - 1] = true;
	}
	if (optind < argc)
		a->word = argv[optind++];
	a->rest = argv + optind;
	a->nrest = argc - optind;
	return word_row(a->word) && !a->help && !a->version ? check_given(given, a->word, e) : 0;
}

static void help_words(void)
{
	puts("Tidegate copies MySQL and MariaDB into TiDB, MySQL or MariaDB, and follows the source.\n");
	puts("  tidegate COMMAND [options]        tidegate COMMAND --help\n");
	for (int i = 0; i < WORDS; i++)
		printf("  %-16s %s\n", words[i].word, words[i].help);
	puts("\nExample: tidegate run --from mysql://me@10.0.0.1:3306 --to mysql://root@10.0.0.2:4000 "
	     "--tables 'app.*'");
	puts("Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted (the same command goes on).");
}

/* By a row's `value`: how it looks behind the name, and how many columns that takes. */
static const struct {
	const char *text;
	int width;
} values[] = {{"", 0}, {" …", 2}, {"[=…]", 4}};

enum { NAME_COLUMNS = 20 };

static void help_option(const struct row *r)
{
	char name[NAME_MAX_], letter[8];
	int used;

	args_option_name(r->name, name, sizeof(name));
	used = (int)strlen(name) + values[r->value].width;
	snprintf(letter, sizeof(letter), r->letter ? "-%c," : "   ", r->letter);
	printf("  %s --%s%s%*s %s\n", letter, name, values[r->value].text,
		used < NAME_COLUMNS ? NAME_COLUMNS - used : 0, "", r->help);
}

bool args_help(const char *word)
{
	const struct word *w = word_row(word);

	if (!w) {
		if (!word)
			help_words();
		return word == NULL;
	}
	printf("tidegate %s %s\n%s\n\n", w->word, w->usage, w->help);
	for (int i = 0; i < ROWS; i++)
		if (args_option_is_for(rows[i].who, w->word))
			help_option(&rows[i]);
	return true;
}
