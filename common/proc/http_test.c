/* The HTTP server: answers, refusals, bounds, and clients that are slow or many. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/proc/http.h"

enum { LARGE = 8 << 20 };

struct fixture {
	struct loop *loop;
	struct http *http;
	unsigned port, asked;
};

static void on(void *arg, const char *path, struct http_answer *a)
{
	struct fixture *f = arg;

	f->asked++;
	if (strcmp(path, "/metrics") == 0) {
		a->status = 200;
		buf_puts(&a->body, "x 1\n");
	} else if (strcmp(path, "/large") == 0) {
		a->status = 200;
		memset(buf_room(&a->body, LARGE), 'y', LARGE);
		a->body.n = LARGE;
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = {0};
	char address[32];
	int fd = -1;

	f->loop = loop_new();
	for (f->port = 24000 + (unsigned)getpid() % 4000; fd < 0; f->port++) {
		snprintf(address, sizeof(address), "127.0.0.1:%u", f->port);
		fd = http_listen(address, &e);
	}
	f->port--;
	f->http = http_new(f->loop, fd, on, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_free(&f->http);
	loop_free(&f->loop);
	free(f);
	return 0;
}

static int dial(const struct fixture *f)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)f->port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void turn(struct fixture *f, int rounds)
{
	while (rounds-- > 0)
		loop_once(f->loop, 5);
}

/* What comes until the other side closes; the server works meanwhile. */
static void collect(struct fixture *f, int fd, struct buf *out)
{
	uint64_t until = clock_ms() + 20000;

	for (;;) {
		ssize_t n = recv(fd, buf_room(out, 65536), 65536, MSG_DONTWAIT);

		if (n > 0)
			out->n += (size_t)n;
		else if (n == 0)
			break;
		else
			turn(f, 1);
		assert_true(clock_ms() < until);
	}
	buf_putc(out, '\0');
	close(fd);
}

static void ask(struct fixture *f, const void *request, size_t n, struct buf *out)
{
	int fd = dial(f);

	buf_clear(out);
	assert_int_equal(send(fd, request, n, MSG_NOSIGNAL), n);
	turn(f, 3);
	collect(f, fd, out);
}

static void expect(struct fixture *f, const char *request, const char *begin, const char *end)
{
	struct buf b = {0};
	size_t n = strlen(end);

	ask(f, request, strlen(request), &b);
	if (strncmp(b.p, begin, strlen(begin)) != 0 || b.n - 1 < n || strcmp(b.p + b.n - 1 - n, end) != 0)
		fail_msg("%s: %s", request, b.p);
	buf_free(&b);
}

static void test_answers(void **state)
{
	struct fixture *f = *state;

	expect(f, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\nx 1\n");
	expect(f, "GET /metrics?a=b HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\nx 1\n");
	expect(f, "HEAD /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\n");
	expect(f, "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", "here\n");
	assert_int_equal(f->asked, 4);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0}, out = {0};

	expect(f, "POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 ", "Allowed\n");
	expect(f, "GET /metrics\r\n\r\n", "HTTP/1.1 400 ", "Request\n");
	expect(f, "GET metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", "Request\n");
	expect(f, "\r\n\r\n", "HTTP/1.1 400 ", "Request\n");
	ask(f, "GET /metrics\0 HTTP/1.1\r\n\r\n", 26, &out);
	assert_non_null(strstr(out.p, " 400 "));
	/* Not a byte more: what is left unread would take the answer away. */
	for (int i = 0; i < HTTP_REQUEST + 1; i++)
		buf_putc(&b, 'a');
	ask(f, b.p, b.n, &out);
	assert_non_null(strstr(out.p, " 431 "));
	buf_clear(&b);
	buf_puts(&b, "GET /");
	for (int i = 0; i < 1000; i++)
		buf_putc(&b, 'p');
	buf_puts(&b, " HTTP/1.1\r\n\r\n");
	ask(f, b.p, b.n, &out);
	assert_non_null(strstr(out.p, " 404 "));
	assert_int_equal(f->asked, 0);
	buf_free(&b);
	buf_free(&out);
}

/* Half a request, or one that is not read: nobody else waits for it, and it ends by itself. */
static void test_slow(void **state)
{
	struct fixture *f = *state;
	int half = dial(f), lazy = dial(f);
	struct buf b = {0};

	assert_int_equal(send(half, "GET /metrics HT", 15, 0), 15);
	assert_int_equal(send(lazy, "GET /large HTTP/1.1\r\n\r\n", 23, 0), 23);
	turn(f, 10);
	expect(f, "GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "x 1\n");
	assert_int_equal(send(half, "TP/1.1\r\n\r\n", 10, 0), 10);
	collect(f, half, &b);
	assert_non_null(strstr(b.p, "x 1\n"));
	buf_clear(&b);
	collect(f, lazy, &b);
	assert_true(b.n > LARGE && b.p[b.n - 2] == 'y');
	buf_clear(&b);
	half = dial(f);
	turn(f, 3);
	for (uint64_t from = clock_ms(); clock_ms() - from < HTTP_MS + 500;)
		loop_once(f->loop, 200);
	assert_int_equal(recv(half, b.p, 1, MSG_DONTWAIT), 0);
	close(half);
	buf_free(&b);
}

static void test_many(void **state)
{
	struct fixture *f = *state;
	int fds[HTTP_CONNECTIONS], more;
	struct buf b = {0};

	for (int i = 0; i < HTTP_CONNECTIONS; i++) {
		fds[i] = dial(f);
		turn(f, 2);
	}
	more = dial(f);
	collect(f, more, &b);
	assert_int_equal(b.n, 1); /* closed without a word */
	for (int i = 0; i < HTTP_CONNECTIONS; i++)
		close(fds[i]);
	turn(f, HTTP_CONNECTIONS + 2);
	expect(f, "GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "x 1\n");
	buf_free(&b);
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {"", "localhost:80", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000",
		"::1:80", "[::1]", "1.2.3:80", "http://127.0.0.1:80", "127.0.0.1:8o"};
	struct fixture *f = *state;
	struct err e = {0};
	char taken[32];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(http_listen(bad[i], &e), -1);
		assert_int_equal(e.code, ERR_config_bad);
	}
	snprintf(taken, sizeof(taken), "%u", f->port);
	assert_int_equal(http_listen(taken, &e), -1);
	assert_int_equal(e.code, ERR_io);
	assert_non_null(strstr(e.text, taken));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
