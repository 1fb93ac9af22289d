/* Heads of binlog files: what is read of one, and that nothing stays of one that can't be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/io.h"
#include "units/relay/head.h"
#include "units/relay/synthetic.h"

struct fixture {
	char path[64];
	int dir;
	struct buf file, body;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = synthetic_folder(f->path, sizeof(f->path));
	buf_put(&f->file, BINLOG_MAGIC, BINLOG_MAGIC_SIZE);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	buf_free(&f->file);
	buf_free(&f->body);
	synthetic_remove(f->path, f->dir);
	free(f);
	return 0;
}

static void event(struct fixture *f, uint8_t type)
{
	synthetic_event(&f->file, type, buf_str(&f->body), f->file.n + synthetic_size(f->body.n), 0);
	buf_clear(&f->body);
}

static int read_head(struct fixture *f, struct head *h, struct err *e)
{
	assert_int_equal(io_replace_file(f->dir, "bin.000001", f->file.p, f->file.n, 0600, e), 0);
	return head_of_file(f->dir, "bin.000001", h, e);
}

static void a_head_has_its_format_and_its_set(void **state)
{
	struct fixture *f = *state;
	struct head h = {0};
	struct err e = {0};

	synthetic_format(&f->body, "9.7.0", 1);
	event(f, BINLOG_FORMAT);
	synthetic_previous(&f->body, 4);
	event(f, BINLOG_PREVIOUS_GTIDS);
	assert_int_equal(read_head(f, &h, &e), 0);
	assert_true(h.format.n > 0);
	assert_non_null(h.set);
	assert_false(gtid_set_empty(h.set));
	assert_true(h.complete);
	head_fini(&h);
}

/* Only the FORMAT is there so far: that it begins with nothing is not known yet. */
static void a_head_may_be_still_to_come(void **state)
{
	struct fixture *f = *state;
	struct head h = {0};
	struct err e = {0};

	synthetic_format(&f->body, "9.7.0", 1);
	event(f, BINLOG_FORMAT);
	assert_int_equal(read_head(f, &h, &e), 0);
	assert_true(h.format.n > 0);
	assert_false(h.complete);
	head_fini(&h);
	/* A server without such sets goes on at once. */
	buf_puts(&f->body, "BEGIN");
	event(f, BINLOG_QUERY);
	assert_int_equal(read_head(f, &h, &e), 0);
	assert_true(h.complete);
	assert_true(gtid_set_empty(h.set));
	head_fini(&h);
}

/* A connection that is cut between the two looks the same as a set that is damaged. */
static void nothing_stays_of_a_head_that_breaks_off(void **state)
{
	struct fixture *f = *state;
	struct head h = {0};
	struct err e = {0};

	synthetic_format(&f->body, "9.7.0", 1);
	event(f, BINLOG_FORMAT);
	buf_put_u8(&f->body, 1); /* no set is as short */
	event(f, BINLOG_PREVIOUS_GTIDS);
	assert_int_equal(read_head(f, &h, &e), -1);
	assert_null(h.format.p);
	assert_null(h.set);
	assert_non_null(strstr(e.text, "bin.000001"));
}

static void a_file_without_a_format_is_none(void **state)
{
	struct fixture *f = *state;
	struct head h = {0};
	struct err e = {0};

	assert_int_equal(read_head(f, &h, &e), -1);
	assert_int_equal(e.code, ERR_relay_parse);
	assert_null(h.format.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_head_has_its_format_and_its_set, setup, teardown),
		cmocka_unit_test_setup_teardown(a_head_may_be_still_to_come, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_stays_of_a_head_that_breaks_off, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_without_a_format_is_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
