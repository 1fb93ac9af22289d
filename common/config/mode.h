#pragma once
#include <stdbool.h>

/* DM's task modes (include/mode.def). */
enum mode_end { MODE_NONE, MODE_SERVER, MODE_FILES };

struct mode {
	const char *name;
	bool dump, load, sync;  /* the units that it has */
	enum mode_end from, to; /* of its copy */
};

/* NULL: there is none of this name. */
const struct mode *mode_find(const char *name);
static inline bool mode_has_upstream(const struct mode *m)
{
	return m->dump || m->sync;
}
static inline bool mode_has_downstream(const struct mode *m)
{
	return m->load || m->sync;
}
