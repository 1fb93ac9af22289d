/*
 * The table of living children: who is there, by kind, slot and sub. Used by the supervisor's loop only; it
 * never signals or reaps.
 */
#include "supervisor/table.h"

#include <stdlib.h>

#include "common/base/io.h"
#include "common/base/xalloc.h"
#include "unit.h"

bool kind_is_host(unsigned kind)
{
	const struct unit_info *u = unit_info((int)kind);

	return u && u->per == UNIT_PER_HOST;
}

void table_add(struct table *t, const struct child *c)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 16;
		t->rows = xrealloc(t->rows, t->cap * sizeof(*t->rows));
	}
	t->rows[t->n++] = *c;
}

struct child *table_find(const struct table *t, unsigned kind, unsigned slot, unsigned sub)
{
	for (size_t i = 0; i < t->n; i++) {
		struct child *c = &t->rows[i];

		if (c->kind == kind && c->slot == slot && c->sub == sub)
			return c;
	}
	return NULL;
}

void table_remove(struct table *t, size_t i)
{
	io_close(&t->rows[i].pidfd);
	t->rows[i] = t->rows[--t->n];
}

size_t table_units(const struct table *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += !kind_is_host(t->rows[i].kind);
	return n;
}

void table_free(struct table *t)
{
	while (t->n > 0)
		table_remove(t, t->n - 1);
	free(t->rows);
	*t = (struct table){0};
}
