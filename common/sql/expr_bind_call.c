/*
 * What functions and CASE take, and what type they give. Called by expr_bind.c.
 */
#include <string.h>

#include "common/sql/expr_bind.h"

static int refuse(
	struct expr_binder *b, const struct expr_node *n, const struct expr_node *arg, const char *want)
{
	return expr_fail(b->x, arg->at, ERR_expression, b->e, "%s takes %s here, not %s", n->name, want,
		expr_type_name(arg));
}

static int want_text(struct expr_binder *b, const struct expr_node *n, unsigned i)
{
	if (n->args[i]->type == EXPR_STRING || n->args[i]->type == EXPR_NULL)
		return 0;
	return refuse(b, n, n->args[i], "text");
}

static int want_integer(struct expr_binder *b, const struct expr_node *n, unsigned i)
{
	const struct expr_node *arg = n->args[i];

	if (!expr_node_is_enum(arg) && (arg->type <= EXPR_UINT))
		return 0;
	return refuse(b, n, arg, "an integer");
}

/* Text and integers behind it. */
static int bind_part(struct expr_binder *b, struct expr_node *n)
{
	if (want_text(b, n, 0) < 0)
		return -1;
	for (unsigned i = 1; i < n->nargs; i++)
		if (want_integer(b, n, i) < 0)
			return -1;
	n->type = EXPR_STRING;
	return expr_bind_collation(b, n, n->args, 1, false);
}

static int bind_texts(struct expr_binder *b, struct expr_node *n)
{
	for (unsigned i = 0; i < n->nargs; i++)
		if (want_text(b, n, i) < 0)
			return -1;
	n->type = EXPR_STRING;
	if (expr_bind_collation(b, n, n->args, n->nargs, false) < 0)
		return -1;
	/* MySQL's REPLACE has that of the first. */
	if (n->args[0]->type == EXPR_STRING && n->collation != n->args[0]->collation)
		return expr_bind_fail(b, n->args[0],
			"servers differ in the collation of this: give it the one of the other texts "
			"(COLLATE)");
	return 0;
}

static int bind_concat(struct expr_binder *b, struct expr_node *n)
{
	for (unsigned i = 0; i < n->nargs; i++) {
		const struct expr_node *arg = n->args[i];
		bool plain = arg->op == EXPR_OP_COLUMN || arg->op == EXPR_OP_LITERAL;
		bool bits = arg->of && (arg->of->kind == COLUMN_BIT || arg->of->kind == COLUMN_ENUM);

		if (arg->type == EXPR_STRING || arg->type == EXPR_NULL)
			continue;
		/* ZEROFILL is printed with its zeros, a YEAR with four digits */
		if (bits || arg->type > EXPR_DECIMAL || (arg->type == EXPR_DECIMAL && !plain) ||
			(arg->of && (strstr(arg->of->type, "zerofill") ||
					    strncmp(arg->of->type, "year", 4) == 0)))
			return refuse(b, n, arg, "text, integers and decimals as they stand");
	}
	n->type = EXPR_STRING;
	return expr_bind_collation(b, n, n->args, n->nargs, false);
}

static int bind_number(struct expr_binder *b, struct expr_node *n, bool fraction)
{
	struct expr_node *arg = n->args[0];

	if (!expr_node_is_number(arg) || (arg->type == EXPR_DOUBLE && !fraction))
		return refuse(b, n, arg, fraction ? "a number" : "an integer or a decimal");
	if (n->function == EXPR_F_sign && expr_bind_real(b, n->args, 1) < 0)
		return -1;
	n->type = n->function == EXPR_F_sign ? EXPR_INT : arg->type;
	return 0;
}

static int bind_round(struct expr_binder *b, struct expr_node *n)
{
	const struct expr_node *digits = n->nargs > 1 ? n->args[1] : NULL;

	if (digits && (digits->op != EXPR_OP_LITERAL || digits->type != EXPR_INT || digits->value.i < 0 ||
			      digits->value.i > EXPR_DECIMAL_SCALE))
		return refuse(b, n, digits, "a literal from 0 to 30");
	return bind_number(b, n, false);
}

/* A literal is read as a date. */
static int want_date(struct expr_binder *b, struct expr_node *n, unsigned i, bool time)
{
	struct expr_node *arg = n->args[i];
	enum expr_type t = arg->type;

	if (t == EXPR_STRING && arg->op == EXPR_OP_LITERAL) {
		if (expr_bind_time(b, arg, EXPR_DATETIME) < 0)
			return -1;
		if (!time || arg->type == EXPR_DATETIME)
			return 0;
		return expr_bind_fail(
			b, arg, "as a time servers read '2024-02-29' as 00:20:24: write DATE in front of it");
	}
	if (t == EXPR_DATE || t == EXPR_DATETIME || t == EXPR_NULL || (t == EXPR_TIME && time))
		return 0;
	return refuse(b, n, arg, time ? "a time, a date or a datetime" : "a date or a datetime");
}

static int bind_date(struct expr_binder *b, struct expr_node *n, bool time)
{
	for (unsigned i = 0; i < n->nargs; i++)
		if (want_date(b, n, i, time) < 0)
			return -1;
	n->type = n->function == EXPR_F_date ? EXPR_DATE : EXPR_INT;
	if (n->function == EXPR_F_year && b->x->options.server.flavor != FLAVOR_MARIADB)
		n->type = EXPR_UINT;
	return 0;
}

static int bind_if(struct expr_binder *b, struct expr_node *n)
{
	if (!expr_node_is_number(n->args[0]))
		return refuse(b, n, n->args[0], "a condition");
	return expr_bind_branches(b, n, n->args + 1, 2);
}

static int bind_nullif(struct expr_binder *b, struct expr_node *n)
{
	const struct expr_collation *collation;
	enum expr_strength strength;

	if (n->args[0]->op == EXPR_OP_LITERAL || expr_node_is_enum(n->args[0]))
		return refuse(b, n, n->args[0], "a column or what is made of one, of no ENUM,");
	/* The comparison's collation is not that of the result. */
	collation = n->args[0]->collation;
	strength = n->args[0]->strength;
	if (expr_bind_compare(b, n, n->args, 2) < 0)
		return -1;
	if (n->compare == EXPR_COMPARE_TEXT && n->collation != collation)
		return expr_bind_fail(b, n, "NULLIF compares texts of one collation here");
	n->strength = strength;
	n->type = n->args[0]->type;
	return 0;
}

int expr_bind_call(struct expr_binder *b, struct expr_node *n)
{
	switch (n->function) {
	case EXPR_F_lower:
	case EXPR_F_upper:
	case EXPR_F_trim:
	case EXPR_F_ltrim:
	case EXPR_F_rtrim:
	case EXPR_F_replace:
		return bind_texts(b, n);
	case EXPR_F_length:
	case EXPR_F_char_length:
		n->type = EXPR_INT;
		return want_text(b, n, 0);
	case EXPR_F_concat:
		return bind_concat(b, n);
	case EXPR_F_substring:
	case EXPR_F_left:
	case EXPR_F_right:
		return bind_part(b, n);
	case EXPR_F_if:
		return bind_if(b, n);
	case EXPR_F_ifnull:
	case EXPR_F_coalesce:
		return expr_bind_branches(b, n, n->args, n->nargs);
	case EXPR_F_nullif:
		return bind_nullif(b, n);
	case EXPR_F_isnull:
		n->type = EXPR_INT;
		return expr_bind_null_test(b, n);
	case EXPR_F_abs:
	case EXPR_F_sign:
		return bind_number(b, n, true);
	case EXPR_F_floor:
	case EXPR_F_ceiling:
		return bind_number(b, n, false);
	case EXPR_F_round:
		return bind_round(b, n);
	case EXPR_F_hour:
	case EXPR_F_minute:
	case EXPR_F_second:
	case EXPR_F_microsecond:
		return bind_date(b, n, true);
	default:
		return bind_date(b, n, false);
	}
}

int expr_bind_case(struct expr_binder *b, struct expr_node *n)
{
	unsigned whens = (n->nargs - n->has_value - n->has_else) / 2, first = n->has_value;
	struct expr_node **when = arena_alloc(b->x->a, (whens + 1) * sizeof(*when));
	struct expr_node **then = arena_alloc(b->x->a, (whens + 1) * sizeof(*then));

	when[0] = n->args[0];
	for (unsigned i = 0; i < whens; i++) {
		when[i + first] = n->args[first + 2 * i];
		then[i] = n->args[first + 2 * i + 1];
	}
	if (n->has_else)
		then[whens] = n->args[n->nargs - 1];
	for (unsigned i = 0; !n->has_value && i < whens; i++)
		if (!expr_node_is_number(when[i]))
			return expr_bind_fail(b, when[i], "WHEN takes a condition here");
	if (n->has_value && expr_bind_compare(b, n, when, whens + 1) < 0)
		return -1;
	n->compared = n->collation;
	return expr_bind_branches(b, n, then, whens + n->has_else);
}
