/*
 * What a chunk's record says of its beginning. Called under the claim's lock, and by the leader before the
 * workers run. Pure.
 */
#include "units/load/places.h"

#include <stdlib.h>

#include "common/base/xalloc.h"

void places_init(struct places *p)
{
	p->next = map_new();
}

void places_fini(struct places *p)
{
	map_free(&p->next, free);
}

static struct str key_of(uint32_t k[3], uint32_t table, uint32_t stretch, uint32_t seq)
{
	k[0] = table;
	k[1] = stretch;
	k[2] = seq;
	return (struct str){(const char *)(const void *)k, 3 * sizeof(*k)};
}

void places_note(struct places *p, uint32_t table, uint32_t stretch, uint32_t seq, struct str hi)
{
	uint32_t k[3];

	free(map_put(
		p->next, key_of(k, table, stretch, seq + 1), xstrndup(hi.p ? hi.p : "", hi.p ? hi.n : 0)));
}

char *places_take(struct places *p, uint32_t table, uint32_t stretch, uint32_t seq)
{
	uint32_t k[3];
	char *place = map_del(p->next, key_of(k, table, stretch, seq));

	return place ? place : xstrdup("");
}
