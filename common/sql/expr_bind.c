/*
 * An expression and a table's structure: columns are found, every node gets its type, and whatever the
 * servers' rules would make depend on more than is known here is refused. Once for each structure; evaluation
 * (expr_eval.c) relies on what was found.
 */
#include "common/sql/expr_bind.h"
#include "common/sql/expr_text.h"

#include <string.h>

#include "common/base/utf8.h"

int expr_bind_fail(struct expr_binder *b, const struct expr_node *n, const char *why)
{
	return expr_fail(b->x, n->at, ERR_expression, b->e, "%s", why);
}

bool expr_type_is_number(enum expr_type t)
{
	return t == EXPR_INT || t == EXPR_UINT || t == EXPR_DECIMAL || t == EXPR_DOUBLE;
}

bool expr_node_is_enum(const struct expr_node *n)
{
	return n->of && n->of->kind == COLUMN_ENUM;
}

bool expr_node_is_text(const struct expr_node *n)
{
	return n->type == EXPR_STRING;
}

bool expr_node_is_number(const struct expr_node *n)
{
	return !expr_node_is_enum(n) && (expr_type_is_number(n->type) || n->type == EXPR_NULL);
}

const char *expr_type_name(const struct expr_node *n)
{
	static const char *const names[] = {
		[EXPR_NULL] = "NULL",
		[EXPR_INT] = "an integer",
		[EXPR_UINT] = "an unsigned integer",
		[EXPR_DECIMAL] = "a decimal",
		[EXPR_DOUBLE] = "a floating-point number",
		[EXPR_STRING] = "text",
		[EXPR_DATE] = "a date",
		[EXPR_DATETIME] = "a datetime",
		[EXPR_TIME] = "a time",
		[EXPR_OPAQUE] = "a value of a type that filters can't look into",
	};

	return expr_node_is_enum(n) ? "an ENUM" : names[n->type];
}

/* --- columns --- */

/* The servers write a line's end, a carriage return and NUL as \n, \r and \0 there, anything else as itself.
 */
static char unescaped(char c)
{
	return c == 'n' ? '\n' : c == 'r' ? '\r' : c == '0' ? '\0' : c;
}

/* Members of "enum('a','it''s')"; names in UTF-8, as the catalogue tells them. */
static void read_members(struct expr_binder *b, struct expr_node *n)
{
	const char *p = strchr(n->of->type, '(');
	size_t most = strlen(n->of->type) / 3 + 1;

	n->members = arena_alloc(b->x->a, most * sizeof(*n->members));
	while (p && (*p == '(' || *p == ',') && p[1] == '\'' && n->nmembers < most) {
		char *out = arena_alloc(b->x->a, strlen(p) + 1);
		size_t len = 0;

		for (p += 2; *p && (*p != '\'' || p[1] == '\''); p++) {
			bool escaped = *p == '\\' && p[1];

			p += *p == '\'' || escaped;
			out[len++] = escaped ? unescaped(*p) : *p;
		}
		p += *p == '\'';
		n->members[n->nmembers++] = (struct str){out, len};
	}
}

static int bind_text_column(struct expr_binder *b, struct expr_node *n)
{
	const char *charset = n->of->charset ? n->of->charset : "";
	bool utf8 = strncmp(charset, "utf8", 4) == 0;

	n->strength = EXPR_IMPLICIT;
	n->collation = n->of->kind == COLUMN_BINARY ? expr_collation_find("binary")
						    : expr_collation_find(n->of->collation);
	/* Another one may still be asked for: COLLATE. */
	if (!n->collation && (utf8 || strcmp(charset, "latin1") == 0 || strcmp(charset, "ascii") == 0)) {
		struct expr_collation *c = arena_zalloc(b->x->a, sizeof(*c));

		*c = (struct expr_collation){
			.name = charset, .charset = utf8 ? EXPR_UTF8 : EXPR_BYTES, .order = EXPR_ORDER_NONE};
		n->collation = c;
	}
	if (!n->collation && n->of->kind != COLUMN_ENUM)
		return expr_fail(b->x, n->at, ERR_expression, b->e,
			"text of charset %s and collation %s can't be looked into (docs: filters)", charset,
			n->of->collation ? n->of->collation : "");
	return 0;
}

static int bind_enum(struct expr_binder *b, struct expr_node *n)
{
	n->type = EXPR_UINT;
	read_members(b, n);
	if (bind_text_column(b, n) < 0)
		return -1;
	for (unsigned i = 0; i < n->nmembers; i++)
		if (!utf8_is_ascii(n->members[i]) && (!n->collation || n->collation->charset != EXPR_UTF8))
			n->collation = NULL; /* as a number it can still be looked at */
	return 0;
}

/* FLOAT(7,4): servers compare those with a tolerance. */
static int bind_float(struct expr_binder *b, struct expr_node *n)
{
	n->type = EXPR_DOUBLE;
	if (strchr(n->of->type, '('))
		return expr_bind_fail(
			b, n, "a FLOAT or DOUBLE with a number of digits is compared inexactly");
	return 0;
}

static int bind_column(struct expr_binder *b, struct expr_node *n)
{
	int i = structure_column(b->s, n->name);

	if (i < 0)
		return expr_fail(b->x, n->at, ERR_expression, b->e, "`%s`.`%s` has no column `%s`",
			b->s->schema, b->s->table, n->name);
	n->column = (unsigned)i;
	n->of = &b->s->columns[i];
	switch (n->of->kind) {
	case COLUMN_INT:
		n->type = n->of->is_unsigned || strncmp(n->of->type, "year", 4) == 0 ? EXPR_UINT : EXPR_INT;
		return 0;
	case COLUMN_BIT:
		n->type = EXPR_UINT;
		return 0;
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE:
		return bind_float(b, n);
	case COLUMN_DECIMAL:
		n->type = EXPR_DECIMAL;
		return 0;
	case COLUMN_DATE:
		n->type = EXPR_DATE;
		return 0;
	case COLUMN_TIME:
		n->type = EXPR_TIME;
		return 0;
	case COLUMN_DATETIME:
	case COLUMN_TIMESTAMP:
		n->type = EXPR_DATETIME;
		return 0;
	case COLUMN_TEXT:
	case COLUMN_BINARY:
		n->type = EXPR_STRING;
		return bind_text_column(b, n);
	case COLUMN_ENUM:
		return bind_enum(b, n);
	default:
		n->type = EXPR_OPAQUE;
		return 0;
	}
}

static int bind_literal(struct expr_binder *b, struct expr_node *n)
{
	if (n->type != EXPR_NULL) /* DATE '…' */
		return expr_bind_time(b, n, n->type);
	n->type = n->value.type;
	if (n->type == EXPR_STRING) {
		n->strength = EXPR_COERCIBLE;
		n->collation = n->hex ? expr_collation_find("binary") : &expr_collation_literal;
	}
	return 0;
}

/* --- operators --- */

/* A condition: what servers agree on when it is true. */
static int want_condition(struct expr_binder *b, const struct expr_node *n)
{
	if (expr_node_is_number(n))
		return 0;
	return expr_fail(b->x, n->at, ERR_expression, b->e,
		"%s is no condition: write a comparison (it is what AND, OR, NOT, IF, CASE and the whole "
		"expression take)",
		expr_type_name(n));
}

static int bind_logic(struct expr_binder *b, struct expr_node *n)
{
	for (unsigned i = 0; i < n->nargs; i++) {
		const struct expr_node *arg = n->args[i];

		if (want_condition(b, arg) < 0)
			return -1;
		while (arg->op == EXPR_OP_NOT) /* a XOR NOT b may be done as NOT a XOR b */
			arg = arg->args[0];
		if (n->op == EXPR_OP_XOR && (arg->type == EXPR_DECIMAL || arg->type == EXPR_DOUBLE))
			return expr_bind_fail(b, arg, "servers differ in what XOR makes of a fraction");
	}
	n->type = EXPR_INT;
	return 0;
}

static bool has_safe_equal(const struct expr_node *n)
{
	bool has = n->op == EXPR_OP_SAFE_EQ;

	for (unsigned i = 0; i < n->nargs && !has; i++)
		has = has_safe_equal(n->args[i]);
	return has;
}

/* MariaDB 10.5 finds NULL where <=> can't be. */
int expr_bind_null_test(struct expr_binder *b, const struct expr_node *n)
{
	const struct server *s = &b->x->options.server;

	if (s->flavor == FLAVOR_MARIADB && s->version < 101100 && has_safe_equal(n))
		return expr_bind_fail(b, n, "this server errs in asking for NULL of what has <=> in it");
	return 0;
}

static int bind_is(struct expr_binder *b, struct expr_node *n)
{
	n->type = EXPR_INT;
	return n->is == EXPR_IS_NULL ? expr_bind_null_test(b, n) : want_condition(b, n->args[0]);
}

void expr_bind_hex_number(struct expr_node *n)
{
	struct str s = n->value.s;
	uint64_t u = 0;

	for (size_t i = 0; i < s.n; i++)
		u = u << 8 | (unsigned char)s.p[i];
	n->type = n->value.type = EXPR_UINT;
	n->value.u = u;
}

bool expr_bind_is_hex_number(const struct expr_binder *b, const struct expr_node *n)
{
	return n->hex && n->type == EXPR_STRING && n->value.s.n <= 8 &&
	       !(n->hex_text && b->x->options.server.flavor == FLAVOR_MARIADB);
}

static int want_number(struct expr_binder *b, struct expr_node *n)
{
	if (expr_node_is_text(n) && n->hex) {
		if (!expr_bind_is_hex_number(b, n))
			return expr_bind_fail(b, n, "this literal is no number here");
		expr_bind_hex_number(n);
		return 0;
	}
	if (expr_node_is_number(n) || expr_node_is_text(n))
		return 0;
	return expr_fail(b->x, n->at, ERR_expression, b->e, "%s can't be calculated with", expr_type_name(n));
}

static enum expr_type result_of(const struct expr_node *n)
{
	enum expr_type most = EXPR_INT;

	for (unsigned i = 0; i < n->nargs; i++) {
		enum expr_type t = n->args[i]->type;

		if (t == EXPR_STRING)
			t = EXPR_DOUBLE;
		if (t != EXPR_NULL && t > most)
			most = t;
	}
	return most;
}

/* 1/v as a decimal where it ends, with at most four digits more than v has; false: it does not. */
static bool invert(const struct expr_value *v, struct expr_value *out)
{
	static const struct {
		unsigned of;
		const char *inverse;
	} known[] = {{1, "1"}, {2, "0.5"}, {4, "0.25"}, {5, "0.2"}, {8, "0.125"}, {16, "0.0625"},
		{25, "0.04"}, {125, "0.008"}, {625, "0.0016"}, {10, "0.1"}, {100, "0.01"}, {1000, "0.001"},
		{10000, "0.0001"}, {20, "0.05"}, {50, "0.02"}, {200, "0.005"}, {500, "0.002"},
		{2000, "0.0005"}, {5000, "0.0002"}, {40, "0.025"}, {80, "0.0125"}, {250, "0.004"},
		{400, "0.0025"}, {1250, "0.0008"}, {2500, "0.0004"}};

	for (size_t i = 0; v->type == EXPR_INT && i < sizeof(known) / sizeof(known[0]); i++)
		if (v->i == (int64_t)known[i].of) {
			out->type = EXPR_DECIMAL;
			return expr_decimal_read(str_of(known[i].inverse), &out->decimal);
		}
	return false;
}

/*
 * a / b of exact numbers: how many digits of a quotient that never ends count is another thing in each
 * server, and in each place. So only what ends soon: it becomes a product.
 */
static int bind_divide(struct expr_binder *b, struct expr_node *n)
{
	struct expr_value inverse = {0};

	if (n->type == EXPR_DOUBLE)
		return 0;
	if (n->args[1]->op != EXPR_OP_LITERAL || !invert(&n->args[1]->value, &inverse))
		return expr_bind_fail(b, n,
			"exact numbers can only be divided by 1, 2, 4, 5, 8, 10, 16, 20, 25, 40, 50, 80, "
			"100, 125, 200, 250, 400, 500, 625, 1000, 1250, 2000, 2500, 5000 or 10000 (servers "
			"round other quotients differently: multiply the other side, or write a * 1e0 / b)");
	n->op = EXPR_OP_MUL;
	n->type = EXPR_DECIMAL;
	n->args[1]->type = EXPR_DECIMAL;
	n->args[1]->value = inverse;
	return 0;
}

static int bind_arithmetic(struct expr_binder *b, struct expr_node *n)
{
	for (unsigned i = 0; i < n->nargs; i++)
		if (want_number(b, n->args[i]) < 0)
			return -1;
	n->type = result_of(n);
	if (n->type == EXPR_DOUBLE && expr_bind_real(b, n->args, n->nargs) < 0)
		return -1;
	if (n->op == EXPR_OP_DIVIDE)
		return bind_divide(b, n);
	if (n->op == EXPR_OP_MINUS && n->type == EXPR_UINT)
		n->type = EXPR_INT;
	/* The remainder has the sign, and the type, of what is divided. */
	if (n->op == EXPR_OP_MOD && n->type <= EXPR_UINT)
		n->type = n->args[0]->type == EXPR_UINT ? EXPR_UINT : EXPR_INT;
	if (n->op == EXPR_OP_DIV && n->type == EXPR_DOUBLE)
		return expr_bind_fail(b, n, "DIV takes integers and decimals");
	if (n->op == EXPR_OP_DIV && n->type == EXPR_DECIMAL)
		n->type = EXPR_INT;
	return 0;
}

static int bind_like(struct expr_binder *b, struct expr_node *n)
{
	n->type = EXPR_INT;
	if (!expr_node_is_text(n->args[0]) && n->args[0]->type != EXPR_NULL &&
		!(expr_node_is_enum(n->args[0]) && n->args[0]->collation))
		return expr_fail(b->x, n->at, ERR_expression, b->e, "LIKE takes text, not %s",
			expr_type_name(n->args[0]));
	if (n->args[1]->op != EXPR_OP_LITERAL)
		return expr_bind_fail(b, n->args[1], "the pattern must be a string literal");
	return expr_bind_collation(b, n, n->args, n->nargs, true);
}

static int bind_collate(struct expr_binder *b, struct expr_node *n)
{
	struct expr_node *of = n->args[0];
	const struct expr_collation *c = expr_collation_find(n->name);

	if (!c)
		return expr_fail(b->x, n->at, ERR_expression, b->e,
			"the collation %s can't be compared by exactly (docs: filters)", n->name);
	if (!expr_node_is_text(of))
		return expr_fail(
			b->x, n->at, ERR_expression, b->e, "COLLATE takes text, not %s", expr_type_name(of));
	if (of->strength != EXPR_COERCIBLE && !expr_same_charset(of->collation, c))
		return expr_fail(
			b->x, n->at, ERR_expression, b->e, "the collation %s is of another charset", n->name);
	n->type = EXPR_STRING;
	n->collation = c;
	n->strength = EXPR_EXPLICIT;
	return 0;
}

static int bind_node(struct expr_binder *b, struct expr_node *n)
{
	switch (n->op) {
	case EXPR_OP_LITERAL:
		return bind_literal(b, n);
	case EXPR_OP_COLUMN:
		return bind_column(b, n);
	case EXPR_OP_AND:
	case EXPR_OP_OR:
	case EXPR_OP_XOR:
	case EXPR_OP_NOT:
		return bind_logic(b, n);
	case EXPR_OP_IS:
		return bind_is(b, n);
	case EXPR_OP_LIKE:
		return bind_like(b, n);
	case EXPR_OP_COLLATE:
		return bind_collate(b, n);
	case EXPR_OP_CASE:
		return expr_bind_case(b, n);
	case EXPR_OP_FUNCTION:
		return expr_bind_call(b, n);
	case EXPR_OP_ADD:
	case EXPR_OP_SUB:
	case EXPR_OP_MUL:
	case EXPR_OP_DIVIDE:
	case EXPR_OP_DIV:
	case EXPR_OP_MOD:
	case EXPR_OP_MINUS:
		return bind_arithmetic(b, n);
	default:
		n->type = EXPR_INT;
		return expr_bind_compare(b, n, n->args, n->nargs);
	}
}

static int bind_tree(struct expr_binder *b, struct expr_node *n)
{
	if (++b->depth > EXPR_MAX_TREE)
		return expr_bind_fail(b, n, "it is nested too deeply");
	for (unsigned i = 0; i < n->nargs; i++)
		if (bind_tree(b, n->args[i]) < 0)
			return -1;
	b->depth--;
	return bind_node(b, n);
}

int expr_bind(struct expr *x, const struct structure *s, struct err *e)
{
	struct expr_binder b = {.x = x, .s = s, .e = e};

	if (bind_tree(&b, x->root) < 0)
		return -1;
	return want_condition(&b, x->root);
}
