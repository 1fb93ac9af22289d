/*
 * The command line of tidegated: one table of options, from which --help unfolds too, and the file that it
 * may name, whose keys are options (include/daemon.def). Called by main, and at SIGHUP; reads no environment.
 */
#include "supervisor/args.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/settings.h"
#include "common/base/xalloc.h"

struct option_row {
	const char *name, *value, *help;
	int (*set)(struct super_args *a, const char *value, struct err *e);
};

static int set_state(struct super_args *a, const char *v, struct err *e)
{
	(void)e;
	a->state = v;
	return 0;
}

static int set_run(struct super_args *a, const char *v, struct err *e)
{
	(void)e;
	a->run = v;
	return 0;
}

static int set_files(struct super_args *a, const char *v, struct err *e)
{
	(void)e;
	a->files = v;
	return 0;
}

static int set_libexec(struct super_args *a, const char *v, struct err *e)
{
	(void)e;
	a->libexec = v;
	return 0;
}

static int set_user(struct super_args *a, const char *v, struct err *e)
{
	(void)e;
	a->user = v;
	return 0;
}

/* The name goes into JSON and into titles unquoted: so only harmless characters, checked here once. */
static int set_name(struct super_args *a, const char *v, struct err *e)
{
	size_t n = strlen(v);

	if (n == 0 || n >= sizeof(a->name))
		return err_set(e, ERR_usage, "--name must have 1 to %zu characters", sizeof(a->name) - 1);
	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)v[i]) || (!isalnum((unsigned char)v[i]) && !strchr("._-", v[i])))
			return err_set(e, ERR_usage,
				"--name %s: only letters, digits, '.', '_' and '-' are allowed", v);
	memcpy(a->name, v, n + 1);
	return 0;
}

/* Digits only, up to max: no sign, no space, nothing behind. */
static bool read_number(const char *text, size_t n, unsigned long max, unsigned long *out)
{
	unsigned long v = 0;

	if (n == 0 || n > 10)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		v = v * 10 + (unsigned long)(text[i] - '0');
	}
	*out = v;
	return v <= max;
}

/* The uid below the first is the agent's where there is no user of that name: so the range can't begin at 1.
 */
static int set_uid_range(struct super_args *a, const char *v, struct err *e)
{
	const char *dash = strchr(v, '-');
	unsigned long first, last;

	if (!dash || !read_number(v, (size_t)(dash - v), 0xfffffffdUL, &first) ||
		!read_number(dash + 1, strlen(dash + 1), 0xfffffffdUL, &last) || first < 2 || last <= first)
		return err_set(e, ERR_usage, "--uid-range %s: two numbers are wanted, as in 59000-59999", v);
	a->uid_first = (uid_t)first;
	a->uid_last = (uid_t)last;
	return 0;
}

static int set_with_master(struct super_args *a, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	a->with_master = true;
	return 0;
}

/* They go into JSON unquoted, as the name does. */
static int check_plain(const char *option, const char *v, struct err *e)
{
	for (const char *c = v; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
			return err_set(e, ERR_usage,
				"--%s: printable ASCII without blanks, \" and \\ is wanted", option);
	return 0;
}

static int set_store(struct super_args *a, const char *v, struct err *e)
{
	a->store = v;
	return check_plain("store", v, e);
}

static int set_masters(struct super_args *a, const char *v, struct err *e)
{
	a->masters = v;
	return check_plain("masters", v, e);
}

static int set_alive_fd(struct super_args *a, const char *v, struct err *e)
{
	unsigned long fd;

	if (!read_number(v, strlen(v), 1 << 20, &fd) || fd < 3 || fcntl((int)fd, F_GETFD) < 0)
		return err_set(e, ERR_usage, "--alive-fd %s: not an open descriptor above 2", v);
	a->alive_fd = (int)fd;
	return 0;
}

static int set_log_level(struct super_args *a, const char *v, struct err *e)
{
	int level = log_level_of(v);

	if (level < 0)
		return err_set(e, ERR_usage, "--log-level %s: debug, info, warn or error", v);
	a->level = (enum log_level)level;
	a->level_given = true;
	return 0;
}

/* It goes into JSON unquoted, as part of a path. */
static int set_config(struct super_args *a, const char *v, struct err *e)
{
	if (v[0] != '/' || strlen(v) > 3000)
		return err_set(e, ERR_usage, "--config %.100s: the absolute name of a folder is wanted", v);
	a->config = v;
	return check_plain("config", v, e);
}

static int set_failpoints(struct super_args *a, const char *v, struct err *e)
{
#ifdef TIDEGATE_FAILPOINTS
	(void)e;
	a->failpoints = v;
	return 0;
#else
	(void)a;
	return err_set(e, ERR_usage, "--failpoints %s: this build has none", v);
#endif
}

static int set_help(struct super_args *a, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	a->help = true;
	return 0;
}

static int set_version(struct super_args *a, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	a->version = true;
	return 0;
}

static const struct option_row options[] = {
	{"state", "DIR", "state folder: key, relay logs, spools, the agent's and the master's files",
		set_state},
	{"run", "DIR", "run folder: sockets and locks", set_run},
	{"config", "DIR",
		"folder of tidegated.conf, tidegate-agent.conf and tidegate-master.conf, read again at "
		"SIGHUP",
		set_config},
	{"files", "DIR", "folder of tasks that dump into files or load them", set_files},
	{"libexec", "DIR", "where the other programs are (beside this one, else /usr/libexec/tidegate)",
		set_libexec},
	{"name", "NAME", "this agent's name (the host's name)", set_name},
	{"user", "USER", "user of agent and master, when started as root (tidegate)", set_user},
	{"uid-range", "A-B", "uids of the sources, when started as root (59000-59999)", set_uid_range},
	{"with-master", NULL, "run a master on this host too", set_with_master},
	{"store", "URL", "the masters' etcd: etcd[s]://host:port,…; a file of this host's own without it",
		set_store},
	{"masters", "LIST", "addresses of all masters (this host's socket)", set_masters},
	{"alive-fd", "N", "leave when this inherited descriptor ends", set_alive_fd},
	{"log-level", "LEVEL", "debug, info, warn or error (info)", set_log_level},
	{"failpoints", "FILE", "test builds only: the failpoint table", set_failpoints},
	{"help", NULL, "print this", set_help},
	{"version", NULL, "print the version", set_version},
};

enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

void args_help(FILE *out)
{
	fputs("usage: tidegated --state DIR --run DIR [options]\n\n"
	      "Starts Tidegate's processes, each with its own user and folder, and ends them.\n\n",
		out);
	for (unsigned i = 0; i < OPTIONS; i++)
		fprintf(out, "  --%-11s %-6s %s\n", options[i].name, options[i].value ? options[i].value : "",
			options[i].help);
	fputs("\nExit status: 0 stopped in order, 1 failed, 2 wrong usage. See tidegated(8).\n", out);
}

/* The row of "--name" or "--name=value"; value points behind '=' or is NULL. */
static const struct option_row *find(const char *arg, const char **value)
{
	size_t n = strcspn(arg, "=");

	if (strncmp(arg, "--", 2) != 0)
		return NULL;
	*value = arg[n] == '=' ? arg + n + 1 : NULL;
	for (unsigned i = 0; i < OPTIONS; i++)
		if (strlen(options[i].name) == n - 2 && !strncmp(options[i].name, arg + 2, n - 2))
			return &options[i];
	return NULL;
}

static int parse_all(int argc, char **argv, struct super_args *a, struct err *e)
{
	for (int i = 1; i < argc; i++) {
		const char *value = NULL;
		const struct option_row *o = find(argv[i], &value);

		if (!o)
			return err_set(e, ERR_usage, "unknown argument %s", argv[i]);
		if (!o->value && value)
			return err_set(e, ERR_usage, "--%s takes no value", o->name);
		if (o->value && !value && ++i < argc)
			value = argv[i];
		if (o->value && (!value || !*value))
			return err_set(e, ERR_usage, "--%s needs a value", o->name);
		if (o->set(a, value, e) < 0)
			return -1;
	}
	return 0;
}

static int default_name(struct super_args *a, struct err *e)
{
	char host[256] = "";

	if (a->name[0])
		return 0;
	if (gethostname(host, sizeof(host) - 1) < 0)
		return err_sys(e, ERR_usage, "this host has no name: give --name");
	if (set_name(a, host, e) < 0)
		return err_add(e, "the host's name does not do, give another");
	return 0;
}

static const struct option_row *option_of(const char *key)
{
	for (unsigned i = 0; i < OPTIONS; i++)
		if (strcmp(options[i].name, key) == 0)
			return &options[i];
	return NULL;
}

/* The keys of the file are options by name; one without a value is yes or no. */
static int apply_file(struct super_args *a, struct err *e)
{
	char *path = xasprintf("%s/tidegated.conf", a->config);
	const char *key, *help;

	a->settings = settings_read("tidegated", path, e);
	free(path);
	if (!a->settings)
		return -1;
	for (unsigned i = 0; (key = settings_key("tidegated", i, &help)); i++) {
		const char *value = settings_get(a->settings, key);
		const struct option_row *o = option_of(key);

		assert(o);
		if (!value || (!o->value && strcmp(value, "yes") != 0))
			continue;
		if (o->set(a, value, e) < 0)
			return settings_blame(a->settings, key, e);
	}
	a->level_given = false;
	return 0;
}

int args_parse(int argc, char **argv, struct super_args *a, struct err *e)
{
	const struct super_args defaults = {
		.uid_first = 59000, .uid_last = 59999, .alive_fd = -1, .level = LOG_INFO_};

	*a = defaults;
	if (parse_all(argc, argv, a, e) < 0)
		return -1;
	if (a->help || a->version)
		return 0;
	if (a->config) { /* first the file, then the command line once more, which goes before */
		const char *config = a->config;

		*a = defaults;
		a->config = config;
		if (apply_file(a, e) < 0 || parse_all(argc, argv, a, e) < 0)
			return -1;
	}
	if (!a->state)
		return err_set(e, ERR_usage, "--state is missing");
	if (!a->run)
		return err_set(e, ERR_usage, "--run is missing");
	return default_name(a, e);
}

void args_fini(struct super_args *a)
{
	settings_free(&a->settings);
}

void args_reload(struct super_args *a)
{
	const char *level;
	struct err e = {0};

	if (!a->settings) {
		log_info("SIGHUP: without --config there is nothing to read again, the settings are "
			 "arguments");
		return;
	}
	if (settings_reload(a->settings, &e) < 0) {
		log_warn("SIGHUP: the file is left aside: %s", e.text);
		return;
	}
	level = settings_get(a->settings, "log-level");
	if (a->level_given) {
		log_info("SIGHUP: the log level stays as --log-level says");
		return;
	}
	a->level = level ? (enum log_level)log_level_of(level) : LOG_INFO_;
	log_set_level(a->level);
	log_info("SIGHUP: the log level is %s", log_level_name(a->level));
}
