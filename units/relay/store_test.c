/* The relay folder: layout, finding places, purge, pins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/base/io.h"
#include "common/base/log.h"
#include "units/relay/pins.h"
#include "units/relay/store.h"
#include "units/relay/synthetic.h"

struct fixture {
	char path[64];
	int dir;
	struct store s;
	struct err e;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = synthetic_folder(f->path, sizeof(f->path));
	*state = f;
	return store_open(&f->s, f->dir, &f->e);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	store_close(&f->s);
	synthetic_remove(f->path, f->dir);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *name, size_t size)
{
	int fd = openat(f->dir, name, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static void file(struct fixture *f, uint64_t number, uint64_t size)
{
	char path[STORE_PATH];
	struct store_generation g;
	struct store_file last;
	char server[STORE_NAME];

	assert_true(store_last(&f->s, &g, &last, server, sizeof(server)));
	store_path(&f->s, g.number, number, path, sizeof(path));
	put(f, path, size);
	store_add_file(&f->s, number);
	store_set_size(&f->s, size);
}

static void reopen(struct fixture *f)
{
	store_close(&f->s);
	if (store_open(&f->s, f->dir, &f->e) < 0)
		fail_msg("%s", f->e.text);
}

static void two_generations(struct fixture *f)
{
	assert_int_equal(store_add_generation(&f->s, "uuid-a", "mysql-bin", 3, 0, &f->e), 0);
	file(f, 3, 1000);
	file(f, 4, 2000);
	assert_int_equal(store_add_generation(&f->s, "0-1", "bin", 7, 0, &f->e), 0);
	file(f, 7, 500);
}

static enum store_place find(
	struct fixture *f, uint32_t generation, uint64_t number, uint64_t offset, struct store_span *span)
{
	return store_find(&f->s, (struct position){generation, number, offset}, span);
}

static void test_layout(void **state)
{
	struct fixture *f = *state;
	struct store_generation g;
	struct store_file last;
	struct buf b = {0};
	char server[STORE_NAME], base[256];
	struct position end;

	assert_true(store_empty(&f->s));
	assert_true(position_is_zero(store_end(&f->s, base, sizeof(base))));
	assert_int_equal(store_add_generation(&f->s, "uuid-a", "mysql-bin", 3, 0, &f->e), 0);
	/* Before the first file only relay.meta knows where it begins. */
	reopen(f);
	end = store_end(&f->s, base, sizeof(base));
	assert_int_equal(end.file, 3);
	assert_int_equal(end.offset, 4);
	assert_string_equal(base, "mysql-bin");
	assert_true(store_last(&f->s, &g, &last, server, sizeof(server)));
	assert_string_equal(server, "uuid-a");
	assert_int_equal(last.number, 3);
	file(f, 3, 1000);
	assert_int_equal(store_write_meta(&f->s, "aa:1-5", &f->e), 0);
	assert_int_equal(io_read_file(f->dir, "uuid-a.000001/relay.meta", 1000, &b, &f->e), 0);
	assert_string_equal(buf_cstr(&b),
		"binlog-name = \"mysql-bin.000003\"\nbinlog-pos = 1000\nbinlog-gtid = \"aa:1-5\"\n");
	buf_clear(&b);
	assert_int_equal(io_read_file(f->dir, "server-uuid.index", 1000, &b, &f->e), 0);
	assert_string_equal(buf_cstr(&b), "uuid-a.000001\n");
	buf_free(&b);
	assert_int_equal(store_add_generation(&f->s, "0-1", "bin", 7, 0, &f->e), 0);
	reopen(f);
	end = store_end(&f->s, base, sizeof(base));
	assert_int_equal(end.generation, 2);
	assert_int_equal(store_bytes(&f->s), 1000);
}

static bool never_had(struct fixture *f, uint32_t generation, uint64_t file)
{
	return store_never_had(&f->s, (struct position){generation, file, 4});
}

static void test_find(void **state)
{
	struct fixture *f = *state;
	struct store_span s;

	assert_int_equal(find(f, 1, 3, 4, &s), STORE_LIVE);
	two_generations(f);
	reopen(f);
	assert_int_equal(find(f, 1, 3, 4, &s), STORE_DATA);
	assert_int_equal(s.size, 1000);
	assert_true(s.closed);
	assert_string_equal(s.path, "uuid-a.000001/mysql-bin.000003");
	/* The end of a closed file is the next one's head, across generations too. */
	assert_int_equal(find(f, 1, 3, 1000, &s), STORE_DATA);
	assert_int_equal(s.at.file, 4);
	assert_int_equal(s.at.offset, 4);
	assert_int_equal(find(f, 1, 4, 2000, &s), STORE_DATA);
	assert_int_equal(s.at.generation, 2);
	assert_int_equal(s.at.file, 7);
	assert_string_equal(s.base, "bin");
	assert_false(s.closed);
	assert_int_equal(find(f, 1, 3, 1001, &s), STORE_WRONG);
	assert_int_equal(find(f, 1, 5, 4, &s), STORE_GONE);
	assert_int_equal(find(f, 1, 2, 4, &s), STORE_GONE);
	assert_true(never_had(f, 1, 5) && never_had(f, 1, 2) && never_had(f, 2, 6));
	assert_false(never_had(f, 1, 3) || never_had(f, 1, 4) || never_had(f, 2, 7) || never_had(f, 3, 1));
	assert_int_equal(find(f, 2, 7, 500, &s), STORE_LIVE);
	assert_int_equal(s.at.offset, 500);
	assert_int_equal(find(f, 2, 7, 501, &s), STORE_BEYOND);
	assert_int_equal(find(f, 2, 8, 4, &s), STORE_LIVE);
	assert_int_equal(s.at.file, 8);
	assert_int_equal(find(f, 2, 9, 4, &s), STORE_BEYOND);
	assert_int_equal(find(f, 3, 1, 4, &s), STORE_BEYOND);
	assert_int_equal(find(f, 0, 7, 4, &s), STORE_WRONG);
	/* A switch before the first file of the new upstream: reading goes on with that file. */
	assert_int_equal(store_add_generation(&f->s, "0-2", "bin", 1, 0, &f->e), 0);
	assert_int_equal(find(f, 2, 7, 500, &s), STORE_LIVE);
	assert_int_equal(s.at.generation, 3);
	assert_int_equal(s.at.file, 1);
}

static void test_purge(void **state)
{
	struct store_limits l = {.quota = 100000};
	struct fixture *f = *state;
	struct store_purged p;
	struct store_span s;
	struct stat st;

	two_generations(f);
	assert_int_equal(store_purge(&f->s, &l, &p, &f->e), 0);
	assert_int_equal(store_bytes(&f->s), 3500);
	l = (struct store_limits){.quota = 1000, .keep = {1, 4, 100}};
	assert_int_equal(store_purge(&f->s, &l, &p, &f->e), 0);
	assert_true(p.stuck && !p.held);
	assert_int_equal(p.files, 1);
	assert_int_equal(p.bytes, 1000);
	assert_int_equal(store_bytes(&f->s), 2500);
	assert_true(fstatat(f->dir, "uuid-a.000001/mysql-bin.000003", &st, 0) < 0);
	assert_int_equal(find(f, 1, 3, 4, &s), STORE_GONE);
	/* It was here. Behind a new start nobody knows. */
	assert_false(never_had(f, 1, 3));
	assert_true(never_had(f, 1, 2));
	reopen(f);
	assert_true(never_had(f, 1, 3));
	assert_false(never_had(f, 1, 4));
	assert_int_equal(find(f, 1, 4, 4, &s), STORE_DATA);
	l = (struct store_limits){.quota = 1, .keep = {2, 7, 4}};
	assert_int_equal(store_purge(&f->s, &l, &p, &f->e), 0);
	assert_false(p.stuck); /* the file that is written is never a reason to stop */
	assert_int_equal(store_bytes(&f->s), 500);
	assert_false(never_had(f, 1, 4));
	reopen(f);
	assert_int_equal(store_bytes(&f->s), 500);
}

static void set_age(struct fixture *f, const char *path, time_t at)
{
	struct timespec times[2] = {{.tv_sec = at}, {.tv_sec = at}};

	assert_int_equal(utimensat(f->dir, path, times, 0), 0);
}

/* By age and by room on the disk: only what no reader needs, and never as a reason to stop pulling. */
static void test_purge_by_age_and_space(void **state)
{
	struct store_limits l = {.quota = UINT64_MAX, .written_before = 1000};
	struct fixture *f = *state;
	uint64_t capacity, available;
	struct store_purged p;

	two_generations(f);
	assert_int_equal(store_purge(&f->s, &l, &p, &f->e), 0);
	assert_int_equal(p.files, 0);
	set_age(f, "uuid-a.000001/mysql-bin.000003", 900);
	set_age(f, "uuid-a.000001/mysql-bin.000004", 950);
	l.keep = (struct position){1, 4, 4};
	assert_int_equal(store_purge(&f->s, &l, &p, &f->e), 0);
	assert_int_equal(p.files, 1);
	assert_true(p.held && !p.stuck);
	l.keep = (struct position){0};
	assert_int_equal(store_purge(&f->s, &l, &p, &f->e), 0);
	assert_int_equal(p.files, 1);
	assert_int_equal(store_count(&f->s), 1);
	store_disk(&f->s, &capacity, &available);
	assert_true(capacity >= available && capacity > 0);
	reopen(f);
	l = (struct store_limits){.quota = UINT64_MAX, .free_bytes = UINT64_MAX};
	assert_int_equal(store_purge(&f->s, &l, &p, &f->e), 0);
	assert_int_equal(p.files, 0); /* the one that is written stays */
}

static void test_purge_by_name(void **state)
{
	struct store_limits l = {.quota = UINT64_MAX};
	struct fixture *f = *state;
	struct store_purged p;

	two_generations(f);
	assert_int_equal(store_file_at(&f->s, NULL, "mysql-bin.000004", &l.before, &f->e), -1);
	assert_int_equal(f->e.code, ERR_bad_stage);
	assert_int_equal(store_file_at(&f->s, "uuid-a.000001", "other.000004", &l.before, &f->e), -1);
	assert_int_equal(store_file_at(&f->s, "uuid-a.000001", "mysql-bin.000099", &l.before, &f->e), -1);
	assert_int_equal(store_file_at(&f->s, "nobody.000001", "mysql-bin.000004", &l.before, &f->e), -1);
	assert_int_equal(store_file_at(&f->s, NULL, "no number", &l.before, &f->e), -1);
	assert_int_equal(store_file_at(&f->s, "uuid-a.000001", "mysql-bin.000004", &l.before, &f->e), 0);
	assert_int_equal(store_purge(&f->s, &l, &p, &f->e), 0);
	assert_int_equal(p.files, 1);
	assert_int_equal(store_bytes(&f->s), 2500);
	l.before = (struct position){9, 9, 9};
	l.keep = (struct position){1, 4, 4};
	assert_int_equal(store_purge(&f->s, &l, &p, &f->e), 0);
	assert_int_equal(p.files, 0);
	assert_true(p.held);
}

static void test_damaged(void **state)
{
	struct fixture *f = *state;

	two_generations(f);
	put(f, "uuid-a.000001/mysql-bin.000006", 10);
	store_close(&f->s);
	assert_int_equal(store_open(&f->s, f->dir, &f->e), -1);
	assert_int_equal(f->e.code, ERR_relay_parse);
	assert_non_null(strstr(f->e.text, "mysql-bin.000005"));
	assert_int_equal(unlinkat(f->dir, "uuid-a.000001/mysql-bin.000006", 0), 0);
	put(f, "uuid-a.000001/other.000001", 10);
	store_close(&f->s);
	assert_int_equal(store_open(&f->s, f->dir, &f->e), -1);
	assert_int_equal(unlinkat(f->dir, "uuid-a.000001/other.000001", 0), 0);
	assert_int_equal(
		io_replace_file(f->dir, "server-uuid.index", "../../etc.000001\n", 17, 0600, &f->e), 0);
	store_close(&f->s);
	assert_int_equal(store_open(&f->s, f->dir, &f->e), -1);
	assert_int_equal(
		io_replace_file(f->dir, "server-uuid.index", "0-1.000002\nuuid-a.000001\n", 25, 0600, &f->e),
		0);
	store_close(&f->s);
	assert_int_equal(store_open(&f->s, f->dir, &f->e), -1);
	assert_non_null(strstr(f->e.text, "does not come behind"));
}

static void test_pins(void **state)
{
	struct fixture *f = *state;
	struct pins p;
	json_t *keep = json_pack("[s]", "b");

	assert_int_equal(pins_load(&p, f->dir, &f->e), 0);
	assert_true(position_is_zero(pins_slowest(&p, NULL)));
	assert_int_equal(pins_set(&p, STR_LIT("a"), (struct position){1, 3, 100}, &f->e), 0);
	assert_int_equal(pins_set(&p, STR_LIT("b"), (struct position){1, 2, 9000}, &f->e), 0);
	assert_int_equal(pins_set(&p, STR_LIT(""), (struct position){1, 2, 9000}, &f->e), -1);
	assert_int_equal(pins_set(&p, STR_LIT("\xff\xfe"), (struct position){1, 2, 9000}, &f->e), -1);
	assert_int_equal(pins_slowest(&p, NULL).file, 2);
	assert_int_equal(pins_save(&p, true, &f->e), 0);
	assert_false(p.changed);
	pins_fini(&p);
	assert_int_equal(pins_load(&p, f->dir, &f->e), 0);
	assert_true(pins_has(&p, STR_LIT("a")));
	assert_int_equal(pins_set(&p, STR_LIT("b"), (struct position){0, 0, 0}, &f->e), 0);
	assert_false(pins_has(&p, STR_LIT("b")));
	assert_int_equal(pins_slowest(&p, NULL).file, 3);
	pins_keep(&p, keep);
	assert_true(position_is_zero(pins_slowest(&p, NULL)));
	json_decref(keep);
	pins_fini(&p);
	assert_int_equal(io_replace_file(f->dir, "pins", "{\"a\":\"1:x:4\"}", 13, 0600, &f->e), 0);
	assert_int_equal(pins_load(&p, f->dir, &f->e), -1);
	pins_fini(&p);
}

/* A generation may have a number of another host's; and all may go, for good. */
static void test_numbers_and_discard(void **state)
{
	struct fixture *f = *state;
	struct store_span span;

	two_generations(f);
	assert_int_equal(store_add_generation(&f->s, "0-3", "bin", 1, 7, &f->e), 0);
	file(f, 1, 100);
	assert_int_equal(find(f, 2, 7, 500, &span), STORE_DATA);
	assert_int_equal(span.at.generation, 7);
	assert_int_equal(store_add_generation(&f->s, "0-4", "bin", 1, 3, &f->e), 0); /* never backwards */
	file(f, 1, 100);
	assert_int_equal(find(f, 8, 1, 4, &span), STORE_DATA);
	reopen(f);
	assert_int_equal(find(f, 7, 1, 4, &span), STORE_DATA);
	assert_int_equal(store_discard(&f->s, &f->e), 0);
	assert_true(store_empty(&f->s));
	reopen(f);
	assert_true(store_empty(&f->s));
	assert_int_equal(faccessat(f->dir, "0-3.000007", F_OK, 0), -1);
	assert_int_equal(store_add_generation(&f->s, "uuid-a", "mysql-bin", 3, 0, &f->e), 0);
	file(f, 3, 1000);
	assert_int_equal(find(f, 1, 3, 4, &span), STORE_DATA);
}

/* The relay was killed while it threw a log away: its files are no part of the next one, which may begin in a
 * folder of the same name. */
static void test_discard_cut_off(void **state)
{
	struct fixture *f = *state;
	struct store_span span;

	two_generations(f);
	put(f, "pins", 2);
	assert_int_equal(unlinkat(f->dir, "server-uuid.index", 0), 0);
	reopen(f);
	assert_true(store_empty(&f->s));
	assert_int_equal(faccessat(f->dir, "uuid-a.000001", F_OK, 0), -1);
	assert_int_equal(faccessat(f->dir, "0-1.000002", F_OK, 0), -1);
	assert_int_equal(faccessat(f->dir, "pins", F_OK, 0), 0);
	/* And if they could not be removed then. */
	assert_int_equal(mkdirat(f->dir, "uuid-a.000001", 0700), 0);
	put(f, "uuid-a.000001/mysql-bin.000004", 100);
	assert_int_equal(mkdirat(f->dir, "0-1.000002", 0700), 0);
	put(f, "0-1.000002/bin.000007", 100);
	assert_int_equal(store_add_generation(&f->s, "uuid-a", "mysql-bin", 9, 0, &f->e), 0);
	file(f, 9, 1000);
	reopen(f);
	assert_int_equal(find(f, 1, 9, 4, &span), STORE_DATA);
	assert_int_equal(find(f, 1, 4, 4, &span), STORE_GONE);
	assert_int_equal(store_add_generation(&f->s, "0-1", "bin", 8, 0, &f->e), 0);
	file(f, 8, 100);
	reopen(f);
	assert_int_equal(find(f, 2, 7, 4, &span), STORE_GONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_layout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_purge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_purge_by_age_and_space, setup, teardown),
		cmocka_unit_test_setup_teardown(test_purge_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers_and_discard, setup, teardown),
		cmocka_unit_test_setup_teardown(test_discard_cut_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pins, setup, teardown),
	};

	log_set_level(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
