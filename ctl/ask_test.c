/* Which master is asked: that of a folder of ours, also where somebody else is quick to make one. */
#include "ctl/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

enum { USER = 65534, OTHER = 65533 };

/* A folder of that user's with a socket that somebody listens at. */
static int make_master(const char *folder, uid_t user)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%.90s/master.sock", folder);
	assert_int_equal(mkdir(folder, 0755), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(chmod(at.sun_path, 0666), 0);
	assert_int_equal(chown(folder, user, user), 0);
	return fd;
}

static void remove_master(const char *folder, int fd)
{
	char path[700];

	close(fd);
	snprintf(path, sizeof(path), "%s/master.sock", folder);
	unlink(path);
	rmdir(folder);
}

/* Asks as USER, by --state, and somebody's folder comes between the search and the asking. */
static bool would_ask(uid_t whose, struct err *e)
{
	char state[] = "/tmp/tg-ask-XXXXXX", run[600];
	struct args a = {.state = state};
	struct ask *k;
	int fd;

	assert_non_null(mkdtemp(state));
	assert_int_equal(chmod(state, 0755), 0);
	assert_int_equal(seteuid(USER), 0);
	assert_int_equal(ask_find(&a, run, sizeof(run), e), 0);
	assert_int_equal(strncmp(run, "/tmp/tidegate-65534-", 20), 0);
	assert_int_equal(seteuid(0), 0);
	fd = make_master(run, whose);
	assert_int_equal(seteuid(USER), 0);
	k = ask_open(run, &a, e);
	ask_close(&k);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chdir("/"), 0);
	remove_master(run, fd);
	rmdir(state);
	return e->code == 0;
}

static void nobody_elses_folder_is_entered(void **state)
{
	struct err e = {0};

	(void)state;
	if (geteuid() != 0)
		skip();
	unsetenv("XDG_RUNTIME_DIR");
	assert_true(would_ask(USER, &e));
	assert_false(would_ask(OTHER, &e));
	assert_int_equal(e.code, ERR_ctl_connect);
	assert_non_null(strstr(e.text, "belongs to somebody else"));
}

/* Who names a folder himself means it. */
static void a_named_folder_is_anybodys(void **state)
{
	char run[] = "/tmp/tg-ask-XXXXXX";
	struct args a = {.master = run};
	struct err e = {0};
	struct ask *k;
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(run));
	rmdir(run);
	fd = make_master(run, OTHER);
	assert_int_equal(seteuid(USER), 0);
	k = ask_open(run, &a, &e);
	assert_non_null(k);
	ask_close(&k);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chdir("/"), 0);
	remove_master(run, fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_elses_folder_is_entered),
		cmocka_unit_test(a_named_folder_is_anybodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
