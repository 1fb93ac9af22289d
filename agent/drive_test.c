/*
 * The agent as it is, under the supervisor as it is, with stub.c for its units; the test is the master. What
 * is shown: the order in which units come and go, what survives whose death, and who is not believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/config/json.h"
#include "common/proc/link.h"
#include "include/stage.h"
#include "unit.h"

struct fixture {
	char dir[64], log[96];
	pid_t pid;
	struct loop *loop;
	struct link *link;
	json_t *orders; /* what the agent is to be told */
	int64_t revision;
	struct link_req *poll; /* its question for orders that we hold */
	uint64_t session, hellos;
	json_t *report;             /* the last one */
	unsigned copy_without_pull; /* reports with a dump although the relay did not pull yet */
};

/* --- the master --- */

static void answer_poll(struct fixture *f)
{
	struct msg_agent_orders m = {.revision = (uint64_t)f->revision};
	struct buf b = {0}, text = {0};

	if (!f->poll)
		return;
	json_write(f->orders, &text);
	m.orders = buf_str(&text);
	msg_put_agent_orders(&b, f->poll->head.request, &m);
	link_reply(&f->poll, &b);
	buf_free(&b);
	buf_free(&text);
}

static void on_hello(struct fixture *f, struct link_req *req)
{
	struct msg_agent_hello m;
	struct msg_agent_welcome w = {.session = ++f->session, .lease_ms = 10000};
	struct buf b = {0};
	struct err e;

	assert_int_equal(msg_get_agent_hello(req->body, &m, &e), 0);
	assert_true(str_is(m.name, "host-1"));
	f->hellos++;
	msg_put_agent_welcome(&b, req->head.request, &w);
	link_reply(&req, &b);
	buf_free(&b);
}

static void on_next(struct fixture *f, struct link_req *req)
{
	struct msg_agent_next m;
	struct err e;

	assert_int_equal(msg_get_agent_next(req->body, &m, &e), 0);
	answer_poll(f); /* of an agent that is gone */
	f->poll = req;
	if (m.revision < (uint64_t)f->revision)
		answer_poll(f);
}

static json_t *sub_object(const struct fixture *f, unsigned i)
{
	json_t *s = json_array_get(json_object_get(f->report, "sources"), 0);

	return json_array_get(json_object_get(s, "subtasks"), i);
}

static json_t *relay_object(const struct fixture *f)
{
	return json_object_get(json_array_get(json_object_get(f->report, "sources"), 0), "relay");
}

static void on_report(struct fixture *f, struct link_req *req)
{
	struct msg_agent_report m;
	struct msg_ok ok = {0};
	struct buf b = {0};
	struct err e;

	assert_int_equal(msg_get_agent_report(req->body, &m, &e), 0);
	json_decref(f->report);
	f->report = json_parse(m.report, "report", &e);
	assert_non_null(f->report);
	if (json_object_size(json_object_get(sub_object(f, 0), "dump")) > 0 &&
		strcmp(json_text(json_object_get(relay_object(f), "status"), "phase", ""), "pull") != 0)
		f->copy_without_pull++;
	msg_put_ok(&b, req->head.request, &ok);
	link_reply(&req, &b);
	buf_free(&b);
}

static void on_request(void *arg, struct link_req *req)
{
	struct fixture *f = arg;

	switch (req->head.type) {
	case MSG_agent_hello:
		on_hello(f, req);
		break;
	case MSG_agent_next:
		on_next(f, req);
		break;
	case MSG_agent_report:
		on_report(f, req);
		break;
	default:
		fail_msg("the agent said %s", msg_name(req->head.type));
	}
}

static void listen_as_master(struct fixture *f)
{
	struct err e;

	f->loop = loop_new();
	f->link = link_new(f->loop);
	assert_int_equal(link_listen(f->link, "master.sock", 4, 0666, on_request, f, &e), 0);
}

static void vanish(struct fixture *f)
{
	f->poll = NULL;
	link_free(&f->link);
	loop_free(&f->loop);
}

/* Gives orders from a text with ' for ". */
static void give(struct fixture *f, const char *text)
{
	char *json = strdup(text);
	struct err e = {0};

	for (char *c = json; *c; c++)
		if (*c == '\'')
			*c = '"';
	json_decref(f->orders);
	f->orders = json_parse(str_of(json), "orders", &e);
	if (!f->orders)
		fail_msg("%s", e.text);
	free(json);
	json_object_set_new(f->orders, "revision", json_integer(++f->revision));
	answer_poll(f);
}

/* --- the processes --- */

static void copy_program(const struct fixture *f, const char *from, const char *as)
{
	struct buf program = {0};
	struct err e;
	char name[200];
	int fd;

	assert_int_equal(io_read_file(AT_FDCWD, from, 256 << 20, &program, &e), 0);
	snprintf(name, sizeof(name), "%s/libexec/%s", f->dir, as);
	fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_int_equal(io_write_all(fd, program.p, program.n, &e), 0);
	close(fd);
	buf_free(&program);
}

static void launch(struct fixture *f)
{
	char st[100], run[100], lib[100];

	snprintf(st, sizeof(st), "%s/state", f->dir);
	snprintf(run, sizeof(run), "%s/run", f->dir);
	snprintf(lib, sizeof(lib), "%s/libexec", f->dir);
	f->pid = fork();
	if (f->pid != 0)
		return;
	dup2(open(f->log, O_WRONLY | O_CREAT | O_APPEND, 0600), 2);
	execl(TIDEGATED, "tidegated", "--state", st, "--run", run, "--libexec", lib, "--name", "host-1",
		"--log-level", "debug", (char *)NULL);
	_exit(99);
}

static int setup(void **state)
{
	static struct fixture f;
	char name[200];

	memset(&f, 0, sizeof(f));
	snprintf(f.dir, sizeof(f.dir), "/tmp/tg-drive-XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	snprintf(f.log, sizeof(f.log), "%s/log", f.dir);
	snprintf(name, sizeof(name), "%s/libexec", f.dir);
	assert_int_equal(mkdir(name, 0755), 0);
	copy_program(&f, AGENT, unit_info(UNIT_agent)->executable);
	for (int k = UNIT_relay; k <= UNIT_check; k++)
		copy_program(&f, STUB, unit_info(k)->executable);
	snprintf(name, sizeof(name), "%s/run", f.dir);
	assert_int_equal(mkdir(name, 0755), 0);
	assert_int_equal(chdir(name), 0);
	f.orders = json_pack("{s:i,s:[],s:[]}", "revision", 0, "sources", "checks");
	listen_as_master(&f);
	launch(&f);
	*state = &f;
	return 0;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(name);
}

static void show_log(const struct fixture *f)
{
	struct buf text = {0};

	if (io_read_file(AT_FDCWD, f->log, 4 << 20, &text, NULL) == 0)
		fprintf(stderr, "--- log\n%s---\n", buf_cstr(&text));
	if (f->report) {
		buf_clear(&text);
		json_write(f->report, &text);
		fprintf(stderr, "last report: %s\n", buf_cstr(&text));
	}
	buf_free(&text);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->pid > 0) { /* the test failed half way */
		show_log(f);
		kill(f->pid, SIGQUIT);
		waitpid(f->pid, NULL, 0);
	}
	if (f->link)
		vanish(f);
	json_decref(f->orders);
	json_decref(f->report);
	assert_int_equal(chdir("/"), 0);
	return nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void stop(struct fixture *f)
{
	int status;

	kill(f->pid, SIGTERM);
	while (waitpid(f->pid, &status, WNOHANG) == 0)
		loop_once(f->loop, 50);
	f->pid = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Runs the master until what it is told fits; the test fails where that does not come. */
#define AWAIT(f, seconds, what)                                \
	do {                                                   \
		uint64_t until_ = clock_ms() + (seconds)*1000; \
		while (!(what) && clock_ms() < until_)         \
			loop_once((f)->loop, 50);              \
		assert_true(what);                             \
	} while (0)

static void run_for(struct fixture *f, uint64_t ms)
{
	uint64_t until = clock_ms() + ms;

	while (clock_ms() < until)
		loop_once(f->loop, 50);
}

/* --- reading reports and the log --- */

static bool stage_is(const struct fixture *f, const char *stage)
{
	return strcmp(json_text(sub_object(f, 0), "stage", ""), stage) == 0;
}

static const char *unit_of(const struct fixture *f)
{
	return json_text(sub_object(f, 0), "unit", "");
}

static int64_t error_of(const struct fixture *f)
{
	return json_num(json_object_get(sub_object(f, 0), "error"), "code", -1);
}

/* The slice that a unit tells to have been given. */
static json_t *slice_of(const struct fixture *f, const char *unit)
{
	json_t *o = strcmp(unit, "relay") == 0 ? json_object_get(relay_object(f), "status")
					       : json_object_get(sub_object(f, 0), unit);
	struct err e;

	return json_parse(str_of(json_text(o, "slice", "null")), "slice", &e);
}

static unsigned count_in_log(const struct fixture *f, const char *what)
{
	struct buf text = {0};
	unsigned n = 0;

	io_read_file(AT_FDCWD, f->log, 4 << 20, &text, NULL);
	for (const char *at = buf_cstr(&text); (at = strstr(at, what)); at++)
		n++;
	buf_free(&text);
	return n;
}

/* pid behind the last "started LABEL pid=" of the agent, or of the supervisor for the agent itself. */
static pid_t pid_of(const struct fixture *f, const char *what)
{
	struct buf text = {0};
	const char *at, *last = NULL;
	int pid;

	io_read_file(AT_FDCWD, f->log, 4 << 20, &text, NULL);
	for (at = buf_cstr(&text); (at = strstr(at, what)); at += strlen(what))
		last = at + strlen(what);
	assert_non_null(last);
	pid = atoi(last);
	buf_free(&text);
	return pid;
}

#define ENDPOINT "'endpoint':{'host':'127.0.0.1','port':3306,'user':'u','password':''}"
#define DOWN "'downstream':{'host':'127.0.0.1','port':4000,'user':'u','password':''}"

/* One source with one task. */
static void give_task(struct fixture *f, const char *stage, const char *mode, const char *more)
{
	char text[2000];

	snprintf(text, sizeof(text),
		"{'sources':[{'source':'src-1','slot':1,'epoch':3," ENDPOINT
		",'relay':{'wanted':true,'options':{'after_ms':700}},"
		"'subtasks':[{'task':'orders','sub':2,'stage':'%s','mode':'%s'," DOWN
		",'meta_schema':'dm_meta','rules':{}%s}]}],'checks':[]}",
		stage, mode, more);
	give(f, text);
}

#define COPY_FAST ",'dump':{},'load':{'after_ms':1500},'sync':{}"

/* --- the tests --- */

static void copy_then_follow(void **state)
{
	struct fixture *f = *state;
	json_t *slice;

	give_task(f, "Running", "all", COPY_FAST ",'remove_meta':true");
	AWAIT(f, 20,
		stage_is(f, "Running") && strcmp(unit_of(f), "Load") == 0 &&
			json_object_size(json_object_get(sub_object(f, 0), "dump")) > 0);
	assert_false(json_flag(sub_object(f, 0), "copied", true));
	slice = slice_of(f, "dump");
	assert_string_equal(json_text(slice, "task", ""), "orders");
	assert_null(json_object_get(slice, "downstream"));
	json_decref(slice);
	slice = slice_of(f, "load");
	assert_true(json_flag(slice, "remove_meta", false));
	assert_null(json_object_get(slice, "upstream"));
	json_decref(slice);
	AWAIT(f, 20,
		strcmp(unit_of(f), "Sync") == 0 &&
			json_object_size(json_object_get(sub_object(f, 0), "sync")) > 0);
	assert_true(json_flag(sub_object(f, 0), "copied", false));
	assert_string_equal(
		json_text(json_object_get(sub_object(f, 0), "snapshot"), "file", ""), "bin.000003");
	slice = slice_of(f, "sync");
	assert_int_equal(json_num(slice, "epoch", 0), 3);
	assert_int_equal(
		json_num(json_object_get(json_object_get(slice, "options"), "start"), "offset", 0), 4711);
	json_decref(slice);
	assert_int_equal(f->copy_without_pull, 0);
	assert_string_equal(json_text(json_object_get(relay_object(f), "status"), "args", ""),
		"{\"readers\":[\"orders\"],\"needed\":[\"orders\"],\"paused\":false,\"watched\":false}");
	AWAIT(f, 15, count_in_log(f, "obituary dump orders source=src-1") == 1);
	assert_int_equal(count_in_log(f, "obituary load orders source=src-1"), 1);
	assert_int_equal(count_in_log(f, "src-1 sync orders info stub.c"), 1);
	stop(f);
	if (count_in_log(f, "killed") > 0)
		show_log(f);
	assert_int_equal(count_in_log(f, "killed"), 0);
}

static void full_mode_ends(void **state)
{
	struct fixture *f = *state;

	give_task(f, "Running", "full", COPY_FAST);
	AWAIT(f, 20, stage_is(f, "Finished"));
	assert_true(json_flag(sub_object(f, 0), "copied", false));
	run_for(f, 1500);
	assert_true(stage_is(f, "Finished"));
	assert_int_equal(count_in_log(f, "started sync"), 0);
	assert_int_equal(count_in_log(f, "started load orders"), 1);
	stop(f);
}

/* Into files: no load, and what the dump says is the end. */
static void dump_mode_is_a_dump_alone(void **state)
{
	struct fixture *f = *state;

	give_task(f, "Running", "dump", ",'dump':{'after_ms':1500,'dir':'d'},'load':{},'sync':{}");
	AWAIT(f, 20,
		stage_is(f, "Running") && strcmp(unit_of(f), "Dump") == 0 &&
			json_object_size(json_object_get(sub_object(f, 0), "dump")) > 0);
	AWAIT(f, 20, stage_is(f, "Finished"));
	assert_string_equal(unit_of(f), "Dump");
	assert_true(json_flag(sub_object(f, 0), "copied", false));
	run_for(f, 1000);
	assert_int_equal(count_in_log(f, "started dump orders pid="), 1);
	assert_int_equal(count_in_log(f, "started load"), 0);
	assert_int_equal(count_in_log(f, "started sync"), 0);
	stop(f);
}

static void load_mode_is_a_load_alone(void **state)
{
	struct fixture *f = *state;

	give_task(f, "Running", "load", COPY_FAST);
	AWAIT(f, 20, stage_is(f, "Running") && strcmp(unit_of(f), "Load") == 0);
	AWAIT(f, 20, stage_is(f, "Finished"));
	assert_string_equal(unit_of(f), "Load");
	assert_int_equal(count_in_log(f, "started load orders pid="), 1);
	assert_int_equal(count_in_log(f, "started dump"), 0);
	assert_int_equal(count_in_log(f, "started sync"), 0);
	stop(f);
}

/* The first load only looks where the files are; the relay pulls from there before a row is loaded. */
static void load_and_sync_looks_loads_and_follows(void **state)
{
	struct fixture *f = *state;
	json_t *slice;

	give_task(f, "Running", "load&sync", COPY_FAST ",'look':true");
	AWAIT(f, 20, strcmp(unit_of(f), "Load") == 0);
	AWAIT(f, 20,
		strcmp(unit_of(f), "Sync") == 0 &&
			json_object_size(json_object_get(sub_object(f, 0), "sync")) > 0);
	assert_int_equal(count_in_log(f, "started load orders pid="), 2);
	assert_int_equal(json_num(sub_object(f, 0), "restarts", -1), 0); /* but for the look, one start */
	assert_int_equal(count_in_log(f, "started dump"), 0);
	assert_int_equal(f->copy_without_pull, 0);
	slice = slice_of(f, "relay");
	assert_string_equal(json_text(json_object_get(slice, "options"), "start_file", ""), "bin.000003");
	assert_int_equal(json_num(json_object_get(slice, "options"), "start_offset", 0), 4711);
	json_decref(slice);
	slice = slice_of(f, "sync");
	assert_int_equal(
		json_num(json_object_get(json_object_get(slice, "options"), "start"), "offset", 0), 4711);
	json_decref(slice);
	stop(f);
}

static void what_was_copied_is_not_copied_again(void **state)
{
	struct fixture *f = *state;
	json_t *slice;

	give_task(f, "Running", "all",
		COPY_FAST ",'copied':true,'start':{'file':'bin.000009','offset':77,'gtid':''}");
	AWAIT(f, 20,
		strcmp(unit_of(f), "Sync") == 0 &&
			json_object_size(json_object_get(sub_object(f, 0), "sync")) > 0);
	AWAIT(f, 5, json_object_size(json_object_get(relay_object(f), "status")) > 0);
	slice = slice_of(f, "relay");
	assert_string_equal(json_text(json_object_get(slice, "options"), "start_file", ""), "bin.000009");
	assert_int_equal(json_num(json_object_get(slice, "options"), "start_offset", 0), 77);
	json_decref(slice);
	assert_int_equal(count_in_log(f, "started dump"), 0);
	assert_int_equal(count_in_log(f, "started load"), 0);
	stop(f);
}

/* The master wants the relay only when the snapshot is known, and has it begin there. */
static void a_late_relay(void **state)
{
	struct fixture *f = *state;
	char text[2000];
	static const char form[] =
		"{'sources':[{'source':'src-1','slot':1,'epoch':3," ENDPOINT
		",'relay':{'wanted':%s,'options':{}},"
		"'subtasks':[{'task':'orders','sub':2,'stage':'Running','mode':'all','copied':%s," DOWN
			COPY_FAST "}]}],'checks':[]}";
	json_t *slice;

	snprintf(text, sizeof(text), form, "false", "false");
	give(f, text);
	AWAIT(f, 20, json_flag(sub_object(f, 0), "copied", false));
	assert_int_equal(count_in_log(f, "started relay"), 0);
	snprintf(text, sizeof(text), form, "true", "true");
	give(f, text);
	AWAIT(f, 20, json_object_size(json_object_get(relay_object(f), "status")) > 0);
	slice = slice_of(f, "relay");
	assert_string_equal(json_text(json_object_get(slice, "options"), "start_file", ""), "bin.000003");
	json_decref(slice);
	stop(f);
}

/* stop-task and start-task --remove-meta between two looks of the agent. */
static void another_life_copies_again(void **state)
{
	struct fixture *f = *state;

	give_task(f, "Running", "full", COPY_FAST ",'copied':true");
	AWAIT(f, 20, stage_is(f, "Finished"));
	assert_int_equal(count_in_log(f, "started load"), 0);
	give(f, "{'sources':[],'checks':[]}");
	AWAIT(f, 20, json_array_size(json_object_get(f->report, "sources")) == 0);
	give_task(f, "Running", "all", COPY_FAST ",'copied':true");
	AWAIT(f, 20,
		strcmp(unit_of(f), "Sync") == 0 &&
			json_object_size(json_object_get(sub_object(f, 0), "sync")) > 0);
	give_task(f, "Running", "all", COPY_FAST ",'copied':false,'remove_meta':true");
	AWAIT(f, 20, strcmp(unit_of(f), "Load") == 0);
	assert_false(json_flag(sub_object(f, 0), "copied", true));
	AWAIT(f, 20, strcmp(unit_of(f), "Sync") == 0);
	assert_int_equal(count_in_log(f, "started load orders pid="), 1);
	stop(f);
}

static void pause_resume_stop(void **state)
{
	struct fixture *f = *state;

	give_task(f, "Running", "incremental", COPY_FAST);
	AWAIT(f, 20, json_object_size(json_object_get(sub_object(f, 0), "sync")) > 0);
	give_task(f, "Paused", "incremental", COPY_FAST);
	AWAIT(f, 15, stage_is(f, "Paused"));
	assert_int_equal(count_in_log(f, "obituary sync orders"), 1);
	assert_int_equal(count_in_log(f, "obituary relay source="), 0);
	give_task(f, "Running", "incremental", COPY_FAST);
	AWAIT(f, 15, stage_is(f, "Running"));
	AWAIT(f, 15, count_in_log(f, "started sync orders pid=") == 2);
	/* Other settings: the unit starts again with them. */
	give_task(f, "Running", "incremental", ",'sync':{'batch_rows':7}");
	AWAIT(f, 15, count_in_log(f, "started sync orders pid=") == 3);
	give(f, "{'sources':[],'checks':[]}");
	AWAIT(f, 20, json_array_size(json_object_get(f->report, "sources")) == 0);
	assert_int_equal(count_in_log(f, "obituary relay source="), 1);
	stop(f);
}

static void killed_units_come_back(void **state)
{
	struct fixture *f = *state;

	give_task(f, "Running", "incremental", COPY_FAST);
	AWAIT(f, 20, json_object_size(json_object_get(sub_object(f, 0), "sync")) > 0);
	kill(pid_of(f, "started sync orders pid="), SIGKILL);
	AWAIT(f, 10, error_of(f) == ERR_crashed);
	AWAIT(f, 10, count_in_log(f, "started sync orders pid=") == 2);
	AWAIT(f, 10, error_of(f) == 0);
	assert_int_equal(json_num(sub_object(f, 0), "restarts", 0), 1);
	assert_true(stage_is(f, "Running"));
	kill(pid_of(f, "started relay pid="), SIGKILL);
	AWAIT(f, 10, count_in_log(f, "started relay pid=") == 2);
	stop(f);
}

static void an_error_pauses_until_resumed(void **state)
{
	struct fixture *f = *state;

	give_task(f, "Running", "incremental", ",'sync':{'error':36067,'after_ms':300},'resumes':0");
	AWAIT(f, 20, stage_is(f, "Paused"));
	assert_int_equal(error_of(f), ERR_sync_ddl_parse);
	/* New orders that don't count a resume are none. */
	give_task(f, "Running", "incremental", ",'sync':{'error':36067,'after_ms':300},'resumes':0,'note':1");
	run_for(f, 1500);
	assert_true(stage_is(f, "Paused"));
	assert_int_equal(count_in_log(f, "started sync orders pid="), 1);
	give_task(f, "Running", "incremental", ",'sync':{},'resumes':1");
	AWAIT(f, 10, stage_is(f, "Running") && error_of(f) == 0);
	AWAIT(f, 10, count_in_log(f, "started sync orders pid=") == 2);
	stop(f);
}

static void an_error_that_retries(void **state)
{
	struct fixture *f = *state;

	give_task(f, "Running", "incremental", ",'sync':{'error':10003,'after_ms':100}");
	AWAIT(f, 20, count_in_log(f, "started sync orders pid=") >= 3);
	assert_false(stage_is(f, "Paused"));
	AWAIT(f, 10, error_of(f) == ERR_db_lost);
	give_task(f, "Paused", "incremental", ",'sync':{'error':10003,'after_ms':100}");
	AWAIT(f, 10, stage_is(f, "Paused"));
	stop(f);
}

static void a_relay_error_pauses_its_tasks(void **state)
{
	struct fixture *f = *state;
	char text[2000];
	static const char form[] =
		"{'sources':[{'source':'src-1','slot':1,'epoch':3," ENDPOINT
		",'relay':{'wanted':true,'options':{'error':%d}},'subtasks':[{'task':'orders','sub':2,"
		"'stage':'Running','resumes':%d,'mode':'incremental'," DOWN ",'sync':{}}]}],'checks':[]}";

	snprintf(text, sizeof(text), form, ERR_relay_gone, 0);
	give(f, text);
	AWAIT(f, 20, stage_is(f, "Paused"));
	assert_int_equal(error_of(f), ERR_relay_gone);
	AWAIT(f, 5, strcmp(json_text(relay_object(f), "stage", ""), "Paused") == 0);
	assert_int_equal(count_in_log(f, "started relay pid="), 1);
	snprintf(text, sizeof(text), form, 0, 1);
	give(f, text);
	AWAIT(f, 20,
		stage_is(f, "Running") && strcmp(json_text(relay_object(f), "stage", ""), "Running") == 0);
	AWAIT(f, 20, count_in_log(f, "started relay pid=") == 2);
	stop(f);
}

static void the_agent_killed_and_all_comes_back(void **state)
{
	struct fixture *f = *state;
	pid_t sync;

	give_task(f, "Running", "all", COPY_FAST);
	AWAIT(f, 20,
		strcmp(unit_of(f), "Sync") == 0 &&
			json_object_size(json_object_get(sub_object(f, 0), "sync")) > 0);
	sync = pid_of(f, "started sync orders pid=");
	kill(pid_of(f, "started agent name=host-1 pid="), SIGKILL);
	AWAIT(f, 20, f->hellos == 2);
	assert_int_equal(kill(sync, 0), -1);
	json_decref(f->report);
	f->report = NULL;
	AWAIT(f, 30,
		strcmp(unit_of(f), "Sync") == 0 &&
			json_object_size(json_object_get(sub_object(f, 0), "sync")) > 0);
	stop(f);
}

static void the_master_gone_and_work_goes_on(void **state)
{
	struct fixture *f = *state;
	pid_t sync;

	give_task(f, "Running", "incremental", COPY_FAST);
	AWAIT(f, 20, json_object_size(json_object_get(sub_object(f, 0), "sync")) > 0);
	sync = pid_of(f, "started sync orders pid=");
	vanish(f);
	clock_sleep_ms(2500);
	assert_int_equal(kill(sync, 0), 0);
	listen_as_master(f);
	AWAIT(f, 20, f->hellos == 2);
	json_decref(f->report);
	f->report = NULL;
	AWAIT(f, 10, stage_is(f, "Running"));
	assert_int_equal(count_in_log(f, "started sync orders pid="), 1);
	stop(f);
}

static void a_rogue_unit_is_ended(void **state)
{
	struct fixture *f = *state;

	give_task(f, "Running", "incremental", ",'sync':{'rogue':true}");
	AWAIT(f, 20, count_in_log(f, "is killed: unit_hello at the wrong time") >= 1);
	AWAIT(f, 10, error_of(f) == ERR_crashed);
	stop(f);
}

/* A beat and the farewell behind it come by different ways: the later one may be read first. */
static void a_beat_behind_the_farewell_harms_nobody(void **state)
{
	struct fixture *f = *state;

	give_task(f, "Running", "incremental", ",'sync':{'late':true}");
	AWAIT(f, 20, json_object_size(json_object_get(sub_object(f, 0), "sync")) > 0);
	give_task(f, "Paused", "incremental", ",'sync':{'late':true}");
	AWAIT(f, 15, count_in_log(f, "obituary sync orders source=src-1") == 1);
	assert_int_equal(count_in_log(f, "late was answered"), 1);
	assert_int_equal(count_in_log(f, "killed"), 0);
	AWAIT(f, 15, stage_is(f, "Paused"));
	stop(f);
}

/* This test is no child of the supervisor: whatever it says, it is nobody. */
static void a_stranger_is_not_believed(void **state)
{
	struct fixture *f = *state;
	struct msg_unit_bye bye = {.kind = UNIT_sync, .slot = 1, .sub = 2, .stage = STAGE_Finished};
	struct buf b = {0}, reply = {0};
	struct str body;
	struct err e;

	give_task(f, "Running", "incremental", COPY_FAST);
	AWAIT(f, 20, json_object_size(json_object_get(sub_object(f, 0), "sync")) > 0);
	msg_put_unit_bye(&b, link_request_id(), &bye);
	assert_int_equal(link_call_wait(link_dial(f->link, "1/agent.sock"), &b, 5000, &reply, &e), 0);
	assert_int_equal(msg_expect(buf_str(&reply), MSG_ok, &body, &e), -1);
	assert_int_equal(e.code, ERR_proto);
	run_for(f, 1200);
	assert_true(stage_is(f, "Running"));
	assert_int_equal(count_in_log(f, "started sync orders pid="), 1);
	buf_free(&b);
	buf_free(&reply);
	stop(f);
}

static void checks_are_run_once(void **state)
{
	struct fixture *f = *state;
	json_t *c;

	give(f, "{'sources':[],'checks':[{'id':7,'source':'src-9','slot':4,'sub':900," ENDPOINT "," DOWN
		",'mode':'all','rules':{}}]}");
	AWAIT(f, 20, json_flag(json_array_get(json_object_get(f->report, "checks"), 0), "done", false));
	c = json_array_get(json_object_get(f->report, "checks"), 0);
	assert_int_equal(json_num(c, "id", 0), 7);
	assert_int_equal(json_array_size(json_object_get(c, "findings")), 1);
	assert_int_equal(json_num(json_object_get(c, "error"), "code", -1), 0);
	run_for(f, 1200);
	assert_int_equal(count_in_log(f, "started check pid="), 1);
	give(f, "{'sources':[],'checks':[]}");
	AWAIT(f, 10, json_array_size(json_object_get(f->report, "checks")) == 0);
	stop(f);
}

static void bad_orders_harm_nobody(void **state)
{
	struct fixture *f = *state;

	give(f, "{'sources':[{'source':'','slot':1},{'source':'a','slot':0},{'source':'b','slot':1000},7,"
		"{'source':'c','slot':2,'subtasks':[{'task':'','sub':1},{'task':'x','sub':0},{'task':'y','"
		"sub':1000},"
		"{'task':'z','sub':1,'stage':'Dancing'}]}],"
		"'checks':[{'id':1,'slot':0,'sub':1},5]}");
	AWAIT(f, 10, json_num(f->report, "revision", 0) == 1);
	assert_int_equal(json_array_size(json_object_get(f->report, "sources")), 1);
	give_task(f, "Running", "incremental", COPY_FAST);
	AWAIT(f, 20, stage_is(f, "Running"));
	stop(f);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(copy_then_follow),
		TEST(full_mode_ends),
		TEST(dump_mode_is_a_dump_alone),
		TEST(load_mode_is_a_load_alone),
		TEST(load_and_sync_looks_loads_and_follows),
		TEST(what_was_copied_is_not_copied_again),
		TEST(a_late_relay),
		TEST(another_life_copies_again),
		TEST(pause_resume_stop),
		TEST(killed_units_come_back),
		TEST(an_error_pauses_until_resumed),
		TEST(an_error_that_retries),
		TEST(a_relay_error_pauses_its_tasks),
		TEST(the_agent_killed_and_all_comes_back),
		TEST(the_master_gone_and_work_goes_on),
		TEST(a_rogue_unit_is_ended),
		TEST(a_beat_behind_the_farewell_harms_nobody),
		TEST(a_stranger_is_not_believed),
		TEST(checks_are_run_once),
		TEST(bad_orders_harm_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
