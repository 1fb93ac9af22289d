/*
 * How a unit counts the time without its agent: by its calls, of which one that outlasts a sleep is not the
 * agent's whole silence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/proc/unit_run.h"

enum { HEARD = 1000000, HOUR = 3600000 };

/* How long until the agent counts as lost, where each call ends without an answer after so long. */
static uint64_t lost_after(uint64_t call_ms)
{
	struct unit_run r = {.heard_ms = HEARD};
	uint64_t now = HEARD + call_ms;

	while (!unit_agent_missed(&r, now))
		now += call_ms;
	return now - HEARD;
}

static void a_silent_agent_is_left(void **state)
{
	(void)state;
	assert_in_range(lost_after(200), 30000, 30200); /* refused at once */
	assert_in_range(lost_after(11200), 30000, 34000);
}

static void an_hour_asleep_is_half_of_it(void **state)
{
	struct unit_run r = {.heard_ms = HEARD};
	uint64_t now = HEARD + HOUR;

	(void)state;
	assert_false(unit_agent_missed(&r, now));
	assert_false(unit_agent_missed(&r, now + 14900));
	assert_true(unit_agent_missed(&r, now + 15000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silent_agent_is_left),
		cmocka_unit_test(an_hour_asleep_is_half_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
