/* File helpers and failpoints, in a throw-away directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/failpoint.h"
#include "common/base/io.h"

static int make_dir(char *path)
{
	strcpy(path, "/tmp/tg-io-XXXXXX");
	assert_non_null(mkdtemp(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void replace_is_whole_or_not_at_all(void **state)
{
	char path[64];
	int dir = make_dir(path);
	struct buf b = {0};
	struct err e = {0};
	struct stat st;

	(void)state;
	assert_int_equal(io_replace_file(dir, "f", "one", 3, 0600, &e), 0);
	assert_int_equal(io_replace_file(dir, "f", "second", 6, 0600, &e), 0);
	assert_int_equal(io_read_file(dir, "f", 100, &b, &e), 0);
	assert_string_equal(buf_cstr(&b), "second");
	assert_int_equal(fstatat(dir, "f.tmp", &st, 0), -1);
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(io_read_file(dir, "f", 5, &b, &e), -1);
	assert_int_equal(e.code, ERR_io);
	assert_int_equal(io_read_file(dir, "absent", 5, &b, &e), -1);
	assert_non_null(strstr(e.text, "absent"));
	buf_free(&b);
	unlinkat(dir, "f", 0);
	close(dir);
	rmdir(path);
}

static void a_slice_must_be_sealed(void **state)
{
	struct buf b = {0};
	struct err e = {0};
	int fd = io_sealed_memfd("slice", "{}", 2, &e), open_fd = memfd_create("x", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(io_read_memfd(fd, 100, &b, &e), 0);
	assert_string_equal(buf_cstr(&b), "{}");
	assert_int_equal(io_read_memfd(open_fd, 100, &b, &e), -1);
	assert_int_equal(e.code, ERR_proto);
	buf_free(&b);
	close(fd);
	close(open_fd);
}

static void a_full_disk_is_named(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct err e = {0};

	(void)state;
	assert_int_equal(io_write_all(fd, "x", 1, &e), -1);
	assert_int_equal(e.code, ERR_disk_full);
	close(fd);
}

#ifdef TIDEGATE_FAILPOINTS
struct record {
	char name[40];
	uint32_t act, countdown, arg, passes, fired, reserved;
};

static void failpoints_fire_once_and_count(void **state)
{
	int fd = memfd_create("fp", MFD_CLOEXEC);
	struct record *r;

	(void)state;
	assert_int_equal(FAILPOINT_HIT(unit_step), 0);
	assert_int_equal(ftruncate(fd, FP_COUNT * 64), 0);
	r = mmap(NULL, FP_COUNT * 64, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	failpoint_open(fd);
	r[FP_unit_step].act = FP_ACT_ERROR;
	r[FP_unit_step].countdown = 2;
	assert_int_equal(FAILPOINT_HIT(unit_step), 0);
	assert_int_equal(FAILPOINT_HIT(unit_step), 1);
	assert_int_equal(FAILPOINT_HIT(unit_step), 0);
	assert_int_equal(r[FP_unit_step].passes, 3);
	assert_int_equal(r[FP_unit_step].fired, 1);
	r[FP_dump_locked].act = FP_ACT_KILL;
	r[FP_dump_locked].countdown = 1;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		FAILPOINT_HIT(dump_locked);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), 9);
	assert_int_equal(r[FP_dump_locked].fired, 1);
	close(fd);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replace_is_whole_or_not_at_all),
		cmocka_unit_test(a_slice_must_be_sealed),
		cmocka_unit_test(a_full_disk_is_named),
#ifdef TIDEGATE_FAILPOINTS
		cmocka_unit_test(failpoints_fire_once_and_count),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
