/*
 * The growing byte buffer and the bounded reader. Every decoder of foreign bytes goes through struct cur,
 * which can't read past its end.
 */
#include "common/base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/xalloc.h"

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
	b->n = 0;
}

void buf_grow(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 64;

	while (cap - b->n < n)
		cap += cap / 2 + 1;
	b->p = xrealloc(b->p, cap);
	b->cap = cap;
}

void buf_put_digits(struct buf *b, uint64_t v, unsigned digits)
{
	enum { MOST = 20 };
	char text[MOST], *p = text + MOST;

	assert(digits >= 1 && digits <= MOST);
	while (v > 0 || p > text + MOST - digits) {
		*--p = (char)('0' + v % 10);
		v /= 10;
	}
	buf_put(b, p, (size_t)(text + MOST - p));
}

void buf_putf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	vsnprintf(buf_room(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
	va_end(again);
	b->n += (size_t)n;
}

static void put_int(struct buf *b, uint64_t v, unsigned bytes)
{
	char *p = buf_room(b, bytes);

	for (unsigned i = 0; i < bytes; i++)
		p[i] = (char)(v >> (8 * i));
	b->n += bytes;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
	put_int(b, v, 1);
}

void buf_put_u16(struct buf *b, uint16_t v)
{
	put_int(b, v, 2);
}

void buf_put_u32(struct buf *b, uint32_t v)
{
	put_int(b, v, 4);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
	put_int(b, v, 8);
}

void buf_put_str(struct buf *b, struct str s)
{
	assert(s.n <= UINT32_MAX);
	buf_put_u32(b, (uint32_t)s.n);
	buf_put(b, s.p, s.n);
}

void buf_cut_front(struct buf *b, size_t n)
{
	assert(n <= b->n);
	if (n < b->n)
		memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

const char *buf_cstr(struct buf *b)
{
	*buf_room(b, 1) = '\0';
	return b->p;
}

struct str cur_str(struct cur *c)
{
	uint32_t n = cur_u32(c);
	const uint8_t *p = cur_bytes(c, n);

	return p ? (struct str){(const char *)p, n} : (struct str){0};
}
