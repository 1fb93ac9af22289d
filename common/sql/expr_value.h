#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"

/* Values of expressions (expr.h): what rows give and what is computed. Plain data, nothing owned. */
enum expr_type {
	EXPR_NULL,
	EXPR_INT,
	EXPR_UINT,
	EXPR_DECIMAL,
	EXPR_DOUBLE,
	EXPR_STRING,
	EXPR_DATE,     /* packed as EXPR_DATETIME, of midnight */
	EXPR_DATETIME, /* packed: expr_pack_datetime */
	EXPR_TIME,     /* microseconds, signed */
	EXPR_OPAQUE,   /* JSON, geometry, …: NULL or not is all that is asked of it */
};

enum { EXPR_DECIMAL_WORDS = 12, EXPR_DECIMAL_WHOLE = 8, EXPR_DECIMAL_DIGITS = 65, EXPR_DECIMAL_SCALE = 30 };

/* Fixed point: words of nine digits, the most significant first, EXPR_DECIMAL_WHOLE of them before the point.
 */
struct expr_decimal {
	uint32_t word[EXPR_DECIMAL_WORDS];
	unsigned scale; /* digits behind the point, as the server counts them */
	bool negative;  /* never with all words zero */
};

struct expr_value {
	enum expr_type type;
	union {
		int64_t i; /* EXPR_INT, and the packed times */
		uint64_t u;
		double d;
		struct str s;
		struct expr_decimal decimal;
	};
};

struct expr_moment {
	unsigned year, month, day, hour, minute, second, micro;
};

int64_t expr_pack_datetime(const struct expr_moment *m);
void expr_unpack_datetime(int64_t packed, struct expr_moment *m);
int64_t expr_pack_time(bool negative, const struct expr_moment *m); /* hour to micro */

/* "-12.340": false where it is no such number, or has too many digits. */
bool expr_decimal_read(struct str text, struct expr_decimal *out);
