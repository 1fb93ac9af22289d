/* The state and run folders: made, opened, refused. Works as root and as an ordinary user. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/io.h"
#include "supervisor/folders.h"
#include "unit.h"

struct fixture {
	char dir[64], state[96], run[96];
	struct super_args args;
	struct ids ids;
};

static int setup(void **state)
{
	static struct fixture f;
	struct owner self = {geteuid(), getegid()};
	struct err e;

	memset(&f, 0, sizeof(f));
	snprintf(f.dir, sizeof(f.dir), "/tmp/tg-folders-XXXXXX");
	for (int fd = 3; fd <= FD_LAST; fd++) /* as the supervisor does at its start */
		assert_int_equal(dup2(0, fd), fd);
	assert_non_null(mkdtemp(f.dir));
	snprintf(f.state, sizeof(f.state), "%s/state", f.dir);
	snprintf(f.run, sizeof(f.run), "%s/run", f.dir);
	f.args = (struct super_args){.state = f.state, .run = f.run, .uid_first = 59000, .uid_last = 59999};
	assert_int_equal(ids_init(&f.ids, &f.args, self, &e), 0);
	*state = &f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	return nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void close_fds(int *fds)
{
	for (int i = 0; i <= FD_LAST; i++)
		io_close(&fds[i]);
}

static void no_fds(int *fds)
{
	for (int i = 0; i <= FD_LAST; i++)
		fds[i] = -1;
}

static void check_dir(int fd, uid_t uid, mode_t root_mode)
{
	struct stat st;

	assert_true(fd > FD_LAST);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_mode & 07777, geteuid() == 0 ? root_mode : 0700);
}

static void units_get_their_own_folders(void **state)
{
	struct fixture *f = *state;
	struct folders d;
	struct err e = {0};
	struct stat st;
	int fds[FD_LAST + 1];
	uid_t uid = ids_slot(&f->ids, 3).uid;

	assert_int_equal(folders_open(&d, &f->args, &f->ids, &e), 0);
	no_fds(fds);
	assert_int_equal(folders_for(&d, (struct place){UNIT_relay, 3, 0}, fds, &e), 0);
	check_dir(fds[FD_STATE], uid, 0700);
	check_dir(fds[FD_RUN], uid, 02770);
	assert_int_equal(fstat(fds[FD_KEY], &st), 0);
	assert_int_equal(st.st_size, 32);
	assert_int_equal(faccessat(fds[FD_RUN], "relay-0.lock", F_OK, 0), 0);
	close_fds(fds);
	assert_int_equal(folders_for(&d, (struct place){UNIT_load, 3, 42}, fds, &e), 0);
	check_dir(fds[FD_STATE], uid, 0700);
	close_fds(fds);
	assert_int_equal(folders_for(&d, (struct place){UNIT_sync, 3, 42}, fds, &e), 0);
	assert_int_equal(fds[FD_STATE], -1);
	close_fds(fds);
	assert_int_equal(faccessat(d.state, "sources/3/relay", F_OK, 0), 0);
	assert_int_equal(faccessat(d.state, "sources/3/dump/42", F_OK, 0), 0);
	assert_int_equal(faccessat(d.run, "3/sync-42.lock", F_OK, 0), 0);
	folders_close(&d);
}

static void agent_and_master_get_no_key(void **state)
{
	struct fixture *f = *state;
	struct folders d;
	struct err e = {0};
	int fds[FD_LAST + 1];

	assert_int_equal(folders_open(&d, &f->args, &f->ids, &e), 0);
	no_fds(fds);
	for (int kind = UNIT_agent; kind <= UNIT_master; kind++) {
		assert_int_equal(folders_for(&d, (struct place){kind, 0, 0}, fds, &e), 0);
		assert_int_equal(fds[FD_KEY], -1);
		check_dir(fds[FD_STATE], f->ids.host.uid, 0700);
		check_dir(fds[FD_RUN], f->ids.host.uid, 0755);
		close_fds(fds);
	}
	folders_close(&d);
}

static void a_second_supervisor_is_refused(void **state)
{
	struct fixture *f = *state;
	struct super_args other = f->args;
	char elsewhere[128];
	struct folders a, b;
	struct err e = {0};

	assert_int_equal(folders_open(&a, &f->args, &f->ids, &e), 0);
	assert_int_equal(folders_open(&b, &f->args, &f->ids, &e), -1);
	assert_int_equal(e.code, ERR_locked);
	folders_close(&b);
	/* Another run folder with the same state, and the other way round, are no better. */
	snprintf(elsewhere, sizeof(elsewhere), "%s/else", f->dir);
	other.run = elsewhere;
	assert_int_equal(folders_open(&b, &other, &f->ids, &e), -1);
	assert_int_equal(e.code, ERR_locked);
	folders_close(&b);
	other.run = f->run;
	other.state = elsewhere;
	assert_int_equal(folders_open(&b, &other, &f->ids, &e), -1);
	assert_int_equal(e.code, ERR_locked);
	folders_close(&b);
	folders_close(&a);
	assert_int_equal(folders_open(&a, &f->args, &f->ids, &e), 0);
	folders_close(&a);
}

static void the_key_is_made_once_and_checked(void **state)
{
	struct fixture *f = *state;
	struct buf one = {0}, two = {0};
	struct folders d;
	struct err e = {0};

	assert_int_equal(folders_open(&d, &f->args, &f->ids, &e), 0);
	assert_int_equal(io_read_file(d.state, "key", 64, &one, &e), 0);
	folders_close(&d);
	assert_int_equal(folders_open(&d, &f->args, &f->ids, &e), 0);
	assert_int_equal(io_read_file(d.state, "key", 64, &two, &e), 0);
	assert_int_equal(one.n, 32);
	assert_true(str_eq(buf_str(&one), buf_str(&two)));
	assert_int_equal(fchmodat(d.state, "key", 0640, 0), 0);
	folders_close(&d);
	assert_int_equal(folders_open(&d, &f->args, &f->ids, &e), -1);
	assert_non_null(strstr(e.text, "mode 0600"));
	assert_int_equal(unlinkat(d.state, "key", 0), 0);
	assert_int_equal(symlinkat("/dev/null", d.state, "key"), 0);
	folders_close(&d);
	assert_int_equal(folders_open(&d, &f->args, &f->ids, &e), -1);
	folders_close(&d);
	buf_free(&one);
	buf_free(&two);
}

/* A captured agent owns RUN: what it puts there must not lead us out of it. */
static void traps_in_the_run_folder(void **state)
{
	struct fixture *f = *state;
	struct folders d;
	struct err e = {0};
	int fds[FD_LAST + 1];

	assert_int_equal(folders_open(&d, &f->args, &f->ids, &e), 0);
	no_fds(fds);
	assert_int_equal(symlinkat("/tmp", d.run, "1"), 0);
	assert_int_equal(folders_for(&d, (struct place){UNIT_sync, 1, 1}, fds, &e), -1);
	close_fds(fds);
	assert_int_equal(mknodat(d.run, "2", S_IFREG | 0600, 0), 0);
	assert_int_equal(folders_for(&d, (struct place){UNIT_sync, 2, 1}, fds, &e), -1);
	close_fds(fds);
	assert_int_equal(folders_for(&d, (struct place){UNIT_sync, 3, 1}, fds, &e), 0);
	assert_int_equal(unlinkat(fds[FD_RUN], "sync-1.lock", 0), 0);
	assert_int_equal(symlinkat("/tmp/tg-never-made", fds[FD_RUN], "sync-1.lock"), 0);
	assert_int_equal(mkfifoat(fds[FD_RUN], "sync-2.lock", 0600), 0);
	close_fds(fds);
	assert_int_equal(folders_for(&d, (struct place){UNIT_sync, 3, 1}, fds, &e), -1);
	close_fds(fds);
	assert_int_equal(access("/tmp/tg-never-made", F_OK), -1);
	assert_int_equal(folders_for(&d, (struct place){UNIT_sync, 3, 2}, fds, &e), -1);
	close_fds(fds);
	folders_close(&d);
}

static void foreign_owners_are_refused(void **state)
{
	struct fixture *f = *state;
	struct folders d;
	struct err e = {0};
	int fds[FD_LAST + 1];

	if (geteuid() != 0)
		skip();
	assert_int_equal(folders_open(&d, &f->args, &f->ids, &e), 0);
	no_fds(fds);
	assert_int_equal(folders_for(&d, (struct place){UNIT_relay, 5, 0}, fds, &e), 0);
	close_fds(fds);
	/* The slot's run folder of one source moved into the place of another's. */
	assert_int_equal(renameat(d.run, "5", d.run, "6"), 0);
	assert_int_equal(folders_for(&d, (struct place){UNIT_sync, 6, 1}, fds, &e), -1);
	assert_non_null(strstr(e.text, "belongs to uid 59005, not to uid 59006"));
	close_fds(fds);
	assert_int_equal(fchownat(d.state, "sources/5/relay", 59007, 59007, 0), 0);
	assert_int_equal(folders_for(&d, (struct place){UNIT_relay, 5, 0}, fds, &e), -1);
	assert_non_null(strstr(e.text, "belongs to uid 59007"));
	close_fds(fds);
	folders_close(&d);
	assert_int_equal(chown(f->state, 59001, 59001), 0);
	assert_int_equal(folders_open(&d, &f->args, &f->ids, &e), -1);
	assert_non_null(strstr(e.text, "must belong to the supervisor's user"));
	folders_close(&d);
}

/* A load starts, of slot 5. */
static void start_load(struct fixture *f)
{
	struct folders d;
	struct err e = {0};
	int fds[FD_LAST + 1];

	no_fds(fds);
	assert_int_equal(folders_open(&d, &f->args, &f->ids, &e), 0);
	assert_int_equal(folders_for(&d, (struct place){UNIT_load, 5, 1}, fds, &e), 0);
	close_fds(fds);
	folders_close(&d);
}

static void check_lent(int dir, const char *name, gid_t gid, mode_t mode)
{
	struct stat st;

	assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, gid);
	assert_int_equal(st.st_mode & 0777, mode);
}

static void put_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* Only a dump's folder, and only what is root's, a file, and has no name elsewhere. */
static void roots_dump_is_lent(void **state)
{
	struct fixture *f = *state;
	char files[96];
	int dir;

	if (geteuid() != 0)
		skip();
	snprintf(files, sizeof(files), "%s/files", f->dir);
	assert_int_equal(mkdir(files, 0700), 0);
	f->args.files = files;
	dir = open(files, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_file(dir, "a.sql");
	start_load(f);
	check_lent(dir, "a.sql", 0, 0600);
	put_file(dir, "metadata");
	put_file(dir, "two");
	assert_int_equal(linkat(dir, "two", dir, "names", 0), 0);
	assert_int_equal(symlinkat("/etc/shadow", dir, "link"), 0);
	assert_int_equal(chmod(files, 0722), 0);
	start_load(f);
	check_lent(dir, "a.sql", 0, 0600);
	assert_int_equal(chmod(files, 0700), 0);
	start_load(f);
	check_lent(dir, "a.sql", 59005, 0640);
	check_lent(dir, "metadata", 59005, 0640);
	check_lent(dir, "two", 0, 0600);
	check_lent(dir, ".", 59005, 0750);
	check_lent(dir, "link", 0, 0777);
	close(dir);
}

static void a_state_that_others_write_is_refused(void **state)
{
	struct fixture *f = *state;
	struct folders d;
	struct err e = {0};

	assert_int_equal(mkdir(f->state, 0700), 0);
	assert_int_equal(chmod(f->state, 0777), 0);
	assert_int_equal(folders_open(&d, &f->args, &f->ids, &e), -1);
	assert_non_null(strstr(e.text, "chmod go-w"));
	folders_close(&d);
	f->args.state = "/proc/none/state";
	assert_int_equal(folders_open(&d, &f->args, &f->ids, &e), -1);
	assert_non_null(strstr(e.text, "/proc/none/state"));
	folders_close(&d);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(units_get_their_own_folders),
		TEST(agent_and_master_get_no_key),
		TEST(a_second_supervisor_is_refused),
		TEST(the_key_is_made_once_and_checked),
		TEST(traps_in_the_run_folder),
		TEST(foreign_owners_are_refused),
		TEST(roots_dump_is_lent),
		TEST(a_state_that_others_write_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
