#pragma once
#include "common/sql/expr_node.h"
#include "common/sql/lexer.h"

/* Between expr_parse.c (operators) and expr_primary.c (what they join). */
struct expr_parser {
	struct expr *x;
	struct sql_lexer lx; /* the token in hand is the next one */
	unsigned depth;
	struct err *e;
};

/* An expression with all operators; NULL with e. */
struct expr_node *expr_parse_whole(struct expr_parser *p);
/* Arithmetic and what is in it: an operand of a comparison. */
struct expr_node *expr_parse_sum(struct expr_parser *p);
/* A literal, a column, a call, CASE, something in parentheses; with ! - + before, COLLATE behind. */
struct expr_node *expr_parse_unary(struct expr_parser *p);
/* 'text' with its escapes undone, of the token in hand. */
struct str expr_parse_string(struct expr_parser *p);

struct expr_node *expr_parse_node(struct expr_parser *p, enum expr_op op, unsigned nargs);
void expr_parse_next(struct expr_parser *p);
bool expr_parse_take_word(struct expr_parser *p, const char *word); /* and goes on */
bool expr_parse_take_char(struct expr_parser *p, char c);
/* "unexpected …" at the token in hand; returns NULL. */
struct expr_node *expr_parse_unexpected(struct expr_parser *p, const char *wanted);
struct expr_node *expr_parse_refuse(struct expr_parser *p, unsigned at, const char *why);
