/*
 * Which form a column's values have on their way. Pure. Asked by the dump, which writes them, and by the
 * load, which must say the same of each column.
 */
#include "common/sql/value_format.h"

#include <string.h>

/* Is '' one of the members in "enum('a','','it''s')", or of a set? Members are quoted, a quote inside is
 * doubled. */
static bool has_empty_member(const char *type)
{
	const char *p = strchr(type, '(');

	while (p && (*p == '(' || *p == ',')) {
		const char *start = ++p;

		if (*start != '\'')
			return false;
		for (p = start + 1; *p; p++) {
			if (p[0] == '\\' && p[1])
				p++;
			else if (p[0] == '\'' && p[1] == '\'')
				p++;
			else if (p[0] == '\'')
				break;
		}
		if (*p && p == start + 1)
			return true;
		if (*p)
			p++;
	}
	return false;
}

/* MariaDB does not know it: its text goes by way of Unicode, which holds all of it, an ENUM by number. */
static bool is_gb18030(const struct column *c)
{
	return c->charset && strcmp(c->charset, "gb18030") == 0;
}

static enum value_format text_format(const struct column *c)
{
	return is_gb18030(c) || c->as_unicode ? VALUE_UTF8MB4 : VALUE_STRING;
}

bool value_is_utf8(const char *charset)
{
	static const char *const good[] = {"", "utf8", "utf8mb3", "utf8mb4", "ascii", "binary"};

	for (size_t i = 0; charset && i < sizeof(good) / sizeof(*good); i++)
		if (strcmp(charset, good[i]) == 0)
			return true;
	return !charset;
}

void value_format_for(struct structure *s, enum flavor target)
{
	for (unsigned i = 0; i < s->ncolumns; i++)
		s->columns[i].as_unicode = target == FLAVOR_TIDB && !value_is_utf8(s->columns[i].charset);
}

const char *value_charset(const struct column *c)
{
	enum value_format f = value_format_of(c);

	if (f != VALUE_STRING && f != VALUE_ENUM)
		return NULL;
	if (!c->charset || !c->charset[0] || strcmp(c->charset, "binary") == 0)
		return NULL;
	if (c->as_unicode ||
		value_is_utf8(c->charset)) /* "utf8" is deprecated in one, "utf8mb3" unknown to another */
		return "utf8mb4";
	return strcmp(c->charset, "gb18030") == 0 ? NULL : c->charset;
}

static unsigned width_in_utf8(const char *charset)
{
	static const struct {
		const char *charset;
		unsigned width;
	} all[] = {{"ascii", 1}, {"utf8", 3}, {"utf8mb3", 3}, {"utf8mb4", 4}};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strcmp(charset, all[i].charset) == 0)
			return all[i].width;
	return 0;
}

bool value_same_bytes(const char *from, const char *to)
{
	unsigned a = width_in_utf8(from), b = width_in_utf8(to);

	return strcmp(from, to) == 0 || (a > 0 && (a <= b || b == 3));
}

enum value_format value_format_of(const struct column *c)
{
	switch (c->kind) {
	case COLUMN_INT:
	case COLUMN_DECIMAL:
		return VALUE_NUMBER;
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE:
		return VALUE_DOUBLE;
	case COLUMN_BIT:
	case COLUMN_BINARY:
	case COLUMN_GEOMETRY:
	case COLUMN_VECTOR:
		return VALUE_BYTES;
	case COLUMN_JSON:
		return VALUE_JSON;
	case COLUMN_UUID: /* a binary string would be taken for their raw bytes */
	case COLUMN_INET4:
	case COLUMN_INET6:
		return VALUE_UTF8MB4;
	case COLUMN_ENUM:
		return has_empty_member(c->type) || (is_gb18030(c) && !c->as_unicode) ? VALUE_ENUM_NUMBER
										      : VALUE_ENUM;
	case COLUMN_SET:
		return has_empty_member(c->type) ? VALUE_SET_NUMBER : text_format(c);
	case COLUMN_TEXT:
		return text_format(c);
	default:
		return VALUE_STRING;
	}
}
