/*
 * Compares the wanted tables of both sides by count and checksum, large ones in pieces by an integer key.
 * Some workers, each with a connection to either side, take a table after the other. Called by the leader
 * thread.
 */
#include "units/cutover/compare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/xalloc.h"
#include "common/db/structure.h"
#include "common/sql/quote.h"
#include "units/cutover/checksum.h"
#include "units/cutover/source.h"

enum { PIECE_ROWS = 200000 };

struct worker {
	struct cutover *c;
	struct db *side[2];
	pthread_t thread;
	bool started;
};

/* One table being compared. */
struct comparing {
	struct worker *w;
	const struct cutover_table *t;
	struct checksum sum;
	const char *by;         /* column of the pieces; NULL: in one */
	char low[24], high[24]; /* (low, high]; "": no bound */
	uint64_t rows;
};

static void put_table(const struct cutover_table *t, struct buf *out)
{
	sql_put_table(out, str_of(t->schema), str_of(t->name));
}

/* For people: under both names, where they differ. */
static void show(const struct cutover_table *t, struct buf *out)
{
	put_table(t, out);
	buf_puts(out, t->merged ? " and what is merged with it" : "");
	if (strcmp(t->schema, t->to_schema) == 0 && strcmp(t->name, t->to_name) == 0)
		return;
	buf_puts(out, " (downstream ");
	sql_put_table(out, str_of(t->to_schema), str_of(t->to_name));
	buf_putc(out, ')');
}

static void put_range(const struct comparing *k, struct buf *sql)
{
	const char *word = " WHERE ";

	if (k->low[0]) {
		buf_puts(sql, word);
		sql_put_ident(sql, str_of(k->by));
		buf_putf(sql, ">%s", k->low);
		word = " AND ";
	}
	if (k->high[0]) {
		buf_puts(sql, word);
		sql_put_ident(sql, str_of(k->by));
		buf_putf(sql, "<=%s", k->high);
	}
}

struct sums {
	char rows[24], sum[72];
};

/* " (SELECT …) UNION ALL (SELECT …)": of each table of the upstream that has this target. */
static void put_merged(struct comparing *k, struct buf *sql)
{
	const struct cutover *c = k->w->c;

	buf_puts(sql, "SELECT SUM(`n`),SUM(`s`) FROM (SELECT 0 AS `n`,0 AS `s`");
	for (unsigned i = 0; i < c->ntables; i++) {
		const struct cutover_table *t = &c->tables[i];

		if (!t->merged || !source_is_one_target(c, t, k->t))
			continue;
		buf_puts(sql, " UNION ALL ");
		checksum_put_select(&k->sum, 0, str_of(t->schema), str_of(t->name), sql);
	}
	buf_puts(sql, ") AS `all_of_it`");
}

static int read_sums(struct comparing *k, int side, struct sums *out, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	if (k->t->merged && side == 0)
		put_merged(k, &sql);
	else
		checksum_put_select(&k->sum, side, str_of(side ? k->t->to_schema : k->t->schema),
			str_of(side ? k->t->to_name : k->t->name), &sql);
	put_range(k, &sql);
	r = db_query(k->w->side[side], buf_str(&sql), e);
	buf_free(&sql);
	if (r && (got = db_fetch(r, &v, e)) > 0) {
		snprintf(out->rows, sizeof(out->rows), "%.*s", STR_ARG(v[0]));
		snprintf(out->sum, sizeof(out->sum), "%.*s", STR_ARG(v[1]));
	}
	db_rows_close(&r);
	if (got == 0)
		return err_set(e, ERR_db_query, "no answer to a sum");
	return got < 0 ? -1 : 0;
}

/* The upstream's key at which the next piece ends; "": it is the last. */
static int next_high(struct comparing *k, struct err *e)
{
	struct buf sql = {0};
	bool found = false;
	int r;

	k->high[0] = '\0';
	if (!k->by)
		return 0;
	buf_puts(&sql, "SELECT ");
	sql_put_ident(&sql, str_of(k->by));
	buf_puts(&sql, "+0 FROM ");
	put_table(k->t, &sql);
	put_range(k, &sql);
	buf_puts(&sql, " ORDER BY ");
	sql_put_ident(&sql, str_of(k->by));
	buf_putf(&sql, " LIMIT 1 OFFSET %d", PIECE_ROWS - 1);
	r = db_value(k->w->side[0], buf_cstr(&sql), k->high, sizeof(k->high), &found, e);
	buf_free(&sql);
	if (r == 0 && !found)
		k->high[0] = '\0';
	return r;
}

static void differs(struct comparing *k, const struct sums *a, const struct sums *b)
{
	struct buf where = {0}, name = {0};

	show(k->t, &name);
	put_range(k, &where);
	if (strcmp(a->rows, b->rows) != 0)
		cutover_found(k->w->c, "table", "fail", "find the rows, mend them, then ask again",
			"%s: %s rows in the source, %s downstream%s", buf_cstr(&name), a->rows, b->rows,
			buf_cstr(&where));
	else
		cutover_found(k->w->c, "table", "fail", "find the rows, mend them, then ask again",
			"%s: of %s rows some differ (checksum)%s", buf_cstr(&name), a->rows,
			buf_cstr(&where));
	buf_free(&name);
	buf_free(&where);
}

/* FNV-1a: two sources of which it differs read what is downstream by different expressions. */
static uint64_t hash_of(struct str s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* One text for one table, whichever source tells of it. */
static void put_target(const struct comparing *k, struct buf *out)
{
	sql_put_table(out, str_of(k->t->to_schema), str_of(k->t->to_name));
	for (size_t i = 0; k->w->c->folds && i < out->n; i++)
		if (out->p[i] >= 'A' && out->p[i] <= 'Z')
			out->p[i] = (char)(out->p[i] + 'a' - 'A');
}

static void tell_part(struct comparing *k, const struct sums *a, const struct sums *b)
{
	struct buf name = {0}, target = {0};
	char how[24];

	snprintf(how, sizeof(how), "%016" PRIx64, hash_of(buf_str(&k->sum.sql[1])));
	show(k->t, &name);
	put_target(k, &target);
	cutover_part(k->w->c, buf_cstr(&name),
		json_pack("{s:s, s:[s, s], s:[s, s], s:s, s:b}", "target", buf_cstr(&target), "rows", a->rows,
			b->rows, "sums", a->sum, b->sum, "how", how, "begun", (int)k->w->c->begun));
	buf_free(&name);
	buf_free(&target);
}

/* 1: they differ; 0: equal. */
static int compare_piece(struct comparing *k, struct err *e)
{
	struct sums a, b;

	if (read_sums(k, 0, &a, e) < 0 || read_sums(k, 1, &b, e) < 0)
		return -1;
	if (k->t->shared) {
		tell_part(k, &a, &b);
		return 0;
	}
	k->rows += strtoull(a.rows, NULL, 10);
	atomic_fetch_add(&k->w->c->rows_done, strtoull(a.rows, NULL, 10));
	if (strcmp(a.rows, b.rows) == 0 && strcmp(a.sum, b.sum) == 0)
		return 0;
	differs(k, &a, &b);
	return 1;
}

/* The first piece that differs ends it. */
static int compare_pieces(struct comparing *k, struct err *e)
{
	int r;

	do {
		if (cutover_stopping(k->w->c))
			return 0;
		if (next_high(k, e) < 0)
			return -1;
		r = compare_piece(k, e);
		snprintf(k->low, sizeof(k->low), "%s", k->high);
	} while (r == 0 && k->high[0]);
	return r < 0 ? -1 : 0;
}

static void say_skipped(struct comparing *k)
{
	struct buf name = {0};

	show(k->t, &name);
	if (k->sum.skipped.n > 0) {
		atomic_fetch_add(&k->w->c->left_out, 1);
		cutover_found(k->w->c, "table", "warn", "compare them by means of your own",
			"%s: these columns have no checksum that both servers agree on, only the others and "
			"the count of rows are compared: %.*s",
			buf_cstr(&name), STR_ARG(k->sum.skipped));
	}
	if (k->sum.surplus[0])
		cutover_found(k->w->c, "table", "warn", "", "%s: column `%s` is only in the downstream",
			buf_cstr(&name), k->sum.surplus);
	buf_free(&name);
}

static int compare_rows(struct comparing *k, const struct checksum_side sides[2], struct err *e)
{
	struct buf name = {0};
	int r = 0;

	checksum_make(&k->sum, sides);
	if (k->sum.missing[0]) {
		show(k->t, &name);
		cutover_found(k->w->c, "table", "fail", "", "%s: column `%s` is not in the downstream",
			buf_cstr(&name), k->sum.missing);
		buf_free(&name);
	} else {
		say_skipped(k);
		if (k->t->rows > PIECE_ROWS && !k->t->merged && !k->t->shared)
			k->by = checksum_range_column(sides);
		r = compare_pieces(k, e);
	}
	checksum_fini(&k->sum);
	return r;
}

static int compare_table(struct worker *w, const struct cutover_table *t, struct err *e)
{
	struct comparing k = {.w = w, .t = t};
	bool there;
	struct structure *a = db_structure(w->side[0], t->schema, t->name, &there, e), *b = NULL;
	struct buf name = {0};
	int r = 0;

	if (a)
		b = db_structure(w->side[1], t->to_schema, t->to_name, &there, e);
	if (a && b) {
		const struct checksum_side sides[2] = {{a, &w->c->from}, {b, &w->c->to}};

		r = compare_rows(&k, sides, e);
	} else if (e->code) {
		r = -1;
	} else {
		show(t, &name);
		cutover_found(w->c, "table", "fail", "", "%s is not in the %s any more", buf_cstr(&name),
			a ? "downstream" : "source");
		buf_free(&name);
	}
	structure_free(&a);
	structure_free(&b);
	return r;
}

static const struct cutover_table *take(struct cutover *c)
{
	const struct cutover_table *t = NULL;

	pthread_mutex_lock(&c->lock);
	if (c->next < c->ntables)
		t = &c->tables[c->next++];
	pthread_mutex_unlock(&c->lock);
	return t;
}

static int work(struct worker *w, struct err *e)
{
	const struct cutover_table *t;

	for (int i = 0; i < 2; i++)
		if (!(w->side[i] = cutover_connect(w->c, i == 0, DB_DUMP, e)))
			return -1;
	while (!cutover_stopping(w->c) && (t = take(w->c)) != NULL) {
		if (FAILPOINT_HIT(cutover_compare))
			return err_set(e, ERR_db_lost, "failpoint cutover_compare");
		/* Of merged ones the first stands for all. */
		if (!t->no_rows && t->merged <= 1 && (t->shared || !w->c->begun) &&
			compare_table(w, t, e) < 0)
			return err_add(e, "comparing `%s`.`%s`", t->schema, t->name);
		atomic_fetch_add(&w->c->tables_done, 1);
	}
	return 0;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct err e = {0};

	if (work(w, &e) < 0 && !cutover_stopping(w->c))
		cutover_failed(w->c, "table", NULL, &e);
	cutover_disconnect(w->c, &w->side[0]);
	cutover_disconnect(w->c, &w->side[1]);
	return NULL;
}

static void say_equal(struct cutover *c)
{
	uint64_t rows = atomic_load(&c->rows_done), left = atomic_load(&c->left_out);
	unsigned tables = 0;

	/* The others are judged where all sources are heard. */
	for (unsigned i = 0; i < c->ntables; i++)
		tables += !c->tables[i].shared && !c->tables[i].no_rows;
	if ((tables == 0 && c->ntables > 0) || c->begun)
		return;
	if (left)
		cutover_found(c, "tables", "success", "",
			"%u tables, %" PRIu64 " rows: equal, but for what can't be compared in %" PRIu64
			" of them",
			tables, rows, left);
	else
		cutover_found(c, "tables", "success", "", "%u tables, %" PRIu64 " rows: equal", tables, rows);
}

void compare_all(struct cutover *c)
{
	unsigned n = c->threads < c->ntables ? c->threads : c->ntables, before;
	struct worker *w = xcalloc((size_t)n + 1, sizeof(*w));
	struct err e = {0};

	before = c->fails;
	for (unsigned i = 0; i < n; i++) {
		w[i].c = c;
		w[i].started = pthread_create(&w[i].thread, NULL, worker_main, &w[i]) == 0;
		if (!w[i].started) {
			err_set(&e, ERR_internal, "a thread can't be started");
			cutover_failed(c, "table", NULL, &e);
		}
	}
	for (unsigned i = 0; i < n; i++)
		if (w[i].started)
			pthread_join(w[i].thread, NULL);
	free(w);
	if (c->fails == before && !cutover_stopping(c))
		say_equal(c);
}
