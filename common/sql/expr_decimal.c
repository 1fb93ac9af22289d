/*
 * Decimals of the servers' size, exact: fixed point in words of nine digits. What would need more digits than
 * a server keeps is told, never cut. Called by expr_eval*.c.
 */
#include "common/sql/expr_decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	WORDS = EXPR_DECIMAL_WORDS,
	WHOLE = EXPR_DECIMAL_WHOLE,
	BASE = 1000000000,
	DIGITS = WORDS * 9,
	POINT = WHOLE * 9
};

/* Digit i of all, the most significant first. */
static unsigned digit(const struct expr_decimal *d, unsigned i)
{
	static const uint32_t power[9] = {100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};

	return d->word[i / 9] / power[i % 9] % 10;
}

static void put_digit(struct expr_decimal *d, unsigned i, unsigned value)
{
	static const uint32_t power[9] = {100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};

	d->word[i / 9] += (value - digit(d, i)) * power[i % 9];
}

bool expr_decimal_is_zero(const struct expr_decimal *d)
{
	for (unsigned i = 0; i < WORDS; i++)
		if (d->word[i])
			return false;
	return true;
}

unsigned expr_decimal_digits(const struct expr_decimal *d)
{
	unsigned first = 0, last = DIGITS;

	while (first < DIGITS && digit(d, first) == 0)
		first++;
	while (last > first && digit(d, last - 1) == 0)
		last--;
	return last - first;
}

/* Whole digits and scale within what a server keeps. */
static bool fits(struct expr_decimal *d)
{
	unsigned first = 0;

	while (first < POINT && digit(d, first) == 0)
		first++;
	if (expr_decimal_is_zero(d))
		d->negative = false;
	return d->scale <= EXPR_DECIMAL_SCALE && POINT - first + d->scale <= EXPR_DECIMAL_DIGITS;
}

bool expr_decimal_read(struct str text, struct expr_decimal *out)
{
	size_t sign = text.n > 0 && (text.p[0] == '-' || text.p[0] == '+'), dot = sign;

	*out = (struct expr_decimal){.negative = sign && text.p[0] == '-'};
	while (dot < text.n && text.p[dot] != '.')
		dot++;
	if (dot - sign > POINT || text.n == sign || (text.n > dot && text.n - dot - 1 > EXPR_DECIMAL_SCALE))
		return false;
	for (size_t i = sign; i < text.n; i++) {
		if (i == dot)
			continue;
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		put_digit(out, (unsigned)(POINT + i - dot - (i > dot)), (unsigned)(text.p[i] - '0'));
	}
	out->scale = text.n > dot ? (unsigned)(text.n - dot - 1) : 0;
	return fits(out);
}

void expr_decimal_from_int(bool negative, uint64_t magnitude, struct expr_decimal *out)
{
	*out = (struct expr_decimal){.negative = negative && magnitude};
	for (unsigned i = WHOLE; i-- > 0 && magnitude; magnitude /= BASE)
		out->word[i] = (uint32_t)(magnitude % BASE);
}

static int compare_magnitude(const struct expr_decimal *a, const struct expr_decimal *b)
{
	for (unsigned i = 0; i < WORDS; i++)
		if (a->word[i] != b->word[i])
			return a->word[i] < b->word[i] ? -1 : 1;
	return 0;
}

int expr_decimal_compare(const struct expr_decimal *a, const struct expr_decimal *b)
{
	if (a->negative != b->negative)
		return a->negative ? -1 : 1;
	return a->negative ? compare_magnitude(b, a) : compare_magnitude(a, b);
}

void expr_decimal_negate(struct expr_decimal *d)
{
	d->negative = !d->negative && !expr_decimal_is_zero(d);
}

static bool add_magnitude(
	const struct expr_decimal *a, const struct expr_decimal *b, struct expr_decimal *out)
{
	uint32_t carry = 0;

	for (unsigned i = WORDS; i-- > 0;) {
		uint32_t sum = a->word[i] + b->word[i] + carry;

		carry = sum >= BASE;
		out->word[i] = carry ? sum - BASE : sum;
	}
	return carry == 0;
}

/* a is not less than b. */
static void subtract_magnitude(
	const struct expr_decimal *a, const struct expr_decimal *b, struct expr_decimal *out)
{
	uint32_t borrow = 0;

	for (unsigned i = WORDS; i-- > 0;) {
		uint32_t less = b->word[i] + borrow;

		borrow = a->word[i] < less;
		out->word[i] = borrow ? a->word[i] + BASE - less : a->word[i] - less;
	}
}

bool expr_decimal_add(const struct expr_decimal *a, const struct expr_decimal *b, struct expr_decimal *out)
{
	struct expr_decimal r = {.scale = a->scale > b->scale ? a->scale : b->scale};
	bool good = true;

	if (a->negative == b->negative) {
		good = add_magnitude(a, b, &r);
		r.negative = a->negative;
	} else if (compare_magnitude(a, b) >= 0) {
		subtract_magnitude(a, b, &r);
		r.negative = a->negative;
	} else {
		subtract_magnitude(b, a, &r);
		r.negative = b->negative;
	}
	*out = r;
	return good && fits(out);
}

bool expr_decimal_multiply(
	const struct expr_decimal *a, const struct expr_decimal *b, struct expr_decimal *out)
{
	uint64_t sum[2 * WORDS] = {0};

	for (unsigned i = WORDS; i-- > 0;) {
		uint64_t carry = 0;

		for (unsigned k = WORDS; k-- > 0;) {
			uint64_t v = sum[i + k + 1] + (uint64_t)a->word[i] * b->word[k] + carry;

			sum[i + k + 1] = v % BASE;
			carry = v / BASE;
		}
		sum[i] += carry;
	}
	*out = (struct expr_decimal){.scale = a->scale + b->scale, .negative = a->negative != b->negative};
	for (unsigned i = 0; i < 2 * WORDS; i++) {
		unsigned from = WHOLE, to = i - from;

		if (i >= from && to < WORDS)
			out->word[to] = (uint32_t)sum[i];
		else if (sum[i])
			return false;
	}
	return fits(out);
}

/* r = r * 10 + next, below b * 10. */
static void shift_in(struct expr_decimal *r, unsigned next)
{
	uint32_t carry = next;

	for (unsigned i = WORDS; i-- > 0;) {
		uint64_t v = (uint64_t)r->word[i] * 10 + carry;

		r->word[i] = (uint32_t)(v % BASE);
		carry = (uint32_t)(v / BASE);
	}
}

bool expr_decimal_divide(const struct expr_decimal *a, const struct expr_decimal *b,
	struct expr_decimal *quotient, struct expr_decimal *remainder)
{
	struct expr_decimal r = {.scale = a->scale > b->scale ? a->scale : b->scale}, q = {0};
	bool good = true;

	/* As whole numbers of the last digit's unit: the quotient is the same. */
	for (unsigned i = 0; i < DIGITS; i++) {
		unsigned times = 0;

		shift_in(&r, digit(a, i));
		while (compare_magnitude(&r, b) >= 0) {
			subtract_magnitude(&r, b, &r);
			times++;
		}
		if (i >= DIGITS - POINT)
			put_digit(&q, i - (DIGITS - POINT), times);
		else if (times)
			good = false;
	}
	q.negative = a->negative != b->negative && !expr_decimal_is_zero(&q);
	r.negative = a->negative && !expr_decimal_is_zero(&r);
	*quotient = q;
	*remainder = r;
	return good;
}

/* One unit of the digit `digits` behind the point. */
static bool add_unit(struct expr_decimal *d, unsigned digits)
{
	struct expr_decimal unit = {0};

	put_digit(&unit, POINT + digits - 1, 1);
	return add_magnitude(d, &unit, d);
}

bool expr_decimal_round(struct expr_decimal *d, unsigned digits, enum expr_rounding how)
{
	bool rest = false, half = digit(d, POINT + digits) >= 5, away;

	for (unsigned i = POINT + digits; i < DIGITS; i++) {
		rest = rest || digit(d, i);
		put_digit(d, i, 0);
	}
	away = how == EXPR_ROUND_HALF_UP ? half : rest && d->negative == (how == EXPR_ROUND_DOWN);
	if (d->scale > digits)
		d->scale = digits;
	if (away && !add_unit(d, digits))
		return false;
	return fits(d);
}

bool expr_decimal_to_int(const struct expr_decimal *d, bool *negative, uint64_t *magnitude)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < WHOLE; i++) {
		if (v > (UINT64_MAX - d->word[i]) / BASE)
			return false;
		v = v * BASE + d->word[i];
	}
	*negative = d->negative;
	*magnitude = v;
	return true;
}

size_t expr_decimal_text(const struct expr_decimal *d, char *out)
{
	unsigned first = 0;
	size_t n = 0;

	while (first < POINT - 1 && digit(d, first) == 0)
		first++;
	if (d->negative)
		out[n++] = '-';
	for (unsigned i = first; i < POINT + d->scale; i++) {
		if (i == POINT)
			out[n++] = '.';
		out[n++] = (char)('0' + digit(d, i));
	}
	out[n] = 0;
	return n;
}

double expr_decimal_to_double(const struct expr_decimal *d)
{
	char text[EXPR_DECIMAL_TEXT];

	expr_decimal_text(d, text);
	return strtod(text, NULL);
}
