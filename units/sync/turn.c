/*
 * Which batch may commit, and which gives way, where the upstream's order of commits is kept. That no lane
 * waits for ever is shown in docs/design/apply.md and played through in turn_test.c. Used by lane.c.
 */
#include "units/sync/turn.h"

bool turn_is_oldest(const struct depend *d, uint64_t first)
{
	return depend_oldest(d) >= first;
}

bool turn_may_begin(const struct turns *t, const struct depend *d, uint64_t first)
{
	return t->blocked == 0 || turn_is_oldest(d, first);
}

enum turn_next turn_now(const struct turns *t, const struct depend *d, uint64_t first)
{
	if (turn_is_oldest(d, first))
		return TURN_COMMIT;
	return t->blocked ? TURN_GIVE_UP : TURN_WAIT;
}

bool turn_failed(struct turns *t, const struct depend *d, uint64_t first)
{
	if (!turn_is_oldest(d, first))
		return false;
	t->blocked = first;
	return true;
}

void turn_committed(struct turns *t, uint64_t first)
{
	if (t->blocked == first)
		t->blocked = 0;
}
