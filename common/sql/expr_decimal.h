#pragma once
#include "common/base/buf.h"
#include "common/sql/expr_value.h"

/* Arithmetic of decimals; false: more digits than a server keeps exactly. For common/sql/expr*.c only. */
void expr_decimal_from_int(bool negative, uint64_t magnitude, struct expr_decimal *out);
int expr_decimal_compare(const struct expr_decimal *a, const struct expr_decimal *b);
bool expr_decimal_is_zero(const struct expr_decimal *d);
bool expr_decimal_add(const struct expr_decimal *a, const struct expr_decimal *b, struct expr_decimal *out);
bool expr_decimal_multiply(
	const struct expr_decimal *a, const struct expr_decimal *b, struct expr_decimal *out);
void expr_decimal_negate(struct expr_decimal *d);
/* b is not zero; the quotient is whole, the remainder has a's sign. false: the quotient has too many digits,
 * the remainder is right. */
bool expr_decimal_divide(const struct expr_decimal *a, const struct expr_decimal *b,
	struct expr_decimal *quotient, struct expr_decimal *remainder);
enum expr_rounding { EXPR_ROUND_HALF_UP, EXPR_ROUND_DOWN /* to the lesser */, EXPR_ROUND_UP };
bool expr_decimal_round(struct expr_decimal *d, unsigned digits, enum expr_rounding how);
/* Of one without a fraction. */
bool expr_decimal_to_int(const struct expr_decimal *d, bool *negative, uint64_t *magnitude);
double expr_decimal_to_double(const struct expr_decimal *d);
enum { EXPR_DECIMAL_TEXT = 112 };
/* With all digits of its scale; out has EXPR_DECIMAL_TEXT bytes. The length. */
size_t expr_decimal_text(const struct expr_decimal *d, char *out);
unsigned expr_decimal_digits(const struct expr_decimal *d); /* that count */
