/*
 * For a server whose clock is wrong: preloaded, it moves the clock of the day by TIDEGATE_FAKE_CLOCK seconds.
 *   cc -shared -fPIC -o fake_clock.so tests/tools/fake_clock.c
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(void)
{
	const char *text = getenv("TIDEGATE_FAKE_CLOCK");

	return text ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	int r = (int)syscall(SYS_clock_gettime, clock, t);

	if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		t->tv_sec += offset();
	return r;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	int r = (int)syscall(SYS_gettimeofday, t, zone);

	if (r == 0)
		t->tv_sec += offset();
	return r;
}

time_t time(time_t *out)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (out)
		*out = t.tv_sec;
	return t.tv_sec;
}
