/*
 * The first steps of every process that the supervisor starts: arguments, descriptors, slice, title, lock,
 * secrets. Used by unit.c and daemon.c, single-threaded, before the box. What is missing or odd here is an
 * error: a process that was not started rightly must not go on.
 */
#include "common/proc/inherit.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "common/config/json.h"
#include "common/config/secret.h"
#include "fds.h"

enum {
	INHERIT_MAX_SLICE = 16 << 20,
	INHERIT_LOCK_MS = 15000,
	INHERIT_STACK = 2 << 20, /* of a thread, by default: nng alone starts a dozen */
};

extern char **environ;

/* ---- arguments ---- */

bool inherit_asked(enum unit_kind kind, int argc, char **argv)
{
	const char *name = unit_info((int)kind)->executable;

	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		printf("%s " TIDEGATE_VERSION "\n", name);
	else if (argc == 2 && strcmp(argv[1], "--help") == 0)
		printf("%s is started by tidegated(8), not by hand%s; see %s(8).\n", name,
			kind == UNIT_master ? " (but for `tidegate-master migrate`)" : "", name);
	else
		return false;
	return true;
}

static int arg_number(const char *arg, const char *value, unsigned max, unsigned *out, struct err *e)
{
	char *end;

	errno = 0;
	unsigned long n = strtoul(value, &end, 10);
	if (errno || end == value || *end || value[0] < '0' || value[0] > '9' || n > max)
		return err_set(e, ERR_usage, "%s: a number from 0 to %u is wanted", arg, max);
	*out = (unsigned)n;
	return 0;
}

static int arg_title(struct inherited *h, const char *value, struct err *e)
{
	size_t n = strlen(value);

	for (size_t i = 0; i < n; i++)
		if (value[i] < ' ' || value[i] > '~')
			return err_set(e, ERR_usage, "--title: printable ASCII is wanted");
	if (n >= sizeof h->title)
		return err_set(e, ERR_usage, "--title: at most %zu characters", sizeof h->title - 1);
	memcpy(h->title, value, n + 1);
	return 0;
}

static int arg_one(struct inherited *h, const char *arg, struct err *e)
{
	if (strncmp(arg, "--slot=", 7) == 0)
		return arg_number(arg, arg + 7, SPAWN_MAX_SLOT, &h->slot, e);
	if (strncmp(arg, "--sub=", 6) == 0)
		return arg_number(arg, arg + 6, SPAWN_MAX_SUB, &h->sub, e);
	if (strncmp(arg, "--title=", 8) == 0)
		return arg_title(h, arg + 8, e);
	return err_set(e, ERR_usage, "unknown argument %s", arg);
}

static int inherit_args(struct inherited *h, int argc, char **argv, struct err *e)
{
	for (int i = 1; i < argc; i++)
		if (arg_one(h, argv[i], e) < 0)
			return -1;
	return 0;
}

/* ---- descriptors ---- */

static bool fd_there(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int inherit_fds(struct inherited *h, struct err *e)
{
	static const int must[] = {FD_LOG, FD_CONFIG, FD_SUPERVISOR, FD_RUN, FD_LOCK};

	for (size_t i = 0; i < sizeof must / sizeof *must; i++)
		if (!fd_there(must[i]))
			return err_set(e, ERR_usage,
				"descriptor %d is not open: %s is started by tidegated, not by hand", must[i],
				h->info->executable);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		return err_sys(e, ERR_io, "opening /dev/null");
	if (null > 1)
		close(null);
	closefrom(FD_LAST + 1);
	h->state_fd = fd_there(FD_STATE) ? FD_STATE : -1;
	h->files_fd = fd_there(FD_FILES) ? FD_FILES : -1;
	if (h->info->state[0] && h->state_fd < 0)
		return err_set(e, ERR_usage, "descriptor %d, the state folder, is not open", FD_STATE);
	if (fchdir(FD_RUN) < 0)
		return err_sys(e, ERR_io, "entering the run folder");
	failpoint_open(FD_FAILPOINTS);
	return 0;
}

/* ---- the slice ---- */

static int slice_check(const struct inherited *h, struct err *e)
{
	const char *unit = json_text(h->config, "unit", "");

	if (strcmp(unit, h->info->name) != 0)
		return err_set(e, ERR_config_bad, "the configuration slice is for \"%s\", this is %s", unit,
			h->info->name);
	if (json_num(h->config, "slot", h->slot) != h->slot || json_num(h->config, "sub", h->sub) != h->sub)
		return err_set(e, ERR_config_bad, "the configuration slice is for another slot than %u/%u",
			h->slot, h->sub);
	const char *level = json_text(h->config, "log_level", "info");
	if (log_level_of(level) < 0)
		return err_set(e, ERR_config_bad, "log_level \"%s\": debug, info, warn or error", level);
	log_set_level((enum log_level)log_level_of(level));
	return 0;
}

static int inherit_slice(struct inherited *h, struct err *e)
{
	struct buf b = {0};
	int rc = io_read_memfd(FD_CONFIG, INHERIT_MAX_SLICE, &b, e);

	close(FD_CONFIG);
	if (rc == 0) {
		h->config = json_parse(buf_str(&b), "the configuration slice", e);
		rc = h->config ? 0 : -1;
	}
	if (b.p)
		explicit_bzero(b.p, b.n);
	buf_free(&b);
	if (rc == 0 && !json_is_object(h->config))
		return err_set(e, ERR_config_bad, "the configuration slice is no JSON object");
	return rc < 0 ? -1 : slice_check(h, e);
}

/* The name that ps and top show: execveat has left a number there (T42). */
static void inherit_title(const struct inherited *h)
{
	prctl(PR_SET_NAME, h->info->executable);
	setproctitle("-%s: %s", h->info->executable, h->title);
}

/* SIGHUP waits, for the watcher; one that came before it was started is not lost. */
static void inherit_habits(void)
{
	sigset_t hup;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &hup, NULL);
#ifndef TIDEGATE_SANITIZED
	pthread_attr_t a;
	pthread_attr_init(&a);
	if (pthread_attr_setstacksize(&a, INHERIT_STACK) == 0)
		pthread_setattr_default_np(&a);
	pthread_attr_destroy(&a);
#endif
}

int inherit(struct inherited *h, enum unit_kind kind, int argc, char **argv, struct err *e)
{
	*h = (struct inherited){.kind = kind, .info = unit_info((int)kind), .state_fd = -1, .files_fd = -1};
	if (inherit_args(h, argc, argv, e) < 0)
		return -1;
	setproctitle_init(argc, argv, environ);
	inherit_title(h);
	inherit_habits();
	if (inherit_fds(h, e) < 0)
		return -1;
	return inherit_slice(h, e);
}

/* ---- the lock ---- */

static bool supervisor_gone(int wait_ms)
{
	struct pollfd p = {.fd = FD_SUPERVISOR, .events = POLLRDHUP};

	return poll(&p, 1, wait_ms) > 0 && p.revents & (POLLHUP | POLLRDHUP | POLLERR | POLLNVAL);
}

int inherit_lock(struct err *e)
{
	uint64_t deadline = clock_ms() + INHERIT_LOCK_MS;

	while (flock(FD_LOCK, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, ERR_io, "locking the slot");
		if (clock_ms() >= deadline)
			return err_set(e, ERR_locked, "a predecessor has not left the slot within %d s",
				INHERIT_LOCK_MS / 1000);
		if (supervisor_gone(50))
			return err_set(
				e, ERR_spawn, "the supervisor went away while a predecessor was leaving");
	}
	return 0;
}

/* ---- secrets ---- */

static int secret_one(const struct secret_key *key, json_t *config, const char *side, struct err *e)
{
	json_t *o = json_object_get(config, side);
	const char *text = json_text(o, "password", "");
	char plain[1024];

	if (!*text)
		return 0;
	if (!key)
		return err_set(e, ERR_secret_bad, "%s has a password, but no key was handed over", side);
	if (secret_decrypt(key, text, false, plain, sizeof plain, e) < 0)
		return err_add(e, "%s.password", side);
	json_t *s = json_string(plain);
	explicit_bzero(plain, sizeof plain);
	if (!s || json_object_set_new(o, "password", s) < 0)
		return err_set(e, ERR_secret_bad, "%s.password is not UTF-8", side);
	return 0;
}

int inherit_secrets(struct inherited *h, struct err *e)
{
	struct secret_key key;
	bool has_key = fd_there(FD_KEY);

	if (has_key && secret_key_read_fd(FD_KEY, &key, e) < 0)
		return -1;
	if (has_key)
		close(FD_KEY);
	int rc = secret_one(has_key ? &key : NULL, h->config, "upstream", e);
	if (rc == 0)
		rc = secret_one(has_key ? &key : NULL, h->config, "downstream", e);
	secret_key_wipe(&key);
	return rc;
}

void inherit_wipe_secrets(struct inherited *h)
{
	json_t *up = json_object_get(h->config, "upstream"), *down = json_object_get(h->config, "downstream");

	if (up)
		json_wipe(up, "password");
	if (down)
		json_wipe(down, "password");
}

struct sandbox_needs inherit_needs(const struct inherited *h)
{
	static const char *const sides[] = {"upstream", "downstream"};
	static const char *const names[] = {"ssl_ca", "ssl_cert", "ssl_key"};
	struct sandbox_needs n = {0};
	size_t at = 0;

	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < 3; k++)
			n.files[at++] = json_text(json_object_get(h->config, sides[i]), names[k], "");
	n.has_files = h->files_fd >= 0;
	n.files_fd = h->files_fd;
	n.upstream = (uint16_t)json_num(json_object_get(h->config, "upstream"), "port", 0);
	n.downstream = (uint16_t)json_num(json_object_get(h->config, "downstream"), "port", 0);
	return n;
}

void inherit_free(struct inherited *h)
{
	inherit_wipe_secrets(h);
	json_decref(h->config);
	h->config = NULL;
}
