/*
 * `completion bash|zsh|fish`: a script for that shell, unfolded from the same tables as the help
 * (include/ctl.def, include/option.def). Reads nothing but them; packages install what it prints.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

static const struct {
	const char *name, *who, *help;
	int letter, value;
} rows[] = {
#define OPTION(name, letter, value, who, help) {#name, who, help, letter, value},
#include "option.def"
#undef OPTION
};

static const struct {
	const char *word, *usage, *help;
} words[] = {
#define CTL(word, fn, usage, help) {word, usage, help},
#include "ctl.def"
#undef CTL
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]), WORDS = sizeof(words) / sizeof(words[0]), NAME = 40 };

/* A verb of the usage: small letters and dashes, and no name of what it is done to. */
static bool is_verb(const char *p, size_t n, bool alone)
{
	for (size_t i = 0; i < n; i++)
		if (!islower((unsigned char)p[i]) && p[i] != '-')
			return false;
	return n > 0 && p[0] != '-' && !(alone && n == 4 && strncmp(p, "task", 4) == 0);
}

/* How many words of "create|update file …" are to be looked at: all up to the blank, or none where one is no
 * verb, as in "task|task.yaml". */
static size_t verbs_end(const char *way)
{
	size_t all = strcspn(way, " ");

	for (size_t at = 0, n; at <= all; at += n + 1) {
		n = strcspn(way + at, "| ");
		if (!is_verb(way + at, n, n == all))
			return 0;
	}
	return all;
}

/* The verbs in "create|update file … | stop name | show": the first word of each way to say it. */
static void put_verbs(const char *usage, const char *before)
{
	if (!strchr(usage, '|'))
		return;
	for (const char *way = usage; way; way = strstr(way, " | "), way = way ? way + 3 : NULL) {
		size_t all = verbs_end(way);

		for (size_t at = 0; at < all;) {
			size_t n = strcspn(way + at, "| ");

			printf("%s%.*s", before, (int)n, way + at);
			at += n + 1;
		}
	}
}

/* --- bash --- */

static void bash_options(const char *word)
{
	char name[NAME];

	for (int i = 0; i < ROWS; i++) {
		if (!args_option_is_for(rows[i].who, word))
			continue;
		args_option_name(rows[i].name, name, sizeof(name));
		printf(" --%s", name);
		if (rows[i].letter)
			printf(" -%c", rows[i].letter);
	}
}

static void bash(void)
{
	puts("# bash completion of tidegate; printed by `tidegate completion bash`\n"
	     "_tidegate() {\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} word= verbs= options= i\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	     "\t\tcase ${COMP_WORDS[i]} in -*) ;; *) word=${COMP_WORDS[i]}; break ;; esac\n"
	     "\tdone\n"
	     "\tcase $word in");
	fputs("\t'') verbs=\"", stdout);
	for (int i = 0; i < WORDS; i++)
		printf("%s%s", i ? " " : "", words[i].word);
	puts("\" options=\"--help --version\" ;;");
	for (int i = 0; i < WORDS; i++) {
		printf("\t%s) verbs=\"", words[i].word);
		put_verbs(words[i].usage, " ");
		printf("\" options=\"");
		bash_options(words[i].word);
		puts("\" ;;");
	}
	puts("\tesac\n"
	     "\tcase $cur in\n"
	     "\t-*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;\n"
	     "\t*) COMPREPLY=($(compgen -W \"$verbs\" -- \"$cur\")) ;;\n"
	     "\tesac\n"
	     "}\n"
	     "complete -o default -F _tidegate tidegate");
}

/* --- zsh --- */

/* Within single quotes, where a colon and brackets mean something to zsh's functions. */
static void zsh_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\'", stdout);
		if (strchr(":[]\\", *text))
			putchar('\\');
		putchar(*text);
	}
}

static void zsh_options(const char *word)
{
	char name[NAME];

	for (int i = 0; i < ROWS; i++) {
		if (!args_option_is_for(rows[i].who, word))
			continue;
		args_option_name(rows[i].name, name, sizeof(name));
		if (rows[i].letter)
			printf(" \\\n\t\t\t'*'{-%c,--%s}'[", rows[i].letter, name);
		else
			printf(" \\\n\t\t\t'*--%s[", name);
		zsh_text(rows[i].help);
		printf("]%s'", rows[i].value == 1 ? ":value:_files" : "");
	}
}

static void zsh(void)
{
	puts("#compdef tidegate\n"
	     "# zsh completion of tidegate; printed by `tidegate completion zsh`\n"
	     "_tidegate() {\n"
	     "\tlocal -a commands=(");
	for (int i = 0; i < WORDS; i++) {
		printf("\t\t'%s:", words[i].word);
		zsh_text(words[i].help);
		puts("'");
	}
	puts("\t)\n"
	     "\tif ((CURRENT == 2)); then\n"
	     "\t\t_describe command commands\n"
	     "\t\treturn\n"
	     "\tfi\n"
	     "\tlocal word=$words[2]\n"
	     "\tshift words\n"
	     "\t((CURRENT--))\n"
	     "\tcase $word in");
	for (int i = 0; i < WORDS; i++) {
		printf("\t%s)\n\t\t_arguments", words[i].word);
		zsh_options(words[i].word);
		printf(" \\\n\t\t\t'1:operand:_alternative \"files\\:file\\:_files\"");
		printf(" \"verbs\\:verb\\:(");
		put_verbs(words[i].usage, " ");
		puts(")\"' '*:file:_files' ;;");
	}
	puts("\tesac\n"
	     "}\n"
	     "_tidegate \"$@\"");
}

/* --- fish --- */

static void fish_text(const char *text)
{
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('\'');
}

static void fish_options(const char *word)
{
	char name[NAME];

	for (int i = 0; i < ROWS; i++) {
		if (!args_option_is_for(rows[i].who, word))
			continue;
		args_option_name(rows[i].name, name, sizeof(name));
		printf("complete -c tidegate -n '__fish_seen_subcommand_from %s' -l %s", word, name);
		if (rows[i].letter)
			printf(" -s %c", rows[i].letter);
		printf("%s -d ", rows[i].value == 1 ? " -r" : "");
		fish_text(rows[i].help);
		putchar('\n');
	}
}

static void fish(void)
{
	puts("# fish completion of tidegate; printed by `tidegate completion fish`");
	for (int i = 0; i < WORDS; i++) {
		printf("complete -c tidegate -n __fish_use_subcommand -f -a %s -d ", words[i].word);
		fish_text(words[i].help);
		putchar('\n');
	}
	for (int i = 0; i < WORDS; i++) {
		fish_options(words[i].word);
		printf("complete -c tidegate -n '__fish_seen_subcommand_from %s' -a '", words[i].word);
		put_verbs(words[i].usage, " ");
		puts("'");
	}
}

int cmd_completion(const struct args *a, struct err *e)
{
	static const struct {
		const char *shell;
		void (*print)(void);
	} shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

	for (size_t i = 0; a->nrest == 1 && i < sizeof(shells) / sizeof(shells[0]); i++)
		if (strcmp(a->rest[0], shells[i].shell) == 0) {
			shells[i].print();
			return EXIT_DONE;
		}
	err_set(e, ERR_usage, "completion bash, zsh or fish");
	return EXIT_USAGE;
}
