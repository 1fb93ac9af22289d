/*
 * Many units of one slot at the desk, by its real socket. They are all this process: who speaks is set by
 * hand.
 */
#include "agent/desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/proc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/proc/link.h"

enum { UNITS = 60, HELD = 24 };

static struct world {
	struct agent a;
	struct daemon_env env;
	struct proc *units[UNITS];
	struct link_peer *peer;
	unsigned answers, failures;
} w;

static const struct proc_owner nobody = {NULL, NULL, NULL};

static void on_answer(void *arg, const struct err *failed, struct str reply)
{
	(void)arg;
	(void)reply;
	w.answers++;
	w.failures += failed != NULL;
}

static void call(struct buf *b)
{
	link_call(w.peer, b, 30000, on_answer, NULL);
	buf_free(b);
}

/* So many answers are there, or the time is up. */
static void until_answers(unsigned n)
{
	uint64_t end = clock_ms() + 10000;

	while (w.answers < n && clock_ms() < end)
		loop_once(w.env.loop, 20);
	assert_int_equal(w.answers, n);
	assert_int_equal(w.failures, 0);
}

static struct proc *speaks(unsigned i)
{
	for (unsigned k = 0; k < UNITS; k++)
		w.units[k]->pid = k == i ? getpid() : 0;
	return w.units[i];
}

static void says_hello(unsigned i)
{
	struct proc *p = speaks(i);
	struct buf b = {0};

	msg_put_unit_hello(&b, link_request_id(),
		&(struct msg_unit_hello){.kind = (uint32_t)p->kind,
			.slot = p->slot,
			.sub = p->sub,
			.version = STR_LIT(TIDEGATE_VERSION)});
	call(&b);
	until_answers(w.answers + 1);
}

static unsigned held(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < UNITS; i++)
		n += w.units[i]->poll != NULL;
	return n;
}

/* It rests, and so asks for the longest time. */
static void rests(unsigned i)
{
	struct proc *p = speaks(i);
	uint64_t end = clock_ms() + 10000;
	struct buf b = {0};

	msg_put_unit_next(&b, link_request_id(),
		&(struct msg_unit_next){.kind = (uint32_t)p->kind,
			.slot = p->slot,
			.sub = p->sub,
			.revision = p->revision,
			.wait_ms = 10000});
	call(&b);
	while (!p->poll && clock_ms() < end)
		loop_once(w.env.loop, 20);
	assert_non_null(p->poll);
}

static void says_bye(unsigned i)
{
	struct proc *p = speaks(i);
	struct buf b = {0};

	msg_put_unit_bye(&b, link_request_id(),
		&(struct msg_unit_bye){
			.kind = (uint32_t)p->kind, .slot = p->slot, .sub = p->sub, .stage = STAGE_Stopped});
	call(&b);
	until_answers(w.answers + 1);
	assert_true(p->bye);
}

/* Each one is heard, however many rest; those that wait longest are answered for it. */
static void many_that_rest_leave_room(void **state)
{
	(void)state;
	for (unsigned i = 0; i < UNITS; i++) {
		unsigned before = w.answers;

		says_hello(i);
		rests(i);
		until_answers(before + 1 + (i >= HELD));
		assert_int_equal(held(), i < HELD ? i + 1 : HELD);
	}
	assert_null(w.units[0]->poll);
	assert_non_null(w.units[UNITS - 1]->poll);
	says_bye(0);
}

static char folder[] = "/tmp/tidegate-desk-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(folder) || chdir(folder) < 0 || mkdir("1", 0700) < 0)
		return -1;
	w.env.loop = loop_new();
	w.env.link = link_new(w.env.loop);
	w.a.env = &w.env;
	for (unsigned i = 0; i < UNITS; i++) {
		w.units[i] = proc_new(&w.a, UNIT_sync, 1, i + 1, "s");
		proc_own(w.units[i], "t", &nobody, NULL);
		w.units[i]->state = PROC_ALIVE;
	}
	desk_open(&w.a, 1);
	w.peer = link_dial(w.env.link, "1/agent.sock");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < UNITS; i++) {
		proc_answer_poll(w.units[i]);
		w.units[i]->state = PROC_OFF;
		proc_free(&w.units[i]);
	}
	desk_close(&w.a);
	link_free(&w.env.link);
	loop_free(&w.env.loop);
	unlink("1/agent.sock");
	return rmdir("1") < 0 || chdir("/") < 0 || rmdir(folder) < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(many_that_rest_leave_room, set_up, tear_down),
	};

	log_set_level(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
