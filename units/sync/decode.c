/*
 * A transaction's rows events, decoded: once for all where the transaction is small, else piece by piece for
 * each who walks them, so that memory stays bounded. The first walk belongs to the thread that owns `tables`.
 */
#include "units/sync/decode.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/binlog/expr_row.h"
#include "units/sync/copied.h"
#include "units/sync/extra.h"
#include "units/sync/implied.h"
#include "units/sync/noted.h"
#include "units/sync/takeover.h"
#include "units/sync/versions.h"

enum {
	WHOLE_BYTES = 1 << 20, /* of events: up to here decoded at once */
	FIRST_CHANGES = 16,
	NO_FOREIGN_KEY_CHECKS = 2, /* flag of a rows event */
};

/* A TABLE_MAP of the transaction in hand. */
struct mapped {
	struct mapped *next; /* the one that was met before */
	uint64_t id;
	struct str body; /* of its event */
	struct binlog_table map;
	struct table *table;
	bool again, untied; /* copied.h */
};

/* A growing list of changes inside an arena. */
struct list {
	struct change *at;
	size_t n, room;
};

void decode_open(struct decode *d, struct trx *t, struct tables *tables)
{
	*d = (struct decode){.trx = t, .tables = tables};
	walk_begin(&d->walk, t);
	if (tables)
		t->ntables = 0;
	/* Small transactions are many, and decoded one after the other by one thread. */
	if (tables)
		d->maps_in = tables->maps_in;
	else
		d->maps_in = arena_new(4096);
}

void decode_close(struct decode *d)
{
	walk_end(&d->walk);
	free(d->aside);
	d->aside = NULL;
	arena_free(&d->aside_in);
	arena_free(&d->judging);
	if (d->tables && d->maps_in == d->tables->maps_in)
		arena_clear(d->maps_in);
	else
		arena_free(&d->maps_in);
}

/* A transaction names few tables, and mostly the same as just before. */
static struct mapped *find_map(const struct decode *d, uint64_t id)
{
	struct mapped *m = d->maps;

	while (m && m->id != id)
		m = m->next;
	return m;
}

struct table *decode_table(struct tables *ts, struct binlog_table *map, const struct trx *t, struct err *e)
{
	bool passed = (ts->takeover && takeover_has(ts->takeover, map->schema, map->table, t->end)) ||
		      (ts->copied && copied_has(ts->copied, map->schema, map->table, t));

	return passed ? &ts->passed : tables_get(ts, map, e);
}

static int as_noted(struct decode *d, struct mapped *m, const struct binlog_format *f, struct err *e)
{
	struct trx *t = d->trx;

	m->table = t->large ? noted_table(t->noted, m->body, f) : t->tables[d->ntables++];
	if (!m->table)
		return err_set(e, ERR_sync_binlog,
			"read again, a transaction has rows of `%.*s`.`%.*s`, and had none before",
			STR_ARG(m->map.schema), STR_ARG(m->map.table));
	if (m->table->wanted)
		binlog_table_adopt(&m->map, m->table->logged);
	return 0;
}

static int find_table(struct decode *d, struct mapped *m, const struct binlog_format *f, struct err *e)
{
	struct trx *t = d->trx;

	if (!d->tables)
		return as_noted(d, m, f, e);
	m->table = decode_table(d->tables, &m->map, t, e);
	if (!m->table)
		return -1;
	if ((t->ntables & (t->ntables - 1)) == 0)
		t->tables = xrealloc(t->tables, (t->ntables ? t->ntables * 2 : 1) * sizeof(struct table *));
	t->tables[t->ntables++] = m->table;
	return 0;
}

static int on_table_map(struct decode *d, struct str event, const struct binlog_format *f, struct err *e)
{
	struct mapped *m;
	uint64_t id;

	if (binlog_rows_table_id(event, f, &id, e) < 0)
		return -1;
	/* Each statement has its own, mostly the same as before. */
	m = find_map(d, id);
	if (m && str_eq(m->body, binlog_body(event, f)))
		return 0;
	m = arena_zalloc(d->maps_in, sizeof(*m));
	m->id = id;
	if (d->trx->large) /* its bytes go by */
		event.p = arena_strdup(d->maps_in, event);
	m->body = binlog_body(event, f);
	if (binlog_read_table_map(event, f, d->maps_in, &m->map, e) < 0 || find_table(d, m, f, e) < 0)
		return -1;
	m->again = copied_again(m->table->copied, d->trx);
	m->untied = copied_untied(m->table->copied, d->trx);
	m->next = d->maps;
	d->maps = m;
	return 0;
}

/* What the event filter says of a kind of change: 0 and *out (it is left out), or -1. */
static int ask_kind(const struct table *t, enum binlog_change kind, bool *out, struct err *e)
{
	static const enum event_id ids[] = {[BINLOG_INSERT] = EVENT_insert,
		[BINLOG_UPDATE] = EVENT_update,
		[BINLOG_DELETE] = EVENT_delete};

	if (t->rows[kind].action == FILTER_ERROR)
		return err_set(e, ERR_sync_filter, "rule %u of filters, `%s`: rows of `%s`.`%s`",
			t->rows[kind].rule, event_name(ids[kind]), t->schema, t->name);
	*out = t->rows[kind].action == FILTER_IGNORE;
	return 0;
}

/* Rows that are left out take no room of those that are not. */
static int ask_filter(struct decode *d, const struct table *t, struct str event, struct err *e)
{
	struct binlog_header h;

	d->leaves_out = false;
	if (t->versioned) /* what a row is to the filter shows in the row */
		return 0;
	if (binlog_read_header(event, &h, e) < 0 ||
		ask_kind(t, binlog_rows_change(h.type), &d->leaves_out, e) < 0)
		return -1;
	if (d->leaves_out && !d->aside_in)
		d->aside_in = arena_new(0);
	if (d->leaves_out)
		arena_clear(d->aside_in);
	return 0;
}

/* MariaDB's old times don't say how long they are (mysql56_temporal_format=OFF); a structure would. */
static bool has_old_times(const struct binlog_table *map)
{
	return memchr(map->types, WIRE_TIME, map->ncolumns) ||
	       memchr(map->types, WIRE_DATETIME, map->ncolumns) ||
	       memchr(map->types, WIRE_TIMESTAMP, map->ncolumns);
}

/* Nothing of it is written; what a filter leaves out is counted, where it can be read. */
static bool is_passed(const struct mapped *m)
{
	return !m->table->wanted && (!m->table->left_out || has_old_times(&m->map));
}

static int open_rows(
	struct decode *d, struct str event, const struct binlog_format *f, struct arena *a, struct err *e)
{
	struct mapped *m;
	uint64_t id;

	if (binlog_rows_table_id(event, f, &id, e) < 0)
		return -1;
	m = find_map(d, id);
	if (!m)
		return err_set(e, ERR_sync_binlog, "rows of table id %" PRIu64 " without its TABLE_MAP", id);
	if (is_passed(m))
		return 0;
	if (ask_filter(d, m->table, event, e) < 0 ||
		binlog_rows_open(event, f, &m->map, d->leaves_out ? d->aside_in : a, &d->rows, e) < 0)
		return -1;
	d->rows_of = m;
	d->event = event;
	return 0;
}

static struct change *add(struct list *l, struct arena *a)
{
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : FIRST_CHANGES;
		struct change *more = arena_alloc(a, room * sizeof(*more));

		if (l->n)
			memcpy(more, l->at, l->n * sizeof(*more));
		l->at = more;
		l->room = room;
	}
	return &l->at[l->n++];
}

/* The same for one that the event filter leaves out: it is counted. */
static int pass_row(struct decode *d, struct err *e)
{
	const struct binlog_table *map = &d->rows_of->map;
	int r;

	if (d->aside_columns < map->ncolumns) {
		d->aside = xrealloc(d->aside, 2 * map->ncolumns * sizeof(*d->aside));
		d->aside_columns = map->ncolumns;
	}
	r = binlog_rows_next(&d->rows, map, d->rows.change == BINLOG_INSERT ? NULL : d->aside,
		d->rows.change == BINLOG_DELETE ? NULL : d->aside + d->aside_columns, e);
	d->left_out += r > 0;
	return r;
}

/* Every column that the downstream has, as an INSERT needs it (MariaDB logs virtual ones in some images
 * only).
 */
static int check_whole(const struct table *t, const struct binlog_value *after, struct err *e)
{
	for (unsigned i = 0; i < t->up->ncolumns; i++)
		if (t->target[i] >= 0 && !after[i].present)
			return err_set(e, ERR_expression,
				"%s: an UPDATE that enters a filter becomes an INSERT, for which column `%s` "
				"is not in the row's image: the upstream needs binlog_row_image=FULL, and no "
				"partial JSON",
				t->head, t->up->columns[i].name);
	return 0;
}

/* An UPDATE that enters or leaves a filter. What it becomes is the event filter's matter, too. */
static int become(struct decode *d, struct change *c, enum row_verdict verdict, bool *keep, struct err *e)
{
	const struct table *t = c->table;
	bool out = false;

	c->kind = verdict == ROW_ENTERS ? BINLOG_INSERT : BINLOG_DELETE;
	if (ask_kind(t, c->kind, &out, e) < 0)
		return -1;
	*keep = !out;
	d->left_out += out;
	if (verdict == ROW_LEAVES)
		c->after = NULL;
	else
		c->before = NULL;
	return verdict == ROW_ENTERS && !out ? check_whole(t, c->after, e) : 0;
}

/* What the task's expression-filter makes of the change: *keep false, or another kind of change. */
static int filter(struct decode *d, struct change *c, bool *keep, struct err *e)
{
	const struct table *t = c->table;
	struct binlog_expr_row rows[2] = {{c->before, t->up}, {c->after, t->up}};
	struct expr_row before = binlog_expr_row(&rows[0]), after = binlog_expr_row(&rows[1]);
	enum row_change change = c->kind == BINLOG_INSERT   ? ROW_INSERT
				 : c->kind == BINLOG_DELETE ? ROW_DELETE
							    : ROW_UPDATE;
	enum row_verdict verdict;
	int r;

	if (!d->judging)
		d->judging = arena_new(4096);
	r = row_filter_judge(t->filter, change, &before, &after, d->judging, &verdict, e);
	arena_clear(d->judging);
	if (r < 0)
		return err_add(e, "%s", t->head);
	*keep = verdict != ROW_SKIP;
	if (verdict != ROW_KEEP && (d->tables || d->trx->large))
		row_filter_count(t->filter);
	return verdict == ROW_ENTERS || verdict == ROW_LEAVES ? become(d, c, verdict, keep, e) : 0;
}

/* A row of a table with history: what it is to those that are there, and what the event filter says of that.
 */
static int turn(struct decode *d, struct change *c, bool *keep, struct err *e)
{
	bool out = false;

	if (versions_turn(c, keep, e) < 0 || (*keep && ask_kind(c->table, c->kind, &out, e) < 0))
		return -1;
	*keep = *keep && !out;
	d->left_out += out;
	return 0;
}

/* Room for a row's values: that of one that was left out, so that memory does not grow with those. */
static void take_room(
	struct decode *d, struct arena *a, struct binlog_value **before, struct binlog_value **after)
{
	/* Routes may add columns, and the stream may have some at its end that are not the table's. */
	unsigned up = d->rows_of->table->up->ncolumns, logged = d->rows_of->map.ncolumns;
	size_t bytes = (up > logged ? up : logged) * sizeof(struct binlog_value);

	if (d->room_of != d->rows_of) {
		d->room[0] = d->room[1] = NULL;
		d->room_of = d->rows_of;
	}
	if (d->rows.change != BINLOG_INSERT)
		*before = d->room[0] ? d->room[0] : arena_alloc(a, bytes);
	if (d->rows.change != BINLOG_DELETE)
		*after = d->room[1] ? d->room[1] : arena_alloc(a, bytes);
	d->room[0] = d->room[1] = NULL;
}

/* 1: a row was read, and added if it is wanted, 0: the event has no more, -1. */
static int next_row(struct decode *d, struct list *l, struct arena *a, struct err *e)
{
	const struct binlog_table *map = &d->rows_of->map;
	struct binlog_value *before = NULL, *after = NULL;
	bool keep = true;
	struct change c;
	int r;

	if (d->rows.at >= d->rows.data.n)
		return 0;
	if (d->leaves_out)
		return pass_row(d, e);
	take_room(d, a, &before, &after);
	r = binlog_rows_next(&d->rows, map, before, after, e);
	if (r <= 0)
		return r;
	if (d->rows.change == BINLOG_INSERT && d->rows_of->table->wanted)
		implied_fill(d->rows_of->table, after);
	c = (struct change){.table = d->rows_of->table,
		.kind = d->rows.change,
		.checks = !(d->rows.flags & NO_FOREIGN_KEY_CHECKS) && !d->rows_of->untied,
		.again = d->rows_of->again,
		.before = before,
		.after = after};
	if (c.table->versioned && turn(d, &c, &keep, e) < 0)
		return -1;
	extra_fill(c.table, before); /* over what the stream has at its end */
	extra_fill(c.table, after);
	if (keep && c.table->filter && filter(d, &c, &keep, e) < 0)
		return -1;
	if (keep) {
		*add(l, a) = c;
	} else {
		d->room[0] = before;
		d->room[1] = after;
	}
	return 1;
}

static int next_event(struct decode *d, struct arena *a, struct err *e)
{
	const struct binlog_format *f;
	struct binlog_header h;
	struct str event;
	int r = walk_next(&d->walk, &event, &f, e);

	d->ended = r == 0;
	if (r <= 0)
		return r;
	if (binlog_read_header(event, &h, e) < 0)
		return -1;
	return h.type == BINLOG_TABLE_MAP ? on_table_map(d, event, f, e) : open_rows(d, event, f, a, e);
}

/* Rows that were decompressed into the caller's arena may not outlive the piece: their event ends it. */
static bool may_stop(const struct decode *d)
{
	const char *p = d->rows.data.p;

	return !d->rows_of || (p >= d->event.p && p < d->event.p + d->event.n);
}

int decode_next(
	struct decode *d, struct arena *a, size_t bytes, struct change **list, size_t *n, struct err *e)
{
	struct list l = {0};
	size_t from = arena_used(a);
	int r = 0;

	d->room_of = NULL; /* it was of an arena that may have been cleared */

	while (!d->ended) {
		if (l.n > 0 && arena_used(a) - from >= bytes && may_stop(d))
			break;
		if (l.n > 0 && d->trx->large && !d->rows_of) /* the next event takes the place of this one */
			break;
		r = d->rows_of ? next_row(d, &l, a, e) : next_event(d, a, e);
		if (r < 0)
			return -1;
		if (r == 0 && d->rows_of && d->rows.at >= d->rows.data.n)
			d->rows_of = NULL;
	}
	*list = l.at;
	*n = l.n;
	return l.n > 0;
}

static int walk(struct trx *t, struct tables *tables,
	void (*see)(void *arg, const struct change *list, size_t n), void *arg, struct err *e)
{
	struct arena *a = arena_new(0);
	struct change *list;
	struct decode d;
	size_t n;
	int r;

	decode_open(&d, t, tables);
	while ((r = decode_next(&d, a, WHOLE_BYTES, &list, &n, e)) > 0) {
		t->nchanges += n;
		see(arg, list, n);
		arena_clear(a);
	}
	t->left_out = d.left_out;
	decode_close(&d);
	arena_free(&a);
	return r;
}

int decode_trx(struct trx *t, struct tables *tables,
	void (*see)(void *arg, const struct change *list, size_t n), void *arg, struct err *e)
{
	struct decode d;
	int r;

	if (t->raw.n > WHOLE_BYTES)
		return walk(t, tables, see, arg, e);
	t->arena = arena_new(512 + t->raw.n);
	decode_open(&d, t, tables);
	r = decode_next(&d, t->arena, SIZE_MAX, &t->changes, &t->nchanges, e);
	t->left_out = d.left_out;
	decode_close(&d);
	if (r < 0)
		return -1;
	t->decoded = true;
	see(arg, t->changes, t->nchanges);
	return 0;
}
