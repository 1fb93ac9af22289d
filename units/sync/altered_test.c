/*
 * What is recorded as the upstream's structure behind a DDL: never a column that is the downstream's own,
 * never its order where that is another one. Structures by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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

static void what_is_generated_is_the_upstreams(void **state)
{
	(void)state;
	assert_string_equal(fitted("id a* b", "id a b*", "ALTER TABLE t COMMENT ''", NULL), "id a b*");
	assert_string_equal(fitted("id a* b", "id a b*", "ALTER TABLE t MODIFY b INT", NULL), "id a b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_of_its_own_are_cut),
		cmocka_unit_test(what_can_not_be_told_is_not),
		cmocka_unit_test(what_is_generated_is_the_upstreams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
