/* The list of wanted tables, and lists for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "units/check/check.h"

static void add(struct tables *t, const struct rules *r, const char *schema, const char *name)
{
	const struct str v[] = {str_of(schema), str_of(name)};

	tables_add(t, r, v);
}

static void found_by_both_names(void **state)
{
	json_t *o =
		json_loads("{\"routes\":[{\"name\":\"r\",\"schema-pattern\":\"a\",\"table-pattern\":\"t\","
			   "\"target-schema\":\"b\",\"target-table\":\"U\"}]}",
			0, NULL);
	struct err e = {0};
	struct rules *r = rules_new(o, "dm_meta", &e);
	struct tables *t = tables_new();
	struct buf in = {0};
	size_t at = 0;

	(void)state;
	assert_non_null(r);
	assert_null(tables_find(t, STR_LIT("a"), STR_LIT("t"), &at));
	add(t, r, "a", "s");
	add(t, r, "a", "t");
	add(t, r, "it's", "x");
	assert_int_equal(t->n, 3);
	assert_ptr_equal(tables_find(t, STR_LIT("it's"), STR_LIT("x"), &at), &t->p[2]);
	assert_int_equal(at, 2);
	assert_ptr_equal(tables_find(t, STR_LIT("a"), STR_LIT("t"), &at), &t->p[1]);
	assert_null(tables_find(t, STR_LIT("a"), STR_LIT("T"), &at));
	assert_ptr_equal(tables_find_to(t, STR_LIT("B"), STR_LIT("u"), false), &t->p[1]);
	assert_ptr_equal(tables_find_to(t, STR_LIT("b"), STR_LIT("U"), true), &t->p[1]);
	assert_null(tables_find_to(t, STR_LIT("b"), STR_LIT("u"), true));
	assert_null(tables_find_to(t, STR_LIT("B"), STR_LIT("U"), true));
	assert_null(tables_find_to(t, STR_LIT("a"), STR_LIT("t"), false));
	tables_put_schemas(t, &in);
	assert_string_equal(buf_cstr(&in), " IN ('a','it\\'s')");
	buf_free(&in);
	tables_free(&t);
	assert_null(t);
	rules_free(&r);
	json_decref(o);
}

static void put_pair(void *out, const struct check_table *a, const struct check_table *b)
{
	buf_putf(out, "%s.%s %s.%s;", a->schema, a->name, b->schema, b->name);
}

static void pairs_of_one_target(void **state)
{
	struct tables *t = tables_new();
	struct buf out = {0};
	struct err e = {0};
	json_t *o = json_object();
	struct rules *r = rules_new(o, "dm_meta", &e);

	(void)state;
	tables_each_pair(t, put_pair, &out);
	add(t, r, "a", "t");
	add(t, r, "a", "u");
	assert_int_equal(out.n, 0);
	add(t, r, "a", "T");
	add(t, r, "A", "t");
	tables_each_pair(t, put_pair, &out);
	assert_string_equal(buf_cstr(&out), "a.t a.T;a.T A.t;");
	buf_free(&out);
	tables_free(&t);
	rules_free(&r);
	json_decref(o);
}

static void told_where_too_many(void **state)
{
	struct tables many = {.n = TABLES_TRIED};
	struct check c = {.tables = &many, .findings = json_array()};

	(void)state;
	assert_false(check_too_many(&c, "primary_key"));
	assert_int_equal(json_array_size(c.findings), 0);
	many.n++;
	assert_true(check_too_many(&c, "primary_key"));
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(c.findings, 0), "state")), "warn");
	assert_string_equal(json_string_value(json_object_get(json_array_get(c.findings, 0), "what")),
		"of 2001 tables none was looked at: there are more than 2000");
	json_decref(c.findings);
}

static void of_no_table(void **state)
{
	struct tables *t = tables_new();
	struct buf in = {0};

	(void)state;
	tables_put_schemas(t, &in);
	assert_string_equal(buf_cstr(&in), " IN ('')");
	buf_free(&in);
	tables_free(&t);
}

static void the_first_three(void **state)
{
	struct some s = {0};

	(void)state;
	assert_null(some_text(&s));
	some_add(&s, "%d", 1);
	assert_string_equal(some_text(&s), "1");
	for (int i = 2; i <= 5; i++)
		some_add(&s, "%d", i);
	assert_string_equal(some_text(&s), "1, 2, 3 and 2 more");
	some_free(&s);
	assert_int_equal(s.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_by_both_names),
		cmocka_unit_test(pairs_of_one_target),
		cmocka_unit_test(told_where_too_many),
		cmocka_unit_test(of_no_table),
		cmocka_unit_test(the_first_three),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
