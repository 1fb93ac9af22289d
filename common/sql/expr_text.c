/*
 * Texts under a collation, as far as that can be known without the servers' tables: ASCII, letters of far
 * scripts, and what is the same on both sides. Everything else is "undecided", and so told by expr_eval.
 */
#include "common/sql/expr_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static unsigned utf8_length(unsigned char c)
{
	return c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

bool expr_text_next(enum expr_charset charset, struct str *s, uint32_t *c)
{
	unsigned char first = (unsigned char)s->p[0];
	unsigned n = charset == EXPR_UTF8 ? utf8_length(first) : 1;

	if (n == 0 || n > s->n)
		return false;
	*c = n == 1 ? first : first & (0x7fu >> n);
	for (unsigned i = 1; i < n; i++) {
		unsigned char b = (unsigned char)s->p[i];

		if (b >> 6 != 2)
			return false;
		*c = *c << 6 | (b & 63);
	}
	s->p += n;
	s->n -= n;
	return true;
}

bool expr_char_is_far(uint32_t c)
{
	return (c >= 0x3041 && c <= 0x3096) || (c >= 0x30a1 && c <= 0x30fa) || (c >= 0x4e00 && c <= 0x9fa5) ||
	       (c >= 0xac00 && c <= 0xd7a3);
}

/* --- one character against another --- */

static bool is_alnum(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

static uint32_t fold(uint32_t c)
{
	return c >= 'a' && c <= 'z' ? c - 32 : c;
}

static bool is_print(uint32_t c)
{
	return c >= ' ' && c < 0x7f;
}

static enum expr_ordering by_code(uint32_t a, uint32_t b)
{
	return a < b ? EXPR_LESS : a > b ? EXPR_GREATER : EXPR_EQUAL;
}

/* Unicode's weights: among ASCII only letters and digits are in an order that all versions share. Control
 * characters have no weight. */
static enum expr_ordering by_weight(uint32_t a, uint32_t b)
{
	if (!is_print(a) || !is_print(b))
		return EXPR_UNDECIDED;
	if ((is_alnum(a) || a == ' ') && (is_alnum(b) || b == ' '))
		return by_code(a, b);
	if (is_alnum(a) || b == ' ')
		return EXPR_GREATER;
	return is_alnum(b) || a == ' ' ? EXPR_LESS : EXPR_DIFFERENT;
}

/* Two that are not the same character. */
static enum expr_ordering order_chars(const struct expr_collation *c, uint32_t a, uint32_t b)
{
	bool far_a = c->charset == EXPR_UTF8 && expr_char_is_far(a);
	bool far_b = c->charset == EXPR_UTF8 && expr_char_is_far(b);
	bool uca = c->order != EXPR_ORDER_GENERAL;

	a = fold(a);
	b = fold(b);
	if (a == b)
		return EXPR_EQUAL;
	if (a < 0x80 && b < 0x80)
		return uca ? by_weight(a, b) : by_code(a, b);
	if (far_a && b < 0x80 && (is_print(b) || !uca))
		return EXPR_GREATER;
	return far_b && a < 0x80 && (is_print(a) || !uca) ? EXPR_LESS : EXPR_UNDECIDED;
}

/* --- whole texts --- */

/* `rest` is what one text has behind the other's end, which counts as spaces where the collation pads. */
static enum expr_ordering order_rest(const struct expr_collation *c, struct str rest)
{
	uint32_t ch;

	while (rest.n > 0) {
		if (!expr_text_next(c->charset, &rest, &ch))
			return EXPR_UNDECIDED;
		if (c->pad && ch == ' ')
			continue;
		if (!c->pad) /* longer is more, if it weighs anything (NUL not, to MariaDB 10.5) */
			return is_print(ch) || (c->charset == EXPR_UTF8 && expr_char_is_far(ch)) ||
					       (c->order == EXPR_ORDER_GENERAL && ch != 0)
				       ? EXPR_GREATER
				       : EXPR_UNDECIDED;
		return order_chars(c, ch, ' ');
	}
	return EXPR_EQUAL;
}

static enum expr_ordering reverse(enum expr_ordering o)
{
	return o == EXPR_LESS ? EXPR_GREATER : o == EXPR_GREATER ? EXPR_LESS : o;
}

/* A mark that follows may join the character before it. */
static bool may_be_joined(const struct expr_collation *c, struct str rest)
{
	uint32_t ch;

	if (rest.n == 0 || c->order == EXPR_ORDER_GENERAL)
		return false;
	return !expr_text_next(c->charset, &rest, &ch) || (ch >= 0x80 && !expr_char_is_far(ch));
}

static enum expr_ordering compare_chars(const struct expr_collation *c, struct str a, struct str b)
{
	enum expr_ordering o;
	uint32_t ca, cb;

	while (a.n > 0 && b.n > 0) {
		if (!expr_text_next(c->charset, &a, &ca) || !expr_text_next(c->charset, &b, &cb))
			return EXPR_UNDECIDED;
		if (ca == cb)
			continue;
		if (may_be_joined(c, a) || may_be_joined(c, b))
			return EXPR_UNDECIDED;
		o = order_chars(c, ca, cb);
		if (o != EXPR_EQUAL)
			return o;
	}
	if (a.n > 0)
		return order_rest(c, a);
	return reverse(order_rest(c, b));
}

static enum expr_ordering compare_bytes(const struct expr_collation *c, struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n ? memcmp(a.p, b.p, n) : 0;
	struct str rest = a.n > n ? (struct str){a.p + n, a.n - n} : (struct str){b.p + n, b.n - n};
	enum expr_ordering o = EXPR_EQUAL;

	if (r)
		return r < 0 ? EXPR_LESS : EXPR_GREATER;
	if (!c->pad && c->charset == EXPR_UTF8 && rest.n > 0 && rest.p[0] == '\0')
		return EXPR_UNDECIDED; /* MariaDB 10.5: it weighs nothing */
	if (!c->pad)
		return by_code(a.n > n, b.n > n);
	for (size_t i = 0; o == EXPR_EQUAL && i < rest.n; i++)
		o = by_code((unsigned char)rest.p[i], ' ');
	return a.n > n ? o : reverse(o);
}

enum expr_ordering expr_text_compare(const struct expr_collation *c, struct str a, struct str b)
{
	enum expr_ordering o;

	if (str_eq(a, b))
		return EXPR_EQUAL;
	if (c->order == EXPR_ORDER_BYTES)
		return compare_bytes(c, a, b);
	o = compare_chars(c, a, b);
	if (c->order != EXPR_ORDER_LITERAL)
		return o;
	/* The asker's collation may, or may not, look at case and at spaces behind; and it orders capital
	 * letters, signs and small letters in a way of its own. */
	return o == EXPR_EQUAL ? EXPR_UNDECIDED : o == EXPR_UNDECIDED ? o : EXPR_DIFFERENT;
}

/* --- LIKE --- */

struct like {
	const struct expr_collation *c;
	struct str text, pattern;
	char escape;
	bool undecided;
};

enum step { STEP_MATCH, STEP_MANY, STEP_NO };

/* One character of the pattern against one of the text; both move on where they match. */
static enum step like_step(struct like *l, struct str *text, struct str *pattern)
{
	struct str t = *text, p = *pattern;
	uint32_t want, have;
	enum expr_ordering o;
	bool any;

	if (p.n == 0)
		return STEP_NO;
	if (p.p[0] == '%' && l->escape != '%') {
		pattern->p++;
		pattern->n--;
		return STEP_MANY;
	}
	any = p.p[0] == '_' && l->escape != '_';
	if (l->escape && p.p[0] == l->escape && p.n > 1) {
		p.p++;
		p.n--;
	}
	if (t.n == 0)
		return STEP_NO;
	if (!expr_text_next(l->c->charset, &t, &have) || !expr_text_next(l->c->charset, &p, &want)) {
		l->undecided = true;
		return STEP_NO;
	}
	o = any || want == have               ? EXPR_EQUAL
	    : l->c->order == EXPR_ORDER_BYTES ? EXPR_DIFFERENT
					      : order_chars(l->c, have, want);
	if (o == EXPR_EQUAL && !any && want != have && l->c->order == EXPR_ORDER_LITERAL)
		o = EXPR_UNDECIDED;
	l->undecided = l->undecided || o == EXPR_UNDECIDED;
	if (o != EXPR_EQUAL)
		return STEP_NO;
	*text = t;
	*pattern = p;
	return STEP_MATCH;
}

enum expr_ordering expr_text_like(
	const struct expr_collation *c, struct str text, struct str pattern, char escape)
{
	struct like l = {.c = c, .escape = escape};
	struct str t = text, p = pattern, star_text = {0}, star_pattern = {0};
	uint32_t skipped;

	while (t.n > 0 || p.n > 0) {
		enum step s = like_step(&l, &t, &p);

		if (s == STEP_MATCH)
			continue;
		if (s == STEP_MANY) {
			star_text = t;
			star_pattern = p;
			if (p.n == 0)
				break; /* it takes the rest */
			continue;
		}
		/* The last % takes one more. */
		if (!star_pattern.p || star_text.n == 0)
			return l.undecided ? EXPR_UNDECIDED : EXPR_DIFFERENT;
		if (!expr_text_next(c->charset, &star_text, &skipped))
			return EXPR_UNDECIDED;
		t = star_text;
		p = star_pattern;
	}
	return l.undecided ? EXPR_UNDECIDED : EXPR_EQUAL;
}

/* --- numbers --- */

static size_t digits_from(struct str s, size_t at)
{
	size_t n = 0;

	while (at + n < s.n && s.p[at + n] >= '0' && s.p[at + n] <= '9')
		n++;
	return n;
}

/* The end of the number that begins at `at`. */
static size_t number_end(struct str s, size_t at)
{
	size_t from = at, digits, e;

	if (at < s.n && (s.p[at] == '-' || s.p[at] == '+'))
		at++;
	digits = digits_from(s, at);
	at += digits;
	if (at < s.n && s.p[at] == '.') {
		digits += digits_from(s, at + 1);
		at += 1 + digits_from(s, at + 1);
	}
	if (digits == 0)
		return from;
	if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
		e = at + 1;
		if (e < s.n && (s.p[e] == '-' || s.p[e] == '+'))
			e++;
		if (digits_from(s, e) > 0)
			at = e + digits_from(s, e);
	}
	return at;
}

bool expr_text_number(struct str s, double *out)
{
	size_t from = 0, end;
	char text[320];

	while (from < s.n && s.p[from] && strchr(" \t\r\n", s.p[from]))
		from++;
	if (from < s.n && (s.p[from] == '\v' || s.p[from] == '\f'))
		return false;
	end = number_end(s, from);
	if (end - from >= sizeof(text))
		return false;
	if (end > from)
		memcpy(text, s.p + from, end - from);
	text[end - from] = 0;
	*out = end > from ? strtod(text, NULL) : 0;
	return isfinite(*out);
}
