#pragma once
#include "common/sql/expr_node.h"
#include "common/sql/expr_text.h"

/* Between expr_eval.c (the tree, conditions), expr_eval_number.c and expr_eval_call.c. */
int expr_eval_node(struct expr_run *r, const struct expr_node *n, struct expr_value *out);
/* How two values compare as n->compare says; neither is NULL. EXPR_UNDECIDED was told (-1). */
int expr_eval_order(struct expr_run *r, const struct expr_node *n, const struct expr_node *const nodes[2],
	const struct expr_value *values[2], enum expr_ordering *out);
/* A condition: FALSE, TRUE, UNKNOWN. */
int expr_eval_truth(struct expr_run *r, const struct expr_node *n, enum expr_truth *out);
int expr_eval_range(struct expr_run *r, const struct expr_node *n);                      /* -1 */
int expr_eval_undecided(struct expr_run *r, const struct expr_node *n, const char *why); /* -1 */

/* expr_eval_number.c */
int expr_eval_arithmetic(struct expr_run *r, const struct expr_node *n, struct expr_value *out);
int expr_eval_numeric_call(
	struct expr_run *r, const struct expr_node *n, const struct expr_value *arg, struct expr_value *out);
/* v, a number or a text, not NULL. */
int expr_eval_double(struct expr_run *r, const struct expr_node *n, const struct expr_value *v, double *out);
void expr_eval_decimal(const struct expr_value *v, struct expr_decimal *out);
int expr_eval_order_numbers(struct expr_run *r, const struct expr_node *n, const struct expr_value *a,
	const struct expr_value *b, enum expr_ordering *out);

/* expr_eval_call.c */
int expr_eval_call(struct expr_run *r, const struct expr_node *n, struct expr_value *out);
/* expr_eval_time.c: not NULL */
int expr_eval_time_call(
	struct expr_run *r, const struct expr_node *n, const struct expr_value *args, struct expr_value *out);

/* expr_value.c: "10:11:12.5", at most hour_digits in front; else false. */
bool expr_read_clock(const char *text, unsigned hour_digits, struct expr_moment *m);

static inline void expr_set_int(struct expr_value *v, int64_t i)
{
	v->type = EXPR_INT;
	v->i = i;
}
