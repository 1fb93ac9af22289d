/*
 * `tidegate run`: the whole system in the foreground. Starts the supervisor (which starts master and agent),
 * gives the master the sources and the task, shows progress, ends when --until is reached, on an error that a
 * person must mend, or on Ctrl-C. The same words to the same master as in a cluster.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/config/json.h"
#include "common/config/mode.h"
#include "ctl/ask.h"
#include "ctl/check.h"
#include "ctl/job.h"
#include "ctl/progress.h"
#include "ctl/start.h"
#include "ctl/status.h"

enum { MASTER_UP_MS = 20000, ASK_MS = 10000, POLL_MS = 200 };

/* So long a report from before the resume may still say Paused. */
enum { STALE_MS = 5000 };

/* STYLE allows one: the signal flag. */
static volatile sig_atomic_t interrupts;

struct run {
	const struct args *args;
	struct job job;
	struct started supervisor;
	struct ask *ask;
	struct progress progress;
	struct status_end end; /* of --until synced */
	json_t *notes;         /* those that were shown; NULL: none */
	uint64_t set_up_ms;    /* when the task was told to run */
	bool seen_running;
	bool interrupted;
};

static void on_interrupt(int signo)
{
	(void)signo;
	interrupts++;
}

static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_interrupt};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

/* Something is amiss with the processes below: says what the log said last. */
static int supervisor_died(struct run *r, struct err *e)
{
	char words[900];

	start_last_words(&r->job, words, sizeof(words));
	return err_set(e, ERR_spawn, "the supervisor ended; the last error in %s/log/tidegate.log: %s",
		r->job.state, words[0] ? words : "none");
}

/* The master answers within seconds, or something is wrong that the log knows. */
static int wait_for_master(struct run *r, struct err *e)
{
	uint64_t deadline = clock_ms() + MASTER_UP_MS;
	json_t *empty = json_object(), *answer = NULL;

	while (!answer && !interrupts && clock_ms() < deadline) {
		if (!start_alive(&r->supervisor)) {
			json_decref(empty);
			return supervisor_died(r, e);
		}
		answer = ask_command(r->ask, "list-member", empty, 500, e);
		if (answer && !status_agent_online(answer)) {
			json_decref(answer);
			answer = NULL;
			clock_sleep_ms(20);
		}
	}
	json_decref(empty);
	if (!answer && !interrupts)
		return err_set(e, ERR_ctl_connect,
			"master and agent did not come up within %d s; see %s/log/tidegate.log",
			MASTER_UP_MS / 1000, r->job.state);
	json_decref(answer);
	err_clear(e);
	return 0;
}

static json_t *tell(struct run *r, const char *word, json_t *args, unsigned ms, struct err *e)
{
	json_t *answer = ask_command(r->ask, word, args, ms, e);

	json_decref(args);
	return answer;
}

static int check(struct run *r, struct err *e)
{
	for (unsigned i = 0; i < r->job.nsources; i++) {
		const struct job_source *s = &r->job.sources[i];
		json_t *answer = check_one(r->ask, r->job.task, s->id, json_object_get(s->source, "endpoint"),
			false, &interrupts, e);
		bool bad = !answer || check_judge(answer, e) < 0;

		json_decref(answer);
		if (bad)
			return -1;
	}
	return 0;
}

static const struct mode *mode_of(const struct run *r)
{
	return mode_find(json_text(r->job.task, "mode", ""));
}

/* Another set-up of the same task (say --until full before, and now on): the old one goes, its progress
 * downstream stays. */
static int start_task(struct run *r, struct err *e)
{
	const char *name = json_text(r->job.task, "name", "");
	json_t *answer = tell(
		r, "start-task", json_pack("{s:O, s:b}", "task", r->job.task, "remove_meta", 0), ASK_MS, e);

	if (!answer && e->code == ERR_task_exists) {
		json_decref(tell(r, "stop-task", json_pack("{s:s}", "task", name), ASK_MS, e));
		err_clear(e);
		answer = tell(r, "start-task", json_pack("{s:O, s:b}", "task", r->job.task, "remove_meta", 0),
			ASK_MS, e);
	}
	if (!answer)
		return -1;
	json_decref(answer);
	/* What an earlier run left paused goes on now: its error is mended, or comes again at once. */
	answer = tell(r, "resume-task", json_pack("{s:s}", "task", name), ASK_MS, e);
	json_decref(answer);
	err_clear(e);
	r->set_up_ms = clock_ms();
	return 0;
}

static int set_up(struct run *r, struct err *e)
{
	if (!r->args->no_check && check(r, e) < 0)
		return -1;
	for (unsigned i = 0; i < r->job.nsources; i++) {
		json_t *answer = tell(r, "operate-source",
			json_pack("{s:s, s:O}", "op", "create", "source", r->job.sources[i].source), ASK_MS,
			e);

		if (!answer)
			return -1;
		json_decref(answer);
	}
	return start_task(r, e);
}

static bool is_shown(const struct run *r, const json_t *note)
{
	const json_t *n;
	size_t i;

	json_array_foreach(r->notes, i, n)
		if (json_equal(n, note))
			return true;
	return false;
}

/* What the copy does not make downstream: once each, as soon as it is known. */
static void show_notes(struct run *r, const json_t *answer)
{
	json_t *notes = status_notes(answer), *n;
	size_t i;

	json_array_foreach(notes, i, n) {
		if (is_shown(r, n))
			continue;
		progress_note(&r->progress, json_string_value(n));
		if (!r->notes)
			r->notes = json_array();
		json_array_append(r->notes, n);
	}
	json_decref(notes);
}

/* One look: shows progress; 1: --until is reached, -1: the task is paused by an error, 0: go on. */
static int look(struct run *r, struct err *e)
{
	struct status_now now;
	json_t *answer = tell(
		r, "query-status", json_pack("{s:s}", "task", json_text(r->job.task, "name", "")), ASK_MS, e);
	int done = 0;

	if (!answer) {
		/* The master is being started again, perhaps: the work goes on without it. */
		err_clear(e);
		return start_alive(&r->supervisor) ? 0 : supervisor_died(r, e);
	}
	status_read(answer, &now);
	progress_show(&r->progress, &now.show);
	show_notes(r, answer);
	if (!now.paused)
		r->seen_running = true;
	if (now.paused && now.error.code && !r->args->stay &&
		(r->seen_running || clock_ms() - r->set_up_ms > STALE_MS))
		done = err_set(e, (enum err_code)now.error.code, "%s", now.error.text);
	else if (now.finished && !mode_of(r)->sync)
		done = 1; /* else an answer from before: of --until full, while now it is to be followed */
	else if (r->args->until && strcmp(r->args->until, "synced") == 0)
		done = status_reached(&now, &r->end);
	json_decref(answer);
	return done;
}

static int follow(struct run *r, struct err *e)
{
	int done = 0;

	progress_init(&r->progress, r->args->json != NULL);
	while (!done && !interrupts) {
		done = look(r, e);
		if (!done)
			clock_sleep_ms(POLL_MS);
	}
	progress_end(&r->progress);
	if (!done)
		r->interrupted = true;
	return done < 0 ? -1 : 0;
}

/* The second Ctrl-C aborts: processes end as they are, and start from their last checkpoint next time. */
static void leave(struct run *r)
{
	if (interrupts > 1) {
		start_abort(&r->supervisor);
		return;
	}
	start_stop(&r->supervisor, &interrupts);
}

/* Nobody uses the sockets any more: nothing is left in /run. */
static void clean_up(struct run *r, bool was_started)
{
	if (was_started && chdir("/") == 0)
		job_remove_run(&r->job);
}

/*
 * A task of files that is done is forgotten: the same command means the next dump, and has a load look at the
 * files again. One that was interrupted stays, and is gone on with.
 */
static void forget_files(struct run *r)
{
	if (r->interrupted || (mode_of(r)->to != MODE_FILES && mode_of(r)->from != MODE_FILES))
		return;
	ask_until(r->ask, NULL);
	json_decref(tell(r, "stop-task", json_pack("{s:s}", "task", json_text(r->job.task, "name", "")),
		ASK_MS, NULL));
}

/* A check that was under way says that it was interrupted, which is no error of the job's. */
static int cut_short(struct run *r, struct err *e)
{
	if (!interrupts || e->code != ERR_ctl_connect)
		return -1;
	err_clear(e);
	r->interrupted = true;
	return 0;
}

static int run_job(struct run *r, struct err *e)
{
	if (start_supervisor(r->args, &r->job, &r->supervisor, e) < 0)
		return -1;
	/* Only now nng, which must not see a fork. The sockets come with the supervisor. */
	r->ask = ask_open(r->job.run, NULL, e);
	if (!r->ask)
		return -1;
	ask_until(r->ask, &interrupts);
	if (wait_for_master(r, e) < 0)
		return -1;
	if (interrupts) {
		r->interrupted = true;
		return 0;
	}
	if (set_up(r, e) < 0)
		return cut_short(r, e);
	if (follow(r, e) < 0)
		return -1;
	forget_files(r);
	return 0;
}

static void say_end(const struct run *r)
{
	if (r->interrupted)
		fprintf(stderr, "tidegate: interrupted; everything is saved, the same command goes on\n");
	else if (mode_of(r)->to == MODE_FILES && !r->args->json)
		printf("done: the dump is complete in %s\n", r->job.files);
	else if (mode_of(r)->from == MODE_FILES && !r->args->json)
		printf("done: the files of %s are loaded\n", r->job.files);
	else if (!r->args->json)
		printf("done: %s\n", r->args->until && strcmp(r->args->until, "synced") == 0
					     ? "the upstream's position of this moment is applied"
					     : "the full copy is complete");
}

/* What root's dump wrote belongs to the source's uid, as nothing here works as root: root gets it in the end.
 */
static void take_folder_back(const struct run *r)
{
	int fd = geteuid() == 0 && mode_of(r)->to == MODE_FILES
			 ? open(r->job.files, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
			 : -1;
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	while (list && (d = readdir(list)))
		if (strcmp(d->d_name, "..") != 0)
			(void)!fchownat(fd, d->d_name, geteuid(), getegid(), AT_SYMLINK_NOFOLLOW);
	if (list)
		closedir(list);
}

int cmd_dump(const struct args *a, struct err *e)
{
	return cmd_run(a, e);
}

int cmd_load(const struct args *a, struct err *e)
{
	return cmd_run(a, e);
}

int cmd_run(const struct args *a, struct err *e)
{
	struct run r = {.args = a, .supervisor = {.alive_fd = -1}, .end = {.same_clock = true}};
	bool started;
	int result;

	if (job_parse(a, &r.job, e) < 0) {
		job_close(&r.job);
		return e->code == ERR_usage || err_act(e->code) == ERR_ACT_STOP ? EXIT_USAGE : EXIT_FAILED;
	}
	catch_signals();
	result = job_open(a, &r.job, e);
	if (result == 0)
		result = run_job(&r, e);
	started = r.supervisor.pid > 0;
	leave(&r);
	status_end_free(&r.end);
	json_decref(r.notes);
	ask_close(&r.ask);
	clean_up(&r, started);
	if (result == 0 && !r.interrupted)
		take_folder_back(&r);
	if (result == 0)
		say_end(&r);
	job_close(&r.job);
	if (interrupts && result < 0 && !e->code)
		r.interrupted = true;
	return r.interrupted ? EXIT_INTERRUPTED : result < 0 ? EXIT_FAILED : EXIT_DONE;
}
