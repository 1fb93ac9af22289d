/*
 * What a row of a table with history is to the rows that are there, as MariaDB 10.11 and 11.8 write it; and
 * which table has history behind a DDL. Structures by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "units/sync/versions.h"

enum { COLUMNS = 3, END = 2 };

/* The end: "now" and "new" are the greatest before MariaDB 11.5 and since, "was" is none of them, "nil" is
 * NULL, "-": not in the image. */
static struct binlog_value *row(const char *end)
{
	static const char times[3][8] = {"\x7f\xff\xff\xff\x0f\x42\x3f", "\xff\xff\xff\xff\x0f\x42\x3f",
		"\x7f\xff\xff\xff\x0f\x42\x3e"};
	static struct binlog_value rows[2][COLUMNS];
	static unsigned next;
	struct binlog_value *v = rows[next++ % 2];
	int which = strcmp(end, "now") == 0 ? 0 : strcmp(end, "new") == 0 ? 1 : 2;

	v[END] = (struct binlog_value){
		.present = strcmp(end, "-") != 0, .null = strcmp(end, "nil") == 0, .raw = {times[which], 7}};
	return v;
}

static const struct {
	enum binlog_change kind;
	const char *before, *after; /* NULL: no such image */
	const char *becomes;
} rows[] = {
	{BINLOG_INSERT, NULL, "now", "insert"},
	{BINLOG_INSERT, NULL, "new", "insert"},
	{BINLOG_INSERT, NULL, "was", ""},
	{BINLOG_INSERT, NULL, "nil", ""},
	{BINLOG_INSERT, NULL, "-", "36027"},
	{BINLOG_UPDATE, "now", "now", "update"},
	{BINLOG_UPDATE, "now", "-", "update"},
	{BINLOG_UPDATE, "new", "was", "delete"},
	{BINLOG_UPDATE, "was", "was", ""},
	{BINLOG_UPDATE, "was", "-", ""},
	{BINLOG_UPDATE, "was", "now", "36027"},
	{BINLOG_UPDATE, "-", "now", "36027"},
	{BINLOG_DELETE, "now", NULL, "delete"},
	{BINLOG_DELETE, "was", NULL, ""},
	{BINLOG_DELETE, "-", NULL, "36027"},
};

static void what_a_row_is_to_those_that_are_there(void **state)
{
	static const char *const names[] = {
		[BINLOG_INSERT] = "insert", [BINLOG_UPDATE] = "update", [BINLOG_DELETE] = "delete"};
	char head[] = "`d`.`t`";
	struct table t = {.head = head, .versioned = true, .row_end = END};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct change c = {.table = &t, .kind = rows[i].kind};
		struct err e = {0};
		bool keep = false;
		char text[20] = "";

		c.before = rows[i].before ? row(rows[i].before) : NULL;
		c.after = rows[i].after ? row(rows[i].after) : NULL;
		if (versions_turn(&c, &keep, &e) < 0)
			snprintf(text, sizeof(text), "%d", e.code);
		else if (keep)
			snprintf(text, sizeof(text), "%s", names[c.kind]);
		if (strcmp(text, rows[i].becomes) != 0)
			fail_msg("row %zu: %s instead of %s", i, text, rows[i].becomes);
		assert_int_equal(c.kind == BINLOG_DELETE, !c.after);
	}
}

/* Columns id, n and those of more; a DATETIME each. */
static struct structure *columns(const char *more, const char *end)
{
	struct structure *s = xcalloc(1, sizeof(*s));
	char text[100], *save = NULL;

	snprintf(text, sizeof(text), "id n %s", more);
	s->schema = xstrdup("d");
	s->table = xstrdup("t");
	s->row_end = end ? xstrdup(end) : NULL;
	s->key = -1;
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		s->columns = xrealloc(s->columns, (s->ncolumns + 1) * sizeof(*s->columns));
		s->columns[s->ncolumns++] = (struct column){
			.name = xstrdup(word), .type = xstrdup("datetime(6)"), .kind = COLUMN_DATETIME};
	}
	return s;
}

static const struct {
	const char *was, *more; /* the end before, NULL: not known; columns behind the statement */
	bool made;
	const char *sql, *end;
} ddl[] = {
	{NULL, "", true, "CREATE TABLE t (id int, n int)", ""},
	{NULL, "", true, "CREATE TABLE t (id int, n int WITHOUT SYSTEM VERSIONING)", ""},
	{NULL, "", true, "CREATE TABLE t (id int, n int) WITH SYSTEM VERSIONING", "row_end"},
	{NULL, "", true, "CREATE TABLE t (id int, n int) /*!100304 WITH SYSTEM VERSIONING */", "row_end"},
	{NULL, "", true, "CREATE TABLE t (id int WITH SYSTEM VERSIONING, n int)", "row_end"},
	{NULL, "", true, "CREATE TABLE t (id int, n int COMMENT 'WITH SYSTEM VERSIONING')", ""},
	{NULL, "a b", true,
		"CREATE TABLE t (id int, n int, a timestamp(6) AS ROW START, b timestamp(6) AS ROW END, "
		"PERIOD FOR SYSTEM_TIME (a, `b`)) WITH SYSTEM VERSIONING",
		"b"},
	{NULL, "a b", true, "CREATE TABLE t (id int, n int, a date, b date, PERIOD FOR p (a, b))", ""},
	{NULL, "", false, "ALTER TABLE t ADD x int", "?"},
	{NULL, "", false, "ALTER TABLE t ADD SYSTEM VERSIONING", "row_end"},
	{"", "", false, "ALTER TABLE t ADD x int", ""},
	{"", "", false, "ALTER TABLE t ADD x int, ADD SYSTEM VERSIONING", "row_end"},
	{"", "a b", false, "ALTER TABLE t ADD PERIOD FOR SYSTEM_TIME(a,b), ADD SYSTEM VERSIONING", "b"},
	{"row_end", "", false, "ALTER TABLE t ADD x int WITHOUT SYSTEM VERSIONING", "row_end"},
	{"row_end", "", false, "ALTER TABLE t DROP SYSTEM VERSIONING", ""},
	{"b", "a b", false, "ALTER TABLE t MODIFY n bigint WITH SYSTEM VERSIONING", "b"},
	{"b", "a c", false, "ALTER TABLE t RENAME COLUMN b TO c", "c"},
	{"b", "a c", false, "ALTER TABLE t DROP COLUMN b", "?"},
	{"b", "", false,
		"ALTER TABLE t DROP COLUMN a, DROP COLUMN b, DROP PERIOD FOR SYSTEM_TIME (a,b), DROP SYSTEM "
		"VERSIONING",
		""},
};

static void which_table_has_history_behind_a_ddl(void **state)
{
	static const struct server maria = {.flavor = FLAVOR_MARIADB, .version = 101114};

	(void)state;
	for (size_t i = 0; i < sizeof(ddl) / sizeof(ddl[0]); i++) {
		bool shown = ddl[i].was && strcmp(ddl[i].was, "b") == 0;
		struct structure *was = ddl[i].made ? NULL : columns(shown ? "a b" : "", ddl[i].was),
				 *s = columns(ddl[i].more, "the downstream's");
		struct altered x = {
			.was = was, .made = ddl[i].made, .text = str_of(ddl[i].sql), .from = &maria};

		versions_after_ddl(s, &x);
		if (strcmp(s->row_end ? s->row_end : "?", ddl[i].end) != 0)
			fail_msg("%s: %s instead of %s", ddl[i].sql, s->row_end ? s->row_end : "?",
				ddl[i].end);
		if (strstr(ddl[i].sql, "ROW END"))
			assert_int_equal(s->columns[structure_column(s, "b")].kind, COLUMN_TIMESTAMP);
		structure_free(&s);
		structure_free(&was);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_row_is_to_those_that_are_there),
		cmocka_unit_test(which_table_has_history_behind_a_ddl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
