/* What several sources have in one table is added up, and judged where all are heard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/config/json.h"
#include "ctl/cutover_parts.h"

#define PART(target, up, down, sum, there)                                                       \
	"{\"state\":\"part\",\"what\":\"w\",\"part\":{\"target\":\"" target "\",\"rows\":[\"" up \
	"\",\"" down "\"],\"sums\":[\"" sum "\",\"" there "\"]}}"
#define SOURCE(name, findings) "{\"source\":\"" name "\",\"findings\":[" findings "]}"
#define OTHER "{\"state\":\"success\",\"what\":\"other\"}"

static const struct {
	const char *sources, *state, *what; /* of the last finding of the first source */
} cases[] = {
	{SOURCE("one", OTHER "," PART("t", "3", "5", "10", "30")) "," SOURCE(
		 "two", PART("t", "2", "5", "20", "30")),
		"success", "downstream t, rows of one, two: 5 rows, equal"},
	{SOURCE("one", PART("t", "3", "5", "10", "30")) "," SOURCE("two", PART("t", "2", "5", "19", "30")),
		"fail", "of 5 rows some differ"},
	{SOURCE("one", PART("t", "3", "5", "10", "30")) "," SOURCE("two", PART("T", "5", "5", "30", "30")),
		"success", "downstream T, rows of two: 5 rows, equal"}, /* where they are one, both say `t` */
	{SOURCE("one", PART("t", "3", "6", "10", "30")) "," SOURCE("two", PART("t", "2", "6", "20", "30")),
		"fail", "5 rows in these sources, 6 downstream"},
	{SOURCE("one", PART("t", "3", "5", "10", "30")) "," SOURCE("two", PART("t", "2", "5", "20", "31")),
		"fail", "changed while it was read"},
	{SOURCE("one", PART("t", "3", "5", "10", "30")), "fail", "3 rows in these sources, 5 downstream"},
	{SOURCE("one", PART("t", "0", "0", "", "")) "," SOURCE("two", PART("t", "0", "0", "", "")), "success",
		"0 rows, equal"},
	{SOURCE("one", PART("t", "1", "2", "99999999999999999999999999",
			       "100000000000000000000000000")) "," SOURCE("two",
		 PART("t", "1", "2", "1", "100000000000000000000000000")),
		"success", "2 rows, equal"},
	{SOURCE("one", "{\"state\":\"part\",\"part\":{\"target\":\"t\",\"rows\":[\"1\",\"2\"],\"sums\":["
		       "\"1\",\"2\"],\"how\":\"a\"}}") "," SOURCE("two", PART("t", "1", "2", "1", "3")),
		"warn", "only the count is compared"},
	{SOURCE("one", PART("t", "x", "0", "", "")), "fail", "can't be read"},
};

static json_t *last(const json_t *sources)
{
	json_t *list = json_object_get(json_array_get(sources, 0), "findings");

	return json_array_get(list, json_array_size(list) - 1);
}

static void parts_are_added_up(void **state)
{
	char text[2000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *sources, *f, *s;
		size_t k, n;

		snprintf(text, sizeof(text), "[%s]", cases[i].sources);
		sources = json_loads(text, 0, NULL);
		assert_non_null(sources);
		cutover_parts_judge(sources);
		assert_string_equal(json_text(last(sources), "state", ""), cases[i].state);
		if (!strstr(json_text(last(sources), "what", ""), cases[i].what))
			fail_msg("%s: %s", cases[i].what, json_text(last(sources), "what", ""));
		json_array_foreach(sources, k, s)
			json_array_foreach(json_object_get(s, "findings"), n, f)
				assert_string_not_equal(json_text(f, "state", ""), "part");
		json_decref(sources);
	}
}

static void nothing_is_said_without_parts(void **state)
{
	json_t *sources = json_loads("[" SOURCE("one", OTHER) "]", 0, NULL);

	(void)state;
	cutover_parts_judge(sources);
	assert_int_equal(json_array_size(json_object_get(json_array_get(sources, 0), "findings")), 1);
	json_decref(sources);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_added_up),
		cmocka_unit_test(nothing_is_said_without_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
