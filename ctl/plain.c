/*
 * Texts for people: names of tables, comments and errors come from servers that others write to, and a
 * terminal takes some of their bytes for orders. In JSON they are escaped instead, so that nothing is lost;
 * its library does so with C0 alone.
 */
#include "ctl/plain.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

/* A longer form of what has a shorter one, half of a surrogate pair, or beyond Unicode: none of it is UTF-8.
 */
static bool is_misformed(const unsigned char *p)
{
	return *p == 0xc0 || *p == 0xc1 || (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
	       (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f) || *p > 0xf4;
}

/* How many bytes of UTF-8 begin here; 0: none. */
static size_t letter(const unsigned char *p)
{
	size_t n = *p < 0x80             ? 1
		   : (*p & 0xe0) == 0xc0 ? 2
		   : (*p & 0xf0) == 0xe0 ? 3
		   : (*p & 0xf8) == 0xf0 ? 4
					 : 0;

	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return is_misformed(p) ? 0 : n;
}

/* C0, DEL, and C1 as UTF-8 has it. */
static bool is_control(const unsigned char *p)
{
	return *p < ' ' || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);
}

/* Lines and tabs are of a statement as a rule: where they can't be kept, words stay apart. */
static char instead(unsigned char c)
{
	return c == '\n' || c == '\r' || c == '\t' ? ' ' : '?';
}

void plain_text(char *text, const char *keep)
{
	for (unsigned char *p = (unsigned char *)text; *p;) {
		size_t n = letter(p);

		if (n == 0 || (is_control(p) && !strchr(keep, *p)))
			memset(p, instead(*p), n ? n : 1);
		p += n ? n : 1;
	}
}

bool plain_is_utf8(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t n = letter(p);

		if (n == 0)
			return false;
		p += n;
	}
	return true;
}

void plain_escape(const char *json, struct buf *out)
{
	for (const unsigned char *p = (const unsigned char *)json; *p;) {
		size_t n = letter(p);
		char code[8];

		if (n && *p >= ' ' && is_control(p)) {
			snprintf(code, sizeof(code), "\\u%04X", n == 1 ? *p : p[1]);
			buf_put(out, code, 6);
		} else {
			buf_put(out, p, n ? n : 1);
		}
		p += n ? n : 1;
	}
}

static json_t *plain_string(const json_t *v, const char *keep)
{
	char *text = xstrdup(json_string_value(v));
	json_t *out;

	plain_text(text, keep);
	out = json_string(text);
	free(text);
	return out;
}

static json_t *plain_value(const json_t *v, const char *keep)
{
	return json_is_string(v) ? plain_string(v, keep) : plain_json(v);
}

json_t *plain_json(const json_t *o)
{
	const char *key;
	json_t *v, *out;
	size_t i;

	if (json_is_array(o)) {
		out = json_array();
		json_array_foreach(o, i, v)
			json_array_append_new(out, plain_value(v, ""));
		return out;
	}
	if (!json_is_object(o))
		return json_deep_copy(o);
	out = json_object();
	json_object_foreach((json_t *)(uintptr_t)o, key, v)
		json_object_set_new(out, key, plain_value(v, strcmp(key, "msg") == 0 ? "\n\t" : ""));
	return out;
}
