/*
 * Positions in a source's binlog, and the names of its files. The one place that knows how they compare and
 * how they are written down.
 */
#include "common/base/position.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int position_cmp(struct position a, struct position b)
{
	if (a.generation != b.generation)
		return a.generation < b.generation ? -1 : 1;
	if (a.file != b.file)
		return a.file < b.file ? -1 : 1;
	if (a.offset != b.offset)
		return a.offset < b.offset ? -1 : 1;
	return 0;
}

/* Digits only, no overflow. */
static bool read_number(struct str s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 20)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(s.p[i] - '0');

		if (digit > 9 || __builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*out = v;
	return true;
}

int binlog_name_split(struct str name, char *base, size_t size, uint64_t *number, struct err *e)
{
	size_t dot = name.n;

	while (dot > 0 && name.p[dot - 1] != '.')
		dot--;
	if (dot < 2 || !read_number((struct str){name.p + dot, name.n - dot}, number) || dot > size ||
		memchr(name.p, '/', name.n) || memchr(name.p, '\0', name.n))
		return err_set(e, ERR_relay_parse, "'%.*s' is no name of a binlog file", STR_ARG(name));
	memcpy(base, name.p, dot - 1);
	base[dot - 1] = '\0';
	return 0;
}

void binlog_name_make(char *out, size_t size, const char *base, uint64_t number)
{
	snprintf(out, size, "%s.%06" PRIu64, base, number);
}

void position_text(struct position p, const char *base, char *out, size_t size)
{
	snprintf(out, size, "%u:%s.%06" PRIu64 ":%" PRIu64, p.generation, base ? base : "", p.file, p.offset);
}

void position_store(struct position p, char *out, size_t size)
{
	snprintf(out, size, "%u:%" PRIu64 ":%" PRIu64, p.generation, p.file, p.offset);
}

int position_load(struct str text, struct position *p, struct err *e)
{
	const char *a = text.n ? memchr(text.p, ':', text.n) : NULL;
	const char *b = a ? memchr(a + 1, ':', (size_t)(text.p + text.n - a - 1)) : NULL;
	uint64_t generation;

	if (!b || !read_number((struct str){text.p, (size_t)(a - text.p)}, &generation) ||
		generation > UINT32_MAX || !read_number((struct str){a + 1, (size_t)(b - a - 1)}, &p->file) ||
		!read_number((struct str){b + 1, (size_t)(text.p + text.n - b - 1)}, &p->offset))
		return err_set(e, ERR_internal, "'%.*s' is no stored position", STR_ARG(text));
	p->generation = (uint32_t)generation;
	return 0;
}
