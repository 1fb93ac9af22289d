/*
 * The skeleton of agent and master: unit.c without orders and heartbeats. They run in the same box, by rows
 * of the same table, with the same watcher; only the supervisor stands above them, so they stamp their own
 * log lines.
 */
#include "common/proc/daemon.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/settings.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/proc/http.h"
#include "common/proc/inherit.h"
#include "common/proc/sandbox.h"
#include "common/proc/unit.h"
#include "common/proc/watch.h"
#include "fds.h"

enum {
	DAEMON_BEAT_MS = 1000,
	DAEMON_LEAVE_BEAT_MS = 100,
	DAEMON_WORN_MS = 20000,
	DAEMON_WORN_TOLD_MS = 3600 * 1000,
};

struct daemon_run {
	struct daemon_env env; /* daemon_leave and daemon_leaving find the rest from it */
	const struct daemon *d;
	void *self;
	struct inherited in;
	struct watch *watch;
	struct settings *settings; /* the own file; NULL: none was named */
	bool blamed;               /* what the file says is wrong: no restart mends it */
	int host_level;            /* tidegated's */
	uint64_t worn_look;        /* when descriptors are looked at again: wake-ups may be many */
	uint64_t worn_since;       /* few descriptors are left since then; 0: enough */
	uint64_t worn_told;        /* said of one that is not to begin anew; 0: not yet */
	int http_fd;               /* listens from before the box on; -1: not */
	struct http *http;
};

static struct daemon_run *daemon_of(const struct daemon_env *env)
{
	return (struct daemon_run *)((char *)(uintptr_t)env - offsetof(struct daemon_run, env));
}

void daemon_leave(struct daemon_env *env)
{
	watch_leave(daemon_of(env)->watch, WATCH_LEAVE_MS);
}

bool daemon_leaving(const struct daemon_env *env)
{
	const struct daemon_run *r = daemon_of(env);

	return r->watch && watch_leaving(r->watch);
}

const char *daemon_setting(const struct daemon_env *env, const char *key)
{
	const struct settings *s = daemon_of(env)->settings;

	return s ? settings_get(s, key) : NULL;
}

int daemon_blame(const struct daemon_env *env, const char *key, struct err *e)
{
	struct daemon_run *r = daemon_of(env);

	r->blamed = true;
	return settings_blame(r->settings, key, e);
}

int daemon_setting_int(
	const struct daemon_env *env, const char *key, const unsigned range[2], unsigned *out, struct err *e)
{
	const char *text = daemon_setting(env, key);
	unsigned long n;
	char *end;

	if (!text)
		return 0;
	n = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && n >= range[0] && n <= range[1]) {
		*out = (unsigned)n;
		return 0;
	}
	err_set(e, ERR_config_bad, "%s is a whole number from %u to %u, not \"%.40s\"", key, range[0],
		range[1], text);
	return daemon_blame(env, key, e);
}

static void daemon_env_fill(struct daemon_run *r)
{
	r->env = (struct daemon_env){.kind = r->in.kind,
		.config = r->in.config,
		.state_fd = r->in.state_fd,
		.run_fd = FD_RUN,
		.needs = inherit_needs(&r->in),
		.supervisor_fd = FD_SUPERVISOR};
	r->self = xcalloc(1, r->d->state ? r->d->state : 1);
}

static void daemon_level(struct daemon_run *r)
{
	const char *own = settings_get(r->settings, "log-level");
	enum log_level level = (enum log_level)(own ? log_level_of(own) : r->host_level);

	r->env.log_level = log_level_name(level);
	log_set_level(level);
}

static int daemon_settings(struct daemon_run *r, struct err *e)
{
	const char *path = json_text(r->in.config, "config", "");

	r->host_level = log_level_of(json_text(r->in.config, "log_level", "info"));
	if (*path) {
		r->settings = settings_read(r->in.info->name, path, e);
		r->blamed = !r->settings;
		if (!r->settings)
			return -1;
		r->env.settings = r->settings;
	}
	daemon_level(r);
	return 0;
}

static void daemon_reload(struct daemon_run *r, int level)
{
	struct err e = {0};

	if (level >= 0)
		r->host_level = level;
	if (!r->settings)
		log_info("SIGHUP: there is no file to read again, tidegated has no --config");
	else if (settings_reload(r->settings, &e) < 0)
		log_warn("SIGHUP: the file is left aside: %s", e.text);
	daemon_level(r);
	log_info("SIGHUP: the log level is %s", r->env.log_level);
	if (r->d->reload)
		r->d->reload(r->self, &r->env);
}

/*
 * What is no address is refused; one that is taken only costs the metrics: data goes on without anybody
 * looking.
 */
static int daemon_http_listen(struct daemon_run *r, struct err *e)
{
	const char *address = settings_get(r->settings, "http");

	r->http_fd = -1;
	if (!address || strcmp(address, "off") == 0)
		return 0;
	r->http_fd = http_listen(address, e);
	if (r->http_fd >= 0) {
		log_info("/metrics and /healthz at %s", address);
		return 0;
	}
	if (e->code == ERR_config_bad)
		return daemon_blame(&r->env, "http", e);
	log_warn("no /metrics and /healthz: %s", e->text);
	err_clear(e);
	return 0;
}

static void daemon_put_metrics(struct daemon_run *r, struct http_answer *a)
{
	struct metrics *m = metrics_new(r->in.info->name);

	if (r->d->metrics)
		r->d->metrics(r->self, m);
	metrics_text(m, &a->body);
	metrics_free(&m);
	a->status = 200;
	a->type = "text/plain; version=0.0.4; charset=utf-8";
}

static void daemon_put_health(struct daemon_run *r, struct http_answer *a)
{
	json_t *o = json_pack("{s:s, s:s}", "process", r->in.info->name, "version", TIDEGATE_VERSION);
	bool well = !daemon_leaving(&r->env);

	if (r->d->health && !r->d->health(r->self, o))
		well = false;
	json_object_set_new(o, "ok", json_boolean(well));
	json_write(o, &a->body);
	buf_putc(&a->body, '\n');
	json_decref(o);
	a->status = well ? 200 : 503;
	a->type = "application/json";
}

static void daemon_on_http(void *arg, const char *path, struct http_answer *a)
{
	if (strcmp(path, "/metrics") == 0)
		daemon_put_metrics(arg, a);
	else if (strcmp(path, "/healthz") == 0)
		daemon_put_health(arg, a);
}

static int daemon_open(struct daemon_run *r, struct err *e)
{
	close(FD_KEY); /* unread, if it is there at all (T32) */
	if (fcntl(FD_SUPERVISOR, F_SETFL, fcntl(FD_SUPERVISOR, F_GETFL) | O_NONBLOCK) < 0)
		return err_sys(e, ERR_io, "descriptor %d", FD_SUPERVISOR);
	if (daemon_settings(r, e) < 0 || daemon_http_listen(r, e) < 0)
		return -1;
	return r->d->open ? r->d->open(r->self, &r->env, e) : 0;
}

static int daemon_box(struct daemon_run *r, struct err *e)
{
	const char *file = json_text(r->in.config, "config", ""), *slash = strrchr(file, '/');
	char *folder = slash ? xstrndup(file, (size_t)(slash - file)) : NULL;
	int row = sandbox_row(r->in.info->name), rc;

	r->env.needs.folder = folder;
	if (row < 0)
		rc = err_set(e, ERR_sandbox, "include/sandbox.def has no row \"%s\"", r->in.info->name);
	else
		rc = sandbox_enter((enum sandbox_row)row, FD_RUN, r->in.state_fd, &r->env.needs, e);
	r->env.needs.folder = NULL;
	free(folder);
	return rc;
}

static int daemon_ready(struct daemon_run *r, struct err *e)
{
	r->env.loop = loop_new();
	r->watch = watch_start(FD_SUPERVISOR, r->env.loop);
	r->env.link = link_new(r->env.loop);
	if (r->http_fd >= 0)
		r->http = http_new(r->env.loop, r->http_fd, daemon_on_http, r);
	return r->d->ready ? r->d->ready(r->self, &r->env, e) : 0;
}

/* Three quarters of the descriptors are in use. *most: how many there may be. */
static bool daemon_few_left(unsigned long long *most)
{
	struct rlimit limit;
	int lowest = fcntl(0, F_DUPFD_CLOEXEC, 0);

	if (lowest >= 0)
		close(lowest);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return false;
	*most = limit.rlim_cur;
	return lowest < 0 || (rlim_t)lowest >= limit.rlim_cur / 4 * 3;
}

/* All units end with the agent (T37), so it must never end by what a unit can bring about. */
static void daemon_tell_worn(struct daemon_run *r, unsigned long long most)
{
	uint64_t now = clock_ms();

	if (r->worn_told && now < r->worn_told + DAEMON_WORN_TOLD_MS)
		return;
	r->worn_told = now;
	log_warn(
		"three quarters of %llu descriptors are in use: more units may not be heard; raise the limit "
		"(LimitNOFILE, ulimit -Hn) and start tidegated again",
		most);
}

/*
 * libnng 1.5.2 has a thread that takes closed connections away, and one that is closed just when it is read
 * from holds it up for ever: from then on each connection that ends leaves its descriptor behind. Nothing
 * mends that but another process, and the supervisor has one. A flood of connections looks the same, so it
 * must last.
 */
static int daemon_worn(struct daemon_run *r, struct err *e)
{
	unsigned long long most = 0;
	uint64_t now = clock_ms();

	if (now < r->worn_look)
		return 0;
	r->worn_look = now + DAEMON_BEAT_MS;
	if (!daemon_few_left(&most)) {
		r->worn_since = 0;
		return 0;
	}
	if (!r->d->renewable) {
		daemon_tell_worn(r, most);
		return 0;
	}
	if (r->worn_since == 0)
		r->worn_since = now;
	if (now < r->worn_since + DAEMON_WORN_MS)
		return 0;
	return err_set(e, ERR_link,
		"three quarters of %llu descriptors are in use, for connections that are over or say "
		"nothing: begins anew",
		most);
}

static int daemon_work(struct daemon_run *r, struct err *e)
{
	while (!watch_leaving(r->watch)) {
		int level;

		if (watch_hup(r->watch, &level))
			daemon_reload(r, level);
		if (daemon_worn(r, e) < 0 || (r->d->tick && r->d->tick(r->self, &r->env, e) < 0))
			return -1;
		if (!watch_leaving(r->watch))
			loop_once(r->env.loop, DAEMON_BEAT_MS);
	}
	log_info("leaving: %s", watch_reason(r->watch));
	while (r->d->leave && !r->d->leave(r->self, &r->env))
		loop_once(r->env.loop, DAEMON_LEAVE_BEAT_MS);
	return 0;
}

/* From the lock to the last tick: an exit status, with e where it is not 0. */
static int daemon_live(struct daemon_run *r, bool *opened, struct err *e)
{
	if (inherit_lock(e) < 0)
		return UNIT_EXIT_ERROR;
	*opened = true;
	if (daemon_open(r, e) < 0)
		return r->blamed ? UNIT_EXIT_SETTINGS : UNIT_EXIT_ERROR;
	if (daemon_box(r, e) < 0)
		return UNIT_EXIT_BOX;
	if (daemon_ready(r, e) < 0)
		return UNIT_EXIT_ERROR;
	log_info("ready");
	return daemon_work(r, e) < 0 ? UNIT_EXIT_ERROR : UNIT_EXIT_DONE;
}

static void daemon_free(struct daemon_run *r, bool opened, int status)
{
	if (r->watch)
		watch_leave(r->watch, WATCH_LEAVE_MS); /* close() too has a deadline */
	if (opened && r->d->close)
		r->d->close(r->self, &r->env);
	if (r->watch)
		watch_last(r->watch, WATCH_LAST_MS, status); /* as in unit.c: nng_close may not return */
	http_free(&r->http);
	link_free(&r->env.link);
	watch_stop(&r->watch);
	loop_free(&r->env.loop);
	inherit_free(&r->in);
	settings_free(&r->settings);
	free(r->self);
}

int daemon_run(const struct daemon *d, int argc, char **argv)
{
	struct daemon_run r = {.d = d};
	struct err e = {0};
	const struct unit_info *info = unit_info((int)d->kind);
	bool opened = false;

	if (inherit_asked(d->kind, argc, argv))
		return UNIT_EXIT_DONE;
	log_stamp(info ? info->name : NULL);
	if (inherit(&r.in, d->kind, argc, argv, &e) < 0) {
		log_err(&e);
		inherit_free(&r.in);
		return UNIT_EXIT_USAGE;
	}
	daemon_env_fill(&r);
	int status = daemon_live(&r, &opened, &e);
	if (status != UNIT_EXIT_DONE)
		log_err(&e);
	daemon_free(&r, opened, status);
	return status;
}
