/* The table of task modes, looked up by name. Pure. */
#include "common/config/mode.h"

#include <stddef.h>
#include <string.h>

static const struct mode modes[] = {
#define MODE(name, dump, load, sync, from, to) {name, dump, load, sync, MODE_##from, MODE_##to},
#include "mode.def"
#undef MODE
};

const struct mode *mode_find(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	return NULL;
}
