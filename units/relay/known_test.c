/* What was read of other servers: kept in a file, and what of it the next server's binlog must go on behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/io.h"
#include "units/relay/known.h"
#include "units/relay/synthetic.h"

struct fixture {
	char path[64];
	int dir;
	struct known k;
	struct binlog_format format;
	struct err e;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct buf body = {0}, event = {0};

	f->dir = synthetic_folder(f->path, sizeof(f->path));
	synthetic_format(&body, "10.11.9-MariaDB", 1);
	synthetic_event(&event, BINLOG_FORMAT, buf_str(&body), 0, 0);
	assert_int_equal(binlog_read_format(buf_str(&event), &f->format, &f->e), 0);
	buf_free(&body);
	buf_free(&event);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	known_fini(&f->k);
	synthetic_remove(f->path, f->dir);
	free(f);
	return 0;
}

static struct gtid_set *set(enum flavor flavor, const char *text)
{
	struct err e;
	struct gtid_set *s = gtid_set_parse(flavor, str_of(text), &e);

	assert_non_null(s);
	return s;
}

static void expect(const struct gtid_set *s, const char *text)
{
	struct buf b = {0};

	assert_non_null(s);
	gtid_set_text(s, &b);
	assert_string_equal(buf_cstr(&b), text);
	buf_free(&b);
}

static void begin_next(struct fixture *f, enum flavor flavor, const char *end)
{
	struct gtid_set *s = set(flavor, end);
	struct known next = known_next(&f->k, s);

	assert_int_equal(known_keep(&next, f->dir, &f->e), 0);
	known_begin(&f->k, &next);
	gtid_set_free(&s);
}

/* As a process that begins reads it. */
static void load(struct fixture *f)
{
	known_fini(&f->k);
	assert_int_equal(known_load(&f->k, f->dir, &f->e), 0);
}

static void expect_all(struct fixture *f, enum flavor flavor, const char *end, const char *all)
{
	struct gtid_set *s = set(flavor, end), *both = known_all(&f->k, s);

	expect(both, all);
	gtid_set_free(&s);
	gtid_set_free(&both);
}

#define A "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
#define B "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb"

static void nothing_is_known_of_one_generation(void **state)
{
	struct fixture *f = *state;

	load(f);
	assert_null(f->k.read);
	assert_null(known_all(&f->k, NULL));
	expect_all(f, FLAVOR_MYSQL, A ":1-5", A ":1-5");
}

static void what_was_read_stays_known(void **state)
{
	struct fixture *f = *state;

	begin_next(f, FLAVOR_MYSQL, A ":1-900");
	load(f);
	expect_all(f, FLAVOR_MYSQL, A ":1-400", A ":1-900");
	/* The second server went away before it had come so far. */
	begin_next(f, FLAVOR_MYSQL, A ":1-450," B ":1-3");
	load(f);
	expect(f->k.read, A ":1-900," B ":1-3");
	expect(f->k.end, A ":1-450," B ":1-3");
}

static void a_domain_ends_where_it_came_last(void **state)
{
	struct fixture *f = *state;

	begin_next(f, FLAVOR_MARIADB, "0-1-900,5-1-7");
	begin_next(f, FLAVOR_MARIADB, "0-2-450,6-2-1");
	load(f);
	expect(f->k.read, "0-1-900,5-1-7,6-2-1");
	expect(f->k.end, "0-2-450,5-1-7,6-2-1");
}

static void expect_end(struct fixture *f, enum flavor flavor, const char *now, const char *end)
{
	struct gtid_set *s = set(flavor, now), *e = known_end(&f->k, s);

	expect(e, end);
	gtid_set_free(&s);
	gtid_set_free(&e);
}

/* Only a generation that came as far as the one before says where an idle domain ends. */
static void an_idle_domain_ends_where_it_did(void **state)
{
	struct fixture *f = *state;

	expect_end(f, FLAVOR_MARIADB, "0-1-5", "0-1-5");
	begin_next(f, FLAVOR_MARIADB, "0-1-900,1-1-5");
	expect_end(f, FLAVOR_MARIADB, "", "");
	expect_end(f, FLAVOR_MARIADB, "0-1-850", "0-1-850");
	expect_end(f, FLAVOR_MARIADB, "0-2-901", "0-2-901,1-1-5");
}

/* What was read before is forgotten once it came again: a domain may be deleted then. */
static void what_came_again_is_settled(void **state)
{
	struct fixture *f = *state;
	struct gtid_set *less = set(FLAVOR_MARIADB, "0-1-850,5-1-7"),
			*all = set(FLAVOR_MARIADB, "0-2-901,5-1-7");

	begin_next(f, FLAVOR_MARIADB, "0-1-900,5-1-7");
	assert_int_equal(known_settle(&f->k, f->dir, less, &f->e), 0);
	expect(f->k.read, "0-1-900,5-1-7");
	assert_int_equal(known_settle(&f->k, f->dir, all, &f->e), 0);
	load(f);
	expect(f->k.read, "");
	expect(f->k.end, "0-1-900,5-1-7");
	expect_all(f, FLAVOR_MARIADB, "0-2-950", "0-2-950");
	gtid_set_free(&less);
	gtid_set_free(&all);
}

static void a_log_that_begins_knows_nothing(void **state)
{
	struct fixture *f = *state;

	begin_next(f, FLAVOR_MARIADB, "0-1-900");
	assert_int_equal(known_forget(&f->k, f->dir, &f->e), 0);
	assert_null(f->k.read);
	assert_int_equal(known_forget(&f->k, f->dir, &f->e), 0);
	load(f);
	assert_null(f->k.read);
}

static void a_file_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = {"", "{", "[]",
		"{\"flavor\": \"mariadb\", \"read\": \"0-1\", \"end\": \"\"}",
		"{\"flavor\": \"mysql\", \"read\": \"\", \"end\": \"x\"}",
		"{\"flavor\": \"mysql\", \"read\": \"\"}",
		"{\"flavor\": \"other\", \"read\": \"\", \"end\": \"\"}"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(io_replace_file(f->dir, "known", bad[i], strlen(bad[i]), 0600, &f->e), 0);
		assert_int_equal(known_load(&f->k, f->dir, &f->e), -1);
		assert_null(f->k.read);
	}
}

/* --- the stream --- */

static int event(struct fixture *f, uint8_t type, struct buf *body, bool checked)
{
	struct buf b = {0};
	int rc;

	synthetic_event(&b, type, buf_str(body), 0, 0);
	rc = known_event(&f->k, buf_str(&b), &f->format, checked, &f->e);
	buf_free(&b);
	buf_free(body);
	return rc;
}

/* MariaDB 10.11: u64 number, u32 domain, u8 flags, six bytes that the server fills up with. */
static int gtid(struct fixture *f, uint32_t domain, uint64_t seq, bool checked)
{
	struct buf b = {0};

	buf_put_u64(&b, seq);
	buf_put_u32(&b, domain);
	buf_put_u8(&b, 0);
	buf_put(&b, "\0\0\0\0\0\0", 6);
	return event(f, BINLOG_MARIA_GTID, &b, checked);
}

/* u32 count, then u32 domain, u32 server, u64 number of each. */
static int list(struct fixture *f, unsigned n, uint32_t domain, uint64_t seq)
{
	struct buf b = {0};

	buf_put_u32(&b, n);
	if (n > 0) {
		buf_put_u32(&b, domain);
		buf_put_u32(&b, 42);
		buf_put_u64(&b, seq);
	}
	return event(f, BINLOG_MARIA_GTID_LIST, &b, true);
}

static void a_gap_is_seen(void **state)
{
	struct fixture *f = *state;

	begin_next(f, FLAVOR_MARIADB, "0-1-900,1-1-5");
	assert_int_equal(list(f, 0, 0, 0), 0);
	assert_int_equal(gtid(f, 1, 6, true), 0);
	assert_int_equal(gtid(f, 1, 9, true), 0); /* a hole, and no beginning */
	assert_int_equal(gtid(f, 7, 9, true), 0); /* nobody knew the domain */
	assert_int_equal(gtid(f, 0, 902, true), -1);
	assert_int_equal(f->e.code, ERR_relay_gone);
	assert_non_null(strstr(f->e.text, "0-42-902"));
	assert_non_null(strstr(f->e.text, "0-1-900"));
	/* Refused again, also by the next process. */
	assert_int_equal(gtid(f, 0, 902, true), -1);
	load(f);
	assert_int_equal(gtid(f, 1, 9, false), 0);
	assert_int_equal(gtid(f, 0, 902, true), -1);
}

static void no_gap(void **state)
{
	struct fixture *f = *state;

	begin_next(f, FLAVOR_MARIADB, "0-1-900,1-1-5");
	assert_int_equal(list(f, 1, 0, 880), 0);
	assert_int_equal(gtid(f, 0, 905, true), 0); /* its binlog reaches back: numbers with holes */
	assert_int_equal(gtid(f, 1, 3, true), 0);
	assert_int_equal(gtid(f, 1, 7, true), 0);
	begin_next(f, FLAVOR_MARIADB, "0-1-905,1-1-7");
	assert_int_equal(gtid(f, 0, 906, true), 0);
	/* What is in the log already was looked at when it came. */
	assert_int_equal(gtid(f, 1, 20, false), 0);
	assert_int_equal(gtid(f, 1, 30, true), 0);
}

/* Without gtid_strict_mode the last one need not have the greatest number. */
static void numbers_that_do_not_ascend(void **state)
{
	struct fixture *f = *state;

	begin_next(f, FLAVOR_MARIADB, "0-2-900");
	begin_next(f, FLAVOR_MARIADB, "0-1-850");
	assert_int_equal(gtid(f, 0, 901, true), 0);
}

static void one_generation_has_no_gaps(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(gtid(f, 0, 902, true), 0);
	assert_null(f->k.here);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_known_of_one_generation),
		TEST(what_was_read_stays_known),
		TEST(a_domain_ends_where_it_came_last),
		TEST(an_idle_domain_ends_where_it_did),
		TEST(what_came_again_is_settled),
		TEST(a_log_that_begins_knows_nothing),
		TEST(a_file_that_is_none_is_refused),
		TEST(a_gap_is_seen),
		TEST(no_gap),
		TEST(numbers_that_do_not_ascend),
		TEST(one_generation_has_no_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
