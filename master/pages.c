/* Long answers, kept for a while. Called by reply.c; time comes in from outside. */
#include "master/pages.h"

static void drop(struct pages_entry *at)
{
	paged_free(&at->text);
	*at = (struct pages_entry){0};
}

/* A free place, or that of the one nobody asked about for longest. */
static struct pages_entry *place(struct pages *p)
{
	struct pages_entry *best = &p->kept[0];

	for (unsigned i = 0; i < PAGES_KEPT; i++) {
		if (p->kept[i].id == 0)
			return &p->kept[i];
		if (p->kept[i].until_ms < best->until_ms)
			best = &p->kept[i];
	}
	drop(best);
	return best;
}

uint64_t pages_keep(struct pages *p, struct buf *text, uint64_t now)
{
	struct pages_entry *at;

	pages_expire(p, now);
	at = place(p);
	/* Greater than any of an earlier run of the master, or another one. */
	p->last = p->last >= now ? p->last + 1 : now;
	*at = (struct pages_entry){p->last, now + PAGES_MS, *text};
	*text = (struct buf){0};
	return p->last;
}

int pages_get(struct pages *p, uint64_t id, uint64_t from, uint64_t now, struct paged *out)
{
	for (unsigned i = 0; i < PAGES_KEPT; i++) {
		struct pages_entry *at = &p->kept[i];

		if (id == 0 || at->id != id || from >= at->text.n)
			continue;
		*out = paged_piece(buf_str(&at->text), from);
		/* The last one may be lost on its way too, and be asked for again. */
		at->until_ms = now + (from + out->text.n < at->text.n ? PAGES_MS : PAGES_END_MS);
		return 0;
	}
	return -1;
}

void pages_expire(struct pages *p, uint64_t now)
{
	for (unsigned i = 0; i < PAGES_KEPT; i++)
		if (p->kept[i].id && now >= p->kept[i].until_ms)
			drop(&p->kept[i]);
}

void pages_clear(struct pages *p)
{
	for (unsigned i = 0; i < PAGES_KEPT; i++)
		drop(&p->kept[i]);
}
