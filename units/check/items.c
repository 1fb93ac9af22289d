/*
 * The rows of check.def, one after the other: which of them this task wants, and whose connections are there.
 */
#include "units/check/items.h"

#include "common/base/clock.h"

/* So much of the master's patience (60 s) for single tables. */
enum { TABLES_MS = 30000 };

enum side { EITHER = 0, UP = 1, DOWN = 2, BOTH = UP | DOWN };
enum when { ALWAYS, COPIES, FOLLOWS };

static const struct item {
	const char *name;
	enum side side;
	enum when when;
	void (*run)(struct check *c, const char *item);
} items[] = {
#define none NULL
#define CHECK(item, of, side, when, run, help) {#item, side, when, run},
#include "check.def"
#undef CHECK
#undef none
};

static bool is_wanted(const struct check *c, const struct item *i)
{
	if ((i->side & UP && !c->up) || (i->side & DOWN && !c->down))
		return false;
	return i->when == COPIES ? check_copies(c) : i->when == FOLLOWS ? check_follows(c) : true;
}

void check_items(struct check *c)
{
	c->until_ms = clock_ms() + TABLES_MS;
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		if (items[i].run && is_wanted(c, &items[i]))
			items[i].run(c, items[i].name);
}
