/*
 * The text of an expression as a tree: operators, by the servers' precedence. Where that differs between
 * servers or versions, or is hard to keep in mind (a = b = c, a = b IN (c)), it asks for parentheses instead.
 * Knows neither columns nor types: expr_bind.c.
 */
#include "common/sql/expr_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

int expr_fail(const struct expr *x, unsigned at, enum err_code code, struct err *e, const char *fmt, ...)
{
	char what[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(e, code, "%s, at character %u of the expression \"%.200s\"%s", what, at + 1, x->text,
		strlen(x->text) > 200 ? "..." : "");
}

struct expr_node *expr_parse_refuse(struct expr_parser *p, unsigned at, const char *why)
{
	expr_fail(p->x, at, ERR_config_bad, p->e, "%s", why);
	return NULL;
}

struct expr_node *expr_parse_unexpected(struct expr_parser *p, const char *wanted)
{
	const struct sql_lexer *lx = &p->lx;
	char why[300];

	if (lx->type == SQL_END)
		snprintf(why, sizeof(why), "it ends where %s should be", wanted);
	else if (lx->type == SQL_BAD)
		snprintf(why, sizeof(why), "a quote or a comment is not closed");
	else
		snprintf(why, sizeof(why), "%.*s is not understood here: %s should be",
			lx->token.n > 40 ? 40 : (int)lx->token.n, lx->token.p, wanted);
	return expr_parse_refuse(p, (unsigned)lx->token_at, why);
}

struct expr_node *expr_parse_node(struct expr_parser *p, enum expr_op op, unsigned nargs)
{
	struct expr_node *n = arena_zalloc(p->x->a, sizeof(*n));

	n->op = op;
	n->at = (unsigned)p->lx.token_at;
	n->nargs = nargs;
	if (nargs > 0)
		n->args = arena_zalloc(p->x->a, nargs * sizeof(struct expr_node *));
	return n;
}

void expr_parse_next(struct expr_parser *p)
{
	sql_lex_next(&p->lx);
}

bool expr_parse_take_word(struct expr_parser *p, const char *word)
{
	if (!sql_lex_is(&p->lx, word))
		return false;
	expr_parse_next(p);
	return true;
}

bool expr_parse_take_char(struct expr_parser *p, char c)
{
	if (!sql_lex_is_char(&p->lx, c))
		return false;
	expr_parse_next(p);
	return true;
}

/* The operator of `at` and the signs right behind it. */
static bool is_sign(const struct expr_parser *p, const char *sign)
{
	size_t n = strlen(sign);

	return p->lx.type == SQL_CHAR && p->lx.text.n - p->lx.token_at >= n &&
	       memcmp(p->lx.text.p + p->lx.token_at, sign, n) == 0;
}

static bool take_sign(struct expr_parser *p, const char *sign)
{
	if (!is_sign(p, sign))
		return false;
	for (size_t i = 0; sign[i]; i++)
		expr_parse_next(p);
	return true;
}

/* left OP right, the right one by `parse`; NULL with e. */
static struct expr_node *binary(struct expr_parser *p, enum expr_op op, unsigned at, struct expr_node *left,
	struct expr_node *(*parse)(struct expr_parser *))
{
	struct expr_node *right = parse(p), *n;

	if (!right)
		return NULL;
	n = expr_parse_node(p, op, 2);
	n->at = at;
	n->args[0] = left;
	n->args[1] = right;
	return n;
}

static bool take_product(struct expr_parser *p, enum expr_op *op)
{
	if (take_sign(p, "*"))
		*op = EXPR_OP_MUL;
	else if (take_sign(p, "/"))
		*op = EXPR_OP_DIVIDE;
	else if (take_sign(p, "%") || expr_parse_take_word(p, "MOD"))
		*op = EXPR_OP_MOD;
	else if (expr_parse_take_word(p, "DIV"))
		*op = EXPR_OP_DIV;
	else
		return false;
	return true;
}

static bool take_plus(struct expr_parser *p, enum expr_op *op)
{
	if (take_sign(p, "+"))
		*op = EXPR_OP_ADD;
	else if (take_sign(p, "-"))
		*op = EXPR_OP_SUB;
	else
		return false;
	return true;
}

static bool take_and(struct expr_parser *p, enum expr_op *op)
{
	*op = EXPR_OP_AND;
	return take_sign(p, "&&") || expr_parse_take_word(p, "AND");
}

static bool take_xor(struct expr_parser *p, enum expr_op *op)
{
	*op = EXPR_OP_XOR;
	return expr_parse_take_word(p, "XOR");
}

static bool take_or(struct expr_parser *p, enum expr_op *op)
{
	*op = EXPR_OP_OR;
	return take_sign(p, "||") || expr_parse_take_word(p, "OR");
}

/* A row of operands joined by operators of one rank, from left to right. */
static struct expr_node *chain(struct expr_parser *p, struct expr_node *(*operand)(struct expr_parser *),
	bool (*take)(struct expr_parser *, enum expr_op *))
{
	struct expr_node *left = operand(p);
	enum expr_op op;
	unsigned links = 0;

	while (left) {
		unsigned at = (unsigned)p->lx.token_at;

		if (!take(p, &op))
			break;
		if (++links > EXPR_MAX_CHAIN)
			return expr_parse_refuse(p, at, "too many operators in a row: put parentheses");
		left = binary(p, op, at, left, operand);
	}
	return left;
}

static struct expr_node *parse_product(struct expr_parser *p)
{
	return chain(p, expr_parse_unary, take_product);
}

struct expr_node *expr_parse_sum(struct expr_parser *p)
{
	return chain(p, parse_product, take_plus);
}

/* Behind IN: the list in parentheses. */
static struct expr_node *parse_in(struct expr_parser *p, struct expr_node *left, unsigned at)
{
	struct expr_node *list[EXPR_MAX_DEPTH * 20], *n;
	unsigned count = 0;

	list[count++] = left;
	if (!expr_parse_take_char(p, '('))
		return expr_parse_unexpected(p, "( and a list");
	do {
		if (count == sizeof(list) / sizeof(list[0]))
			return expr_parse_refuse(p, at, "the list of IN has more than 1,199 members");
		list[count] = expr_parse_sum(p);
		if (!list[count++])
			return NULL;
	} while (expr_parse_take_char(p, ','));
	if (!expr_parse_take_char(p, ')'))
		return expr_parse_unexpected(p, ", or )");
	n = expr_parse_node(p, EXPR_OP_IN, count);
	memcpy(n->args, list, count * sizeof(list[0]));
	n->at = at;
	return n;
}

static struct expr_node *parse_between(struct expr_parser *p, struct expr_node *left, unsigned at)
{
	struct expr_node *n = expr_parse_node(p, EXPR_OP_BETWEEN, 3);

	n->at = at;
	n->args[0] = left;
	n->args[1] = expr_parse_sum(p);
	if (!n->args[1])
		return NULL;
	if (!expr_parse_take_word(p, "AND"))
		return expr_parse_unexpected(p, "AND");
	n->args[2] = expr_parse_sum(p);
	return n->args[2] ? n : NULL;
}

static struct expr_node *parse_like(struct expr_parser *p, struct expr_node *left, unsigned at)
{
	struct expr_node *n = expr_parse_node(p, EXPR_OP_LIKE, 2);
	struct str escape;

	n->at = at;
	n->args[0] = left;
	n->escape = p->x->options.no_backslash_escapes ? 0 : '\\';
	if (p->lx.type != SQL_STRING)
		return expr_parse_unexpected(p, "a pattern as a string literal");
	n->args[1] = expr_parse_unary(p);
	if (!n->args[1])
		return NULL;
	if (!expr_parse_take_word(p, "ESCAPE"))
		return n;
	if (p->lx.type != SQL_STRING)
		return expr_parse_unexpected(p, "one character as a string literal");
	escape = expr_parse_string(p);
	/* Servers take % and _ for wildcards first, by some collations. */
	if (escape.n != 1 || (unsigned char)escape.p[0] >= 0x80 || strchr("%_", escape.p[0]))
		return expr_parse_refuse(
			p, (unsigned)p->lx.token_at, "ESCAPE takes one character of ASCII, not % or _");
	n->escape = escape.p[0];
	expr_parse_next(p);
	return n;
}

static struct expr_node *parse_is(struct expr_parser *p, struct expr_node *left, unsigned at)
{
	struct expr_node *n = expr_parse_node(p, EXPR_OP_IS, 1);

	n->at = at;
	n->args[0] = left;
	n->negated = expr_parse_take_word(p, "NOT");
	if (expr_parse_take_word(p, "NULL") || expr_parse_take_word(p, "UNKNOWN"))
		n->is = EXPR_IS_NULL;
	else if (expr_parse_take_word(p, "TRUE"))
		n->is = EXPR_IS_TRUE;
	else if (expr_parse_take_word(p, "FALSE"))
		n->is = EXPR_IS_FALSE;
	else
		return expr_parse_unexpected(p, "NULL, TRUE, FALSE or UNKNOWN");
	return n;
}

static bool take_comparison(struct expr_parser *p, enum expr_op *op)
{
	static const struct {
		const char *sign;
		enum expr_op op;
	} signs[] = {
		{"<=>", EXPR_OP_SAFE_EQ},
		{"<=", EXPR_OP_LE},
		{"<>", EXPR_OP_NE},
		{">=", EXPR_OP_GE},
		{"!=", EXPR_OP_NE},
		{"=", EXPR_OP_EQ},
		{"<", EXPR_OP_LT},
		{">", EXPR_OP_GT},
	};

	if (is_sign(p, "<<") || is_sign(p, ">>"))
		return false;
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (take_sign(p, signs[i].sign)) {
			*op = signs[i].op;
			return true;
		}
	return false;
}

/* What stands behind an operand: a comparison, IS, IN, BETWEEN, LIKE; left itself where there is none of
 * them. */
static struct expr_node *parse_behind(struct expr_parser *p, struct expr_node *left)
{
	unsigned at = (unsigned)p->lx.token_at;
	struct expr_node *n;
	enum expr_op op;
	bool negated;

	if (take_comparison(p, &op))
		return binary(p, op, at, left, expr_parse_sum);
	if (expr_parse_take_word(p, "IS"))
		return parse_is(p, left, at);
	negated = expr_parse_take_word(p, "NOT");
	if (expr_parse_take_word(p, "IN"))
		n = parse_in(p, left, at);
	else if (expr_parse_take_word(p, "BETWEEN"))
		n = parse_between(p, left, at);
	else if (expr_parse_take_word(p, "LIKE"))
		n = parse_like(p, left, at);
	else
		return negated ? expr_parse_unexpected(p, "IN, BETWEEN or LIKE") : left;
	if (n)
		n->negated = negated;
	return n;
}

static struct expr_node *parse_comparison(struct expr_parser *p)
{
	struct expr_node *left = expr_parse_sum(p), *n;
	struct sql_lexer lx;
	enum expr_op op;

	if (!left)
		return NULL;
	n = parse_behind(p, left);
	if (!n || n == left)
		return n;
	lx = p->lx;
	if (take_comparison(p, &op) || sql_lex_is(&lx, "IS") || sql_lex_is(&lx, "IN") ||
		sql_lex_is(&lx, "NOT") || sql_lex_is(&lx, "LIKE") || sql_lex_is(&lx, "BETWEEN"))
		return expr_parse_refuse(p, (unsigned)lx.token_at,
			"two comparisons in a row: put parentheses around one of them");
	return n;
}

static struct expr_node *parse_not(struct expr_parser *p)
{
	unsigned at = (unsigned)p->lx.token_at;
	struct expr_node *n, *of;

	if (!expr_parse_take_word(p, "NOT"))
		return parse_comparison(p);
	if (++p->depth > EXPR_MAX_DEPTH)
		return expr_parse_refuse(p, at, "it is nested too deeply");
	of = parse_not(p);
	p->depth--;
	if (!of)
		return NULL;
	n = expr_parse_node(p, EXPR_OP_NOT, 1);
	n->at = at;
	n->args[0] = of;
	return n;
}

static struct expr_node *parse_and(struct expr_parser *p)
{
	return chain(p, parse_not, take_and);
}

static struct expr_node *parse_xor(struct expr_parser *p)
{
	return chain(p, parse_and, take_xor);
}

struct expr_node *expr_parse_whole(struct expr_parser *p)
{
	struct expr_node *n;

	if (++p->depth > EXPR_MAX_DEPTH)
		return expr_parse_refuse(p, (unsigned)p->lx.token_at, "it is nested too deeply");
	n = chain(p, parse_xor, take_or);
	p->depth--;
	return n;
}

int expr_parse(struct expr *x, struct err *e)
{
	struct expr_parser p = {.x = x, .e = e};
	struct str text = str_of(x->text);

	if (text.n > EXPR_MAX_TEXT)
		return err_set(e, ERR_config_bad, "an expression of %zu bytes: %d are the most", text.n,
			EXPR_MAX_TEXT);
	sql_lex_init(&p.lx, text, x->options.server.flavor == FLAVOR_MARIADB, x->options.server.version);
	p.lx.ansi_quotes = x->options.ansi_quotes;
	p.lx.no_backslash_escapes = x->options.no_backslash_escapes;
	expr_parse_next(&p);
	x->root = expr_parse_whole(&p);
	if (!x->root)
		return -1;
	if (p.lx.type != SQL_END) {
		expr_parse_unexpected(&p, "an operator or the end");
		return -1;
	}
	return 0;
}

int expr_check(const char *text, const struct expr_options *o, struct err *e)
{
	struct expr x = {.a = arena_new(0), .text = text, .options = *o};
	int r = expr_parse(&x, e);

	arena_free(&x.a);
	return r;
}

struct expr *expr_new(
	const char *text, const struct expr_options *o, const struct structure *s, struct err *e)
{
	struct expr *x = xcalloc(1, sizeof(*x));

	x->a = arena_new(0);
	x->text = arena_strdup(x->a, str_of(text));
	x->options = *o;
	if (expr_parse(x, e) < 0 || expr_bind(x, s, e) < 0)
		expr_free(&x);
	return x;
}

void expr_free(struct expr **x)
{
	if (*x)
		arena_free(&(*x)->a);
	free(*x);
	*x = NULL;
}
