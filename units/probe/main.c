/*
 * tidegate-probe: a unit for tests, never installed. It takes the sandbox row that its slice names, tries
 * what the slice lists, and tells in its status how each went; beside that it counts, sleeps, fails, finishes
 * as told. Options: row "relay"                the sandbox row; default probe try ["read:/etc/passwd"] words
 * of common/proc/try.c, once, after ready expect_kill "fork"         a word that ends the process; tried two
 * seconds later, so that the results are heard before tick_ms 100                counts; each tick is
 * progress. count_file "ticks" (in STATE): a line a tick, gone on with finish_ticks, fail_ticks   the work is
 * done, or fails with fail_code (60001), after so many ticks of this process sleep_main_s, sleep_worker_s   a
 * long call that sees and hears nothing, in the main thread or in a worker
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/json.h"
#include "common/proc/try.h"
#include "common/proc/unit.h"

struct probe {
	json_t *options; /* borrowed from the slice */
	json_t *results;
	size_t password_n; /* as open() saw it */
	int count_fd;
	bool tried, sleeping;
	pthread_t sleeper;
	uint64_t kill_at, next_tick, tick_ms, timer;
	uint64_t ticks, own_ticks;
};

static const char *probe_row(void *self, struct unit_env *env)
{
	struct probe *p = self;

	(void)env;
	return json_text(p->options, "row", "probe");
}

/* The last number in the file: where a predecessor came to. */
static void probe_load_count(struct probe *p)
{
	char tail[64];
	off_t n = lseek(p->count_fd, 0, SEEK_END);
	off_t from = n > (off_t)sizeof tail - 1 ? n - (off_t)sizeof tail + 1 : 0;
	ssize_t got = pread(p->count_fd, tail, sizeof tail - 1, from);

	if (got < 2)
		return;
	tail[got - 1] = 0; /* the last newline */
	const char *line = strrchr(tail, '\n');
	p->ticks = strtoull(line ? line + 1 : tail, NULL, 10);
}

static int probe_open(void *self, struct unit_env *env, struct err *e)
{
	struct probe *p = self;
	const char *count = json_text(json_object_get(env->config, "options"), "count_file", "");

	p->options = json_object_get(env->config, "options");
	p->results = json_object();
	p->tick_ms = (uint64_t)json_num(p->options, "tick_ms", 0);
	p->password_n = strlen(json_text(json_object_get(env->config, "upstream"), "password", ""));
	p->count_fd = -1;
	if (!*count)
		return 0;
	p->count_fd = openat(env->state_fd, count, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (p->count_fd < 0)
		return err_sys(e, ERR_io, "opening %s", count);
	probe_load_count(p);
	env->progress = p->ticks;
	return 0;
}

/* Deliberately deaf: what a unit inside a long query is like. */
static void sleep_deaf(int64_t seconds)
{
	struct timespec left = {.tv_sec = seconds};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static void *sleeper_main(void *arg)
{
	sleep_deaf(*(int64_t *)arg);
	free(arg);
	return NULL;
}

static int probe_ready(void *self, struct unit_env *env, struct err *e)
{
	struct probe *p = self;
	int64_t seconds = json_num(p->options, "sleep_worker_s", 0);

	(void)env;
	p->next_tick = clock_ms() + p->tick_ms;
	if (seconds <= 0)
		return 0;
	int64_t *arg = malloc(sizeof *arg);
	if (!arg)
		return err_set(e, ERR_internal, "no memory");
	*arg = seconds;
	int rc = pthread_create(&p->sleeper, NULL, sleeper_main, arg);
	if (rc != 0) {
		free(arg);
		errno = rc;
		return err_sys(e, ERR_internal, "starting a thread");
	}
	p->sleeping = true;
	return 0;
}

static void probe_try(struct probe *p, struct unit_env *env, const char *word)
{
	char out[64];

	log_info("trying %s", word);
	try_word(word, env->state_fd, out, sizeof out);
	json_object_set_new(p->results, word, json_string(out));
}

static void probe_try_all(struct probe *p, struct unit_env *env)
{
	size_t i;
	json_t *word;

	p->tried = true;
	p->kill_at = clock_ms() + 2000;
	json_array_foreach(json_object_get(p->options, "try"), i, word)
		probe_try(p, env, json_string_value(word) ? json_string_value(word) : "");
	sleep_deaf(json_num(p->options, "sleep_main_s", 0));
}

static int probe_tick(struct probe *p, struct unit_env *env, struct err *e)
{
	char line[32];

	p->next_tick += p->tick_ms;
	p->ticks++;
	p->own_ticks++;
	int n = snprintf(line, sizeof line, "%llu\n", (unsigned long long)p->ticks);
	if (p->count_fd >= 0 && write(p->count_fd, line, (size_t)n) != n)
		return err_sys(e, ERR_io, "counting");
	env->progress++;
	return 0;
}

static void probe_wake(void *env)
{
	unit_wake(env);
}

static int probe_step(void *self, struct unit_env *env, struct err *e)
{
	struct probe *p = self;
	uint64_t finish = (uint64_t)json_num(p->options, "finish_ticks", 0);
	uint64_t fail = (uint64_t)json_num(p->options, "fail_ticks", 0);
	const char *killer = json_text(p->options, "expect_kill", "");

	if (!p->tried)
		probe_try_all(p, env);
	if (*killer && clock_ms() >= p->kill_at)
		probe_try(p, env, killer);
	if (!p->tick_ms)
		return UNIT_GO_ON;
	while (clock_ms() >= p->next_tick) {
		if (probe_tick(p, env, e) < 0)
			return -1;
		if (fail && p->own_ticks >= fail)
			return err_set(
				e, (enum err_code)json_num(p->options, "fail_code", ERR_internal), "as told");
		if (finish && p->own_ticks >= finish)
			return UNIT_FINISHED;
	}
	uint64_t now = clock_ms();
	loop_timer_stop(env->loop, p->timer);
	p->timer = loop_timer(env->loop, p->next_tick > now ? p->next_tick - now : 0, probe_wake, env);
	return UNIT_GO_ON;
}

static int probe_order(void *self, struct unit_env *env, json_t *args, struct err *e)
{
	struct probe *p = self;

	(void)env, (void)e;
	json_object_set(p->results, "order", args);
	return 0;
}

static void probe_status(void *self, struct unit_env *env, json_t *out)
{
	struct probe *p = self;
	const char *left = json_text(json_object_get(env->config, "upstream"), "password", "");

	json_object_set_new(out, "phase", json_string(p->tried ? "run" : "start"));
	json_object_set_new(out, "ticks", json_integer((json_int_t)p->ticks));
	json_object_set_new(out, "password_n", json_integer((json_int_t)p->password_n));
	json_object_set_new(out, "password_left", json_string(left));
	json_object_set_new(out, "results", json_deep_copy(p->results));
}

static void probe_close(void *self, struct unit_env *env)
{
	struct probe *p = self;

	(void)env;
	if (p->sleeping)
		pthread_join(p->sleeper, NULL);
	if (p->count_fd >= 0)
		close(p->count_fd);
	json_decref(p->results);
}

static const struct unit probe = {
	.kind = UNIT_probe,
	.state = sizeof(struct probe),
	.open = probe_open,
	.ready = probe_ready,
	.step = probe_step,
	.order = probe_order,
	.status = probe_status,
	.close = probe_close,
	.row = probe_row,
};

int main(int argc, char **argv)
{
	return unit_run(&probe, argc, argv);
}
