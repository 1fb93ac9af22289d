#pragma once
#include "units/check/check.h"

struct trial {
	struct db *d;      /* NULL: nothing is tried */
	bool another;      /* a server of another family, or an older one */
	bool cut;          /* it was ended before its time: the rest was not tried */
	uint64_t until_ms; /* trials alone: other items want to look at tables too */
};
void trial_open(struct trial *t, const struct check *c);
void trial_close(struct trial *t);
/* Is there reason to doubt, and time to ask? */
bool trial_is_wanted(struct trial *t, struct str create);
/* Of one that is wanted. create: as the downstream would get it. True: it is refused there, with e; false
 * also where that is not known. */
bool trial_refuses(struct trial *t, struct str create, struct err *e);
