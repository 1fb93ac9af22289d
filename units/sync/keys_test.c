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
	f->t = (struct table){.to_schema = "d",
		.to_name = "t",

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
	bool found = false;

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
		case 0: /* an expression; a prefix of a length that is not known */
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

/* Only the beginning counts: characters of text, bytes of the rest. */
static void prefixes(void **state)
{
	static const struct {
		const char *collation, *a, *b;
		bool meet;
	} words[] = {
		{"utf8mb4_general_ci", "abcd1", "ABCD2", true},
		{"utf8mb4_general_ci", "abcd", "abcd2", true},
		{"utf8mb4_general_ci", "abc1", "abc2", false},
		{"utf8mb4_general_ci", "abc", "abcd", false},
		{"utf8mb4_general_ci", "ab", "ab  x", true}, /* padded */
		{"utf8mb4_general_ci", "abcd\xc3\xa9", "abcde", true},
		{"utf8mb4_general_ci", "abcd\xc3\xa9", "abce", false},
		{"utf8mb4_general_ci", "abc\xc3\xa9", "abcE", true}, /* four characters: an é may be an e */
		{"utf8mb4_general_ci", "abc\xc3\xa9", "x", true},    /* so it waits for all */
		{"utf8mb4_bin", "abcd1", "abcd2", true},
		{"utf8mb4_bin", "abcd1", "ABCD1", false},
		{"utf8mb4_bin", "\xc3\xa9", "\xc3\xa8", false},
		{"utf8mb4_bin", "\xc3\xa9", "\xc3\xa9  x", true},
		{"utf8mb4_bin", "ab\xc3\xa9\xc3\xa9", "ab\xc3\xa9\xc3\xa9x", true},
		{"utf8mb4_bin", "abcd\xc3\xa9", "abcd", true},
		{"utf8mb4_lithuanian_ci", "abcd", "wxyz", true},
	};
	unsigned four[] = {4};
	struct fixture f;

	(void)state;
	make(&f);
	f.keys[WORD].whole = f.down_keys[WORD].whole = false;
	f.keys[WORD].prefixes = f.down_keys[WORD].prefixes = four;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		learned(&f, words[i].collation);
		if (meet(insert(&f, "aaaa", words[i].a, "pppp"), insert(&f, "bbbb", words[i].b, "qqqq")) !=
			words[i].meet)
			fail_msg("%s: '%s' and '%s' must%s meet", words[i].collation, words[i].a, words[i].b,
				words[i].meet ? "" : " not");
	}
	f.up_columns[WORD].kind = f.down_columns[WORD].kind = COLUMN_BINARY;
	learned(&f, "");
	assert_true(meet(
		insert(&f, "aaaa", "\xc3\xa9\xc3\xa9", NULL), insert(&f, "bbbb", "\xc3\xa9\xc3\xa9x", NULL)));
	assert_false(meet(
		insert(&f, "aaaa", "\xc3\xa9\xc3\xa9", NULL), insert(&f, "bbbb", "\xc3\xa9\xc3\xaa", NULL)));
	/* Its beginning is that of the text, which is not what the wire has. */
	f.up_columns[WORD].kind = COLUMN_UUID;
	f.down_columns[WORD].kind = COLUMN_TEXT;
	learned(&f, "utf8mb4_bin");
	assert_true(meet(insert(&f, "aaaa", "abcd", NULL), insert(&f, "bbbb", "wxyz", NULL)));
	keys_free(&f.t.keys);
}

/* Whole on one side, a prefix on the other: both count. */
static void a_prefix_on_one_side(void **state)
{
	unsigned four[] = {4};
	struct fixture f;

	(void)state;
	make(&f);
	f.down_keys[WORD].whole = false;
	f.down_keys[WORD].prefixes = four;
	learned(&f, "utf8mb4_bin");
	assert_true(meet(insert(&f, "aaaa", "abcd1", NULL), insert(&f, "bbbb", "abcd2", NULL)));
	assert_false(meet(insert(&f, "aaaa", "abc1", NULL), insert(&f, "bbbb", "abc2", NULL)));
	keys_free(&f.t.keys);
}

/* Generated columns, as a server tells them: is the value in the stream the downstream's? */
static void generated_columns(void **state)
{
	static const struct {
		const char *up, *down;
		bool is_virtual;
		enum flavor from, to;
		bool serial;
	} list[] = {
		{"`id` * 2", "(`id` * 2)", false, FLAVOR_MARIADB, FLAVOR_MYSQL, false},
		{"((`id` + 1) * (`id` - 1))", "(`id` + 1) * (`id` - 1)", true, FLAVOR_MYSQL, FLAVOR_MARIADB,
			false},
		{"`id` * 2", "`id` * 2", true, FLAVOR_MARIADB, FLAVOR_MARIADB, true},
		{"`id` * 2", NULL, false, FLAVOR_MYSQL, FLAVOR_MYSQL, false}, /* an ordinary one there */
		{NULL, "`id` * 2", false, FLAVOR_MYSQL, FLAVOR_MYSQL, true},
		{"`id` * 2", "`id` * 3", false, FLAVOR_MYSQL, FLAVOR_MYSQL, true},
		{"length(`word`)", "length(`word`)", false, FLAVOR_MARIADB, FLAVOR_MARIADB, false},
		{"length(`word`)", "length(`word`)", false, FLAVOR_MARIADB, FLAVOR_MYSQL, true},
		{"`word` + 1", "`word` + 1", false, FLAVOR_MARIADB, FLAVOR_MYSQL, true},
		{"(`id`) / 2", "(`id`) / 2", false, FLAVOR_MARIADB, FLAVOR_MYSQL, true},
	};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		make(&f);
		f.t.from = list[i].from;
		f.t.to = list[i].to;
		f.up_columns[OTHER].expression = (char *)(uintptr_t)list[i].up;
		f.up_columns[OTHER].generated = list[i].up != NULL;
		f.up_columns[OTHER].is_virtual = list[i].is_virtual;
		f.down_columns[OTHER].expression = (char *)(uintptr_t)list[i].down;
		f.down_columns[OTHER].generated = list[i].down != NULL;
		keys_learn(&f.t);
		if (meet(insert(&f, "aaaa", "x", "pppp"), insert(&f, "bbbb", "y", "qqqq")) != list[i].serial)
			fail_msg("case %zu: must%s be serial", i, list[i].serial ? "" : " not");
		assert_true(meet(insert(&f, "aaaa", "x", "pppp"), insert(&f, "bbbb", "y", "pppp")));
		keys_free(&f.t.keys);
	}
	/* A column of the expression is of another type downstream. */
	make(&f);
	f.up_columns[OTHER].generated = f.down_columns[OTHER].generated = true;
	f.up_columns[OTHER].expression = f.down_columns[OTHER].expression = (char *)(uintptr_t) "`id` * 2";
	f.down_columns[ID].type = "bigint(20)";
	keys_learn(&f.t);
	assert_true(meet(insert(&f, "aaaa", "x", "pppp"), insert(&f, "bbbb", "y", "qqqq")));
	keys_free(&f.t.keys);
	/* It reads a TIMESTAMP, in the zone of whoever writes. */
	for (int timestamp = 0; timestamp < 2; timestamp++) {
		make(&f);
		f.up_columns[OTHER].generated = f.down_columns[OTHER].generated = true;
		f.up_columns[OTHER].expression = f.down_columns[OTHER].expression = "hour(`id`)";
		f.up_columns[ID].type = f.down_columns[ID].type = timestamp ? "timestamp" : "datetime";
		f.up_columns[ID].kind = f.down_columns[ID].kind =
			timestamp ? COLUMN_TIMESTAMP : COLUMN_DATETIME;
		keys_learn(&f.t);
		assert_int_equal(
			meet(insert(&f, "aaaa", "x", "pppp"), insert(&f, "bbbb", "y", "qqqq")), timestamp);
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
	/* But a generated one may have changed. */
	f.up_columns[OTHER].generated = true;
	f.up_columns[OTHER].expression = (char *)(uintptr_t) "1";
	learned(&f, "utf8mb4_general_ci");
	assert_true(meet(update(&f, before, after), insert(&f, "bbbb", "anything", "qqqq")));
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

static struct touch whole(struct fixture *f)
{
	struct touch t = {0};

	keys_touch_table(&t, &f->t);
	return t;
}

/* A table as a whole meets each change of it, whatever it touches by itself, and no other table's. */
static void a_table_as_a_whole(void **state)
{
	struct fixture f, other;

	(void)state;
	make(&f);
	make(&other);
	other.t.to_name = "u";
	keys_learn(&f.t);
	keys_learn(&other.t);
	assert_true(meet(whole(&f), whole(&f)));
	assert_true(meet(whole(&f), insert(&f, "aaaa", "x", "pppp")));
	assert_true(meet(insert(&f, "aaaa", "\xc3\xa9", NULL), whole(&f)));
	assert_false(meet(whole(&f), insert(&other, "aaaa", "x", "pppp")));
	assert_false(meet(whole(&f), whole(&other)));
	keys_set_group(&f.t, 7);
	keys_set_group(&other.t, 7);
	assert_true(meet(whole(&f), insert(&other, "aaaa", "x", "pppp")));
	keys_free(&f.t.keys);
	keys_free(&other.t.keys);
	/* Without a key, with one that nothing can be said of. */
	make(&f);
	f.t.key = NULL;
	keys_learn(&f.t);
	assert_true(meet(whole(&f), insert(&f, "aaaa", "x", "pppp")));
	assert_true(meet(whole(&f), whole(&f)));
	keys_free(&f.t.keys);
	make(&f);
	f.keys[ID].whole = f.down_keys[ID].whole = false;
	keys_learn(&f.t);
	assert_true(meet(whole(&f), insert(&f, "aaaa", "x", "pppp")));
	keys_free(&f.t.keys);
}

/* MariaDB's UNIQUE (id, p WITHOUT OVERLAPS): periods that only overlap meet, too. */
static void periods_meet(void **state)
{
	unsigned places[] = {ID, OTHER, WORD};
	struct fixture f;

	(void)state;
	make(&f);
	for (unsigned i = WORD; i <= OTHER; i++) {
		f.up_columns[i] = (struct column){.name = f.up_columns[i].name,
			.type = "date",
			.kind = COLUMN_DATE,
			.charset = "",
			.collation = ""};
		f.down_columns[i] = f.up_columns[i];
	}
	f.keys[0].columns = f.down_keys[0].columns = places;
	f.keys[0].ncolumns = f.down_keys[0].ncolumns = 3;
	f.up.nkeys = f.down.nkeys = 1;
	f.t.from = FLAVOR_MARIADB;
	keys_learn(&f.t);
	assert_true(meet(insert(&f, "aaaa", "111", "555"), insert(&f, "aaaa", "555", "999")));
	assert_false(meet(insert(&f, "aaaa", "111", "555"), insert(&f, "bbbb", "111", "555")));
	keys_free(&f.t.keys);
	f.t.from = FLAVOR_MYSQL; /* which has no such keys */
	keys_learn(&f.t);
	assert_false(meet(insert(&f, "aaaa", "111", "555"), insert(&f, "aaaa", "555", "999")));
	keys_free(&f.t.keys);
}

/* Routes lead both into one table. */
static void merge(struct fixture *a, struct fixture *b)
{
	a->t.merged = b->t.merged = MERGED_HERE;
	keys_learn(&a->t);
	keys_learn(&b->t);
	/* The first change of each waits for all that is under way there. */
	assert_true(meet(insert(a, "aaaa", "-", NULL), insert(b, "bbbb", "+", NULL)));
}

static void merged_tables_have_one_form(void **state)
{
	struct fixture a, b;

	(void)state;
	/* Text in two charsets. */
	make(&a);
	make(&b);
	a.up_columns[WORD].charset = "latin1";
	a.down_columns[WORD].collation = b.down_columns[WORD].collation = "utf8mb4_bin";
	merge(&a, &b);
	assert_true(meet(insert(&a, "aaaa", "x", NULL), insert(&b, "bbbb", "x", NULL)));
	assert_true(meet(insert(&a, "aaaa", "\xe9", NULL), insert(&b, "bbbb", "\xc3\xa9", NULL)));
	assert_false(meet(insert(&a, "aaaa", "x", NULL), insert(&b, "bbbb", "y", NULL)));
	keys_free(&a.t.keys);
	keys_free(&b.t.keys);
	/* One that the downstream rounds, one that lacks the column, one whose index can't be said. */
	for (int what = 0; what < 3; what++) {
		make(&a);
		make(&b);
		if (what == 0) {
			a.up_columns[OTHER].kind = COLUMN_DECIMAL;
			a.up_columns[OTHER].type = "decimal(10,2)";
		} else if (what == 1) {
			a.up_columns[OTHER].name = "more";
		} else {
			a.up_columns[WORD].charset = "sjis";
		}
		merge(&a, &b);
		assert_true(meet(insert(&a, "aaaa", "x", "pppp"), insert(&b, "bbbb", "y", "qqqq")));
		assert_true(meet(insert(&a, "aaaa", "x", "pppp"), insert(&a, "bbbb", "y", "qqqq")));
		assert_false(meet(insert(&b, "aaaa", "x", "pppp"), insert(&b, "bbbb", "y", "qqqq")));
		keys_free(&a.t.keys);
		keys_free(&b.t.keys);
	}
	/* A UUID is its bytes in one, its text in the other. */
	make(&a);
	make(&b);
	a.up_columns[WORD].kind = COLUMN_UUID;
	merge(&a, &b);
	assert_true(meet(insert(&a, "aaaa", "x", NULL), insert(&b, "bbbb", "y", NULL)));
	keys_free(&a.t.keys);
	keys_free(&b.t.keys);
}

/* MariaDB's times in the form of before 10.1 beside the later one's. */
static void merged_times_of_two_forms(void **state)
{
	struct binlog_value v[COLUMNS];
	struct change c = {.kind = BINLOG_INSERT, .after = v};
	struct fixture a, b;
	struct touch old = {0};

	(void)state;
	make(&a);
	make(&b);
	for (int i = 0; i < 2; i++) {
		struct fixture *f = i ? &b : &a;

		f->up_columns[OTHER].kind = f->down_columns[OTHER].kind = COLUMN_DATETIME;
		f->up_columns[OTHER].type = f->down_columns[OTHER].type = "datetime";
	}
	merge(&a, &b);
	assert_false(meet(insert(&a, "aaaa", "x", "pppp"), insert(&b, "bbbb", "y", "qqqq")));
	row(v, "aaaa", "x", "pppp");
	v[OTHER].type = WIRE_DATETIME;
	c.table = &a.t;
	keys_touch(&old, &c);
	assert_true(meet(old, insert(&b, "bbbb", "y", "qqqq")));
	keys_free(&a.t.keys);
	keys_free(&b.t.keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_meet_by_each_key),
		cmocka_unit_test(text_as_the_downstream_compares_it),
		cmocka_unit_test(indexes_that_are_serial),
		cmocka_unit_test(periods_meet),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(a_prefix_on_one_side),
		cmocka_unit_test(generated_columns),
		cmocka_unit_test(updates_touch_what_they_change),
		cmocka_unit_test(minimal_images),
		cmocka_unit_test(keys_of_either_side),
		cmocka_unit_test(a_table_as_a_whole),
		cmocka_unit_test(merged_tables_have_one_form),
		cmocka_unit_test(merged_times_of_two_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
