/*
 * Reading and writing the JSON that processes hand to each other. Called by everyone but the supervisor;
 * knows no shape, only types. A missing value is never an error here: the caller's default stands in.
 */
#include "common/config/json.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

const char *json_text(const json_t *o, const char *key, const char *fallback)
{
	const char *z = json_string_value(json_object_get(o, key));

	return z ? z : fallback;
}

int64_t json_num(const json_t *o, const char *key, int64_t fallback)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? (int64_t)json_integer_value(v) : fallback;
}

bool json_flag(const json_t *o, const char *key, bool fallback)
{
	const json_t *v = json_object_get(o, key);

	return json_is_boolean(v) ? json_is_true(v) : fallback;
}

bool json_among(const json_t *list, const char *text)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (text && json_is_string(v) && strcmp(json_string_value(v), text) == 0)
			return true;
	return false;
}

json_t *json_parse(struct str text, const char *what, struct err *e)
{
	json_error_t bad;
	json_t *o = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &bad);

	if (!o)
		err_set(e, ERR_proto, "%s is no JSON: line %d, column %d: %s", what, bad.line, bad.column,
			bad.text);
	return o;
}

/* Up to the string's end, or the text's. */
static size_t skip_string(struct str text, size_t at)
{
	while (++at < text.n && text.p[at] != '"')
		at += text.p[at] == '\\';
	return at;
}

size_t json_cost(struct str text)
{
	/* Measured with jansson 2.14 on 64 bits, with the allocator's own and a value's place in its table.
	 */
	static const size_t costs[UCHAR_MAX + 1] = {
		['['] = 96, ['{'] = 200, [','] = 48, [':'] = 48, ['"'] = 48};
	size_t n = text.n;

	for (size_t i = 0; i < text.n; i++) {
		n += costs[(unsigned char)text.p[i]];
		if (text.p[i] == '"')
			i = skip_string(text, i);
	}
	return n;
}

json_t *json_any_text(const char *text)
{
	json_t *v = json_string(text);
	char *plain;

	if (v)
		return v;
	plain = xstrdup(text);
	for (char *c = plain; *c; c++)
		*c = (unsigned char)*c < 0x80 ? *c : '?';
	v = json_string(plain);
	free(plain);
	return v;
}

static int put(const char *p, size_t n, void *out)
{
	buf_put(out, p, n);
	return 0;
}

void json_write(const json_t *o, struct buf *out)
{
	json_dump_callback(o, put, out, JSON_COMPACT | JSON_ENCODE_ANY);
}

void json_wipe(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	/* jansson owns the bytes and gives them out as const; nobody else may see them after this. */
	if (json_is_string(v))
		explicit_bzero((void *)(uintptr_t)json_string_value(v), json_string_length(v));
}
