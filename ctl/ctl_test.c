/* The pure parts of the command line: arguments, progress texts, and when --until synced is reached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "ctl/ctl.h"
#include "ctl/lock.h"
#include "ctl/owner.h"
#include "ctl/plain.h"
#include "ctl/print.h"
#include "ctl/status.h"

static int parse(struct args *a, struct err *e, char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	optind = 0;
	return args_parse(argc, argv, a, e);
}

/* a borrows from it until the next one. */
static int parse_line(struct args *a, struct err *e, const char *line)
{
	static char text[200], *argv[12];
	char *rest = text;

	snprintf(text, sizeof(text), "tidegate %s", line);
	for (int i = 0; i < 11 && (argv[i] = strtok_r(rest, " ", &rest)) != NULL; i++)
		;
	*e = (struct err){0};
	return parse(a, e, argv);
}

static void nothing_given_is_dropped(void **state)
{
	static char text[ARGS_MANY + 2][16], *argv[2 * (ARGS_MANY + 4)];
	struct args a;
	struct err e;
	int n = 0;

	(void)state;
	argv[n++] = (char *)(uintptr_t) "tidegate";
	argv[n++] = (char *)(uintptr_t) "pause-task";
	for (int i = 0; i <= ARGS_MANY; i++) {
		snprintf(text[i], sizeof(text[i]), "s%d", i);
		argv[n++] = (char *)(uintptr_t) "-s";
		argv[n++] = text[i];
	}
	assert_int_equal(parse(&a, &e, argv), -1);
	assert_non_null(strstr(e.text, "--source is given more than 1000 times"));
	argv[n - 2] = NULL;
	assert_int_equal(parse(&a, &e, argv), 0);
	assert_int_equal(a.nsources, ARGS_MANY);
	assert_string_equal(a.sources[ARGS_MANY - 1], "s999");
	assert_int_equal(parse_line(&a, &e, "run --threads 4 --threads 8"), -1);
	assert_int_equal(e.code, ERR_usage);
	assert_non_null(strstr(e.text, "--threads is given twice: '4' and '8'"));
	assert_int_equal(parse_line(&a, &e, "run --threads 4 --threads 4 --json --json"), 0);
	assert_int_equal(parse_line(&a, &e, "query-status --watch --watch=5"), -1);
	assert_int_equal(parse_line(&a, &e, "list-member -n one -w --name two"), 0);
	assert_int_equal(a.nnames, 2);
	assert_string_equal(a.names[0], "one");
	assert_string_equal(a.names[1], "two");
	assert_int_equal(parse_line(&a, &e, "list-member --name one,two -n three"), 0);
	assert_int_equal(a.nnames, 3);
	assert_string_equal(a.names[1], "two");
	assert_int_equal(parse_line(&a, &e, "offline-member -w -n one -n two"), -1);
	assert_int_equal(parse_line(&a, &e, "list-member -s one"), -1);
	assert_non_null(strstr(e.text, "list-member has no option --source"));
}

static void options_are_found_by_name(void **state)
{
	struct args a;
	struct err e;

	(void)state;
	assert_int_equal(parse_line(&a, &e, "run --from mysql://a --from-password-file=x t.yaml"), 0);
	assert_string_equal(a.word, "run");
	assert_string_equal(a.from, "mysql://a");
	assert_string_equal(a.from_password_file, "x");
	assert_int_equal(a.nrest, 1);
	assert_string_equal(a.rest[0], "t.yaml");
	assert_int_equal(parse_line(&a, &e, "pause-task -s one t -s two"), 0);
	assert_int_equal(a.nsources, 2);
	assert_string_equal(a.sources[1], "two");
	assert_string_equal(a.rest[0], "t");
	assert_int_equal(parse_line(&a, &e, "pause-task -s one,two --source=three t"), 0);
	assert_int_equal(a.nsources, 3);
	assert_string_equal(a.sources[0], "one");
	assert_string_equal(a.sources[1], "two");
	assert_string_equal(a.sources[2], "three");
	assert_int_equal(parse_line(&a, &e, "pause-task -s one,,two t"), -1);
	assert_non_null(strstr(e.text, "--source has an empty name"));
	assert_int_equal(parse_line(&a, &e, "pause-task -s one, t"), -1);
	assert_int_equal(parse_line(&a, &e, "grants --for all"), 0);
	assert_string_equal(a.for_, "all");
}

static void wrong_options_are_named(void **state)
{
	char *unknown[] = {(char *)"tidegate", (char *)"run", (char *)"--form", (char *)"x", NULL};
	char *bare[] = {(char *)"tidegate", (char *)"run", (char *)"--from", NULL};
	struct args a;
	struct err e;

	(void)state;
	assert_int_equal(parse(&a, &e, unknown), -1);
	assert_int_equal(e.code, ERR_usage);
	assert_non_null(strstr(e.text, "--form"));
	assert_int_equal(parse(&a, &e, bare), -1);
	assert_non_null(strstr(e.text, "wants a value"));
}

static void letters_are_of_their_command(void **state)
{
	static const char *const named[] = {"offline-member -w -n x", "drain-member -n x", "accept-key -n x"};
	struct args a;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		assert_int_equal(parse_line(&a, &e, named[i]), 0);
		assert_string_equal(a.name, "x");
		assert_null(a.lines);
	}
	assert_int_equal(parse_line(&a, &e, "list-member -n x"), 0);
	assert_int_equal(a.nnames, 1);
	assert_null(a.lines);
	assert_int_equal(parse_line(&a, &e, "operate-source create f -w x"), 0);
	assert_string_equal(a.on_agent, "x");
	assert_null(a.worker);
	assert_int_equal(parse_line(&a, &e, "logs -f -n 5"), 0);
	assert_string_equal(a.lines, "5");
	assert_null(a.name);
	assert_string_equal(a.follow, "1");
	assert_int_equal(parse_line(&a, &e, "purge-relay -f file"), 0);
	assert_string_equal(a.filename, "file");
}

/* --watch sends a word again and again: pause-task would be done each second. */
static void options_of_other_commands_are_refused(void **state)
{
	static const char *const refused[][2] = {{"pause-task t --watch", "pause-task has no option --watch"},
		{"--watch=5 resume-task t", "resume-task has no option --watch"},
		{"operate-leader evict --watch", "operate-leader has no option --watch"},
		{"purge-relay -s a -f b --watch", "purge-relay has no option --watch"},
		{"grants --master x", "grants has no option --master"},
		{"query-status -l", "query-status has no option --leader"}};
	static const char *const fine[] = {"query-status --watch", "list-member -l --watch=2",
		"purge-relay -s a -f b --force", "query-status t -s one --master x --json --state y",
		"run --watch --help", "no-such-command --watch", "--watch"};
	struct args a;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(parse_line(&a, &e, refused[i][0]), -1);
		assert_int_equal(e.code, ERR_usage);
		assert_string_equal(e.text, refused[i][1]);
	}
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		assert_int_equal(parse_line(&a, &e, fine[i]), 0);
}

static void numbers_read_well(void **state)
{
	char t[32];

	(void)state;
	progress_count(1234567, t, sizeof(t));
	assert_string_equal(t, "1.23M");
	progress_count(12, t, sizeof(t));
	assert_string_equal(t, "12");
	progress_bytes(340e6, t, sizeof(t));
	assert_string_equal(t, "340.0 MB");
	progress_time(3725, t, sizeof(t));
	assert_string_equal(t, "1:02:05");
	progress_time(-1, t, sizeof(t));
	assert_string_equal(t, "0:00");
}

static void a_copy_is_summed_up(void **state)
{
	json_t *one = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "tables_done", 1, "tables_total",
		4, "rows_done", 1000, "rows_estimated", 4000, "bytes_done", 1000000, "bytes_estimated",
		4000000, "rows_s", 100, "left_s", 30);
	struct progress_now n = {.phase = "load"};
	char t[256];

	(void)state;
	status_add_copy(&n, one);
	json_object_set_new(one, "left_s", json_integer(75));
	status_add_copy(&n, one);
	progress_copy(&n, t, sizeof(t));
	assert_string_equal(t, " 25 %  2/8 tables  2000/8000 rows  2.0 MB/8.0 MB  200 rows/s  ETA 1:15");
	json_object_set_new(one, "left_s", json_null());
	status_add_copy(&n, one);
	assert_true(n.left_s < 0); /* nobody knows of one of them */
	json_decref(one);
}

/* A query-status answer of one source in Sync at file:offset whose upstream is at master. */
static json_t *answer(const char *file, int offset, const char *master, int master_offset, uint64_t asked)
{
	return json_pack(
		"{s:b, s:[{s:{s:s}, s:[{s:s, s:s, s:{s:{s:s, s:i, s:i}}}], s:{s:{s:{s:s, s:i, s:I}}}}]}",
		"result", 1, "sources", "sourceStatus", "source", "s1", "subTaskStatus", "stage", "Running",
		"unit", "Sync", "tidegate", "sync", "file", file, "offset", offset, "rows", 5, "tidegate",
		"relay", "master", "file", master, "offset", master_offset, "asked_ms", (json_int_t)asked);
}

static int reached(struct status_end *end, json_t *o)
{
	struct status_now now;
	int r;

	status_read(o, &now);
	r = status_reached(&now, end);
	json_decref(o);
	return r;
}

static void synced_counts_only_what_was_asked_since(void **state)
{
	struct status_end end = {.same_clock = true};
	uint64_t before = clock_ms() - 5000, after = clock_ms() + 5000;

	(void)state;
	/* An old answer of the upstream proves nothing, even if it is passed. */
	assert_int_equal(reached(&end, answer("b.000002", 100, "b.000002", 100, before)), 0);
	assert_int_equal(reached(&end, answer("b.000002", 100, "b.000002", 500, after)), 0);
	assert_int_equal(reached(&end, answer("b.000002", 499, "b.000009", 4, after)), 0);
	assert_int_equal(reached(&end, answer("b.000002", 500, "b.000009", 4, after)), 1);
	assert_int_equal(reached(&end, answer("b.000010", 4, "b.000010", 4, after)), 1);
	status_end_free(&end);
}

/* The relay's host was started a moment ago, or years before ours: its times are only told apart. */
static void synced_on_another_host(void **state)
{
	const uint64_t starts[] = {5000, clock_ms() + UINT64_C(100000000000)};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct status_end end = {0};
		uint64_t at = starts[i];

		assert_int_equal(reached(&end, answer("b.000002", 100, "b.000002", 100, at)), 0);
		assert_int_equal(reached(&end, answer("b.000002", 100, "b.000002", 100, at)), 0);
		assert_int_equal(reached(&end, answer("b.000002", 100, "b.000002", 100, 0)), 0);
		assert_int_equal(reached(&end, answer("b.000002", 100, "b.000002", 100, at)), 0);
		assert_int_equal(reached(&end, answer("b.000002", 100, "b.000002", 100, at + 500)), 0);
		assert_int_equal(reached(&end, answer("b.000002", 100, "b.000002", 100, at + 500)), 0);
		assert_int_equal(reached(&end, answer("b.000002", 100, "b.000002", 500, at + 1000)), 0);
		assert_int_equal(reached(&end, answer("b.000002", 499, "b.000009", 4, at + 1500)), 0);
		assert_int_equal(reached(&end, answer("b.000002", 500, "b.000009", 4, at + 1500)), 1);
		status_end_free(&end);
	}
}

/* A task may have as many as there are. */
static void synced_with_many_sources(void **state)
{
	struct status_end end = {.same_clock = true};
	json_t *o = answer("b.000002", 100, "b.000002", 100, clock_ms() + 5000), *list;

	(void)state;
	list = json_object_get(o, "sources");
	for (int i = 1; i < 100; i++) {
		json_t *more = json_deep_copy(json_array_get(list, 0));

		json_array_append_new(list, more);
	}
	assert_int_equal(reached(&end, o), 1);
	status_end_free(&end);
}

/* Behind a switch of the upstream names and offsets begin anew: they compare in one generation only. */
static json_t *switched(const char *position, int generation)
{
	json_t *o = answer("b.000002", 500, "b.000002", 500, clock_ms() + 5000);
	json_t *source = json_array_get(json_object_get(o, "sources"), 0);
	json_t *task = json_array_get(json_object_get(source, "subTaskStatus"), 0);

	json_object_set_new(json_object_get(json_object_get(task, "tidegate"), "sync"), "position",
		json_string(position));
	json_object_set_new(
		json_object_get(json_object_get(json_object_get(source, "tidegate"), "relay"), "master"),
		"generation", json_integer(generation));
	return o;
}

static void synced_counts_the_generation(void **state)
{
	struct status_end end = {.same_clock = true};

	(void)state;
	assert_int_equal(reached(&end, switched("1:9:500", 2)), 0);
	assert_int_equal(reached(&end, switched("2:2:500", 2)), 1);
	assert_int_equal(reached(&end, switched("3:1:4", 3)), 0); /* the end is the new server's now */
	assert_int_equal(reached(&end, switched("3:2:500", 3)), 1);
	status_end_free(&end);
}

static void a_paused_subtask_is_an_error(void **state)
{
	json_t *o = json_pack("{s:[{s:[{s:s, s:s, s:{s:{s:i, s:s}}}]}]}", "sources", "subTaskStatus", "stage",
		"Paused", "unit", "Load", "tidegate", "error", "code", 60401, "text", "table `a`.`b`");
	struct status_now now;

	(void)state;
	status_read(o, &now);
	assert_true(now.paused);
	assert_int_equal(now.error.code, 60401);
	assert_false(now.finished);
	json_decref(o);
}

static void keys_are_noted(void **state)
{
	json_t *o = json_pack("{s:[{s:[{s:s, s:s, s:{s:{s:[{s:s, s:i}]}}}]}]}", "sources", "subTaskStatus",
		"stage", "Running", "unit", "Load", "tidegate", "copy", "keys", "table", "`a`.`b`", "seconds",
		3);
	struct status_now now;

	(void)state;
	status_read(o, &now);
	assert_string_equal(now.show.note, "the keys of `a`.`b` are being made");
	json_decref(o);
}

static void nothing_yet_is_not_finished(void **state)
{
	json_t *o = json_pack("{s:[]}", "sources");
	struct status_now now;

	(void)state;
	status_read(o, &now);
	assert_false(now.finished);
	assert_false(now.syncing);
	json_decref(o);
}

/* As a supervisor's, which leaves it behind when it is killed. */
static void a_lock_is_held_or_lies_about(void **state)
{
	char path[] = "/tmp/tg-lock-XXXXXX", other[] = "/tmp/tg-lock-XXXXXX";
	int fd = mkstemp(path), fd2 = mkstemp(other);

	(void)state;
	assert_true(fd >= 0 && fd2 >= 0);
	assert_false(lock_is_held("/tmp", path + strlen("/tmp/")));
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_true(lock_is_held("/tmp", path + strlen("/tmp/")));
	assert_false(lock_is_held("/tmp", other + strlen("/tmp/")));
	close(fd);
	assert_false(lock_is_held("/tmp", path + strlen("/tmp/")));
	unlink(path);
	unlink(other);
	assert_false(lock_is_held("/tmp", path + strlen("/tmp/")));
	close(fd2);
}

/* Whoever names a folder in /tmp as ours would be is not asked. */
static void a_run_folder_is_ones_own(void **state)
{
	char dir[] = "/tmp/tg-owner-XXXXXX", link[80], file[80];
	uid_t me = geteuid() ? geteuid() : 4711;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(link, sizeof(link), "%s/link", dir);
	snprintf(file, sizeof(file), "%s/file", dir);
	if (geteuid() == 0)
		assert_int_equal(chown(dir, me, (gid_t)-1), 0);
	assert_int_equal(symlink(dir, link), 0);
	f = fopen(file, "we");
	assert_non_null(f);
	fclose(f);
	assert_true(owner_is(dir, me));
	assert_false(owner_is(dir, me + 1));
	assert_false(owner_is(link, me));
	assert_false(owner_is(file, me));
	assert_false(owner_is("/tmp/tg-owner-none", me));
	assert_true(owner_is(dir, 0)); /* the supervisor gave it to the agent's user */
	assert_false(owner_is(link, 0));
	unlink(link);
	unlink(file);
	rmdir(dir);
}

#define BAD "a\\u001b[2Jb\\u0007\\u009bc\\u007f\\n"
#define SEEN "a?[2Jb???c? "

struct caught {
	FILE *f;
	int was; /* stdout */
};

static struct caught catch_output(void)
{
	struct caught c = {tmpfile(), dup(STDOUT_FILENO)};

	assert_non_null(c.f);
	fflush(stdout);
	dup2(fileno(c.f), STDOUT_FILENO);
	return c;
}

static void end_catching(struct caught c, char *out, size_t size)
{
	fflush(stdout);
	dup2(c.was, STDOUT_FILENO);
	close(c.was);
	rewind(c.f);
	out[fread(out, 1, size - 1, c.f)] = '\0';
	fclose(c.f);
}

/* What was printed by the word's answer. */
static void printed(const char *word, const char *answer, char *out, size_t size)
{
	json_t *o = json_loads(answer, 0, NULL);
	struct caught c;

	assert_non_null(o);
	c = catch_output();
	print_answer(word, o);
	end_catching(c, out, size);
	json_decref(o);
}

static void has_only_text(const char *out)
{
	for (; *out; out++)
		if ((unsigned char)*out < ' ' && *out != '\n')
			fail_msg("byte %d before '%.40s'", *out, out + 1);
}

/* Tables, errors and notes are named by whoever writes to the upstream: no byte of theirs is an order to the
 * terminal. */
static void names_are_no_orders(void **state)
{
	static const char *const answers[][2] = {
		{"query-status", "{\"sources\":[{\"sourceStatus\":{\"source\":\"" BAD
				 "\"},\"subTaskStatus\":[{\"name\":\"t\",\"stage\":\"" BAD
				 "\",\"tidegate\":{\"error\":{\"code\":1,\"text\":\"" BAD
				 "\"},\"copy\":{\"tables\":[{\"table\":\"" BAD
				 "\",\"percent\":1.0}],\"keys\":[{\"table\":\"" BAD
				 "\"}],\"left_out\":[\"" BAD "\"]}}}]}]}"},
		{"query-status", "{\"tasks\":[{\"taskName\":\"" BAD "\",\"taskStatus\":\"x\"}]}"},
		{"list-member", "{\"members\":[{\"leader\":{\"name\":\"" BAD "\"}}]}"},
		{"pause-task", "{\"sources\":[{\"source\":\"" BAD "\",\"msg\":\"x\"}]}"},
	};
	char out[4000], text[] = "\033[31m \302\233 \233 \303\274 \177\n", lines[] = "a\tb\nc\rd\033";

	(void)state;
	setenv("NO_COLOR", "1", 1);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		printed(answers[i][0], answers[i][1], out, sizeof(out));
		has_only_text(out);
		assert_non_null(strstr(out, SEEN));
	}
	printed("binlog-schema", "{\"sources\":[{\"source\":\"s\",\"msg\":\"CREATE\\n\\u001bt\"}]}", out,
		sizeof(out));
	assert_non_null(strstr(out, "CREATE\n?t\n"));
	plain_text(text, "");
	assert_string_equal(text, "?[31m ?? ? \303\274 ? ");
	plain_text(lines, "\n\t");
	assert_string_equal(lines, "a\tb\nc d?");
	plain_text(lines, "");
	assert_string_equal(lines, "a b c d?");
}

/* As bytes that are no UTF-8 are: a terminal may take the long form of ESC, or of C1, for the short one. */
static void long_forms_are_no_letters(void **state)
{
	static const char *const bad[] = {"\300\233", "\301\277", "\340\202\233", "\355\240\200",
		"\360\200\202\233", "\364\220\200\200", "\365\200\200\200", "\303"};
	static const char good[] = "\302\240\337\277\340\240\200\355\237\277\360\220\200\200\364\217\277\277";
	char text[40];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "%s", bad[i]);
		assert_false(plain_is_utf8(text));
		plain_text(text, "");
		assert_string_equal(text, &"????"[4 - strlen(bad[i])]);
	}
	snprintf(text, sizeof(text), "%s", good);
	assert_true(plain_is_utf8(text));
	plain_text(text, "");
	assert_string_equal(text, good);
}

/* Of run --json, too: a note is an error's text. */
static void progress_holds_no_orders(void **state)
{
	struct progress p;
	struct progress_now n = {.phase = "load", .file = "", .note = "\302\233m \177"};
	struct caught c;
	char out[2000];

	(void)state;
	progress_init(&p, true);
	c = catch_output();
	progress_show(&p, &n);
	end_catching(c, out, sizeof(out));
	assert_non_null(strstr(out, "\"note\":\"\\u009Bm \\u007F\""));
}

static void json_is_escaped_without_loss(void **state)
{
	const char *name = "\033[m \177 \302\200\302\233\302\237\302\240 \303\274";
	json_t *o = json_pack("{s:s}", "table", name), *back;
	char *text = json_dumps(o, JSON_COMPACT);
	struct buf out = {0};

	(void)state;
	plain_escape(text, &out);
	assert_string_equal(
		buf_cstr(&out), "{\"table\":\"\\u001B[m \\u007F \\u0080\\u009B\\u009F\302\240 \303\274\"}");
	back = json_loads(buf_cstr(&out), 0, NULL);
	assert_true(json_equal(o, back));
	free(text);
	buf_free(&out);
	json_decref(o);
	json_decref(back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_given_is_dropped),
		cmocka_unit_test(options_are_found_by_name),
		cmocka_unit_test(wrong_options_are_named),
		cmocka_unit_test(letters_are_of_their_command),
		cmocka_unit_test(options_of_other_commands_are_refused),
		cmocka_unit_test(numbers_read_well),
		cmocka_unit_test(a_copy_is_summed_up),
		cmocka_unit_test(synced_counts_only_what_was_asked_since),
		cmocka_unit_test(synced_on_another_host),
		cmocka_unit_test(synced_with_many_sources),
		cmocka_unit_test(synced_counts_the_generation),
		cmocka_unit_test(a_paused_subtask_is_an_error),
		cmocka_unit_test(keys_are_noted),
		cmocka_unit_test(nothing_yet_is_not_finished),
		cmocka_unit_test(a_lock_is_held_or_lies_about),
		cmocka_unit_test(a_run_folder_is_ones_own),
		cmocka_unit_test(names_are_no_orders),
		cmocka_unit_test(long_forms_are_no_letters),
		cmocka_unit_test(json_is_escaped_without_loss),
		cmocka_unit_test(progress_holds_no_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
