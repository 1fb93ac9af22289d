/*
 * What operators join: literals, columns, calls of functions, CASE. Called by expr_parse.c.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sql/expr_parse.h"

static const struct {
	const char *name;
	enum expr_function_id id;
	unsigned min, max;
} functions[] = {
#define EXPR_FUNCTION(name, id, min, max, help) {name, EXPR_F_##id, min, max},
#define EXPR_ALIAS(name, id) {name, EXPR_F_##id, 0, 0},
#include "expr_function.def"
#undef EXPR_FUNCTION
#undef EXPR_ALIAS
};

/* Words that begin something that is no column. */
static const char *const reserved[] = {"AND", "OR", "XOR", "NOT", "IN", "IS", "LIKE", "BETWEEN", "CASE",
	"WHEN", "THEN", "ELSE", "END", "DIV", "MOD", "ESCAPE", "COLLATE", "BINARY", "INTERVAL", "EXISTS",
	"SELECT", "REGEXP", "RLIKE", "SOUNDS", "MATCH", "CAST", "CONVERT", "ROW", "DEFAULT", "VALUES",
	"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "LOCALTIME", "LOCALTIMESTAMP",
	"UTC_DATE", "UTC_TIME", "UTC_TIMESTAMP", "ANY", "ALL", "SOME", "FROM", "FOR"};

/* --- literals --- */

static char escaped(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case 'b':
		return '\b';
	case '0':
		return 0;
	case 'Z':
		return 26;
	default:
		return c;
	}
}

struct str expr_parse_string(struct expr_parser *p)
{
	struct str raw = p->lx.token;
	char quote = raw.p[0], *out = arena_alloc(p->x->a, raw.n + 1);
	size_t n = 0;

	for (size_t i = 1; i + 1 < raw.n; i++) {
		char c = raw.p[i];

		if (c == '\\' && !p->x->options.no_backslash_escapes && i + 2 < raw.n) {
			c = raw.p[++i];
			if (c == '%' || c == '_') /* for LIKE */
				out[n++] = '\\';
			else
				c = escaped(c);
		} else if (c == quote) {
			i++;
		}
		out[n++] = c;
	}
	out[n] = 0;
	return (struct str){out, n};
}

static struct expr_node *literal(struct expr_parser *p, struct expr_value v)
{
	struct expr_node *n = expr_parse_node(p, EXPR_OP_LITERAL, 0);

	n->value = v;
	expr_parse_next(p);
	return n;
}

static struct expr_value integer(uint64_t u)
{
	struct expr_value v = {.type = u > INT64_MAX ? EXPR_UINT : EXPR_INT};

	v.u = u;
	return v;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Digits of 2 or 16, an odd number of hex ones only where `pad`; NULL: they are none. */
static struct expr_node *based(struct expr_parser *p, struct str digits, unsigned bits, bool pad)
{
	size_t bytes = (digits.n * bits + 7) / 8, at = bytes * 8;
	char *out = arena_zalloc(p->x->a, bytes + 1);
	struct expr_node *n;

	if (digits.n == 0 || (bits == 4 && !pad && digits.n % 2))
		return expr_parse_refuse(
			p, (unsigned)p->lx.token_at, "a literal with an odd number of digits");
	for (size_t i = digits.n; i-- > 0;) {
		int d = digit_of(digits.p[i]);

		if (d < 0 || d >= 1 << bits)
			return expr_parse_refuse(
				p, (unsigned)p->lx.token_at, "a digit that the literal can't have");
		at -= bits;
		out[at / 8] = (char)((unsigned char)out[at / 8] | (unsigned)d << (8 - bits - at % 8));
	}
	n = literal(p, (struct expr_value){.type = EXPR_STRING, .s = {out, bytes}});
	n->hex = true;
	return n;
}

static struct expr_node *number(struct expr_parser *p)
{
	struct str t = p->lx.token;
	struct expr_value v = {.type = EXPR_DOUBLE};
	bool whole = strspn(t.p, "0123456789") >= t.n;
	char text[400];

	if (t.n > 2 && t.p[0] == '0' && (t.p[1] == 'x' || t.p[1] == 'b'))
		return based(p, (struct str){t.p + 2, t.n - 2}, t.p[1] == 'x' ? 4 : 1, true);
	if (t.n >= sizeof(text))
		return expr_parse_refuse(p, (unsigned)p->lx.token_at, "a number that is too long");
	snprintf(text, sizeof(text), "%.*s", STR_ARG(t));
	if (whole && strspn(text, "0") + 19 >= t.n)
		return literal(p, integer(strtoull(text, NULL, 10)));
	if (whole && strspn(text, "0") + 20 == t.n && strcmp(text + t.n - 20, "18446744073709551615") <= 0)
		return literal(p, integer(strtoull(text, NULL, 10)));
	if (strpbrk(text, "eE")) {
		v.d = strtod(text, NULL);
		if (!isfinite(v.d))
			return expr_parse_refuse(p, (unsigned)p->lx.token_at, "a number out of range");
		return literal(p, v);
	}
	v.type = EXPR_DECIMAL;
	if (!expr_decimal_read(t, &v.decimal))
		return expr_parse_refuse(p, (unsigned)p->lx.token_at, "a number with too many digits");
	return literal(p, v);
}

/* X'…', B'…', DATE '…' and the like: the word in hand, a string behind it. *done false: it is none of them.
 */
static struct expr_node *prefixed(struct expr_parser *p, bool *done)
{
	struct sql_lexer word = p->lx, next = p->lx;
	struct expr_node *n = NULL;
	struct str s;

	*done = sql_lex_next(&next) == SQL_STRING && next.token.p[0] == '\'';
	if (!*done)
		return NULL;
	p->lx = next;
	s = (struct str){next.token.p + 1, next.token.n - 2};
	if (sql_lex_is(&word, "X"))
		n = based(p, s, 4, false);
	else if (sql_lex_is(&word, "B"))
		n = based(p, s, 1, true);
	else if (sql_lex_is(&word, "DATE") || sql_lex_is(&word, "TIMESTAMP") || sql_lex_is(&word, "TIME"))
		n = literal(p, (struct expr_value){.type = EXPR_STRING, .s = expr_parse_string(p)});
	else
		return expr_parse_refuse(p, (unsigned)word.token_at,
			"of the words before a string only X, B, DATE, TIME and TIMESTAMP are known");
	if (!n)
		return NULL;
	n->at = (unsigned)word.token_at;
	n->hex_text = sql_lex_is(&word, "X");
	if (!n->hex) /* expr_bind reads it */
		n->type = sql_lex_is(&word, "DATE")   ? EXPR_DATE
			  : sql_lex_is(&word, "TIME") ? EXPR_TIME
						      : EXPR_DATETIME;
	return n;
}

/* --- names and calls --- */

static bool is_reserved(const struct expr_parser *p)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (sql_lex_is(&p->lx, reserved[i]))
			return true;
	return false;
}

static struct expr_node *column(struct expr_parser *p)
{
	struct expr_node *n = expr_parse_node(p, EXPR_OP_COLUMN, 0);
	char name[257];

	if (is_reserved(p) || !sql_lex_ident(&p->lx, name, sizeof(name)))
		return expr_parse_unexpected(p, "a column, a literal, a function or (");
	n->name = arena_strdup(p->x->a, str_of(name));
	expr_parse_next(p);
	if (sql_lex_is_char(&p->lx, '.'))
		return expr_parse_unexpected(p, "a column's name alone, without its table's,");
	return n;
}

static const char *list_functions(struct arena *a)
{
	char *list = arena_strdup(a, (struct str){"", 0});

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		list = arena_printf(a, "%s%s%s", list, i ? " " : "", functions[i].name);
	return list;
}

static int find_function(const struct expr_parser *p)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (sql_lex_is(&p->lx, functions[i].name))
			return (int)i;
	return -1;
}

/* The bounds of a name, or of what it is another name of. */
static void bounds(int f, unsigned *min, unsigned *max)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (functions[i].id == functions[f].id && functions[i].max) {
			*min = functions[i].min;
			*max = functions[i].max;
		}
}

/* Between two arguments: a comma, or the words of SUBSTRING. */
static bool take_comma(struct expr_parser *p, enum expr_function_id f, unsigned n)
{
	if (expr_parse_take_char(p, ','))
		return true;
	return f == EXPR_F_substring && n <= 2 && expr_parse_take_word(p, n == 1 ? "FROM" : "FOR");
}

static struct expr_node *arguments(struct expr_parser *p, int f, unsigned at)
{
	struct expr_node *list[65], *n;
	unsigned count = 0, min = 0, max = 0;

	bounds(f, &min, &max);
	if (!sql_lex_is_char(&p->lx, ')'))
		do {
			if (count == max)
				break;
			list[count] = expr_parse_whole(p);
			if (!list[count++])
				return NULL;
		} while (take_comma(p, functions[f].id, count));
	if (count < min || !sql_lex_is_char(&p->lx, ')'))
		return expr_parse_unexpected(p, count < min ? "another argument" : ")");
	expr_parse_next(p);
	n = expr_parse_node(p, functions[f].id == EXPR_F_mod ? EXPR_OP_MOD : EXPR_OP_FUNCTION, count);
	n->function = functions[f].id;
	n->name = functions[f].name;
	n->at = at;
	if (count)
		memcpy(n->args, list, count * sizeof(list[0]));
	return n;
}

static struct expr_node *call(struct expr_parser *p)
{
	unsigned at = (unsigned)p->lx.token_at;
	int f = find_function(p);

	if (f < 0) {
		expr_fail(p->x, at, ERR_config_bad, p->e,
			"the function %.*s is not known to filters (known are %s)",
			p->lx.token.n > 40 ? 40 : (int)p->lx.token.n, p->lx.token.p, list_functions(p->x->a));
		return NULL;
	}
	expr_parse_next(p);
	expr_parse_next(p);
	return arguments(p, f, at);
}

/* Behind CASE. */
static struct expr_node *parse_case(struct expr_parser *p, unsigned at)
{
	struct expr_node *list[2 * EXPR_MAX_DEPTH + 2], *n;
	unsigned count = 0;
	bool value = !sql_lex_is(&p->lx, "WHEN"), rest = false;

	if (value && !(list[count++] = expr_parse_whole(p)))
		return NULL;
	while (expr_parse_take_word(p, "WHEN")) {
		if (count + 3 > sizeof(list) / sizeof(list[0]))
			return expr_parse_refuse(p, at, "a CASE with too many WHENs");
		if (!(list[count++] = expr_parse_whole(p)))
			return NULL;
		if (!expr_parse_take_word(p, "THEN"))
			return expr_parse_unexpected(p, "THEN");
		if (!(list[count++] = expr_parse_whole(p)))
			return NULL;
	}
	if (count < 2)
		return expr_parse_unexpected(p, "WHEN");
	rest = expr_parse_take_word(p, "ELSE");
	if (rest && !(list[count++] = expr_parse_whole(p)))
		return NULL;
	if (!expr_parse_take_word(p, "END"))
		return expr_parse_unexpected(p, "WHEN, ELSE or END");
	n = expr_parse_node(p, EXPR_OP_CASE, count);
	memcpy(n->args, list, count * sizeof(list[0]));
	n->at = at;
	n->has_value = value;
	n->has_else = rest;
	return n;
}

static struct expr_node *word(struct expr_parser *p)
{
	unsigned at = (unsigned)p->lx.token_at;
	struct sql_lexer next = p->lx;
	bool done, paren = sql_lex_next(&next) == SQL_CHAR && next.token.p[0] == '(';
	struct expr_node *n;

	if (expr_parse_take_word(p, "CASE"))
		return parse_case(p, at);
	n = prefixed(p, &done);
	if (done)
		return n;
	if (sql_lex_is(&p->lx, "NULL"))
		return literal(p, (struct expr_value){.type = EXPR_NULL});
	if (sql_lex_is(&p->lx, "TRUE") || sql_lex_is(&p->lx, "FALSE"))
		return literal(p, integer(sql_lex_is(&p->lx, "TRUE")));
	if (paren && (find_function(p) >= 0 || !is_reserved(p)))
		return call(p);
	return column(p);
}

static struct expr_node *primary(struct expr_parser *p)
{
	struct expr_node *n;

	switch (p->lx.type) {
	case SQL_NUMBER:
		return number(p);
	case SQL_STRING:
		n = literal(p, (struct expr_value){.type = EXPR_STRING, .s = expr_parse_string(p)});
		if (p->lx.type == SQL_STRING)
			return expr_parse_unexpected(p, "one string alone");
		return n;
	case SQL_WORD:
		return word(p);
	case SQL_IDENT:
		return column(p);
	default:
		break;
	}
	if (!expr_parse_take_char(p, '('))
		return expr_parse_unexpected(p, "a column, a literal, a function or (");
	n = expr_parse_whole(p);
	if (n && !expr_parse_take_char(p, ')'))
		return expr_parse_unexpected(p, ")");
	return n;
}

static struct expr_node *collated(struct expr_parser *p)
{
	struct expr_node *of = primary(p), *n;
	char name[257];

	while (of && sql_lex_is(&p->lx, "COLLATE")) {
		n = expr_parse_node(p, EXPR_OP_COLLATE, 1);
		expr_parse_next(p);
		if (!sql_lex_ident(&p->lx, name, sizeof(name)))
			return expr_parse_unexpected(p, "a collation's name");
		n->name = arena_strdup(p->x->a, str_of(name));
		n->args[0] = of;
		expr_parse_next(p);
		of = n;
	}
	return of;
}

/* -5 is a literal, too. */
static struct expr_node *negate(struct expr_parser *p, struct expr_node *of, unsigned at)
{
	struct expr_node *n;

	if (of->op == EXPR_OP_LITERAL && of->value.type == EXPR_INT && of->value.i >= 0 && !of->negated) {
		of->value.i = -of->value.i;
		of->negated = true; /* once */
		of->at = at;
		return of;
	}
	n = expr_parse_node(p, EXPR_OP_MINUS, 1);
	n->at = at;
	n->args[0] = of;
	return n;
}

struct expr_node *expr_parse_unary(struct expr_parser *p)
{
	unsigned at = (unsigned)p->lx.token_at;
	bool minus, plus, not ;
	struct expr_node *of, *n;

	minus = expr_parse_take_char(p, '-');
	plus = !minus && expr_parse_take_char(p, '+');
	not = !minus && !plus && !sql_lex_is_char(&p->lx, '=') && expr_parse_take_char(p, '!');
	if (!minus && !plus && !not )
		return collated(p);
	if (++p->depth > EXPR_MAX_DEPTH)
		return expr_parse_refuse(p, at, "it is nested too deeply");
	of = expr_parse_unary(p);
	p->depth--;
	if (!of || plus)
		return of;
	if (minus)
		return negate(p, of, at);
	n = expr_parse_node(p, EXPR_OP_NOT, 1);
	n->at = at;
	n->args[0] = of;
	return n;
}
