/*
 * An expression over one row: the tree, three-valued logic, comparisons. What expr_bind found is relied on;
 * what only the row shows to be beyond exactness is an error. Only reads the expression: any thread.
 */
#include "common/sql/expr_eval.h"

#include "common/sql/expr_decimal.h"

int expr_eval_range(struct expr_run *r, const struct expr_node *n)
{
	return expr_fail(r->x, n->at, ERR_expression, r->e,
		"a number gets out of range, for which the server would refuse the statement");
}

int expr_eval_undecided(struct expr_run *r, const struct expr_node *n, const char *why)
{
	return expr_fail(
		r->x, n->at, ERR_expression, r->e, "it can't be told what the server would find: %s", why);
}

static int eval_column(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	if (r->row->value(r->row->arg, n->column, r->a, out, r->e) < 0)
		return err_add(r->e, "in the expression \"%.200s\"", r->x->text);
	return 0;
}

/* --- conditions --- */

static enum expr_truth truth_of(const struct expr_value *v)
{
	static const struct expr_decimal zero;

	switch (v->type) {
	case EXPR_NULL:
		return EXPR_UNKNOWN;
	case EXPR_DECIMAL:
		return expr_decimal_compare(&v->decimal, &zero) ? EXPR_TRUE : EXPR_FALSE;
	case EXPR_DOUBLE:
		return v->d != 0 ? EXPR_TRUE : EXPR_FALSE;
	default:
		return v->i != 0 ? EXPR_TRUE : EXPR_FALSE;
	}
}

static void set_truth(struct expr_value *out, enum expr_truth t)
{
	out->type = t == EXPR_UNKNOWN ? EXPR_NULL : EXPR_INT;
	out->i = t == EXPR_TRUE;
}

static enum expr_truth opposite(enum expr_truth t)
{
	return t == EXPR_UNKNOWN ? t : t == EXPR_TRUE ? EXPR_FALSE : EXPR_TRUE;
}

int expr_eval_truth(struct expr_run *r, const struct expr_node *n, enum expr_truth *out)
{
	struct expr_value v;

	if (expr_eval_node(r, n, &v) < 0)
		return -1;
	*out = truth_of(&v);
	return 0;
}

/* AND ends at FALSE, OR at TRUE. */
static int eval_and_or(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	enum expr_truth end = n->op == EXPR_OP_AND ? EXPR_FALSE : EXPR_TRUE, all = opposite(end), t;

	for (unsigned i = 0; i < n->nargs && all != end; i++) {
		if (expr_eval_truth(r, n->args[i], &t) < 0)
			return -1;
		if (t == end || t == EXPR_UNKNOWN)
			all = t;
	}
	set_truth(out, all);
	return 0;
}

static int eval_xor(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	enum expr_truth a, b;

	if (expr_eval_truth(r, n->args[0], &a) < 0 || expr_eval_truth(r, n->args[1], &b) < 0)
		return -1;
	if (a == EXPR_UNKNOWN || b == EXPR_UNKNOWN)
		set_truth(out, EXPR_UNKNOWN);
	else
		set_truth(out, a != b ? EXPR_TRUE : EXPR_FALSE);
	return 0;
}

static int eval_not(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	enum expr_truth t;

	if (expr_eval_truth(r, n->args[0], &t) < 0)
		return -1;
	set_truth(out, opposite(t));
	return 0;
}

static int eval_is(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	struct expr_value v;
	bool is;

	if (expr_eval_node(r, n->args[0], &v) < 0)
		return -1;
	if (n->is == EXPR_IS_NULL)
		is = v.type == EXPR_NULL;
	else
		is = truth_of(&v) == (n->is == EXPR_IS_TRUE ? EXPR_TRUE : EXPR_FALSE);
	set_truth(out, is != n->negated ? EXPR_TRUE : EXPR_FALSE);
	return 0;
}

/* --- comparisons --- */

/* ENUM as its member's name. */
static struct str text_of(const struct expr_node *n, const struct expr_value *v)
{
	if (v->type == EXPR_STRING)
		return v->s;
	return v->u > 0 && v->u <= n->nmembers ? n->members[v->u - 1] : STR_LIT("");
}

static const struct expr_collation *compared_by(const struct expr_node *n)
{
	return n->op == EXPR_OP_CASE ? n->compared : n->collation;
}

int expr_eval_order(struct expr_run *r, const struct expr_node *n, const struct expr_node *const nodes[2],
	const struct expr_value *values[2], enum expr_ordering *out)
{
	int64_t a = values[0]->i, b = values[1]->i;

	switch (n->compare) {
	case EXPR_COMPARE_TIME:
		*out = a < b ? EXPR_LESS : a > b ? EXPR_GREATER : EXPR_EQUAL;
		return 0;
	case EXPR_COMPARE_TEXT:
		*out = expr_text_compare(
			compared_by(n), text_of(nodes[0], values[0]), text_of(nodes[1], values[1]));
		if (*out != EXPR_UNDECIDED)
			return 0;
		return expr_eval_undecided(r, n,
			"text beyond ASCII (or control characters), which only the server's own tables put "
			"in order: if bytes may count, write COLLATE and a collation that ends in _bin");
	default:
		return expr_eval_order_numbers(r, n, values[0], values[1], out);
	}
}

/* Is left OP right, as one of the six comparisons? */
static int compare(struct expr_run *r, const struct expr_node *n, const struct expr_node *const nodes[2],
	enum expr_op op, const struct expr_value *values[2], enum expr_truth *out)
{
	enum expr_ordering o;
	bool is;

	*out = EXPR_UNKNOWN;
	if (values[0]->type == EXPR_NULL || values[1]->type == EXPR_NULL)
		return 0;
	if (expr_eval_order(r, n, nodes, values, &o) < 0)
		return -1;
	if (o == EXPR_DIFFERENT && op != EXPR_OP_EQ && op != EXPR_OP_NE)
		return expr_eval_undecided(r, n, "which of two signs comes first differs between collations");
	if (op == EXPR_OP_EQ || op == EXPR_OP_NE)
		is = (o == EXPR_EQUAL) == (op == EXPR_OP_EQ);
	else if (op == EXPR_OP_LT || op == EXPR_OP_GE)
		is = (o == EXPR_LESS) == (op == EXPR_OP_LT);
	else
		is = (o == EXPR_GREATER) == (op == EXPR_OP_GT);
	*out = is ? EXPR_TRUE : EXPR_FALSE;
	return 0;
}

static int eval_comparison(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	const struct expr_node *const nodes[2] = {n->args[0], n->args[1]};
	struct expr_value a, b;
	const struct expr_value *values[2] = {&a, &b};
	enum expr_truth t;

	if (expr_eval_node(r, n->args[0], &a) < 0)
		return -1;
	set_truth(out, EXPR_UNKNOWN);
	if (a.type == EXPR_NULL && n->op != EXPR_OP_SAFE_EQ) /* the servers don't look at the other side */
		return 0;
	if (expr_eval_node(r, n->args[1], &b) < 0)
		return -1;
	if (n->op == EXPR_OP_SAFE_EQ && (a.type == EXPR_NULL || b.type == EXPR_NULL)) {
		set_truth(out, a.type == b.type ? EXPR_TRUE : EXPR_FALSE);
		return 0;
	}
	if (compare(r, n, nodes, n->op == EXPR_OP_SAFE_EQ ? EXPR_OP_EQ : n->op, values, &t) < 0)
		return -1;
	set_truth(out, t);
	return 0;
}

/* A whole number's bits; false: it is none, or out of 64 bits. */
static bool bits_of(const struct expr_value *v, bool *negative, uint64_t *bits)
{
	*bits = v->u;
	*negative = v->type == EXPR_INT && v->i < 0;
	if (v->type == EXPR_INT || v->type == EXPR_UINT)
		return true;
	if (v->type != EXPR_DECIMAL || v->decimal.scale || !expr_decimal_to_int(&v->decimal, negative, bits))
		return false;
	*bits = *negative ? 0 - *bits : *bits;
	return true;
}

/* MySQL takes -1 for 18446744073709551615 in a list of several types, and in CASE. */
static int check_bits(struct expr_run *r, const struct expr_node *n, const struct expr_value *const values[2])
{
	bool na, nb;
	uint64_t ba, bb;

	if (!bits_of(values[0], &na, &ba) || !bits_of(values[1], &nb, &bb) || ba != bb || na == nb)
		return 0;
	return expr_eval_undecided(r, n, "a negative number meets an unsigned one of the same bits");
}

static int eval_in(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	struct expr_value left, v;
	const struct expr_value *values[2] = {&left, &v};
	enum expr_truth found = EXPR_FALSE, t;

	if (expr_eval_node(r, n->args[0], &left) < 0)
		return -1;
	for (unsigned i = 1; i < n->nargs && found != EXPR_TRUE; i++) {
		const struct expr_node *const nodes[2] = {n->args[0], n->args[i]};

		if (expr_eval_node(r, n->args[i], &v) < 0 || compare(r, n, nodes, EXPR_OP_EQ, values, &t) < 0)
			return -1;
		if (check_bits(r, n, values) < 0)
			return -1;
		if (t != EXPR_FALSE)
			found = t;
	}
	set_truth(out, n->negated ? opposite(found) : found);
	return 0;
}

static int eval_between(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	struct expr_value left, bound;
	const struct expr_value *values[2] = {&left, &bound};
	enum expr_truth is[2], both;

	if (expr_eval_node(r, n->args[0], &left) < 0)
		return -1;
	for (unsigned i = 0; i < 2; i++) {
		const struct expr_node *const nodes[2] = {n->args[0], n->args[i + 1]};

		if (expr_eval_node(r, n->args[i + 1], &bound) < 0 ||
			compare(r, n, nodes, i ? EXPR_OP_LE : EXPR_OP_GE, values, &is[i]) < 0)
			return -1;
	}
	if (is[0] == EXPR_FALSE || is[1] == EXPR_FALSE)
		both = EXPR_FALSE;
	else
		both = is[0] == EXPR_TRUE && is[1] == EXPR_TRUE ? EXPR_TRUE : EXPR_UNKNOWN;
	set_truth(out, n->negated ? opposite(both) : both);
	return 0;
}

static int eval_like(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	struct expr_value v, pattern;
	enum expr_ordering o;

	if (expr_eval_node(r, n->args[0], &v) < 0 || expr_eval_node(r, n->args[1], &pattern) < 0)
		return -1;
	out->type = EXPR_NULL;
	if (v.type == EXPR_NULL || pattern.type == EXPR_NULL)
		return 0;
	o = expr_text_like(n->collation, text_of(n->args[0], &v), pattern.s, n->escape);
	if (o == EXPR_UNDECIDED)
		return expr_eval_undecided(r, n,
			"text beyond ASCII (or control characters) under a collation whose tables only the "
			"server has: if bytes may count, write COLLATE and a collation that ends in _bin");
	set_truth(out, (o == EXPR_EQUAL) != n->negated ? EXPR_TRUE : EXPR_FALSE);
	return 0;
}

/* --- CASE --- */

static int case_matches(struct expr_run *r, const struct expr_node *n, unsigned when,
	const struct expr_value *value, enum expr_truth *out)
{
	const struct expr_node *const nodes[2] = {n->args[0], n->args[when]};
	struct expr_value v;
	const struct expr_value *values[2] = {value, &v};

	if (!n->has_value)
		return expr_eval_truth(r, n->args[when], out);
	if (expr_eval_node(r, n->args[when], &v) < 0 || check_bits(r, n, values) < 0)
		return -1;
	return compare(r, n, nodes, EXPR_OP_EQ, values, out);
}

static int eval_case(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	struct expr_value value = {0};
	enum expr_truth t;

	if (n->has_value && expr_eval_node(r, n->args[0], &value) < 0)
		return -1;
	for (unsigned i = n->has_value; i + 1 < n->nargs; i += 2) {
		if (case_matches(r, n, i, &value, &t) < 0)
			return -1;
		if (t == EXPR_TRUE)
			return expr_eval_node(r, n->args[i + 1], out);
	}
	out->type = EXPR_NULL;
	return n->has_else ? expr_eval_node(r, n->args[n->nargs - 1], out) : 0;
}

int expr_eval_node(struct expr_run *r, const struct expr_node *n, struct expr_value *out)
{
	switch (n->op) {
	case EXPR_OP_LITERAL:
		*out = n->value;
		return 0;
	case EXPR_OP_COLUMN:
		return eval_column(r, n, out);
	case EXPR_OP_AND:
	case EXPR_OP_OR:
		return eval_and_or(r, n, out);
	case EXPR_OP_XOR:
		return eval_xor(r, n, out);
	case EXPR_OP_NOT:
		return eval_not(r, n, out);
	case EXPR_OP_IN:
		return eval_in(r, n, out);
	case EXPR_OP_BETWEEN:
		return eval_between(r, n, out);
	case EXPR_OP_LIKE:
		return eval_like(r, n, out);
	case EXPR_OP_IS:
		return eval_is(r, n, out);
	case EXPR_OP_COLLATE:
		return expr_eval_node(r, n->args[0], out);
	case EXPR_OP_CASE:
		return eval_case(r, n, out);
	case EXPR_OP_FUNCTION:
		return expr_eval_call(r, n, out);
	case EXPR_OP_ADD:
	case EXPR_OP_SUB:
	case EXPR_OP_MUL:
	case EXPR_OP_DIVIDE:
	case EXPR_OP_DIV:
	case EXPR_OP_MOD:
	case EXPR_OP_MINUS:
		return expr_eval_arithmetic(r, n, out);
	default:
		return eval_comparison(r, n, out);
	}
}

int expr_eval(const struct expr *x, const struct expr_row *row, struct arena *a, enum expr_truth *out,
	struct err *e)
{
	struct expr_run r = {.x = x, .row = row, .a = a, .e = e};

	return expr_eval_truth(&r, x->root, out);
}
