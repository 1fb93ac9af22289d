#pragma once
#include "common/sql/expr.h"
#include "common/sql/structure.h"

/* The inside of expressions: the tree, and who does what with it. For common/sql/expr*.c only. */

enum { EXPR_MAX_DEPTH = 60, EXPR_MAX_CHAIN = 200, EXPR_MAX_TREE = 400, EXPR_MAX_TEXT = 16384 };

enum expr_op {
	EXPR_OP_LITERAL,
	EXPR_OP_COLUMN,
	EXPR_OP_AND,
	EXPR_OP_OR,
	EXPR_OP_XOR,
	EXPR_OP_NOT,
	EXPR_OP_EQ,
	EXPR_OP_NE,
	EXPR_OP_LT,
	EXPR_OP_LE,
	EXPR_OP_GT,
	EXPR_OP_GE,
	EXPR_OP_SAFE_EQ,
	EXPR_OP_IN,      /* args: the left side, the list */
	EXPR_OP_BETWEEN, /* args: the left side, low, high */
	EXPR_OP_LIKE,    /* args: text, pattern */
	EXPR_OP_IS,      /* is: what */
	EXPR_OP_ADD,
	EXPR_OP_SUB,
	EXPR_OP_MUL,
	EXPR_OP_DIVIDE,
	EXPR_OP_DIV,
	EXPR_OP_MOD,
	EXPR_OP_MINUS,
	EXPR_OP_COLLATE,
	EXPR_OP_CASE, /* when, then, … [else] of the form without a value; with: value, then those */
	EXPR_OP_FUNCTION,
};

enum expr_is { EXPR_IS_NULL, EXPR_IS_TRUE, EXPR_IS_FALSE };

enum expr_function_id {
#define EXPR_FUNCTION(name, id, min, max, help) EXPR_F_##id,
#define EXPR_ALIAS(name, id)
#include "expr_function.def"
#undef EXPR_FUNCTION
#undef EXPR_ALIAS
};

enum expr_charset { EXPR_BINARY, EXPR_UTF8, EXPR_BYTES /* ASCII and one more letter a byte */ };

/* How text is compared. */
enum expr_order {
	EXPR_ORDER_BYTES,   /* by bytes */
	EXPR_ORDER_GENERAL, /* by code, small letters as capital ones */
	EXPR_ORDER_UCA,     /* by Unicode's weights, without case */
	EXPR_ORDER_NONE,    /* one that can't be judged by; name: the charset */
	EXPR_ORDER_LITERAL, /* of literals among themselves: the collation of whoever asks, so not known */
};

struct expr_collation {
	const char *name;
	enum expr_charset charset;
	enum expr_order order;
	bool pad; /* spaces at the end don't count */
};

enum expr_compare {
	EXPR_COMPARE_NULL, /* one side is NULL itself */
	EXPR_COMPARE_INT,
	EXPR_COMPARE_DECIMAL,
	EXPR_COMPARE_DOUBLE,
	EXPR_COMPARE_TEXT,
	EXPR_COMPARE_TIME, /* both packed alike */
};

enum expr_strength { EXPR_EXPLICIT, EXPR_IMPLICIT, EXPR_COERCIBLE };

struct expr_node {
	enum expr_op op;
	unsigned at; /* in the text */
	unsigned nargs;
	struct expr_node **args;
	bool negated;   /* NOT IN, NOT BETWEEN, NOT LIKE, IS NOT */
	bool has_value; /* CASE value WHEN … */
	bool has_else;
	bool hex;      /* literal 0x…, 0b…: a number where one is asked for */
	bool hex_text; /* X'…': in MariaDB never a number */
	char escape;   /* LIKE; 0: none */
	enum expr_is is;
	enum expr_function_id function;
	const char *name;        /* of a column, a collation or a function */
	struct expr_value value; /* literal; the pattern of a LIKE */

	/* By expr_bind: */
	enum expr_type type; /* of all values but NULL */
	unsigned column;
	const struct column *of;                /* a column as such */
	const struct expr_collation *collation; /* of a text; of a comparison */
	const struct expr_collation *compared;  /* of a CASE with a value: of that comparison */
	enum expr_strength strength;
	enum expr_compare compare; /* of comparisons, IN, BETWEEN, CASE with a value, NULLIF */
	struct str *members;       /* of an ENUM */
	unsigned nmembers;
};

struct expr {
	struct arena *a;
	const char *text;
	struct expr_options options;
	struct expr_node *root;
};

struct expr_run {
	const struct expr *x;
	const struct expr_row *row;
	struct arena *a;
	struct err *e;
};

/* -1 with "… at character N of the expression …". */
int expr_fail(const struct expr *x, unsigned at, enum err_code code, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* expr_parse.c, expr_primary.c */
int expr_parse(struct expr *x, struct err *e);
/* expr_bind.c, expr_bind_call.c */
int expr_bind(struct expr *x, const struct structure *s, struct err *e);
