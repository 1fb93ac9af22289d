/*
 * What a large transaction's TABLE_MAPs say, each once. A table that the upstream opens anew gets another
 * number, so it is the rest that tells them apart: memory follows the tables, not the statements.
 */
#include "units/sync/noted.h"

#include <stdlib.h>

#include "common/base/xalloc.h"
#include "units/sync/decode.h"

struct one {
	uint64_t nth;        /* of the first event that has it */
	struct buf event;    /* that one */
	struct table *table; /* NULL: not found yet */
};

struct noted {
	struct map *map; /* a TABLE_MAP's body but for the table's number -> struct one */
};

static void one_free(void *p)
{
	struct one *o = p;

	buf_free(&o->event);
	free(o);
}

static struct str without_number(struct str body, const struct binlog_format *f)
{
	size_t n = f->post_header[BINLOG_TABLE_MAP] == 6 ? 4 : 6;

	n = body.n < n ? body.n : n;
	return (struct str){body.p + n, body.n - n};
}

void noted_add(struct noted **n, struct str event, const struct binlog_format *f, uint64_t nth)
{
	struct str key = without_number(binlog_body(event, f), f);
	struct one *o;

	if (!*n) {
		*n = xcalloc(1, sizeof(**n));
		(*n)->map = map_new();
	}
	if (map_get((*n)->map, key))
		return;
	o = xcalloc(1, sizeof(*o));
	o->nth = nth;
	buf_put(&o->event, event.p, event.n);
	map_put((*n)->map, key, o);
}

void noted_scan(struct noted **n, struct str events, const struct binlog_format *f)
{
	struct binlog_header h;
	struct err ignored;

	while (binlog_read_header(events, &h, &ignored) == 0 && h.size >= BINLOG_HEADER_SIZE &&
		h.size <= events.n) {
		if (h.type == BINLOG_TABLE_MAP)
			noted_add(n, (struct str){events.p, h.size}, f, 0);
		events.p += h.size;
		events.n -= h.size;
	}
}

void noted_cut(struct noted *n, uint64_t nth)
{
	bool again = n != NULL;

	/* The map must not change under a walk: one at a time. */
	while (again) {
		struct str key;
		size_t at = 0;
		void *value;

		again = false;
		while (!again && map_next(n->map, &at, &key, &value)) {
			struct one *o = value;

			again = o->nth >= nth;
			if (again)
				one_free(map_del(n->map, key));
		}
	}
}

void noted_free(struct noted **n)
{
	if (!*n)
		return;
	map_free(&(*n)->map, one_free);
	free(*n);
	*n = NULL;
}

static int find(struct one *o, struct trx *t, struct tables *ts, struct arena *a, struct err *e)
{
	struct binlog_table map;

	if (binlog_read_table_map(buf_str(&o->event), &t->format, a, &map, e) < 0)
		return -1;
	o->table = decode_table(ts, &map, t, e);
	return o->table ? 0 : -1;
}

int noted_find(struct trx *t, struct tables *ts, struct err *e)
{
	struct arena *a = arena_new(0);
	size_t at = 0;
	void *one;
	int r = 0;

	while (r == 0 && t->noted && map_next(t->noted->map, &at, NULL, &one)) {
		r = find(one, t, ts, a, e);
		arena_clear(a);
	}
	arena_free(&a);
	return r;
}

bool noted_next(const struct noted *n, size_t *at, struct table **t)
{
	void *one;

	if (!n || !map_next(n->map, at, NULL, &one))
		return false;
	*t = ((struct one *)one)->table;
	return true;
}

struct table *noted_table(const struct noted *n, struct str body, const struct binlog_format *f)
{
	struct one *o = n ? map_get(n->map, without_number(body, f)) : NULL;

	return o ? o->table : NULL;
}
