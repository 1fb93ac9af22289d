/*
 * One user of the host and the others, at a unix socket (door.c). Children that are other users speak nng's
 * wire format by themselves; they are made before libnng's first thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka needs the ones above. */
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/proc/link.h"

enum { FILES = 400, CROWD = 2 * FILES };

static int raw_socket(struct sockaddr_un *at, time_t patience_s)
{
	struct timeval patience = {.tv_sec = patience_s};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*at = (struct sockaddr_un){.sun_family = AF_UNIX, .sun_path = "k.sock"};
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* A connection that libnng has greeted; -1: none. */
static int greeted(void)
{
	struct sockaddr_un at;
	char hello[8];
	int fd = raw_socket(&at, 2);

	if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
		send(fd, "\0SP\0\0\x30\0\0", 8, MSG_NOSIGNAL) == 8 && recv(fd, hello, 8, MSG_WAITALL) == 8)
		return fd;
	close(fd);
	return -1;
}

/* As many as it gets; every other one says nothing. */
static void crowd_in(void)
{
	struct sockaddr_un at;

	for (int i = 0; i < CROWD; i++) {
		int fd = raw_socket(&at, 1);

		if (connect(fd, (struct sockaddr *)&at, sizeof at) < 0)
			break;
		if (i % 2)
			(void)!send(fd, "\0SP\0\0\x30\0\0", 8, MSG_NOSIGNAL);
	}
}

/* Another user: 'c' crowds in, 'l' leaves again, 'g' says whether it is greeted. To each a byte. */
static pid_t visitor(uid_t uid, int *fd)
{
	int pair[2];
	char what;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	*fd = pair[0];
	if (pid > 0) {
		close(pair[1]);
		return pid;
	}
	close(pair[0]);
	if (setuid(uid) < 0)
		_exit(1);
	while (read(pair[1], &what, 1) == 1) {
		if (what == 'c')
			crowd_in();
		if (what == 'l')
			close_range((unsigned)pair[1] + 1, ~0u, 0);
		if (what == 'g' && greeted() < 0)
			what = '-';
		if (write(pair[1], &what, 1) != 1)
			break;
	}
	_exit(0);
}

static void on_request(void *arg, struct link_req *req)
{
	(void)arg;
	(void)req;
	fail_msg("nobody asks here");
}

static char told(int fd, char what)
{
	assert_int_equal(write(fd, &what, 1), 1);
	assert_int_equal(read(fd, &what, 1), 1);
	return what;
}

/* However many connections one user makes, the others and we ourselves are heard, and he is once he left. */
static void one_user_leaves_room(void **state)
{
	struct rlimit few, was;
	char folder[] = "/tmp/tidegate-crowd-XXXXXX";
	int one, other, own;
	struct link *link;
	struct loop *loop;
	struct err e;
	pid_t a, b;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chmod(folder, 0711), 0);
	assert_int_equal(chdir(folder), 0);
	a = visitor(65534, &one);
	b = visitor(65533, &other);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = (struct rlimit){FILES, was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	loop = loop_new();
	link = link_new(loop);
	assert_int_equal(link_listen(link, "k.sock", 4, 0666, on_request, NULL, &e), 0);
	assert_int_equal(told(one, 'c'), 'c');
	assert_int_equal(told(other, 'g'), 'g');
	own = greeted();
	assert_true(own >= 0);
	close(own);
	own = dup(0);
	assert_in_range(own, 3, FILES / 2); /* the lowest free one */
	close(own);
	assert_int_equal(told(one, 'g'), '-');
	assert_int_equal(told(one, 'l'), 'l');
	clock_sleep_ms(300);
	assert_int_equal(told(one, 'g'), 'g');
	close(one);
	close(other);
	assert_int_equal(waitpid(a, NULL, 0), a);
	assert_int_equal(waitpid(b, NULL, 0), b);
	link_free(&link);
	loop_free(&loop);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(chdir("/"), 0);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(one_user_leaves_room)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
