/*
 * Gaps between chunks of a stretch. A chunk covers (place of the last row before it, place of its own last
 * row], so what is between two chunks needs no comparing of keys: only their neighbours' words. Pure.
 */
#include "units/load/gaps.h"

/* A list that the dump gave, under this key; none where the text is empty. */
static bool put(json_t *o, const char *key, const char *text)
{
	json_t *list = *text ? json_loads(text, 0, NULL) : NULL;

	if (*text && !json_is_array(list)) {
		json_decref(list);
		return false;
	}
	return !list || json_object_set_new(o, key, list) == 0;
}

static bool add(json_t *out, const struct gaps_stretch *s, const char *lo, const char *hi)
{
	json_t *o = json_object();
	bool good = put(o, "lo", lo) && put(o, "hi", hi) && put(o, "partitions", s->partitions);

	json_array_append_new(out, o);
	return good;
}

bool gaps_of(const struct gaps_stretch *s, json_t *out)
{
	const char *at = s->lo; /* everything up to here is there */
	bool known = true, ended = false;
	uint32_t next = 0;

	for (unsigned i = 0; i < s->n; i++) {
		const struct gaps_chunk *k = &s->chunks[i];

		if (k->seq != next && (!known || !*k->lo || !add(out, s, at, k->lo)))
			return false;
		at = k->hi;
		known = *k->hi != '\0';
		ended = k->ends;
		next = k->seq + 1;
	}
	return ended || (known && add(out, s, at, s->hi));
}
