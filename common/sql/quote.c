/*
 * Quoting of identifiers and values for statements that Tidegate itself writes. Called by whoever builds SQL:
 * dump, load, sync, meta. It must never depend on a connection: the escapes here are right only under SET
 * NAMES binary (or utf8mb4) and a sql_mode without ANSI_QUOTES and NO_BACKSLASH_ESCAPES, which common/db sets
 * on every connection.
 */
#include "common/sql/quote.h"

#include <stdint.h>
#include <string.h>

void sql_put_ident(struct buf *b, struct str name)
{
	char *p = buf_room(b, name.n * 2 + 2), *start = p;

	*p++ = '`';
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '`')
			*p++ = '`';
		*p++ = name.p[i];
	}
	*p++ = '`';
	b->n += (size_t)(p - start);
}

void sql_put_table(struct buf *b, struct str schema, struct str table)
{
	sql_put_ident(b, schema);
	buf_putc(b, '.');
	sql_put_ident(b, table);
}

/* The letter behind the backslash; 0: the byte stands for itself. ^Z ends the input of some clients on
 * Windows.
 */
static const char escapes[256] = {
	[0] = '0', ['\n'] = 'n', ['\r'] = 'r', [0x1a] = 'Z', ['\''] = '\'', ['\\'] = '\\'};

/* Sixteen bytes looked at in one go. */
enum { BLOCK = 16 };
typedef uint8_t block_bytes __attribute__((vector_size(BLOCK)));

static inline bool needs_escape(const char *p, bool tab)
{
	block_bytes v, any;
	uint64_t half[2];

	memcpy(&v, p, BLOCK);
	any = (block_bytes)((v == 0) | (v == '\n') | (v == '\r') | (v == 0x1a) | (v == '\'') | (v == '\\'));
	if (tab)
		any |= (block_bytes)(v == '\t');
	memcpy(half, &any, BLOCK);
	return (half[0] | half[1]) != 0;
}

/* There is room for twice the bytes at p. Returns the end. */
static inline char *escape(char *p, struct str bytes, bool tab)
{
	size_t i = 0;

	while (i < bytes.n) {
		size_t end = bytes.n - i < BLOCK ? bytes.n : i + BLOCK;

		if (end - i == BLOCK && !needs_escape(bytes.p + i, tab)) {
			memcpy(p, bytes.p + i, BLOCK);
			p += BLOCK;
			i = end;
		}
		for (; i < end; i++) {
			char esc = escapes[(unsigned char)bytes.p[i]];

			if (tab && bytes.p[i] == '\t')
				esc = 't';
			if (esc)
				*p++ = '\\';
			*p++ = esc ? esc : bytes.p[i];
		}
	}
	return p;
}

void sql_put_string(struct buf *b, struct str bytes)
{
	char *start = buf_room(b, bytes.n * 2 + 2), *p = start;

	*p++ = '\'';
	p = escape(p, bytes, false);
	*p++ = '\'';
	b->n += (size_t)(p - start);
}

void sql_put_escaped(struct buf *b, struct str bytes)
{
	char *start = buf_room(b, bytes.n * 2);

	b->n += (size_t)(escape(start, bytes, true) - start);
}

void sql_put_hex(struct buf *b, struct str bytes)
{
	static const char digits[] = "0123456789ABCDEF";
	char *p = buf_room(b, bytes.n * 2 + 3), *start = p;

	if (bytes.n) /* x'' is refused by some servers */
		*p++ = 'x';
	*p++ = '\'';
	for (size_t i = 0; i < bytes.n; i++) {
		*p++ = digits[(uint8_t)bytes.p[i] >> 4];
		*p++ = digits[(uint8_t)bytes.p[i] & 15];
	}
	*p++ = '\'';
	b->n += (size_t)(p - start);
}
