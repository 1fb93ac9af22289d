/*
 * Splitting by halves where the server says many rows are: skewed keys (one row at the far end, all others in
 * a corner) give even pieces too. Pure; the table reader gives the estimates.
 */
#include "units/dump/range.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/xalloc.h"

#define SHIFT (UINT64_C(1) << 63)

bool range_parse(struct str text, bool is_unsigned, uint64_t *ordinal)
{
	bool minus = text.n > 0 && text.p[0] == '-';
	uint64_t v = 0, limit = is_unsigned ? UINT64_MAX : minus ? SHIFT : SHIFT - 1;
	size_t i = minus ? 1 : 0;

	if (i == text.n || (minus && is_unsigned))
		return false;
	for (; i < text.n; i++) {
		uint64_t digit = (uint64_t)(text.p[i] - '0');

		if (text.p[i] < '0' || text.p[i] > '9' || v > (limit - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*ordinal = is_unsigned ? v : minus ? SHIFT - v : SHIFT + v;
	return true;
}

void range_text(uint64_t ordinal, bool is_unsigned, char *out, size_t size)
{
	if (is_unsigned)
		snprintf(out, size, "%" PRIu64, ordinal);
	else if (ordinal >= SHIFT)
		snprintf(out, size, "%" PRIu64, ordinal - SHIFT);
	else
		snprintf(out, size, "-%" PRIu64, SHIFT - ordinal);
}

/* lo <= key <= hi while cutting. */
struct piece {
	uint64_t lo, hi, rows;
};

static unsigned largest(const struct piece *p, unsigned n)
{
	unsigned best = 0;

	for (unsigned i = 1; i < n; i++)
		if (p[i].lo < p[i].hi && (p[best].lo == p[best].hi || p[i].rows > p[best].rows))
			best = i;
	return best;
}

static int cut(const struct range_split *s, struct piece *left, struct piece *right, struct err *e)
{
	uint64_t middle = left->lo + (left->hi - left->lo) / 2;

	*right = (struct piece){middle + 1, left->hi, 0};
	left->hi = middle;
	if (s->estimate(s->arg, left->lo, left->hi, &left->rows, e) < 0)
		return -1;
	return s->estimate(s->arg, right->lo, right->hi, &right->rows, e);
}

static int by_lo(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* Neighbours that together hold no more than what is wanted become one again. */
static unsigned join(struct piece *p, unsigned n, uint64_t want)
{
	unsigned out = 0;

	for (unsigned i = 1; i < n; i++) {
		if (p[out].rows <= want && p[i].rows <= want - p[out].rows) {
			p[out].hi = p[i].hi;
			p[out].rows += p[i].rows;
		} else {
			p[++out] = p[i];
		}
	}
	return out + 1;
}

int range_split(const struct range_split *s, struct range *out, unsigned limit, struct err *e)
{
	struct piece *p = xcalloc(limit, sizeof(*p));
	unsigned n = 1;
	int r = 0;

	p[0] = (struct piece){s->min, s->max, s->rows};
	while (r == 0 && n < limit) {
		unsigned i = largest(p, n);

		if (p[i].rows <= s->want || p[i].lo == p[i].hi)
			break;
		r = cut(s, &p[i], &p[n], e);
		n++;
	}
	if (r == 0) {
		qsort(p, n, sizeof(*p), by_lo);
		n = join(p, n, s->want);
		for (unsigned i = 0; i < n; i++)
			out[i] = (struct range){i > 0, i + 1 < n, p[i].lo, i + 1 < n ? p[i + 1].lo : 0};
	}
	free(p);
	return r < 0 ? -1 : (int)n;
}
