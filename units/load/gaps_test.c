/* What is missing between chunks that are there: at the beginning, in the middle, at the end, with open ends,
 * and where it can't be told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "units/load/gaps.h"

#define K(text) ((char *)(uintptr_t)(text))

static struct gaps_stretch stretch(const char *lo, const char *hi, struct gaps_chunk *chunks, unsigned n)
{
	return (struct gaps_stretch){K(lo), K(hi), K(""), chunks, n};
}

static void expect(const struct gaps_stretch *s, const char *wanted)
{
	json_t *out = json_array();
	char *text;

	assert_true(gaps_of(s, out));
	text = json_dumps(out, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, wanted);
	free(text);
	json_decref(out);
}

static void unknown(const struct gaps_stretch *s)
{
	json_t *out = json_array();

	assert_false(gaps_of(s, out));
	json_decref(out);
}

static void nothing_there_is_the_whole_stretch(void **state)
{
	struct gaps_stretch s = stretch("[\"1\"]", "[\"9\"]", NULL, 0);

	(void)state;
	expect(&s, "[{\"hi\":[\"9\"],\"lo\":[\"1\"]}]");
	s = stretch("", "", NULL, 0);
	expect(&s, "[{}]");
	s.partitions = K("[\"p0\",\"p1\"]");
	expect(&s, "[{\"partitions\":[\"p0\",\"p1\"]}]");
}

static void all_there_is_no_gap(void **state)
{
	struct gaps_chunk c[] = {{0, false, K(""), K("[\"3\"]")}, {1, true, K("[\"3\"]"), K("[\"9\"]")}};
	struct gaps_stretch s = stretch("[\"1\"]", "[\"9\"]", c, 2);

	(void)state;
	expect(&s, "[]");
	/* The last one of an open stretch, or of a table whose key can't say places. */
	c[0] = (struct gaps_chunk){0, true, K(""), K("")};
	s = stretch("", "", c, 1);
	expect(&s, "[]");
}

static void the_beginning_reaches_to_the_first_chunk(void **state)
{
	struct gaps_chunk c[] = {
		{2, false, K("[\"3\"]"), K("[\"5\"]")}, {3, true, K("[\"5\"]"), K("[\"9\"]")}};
	struct gaps_stretch s = stretch("", "[\"9\"]", c, 2);

	(void)state;
	expect(&s, "[{\"hi\":[\"3\"]}]");
	s.lo = K("[\"1\"]");
	expect(&s, "[{\"hi\":[\"3\"],\"lo\":[\"1\"]}]");
}

static void the_middle_lies_between_neighbours(void **state)
{
	/* 1 is missing; 3 and 4; each gap is one range. */
	struct gaps_chunk c[] = {{0, false, K(""), K("[\"2\",\"'a'\"]")},
		{2, false, K("[\"4\",\"'b'\"]"), K("[\"5\",\"'c'\"]")},
		{5, true, K("[\"7\",\"'d'\"]"), K("")}};
	struct gaps_stretch s = stretch("", "", c, 3);

	(void)state;
	expect(&s, "[{\"hi\":[\"4\",\"'b'\"],\"lo\":[\"2\",\"'a'\"]},{\"hi\":[\"7\",\"'d'\"],\"lo\":[\"5\","
		   "\"'c'\"]}]");
}

static void the_end_reaches_to_the_stretchs(void **state)
{
	struct gaps_chunk c[] = {{0, false, K(""), K("[\"3\"]")}};
	struct gaps_stretch s = stretch("[\"1\"]", "[\"9\"]", c, 1);

	(void)state;
	expect(&s, "[{\"hi\":[\"9\"],\"lo\":[\"3\"]}]");
	s.hi = K("");
	expect(&s, "[{\"lo\":[\"3\"]}]");
}

static void where_a_place_is_not_known_nothing_is_guessed(void **state)
{
	struct gaps_chunk end[] = {{0, false, K(""), K("")}};
	struct gaps_chunk from[] = {{1, true, K(""), K("[\"9\"]")}};
	struct gaps_chunk before[] = {{0, false, K(""), K("")}, {2, true, K("[\"4\"]"), K("")}};
	struct gaps_chunk odd[] = {{0, false, K(""), K("{}")}};
	struct gaps_stretch s = stretch("", "", end, 1);

	(void)state;
	unknown(&s);
	s = stretch("", "", from, 1);
	unknown(&s);
	s = stretch("", "", before, 2);
	unknown(&s);
	s = stretch("", "", odd, 1);
	unknown(&s);
	/* Between two that follow each other there is nothing to know. */
	before[1].seq = 1;
	s = stretch("", "", before, 2);
	expect(&s, "[]");
}

/* Whatever is there, gaps and chunks together are the stretch: each place is where the next one begins. */
static void chunks_and_gaps_cover_the_stretch(void **state)
{
	enum { CHUNKS = 10 };

	(void)state;
	for (unsigned mask = 0; mask < 1u << CHUNKS; mask++) {
		struct gaps_chunk c[CHUNKS];
		char places[CHUNKS + 1][16];
		struct gaps_stretch s = stretch("", "", c, 0);
		json_t *out = json_array();
		bool covered[CHUNKS] = {false};
		json_t *g;
		size_t i;

		for (unsigned k = 0; k <= CHUNKS; k++)
			snprintf(places[k], sizeof(places[k]), k == 0 || k == CHUNKS ? "" : "[\"%u\"]", k);
		for (unsigned k = 0; k < CHUNKS; k++)
			if (mask >> k & 1)
				c[s.n++] = (struct gaps_chunk){k, k + 1 == CHUNKS, places[k], places[k + 1]};
		assert_true(gaps_of(&s, out));
		json_array_foreach(out, i, g) {
			const json_t *lo = json_array_get(json_object_get(g, "lo"), 0),
				     *hi = json_array_get(json_object_get(g, "hi"), 0);
			int from = lo ? atoi(json_string_value(lo)) : 0,
			    to = hi ? atoi(json_string_value(hi)) : CHUNKS;

			assert_true(from < to);
			for (int k = from; k < to; k++) {
				assert_false(covered[k]);
				covered[k] = true;
			}
		}
		for (unsigned k = 0; k < CHUNKS; k++)
			assert_int_equal(covered[k], !(mask >> k & 1));
		json_decref(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_there_is_the_whole_stretch),
		cmocka_unit_test(all_there_is_no_gap),
		cmocka_unit_test(the_beginning_reaches_to_the_first_chunk),
		cmocka_unit_test(the_middle_lies_between_neighbours),
		cmocka_unit_test(the_end_reaches_to_the_stretchs),
		cmocka_unit_test(where_a_place_is_not_known_nothing_is_guessed),
		cmocka_unit_test(chunks_and_gaps_cover_the_stretch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
