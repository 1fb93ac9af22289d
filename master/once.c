/*
 * Answers to repeated commands. Called by serve.c around each command; decides nothing else.
 */
#include "master/once.h"

#include <stdlib.h>

#include "common/base/xalloc.h"

/* Tells two requests with one number apart; nobody has a use for a forged one, who asks may command anyway.
 */
static uint64_t digest(struct str word, struct str args)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < word.n; i++)
		h = (h ^ (unsigned char)word.p[i]) * UINT64_C(1099511628211);
	h = (h ^ 0x100) * UINT64_C(1099511628211);
	for (size_t i = 0; i < args.n; i++)
		h = (h ^ (unsigned char)args.p[i]) * UINT64_C(1099511628211);
	return h;
}

const char *once_find(const struct once *o, uint64_t request, struct str word, struct str args)
{
	uint64_t d = digest(word, args);

	for (unsigned i = 0; i < ONCE_KEPT; i++)
		if (o->entries[i].answer && o->entries[i].request == request && o->entries[i].digest == d)
			return o->entries[i].answer;
	return NULL;
}

void once_keep(struct once *o, uint64_t request, struct str word, struct str args, struct str answer)
{
	struct once_entry *at = &o->entries[o->next];

	if (answer.n > ONCE_TEXT)
		return;
	free(at->answer);
	*at = (struct once_entry){request, digest(word, args), xstrndup(answer.p, answer.n)};
	o->next = (o->next + 1) % ONCE_KEPT;
}

void once_clear(struct once *o)
{
	for (unsigned i = 0; i < ONCE_KEPT; i++)
		free(o->entries[i].answer);
	*o = (struct once){0};
}
