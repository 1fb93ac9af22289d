/* Statements out of rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/xalloc.h"
#include "units/sync/statement.h"

/* A table (id int primary key, v varchar(10), n int) with rows made by hand. */
struct fixture {
	struct table t;
	struct key key;
	struct column columns[3];
	struct structure s;
	int target[3];
	unsigned key_columns[1];
};

static void make(struct fixture *f, bool keyed)
{
	static const char *const names[] = {"id", "v", "n"};

	memset(f, 0, sizeof(*f));
	for (int i = 0; i < 3; i++) {
		f->columns[i] = (struct column){.name = (char *)names[i],
			.type = (char *)(i == 1 ? "varchar(10)" : "int"),
			.kind = i == 1 ? COLUMN_BINARY : COLUMN_INT,
			.charset = (char *)"",
			.collation = (char *)""};
		f->target[i] = i;
	}
	f->key = (struct key){.columns = f->key_columns, .ncolumns = 1, .primary = true};
	f->s = (struct structure){.columns = f->columns, .ncolumns = 3};
	f->t = (struct table){.head = (char *)"`d`.`t`",
		.up = &f->s,
		.down = &f->s,
		.target = f->target,
		.key = keyed ? &f->key : NULL,
		.wanted = true};
}

static void row(struct binlog_value v[3], const char *id)
{
	v[0] = (struct binlog_value){.present = true, .type = WIRE_LONG, .raw = {id, 4}};
	v[1] = (struct binlog_value){.present = true, .null = true, .type = WIRE_VARCHAR, .meta = 10};
	v[2] = (struct binlog_value){.present = true, .type = WIRE_LONG, .raw = {id, 4}};
}

static void neighbours_share_a_statement(void **state)
{
	struct binlog_value a[3], b[3];
	struct fixture f;
	struct packet p;
	struct err e;

	(void)state;
	make(&f, true);
	row(a, "\1\0\0\0");
	row(b, "\2\0\0\0");
	packet_init(&p, 1 << 20);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_INSERT, NULL, a, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_INSERT, NULL, b, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, a, NULL, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, b, NULL, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, b, &e), 0);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql),
		"INSERT INTO `d`.`t` (`id`,`v`,`n`) VALUES (1,NULL,1),(2,NULL,2);"
		"DELETE FROM `d`.`t` WHERE `id` IN (1,2);"
		"UPDATE `d`.`t` SET `id`=2,`v`=NULL,`n`=2 WHERE `id`=1");
	assert_int_equal(p.n, 3);
	assert_int_equal(p.list[0].rows, 2);
	assert_int_equal(p.list[1].rows, 2);
	assert_int_equal(p.list[2].rows, 1);
	packet_fini(&p);
}

/* Many changed rows in one statement, whose count tells whether all were there; what it can't tell is an
 * UPDATE.
 */
static void changed_rows_are_upserted(void **state)
{
	struct binlog_value a[3], b[3], c[3], same[3];
	struct fixture f;
	struct packet p;
	struct err e;

	(void)state;
	make(&f, true);
	f.t.order = TABLE_FOLDED;
	f.t.upsert = true;
	row(a, "\1\0\0\0");
	row(b, "\2\0\0\0");
	row(c, "\2\0\0\0");
	row(same, "\1\0\0\0");
	same[2].raw.p = "\7\0\0\0";
	c[2].raw.p = "\11\0\0\0";
	packet_init(&p, 1 << 20);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, same, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, b, c, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_INSERT, NULL, b, &e), 0);
	f.t.row_alias = true;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, same, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, a, &e), 0); /* counts nothing */
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, b, &e), 0); /* another key */
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql),
		"INSERT INTO `d`.`t` (`id`,`v`,`n`) VALUES (1,NULL,7),(2,NULL,9) ON DUPLICATE KEY UPDATE "
		"`v`=VALUES(`v`),`n`=VALUES(`n`);"
		"INSERT INTO `d`.`t` (`id`,`v`,`n`) VALUES (2,NULL,2);"
		"INSERT INTO `d`.`t` (`id`,`v`,`n`) VALUES (1,NULL,7) AS tg_new ON DUPLICATE KEY UPDATE "
		"`v`=tg_new.`v`,`n`=tg_new.`n`;"
		"UPDATE `d`.`t` SET `id`=1,`v`=NULL,`n`=1 WHERE `id`=1;"
		"UPDATE `d`.`t` SET `id`=2,`v`=NULL,`n`=2 WHERE `id`=1");
	assert_int_equal(p.n, 5);
	assert_true(statement_fits(&p.list[0], 4, 4));
	assert_false(statement_fits(&p.list[0], 3, 3)); /* one was not there */
	assert_false(statement_fits(&p.list[0], 2, 2)); /* neither was, or one was so already */
	assert_false(statement_fits(&p.list[1], 2, 2));
	assert_true(statement_fits(&p.list[3], 0, 1));
	assert_false(statement_fits(&p.list[3], 1, 0));
	packet_clear(&p);
	p.single = true;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, same, &e), 0);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql), "UPDATE `d`.`t` SET `id`=1,`v`=NULL,`n`=7 WHERE `id`=1");
	packet_clear(&p);
	p.single = false;
	f.t.order = TABLE_TIED;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, same, &e), 0);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql), "UPDATE `d`.`t` SET `id`=1,`v`=NULL,`n`=7 WHERE `id`=1");
	packet_fini(&p);
}

static void rows_without_a_key_are_found_by_all_columns(void **state)
{
	struct binlog_value a[3];
	struct fixture f;
	struct packet p;
	struct err e;

	(void)state;
	make(&f, false);
	row(a, "\1\0\0\0");
	packet_init(&p, 1 << 20);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, a, NULL, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, a, NULL, &e), 0);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql),
		"DELETE FROM `d`.`t` WHERE `id`=1 AND `v` IS NULL AND `n`=1 LIMIT 1;"
		"DELETE FROM `d`.`t` WHERE `id`=1 AND `v` IS NULL AND `n`=1 LIMIT 1");
	a[2].present = false;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, a, NULL, &e), -1);
	assert_int_equal(e.code, ERR_sync_columns);
	packet_fini(&p);
}

/* Of another charset downstream, and a VECTOR: compared as the same bytes. */
static void bytes_are_compared_whatever_the_column(void **state)
{
	struct column down[3];
	struct binlog_value a[3];
	struct structure there;
	struct fixture f;
	struct packet p;
	struct err e;

	(void)state;
	make(&f, false);
	memcpy(down, f.columns, sizeof(down));
	there = (struct structure){.columns = down, .ncolumns = 3};
	f.t.down = &there;
	row(a, "\1\0\0\0");
	a[1] = (struct binlog_value){.present = true, .type = WIRE_VARCHAR, .meta = 10, .raw = {"\xe4", 1}};
	f.columns[1].kind = down[1].kind = COLUMN_TEXT;
	f.columns[1].charset = (char *)"latin1";
	down[1].charset = (char *)"utf8mb4";
	packet_init(&p, 1 << 20);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, a, NULL, &e), 0);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql),
		"DELETE FROM `d`.`t` WHERE `id`=1 AND CAST(`v` AS BINARY)=CAST(CONVERT(_latin1'\xe4' USING "
		"utf8mb4) AS BINARY) AND `n`=1 LIMIT 1");
	packet_clear(&p);
	f.columns[1].kind = down[1].kind = COLUMN_VECTOR;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, a, NULL, &e), 0);
	packet_end(&p);
	assert_non_null(strstr(buf_cstr(&p.sql), "HEX(`v`)=HEX("));
	packet_fini(&p);
}

/* Nothing of a minimal image is written downstream (generated there): still one statement, and its row
 * counts. */
static void an_update_of_nothing_is_still_sql(void **state)
{
	struct binlog_value a[3], b[3];
	struct fixture f;
	struct packet p;
	struct err e;

	(void)state;
	make(&f, true);
	row(a, "\1\0\0\0");
	row(b, "\1\0\0\0");
	f.target[2] = -1;
	b[0].present = b[1].present = false;
	packet_init(&p, 1 << 20);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, b, &e), 0);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql), "UPDATE `d`.`t` SET `id`=`id` WHERE `id`=1");
	packet_fini(&p);
}

/* What may be there already: one key, several, none; and any count is right. */
static void safe_mode_writes_twice(void **state)
{
	struct binlog_value a[3], b[3], part[3];
	struct fixture f;
	struct packet p;
	struct err e;

	(void)state;
	make(&f, true);
	row(a, "\1\0\0\0");
	row(b, "\2\0\0\0");
	row(part, "\1\0\0\0");
	part[1].present = false;
	packet_init(&p, 1 << 20);
	p.safe = SAFE_MUST;
	f.t.safe = TABLE_SAFE_UPSERT;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_INSERT, NULL, a, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, b, b, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_INSERT, NULL, part, &e), 0);
	packet_end(&p);
	f.t.safe = TABLE_SAFE_REPLACE;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, b, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, b, NULL, &e), 0);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql),
		"INSERT INTO `d`.`t` (`id`,`v`,`n`) VALUES (1,NULL,1),(2,NULL,2) ON DUPLICATE KEY UPDATE "
		"`id`=VALUES(`id`),`v`=VALUES(`v`),`n`=VALUES(`n`);"
		"INSERT INTO `d`.`t` (`id`,`n`) VALUES (1,1) ON DUPLICATE KEY UPDATE "
		"`id`=VALUES(`id`),`n`=VALUES(`n`);"
		"DELETE FROM `d`.`t` WHERE `id` IN (1);"
		"REPLACE INTO `d`.`t` (`id`,`v`,`n`) VALUES (2,NULL,2);"
		"DELETE FROM `d`.`t` WHERE `id` IN (2)");
	for (unsigned i = 0; i < p.n; i++)
		assert_true(statement_fits(&p.list[i], 0, 0) && statement_fits(&p.list[i], 9, 9));
	packet_clear(&p);
	/* An image that is not whole could not make a row that is not there. */
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, part, &e), -1);
	assert_int_equal(e.code, ERR_sync_safe_mode);
	f.t.safe = TABLE_SAFE_NOT;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_INSERT, NULL, a, &e), -1);
	p.safe = SAFE_WHERE_IT_CAN;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_INSERT, NULL, a, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_DELETE, a, NULL, &e), 0);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql), "INSERT INTO `d`.`t` (`id`,`v`,`n`) VALUES (1,NULL,1);"
					      "DELETE FROM `d`.`t` WHERE `id` IN (1)");
	assert_false(statement_fits(&p.list[0], 0, 0));
	packet_fini(&p);
}

/* ENUM's invalid value has a statement of its own, whole all the same. */
static void safe_mode_of_a_lax_row(void **state)
{
	struct binlog_value a[3];
	struct fixture f;
	struct packet p;
	struct err e;

	(void)state;
	make(&f, true);
	row(a, "\1\0\0\0");
	a[2] = (struct binlog_value){.present = true, .type = WIRE_ENUM, .raw = {"\0", 1}};
	f.columns[2].kind = COLUMN_ENUM;
	f.t.has_enum = true;
	f.t.safe = TABLE_SAFE_UPSERT;
	packet_init(&p, 1 << 20);
	p.safe = SAFE_MUST;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_INSERT, NULL, a, &e), 0);
	assert_true(packet_full(&p)); /* its warnings are of the packet's last statement */
	assert_int_equal(p.list[0].invalid, 1);
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql),
		"SET STATEMENT sql_mode='" STATEMENT_LAX_MODE "' FOR INSERT INTO `d`.`t` (`id`,`v`,`n`) "
		"VALUES (1,NULL,0) ON DUPLICATE KEY UPDATE "
		"`id`=VALUES(`id`),`v`=VALUES(`v`),`n`=VALUES(`n`)");
	packet_fini(&p);
}

/* Updates that keep the unique keys share a statement, each row once. */
static void updates_are_joined(void **state)
{
	struct binlog_value a[3], b[3], a2[3], b2[3];
	struct fixture f;
	struct packet p;
	struct err e;

	(void)state;
	make(&f, true);
	f.t.order = TABLE_ALONE;
	f.t.join = true;
	f.s.keys = &f.key;
	f.s.nkeys = 1;
	f.key.unique = f.key.whole = true;
	row(a, "\1\0\0\0");
	row(b, "\2\0\0\0");
	row(a2, "\1\0\0\0");
	row(b2, "\2\0\0\0");
	a2[2].raw.p = "\7\0\0\0";
	b2[2].raw.p = "\11\0\0\0";
	packet_init(&p, 1 << 20);
	p.join = true;
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, a2, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, b, b2, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a2, a, &e), 0); /* again: another statement */
	b2[1].present = false;                                               /* other columns: too */
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, b, b2, &e), 0);
	assert_int_equal(packet_add(&p, &f.t, BINLOG_UPDATE, a, b, &e), 0); /* the key moves */
	packet_end(&p);
	assert_string_equal(buf_cstr(&p.sql),
		"UPDATE (VALUES ROW(1,NULL,7),ROW(2,NULL,9)) AS tg_v(k0,v0,v1) STRAIGHT_JOIN `d`.`t` AS tg_t "
		"ON tg_t.`id`=tg_v.k0 SET tg_t.`v`=tg_v.v0,tg_t.`n`=tg_v.v1;"
		"UPDATE (VALUES ROW(1,NULL,1)) AS tg_v(k0,v0,v1) STRAIGHT_JOIN `d`.`t` AS tg_t "
		"ON tg_t.`id`=tg_v.k0 SET tg_t.`v`=tg_v.v0,tg_t.`n`=tg_v.v1;"
		"UPDATE (VALUES ROW(2,9)) AS tg_v(k0,v0) STRAIGHT_JOIN `d`.`t` AS tg_t "
		"ON tg_t.`id`=tg_v.k0 SET tg_t.`n`=tg_v.v0;"
		"UPDATE `d`.`t` SET `id`=2,`v`=NULL,`n`=2 WHERE `id`=1");
	assert_int_equal(p.n, 4);
	assert_int_equal(p.list[0].rows, 2);
	assert_false(p.list[0].upsert);
	packet_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_compared_whatever_the_column),
		cmocka_unit_test(an_update_of_nothing_is_still_sql),
		cmocka_unit_test(neighbours_share_a_statement),
		cmocka_unit_test(changed_rows_are_upserted),
		cmocka_unit_test(updates_are_joined),
		cmocka_unit_test(safe_mode_writes_twice),
		cmocka_unit_test(safe_mode_of_a_lax_row),
		cmocka_unit_test(rows_without_a_key_are_found_by_all_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
