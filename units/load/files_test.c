/* Reading the files of dumps: statements, CSV, packed streams, metadata, and what a folder's names mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "common/base/io.h"
#include "units/load/member.h"
#include "units/load/metadata.h"
#include "units/load/objfile.h"

struct place {
	char path[64];
	int dir;
};

static int setup(void **state)
{
	static struct place p;

	snprintf(p.path, sizeof(p.path), "/tmp/tg-files-XXXXXX");
	assert_non_null(mkdtemp(p.path));
	p.dir = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	char command[96];

	close(p->dir);
	snprintf(command, sizeof(command), "rm -rf %s", p->path);
	return system(command);
}

static void put_bytes(const struct place *p, const char *name, const void *bytes, size_t n)
{
	int fd = openat(p->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct err e;

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, bytes, n, &e), 0);
	close(fd);
}

static void put(const struct place *p, const char *name, const char *text)
{
	put_bytes(p, name, text, strlen(text));
}

/* --- statements --- */

/* The next statement, what it is, and the line where it stands. */
static struct statement_about next(struct text *t, const char *want, uint64_t line)
{
	struct statement_about about = {0};
	struct statement s;
	struct err e = {0};
	int r = text_statement(t, &s, &e);

	if (!want) {
		assert_int_equal(r, 0);
		return about;
	}
	assert_string_equal(e.text, "");
	assert_int_equal(r, 1);
	assert_int_equal(t->line, line);
	assert_int_equal(s.text.n, strlen(want));
	assert_memory_equal(s.text.p, want, s.text.n);
	statement_look(&s, "app", "t", &about);
	text_use(t, s.text.n + 1);
	return about;
}

static void statements_end_outside_of_quotes(void **state)
{
	struct statement_about a;
	struct text t;
	struct err e = {0};

	put(*state, "a.sql",
		"/*!40101 SET NAMES binary*/;\n/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n\n"
		"/*!40103 SET TIME_ZONE='+00:00' */;\n"
		"INSERT INTO `t` VALUES\n(1,'a;\\'\n;b'),\n(2,\"x;\"\"y\"),(3,CONVERT(\"{(\" USING "
		"UTF8MB4));\n"
		"-- a comment; with a ' in it\n"
		"INSERT IGNORE INTO `app`.`t` (`a`,`b;`) VALUES (4,/*!50708 JSON_ARRAY('*/;') */);\n"
		"REPLACE INTO t VALUES (1,2),(3,4);# the end\n/* ; */\n");
	assert_int_equal(text_open(&t, ((struct place *)*state)->dir, "a.sql", 0, &e), 0);
	a = next(&t, "/*!40101 SET NAMES binary*/", 1);
	assert_int_equal(a.kind, STATEMENT_SESSION);
	assert_string_equal(a.names, "binary");
	assert_int_equal(next(&t, "/*!40014 SET FOREIGN_KEY_CHECKS=0*/", 2).kind, STATEMENT_NOTHING);
	a = next(&t, "/*!40103 SET TIME_ZONE='+00:00' */", 4);
	assert_int_equal(a.kind, STATEMENT_SESSION);
	assert_string_equal(a.names, "");
	assert_true(str_is(a.zone, "'+00:00'"));
	a = next(&t,
		"INSERT INTO `t` VALUES\n(1,'a;\\'\n;b'),\n(2,\"x;\"\"y\"),(3,CONVERT(\"{(\" USING UTF8MB4))",
		5);
	assert_int_equal(a.kind, STATEMENT_ROWS);
	assert_int_equal(a.rows, 3);
	a = next(&t,
		"-- a comment; with a ' in it\nINSERT IGNORE INTO `app`.`t` (`a`,`b;`) VALUES (4,/*!50708 "
		"JSON_ARRAY('*/;') */)",
		9);
	assert_int_equal(a.kind, STATEMENT_ROWS);
	assert_int_equal(a.rows, 1);
	assert_int_equal(a.ignore.n, strlen("IGNORE"));
	a = next(&t, "REPLACE INTO t VALUES (1,2),(3,4)", 11);
	assert_true(a.replaces);
	assert_int_equal(a.rows, 2);
	next(&t, NULL, 0);
	text_close(&t);
}

static void other_statements_are_alien(void **state)
{
	static const char *const alien[] = {"DROP TABLE `t`", "INSERT INTO `u` VALUES (1)",
		"INSERT INTO `other`.`t` VALUES (1)", "INSERT INTO `t` SELECT * FROM `u`",
		"SET GLOBAL max_connections=1", "DELETE FROM `t`", "/*!50000 DROP TABLE t */",
		"INSERT INTO `t` SET a=1", "SET character_set_client=latin1", "CALL p()",
		"INSERT INTO `t` (`a`,`b)`) SELECT * FROM mysql.user", "INSERT INTO `t` () SELECT 1",
		"SET TIME_ZONE='+00:00', GLOBAL general_log=1", "SET TIME_ZONE=@x",
		"/*!40101 SET SQL_MODE='ANSI_QUOTES,STRICT_ALL_TABLES'*/",
		"SET SESSION sql_mode='no_backslash_escapes'",
		"SET @@SESSION.sql_mode='NO_BACKSLASH_ESCAPES'", "SET @@sql_mode = 'ANSI_QUOTES'",
		"SET @a=1, sql_mode='NO_BACKSLASH_ESCAPES'", "SET @@SESSION.character_set_client=latin1",
		"SET @@time_zone=@x", "SET @a=1, @@LOCAL.time_zone='+05:00'",
		"SET UNIQUE_CHECKS=0, TIME_ZONE='+05:00'", "SET @@GLOBAL.time_zone='+05:00'",
		"SET @@GLOBAL.general_log=1", "SET NAMES utf8mb4, time_zone='+05:00'",
		"SET @@`session`.sql_mode='NO_BACKSLASH_ESCAPES'"};
	static const char *const fine[] = {"LOCK TABLES `t` WRITE", "UNLOCK TABLES",
		"/*!40000 ALTER TABLE `t` DISABLE KEYS */", "SET @a=@@SQL_MODE", "START TRANSACTION",
		"COMMIT", "/*!40101 SET SQL_MODE='NO_AUTO_VALUE_ON_ZERO'*/",
		"/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */",
		"SET @@SESSION.SQL_LOG_BIN= 0", "SET @`a b`=(SELECT 1, 2), AUTOCOMMIT=0",
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY"};
	struct statement_about a;

	(void)state;
	for (size_t i = 0; i < sizeof(alien) / sizeof(alien[0]); i++) {
		struct statement s = {str_of(alien[i]), 1};

		statement_look(&s, "app", "t", &a);
		if (a.kind != STATEMENT_ALIEN)
			fail_msg("taken: %s", alien[i]);
	}
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		struct statement s = {str_of(fine[i]), 1};

		statement_look(&s, "app", "t", &a);
		if (a.kind != STATEMENT_NOTHING)
			fail_msg("not passed by: %s", fine[i]);
	}
}

static void a_cut_file_is_an_error(void **state)
{
	static const char *const cut[] = {"INSERT INTO `t` VALUES (1),\n(2",
		"INSERT INTO `t` VALUES (1),\n(2)", "INSERT INTO `t` VALUES ('a;",
		"INSERT INTO `t` VALUES (1);\n/*!40101 SET"};
	const struct place *p = *state;

	for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		struct statement s;
		struct err e = {0};
		struct text t;
		int r;

		put(p, "cut.sql", cut[i]);
		assert_int_equal(text_open(&t, p->dir, "cut.sql", 0, &e), 0);
		while ((r = text_statement(&t, &s, &e)) > 0)
			text_use(&t, s.text.n + 1);
		assert_int_equal(r, -1);
		assert_int_equal(e.code, ERR_load_files);
		text_close(&t);
	}
}

static void a_large_statement_is_bounded(void **state)
{
	const struct place *p = *state;
	struct buf b = {0};
	struct statement s;
	struct err e = {0};
	struct text t;

	buf_puts(&b, "\n\nINSERT INTO `t` VALUES ('");
	for (int i = 0; i < 3 << 20; i++)
		buf_putc(&b, 'x');
	buf_puts(&b, "');\n");
	put_bytes(p, "big.sql", b.p, b.n);
	assert_int_equal(text_open(&t, p->dir, "big.sql", 0, &e), 0);
	assert_int_equal(text_statement(&t, &s, &e), 1);
	assert_int_equal(s.text.n, b.n - 4);
	text_close(&t);
	assert_int_equal(text_open(&t, p->dir, "big.sql", 0, &e), 0);
	t.max = 1 << 20;
	assert_int_equal(text_statement(&t, &s, &e), -1);
	assert_non_null(strstr(e.text, "line 3"));
	text_close(&t);
	buf_free(&b);
}

/* Its turn is taken before it is read whole; what it took goes back, and the next statement is not lost. */
static void large_statements_take_turns(void **state)
{
	const struct place *p = *state;
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct text_turn turn = {.lock = &lock};
	struct buf b = {0};
	struct err e = {0};
	struct text t;

	buf_puts(&b, "INSERT INTO `t` VALUES (1);\n");
	for (int i = 0; i < 2; i++) {
		buf_puts(&b, "INSERT INTO `t` VALUES ('");
		memset(buf_room(&b, 9 << 20), 'x', 9 << 20);
		b.n += 9 << 20;
		buf_puts(&b, "');\n");
	}
	put_bytes(p, "big.sql", b.p, b.n);
	assert_int_equal(text_open(&t, p->dir, "big.sql", 0, &e), 0);
	t.turn = &turn;
	for (int i = 0; i < 3; i++) {
		struct statement s;

		assert_int_equal(text_statement(&t, &s, &e), 1);
		assert_int_equal(t.line, 1 + i);
		assert_int_equal(turn.mine, i > 0);
		assert_int_equal(pthread_mutex_trylock(&lock) == 0, i == 0);
		if (i == 0)
			pthread_mutex_unlock(&lock);
		text_use(&t, s.text.n + 1);
		assert_true(t.b.cap < 4 << 20);
		text_turn_over(&turn);
	}
	text_close(&t);
	buf_free(&b);
}

static void a_zone_is_seen_however_it_is_set(void **state)
{
	static const char *const all[] = {"SET TIME_ZONE='+05:00'", "SET @@time_zone='+05:00'",
		"SET SESSION time_zone = '+05:00'", "/*!40103 SET @@SESSION.TIME_ZONE='+05:00' */"};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct statement s = {str_of(all[i]), 0};
		struct statement_about a;

		statement_look(&s, "app", "t", &a);
		assert_int_equal(a.kind, STATEMENT_SESSION);
		assert_true(str_is(a.zone, "'+05:00'"));
	}
}

/* --- packed files --- */

static void pack_gzip(struct buf *out, const char *text)
{
	z_stream z = {0};

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)text;
	z.avail_in = (uInt)strlen(text);
	z.next_out = (Bytef *)buf_room(out, 4096);
	z.avail_out = 4096;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->n += 4096 - z.avail_out;
	deflateEnd(&z);
}

static void pack_zstd(struct buf *out, const char *text)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t n;

	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	n = ZSTD_compress2(c, buf_room(out, 4096), 4096, text, strlen(text));
	assert_false(ZSTD_isError(n));
	out->n += n;
	ZSTD_freeCCtx(c);
}

static void check_packed(const struct place *p, const char *name, void (*pack)(struct buf *, const char *))
{
	struct buf packed = {0}, plain = {0};
	struct err e = {0};
	struct stream *s;

	pack(&packed, "INSERT INTO `t` VALUES (1);\n");
	pack(&packed, "INSERT INTO `t` VALUES (2);\n"); /* as by `cat` */
	put_bytes(p, name, packed.p, packed.n);
	assert_int_equal(stream_read_all(p->dir, name, 1 << 20, &plain, &e), 0);
	assert_string_equal(buf_cstr(&plain), "INSERT INTO `t` VALUES (1);\nINSERT INTO `t` VALUES (2);\n");
	s = stream_open(p->dir, name, &e);
	assert_non_null(s);
	assert_int_equal(stream_skip(s, 28, &e), 0);
	buf_clear(&plain);
	while (stream_read(s, 5, &plain, &e) > 0)
		continue;
	assert_string_equal(buf_cstr(&plain), "INSERT INTO `t` VALUES (2);\n");
	stream_close(&s);
	/* cut off, and damaged */
	put_bytes(p, name, packed.p, packed.n - 6);
	assert_int_equal(stream_read_all(p->dir, name, 1 << 20, &plain, &e), -1);
	assert_int_equal(e.code, ERR_load_files);
	put_bytes(p, name, packed.p, 0); /* the copy of a file that was never finished */
	assert_int_equal(stream_read_all(p->dir, name, 1 << 20, &plain, &e), -1);
	packed.p[packed.n / 4] = (char)~packed.p[packed.n / 4];
	put_bytes(p, name, packed.p, packed.n);
	assert_int_equal(stream_read_all(p->dir, name, 1 << 20, &plain, &e), -1);
	buf_free(&packed);
	buf_free(&plain);
}

static void packed_files(void **state)
{
	check_packed(*state, "a.sql.gz", pack_gzip);
	check_packed(*state, "a.sql.zst", pack_zstd);
}

/* --- CSV --- */

static const struct csv_dialect dumpling = {",", "\"", "\\N", true, false};

static void check_row(struct text *t, const struct csv_dialect *d, const char *want)
{
	struct csv_row row = {0};
	struct buf got = {0};
	struct err e = {0};
	int r = csv_next(t, d, &row, &e);

	assert_string_equal(e.text, "");
	assert_int_equal(r, want ? 1 : 0);
	for (size_t i = 0; r > 0 && i < row.n; i++) {
		if (row.fields[i].null)
			buf_puts(&got, "<NULL>");
		else
			buf_putf(&got, "<%.*s>", STR_ARG(csv_value(&row, i)));
	}
	assert_string_equal(buf_cstr(&got), want ? want : "");
	if (r > 0)
		text_use(t, row.used);
	csv_row_fini(&row);
	buf_free(&got);
}

static void csv_records(void **state)
{
	static const struct csv_dialect bare = {"|+|", "", "", false, false},
					plain = {",", "\"", "\\N", true, true};
	const struct place *p = *state;
	struct err e = {0};
	struct text t;

	put(p, "a.csv",
		"\"id\",\"v\"\r\n1,\"a,\\\"b\\n\\\\\"\n2,\\N\r\n3,\"\\N\"\n,\"\"\n4,\"x\"\"y\"\r\n5,"
		"\"two\nlines\"\r\n\\N,\\N\n");
	assert_int_equal(text_open(&t, p->dir, "a.csv", 0, &e), 0);
	check_row(&t, &dumpling, "<id><v>");
	check_row(&t, &dumpling, "<1><a,\"b\n\\>");
	check_row(&t, &dumpling, "<2><NULL>");
	check_row(&t, &dumpling, "<3><N>");
	check_row(&t, &dumpling, "<><>");
	check_row(&t, &dumpling, "<4><x\"y>");
	assert_int_equal(t.line, 7);
	check_row(&t, &dumpling, "<5><two\nlines>");
	check_row(&t, &dumpling, "<NULL><NULL>");
	check_row(&t, &dumpling, NULL);
	text_close(&t);
	put(p, "b.csv", "1|+|a|b\\|+|c|+|\n");
	assert_int_equal(text_open(&t, p->dir, "b.csv", 0, &e), 0);
	check_row(&t, &bare, "<1><a|b|+|c><NULL>");
	check_row(&t, &bare, NULL);
	text_close(&t);
	put(p, "c.csv", "\"C:\\new\",\\N,\"a\"\"b\\\"\n");
	assert_int_equal(text_open(&t, p->dir, "c.csv", 0, &e), 0);
	check_row(&t, &plain, "<C:\\new><NULL><a\"b\\>");
	check_row(&t, &plain, NULL);
	text_close(&t);
}

static void bad_csv(void **state)
{
	static const char *const bad[] = {"1,\"a", "1,\"a\"b\n", "1,a\\", "1,34", "1,", "1,\"a\""};
	const struct place *p = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct csv_row row = {0};
		struct err e = {0};
		struct text t;

		put(p, "bad.csv", bad[i]);
		assert_int_equal(text_open(&t, p->dir, "bad.csv", 0, &e), 0);
		assert_int_equal(csv_next(&t, &dumpling, &row, &e), -1);
		assert_non_null(strstr(e.text, "line 1"));
		csv_row_fini(&row);
		text_close(&t);
	}
}

/* A record's values have places in memory: no more than any table has columns. */
static void too_many_values(void **state)
{
	const struct place *p = *state;
	struct csv_row row = {0};
	struct err e = {0};
	struct text t;
	char many[5000];

	memset(many, ',', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	put(p, "many.csv", many);
	assert_int_equal(text_open(&t, p->dir, "many.csv", 0, &e), 0);
	assert_int_equal(csv_next(&t, &dumpling, &row, &e), -1);
	assert_non_null(strstr(e.text, "more than 4096 values"));
	csv_row_fini(&row);
	text_close(&t);
}

/* --- metadata --- */

static void metadata_of_all(void **state)
{
	static const struct {
		const char *text, *file, *gtid;
		uint64_t offset;
		bool two;
	} all[] = {
		{"Started dump at: 2020-05-21 10:09:16\nSHOW MASTER STATUS:\n\tLog: mysql-bin.000003\n\tPos: "
		 "1274\n"
		 "\tGTID:5b5a8e4e-9b43-11ea-900d-0242ac170002:1-10,\n5b642cb6-9b43-11ea-8914-0242ac170003:1-"
		 "7\n\n"
		 "SHOW SLAVE STATUS:\n\tHost: 10.0.0.1\n\tLog: other.000009\n\tPos: 99\n\tGTID:x\n\nFinished "
		 "dump at: x\n",
			"mysql-bin.000003",
			"5b5a8e4e-9b43-11ea-900d-0242ac170002:1-10,5b642cb6-9b43-11ea-8914-0242ac170003:1-7",
			1274, false},
		{"Started dump at: x\nSHOW BINARY LOG STATUS:\n\tLog: b.000001\n\tPos: 4\n\tGTID:\n\n"
		 "SHOW BINARY LOG STATUS: /* AFTER CONNECTION POOL ESTABLISHED */\n\tLog: b.000001\n\tPos: "
		 "99\n\tGTID:\n\n",
			"b.000001", "", 4, true},
		{"# Started dump at: 2025-11-11 16:47:34\n[config]\nquote-character = "
		 "BACKTICK\n\n[myloader_session_variables]\n"
		 "SQL_MODE='NO_AUTO_VALUE_ON_ZERO,' /*!40101\n\n[source]\n# Channel_Name = '' # "
		 "x\n#SOURCE_HOST = \"h\"\n"
		 "executed_gtid_set = \"0-1-5\"\nSOURCE_LOG_FILE = \"bin.000007\"\nSOURCE_LOG_POS = 157\n"
		 "#SOURCE_AUTO_POSITION = {0|1}\n\n[`db`.`t`]\nreal_table_name=t\nrows = 5\n# Finished dump "
		 "at: x\n",
			"bin.000007", "0-1-5", 157, false},
		{"# Started dump at: x\n[master]\nFile = m.000002\nPosition = 694\nExecuted_Gtid_Set = "
		 "208389f9-c558-11eb-bfdc-02bd2e549d49:1-6,\n"
		 "2f65bc8b-ba1b-11ea-a5bc-069d047c9d40:1-2\n\n[`d`.`t`]\nRows = 55\n",
			"m.000002",
			"208389f9-c558-11eb-bfdc-02bd2e549d49:1-6,2f65bc8b-ba1b-11ea-a5bc-069d047c9d40:1-2",
			694, false},
		{"", "", "", 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct metadata m;

		metadata_read(str_of(all[i].text), &m);
		assert_string_equal(m.at.file, all[i].file);
		assert_string_equal(m.at.gtid, all[i].gtid);
		assert_int_equal(m.at.offset, all[i].offset);
		assert_int_equal(m.two_places, all[i].two);
		assert_false(m.ours);
		metadata_fini(&m);
	}
}

static void metadata_of_ours(void **state)
{
	struct metadata m;

	(void)state;
	metadata_read(STR_LIT("Started dump at: x\nSHOW MASTER STATUS:\n\tLog: b.000002\n\tPos: "
			      "7\n\tGTID:\n\nFinished dump at: x\n"
			      "Tidegate: "
			      "{\"format\":1,\"flavor\":\"mariadb\",\"version\":101101,\"csv_separator\":\"|"
			      "\",\"csv_header\":false}\n"),
		&m);
	assert_true(m.ours);
	assert_int_equal(m.server.flavor, FLAVOR_MARIADB);
	assert_int_equal(m.server.version, 101101);
	assert_string_equal(m.csv.separator, "|");
	assert_false(m.csv.header);
	assert_int_equal(m.at.offset, 7);
	assert_int_equal(m.files, -1);
	metadata_fini(&m);
	metadata_read(STR_LIT("Tidegate: {\"format\":1,\"files\":3,\"rows\":12}\n"), &m);
	assert_int_equal(m.files, 3);
	assert_int_equal(m.rows, 12);
	assert_false(m.pending_xa);
	metadata_fini(&m);
}

/* --- names --- */

static void schema_file(const struct place *p, struct members *o, const char *name, const char *text)
{
	struct err e = {0};

	put(p, name, text);
	assert_int_equal(members_take(o, p->dir, name, str_of(name), &e), 1);
}

static void check_data(struct members *o, const char *name, const char *schema, const char *table)
{
	unsigned digits;
	const struct member *x = members_of_data(o, str_of(name), &digits);

	if (!table) {
		assert_null(x);
		return;
	}
	assert_non_null(x);
	assert_string_equal(x->schema, schema);
	assert_string_equal(x->name, table);
}

static void names_of_files(void **state)
{
	const struct place *p = *state;
	struct members o;
	struct err e = {0};

	members_init(&o);
	schema_file(p, &o, "a.b-schema-create.sql",
		"CREATE DATABASE IF NOT EXISTS `a.b` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;\n");
	schema_file(p, &o, "odd%2Edb-schema-create.sql", "CREATE DATABASE `odd.db`;\n");
	schema_file(p, &o, "a.b.t-schema.sql",
		"/*!40101 SET NAMES binary*/;\n/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n\nCREATE TABLE `t` (\n  "
		"`id` int\n);\n");
	schema_file(p, &o, "a.b.mydumper_1-schema.sql",
		"CREATE TABLE IF NOT EXISTS `na``me;` (\n  `id` int COMMENT 'a;b'\n);\n");
	schema_file(p, &o, "odd%2Edb.t%20x-schema.sql", "CREATE TABLE `t x` (`id` int);\n");
	schema_file(p, &o, "a.b.v-schema.sql", "CREATE TABLE `v` (`id` int);\n");
	schema_file(p, &o, "a.b.v-schema-view.sql",
		"DROP TABLE IF EXISTS `v`;\nSET @X=1;\nCREATE ALGORITHM=UNDEFINED DEFINER=`r`@`%` SQL "
		"SECURITY DEFINER VIEW `v` AS select 1;\n");
	members_settle(&o);
	check_data(&o, "a.b.t.00001", "a.b", "t");
	check_data(&o, "a.b.t", "a.b", "t");
	check_data(&o, "a.b.t.00001.00002", "a.b", "t");
	check_data(&o, "a.b.mydumper_1.0000000010000", "a.b", "na`me;");
	check_data(&o, "odd%2Edb.t%20x.000000000", "odd.db", "t x");
	check_data(&o, "odd%2Edb.no%2Eschema.000000000", "odd.db", "no.schema");
	check_data(&o, "plain.table", "plain", "table");
	check_data(&o, "nothing", NULL, NULL);
	for (size_t i = 0; i < o.n; i++)
		if (strcmp(o.p[i]->prefix, "a.b.v") == 0)
			assert_int_equal(o.p[i]->wanted, o.p[i]->kind == MEMBER_VIEW);
	schema_file(p, &o, "a.b.s-schema-sequence.sql",
		"CREATE SEQUENCE `s` start with 1;\nSELECT SETVAL(`s`, 1001);\n");
	assert_string_equal(o.p[o.n - 1]->value, "1001");
	schema_file(p, &o, "a.b.q-schema-sequence.sql",
		"CREATE SEQUENCE `q` increment by -1;\nDO SETVAL(`q`,-3,1,0);\n");
	assert_string_equal(o.p[o.n - 1]->value, "-3,1,0");
	schema_file(p, &o, "a.b.r-schema-sequence.sql", "CREATE SEQUENCE `r`;\nDO SETVAL(`r`,(SELECT 1));\n");
	assert_null(o.p[o.n - 1]->value);
	put(p, "a.b.x-schema.sql", "DROP TABLE `x`;\n");
	assert_int_equal(members_take(&o, p->dir, "a.b.x-schema.sql", STR_LIT("a.b.x-schema.sql"), &e), -1);
	assert_int_equal(members_take(&o, p->dir, "a.b.t.1.sql", STR_LIT("a.b.t.1.sql"), &e), 0);
	members_fini(&o);
}

/* --- folders --- */

/* The plan of a folder with these two files beside those that it always has; said: in the error, NULL: none.
 */
static void check_folder(const struct place *p, const char *name, const char *text, const char *said)
{
	struct err e = {0};
	struct rules *rules = rules_new(NULL, "dm_meta", &e);
	struct load l = {.rules = rules, .folder = folder_new(NULL, rules, &e)};
	int r;

	assert_non_null(l.folder);
	l.folder->dir = dup(p->dir);
	metadata_read((struct str){"", 0}, &l.folder->meta);
	put(p, "app-schema-create.sql", "CREATE DATABASE `app`;\n");
	put(p, "app.t-schema.sql", "CREATE TABLE `t` (`id` int);\n");
	put(p, "app.t.000000000.sql", "INSERT INTO `t` VALUES (1);\n");
	if (text)
		put(p, name, text);
	else
		assert_int_equal(mkdirat(p->dir, name, 0700), 0);
	r = folder_plan(&l, NULL, &e);
	if (r != (said ? -1 : 0) || (said && !strstr(e.text, said)))
		fail_msg("%s: %d, %s", name, r, e.text);
	assert_int_equal(unlinkat(p->dir, name, text ? 0 : AT_REMOVEDIR), 0);
	plan_fini(&l.plan);
	folder_free(&l.folder);
	rules_free(&rules);
}

static void a_file_is_there_once(void **state)
{
	check_folder(*state, "app.t.000000000.sql.gz", "x", "app.t.000000000.sql and app.t.000000000.sql.gz");
	check_folder(*state, "app.t.000000000.sql.zst", "x", "packed in two ways");
	check_folder(*state, "app.t-schema.sql.gz", "x", "app.t-schema.sql and app.t-schema.sql.gz");
	check_folder(*state, "app.t.000000001.sql", "INSERT INTO `t` VALUES (2);\n", NULL);
}

static void what_could_be_rows_is_not_passed_by(void **state)
{
	static const char *const bad[] = {"app.t.000000001.sql.zstd", "app.t.000000001.sql.br",
		"app.t.000000001.SQL", "app.t.000000001.csv.bak", "app.t.000000001.Csv.gz"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_folder(*state, bad[i], "x", "could be rows");
	check_folder(*state, "more", NULL, "more is a folder");
	check_folder(*state, "more.sql.d", NULL, "could be rows");
	check_folder(*state, "app.t.000000001.csv", "", "is empty");
	check_folder(*state, "app.t.000000001.sql", "", NULL);
	check_folder(*state, "lost+found", NULL, NULL);
	check_folder(*state, "SHA256SUMS", "x", NULL);
	check_folder(*state, "app.t-metadata", "1", NULL);
}

/* --- objects --- */

static void check_object(const struct object *o, enum object_kind kind, const char *name, const char *mode)
{
	assert_int_equal(o->kind, kind);
	assert_string_equal(o->schema, "app");
	assert_string_equal(o->name, name);
	assert_string_equal(o->sql_mode, mode);
	assert_string_equal(o->collation, "latin1_swedish_ci");
	assert_string_equal(o->definer, "ro`ot@%");
	assert_int_equal(strncmp(o->create, "CREATE", 6), 0);
}

static void objects_of_files(void **state)
{
	struct err e = {0};
	struct folder f = {.dir = ((struct place *)*state)->dir, .objects = OBJECTS_ALL};
	struct rules *rules = rules_new(NULL, "dm_meta", &e);
	struct load l = {.folder = &f};
	struct objfile_session none = {"", ""};

#define SESSION "SET SESSION sql_mode='ANSI_QUOTES';\nSET SESSION collation_connection='latin1_swedish_ci';\n"
	f.rules = rules;
	put(*state, "post.sql",
		"/*!40101 SET NAMES utf8mb4*/;\n" SESSION "DROP PROCEDURE IF EXISTS `p`;\n"
		"CREATE DEFINER=`ro``ot`@`%` PROCEDURE `p`()\nBEGIN\n SELECT ';'; \nEND;\n"
		"SET sql_mode='', time_zone='SYSTEM';\n"
		"CREATE DEFINER=`ro``ot`@`%` EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE "
		"ENABLE DO "
		"DELETE FROM t;\n"
		"CREATE DEFINER=`ro``ot`@`%` EVENT `off` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE "
		"DISABLE "
		"ON SLAVE DO SET @a=1;\n");
	put(*state, "triggers.sql",
		SESSION
		"CREATE DEFINER=`ro``ot`@`%` TRIGGER \"t 1\" BEFORE INSERT ON \"ta b\" FOR EACH ROW SET "
		"@a=\"x\";");
	assert_int_equal(objfile_read(&l, "post.sql", "app", &none, &e), 0);
	assert_int_equal(objfile_read(&l, "triggers.sql", "app", &none, &e), 0);
	assert_int_equal(l.plan.routines.n, 1);
	check_object(&l.plan.routines.p[0], OBJECT_PROCEDURE, "p", "ANSI_QUOTES");
	assert_int_equal(l.plan.lasts.n, 3);
	check_object(&l.plan.lasts.p[0], OBJECT_EVENT, "e", "");
	assert_true(l.plan.lasts.p[0].enabled);
	assert_string_equal(l.plan.lasts.p[0].time_zone, "SYSTEM");
	check_object(&l.plan.lasts.p[1], OBJECT_EVENT, "off", "");
	assert_false(l.plan.lasts.p[1].enabled);
	check_object(&l.plan.lasts.p[2], OBJECT_TRIGGER, "t 1", "ANSI_QUOTES");
	assert_string_equal(l.plan.lasts.p[2].table, "ta b");
	put(*state, "bad.sql", "GRANT ALL ON *.* TO x;\n");
	assert_int_equal(objfile_read(&l, "bad.sql", "app", &none, &e), -1);
	put(*state, "bad.sql", "CREATE USER x;\n");
	assert_int_equal(objfile_read(&l, "bad.sql", "app", &none, &e), -1);
	put(*state, "bad.sql", "CREATE DEFINER=`r`@`%` FUNCTION `f`() RETURNS INT");
	assert_int_equal(objfile_read(&l, "bad.sql", "app", &none, &e), -1);
	assert_int_equal(l.plan.routines.n, 1);
	plan_fini(&l.plan);
	rules_free(&rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(statements_end_outside_of_quotes, setup, teardown),
		cmocka_unit_test(other_statements_are_alien),
		cmocka_unit_test_setup_teardown(a_cut_file_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(a_large_statement_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(large_statements_take_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_values, setup, teardown),
		cmocka_unit_test(a_zone_is_seen_however_it_is_set),
		cmocka_unit_test_setup_teardown(packed_files, setup, teardown),
		cmocka_unit_test_setup_teardown(csv_records, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_csv, setup, teardown),
		cmocka_unit_test(metadata_of_all),
		cmocka_unit_test(metadata_of_ours),
		cmocka_unit_test_setup_teardown(names_of_files, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_is_there_once, setup, teardown),
		cmocka_unit_test_setup_teardown(what_could_be_rows_is_not_passed_by, setup, teardown),
		cmocka_unit_test_setup_teardown(objects_of_files, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
