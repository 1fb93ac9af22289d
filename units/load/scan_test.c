/* What the binlog between two snapshots says against a copy: statements, images that are not whole; on events
 * that real servers wrote (common/binlog/samples_test.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/xalloc.h"
#include "common/binlog/sample_decode.h"
#include "common/binlog/samples_test.h"
#include "units/load/scan.h"

struct fixture {
	struct rules *rules;
	struct scan *s;
	struct err e;
};

static void feed_hex(struct fixture *f, const char *hex)
{
	size_t n;
	char *p = sample_bytes(hex, &n);

	assert_int_equal(scan_event(f->s, (struct str){p, n}, &f->e), 0);
	free(p);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	json_t *o = json_pack("{s:[s, s]}", "do_dbs", "s", "d");

	f->rules = rules_new(o, "dm_meta", &f->e);
	json_decref(o);
	assert_non_null(f->rules);
	f->s = scan_new(f->rules);
	feed_hex(f, mysql_format);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scan_free(&f->s);
	rules_free(&f->rules);
	free(f);
	return 0;
}

/* In that default database, of one letter. */
static void statement_in(struct fixture *f, char schema, const char *sql)
{
	struct buf b = {0};

	buf_put_u32(&b, 1700000000);
	buf_put_u8(&b, BINLOG_QUERY);
	buf_put_u32(&b, 1);
	buf_put_u32(&b, (uint32_t)(19 + 13 + 2 + strlen(sql) + 4));
	buf_put_u32(&b, 0);
	buf_put_u16(&b, 0);
	buf_put_u32(&b, 5);
	buf_put_u32(&b, 0);
	buf_put_u8(&b, 1);
	buf_put_u16(&b, 0);
	buf_put_u16(&b, 0);
	buf_putc(&b, schema);
	buf_putc(&b, '\0');
	buf_puts(&b, sql);
	buf_put_u32(&b, 0);
	assert_int_equal(scan_event(f->s, buf_str(&b), &f->e), 0);
	buf_free(&b);
}

static void statement(struct fixture *f, const char *sql)
{
	statement_in(f, 'd', sql);
}

static bool named(const struct fixture *f, const char *table)
{
	return scan_ddl(f->s, "d", table);
}

static void each_name_counts(void **state)
{
	struct fixture *f = *state;

	statement(f, "ALTER TABLE altered ADD COLUMN x int");
	statement(f, "RENAME TABLE a TO tmp, b TO a, tmp TO b");
	statement(f, "DROP TABLE IF EXISTS gone, `s`.gone2");
	statement(f, "CREATE TABLE made LIKE model");
	statement(f, "TRUNCATE emptied");
	statement(f, "CREATE INDEX k ON indexed (v)");
	statement(f, "ALTER TABLE Folded ENGINE=InnoDB");
	for (size_t i = 0; i < 9; i++)
		assert_true(named(f, ((const char *const[]){"altered", "a", "b", "tmp", "gone", "made",
					     "model", "emptied", "indexed"})[i]));
	assert_true(scan_ddl(f->s, "s", "gone2"));
	assert_true(named(f, "folded"));
	assert_false(named(f, "gone2"));
	assert_false(named(f, "other"));
	assert_null(scan_all(f->s));
}

static void what_changes_no_table_does_not(void **state)
{
	static const char *const texts[] = {"BEGIN", "COMMIT", "SAVEPOINT x", "CREATE VIEW v AS SELECT 1",
		"CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW SET @a=1", "ANALYZE TABLE x",
		"FLUSH TABLES", "GRANT SELECT ON *.* TO u", "DROP /*!40005 TEMPORARY */ TABLE IF EXISTS `x`"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		statement(f, texts[i]);
	statement_in(f, 'o', "INSERT INTO t VALUES (1)");
	statement_in(f, 'o', "DROP DATABASE o");
	assert_null(scan_all(f->s));
	assert_false(named(f, "x"));
}

static void against_everything(struct fixture *f, const char *sql)
{
	scan_free(&f->s);
	f->s = scan_new(f->rules);
	feed_hex(f, mysql_format);
	assert_null(scan_all(f->s));
	statement(f, sql);
	assert_non_null(scan_all(f->s));
}

static void what_can_t_be_told_is_against_everything(void **state)
{
	struct fixture *f = *state;

	against_everything(f, "ALTER DATABASE d CHARACTER SET latin1");
	against_everything(f, "DROP DATABASE s");
	against_everything(f, "CREATE DATABASE s");
	against_everything(f, "INSERT INTO t VALUES (1)");
	against_everything(f, "UPDATE o.t SET a=1");
	against_everything(f, "FROBNICATE TABLE t");
	against_everything(f, "ALTER TABLE");
}

static void whole_images_are_no_matter(void **state)
{
	struct structure *t = sample_structure(false);
	struct fixture *f = *state;

	feed_hex(f, mysql_table_map);
	feed_hex(f, mysql_insert);
	feed_hex(f, mysql_update);
	feed_hex(f, mysql_delete);
	feed_hex(f, mysql_xid);
	feed_hex(f, mysql_payload);
	assert_false(scan_partial(f->s, t));
	assert_null(scan_all(f->s));
	structure_free(&t);
}

static void minimal_images_are_seen(void **state)
{
	struct structure *t = sample_structure(false);
	struct fixture *f = *state;

	feed_hex(f, mysql_table_map);
	feed_hex(f, mysql_minimal_update);
	assert_true(scan_partial(f->s, t));
	/* Not where all that is missing is computed from the rest. */
	for (unsigned i = 0; i < t->ncolumns; i++)
		t->columns[i].generated = true;
	assert_false(scan_partial(f->s, t));
	structure_free(&t);
}

static void of_mariadb_too(void **state)
{
	struct structure *t = sample_structure(true);
	struct fixture *f = *state;

	feed_hex(f, maria_format);
	feed_hex(f, maria_table_map);
	feed_hex(f, maria_insert);
	feed_hex(f, maria_update);
	feed_hex(f, maria_delete);
	feed_hex(f, maria_insert_compressed);
	assert_false(scan_partial(f->s, t));
	assert_null(scan_all(f->s));
	structure_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_name_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(what_changes_no_table_does_not, setup, teardown),
		cmocka_unit_test_setup_teardown(what_can_t_be_told_is_against_everything, setup, teardown),
		cmocka_unit_test_setup_teardown(whole_images_are_no_matter, setup, teardown),
		cmocka_unit_test_setup_teardown(minimal_images_are_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(of_mariadb_too, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
