/* ALTER TABLE taken apart: each part's event, the text without some, and what a change makes of a column. */
#include "common/sql/alter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct server maria = {.flavor = FLAVOR_MARIADB, .version = 101100};

static void read(const char *text, struct alter *a)
{
	static struct sql_ddl ddl;
	struct err e = {0};

	if (sql_ddl_read(str_of(text), &maria, 0, &ddl, &e) < 0 ||
		alter_read(str_of(text), &maria, 0, &ddl, a, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	assert_int_equal(ddl.verb, SQL_VERB_ALTER_TABLE);
}

/* Each as the only part. */
static const struct {
	const char *part;
	enum event_id id, wide;
	bool shapes;
} parts[] = {
	{"ADD c int", EVENT_add_column, EVENT_alter_table, true},
	{"ADD COLUMN IF NOT EXISTS (c int, d varchar(3) DEFAULT 'a,b')", EVENT_add_column, EVENT_alter_table,
		true},
	{"ADD `primary` int", EVENT_add_column, EVENT_alter_table, true},
	{"ADD PRIMARY KEY (a, b)", EVENT_add_primary_key, EVENT_modify_constraint, true},
	{"ADD CONSTRAINT p PRIMARY KEY (a)", EVENT_add_primary_key, EVENT_modify_constraint, true},
	{"ADD CONSTRAINT FOREIGN KEY (a) REFERENCES t2 (a)", EVENT_add_foreign_key, EVENT_modify_constraint,
		false},
	{"ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES t2 (a)", EVENT_add_foreign_key, EVENT_modify_constraint,
		false},
	{"ADD CONSTRAINT c CHECK (a > 1)", EVENT_modify_constraint, EVENT_modify_constraint, false},
	{"ADD UNIQUE (a)", EVENT_modify_constraint, EVENT_modify_constraint, true},
	{"ADD FULLTEXT KEY (a)", EVENT_modify_constraint, EVENT_modify_constraint, true},
	{"ADD INDEX IF NOT EXISTS i (a)", EVENT_modify_constraint, EVENT_modify_constraint, true},
	{"ADD PARTITION (PARTITION p VALUES LESS THAN (3), PARTITION q VALUES LESS THAN (4))",
		EVENT_add_table_partition, EVENT_alter_table, false},
	{"ADD SYSTEM VERSIONING", EVENT_alter_table, EVENT_alter_table, true},
	{"DROP c", EVENT_drop_column, EVENT_drop_column, true},
	{"DROP COLUMN IF EXISTS c", EVENT_drop_column, EVENT_drop_column, true},
	{"DROP PRIMARY KEY", EVENT_drop_primary_key, EVENT_drop_primary_key, true},
	{"DROP KEY i", EVENT_drop_index, EVENT_drop_index, true},
	{"DROP FOREIGN KEY f", EVENT_drop_foreign_key, EVENT_alter_table, false},
	{"DROP CONSTRAINT c", EVENT_modify_constraint, EVENT_alter_table, true},
	{"DROP PARTITION p, q", EVENT_drop_table_partition, EVENT_drop_table_partition, false},
	{"DROP PARTITION IF EXISTS `p`, \"engine\"", EVENT_drop_table_partition, EVENT_drop_table_partition,
		false},
	{"TRUNCATE PARTITION p, `q`, comment", EVENT_truncate_table_partition, EVENT_truncate_table_partition,
		false},
	{"REORGANIZE PARTITION p, q INTO (PARTITION r VALUES IN (3, 4), PARTITION s VALUES IN (5))",
		EVENT_reorganize_table_partition, EVENT_reorganize_table_partition, false},
	{"REBUILD PARTITION NO_WRITE_TO_BINLOG p, q", EVENT_rebuild_table_partition,
		EVENT_rebuild_table_partition, false},
	{"ANALYZE PARTITION p, engine", EVENT_alter_table, EVENT_alter_table, false},
	{"CHECK PARTITION p, q QUICK", EVENT_alter_table, EVENT_alter_table, false},
	{"OPTIMIZE PARTITION `p`, `q`", EVENT_alter_table, EVENT_alter_table, false},
	{"REPAIR PARTITION p, q", EVENT_alter_table, EVENT_alter_table, false},
	{"DISCARD PARTITION p, q TABLESPACE", EVENT_alter_table, EVENT_alter_table, false},
	{"IMPORT PARTITION p, q TABLESPACE", EVENT_alter_table, EVENT_alter_table, false},
	{"ORDER BY a, `b` DESC, t.comment", EVENT_alter_table, EVENT_alter_table, false},
	{"RENAME COLUMN a TO b", EVENT_rename_column, EVENT_rename_column, true},
	{"RENAME INDEX a TO b", EVENT_rename_index, EVENT_rename_index, true},
	{"RENAME TO b", EVENT_rename_table, EVENT_rename_table, false},
	{"RENAME b", EVENT_rename_table, EVENT_rename_table, false},
	{"ALTER a SET DEFAULT 3", EVENT_set_default_value, EVENT_modify_default_value, true},
	{"ALTER COLUMN a DROP DEFAULT", EVENT_set_default_value, EVENT_modify_default_value, true},
	{"ALTER INDEX i IGNORED", EVENT_alter_index_visibility, EVENT_alter_table, false},
	{"CONVERT TO CHARACTER SET utf8mb4", EVENT_modify_table_charset_and_collate, EVENT_modify_charset,
		true},
	{"DEFAULT CHARACTER SET = latin1", EVENT_modify_table_charset_and_collate, EVENT_modify_charset,
		true},
	{"COLLATE utf8mb4_bin", EVENT_modify_table_charset_and_collate, EVENT_modify_collation, true},
	{"ENGINE=InnoDB COMMENT='x'", EVENT_modify_storage_engine, EVENT_modify_storage_engine, false},
	{"COMMENT 'engine'", EVENT_modify_table_comment, EVENT_alter_table, false},
	{"AUTO_INCREMENT=7", EVENT_rebase_auto_id, EVENT_alter_table, false},
	{"ROW_FORMAT=DYNAMIC", EVENT_alter_table, EVENT_alter_table, false},
	{"TRUNCATE PARTITION p", EVENT_truncate_table_partition, EVENT_truncate_table_partition, false},
	{"REORGANIZE PARTITION p INTO (PARTITION q VALUES LESS THAN (3))", EVENT_reorganize_table_partition,
		EVENT_reorganize_table_partition, false},
	{"REBUILD PARTITION ALL", EVENT_rebuild_table_partition, EVENT_rebuild_table_partition, false},
	{"COALESCE PARTITION 2", EVENT_coalesce_table_partition, EVENT_coalesce_table_partition, false},
	{"EXCHANGE PARTITION p WITH TABLE u", EVENT_exchange_table_partition, EVENT_exchange_table_partition,
		false},
	{"PARTITION BY HASH (a) PARTITIONS 4", EVENT_alter_table_partitioning, EVENT_alter_table, false},
	{"REMOVE PARTITIONING", EVENT_remove_table_partitioning, EVENT_alter_table, false},
};

static void each_part(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char text[300];
		struct alter a;

		snprintf(text, sizeof(text), "ALTER TABLE `d`.`t` WAIT 3 %s", parts[i].part);
		read(text, &a);
		if (a.parts[0].event.id != parts[i].id || a.parts[0].event.wide != parts[i].wide ||
			a.parts[0].shapes != parts[i].shapes)
			fail_msg("%s: %s, %s, %d", text, event_name(a.parts[0].event.id),
				event_name(a.parts[0].event.wide), a.parts[0].shapes);
		assert_false(a.parts[0].neutral);
		assert_int_equal(a.n, 1);
		alter_fini(&a);
	}
}

static void cut(const char *text, const char *kept, const char *wanted)
{
	bool keep[8] = {0};
	struct buf out = {0};
	struct alter a;

	read(text, &a);
	assert_int_equal(a.n, strlen(kept));
	for (unsigned i = 0; i < a.n; i++)
		keep[i] = kept[i] == '1';
	alter_put(str_of(text), &a, keep, &out);
	assert_string_equal(buf_cstr(&out), wanted);
	assert_false(a.whole);
	buf_free(&out);
	alter_fini(&a);
}

static void unread(const char *text)
{
	static struct sql_ddl ddl;
	struct alter a;
	struct err e = {0};

	assert_int_equal(sql_ddl_read(str_of(text), &maria, 0, &ddl, &e), 0);
	assert_int_equal(alter_read(str_of(text), &maria, 0, &ddl, &a, &e), -1);
	assert_int_equal(e.code, ERR_sql_parse);
	alter_fini(&a);
}

static void cuts(void **state)
{
	struct alter a;

	(void)state;
	cut("alter table t add a int, drop b, ALGORITHM=COPY", "100",
		"alter table t  add a int, ALGORITHM=COPY");
	cut("alter table t add (a int, b decimal(1,2)), drop c , modify d enum('a,b','c')", "101",
		"alter table t  add (a int, b decimal(1,2)), modify d enum('a,b','c')");
	cut("alter table t add a int comment 'drop, b', drop b /* ,c */ PARTITION BY HASH(a)", "011",
		"alter table t  drop b PARTITION BY HASH(a)");
	cut("alter table t drop b, add a int PARTITION BY HASH(a)", "100", "alter table t  drop b");
	cut("alter table t drop b, order by a, `c` PARTITION BY HASH(a)", "011",
		"alter table t  order by a, `c` PARTITION BY HASH(a)");
	cut("alter table t drop b, add a int REMOVE PARTITIONING", "101",
		"alter table t  drop b REMOVE PARTITIONING");
	cut("alter table t drop b, change remove partitioning int", "01",
		"alter table t  change remove partitioning int");
	cut("alter table t ALGORITHM=COPY, drop partition `p`, q;", "01",
		"alter table t  ALGORITHM=COPY, drop partition `p`, q");
	read("ALTER TABLE t ADD a int /*!50100 PARTITION BY HASH(a) */", &a);
	assert_true(a.whole);
	alter_fini(&a);
	unread("ALTER TABLE `d`,.t DROP a");
	unread("ALTER TABLE t ADD a int,, DROP b");
	read("ALTER TABLE t ADD a int, DROP b", &a);
	assert_true(a.parts[0].event.multi && a.parts[1].event.multi);
	alter_fini(&a);
}

static const struct {
	const char *was, *now;
	enum event_id id;
} types[] = {
	{"int(11)", "bigint(20)", EVENT_alter_table},
	{"bigint", "int", EVENT_value_range_decrease},
	{"int(11)", "int(10) unsigned", EVENT_precision_decrease},
	{"int", "bigint unsigned", EVENT_value_range_decrease},
	{"decimal(10,2)", "decimal(10,1)", EVENT_precision_decrease},
	{"decimal(10,2)", "decimal(12,2)", EVENT_precision_decrease}, /* as DM */
	{"varchar(20)", "varchar(10)", EVENT_value_range_decrease},
	{"varchar(20)", "varchar(30)", EVENT_alter_table},
	{"char(20)", "char(10)", EVENT_value_range_decrease},
	{"char(10)", "char(20)", EVENT_alter_table},
	{"char(10)", "varchar(20)", EVENT_modify_column},
	{"binary(4)", "binary(5)", EVENT_precision_decrease},
	{"text", "varchar(10)", EVENT_modify_column},
	{"varchar(10)", "text", EVENT_alter_table},
	{"longtext", "text", EVENT_modify_column},
	{"enum('a','b')", "enum('a','b','c')", EVENT_alter_table},
	{"enum('a','b')", "enum('a','c')", EVENT_value_range_decrease},
	{"enum('a','b')", "enum('b','a')", EVENT_value_range_decrease},
	{"set('a','b')", "set('a')", EVENT_value_range_decrease},
	{"datetime(6)", "datetime", EVENT_value_range_decrease},
	{"datetime", "datetime(3)", EVENT_alter_table},
	{"int", "varchar(10)", EVENT_modify_column},
	{"datetime", "timestamp", EVENT_modify_column},
	{"double", "float", EVENT_modify_column},
};

static struct column column(const char *name, const char *type)
{
	return (struct column){.name = (char *)(uintptr_t)name,
		.type = (char *)(uintptr_t)type,
		.is_unsigned = strstr(type, "unsigned") != NULL};
}

static void changes(void **state)
{
	struct alter_part p = {.event = {EVENT_alter_table, EVENT_alter_table, false}, .changes = true};
	struct column was, now;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct event ev;

		was = column("c", types[i].was);
		now = column("c", types[i].now);
		ev = alter_event_of_change(&p, &was, &now, false);
		if (ev.id != types[i].id)
			fail_msg("%s to %s: %s", types[i].was, types[i].now, event_name(ev.id));
		if (strcmp(types[i].was, "char(20)") == 0)
			assert_int_equal(ev.wide, EVENT_alter_table);
		else
			assert_int_equal(ev.wide, ev.id);
	}
}

static void changes_beside_the_type(void **state)
{
	struct alter_part p = {.event = {EVENT_alter_table, EVENT_alter_table, false}, .changes = true};
	struct column was = column("a", "varchar(9)"), now = column("A", "varchar(9)");

	(void)state;
	assert_int_equal(alter_event_of_change(&p, &was, &now, false).id, EVENT_alter_table);
	now.name = (char *)(uintptr_t) "b";
	assert_int_equal(alter_event_of_change(&p, &was, &now, false).id, EVENT_rename_column);
	p.moves = true;
	assert_int_equal(alter_event_of_change(&p, &was, &now, false).id, EVENT_modify_columns_order);
	was.collation = (char *)(uintptr_t) "utf8mb4_bin";
	assert_int_equal(alter_event_of_change(&p, &was, &now, false).id, EVENT_modify_collation);
	now.charset = (char *)(uintptr_t) "latin1";
	assert_int_equal(alter_event_of_change(&p, &was, &now, false).id, EVENT_modify_charset);
	assert_int_equal(alter_event_of_change(&p, &was, &now, true).id, EVENT_modify_default_value);
	was.auto_increment = true;
	assert_int_equal(alter_event_of_change(&p, &was, &now, true).id, EVENT_remove_auto_increment);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_part),
		cmocka_unit_test(cuts),
		cmocka_unit_test(changes),
		cmocka_unit_test(changes_beside_the_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
