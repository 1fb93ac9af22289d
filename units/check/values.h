#pragma once
#include "units/check/items.h"

#define VALUES_ITEM "target_values"

/* What is found of tables that are there, whose columns have the upstream's names. */
struct values {
	struct some other, refused, keys;
	bool primary; /* among these keys there is a primary one */
};
void values_look_at(struct values *v, const struct check_table *t, const struct structure *from,
	const struct structure *there);
/* All of it; frees it. */
void values_tell(struct check *c, struct values *v);
