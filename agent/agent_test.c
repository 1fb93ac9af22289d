/* The parts of the agent that need no process: the table of stages, the pauses, the log pipe, the talk with
 * masters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/backoff.h"
#include "agent/check.h"
#include "agent/logs.h"
#include "agent/orders.h"
#include "agent/proc.h"
#include "agent/report.h"
#include "agent/seen.h"
#include "agent/source.h"
#include "agent/stage.h"
#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/proc/link.h"

/* --- stages --- */

static enum stage walk(enum stage s, const enum stage_event *events, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		s = stage_move(s, events[i]).next;
	return s;
}
#define WALK(from, ...)                                             \
	walk(STAGE_##from, (const enum stage_event[]){__VA_ARGS__}, \
		sizeof((const enum stage_event[]){__VA_ARGS__}) / sizeof(enum stage_event))

static void every_move_is_there(void **state)
{
	(void)state;
	for (int s = 1; s < STAGE_END; s++)
		for (int ev = 0; ev < EVENT_COUNT; ev++) {
			struct stage_move m = stage_move((enum stage)s, (enum stage_event)ev);

			assert_true(m.next > STAGE_NONE && m.next < STAGE_END);
			assert_string_not_equal(stage_name((int)m.next), "InvalidStage");
			assert_string_not_equal(stage_event_name((enum stage_event)ev), "?");
			/* Units start only into Running, and only Running may have them started. */
			if (m.action == ACTION_START)
				assert_int_equal(m.next, STAGE_Running);
			if (m.next == STAGE_Running && s != STAGE_Running)
				assert_int_equal(m.action, ACTION_START);
		}
}

/* Nothing may be told to be at rest while a unit could still write: only GONE leads there from a stage that
 * has units. */
static void rest_comes_only_when_all_are_gone(void **state)
{
	static const enum stage busy[] = {STAGE_Running, STAGE_Pausing, STAGE_Resuming, STAGE_Stopping};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		for (int ev = 0; ev < EVENT_COUNT; ev++) {
			enum stage next = stage_move(busy[i], (enum stage_event)ev).next;

			if (ev != EVENT_GONE) {
				assert_int_not_equal(next, STAGE_Paused);
				assert_int_not_equal(next, STAGE_Stopped);
				assert_int_not_equal(next, STAGE_New);
			}
		}
}

static void ways_of_a_subtask(void **state)
{
	(void)state;
	assert_int_equal(WALK(New, EVENT_RUN, EVENT_DONE, EVENT_GONE), STAGE_Finished);
	assert_int_equal(WALK(New, EVENT_RUN, EVENT_PAUSE), STAGE_Pausing);
	assert_int_equal(WALK(New, EVENT_RUN, EVENT_PAUSE, EVENT_GONE), STAGE_Paused);
	assert_int_equal(WALK(New, EVENT_RUN, EVENT_ERROR, EVENT_GONE), STAGE_Paused);
	assert_int_equal(WALK(Paused, EVENT_RUN), STAGE_Running);
	assert_int_equal(WALK(Pausing, EVENT_RUN, EVENT_GONE), STAGE_Running);
	assert_int_equal(WALK(Running, EVENT_CHANGED), STAGE_Resuming);
	assert_int_equal(WALK(Running, EVENT_CHANGED, EVENT_STOP, EVENT_GONE), STAGE_Stopped);
	assert_int_equal(WALK(Running, EVENT_STOP, EVENT_RUN, EVENT_GONE), STAGE_Running);
	assert_int_equal(WALK(Paused, EVENT_STOP), STAGE_Stopped);
	assert_int_equal(WALK(Finished, EVENT_RUN, EVENT_PAUSE, EVENT_ERROR, EVENT_GONE), STAGE_Finished);
	/* A copy that is to be followed now. */
	assert_int_equal(WALK(Finished, EVENT_CHANGED, EVENT_RUN, EVENT_GONE), STAGE_Running);
	assert_int_equal(WALK(Finished, EVENT_STOP, EVENT_GONE), STAGE_Stopped);
	assert_int_equal(WALK(Running, EVENT_GONE, EVENT_GONE), STAGE_Running);
}

/* From anywhere a stop ends in Stopped, and a new wish to run leads to Running unless all is done. */
static void stop_and_run_work_from_anywhere(void **state)
{
	(void)state;
	for (int s = 1; s < STAGE_END; s++) {
		assert_int_equal(walk((enum stage)s, (const enum stage_event[]){EVENT_STOP, EVENT_GONE}, 2),
			STAGE_Stopped);
		if (s != STAGE_Finished)
			assert_int_equal(
				walk((enum stage)s, (const enum stage_event[]){EVENT_RUN, EVENT_GONE}, 2),
				STAGE_Running);
	}
}

/* --- pauses --- */

static void pauses_grow_to_a_minute(void **state)
{
	static const unsigned want[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
	struct backoff b = {0};
	uint64_t now = 1000;

	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		backoff_started(&b, now);
		now += 100;
		backoff_failed(&b, now, true);
		assert_int_equal(b.start_at - now, want[i] * 1000);
		now = b.start_at;
	}
	assert_int_equal(b.restarts, 9);
}

static void a_minute_with_progress_forgives(void **state)
{
	struct backoff b = {0};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		backoff_failed(&b, 1000, false);
	backoff_started(&b, 100000);
	backoff_failed(&b, 160000, false); /* a minute, but nothing was done in it */
	assert_int_equal(b.start_at - 160000, 16000);
	backoff_started(&b, 200000);
	backoff_failed(&b, 259999, true);
	assert_int_equal(b.start_at - 259999, 32000);
	backoff_started(&b, 300000);
	backoff_failed(&b, 360000, true);
	assert_int_equal(b.start_at - 360000, 1000);
	backoff_forgive(&b);
	assert_int_equal(b.start_at, 0);
	backoff_failed(&b, 400000, false);
	assert_int_equal(b.start_at - 400000, 1000);
}

/* --- logs --- */

static uint32_t code_seen; /* by the logs of the last with_log */

/* What logs.c wrote to fd 2 while fn ran. */
static void with_log(void (*fn)(int pipe, struct logs *g), char *out, size_t size)
{
	struct loop *l = loop_new();
	struct logs g = {.fd = -1};
	int saved = dup(2), ends[2], writer;
	ssize_t n;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) > 0);
	dup2(ends[1], 2);
	writer = logs_open(&g, l, "src-1", "sync orders");
	assert_true(writer >= 0);
	fn(writer, &g);
	close(writer);
	logs_close(&g);
	code_seen = logs_last_code(&g);
	dup2(saved, 2);
	close(saved);
	close(ends[1]);
	n = read(ends[0], out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	loop_free(&l);
}

static unsigned count(const char *text, char c)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

static void put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void write_lines(int fd, struct logs *g)
{
	put(fd, "info a.c:1 one\ninfo a.c:2 two\nerr");
	put(fd, "or a.c:3 the load failed: no; mend it code=34019\ninfo a.c:4 cut");
	(void)g;
}

static void pauses_go_by_the_rules(void **state)
{
	struct backoff_rules rules = {.min_ms = 200, .max_ms = 1500, .forgiven_ms = 3000, .factor = 3};
	struct backoff b = {.rules = &rules};
	uint64_t low = UINT64_MAX, high = 0;

	(void)state;
	backoff_started(&b, 1000);
	backoff_failed(&b, 1000, false);
	assert_int_equal(b.start_at, 1200);
	backoff_failed(&b, 2000, false);
	assert_int_equal(b.start_at, 2600);
	backoff_failed(&b, 3000, false);
	assert_int_equal(b.start_at, 4500);
	backoff_failed(&b, 5000, false);
	assert_int_equal(b.start_at, 6500);
	rules.max_ms = 700; /* changed meanwhile */
	backoff_failed(&b, 7000, false);
	assert_int_equal(b.start_at, 7700);
	backoff_started(&b, 8000);
	backoff_failed(&b, 11000, true);
	assert_int_equal(b.start_at, 11200);
	rules.min_ms = 650; /* raised meanwhile */
	backoff_failed(&b, 12000, false);
	assert_int_equal(b.start_at, 12650);
	rules.min_ms = 200;
	rules.jitter = true;
	for (uint64_t now = 20000; now < 20500; now += 7) {
		uint64_t pause;

		b.pause_ms = 700;
		backoff_failed(&b, now, false);
		pause = b.start_at - now;
		assert_in_range(pause, 200, 700);
		low = pause < low ? pause : low;
		high = pause > high ? pause : high;
	}
	assert_true(low < 300 && high > 600);
}

static void lines_are_stamped(void **state)
{
	char out[4000];

	(void)state;
	with_log(write_lines, out, sizeof(out));
	assert_int_equal(count(out, '\n'), 4);
	assert_non_null(strstr(out, "src-1 sync orders info a.c:1 one\n"));
	assert_non_null(strstr(out, "src-1 sync orders error a.c:3 the load failed"));
	assert_non_null(strstr(out, "info a.c:4 cut\n"));
}

static void write_error(int fd, struct logs *g)
{
	put(fd, "error a.c:3 x code=7 y; mend it code=34019\ninfo b.c:1 code=5\n");
	(void)g;
}

static void the_last_error_is_known(void **state)
{
	struct logs none = {.fd = -1};
	char out[4000];

	(void)state;
	with_log(write_error, out, sizeof(out));
	assert_int_equal(code_seen, 34019);
	assert_int_equal(logs_last_code(&none), 0);
}

static void write_flood(int fd, struct logs *g)
{
	char block[4096];

	memset(block, 'x', sizeof(block));
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(write(fd, block, sizeof(block)), (ssize_t)sizeof(block));
	(void)g;
}

static void a_line_without_end_is_cut(void **state)
{
	static char out[1 << 17];

	(void)state;
	with_log(write_flood, out, sizeof(out));
	assert_true(count(out, '\n') >= 2);
	assert_true(count(out, '\n') < 20);
}

/* --- a supervisor with much to do --- */

enum { MANY = 60, LITTLE = 4608 };

struct busy {
	struct agent *a;
	struct daemon_env env;
	int theirs;
};

static void make_busy(struct busy *b)
{
	int ends[2], little = LITTLE;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
	b->a = calloc(1, sizeof(*b->a));
	b->env = (struct daemon_env){.loop = loop_new()};
	b->a->env = &b->env;
	b->a->spawner.fd = ends[0];
	b->a->log_level = "info";
	b->theirs = ends[1];
}

static void drop_busy(struct busy *b)
{
	for (struct proc *p = b->a->procs; p; p = p->next)
		p->state = PROC_OFF;
	while (b->a->checks) {
		struct check *gone = b->a->checks;

		check_free(&gone);
	}
	close(b->a->spawner.fd);
	close(b->theirs);
	loop_free(&b->env.loop);
	free(b->a);
}

/* What has come for the supervisor: how many requests of this kind. */
static unsigned taken(struct busy *b, uint16_t type)
{
	struct spawn_req q;
	unsigned n = 0;

	while (recv(b->theirs, &q, sizeof(q), MSG_DONTWAIT) == (ssize_t)sizeof(q))
		n += q.type == type;
	return n;
}

static unsigned in_state(const struct agent *a, enum proc_state state)
{
	unsigned n = 0;

	for (const struct proc *p = a->procs; p; p = p->next)
		n += p->state == state;
	return n;
}

static void tick_checks(struct agent *a, uint64_t now)
{
	for (struct check *c = a->checks; c; c = c->next)
		check_tick(c, now);
}

/* All that the socket has no room for is asked for a moment later: no failure, no pause, no answer of a check
 * that was never made. */
static void many_are_started_at_once(void **state)
{
	uint64_t now = 1000000;
	struct busy b;
	struct err e = {0};
	unsigned n;

	(void)state;
	make_busy(&b);
	for (int slot = 1; slot <= MANY; slot++) {
		json_t *spec =
			json_pack("{s:i,s:i,s:i,s:s}", "id", slot, "slot", slot, "sub", 900, "source", "s");

		assert_non_null(check_new(b.a, spec, &e));
		json_decref(spec);
	}
	tick_checks(b.a, now);
	n = in_state(b.a, PROC_ASKED);
	assert_true(n > 0 && n < MANY);
	for (int i = 0; i < MANY && in_state(b.a, PROC_ASKED) < MANY; i++) {
		assert_int_equal(taken(&b, SPAWN_REQ_START), in_state(b.a, PROC_ASKED) - (i ? n : 0));
		n = in_state(b.a, PROC_ASKED);
		tick_checks(b.a, now + 49);
		assert_int_equal(in_state(b.a, PROC_ASKED), n);
		now += 50;
		tick_checks(b.a, now);
	}
	assert_int_equal(in_state(b.a, PROC_ASKED), MANY);
	for (const struct check *c = b.a->checks; c; c = c->next)
		assert_true(!c->done && c->proc->error.code == 0 && c->proc->backoff.restarts == 0);
	drop_busy(&b);
}

/* For ever it is one: what shows why nothing starts is the error. */
static void a_start_that_finds_no_room_fails(void **state)
{
	json_t *spec = json_pack("{s:i,s:i,s:i,s:s}", "id", 1, "slot", 1, "sub", 900, "source", "s");
	struct proc p = {.state = PROC_ALIVE, .kind = UNIT_relay, .slot = 1};
	uint64_t now = 1000000;
	struct busy b;
	struct err e = {0};
	struct check *c;

	(void)state;
	make_busy(&b);
	p.agent = b.a;
	p.source = (char *)(uintptr_t) "s";
	for (unsigned n = 0; !p.unsent && n < 1000; n++)
		proc_kill(&p, "a test");
	c = check_new(b.a, spec, &e);
	json_decref(spec);
	for (unsigned ms = 0; ms < 10000; ms += 50) {
		check_tick(c, now + ms);
		assert_true(proc_is_off(c->proc) && c->proc->error.code == 0);
	}
	check_tick(c, now + 10000);
	assert_int_equal(c->proc->error.code, ERR_spawn);
	assert_true(c->proc->backoff.start_at >= now + 10000 + backoff_default.min_ms);
	assert_int_equal(c->proc->busy_since, 0);
	drop_busy(&b);
}

/* A signal, too: what is to end ends. */
static void a_signal_is_not_lost(void **state)
{
	struct proc p = {.state = PROC_ALIVE, .kind = UNIT_relay, .slot = 1, .wanted = true};
	uint64_t now = clock_ms();
	struct busy b;
	unsigned n = 0;

	(void)state;
	make_busy(&b);
	p.agent = b.a;
	p.source = (char *)(uintptr_t) "s";
	p.heard_ms = now;
	while (!p.unsent && ++n < 1000)
		proc_kill(&p, "a test");
	assert_int_equal(p.unsent, SIGKILL);
	assert_int_equal(taken(&b, SPAWN_REQ_SIGNAL), n - 1);
	assert_true(proc_due(&p) <= clock_ms() + 50);
	proc_tick(&p, p.unsent_at - 1);
	assert_int_equal(taken(&b, SPAWN_REQ_SIGNAL), 0);
	proc_tick(&p, p.unsent_at);
	assert_int_equal(taken(&b, SPAWN_REQ_SIGNAL), 1);
	assert_int_equal(p.unsent, 0);
	drop_busy(&b);
}

/* --- an agent that stood still --- */

static void nobody_is_silent_for_a_time_asleep(void **state)
{
	uint64_t asleep = 3600000, now = 100000 + asleep;
	struct proc p = {.state = PROC_ALIVE, .heard_ms = 99500};

	(void)state;
	proc_stood_still(&p, asleep, now);
	assert_int_equal(now - p.heard_ms, 500);
	proc_stood_still(&p, asleep, now); /* heard since it goes on, before the tick */
	assert_int_equal(p.heard_ms, now);
	p = (struct proc){.state = PROC_LEAVING, .heard_ms = 99500, .leave_by = 103000};
	proc_stood_still(&p, asleep, now);
	assert_int_equal(p.leave_by, now + 3000);
	proc_stood_still(&p, asleep, now);
	assert_int_equal(p.leave_by, now + PROC_STOP_MS);
}

/* --- reports --- */

static void errors_in_any_charset_are_reported(void **state)
{
	struct agent *a = calloc(1, sizeof(*a));
	struct buf b = {0};
	json_error_t bad;
	json_t *o, *s;

	(void)state;
	a->slots = 9;
	orders_set(a, json_pack("{s:i,s:[{s:s,s:i,s:[{s:s,s:i,s:s}]}]}", "revision", 3, "sources", "source",
			      "s", "slot", 1, "subtasks", "task", "t", "sub", 1, "stage", "Paused"));
	assert_non_null(a->sources);
	err_set(&a->sources->subtasks->error, ERR_db_execute, "Duplicate entry 'M\xfcller' for key");
	report_write(a, &b);
	o = json_loadb(b.p, b.n, 0, &bad);
	assert_non_null(o);
	assert_int_equal(json_integer_value(json_object_get(o, "revision")), 3);
	s = json_array_get(json_object_get(json_array_get(json_object_get(o, "sources"), 0), "subtasks"), 0);
	assert_string_equal(json_string_value(json_object_get(json_object_get(s, "error"), "text")),
		"Duplicate entry 'M?ller' for key");
	assert_string_equal(json_string_value(json_object_get(s, "stage")), "Paused");
	json_decref(o);
	buf_free(&b);
	while (a->sources) {
		struct source *gone = a->sources;
		source_free(&gone);
	}
	json_decref(a->orders);
	free(a);
}

/* As binlog-schema list gives them, of several sources at the same time. */
static void give_findings(struct agent *a, unsigned slot, size_t size)
{
	struct err e = {0};
	json_t *spec = json_pack("{s:i,s:i,s:i,s:s}", "id", slot, "slot", slot, "sub", 900, "source", "s");
	struct check *c = check_new(a, spec, &e);
	char *text = malloc(size + 1);

	assert_non_null(c);
	memset(text, 'x', size);
	text[size] = '\0';
	c->done = true;
	c->proc->status = json_pack("{s:[{s:s}]}", "findings", "what", text);
	free(text);
	json_decref(spec);
}

static const char *check_error(const json_t *report, int id)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(report, "checks"), i, c)
		if (json_integer_value(json_object_get(c, "id")) == id)
			return json_string_value(json_object_get(json_object_get(c, "error"), "text"));
	return NULL;
}

static void a_report_is_never_too_long_for_its_findings(void **state)
{
	struct agent *a = calloc(1, sizeof(*a));
	struct buf b = {0};
	json_t *o;

	(void)state;
	a->slots = 9;
	for (unsigned slot = 1; slot <= 5; slot++)
		give_findings(a, slot, ((7 << 19) - 100) + (slot == 3));
	report_write(a, &b);
	assert_true(b.n <= PAGED_MAX && b.n > 13 << 20);
	o = json_loadb(b.p, b.n, 0, NULL);
	assert_non_null(o);
	assert_int_equal(json_array_size(json_object_get(o, "checks")), 5);
	for (int id = 1; id <= 5; id++)
		assert_int_equal(strstr(check_error(o, id), "ask for one source at a time") != NULL, id == 3);
	json_decref(o);
	buf_free(&b);
	while (a->checks) {
		struct check *gone = a->checks;
		check_free(&gone);
	}
	free(a);
}

/* --- the masters --- */

enum {
	/* For what must happen, however busy the machine is. */
	PATIENCE_MS = 60000,
	/* Of these masters: calls last 7 s at most, so a machine that stands still for seconds breaks no
	   test. */
	LEASE_OF_TEST_MS = 30000,
};

/* One that says hello and nothing else: every other request is kept. */
struct quiet_master {
	const char *cluster;
	unsigned hellos;
	uint64_t asked_revision; /* in the last hello */
	unsigned parts;          /* of reports; the first is kept, and then the session known no more */
	struct link_req *part, *next;
};

static void on_request(void *arg, struct link_req *req)
{
	struct quiet_master *q = arg;
	struct msg_agent_hello m;
	struct buf b = {0};
	struct err e = {0};

	if (req->head.type == MSG_agent_report_part && q->parts++ == 0)
		q->part = req;
	if (req->head.type == MSG_agent_next)
		q->next = req;
	if (req->head.type != MSG_agent_hello)
		return;
	assert_int_equal(msg_get_agent_hello(req->body, &m, &e), 0);
	q->hellos++;
	q->asked_revision = m.revision;
	msg_put_agent_welcome(&b, req->head.request,
		&(struct msg_agent_welcome){
			.session = q->hellos, .lease_ms = LEASE_OF_TEST_MS, .cluster = str_of(q->cluster)});
	link_reply(&req, &b);
	buf_free(&b);
}

/* An agent in a folder of its own, between two masters. Their sockets have whole paths: a close of libnng's
 * that comes late must not take away the next test's. */
struct conversation {
	char path[32], a[48], b[48];
	struct quiet_master first, second;
	struct daemon_env env;
	struct agent agent;
};

static int make_conversation(void **state)
{
	struct conversation *c = calloc(1, sizeof(*c));

	strcpy(c->path, "/tmp/tg-agent-XXXXXX");
	if (!mkdtemp(c->path) || chdir(c->path) < 0)
		return -1;
	c->env.state_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(c->a, sizeof(c->a), "%s/a.sock", c->path);
	snprintf(c->b, sizeof(c->b), "%s/b.sock", c->path);
	c->env.config = json_pack("{s:[s,s]}", "masters", c->a, c->b);
	c->env.loop = loop_new();
	c->env.link = link_new(c->env.loop);
	c->agent.env = &c->env;
	c->first.cluster = c->second.cluster = "new";
	*state = c;
	return 0;
}

static int drop_conversation(void **state)
{
	struct conversation *c = *state;
	char command[60];

	link_free(&c->env.link);
	master_close(&c->agent);
	loop_free(&c->env.loop);
	json_decref(c->env.config);
	close(c->env.state_fd);
	snprintf(command, sizeof(command), "rm -rf '%s'", c->path);
	free(c);
	return chdir("/") < 0 || system(command) != 0 ? -1 : 0;
}

static void listen_and_open(struct conversation *c)
{
	struct err e = {0};

	snprintf(c->agent.name, sizeof(c->agent.name), "host-1");
	assert_int_equal(link_listen(c->env.link, c->a, 8, 0600, on_request, &c->first, &e), 0);
	assert_int_equal(link_listen(c->env.link, c->b, 8, 0600, on_request, &c->second, &e), 0);
	assert_int_equal(master_read(&c->agent, &e), 0);
	assert_int_equal(master_open(&c->agent, &e), 0);
}

/* Until it is not 0 any more. */
static void talk(struct conversation *c, const unsigned *until)
{
	uint64_t began = clock_ms();

	while (*until == 0 && clock_ms() - began < PATIENCE_MS) {
		master_tick(&c->agent, clock_ms());
		loop_once(c->env.loop, 20);
	}
	assert_int_not_equal(*until, 0);
}

/* Until one of the masters has registered it. */
static void register_at_one(struct conversation *c)
{
	uint64_t began = clock_ms();

	while (c->agent.master.session == 0 && clock_ms() - began < PATIENCE_MS) {
		master_tick(&c->agent, clock_ms());
		loop_once(c->env.loop, 20);
	}
	assert_int_not_equal(c->agent.master.session, 0);
}

/* A master that is frozen answers nothing any more: well before a lease is over the next one hears a hello.
 */
static void a_frozen_master_is_left(void **state)
{
	struct conversation *c = *state;
	uint64_t began, took;

	listen_and_open(c);
	talk(c, &c->first.hellos);
	began = clock_ms();
	talk(c, &c->second.hellos);
	took = clock_ms() - began;
	assert_true(took < LEASE_OF_TEST_MS);
	print_message("the second master was asked after %d ms\n", (int)took);
}

/* A report that has come half goes on with no session: nothing of it is kept, and the next one begins anew.
 */
static void a_lost_session_ends_its_report(void **state)
{
	struct conversation *c = *state;
	struct quiet_master *q = &c->first;
	struct buf b = {0};

	give_findings(&c->agent, 1, 6 << 20);
	listen_and_open(c);
	talk(c, &q->parts);
	assert_non_null(q->next);
	assert_int_equal(c->agent.master.sent, PAGED_PIECE);
	link_fail_with(&q->next, ERR_request_stale, "the master does not know this session");
	while (c->agent.master.session != 0)
		loop_once(c->env.loop, 20);
	assert_null(c->agent.master.report.p);
	msg_put_ok(&b, q->part->head.request, &(struct msg_ok){0});
	link_reply(&q->part, &b);
	buf_free(&b);
	while (c->agent.master.reporting)
		loop_once(c->env.loop, 20);
	assert_int_equal(c->agent.master.session, 0);
	assert_int_equal(q->parts, 1);
	talk(c, &c->second.parts);
	assert_int_equal(c->agent.master.sent, PAGED_PIECE);
	check_free(&c->agent.checks);
}

/* What was seen of another cluster says nothing about this one. */
static void another_cluster_begins_with_nothing_seen(void **state)
{
	struct conversation *c = *state;

	seen_keep(c->env.state_fd, "old", 700);
	listen_and_open(c);
	talk(c, &c->first.hellos);
	assert_int_equal(c->first.asked_revision, 700);
	register_at_one(c);
	assert_string_equal(c->agent.master.cluster, "new");
	assert_int_equal(c->agent.master.seen, 0);
}

static void the_same_cluster_is_remembered(void **state)
{
	struct conversation *c = *state;

	seen_keep(c->env.state_fd, "new", 700);
	listen_and_open(c);
	register_at_one(c);
	assert_int_equal(c->agent.master.seen, 700);
}

/* A file that was damaged must not make the masters' store an older copy. */
static void no_revision_is_below_nothing_or_beyond_counting(void **state)
{
	static const struct {
		const char *text;
		uint64_t seen;
	} files[] = {
		{"{\"cluster\":\"c\",\"revision\":9}", 9},
		{"{\"cluster\":\"c\",\"revision\":-1}", 0},
		{"{\"cluster\":\"c\",\"revision\":9007199254740993}", 0},
		{"{\"cluster\":\"c\",\"revision\":\"9\"}", 0},
	};
	struct conversation *c = *state;
	char cluster[64];
	uint64_t seen;
	struct err e = {0};

	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(io_replace_file(c->env.state_fd, "seen.json", files[i].text,
					 strlen(files[i].text), 0600, &e),
			0);
		seen_read(c->env.state_fd, cluster, sizeof(cluster), &seen);
		assert_int_equal(seen, files[i].seen);
	}
}

int main(void)
{
#define TALK(test) cmocka_unit_test_setup_teardown(test, make_conversation, drop_conversation)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_move_is_there),
		cmocka_unit_test(rest_comes_only_when_all_are_gone),
		cmocka_unit_test(ways_of_a_subtask),
		cmocka_unit_test(stop_and_run_work_from_anywhere),
		cmocka_unit_test(pauses_grow_to_a_minute),
		cmocka_unit_test(a_minute_with_progress_forgives),
		cmocka_unit_test(pauses_go_by_the_rules),
		cmocka_unit_test(lines_are_stamped),
		cmocka_unit_test(the_last_error_is_known),
		cmocka_unit_test(a_line_without_end_is_cut),
		cmocka_unit_test(nobody_is_silent_for_a_time_asleep),
		cmocka_unit_test(many_are_started_at_once),
		cmocka_unit_test(a_start_that_finds_no_room_fails),
		cmocka_unit_test(a_signal_is_not_lost),
		cmocka_unit_test(errors_in_any_charset_are_reported),
		cmocka_unit_test(a_report_is_never_too_long_for_its_findings),
		TALK(a_frozen_master_is_left),
		TALK(a_lost_session_ends_its_report),
		TALK(another_cluster_begins_with_nothing_seen),
		TALK(the_same_cluster_is_remembered),
		TALK(no_revision_is_below_nothing_or_beyond_counting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
