/*
 * Which bytes are UTF-8. Servers refuse a literal that is none, and JSON and dm_meta's columns hold nothing
 * else.
 */
#include "common/base/utf8.h"

#include <stdint.h>

/* Bytes behind the first one; 4: no character begins so. */
static size_t more_of(uint8_t first)
{
	if (first < 0x80)
		return 0;
	if (first < 0xc2 || first > 0xf4)
		return 4;
	return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

size_t utf8_character(const char *text, size_t n)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t more = more_of(p[0]);

	if (more > 3 || more >= n)
		return 0;
	for (size_t i = 1; i <= more; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
		(p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return more + 1;
}

bool utf8_is(struct str s)
{
	size_t n;

	for (size_t i = 0; i < s.n; i += n) {
		n = utf8_character(s.p + i, s.n - i);
		if (n == 0)
			return false;
	}
	return true;
}

bool utf8_is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] & 0x80)
			return false;
	return true;
}
