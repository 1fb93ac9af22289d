/* Spool files as the load reads them, rows as SQL, keys that may wait. Broken files and odd names are the
 * point. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/xalloc.h"
#include "common/sql/create.h"
#include "segment.h"
#include "units/load/into.h"
#include "units/load/latekeys.h"
#include "units/load/lax.h"
#include "units/load/own.h"
#include "units/load/segments.h"

/* --- rows that went by INSERT IGNORE --- */

static bool may_say(const char *statement, const char *about)
{
	struct column c[] = {{.name = (char *)"e", .kind = COLUMN_ENUM},
		{.name = (char *)"v(`", .kind = COLUMN_TEXT}, {.name = (char *)"g,h", .kind = COLUMN_ENUM},
		{.name = (char *)"b`t", .kind = COLUMN_ENUM}};
	struct structure s = {.columns = c, .ncolumns = 4};
	char said[100];

	snprintf(said, sizeof(said), "Data truncated for column '%s' at row 1", about);
	return lax_may_say(&s, str_of(statement), str_of(said));
}

static void only_an_error_value_may_be_bent(void **state)
{
	static const char row[] = "INSERT IGNORE INTO `t (` (`g,h`,`v(```,`e`) VALUES\n(%s)";
	static const char *const lost[] = {"", "(", "INSERT", "INSERT INTO t (`e`", "INSERT INTO t (`e",
		"INSERT INTO t (`e`) VALUES", "INSERT INTO t (`e`) VALUES (",
		"INSERT INTO t (`e`) VALUES ('0", "INSERT INTO t () VALUES ()",
		"INSERT INTO t (`x`,`e`) VALUES (0)"};
	char text[300];

	(void)state;
	snprintf(text, sizeof(text), row, "0,'a),(0','b'");
	assert_true(may_say(text, "g,h") && may_say(text, "G,H"));
	assert_false(may_say(text, "e") || may_say(text, "v(`"));
	snprintf(text, sizeof(text), row,
		"'0',/*!50708 JSON_ARRAY(1.50,CAST(_utf8mb4'\"(,\\'\"' AS JSON)) *//*M! _utf8mb4'[1.50, 0)' "
		"*/,0");
	assert_true(may_say(text, "e"));
	assert_false(may_say(text, "g,h") || may_say(text, "v(`"));
	snprintf(text, sizeof(text), row, "1,0,NULL");
	assert_false(may_say(text, "e") || may_say(text, "v(`") || may_say(text, "g,h"));
	assert_true(may_say("INSERT IGNORE INTO `t` (`b``t`,`e`) VALUES (0,1)", "b`t"));
	for (size_t i = 0; i < sizeof(lost) / sizeof(*lost); i++)
		assert_false(may_say(lost[i], "e"));
}

/* --- spool files --- */

/* Of one test; the file in it is made anew by each open_bytes. */
static char folder[] = "/tmp/tgsegXXXXXX";

static int dir_of_test(void)
{
	int fd;

	snprintf(folder, sizeof(folder), "/tmp/tgsegXXXXXX");
	assert_non_null(mkdtemp(folder));
	fd = open(folder, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	return fd;
}

static void leave(int dir)
{
	unlinkat(dir, "f" SEGMENT_ENDING, 0);
	close(dir);
	rmdir(folder);
}

static void add(struct buf *b, char kind, unsigned rows, const char *bytes, size_t n)
{
	buf_putf(b, SEGMENT_PRINT, kind, rows, (unsigned long long)n);
	buf_put(b, bytes, n);
}

static int open_bytes(struct segments *s, int dir, struct str bytes, struct err *e)
{
	int fd = openat(dir, "f" SEGMENT_ENDING, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.p, bytes.n), (ssize_t)bytes.n);
	close(fd);
	return segments_open(s, dir, "f" SEGMENT_ENDING, bytes.n, e);
}

static void want_line(struct segments *s, const char *want)
{
	struct str line;
	struct err e = {0};

	assert_int_equal(segments_line(s, &line, &e), 1);
	assert_true(str_is(line, want));
}

static void segments_are_walked(void **state)
{
	int dir = dir_of_test();
	struct segments s;
	struct buf b = {0};
	struct str line;
	struct err e = {0};

	(void)state;
	add(&b, SEGMENT_TEXT, 2, "1\ta\n2\tb\n", 8);
	add(&b, SEGMENT_TEXT, 1, "\n", 1);
	add(&b, SEGMENT_SQL, 1, "INSERT x", 8);
	add(&b, SEGMENT_TEXT, 1, "3\tc\n", 4);
	assert_int_equal(open_bytes(&s, dir, buf_str(&b), &e), 0);
	want_line(&s, "1\ta");
	want_line(&s, "2\tb");
	want_line(&s, "");
	assert_int_equal(segments_line(&s, &line, &e), 0);
	assert_int_equal(s.kind, SEGMENT_SQL);
	assert_int_equal(segments_statement(&s, &line, &e), 1);
	assert_true(str_is(line, "INSERT x"));
	assert_int_equal(segments_statement(&s, &line, &e), 0);
	assert_int_equal(s.kind, SEGMENT_TEXT);
	want_line(&s, "3\tc");
	assert_int_equal(segments_line(&s, &line, &e), 0);
	assert_int_equal(s.kind, 0);
	assert_int_equal(s.text_rows, 4);
	segments_close(&s);
	buf_free(&b);
	leave(dir);
}

/* Rows larger than the buffer, and the same bytes in pieces of any size. */
static void large_rows_and_small_pieces(void **state)
{
	int dir = dir_of_test();
	size_t n = 700000;
	char *large = malloc(n), out[999];
	struct segments s;
	struct buf b = {0}, got = {0};
	struct str line;
	struct err e = {0};
	int r;

	(void)state;
	memset(large, 'x', n);
	large[n - 1] = '\n';
	add(&b, SEGMENT_TEXT, 1, "a\n", 2);
	add(&b, SEGMENT_TEXT, 1, large, n);
	add(&b, SEGMENT_TEXT, 1, "b\n", 2);
	assert_int_equal(open_bytes(&s, dir, buf_str(&b), &e), 0);
	want_line(&s, "a");
	assert_int_equal(segments_line(&s, &line, &e), 1);
	assert_int_equal(line.n, n - 1);
	assert_true(s.size <= n + 4096); /* nothing that comes behind it is in memory with it */
	want_line(&s, "b");
	segments_close(&s);
	assert_int_equal(open_bytes(&s, dir, buf_str(&b), &e), 0);
	while ((r = segments_bytes(&s, out, sizeof(out))) > 0)
		buf_put(&got, out, (size_t)r);
	assert_int_equal(r, 0);
	assert_int_equal(got.n, n + 4);
	assert_memory_equal(got.p + 2, large, n);
	segments_close(&s);
	buf_free(&b);
	buf_free(&got);
	free(large);
	leave(dir);
}

/* Whoever takes turns for a large row knows of it before it is read, and its memory goes back behind it. */
static void memory_of_a_large_row(void **state)
{
	int dir = dir_of_test();
	size_t n = 5 << 20;
	char *large = malloc(n);
	struct segments s;
	struct buf b = {0};
	struct str line;
	struct err e = {0};

	(void)state;
	memset(large, 'x', n);
	large[n - 1] = '\n';
	add(&b, SEGMENT_TEXT, 1, "a\n", 2);
	add(&b, SEGMENT_TEXT, 1, large, n);
	add(&b, SEGMENT_TEXT, 1, "b\n", 2);
	assert_int_equal(open_bytes(&s, dir, buf_str(&b), &e), 0);
	want_line(&s, "a");
	assert_int_equal(segments_settle(&s, &e), 0);
	assert_int_equal(s.left, n);
	assert_true(s.size < 1 << 20);
	assert_int_equal(segments_line(&s, &line, &e), 1);
	assert_int_equal(line.n, n - 1);
	assert_int_equal(segments_settle(&s, &e), 0);
	assert_int_equal(s.left, 2);
	assert_true(s.size < 1 << 20);
	want_line(&s, "b");
	segments_close(&s);
	buf_free(&b);
	free(large);
	leave(dir);
}

static int walk(struct segments *s, struct err *e)
{
	struct str x;
	int r = 0;

	while (r >= 0 && s->kind)
		r = s->kind == SEGMENT_TEXT ? segments_line(s, &x, e) : segments_statement(s, &x, e);
	return r;
}

/* Cut anywhere, or with any byte of a head changed: an error or fewer rows, never a read beyond the file. */
static void broken_files_are_refused(void **state)
{
	int dir = dir_of_test();
	struct buf b = {0};

	(void)state;
	add(&b, SEGMENT_TEXT, 2, "1\ta\n2\tb\n", 8);
	add(&b, SEGMENT_SQL, 1, "INSERT x", 8);
	for (size_t n = 1; n < b.n; n++) {
		struct segments s;
		struct err e = {0};
		int r = open_bytes(&s, dir, (struct str){b.p, n}, &e);

		if (r == 0)
			r = walk(&s, &e);
		if (n != SEGMENT_HEAD + 8)
			assert_int_equal(r, -1);
		segments_close(&s);
	}
	for (size_t i = 0; i < SEGMENT_HEAD; i++) {
		static const char odd[] = {'\0', 'X', '9', '\n'};

		for (size_t k = 0; k < sizeof(odd); k++) {
			char was = b.p[i];
			struct segments s;
			struct err e = {0};

			b.p[i] = odd[k];
			if (open_bytes(&s, dir, buf_str(&b), &e) == 0)
				walk(&s, &e);
			segments_close(&s);
			b.p[i] = was;
		}
	}
	buf_free(&b);
	leave(dir);
}

static void another_size_is_another_copy(void **state)
{
	int dir = dir_of_test();
	struct segments s;
	struct err e = {0};

	(void)state;
	assert_int_equal(open_bytes(&s, dir, STR_LIT(""), &e), 0);
	assert_int_equal(s.kind, 0);
	segments_close(&s);
	assert_int_equal(segments_open(&s, dir, "f" SEGMENT_ENDING, 5, &e), -1);
	assert_int_equal(e.code, ERR_dump_changed);
	segments_close(&s);
	assert_int_equal(segments_open(&s, dir, "none", 5, &e), -1);
	segments_close(&s);
	leave(dir);
}

/* --- rows --- */

static const struct server mysql = {FLAVOR_MYSQL, 90700}, mariadb = {FLAVOR_MARIADB, 101100};

static struct structure *read_create(const char *create, const struct server *s)
{
	struct err e = {0};
	struct structure *x = structure_from_create(str_of(create), s, "", &e);

	if (!x)
		fail_msg("%s", e.text);
	return x;
}

static void check_row(const struct into *i, const char *line, const char *want)
{
	struct buf b = {0};
	bool good = into_put_row(i, str_of(line), &b);

	assert_int_equal(good, want != NULL);
	if (want)
		assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static void rows_become_sql(void **state)
{
	struct plan_item t = {.to_schema = (char *)(uintptr_t) "d", .to_name = (char *)(uintptr_t) "t`"};
	struct buf b = {0};
	struct into i;

	(void)state;
	t.structure = read_create(
		"CREATE TABLE `t` (`a` int NOT NULL, `b``` varchar(9), `g` int GENERATED ALWAYS AS (1) "
		"VIRTUAL, `j` json, `e` enum('','x')) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
		&mysql);
	into_init(&i, &t);
	assert_int_equal(i.n, 4);
	check_row(&i, "1\tit\\'s\\t\t{}\t2", "(1,'it\\'s\\t',_utf8mb4'{}',2)");
	check_row(&i, "\\N\t\\N\t\\N\t\\N", "(NULL,NULL,NULL,NULL)");
	check_row(&i, "1\t\\\\N\t\t0", "(1,'\\\\N',_utf8mb4'',0)");
	check_row(&i, "1\t2\t3", NULL);
	check_row(&i, "1\t2\t3\t4\t5", NULL);
	check_row(&i, "", NULL);
	into_put_load(&i, &b);
	assert_string_equal(buf_cstr(&b), "LOAD DATA LOCAL INFILE 'tidegate' INTO TABLE `t``` CHARACTER SET "
					  "binary FIELDS TERMINATED BY '\\t' "
					  "ENCLOSED BY '' ESCAPED BY '\\\\' LINES STARTING BY '' TERMINATED "
					  "BY '\\n' (`a`,`b```,@v2,@v3) SET "
					  "`j`=CONVERT(@v2 USING utf8mb4),`e`=@v3+0");
	buf_clear(&b);
	into_put_bulk(&i, "INSERT", &b);
	assert_string_equal(buf_cstr(&b),
		"INSERT INTO `t``` (`a`,`b```,`j`,`e`) VALUES(?,?,CONVERT(? USING utf8mb4),?+0)");
	buf_clear(&b);
	into_put_keep(&i, &b);
	assert_string_equal(buf_cstr(&b), " ON DUPLICATE KEY UPDATE `a`=`a`");
	buf_free(&b);
	into_fini(&i);
	structure_free(&t.structure);
}

/* Nothing of a row is stored as it was given: it is an empty line, and a row all the same. */
static void rows_without_values(void **state)
{
	struct plan_item t = {.to_schema = (char *)(uintptr_t) "d", .to_name = (char *)(uintptr_t) "t"};
	struct buf b = {0};
	struct into i;

	(void)state;
	t.structure = read_create(
		"CREATE TABLE `t` (`g` int GENERATED ALWAYS AS (1) VIRTUAL) ENGINE=InnoDB", &mysql);
	into_init(&i, &t);
	assert_int_equal(i.n, 0);
	check_row(&i, "", "()");
	check_row(&i, "1", NULL);
	buf_put(&b, i.names.p, i.names.n);
	into_put_keep(&i, &b);
	assert_string_equal(buf_cstr(&b), " INTO `t` () VALUES ON DUPLICATE KEY UPDATE `g`=DEFAULT");
	buf_free(&b);
	into_fini(&i);
	structure_free(&t.structure);
}

static void check_fields(const char *columns, const char *want)
{
	struct plan_item t = {.to_schema = (char *)(uintptr_t) "d", .to_name = (char *)(uintptr_t) "t"};
	char *create = xasprintf("CREATE TABLE `t` (%s, PRIMARY KEY (`id`)) ENGINE=InnoDB", columns);
	struct buf b = {0};
	struct into i;

	t.structure = read_create(create, &mysql);
	into_init(&i, &t);
	into_put_load(&i, &b);
	assert_string_equal(strstr(buf_cstr(&b), " ("), want);
	buf_free(&b);
	into_fini(&i);
	structure_free(&t.structure);
	free(create);
}

static void a_zero_stays_zero(void **state)
{
	(void)state;
	check_fields("`id` int NOT NULL AUTO_INCREMENT, `v` int", " (`id`,`v`)");
	check_fields("`id` int NOT NULL AUTO_INCREMENT, `v` int, `j` json",
		" (@v0,`v`,@v2) SET `id`=@v0,`j`=CONVERT(@v2 USING utf8mb4)");
}

static void escapes_are_undone(void **state)
{
	struct plan_item t = {.to_schema = (char *)(uintptr_t) "d", .to_name = (char *)(uintptr_t) "t"};
	char line[] = "\\0\\n\\r\\t\\Z\\'\\\\x\t\\N\t\\\\N";
	struct into i;
	struct str v[3];

	(void)state;
	t.structure = read_create(
		"CREATE TABLE `t` (`a` blob, `b` blob, `c` blob) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
		&mysql);
	into_init(&i, &t);
	assert_true(into_split(&i, line, strlen(line), v));
	assert_int_equal(v[0].n, 8);
	assert_memory_equal(v[0].p, "\0\n\r\t\x1a'\\x", 8);
	assert_null(v[1].p);
	assert_true(str_is(v[2], "\\N"));
	into_fini(&i);
	structure_free(&t.structure);
}

/* --- keys that may wait --- */

static void check_late(
	const char *create, const struct server *to, const json_t *refs, const char *less, const char *keys)
{
	struct structure *s = read_create(create, to);
	json_t *got = json_object();
	struct buf out = {0};
	bool any;
	char *text;

	free(s->schema);
	s->schema = xstrdup("db");
	any = latekeys_cut(str_of(create), to, s, refs, &out, got);
	text = json_dumps(got, JSON_COMPACT);
	assert_int_equal(any, keys[2] != '\0');
	assert_string_equal(text, keys);
	assert_string_equal(buf_cstr(&out), any ? less : "");
	free(text);
	buf_free(&out);
	json_decref(got);
	structure_free(&s);
}

#define ENDS "\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
#define COLUMNS                                                                                            \
	"CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `k` int NOT NULL,\n  `c` varchar(99) " \
	"DEFAULT ',KEY `k` (`k`)'"

static void plain_keys_wait(void **state)
{
	(void)state;
	check_late(COLUMNS ",\n  PRIMARY KEY (`id`),\n  KEY `k,` (`k`),\n  UNIQUE KEY `u` (`c`),\n  KEY `kc` "
			   "(`k`,`c`(10) DESC) USING BTREE COMMENT "
			   "'a)b'" ENDS,
		&mysql, NULL, COLUMNS ",\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`c`)" ENDS,
		"{\"k,\":\"KEY `k,` (`k`)\",\"kc\":\"KEY `kc` (`k`,`c`(10) DESC) USING BTREE COMMENT "
		"'a)b'\"}");
	check_late(COLUMNS ",\n  PRIMARY KEY (`id`),\n  KEY `k` (`k`) /*!80000 INVISIBLE */" ENDS, &mysql,
		NULL, COLUMNS ",\n  PRIMARY KEY (`id`)" ENDS,
		"{\"k\":\"KEY `k` (`k`) /*!80000 INVISIBLE */\"}");
}

static void needed_keys_do_not_wait(void **state)
{
	json_t *refs = json_object();

	(void)state;
	/* of AUTO_INCREMENT, full texts, expressions, generated columns */
	check_late(COLUMNS ",\n  KEY `id` (`id`),\n  FULLTEXT KEY `f` (`c`)" ENDS, &mysql, NULL, "", "{}");
	check_late(COLUMNS ",\n  `g` int GENERATED ALWAYS AS (`k` + 1) VIRTUAL,\n  PRIMARY KEY (`id`),\n  "
			   "KEY `g` (`k`,`g`)" ENDS,
		&mysql, NULL, "", "{}");
	check_late(COLUMNS ",\n  PRIMARY KEY (`id`),\n  KEY `e` ((`k` + 1))" ENDS, &mysql, NULL, "", "{}");
	/* a foreign key's own, and those that one points at */
	check_late(COLUMNS ",\n  PRIMARY KEY (`id`),\n  KEY `k` (`k`),\n  CONSTRAINT `x` FOREIGN KEY (`k`) "
			   "REFERENCES `p` (`a`)" ENDS,
		&mysql, NULL, "", "{}");
	assert_false(
		latekeys_references(STR_LIT("CREATE TABLE `t` (\n  `references` int COMMENT 'FOREIGN KEY "
					    "(a) REFERENCES b (c)'\n) COMMENT='no references'"),
			&mysql, "DB", refs));
	assert_true(latekeys_references(
		STR_LIT("CREATE TABLE `child` (\n  `a` int,\n  CONSTRAINT `f` FOREIGN KEY "
			"(`a`,`b`) REFERENCES `T` (`K`, `c`)\n) ENGINE=InnoDB"),
		&mysql, "DB", refs));
	assert_true(own_has(refs, "db", "t", "k"));
	check_late(COLUMNS ",\n  PRIMARY KEY (`id`),\n  KEY `k` (`k`)" ENDS, &mysql, refs, "", "{}");
	latekeys_references(
		STR_LIT("CREATE TABLE `c` (\n  `a` int,\n  FOREIGN KEY (`a`) REFERENCES `o`.`p` (`x`)\n)"),
		&mariadb, "db", refs);
	assert_true(own_has(refs, "o", "p", "x"));
	/* another engine */
	check_late("CREATE TABLE `t` (\n  `a` int,\n  KEY `a` (`a`)\n) ENGINE=Aria DEFAULT CHARSET=utf8mb4",
		&mariadb, NULL, "", "{}");
	json_decref(refs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_an_error_value_may_be_bent),
		cmocka_unit_test(segments_are_walked),
		cmocka_unit_test(large_rows_and_small_pieces),
		cmocka_unit_test(memory_of_a_large_row),
		cmocka_unit_test(broken_files_are_refused),
		cmocka_unit_test(another_size_is_another_copy),
		cmocka_unit_test(rows_become_sql),
		cmocka_unit_test(rows_without_values),
		cmocka_unit_test(a_zero_stays_zero),
		cmocka_unit_test(escapes_are_undone),
		cmocka_unit_test(plain_keys_wait),
		cmocka_unit_test(needed_keys_do_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
