#pragma once
#include "common/sql/expr.h"
#include "common/sql/structure.h"

/* For tests and fuzzers only: a table with a row. */
struct structure *expr_sample_structure(void); /* structure_free */
struct expr_row expr_sample_row(void);
