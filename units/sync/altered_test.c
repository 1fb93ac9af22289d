/*
 * What is recorded as the upstream's structure behind a DDL: never a column that is the downstream's own,
 * never its order where that is another one. Structures by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "units/sync/altered.h"

/* "id a b": columns, all INT; the first is the primary key; "g*" is generated. */
static struct structure *columns(const char *list)
{
	struct structure *s = xcalloc(1, sizeof(*s));
	char text[100], *save = NULL;

	snprintf(text, sizeof(text), "%s", list);
	s->schema = xstrdup("d");
	s->table = xstrdup("t");
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		struct column *c;
		char *star = strchr(word, '*');

		if (star)
			*star = '\0';
		s->columns = xrealloc(s->columns, (s->ncolumns + 1) * sizeof(*s->columns));
		c = &s->columns[s->ncolumns++];
		*c = (struct column){.name = xstrdup(word),
			.type = xstrdup("int"),
			.charset = xstrdup(""),
			.collation = xstrdup(""),
			.generated = star != NULL,
			.expression = star ? xstrdup("1") : NULL};
	}
	s->keys = xcalloc(1, sizeof(*s->keys));
	s->keys[0] = (struct key){.name = xstrdup("PRIMARY"),
		.primary = true,
		.unique = true,
		.whole = true,
		.usable = true,
		.columns = xcalloc(1, sizeof(unsigned)),
		.ncolumns = 1};
	s->nkeys = 1;
	return s;
}

/* As columns() reads them; "?": it can't be told. And the column of the key: its name, or "-". */
static const char *fitted(const char *down, const char *was, const char *sql, const char **key)
{
	static const struct server from = {.flavor = FLAVOR_MYSQL, .version = 80030};
	static char text[200];
	struct structure *before = was ? columns(was) : NULL;
	struct altered x = {.schema = "d", .name = "t", .was = before, .text = str_of(sql), .from = &from};
	struct structure *s = altered_fit(columns(down), &x, NULL);
	static char name[20];

	snprintf(text, sizeof(text), "%s", s ? "" : "?");
	for (unsigned i = 0; s && i < s->ncolumns; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s%s", i ? " " : "",
			s->columns[i].name, s->columns[i].generated ? "*" : "");
	if (key) {
		snprintf(name, sizeof(name), "%s",
			s && s->nkeys ? s->columns[s->keys[0].columns[0]].name : "-");
		*key = name;
	}
	structure_free(&s);
	structure_free(&before);
	return text;
}

static void columns_of_its_own_are_cut(void **state)
{
	const char *key;

	(void)state;
	assert_string_equal(fitted("own id a note b", "id a", "ALTER TABLE t ADD b INT", &key), "id a b");
	assert_string_equal(key, "-"); /* it was one of its own */
	assert_string_equal(
		fitted("id own b a note", "id a", "ALTER TABLE t ADD `b` INT AFTER id", &key), "id b a");
	assert_string_equal(key, "id");
	assert_string_equal(fitted("own id c", "id a", "ALTER TABLE t CHANGE a c INT", NULL), "id c");
	assert_string_equal(fitted("own id", "id a", "ALTER TABLE t DROP a", NULL), "id");
	assert_string_equal(fitted("id a own", "id a", "ALTER TABLE t COMMENT 'own'", NULL), "id a");
	assert_string_equal(fitted("id a", "id a", "TRUNCATE t", NULL), "id a");
}

static void what_can_not_be_told_is_not(void **state)
{
	(void)state;
	assert_string_equal(fitted("b id a", "id a b", "ALTER TABLE t COMMENT ''", NULL), "?");
	assert_string_equal(fitted("b id a", "id a b", "ALTER TABLE t MODIFY b BIGINT", NULL), "?");
	assert_string_equal(fitted("own id a", "id a g*", "ALTER TABLE t COMMENT ''", NULL), "?");
	/* It has moved upstream too. */
	assert_string_equal(
		fitted("b id a own", "id a b", "ALTER TABLE t MODIFY b BIGINT FIRST", NULL), "b id a");
	/* Nothing is known of before. */
	assert_string_equal(fitted("own id a", NULL, "ALTER TABLE t COMMENT ''", NULL), "own id a");
}

/* MySQL's own key of a table that the statement makes; where the statement or nobody says whose it is, it
 * stays. */
static unsigned made_with(const char *sql, bool made, bool invisible)
{
	static const struct server from = {.flavor = FLAVOR_MYSQL, .version = 80030};
	struct altered x = {.schema = "d", .name = "t", .made = made, .text = str_of(sql), .from = &from};
	struct structure *s = columns("my_row_id a b");
	unsigned n;

	s->columns[0].invisible = invisible;
	s->columns[0].auto_increment = true;
	s = altered_fit(s, &x, NULL);
	n = s->ncolumns;
	assert_int_equal(s->nkeys, n == 3);
	assert_string_equal(s->columns[n - 2].name, "a");
	structure_free(&s);
	return n;
}

static void a_key_that_mysql_makes_is_cut(void **state)
{
	static const char create[] = "CREATE TABLE t (a INT, b INT)";

	(void)state;
	assert_int_equal(made_with(create, true, true), 2);
	assert_int_equal(made_with(create, true, false), 3);
	assert_int_equal(made_with("ALTER TABLE t COMMENT 'x'", false, true), 3);
	assert_int_equal(made_with("CREATE TABLE t (my_row_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT "
				   "INVISIBLE, a INT, b "
				   "INT, PRIMARY KEY (my_row_id))",
				 true, true),
		3);
}

static void what_is_renamed_or_made_anew_has_its_place(void **state)
{
	(void)state;
	assert_string_equal(fitted("id b a c", "id a b c",
				    "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a", NULL),
		"id b a c");
	assert_string_equal(
		fitted("id b a c", "id a b c", "ALTER TABLE t CHANGE a b INT, CHANGE COLUMN b a INT", NULL),
		"id b a c");
	assert_string_equal(
		fitted("id b a", "id a b", "ALTER TABLE t DROP a, ADD COLUMN a INT", NULL), "id b a");
	assert_string_equal(
		fitted("id b a", "id a b", "ALTER TABLE t DROP a, ADD (a INT, c INT)", NULL), "id b a");
	/* The downstream's own order stays one that can't be told from. */
	assert_string_equal(fitted("id c a b", "id a b c",
				    "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a", NULL),
		"?");
	assert_string_equal(fitted("id b c", "id a b", "ALTER TABLE t CHANGE a c INT", NULL), "?");
}

static void what_is_generated_is_the_upstreams(void **state)
{
	(void)state;
	assert_string_equal(fitted("id a* b", "id a b*", "ALTER TABLE t COMMENT ''", NULL), "id a b*");
	assert_string_equal(fitted("id a* b", "id a b*", "ALTER TABLE t MODIFY b INT", NULL), "id a b");
}

/* The kind of column `name` behind it: 'u' as it was upstream before, 's' as the downstream has it, '?'. */
static char kind_of(const char *sql, const char *name, const char *down, const char *was)
{
	static const struct server from = {.flavor = FLAVOR_MARIADB, .version = 101100};
	struct structure *before = columns(was), *s;
	struct altered x = {.schema = "d", .name = "t", .was = before, .text = str_of(sql), .from = &from};
	char kind = '?';

	for (unsigned i = 0; i < before->ncolumns; i++)
		before->columns[i].is_unsigned = true;
	s = altered_fit(columns(down), &x, NULL);
	if (s && structure_column(s, name) >= 0)
		kind = s->columns[structure_column(s, name)].is_unsigned ? 'u' : 's';
	structure_free(&s);
	structure_free(&before);
	return kind;
}

static void what_is_not_defined_is_as_it_was(void **state)
{
	static const struct {
		const char *sql, *name;
		char kind;
	} cases[] = {
		{"ALTER TABLE t ADD b INT", "a", 'u'},
		{"ALTER TABLE t ADD b INT AFTER a", "a", 'u'},
		{"ALTER TABLE t ADD (b INT CHECK (a > 0), c INT)", "a", 'u'},
		{"ALTER TABLE t ADD INDEX a (a), COMMENT 'MODIFY a INT'", "a", 'u'},
		{"ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT", "a", 'u'},
		{"ALTER TABLE t ALTER a SET DEFAULT 6", "a", 'u'},
		{"TRUNCATE t", "a", 'u'},
		{"ALTER TABLE t MODIFY COLUMN IF EXISTS `a` INT FIRST", "a", 's'},
		{"ALTER TABLE t CHANGE a a INT", "a", 's'},
		{"ALTER TABLE t DROP a, ADD (x INT, a INT)", "a", 's'},
		{"ALTER TABLE t DROP a, ADD COLUMN a INT", "a", 's'},
		{"ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", "a", 'u'},
		{"ALTER TABLE t CONVERT TO CHARACTER SET DEFAULT", "a", '?'},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(kind_of(cases[i].sql, cases[i].name, "id a", "id a"), cases[i].kind);
	assert_int_equal(kind_of("ALTER TABLE t RENAME COLUMN a TO b", "b", "id b", "id a"), 'u');
	assert_int_equal(kind_of("ALTER TABLE t CHANGE a b INT", "b", "id b", "id a"), 's');
}

/* What the column is upstream, whose type the downstream knows as text at most. */
static void assert_type(const char *sql, const char *down, const char *name, const char *type)
{
	static const struct server from = {.flavor = FLAVOR_MARIADB, .version = 101100};
	struct structure *before = columns("id x y"), *s = columns(down);
	struct altered x = {.schema = "d", .name = "t", .was = before, .text = str_of(sql), .from = &from};
	const char *got;

	for (unsigned i = s->ncolumns - 2; i < s->ncolumns; i++) { /* a and b: the substitute */
		free(s->columns[i].type);
		s->columns[i].type = xstrdup("char(36)");
		s->columns[i].kind = COLUMN_TEXT;
	}
	s = altered_fit(s, &x, NULL);
	assert_non_null(s);
	got = s->columns[structure_column(s, name)].type;
	if (strcmp(got, type) != 0)
		fail_msg("%s: `%s` is taken for %s", sql, name, got);
	structure_free(&s);
	structure_free(&before);
}

static void each_column_has_its_own_words(void **state)
{
	static const struct {
		const char *sql, *a, *b;
	} cases[] = {
		{"ALTER TABLE t ADD a uuid, ADD b inet6", "uuid", "inet6"},
		{"ALTER TABLE t ADD a inet4, ADD b varchar(9)", "inet4", "char(36)"},
		{"ALTER TABLE t ADD a varchar(9), ADD b uuid", "char(36)", "uuid"},
		{"ALTER TABLE t ADD a int, ADD b uuid, ADD KEY (b)", "char(36)", "uuid"},
		{"ALTER TABLE t ADD COLUMN a uuid, ADD COLUMN b char(36), RENAME TO u", "uuid", "char(36)"},
		{"ALTER TABLE t ADD (a uuid, b inet6), MODIFY x int", "uuid", "inet6"},
		{"ALTER TABLE t CHANGE x a uuid, CHANGE y b inet6, ADD CONSTRAINT c CHECK (x > 1)", "uuid",
			"inet6"},
		{"ALTER TABLE t ADD b uuid FIRST, ADD a inet4 FIRST, RENAME KEY x TO z", "inet4", "uuid"},
		{"ALTER TABLE t ADD a uuid, ADD b uuid, ADD COLUMN IF NOT EXISTS (a inet4, b inet6)", "uuid",
			"uuid"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *down = strstr(cases[i].sql, "CHANGE") ? "id a b" : "id x y a b";

		assert_type(cases[i].sql, down, "a", cases[i].a);
		assert_type(cases[i].sql, down, "b", cases[i].b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_of_its_own_are_cut),
		cmocka_unit_test(what_can_not_be_told_is_not),
		cmocka_unit_test(a_key_that_mysql_makes_is_cut),
		cmocka_unit_test(what_is_renamed_or_made_anew_has_its_place),
		cmocka_unit_test(what_is_generated_is_the_upstreams),
		cmocka_unit_test(what_is_not_defined_is_as_it_was),
		cmocka_unit_test(each_column_has_its_own_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
