#pragma once
#include "common/binlog/row.h"
#include "common/sql/expr.h"

/* A row of the binlog as expressions see it (common/sql/expr.h). Borrowed: all must live while it is asked.
 */
struct binlog_expr_row {
	const struct binlog_value *values; /* of each column of s */
	const struct structure *s;
};

struct expr_row binlog_expr_row(struct binlog_expr_row *row);
