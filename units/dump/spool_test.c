/* Chunk files, the spool and its manifest, in a folder of their own: what a restart may serve and what it may
 * not. */
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

#include "common/base/io.h"
#include "common/base/xalloc.h"
#include "units/dump/file.h"
#include "units/dump/plan.h"
#include "units/dump/writer.h"

struct bench {
	struct dump d;
	struct unit_env env;
	char path[64];
};

static struct column columns[] = {
	{.name = "a;\nb", .type = "int(11)", .kind = COLUMN_INT, .charset = "", .collation = ""}};

static void add_table(struct catalog *c)
{
	struct structure *s = xcalloc(1, sizeof(*s));

	c->tables.p = xcalloc(1, sizeof(*c->tables.p));
	c->tables.n = 1;
	s->schema = xstrdup("app");
	s->table = xstrdup("t");
	s->columns = xmemdup(columns, sizeof(columns));
	s->columns[0].name = xstrdup(columns[0].name);
	s->columns[0].type = xstrdup(columns[0].type);
	s->columns[0].charset = xstrdup("");
	s->columns[0].collation = xstrdup("");
	s->ncolumns = 1;
	s->key = -1;
	c->tables.p[0] = (struct item){.schema = xstrdup("app"),
		.name = xstrdup("t"),
		.create = xstrdup("CREATE TABLE `t`"),
		.structure = s,
		.transactional = true};
}

static int set_up(void **state)
{
	struct bench *b = xcalloc(1, sizeof(*b));

	snprintf(b->path, sizeof(b->path), "/tmp/tgspoolXXXXXX");
	assert_non_null(mkdtemp(b->path));
	b->env.loop = loop_new();
	b->d.env = &b->env;
	b->d.dir = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b->d.job_name = xstrdup("job");
	b->d.o = (struct dump_options){.format = &format_sql,
		.threads = 1,
		.statement_size = 40,
		.chunk_bytes = 1024,
		.spool_bytes = 1 << 20};
	pthread_mutex_init(&b->d.lock, NULL);
	pthread_cond_init(&b->d.changed, NULL);
	spool_init(&b->d.spool, b->d.dir, b->d.o.spool_bytes);
	add_table(&b->d.catalog);
	b->d.tables = xcalloc(1, sizeof(*b->d.tables));
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;
	struct err e = {0};

	assert_int_equal(file_clear(b->d.dir, &e), 0);
	rmdir(b->path);
	close(b->d.dir);
	spool_fini(&b->d.spool);
	tally_free(&b->d.tally);
	catalog_fini(&b->d.catalog);
	loop_free(&b->env.loop);
	buf_free(&b->d.plan);
	free(b->d.job_name);
	stretches_free(&b->d.tables->stretches);
	free(b->d.tables);
	free(b->d.snapshot.gtid);
	free(b);
	return 0;
}

static void write_rows(struct bench *b, unsigned n)
{
	struct stretch s = {.id = 1};
	struct writer w;
	struct err e = {0};
	char row[32];

	writer_init(&w, &b->d, &s);
	for (unsigned i = 1; i <= n; i++) {
		struct str v;

		snprintf(row, sizeof(row), "%u", i);
		v = str_of(row);
		assert_int_equal(writer_row(&w, &v, &e), 0);
		snprintf(row, sizeof(row), "[\"%u\"]", i);
		if (writer_is_full(&w) && i % 2 == 0) /* odd ones' places can't be told, say */
			writer_end_here(&w, str_of(row));
	}
	assert_int_equal(writer_end(&w, true, &e), 0);
	writer_fini(&w);
}

/* One column, an ENUM, whose error value is '': a file of these rows. */
static void check_file(
	struct bench *b, const struct row_format *format, const char *const *rows, const char *want)
{
	struct structure *t = b->d.catalog.tables.p[0].structure;
	struct stretch s = {.id = 1};
	struct buf text = {0};
	struct writer w;
	struct err e = {0};
	unsigned n = 0;

	b->d.o.format = format;
	t->columns[0].kind = COLUMN_ENUM;
	free(t->columns[0].type);
	t->columns[0].type = xstrdup("enum('a','it''s')");
	writer_init(&w, &b->d, &s);
	for (; rows[n]; n++) {
		struct str v = rows[n][0] == '-' ? (struct str){0} : str_of(rows[n]);

		assert_int_equal(writer_row(&w, &v, &e), 0);
	}
	assert_int_equal(writer_end(&w, true, &e), 0);
	writer_fini(&w);
	assert_int_equal(
		io_read_file(b->d.dir,
			format == &format_sql ? "app.t.0000000010000.sql" : "app.t.0000000010000.rows", 4096,
			&text, &e),
		0);
	assert_string_equal(buf_cstr(&text), want);
	assert_int_equal(b->d.spool.total_rows, n);
	assert_int_equal(b->d.spool.bytes, text.n);
	buf_free(&text);
}

static void a_file_is_statements_of_rows(void **state)
{
	check_file(*state, &format_sql, (const char *[]){"a", "-", "", "it's", NULL},
		"/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n/*!40101 SET NAMES binary*/;\n"
		"INSERT INTO `t` (`a;\nb`) VALUES\n('a'),\n(NULL);\n"
		"INSERT IGNORE INTO `t` (`a;\nb`) VALUES\n(0);\n"
		"INSERT INTO `t` (`a;\nb`) VALUES\n('it\\'s');\n");
}

static void a_spool_file_is_segments(void **state)
{
	check_file(*state, &format_spool, (const char *[]){"a", "-", "", "it's", NULL},
		"T000000002 0000000005\na\n\\N\n"
		"S000000001 0000000042\nINSERT IGNORE INTO `t` (`a;\nb`) VALUES\n(0)"
		"S000000001 0000000041\nINSERT INTO `t` (`a;\nb`) VALUES\n('it\\'s')");
}

static void a_spool_file_of_text_alone(void **state)
{
	check_file(*state, &format_spool, (const char *[]){"a\tb\nc", "it's", NULL},
		"T000000002 0000000014\na\\tb\\nc\nit\\'s\n");
}

static void files_are_cut_and_the_last_is_told(void **state)
{
	struct bench *b = *state;
	struct spool_chunk c;
	uint64_t rows = 0, after = 0;
	bool last = false;
	char hi[32];

	write_rows(b, 1000);
	while (spool_next(&b->d.spool, after, &c) == SPOOL_CHUNK) {
		assert_false(last);
		assert_true(c.bytes >= 60 && c.bytes < 1024 + 100);
		rows += c.rows;
		assert_int_equal(c.stretch, 1);
		assert_int_equal(c.seq, after);
		assert_true(c.ends_stretch == c.last);
		snprintf(hi, sizeof(hi), "[\"%u\"]", (unsigned)rows);
		assert_string_equal(c.hi, c.last ? "" : hi);
		assert_true(c.last || rows % 2 == 0);
		after = c.number;
		last = c.last;
	}
	assert_true(after > 5);
	assert_true(last);
	assert_int_equal(rows, 1000);
	assert_int_equal(spool_next(&b->d.spool, after, &c), SPOOL_NOTHING);
	spool_complete(&b->d.spool);
	assert_int_equal(spool_next(&b->d.spool, after, &c), SPOOL_END);
}

/* Two files fit. A third one is begun when there is room again; the full one before it is given out
 * meanwhile. */
static void the_quota_is_kept(void **state)
{
	struct bench *b = *state;
	struct stretch s[3] = {{.id = 1}, {.id = 2}, {.id = 3}};
	struct writer w[3];
	struct spool_chunk c;
	struct str v = STR_LIT("7");
	struct err e = {0};

	b->d.spool.limit = 2 * 2048 + 100;
	for (unsigned i = 0; i < 3; i++)
		writer_init(&w[i], &b->d, &s[i]);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(writer_wait_room(&w[i], &e), 0);
		assert_int_equal(writer_row(&w[i], &v, &e), 0);
		assert_int_equal(writer_wait_room(&w[i], &e), 0);
	}
	assert_int_equal(b->d.spool.kept, 2 * 2048);
	assert_false(spool_take_room(&b->d.spool, 2048, false));
	/* Where all are full and none has ended, nothing would ever come out of it. */
	while (!writer_is_full(&w[0]))
		assert_int_equal(writer_row(&w[0], &v, &e), 0);
	writer_end_here(&w[0], STR_LIT("[1]"));
	spool_stop(&b->d.spool);
	assert_int_equal(writer_wait_room(&w[0], &e), -1);
	b->d.spool.stopped = false;
	assert_int_equal(spool_next(&b->d.spool, 0, &c), SPOOL_CHUNK);
	assert_false(c.ends_stretch);
	assert_int_equal(c.bytes + b->d.spool.kept, b->d.spool.bytes + 2048);
	assert_int_equal(spool_done(&b->d.spool, c.number, &e), 0);
	assert_int_equal(writer_wait_room(&w[0], &e), 0);
	assert_int_equal(b->d.spool.kept, 2 * 2048);
	/* No row came behind it. */
	err_clear(&e);
	assert_int_equal(writer_end(&w[0], false, &e), 0);
	assert_int_equal(spool_next(&b->d.spool, 1, &c), SPOOL_CHUNK);
	assert_true(c.ends_stretch && c.rows == 0 && c.seq == 1);
	for (unsigned i = 0; i < 3; i++)
		writer_fini(&w[i]);
	assert_int_equal(b->d.spool.kept, 0);
}

static void a_chunk_is_done_once(void **state)
{
	struct bench *b = *state;
	struct spool_chunk c;
	struct err e = {0};
	uint64_t before;

	write_rows(b, 1000);
	before = b->d.spool.bytes;
	assert_int_equal(spool_done(&b->d.spool, 2, &e), 0);
	assert_int_equal(spool_done(&b->d.spool, 2, &e), 0);
	assert_int_equal(b->d.spool.ndone, 1);
	assert_true(b->d.spool.bytes < before);
	assert_int_equal(spool_next(&b->d.spool, 1, &c), SPOOL_CHUNK);
	assert_int_equal(c.number, 3);
	assert_int_equal(spool_done(&b->d.spool, 0, &e), -1);
	assert_int_equal(spool_done(&b->d.spool, 1000000, &e), -1);
	assert_int_equal(e.code, ERR_proto);
}

/* As a restart sees it: the same folder, nothing in memory. */
static int restart(struct bench *b)
{
	struct err e = {0};
	uint64_t limit = b->d.spool.limit;

	spool_fini(&b->d.spool);
	spool_init(&b->d.spool, b->d.dir, limit);
	tally_free(&b->d.tally);
	buf_clear(&b->d.plan);
	b->d.copy_id[0] = '\0';
	free(b->d.snapshot.gtid);
	b->d.snapshot = (struct snapshot){0};
	return plan_restore(&b->d, &e);
}

static void complete(struct bench *b)
{
	struct err e = {0};

	snprintf(b->d.snapshot.file, sizeof(b->d.snapshot.file), "mysql-bin.000001");
	b->d.snapshot.offset = UINT64_C(1) << 33;
	b->d.snapshot.gtid = xstrdup("0-1-2");
	assert_int_equal(plan_make(&b->d, &e), 0);
	write_rows(b, 1000);
	spool_complete(&b->d.spool);
	assert_int_equal(plan_complete(&b->d, &e), 0);
}

static void a_complete_spool_is_served_again(void **state)
{
	struct bench *b = *state;
	struct spool_chunk c;
	struct err e = {0};
	char copy_id[40];
	size_t n;

	complete(b);
	n = b->d.spool.n;
	memcpy(copy_id, b->d.copy_id, sizeof(copy_id));
	assert_int_equal(spool_done(&b->d.spool, 1, &e), 0);
	assert_int_equal(restart(b), 1);
	assert_string_equal(b->d.copy_id, copy_id);
	assert_string_equal(b->d.snapshot.file, "mysql-bin.000001");
	assert_true(b->d.snapshot.offset == UINT64_C(1) << 33);
	assert_int_equal(b->d.spool.n, n);
	assert_int_equal(b->d.spool.total_rows, 1000);
	assert_true(spool_any_gone(&b->d.spool));
	assert_int_equal(spool_next(&b->d.spool, 0, &c), SPOOL_CHUNK);
	assert_int_equal(c.number, 2);
	assert_int_equal(spool_next(&b->d.spool, n, &c), SPOOL_END);
}

static void a_spool_without_manifest_is_not(void **state)
{
	struct bench *b = *state;

	complete(b);
	plan_spoil(&b->d);
	assert_int_equal(restart(b), 0);
}

static void a_spool_of_another_job_is_not(void **state)
{
	struct bench *b = *state;

	complete(b);
	free(b->d.job_name);
	b->d.job_name = xstrdup("another");
	assert_int_equal(restart(b), 0);
	assert_int_equal(b->d.spool.n, 0);
	assert_string_equal(b->d.copy_id, "");
}

static void a_torn_file_spoils_the_spool(void **state)
{
	struct bench *b = *state;
	int fd;

	complete(b);
	fd = openat(b->d.dir, "app.t.0000000010003.sql", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 100), 0);
	close(fd);
	assert_int_equal(restart(b), 0);
	assert_int_equal(b->d.spool.n, 0);
}

/* The manifest's text with this list of chunks; restarts on it. */
static int restart_on(struct bench *b, const char *copy_id, const char *tail)
{
	struct buf text = {0};
	struct err e = {0};

	buf_putf(&text, "{\"format\":3,\"job\":\"job\",\"copy_id\":\"%s\",\"tables\":1%s}", copy_id, tail);
	assert_int_equal(io_replace_file(b->d.dir, "manifest", text.p, text.n, 0600, &e), 0);
	buf_free(&text);
	return restart(b);
}

static void a_hostile_manifest_is_not_followed(void **state)
{
	static const char *const bad[] = {"", ",\"chunks\":7",
		",\"chunks\":[[5,true,1,1,\"x\",0,0,true,\"\"]]",
		",\"chunks\":[[-1,true,1,1,\"x\",0,0,true,\"\"]]",
		",\"chunks\":[[0,true,1,1,\"../../etc/passwd\",0,0,true,\"\"]]",
		",\"chunks\":[[0,true,-1,1,\"x\",0,0,true,\"\"]]", ",\"chunks\":[[0,true,1,1]]",
		",\"chunks\":[[0,true,1,1,\"plan.json\",0,0,true,\"\"]]", NULL};
	struct bench *b = *state;
	struct err e = {0};
	char copy_id[40];

	complete(b);
	memcpy(copy_id, b->d.copy_id, sizeof(copy_id));
	for (const char *const *m = bad; *m; m++) {
		assert_int_equal(restart_on(b, copy_id, *m), 0);
		assert_int_equal(b->d.spool.n, 0);
	}
	assert_int_equal(restart_on(b, "other", ",\"chunks\":[]"), 0);
	assert_int_equal(restart_on(b, copy_id, ",\"chunks\":[]"), 1);
	assert_int_equal(io_replace_file(b->d.dir, "manifest", "{", 1, 0600, &e), 0);
	assert_int_equal(restart(b), 0);
}

int main(void)
{
#define WITH_BENCH(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_BENCH(a_file_is_statements_of_rows),
		WITH_BENCH(a_spool_file_is_segments),
		WITH_BENCH(a_spool_file_of_text_alone),
		WITH_BENCH(files_are_cut_and_the_last_is_told),
		WITH_BENCH(the_quota_is_kept),
		WITH_BENCH(a_chunk_is_done_once),
		WITH_BENCH(a_complete_spool_is_served_again),
		WITH_BENCH(a_spool_without_manifest_is_not),
		WITH_BENCH(a_spool_of_another_job_is_not),
		WITH_BENCH(a_torn_file_spoils_the_spool),
		WITH_BENCH(a_hostile_manifest_is_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
