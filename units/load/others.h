#pragma once
#include <jansson.h>

#include "units/load/load.h"

/* What the records of the task's other sources say of targets downstream (own.h). */
enum other_state {
	OTHER_BEGINS,
	OTHER_LOADS,
	OTHER_ENDED, /* done, and no binlog is applied behind it */
	OTHER_FOLLOWED
};

struct other {
	char *source, *plan; /* plan: the text of own; "": it has copied nothing */
	json_t *own;         /* with "tracked": what its sync has met besides, and has on record */
	enum other_state state;
};

struct others {
	struct other *p;
	size_t n;
};

/* lock: what is read stays as it is until the transaction ends. Also with -1 the caller ends it. */
int others_read(struct load *l, struct db *c, bool lock, struct others *out, struct err *e);
void others_fini(struct others *o);
/*
 * The one that has this target and lets others load into it, as it has made it, or will: what it only means
 * to load into when somebody has made it does not count. NULL: none.
 */
const struct other *others_sharing(const struct others *o, const char *schema, const char *name);
/* Does it stand there, made, by one of them? */
bool others_ready(const struct others *o, const char *schema, const char *name);
