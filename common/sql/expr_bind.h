#pragma once
#include "common/sql/expr_node.h"

/* Between expr_bind.c (the tree, operators), expr_bind_compare.c and expr_bind_call.c. */
struct expr_binder {
	struct expr *x;
	const struct structure *s;
	unsigned depth;
	struct err *e;
};

/* -1 with ERR_expression at the node. */
int expr_bind_fail(struct expr_binder *b, const struct expr_node *n, const char *why);
/* Of IS NULL and ISNULL. */
int expr_bind_null_test(struct expr_binder *b, const struct expr_node *n);
bool expr_type_is_number(enum expr_type t);
bool expr_node_is_enum(const struct expr_node *n);
/* A literal such as 0x1F, which is text: it can be a number; and make it one. */
bool expr_bind_is_hex_number(const struct expr_binder *b, const struct expr_node *n);
void expr_bind_hex_number(struct expr_node *n);
bool expr_node_is_text(const struct expr_node *n);   /* a string, as nothing else */
bool expr_node_is_number(const struct expr_node *n); /* or NULL; ENUM is none */
const char *expr_type_name(const struct expr_node *n);

/* expr_bind_compare.c. How args[i] compare with args[0], for all i up to n->nargs; literals are made what
 * they are compared with. */
int expr_bind_compare(struct expr_binder *b, struct expr_node *n, struct expr_node **args, unsigned nargs);
/* What texts together have: n->collation, n->strength. `compared`: it must be one that can compare. */
int expr_bind_collation(
	struct expr_binder *b, struct expr_node *n, struct expr_node **args, unsigned nargs, bool compared);
const struct expr_collation *expr_collation_find(const char *name);
bool expr_same_charset(const struct expr_collation *a, const struct expr_collation *b);
extern const struct expr_collation expr_collation_literal;
/* A string literal as a date and time (DATE: without a time too) or, of EXPR_TIME, a time. */
int expr_bind_time(struct expr_binder *b, struct expr_node *n, enum expr_type as);
/* As doubles; ERR_expression where the server does not take them as they are. */
int expr_bind_real(struct expr_binder *b, struct expr_node **args, unsigned nargs);
/* The type that values of several branches have together. */
int expr_bind_branches(struct expr_binder *b, struct expr_node *n, struct expr_node **args, unsigned nargs);

/* expr_bind_call.c. Arguments are bound already. */
int expr_bind_call(struct expr_binder *b, struct expr_node *n);
int expr_bind_case(struct expr_binder *b, struct expr_node *n);
