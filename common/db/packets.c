/*
 * A server's long stream of packets, read from its socket in large pieces. Used by binlog_stream.c where the
 * connection is plain. Knows framing and error packets, nothing of what a payload means.
 */
#include "common/db/packets.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"

enum {
	PACKET_HEAD = 4,
	PACKET_FULL = 0xffffff, /* a payload of this length goes on in the next packet */
	PIECE = 1 << 20,
	LOST = 2013, /* the client library's numbers: CR_SERVER_LOST, CR_MALFORMED_PACKET */
	MALFORMED = 2027,
};

void packets_init(struct packets *p, int fd, unsigned timeout_ms)
{
	*p = (struct packets){.fd = fd, .timeout_ms = timeout_ms, .sequence = 1, .size = PIECE};
	p->bytes = xmalloc(p->size);
}

void packets_fini(struct packets *p)
{
	free(p->bytes);
	p->bytes = NULL;
}

static int fail(struct client_error *why, unsigned number, const char *text)
{
	why->number = number;
	snprintf(why->text, sizeof(why->text), "%s", text);
	return -1;
}

bool frames_pass(struct frames *f, const void *bytes, size_t n, size_t large)
{
	const uint8_t *p = bytes, *end = p + n;
	bool begun = false;

	while (p < end) {
		size_t step = (size_t)(end - p) < f->left ? (size_t)(end - p) : f->left;

		p += step;
		f->left -= step;
		if (p == end)
			break;
		f->head[f->nhead++] = *p++;
		if (f->nhead < PACKET_HEAD)
			continue;
		f->nhead = 0;
		f->left = f->head[0] | (size_t)f->head[1] << 8 | (size_t)f->head[2] << 16;
		if (!f->goes_on) {
			f->large = f->left >= large;
			begun = begun || f->large;
		}
		f->goes_on = f->left == PACKET_FULL;
	}
	return begun;
}

static int wait_readable(const struct packets *p, struct client_error *why)
{
	struct pollfd at = {.fd = p->fd, .events = POLLIN};
	int r;

	do
		r = poll(&at, 1, p->timeout_ms ? (int)p->timeout_ms : -1);
	while (r < 0 && errno == EINTR);
	if (r > 0)
		return 0;
	return fail(why, LOST, r == 0 ? "the server has been silent for too long" : strerror(errno));
}

/* A large packet makes the buffer grow; when it is through, the memory goes back. */
static void make_room(struct packets *p, size_t want)
{
	size_t have = p->to - p->from, size = want > PIECE ? want : PIECE;

	if (p->from > 0)
		memmove(p->bytes, p->bytes + p->from, have);
	p->from = 0;
	p->to = have;
	if (size > p->size || (p->size > 2 * PIECE && have <= size && size == PIECE)) {
		p->bytes = xrealloc(p->bytes, size);
		p->size = size;
	}
}

static int read_some(struct packets *p, struct client_error *why)
{
	for (;;) {
		ssize_t n = recv(p->fd, p->bytes + p->to, p->size - p->to, MSG_DONTWAIT);

		if (n > 0) {
			p->to += (size_t)n;
			return 0;
		}
		if (n == 0)
			return fail(why, LOST, "the server has closed the connection");
		if (errno != EINTR && errno != EAGAIN)
			return fail(why, LOST, strerror(errno));
		if (errno == EAGAIN && wait_readable(p, why) < 0)
			return -1;
	}
}

/* At least n bytes from p->from on. */
static int need(struct packets *p, size_t n, struct client_error *why)
{
	if (p->to - p->from >= n)
		return 0;
	if (p->from + n > p->size || p->from == p->to)
		make_room(p, n);
	while (p->to - p->from < n)
		if (read_some(p, why) < 0)
			return -1;
	return 0;
}

static uint32_t length_at(const struct packets *p, size_t at)
{
	const uint8_t *h = (const uint8_t *)p->bytes + p->from + at;

	return h[0] | (uint32_t)h[1] << 8 | (uint32_t)h[2] << 16;
}

static int check_sequence(struct packets *p, size_t at, struct client_error *why)
{
	if ((uint8_t)p->bytes[p->from + at + 3] == p->sequence++)
		return 0;
	return fail(why, MALFORMED, "packets out of order");
}

/* {0xff, u16 number, '#', 5 bytes of state, text} */
static int server_error(struct str payload, struct client_error *why)
{
	struct cur c = cur_of(payload.p + 1, payload.n - 1);

	why->number = cur_u16(&c);
	if (payload.n >= 9 && payload.p[3] == '#')
		cur_skip(&c, 6);
	snprintf(why->text, sizeof(why->text), "%.*s", (int)cur_left(&c), (const char *)c.p);
	return -1;
}

/*
 * Continuations are moved up against their beginning, so that the payload is one piece: *total bytes of it
 * are behind the first head, in `taken` bytes of the stream.
 */
static int join(struct packets *p, size_t *total, size_t *taken, struct client_error *why)
{
	uint32_t n = PACKET_FULL;

	while (n == PACKET_FULL) {
		if (need(p, *taken + PACKET_HEAD, why) < 0 || check_sequence(p, *taken, why) < 0)
			return -1;
		n = length_at(p, *taken);
		if (need(p, *taken + PACKET_HEAD + n, why) < 0)
			return -1;
		memmove(p->bytes + p->from + PACKET_HEAD + *total, p->bytes + p->from + *taken + PACKET_HEAD,
			n);
		*total += n;
		*taken += PACKET_HEAD + n;
	}
	return 0;
}

int packets_next(struct packets *p, struct str *payload, struct client_error *why)
{
	size_t total, taken;

	if (need(p, PACKET_HEAD, why) < 0 || check_sequence(p, 0, why) < 0)
		return -1;
	total = length_at(p, 0);
	taken = PACKET_HEAD + total;
	if (p->on_large && total >= p->large)
		p->on_large(p->arg);
	if (need(p, taken, why) < 0 || (total == PACKET_FULL && join(p, &total, &taken, why) < 0))
		return -1;
	*payload = (struct str){p->bytes + p->from + PACKET_HEAD, total};
	p->from += taken;
	if (total == 0)
		return fail(why, MALFORMED, "an empty packet");
	return (uint8_t)payload->p[0] == 0xff && total >= 3 ? server_error(*payload, why) : 0;
}

void packets_trim(struct packets *p)
{
	if (p->from == p->to)
		make_room(p, 0);
}

bool packets_more(const struct packets *p)
{
	struct pollfd at = {.fd = p->fd, .events = POLLIN};
	size_t have = p->to - p->from;

	if (have >= PACKET_HEAD && have - PACKET_HEAD >= length_at(p, 0))
		return true;
	return poll(&at, 1, 0) > 0;
}
