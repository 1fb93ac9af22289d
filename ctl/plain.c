/*
 * Texts for people: names of tables, comments and errors come from servers that others write to, and a
 * terminal takes some of their bytes for orders. What is printed as JSON needs none of this.
 */
#include "ctl/plain.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

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
	return n;
}

/* C0, DEL, and C1 as UTF-8 has it. */
static bool is_control(const unsigned char *p)
{
	return *p < ' ' || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);
}

void plain_text(char *text, const char *keep)
{
	for (unsigned char *p = (unsigned char *)text; *p;) {
		size_t n = letter(p);

		if (n == 0 || (is_control(p) && !strchr(keep, *p)))
			memset(p, '?', n ? n : 1);
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
