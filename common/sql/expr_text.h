#pragma once
#include "common/sql/expr_node.h"

/* How texts compare. For common/sql/expr*.c only. */
enum expr_ordering {
	EXPR_LESS,
	EXPR_EQUAL,
	EXPR_GREATER,
	EXPR_DIFFERENT, /* not equal, but which comes first is not known */
	EXPR_UNDECIDED,
};

/* The next character of *s, which moves on; false: bytes that are none of that charset. */
bool expr_text_next(enum expr_charset charset, struct str *s, uint32_t *c);
/* Letters of scripts without case, which no collation takes for a letter, digit or sign of ASCII. */
bool expr_char_is_far(uint32_t c);
enum expr_ordering expr_text_compare(const struct expr_collation *c, struct str a, struct str b);
/* EXPR_EQUAL: it matches, EXPR_DIFFERENT, EXPR_UNDECIDED. escape 0: there is none. */
enum expr_ordering expr_text_like(
	const struct expr_collation *c, struct str text, struct str pattern, char escape);
/* The number that a text begins with, as the servers read it; false: that can't be told. */
bool expr_text_number(struct str s, double *out);
