/*
 * Quoting of identifiers and values for statements that Tidegate itself writes. Called by whoever builds SQL:
 * dump, load, sync, meta. It must never depend on a connection: the escapes here are right only under SET
 * NAMES binary (or utf8mb4) and a sql_mode without ANSI_QUOTES and NO_BACKSLASH_ESCAPES, which common/db sets
 * on every connection.
 */
#include "common/sql/quote.h"

#include <stdint.h>

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

/* The letter behind the backslash; 0: the byte stands for itself. */
static char escape_of(unsigned char c)
{
	switch (c) {
	case 0:
		return '0';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case 0x1a: /* ends the input of some clients on Windows */
		return 'Z';
	case '\'':
	case '\\':
		return (char)c;
	default:
		return 0;
	}
}

void sql_put_string(struct buf *b, struct str bytes)
{
	char *p = buf_room(b, bytes.n * 2 + 2), *start = p;

	*p++ = '\'';
	for (size_t i = 0; i < bytes.n; i++) {
		char esc = escape_of((unsigned char)bytes.p[i]);

		if (esc)
			*p++ = '\\';
		*p++ = esc ? esc : bytes.p[i];
	}
	*p++ = '\'';
	b->n += (size_t)(p - start);
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
