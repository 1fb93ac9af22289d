/*
 * Functions over one row: of texts, and those that choose among their arguments. Called by expr_eval.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/sql/expr_decimal.h"
#include "common/sql/expr_eval.h"

static enum expr_charset charset_of(const struct expr_node *n)
{
	return n->collation ? n->collation->charset : EXPR_UTF8;
}

static void set_text(struct expr_value *out, const char *p, size_t n)
{
	out->type = EXPR_STRING;
	out->s = (struct str){p, n};
}

/* --- characters --- */

static int count_chars(struct expr_run *r, const struct expr_node *n, enum expr_charset charset, struct str s,
	int64_t *count)
{
	uint32_t c;

	if (charset != EXPR_UTF8 || utf8_is_ascii(s)) {
		*count = (int64_t)s.n;
		return 0;
	}
	for (*count = 0; s.n > 0; (*count)++)
		if (!expr_text_next(charset, &s, &c))
			return expr_eval_undecided(r, n, "bytes that are no UTF-8");
	return 0;
}

/* The text from character `from`, `count` characters of it; both in range. */
static struct str cut_chars(enum expr_charset charset, struct str s, int64_t from, int64_t count)
{
	struct str start = {0}, end;
	uint32_t c;

	for (int64_t i = 0; i < from; i++)
		expr_text_next(charset, &s, &c);
	start = end = s;
	for (int64_t i = 0; i < count; i++)
		expr_text_next(charset, &end, &c);
	return (struct str){start.p, start.n - end.n};
}

/* An integer argument: huge ones as a huge one. */
static int64_t number_of(const struct expr_value *v)
{
	enum { MOST = 1 << 30 };

	if (v->type == EXPR_UINT)
		return v->u > MOST ? MOST : (int64_t)v->u;
	return v->i > MOST ? MOST : v->i < -MOST ? -MOST : v->i;
}

static int part(
	struct expr_run *r, const struct expr_node *n, const struct expr_value *args, struct expr_value *out)
{
	struct str s = args[0].s;
	int64_t length, from, count = n->nargs > 2 ? number_of(&args[2]) : INT64_MAX;

	if (count_chars(r, n, charset_of(n), s, &length) < 0)
		return -1;
	from = number_of(&args[1]);
	if (n->function == EXPR_F_left) {
		count = from;
		from = 1;
	} else if (n->function == EXPR_F_right) {
		count = from;
		from = from < length ? length - from + 1 : 1;
	}
	if (from < 0)
		from = length + from + 1;
	if (from < 1 || from > length || count < 1) {
		set_text(out, "", 0);
		return 0;
	}
	if (count > length - from + 1)
		count = length - from + 1;
	out->type = EXPR_STRING;
	out->s = cut_chars(charset_of(n), s, from - 1, count);
	return 0;
}

/* --- texts --- */

static int change_case(struct expr_run *r, const struct expr_node *n, struct str s, struct expr_value *out)
{
	bool lower = n->function == EXPR_F_lower;
	char *p = arena_alloc(r->a, s.n + 1);
	struct str rest = s;
	uint32_t c;

	while (rest.n > 0) {
		if (!expr_text_next(charset_of(n), &rest, &c) || (c >= 0x80 && !expr_char_is_far(c)))
			return expr_eval_undecided(r, n, "letters beyond ASCII");
		/* far letters have no case */
	}
	for (size_t i = 0; i < s.n; i++) {
		char ch = s.p[i];

		if (lower ? ch >= 'A' && ch <= 'Z' : ch >= 'a' && ch <= 'z')
			ch = (char)(ch ^ 0x20);
		p[i] = ch;
	}
	set_text(out, p, s.n);
	return 0;
}

static void trim(enum expr_function_id f, struct str s, struct expr_value *out)
{
	while (f != EXPR_F_rtrim && s.n > 0 && s.p[0] == ' ') {
		s.p++;
		s.n--;
	}
	while (f != EXPR_F_ltrim && s.n > 0 && s.p[s.n - 1] == ' ')
		s.n--;
	set_text(out, s.p, s.n);
}

static void put_value(struct buf *b, const struct expr_value *v)
{
	char text[EXPR_DECIMAL_TEXT];

	if (v->type == EXPR_STRING)
		buf_put(b, v->s.p, v->s.n);
	else if (v->type == EXPR_DECIMAL)
		buf_put(b, text, expr_decimal_text(&v->decimal, text));
	else if (v->type == EXPR_UINT)
		buf_putf(b, "%" PRIu64, v->u);
	else
		buf_putf(b, "%" PRId64, v->i);
}

/* The text that b holds, moved into the run's arena. */
static void keep(struct expr_run *r, struct buf *b, struct expr_value *out)
{
	set_text(out, arena_strdup(r->a, buf_str(b)), b->n);
	buf_free(b);
}

static int concat(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	struct buf b = {0};
	struct expr_value v;

	for (unsigned i = 0; i < n->nargs; i++) {
		if (expr_eval_node(r, n->args[i], &v) < 0) {
			buf_free(&b);
			return -1;
		}
		if (v.type == EXPR_NULL) {
			buf_free(&b);
			out->type = EXPR_NULL;
			return 0;
		}
		put_value(&b, &v);
	}
	keep(r, &b, out);
	return 0;
}

static void replace(struct expr_run *r, const struct expr_value *args, struct expr_value *out)
{
	struct str s = args[0].s, from = args[1].s, to = args[2].s;
	struct buf b = {0};

	*out = args[0];
	if (from.n == 0)
		return;
	while (s.n > 0) {
		if (s.n >= from.n && memcmp(s.p, from.p, from.n) == 0) {
			buf_put(&b, to.p, to.n);
			s.p += from.n;
			s.n -= from.n;
		} else {
			buf_putc(&b, *s.p++);
			s.n--;
		}
	}
	keep(r, &b, out);
}

/* --- those that choose --- */

static int choose_if(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	enum expr_truth t;

	if (expr_eval_truth(r, n->args[0], &t) < 0)
		return -1;
	return expr_eval_node(r, n->args[t == EXPR_TRUE ? 1 : 2], out);
}

static int coalesce(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	out->type = EXPR_NULL;
	for (unsigned i = 0; i < n->nargs && out->type == EXPR_NULL; i++)
		if (expr_eval_node(r, n->args[i], out) < 0)
			return -1;
	return 0;
}

static int nullif(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	const struct expr_node *const nodes[2] = {n->args[0], n->args[1]};
	struct expr_value b;
	const struct expr_value *values[2] = {out, &b};
	enum expr_ordering o;

	if (expr_eval_node(r, n->args[0], out) < 0 || expr_eval_node(r, n->args[1], &b) < 0)
		return -1;
	if (out->type == EXPR_NULL || b.type == EXPR_NULL)
		return 0;
	if (expr_eval_order(r, n, nodes, values, &o) < 0)
		return -1;
	if (o == EXPR_EQUAL)
		out->type = EXPR_NULL;
	return 0;
}

static int isnull(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	struct expr_value v;

	if (expr_eval_node(r, n->args[0], &v) < 0)
		return -1;
	expr_set_int(out, v.type == EXPR_NULL);
	return 0;
}

/* --- which of them --- */

/* Those that are NULL where an argument is. */
static int call_with(
	struct expr_run *r, const struct expr_node *n, const struct expr_value *args, struct expr_value *out)
{
	int64_t count;

	switch (n->function) {
	case EXPR_F_lower:
	case EXPR_F_upper:
		*out = args[0];
		return charset_of(n) == EXPR_BINARY ? 0 : change_case(r, n, args[0].s, out);
	case EXPR_F_trim:
	case EXPR_F_ltrim:
	case EXPR_F_rtrim:
		trim(n->function, args[0].s, out);
		return 0;
	case EXPR_F_replace:
		replace(r, args, out);
		return 0;
	case EXPR_F_substring:
	case EXPR_F_left:
	case EXPR_F_right:
		return part(r, n, args, out);
	case EXPR_F_length:
		expr_set_int(out, (int64_t)args[0].s.n);
		return 0;
	case EXPR_F_char_length:
		if (count_chars(r, n, charset_of(n->args[0]), args[0].s, &count) < 0)
			return -1;
		expr_set_int(out, count);
		return 0;
	case EXPR_F_abs:
	case EXPR_F_sign:
	case EXPR_F_floor:
	case EXPR_F_ceiling:
	case EXPR_F_round:
		return expr_eval_numeric_call(r, n, &args[0], out);
	default:
		return expr_eval_time_call(r, n, args, out);
	}
}

int expr_eval_call(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	struct expr_value args[3] = {0};

	switch (n->function) {
	case EXPR_F_concat:
		return concat(r, n, out);
	case EXPR_F_if:
		return choose_if(r, n, out);
	case EXPR_F_ifnull:
	case EXPR_F_coalesce:
		return coalesce(r, n, out);
	case EXPR_F_nullif:
		return nullif(r, n, out);
	case EXPR_F_isnull:
		return isnull(r, n, out);
	default:
		break;
	}
	for (unsigned i = 0; i < n->nargs; i++) {
		if (expr_eval_node(r, n->args[i], &args[i]) < 0)
			return -1;
		/* It may not look at what it does not need. */
		if (args[i].type == EXPR_NULL && i == 2 && n->function == EXPR_F_replace &&
			r->x->options.server.flavor == FLAVOR_MARIADB)
			return expr_eval_undecided(r, n, "what is put in is NULL");
		if (args[i].type == EXPR_NULL) {
			out->type = EXPR_NULL;
			return 0;
		}
	}
	return call_with(r, n, args, out);
}
