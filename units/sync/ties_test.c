/*
 * What rows touch by foreign keys: a child and the parent that it refers to meet, whatever forms their values
 * have; two children don't; where rows change that nobody names, all meet. Tables by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "units/sync/keys.h"
#include "units/sync/ties.h"

enum { ID, REF, COLUMNS };

/* parent (id, ref), child (id, ref REFERENCES parent (id)); in both ref may be NULL. */
struct side_of {
	struct table t;
	struct structure up, down;
	struct column up_columns[COLUMNS], down_columns[COLUMNS];
	struct key key;
	unsigned place[1];
};

struct fixture {
	struct tables ts;
	struct side_of parent, child;
};

static struct str lit(const char *z)
{
	return str_of(z);
}

static void make_side(struct side_of *s, const char *name)
{
	static char *const names[] = {"id", "ref"};

	for (unsigned i = 0; i < COLUMNS; i++)
		s->up_columns[i] = s->down_columns[i] = (struct column){.name = names[i],
			.type = (char *)(uintptr_t) "int(11)",
			.kind = COLUMN_INT,
			.charset = (char *)(uintptr_t) "",
			.collation = (char *)(uintptr_t) "",
			.nullable = i == REF};
	s->place[0] = ID;
	s->key = (struct key){.name = (char *)(uintptr_t) "PRIMARY",
		.primary = true,
		.unique = true,
		.whole = true,
		.usable = true,
		.columns = s->place,
		.ncolumns = 1};
	s->up = (struct structure){
		.columns = s->up_columns, .ncolumns = COLUMNS, .keys = &s->key, .nkeys = 1};
	s->down = s->up;
	s->down.columns = s->down_columns;
	s->t = (struct table){.to_schema = (char *)(uintptr_t) "d",
		.to_name = (char *)(uintptr_t)name,
		.up = &s->up,
		.down = &s->down,
		.wanted = true,
		.key = &s->key};
}

static void make(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	make_side(&f->parent, "parent");
	make_side(&f->child, "child");
	f->ts.map = map_new();
	map_put(f->ts.map, STR_LIT("p"), &f->parent.t);
	map_put(f->ts.map, STR_LIT("c"), &f->child.t);
}

static void text_side(struct side_of *s, unsigned i, const char *charset, const char *collation)
{
	struct column *both[] = {&s->up_columns[i], &s->down_columns[i]};

	for (int k = 0; k < 2; k++) {
		both[k]->kind = COLUMN_TEXT;
		both[k]->type = (char *)(uintptr_t) "varchar(20)";
		both[k]->charset = (char *)(uintptr_t)charset;
		both[k]->collation = (char *)(uintptr_t)collation;
	}
}

static void tie(struct fixture *f, bool on_delete, bool on_update)
{
	struct tie_column c = {.constraint = lit("fk"),
		.schema = lit("d"),
		.table = lit("child"),
		.column = lit("ref"),
		.parent_schema = lit("d"),
		.parent_table = lit("PARENT"),
		.parent_column = lit("ID"),
		.on_delete = on_delete,
		.on_update = on_update};

	keys_learn(&f->parent.t);
	keys_learn(&f->child.t);
	ties_begin(&f->ts);
	ties_add(&f->ts, &c);
	ties_end(&f->ts);
}

static void done(struct fixture *f)
{
	ties_fini(&f->ts);
	ties_free(&f->parent.t.ties);
	ties_free(&f->child.t.ties);
	keys_free(&f->parent.t.keys);
	keys_free(&f->child.t.keys);
	map_free(&f->ts.map, NULL);
}

static void row(struct binlog_value v[COLUMNS], struct str id, struct str ref)
{
	v[ID] = (struct binlog_value){.present = true, .null = !id.p, .raw = id};
	v[REF] = (struct binlog_value){.present = true, .null = !ref.p, .raw = ref};
}

static struct touch of(
	struct side_of *s, enum binlog_change kind, struct binlog_value *before, struct binlog_value *after)
{
	struct change c = {.table = &s->t, .kind = kind, .before = before, .after = after};
	struct touch t = {0};

	keys_touch(&t, &c);
	return t;
}

static struct touch put(struct side_of *s, struct str id, struct str ref)
{
	struct binlog_value v[COLUMNS];

	row(v, id, ref);
	return of(s, BINLOG_INSERT, NULL, v);
}

static struct touch del(struct side_of *s, struct str id, struct str ref)
{
	struct binlog_value v[COLUMNS];

	row(v, id, ref);
	return of(s, BINLOG_DELETE, v, NULL);
}

static struct touch change(
	struct side_of *s, const char *id, const char *ref, const char *id2, const char *ref2)
{
	struct binlog_value a[COLUMNS], b[COLUMNS];

	row(a, lit(id), lit(ref));
	row(b, lit(id2), lit(ref2));
	return of(s, BINLOG_UPDATE, a, b);
}

static bool meet(struct touch a, struct touch b)
{
	bool found = false;

	for (size_t i = 0; i < a.nkeys; i++)
		for (size_t k = 0; k < b.nkeys; k++)
			found = found || a.keys[i] == b.keys[k];
	for (size_t i = 0; i < a.nrefs; i++)
		for (size_t k = 0; k < b.nrefs; k++)
			found = found ||
				(a.refs[i].key == b.refs[k].key && (a.refs[i].owner || b.refs[k].owner));
	for (size_t i = 0; i < a.ngates; i++)
		for (size_t k = 0; k < b.ngates; k++)
			found = found || (a.gates[i].gate == b.gates[k].gate &&
						 (a.gates[i].exclusive || b.gates[k].exclusive));
	touch_fini(&a);
	touch_fini(&b);
	return found;
}

#define NO_VALUE ((struct str){0})

static void parents_and_children_of_one_key(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	tie(&f, false, false);
	assert_true(meet(put(&f.parent, lit("aaaa"), NO_VALUE), put(&f.child, lit("1111"), lit("aaaa"))));
	assert_false(meet(put(&f.parent, lit("aaaa"), NO_VALUE), put(&f.child, lit("1111"), lit("bbbb"))));
	assert_true(meet(del(&f.child, lit("1111"), lit("aaaa")), del(&f.parent, lit("aaaa"), NO_VALUE)));
	assert_false(meet(put(&f.child, lit("1111"), lit("aaaa")), put(&f.child, lit("2222"), lit("aaaa"))));
	assert_false(meet(put(&f.parent, lit("aaaa"), NO_VALUE), put(&f.child, lit("aaaa"), NO_VALUE)));
	/* Both the old parent and the new. */
	assert_true(meet(
		change(&f.child, "1111", "aaaa", "1111", "bbbb"), put(&f.parent, lit("bbbb"), NO_VALUE)));
	assert_true(meet(
		change(&f.child, "1111", "aaaa", "1111", "bbbb"), del(&f.parent, lit("aaaa"), NO_VALUE)));
	assert_true(
		meet(change(&f.parent, "aaaa", NULL, "bbbb", NULL), del(&f.child, lit("1111"), lit("aaaa"))));
	assert_true(
		meet(change(&f.parent, "aaaa", NULL, "bbbb", NULL), put(&f.child, lit("1111"), lit("bbbb"))));
	/* Nothing is checked; but a child locks its parent's row. */
	assert_false(meet(
		change(&f.child, "1111", "aaaa", "2222", "aaaa"), del(&f.parent, lit("aaaa"), NO_VALUE)));
	assert_true(meet(
		change(&f.parent, "aaaa", NULL, "aaaa", "xxxx"), put(&f.child, lit("1111"), lit("aaaa"))));
	done(&f);
}

/* One number in two sizes, one word in two cases and lengths. */
static void values_of_two_types(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	f.child.up_columns[REF].type = f.child.down_columns[REF].type = (char *)(uintptr_t) "bigint(20)";
	tie(&f, false, false);
	assert_true(meet(put(&f.parent, (struct str){"\5\0\0\0", 4}, NO_VALUE),
		put(&f.child, lit("1111"), (struct str){"\5\0\0\0\0\0\0\0", 8})));
	assert_true(meet(put(&f.parent, (struct str){"\376\377\377\377", 4}, NO_VALUE),
		put(&f.child, lit("1111"), (struct str){"\376\377\377\377\377\377\377\377", 8})));
	assert_false(meet(put(&f.parent, (struct str){"\5\0\0\0", 4}, NO_VALUE),
		put(&f.child, lit("1111"), (struct str){"\6\0\0\0\0\0\0\0", 8})));
	done(&f);
	make(&f);
	text_side(&f.parent, ID, "utf8mb4", "utf8mb4_general_ci");
	text_side(&f.child, REF, "utf8mb4", "utf8mb4_bin");
	tie(&f, false, false);
	assert_true(meet(put(&f.parent, lit("Word"), NO_VALUE), put(&f.child, lit("1111"), lit("wORD "))));
	assert_false(meet(put(&f.parent, lit("word"), NO_VALUE), put(&f.child, lit("1111"), lit("other"))));
	assert_true(meet(put(&f.parent, lit("\xc3\xa9"), NO_VALUE), put(&f.child, lit("1111"), lit("e"))));
	done(&f);
}

/* What can't be said waits for all of the constraint. */
static void values_that_cant_be_said(void **state)
{
	struct binlog_value v[COLUMNS], w[COLUMNS];
	struct fixture f;

	(void)state;
	make(&f);
	f.child.up_columns[REF].kind = f.child.down_columns[REF].kind = COLUMN_DECIMAL;
	tie(&f, false, false);
	assert_true(meet(put(&f.parent, lit("aaaa"), NO_VALUE), put(&f.child, lit("1111"), lit("bbbb"))));
	assert_false(meet(put(&f.parent, lit("aaaa"), NO_VALUE), put(&f.child, lit("1111"), NO_VALUE)));
	done(&f);
	make(&f);
	f.child.up_columns[REF].name = (char *)(uintptr_t) "another";
	tie(&f, false, false);
	assert_true(meet(put(&f.parent, lit("aaaa"), NO_VALUE), put(&f.child, lit("1111"), lit("bbbb"))));
	done(&f);
	/* Minimal images: a DELETE does not say to whom it referred, an UPDATE of something else does
	 * nothing. */
	make(&f);
	tie(&f, false, false);
	row(v, lit("1111"), NO_VALUE);
	v[REF].present = false;
	assert_true(meet(of(&f.child, BINLOG_DELETE, v, NULL), del(&f.parent, lit("aaaa"), NO_VALUE)));
	row(w, lit("2222"), NO_VALUE);
	w[REF].present = false;
	assert_false(meet(of(&f.child, BINLOG_UPDATE, v, w), del(&f.parent, lit("aaaa"), NO_VALUE)));
	done(&f);
}

/* The server changes rows that nobody names: only what makes it do so waits for the group. */
static void cascades(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	tie(&f, true, false);
	assert_true(meet(del(&f.parent, lit("aaaa"), NO_VALUE), put(&f.child, lit("1111"), lit("bbbb"))));
	assert_true(meet(del(&f.parent, lit("aaaa"), NO_VALUE), put(&f.child, lit("1111"), NO_VALUE)));
	assert_true(meet(del(&f.parent, lit("aaaa"), NO_VALUE), put(&f.parent, lit("bbbb"), NO_VALUE)));
	assert_false(meet(put(&f.parent, lit("aaaa"), NO_VALUE), put(&f.child, lit("1111"), lit("bbbb"))));
	assert_false(
		meet(change(&f.parent, "aaaa", NULL, "cccc", NULL), put(&f.child, lit("1111"), lit("bbbb"))));
	assert_false(meet(del(&f.child, lit("2222"), lit("aaaa")), put(&f.child, lit("1111"), lit("bbbb"))));
	done(&f);
	make(&f);
	tie(&f, false, true);
	assert_false(meet(del(&f.parent, lit("aaaa"), NO_VALUE), put(&f.child, lit("1111"), lit("bbbb"))));
	assert_true(
		meet(change(&f.parent, "aaaa", NULL, "cccc", NULL), put(&f.child, lit("1111"), lit("bbbb"))));
	assert_false(meet(
		change(&f.parent, "aaaa", NULL, "aaaa", "cccc"), put(&f.child, lit("1111"), lit("bbbb"))));
	done(&f);
}

static void itself(void **state)
{
	struct tie_column c = {.constraint = lit("fk"),
		.schema = lit("d"),
		.table = lit("child"),
		.column = lit("ref"),
		.parent_schema = lit("d"),
		.parent_table = lit("child"),
		.parent_column = lit("id")};
	struct fixture f;

	(void)state;
	make(&f);
	keys_learn(&f.parent.t);
	keys_learn(&f.child.t);
	ties_begin(&f.ts);
	ties_add(&f.ts, &c);
	ties_end(&f.ts);
	assert_true(meet(put(&f.child, lit("aaaa"), NO_VALUE), put(&f.child, lit("bbbb"), lit("aaaa"))));
	assert_false(meet(put(&f.child, lit("aaaa"), NO_VALUE), put(&f.child, lit("bbbb"), lit("cccc"))));
	assert_false(meet(put(&f.child, lit("dddd"), lit("aaaa")), put(&f.child, lit("bbbb"), lit("aaaa"))));
	assert_false(meet(put(&f.parent, lit("aaaa"), NO_VALUE), put(&f.child, lit("aaaa"), NO_VALUE)));
	done(&f);
}

/* Such names may be one on the server: nothing finer is said. */
static void names_beyond_ascii(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	f.child.t.to_name = (char *)(uintptr_t) "k\xc3\xa9";
	struct tie_column c = {.constraint = lit("fk"),
		.schema = lit("d"),
		.table = lit("k\xc3\xa9"),
		.column = lit("ref"),
		.parent_schema = lit("d"),
		.parent_table = lit("parent"),
		.parent_column = lit("id")};

	keys_learn(&f.parent.t);
	keys_learn(&f.child.t);
	ties_begin(&f.ts);
	ties_add(&f.ts, &c);
	ties_end(&f.ts);
	assert_true(meet(put(&f.parent, lit("aaaa"), NO_VALUE), put(&f.child, lit("bbbb"), lit("cccc"))));
	done(&f);
}

static struct touch whole(struct side_of *s)
{
	struct touch t = {0};

	keys_touch_table(&t, &s->t);
	return t;
}

/* One end as a whole meets each row of the other that has to do with the constraint. */
static void a_table_as_a_whole(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	tie(&f, false, false);
	assert_true(meet(whole(&f.parent), put(&f.child, lit("1111"), lit("aaaa"))));
	assert_true(meet(whole(&f.child), put(&f.parent, lit("aaaa"), NO_VALUE)));
	assert_true(meet(whole(&f.child), whole(&f.parent)));
	assert_true(meet(whole(&f.parent), put(&f.parent, lit("aaaa"), NO_VALUE)));
	assert_false(meet(whole(&f.parent), put(&f.child, lit("1111"), NO_VALUE)));
	assert_false(meet(whole(&f.parent), change(&f.child, "1111", "aaaa", "2222", "aaaa")));
	done(&f);
	make(&f);
	tie(&f, true, false);
	assert_true(meet(whole(&f.parent), put(&f.child, lit("1111"), NO_VALUE)));
	assert_true(meet(whole(&f.parent), change(&f.child, "1111", "aaaa", "2222", "aaaa")));
	done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parents_and_children_of_one_key),
		cmocka_unit_test(values_of_two_types),
		cmocka_unit_test(values_that_cant_be_said),
		cmocka_unit_test(cascades),
		cmocka_unit_test(itself),
		cmocka_unit_test(names_beyond_ascii),
		cmocka_unit_test(a_table_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
