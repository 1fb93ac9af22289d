/*
 * Plans what is read by one SELECT each: tables that are big are cut, by partitions first, then by places of
 * their key. Called by the workers, a table at a time, before the plan is told.
 */
#include "units/dump/stretch.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/sql/quote.h"
#include "units/dump/cut.h"
#include "units/dump/dump.h"
#include "units/dump/key.h"

enum { BIG_CHUNKS = 2, STRETCHES_PER_THREAD = 4, MAX_STRETCHES = 1024, MAX_PARTITIONS = 256 };

void stretches_add(struct stretches *l, struct stretch s)
{
	if ((l->n & (l->n - 1)) == 0)
		l->p = xrealloc(l->p, (l->n ? 2 * (size_t)l->n : 1) * sizeof(*l->p));
	s.id = l->n;
	l->p[l->n++] = s;
}

void stretches_free(struct stretches *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		range_free(&l->p[i].range);
		json_decref(l->p[i].partitions);
	}
	free(l->p);
	*l = (struct stretches){0};
}

json_t *stretches_to_json(const struct stretches *l)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < l->n; i++) {
		const struct stretch *s = &l->p[i];
		json_t *o = json_object(), *lo = tuple_to_json(&s->range.lo),
		       *hi = tuple_to_json(&s->range.hi);

		json_object_set_new(o, "id", json_integer(s->id));
		if (lo)
			json_object_set_new(o, "lo", lo);
		if (hi)
			json_object_set_new(o, "hi", hi);
		if (s->partitions)
			json_object_set(o, "partitions", s->partitions);
		json_array_append_new(list, o);
	}
	return list;
}

/* --- SQL --- */

void stretch_put_from(struct buf *b, const struct item *t, const json_t *partitions, const char *hint)
{
	const struct key *k = key_of(t);
	const char *sep = " PARTITION (";

	buf_puts(b, " FROM ");
	sql_put_table(b, str_of(t->schema), str_of(t->name));
	for (size_t i = 0; i < json_array_size(partitions); i++) {
		buf_puts(b, sep);
		sql_put_ident(b, str_of(json_string_value(json_array_get(partitions, i))));
		sep = ",";
	}
	if (*sep == ',')
		buf_putc(b, ')');
	if (!k)
		return;
	buf_putf(b, " %s INDEX (", hint);
	sql_put_ident(b, str_of(k->name));
	buf_putc(b, ')');
}

void stretch_put_order(struct buf *b, const struct structure *s, const struct key *k, bool down)
{
	for (unsigned i = 0; i < k->ncolumns; i++) {
		buf_puts(b, i ? "," : " ORDER BY ");
		sql_put_ident(b, str_of(s->columns[k->columns[i]].name));
		if (down)
			buf_puts(b, " DESC");
	}
}

/* --- planning --- */

struct planning {
	struct dump *d;
	struct db *c;
	const struct item *t;
	unsigned table;
	bool cuts;
	uint64_t want_bytes, row_bytes; /* of a stretch; of a row, about */
	struct stretches *out;
};

/* About what a stretch is to hold: enough for all threads, but not below a chunk file. */
static uint64_t wanted_bytes(const struct dump *d, const struct item *t)
{
	uint64_t even = t->bytes / (d->o.threads * STRETCHES_PER_THREAD) + 1;

	return even > d->o.chunk_bytes ? even : d->o.chunk_bytes;
}

static bool is_big(const struct dump *d, const struct item *t)
{
	return t->transactional && t->rows > 1 && t->bytes >= BIG_CHUNKS * d->o.chunk_bytes;
}

/* A range with its partitions, in pieces where it holds more than a stretch. rows 0: not known. s is taken.
 */
static int add_cut(struct planning *p, struct stretch s, uint64_t rows, struct err *e)
{
	uint64_t want = p->want_bytes / p->row_bytes + 1;
	struct cut cut = {.c = p->c, .t = p->t, .partitions = s.partitions, .rows = rows, .want = want};
	uint64_t limit = (rows ? rows : p->t->rows) / want * 4 + 16;
	struct range *pieces;
	int n;

	cut.limit = limit < MAX_STRETCHES ? (unsigned)limit : MAX_STRETCHES;
	n = cut_range(&cut, &s.range, &pieces, e);
	for (int i = 0; i < n; i++)
		stretches_add(p->out, (struct stretch){.table = p->table,
					      .range = pieces[i],
					      .partitions = json_incref(s.partitions),
					      .bytes = s.bytes / (unsigned)n});
	if (n > 0)
		free(pieces);
	range_free(&s.range);
	json_decref(s.partitions);
	return n < 0 ? -1 : 0;
}

static int add(struct planning *p, struct stretch s, uint64_t rows, struct err *e)
{
	bool worth =
		p->cuts && p->d->o.threads > 1 && (rows == 0 || s.bytes > p->want_bytes + p->want_bytes / 2);

	s.table = p->table;
	if (worth)
		return add_cut(p, s, rows, e);
	stretches_add(p->out, s);
	return 0;
}

/*
 * Partition by partition, small ones together: reading all of them at once in the key's order would keep a
 * place in each open, and ask each for each range.
 */
static int plan_partitions(struct planning *p, struct err *e)
{
	unsigned i = 0;

	while (i < p->t->npartitions) {
		struct stretch s = {.partitions = json_array()};
		uint64_t rows = 0;

		do {
			const struct partition *part = &p->t->partitions[i++];

			json_array_append_new(s.partitions, json_string(part->name));
			s.bytes += part->bytes;
			rows += part->rows + 1;
		} while (i < p->t->npartitions && s.bytes + p->t->partitions[i].bytes <= p->want_bytes &&
			 json_array_size(s.partitions) < MAX_PARTITIONS);
		if (add(p, s, rows, e) < 0)
			return -1;
	}
	return 0;
}

static int bad_wanted(const struct planning *p, struct err *e)
{
	return err_add(e, "what is still wanted of table `%s`.`%s`", p->t->schema, p->t->name);
}

/* What a copy that goes on still needs of the table. */
static int plan_wanted(struct planning *p, const json_t *list, struct err *e)
{
	unsigned columns = key_cuts(p->t) ? key_of(p->t)->ncolumns : 0;
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		struct stretch s = {.bytes = p->t->bytes / json_array_size(list)};
		json_t *names = json_object_get(o, "partitions");

		if (tuple_from_json(&s.range.lo, json_object_get(o, "lo"), columns, e) < 0 ||
			tuple_from_json(&s.range.hi, json_object_get(o, "hi"), columns, e) < 0) {
			range_free(&s.range);
			return bad_wanted(p, e);
		}
		s.partitions = json_is_array(names) ? json_incref(names) : NULL;
		if (add(p, s, 0, e) < 0)
			return -1;
	}
	return 0;
}

static int plan_whole(struct planning *p, struct err *e)
{
	if (is_big(p->d, p->t) && p->t->npartitions > 1)
		return plan_partitions(p, e);
	return add(p, (struct stretch){.bytes = p->t->bytes}, p->t->rows + 1, e);
}

static int plan(struct planning *p, struct err *e)
{
	const json_t *wanted = json_object_get(json_object_get(p->d->wanted, p->t->schema), p->t->name);

	return wanted ? plan_wanted(p, wanted, e) : plan_whole(p, e);
}

int stretch_plan(struct dump *d, struct db *c, unsigned table, struct stretches *out, struct err *e)
{
	const struct item *t = &d->catalog.tables.p[table];
	struct planning p = {.d = d, .c = c, .t = t, .table = table, .out = out};
	int r = 0;

	p.cuts = is_big(d, t) && key_cuts(t);
	p.want_bytes = wanted_bytes(d, t);
	p.row_bytes = t->rows && t->bytes / t->rows ? t->bytes / t->rows : 1;
	if (p.cuts)
		r = db_exec(c, STR_LIT("SAVEPOINT tidegate"), e);
	if (r == 0)
		r = plan(&p, e);
	if (r == 0 && p.cuts)
		r = db_exec(c, STR_LIT("ROLLBACK TO SAVEPOINT tidegate"), e);
	if (r < 0)
		dump_sql_error(e);
	if (r == 0 && out->n > 1)
		log_info("table `%s`.`%s` is read in %u stretches", t->schema, t->name, out->n);
	return r < 0 ? err_add(e, "planning table `%s`.`%s`", t->schema, t->name) : 0;
}
