/* Which collation becomes which, between the families and their versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>
#include <cmocka.h>

#include "common/sql/collation.h"
#include "common/sql/collation_id.h"
#include "common/sql/dialect.h"

static const struct server my97 = {FLAVOR_MYSQL, 90700}, my80 = {FLAVOR_MYSQL, 80020},
			   my57 = {FLAVOR_MYSQL, 50744}, ma118 = {FLAVOR_MARIADB, 110809},
			   ma1011 = {FLAVOR_MARIADB, 101105}, ma105 = {FLAVOR_MARIADB, 100523},
			   ti85 = {FLAVOR_TIDB, 80500}, ti65 = {FLAVOR_TIDB, 60500};

static const struct {
	const struct server *from, *to;
	const char *name, *want; /* want NULL: as it is */
} rows[] = {
	/* what both have */
	{&my97, &ma118, "utf8mb4_general_ci", NULL},
	{&my97, &ma118, "latin1_swedish_ci", NULL},
	{&my97, &ma105, "binary", NULL},
	{&ma105, &my97, "utf8mb4_bin", NULL},
	{&ma118, &ti85, "utf8mb4_unicode_ci", NULL},
	{&my97, &my97, "utf8mb4_0900_ai_ci", NULL},
	{&my97, &ma118, "utf8mb4_0900_ai_ci", NULL},
	{&ma105, &my97, "no_such_collation", NULL},
	{&ma105, &my97, "", NULL},
	/* MySQL's 0900 */
	{&my97, &ma1011, "utf8mb4_0900_ai_ci", "utf8mb4_uca1400_nopad_ai_ci"},
	{&my97, &ma1011, "UTF8MB4_0900_AI_CI", "utf8mb4_uca1400_nopad_ai_ci"},
	{&my97, &ma1011, "utf8mb4_0900_as_ci", "utf8mb4_uca1400_nopad_as_ci"},
	{&my97, &ma1011, "utf8mb4_0900_as_cs", "utf8mb4_uca1400_nopad_as_cs"},
	{&my97, &ma1011, "utf8mb4_0900_bin", "utf8mb4_nopad_bin"},
	{&my97, &ma1011, "utf8mb4_pl_0900_ai_ci", "utf8mb4_uca1400_polish_nopad_ai_ci"},
	{&my97, &ma1011, "utf8mb4_es_trad_0900_as_cs", "utf8mb4_uca1400_spanish2_nopad_as_cs"},
	{&my97, &ma1011, "utf8mb4_nb_0900_ai_ci", "utf8mb4_uca1400_danish_nopad_ai_ci"},
	{&my97, &ma118, "utf8mb4_ru_0900_ai_ci", "utf8mb4_0900_as_ci"},
	{&my97, &ma1011, "utf8mb4_ru_0900_ai_ci", "utf8mb4_uca1400_nopad_as_ci"},
	{&my97, &ma1011, "utf8mb4_zh_0900_as_cs", "utf8mb4_uca1400_nopad_as_cs"},
	{&my97, &ma118, "utf8mb4_ja_0900_as_cs_ks", "utf8mb4_0900_as_cs"},
	{&my97, &ma105, "utf8mb4_0900_ai_ci", "utf8mb4_unicode_520_nopad_ci"},
	{&my97, &ma105, "utf8mb4_0900_as_ci", "utf8mb4_nopad_bin"},
	{&my97, &ma105, "utf8mb4_0900_as_cs", "utf8mb4_nopad_bin"},
	{&my97, &ma105, "utf8mb4_pl_0900_ai_ci", "utf8mb4_polish_ci"},
	{&my97, &ma105, "utf8mb4_ru_0900_ai_ci", "utf8mb4_nopad_bin"},
	{&my97, &my57, "utf8mb4_0900_ai_ci", "utf8mb4_unicode_520_ci"},
	{&my97, &my57, "utf8mb4_0900_as_cs", "utf8mb4_bin"},
	{&my97, &my80, "utf8mb4_nb_0900_ai_ci", "utf8mb4_danish_ci"},
	{&my97, &ti85, "utf8mb4_0900_ai_ci", NULL},
	{&my97, &ti65, "utf8mb4_0900_ai_ci", "utf8mb4_unicode_ci"},
	{&my97, &ti85, "utf8mb4_0900_as_cs", "utf8mb4_0900_bin"},
	{&my97, &ti65, "utf8mb4_0900_as_cs", "utf8mb4_bin"},
	/* MariaDB's uca1400 */
	{&ma118, &my97, "utf8mb4_uca1400_ai_ci", "utf8mb4_0900_ai_ci"},
	{&ma118, &my97, "utf8mb4_uca1400_nopad_ai_ci", "utf8mb4_0900_ai_ci"},
	{&ma118, &my97, "utf8mb4_uca1400_as_ci", "utf8mb4_0900_as_ci"},
	{&ma118, &my97, "utf8mb4_uca1400_ai_cs", "utf8mb4_0900_as_cs"},
	{&ma118, &my97, "utf8mb4_uca1400_polish_ai_ci", "utf8mb4_pl_0900_ai_ci"},
	{&ma118, &my97, "utf8mb4_uca1400_polish_as_ci", "utf8mb4_pl_0900_as_cs"},
	{&ma118, &my97, "utf8mb4_uca1400_persian_ai_ci", "utf8mb4_persian_ci"},
	{&ma118, &my97, "utf8mb4_uca1400_persian_as_ci", "utf8mb4_0900_as_ci"},
	{&ma118, &my97, "utf8mb3_uca1400_ai_ci", "utf8mb3_unicode_520_ci"},
	{&ma118, &my97, "utf8mb3_uca1400_as_cs", "utf8mb3_bin"},
	{&ma118, &my80, "utf8mb3_uca1400_ai_ci", "utf8_unicode_520_ci"},
	{&ma118, &my97, "ucs2_uca1400_swedish_ai_ci", "ucs2_swedish_ci"},
	{&ma118, &ma105, "utf8mb4_uca1400_ai_ci", "utf8mb4_unicode_520_ci"},
	{&ma118, &ma105, "utf8mb4_uca1400_nopad_ai_ci", "utf8mb4_unicode_520_nopad_ci"},
	{&ma118, &ma105, "utf8mb4_uca1400_swedish_ai_ci", "utf8mb4_swedish_ci"},
	{&ma118, &ma105, "utf8mb4_uca1400_as_cs", "utf8mb4_bin"},
	{&ma118, &ti85, "utf8mb4_uca1400_ai_ci", "utf8mb4_0900_ai_ci"},
	{&ma118, &ti65, "utf8mb4_uca1400_ai_ci", "utf8mb4_unicode_ci"},
	{&ma118, &ti85, "utf8mb4_uca1400_polish_ai_ci", "utf8mb4_bin"},
	{&ma118, &ti85, "utf8mb3_uca1400_ai_ci", "utf8_unicode_ci"},
	/* the other ones of MariaDB alone */
	{&ma118, &my97, "utf8mb4_nopad_bin", "utf8mb4_0900_bin"},
	{&ma118, &my57, "utf8mb4_nopad_bin", "utf8mb4_bin"},
	{&ma118, &my97, "utf8mb4_unicode_520_nopad_ci", "utf8mb4_0900_ai_ci"},
	{&ma118, &my97, "utf8mb4_unicode_nopad_ci", "utf8mb4_0900_ai_ci"},
	{&ma118, &my97, "utf8mb4_general_nopad_ci", "utf8mb4_general_ci"},
	{&ma118, &my97, "utf8mb4_general1400_as_ci", "utf8mb4_0900_as_ci"},
	{&ma118, &ma105, "utf8mb4_general1400_as_ci", "utf8mb4_bin"},
	{&ma118, &my97, "utf8mb4_croatian_mysql561_ci", "utf8mb4_hr_0900_ai_ci"},
	{&ma118, &my57, "utf8mb4_croatian_mysql561_ci", "utf8mb4_croatian_ci"},
	{&ma118, &my97, "utf8mb4_thai_520_w2", "utf8mb4_0900_as_ci"},
	{&ma118, &my97, "utf8mb3_myanmar_ci", "utf8mb3_bin"},
	{&ma118, &my97, "latin1_swedish_nopad_ci", "latin1_swedish_ci"},
	{&ma118, &my97, "latin1_nopad_bin", "latin1_bin"},
	{&ma118, &my97, "ascii_general_nopad_ci", "ascii_general_ci"},
	/* utf8 and utf8mb3 */
	{&ma105, &my97, "utf8_general_ci", "utf8mb3_general_ci"},
	{&my97, &ma105, "utf8mb3_general_ci", "utf8_general_ci"},
	{&my97, &ma118, "utf8mb3_general_ci", NULL},
	{&my97, &my80, "utf8mb3_general_ci", "utf8_general_ci"},
	{&ma118, &ti85, "utf8mb3_general_ci", "utf8_general_ci"},
	{&ma118, &ti85, "utf8mb3_unicode_520_ci", "utf8_unicode_ci"},
	{&ma105, &my97, "utf8", "utf8mb3"},
	{&my97, &ma105, "utf8mb3", "utf8"},
	{&my97, &ma118, "utf8mb4", NULL},
	/* charsets that the target lacks */
	{&my97, &ma118, "gb18030", "utf8mb4"},
	{&my97, &ma118, "gb18030_bin", "utf8mb4_bin"},
	{&my97, &ma118, "gb18030_chinese_ci", "utf8mb4_bin"},
	{&my97, &ma118, "gb18030_unicode_520_ci", "utf8mb4_unicode_520_ci"},
	{&ma118, &ti85, "latin1", "utf8mb4"},
	{&ma118, &ti85, "latin1_swedish_ci", "utf8mb4_bin"},
	{&ma118, &ti85, "ascii_general_ci", "ascii_bin"},
	{&ma118, &ti85, "gbk_chinese_ci", NULL},
	{&ma118, &ti85, "utf16_general_ci", "utf8mb4_general_ci"},
	{&ma118, &ti85, "utf8mb4_polish_ci", "utf8mb4_bin"},
	{&ma118, &ti85, "utf8mb4_unicode_520_ci", "utf8mb4_0900_ai_ci"},
	{&ma118, &ti65, "utf8mb4_unicode_520_ci", "utf8mb4_unicode_ci"},
	{&ma118, &ti85, "binary", NULL},
};

static void nearest(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = sql_map_collation(str_of(rows[i].name), rows[i].from, rows[i].to);

		if ((!got) != (!rows[i].want) || (got && strcmp(got, rows[i].want) != 0))
			fail_msg("%s, %s %u to %s %u: %s, wanted %s", rows[i].name,
				flavor_name(rows[i].from->flavor), rows[i].from->version,
				flavor_name(rows[i].to->flavor), rows[i].to->version, got ? got : "as it is",
				rows[i].want ? rows[i].want : "as it is");
	}
}

/* What a database has for the upstream's default: by case and accents. */
static void fits(void **state)
{
	static const struct {
		const struct server *to;
		const char *name, *there;
		bool want;
	} cases[] = {
		{&ma118, "utf8mb4_0900_ai_ci", "utf8mb4_uca1400_ai_ci", true},
		{&ma1011, "utf8mb4_0900_ai_ci", "utf8mb4_general_ci", true},
		{&my97, "utf8mb4_general_ci", "utf8mb4_bin", true},
		{&my97, "utf8mb4_bin", "utf8mb4_general_ci", false},
		{&my97, "utf8mb4_bin", "utf8mb4_0900_as_cs", false},
		{&my97, "utf8mb4_0900_as_cs", "utf8mb4_0900_as_cs", true},
		{&my97, "utf8mb4_0900_as_cs", "utf8mb4_0900_as_ci", false},
		{&my97, "utf8mb4_0900_as_ci", "utf8mb4_0900_ai_ci", false},
		{&ma118, "binary", "utf8mb4_bin", true},
		/* A trailing space makes another key; where the server has no such bytes alone, it is as near
		   as may be. */
		{&my97, "utf8mb4_0900_bin", "utf8mb4_bin", false},
		{&ma118, "utf8mb4_0900_bin", "utf8mb4_bin", false},
		{&ma118, "utf8mb4_0900_bin", "utf8mb4_nopad_bin", true},
		{&my97, "utf8mb4_bin", "utf8mb4_0900_bin", true},
		{&my57, "utf8mb4_0900_bin", "utf8mb4_bin", true},
		{&ma118, "of_nobody_ci", "utf8mb4_general_ci", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (sql_collation_fits(str_of(cases[i].name), str_of(cases[i].there), cases[i].to) !=
			cases[i].want)
			fail_msg("%s for %s", cases[i].there, cases[i].name);
}

static const struct {
	const struct server *from, *to;
	const char *name;
	bool fail, exact; /* taken by these policies */
} policies[] = {
	{&my97, &ma118, "utf8mb4_general_ci", true, true},
	{&my97, &ma118, "utf8mb3_general_ci", true, true},
	{&my97, &ma105, "utf8mb3_general_ci", true, true}, /* utf8_general_ci */
	{&ma105, &my97, "utf8", true, true},
	{&my97, &ma118, "utf8mb4_0900_ai_ci", true, true},
	{&my97, &ma1011, "utf8mb4_0900_ai_ci", true, false}, /* uca1400_nopad_ai_ci */
	{&my97, &ma1011, "utf8mb4_0900_as_cs", true, false},
	{&my97, &ma1011, "utf8mb4_pl_0900_ai_ci", true, false},
	{&my97, &ma1011, "utf8mb4_nb_0900_ai_ci", false, false}, /* Danish */
	{&my97, &ma1011, "utf8mb4_0900_bin", true, false},       /* nopad_bin */
	{&my97, &ma105, "utf8mb4_0900_ai_ci", false, false},     /* unicode_520_nopad_ci */
	{&my97, &ma118, "gb18030_bin", false, false},            /* another charset */
	{&ma118, &my97, "utf8mb4_nopad_bin", true, false},
	{&ma118, &my97, "utf8mb4_uca1400_nopad_ai_ci", true, false},
	{&ma118, &my97, "utf8mb4_uca1400_ai_ci", false, false}, /* pads */
	{&ma118, &my97, "latin1_nopad_bin", false, false},
	{&ma118, &ti85, "latin1", false, false},
	{&ma118, &ti85, "utf8mb4", false, false}, /* uca1400_ai_ci */
	{&my97, &ti85, "utf8mb4", true, true},
};

static void policy(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		struct str name = str_of(policies[i].name);
		const struct server *from = policies[i].from, *to = policies[i].to;

		assert_true(sql_collation_may(name, from, to, COLLATION_NEAREST));
		if (sql_collation_may(name, from, to, COLLATION_FAIL) != policies[i].fail ||
			sql_collation_may(name, from, to, COLLATION_EXACT) != policies[i].exact)
			fail_msg("%s, %s %u to %s %u", policies[i].name, flavor_name(from->flavor),
				from->version, flavor_name(to->flavor), to->version);
	}
	assert_int_equal(collation_policy_of("exact"), COLLATION_EXACT);
	assert_int_equal(collation_policy_of("strict"), -1);
}

/* Every collation finds one that the target knows; what the target knows stays. */
static void always_known(void **state)
{
	static const char *const names[] = {
#define COLLATION(cs, rest, my, ma, ti) cs "_" rest,
#define UTF8MB3(rest, my, ma, ti) "utf8mb3_" rest,
#define UNICODE(rest, my, ma, ti) \
	"ucs2_" rest, "utf16_" rest, "utf32_" rest, "utf8mb3_" rest, "utf8mb4_" rest,
#define UCA1400(lang) \
	"utf8mb4_uca1400_" lang "ai_ci", "utf8mb3_uca1400_" lang "nopad_as_ci", "utf32_uca1400_" lang "ai_cs",
#include "common/sql/collation.def"
	};
	const struct server *all[] = {&my97, &my80, &my57, &ma118, &ma1011, &ma105, &ti85, &ti65};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct collation *c = collation_find(str_of(names[i]));

		assert_non_null(c);
		for (size_t s = 0; s < sizeof(all) / sizeof(all[0]); s++) {
			const struct collation *n = collation_nearest(c, all[s]);

			if (!collation_known(n, all[s]))
				fail_msg("%s for %s %u: %s", names[i], flavor_name(all[s]->flavor),
					all[s]->version, n->name);
			if (collation_known(c, all[s]))
				assert_ptr_equal(n, c);
		}
	}
}

static void what_a_charset_means(void **state)
{
	static const struct {
		const struct server *s;
		const char *charset, *want;
	} means[] = {
		{&my97, "utf8mb4", "utf8mb4_0900_ai_ci"},
		{&my57, "utf8mb4", "utf8mb4_general_ci"},
		{&ma118, "utf8mb4", "utf8mb4_uca1400_ai_ci"},
		{&ma1011, "utf8mb4", "utf8mb4_general_ci"},
		{&ti85, "utf8mb4", "utf8mb4_bin"},
		{&ma118, "utf8", "utf8mb3_uca1400_ai_ci"},
		{&my97, "utf8", "utf8mb3_general_ci"},
		{&my57, "utf8", "utf8_general_ci"},
		{&my97, "latin1", "latin1_swedish_ci"},
		{&my97, "LATIN1", "latin1_swedish_ci"},
		{&ma118, "binary", "binary"},
		{&my97, "gb18030", "gb18030_chinese_ci"},
		{&my97, "cp1251", "cp1251_general_ci"},
		{&my97, "tis620", "tis620_thai_ci"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(means) / sizeof(means[0]); i++) {
		const struct collation *c = collation_default(str_of(means[i].charset), means[i].s);

		assert_non_null(c);
		assert_string_equal(collation_name(c, means[i].s), means[i].want);
	}
	assert_null(collation_default(STR_LIT("klingon"), &my97));
	assert_null(collation_default(STR_LIT("utf8mb4_bin"), &my97));
}

static void by_number(void **state)
{
	static const struct {
		unsigned id;
		const struct server *s;
		const char *want;
	} numbers[] = {
		{33, &my97, "utf8mb3_general_ci"},
		{33, &ma105, "utf8_general_ci"},
		{45, &ma118, "utf8mb4_general_ci"},
		{8, &my97, "latin1_swedish_ci"},
		{63, &my57, "binary"},
		{255, &my97, "utf8mb4_0900_ai_ci"},
		{323, &my97, "utf8mb4_mn_cyrl_0900_as_cs"},
		{323, &ma118, NULL},
		{245, &my97, "utf8mb4_croatian_ci"},
		{245, &ma118, "utf8mb4_croatian_mysql561_ci"},
		{1069, &ma105, "utf8mb4_general_nopad_ci"},
		{1069, &my97, NULL},
		{2048, &ma118, "utf8mb3_uca1400_ai_ci"},
		{2304, &ma118, "utf8mb4_uca1400_ai_ci"},
		{2311, &ma118, "utf8mb4_uca1400_nopad_as_cs"},
		{2370, &ma118, "utf8mb4_uca1400_swedish_as_ci"},
		{2304, &my97, NULL},
		{2232, &ma118, "utf8mb3_uca1400_vietnamese_ai_ci"},
		{2240, &ma118, "utf8mb3_uca1400_croatian_ai_ci"},
		{2216, &ma118, NULL},
		{0, &my97, NULL},
		{4096, &ma118, NULL},
		{UINT32_MAX, &ma118, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		const char *want = numbers[i].want, *got = sql_collation_of_id(numbers[i].id, numbers[i].s);
		struct str charset = sql_charset_of_id(numbers[i].id, numbers[i].s->flavor);

		if (want) {
			assert_string_equal(got, want);
			/* Old versions say utf8. */
			if (strncmp(want, "utf8_", 5) == 0)
				assert_true(str_is(charset, "utf8mb3"));
			else
				assert_true(strncmp(want, charset.p, charset.n) == 0 &&
					    strchr("_", want[charset.n]));
		} else {
			assert_null(got);
		}
	}
	for (unsigned id = 0; id < 5000; id++) {
		/* Each number is found, whatever stands beside it. */
		assert_int_equal(
			sql_collation_of_id(id, &my97) != NULL, sql_charset_of_id(id, FLAVOR_MYSQL).n > 0);
		assert_true(!sql_collation_of_id(id, &ma118) || sql_charset_of_id(id, FLAVOR_MARIADB).n > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nearest),
		cmocka_unit_test(fits),
		cmocka_unit_test(policy),
		cmocka_unit_test(always_known),
		cmocka_unit_test(what_a_charset_means),
		cmocka_unit_test(by_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
