/*
 * The master without its socket (testing.h). Names of tests say what an operator relies on.
 */
#include <fcntl.h>
#include <unistd.h>

#include "master/testing.h"

/* Does it, and looks for a text in the whole answer. */
static void says(struct master *m, const char *word, const char *args, const char *text)
{
	json_t *a = ask(m, word, args);
	struct buf b = {0};

	json_write(a, &b);
	if (!strstr(buf_cstr(&b), text))
		fail_msg("%s %s:\n%s\nhas no\n%s", word, args, buf_cstr(&b), text);
	buf_free(&b);
	json_decref(a);
}

static int64_t epoch(struct master *m, const char *id)
{
	return json_num(model_get(&m->model, STORE_SOURCE, id), "epoch", -1);
}

static void test_create_source(void **state)
{
	struct master *m = *state;
	uint64_t revision;

	says(m, "operate-source",
		"{\"op\":\"create\",\"source\":{\"source-id\":\"s1\",\"endpoint\":" EP(3306) "}}",
		"no free worker");
	revision = m->model.revision;
	source(m, "s1"); /* the same again */
	assert_int_equal(m->model.revision, revision);
	refused(m, "operate-source",
		"{\"op\":\"create\",\"source\":{\"source-id\":\"s1\",\"endpoint\":" EP(3307) "}}",
		ERR_source_exists);
	says(m, "operate-source",
		"{\"op\":\"create\",\"source\":{\"source-id\":\"s1\",\"endpoint\":{\"host\":\"h\",\"port\":"
		"3306,\"user\":"
		"\"other\",\"password\":\"tg1:BBBB\"}}}",
		"settings changed");
	assert_int_equal(m->model.revision, revision + 1);
	says(m, "operate-source", "{\"op\":\"show\"}", "\"password\":\"******\"");
}

static void test_bad_sources(void **state)
{
	struct master *m = *state;

#define BAD(source, code) refused(m, "operate-source", "{\"op\":\"create\",\"source\":" source "}", code)
	BAD("{}", ERR_config_bad);
	BAD("null", ERR_config_bad);
	BAD("{\"source-id\":\"a b\",\"endpoint\":" EP(1) "}", ERR_config_bad);
	BAD("{\"source-id\":\"a/b\",\"endpoint\":" EP(1) "}", ERR_config_bad);
	BAD("{\"source-id\":\"123456789012345678901234567890123\",\"endpoint\":" EP(1) "}", ERR_config_bad);
	BAD("{\"source-id\":\"a\"}", ERR_config_bad);
	BAD("{\"source-id\":\"a\",\"endpoint\":" EP(0) "}", ERR_config_bad);
	BAD("{\"source-id\":\"a\",\"endpoint\":{\"host\":\"h\",\"user\":\"u\",\"password\":\"plain\"}}",
		ERR_secret_bad);
	refused(m, "operate-source", "{\"op\":\"drop\"}", ERR_usage);
	refused(m, "operate-source", "{}", ERR_usage);
	refused(m, "make-coffee", "{}", ERR_usage);
	refused(m, "operate-source", "{\"op\":\"stop\",\"source\":{\"source-id\":\"nope\"}}",
		ERR_source_unknown);
}

static void test_stop_source(void **state)
{
	struct master *m = *state;

	source(m, "s1");
	ok(m, "start-task", TASK("all", ""));
	refused(m, "operate-source", "{\"op\":\"stop\",\"source\":{\"source-id\":\"s1\"}}",
		ERR_source_has_tasks);
	ok(m, "stop-task", "{\"task\":\"t\"}");
	ok(m, "operate-source", "{\"op\":\"stop\",\"source\":{\"source-id\":\"s1\"}}");
	assert_int_equal(json_object_size(m->model.tables[STORE_SOURCE]), 0);
}

static void test_start_task(void **state)
{
	struct master *m = *state;
	uint64_t revision;

	refused(m, "start-task", TASK("all", ""), ERR_source_unknown);
	source(m, "s1");
	hello(m, "host-1");
	ok(m, "start-task", TASK("all", ",\"dump\":{\"threads\":4}"));
	orders_say(m, "host-1", "\"task\":\"t\",\"sub\":1,\"stage\":\"Running\"", true);
	orders_say(m, "host-1", "\"relay\":{\"wanted\":true", true);
	orders_say(m, "other", "\"task\"", false);
	revision = m->model.revision;
	says(m, "start-task", TASK("all", ",\"dump\":{\"threads\":4}"), "already running");
	assert_int_equal(m->model.revision, revision);
	says(m, "start-task", TASK("all", ",\"dump\":{\"threads\":8}"), "settings changed");
	orders_say(m, "host-1", "\"dump\":{\"threads\":8}", true);
	refused(m, "start-task", TASK("all", ",\"rules\":{\"do_dbs\":[\"a\"]}"), ERR_task_exists);
	refused(m, "start-task", TASK("all", ",\"meta_schema\":\"other\""), ERR_task_exists);
	refused(m, "start-task", TASK("incremental", ",\"start\":{\"file\":\"b.000001\",\"offset\":4}"),
		ERR_task_exists);
	source(m, "s2");
	refused(m, "start-task",
		"{\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[\"s1\",\"s2\"],\"downstream\":" EP(
			4000) "}}",
		ERR_task_exists);
	refused(m, "start-task",
		"{\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[\"s1\"],\"downstream\":" EP(
			4001) "}}",
		ERR_task_exists);
	refused(m, "start-task",
		"{\"remove_meta\":true,\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[\"s1\"],"
		"\"downstream\":" EP(4000) "}}",
		ERR_task_exists);
}

static void test_bad_tasks(void **state)
{
	struct master *m = *state;

	source(m, "s1");
	refused(m, "start-task", "{}", ERR_config_bad);
	refused(m, "start-task", "{\"task\":[]}", ERR_config_bad);
	refused(m, "start-task", TASK("dumps", ""), ERR_config_unsupported);
	refused(m, "start-task", TASK("incremental", ""), ERR_config_bad);
	refused(m, "start-task", TASK("incremental", ",\"start\":{\"file\":\"x\"}"), ERR_config_bad);
	refused(m, "start-task", TASK("all", ",\"meta_schema\":\"\""), ERR_config_bad);
	refused(m, "start-task",
		"{\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[],\"downstream\":" EP(4000) "}}",
		ERR_config_bad);
	refused(m, "start-task",
		"{\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[1],\"downstream\":" EP(4000) "}}",
		ERR_source_unknown);
	refused(m, "start-task",
		"{\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[\"s1\",\"s1\"],\"downstream\":" EP(
			4000) "}}",
		ERR_config_bad);
	refused(m, "start-task",
		"{\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[\"s1\"],\"downstream\":{\"host\":"
		"\"h\",\"user\":\"u\","
		"\"password\":\"x\"}}}",
		ERR_secret_bad);
	assert_int_equal(json_object_size(m->model.tables[STORE_TASK]), 0);
	assert_int_equal(json_object_size(m->model.tables[STORE_SUBTASK]), 0);
}

/* Each source has what its own instance says. */
static void test_instances(void **state)
{
	struct master *m = *state;

	source(m, "s1");
	source(m, "s2");
	hello(m, "host-1");
	ok(m, "start-task",
		"{\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[\"s1\",\"s2\"],\"downstream\":" EP(
			4000) ",\"load\":{\"threads\":1},\"instances\":{\"s2\":{\"load\":{\"threads\":2},"
			      "\"rules\":{\"do_dbs\":[\"b\"]}}}}}");
	assert_int_equal(
		json_num(json_object_get(model_subtask(&m->model, "t", "s1"), "load"), "threads", 0), 1);
	assert_int_equal(
		json_num(json_object_get(model_subtask(&m->model, "t", "s2"), "load"), "threads", 0), 2);
	orders_say(m, "host-1", "\"rules\":{\"do_dbs\":[\"b\"]}", true);
	ok(m, "stop-task", "{\"task\":\"t\",\"sources\":[\"s1\"]}");
	assert_int_equal(model_count(&m->model, "t", NULL), 1);
	assert_non_null(model_get(&m->model, STORE_TASK, "t"));
	refused(m, "stop-task", "{\"task\":\"t\",\"sources\":[\"s1\"]}", ERR_source_unknown);
	ok(m, "stop-task", "{\"task\":\"t\"}");
	assert_null(model_get(&m->model, STORE_TASK, "t"));
	refused(m, "stop-task", "{\"task\":\"t\"}", ERR_task_unknown);
}

/* Names as patterns are matched with the server's case where the source says so. */
static void test_case_of_source(void **state)
{
	struct master *m = *state;

	ok(m, "operate-source",
		"{\"op\":\"create\",\"source\":{\"source-id\":\"s1\",\"case_sensitive\":true,"
		"\"endpoint\":" EP(3306) "}}");
	hello(m, "host-1");
	ok(m, "start-task", TASK("all", ",\"rules\":{\"case_sensitive\":false}"));
	orders_say(m, "host-1", "\"rules\":{\"case_sensitive\":true}", true);
}

/* An owner's start is a new epoch; a master's is not. */
static void test_epochs(void **state)
{
	struct master *m = *state;
	struct agent *a;
	uint64_t session;

	source(m, "s1");
	assert_int_equal(epoch(m, "s1"), WALL); /* above all of an earlier store that was lost */
	a = hello(m, "host-1");
	assert_int_equal(epoch(m, "s1"), WALL + 1);
	session = a->session;
	assert_ptr_equal(bind_session(m, session), a);
	a = hello(m, "host-1");
	assert_true(epoch(m, "s1") > WALL + 1);
	assert_true(a->session > session);
	assert_null(bind_session(m, session));
	assert_null(bind_session(m, 0));
	session = (uint64_t)epoch(m, "s1");
	/* Silent, but nobody else there: it keeps its sources. */
	m->now_ms += MASTER_LEASE_MS + 1;
	assert_false(bind_online(m, a));
	assert_false(bind_sources(m));
	/* Somebody else: moved, once. */
	hello(m, "host-2");
	assert_int_equal(epoch(m, "s1"), session + 1);
	orders_say(m, "host-2", "\"source\":\"s1\"", true);
	orders_say(m, "host-1", "\"source\":\"s1\"", false);
	hello(m, "host-1");
	orders_say(m, "host-2", "\"source\":\"s1\"", true);
}

/* The same process says hello again, to a master that was started again or another one: its units go on, so
 * nothing is fenced. */
static void test_hello_again(void **state)
{
	struct master *m = *state;
	int64_t was;

	source(m, "s1");
	hello_of(m, "host-1", "");
	was = epoch(m, "s1");
	hello_of(m, "host-1", "");
	assert_int_equal(epoch(m, "s1"), was + 1); /* can't be told apart */
	hello_of(m, "host-1", "p1");
	assert_int_equal(epoch(m, "s1"), was + 2);
	hello_of(m, "host-1", "p1");
	assert_int_equal(epoch(m, "s1"), was + 2);
	hello_of(m, "host-1", "p2");
	assert_int_equal(epoch(m, "s1"), was + 3);
}

/* Only a copy of the same cluster can be older, and only until somebody accepts it. */
static void test_old_store(void **state)
{
	struct master master = {.wall_s = WALL}, *m = &master;
	char path[] = "/tmp/tg-master-XXXXXX", command[60];
	struct str none = STR_LIT(""), other = STR_LIT("0123456789abcdef0123456789abcdef");
	struct err e = {0};
	struct str cluster;
	struct store *store;
	uint64_t seen;
	int64_t was;
	int dir;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY);
	store = store_open_file(dir, &e);
	assert_int_equal(master_init(m, store, &e), 0);
	source(m, "s1");
	hello(m, "host-1");
	cluster = str_of(store_cluster(m->model.store));
	was = epoch(m, "s1");
	seen = m->model.revision + 5;
	assert_int_equal(bind_check_store(m, "host-1", cluster, m->model.revision, &e), 0);
	assert_int_equal(bind_check_store(m, "host-1", none, seen, &e), 0);
	assert_int_equal(bind_check_store(m, "host-1", other, seen, &e), 0);
	assert_int_equal(bind_check_store(m, "host-1", cluster, seen, &e), -1);
	assert_int_equal(e.code, ERR_store_old);
	assert_non_null(strstr(e.text, "agent `host-1` has worked by"));
	assert_int_equal(bind_check_store(m, "host-2", none, 0, &e), -1); /* nobody is told anything by it */
	refused(m, "operate-source", "{\"op\":\"stop\",\"source\":{\"source-id\":\"s1\"}}", ERR_store_old);
	/* What only reads is answered: an operator wants to see, and to export, what would be accepted. */
	ok(m, "query-status", "{}");
	ok(m, "list-member", "{}");
	ok(m, "operate-source", "{\"op\":\"show\"}");
	ok(m, "config", "{\"kind\":\"source\"}");
	refused(m, "binlog", "{\"op\":\"list\",\"task\":\"none\"}", ERR_task_unknown);
	refused(m, "binlog", "{\"op\":\"skip\",\"task\":\"none\"}", ERR_store_old);
	refused(m, "binlog", "{}", ERR_store_old);
	ok(m, "accept-store", "{}");
	assert_true(m->model.revision > seen);
	assert_true(epoch(m, "s1") > was && epoch(m, "s1") >= (int64_t)m->wall_s);
	assert_int_equal(bind_check_store(m, "host-1", cluster, seen, &e), 0);
	seen = m->model.revision;
	was = epoch(m, "s1");
	says(m, "accept-store", "{}", "nothing to accept"); /* once more: nothing is changed by it */
	assert_int_equal(m->model.revision, seen);
	assert_int_equal(epoch(m, "s1"), was);
	/* Nobody can have seen that. */
	assert_int_equal(bind_check_store(m, "host-1", cluster, UINT64_MAX, &e), -1);
	assert_int_equal(e.code, ERR_proto);
	assert_int_equal(bind_check_store(m, "host-1", none, JSON_EXACT_MAX + 1, &e), -1);
	assert_int_equal(m->newer, 0);
	assert_int_equal(bind_check_store(m, "host-1", cluster, seen, &e), 0);
	master_fini(m);
	store_close(&store);
	store = store_open_file(dir, &e);
	assert_int_equal(store_revision(store), seen);
	store_close(&store);
	close(dir);
	snprintf(command, sizeof(command), "rm -r '%s'", path);
	assert_int_equal(system(command), 0);
}

/* A store may take longer to read than a lease lasts: that is not the agents' time. */
static void test_agents_of_before(void **state)
{
	struct master *m = *state;

	hello(m, "host-1");
	m->nagents = 0; /* as when the store was just read */
	m->now_ms += 2 * MASTER_LEASE_MS;
	master_know_agents(m);
	m->now_ms += MASTER_LEASE_MS;
	assert_true(bind_online(m, bind_find(m, "host-1")));
	m->now_ms++;
	assert_false(bind_online(m, bind_find(m, "host-1")));
}

static void test_room(void **state)
{
	struct master *m = *state;
	struct err e = {0};

	source(m, "s1");
	source(m, "s2");
	assert_non_null(bind_hello(m, &(struct hello){"small", "v", "7", 1, false}, &e));
	assert_int_equal(model_commit(&m->model, &e), 0);
	assert_string_equal(json_text(model_get(&m->model, STORE_SOURCE, "s1"), "agent", ""), "small");
	assert_string_equal(json_text(model_get(&m->model, STORE_SOURCE, "s2"), "agent", ""), "");
}

/* Hosts that change their names leave dead agents behind: the table does not fill up. */
static void test_many_names(void **state)
{
	struct master *m = *state;
	char name[20];

	source(m, "s1");
	for (int i = 0; i < 3 * MASTER_AGENTS; i++) {
		snprintf(name, sizeof(name), "host-%d", i);
		hello(m, name);
		m->now_ms += MASTER_LEASE_MS + 1;
	}
	assert_true(json_object_size(m->model.tables[STORE_AGENT]) <= MASTER_AGENTS);
	assert_string_equal(json_text(model_get(&m->model, STORE_SOURCE, "s1"), "agent", ""), name);
}

/* A number is free again only when the agent no longer lists who had it. */
static void test_numbers(void **state)
{
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");

	source(m, "s1");
	ok(m, "start-task", TASK("all", ""));
	ok(m, "stop-task", "{\"task\":\"t\"}");
	ok(m, "start-task", TASK("all", ""));
	orders_say(m, "host-1", "\"sub\":2", true);
	ok(m, "stop-task", "{\"task\":\"t\"}");
	report(m, a, "{\"revision\":1,\"sources\":[]}"); /* too old to tell */
	assert_int_equal(bind_free_sub(m, "s1"), 3);
	report(m, a, "{\"revision\":1000,\"sources\":[{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\"}]}]}");
	assert_int_equal(bind_free_sub(m, "s1"), 3);
	report(m, a, "{\"revision\":1000,\"sources\":[{\"source\":\"s1\",\"subtasks\":[]}]}");
	assert_int_equal(bind_free_sub(m, "s1"), 1);
	ok(m, "operate-source", "{\"op\":\"stop\",\"source\":{\"source-id\":\"s1\"}}");
	assert_int_equal(bind_free_slot(m), 2);
	report(m, a, "{\"revision\":1000,\"sources\":[]}");
	assert_int_equal(bind_free_slot(m), 1);
}

static void test_pause_resume(void **state)
{
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");
	uint64_t revision;

	source(m, "s1");
	refused(m, "pause-task", "{\"task\":\"t\"}", ERR_task_unknown);
	ok(m, "start-task", TASK("all", ""));
	refused(m, "pause-task", "{\"task\":\"t\",\"sources\":[\"s2\"]}", ERR_source_unknown);
	says(m, "pause-task", "{\"task\":\"t\"}", "\"op\":\"Pause\"");
	orders_say(m, "host-1", "\"stage\":\"Paused\"", true);
	revision = m->model.revision;
	says(m, "pause-task", "{\"task\":\"t\"}", "already paused");
	assert_int_equal(m->model.revision, revision);
	says(m, "query-status", "{\"task\":\"t\"}", "\"isCanceled\":true");
	says(m, "resume-task", "{\"task\":\"t\"}", "\"op\":\"Resume\"");
	orders_say(m, "host-1", "\"stage\":\"Running\",\"resumes\":1", true);
	says(m, "resume-task", "{\"task\":\"t\"}", "already running");
	report(m, a,
		"{\"revision\":9,\"sources\":[{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\",\"stage\":"
		"\"Finished\"}]}]}");
	refused(m, "pause-task", "{\"task\":\"t\"}", ERR_bad_stage);
	refused(m, "resume-task", "{\"task\":\"t\"}", ERR_bad_stage);
}

#define PAUSED(rev)                                                                                      \
	"{\"revision\":" rev ",\"sources\":[{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\",\"stage\":" \
	"\"Paused\",\"unit\":\"Load\","                                                                  \
	"\"error\":{\"code\":34019,\"text\":\"boom\"}}]}]}"

/* A pause by error lasts, keeps its reason over restarts, and an old report can't undo a resume. */
static void test_pause_by_error(void **state)
{
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");

	source(m, "s1");
	ok(m, "start-task", TASK("all", ""));
	report(m, a, PAUSED("3"));
	orders_say(m, "host-1", "\"stage\":\"Paused\"", false); /* the report is older than the task */
	report(m, a, PAUSED("100"));
	orders_say(m, "host-1", "\"stage\":\"Paused\"", true);
	says(m, "query-status", "{\"task\":\"t\"}", "\"ErrCode\":34019,\"ErrClass\":\"load-unit\"");
	says(m, "query-status", "{}",
		"Error - Some error occurred in subtask. Please run `query-status <task>`");
	hello(m, "host-1"); /* no report yet, the reason is still known */
	says(m, "query-status", "{\"task\":\"t\"}", "\"RawCause\":\"boom\"");
	says(m, "start-task", TASK("all", ""), "paused: see resume-task");
	ok(m, "resume-task", "{\"task\":\"t\"}");
	report(m, a, PAUSED("4"));
	orders_say(m, "host-1", "\"stage\":\"Running\",\"resumes\":1", true);
	/* The agent paused it and the master has not heard: resume still reaches the agent. */
	ok(m, "resume-task", "{\"task\":\"t\"}");
	orders_say(m, "host-1", "\"stage\":\"Running\",\"resumes\":2", true);
}

#define FOLLOWS(stage, rest, error)                                                                          \
	"{\"revision\":100,\"sources\":[{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\",\"stage\":\"" stage \
	"\",\"unit\":\"Sync\",\"copied\":true,\"sync\":{\"position\":\"1:7:500\"" rest "}" error "}]}]}"
#define DDL_FAILED ",\"failed_ddl\":{\"generation\":1,\"file\":\"b.000007\",\"offset\":600}"
#define BOOM ",\"error\":{\"code\":10006,\"text\":\"boom\"}"
#define SKIP "{\"op\":\"skip\",\"task\":\"t\"}"
#define OP(op, rest) "{\"op\":\"" op "\",\"task\":\"t\"" rest "}"

static struct agent *following(struct master *m)
{
	struct agent *a = hello(m, "host-1");

	source(m, "s1");
	ok(m, "start-task", TASK("all", ""));
	return a;
}

/* The statement that it is paused on, in the store and in the orders; it goes on by itself, as in DM. */
static void test_binlog_skip(void **state)
{
	struct master *m = *state;
	struct agent *a = following(m);

	refused(m, "binlog", SKIP, ERR_bad_stage); /* the copy is not done */
	report(m, a, FOLLOWS("Running", "", ""));
	refused(m, "binlog", SKIP, ERR_bad_stage); /* there is no error */
	report(m, a, FOLLOWS("Paused", DDL_FAILED, BOOM));
	orders_say(m, "host-1", "\"stage\":\"Paused\"", true);
	hello(m, "host-1"); /* another agent's life: what failed is still known */
	ok(m, "binlog", SKIP);
	orders_say(m, "host-1", "\"stage\":\"Running\",\"resumes\":1", true);
	orders_say(m, "host-1",
		"\"operators\":[{\"op\":\"skip\",\"file\":\"b.000007\",\"offset\":600,\"generation\":1,"
		"\"sqls\":[]}]",
		true);
	says(m, "query-status", "{\"task\":\"t\"}", "\"operators\":[{\"op\":\"skip\"");
	says(m, "binlog", OP("list", ""), "\\\"binlogPos\\\":\\\"b.000007:600\\\"");
	refused(m, "binlog", SKIP, ERR_bad_stage); /* not paused any more */
}

static void test_binlog_of_rows(void **state)
{
	struct master *m = *state;
	struct agent *a = following(m);

	report(m, a, FOLLOWS("Paused", "", BOOM));
	refused(m, "binlog", SKIP, ERR_bad_stage);
	says(m, "binlog", SKIP, "only DDL statements can be handled");
	refused(m, "binlog", OP("replace", ""), ERR_usage);
	refused(m, "binlog", OP("skip", ",\"sqls\":[\"DROP TABLE x\"]"), ERR_usage);
	refused(m, "binlog", OP("jump", ""), ERR_usage);
	refused(m, "binlog", OP("skip", ",\"pos\":\"b.000007\""), ERR_usage);
	refused(m, "binlog", OP("skip", ",\"pos\":\"b.7x:12z\""), ERR_usage);
	refused(m, "binlog", "{\"op\":\"list\",\"task\":\"u\"}", ERR_task_unknown);
}

static void test_binlog_positions(void **state)
{
	struct master *m = *state;
	struct agent *a = following(m);

	report(m, a, FOLLOWS("Running", "", ""));
	refused(m, "binlog", OP("skip", ",\"pos\":\"b.000007:499\""), ERR_bad_stage); /* passed */
	ok(m, "binlog", OP("skip", ",\"pos\":\"b.000008:4\""));
	ok(m, "binlog", OP("replace", ",\"pos\":\"b|000001.000007:700\",\"sqls\":[\"DROP TABLE x\"]"));
	ok(m, "binlog", OP("inject", ",\"pos\":\"b.000008:4\",\"sqls\":[\"DROP TABLE y\"]"));
	orders_say(m, "host-1", "\"stage\":\"Running\",\"resumes\":0", true);
	orders_say(m, "host-1", "\"offset\":700,\"generation\":1,\"sqls\":[\"DROP TABLE x\"]", true);
	orders_say(m, "host-1", "\"op\":\"skip\"", false); /* the later word about a position counts */
	/* As errors print it. */
	ok(m, "binlog", OP("replace", ",\"pos\":\"1:b.000007:700\",\"sqls\":[\"DROP TABLE z\"]"));
	orders_say(m, "host-1",
		"\"file\":\"b.000007\",\"offset\":700,\"generation\":1,\"sqls\":[\"DROP TABLE z\"]", true);
	orders_say(m, "host-1", "DROP TABLE x", false);
	refused(m, "binlog", OP("skip", ",\"pos\":\"1b:b.000007:700\""), ERR_usage);
	refused(m, "binlog", OP("skip", ",\"pos\":\":b.000007:700\""), ERR_usage);
	refused(m, "binlog", OP("revert", ",\"pos\":\"b.000008:5\""), ERR_bad_stage);
	ok(m, "binlog", OP("revert", ",\"pos\":\"b.000008:4\""));
	orders_say(m, "host-1", "DROP TABLE y", false);
	says(m, "binlog", OP("list", ",\"pos\":\"b.000007:701\""), "\"msg\":\"[]\"");
	/* What was passed is shown no more, and goes with the next change. */
	report(m, a,
		"{\"revision\":100,\"sources\":[{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\",\"stage\":"
		"\"Running\",\"unit\":\"Sync\",\"sync\":{\"position\":\"1:7:900\"}}]}]}");
	says(m, "binlog", OP("list", ""), "\"msg\":\"[]\"");
	ok(m, "binlog", OP("skip", ",\"pos\":\"b.000009:4\""));
	orders_say(m, "host-1", "DROP TABLE z", false);
}

#define COPIED                                                                                     \
	"{\"revision\":9,\"sources\":[{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\",\"stage\":" \
	"\"Finished\",\"copied\":true,"                                                            \
	"\"snapshot\":{\"file\":\"mysql-bin.000007\",\"offset\":5}}]}]}"

static void test_copied(void **state)
{
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");
	uint64_t revision;

	source(m, "s1");
	ok(m, "start-task", TASK("full", ""));
	orders_say(m, "host-1", "\"relay\":{\"wanted\":false", true);
	report(m, a, COPIED);
	revision = m->model.revision;
	report(m, a, COPIED);
	assert_int_equal(m->model.revision, revision);
	orders_say(m, "host-1", "\"copied\":true,\"snapshot\":{\"file\":\"mysql-bin.000007\",\"offset\":5}",
		true);
	/* Following it now, from where the copy was made. */
	says(m, "start-task", TASK("all", ""), "settings changed");
	orders_say(m, "host-1", "\"relay\":{\"wanted\":true", true);
	orders_say(m, "host-1", "\"copied\":true", true);
	/* A report for a source that another agent has now is not believed. */
	ok(m, "stop-task", "{\"task\":\"t\"}");
	ok(m, "start-task", TASK("full", ""));
	m->now_ms += MASTER_LEASE_MS + 1;
	hello(m, "host-2");
	report(m, a, COPIED);
	orders_say(m, "host-2", "\"copied\":true", false);
}

static void test_remove_meta(void **state)
{
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");

	source(m, "s1");
	ok(m, "start-task",
		"{\"remove_meta\":true,\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[\"s1\"],"
		"\"downstream\":" EP(4000) "}}");
	orders_say(m, "host-1", "\"remove_meta\":true", true);
	report(m, a,
		"{\"revision\":9,\"sources\":[{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\",\"load\":{"
		"\"phase\":\"schema\"}}]}]}");
	orders_say(m, "host-1", "\"remove_meta\":true", true);
	report(m, a,
		"{\"revision\":9,\"sources\":[{\"source\":\"s1\",\"subtasks\":[{\"task\":\"t\",\"load\":{"
		"\"phase\":\"load\"}}]}]}");
	orders_say(m, "host-1", "\"remove_meta\":false", true);
}

/* Whatever an agent reports, the master stays up. */
static void test_hostile_reports(void **state)
{
	static const char *const reports[] = {"[]", "{}", "{\"sources\":1}", "{\"sources\":[1,null,[]]}",
		"{\"sources\":[{\"source\":1}]}",
		"{\"revision\":-1,\"sources\":[{\"source\":\"s1\",\"subtasks\":{}}]}",
		"{\"revision\":99,\"sources\":[{\"source\":\"s1\",\"subtasks\":[{},1,{\"task\":\"t\","
		"\"stage\":1,\"copied\":true,"
		"\"snapshot\":[],\"error\":\"x\",\"dump\":[],\"load\":1,\"sync\":null,\"unit\":\"Sync\"}],"
		"\"relay\":[]}],\"checks\":{}}",
		"{\"revision\":99,\"sources\":[{\"source\":\"s1\",\"relay\":{\"stage\":\"Running\","
		"\"status\":{\"position\":\"x\","
		"\"base\":7,\"master\":4}},\"subtasks\":[{\"task\":\"t\",\"unit\":\"Sync\",\"sync\":{"
		"\"file\":\"x\",\"rows\":-5}}]}]}",
		"{\"checks\":[{\"id\":\"x\",\"done\":1}]}"};
	struct master *m = *state;
	struct agent *a = hello(m, "host-1");

	source(m, "s1");
	ok(m, "start-task", TASK("all", ""));
	for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
		report(m, a, reports[i]);
		m->now_ms += 1500;
		ok(m, "query-status", "{\"task\":\"t\"}");
		ok(m, "query-status", "{}");
		ok(m, "list-member", "{}");
	}
}

static void test_list_member(void **state)
{
	struct master *m = *state;

	hello(m, "host-1");
	says(m, "list-member", "{}", "\"name\":\"host-1\",\"addr\":\"\",\"stage\":\"free\",\"source\":\"\"");
	source(m, "s1");
	says(m, "list-member", "{}", "\"stage\":\"bound\",\"source\":\"s1\"");
	m->now_ms += MASTER_LEASE_MS + 1;
	says(m, "list-member", "{}", "\"stage\":\"offline\",\"source\":\"s1\"");
	says(m, "list-member", "{}", "{\"leader\":{\"msg\":\"\",\"name\":\"master\"");
	snprintf(m->agents[0].host, sizeof(m->agents[0].host), "192.0.2.7");
	says(m, "list-member", "{}", "\"addr\":\"192.0.2.7\"");
	m->address = "/run/x/master.sock";
	says(m, "list-member", "{}", "\"addr\":\"ipc:///run/x/master.sock\"");
	m->address = "tls+tcp://db1:8261";
	says(m, "list-member", "{}", "\"clientURLs\":[\"tls+tcp://db1:8261\"]");
}

static void test_members_chosen(void **state)
{
	struct master *m = *state;

	hello(m, "host-1");
	says(m, "list-member", "{\"kinds\":[\"worker\"],\"names\":[\"host-1\"]}",
		"\"members\":[{\"worker\":");
	says(m, "list-member", "{\"kinds\":[\"worker\"],\"names\":[\"host-2\"]}", "\"workers\":[]");
	says(m, "list-member", "{\"names\":[\"host-1\"]}", "\"masters\":[]");
	says(m, "list-member", "{\"kinds\":[\"leader\"]}",
		"\"members\":[{\"leader\":{\"msg\":\"\",\"name\":\"master\",\"addr\":\"ipc://"
		"master.sock\"}}]");
}

/* A host that is gone for good: its sources wait for others, its name is free again. */
static void test_offline_member(void **state)
{
	struct master *m = *state;
	int64_t was;

	source(m, "s1");
	hello(m, "host-1");
	was = epoch(m, "s1");
	refused(m, "offline-member", "{\"kind\":\"worker\",\"name\":\"host-2\"}", ERR_member_unknown);
	refused(m, "offline-member", "{\"kind\":\"worker\"}", ERR_member_unknown);
	refused(m, "offline-member", "{\"kind\":\"master\",\"name\":\"master\"}", ERR_member_online);
	refused(m, "offline-member", "{\"kind\":\"worker\",\"name\":\"host-1\"}", ERR_member_online);
	m->now_ms += MASTER_LEASE_MS + 1;
	ok(m, "offline-member", "{\"kind\":\"worker\",\"name\":\"host-1\"}");
	says(m, "list-member", "{\"kinds\":[\"worker\"]}", "\"workers\":[]");
	says(m, "operate-source", "{\"op\":\"show\"}", "no free worker");
	refused(m, "offline-member", "{\"kind\":\"worker\",\"name\":\"host-1\"}", ERR_member_unknown);
	hello(m, "host-2");
	orders_say(m, "host-2", "\"source\":\"s1\"", true);
	assert_true(epoch(m, "s1") > was);
}

/* With another agent alive the sources are its at once. */
static void test_offline_member_beside(void **state)
{
	struct master *m = *state;
	struct agent *b;

	source(m, "s1");
	hello(m, "host-1");
	b = hello(m, "host-2");
	m->now_ms += MASTER_LEASE_MS + 1;
	b->seen_ms = m->now_ms;
	ok(m, "offline-member", "{\"kind\":\"worker\",\"name\":\"host-1\"}");
	orders_say(m, "host-2", "\"source\":\"s1\"", true);
}

static void test_relay_words(void **state)
{
	struct master *m = *state;
	uint64_t revision;

	source(m, "s1");
	hello(m, "host-1");
	refused(m, "start-relay", "{}", ERR_usage);
	refused(m, "start-relay", "{\"sources\":[\"s1\",\"nope\"]}", ERR_source_unknown);
	refused(m, "start-relay", "{\"sources\":[\"s1\"],\"workers\":[\"host-2\"]}", ERR_bad_stage);
	orders_say(m, "host-1", "\"relay\":{\"wanted\":false", true);
	ok(m, "start-relay", "{\"sources\":[\"s1\"],\"workers\":[\"host-1\"]}");
	orders_say(m, "host-1", "\"relay\":{\"wanted\":true", true);
	revision = m->model.revision;
	says(m, "start-relay", "{\"sources\":[\"s1\"]}", "already kept");
	assert_int_equal(m->model.revision, revision);
	ok(m, "start-task", TASK("all", ""));
	says(m, "stop-relay", "{\"sources\":[\"s1\"]}", "it goes on for the source's tasks");
	orders_say(m, "host-1", "\"relay\":{\"wanted\":true", true);
	ok(m, "stop-task", "{\"task\":\"t\"}");
	orders_say(m, "host-1", "\"relay\":{\"wanted\":false", true);
}

static void test_update_source(void **state)
{
	struct master *m = *state;

#define UPDATE(rest) "{\"op\":\"update\",\"source\":{\"source-id\":\"s1\"" rest "}}"
	refused(m, "operate-source", UPDATE(",\"endpoint\":" EP(3306)), ERR_source_unknown);
	source(m, "s1");
	refused(m, "operate-source", UPDATE(""), ERR_config_bad);
	refused(m, "operate-source", UPDATE(",\"endpoint\":" EP(3307)), ERR_source_exists);
	says(m, "operate-source", UPDATE(",\"enable_relay\":true,\"endpoint\":" EP(3306)),
		"settings changed");
#undef UPDATE
}

/* DM's words for what is not there: an empty answer where one asks, a refusal where one wants something. */
static void test_not_there(void **state)
{
	struct master *m = *state;

	says(m, "shard-ddl-lock", "{}", "\"msg\":\"no DDL lock exists\",\"locks\":[]");
	refused(m, "shard-ddl-lock", "{\"unlock\":\"t-`a`.`b`\"}", ERR_bad_stage);
	says(m, "validation", "{\"op\":\"status\"}", "\"validators\":[],\"tableStatuses\":[]");
	says(m, "validation", "{\"op\":\"show-error\"}", "\"error\":[]");
	refused(m, "validation", "{\"op\":\"start\"}", ERR_bad_stage);
	refused(m, "validation", "{}", ERR_bad_stage);
}

/* The file that a source or a task was made by is kept; what is given out has the password only when asked.
 */
static void test_config(void **state)
{
	struct master *m = *state;

	ok(m, "operate-source",
		"{\"op\":\"create\",\"source\":{\"source-id\":\"s1\",\"yaml\":\"a: 1\\n\",\"endpoint\":" EP(
			3306) "}}");
	hello(m, "host-1");
	ok(m, "start-task", TASK("all", ",\"yaml\":\"b: 2\\n\""));
	says(m, "config", "{\"kind\":\"source\"}", "\"names\":[\"s1\"]");
	says(m, "config", "{\"kind\":\"task\",\"name\":\"t\"}", "\"cfg\":\"b: 2\\n\"}");
	says(m, "config", "{\"kind\":\"source\",\"name\":\"s1\",\"secret\":true}",
		"\"password\":\"tg1:AAAA\",\"enable_relay\":false,\"worker\":\"host-1\"");
	ok(m, "start-task", TASK("all", ",\"yaml\":\"b: 3\\n\""));
	says(m, "config", "{\"kind\":\"task\",\"name\":\"t\"}", "b: 3");
	source(m, "s1"); /* without a file: what it says is no longer true */
	refused(m, "config", "{\"kind\":\"source\",\"name\":\"s1\"}", ERR_bad_stage);
	refused(m, "config", "{\"kind\":\"source\",\"name\":\"s2\"}", ERR_source_unknown);
	refused(m, "config", "{\"kind\":\"task\",\"name\":\"s1\"}", ERR_task_unknown);
	refused(m, "config", "{\"kind\":\"relay\"}", ERR_usage);
	says(m, "config", "{\"kind\":\"master\"}", "\"names\":[\"master\"]");
}

/* --more: what query-status says of a named task, of all. */
static void test_more_status(void **state)
{
	struct master *m = *state;

	source(m, "s1");
	hello(m, "host-1");
	ok(m, "start-task", TASK("all", ""));
	says(m, "query-status", "{}", "\"taskName\":\"t\"");
	says(m, "query-status", "{\"more\":true}", "\"subTaskStatus\":[{\"name\":\"t\"");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_create_source),
		T(test_update_source),
		T(test_members_chosen),
		T(test_offline_member),
		T(test_offline_member_beside),
		T(test_relay_words),
		T(test_not_there),
		T(test_config),
		T(test_more_status),
		T(test_bad_sources),
		T(test_stop_source),
		T(test_start_task),
		T(test_bad_tasks),
		T(test_instances),
		T(test_case_of_source),
		T(test_epochs),
		T(test_hello_again),
		T(test_old_store),
		T(test_agents_of_before),
		T(test_room),
		T(test_many_names),
		T(test_numbers),
		T(test_pause_resume),
		T(test_pause_by_error),
		T(test_binlog_skip),
		T(test_binlog_of_rows),
		T(test_binlog_positions),
		T(test_copied),
		T(test_remove_meta),
		T(test_hostile_reports),
		T(test_list_member),
	};

	log_set_level(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
