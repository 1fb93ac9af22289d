/* The watcher ends a process that does not end itself: hard while there is work, with the process' own status
 * when only libraries are being closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/proc/watch.h"

enum { STATUS = 3, RETURNED = 9 };

/* In a child: the exit status of what fn leaves behind, which then sleeps longer than any deadline here. */
static int status_of(void (*fn)(struct watch *w))
{
	int alive[2], status;
	pid_t pid;

	assert_int_equal(pipe(alive), 0);
	pid = fork();
	if (pid == 0) {
		struct loop *l = loop_new();
		struct watch *w = watch_start(alive[0], l);

		fn(w);
		clock_sleep_ms(1500);
		watch_stop(&w);
		loop_free(&l);
		_exit(RETURNED);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(alive[0]);
	close(alive[1]);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void nothing(struct watch *w)
{
	(void)w;
}

static void leave(struct watch *w)
{
	watch_leave(w, 100);
}

static void last(struct watch *w)
{
	watch_leave(w, 60000);
	watch_last(w, 100, STATUS);
}

static void last_after_a_short_deadline(struct watch *w)
{
	watch_leave(w, 200);
	watch_last(w, 20000, STATUS);
}

static void deadlines(void **state)
{
	(void)state;
	assert_int_equal(status_of(nothing), RETURNED);
	assert_int_equal(status_of(leave), WATCH_HARD_EXIT);
	assert_int_equal(status_of(last), STATUS);
	assert_int_equal(status_of(last_after_a_short_deadline), RETURNED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
