/*
 * What row changes touch: rows that the downstream may take for one have a common key or gate, others have
 * none. Rows by hand, structures by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "units/sync/keys.h"

enum { ID, WORD, OTHER, COLUMNS };

/* (id int primary key, word varchar unique, other int unique, nullable) on both sides. */
struct fixture {
	struct table t;
	struct structure up, down;
	struct column up_columns[COLUMNS], down_columns[COLUMNS];
	struct key keys[3], down_keys[3];
	unsigned places[3][2];
};

static void side(struct structure *s, struct column *c, struct key *k, unsigned (*places)[2])
{
	static char *const names[] = {"id", "word", "other"};

	for (unsigned i = 0; i < COLUMNS; i++) {
		places[i][0] = i;
		c[i] = (struct column){.name = names[i],
			.type = i == WORD ? "varchar(40)" : "int(11)",
			.kind = i == WORD ? COLUMN_TEXT : COLUMN_INT,
			.charset = i == WORD ? "utf8mb4" : "",
			.collation = i == WORD ? "utf8mb4_general_ci" : "",
			.nullable = i == OTHER};
		k[i] = (struct key){.name = names[i],
			.primary = i == ID,
			.unique = true,
			.whole = true,
			.columns = places[i],
			.ncolumns = 1,
			.usable = i != OTHER};
	}
	*s = (struct structure){.columns = c, .ncolumns = COLUMNS, .keys = k, .nkeys = 3, .key = 0};
}

static void make(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	side(&f->up, f->up_columns, f->keys, f->places);
	side(&f->down, f->down_columns, f->down_keys, f->places);
	f->t = (struct table){.schema = "d",
		.name = "t",
		.up = &f->up,
		.down = &f->down,
		.wanted = true,
		.key = &f->keys[0]};
}

static void row(struct binlog_value v[COLUMNS], const char *id, const char *word, const char *other)
{
	const char *const text[] = {id, word, other};

	for (int i = 0; i < COLUMNS; i++)
		v[i] = (struct binlog_value){.present = true,
			.null = !text[i],
			.type = i == WORD ? WIRE_VARCHAR : WIRE_LONG,
			.raw = str_of(text[i])};
}

static struct touch insert(struct fixture *f, const char *id, const char *word, const char *other)
{
	struct binlog_value v[COLUMNS];
	struct change c = {.table = &f->t, .kind = BINLOG_INSERT, .after = v};
	struct touch t = {0};

	row(v, id, word, other);
	keys_touch(&t, &c);
	return t;
}

/* Must one wait for the other? */
static bool meet(struct touch a, struct touch b)
{
	bool found = a.all || b.all;

	for (size_t i = 0; i < a.nkeys; i++)
		for (size_t k = 0; k < b.nkeys; k++)
			found = found || a.keys[i] == b.keys[k];
	for (size_t i = 0; i < a.ngates; i++)
		for (size_t k = 0; k < b.ngates; k++)
			found = found || (a.gates[i].gate == b.gates[k].gate &&
						 (a.gates[i].exclusive || b.gates[k].exclusive));
	touch_fini(&a);
	touch_fini(&b);
	return found;
}

static void learned(struct fixture *f, const char *collation)
{
	keys_free(&f->t.keys);
	f->down_columns[WORD].collation = (char *)collation;
	keys_learn(&f->t);
}

static void rows_meet_by_each_key(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	learned(&f, "utf8mb4_general_ci");
	assert_false(meet(insert(&f, "aaaa", "x", "pppp"), insert(&f, "bbbb", "y", "qqqq")));
	assert_true(meet(insert(&f, "aaaa", "x", "pppp"), insert(&f, "aaaa", "y", "qqqq")));
	assert_true(meet(insert(&f, "aaaa", "x", "pppp"), insert(&f, "bbbb", "x", "qqqq")));
	assert_true(meet(insert(&f, "aaaa", "x", "pppp"), insert(&f, "bbbb", "y", "pppp")));
	/* Two NULLs are not equal; the same bytes in another column are nothing. */
	assert_false(meet(insert(&f, "aaaa", "x", NULL), insert(&f, "bbbb", "y", NULL)));
	assert_false(meet(insert(&f, "aaaa", "x", "bbbb"), insert(&f, "bbbb", "y", "aaaa")));
	keys_free(&f.t.keys);
}

static void text_as_the_downstream_compares_it(void **state)
{
	static const struct {
		const char *collation, *a, *b;
		bool meet;
	} words[] = {
		{"utf8mb4_general_ci", "Hello", "hELLO", true},
		{"utf8mb4_general_ci", "hello ", "hello", true},
		{"utf8mb4_general_ci", "hello", "hallo", false},
		{"utf8mb4_general_ci", "\xc3\xa9", "e", true},
		{"utf8mb4_general_ci", "\xc3\xa9", "\xc3\x89", true},
		{"utf8mb4_0900_ai_ci", "a\1", "a", true}, /* ignorable */
		{"utf8mb4_bin", "Hello", "hello", false},
		{"utf8mb4_bin", "hello  ", "hello", true},
		{"utf8mb4_bin", "\xc3\xa9", "e", false},
		{"utf8mb4_bin", "\xc3\xa9", "\xc3\xa9", true},
		{"latin1_swedish_ci", "Hello", "hello", true},
		{"uca1400_ai_ci", "x", "y", false},
		/* i = y there, and ccs = cscs */
		{"utf8mb4_lithuanian_ci", "i", "y", true},
		{"utf8mb4_hu_0900_ai_ci", "ccs", "cscs", true},
		{"utf8mb4_swedish_ci", "v", "w", true},
		{"sjis_japanese_ci", "a", "b", true},
	};
	struct fixture f;

	(void)state;
	make(&f);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		learned(&f, words[i].collation);
		if (meet(insert(&f, "aaaa", words[i].a, "pppp"), insert(&f, "bbbb", words[i].b, "qqqq")) !=
			words[i].meet)
			fail_msg("%s: '%s' and '%s' must%s meet", words[i].collation, words[i].a, words[i].b,
				words[i].meet ? "" : " not");
	}
	keys_free(&f.t.keys);
}

/* What can't be said makes an index serial: every two rows meet. */
static void indexes_that_are_serial(void **state)
{
	struct fixture f;

	(void)state;
	for (int what = 0; what < 7; what++) {
		make(&f);
		switch (what) {
		case 0: /* a prefix, an expression */
			f.down_keys[2].whole = false;
			break;
		case 1: /* its values are made downstream */
			f.down_columns[OTHER].generated = true;
			break;
		case 2: /* another type may round */
			f.down_columns[OTHER].type = "decimal(10,2)";
			f.down_columns[OTHER].kind = COLUMN_DECIMAL;
			break;
		case 3: /* a column that the upstream has not */
			f.down_columns[OTHER].name = "more";
			break;
		case 4: /* no key at all */
			f.t.key = NULL;
			break;
		case 5:
			f.up_columns[OTHER].type = "int(11) COMPRESSED";
			break;
		default:
			break;
		}
		keys_learn(&f.t);
		if (what == 6) /* tied by a foreign key */
			keys_set_group(&f.t, 9);
		if (!meet(insert(&f, "aaaa", "x", "pppp"), insert(&f, "bbbb", "y", "qqqq")))
			fail_msg("case %d: the rows don't meet", what);
		keys_free(&f.t.keys);
	}
}

static struct touch update(struct fixture *f, struct binlog_value *before, struct binlog_value *after)
{
	struct change c = {.table = &f->t, .kind = BINLOG_UPDATE, .before = before, .after = after};
	struct touch t = {0};

	keys_touch(&t, &c);
	return t;
}

static void updates_touch_what_they_change(void **state)
{
	struct binlog_value before[COLUMNS], after[COLUMNS];
	struct fixture f;

	(void)state;
	make(&f);
	learned(&f, "utf8mb4_general_ci");
	row(before, "aaaa", "x", "pppp");
	row(after, "aaaa", "y", "pppp");
	assert_true(meet(update(&f, before, after), insert(&f, "aaaa", "-", NULL)));
	assert_true(meet(update(&f, before, after), insert(&f, "bbbb", "x", NULL)));
	assert_true(meet(update(&f, before, after), insert(&f, "bbbb", "y", NULL)));
	/* It neither frees nor takes this one: who does, meets the row itself. */
	assert_false(meet(update(&f, before, after), insert(&f, "bbbb", "-", "pppp")));
	row(after, "cccc", "x", "pppp");
	assert_true(meet(update(&f, before, after), insert(&f, "cccc", "-", NULL)));
	assert_true(meet(update(&f, before, after), insert(&f, "aaaa", "-", NULL)));
	keys_free(&f.t.keys);
}

/* binlog_row_image=MINIMAL (T10): the old value of a changed secondary key is not there. */
static void minimal_images(void **state)
{
	struct binlog_value before[COLUMNS], after[COLUMNS];
	struct fixture f;

	(void)state;
	make(&f);
	learned(&f, "utf8mb4_general_ci");
	row(before, "aaaa", "x", "pppp");
	row(after, "aaaa", "y", "pppp");
	before[WORD].present = before[OTHER].present = false;
	after[ID].present = after[OTHER].present = false;
	assert_true(meet(update(&f, before, after), insert(&f, "bbbb", "anything", NULL)));
	/* Nothing of a second key changes: only the row itself. */
	after[WORD].present = false;
	assert_false(meet(update(&f, before, after), insert(&f, "bbbb", "anything", NULL)));
	assert_true(meet(update(&f, before, after), insert(&f, "aaaa", "anything", NULL)));
	keys_free(&f.t.keys);
}

/* A key of one side only counts as well (T9). */
static void keys_of_either_side(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	f.up.nkeys = 1;
	keys_learn(&f.t);
	assert_true(meet(insert(&f, "aaaa", "x", NULL), insert(&f, "bbbb", "x", NULL)));
	keys_free(&f.t.keys);
	make(&f);
	f.down.nkeys = 0;
	keys_learn(&f.t);
	assert_true(meet(insert(&f, "aaaa", "x", NULL), insert(&f, "bbbb", "x", NULL)));
	assert_true(meet(insert(&f, "aaaa", "x", NULL), insert(&f, "aaaa", "y", NULL)));
	keys_free(&f.t.keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_meet_by_each_key),
		cmocka_unit_test(text_as_the_downstream_compares_it),
		cmocka_unit_test(indexes_that_are_serial),
		cmocka_unit_test(updates_touch_what_they_change),
		cmocka_unit_test(minimal_images),
		cmocka_unit_test(keys_of_either_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
