/*
 * Savepoints of the transaction in hand, by name and in their order (T16). For assemble.c, main thread. An
 * ORM sets one for each row that it writes, under ever new names, and none is ever taken back: found by name
 * at once, however many there are.
 */
#include "units/sync/marks.h"

#include <ctype.h>
#include <stdlib.h>

#include "common/base/map.h"
#include "common/base/utf8.h"
#include "common/base/xalloc.h"

struct savepoint {
	struct savepoint *before, *after;
	struct mark at;
	size_t n;
	char name[]; /* in small letters */
};

/* Of the entry in the map, besides the name, which stands there a second time. */
enum { ENTRY_BYTES = 64 };

static size_t weight(const struct savepoint *s)
{
	return sizeof(*s) + ENTRY_BYTES + 2 * s->n;
}

static struct savepoint *make(struct str name)
{
	struct savepoint *s = xmalloc(sizeof(*s) + name.n + 1);

	*s = (struct savepoint){.n = name.n};
	for (size_t i = 0; i < name.n; i++)
		s->name[i] = (char)((uint8_t)name.p[i] < 0x80 ? tolower((uint8_t)name.p[i]) : name.p[i]);
	s->name[name.n] = '\0';
	return s;
}

static struct str name_of(const struct savepoint *s)
{
	return (struct str){s->name, s->n};
}

void marks_free(struct marks *m)
{
	map_free(&m->names, free);
	*m = (struct marks){0};
}

static void unlink_one(struct marks *m, struct savepoint *s)
{
	if (s->before)
		s->before->after = s->after;
	if (s->after)
		s->after->before = s->before;
	else
		m->last = s->before;
	m->bytes -= weight(s);
}

static void drop(struct marks *m, struct savepoint *s)
{
	unlink_one(m, s);
	map_del(m->names, name_of(s));
	free(s);
}

void marks_set(struct marks *m, struct str name, const struct mark *at)
{
	struct savepoint *s = make(name), *old;

	if (!m->names)
		m->names = map_new();
	old = map_put(m->names, name_of(s), s);
	if (old) {
		unlink_one(m, old);
		free(old);
	}
	s->at = *at;
	s->before = m->last;
	if (m->last)
		m->last->after = s;
	m->last = s;
	m->bytes += weight(s);
	m->foreign |= !utf8_is_ascii(name);
}

/* The bytes of one character, at least one. */
static size_t step(struct str s)
{
	size_t n = utf8_character(s.p, s.n);

	return n ? n : 1;
}

/* As many characters, and no two of ASCII in the same place that differ: what accents and the like are to a
 * server's collation is not known here. */
static bool may_be_same(struct str a, struct str b)
{
	while (a.n > 0 && b.n > 0) {
		size_t na = step(a), nb = step(b);

		if ((uint8_t)a.p[0] < 0x80 && (uint8_t)b.p[0] < 0x80 && a.p[0] != b.p[0])
			return false;
		a = (struct str){a.p + na, a.n - na};
		b = (struct str){b.p + nb, b.n - nb};
	}
	return a.n == b.n;
}

enum marks_found marks_back(struct marks *m, struct str name, struct mark *at)
{
	struct savepoint *asked = make(name), *s = m->names ? map_get(m->names, name_of(asked)) : NULL;
	enum marks_found r = s ? MARKS_FOUND : MARKS_NONE;

	for (struct savepoint *x = m->last; s && m->foreign && x != s; x = x->before)
		if (may_be_same(name_of(x), name_of(asked)))
			r = MARKS_UNSURE;
	free(asked);
	if (r != MARKS_FOUND)
		return r;
	while (m->last != s)
		drop(m, m->last);
	*at = s->at;
	return r;
}
