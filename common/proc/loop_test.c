/* The loop: descriptors, timers in order, wake-ups from another thread, signals, and removal from inside
 * callbacks. */
#include "common/proc/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"

struct seen {
	struct loop *l;
	int fd[2], other[2];
	int count;
	char order[32];
	uint64_t timer;
};

static void on_byte(void *arg, uint32_t events)
{
	struct seen *s = arg;
	char c;

	assert_true(events & (EPOLLIN | EPOLLHUP));
	if (read(s->fd[0], &c, 1) == 1)
		s->count++;
	else
		loop_del(s->l, s->fd[0]);
}

static void descriptors(void **state)
{
	struct seen s = {.l = loop_new()};

	(void)state;
	assert_int_equal(pipe(s.fd), 0);
	loop_add(s.l, s.fd[0], on_byte, &s);
	loop_once(s.l, 0);
	assert_int_equal(s.count, 0);
	assert_int_equal(write(s.fd[1], "ab", 2), 2);
	loop_once(s.l, 1000);
	loop_once(s.l, 1000);
	assert_int_equal(s.count, 2);
	close(s.fd[1]);
	loop_once(s.l, 1000); /* end of file: takes itself out */
	uint64_t t = clock_ms();
	loop_once(s.l, 30);
	assert_true(clock_ms() - t >= 25);
	close(s.fd[0]);
	loop_free(&s.l);
	assert_null(s.l);
}

static void on_either(void *arg, uint32_t events)
{
	struct seen *s = arg;

	(void)events;
	s->count++;
	loop_del(s->l, s->fd[0]);
	loop_del(s->l, s->other[0]);
}

/* Two are ready in the same round; whoever comes first takes both out: the other must not be called. */
static void removed_in_the_same_round(void **state)
{
	struct seen s = {.l = loop_new()};

	(void)state;
	assert_int_equal(pipe(s.fd) | pipe(s.other), 0);
	loop_add(s.l, s.fd[0], on_either, &s);
	loop_add(s.l, s.other[0], on_either, &s);
	assert_int_equal(write(s.fd[1], "a", 1) + write(s.other[1], "a", 1), 2);
	loop_once(s.l, 1000);
	loop_once(s.l, 0);
	assert_int_equal(s.count, 1);
	for (int i = 0; i < 2; i++) {
		close(s.fd[i]);
		close(s.other[i]);
	}
	loop_free(&s.l);
}

static void note(struct seen *s, char c)
{
	s->order[strlen(s->order)] = c;
}

static void on_a(void *arg)
{
	note(arg, 'a');
}

static void on_b(void *arg)
{
	note(arg, 'b');
}

static void on_c(void *arg)
{
	struct seen *s = arg;

	note(s, 'c');
	loop_timer_stop(s->l, s->timer); /* that of d, due at the same moment */
	loop_timer(s->l, 0, on_a, s);
}

static void timers(void **state)
{
	struct seen s = {.l = loop_new()};

	(void)state;
	loop_timer(s.l, 20, on_b, &s);
	loop_timer(s.l, 10, on_a, &s);
	uint64_t gone = loop_timer(s.l, 1, on_a, &s);
	loop_timer_stop(s.l, gone);
	loop_timer_stop(s.l, gone);
	uint64_t start = clock_ms();
	while (strlen(s.order) < 2)
		loop_once(s.l, -1);
	assert_string_equal(s.order, "ab");
	assert_true(clock_ms() - start >= 19);
	loop_timer(s.l, 5, on_c, &s);
	s.timer = loop_timer(s.l, 5, on_b, &s);
	clock_sleep_ms(10);
	loop_once(s.l, -1);
	assert_string_equal(s.order, "abc"); /* what c started waits for the next round */
	loop_once(s.l, -1);
	assert_string_equal(s.order, "abca");
	loop_timer(s.l, 100000, on_b, &s); /* freed with the loop */
	loop_free(&s.l);
}

static void *wake_later(void *arg)
{
	clock_sleep_ms(30);
	loop_wake(arg);
	return NULL;
}

static void woken_by_a_thread(void **state)
{
	struct loop *l = loop_new();
	pthread_t t;

	(void)state;
	uint64_t start = clock_ms();
	assert_int_equal(pthread_create(&t, NULL, wake_later, l), 0);
	loop_once(l, 10000);
	assert_true(clock_ms() - start < 5000);
	pthread_join(t, NULL);
	loop_free(&l);
}

static void on_signal(void *arg, int signo)
{
	struct seen *s = arg;

	s->count += signo;
	loop_stop(s->l);
}

static void signals(void **state)
{
	struct seen s = {.l = loop_new()};

	(void)state;
	loop_signal(s.l, SIGUSR1, on_signal, &s);
	loop_signal(s.l, SIGUSR2, on_signal, &s);
	kill(getpid(), SIGUSR1);
	loop_run(s.l);
	kill(getpid(), SIGUSR2);
	loop_run(s.l);
	assert_int_equal(s.count, SIGUSR1 + SIGUSR2);
	loop_free(&s.l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors),
		cmocka_unit_test(removed_in_the_same_round),
		cmocka_unit_test(timers),
		cmocka_unit_test(woken_by_a_thread),
		cmocka_unit_test(signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
