/*
 * What is compared with what, and how: the servers' rules for pairs of types, and for collations. A pair for
 * which servers differ, or which depends on settings, is refused. Called by expr_bind.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/sql/expr_bind.h"
#include "common/sql/expr_eval.h"
#include "common/sql/expr_text.h"

static const struct expr_collation collations[] = {
#define EXPR_COLLATION(name, charset, order, pad) {name, EXPR_##charset, EXPR_ORDER_##order, pad},
#include "expr_collation.def"
#undef EXPR_COLLATION
};

const struct expr_collation expr_collation_literal = {"", EXPR_UTF8, EXPR_ORDER_LITERAL, true};

const struct expr_collation *expr_collation_find(const char *name)
{
	for (size_t i = 0; name && i < sizeof(collations) / sizeof(collations[0]); i++)
		if (str_is_ci(str_of(name), collations[i].name))
			return &collations[i];
	return NULL;
}

static struct str charset_of(const struct expr_collation *c)
{
	struct str s = {c->name, strcspn(c->name, "_")};

	return str_is(s, "utf8") ? STR_LIT("utf8mb3") : s;
}

bool expr_same_charset(const struct expr_collation *a, const struct expr_collation *b)
{
	return str_eq(charset_of(a), charset_of(b));
}

static bool is_mariadb(const struct expr_binder *b)
{
	return b->x->options.server.flavor == FLAVOR_MARIADB;
}

/* --- collations --- */

static bool has_text(const struct expr_node *n)
{
	return expr_node_is_text(n) || expr_node_is_enum(n);
}

/* The stronger of two, or NULL. Binary text is stronger than other text of the same kind. */
static const struct expr_node *stronger(const struct expr_node *a, const struct expr_node *b)
{
	if (!a || a->collation == b->collation)
		return a && a->strength <= b->strength ? a : b;
	if (a->strength != b->strength)
		return a->strength < b->strength ? a : b;
	if (a->strength != EXPR_EXPLICIT && a->collation->charset == EXPR_BINARY)
		return a;
	if (b->strength != EXPR_EXPLICIT && b->collation->charset == EXPR_BINARY)
		return b;
	return NULL;
}

/* May this text be looked at as one of charset c? */
static bool fits(const struct expr_node *n, const struct expr_collation *c)
{
	if (c->charset == EXPR_BINARY || n->collation == c || c->order == EXPR_ORDER_LITERAL)
		return true;
	if (n->op == EXPR_OP_LITERAL)
		return utf8_is_ascii(n->value.s) || (c->charset == EXPR_UTF8 && !n->hex);
	if (n->strength == EXPR_COERCIBLE) /* made of literals */
		return c->charset == EXPR_UTF8;
	return expr_same_charset(n->collation, c);
}

int expr_bind_collation(
	struct expr_binder *b, struct expr_node *n, struct expr_node **args, unsigned nargs, bool compared)
{
	const struct expr_node *best = NULL;

	n->strength = EXPR_COERCIBLE;
	n->collation = &expr_collation_literal;
	for (unsigned i = 0; i < nargs; i++) {
		if (!has_text(args[i]))
			continue;
		if (!args[i]->collation)
			return expr_bind_fail(b, args[i], "its members can't be compared as text");
		best = stronger(best, args[i]);
		if (!best)
			return expr_bind_fail(b, args[i],
				"texts of different collations meet: say by COLLATE which one counts");
	}
	if (!best)
		return 0;
	for (unsigned i = 0; i < nargs; i++)
		if (has_text(args[i]) && !fits(args[i], best->collation))
			return expr_bind_fail(b, args[i], "texts of different charsets meet");
	n->collation = best->collation;
	n->strength = best->strength;
	if (compared && n->collation->order == EXPR_ORDER_NONE)
		return expr_fail(b->x, best->at, ERR_expression, b->e,
			"text can't be compared exactly under its collation: if bytes are to count, write "
			"COLLATE %s_bin behind it",
			n->collation->name);
	return 0;
}

/* --- dates and times in literals --- */

/* "2024-02-29" and, where more follows, " 10:11:12.5"; only what every server takes as just that. */
static bool read_datetime(const char *text, bool *clock, struct expr_moment *m)
{
	static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int at = 0;
	bool leap;

	*m = (struct expr_moment){0};
	if (strspn(text, "0123456789-: .") != strlen(text) ||
		sscanf(text, "%4u-%2u-%2u%n", &m->year, &m->month, &m->day, &at) != 3 || at != 10)
		return false;
	leap = m->year % 4 == 0 && (m->year % 100 || m->year % 400 == 0);
	if (m->year < 1 || m->month < 1 || m->month > 12 || m->day < 1 ||
		m->day > (unsigned)days[m->month - 1] + (leap && m->month == 2))
		return false;
	*clock = text[at] == ' ';
	return *clock ? expr_read_clock(text + at + 1, 2, m) && m->hour < 24 : text[at] == 0;
}

static bool read_time(const char *text, int64_t *packed)
{
	struct expr_moment m = {0};
	bool negative = *text == '-';

	if (!expr_read_clock(text + negative, 3, &m) || m.hour > 838)
		return false;
	*packed = expr_pack_time(negative, &m);
	return true;
}

int expr_bind_time(struct expr_binder *b, struct expr_node *n, enum expr_type as)
{
	struct expr_moment m;
	int64_t packed = 0;
	bool clock = false, good;
	const char *text = n->value.s.p;

	if (as == EXPR_TIME) {
		good = !n->hex && strlen(text) == n->value.s.n && read_time(text, &packed);
		if (!good)
			return expr_bind_fail(b, n, "a time is written 'hh:mm:ss' or 'hh:mm:ss.ffffff' here");
	} else {
		good = !n->hex && strlen(text) == n->value.s.n && read_datetime(text, &clock, &m) &&
		       !(n->type == EXPR_DATE && clock) && !(n->type == EXPR_DATETIME && !clock);
		if (!good)
			return expr_bind_fail(b, n,
				"a date is written 'YYYY-MM-DD', a datetime 'YYYY-MM-DD hh:mm:ss' or with "
				".ffffff, and must be in the calendar");
		packed = expr_pack_datetime(&m);
	}
	n->value.type = n->type = as == EXPR_TIME ? EXPR_TIME : clock ? EXPR_DATETIME : EXPR_DATE;
	n->value.i = packed;
	return 0;
}

static bool is_date(const struct expr_node *n)
{
	return n->type == EXPR_DATE || n->type == EXPR_DATETIME;
}

/* MySQL reads a literal as the column would: more digits than it has are rounded. */
static int check_fraction(
	struct expr_binder *b, const struct expr_node *literal, struct expr_node **args, unsigned n)
{
	static const int64_t unit[] = {1000000, 100000, 10000, 1000, 100, 10, 1};

	for (unsigned i = 0; i < n; i++) {
		const char *p = args[i]->of ? strchr(args[i]->of->type, '(') : "(6)";
		unsigned digits = p && p[1] >= '0' && p[1] <= '6' ? (unsigned)(p[1] - '0') : 0;

		if (args[i]->type != EXPR_DATE && literal->value.i % unit[digits] != 0)
			return expr_bind_fail(
				b, literal, "it has more digits of a second than what it is compared with");
	}
	return 0;
}

/*
 * Beside what is a time, but no column, MySQL compares a literal as text; so it does where a literal is on
 * the left of a list, and of CASE even with dates.
 */
static int check_literals(
	struct expr_binder *b, const struct expr_node *n, struct expr_node **args, unsigned nargs, bool time)
{
	const struct expr_node *literal = NULL, *odd = NULL;

	for (unsigned i = 0; i < nargs; i++)
		if (expr_node_is_text(args[i]))
			literal = literal ? literal : args[i];
		else if (args[i]->op != EXPR_OP_COLUMN && args[i]->type != EXPR_NULL)
			odd = args[i];
	if (literal == args[0] && (n->op == EXPR_OP_CASE || nargs > 2))
		odd = time || n->op == EXPR_OP_CASE ? literal : NULL;
	else if (!time)
		odd = NULL;
	if (!literal || !odd || is_mariadb(b))
		return 0;
	return expr_bind_fail(b, literal,
		"some servers take this literal for text: write DATE, TIME or TIMESTAMP in front of it");
}

static int compare_times(struct expr_binder *b, struct expr_node *n, struct expr_node **args, unsigned nargs)
{
	enum expr_type as = EXPR_NULL;

	for (unsigned i = 0; i < nargs; i++)
		if (is_date(args[i]) || args[i]->type == EXPR_TIME)
			as = args[i]->type == EXPR_TIME ? EXPR_TIME : EXPR_DATETIME;
	if (check_literals(b, n, args, nargs, as == EXPR_TIME) < 0)
		return -1;
	for (unsigned i = 0; i < nargs; i++) {
		struct expr_node *arg = args[i];

		if (expr_node_is_text(arg)) {
			if (arg->op != EXPR_OP_LITERAL)
				return expr_bind_fail(b, arg,
					"dates and times compare with each other and with literals only");
			if (expr_bind_time(b, arg, as) < 0)
				return -1;
		}
		if (arg->type != EXPR_NULL && (as == EXPR_TIME) != (arg->type == EXPR_TIME))
			return expr_bind_fail(b, arg, "a time and a date don't compare");
		if (arg->op == EXPR_OP_LITERAL && arg->type != EXPR_NULL &&
			check_fraction(b, arg, args, nargs) < 0)
			return -1;
	}
	n->compare = EXPR_COMPARE_TIME;
	return 0;
}

/* --- numbers --- */

static bool is_year(const struct expr_node *n)
{
	return n->of && n->of->kind == COLUMN_INT && strncmp(n->of->type, "year", 4) == 0;
}

/* MySQL and MariaDB read 24 as 2024 beside a YEAR. */
static int check_years(struct expr_binder *b, struct expr_node **args, unsigned nargs)
{
	bool year = false;

	for (unsigned i = 0; i < nargs; i++)
		year = year || is_year(args[i]);
	for (unsigned i = 0; year && i < nargs; i++) {
		const struct expr_node *n = args[i];

		if (n->type == EXPR_NULL || is_year(n))
			continue;
		if (n->type > EXPR_UINT || n->op != EXPR_OP_LITERAL || n->value.u < 1901 || n->value.u > 2155)
			return expr_bind_fail(
				b, n, "a YEAR compares with years from 1901 to 2155 written as numbers");
	}
	return 0;
}

/* "-5": digits that a bigint holds, with a sign or without. */
static bool is_integer(struct str text)
{
	char copy[24], *end = copy;

	if (text.n == 0 || text.n >= sizeof(copy))
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	if (strspn(copy + (copy[0] == '-'), "0123456789") != text.n - (copy[0] == '-'))
		return false;
	errno = 0;
	if (copy[0] == '-')
		strtoll(copy, &end, 10);
	else
		strtoull(copy, &end, 10);
	return errno == 0 && end > copy;
}

/* What is in the list and reads as one number as an integer, and as another one as a double. */
static bool is_ambiguous(const struct expr_node *n)
{
	if (n->type == EXPR_DOUBLE)
		return true;
	return expr_node_is_text(n) && !n->hex && (n->op != EXPR_OP_LITERAL || !is_integer(n->value.s));
}

/* MySQL reads them as integers ('1e1' is 1, -1.5e-1 is 0) beside an integer that is no column. */
static int check_list(
	struct expr_binder *b, const struct expr_node *n, struct expr_node **args, unsigned nargs)
{
	if (is_mariadb(b) || n->op != EXPR_OP_IN || nargs < 3 || args[0]->op == EXPR_OP_COLUMN ||
		args[0]->type > EXPR_UINT)
		return 0;
	for (unsigned i = 1; i < nargs; i++)
		if (is_ambiguous(args[i]))
			return expr_bind_fail(b, args[i],
				"servers differ in which number this is here: write an integer without "
				"quotes");
	return 0;
}

/* Two ENUMs are compared by their names, each of them with a number by its own. */
static int check_enums(
	struct expr_binder *b, const struct expr_node *n, struct expr_node **args, unsigned nargs)
{
	unsigned enums = 0;

	for (unsigned i = 0; i < nargs; i++)
		enums += expr_node_is_enum(args[i]);
	if (enums < 2)
		return 0;
	return expr_bind_fail(b, n, "several ENUMs and a number are not compared in one list: take it apart");
}

/* MariaDB takes a BIT(64) for a signed number where it calculates, or compares, with doubles. */
int expr_bind_real(struct expr_binder *b, struct expr_node **args, unsigned nargs)
{
	for (unsigned i = 0; i < nargs; i++)
		if (is_mariadb(b) && args[i]->of && args[i]->of->kind == COLUMN_BIT &&
			strcmp(args[i]->of->type, "bit(64)") == 0)
			return expr_bind_fail(b, args[i],
				"this server takes a BIT(64) beside floating-point numbers for one with a "
				"sign: write + 0 behind it");
	return 0;
}

static int compare_numbers(
	struct expr_binder *b, struct expr_node *n, struct expr_node **args, unsigned nargs)
{
	bool hex = false; /* among several it makes servers compare as doubles */
	bool calculated = false;

	n->compare = EXPR_COMPARE_INT;
	for (unsigned i = 0; i < nargs; i++) {
		enum expr_type t = args[i]->type;

		if (expr_bind_is_hex_number(b, args[i])) {
			hex = nargs > 2;
			expr_bind_hex_number(args[i]);
			t = EXPR_UINT;
		}
		if (t == EXPR_DOUBLE || t == EXPR_STRING)
			n->compare = EXPR_COMPARE_DOUBLE;
		else if (t == EXPR_DECIMAL && n->compare == EXPR_COMPARE_INT)
			n->compare = EXPR_COMPARE_DECIMAL;
	}
	if (hex)
		n->compare = EXPR_COMPARE_DOUBLE;
	/* NULL % 4 is a double, too. */
	for (unsigned i = 0; nargs > 2 && i < nargs; i++)
		calculated = calculated || (args[i]->op != EXPR_OP_COLUMN && args[i]->op != EXPR_OP_LITERAL);
	if (((n->compare == EXPR_COMPARE_DOUBLE || calculated) && expr_bind_real(b, args, nargs) < 0) ||
		check_list(b, n, args, nargs) < 0 || check_enums(b, n, args, nargs) < 0)
		return -1;
	return check_years(b, args, nargs);
}

/* --- which of them --- */

enum {
	KIND_NUMBER = 1,
	KIND_TEXT = 2,
	KIND_TIME = 4,
	KIND_ENUM = 8,
	KIND_BIT = 16,
	KIND_HEX = 32,
	KIND_NONE = 0,
	KIND_OPAQUE = 64,
};

static unsigned kind(const struct expr_binder *b, const struct expr_node *n)
{
	if (n->type == EXPR_NULL)
		return KIND_NONE;
	if (n->type == EXPR_OPAQUE)
		return KIND_OPAQUE;
	if (expr_node_is_enum(n))
		return KIND_ENUM;
	if (n->of && n->of->kind == COLUMN_BIT)
		return KIND_BIT;
	if (expr_bind_is_hex_number(b, n))
		return KIND_HEX;
	if (n->type == EXPR_STRING)
		return KIND_TEXT;
	return is_date(n) || n->type == EXPR_TIME ? KIND_TIME : KIND_NUMBER;
}

static int refuse_pair(
	struct expr_binder *b, const struct expr_node *n, struct expr_node **args, unsigned nargs)
{
	for (unsigned i = 1; i < nargs; i++)
		if (kind(b, args[i]) != kind(b, args[0]) && args[i]->type != EXPR_NULL)
			return expr_fail(b->x, n->at, ERR_expression, b->e, "%s is not compared with %s here",
				expr_type_name(args[0]), expr_type_name(args[i]));
	return expr_fail(b->x, n->at, ERR_expression, b->e, "%s can't be compared", expr_type_name(args[0]));
}

int expr_bind_compare(struct expr_binder *b, struct expr_node *n, struct expr_node **args, unsigned nargs)
{
	unsigned left = kind(b, args[0]), list = 0, all;

	for (unsigned i = 1; i < nargs; i++)
		list |= kind(b, args[i]);
	all = left | list;
	n->compare = EXPR_COMPARE_NULL;
	if (all == KIND_NONE)
		return 0;
	if (!(all & ~(unsigned)(KIND_TEXT | KIND_ENUM | KIND_HEX)) && (all != KIND_ENUM || nargs > 1)) {
		n->compare = EXPR_COMPARE_TEXT;
		return expr_bind_collation(b, n, args, nargs, true);
	}
	if (!(all & ~(unsigned)(KIND_TIME | KIND_TEXT)) && (all & KIND_TIME))
		return compare_times(b, n, args, nargs);
	/* Numbers; and those with text, where all on one side are the same: servers look at each pair. */
	if (!(all & ~(unsigned)(KIND_NUMBER | KIND_BIT | KIND_HEX | KIND_ENUM)) ||
		(all == (KIND_NUMBER | KIND_TEXT) && left != list && list != all))
		return compare_numbers(b, n, args, nargs);
	return refuse_pair(b, n, args, nargs);
}

/* --- branches --- */

int expr_bind_branches(struct expr_binder *b, struct expr_node *n, struct expr_node **args, unsigned nargs)
{
	enum expr_type t = EXPR_NULL;

	for (unsigned i = 0; i < nargs; i++) {
		enum expr_type other = args[i]->type;

		if (expr_node_is_enum(args[i]) || args[i]->hex || other == EXPR_OPAQUE)
			return expr_fail(b->x, args[i]->at, ERR_expression, b->e,
				"%s can't be a branch's value: compare it first",
				args[i]->hex ? "a hex or bit literal" : expr_type_name(args[i]));
		if (t == EXPR_NULL || other == EXPR_NULL || t == other)
			t = t == EXPR_NULL ? other : t;
		else if (!expr_type_is_number(t) || !expr_type_is_number(other))
			return expr_fail(b->x, args[i]->at, ERR_expression, b->e,
				"the branches give values of several kinds, %s the last",
				expr_type_name(args[i]));
		else if (t == EXPR_DOUBLE || other == EXPR_DOUBLE)
			t = EXPR_DOUBLE;
		else
			t = EXPR_DECIMAL;
	}
	n->type = t;
	if (t == EXPR_DOUBLE && expr_bind_real(b, args, nargs) < 0)
		return -1;
	return t == EXPR_STRING ? expr_bind_collation(b, n, args, nargs, false) : 0;
}
