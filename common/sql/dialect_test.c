/* sql_translate, statement by statement: what each server's DDL becomes for the others, with the notes; and
 * what must stay as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/sql/ddl.h"
#include "common/sql/dialect.h"

static const struct server my97 = {FLAVOR_MYSQL, 90704}, my57 = {FLAVOR_MYSQL, 50744},
			   ma118 = {FLAVOR_MARIADB, 110809}, ma1011 = {FLAVOR_MARIADB, 101105},
			   ma105 = {FLAVOR_MARIADB, 100523}, ma102 = {FLAVOR_MARIADB, 100211},
			   ti85 = {FLAVOR_TIDB, 80500}, ti65 = {FLAVOR_TIDB, 60500};

#define MY97 &my97
#define MY57 &my57
#define MA118 &ma118
#define MA1011 &ma1011
#define MA105 &ma105
#define MA102 &ma102
#define TI85 &ti85
#define TI65 &ti65

static const struct {
	const struct server *from, *to;
	const char *text, *want, *notes;
} rows[] = {
#include "common/sql/dialect_test.inc"
};

static const struct {
	const struct server *server;
	const char *text;
} same[] = {
#include "common/sql/dialect_same.inc"
};

/* From a copy of the exact size, so that a sanitizer sees a byte too far. */
static int translate(const char *text, size_t n, const struct server *from, const struct server *to,
	struct buf *out, struct buf *notes, struct err *e)
{
	char *copy = malloc(n ? n : 1);
	int rc;

	memcpy(copy, text, n);
	rc = sql_translate(
		(struct str){copy, n}, &(struct sql_dialects){.from = from, .to = to}, out, notes, e);
	free(copy);
	return rc;
}

/* An error that names table, column, and both collations; what the target knows passes. */
static void collations(void **state)
{
	static const char *const refused[] = {
		"CREATE TABLE `d`.`t` (a varchar(3) COLLATE utf8mb4_0900_ai_ci)",
		"CREATE TABLE `d`.`t` (b int, `a` varchar(3)) CHARSET=utf8mb4",
		"ALTER TABLE `d`.`t` ADD a varchar(3) COLLATE utf8mb4_0900_as_cs",
		"ALTER TABLE `d`.`t` CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci",
		"CREATE TABLE `d`.`t` (a varchar(3) CHARACTER SET latin1, g int AS (a = 'x' COLLATE "
		"utf8mb4_0900_ai_ci))",
		"CREATE DATABASE d COLLATE utf8mb4_0900_ai_ci",
	};
	struct sql_dialects d = {.from = &my97, .to = &ma105, .collations = COLLATION_EXACT};
	struct buf out = {0}, notes = {0};
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		err_clear(&e);
		assert_int_equal(sql_translate(str_of(refused[i]), &d, &out, &notes, &e), -1);
		if (e.code != ERR_collation_refused || !strstr(e.text, "collation utf8mb4_0900_a") ||
			!strstr(e.text, "is the nearest"))
			fail_msg("%s: %s", refused[i], e.text);
		if (i == 0)
			assert_string_equal(e.text,
				"`d`.`t`.`a`: collation utf8mb4_0900_ai_ci is not in the target, where "
				"utf8mb4_unicode_520_nopad_ci is the nearest");
	}
	assert_int_equal(
		sql_translate(STR_LIT("CREATE TABLE t (a varchar(3) COLLATE utf8mb3_general_ci, b text "
				      "CHARACTER SET latin1)"),
			&d, &out, &notes, &e),
		0);
	d.collations = COLLATION_FAIL;
	assert_int_equal(sql_translate(str_of(refused[0]), &d, &out, &notes, &e), -1);
	d.to = &ma118;
	assert_int_equal(sql_translate(str_of(refused[0]), &d, &out, &notes, &e), 0);
	buf_free(&out);
	buf_free(&notes);
}

/* Where the text names no engine, what is said of foreign keys hangs on the one that the table has. */
static void foreign_keys(void **state)
{
	static const struct {
		const char *text, *engine;
		bool wants;
		const char *want;
	} cases[] = {
		{"ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES q (id)", NULL, true, NULL},
		{"ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES q (id)", "innodb", false, NULL},
		{"ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES q (id)", "", false, NULL},
		{"ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES q (id)", "MyISAM", false,
			"ALTER TABLE c ADD KEY (p)"},
		{"ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES q (id), ENGINE=InnoDB", "MyISAM", false, NULL},
		{"CREATE TABLE c (p int REFERENCES q (id))", NULL, true, NULL},
		{"CREATE TABLE c (p int REFERENCES q (id))", "MRG_MYISAM", false,
			"CREATE TABLE c (p int, KEY (p))"},
		{"CREATE TABLE c (p int REFERENCES q (id)) ENGINE=InnoDB", NULL, false, NULL},
		{"CREATE TABLE c (p int)", NULL, false, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool wants = false;
		struct sql_dialects d = {
			.from = &ma1011, .to = &my97, .engine = cases[i].engine, .wants_engine = &wants};
		struct buf out = {0}, notes = {0};
		struct err e = {0};

		assert_int_equal(sql_translate(str_of(cases[i].text), &d, &out, &notes, &e), 0);
		assert_string_equal(buf_cstr(&out), cases[i].want ? cases[i].want : cases[i].text);
		assert_int_equal(wants, cases[i].wants);
		buf_free(&out);
		buf_free(&notes);
	}
}

/* The default of a new column is executed again, for the rows that are there. */
static void defaults_of_new_columns(void **state)
{
	static const char *const refused[] = {"a varchar(36) DEFAULT uuid()",
		"a datetime(6) DEFAULT (sysdate(6))",
		"COLUMN a datetime DEFAULT (SYSDATE() + interval 1 day)",
		"(b int, a double DEFAULT (rand()))", "a bigint DEFAULT nextval(s.q)",
		"a bigint DEFAULT (NEXT VALUE FOR q)", "a varchar(90) DEFAULT CURRENT_USER",
		"a varchar(90) DEFAULT (version())", "a varchar(90) DEFAULT (concat(@@hostname, 'x'))",
		"a varchar(90) DEFAULT (encrypt('x'))"};
	static const char *const taken[] = {"a datetime(6) DEFAULT now(6) ON UPDATE now(6)",
		"sysdate int DEFAULT 1", "a varchar(9) DEFAULT 'uuid()@'", "`version` int COMMENT '@@'",
		"a int DEFAULT (1 + 2)", "INDEX version (a)"};
	struct sql_dialects d = {.from = &ma1011, .to = &ma1011, .collations = COLLATION_NEAREST};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]) + sizeof(taken) / sizeof(taken[0]); i++) {
		bool ok = i >= sizeof(refused) / sizeof(refused[0]);
		const char *spec = ok ? taken[i - sizeof(refused) / sizeof(refused[0])] : refused[i];
		struct buf text = {0}, out = {0}, notes = {0};
		struct err e = {0};

		buf_putf(&text, "ALTER TABLE d.t ADD %s", spec);
		if ((sql_translate(buf_str(&text), &d, &out, &notes, &e) == 0) != ok)
			fail_msg("%s: %s", spec, ok ? e.text : "taken");
		if (!ok && (e.code != ERR_ddl_untranslatable || !strstr(e.text, "made again")))
			fail_msg("%s: %s", spec, e.text);
		buf_free(&text);
		buf_free(&out);
		buf_free(&notes);
	}
}

/* Who numbers the rows that are there. */
static void numbers_of_new_columns(void **state)
{
	static const struct {
		const char *spec;
		enum sql_rows rows;
		bool ok;
	} specs[] = {
		{"ADD id int AUTO_INCREMENT PRIMARY KEY", SQL_ROWS_ANYHOW, false},
		{"ADD id int AUTO_INCREMENT UNIQUE", SQL_ROWS_BY_KEY, true},
		{"ADD COLUMN IF NOT EXISTS id serial", SQL_ROWS_ANYHOW, false},
		{"ADD (a int, id bigint AUTO_INCREMENT, KEY (id))", SQL_ROWS_ANYHOW, false},
		{"DROP PRIMARY KEY, ADD id int AUTO_INCREMENT PRIMARY KEY", SQL_ROWS_BY_KEY, false},
		{"DROP PRIMARY KEY, ADD id int AUTO_INCREMENT PRIMARY KEY", SQL_ROWS_NONE, true},
		{"ADD a int, ADD serial int, ADD (b int, auto_increment int), ADD c int AFTER serial",
			SQL_ROWS_ANYHOW, true},
		{"ADD a int COMMENT 'AUTO_INCREMENT', AUTO_INCREMENT=5", SQL_ROWS_ANYHOW, true},
		{"MODIFY id int AUTO_INCREMENT", SQL_ROWS_ANYHOW, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		struct sql_dialects d = {.from = &ma1011,
			.to = &ma1011,
			.collations = COLLATION_NEAREST,
			.rows = specs[i].rows};
		struct buf text = {0}, out = {0}, notes = {0};
		struct err e = {0};

		buf_putf(&text, "ALTER TABLE d.t %s", specs[i].spec);
		if ((sql_translate(buf_str(&text), &d, &out, &notes, &e) == 0) != specs[i].ok)
			fail_msg("%s: %s", specs[i].spec, specs[i].ok ? e.text : "taken");
		if (!specs[i].ok && (e.code != ERR_ddl_untranslatable || !strstr(e.text, "order of its own")))
			fail_msg("%s: %s", specs[i].spec, e.text);
		buf_free(&text);
		buf_free(&out);
		buf_free(&notes);
	}
}

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = {0}, notes = {0};
		struct err e = {0};
		int rc = translate(
			rows[i].text, strlen(rows[i].text), rows[i].from, rows[i].to, &out, &notes, &e);

		if (rc < 0 && rows[i].want)
			fail_msg("[%s]: %s", rows[i].text, e.text);
		if (rc == 0 && !rows[i].want)
			fail_msg("[%s]: taken, as [%s]", rows[i].text, buf_cstr(&out));
		if (rc == 0 && strcmp(buf_cstr(&out), rows[i].want) != 0)
			fail_msg("[%s]\n got: %s\nwant: %s", rows[i].text, buf_cstr(&out), rows[i].want);
		if (strcmp(rc < 0 ? e.text : buf_cstr(&notes), rows[i].notes) != 0)
			fail_msg("[%s]\n got: %s\nwant: %s", rows[i].text, rc < 0 ? e.text : buf_cstr(&notes),
				rows[i].notes);
		buf_free(&out);
		buf_free(&notes);
	}
}

static void byte_for_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct buf out = {0}, notes = {0};
		struct err e = {0};

		if (translate(same[i].text, strlen(same[i].text), same[i].server, same[i].server, &out,
			    &notes, &e) < 0)
			fail_msg("[%s]: %s", same[i].text, e.text);
		assert_string_equal(buf_cstr(&out), same[i].text);
		assert_int_equal(notes.n, 0);
		buf_free(&out);
		buf_free(&notes);
	}
}

/* Cut short anywhere: an answer or an error, never a crash or a byte read too far. */
static void cut_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t whole = strlen(rows[i].text);

		for (size_t n = 0; n < whole; n += 1 + whole / 60) {
			struct buf out = {0}, notes = {0};
			struct err e = {0};

			if (translate(rows[i].text, n, rows[i].from, rows[i].to, &out, &notes, &e) < 0)
				assert_int_not_equal(e.code, 0);
			buf_free(&out);
			buf_free(&notes);
		}
	}
}

/* Under ANSI_QUOTES a double-quoted name is a name, in what comes out too. */
static void ansi_quotes(void **state)
{
	struct buf out = {0}, notes = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(
		sql_translate(STR_LIT("create table \"t\" (\"a\" uuid, \"b,c\" int)"),
			&(struct sql_dialects){.from = &ma118, .to = &my97, .sql_mode = SQL_MODE_ANSI_QUOTES},
			&out, &notes, &e),
		0);
	assert_string_equal(
		buf_cstr(&out), "create table \"t\" (\"a\" char(36) CHARACTER SET ascii, \"b,c\" int)");
	assert_string_equal(buf_cstr(&notes), "`t`.`a`: uuid became char(36) CHARACTER SET ascii\n");
	buf_free(&out);
	buf_free(&notes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_of_new_columns),
		cmocka_unit_test(numbers_of_new_columns),
		cmocka_unit_test(table),
		cmocka_unit_test(collations),
		cmocka_unit_test(foreign_keys),
		cmocka_unit_test(byte_for_byte),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(ansi_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
