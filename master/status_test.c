/* query-status word for word as DM writes it, out of a report with everything in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/base/log.h"
#include "common/config/json.h"
#include "master/bind.h"
#include "master/command.h"
#include "master/report.h"
#include "master/shape.h"

static void same(json_t *o, const char *text)
{
	json_t *want = json_loads(text, JSON_DECODE_ANY, NULL);
	struct buf b = {0};

	assert_non_null(want);
	json_write(o, &b);
	if (!json_equal(o, want))
		fail_msg("%s\nis not\n%s", buf_cstr(&b), text);
	buf_free(&b);
	json_decref(want);
	json_decref(o);
}

static json_t *parse(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	if (!o)
		fail_msg("%s", text);
	return o;
}

/* One member of a shape that is given up. */
static json_t *take(json_t *o, const char *key)
{
	json_t *v = json_incref(json_object_get(o, key));

	json_decref(o);
	return v;
}

static void test_dump(void **state)
{
	json_t *u = parse("{\"phase\":\"dump\",\"tables_total\":10,\"tables_done\":3,\"rows_done\":3052,"
			  "\"rows_estimated\":10000,"
			  "\"bytes_done\":777}");
	const struct speed sp = {.dump_bps = 1234.6};

	(void)state;
	same(shape_dump(u, &sp), "{\"totalTables\":\"10\",\"completedTables\":3.0,\"finishedBytes\":777.0,"
				 "\"finishedRows\":3052.0,"
				 "\"estimateTotalRows\":10000.0,\"bps\":\"1235\",\"progress\":\"30.52 %\"}");
	json_object_set_new(u, "rows_done", json_integer(20000));
	same(take(shape_dump(u, NULL), "progress"), "\"99.99 %\"");
	json_decref(u);
	same(shape_dump(NULL, NULL),
		"{\"totalTables\":\"0\",\"completedTables\":0.0,\"finishedBytes\":0.0,\"finishedRows\":0.0,"
		"\"estimateTotalRows\":0.0,\"bps\":\"0\",\"progress\":\"0.00 %\"}");
}

static void test_load(void **state)
{
	json_t *r = parse("{\"load\":{\"phase\":\"load\",\"tables_total\":3,\"rows_done\":2544,\"rows_"
			  "estimated\":10000,\"bytes_done\":2544,\"bytes_estimated\":10000,\"snapshot\":{"
			  "\"file\":\"bin.000001\",\"offset\":155,\"gtid\":\"0-1-2\"}}}");

	(void)state;
	same(shape_load(r, NULL), "{\"finishedBytes\":\"2544\",\"totalBytes\":\"10000\",\"progress\":"
				  "\"25.44 %\",\"metaBinlog\":"
				  "\"(bin.000001, 155)\",\"metaBinlogGTID\":\"0-1-2\",\"bps\":\"0\"}");
	json_object_set_new(r, "dump",
		parse("{\"phase\":\"serve\",\"tables_total\":3,\"bytes_done\":12000,\"bytes_estimated\":"
		      "12000,"
		      "\"bytes_taken\":2544}"));
	same(take(shape_load(r, NULL), "totalBytes"), "\"12000\"");
	json_object_set_new(json_object_get(r, "load"), "phase", json_string("done"));
	same(take(shape_load(r, NULL), "progress"), "\"100.00 %\"");
	json_decref(r);
}

static void test_sync(void **state)
{
	json_t *u = parse("{\"phase\":\"live\",\"position\":\"1:3:4711\",\"base\":\"mysql-bin\",\"file\":"
			  "\"mysql-bin.000003\","
			  "\"offset\":4711,\"gtid\":\"0-1-9\",\"transactions\":50,\"rows\":1000,\"ddls\":2,"
			  "\"bytes\":5000000000,"
			  "\"lag_ms\":2600,\"rows_s\":12,\"transactions_s\":3}");
	json_t *relay =
		parse("{\"master\":{\"file\":\"mysql-bin.000003\",\"offset\":4711,\"gtid\":\"0-1-9\"}}");
	struct speed sp = {.first_ms = 1000};
	json_t *o;

	(void)state;
	same(shape_sync(u, relay, &sp, 11000), "{\"totalEvents\":\"1002\",\"totalTps\":\"5\",\"recentTps\":"
					       "\"3\",\"masterBinlog\":\"(mysql-bin.000003, 4711)\","
					       "\"masterBinlogGtid\":\"0-1-9\",\"syncerBinlog\":\"(mysql-bin."
					       "000003, 4711)\",\"syncerBinlogGtid\":\"0-1-9\","
					       "\"blockingDDLs\":[],\"unresolvedGroups\":[],\"synced\":true,"
					       "\"binlogType\":\"local\",\"secondsBehindMaster\":\"3\","
					       "\"blockDDLOwner\":\"\",\"conflictMsg\":\"\",\"totalRows\":"
					       "\"1000\",\"totalRps\":\"100\",\"recentRps\":\"12\","
					       "\"ioTotalBytes\":\"5000000000\",\"dumpIOTotalBytes\":\"0\"}");
	/* Paused: the lag goes on, the speed of the moment does not. */
	sp.still_ms = 9000;
	same(take(shape_sync(u, relay, &sp, 11000), "secondsBehindMaster"), "\"5\"");
	same(take(shape_sync(u, relay, &sp, 11000), "recentRps"), "\"0\"");
	json_object_set_new(json_object_get(relay, "master"), "offset", json_integer(4712));
	o = shape_sync(u, relay, NULL, 0);
	assert_false(json_flag(o, "synced", true));
	json_decref(o);
	json_object_set_new(json_object_get(relay, "master"), "offset", json_integer(4));
	json_object_set_new(json_object_get(relay, "master"), "generation", json_integer(2));
	o = shape_sync(u, relay, NULL, 0);
	assert_false(json_flag(o, "synced", true)); /* the name is the same, the server is not */
	json_decref(o);
	json_object_set_new(json_object_get(relay, "master"), "generation", json_integer(1));
	json_object_set_new(u, "file", json_string("mysql-bin.1000000"));
	o = shape_sync(u, relay, NULL, 0);
	assert_true(json_flag(o, "synced", false));
	json_decref(o);
	o = shape_sync(NULL, NULL, NULL, 0);
	assert_false(json_flag(o, "synced", true));
	assert_string_equal(json_text(o, "syncerBinlog", "-"), "");
	json_decref(o);
	json_decref(u);
	json_decref(relay);
}

static void test_relay(void **state)
{
	json_t *r = parse("{\"stage\":\"Running\",\"status\":{\"position\":\"1:3:9000\",\"base\":\"mysql-"
			  "bin\",\"gtid\":\"0-1-8\","
			  "\"sub_dir\":\"uuid.000001\",\"master\":{\"file\":\"mysql-bin.000003\",\"offset\":"
			  "9001,\"gtid\":\"0-1-9\"}}}");

	(void)state;
	same(shape_relay(r),
		"{\"masterBinlog\":\"(mysql-bin.000003, "
		"9001)\",\"masterBinlogGtid\":\"0-1-9\",\"relaySubDir\":"
		"\"uuid.000001\",\"relayBinlog\":\"(mysql-bin.000003, 9000)\",\"relayBinlogGtid\":\"0-1-8\","
		"\"relayCatchUpMaster\":false,\"stage\":\"Running\",\"result\":null}");
	same(shape_relay(NULL), "null");
	json_decref(r);
}

#define EP "{\"host\":\"h\",\"port\":1,\"user\":\"u\",\"password\":\"tg1:AAAA\"}"

static json_t *ask(struct master *m, const char *word, const char *args)
{
	json_t *o = parse(args), *answer;
	struct link_req *req = (struct link_req *)m; /* never looked into by these commands */
	bool changed;

	answer = command_run(m, word, o, &req, &changed);
	json_decref(o);
	return answer;
}

static void no_check(struct master *m, struct link_req **req, json_t *answer)
{
	(void)m, (void)req;
	json_decref(answer);
}

static void same_refusals(struct master *m)
{
	same(ask(m, "query-status", "{\"task\":\"nope\"}"),
		"{\"result\":false,\"msg\":\"there is no task `nope`\",\"code\":46015}");
	same(ask(m, "query-status", "{\"sources\":[\"nope\"]}"),
		"{\"result\":false,\"msg\":\"there is no source `nope`\",\"code\":20031}");
}

/* The whole answer, every member. */
static void test_answer(void **state)
{
	static struct master m;
	struct err e = {0};
	struct agent *a;

	(void)state;
	m.now_ms = 5000;
	m.wall_s = 100;
	assert_int_equal(master_init(&m, NULL, &e), 0);
	json_decref(ask(&m, "operate-source",
		"{\"op\":\"create\",\"source\":{\"source-id\":\"s1\",\"endpoint\":" EP "}}"));
	same(ask(&m, "query-status", "{}"), "{\"result\":true,\"msg\":\"\",\"tasks\":[]}");
	same(ask(&m, "query-status", "{\"sources\":[\"s1\"]}"),
		"{\"result\":true,\"msg\":\"\",\"sources\":[{\"result\":false,\"msg\":\"source s1 relative "
		"worker-client not found\","
		"\"sourceStatus\":{\"source\":\"s1\",\"worker\":\"\",\"result\":null,\"relayStatus\":null},"
		"\"subTaskStatus\":[],"
		"\"tidegate\":{\"relay\":{},\"relay_stage\":\"\",\"relay_restarts\":0,\"relay_error\":{}}}]"
		"}");
	a = bind_hello(&m, &(struct hello){"host-1", "v", "p", 1, false}, &e);
	assert_int_equal(model_commit(&m.model, &e), 0);
	json_decref(ask(&m, "start-task",
		"{\"task\":{\"name\":\"t\",\"mode\":\"all\",\"sources\":[\"s1\"],\"downstream\":" EP "}}"));
	same(ask(&m, "query-status", "{}"), "{\"result\":true,\"msg\":\"\",\"tasks\":[{\"taskName\":\"t\","
					    "\"taskStatus\":\"New\",\"sources\":[\"s1\"]}]}");
	assert_int_equal(report_take(&m, a,
				 parse("{\"revision\":5,\"sources\":[{\"source\":\"s1\",\"relay\":{\"stage\":"
				       "\"Paused\",\"restarts\":2,"
				       "\"status\":{},\"error\":{\"code\":30015,\"text\":\"gone\"}},"
				       "\"subtasks\":[{\"task\":\"t\","
				       "\"stage\":\"Running\",\"unit\":\"Load\",\"copied\":false,"
				       "\"snapshot\":{\"file\":\"b.000001\"},"
				       "\"restarts\":1,\"dump\":{},\"load\":{\"phase\":\"load\"},\"sync\":{},"
				       "\"error\":{\"code\":10003,"
				       "\"text\":\"lost\"}}]}]}"),
				 no_check, &e),
		0);
	same(ask(&m, "query-status", "{\"task\":\"t\"}"),
		"{\"result\":true,\"msg\":\"\",\"sources\":[{\"result\":true,\"msg\":\"\",\"sourceStatus\":{"
		"\"source\":\"s1\","
		"\"worker\":\"host-1\",\"result\":null,\"relayStatus\":{\"masterBinlog\":\"\","
		"\"masterBinlogGtid\":\"\","
		"\"relaySubDir\":\"\",\"relayBinlog\":\"\",\"relayBinlogGtid\":\"\",\"relayCatchUpMaster\":"
		"false,\"stage\":\"Paused\","
		"\"result\":{\"isCanceled\":false,\"errors\":[{\"ErrCode\":30015,\"ErrClass\":\"relay-unit\","
		"\"ErrScope\":\"upstream\","
		"\"ErrLevel\":\"high\",\"Message\":\"reading the binlog from the upstream failed: "
		"gone\",\"RawCause\":\"gone\","
		"\"Workaround\":\"it is tried again; see the server's "
		"message\"}],\"detail\":null}}},\"subTaskStatus\":[{\"name\":\"t\","
		"\"stage\":\"Running\",\"unit\":\"Load\",\"result\":null,\"unresolvedDDLLockID\":\"\","
		"\"load\":{\"finishedBytes\":\"0\","
		"\"totalBytes\":\"0\",\"progress\":\"0.00 "
		"%\",\"metaBinlog\":\"\",\"metaBinlogGTID\":\"\",\"bps\":\"0\"},"
		"\"validation\":null,\"tidegate\":{\"dump\":{},\"load\":{\"phase\":\"load\"},\"sync\":{},"
		"\"error\":{\"code\":10003,"
		"\"text\":\"lost\"},\"copied\":false,\"snapshot\":{\"file\":\"b.000001\"},\"restarts\":1,"
		"\"wanted\":\"Running\","
		"\"sub\":1,\"operators\":[],\"copy\":{\"tables_done\":0,\"tables_total\":0,\"rows_done\":0,"
		"\"rows_estimated\":0,\"bytes_done\":0,\"bytes_estimated\":0,\"percent\":0.0,\"rows_s\":0,"
		"\"bytes_s\":0,\"left_s\":null,\"tables\":[]}}}],\"tidegate\":{\"relay\":{},\"relay_stage\":"
		"\"Paused\",\"relay_"
		"restarts\":2,"
		"\"relay_error\":{\"code\":30015,"
		"\"text\":\"gone\"}}}]}");
	same_refusals(&m);
	/* The relay counts once the task follows. */
	assert_int_equal(report_take(&m, a,
				 parse("{\"revision\":5,\"sources\":[{\"source\":\"s1\",\"relay\":{\"stage\":"
				       "\"Paused\"},\"subtasks\":[{"
				       "\"task\":\"t\",\"stage\":\"Running\",\"unit\":\"Sync\"}]}]}"),
				 no_check, &e),
		0);
	same(ask(&m, "query-status", "{}"),
		"{\"result\":true,\"msg\":\"\",\"tasks\":[{\"taskName\":\"t\",\"taskStatus\":\"Error - Relay "
		"status is Paused. Please "
		"run `query-status <task>` to get more details.\",\"sources\":[\"s1\"]}]}");
	master_fini(&m);
}

/* Before the agent has told: which of DM's units comes first, and its numbers. */
static void test_units(void **state)
{
	static const struct {
		const char *mode, *unit, *shape;
		bool copied;
	} all[] = {{"all", "Dump", "dump", false}, {"all", "Sync", "sync", true},
		{"full", "Dump", "dump", false}, {"full", "Load", "load", true},
		{"dump", "Dump", "dump", false}, {"dump", "Dump", "dump", true},
		{"load", "Load", "load", false}, {"load", "Load", "load", true},
		{"load&sync", "Load", "load", false}, {"load&sync", "Sync", "sync", true}};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		static struct master m;
		char text[400];
		json_t *answer, *status, *doc;

		m = (struct master){.now_ms = 5000, .wall_s = 100};
		assert_int_equal(master_init(&m, NULL, NULL), 0);
		json_decref(ask(&m, "operate-source",
			"{\"op\":\"create\",\"source\":{\"source-id\":\"s1\",\"endpoint\":" EP "}}"));
		snprintf(text, sizeof(text),
			"{\"task\":{\"name\":\"t\",\"mode\":\"%s\",\"sources\":[\"s1\"],\"downstream\":" EP
			"}}",
			all[i].mode);
		json_decref(ask(&m, "start-task", text));
		doc = json_deep_copy(model_get(&m.model, STORE_SUBTASK, "t/s1"));
		assert_non_null(doc);
		json_object_set_new(doc, "copied", json_boolean(all[i].copied));
		model_set(&m.model, STORE_SUBTASK, "t/s1", doc);
		assert_int_equal(model_commit(&m.model, NULL), 0);
		answer = ask(&m, "query-status", "{\"task\":\"t\"}");
		status = json_array_get(json_object_get(json_array_get(json_object_get(answer, "sources"), 0),
						"subTaskStatus"),
			0);
		if (strcmp(json_text(status, "unit", ""), all[i].unit) != 0)
			fail_msg("%s: %s", all[i].mode, json_text(status, "unit", ""));
		assert_true(json_is_object(json_object_get(status, all[i].shape)));
		json_decref(answer);
		master_fini(&m);
	}
}

/* Speeds come from successive reports; a counter that fell starts again. */
static void test_speed(void **state)
{
	static struct master m;
	json_t *r = parse("{\"sync\":{\"rows\":100,\"transactions\":10},\"load\":{\"bytes_done\":1000}}");
	const struct speed *sp;

	(void)state;
	m.now_ms = 5000;
	assert_int_equal(master_init(&m, NULL, NULL), 0);
	speed_take(&m, "t", "s", r); /* no such subtask: not kept */
	assert_null(speed_get(&m, "t", "s"));
	model_set(&m.model, STORE_SUBTASK, "t/s", json_object());
	assert_int_equal(model_commit(&m.model, NULL), 0);
	speed_take(&m, "t", "s", r);
	json_object_set_new(json_object_get(r, "sync"), "rows", json_integer(300));
	json_object_set_new(json_object_get(r, "load"), "bytes_done", json_integer(5000));
	m.now_ms += 500;
	speed_take(&m, "t", "s", r);
	sp = speed_get(&m, "t", "s");
	assert_true(sp->load_bps == 0);
	m.now_ms += 1500;
	speed_take(&m, "t", "s", r);
	assert_true(sp->load_bps == 2000 && sp->still_ms == 0);
	json_object_set_new(r, "stage", json_string("Paused"));
	speed_take(&m, "t", "s", r);
	m.now_ms += 500;
	json_object_set_new(json_object_get(r, "sync"), "rows", json_integer(1));
	speed_take(&m, "t", "s", r);
	assert_true(sp->load_bps == 0 && sp->rows == 1 && sp->still_ms == 7000);
	json_object_set_new(r, "stage", json_string("Running"));
	speed_take(&m, "t", "s", r);
	assert_true(sp->still_ms == 0);
	json_decref(r);
	master_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_sync),
		cmocka_unit_test(test_relay),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_speed),
	};

	log_set_level(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
