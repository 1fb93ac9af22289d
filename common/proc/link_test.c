/*
 * The link, against itself: two links in one process, over a folder of their own, and a listener in another
 * process (this program again, by exec) that is killed. Above all: a request is never executed twice (T39).
 */
#include "common/proc/link.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/proc/control.h"

struct side {
	struct loop *loop;
	struct link *link;
	struct link_peer *peer;
	struct link_req *held[16];
	unsigned requests, nheld;
	bool hold;
	pid_t pid;
	uid_t uid;
};

struct outcome {
	unsigned calls;
	struct err e;
	struct buf reply;
};

static char folder[] = "/tmp/tidegate-link-XXXXXX";
static char self[4096];

static void put_locate(struct buf *b, const char *text)
{
	struct msg_locate m = {.gtid = str_of(text)};

	buf_clear(b);
	msg_put_locate(b, link_request_id(), &m);
}

static void answer(struct link_req **req)
{
	struct msg_locate in;
	struct msg_located out = {0};
	struct buf b = {0};
	struct err e;

	if (msg_get_locate((*req)->body, &in, &e) < 0) {
		link_fail(req, &e);
		return;
	}
	out.gtid = in.gtid;
	msg_put_located(&b, (*req)->head.request, &out);
	link_reply(req, &b);
	buf_free(&b);
}

static void on_request(void *arg, struct link_req *req)
{
	struct side *s = arg;

	s->requests++;
	s->pid = req->peer_pid;
	s->uid = req->peer_uid;
	if (s->hold)
		s->held[s->nheld++] = req;
	else
		answer(&req);
}

static void on_done(void *arg, const struct err *e, struct str reply)
{
	struct outcome *o = arg;

	o->calls++;
	if (e)
		o->e = *e;
	buf_clear(&o->reply);
	buf_put(&o->reply, reply.p, reply.n);
}

static void start(struct side *s, const char *path, unsigned contexts)
{
	struct err e;

	memset(s, 0, sizeof *s);
	s->loop = loop_new();
	s->link = link_new(s->loop);
	assert_int_equal(link_listen(s->link, path, contexts, 0600, on_request, s, &e), 0);
}

static void stop(struct side *s)
{
	link_free(&s->link);
	loop_free(&s->loop);
}

/* Runs the loop until *n reaches want, or for ms. */
static void run(struct loop *l, const unsigned *n, unsigned want, uint64_t ms)
{
	uint64_t end = clock_ms() + ms;

	while (*n < want && clock_ms() < end)
		loop_once(l, 20);
}

static void ask_and_answer(void **state)
{
	struct side s;
	struct outcome o = {0};
	struct buf b = {0};
	struct msg_located m;
	struct str body;
	struct stat st;
	struct err e;

	(void)state;
	start(&s, "a.sock", 2);
	assert_int_equal(stat("a.sock", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	s.peer = link_dial(s.link, "a.sock");
	put_locate(&b, "0-1-2");
	link_call(s.peer, &b, 5000, on_done, &o);
	run(s.loop, &o.calls, 1, 5000);
	assert_int_equal(o.calls, 1);
	assert_int_equal(o.e.code, 0);
	assert_int_equal(msg_expect(buf_str(&o.reply), MSG_located, &body, &e), 0);
	assert_int_equal(msg_get_located(body, &m, &e), 0);
	assert_true(str_is(m.gtid, "0-1-2"));
	assert_int_equal(s.requests, 1);
	assert_int_equal(s.pid, getpid());
	assert_int_equal(s.uid, getuid());
	stop(&s);
	assert_int_equal(stat("a.sock", &st), -1); /* a clean end leaves no socket file */
	buf_free(&b);
	buf_free(&o.reply);
}

/* Answers come later and in another order; each finds its asker. More requests than contexts wait. */
static void deferred_replies(void **state)
{
	enum { N = 6, CONTEXTS = 4 };
	struct side s;
	struct outcome o[N] = {0};
	struct buf b = {0};
	unsigned none = 0;
	char text[16];

	(void)state;
	start(&s, "d.sock", CONTEXTS);
	s.hold = true;
	s.peer = link_dial(s.link, "d.sock");
	for (int i = 0; i < N; i++) {
		snprintf(text, sizeof text, "call %d", i);
		put_locate(&b, text);
		link_call(s.peer, &b, 5000, on_done, &o[i]);
	}
	run(s.loop, &s.requests, CONTEXTS, 5000);
	run(s.loop, &none, 1, 100);
	assert_int_equal(s.requests, CONTEXTS);
	while (s.nheld)
		answer(&s.held[--s.nheld]);
	s.hold = false;
	for (int i = 0; i < N; i++)
		run(s.loop, &o[i].calls, 1, 5000);
	assert_int_equal(s.requests, N);
	for (int i = 0; i < N; i++) {
		assert_int_equal(o[i].calls, 1);
		snprintf(text, sizeof text, "call %d", i);
		assert_non_null(memmem(o[i].reply.p, o[i].reply.n, text, strlen(text)));
		buf_free(&o[i].reply);
	}
	stop(&s);
	buf_free(&b);
}

static void time_outs(void **state)
{
	struct side s;
	struct outcome o = {0}, nobody = {0};
	struct buf b = {0};

	(void)state;
	start(&s, "t.sock", 1);
	s.hold = true;
	s.peer = link_dial(s.link, "t.sock");
	put_locate(&b, "x");
	uint64_t t = clock_ms();
	link_call(s.peer, &b, 150, on_done, &o);
	struct link_peer *absent = link_dial(s.link, "absent.sock");
	put_locate(&b, "x");
	link_call(absent, &b, 150, on_done, &nobody);
	run(s.loop, &o.calls, 1, 5000);
	run(s.loop, &nobody.calls, 1, 5000);
	assert_in_range(clock_ms() - t, 140, 2000);
	assert_int_equal(o.e.code, ERR_link);
	assert_non_null(strstr(o.e.text, "t.sock: no answer within 150 ms"));
	assert_int_equal(nobody.e.code, ERR_link);
	assert_int_equal(s.requests, 1);
	link_peer_free(&absent);
	stop(&s); /* with a request that was never answered */
	buf_free(&b);
}

/* They may come from another host: an error of each call, never the end of the process. */
static void wrong_addresses(void **state)
{
	static const char *const wrong[] = {
		"tcp://*:1", "tls+tcp://localhost:1" /* no CA */, "http://a:1", ""};
	struct side s;
	struct buf b = {0}, reply = {0};
	struct err e;

	(void)state;
	start(&s, "w.sock", 1);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct link_peer *p = link_dial(s.link, wrong[i]);
		struct outcome o = {0};

		put_locate(&b, "x");
		link_call(p, &b, 20000, on_done, &o);
		run(s.loop, &o.calls, 1, 5000);
		assert_int_equal(o.e.code, ERR_link);
		assert_int_equal(link_call_wait(p, &b, 20000, &reply, &e), -1);
		assert_int_equal(e.code, ERR_link);
		link_peer_again(p);
		link_peer_free(&p);
	}
	stop(&s);
	buf_free(&b);
	buf_free(&reply);
}

static void addresses_of_everybody(void **state)
{
	struct control c = {.plain = true};
	struct err e;

	(void)state;
	assert_int_equal(control_check(&c, "tcp://*:1", &e), 0);
	assert_int_equal(control_check_dial(&c, "tcp://*:1", &e), -1);
	assert_non_null(strstr(e.text, "not dialled: name the host, as in tcp://"));
	assert_int_equal(control_check_dial(&c, "tcp://0.0.0.0:1", &e), -1);
	assert_int_equal(control_check_dial(&c, "tcp://[::]:1", &e), -1);
	assert_int_equal(control_check_dial(&c, "tcp://a:1", &e), 0);
	assert_int_equal(control_check_dial(&c, "master.sock", &e), 0);
}

static void wrong_sizes(void **state)
{
	struct side s;
	struct outcome o = {0};
	struct buf b = {0}, reply = {0};
	struct err e;

	(void)state;
	start(&s, "w.sock", 1);
	s.peer = link_dial(s.link, "w.sock");
	char *large = xcalloc(1, MSG_MAX_SIZE + 1);
	struct msg_locate m = {.gtid = {large, MSG_MAX_SIZE - MSG_HEAD_SIZE - 4}};
	msg_put_locate(&b, link_request_id(),
		&m); /* exactly the limit, and back: the reply is larger by a position */
	link_call(s.peer, &b, 10000, on_done, &o);
	run(s.loop, &o.calls, 1, 10000);
	struct str body;
	assert_int_equal(o.e.code, 0);
	assert_int_equal(msg_expect(buf_str(&o.reply), MSG_located, &body, &e), -1);
	assert_non_null(strstr(e.text, "too long"));
	buf_putc(&b, 0);
	o.calls = 0;
	link_call(s.peer, &b, 5000, on_done, &o);
	run(s.loop, &o.calls, 1, 5000);
	assert_int_equal(o.e.code, ERR_proto);
	assert_int_equal(link_call_wait(s.peer, &b, 5000, &reply, &e), -1);
	assert_int_equal(e.code, ERR_proto);
	stop(&s);
	free(large);
	buf_free(&b);
	buf_free(&o.reply);
	buf_free(&reply);
}

/* Bytes that are no message get `failed`, without bothering the owner of the socket. */
static void garbage(void **state)
{
	static const char *const junk[] = {"", "x", "\x02\x00\x16\x00\x01\x00\x00\x00\x00\x00\x00\x00"};
	static const size_t sizes[] = {0, 1, 12};
	struct side s;

	(void)state;
	start(&s, "g.sock", 1);
	s.peer = link_dial(s.link, "g.sock");
	for (int i = 0; i < 3; i++) {
		struct outcome o = {0};
		struct buf b = {0};
		buf_put(&b, junk[i], sizes[i]);
		link_call(s.peer, &b, 5000, on_done, &o);
		run(s.loop, &o.calls, 1, 5000);
		assert_int_equal(o.calls, 1);
		assert_int_equal(s.requests, 0);
		buf_free(&b);
		buf_free(&o.reply);
	}
	stop(&s);
}

static void listening_fails(void **state)
{
	struct side s;
	struct err e;

	(void)state;
	start(&s, "l.sock", 1);
	assert_int_equal(
		link_listen(s.link, "l.sock", 1, 0600, on_request, &s, &e), -1); /* somebody is there */
	assert_int_equal(e.code, ERR_link);
	assert_int_equal(link_listen(s.link, "no/such/folder.sock", 1, 0600, on_request, &s, &e), -1);
	stop(&s);
}

struct waiter {
	struct link_peer *peer;
	struct err e;
	int rc;
};

static void *wait_thread(void *arg)
{
	struct waiter *w = arg;
	struct buf b = {0}, reply = {0};

	put_locate(&b, "from a thread");
	w->rc = link_call_wait(w->peer, &b, 20000, &reply, &w->e);
	buf_free(&b);
	buf_free(&reply);
	return NULL;
}

static void blocking_calls(void **state)
{
	struct side s;
	struct waiter w = {0};
	pthread_t t;

	(void)state;
	start(&s, "b.sock", 1);
	w.peer = s.peer = link_dial(s.link, "b.sock");
	pthread_create(&t, NULL, wait_thread, &w);
	run(s.loop, &s.requests, 1, 5000);
	pthread_join(t, NULL);
	assert_int_equal(w.rc, 0);
	s.hold = true;
	pthread_create(&t, NULL, wait_thread, &w);
	run(s.loop, &s.requests, 2, 5000);
	uint64_t start_ms = clock_ms();
	link_peer_cut(s.peer); /* a thread in a long poll must not hold up the end */
	pthread_join(t, NULL);
	assert_true(clock_ms() - start_ms < 5000);
	assert_int_equal(w.rc, -1);
	assert_int_equal(w.e.code, ERR_link);
	stop(&s);
}

/* ---- another process, and its death ---- */

/* The helper: listens, notes each request as one line in a file, and never answers (or always). */
static int helper(const char *file, bool answers)
{
	struct side s;
	unsigned seen = 0;

	start(&s, "h.sock", 4);
	s.hold = !answers;
	int fd = open(file, O_WRONLY | O_CREAT | O_APPEND, 0600);
	for (;;) {
		loop_once(s.loop, 1000);
		for (; seen < s.requests; seen++)
			if (write(fd, "request\n", 8) != 8)
				return 1;
	}
}

static pid_t helper_start(const char *mode)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl(self, self, mode, (char *)NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

static void helper_kill(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static unsigned helper_requests(void)
{
	struct stat st;

	return stat("requests", &st) < 0 ? 0 : (unsigned)(st.st_size / 8);
}

static void helper_wait(struct loop *l, unsigned n)
{
	uint64_t end = clock_ms() + 10000;

	while (helper_requests() < n && clock_ms() < end)
		loop_once(l, 10);
	assert_int_equal(helper_requests(), n);
}

/* One round: the listener dies with the request in its hands, and comes back. */
static void die_and_return(struct link_peer *p, struct loop *l, const char *mode, unsigned before)
{
	struct outcome o = {0}, next = {0};
	struct buf b = {0};
	unsigned none = 0;

	pid_t pid = helper_start("--hold");
	do { /* the last listener's connection may not have ended yet: then the call does, unheard */
		o = (struct outcome){0};
		put_locate(&b, "once");
		link_call(p, &b, 20000, on_done, &o);
		while (!o.calls && helper_requests() == before)
			loop_once(l, 10);
	} while (o.calls && helper_requests() == before);
	helper_wait(l, before + 1);
	uint64_t t = clock_ms();
	helper_kill(pid);
	if (strcmp(mode, "at once") == 0)
		pid = helper_start("--answer");
	run(l, &o.calls, 1, 10000);
	assert_int_equal(o.calls, 1);
	assert_int_equal(o.e.code, ERR_link);
	assert_true(clock_ms() - t < 5000); /* by the loss of the connection, not by the time-out */
	if (strcmp(mode, "at once") != 0)
		pid = helper_start("--answer");
	put_locate(&b, "the next one");
	link_call(p, &b, 20000, on_done,
		&next); /* proves that the new listener is there and heard of nothing else */
	run(l, &next.calls, 1, 20000);
	assert_int_equal(next.e.code, 0);
	run(l, &none, 1, 300);
	assert_int_equal(helper_requests(), before + 2);
	helper_kill(pid);
	buf_free(&b);
	buf_free(&next.reply);
}

static void never_sent_twice(void **state)
{
	struct side s = {.loop = loop_new()};

	(void)state;
	s.link = link_new(s.loop);
	s.peer = link_dial(s.link, "h.sock");
	for (unsigned i = 0; i < 6; i += 2)
		die_and_return(s.peer, s.loop, i % 4 ? "at once" : "later", i);
	stop(&s);
}

/* The same by the blocking call. */
static void never_sent_twice_blocking(void **state)
{
	struct side s = {.loop = loop_new()};
	struct waiter w = {0};
	struct buf b = {0}, reply = {0};
	struct err e;
	pthread_t t;

	(void)state;
	unsigned before = helper_requests();
	s.link = link_new(s.loop);
	w.peer = s.peer = link_dial(s.link, "h.sock");
	pid_t pid = helper_start("--hold");
	pthread_create(&t, NULL, wait_thread, &w);
	helper_wait(s.loop, before + 1);
	helper_kill(pid);
	pid = helper_start("--answer");
	pthread_join(t, NULL);
	assert_int_equal(w.rc, -1);
	assert_int_equal(w.e.code, ERR_link);
	put_locate(&b, "the next one");
	assert_int_equal(link_call_wait(s.peer, &b, 20000, &reply, &e), 0);
	helper_wait(s.loop, before + 2);
	helper_kill(pid);
	stop(&s);
	buf_free(&b);
	buf_free(&reply);
}

/* A request for a listener that is not there yet waits for it and is executed once. */
static void waits_for_the_listener(void **state)
{
	struct side s = {.loop = loop_new()};
	struct outcome o = {0};
	struct buf b = {0};

	(void)state;
	unsigned before = helper_requests();
	s.link = link_new(s.loop);
	s.peer = link_dial(s.link, "h.sock");
	put_locate(&b, "early");
	link_call(s.peer, &b, 20000, on_done, &o);
	loop_once(s.loop, 100);
	pid_t pid = helper_start("--answer");
	run(s.loop, &o.calls, 1, 20000);
	assert_int_equal(o.e.code, 0);
	helper_wait(s.loop, before + 1);
	helper_kill(pid);
	stop(&s);
	buf_free(&b);
	buf_free(&o.reply);
}

static int raw_socket(const char *path, struct sockaddr_un *at)
{
	*at = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(at->sun_path, sizeof at->sun_path, "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	return fd;
}

/* Askers that die as soon as they are connected, before the handshake: the listener still hears the others.
 */
static void askers_that_only_connect(void **state)
{
	struct side s;
	struct outcome o = {0};
	struct buf b = {0};
	struct sockaddr_un at;
	unsigned none = 0;

	(void)state;
	start(&s, "c.sock", 2);
	for (int i = 0; i < 100; i++) {
		int fd = raw_socket("c.sock", &at);
		assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
		close(fd);
		run(s.loop, &none, i % 10 == 9, 2);
	}
	s.peer = link_dial(s.link, "c.sock");
	put_locate(&b, "x");
	link_call(s.peer, &b, 5000, on_done, &o);
	run(s.loop, &o.calls, 1, 6000);
	assert_int_equal(o.calls, 1);
	assert_int_equal(o.e.code, 0);
	stop(&s);
	buf_free(&b);
	buf_free(&o.reply);
}

/* libnng's threads don't grow with the machine (T41): without for_nng.c it is 14 on 2 processors, 88 on 64.
 */
static void threads(void **state)
{
	struct side s;
	struct stat st;
	struct outcome o = {0};
	struct buf b = {0};

	(void)state;
	start(&s, "n.sock", 8);
	s.peer = link_dial(s.link, "n.sock");
	put_locate(&b, "x");
	link_call(s.peer, &b, 5000, on_done, &o);
	run(s.loop, &o.calls, 1, 5000);
	assert_int_equal(stat("/proc/self/task", &st), 0);
	unsigned n = (unsigned)st.st_nlink - 2;
	print_message("threads: %u\n", n);
#ifdef TIDEGATE_SANITIZED
	assert_in_range(n, 2, 13); /* ThreadSanitizer has one of its own */
#else
	assert_in_range(n, 2, 12);
#endif
	stop(&s);
	buf_free(&b);
	buf_free(&o.reply);
}

/* ---- libnng's own end ---- */

static atomic_bool late;
static atomic_uint closed;

/* In libnng's place, and calls its own: later, where a test wants that. */
typedef struct {
	uint32_t id;
} socket_of_nng;

int nng_close(socket_of_nng sock);
int nng_close(socket_of_nng sock)
{
	int (*own)(socket_of_nng);
	int rv;

	*(void **)&own = dlsym(RTLD_NEXT, "nng_close");
	if (atomic_load(&late))
		clock_sleep_ms(1500);
	rv = own(sock);
	atomic_fetch_add(&closed, 1);
	return rv;
}

static void no_leak(void)
{
#ifdef __SANITIZE_ADDRESS__
	assert_int_equal(__lsan_do_recoverable_leak_check(), 0);
#endif
}

static void wait_for_closed(unsigned n)
{
	for (int i = 0; i < 3000 && atomic_load(&closed) < n; i++)
		clock_sleep_ms(10);
	assert_true(atomic_load(&closed) >= n);
}

/* The asker goes with its call under way; the answer comes to nobody. */
static void leaving_with_a_call(void **state)
{
	struct side s, asker = {.loop = loop_new()};
	struct outcome o = {0};
	struct buf b = {0};
	unsigned none = 0;

	(void)state;
	start(&s, "v.sock", 1);
	s.hold = true;
	asker.link = link_new(asker.loop);
	asker.peer = link_dial(asker.link, "v.sock");
	put_locate(&b, "x");
	link_call(asker.peer, &b, 20000, on_done, &o);
	run(s.loop, &s.requests, 1, 20000);
	link_leave(&asker.link);
	assert_null(asker.link);
	answer(&s.held[0]);
	run(s.loop, &none, 1, 300);
	no_leak();
	assert_int_equal(o.calls, 0);
	stop(&s);
	loop_free(&asker.loop);
	buf_free(&b);
}

/* nng_close has not returned in time, and returns then: nothing of libnng's leads to what was left to it. */
static void closing_late(void **state)
{
	struct side s;
	struct outcome o = {0};
	struct buf b = {0};
	unsigned before = atomic_load(&closed);

	(void)state;
	start(&s, "z.sock", 2);
	s.peer = link_dial(s.link, "z.sock");
	put_locate(&b, "x");
	link_call(s.peer, &b, 20000, on_done, &o);
	run(s.loop, &o.calls, 1, 20000);
	assert_int_equal(o.calls, 1);
	atomic_store(&late, true);
	stop(&s);
	assert_true(atomic_load(&closed) == before);
	wait_for_closed(before + 2);
	atomic_store(&late, false);
	no_leak();
	buf_free(&b);
	buf_free(&o.reply);
}

static int make_folder(void **state)
{
	(void)state;
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n < 0 || !mkdtemp(folder) || chdir(folder) < 0)
		return -1;
	self[n] = 0;
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink("requests");
	unlink("h.sock"); /* of the killed ones */
	return chdir("/") < 0 || rmdir(folder) < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads), /* first: a nng_close that hangs keeps a thread */
		cmocka_unit_test(ask_and_answer), cmocka_unit_test(deferred_replies),
		cmocka_unit_test(time_outs), cmocka_unit_test(wrong_addresses),
		cmocka_unit_test(addresses_of_everybody), cmocka_unit_test(wrong_sizes),
		cmocka_unit_test(garbage), cmocka_unit_test(listening_fails),
		cmocka_unit_test(blocking_calls), cmocka_unit_test(never_sent_twice),
		cmocka_unit_test(never_sent_twice_blocking), cmocka_unit_test(waits_for_the_listener),
		cmocka_unit_test(askers_that_only_connect), cmocka_unit_test(leaving_with_a_call),
		cmocka_unit_test(closing_late), /* last: libnng is not waited for any more */
	};

	if (argc == 2 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0) /* a failed test must not leave it behind */
		return helper("requests", strcmp(argv[1], "--answer") == 0);
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
