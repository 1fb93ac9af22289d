/* What the agent may say over the socketpair, and each refusal: a captured agent is the enemy here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/io.h"
#include "supervisor/port.h"
#include "unit.h"

struct fixture {
	struct port port;
	int agent; /* the other end */
	int slice, log, log_reader;
	struct table table;
};

static int setup(void **state)
{
	static struct fixture f;
	int pair[2], pipes[2];
	struct err e;

	memset(&f, 0, sizeof(f));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	f.port.fd = pair[0];
	f.agent = pair[1];
	f.log_reader = pipes[0];
	f.log = pipes[1];
	f.slice = io_sealed_memfd("slice", "{}", 2, &e);
	assert_true(f.slice >= 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	port_close(&f->port);
	io_close(&f->agent);
	io_close(&f->slice);
	io_close(&f->log);
	io_close(&f->log_reader);
	table_free(&f->table);
	return 0;
}

static struct spawn_req good(void)
{
	return (struct spawn_req){.proto = SPAWN_PROTO,
		.type = SPAWN_REQ_START,
		.request = 7,
		.kind = UNIT_sync,
		.slot = 1,
		.sub = 1,
		.title = "orders@mysql-01"};
}

static void send_fds(int sock, const void *p, size_t n, const int *fds, unsigned count)
{
	union {
		char bytes[CMSG_SPACE(16 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec io = {(void *)(uintptr_t)p, n};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
	struct cmsghdr *c;

	memset(&control, 0, sizeof(control));
	if (count > 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	assert_int_equal(sendmsg(sock, &m, 0), (ssize_t)n);
}

static unsigned count_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Sends it with these descriptors, receives and checks it; nothing may stay open. */
static enum spawn_refused ask(
	struct fixture *f, const struct spawn_req *q, const int *fds, unsigned count, int *error)
{
	unsigned before = count_fds();
	struct request r;
	struct err e = {0};
	enum spawn_refused why;

	send_fds(f->agent, q, sizeof(*q), fds, count);
	assert_int_equal(port_receive(&f->port, &r, &e), PORT_REQUEST);
	why = request_check(&r, &f->table, 999, error);
	if (why == SPAWN_OK && q->type == SPAWN_REQ_START)
		assert_true(fcntl(r.config, F_GETFD) & FD_CLOEXEC);
	request_close(&r);
	assert_int_equal(count_fds(), before);
	return why;
}

static void a_good_request_passes(void **state)
{
	struct fixture *f = *state;
	struct spawn_req q = good();
	int fds[] = {f->slice, f->log}, error;

	assert_int_equal(ask(f, &q, fds, 2, &error), SPAWN_OK);
	q.kind = UNIT_relay;
	q.sub = 0;
	q.slot = 999;
	assert_int_equal(ask(f, &q, fds, 2, &error), SPAWN_OK);
}

static void wrong_kinds(void **state)
{
	static const uint32_t bad[] = {
		UNIT_NONE, UNIT_agent, UNIT_master, UNIT_KIND_END, 999, 0x80000001u, UINT32_MAX};
	struct fixture *f = *state;
	int fds[] = {f->slice, f->log}, error;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct spawn_req q = good();

		q.kind = bad[i];
		assert_int_equal(ask(f, &q, fds, 2, &error), SPAWN_BAD_KIND);
		q.type = SPAWN_REQ_SIGNAL;
		q.signo = SIGKILL;
		assert_int_equal(ask(f, &q, NULL, 0, &error), SPAWN_BAD_KIND);
	}
}

static void wrong_slots(void **state)
{
	static const struct {
		uint32_t kind, slot, sub;
	} bad[] = {{UNIT_sync, 0, 1}, {UNIT_sync, 1000, 1}, {UNIT_sync, UINT32_MAX, 1}, {UNIT_sync, 1, 0},
		{UNIT_sync, 1, 1000}, {UNIT_relay, 1, 1}, {UNIT_relay, 0, 0}, {UNIT_dump, 1, UINT32_MAX}};
	struct fixture *f = *state;
	int fds[] = {f->slice, f->log}, error;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct spawn_req q = good();

		q.kind = bad[i].kind;
		q.slot = bad[i].slot;
		q.sub = bad[i].sub;
		assert_int_equal(ask(f, &q, fds, 2, &error), SPAWN_BAD_SLOT);
	}
}

static void slots_beyond_the_uid_range(void **state)
{
	struct fixture *f = *state;
	struct request r = {.req = good(), .config = f->slice, .log = f->log};
	int error;

	r.req.slot = 4;
	assert_int_equal(request_check(&r, &f->table, 3, &error), SPAWN_BAD_SLOT);
	assert_int_equal(request_check(&r, &f->table, 4, &error), SPAWN_OK);
}

static void a_second_one_is_busy(void **state)
{
	struct fixture *f = *state;
	struct spawn_req q = good();
	int fds[] = {f->slice, f->log}, error;

	table_add(&f->table, &(struct child){.kind = UNIT_sync, .slot = 1, .sub = 1, .pidfd = -1});
	assert_int_equal(ask(f, &q, fds, 2, &error), SPAWN_BUSY);
	q.sub = 2;
	assert_int_equal(ask(f, &q, fds, 2, &error), SPAWN_OK);
}

static void wrong_descriptors(void **state)
{
	struct fixture *f = *state;
	struct spawn_req q = good();
	int plain = memfd_create("plain", MFD_CLOEXEC | MFD_ALLOW_SEALING), error;
	int many[16];
	const int swapped[] = {f->log, f->slice}, unsealed[] = {plain, f->log},
		  reader[] = {f->slice, f->log_reader}, file[] = {f->slice, plain},
		  two[] = {f->slice, f->log};

	for (unsigned i = 0; i < 16; i++)
		many[i] = i % 2 ? f->log : f->slice;
	assert_int_equal(ask(f, &q, NULL, 0, &error), SPAWN_BAD_FDS);
	assert_int_equal(ask(f, &q, two, 1, &error), SPAWN_BAD_FDS);
	for (unsigned n = 3; n <= 16; n++)
		assert_int_equal(ask(f, &q, many, n, &error), SPAWN_BAD_FDS);
	assert_int_equal(ask(f, &q, swapped, 2, &error), SPAWN_BAD_FDS);
	assert_int_equal(ask(f, &q, unsealed, 2, &error), SPAWN_BAD_FDS);
	assert_int_equal(fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
	assert_int_equal(ask(f, &q, unsealed, 2, &error), SPAWN_BAD_FDS);
	assert_int_equal(ask(f, &q, reader, 2, &error), SPAWN_BAD_FDS);
	assert_int_equal(ask(f, &q, file, 2, &error), SPAWN_BAD_FDS);
	close(plain);
}

static void signals_are_two_and_hit_units_only(void **state)
{
	struct fixture *f = *state;
	struct spawn_req q = good();
	int error, fds[] = {f->slice, f->log};

	q.type = SPAWN_REQ_SIGNAL;
	q.signo = SIGTERM;
	assert_int_equal(ask(f, &q, NULL, 0, &error), SPAWN_FAILED);
	assert_int_equal(error, ESRCH);
	table_add(&f->table, &(struct child){.kind = UNIT_sync, .slot = 1, .sub = 1, .pidfd = -1});
	assert_int_equal(ask(f, &q, NULL, 0, &error), SPAWN_OK);
	assert_int_equal(ask(f, &q, fds, 2, &error), SPAWN_BAD_FDS);
	for (uint32_t s = 0; s < 70; s++) {
		q.signo = s;
		assert_int_equal(
			ask(f, &q, NULL, 0, &error), s == SIGTERM || s == SIGKILL ? SPAWN_OK : SPAWN_FAILED);
	}
}

static void what_no_agent_says(void **state)
{
	struct fixture *f = *state;
	struct spawn_req q = good();
	struct request r;
	struct err e;
	unsigned before = count_fds();
	char big[sizeof(q) + 1] = {0};
	int fds[] = {f->slice, f->log};

	send_fds(f->agent, &q, sizeof(q) - 1, fds, 2);
	assert_int_equal(port_receive(&f->port, &r, &e), PORT_BROKEN);
	memcpy(big, &q, sizeof(q));
	send_fds(f->agent, big, sizeof(big), fds, 2);
	assert_int_equal(port_receive(&f->port, &r, &e), PORT_BROKEN);
	q.proto = 2;
	send_fds(f->agent, &q, sizeof(q), fds, 2);
	assert_int_equal(port_receive(&f->port, &r, &e), PORT_BROKEN);
	q = good();
	q.type = SPAWN_REP_STARTED;
	send_fds(f->agent, &q, sizeof(q), NULL, 0);
	assert_int_equal(port_receive(&f->port, &r, &e), PORT_BROKEN);
	assert_int_equal(count_fds(), before);
	assert_int_equal(port_receive(&f->port, &r, &e), PORT_NONE);
	io_close(&f->agent);
	assert_int_equal(port_receive(&f->port, &r, &e), PORT_CLOSED);
}

static void titles_become_printable(void **state)
{
	struct fixture *f = *state;
	struct spawn_req q = good();
	struct request r;
	struct err e;
	int fds[] = {f->slice, f->log};

	memset(q.title, 'x', sizeof(q.title));
	memcpy(q.title, "a\nb\033c\xff", 6);
	send_fds(f->agent, &q, sizeof(q), fds, 2);
	assert_int_equal(port_receive(&f->port, &r, &e), PORT_REQUEST);
	assert_int_equal(strlen(r.req.title), SPAWN_TITLE - 1);
	assert_memory_equal(r.req.title, "a?b?c?x", 7);
	request_close(&r);
}

/* An agent that does not read: reports are kept, in order, and none is lost. */
static void reports_are_never_lost(void **state)
{
	struct fixture *f = *state;
	struct spawn_rep rep = {.proto = SPAWN_PROTO, .type = SPAWN_REP_EXITED};
	uint32_t seen = 0;

	for (uint32_t i = 0; i < 3000; i++) {
		rep.request = i;
		port_send(&f->port, &rep);
	}
	assert_true(port_is_backed_up(&f->port));
	while (seen < 3000) {
		while (recv(f->agent, &rep, sizeof(rep), MSG_DONTWAIT) == (ssize_t)sizeof(rep))
			assert_int_equal(rep.request, seen++);
		port_flush(&f->port);
	}
	assert_false(port_is_backed_up(&f->port));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_request_passes),
		TEST(wrong_kinds),
		TEST(wrong_slots),
		TEST(slots_beyond_the_uid_range),
		TEST(a_second_one_is_busy),
		TEST(wrong_descriptors),
		TEST(signals_are_two_and_hit_units_only),
		TEST(what_no_agent_says),
		TEST(titles_become_printable),
		TEST(reports_are_never_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
