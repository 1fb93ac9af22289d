/* The mark in a TiDB job's text: the same wherever the statement is met, and of no other one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "units/sync/ddl_job.h"

static void mark(const struct trx *t, const char *event, const char *tail, struct buf *text)
{
	static struct apply a; /* a large one */
	struct ddl_place p = {0};

	a.id = (struct meta_id){"dm_meta", "t", "s", 1};
	snprintf(p.event, sizeof(p.event), "%s", event);
	snprintf(p.key, sizeof(p.key), "%s%s", event, tail);
	buf_clear(text);
	buf_puts(text, "DROP TABLE t");
	ddl_job_mark(&a, t, &p, text);
}

static void the_same_on_another_host(void **state)
{
	struct trx t = {.has_gtid = true, .gtid = {.mariadb = true, .domain = 0, .server_id = 1, .seq = 7}};
	struct buf here = {0}, there = {0};

	(void)state;
	mark(&t, "1:3:4711", "", &here);
	mark(&t, "2:9:120", "", &there);
	assert_string_equal(buf_cstr(&here), buf_cstr(&there));
	assert_non_null(strstr(buf_cstr(&here), "-0-1-7*/ DROP TABLE t"));
	mark(&t, "2:9:120", "+2", &there);
	assert_non_null(strstr(buf_cstr(&there), "-0-1-7+2*/ DROP TABLE t"));
	t.gtid.seq = 8;
	mark(&t, "1:3:4711", "", &there);
	assert_string_not_equal(buf_cstr(&here), buf_cstr(&there));
	buf_free(&here);
	buf_free(&there);
}

static void tags_mean_nothing_to_like(void **state)
{
	struct trx t = {.has_gtid = true, .gtid = {.gno = 7, .tag = "a_b_c"}};
	struct buf text = {0};

	(void)state;
	mark(&t, "1:3:4711", "", &text);
	assert_non_null(strstr(buf_cstr(&text), ":a.b.c:7*/"));
	assert_null(strchr(buf_cstr(&text), '_'));
	buf_free(&text);
}

/* Of CREATE TABLE … SELECT: it comes again with its rows, perhaps from another host's log. */
static void inside_by_its_transactions(void **state)
{
	struct trx t = {.inside = true, .gtid = {.mariadb = true, .domain = 0, .server_id = 1, .seq = 7}};
	struct buf text = {0};

	(void)state;
	assert_true(trx_is_named(&t));
	mark(&t, "1:3:4711", "", &text);
	assert_non_null(strstr(buf_cstr(&text), "-0-1-7*/ DROP TABLE t"));
	t.gtid.anonymous = true;
	assert_false(trx_is_named(&t));
	mark(&t, "1:3:4711", "", &text);
	assert_non_null(strstr(buf_cstr(&text), "-1:3:4711*/ DROP TABLE t"));
	buf_free(&text);
}

static void without_a_gtid_by_its_place(void **state)
{
	struct trx t = {0};
	struct buf text = {0};

	(void)state;
	mark(&t, "1:3:4711", "+1", &text);
	assert_non_null(strstr(buf_cstr(&text), "-1:3:4711+1*/ DROP TABLE t"));
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_on_another_host),
		cmocka_unit_test(tags_mean_nothing_to_like),
		cmocka_unit_test(inside_by_its_transactions),
		cmocka_unit_test(without_a_gtid_by_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
