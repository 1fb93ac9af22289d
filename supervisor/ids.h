#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "supervisor/args.h"

/* Who runs as whom (T34). */
struct owner {
	uid_t uid;
	gid_t gid;
};

struct ids {
	bool root;         /* started as root: children change their user */
	struct owner self; /* the supervisor's own */
	struct owner host; /* of agent and master */
	uid_t first;       /* slot n: uid = gid = first + n */
	unsigned slots;    /* highest slot that has a uid */
};

/* euid and egid are the supervisor's own. */
int ids_init(struct ids *ids, const struct super_args *a, struct owner self, struct err *e);
/* slot must be in 1 … ids->slots. */
struct owner ids_slot(const struct ids *ids, unsigned slot);
