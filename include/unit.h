#pragma once
#include <stddef.h>

/* Kinds of processes, unfolded from unit.def. */
enum unit_kind {
	UNIT_NONE = 0,
#define UNIT(id, name, exe, state, per) UNIT_##name = id,
#include "unit.def"
#undef UNIT
	UNIT_KIND_END
};

/* What the agent, or of agent and master the supervisor, sees of the end, beside bye. */
enum unit_exit {
	UNIT_EXIT_DONE = 0,      /* finished, or asked to leave */
	UNIT_EXIT_ERROR = 1,     /* an error, told in bye (but for: no agent, or a predecessor that stays) */
	UNIT_EXIT_USAGE = 2,     /* not started rightly: descriptors, arguments, slice; only the log tells */
	UNIT_EXIT_BOX = 3,       /* the box can't be closed: a restart won't mend it; only the log tells */
	UNIT_EXIT_STUCK = 75,    /* by the watcher: still busy at the deadline (T36) */
	UNIT_EXIT_SETTINGS = 78, /* agent, master: a mistake in their own file; at a first start all ends */
};

enum unit_per { UNIT_PER_HOST, UNIT_PER_SOURCE, UNIT_PER_SUBTASK };

struct unit_info {
	const char *name;       /* "relay": folder, log field, sandbox row */
	const char *executable; /* "tidegate-relay" */
	const char *state;      /* sub-folder of the slot's state folder, "" for none */
	enum unit_per per;
};

/* NULL for a kind that is not there. */
static inline const struct unit_info *unit_info(int kind)
{
	static const struct unit_info table[UNIT_KIND_END] = {
#define UNIT(id, name, exe, state, per) [id] = {#name, exe, state, UNIT_PER_##per},
#include "unit.def"
#undef UNIT
	};
	if (kind <= 0 || kind >= UNIT_KIND_END || !table[kind].name)
		return NULL;
	return &table[kind];
}
