/*
 * Folding against a little model of a table that shares nothing with it: rows in an array, keys compared
 * without regard to case. What a batch does one by one and what it does folded must give the same table, and
 * a row that is missing there must never pass unnoticed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "units/sync/fold.h"

enum { KEYS = 12, ROUNDS = 4000, BATCH = 60, IMAGES = BATCH * 2 };

/* The table: (a, b) the key, v a number. */
struct row {
	char a[4], b[4];
	int v;
};

struct world {
	struct row rows[KEYS * KEYS];
	unsigned n;
};

static int place(const struct world *w, const struct row *key)
{
	for (unsigned i = 0; i < w->n; i++)
		if (strcasecmp(w->rows[i].a, key->a) == 0 && strcasecmp(w->rows[i].b, key->b) == 0)
			return (int)i;
	return -1;
}

/* What a server does: false where it refuses, or finds nothing. */
static bool change(struct world *w, enum binlog_change c, const struct row *before, const struct row *after)
{
	int at = before ? place(w, before) : -1, other = after ? place(w, after) : -1;

	if (c == BINLOG_INSERT) {
		if (other >= 0)
			return false;
		w->rows[w->n++] = *after;
	} else if (at < 0 || (c == BINLOG_UPDATE && other >= 0 && other != at)) {
		return false;
	} else if (c == BINLOG_UPDATE) {
		w->rows[at] = *after;
	} else {
		w->rows[at] = w->rows[--w->n];
	}
	return true;
}

static bool same_world(const struct world *x, const struct world *y)
{
	for (unsigned i = 0; i < x->n; i++) {
		int at = place(y, &x->rows[i]);

		if (at < 0 || memcmp(&y->rows[at], &x->rows[i], sizeof(struct row)) != 0)
			return false;
	}
	return x->n == y->n;
}

/* The table as the fold sees it, and images that live as long as the batch. */
struct fixture {
	struct table t;
	struct structure up;
	struct column columns[3];
	struct key key;
	unsigned key_columns[2];
	int target[3];
	struct row rows[IMAGES];
	struct binlog_value images[IMAGES][3];
	unsigned used;
	struct world folded; /* changed by what the fold hands out */
	unsigned emitted;
	bool refused;
};

static void make(struct fixture *f, enum table_order order)
{
	memset(f, 0, sizeof(*f));
	f->up = (struct structure){.columns = f->columns, .ncolumns = 3};
	f->key_columns[1] = 1;
	f->key = (struct key){.columns = f->key_columns, .ncolumns = 2, .primary = true};
	for (int i = 0; i < 3; i++)
		f->target[i] = i;
	f->t = (struct table){.up = &f->up, .target = f->target, .key = &f->key, .order = order};
}

static struct binlog_value *image(struct fixture *f, const struct row *r)
{
	struct row *keep = &f->rows[f->used];
	struct binlog_value *v = f->images[f->used++];

	*keep = *r;
	v[0] = (struct binlog_value){.present = true, .raw = {keep->a, strlen(keep->a)}};
	v[1] = (struct binlog_value){.present = true, .raw = {keep->b, strlen(keep->b)}};
	v[2] = (struct binlog_value){.present = true, .raw = {(char *)&keep->v, sizeof(keep->v)}};
	return v;
}

static struct row row_of(const struct binlog_value *v)
{
	struct row r = {0};

	memcpy(r.a, v[0].raw.p, v[0].raw.n);
	memcpy(r.b, v[1].raw.p, v[1].raw.n);
	memcpy(&r.v, v[2].raw.p, sizeof(r.v));
	return r;
}

static int emit(void *arg, const struct table *t, enum binlog_change c, const struct binlog_value *before,
	const struct binlog_value *after, struct err *e)
{
	struct fixture *f = arg;
	struct row was, is;

	(void)e;
	assert_ptr_equal(t, &f->t);
	if (before)
		was = row_of(before);
	if (after)
		is = row_of(after);
	f->emitted++;
	if (!change(&f->folded, c, before ? &was : NULL, after ? &is : NULL))
		f->refused = true;
	return 0;
}

static struct row random_row(void)
{
	static const char *const words[KEYS] = {
		"a", "A", "b", "B", "ab", "Ab", "aB", "AB", "c", "", "zzz", "ZzZ"};
	struct row r = {.v = rand() % 5};

	strcpy(r.a, words[rand() % KEYS]);
	strcpy(r.b, words[rand() % 3]);
	return r;
}

/* A change that the world allows, made there and given to the fold. */
static void random_change(struct fixture *f, struct world *w, struct fold *fold)
{
	enum binlog_change c = (enum binlog_change)(rand() % 3);
	struct row was = {0}, is = random_row();

	if (w->n == 0)
		c = BINLOG_INSERT;
	if (c != BINLOG_INSERT) {
		was = w->rows[(unsigned)rand() % w->n];
		if (rand() % 3) { /* most updates leave the key alone */
			memcpy(is.a, was.a, sizeof(is.a));
			memcpy(is.b, was.b, sizeof(is.b));
		}
	}
	if (!change(w, c, c == BINLOG_INSERT ? NULL : &was, c == BINLOG_DELETE ? NULL : &is))
		return;
	assert_true(fold_add(fold, &f->t, c, c == BINLOG_INSERT ? NULL : image(f, &was),
		c == BINLOG_DELETE ? NULL : image(f, &is)));
}

static void fill(struct world *w)
{
	struct row r;

	w->n = 0;
	for (int i = rand() % 30; i > 0; i--) {
		r = random_row();
		change(w, BINLOG_INSERT, NULL, &r);
	}
}

static void give_out(struct fixture *f, struct fold *fold)
{
	struct err e;

	f->emitted = 0;
	f->refused = false;
	assert_int_equal(fold_each(fold, NULL, emit, f, &e), 0);
	fold_clear(fold);
	f->used = 0;
}

static void folded_is_the_same(enum table_order order)
{
	struct fold *fold = fold_new();
	struct fixture *f = calloc(1, sizeof(*f));
	struct world w;
	unsigned changes = 0, emitted = 0;

	make(f, order);
	fill(&w);
	f->folded = w;
	for (int i = 0; i < ROUNDS; i++) {
		for (int k = rand() % BATCH; k > 0; k--)
			random_change(f, &w, fold);
		changes += (unsigned)fold_count(fold);
		give_out(f, fold);
		emitted += f->emitted;
		assert_false(f->refused);
		assert_true(same_world(&w, &f->folded));
	}
	if (order == TABLE_ALONE)
		assert_int_equal(emitted, changes);
	else
		assert_true(emitted < changes);
	fold_free(&fold);
	free(f);
}

static void one_by_one_and_folded_are_the_same(void **state)
{
	(void)state;
	srand(1);
	folded_is_the_same(TABLE_FOLDED);
	folded_is_the_same(TABLE_ALONE);
}

/* A row that stood there before, is changed by the batch, and is not in the downstream: something must fail.
 */
static void a_missing_row_is_never_hidden(void **state)
{
	struct fold *fold = fold_new();
	struct fixture *f = calloc(1, sizeof(*f));
	struct world w, start;
	unsigned shown = 0;

	(void)state;
	srand(2);
	make(f, TABLE_FOLDED);
	for (int i = 0; i < ROUNDS; i++) {
		struct row gone, changed;
		bool touched = false;

		fill(&w);
		if (w.n == 0)
			continue;
		start = w;
		gone = w.rows[(unsigned)rand() % w.n];
		for (int k = rand() % BATCH; k > 0; k--)
			random_change(f, &w, fold);
		/* Touched: one of the images before a change is this row, by its bytes. */
		for (unsigned k = 0; k < f->used && !touched; k++) {
			changed = f->rows[k];
			touched = memcmp(&changed, &gone, sizeof(gone)) == 0;
		}
		f->folded = start;
		change(&f->folded, BINLOG_DELETE, &gone, NULL);
		give_out(f, fold);
		shown += touched && f->refused;
		/* Not changed by it: nothing fails, and it is still missing. */
		if (!f->refused)
			assert_int_equal(f->folded.n + 1, w.n);
		if (!touched)
			assert_false(f->refused);
	}
	assert_true(shown > ROUNDS / 4);
	fold_free(&fold);
	free(f);
}

static bool add(struct fixture *f, struct fold *fold, enum binlog_change c, const char *before, int v_before,
	const char *after, int v_after)
{
	struct row was = {.v = v_before}, is = {.v = v_after};

	snprintf(was.a, sizeof(was.a), "%s", before);
	snprintf(is.a, sizeof(is.a), "%s", after);
	return fold_add(fold, &f->t, c, c == BINLOG_INSERT ? NULL : image(f, &was),
		c == BINLOG_DELETE ? NULL : image(f, &is));
}

/* What contradicts what is held is not folded: the servers shall say what is wrong. */
static void contradictions_stand_alone(void **state)
{
	struct fold *fold = fold_new();
	struct fixture *f = calloc(1, sizeof(*f));

	(void)state;
	make(f, TABLE_FOLDED);
	assert_true(add(f, fold, BINLOG_INSERT, "", 0, "x", 1));
	assert_false(add(f, fold, BINLOG_INSERT, "", 0, "x", 2));
	assert_true(add(f, fold, BINLOG_DELETE, "y", 1, "", 0));
	assert_false(add(f, fold, BINLOG_UPDATE, "y", 1, "y", 2));
	assert_false(add(f, fold, BINLOG_DELETE, "y", 1, "", 0));
	assert_false(add(f, fold, BINLOG_UPDATE, "z", 1, "x", 2));
	assert_int_equal(fold_count(fold), 2);
	fold_free(&fold);
	free(f);
}

static int count_updates(void *arg, const struct table *t, enum binlog_change change,
	const struct binlog_value *before, const struct binlog_value *after, struct err *e)
{
	(void)t;
	(void)before;
	(void)after;
	(void)e;
	*(unsigned *)arg += change == BINLOG_UPDATE;
	return 0;
}

/* Images that are not whole: their table is held in its order, once nothing folded of it is held. */
static void partial_images_keep_their_order(void **state)
{
	struct fold *fold = fold_new();
	struct fixture *f = calloc(1, sizeof(*f));
	struct row r = {.a = "k"};
	struct binlog_value *before, *after;
	unsigned updates = 0;
	struct err e;

	(void)state;
	make(f, TABLE_FOLDED);
	before = image(f, &r);
	after = image(f, &r);
	assert_true(fold_add(fold, &f->t, BINLOG_UPDATE, before, after));
	after[2].present = false;
	assert_false(fold_add(fold, &f->t, BINLOG_UPDATE, before, after));
	fold_clear(fold);
	/* From now on, whatever comes of this table: twice the same row is two changes. */
	assert_true(fold_add(fold, &f->t, BINLOG_UPDATE, before, after));
	after[2].present = true;
	assert_true(fold_add(fold, &f->t, BINLOG_UPDATE, before, after));
	assert_int_equal(fold_each(fold, NULL, count_updates, &updates, &e), 0);
	assert_int_equal(updates, 2);
	fold_free(&fold);
	free(f);
}

static void only_whole_images_of_free_tables(void **state)
{
	struct fold *fold = fold_new();
	struct fixture *f = calloc(1, sizeof(*f));
	struct row r = {.a = "k"};
	struct binlog_value *before, *after;

	(void)state;
	make(f, TABLE_FOLDED);
	before = image(f, &r);
	after = image(f, &r);
	after[2].present = false;
	f->target[2] = -1; /* not written: it need not be there */
	assert_true(fold_add(fold, &f->t, BINLOG_UPDATE, before, after));
	assert_true(fold_add(fold, &f->t, BINLOG_UPDATE, before, after));
	f->t.order = TABLE_TIED;
	assert_false(fold_add(fold, &f->t, BINLOG_DELETE, before, NULL));
	fold_free(&fold);
	free(f);
}

/* Many changes of a table that is not folded, then one of a table that is: its place is found. */
static void many_of_another_table(void **state)
{
	struct fold *fold = fold_new();
	struct fixture *alone = calloc(1, sizeof(*alone)), *f = calloc(1, sizeof(*f));
	struct row r = {.a = "k"};
	struct binlog_value *v;

	(void)state;
	make(alone, TABLE_ALONE);
	make(f, TABLE_FOLDED);
	v = image(alone, &r);
	alarm(20); /* it did not end */
	for (unsigned n = 0; n < 5000; n++)
		assert_true(fold_add(fold, &alone->t, BINLOG_INSERT, NULL, v));
	assert_true(add(f, fold, BINLOG_INSERT, "", 0, "x", 1));
	assert_false(add(f, fold, BINLOG_INSERT, "", 0, "x", 2));
	assert_true(add(f, fold, BINLOG_DELETE, "y", 1, "", 0));
	alarm(0);
	assert_int_equal(fold_count(fold), 5002);
	fold_free(&fold);
	free(alone);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_by_one_and_folded_are_the_same),
		cmocka_unit_test(a_missing_row_is_never_hidden),
		cmocka_unit_test(contradictions_stand_alone),
		cmocka_unit_test(partial_images_keep_their_order),
		cmocka_unit_test(only_whole_images_of_free_tables),
		cmocka_unit_test(many_of_another_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
