/* Packets from a socket: framing over any cut of the bytes, joined ones, and what is no packet. */
#include "common/db/packets.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/buf.h"

enum { FULL = 0xffffff };

struct line {
	int fds[2];
	struct packets p;
	struct buf out;
	size_t step; /* bytes a write; 0: all at once */
	pthread_t thread;
};

static void *send_all(void *arg)
{
	struct line *l = arg;
	size_t at = 0;

	while (at < l->out.n) {
		size_t n = l->step && l->out.n - at > l->step ? l->step : l->out.n - at;
		ssize_t w = send(l->fds[1], l->out.p + at, n, MSG_NOSIGNAL);
		if (w <= 0)
			return NULL;
		at += (size_t)w;
	}
	shutdown(l->fds[1], SHUT_WR);
	return NULL;
}

static void begin(struct line *l, size_t step)
{
	l->step = step;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, l->fds), 0);
	packets_init(&l->p, l->fds[0], 5000);
	assert_int_equal(pthread_create(&l->thread, NULL, send_all, l), 0);
}

static void finish(struct line *l)
{
	close(l->fds[0]);
	pthread_join(l->thread, NULL);
	close(l->fds[1]);
	packets_fini(&l->p);
	buf_free(&l->out);
}

static void put_frame(struct buf *b, uint8_t sequence, const char *p, size_t n)
{
	buf_put_u8(b, n & 0xff);
	buf_put_u8(b, n >> 8 & 0xff);
	buf_put_u8(b, n >> 16 & 0xff);
	buf_put_u8(b, sequence);
	buf_put(b, p, n);
}

/* As a server sends it: in pieces of 2^24-1 bytes, the last one shorter, perhaps empty. */
static void put_packet(struct buf *b, uint8_t *sequence, const char *p, size_t n)
{
	size_t piece;

	do {
		piece = n < FULL ? n : FULL;
		put_frame(b, (*sequence)++, p, piece);
		p += piece;
		n -= piece;
	} while (piece == FULL);
}

static char *noise(size_t n, unsigned seed)
{
	char *p = malloc(n + 1);
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (char)(x >> 24);
	}
	p[0] = 0; /* no error packet */
	return p;
}

static void every_size(void **state)
{
	static const size_t sizes[] = {1, 2, 300, 70000, 1 << 20, (1 << 20) - 4, 5 << 20, 1, FULL - 1, FULL,
		FULL + 1, 7, 2 * FULL, 2 * FULL + 12345, 9};
	enum { N = sizeof(sizes) / sizeof(*sizes) };
	static const size_t steps[] = {0, 4093};

	(void)state;
	for (unsigned s = 0; s < 2; s++) {
		struct line l = {0};
		uint8_t sequence = 1;
		char *sent[N];
		for (unsigned i = 0; i < N; i++) {
			sent[i] = noise(sizes[i], i);
			put_packet(&l.out, &sequence, sent[i], sizes[i]);
		}
		begin(&l, steps[s]);
		for (unsigned i = 0; i < N; i++) {
			struct client_error why;
			struct str got;
			assert_int_equal(packets_next(&l.p, &got, &why), 0);
			assert_int_equal(got.n, sizes[i]);
			assert_memory_equal(got.p, sent[i], got.n);
			free(sent[i]);
		}
		assert_true(l.p.size <= 2 << 20); /* what the large ones took has gone back */
		finish(&l);
	}
}

/* Many small ones, in cuts that fall anywhere; the sequence number goes round. */
static void many(void **state)
{
	enum { N = 3000 };
	struct line l = {0};
	uint8_t sequence = 1;
	struct client_error why;
	struct str got;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		char text[32] = {0};
		snprintf(text + 1, sizeof(text) - 1, "%u", i);
		put_packet(&l.out, &sequence, text, 2 + i % 29);
	}
	begin(&l, 7);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(packets_next(&l.p, &got, &why), 0);
		assert_int_equal(got.n, 2 + i % 29);
	}
	assert_int_equal(packets_next(&l.p, &got, &why), -1);
	assert_int_equal(why.number, 2013);
	finish(&l);
}

struct seen_large {
	struct packets *p;
	unsigned times;
	size_t held; /* bytes of buffer when it was told last */
};

static void on_large(void *arg)
{
	struct seen_large *s = arg;

	s->times++;
	s->held = s->p->size;
}

/* Told before it is read, once; its memory goes back when asked for. */
static void large_ones(void **state)
{
	static const size_t sizes[] = {10, 5 << 20, 300, FULL + 5, 4};
	struct line l = {0};
	struct seen_large seen = {.p = &l.p};
	uint8_t sequence = 1;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		char *sent = noise(sizes[i], i);

		put_packet(&l.out, &sequence, sent, sizes[i]);
		free(sent);
	}
	begin(&l, 0);
	l.p.on_large = on_large;
	l.p.arg = &seen;
	l.p.large = 4 << 20;
	for (unsigned i = 0; i < 5; i++) {
		struct client_error why;
		struct str got;

		assert_int_equal(packets_next(&l.p, &got, &why), 0);
		assert_int_equal(got.n, sizes[i]);
		assert_int_equal(seen.times, (i + 1) / 2);
		assert_true(seen.held <= 2 << 20);
		packets_trim(&l.p);
		assert_true(l.p.size <= 2 << 20);
	}
	finish(&l);
}

/* Seen when its head is there, whatever the cuts; over when its last byte is. */
static void frames_of_another_reader(void **state)
{
	static const size_t sizes[] = {10, 5 << 20, 300, FULL + 5, FULL, 4};
	struct buf out = {0};
	uint8_t sequence = 1;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		char *sent = noise(sizes[i], i);

		put_packet(&out, &sequence, sent, sizes[i]);
		free(sent);
	}
	for (size_t step = 1; step < 100000; step = step * 7 + 3) {
		struct frames f = {0};
		unsigned begun = 0;

		for (size_t at = 0; at < out.n; at += step) {
			size_t n = out.n - at < step ? out.n - at : step;
			bool one = frames_pass(&f, out.p + at, n, 4 << 20);

			assert_true(!one || frames_in_large(&f));
			begun += one;
		}
		assert_int_equal(begun, 3);
		assert_false(frames_in_large(&f));
	}
	buf_free(&out);
}

static void refused(struct buf *bytes, unsigned number, const char *text)
{
	struct line l = {.out = *bytes};
	struct client_error why;
	struct str got;

	*bytes = (struct buf){0};
	begin(&l, 0);
	assert_int_equal(packets_next(&l.p, &got, &why), -1);
	assert_int_equal(why.number, number);
	assert_non_null(strstr(why.text, text));
	finish(&l);
}

static void what_is_no_packet(void **state)
{
	struct buf b = {0};

	(void)state;
	put_frame(&b, 2, "x", 1);
	refused(&b, 2027, "order");
	put_frame(&b, 1, "", 0);
	refused(&b, 2027, "empty");
	put_frame(&b, 1, "abcdef", 6);
	b.n -= 2; /* cut off */
	refused(&b, 2013, "closed");
	put_frame(&b, 1, "\xff\xd4\x04#HY000Could not find first log file name", 9 + 34);
	refused(&b, 1236, "Could not find first log");
	put_frame(&b, 1, "\xff\xd4\x04", 3);
	refused(&b, 1236, "");
}

static void silence(void **state)
{
	struct line l = {0};
	struct client_error why;
	struct str got;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, l.fds), 0);
	packets_init(&l.p, l.fds[0], 30);
	assert_false(packets_more(&l.p));
	assert_int_equal(packets_next(&l.p, &got, &why), -1);
	assert_int_equal(why.number, 2013);
	assert_non_null(strstr(why.text, "silent"));
	assert_int_equal(send(l.fds[1], "\1\0\0\1x\1\0\0\2y", 10, 0), 10);
	assert_true(packets_more(&l.p));
	assert_int_equal(packets_next(&l.p, &got, &why), 0);
	assert_true(packets_more(&l.p)); /* in the buffer */
	assert_int_equal(packets_next(&l.p, &got, &why), 0);
	assert_false(packets_more(&l.p));
	close(l.fds[0]);
	close(l.fds[1]);
	packets_fini(&l.p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size),
		cmocka_unit_test(many),
		cmocka_unit_test(large_ones),
		cmocka_unit_test(frames_of_another_reader),
		cmocka_unit_test(what_is_no_packet),
		cmocka_unit_test(silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
