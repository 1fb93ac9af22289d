/*
 * tidegate-master as the supervisor starts it: its descriptors, its box, its socket, its store in a folder
 * that it can't walk to. An agent and a command line are played through the same link that the real ones use.
 */
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/config/json.h"
#include "common/proc/link.h"
#include "fds.h"

enum { OTHER_UID = 65534, STARTED_MS = 10000 };

struct world {
	char path[64];
	int top, state, run, log, supervisor; /* supervisor: the write end that the master watches */
	bool other;                           /* runs as another user */
	pid_t pid;
	struct loop *loop;
	struct link *link;
	struct link_peer *peer;
};

/* Moves each descriptor to its place; all come from above FD_LAST. */
static void become_master(const struct world *w, const int fds[FD_LAST + 1])
{
	for (int i = 0; i <= FD_LAST; i++)
		if (fds[i] >= 0 && dup2(fds[i], i) < 0)
			_exit(120);
	if (w->other && (setgroups(0, NULL) < 0 || setresgid(OTHER_UID, OTHER_UID, OTHER_UID) < 0 ||
				setresuid(OTHER_UID, OTHER_UID, OTHER_UID) < 0))
		_exit(121);
	execl(MASTER_PATH, "tidegate-master", "--title=master", NULL);
	_exit(122);
}

static int above(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 100);

	assert_true(high >= 0);
	return high;
}

/* The same for a descriptor that nobody else needs: a lock must not live on in a copy. */
static int move_above(int fd)
{
	int high = above(fd);

	close(fd);
	return high;
}

static void start(struct world *w)
{
	static const char slice[] = "{\"unit\":\"master\",\"log_level\":\"info\"}";
	int fds[FD_LAST + 1], pipe_ends[2];
	struct err e = {0};

	memset(fds, -1, sizeof(fds));
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
	w->supervisor = move_above(pipe_ends[1]);
	fds[FD_SUPERVISOR] = move_above(pipe_ends[0]);
	fds[FD_LOG] = above(w->log);
	fds[FD_STATE] = above(w->state);
	fds[FD_RUN] = above(w->run);
	fds[FD_LOCK] = move_above(openat(w->run, "master.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	fds[FD_CONFIG] = move_above(io_sealed_memfd("slice", slice, sizeof(slice) - 1, &e));
	w->pid = fork();
	if (w->pid == 0)
		become_master(w, fds);
	for (int i = 0; i <= FD_LAST; i++)
		io_close(&fds[i]);
}

static void show_log(const struct world *w)
{
	char text[20000];
	ssize_t n = pread(w->log, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	print_message("%s", text);
}

static int stop(struct world *w, int signo)
{
	int status;

	kill(w->pid, signo);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	io_close(&w->supervisor);
	w->pid = 0;
	return status;
}

static int make_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->other = geteuid() == 0;
	strcpy(w->path, "/tmp/tg-master-XXXXXX");
	if (!mkdtemp(w->path) || chdir(w->path) < 0)
		return -1;
	w->top = open(
		w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* mode 0700: as root, nobody else walks in */
	mkdirat(w->top, "state", 0700);
	mkdirat(w->top, "run", 0700);
	w->state = openat(w->top, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->run = openat(w->top, "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->log = openat(w->top, "log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	w->supervisor = -1;
	if (w->other &&
		(fchown(w->state, OTHER_UID, OTHER_UID) < 0 || fchown(w->run, OTHER_UID, OTHER_UID) < 0))
		return -1;
	if (fchdir(w->run) < 0)
		return -1;
	*state = w;
	start(w); /* before this program's first nng call */
	w->loop = loop_new();
	w->link = link_new(w->loop);
	w->peer = link_dial(w->link, "master.sock");
	return 0;
}

static int drop_world(void **state)
{
	struct world *w = *state;
	char command[100];

	if (w->pid > 0)
		stop(w, SIGKILL);
	link_peer_free(&w->peer);
	link_free(&w->link);
	loop_free(&w->loop);
	snprintf(command, sizeof(command), "rm -r '%s'", w->path);
	if (chdir("/") < 0 || system(command) != 0)
		return -1;
	free(w);
	return 0;
}

/* Asks until the master is there. */
static int call(
	struct world *w, struct buf *msg, uint16_t want, struct buf *reply, struct str *body, struct err *e)
{
	uint64_t deadline = clock_ms() + STARTED_MS;
	int r;

	do {
		err_clear(e);
		r = link_call_wait(w->peer, msg, 2000, reply, e);
		if (r < 0)
			clock_sleep_ms(20);
	} while (r < 0 && clock_ms() < deadline);
	buf_free(msg);
	return r < 0 ? -1 : msg_expect(buf_str(reply), want, body, e);
}

static json_t *command(struct world *w, const char *word, const char *args)
{
	struct buf msg = {0}, reply = {0};
	struct msg_answer answer;
	struct str body;
	struct err e = {0};
	json_t *o;

	msg_put_command(
		&msg, link_request_id(), &(struct msg_command){.word = str_of(word), .args = str_of(args)});
	if (call(w, &msg, MSG_answer, &reply, &body, &e) < 0 || msg_get_answer(body, &answer, &e) < 0) {
		show_log(w);
		fail_msg("%s: %s", word, e.text);
	}
	o = json_parse(answer.json, "answer", &e);
	buf_free(&reply);
	return o;
}

static void ok(struct world *w, const char *word, const char *args)
{
	json_t *o = command(w, word, args);

	if (!json_flag(o, "result", false))
		fail_msg("%s: %s", word, json_text(o, "msg", ""));
	json_decref(o);
}

static uint64_t hello(struct world *w)
{
	struct buf msg = {0}, reply = {0};
	struct msg_agent_welcome welcome = {0};
	struct str body;
	struct err e = {0};

	msg_put_agent_hello(&msg, link_request_id(),
		&(struct msg_agent_hello){.name = STR_LIT("host-1"), .version = STR_LIT("0"), .slots = 10});
	if (call(w, &msg, MSG_agent_welcome, &reply, &body, &e) < 0 ||
		msg_get_agent_welcome(body, &welcome, &e) < 0)
		fail_msg("hello: %s", e.text);
	assert_int_equal(welcome.lease_ms, 10000);
	buf_free(&reply);
	return welcome.session;
}

/* The orders (owned; NULL: nothing newer), or -1 with the error. */
static int next(struct world *w, uint64_t session, uint64_t revision, uint32_t wait_ms, json_t **orders,
	struct err *e)
{
	struct buf msg = {0}, reply = {0};
	struct msg_agent_orders m;
	struct str body;
	int r = -1;

	*orders = NULL;
	msg_put_agent_next(&msg, link_request_id(),
		&(struct msg_agent_next){.session = session, .revision = revision, .wait_ms = wait_ms});
	if (call(w, &msg, MSG_agent_orders, &reply, &body, e) == 0 &&
		msg_get_agent_orders(body, &m, e) == 0) {
		r = 0;
		if (m.orders.n)
			*orders = json_parse(m.orders, "orders", e);
	}
	buf_free(&reply);
	return r;
}

static int report(struct world *w, uint64_t session, const char *text, struct err *e)
{
	struct buf msg = {0}, reply = {0};
	struct str body;
	int r;

	msg_put_agent_report(&msg, link_request_id(),
		&(struct msg_agent_report){.session = session, .report = str_of(text)});
	r = call(w, &msg, MSG_ok, &reply, &body, e);
	buf_free(&reply);
	return r;
}

#define EP(port) "{\"host\":\"h\",\"port\":" #port ",\"user\":\"u\",\"password\":\"tg1:AAAA\"}"
#define SOURCE "{\"op\":\"create\",\"source\":{\"source-id\":\"s1\",\"endpoint\":" EP(3306) "}}"
#define TASK "{\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[\"s1\"],\"downstream\":" EP(4000) "}}"

/* In its box, from an empty folder to orders, and over a kill with everything kept. */
static void test_life(void **state)
{
	struct world *w = *state;
	struct err e = {0};
	json_t *orders, *again;
	uint64_t session, revision;
	struct stat st;

	session = hello(w);
	ok(w, "operate-source", SOURCE);
	ok(w, "start-task", TASK);
	assert_int_equal(next(w, session, 0, 0, &orders, &e), 0);
	assert_non_null(orders);
	assert_int_equal(json_array_size(json_object_get(orders, "sources")), 1);
	revision = (uint64_t)json_num(orders, "revision", 0);
	assert_int_equal(fstatat(w->run, "master.sock", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(fstatat(w->state, "tidegate.db", &st, 0), 0);
	assert_int_equal(st.st_uid, w->other ? OTHER_UID : geteuid());

	assert_int_equal(
		report(w, session,
			"{\"revision\":9,\"sources\":[{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\","
			"\"stage\":\"Running\",\"copied\":true,\"snapshot\":{\"file\":\"b.000001\"}}]}]}",
			&e),
		0);
	assert_true(WIFSIGNALED(stop(w, SIGKILL)));
	start(w);
	/* The same agent process: its session holds, its epoch stays, what it reported is known. */
	assert_int_equal(next(w, session, revision, 0, &again, &e), 0);
	assert_non_null(again);
	assert_true(json_flag(
		json_array_get(
			json_object_get(json_array_get(json_object_get(again, "sources"), 0), "subtasks"), 0),
		"copied", false));
	assert_int_equal(json_num(json_array_get(json_object_get(again, "sources"), 0), "epoch", 0),
		json_num(json_array_get(json_object_get(orders, "sources"), 0), "epoch", 1));
	json_decref(orders);
	revision = (uint64_t)json_num(again, "revision", 0);
	json_decref(again);
	hello(w);
	assert_int_equal(next(w, session, revision, 0, &orders, &e), -1);
	assert_int_equal(e.code, ERR_request_stale);
}

/* A poll waits, but never as long as a lease; a change ends it at once. */
static void test_poll(void **state)
{
	struct world *w = *state;
	struct err e = {0};
	json_t *orders;
	uint64_t session = hello(w), before, revision;

	assert_int_equal(next(w, session, 0, 60000, &orders, &e), 0);
	revision = (uint64_t)json_num(orders, "revision", 0);
	json_decref(orders);
	before = clock_ms();
	assert_int_equal(next(w, session, revision, 300, &orders, &e), 0);
	assert_null(orders);
	assert_in_range(clock_ms() - before, 250, 2900);
}

static void test_bad_messages(void **state)
{
	static const char *const words[] = {
		"", "no-such", "start-task", "check", "operate-source", "query-status"};
	struct world *w = *state;
	struct buf msg = {0}, reply = {0};
	struct str body;
	struct err e = {0};
	json_t *orders;

	for (size_t i = 0; i < 5; i++) {
		json_t *o = command(w, words[i], "{}");

		assert_false(json_flag(o, "result", true));
		assert_true(json_num(o, "code", 0) > 0);
		json_decref(o);
	}
	json_decref(command(w, "query-status", "not json"));
	json_decref(command(w, "query-status", "[]"));
	assert_int_equal(next(w, 12345, 0, 0, &orders, &e), -1);
	assert_int_equal(e.code, ERR_request_stale);
	assert_int_equal(report(w, hello(w), "{", &e), -1);
	assert_int_equal(e.code, ERR_proto);
	msg_put_unit_welcome(&msg, link_request_id(), &(struct msg_unit_welcome){0});
	assert_int_equal(call(w, &msg, MSG_ok, &reply, &body, &e), -1);
	assert_int_equal(e.code, ERR_proto);
	buf_free(&reply);
	ok(w, "query-status", "{}");
}

static bool log_says(const struct world *w, const char *text)
{
	static char log[100000];
	ssize_t n = pread(w->log, log, sizeof(log) - 1, 0);

	log[n < 0 ? 0 : n] = '\0';
	return strstr(log, text) != NULL;
}

static unsigned log_counts(const struct world *w, const char *text)
{
	static char log[100000];
	ssize_t n = pread(w->log, log, sizeof(log) - 1, 0);
	unsigned found = 0;

	log[n < 0 ? 0 : n] = '\0';
	for (const char *at = log; (at = strstr(at, text)); at++)
		found++;
	return found;
}

/* Without waiting for the answer. */
struct waiting {
	bool over;
	struct err e;
};

static void on_over(void *arg, const struct err *e, struct str reply)
{
	struct waiting *t = arg;
	struct str body;

	t->over = true;
	if (e)
		t->e = *e;
	else
		msg_expect(reply, MSG_agent_orders, &body, &t->e);
}

/* An agent that tells what it has seen; the error's code, or 0 with w's cluster in the answer. */
static uint32_t hello_seen(
	struct world *w, const char *name, struct str cluster, uint64_t revision, char out[64])
{
	struct buf msg = {0}, reply = {0};
	struct msg_agent_welcome welcome = {0};
	struct str body;
	struct err e = {0};

	msg_put_agent_hello(&msg, link_request_id(),
		&(struct msg_agent_hello){.name = str_of(name),
			.version = STR_LIT("0"),
			.slots = 10,
			.cluster = cluster,
			.revision = revision});
	if (call(w, &msg, MSG_agent_welcome, &reply, &body, &e) == 0 &&
		msg_get_agent_welcome(body, &welcome, &e) == 0 && out)
		snprintf(out, 64, "%.*s", STR_ARG(welcome.cluster));
	buf_free(&reply);
	return e.code;
}

/*
 * One agent has seen more than the store holds: nobody is told anything any more, not even who waits already,
 * nothing is written, and the log is not flooded.
 */
static void test_older_copy(void **state)
{
	struct world *w = *state;
	struct waiting poll = {0};
	struct buf msg = {0};
	char cluster[64] = "";
	struct err e = {0};
	json_t *orders;
	uint64_t session = hello(w), revision, began;

	ok(w, "operate-source", SOURCE);
	assert_int_equal(hello_seen(w, "host-2", STR_LIT(""), 0, cluster), 0);
	assert_int_equal(strlen(cluster), 32);
	assert_int_equal(next(w, session, 0, 0, &orders, &e), 0);
	revision = (uint64_t)json_num(orders, "revision", 0);
	json_decref(orders);
	msg_put_agent_next(&msg, link_request_id(),
		&(struct msg_agent_next){.session = session, .revision = revision, .wait_ms = 60000});
	link_call(w->peer, &msg, 10000, on_over, &poll);
	buf_free(&msg);
	began = clock_ms();
	while (clock_ms() - began < 200)
		loop_once(w->loop, 20);
	assert_false(poll.over);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(hello_seen(w, "host-2", str_of(cluster), 5000, NULL), ERR_store_old);
	began = clock_ms();
	while (!poll.over && clock_ms() - began < 2000)
		loop_once(w->loop, 20);
	assert_true(poll.over);
	assert_int_equal(poll.e.code, ERR_store_old);
	assert_int_equal(
		report(w, session, "{\"revision\":9,\"sources\":[{\"source\":\"s1\",\"subtasks\":[]}]}", &e),
		-1);
	assert_int_equal(e.code, ERR_store_old);
	assert_int_equal(log_counts(w, "code=60613"), 1);
	assert_int_equal(hello_seen(w, "host-3", STR_LIT(""), 0, NULL), ERR_store_old);
	assert_int_equal(log_counts(w, "code=60613"), 2);
	ok(w, "accept-store", "{}");
	assert_int_equal(hello_seen(w, "host-2", str_of(cluster), 5000, NULL), 0);
}

/* Asked to leave: exit 0. The supervisor gone: it leaves too. A file that is no store: one line, exit 1. */
static void test_ends(void **state)
{
	struct world *w = *state;
	int status, fd;

	ok(w, "query-status", "{}");
	assert_int_equal(stop(w, SIGTERM), 0);
	start(w);
	ok(w, "query-status", "{}");
	io_close(&w->supervisor);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fd = openat(w->state, "tidegate.db", O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd,
				 "this is no database, or is it? "
				 "......................................................"
				 "...............",
				 100),
		100);
	close(fd);
	unlinkat(w->state, "tidegate.db-wal", 0);
	start(w);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	assert_true(log_says(w, "the master's store can't be used: tidegate.db"));
	w->pid = 0;
	io_close(&w->supervisor);
}

/* /proc/PID/status of the boxed master. */
static void test_box(void **state)
{
	struct world *w = *state;
	struct buf text = {0};
	struct err e = {0};
	char path[40];

	ok(w, "query-status", "{}");
	snprintf(path, sizeof(path), "/proc/%d/status", w->pid);
	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 16, &text, &e), 0);
	assert_non_null(strstr(buf_cstr(&text), "NoNewPrivs:\t1"));
	assert_non_null(strstr(buf_cstr(&text), "Seccomp:\t2"));
	assert_non_null(strstr(buf_cstr(&text), "CapEff:\t0000000000000000"));
	buf_free(&text);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, make_world, drop_world)
	const struct CMUnitTest tests[] = {
		T(test_life),
		T(test_poll),
		T(test_bad_messages),
		T(test_older_copy),
		T(test_ends),
		T(test_box),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
