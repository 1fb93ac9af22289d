/*
 * A source that goes between hosts: what of the time before still counts, and what its relay is told of a log
 * that another host had. No process runs: their states are set by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/orders.h"
#include "agent/report.h"
#include "agent/slice.h"
#include "agent/source.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/json.h"

static int begin(void **state)
{
	struct agent *a = calloc(1, sizeof(*a));

	a->slots = 9;
	a->log_level = "info";
	a->supervisor_leaving = true; /* nothing is started */
	*state = a;
	return 0;
}

static int end(void **state)
{
	struct agent *a = *state;

	while (a->sources) {
		struct source *gone = a->sources;

		for (struct proc *p = a->procs; p; p = p->next)
			p->state = PROC_OFF;
		source_free(&gone);
	}
	json_decref(a->orders);
	free(a);
	return 0;
}

/* Quotes are single ones. */
static json_t *read_text(const char *text)
{
	char copy[2000];
	json_t *o;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *c = copy; *c; c++)
		if (*c == '\'')
			*c = '"';
	o = json_loads(copy, 0, NULL);
	if (!o)
		fail_msg("bad JSON: %s", copy);
	return o;
}

/* subtasks: without their brackets. */
static void give(struct agent *a, int64_t revision, int64_t epoch, const char *subtasks)
{
	char text[2000];

	snprintf(text, sizeof(text),
		"{'revision':%lld,'sources':[{'source':'s','slot':1,'epoch':%lld,'relay':{'wanted':true},"
		"'subtasks':[%s]}]}",
		(long long)revision, (long long)epoch, subtasks);
	orders_set(a, read_text(text));
}

#define AT(generation, file, gtid)                                                                           \
	"{'generation':" #generation ",'file':'" file "','offset':4,'gtid':'" gtid "','head':'h" #generation \
	"'}"
#define TASK(name, sub, more) \
	"{'task':'" name "','sub':" #sub ",'mode':'all','stage':'Running','resumes':0,'copied':true," more "}"

static void tells(struct subtask *t, struct proc *p, const char *status)
{
	json_decref(p->status);
	p->status = read_text(status);
	p->ops->status(t, p);
}

static void ends(struct subtask *t, struct proc *p, enum err_code code)
{
	p->state = PROC_OFF;
	err_set(&p->error, code, "x");
	p->ops->ended(t, p, PROC_FAILED);
}

/* An option of the relay's slice as text. */
static const char *told(struct agent *a, const char *key)
{
	static char text[500];
	json_t *o = slice_relay(a->sources, a->sources->relay),
	       *v = json_object_get(json_object_get(o, "options"), key);
	char *dump = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	snprintf(text, sizeof(text), "%s", dump ? dump : "");
	free(dump);
	json_decref(o);
	return text;
}

/* Cut off while another agent had it, its sync ended with 60501: not a reason to pause under a new epoch. */
static void an_error_of_another_epoch_is_over(void **state)
{
	struct agent *a = *state;
	struct subtask *t;

	give(a, 3, 7, TASK("t", 1, "'at':" AT(1, "bin.000003", "0-1-3")));
	t = a->sources->subtasks;
	assert_int_equal(t->stage, STAGE_Running);
	t->sync->state = PROC_ALIVE;
	tells(t, t->sync, "{'need':" AT(1, "bin.000005", "0-1-5") "}");
	assert_string_equal(told(a, "start_file"), "\"bin.000005\"");
	ends(t, t->sync, ERR_sync_fenced);
	orders_tick(a, 1);
	assert_int_equal(t->stage, STAGE_Paused);
	/* A wish that lasts is no new one. */
	give(a, 4, 7, TASK("t", 1, "'at':" AT(1, "bin.000003", "0-1-3")));
	assert_int_equal(t->stage, STAGE_Paused);
	give(a, 9, 9, TASK("t", 1, "'at':" AT(2, "bin.000001", "0-1-9")));
	assert_int_equal(t->stage, STAGE_Running);
	assert_int_equal(t->error.code, 0);
	assert_null(t->sync->status);
	assert_string_equal(told(a, "start_file"), "\"bin.000001\"");
	assert_string_equal(told(a, "start_generation"), "2");
}

/* Its sync still runs when the source comes back: what it tells and how it ends does not count. */
static void a_unit_of_another_epoch_is_not_heard(void **state)
{
	struct agent *a = *state;
	struct subtask *t;

	give(a, 3, 7, TASK("t", 1, "'at':" AT(1, "bin.000003", "0-1-3")));
	t = a->sources->subtasks;
	t->sync->state = PROC_ALIVE;
	give(a, 9, 9, TASK("t", 1, "'at':" AT(2, "bin.000001", "0-1-9")));
	assert_int_equal(t->stage, STAGE_Resuming);
	tells(t, t->sync, "{'need':" AT(1, "bin.000005", "0-1-5") "}");
	assert_null(t->sync->status);
	ends(t, t->sync, ERR_sync_fenced);
	orders_tick(a, 1);
	assert_int_equal(t->stage, STAGE_Running);
	t->sync->state = PROC_ALIVE;
	tells(t, t->sync, "{'need':" AT(2, "bin.000002", "0-1-10") "}");
	assert_string_equal(told(a, "start_file"), "\"bin.000002\"");
	assert_null(strstr(told(a, "needs"), "lost"));
	tells(t, t->sync,
		"{'need':{'generation':2,'file':'bin.000002','offset':4,'gtid':'0-1-10','lost':true}}");
	assert_non_null(strstr(told(a, "needs"), "\"lost\":true"));
	ends(t, t->sync, ERR_sync_fenced);
	orders_tick(a, 2);
	assert_int_equal(t->stage, STAGE_Paused);
}

/* Which places and sets a relay hears of that may have no log, or one of before. */
static void a_relay_is_told_of_all_that_begins_somewhere(void **state)
{
	struct agent *a = *state;
	struct subtask *t;

	give(a, 3, 7,
		TASK("x", 1, "'at':" AT(1, "bin.000003", "0-1-3")) "," TASK(
			"y", 2, "'at':" AT(2, "bin.000007", "0-1-7")) "," TASK("z", 3,
			"'snapshot':{'file':'bin.000001','offset':4,'gtid':'0-1-1'}"));
	assert_string_equal(told(a, "start_generation"), "2");
	assert_string_equal(told(a, "proof_file"), "\"bin.000007\"");
	assert_string_equal(told(a, "start_else"), "[\"0-1-7\"]");
	assert_string_equal(told(a, "start_gtids"), "[\"0-1-3\"]");
	assert_string_equal(told(a, "start_copies"), "[{\"gtid\":\"0-1-1\",\"wish\":false,\"server\":\"\"}]");
	assert_non_null(strstr(
		told(a, "needs"), "{\"generation\":1,\"file\":\"bin.000003\",\"offset\":4,\"head\":\"h1\"}"));
	assert_non_null(strstr(told(a, "needs"), "\"generation\":2"));
	for (t = a->sources->subtasks; strcmp(t->task, "z") != 0; t = t->next)
		;
	t->phase = PHASE_COPY;
	assert_string_equal(told(a, "start_copies"), "[{\"gtid\":\"0-1-1\",\"wish\":true,\"server\":\"\"}]");
}

/* Also where nothing is known of another host's log. */
static void a_relay_is_told_whose_copies_there_are(void **state)
{
	struct agent *a = *state;

	give(a, 3, 7,
		TASK("v", 4, "'snapshot':{'file':'bin.000001','offset':4,'gtid':'','server':'0-1'}") "," TASK(
			"w", 5, "'snapshot':{'file':'bin.000002','offset':4,'gtid':''}"));
	assert_string_equal(told(a, "start_generation"), "");
	assert_string_equal(told(a, "start_copies"), "[{\"gtid\":\"\",\"wish\":false,\"server\":\"0-1\"}]");
}

static bool reports(struct agent *a, const char *text)
{
	struct buf b = {0};
	bool found;

	report_write(a, &b);
	found = strstr(buf_cstr(&b), text) != NULL;
	buf_free(&b);
	return found;
}

/* Stopped, and started again under another number while its units leave: the report says which one it is. */
static void a_report_tells_which_one_of_a_name(void **state)
{
	struct agent *a = *state;
	struct subtask *t;

	give(a, 3, 7, TASK("t", 1, "'at':" AT(1, "bin.000003", "0-1-3")));
	t = a->sources->subtasks;
	t->sync->state = PROC_ALIVE;
	assert_true(reports(a, "\"task\":\"t\",\"sub\":1,\"stage\":\"Running\""));
	give(a, 4, 7, "{'task':'t','sub':2,'mode':'all','stage':'Running','remove_meta':true}");
	assert_true(reports(a, "{\"revision\":4,"));
	assert_true(reports(a, "\"task\":\"t\",\"sub\":1,\"stage\":\"Stopping\""));
	t->sync->state = PROC_OFF;
	orders_tick(a, 1);
	assert_false(reports(a, "\"sub\":1"));
	assert_true(reports(a, "\"task\":\"t\",\"sub\":2,"));
	assert_false(reports(a, "\"copied\":true"));
}

#define RESUMED(n) "{'task':'t','sub':1,'mode':'all','stage':'Running','resumes':" #n ",'copied':true}"

/* It paused on that, and is resumed while the relay runs. */
static enum stage relay_behind(struct agent *a, enum err_code code)
{
	struct subtask *t;

	give(a, 3, 7, RESUMED(0));
	orders_tick(a, 1);
	t = a->sources->subtasks;
	assert_int_equal(a->sources->stage, STAGE_Running);
	a->sources->relay->state = t->sync->state = PROC_ALIVE;
	ends(t, t->sync, code);
	orders_tick(a, 2);
	assert_int_equal(t->stage, STAGE_Paused);
	give(a, 4, 7, RESUMED(1));
	assert_int_equal(t->stage, STAGE_Running);
	return a->sources->stage;
}

/* Stopped and started while its agent was cut off: it has the same number, and was never resumed. */
static void resumes_are_counted_anew(void **state)
{
	struct agent *a = *state;
	struct subtask *t;

	give(a, 3, 7, RESUMED(3));
	t = a->sources->subtasks;
	give(a, 4, 8, RESUMED(0));
	orders_tick(a, 1);
	ends(t, t->sync, ERR_sync_fenced);
	orders_tick(a, 2);
	assert_int_equal(t->stage, STAGE_Paused);
	give(a, 5, 8, RESUMED(0));
	assert_int_equal(t->stage, STAGE_Paused);
	give(a, 6, 8, RESUMED(1));
	assert_int_equal(t->stage, STAGE_Running);
}

/* Others read from it: it goes on where its start would change nothing. */
static void a_relay_goes_on_over_what_is_purged(void **state)
{
	assert_int_equal(relay_behind(*state, ERR_relay_gone), STAGE_Running);
}

/* Only its start sees that its log is of other servers. */
static void a_relay_of_others_begins_anew(void **state)
{
	assert_int_equal(relay_behind(*state, ERR_relay_other), STAGE_Resuming);
}

/* A host with fewer uids than the cluster has slots. */
static void a_slot_that_is_none_here_is_told(void **state)
{
	struct agent *a = *state;

	a->slots = 1;
	orders_set(a, read_text("{'revision':3,'sources':[{'source':'s','slot':2,'epoch':7,'subtasks':["
				"{'task':'t','sub':1,'mode':'all','stage':'Running'}]}]}"));
	assert_null(a->sources);
	assert_true(reports(a, "\"relay\":{\"stage\":\"Paused\""));
	assert_true(reports(a, "\"source\":\"s\",\"unserved\":true,"));
	assert_true(reports(a, "has slot 2, and this host has uids for slots up to 1 only"));
	assert_true(reports(a, "\"task\":\"t\",\"sub\":1,\"stage\":\"New\",\"error\":{\"code\":"));
	orders_set(a, read_text("{'revision':4,'sources':[]}"));
	assert_false(reports(a, "\"source\""));
}

/* It began without a look, as its old progress was to be removed. Now that this is gone the orders want one:
 * of whoever begins. A relay that ends is not held up for it. */
static void what_has_begun_is_not_looked_at(void **state)
{
#define AFRESH(afresh, look)                                                                            \
	"{'task':'t','sub':1,'mode':'incremental','stage':'Running','resumes':0,'remove_meta':" #afresh \
	",'look':" #look "}"
	struct agent *a = *state;

	give(a, 3, 7, AFRESH(true, false));
	assert_int_equal(a->sources->subtasks->phase, PHASE_SYNC);
	give(a, 4, 7, AFRESH(false, true));
	assert_false(subtask_start_is_open(a->sources->subtasks));
	give(a, 5, 8, AFRESH(false, true)); /* begins once more */
	orders_tick(a, 1);
	assert_int_equal(a->sources->subtasks->phase, PHASE_LOOK);
	assert_true(subtask_start_is_open(a->sources->subtasks));
}

/* t1 works, t2 was paused before it had looked: a relay that has ended comes back for t1. Where nobody works
 * it waits: what is resumed may have to begin before what the upstream writes now. */
static void a_relay_waits_for_nobody_who_rests(void **state)
{
#define T2(stage) "{'task':'t2','sub':2,'mode':'all','stage':'" stage "','resumes':0,'look':true}"
	struct agent *a = *state;

	give(a, 3, 7, TASK("t1", 1, "'at':" AT(1, "bin.000003", "0-1-3")) "," T2("Paused"));
	orders_tick(a, 1);
	assert_int_equal(a->sources->stage, STAGE_Running);
	assert_true(a->sources->relay->wanted);
	give(a, 4, 7, TASK("t1", 1, "'at':" AT(1, "bin.000003", "0-1-3")) "," T2("Running"));
	orders_tick(a, 2);
	assert_false(a->sources->relay->wanted);
	give(a, 5, 7, T2("Paused"));
	a->sources->subtasks->load->state = PROC_OFF;
	orders_tick(a, 3);
	orders_tick(a, 4);
	assert_false(a->sources->relay->wanted);
}

#define LIFE(afresh) \
	"{'task':'t','sub':1,'mode':'all','stage':'Running','resumes':0,'remove_meta':" #afresh "}"

/* Stopped and started again between two orders, while the units of before run. */
static void another_life_has_done_nothing(void **state)
{
	struct agent *a = *state;
	struct subtask *t;

	give(a, 3, 7, LIFE(false));
	t = a->sources->subtasks;
	t->load->state = t->dump->state = PROC_ALIVE;
	tells(t, t->dump, "{'phase':'data'}");
	tells(t, t->load, "{'phase':'done'}");
	give(a, 4, 7, LIFE(true));
	assert_int_equal(t->stage, STAGE_Resuming);
	assert_null(t->load->status);
	assert_null(t->dump->status);
	tells(t, t->load, "{'phase':'done'}");
	assert_null(t->load->status);
	assert_false(t->meta_removed);
	t->load->state = PROC_OFF;
	t->load->ops->ended(t, t->load, PROC_FINISHED);
	assert_false(t->copied);
	t->dump->state = PROC_OFF;
	orders_tick(a, 1);
	assert_int_equal(t->stage, STAGE_Running);
	assert_int_equal(t->phase, PHASE_COPY);
	tells(t, t->load, "{'phase':'load'}");
	assert_true(t->meta_removed);
}

/* It was paused by an error; another life of it begins under the same epoch. */
static void another_life_has_no_error(void **state)
{
	struct agent *a = *state;
	struct subtask *t;

	give(a, 3, 7, RESUMED(3));
	t = a->sources->subtasks;
	ends(t, t->sync, ERR_relay_gone);
	orders_tick(a, 1);
	assert_int_equal(t->stage, STAGE_Paused);
	give(a, 4, 7, RESUMED(0));
	assert_int_equal(t->stage, STAGE_Running);
	assert_int_equal(t->error.code, 0);
	ends(t, t->sync, ERR_relay_gone);
	orders_tick(a, 2);
	assert_int_equal(t->stage, STAGE_Paused);
	give(a, 5, 7, LIFE(true));
	assert_int_equal(t->stage, STAGE_Running);
}

/* It says why and is gone; returns the pause before the next start, in ms. */
static uint64_t dies(struct proc *p, enum err_code code)
{
	struct spawn_rep rep = {
		.type = SPAWN_REP_EXITED, .kind = p->kind, .slot = p->slot, .sub = p->sub, .pid = 77};
	uint64_t now;

	p->state = PROC_ALIVE;
	p->pid = rep.pid;
	p->wanted = p->bye = true;
	err_set(&p->error, code, "x");
	now = clock_ms();
	proc_report(p->agent, &rep);
	return p->backoff.start_at - now;
}

/* Else dump and load, each held back, begin in turns and miss each other. */
static void a_load_is_there_for_the_next_snapshot(void **state)
{
	struct agent *a = *state;
	struct subtask *t;
	uint64_t pause = 0;

	give(a, 1, 7, "{'task':'t','sub':1,'mode':'all','stage':'Running'}");
	t = a->sources->subtasks;
	for (unsigned i = 0; i < 3; i++)
		pause = dies(t->load, ERR_db_lost);
	assert_in_range(pause, 4000, 7999);
	for (unsigned i = 0; i < 60; i++)
		assert_in_range(dies(t->load, ERR_dump_changed), 1000, 3999);
	/* Its own faults count as before, and what does not end counts too. */
	assert_in_range(dies(t->load, ERR_dump_changed), 8000, 15999);
	assert_in_range(dies(t->load, ERR_db_lost), 16000, 31999);
	assert_in_range(dies(t->load, ERR_dump_changed), 1000, 3999);
	/* The dump's own pauses grow. */
	for (unsigned i = 0; i < 5; i++)
		pause = dies(t->dump, ERR_dump_changed);
	assert_in_range(pause, 16000, 31999);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_error_of_another_epoch_is_over),
		TEST(a_unit_of_another_epoch_is_not_heard),
		TEST(a_relay_is_told_of_all_that_begins_somewhere),
		TEST(a_relay_is_told_whose_copies_there_are),
		TEST(a_report_tells_which_one_of_a_name),
		TEST(a_slot_that_is_none_here_is_told),
		TEST(a_relay_goes_on_over_what_is_purged),
		TEST(a_relay_of_others_begins_anew),
		TEST(what_has_begun_is_not_looked_at),
		TEST(resumes_are_counted_anew),
		TEST(a_relay_waits_for_nobody_who_rests),
		TEST(another_life_has_done_nothing),
		TEST(another_life_has_no_error),
		TEST(a_load_is_there_for_the_next_snapshot),
	};

	log_set_level(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
