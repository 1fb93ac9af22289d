/*
 * Makes Tidegate's tables in the downstream's meta schema (docs/design/meta.md). Called at the start of each
 * unit that writes there; two at once do no harm. The version's row is written last: where it is, everything
 * is.
 */
#include <stdlib.h>

#include "common/db/meta_internal.h"

enum { VERSION = 10, DUPLICATE_COLUMN = 1060 };

#define OWNER "`task` varchar(255) NOT NULL, `source` varchar(255) NOT NULL, "
#define NOW6 "timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)"
#define NUMBER "bigint unsigned NOT NULL DEFAULT 0"
/* Since version 8: which file the position is in, whatever its name. */
#define SLOT_HEAD "`head` varchar(16) NOT NULL DEFAULT ''"
/* Since version 6: where in its table a chunk lies. */
#define CHUNK_PLACE                                                                                      \
	"`table_schema` varchar(64) NOT NULL DEFAULT '', `table_name` varchar(64) NOT NULL DEFAULT '', " \
	"`stretch` int unsigned NOT NULL DEFAULT 0, `seq` int unsigned NOT NULL DEFAULT 0, "             \
	"`ends` tinyint NOT NULL DEFAULT 0, `lo` longtext, `hi` longtext"

/* Since version 10: where a table stands downstream; "": under its own name, or it is a database's record. */
#define STRUCTURE_TARGET                                    \
	"`target_schema` varchar(64) NOT NULL DEFAULT '', " \
	"`target_table` varchar(64) NOT NULL DEFAULT ''"

static const struct {
	const char *name, *columns;
} tables[] = {
	{"tidegate_version", "`id` int NOT NULL PRIMARY KEY, `version` int NOT NULL"},
	{"tidegate_slot", OWNER
		"`slot` int unsigned NOT NULL, `epoch` " NUMBER ", `version` " NUMBER ", "
		"`position` varchar(64) NOT NULL, `base` varchar(255) NOT NULL, `gtid` longtext NOT NULL, "
		"`applied` longtext, " SLOT_HEAD ", `updated` " NOW6
		", PRIMARY KEY (`task`,`source`,`slot`)"},
	{"tidegate_connection", OWNER "`connection` " NUMBER ", `epoch` " NUMBER
				      ", `account` varchar(255) NOT NULL, `since` " NOW6
				      ", PRIMARY KEY (`task`,`source`,`connection`)"},
	{"tidegate_plan",
		OWNER "`epoch` " NUMBER ", `copy_id` varchar(64) NOT NULL, `stage` varchar(16) NOT NULL, "
		      "`snapshot_file` varchar(255) NOT NULL, `snapshot_offset` " NUMBER
		      ", `snapshot_gtid` longtext NOT NULL, `plan` longtext NOT NULL, PRIMARY KEY "
		      "(`task`,`source`)"},
	{"tidegate_chunk",
		OWNER "`copy_id` varchar(64) NOT NULL, `number` " NUMBER ", `tbl` varchar(520) NOT NULL, "
		      "`row_count` " NUMBER ", `byte_count` " NUMBER ", `loaded` " NOW6 ", " CHUNK_PLACE
		      ", PRIMARY KEY (`task`,`source`,`copy_id`,`number`)"},
	{"tidegate_stretch",
		OWNER "`copy_id` varchar(64) NOT NULL, `table_schema` varchar(64) NOT NULL, "
		      "`table_name` varchar(64) NOT NULL, `stretch` int unsigned NOT NULL, "
		      "`lo` longtext NOT NULL, `hi` longtext NOT NULL, `partitions` longtext NOT NULL, "
		      "PRIMARY KEY (`task`,`source`,`copy_id`,`table_schema`,`table_name`,`stretch`)"},
	{"tidegate_ddl", OWNER
		"`position` varchar(64) NOT NULL, `epoch` " NUMBER ", `gtid` text NOT NULL, "
		"`stage` varchar(8) NOT NULL, `statement` longtext NOT NULL, `before_structure` longtext "
		"NOT NULL, `updated` " NOW6 ", PRIMARY KEY (`task`,`source`,`position`)"},
	{"tidegate_structure",
		OWNER "`table_schema` varchar(64) NOT NULL, `table_name` varchar(64) NOT NULL, "
		      "`position` varchar(64) NOT NULL, `structure` longtext NOT NULL, " STRUCTURE_TARGET
		      ", PRIMARY KEY (`task`,`source`,`table_schema`,`table_name`)"},
	{"tidegate_xa", OWNER "`xid` varbinary(140) NOT NULL, `position` varchar(64) NOT NULL, `state` "
			      "varchar(16) NOT NULL, "
			      "PRIMARY KEY (`task`,`source`,`xid`)"},
	{"tidegate_missing",
		OWNER "`slot` int unsigned NOT NULL, `table_schema` varchar(64) NOT NULL, "
		      "`table_name` varchar(64) NOT NULL, `row_count` " NUMBER ", "
		      "`last_position` varchar(64) NOT NULL, `last_key` varbinary(300) NOT NULL, "
		      "`updated` " NOW6 ", PRIMARY KEY (`task`,`source`,`slot`,`table_schema`,`table_name`)"},
	{"tidegate_file",
		OWNER "`copy_id` varchar(64) NOT NULL, `file` varbinary(255) NOT NULL, `tbl` varchar(520) "
		      "NOT NULL, "
		      "`position` " NUMBER ", `row_count` " NUMBER ", `done` tinyint NOT NULL DEFAULT 0, "
		      "`loaded` " NOW6 ", PRIMARY KEY (`task`,`source`,`file`)"},
	{"tidegate_takeover", OWNER
		"`until` varchar(64) NOT NULL, `until_gtid` longtext NOT NULL, `tables` longtext NOT NULL, "
		"PRIMARY KEY (`task`,`source`)"},
	{"tidegate_online", OWNER "`table_schema` varchar(64) NOT NULL, `table_name` varchar(64) NOT NULL, "
				  "`record` longtext NOT NULL, `updated` " NOW6
				  ", PRIMARY KEY (`task`,`source`,`table_schema`,`table_name`)"},
	{"tidegate_object",
		OWNER "`kind` varchar(16) NOT NULL, `object_schema` varchar(64) NOT NULL, "
		      "`object_name` varchar(64) NOT NULL, `state` varchar(255) NOT NULL, `updated` " NOW6
		      ", PRIMARY KEY (`task`,`source`,`kind`,`object_schema`,`object_name`)"},
};

/* 1: the version's row is there; 0: no schema, no table or no row. */
static int read_version(struct db *d, const char *schema, long *version, struct err *e)
{
	struct err mine = {0};
	struct buf sql = {0};
	char text[24];
	bool found;
	int r;

	buf_puts(&sql, "SELECT `version` FROM ");
	meta_put_table(&sql, schema, "tidegate_version");
	buf_puts(&sql, " WHERE `id`=1");
	r = db_value(d, buf_cstr(&sql), text, sizeof(text), &found, &mine);
	buf_free(&sql);
	if (r < 0 && mine.sql_errno != 1146 && mine.sql_errno != 1049) {
		if (e)
			*e = mine;
		return -1;
	}
	*version = found ? strtol(text, NULL, 10) : 0;
	return found ? 1 : 0;
}

/* Not with IF NOT EXISTS alone: that wants the right to make schemas, although it is there. */
static int make_schema(struct db *d, const char *schema, struct err *e)
{
	struct buf sql = {0};
	char text[8];
	bool found;
	int r;

	buf_puts(&sql, "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=");
	meta_put_text(&sql, schema);
	r = db_value(d, buf_cstr(&sql), text, sizeof(text), &found, e);
	if (r == 0 && !found) {
		buf_clear(&sql);
		buf_puts(&sql, "CREATE DATABASE IF NOT EXISTS ");
		sql_put_ident(&sql, str_of(schema));
		buf_puts(&sql, " DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
		r = db_exec(d, buf_str(&sql), e);
	}
	buf_free(&sql);
	return r;
}

static int make_tables(struct db *d, const char *schema, struct err *e)
{
	struct buf sql = {0};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < sizeof(tables) / sizeof(*tables); i++) {
		buf_clear(&sql);
		buf_puts(&sql, "CREATE TABLE IF NOT EXISTS ");
		meta_put_table(&sql, schema, tables[i].name);
		buf_putf(&sql, " (%s) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
			tables[i].columns);
		r = db_exec(d, buf_str(&sql), e);
	}
	if (r == 0) {
		buf_clear(&sql);
		buf_puts(&sql, "INSERT IGNORE INTO ");
		meta_put_table(&sql, schema, "tidegate_version");
		buf_putf(&sql, " (`id`,`version`) VALUES (1,%d)", VERSION);
		r = db_exec(d, buf_str(&sql), e);
	}
	buf_free(&sql);
	return r;
}

/* 1 -> 2: applied intervals; 5 -> 6: places of chunks; 7 -> 8: heads of files. */
static int add_columns(struct db *d, const char *schema, const char *table, const char *what, struct err *e)
{
	struct err mine = {0};
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "ALTER TABLE ");
	meta_put_table(&sql, schema, table);
	buf_putf(&sql, " ADD COLUMN %s", what);
	r = db_exec(d, buf_str(&sql), &mine);
	buf_free(&sql);
	if (r < 0 && mine.sql_errno == DUPLICATE_COLUMN)
		return 0;
	if (r < 0 && e)
		*e = mine;
	return r;
}

/* 2 -> 3: tidegate_missing; 3 -> 4: tidegate_takeover; 4 -> 5: tidegate_object; 5 -> 6: tidegate_stretch;
 * 6 -> 7: tidegate_file; 8 -> 9: tidegate_online. Another one may be doing the same; the version's row comes
 * last. */
static int migrate(struct db *d, const char *schema, long from, struct err *e)
{
	struct buf sql = {0};
	int r;

	if (from < 2 && add_columns(d, schema, "tidegate_slot", "`applied` longtext AFTER `gtid`", e) < 0)
		return -1;
	if (from < 6 && add_columns(d, schema, "tidegate_chunk", "(" CHUNK_PLACE ")", e) < 0)
		return -1;
	if (from < 8 && add_columns(d, schema, "tidegate_slot", SLOT_HEAD " AFTER `applied`", e) < 0)
		return -1;
	if (from < 10 && add_columns(d, schema, "tidegate_structure", "(" STRUCTURE_TARGET ")", e) < 0)
		return -1;
	if (make_tables(d, schema, e) < 0)
		return -1;
	buf_puts(&sql, "UPDATE ");
	meta_put_table(&sql, schema, "tidegate_version");
	buf_putf(&sql, " SET `version`=%d WHERE `id`=1 AND `version`=%ld", VERSION, from);
	r = db_exec(d, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

int meta_setup(struct db *d, const char *schema, struct err *e)
{
	long version = 0;
	int r = read_version(d, schema, &version, e);

	if (r == 0 && (make_schema(d, schema, e) < 0 || make_tables(d, schema, e) < 0))
		r = -1;
	if (r > 0 && version < VERSION && migrate(d, schema, version, e) < 0)
		r = -1;
	if (r < 0)
		return err_add(e, "making the tables in %s", schema);
	if (version > VERSION)
		return err_set(e, ERR_meta_newer,
			"%s: the tables in %s have version %ld, this Tidegate knows %d", d->where, schema,
			version, VERSION);
	return 0;
}

int meta_lock(struct db *d, const char *schema, struct err *e)
{
	struct buf sql = {0};
	char version[24];
	bool found;
	int r;

	buf_puts(&sql, "SELECT `version` FROM ");
	meta_put_table(&sql, schema, "tidegate_version");
	buf_puts(&sql, " WHERE `id`=1 FOR UPDATE");
	r = db_value(d, buf_cstr(&sql), version, sizeof(version), &found, e);
	buf_free(&sql);
	return r == 0 && !found ? err_set(e, ERR_internal, "%s.tidegate_version has no row", schema) : r;
}
