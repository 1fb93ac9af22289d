/*
 * Arithmetic as the servers do it: 64-bit integers with their range, decimals exactly, doubles. Called by
 * expr_eval.c and expr_eval_call.c.
 */
#include <math.h>

#include "common/sql/expr_decimal.h"
#include "common/sql/expr_eval.h"

__extension__ typedef __int128 wide;

enum { EXACT_DIGITS = 15 }; /* of a double */
#define EXACT_INTEGERS (UINT64_C(1) << 53)

static wide wide_of(const struct expr_value *v)
{
	return v->type == EXPR_UINT ? (wide)v->u : (wide)v->i;
}

static uint64_t magnitude_of(const struct expr_value *v)
{
	return v->type == EXPR_INT && v->i < 0 ? 0 - v->u : v->u;
}

void expr_eval_decimal(const struct expr_value *v, struct expr_decimal *out)
{
	if (v->type == EXPR_DECIMAL)
		*out = v->decimal;
	else
		expr_decimal_from_int(v->type == EXPR_INT && v->i < 0, magnitude_of(v), out);
}

int expr_eval_double(struct expr_run *r, const struct expr_node *n, const struct expr_value *v, double *out)
{
	switch (v->type) {
	case EXPR_INT:
		*out = (double)v->i;
		return 0;
	case EXPR_UINT:
		*out = (double)v->u;
		return 0;
	case EXPR_DECIMAL:
		*out = expr_decimal_to_double(&v->decimal);
		return 0;
	case EXPR_DOUBLE:
		*out = v->d;
		return 0;
	default:
		if (expr_text_number(v->s, out))
			return 0;
		return expr_eval_undecided(r, n, "the text is no number that servers read alike");
	}
}

/* Does a double hold it, and no other number beside it? 2^53 is 2^53+1, too. */
static bool is_exact(const struct expr_value *v)
{
	if (v->type == EXPR_INT || v->type == EXPR_UINT)
		return magnitude_of(v) < EXACT_INTEGERS;
	return v->type != EXPR_DECIMAL || expr_decimal_digits(&v->decimal) <= EXACT_DIGITS;
}

static enum expr_ordering sign_of(int c)
{
	return c < 0 ? EXPR_LESS : c > 0 ? EXPR_GREATER : EXPR_EQUAL;
}

int expr_eval_order_numbers(struct expr_run *r, const struct expr_node *n, const struct expr_value *a,
	const struct expr_value *b, enum expr_ordering *out)
{
	struct expr_decimal da, db;
	double fa, fb;

	if (n->compare == EXPR_COMPARE_INT) {
		*out = sign_of((wide_of(a) > wide_of(b)) - (wide_of(a) < wide_of(b)));
		return 0;
	}
	if (n->compare == EXPR_COMPARE_DECIMAL) {
		expr_eval_decimal(a, &da);
		expr_eval_decimal(b, &db);
		*out = sign_of(expr_decimal_compare(&da, &db));
		return 0;
	}
	if (expr_eval_double(r, n, a, &fa) < 0 || expr_eval_double(r, n, b, &fb) < 0)
		return -1;
	*out = sign_of((fa > fb) - (fa < fb));
	/* Some servers make a literal a number of the column's type instead. */
	if (*out == EXPR_EQUAL && (!is_exact(a) || !is_exact(b)))
		return expr_eval_undecided(
			r, n, "numbers of more digits than a double holds are compared as such");
	return 0;
}

/* --- integers --- */

static int fit(struct expr_run *r, const struct expr_node *n, wide w, struct expr_value *out)
{
	out->type = n->type;
	if (n->type == EXPR_UINT) {
		if (w < 0 || w > (wide)UINT64_MAX)
			return expr_eval_range(r, n);
		out->u = (uint64_t)w;
		return 0;
	}
	if (w < INT64_MIN || w > INT64_MAX)
		return expr_eval_range(r, n);
	out->i = (int64_t)w;
	return 0;
}

static int on_integers(
	struct expr_run *r, const struct expr_node *n, const struct expr_value v[2], struct expr_value *out)
{
	wide a = wide_of(&v[0]), b = n->nargs > 1 ? wide_of(&v[1]) : 0;

	switch (n->op) {
	case EXPR_OP_ADD:
		return fit(r, n, a + b, out);
	case EXPR_OP_SUB:
		return fit(r, n, a - b, out);
	case EXPR_OP_MUL:
		/* The greatest product of two of 64 bits is beyond 127. */
		if (a > 0 && b > 0 && a > (wide)UINT64_MAX / b)
			return expr_eval_range(r, n);
		return fit(r, n, a * b, out);
	case EXPR_OP_MINUS:
		return fit(r, n, -a, out);
	default:
		if (b != 0)
			return fit(r, n, n->op == EXPR_OP_DIV ? a / b : a % b, out);
		out->type = EXPR_NULL;
		return 0;
	}
}

/* --- decimals --- */

static int divide_decimals(struct expr_run *r, const struct expr_node *n, const struct expr_decimal *a,
	const struct expr_decimal *b, struct expr_value *out)
{
	struct expr_decimal quotient, remainder;
	bool negative, good;
	uint64_t u;

	out->type = EXPR_NULL;
	if (expr_decimal_is_zero(b))
		return 0;
	good = expr_decimal_divide(a, b, &quotient, &remainder);
	if (n->op == EXPR_OP_MOD) {
		if (a->negative && expr_decimal_is_zero(&remainder))
			return expr_eval_undecided(
				r, n, "the remainder is minus zero, which servers compare in several ways");
		out->type = EXPR_DECIMAL;
		out->decimal = remainder;
		return 0;
	}
	if (!good || !expr_decimal_to_int(&quotient, &negative, &u))
		return expr_eval_range(r, n);
	return fit(r, n, negative ? -(wide)u : (wide)u, out);
}

/* FLOOR and CEILING give integers or decimals, by the digits that the server thinks possible. */
static bool may_be_integers(const struct expr_decimal *d)
{
	bool negative;
	uint64_t u;

	return d->scale == 0 && (!expr_decimal_to_int(d, &negative, &u) || u > INT64_MAX);
}

static int on_decimals(
	struct expr_run *r, const struct expr_node *n, const struct expr_value v[2], struct expr_value *out)
{
	struct expr_decimal a, b = {0};
	bool good = true;

	expr_eval_decimal(&v[0], &a);
	if (n->nargs > 1)
		expr_eval_decimal(&v[1], &b);
	if (n->op == EXPR_OP_DIV || n->op == EXPR_OP_MOD)
		return divide_decimals(r, n, &a, &b, out);
	out->type = EXPR_DECIMAL;
	if (n->op == EXPR_OP_SUB)
		expr_decimal_negate(&b);
	if (n->op == EXPR_OP_MUL)
		good = expr_decimal_multiply(&a, &b, &out->decimal);
	else if (n->op == EXPR_OP_MINUS)
		out->decimal = a, expr_decimal_negate(&out->decimal);
	else
		good = expr_decimal_add(&a, &b, &out->decimal);
	if (good && may_be_integers(&out->decimal))
		return expr_eval_undecided(
			r, n, "whole numbers that may be decimals, or integers out of range");
	if (good)
		return 0;
	return expr_eval_undecided(
		r, n, "the result has more than 65 digits, or more than 30 behind the point");
}

/* --- doubles --- */

static int on_doubles(
	struct expr_run *r, const struct expr_node *n, const struct expr_value v[2], struct expr_value *out)
{
	double a, b = 0;

	if (expr_eval_double(r, n, &v[0], &a) < 0 || (n->nargs > 1 && expr_eval_double(r, n, &v[1], &b) < 0))
		return -1;
	out->type = EXPR_DOUBLE;
	switch (n->op) {
	case EXPR_OP_ADD:
		out->d = a + b;
		break;
	case EXPR_OP_SUB:
		out->d = a - b;
		break;
	case EXPR_OP_MUL:
		out->d = a * b;
		break;
	case EXPR_OP_MINUS:
		out->d = -a;
		break;
	default:
		if (b == 0)
			out->type = EXPR_NULL;
		else
			out->d = n->op == EXPR_OP_MOD ? fmod(a, b) : a / b;
	}
	return out->type == EXPR_DOUBLE && !isfinite(out->d) ? expr_eval_range(r, n) : 0;
}

int expr_eval_arithmetic(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	enum expr_type as = n->type;
	struct expr_value v[2];

	out->type = EXPR_NULL;
	for (unsigned i = 0; i < n->nargs; i++)
		if (expr_eval_node(r, n->args[i], &v[i]) < 0)
			return -1;
	for (unsigned i = 0; i < n->nargs; i++)
		if (v[i].type == EXPR_NULL)
			return 0;
	if (n->op == EXPR_OP_DIV && (v[0].type == EXPR_DECIMAL || v[1].type == EXPR_DECIMAL))
		return on_decimals(r, n, v, out);
	if (as == EXPR_DOUBLE)
		return on_doubles(r, n, v, out);
	return as == EXPR_DECIMAL ? on_decimals(r, n, v, out) : on_integers(r, n, v, out);
}

/* --- ABS, SIGN, FLOOR, CEILING, ROUND --- */

/* One branch of a CASE or COALESCE may be an integer where the whole is none. */
static int widen(struct expr_run *r, const struct expr_node *n, struct expr_value *v)
{
	struct expr_value was = *v;

	if (n->type == EXPR_DECIMAL && was.type != EXPR_DECIMAL) {
		v->type = EXPR_DECIMAL;
		expr_eval_decimal(&was, &v->decimal);
	} else if (n->type == EXPR_DOUBLE && was.type != EXPR_DOUBLE) {
		v->type = EXPR_DOUBLE;
		return expr_eval_double(r, n, &was, &v->d);
	}
	return 0;
}

static int absolute(struct expr_run *r, const struct expr_node *n, struct expr_value *v)
{
	if (widen(r, n, v) < 0)
		return -1;
	if (v->type == EXPR_INT && v->i < 0)
		return fit(r, n, -wide_of(v), v);
	if (v->type == EXPR_DECIMAL)
		v->decimal.negative = false;
	else if (v->type == EXPR_DOUBLE)
		v->d = fabs(v->d);
	return 0;
}

static int64_t sign(const struct expr_value *v)
{
	if (v->type == EXPR_DECIMAL)
		return v->decimal.negative ? -1 : !expr_decimal_is_zero(&v->decimal);
	if (v->type == EXPR_DOUBLE)
		return (v->d > 0) - (v->d < 0);
	return (wide_of(v) > 0) - (wide_of(v) < 0);
}

int expr_eval_numeric_call(
	struct expr_run *r, const struct expr_node *n, const struct expr_value *arg, struct expr_value *out)
{
	unsigned digits = n->nargs > 1 ? (unsigned)n->args[1]->value.u : 0;
	enum expr_rounding how = n->function == EXPR_F_floor     ? EXPR_ROUND_DOWN
				 : n->function == EXPR_F_ceiling ? EXPR_ROUND_UP
								 : EXPR_ROUND_HALF_UP;

	*out = *arg;
	if (n->function == EXPR_F_sign) {
		expr_set_int(out, sign(arg));
		return 0;
	}
	if (n->function == EXPR_F_abs)
		return absolute(r, n, out);
	if (out->type != EXPR_DECIMAL || expr_decimal_round(&out->decimal, digits, how))
		return 0;
	return expr_eval_undecided(r, n, "the result has more than 65 digits");
}
