/*
 * Errors as values, and their one table (include/error.def). Filled where found, given context on the way up,
 * logged once at the edge; never logged here.
 */
#include "common/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct err_info table[] = {
#define ERR(code, name, class, scope, level, act, message, workaround) \
	{code, #name, class, message, workaround, ERR_SCOPE_##scope, ERR_LEVEL_##level, ERR_ACT_##act},
#include "error.def"
#undef ERR
};

/* Puts text into out, in one line, cut with "..." where it is longer, not within a character of UTF-8. */
static void fill(char *out, size_t size, const char *text)
{
	size_t n = strlen(text);
	bool cut = n >= size;

	if (cut)
		for (n = size - 4; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
			n--;
	memcpy(out, text, n);
	memcpy(out + n, cut ? "..." : "", cut ? 4 : 1);
	for (size_t i = 0; i < n; i++)
		if (out[i] == '\n' || out[i] == '\r')
			out[i] = ' ';
}

static void set(struct err *e, enum err_code code, const char *text)
{
	e->code = (uint32_t)code;
	e->sql_errno = 0;
	fill(e->text, sizeof(e->text), text);
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	char text[sizeof(e->text) + 8];
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	set(e, code, text);
	return -1;
}

int err_sys(struct err *e, enum err_code code, const char *fmt, ...)
{
	char text[sizeof(e->text)], all[sizeof(e->text) + 160];
	int saved = errno;
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(all, sizeof(all), "%s: %s", text, strerror(saved));
	set(e, code == ERR_io && saved == ENOSPC ? ERR_disk_full : code, all);
	errno = saved;
	return -1;
}

int err_add(struct err *e, const char *fmt, ...)
{
	char context[sizeof(e->text)], all[2 * sizeof(e->text) + 8];
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	snprintf(all, sizeof(all), "%s: %s", context, e->text);
	fill(e->text, sizeof(e->text), all);
	return -1;
}

void err_clear(struct err *e)
{
	e->code = 0;
	e->sql_errno = 0;
	e->text[0] = '\0';
}

const struct err_info *err_info(uint32_t code)
{
	const struct err_info *internal = NULL;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].code == code)
			return &table[i];
		if (table[i].code == ERR_internal)
			internal = &table[i];
	}
	return internal;
}

enum err_act err_act(uint32_t code)
{
	return err_info(code)->act;
}

const char *err_scope_name(enum err_scope s)
{
	static const char *const names[] = {"not-set", "upstream", "downstream", "internal"};

	return (unsigned)s < 4 ? names[s] : "not-set";
}

const char *err_level_name(enum err_level l)
{
	static const char *const names[] = {"low", "medium", "high"};

	return (unsigned)l < 3 ? names[l] : "high";
}

void err_line(const struct err *e, char *out, uint32_t size)
{
	const struct err_info *i = err_info(e->code);

	snprintf(out, size, "[code=%u:class=%s:scope=%s:level=%s], Message: %s: %s, Workaround: %s", e->code,
		i->class, err_scope_name(i->scope), err_level_name(i->level), i->message, e->text,
		i->workaround);
}
