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
