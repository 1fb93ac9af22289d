/* What a tree will cost is known before it is made: its text is another process's. */
#include "common/config/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static size_t taken; /* by jansson, each piece with what an allocator adds */

static void *take(size_t n)
{
	size_t *p = malloc(n + sizeof(max_align_t));

	taken += (n + 8 + 15) / 16 * 16;
	p[0] = (n + 8 + 15) / 16 * 16;
	return (char *)p + sizeof(max_align_t);
}

static void give(void *mem)
{
	size_t *p = mem ? (size_t *)(void *)((char *)mem - sizeof(max_align_t)) : NULL;

	if (p)
		taken -= p[0];
	free(p);
}

static void check(const char *open, const char *one, const char *close)
{
	enum { MANY = 150000 };
	struct buf b = {0};
	struct err e = {0};
	size_t cost;
	json_t *o;

	buf_puts(&b, open);
	for (unsigned i = 0; i < MANY; i++) {
		buf_puts(&b, i ? "," : "");
		buf_putf(&b, one, i);
	}
	buf_puts(&b, close);
	cost = json_cost(buf_str(&b));
	taken = 0;
	o = json_parse(buf_str(&b), "a test", &e);
	assert_non_null(o);
	print_message("%s%s%s: %zu bytes of text, %zu of memory, %zu expected\n", open, one, close, b.n,
		taken, cost);
	assert_in_range(cost, taken / 20 * 19, taken * 5);
	json_decref(o);
	assert_int_equal(taken, 0);
	buf_free(&b);
}

static void a_tree_costs_what_was_expected(void **state)
{
	(void)state;
	json_set_alloc_funcs(take, give);
	check("[", "[]", "]");
	check("[", "{}", "]");
	check("[", "0", "]");
	check("[", "1.5", "]");
	check("[", "\"\"", "]");
	check("[", "\"a, [b], {\\\"c\\\":%u}\"", "]");
	check("[", "{\"\":0}", "]");
	check("[", "{\"k\":{\"l\":[[],null]}}", "]");
	check("{", "\"k%u\":0", "}");
	check("{", "\"k%u\":[{}]", "}");
}

static void a_text_without_end_is_counted_to_its_end(void **state)
{
	(void)state;
	assert_int_equal(json_cost(STR_LIT("")), 0);
	assert_int_equal(json_cost(STR_LIT("\"[[[[")), 48 + 5);
	assert_int_equal(json_cost(STR_LIT("\"\\")), 48 + 2);
	assert_int_equal(json_cost(STR_LIT("[\"[\\\"[\",")), 96 + 48 + 48 + 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_tree_costs_what_was_expected),
		cmocka_unit_test(a_text_without_end_is_counted_to_its_end)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
