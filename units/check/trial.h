#pragma once
#include "units/check/check.h"

struct trial {
	struct db *d; /* NULL: nothing is tried */
	bool another; /* a server of another family */
};
void trial_open(struct trial *t, const struct check *c);
void trial_close(struct trial *t);
/* create: as the downstream would get it. True: it is refused there, with e; false also where that is not
 * known. */
bool trial_refuses(struct trial *t, struct str create, struct err *e);
