/*
 * Dates and times as numbers that compare. Called by expr_*.c and by whoever gives rows to expressions.
 */
#include "common/sql/expr_value.h"

#include <string.h>

#include "common/sql/expr_eval.h"

enum { MICRO = 1000000 };

int64_t expr_pack_time(bool negative, const struct expr_moment *m)
{
	int64_t v = (((int64_t)m->hour * 60 + m->minute) * 60 + m->second) * MICRO + m->micro;

	return negative ? -v : v;
}

int64_t expr_pack_datetime(const struct expr_moment *m)
{
	return (((int64_t)m->year * 13 + m->month) * 32 + m->day) * 24 * 3600 * MICRO +
	       expr_pack_time(false, m);
}

void expr_unpack_datetime(int64_t packed, struct expr_moment *m)
{
	uint64_t v = (uint64_t)(packed < 0 ? -packed : packed);

	m->micro = (unsigned)(v % MICRO), v /= MICRO;
	m->second = (unsigned)(v % 60), v /= 60;
	m->minute = (unsigned)(v % 60), v /= 60;
	m->hour = (unsigned)(v % 24), v /= 24;
	m->day = (unsigned)(v % 32), v /= 32;
	m->month = (unsigned)(v % 13), v /= 13;
	m->year = (unsigned)v;
}

/* `least` to `most` digits at *p, which moves on. */
static bool read_digits(const char **p, unsigned least, unsigned most, unsigned *out)
{
	unsigned n = 0;

	*out = 0;
	for (; n < most && **p >= '0' && **p <= '9'; n++)
		*out = *out * 10 + (unsigned)(*(*p)++ - '0');
	return n >= least;
}

static bool take(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

bool expr_read_clock(const char *text, unsigned hour_digits, struct expr_moment *m)
{
	const char *fraction;

	m->micro = 0;
	if (!read_digits(&text, 2, hour_digits, &m->hour) || !take(&text, ':') ||
		!read_digits(&text, 2, 2, &m->minute) || !take(&text, ':') ||
		!read_digits(&text, 2, 2, &m->second) || m->minute > 59 || m->second > 59)
		return false;
	if (!take(&text, '.'))
		return *text == 0;
	fraction = text;
	if (!read_digits(&text, 1, 6, &m->micro) || *text)
		return false;
	for (size_t n = (size_t)(text - fraction); n < 6; n++)
		m->micro *= 10;
	return true;
}
