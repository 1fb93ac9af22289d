/*
 * Functions of dates and times. A date that is not in the calendar (zero parts, 31 February) is told wherever
 * servers and their modes would give different answers. Called by expr_eval_call.c.
 */
#include "common/sql/expr_eval.h"

static bool in_calendar(const struct expr_moment *m)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = m->year % 4 == 0 && (m->year % 100 || m->year % 400 == 0);

	return m->year > 0 && m->month > 0 && m->day > 0 &&
	       m->day <= days[m->month - 1] + (unsigned)(leap && m->month == 2);
}

/* Since the year 0, as TO_DAYS counts. */
static int64_t day_number(const struct expr_moment *m)
{
	int64_t y = m->month > 2 ? m->year : (int64_t)m->year - 1, mp = (m->month + 9) % 12;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * mp + 2) / 5 + m->day + 59;
}

static int on_clock(const struct expr_node *n, const struct expr_value *v, struct expr_value *out)
{
	struct expr_moment m;
	uint64_t seconds;

	expr_unpack_datetime(v->i, &m);
	if (v->type == EXPR_TIME) {
		seconds = (uint64_t)(v->i < 0 ? -v->i : v->i) / 1000000;
		m.hour = (unsigned)(seconds / 3600);
	}
	expr_set_int(out, n->function == EXPR_F_hour     ? m.hour
			  : n->function == EXPR_F_minute ? m.minute
			  : n->function == EXPR_F_second ? m.second
							 : m.micro);
	return 0;
}

static int on_date(struct expr_run *r, const struct expr_node *n, const struct expr_moment *m, int64_t packed,
	struct expr_value *out)
{
	struct expr_moment first = {.year = m->year, .month = 1, .day = 1};
	int64_t number;

	if (n->function == EXPR_F_year || n->function == EXPR_F_month || n->function == EXPR_F_day) {
		expr_set_int(out, n->function == EXPR_F_year    ? m->year
				  : n->function == EXPR_F_month ? m->month
								: m->day);
		out->type = n->type;
		return 0;
	}
	if (!in_calendar(m))
		return expr_eval_undecided(r, n, "the date is not in the calendar");
	number = day_number(m);
	switch (n->function) {
	case EXPR_F_quarter:
		expr_set_int(out, (m->month + 2) / 3);
		return 0;
	case EXPR_F_dayofweek:
		expr_set_int(out, (number + 6) % 7 + 1);
		return 0;
	case EXPR_F_weekday:
		expr_set_int(out, (number + 5) % 7);
		return 0;
	case EXPR_F_dayofyear:
		expr_set_int(out, number - day_number(&first) + 1);
		return 0;
	case EXPR_F_to_days:
		expr_set_int(out, number);
		return 0;
	default:
		out->type = EXPR_DATE;
		out->i = packed - packed % (INT64_C(24) * 3600 * 1000000);
		return 0;
	}
}

int expr_eval_time_call(
	struct expr_run *r, const struct expr_node *n, const struct expr_value *args, struct expr_value *out)
{
	struct expr_moment m, other;

	if (n->function == EXPR_F_hour || n->function == EXPR_F_minute || n->function == EXPR_F_second ||
		n->function == EXPR_F_microsecond)
		return on_clock(n, &args[0], out);
	expr_unpack_datetime(args[0].i, &m);
	if (n->function != EXPR_F_datediff)
		return on_date(r, n, &m, args[0].i, out);
	expr_unpack_datetime(args[1].i, &other);
	if (!in_calendar(&m) || !in_calendar(&other))
		return expr_eval_undecided(r, n, "a date is not in the calendar");
	expr_set_int(out, day_number(&m) - day_number(&other));
	return 0;
}
