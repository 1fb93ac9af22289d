/*
 * config: the files that sources and tasks were made by; export and import of all of them. Passwords leave
 * the master as cipher text only, and only for export.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/config/yaml.h"
#include "ctl/print.h"
#include "ctl/words.h"

static const char *const folders[][2] = {{"source", "sources"}, {"task", "tasks"}};

static json_t *ask_config(struct ask *k, const char *kind, const char *name, bool secret, struct err *e)
{
	json_t *args = json_pack("{s:s, s:s, s:b}", "kind", kind, "name", name, "secret", secret);
	json_t *answer = ask_command(k, "config", args, ASK_MS, e);

	json_decref(args);
	return answer;
}

/* --- one, or a list --- */

static int write_text(int dir, const char *name, const char *text, struct err *e)
{
	return io_replace_file(dir, name, text, strlen(text), 0600, e);
}

static int tell(const struct args *a, int dir, const json_t *answer, struct err *e)
{
	const json_t *names = json_object_get(answer, "names"), *name;
	const char *text = json_text(answer, "cfg", "");
	size_t i;

	if (a->path && !names)
		return write_text(dir, a->path, text, e) < 0 ? EXIT_FAILED : EXIT_DONE;
	if (a->json)
		print_json(answer);
	else if (!names)
		fputs(text, stdout);
	else
		json_array_foreach(names, i, name)
			puts(json_string_value(name));
	return EXIT_DONE;
}

static int show(const struct args *a, struct err *e)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* asking changes the current folder */
	struct ask *k = words_open(a, e);
	json_t *answer = k ? ask_config(k, a->rest[0], a->nrest > 1 ? a->rest[1] : "", false, e) : NULL;
	int code = answer ? tell(a, dir, answer, e) : e->code == ERR_usage ? EXIT_USAGE : EXIT_FAILED;

	json_decref(answer);
	ask_close(&k);
	close(dir);
	return code;
}

/* --- export --- */

struct export
{
	struct ask *k;
	int dir;         /* of the kind at work */
	json_t *relays;  /* {source: [agent]} of those that are kept without tasks */
	unsigned n, bad; /* written; left out, with a note */
};

static int write_one(struct export *x, const char *name, const json_t *answer, struct err *e)
{
	char *file = xasprintf("%s.yaml", name);
	struct buf out = {0};
	int r = config_with_password(
		json_text(answer, "cfg", ""), json_text(answer, "password", ""), &out, e);

	if (r == 0)
		r = io_replace_file(x->dir, file, out.p, out.n, 0600, e);
	if (r == 0 && json_flag(answer, "enable_relay", false))
		json_object_set_new(x->relays, name, json_pack("[s]", json_text(answer, "worker", "")));
	x->n += r == 0;
	buf_free(&out);
	free(file);
	return r;
}

static int export_one(struct export *x, const char *kind, const char *name, struct err *e)
{
	json_t *answer = ask_config(x->k, kind, name, true, e);
	int r;

	if (!answer && e->code == ERR_bad_stage) {
		fprintf(stderr, "tidegate: note: %s; left out\n", e->text);
		err_clear(e);
		x->bad++;
		return 0;
	}
	r = answer ? write_one(x, name, answer, e) : -1;
	json_decref(answer);
	return r;
}

static int export_kind(struct export *x, int top, const char *const folder[2], struct err *e)
{
	json_t *answer = ask_config(x->k, folder[0], "", false, e), *name;
	size_t i;
	int r = answer ? 0 : -1;

	if (r == 0 && mkdirat(top, folder[1], 0700) < 0 && errno != EEXIST)
		r = err_sys(e, ERR_io, "making %s", folder[1]);
	x->dir = r < 0 ? -1 : openat(top, folder[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r == 0 && x->dir < 0)
		r = err_sys(e, ERR_io, "%s", folder[1]);
	json_array_foreach(json_object_get(answer, "names"), i, name)
		if (r == 0)
			r = export_one(x, folder[0], json_string_value(name), e);
	if (x->dir >= 0)
		close(x->dir);
	json_decref(answer);
	return r;
}

static int export_all(struct export *x, int top, struct err *e)
{
	char *text;
	int r;

	if (export_kind(x, top, folders[0], e) < 0 || export_kind(x, top, folders[1], e) < 0)
		return -1;
	text = json_dumps(x->relays, JSON_INDENT(2));
	r = write_text(top, "relay_workers.json", text ? text : "{}", e);
	free(text);
	return r;
}

static int export(const struct args *a, struct err *e)
{
	const char *path = a->path ? a->path : "./configs";
	struct export x = {.relays = json_object()};
	int top, code = EXIT_FAILED;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		err_sys(e, ERR_usage, "making %s", path);
	top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0 && !e->code)
		err_sys(e, ERR_usage, "%s", path);
	x.k = top < 0 ? NULL : words_open(a, e);
	if (x.k && export_all(&x, top, e) == 0) {
		printf("%u files in %s\n", x.n, path);
		code = x.bad ? EXIT_FAILED : EXIT_DONE;
		if (x.bad)
			err_set(e, ERR_bad_stage, "%u not made by files are not in %s", x.bad, path);
	}
	ask_close(&x.k);
	json_decref(x.relays);
	if (top >= 0)
		close(top);
	return code;
}

/* --- import --- */

struct import {
	json_t *sources, *tasks, *relays;
};

/* A folder that is not there has no files; one that can't be read is no reason to import the half. */
static int unreadable(const char *path, int error)
{
	(void)path;
	return error != ENOENT && error != ENOTDIR;
}

static int load_kind(const struct args *a, const char *path, int which, json_t *list, struct err *e)
{
	char *pattern = xasprintf("%s/%s/*.yaml", path, folders[which][1]);
	glob_t g = {0};
	int found = glob(pattern, 0, unreadable, &g), r = 0;

	if (found != 0 && found != GLOB_NOMATCH)
		r = err_set(e, ERR_usage, "%s/%s can't be read", path, folders[which][1]);
	if (found == 0)
		for (size_t i = 0; i < g.gl_pathc && r == 0; i++) {
			json_t *o = which == 0 ? words_load_source(a, g.gl_pathv[i], e)
					       : words_load_task(a, g.gl_pathv[i], e);

			r = o ? json_array_append_new(list, o) : -1;
		}
	globfree(&g);
	free(pattern);
	return r;
}

static int load_relays(const char *path, json_t **relays, struct err *e)
{
	char *file = xasprintf("%s/relay_workers.json", path);
	struct buf text = {0};
	int r = 0;

	if (access(file, F_OK) == 0)
		r = io_read_file(AT_FDCWD, file, 1 << 20, &text, e);
	if (r == 0) {
		*relays = text.n ? json_parse(buf_str(&text), file, e) : json_object();
		r = !*relays ? -1
		    : json_is_object(*relays)
			    ? 0
			    : err_set(e, ERR_usage, "%s: no object {source: [agent]}", file);
	}
	buf_free(&text);
	free(file);
	return r;
}

/* All files are read before the first word goes out: a mistake in the last one changes nothing. */
static int load_all(const struct args *a, const char *path, struct import *m, struct err *e)
{
	if (load_kind(a, path, 0, m->sources, e) < 0 || load_kind(a, path, 1, m->tasks, e) < 0 ||
		load_relays(path, &m->relays, e) < 0)
		return -1;
	if (json_array_size(m->sources) + json_array_size(m->tasks) == 0)
		return err_set(e, ERR_usage, "no sources/*.yaml and no tasks/*.yaml in %s", path);
	return 0;
}

static int send_all(struct ask *k, const struct args *a, const struct import *m, struct err *e)
{
	json_t *o;
	const char *source;
	size_t i;
	int code = EXIT_DONE;

	json_array_foreach(m->sources, i, o)
		if (code == EXIT_DONE)
			code = words_put_source(k, a, "create", o, e);
	json_object_foreach(m->relays, source, o)
		if (code == EXIT_DONE)
			code = words_send(k, a, "start-relay", json_pack("{s:[s]}", "sources", source), e);
	json_array_foreach(m->tasks, i, o)
		if (code == EXIT_DONE)
			code = words_start_task(k, a, o, e);
	return code;
}

static int import(const struct args *a, struct err *e)
{
	struct import m = {json_array(), json_array(), NULL};
	bool loaded = load_all(a, a->path ? a->path : "./configs", &m, e) == 0;
	struct ask *k = loaded ? words_open(a, e) : NULL;
	int code = k ? send_all(k, a, &m, e) : e->code == ERR_usage ? EXIT_USAGE : EXIT_FAILED;

	ask_close(&k);
	json_decref(m.sources);
	json_decref(m.tasks);
	json_decref(m.relays);
	return code;
}

static bool is_kind(const char *what)
{
	static const char *const kinds[] = {"source", "task", "master", "worker"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(what, kinds[i]) == 0)
			return true;
	return false;
}

int cmd_config(const struct args *a, struct err *e)
{
	const char *what = a->nrest ? a->rest[0] : "";

	if (strcmp(what, "export") == 0 && a->nrest == 1)
		return export(a, e);
	if (strcmp(what, "import") == 0 && a->nrest == 1)
		return import(a, e);
	if (is_kind(what) && a->nrest <= 2 && (a->nrest == 2 || !a->path))
		return show(a, e);
	err_set(e, ERR_usage,
		"config source|task|master|worker [name], config export, config import; all settings of "
		"daemons are in their own files in /etc/tidegate");
	return EXIT_USAGE;
}
