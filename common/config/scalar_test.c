/* Values of DM's files as they are written: sizes, times, GTID sets, zones; and the table of keys. */
#include "common/config/scalar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/config/keys.h"

/* Every row has help; sections that rows point at exist; names are not twice. */
static void test_table(void **state)
{
	size_t n;
	const struct key *all = keys_all(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		bool section = all[i].type == KEY_MAP || all[i].type == KEY_NAMED || all[i].type == KEY_EACH,
		     found = !section;

		assert_true(strlen(all[i].help) > 5);
		for (size_t j = 0; j < n; j++) {
			found |= section && strcmp(all[j].section, all[i].of) == 0;
			if (i != j && strcmp(all[i].section, all[j].section) == 0)
				assert_string_not_equal(all[i].name, all[j].name);
		}
		if (!found)
			fail_msg("%s: no section %s", all[i].name, all[i].of);
	}
}

static void test_scalars(void **state)
{
	int64_t v;

	(void)state;
	assert_true(scalar_size(str_of("64"), "MiB", &v));
	assert_int_equal(v, 64 << 20);
	assert_true(scalar_size(str_of("1 GB"), "MiB", &v));
	assert_int_equal(v, 1 << 30);
	assert_true(scalar_size(str_of("500m"), "B", &v));
	assert_int_equal(v, 500 << 20);
	assert_false(scalar_size(str_of("9999999999999T"), "B", &v));
	assert_false(scalar_size(str_of("-1"), "B", &v));
	assert_false(scalar_size(str_of("1BB"), "B", &v));
	assert_false(scalar_size(str_of(""), "B", &v));
	assert_true(scalar_time(str_of("1h2m3.5s"), &v));
	assert_int_equal(v, 3723500);
	assert_true(scalar_time(str_of("30"), &v));
	assert_int_equal(v, 30000);
	assert_true(scalar_time(str_of("9000000000000000000h"), &v));
	assert_true(v > INT64_C(1) << 50);
	assert_false(scalar_time(str_of("1h2"), &v));
	assert_false(scalar_time(str_of("s"), &v));
	assert_false(scalar_time(str_of(""), &v));
	assert_true(scalar_same(str_of("OFF"), "0"));
	assert_false(scalar_same(str_of("on"), "0"));
}

static void test_forms(void **state)
{
#define UUID "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	static const char *const sets[] = {"", UUID ":1", UUID ":1-5:7", UUID ":tag_1:1-2:b:3", "0-1-2",
		"0-1-2, 1-4294967295-18446744", UUID ":1 ,\n" UUID ":2"};
	static const char *const no_sets[] = {UUID, UUID ":", UUID ":0", UUID ":5-4", UUID ":tag",
		UUID ":1:", UUID "1:1", "0-1", "0-1-", "0-1-2-3", ",", "0-1-2,", "4294967296-1-1", "x",
		"3e11fa47:1"};
	static const char *const zones[] = {"UTC", "Asia/Shanghai", "Etc/GMT+8", "+14:00", "-12:59", "+8:00"};
	static const char *const no_zones[] = {
		"", "+14:01", "-13:00", "+08", "+08:60", "+08:0", "8:00", "a b"};

	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (!scalar_gtids(str_of(sets[i])))
			fail_msg("refused: %s", sets[i]);
	for (size_t i = 0; i < sizeof(no_sets) / sizeof(no_sets[0]); i++)
		if (scalar_gtids(str_of(no_sets[i])))
			fail_msg("taken: %s", no_sets[i]);
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (!scalar_zone(str_of(zones[i])))
			fail_msg("refused: %s", zones[i]);
	for (size_t i = 0; i < sizeof(no_zones) / sizeof(no_zones[0]); i++)
		if (scalar_zone(str_of(no_zones[i])))
			fail_msg("taken: %s", no_zones[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
