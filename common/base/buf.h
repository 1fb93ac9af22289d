#pragma once
#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/base/str.h"

/* A growing byte buffer; zeroed is empty. All numbers little-endian. */
struct buf {
	char *p;
	size_t n, cap;
};

void buf_free(struct buf *b); /* gives the memory back; b is empty and usable again */
void buf_clear(struct buf *b);
void buf_grow(struct buf *b, size_t n);
/* Room for n more bytes; returns where they go (n is not yet counted). */
static inline char *buf_room(struct buf *b, size_t n)
{
	if (b->cap - b->n < n)
		buf_grow(b, n);
	return b->p + b->n;
}
static inline void buf_put(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_room(b, n), p, n);
	b->n += n;
}
static inline void buf_putc(struct buf *b, char c)
{
	*buf_room(b, 1) = c;
	b->n++;
}
static inline void buf_puts(struct buf *b, const char *z)
{
	buf_put(b, z, strlen(z));
}
/* Decimal, at least `digits` (1 to 20) of them. */
void buf_put_digits(struct buf *b, uint64_t v, unsigned digits);
void buf_putf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_str(struct buf *b, struct str s); /* u32 length, then the bytes */
void buf_cut_front(struct buf *b, size_t n);
/* The text with a NUL behind it (not counted); never NULL. */
const char *buf_cstr(struct buf *b);
static inline struct str buf_str(const struct buf *b)
{
	return (struct str){b->p, b->n};
}

/* A reader over borrowed bytes. Reading past the end sets bad, gives zeros, and stays bad: check once at the
 * end. */
struct cur {
	const uint8_t *p, *end;
	bool bad;
};

static inline struct cur cur_of(const void *p, size_t n)
{
	return (struct cur){(const uint8_t *)p, (const uint8_t *)p + n, false};
}
static inline size_t cur_left(const struct cur *c)
{
	return (size_t)(c->end - c->p);
}
/* Inline all of them: a field's read is a load and a comparison, and a decoder does little else. */
/* n bytes, borrowed; NULL when bad. */
static inline const uint8_t *cur_bytes(struct cur *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->bad || cur_left(c) < n) {
		c->bad = true;
		return NULL;
	}
	c->p += n;
	return p;
}
static inline void cur_skip(struct cur *c, size_t n)
{
	cur_bytes(c, n);
}
/* 1 to 8 bytes, little-endian. */
static inline uint64_t cur_uint(struct cur *c, unsigned bytes)
{
	const uint8_t *p = cur_bytes(c, bytes);
	uint64_t v = 0;

	assert(bytes <= 8);
	for (unsigned i = 0; p && i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}
static inline uint8_t cur_u8(struct cur *c)
{
	return (uint8_t)cur_uint(c, 1);
}
static inline uint16_t cur_u16(struct cur *c)
{
	return (uint16_t)cur_uint(c, 2);
}
static inline uint32_t cur_u24(struct cur *c)
{
	return (uint32_t)cur_uint(c, 3);
}
static inline uint32_t cur_u32(struct cur *c)
{
	return (uint32_t)cur_uint(c, 4);
}
static inline uint64_t cur_u48(struct cur *c)
{
	return cur_uint(c, 6);
}
static inline uint64_t cur_u64(struct cur *c)
{
	return cur_uint(c, 8);
}
/* A length-encoded integer of the client/server protocol (MySQL and MariaDB); 0xfb and 0xff make the reader
 * bad. */
static inline uint64_t cur_lenenc(struct cur *c)
{
	uint8_t first = cur_u8(c);

	switch (first) {
	case 0xfc:
		return cur_u16(c);
	case 0xfd:
		return cur_u24(c);
	case 0xfe:
		return cur_u64(c);
	case 0xfb:
	case 0xff:
		c->bad = true;
		return 0;
	default:
		return first;
	}
}
struct str cur_str(struct cur *c); /* u32 length, then the bytes; borrowed */
