/* A copy of several moments: what each table has already, transaction by transaction, in the files that it
 * was made from and in those of another server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "units/sync/copied.h"

#define UUID "6b6b6b6b-6b6b-6b6b-6b6b-6b6b6b6b6b6b"

/* old: all of the first; mixed: of all three; late: of the second and third; tied: of the first, with
 * cascades. */
static const char plan[] =
	"{\"made\":{},\"snapshots\":["
	"{\"copy_id\":\"a\",\"file\":\"bin.000003\",\"offset\":1000,\"gtid\":\"" UUID ":1-10\"},"
	"{\"copy_id\":\"b\",\"file\":\"bin.000003\",\"offset\":5000,\"gtid\":\"" UUID ":1-50\"},"
	"{\"copy_id\":\"c\",\"file\":\"bin.000004\",\"offset\":500,\"gtid\":\"" UUID ":1-60\"}],"
	"\"tables\":{\"d\":{\"old\":[0,0],\"mixed\":[0,2],\"late\":[1,2],\"new\":[2,2],\"tied\":[0,0,1]}}}";

static int setup(void **state)
{
	static struct copied c;
	struct err e = {0};

	c = (struct copied){0};
	assert_int_equal(copied_read(&c, STR_LIT(plan), &e), 0);
	assert_int_equal(c.n, 3);
	*state = &c;
	return 0;
}

static int teardown(void **state)
{
	copied_fini(*state);
	return 0;
}

/* In the first server's files. */
static struct trx at(uint64_t file, uint64_t offset)
{
	return (struct trx){.start = {1, file, offset}, .end = {1, file, offset + 100}};
}

/* In another one's, by its GTID. */
static struct trx gno(uint64_t n)
{
	struct trx t = {.start = {2, 1, 100 * n}, .end = {2, 1, 100 * n + 100}, .has_gtid = true};

	memset(t.gtid.uuid, 0x6b, sizeof(t.gtid.uuid));
	t.gtid.gno = n;
	return t;
}

static bool has(const struct copied *c, const char *table, struct trx t)
{
	return copied_has(c, STR_LIT("d"), str_of(table), &t);
}

static bool again(const struct copied *c, const char *table, struct trx t)
{
	return copied_again(copied_find(c, STR_LIT("d"), str_of(table)), &t);
}

static bool untied(const struct copied *c, const char *table, struct trx t)
{
	return copied_untied(copied_find(c, STR_LIT("d"), str_of(table)), &t);
}

static void one_of_an_older_moment_goes_on_from_there(void **state)
{
	const struct copied *c = *state;

	assert_true(has(c, "old", at(3, 900)));
	assert_false(has(c, "old", at(3, 1000)));
	assert_false(again(c, "old", at(3, 1000)));
	assert_false(again(c, "old", at(4, 400)));
}

static void one_of_the_newest_passes_all_before_it_by(void **state)
{
	const struct copied *c = *state;

	assert_true(has(c, "new", at(3, 1000)));
	assert_true(has(c, "new", at(4, 400)));
	assert_false(has(c, "new", at(4, 500)));
	/* So does one that is not known: it came, or went, before. */
	assert_true(has(c, "unknown", at(4, 400)));
	assert_false(has(c, "unknown", at(4, 500)));
	assert_null(copied_find(c, STR_LIT("d"), STR_LIT("new")));
}

static void one_of_several_is_written_twice_in_between(void **state)
{
	const struct copied *c = *state;

	assert_false(has(c, "mixed", at(3, 1000)));
	assert_true(again(c, "mixed", at(3, 1000)));
	assert_true(again(c, "mixed", at(4, 400)));
	assert_false(again(c, "mixed", at(4, 500)));
	assert_true(has(c, "late", at(3, 4900)));
	assert_false(has(c, "late", at(3, 5000)));
	assert_true(again(c, "late", at(3, 5000)));
}

static void foreign_keys_are_checked_behind_the_newest(void **state)
{
	const struct copied *c = *state;

	assert_true(untied(c, "old", at(4, 400)));
	assert_false(untied(c, "old", at(4, 500)));
	assert_false(untied(c, "tied", at(4, 400)));
	assert_false(untied(c, "new", at(4, 400)));
}

static void another_servers_files_go_by_gtid(void **state)
{
	const struct copied *c = *state;
	struct trx nameless = {.start = {2, 1, 4}};

	assert_true(has(c, "old", gno(10)));
	assert_false(has(c, "old", gno(11)));
	assert_true(again(c, "mixed", gno(60)));
	assert_false(again(c, "mixed", gno(61)));
	assert_true(has(c, "unknown", gno(60)));
	assert_false(has(c, "unknown", gno(61)));
	assert_false(has(c, "unknown", nameless));
}

static void of_one_moment_there_is_nothing_to_tell(void **state)
{
	struct copied c = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(copied_read(&c, STR_LIT("{\"made\":{}}"), &e), 0);
	assert_int_equal(c.n, 0);
	assert_int_equal(copied_read(&c,
				 STR_LIT("{\"snapshots\":[{\"copy_id\":\"a\",\"file\":\"b.000001\","
					 "\"offset\":4,\"gtid\":\"\"}],\"tables\":{\"d\":{\"t\":[0,0]}}}"),
				 &e),
		0);
	assert_int_equal(c.n, 0);
	assert_false(has(&c, "t", at(1, 1)));
	copied_fini(&c);
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"{\"snapshots\":[{\"file\":\"b.2\",\"offset\":4},{\"file\":\"b.1\",\"offset\":4}]}",
		"{\"snapshots\":[{\"file\":\"b.1\",\"offset\":4},{\"file\":\"\",\"offset\":4}]}",
		"{\"snapshots\":[{\"file\":\"b.1\"},{\"file\":\"b.2\"}],\"tables\":{\"d\":{\"t\":[0,2]}}}",
		"{\"snapshots\":[{\"file\":\"b.1\"},{\"file\":\"b.2\"}],\"tables\":{\"d\":{\"t\":[1,0]}}}",
		"nothing",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct copied c = {0};
		struct err e = {0};

		assert_int_equal(copied_read(&c, str_of(bad[i]), &e), -1);
		copied_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_of_an_older_moment_goes_on_from_there, setup, teardown),
		cmocka_unit_test_setup_teardown(one_of_the_newest_passes_all_before_it_by, setup, teardown),
		cmocka_unit_test_setup_teardown(one_of_several_is_written_twice_in_between, setup, teardown),
		cmocka_unit_test_setup_teardown(foreign_keys_are_checked_behind_the_newest, setup, teardown),
		cmocka_unit_test_setup_teardown(another_servers_files_go_by_gtid, setup, teardown),
		cmocka_unit_test(of_one_moment_there_is_nothing_to_tell),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
