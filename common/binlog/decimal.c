/*
 * DECIMAL: groups of nine digits in four big-endian bytes, leftover digits in fewer, the sign in the first
 * bit, negative numbers inverted. Called by rows.c for sizes, by literal.c and json.c for text.
 */
#include "common/binlog/decimal.h"

#include <string.h>

#include "common/binlog/wire.h"

enum { GROUP = 9, MAX_BYTES = 40 };

static const uint8_t leftover[10] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};

size_t decimal_size(unsigned precision, unsigned scale)
{
	unsigned whole = precision - scale;

	return whole / GROUP * 4u + leftover[whole % GROUP] + scale / GROUP * 4u + leftover[scale % GROUP];
}

/* Digits go to text, leading zeros too. */
static const uint8_t *put_group(struct buf *text, const uint8_t *p, unsigned digits)
{
	unsigned bytes = leftover[digits];

	if (digits > 0)
		buf_put_digits(text, wire_big_endian(p, bytes), digits);
	return p + bytes;
}

static void put_digits(struct buf *text, const uint8_t *p, unsigned precision, unsigned scale)
{
	unsigned whole = precision - scale;

	p = put_group(text, p, whole % GROUP);
	for (unsigned i = 0; i < whole / GROUP; i++)
		p = put_group(text, p, GROUP);
	buf_putc(text, '.');
	for (unsigned i = 0; i < scale / GROUP; i++)
		p = put_group(text, p, GROUP);
	put_group(text, p, scale % GROUP);
}

void decimal_put(struct buf *out, const uint8_t *p, unsigned precision, unsigned scale)
{
	size_t n = decimal_size(precision, scale), from, skip, end;
	uint8_t bytes[MAX_BYTES] = {0};
	bool negative;

	memcpy(bytes, p, n);
	negative = !(bytes[0] & 0x80);
	bytes[0] ^= 0x80;
	for (size_t i = 0; negative && i < n; i++)
		bytes[i] = (uint8_t)~bytes[i];
	if (negative)
		buf_putc(out, '-');
	buf_putc(out, '0'); /* stays where no whole digit is left */
	from = skip = out->n;
	put_digits(out, bytes, precision, scale);
	if (scale == 0)
		out->n--;
	end = out->n;
	while (skip < end && out->p[skip] == '0')
		skip++;
	if (skip < end && out->p[skip] != '.')
		from--; /* over the first zero */
	memmove(out->p + from, out->p + skip, end - skip);
	out->n = from + (end - skip);
}
