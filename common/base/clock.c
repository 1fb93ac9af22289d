/*
 * Time: CLOCK_BOOTTIME for pauses and deadlines (goes on in suspend, never back), wall time for people and
 * lag.
 */
#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static uint64_t read_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

uint64_t clock_us(void)
{
	return read_us(CLOCK_BOOTTIME);
}

uint64_t clock_ms(void)
{
	return clock_us() / 1000u;
}

uint64_t clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}

void clock_text(uint64_t wall_us, char *out, size_t size)
{
	time_t sec = (time_t)(wall_us / 1000000u);
	struct tm tm;
	char day[32];

	gmtime_r(&sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(out, size, "%s.%03u", day, (unsigned)(wall_us / 1000u % 1000u));
}

void clock_sleep_ms(uint64_t ms)
{
	struct timespec t = {(time_t)(ms / 1000u), (long)(ms % 1000u) * 1000000L};

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

struct timespec clock_deadline(uint64_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(ms / 1000u);
	t.tv_nsec += (long)(ms % 1000u) * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_nsec -= 1000000000L;
		t.tv_sec++;
	}
	return t;
}
