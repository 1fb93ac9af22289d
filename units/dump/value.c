/*
 * Values between the upstream's SELECT and the chunk file's INSERT. Pure. Called for each value by the table
 * reader; must never write a byte that could end a quoted value or a line.
 */
#include "units/dump/value.h"

#include "common/sql/quote.h"
#include "units/dump/json.h"

/* Hex doubles the size: above this the quoted form keeps a row below the downstream's max_allowed_packet. */
enum { HEX_MAX = 64 * 1024 };

static void put_converted(struct buf *b, const struct column *c)
{
	buf_puts(b, "CONVERT(");
	sql_put_ident(b, str_of(c->name));
	buf_puts(b, " USING utf8mb4)");
}

/*
 * A server turns characters that Unicode has not into '?', and says nothing: then there are more of them
 * behind the conversion than before, and in place of the text comes a byte that no text has
 * (value_is_no_text).
 */
void value_put_unicode(struct buf *b, const struct column *c)
{
	static const char without[] = ",_utf8mb4'?',_utf8mb4''))";

	buf_puts(b, "IF(LENGTH(");
	put_converted(b, c);
	buf_puts(b, ")-LENGTH(REPLACE(");
	put_converted(b, c);
	buf_puts(b, without);
	buf_puts(b, "<>CHAR_LENGTH(");
	sql_put_ident(b, str_of(c->name));
	buf_puts(b, ")-CHAR_LENGTH(REPLACE(");
	sql_put_ident(b, str_of(c->name));
	buf_puts(b, without);
	buf_puts(b, ",x'FF',CAST(");
	put_converted(b, c);
	buf_puts(b, " AS BINARY))");
}

bool value_is_no_text(struct str v)
{
	return v.n == 1 && v.p[0] == '\xff';
}

void value_put_select(struct buf *b, const struct column *c)
{
	enum value_format f = value_format_of(c);

	if (f == VALUE_UTF8MB4 && c->kind == COLUMN_TEXT) {
		value_put_unicode(b, c);
		return;
	}
	/* Members of SET and ENUM are part of the structure, which has come in utf8mb4. */
	if (c->kind == COLUMN_SET ? f == VALUE_UTF8MB4 : f == VALUE_ENUM && c->as_unicode) {
		put_converted(b, c);
		return;
	}
	buf_puts(b, f == VALUE_SET_NUMBER ? "CAST(" : "");
	sql_put_ident(b, str_of(c->name));
	if (f == VALUE_SET_NUMBER) /* +0 would be a DOUBLE, which has not all of 64 members */
		buf_puts(b, " AS UNSIGNED)");
	else if (f == VALUE_DOUBLE)
		buf_puts(b, "*1e0");
	else if (f == VALUE_ENUM_NUMBER)
		buf_puts(b, "+0");
}

static bool digits(struct str v, size_t *at)
{
	size_t start = *at;

	while (*at < v.n && v.p[*at] >= '0' && v.p[*at] <= '9')
		++*at;
	return *at > start;
}

/* [-+] digits [. digits] [e [-+] digits], nothing else: it goes into SQL unquoted. exponent: is there one? */
static bool is_number(struct str v, bool *exponent)
{
	size_t at = 0;
	bool any;

	*exponent = false;
	if (v.n > 0 && (v.p[0] == '-' || v.p[0] == '+'))
		at++;
	any = digits(v, &at);
	if (at < v.n && v.p[at] == '.') {
		at++;
		any = digits(v, &at) || any;
	}
	if (any && at < v.n && (v.p[at] == 'e' || v.p[at] == 'E')) {
		*exponent = true;
		at++;
		if (at < v.n && (v.p[at] == '-' || v.p[at] == '+'))
			at++;
		if (!digits(v, &at))
			return false;
	}
	return any && at == v.n;
}

static enum value_put put_number(struct buf *b, enum value_format f, struct str v)
{
	bool exponent;

	if (!is_number(v, &exponent))
		return VALUE_MALFORMED;
	buf_put(b, v.p, v.n);
	/* Without an exponent "-0" would be the integer 0, and "0.1" a DECIMAL. */
	if (f == VALUE_DOUBLE && !exponent)
		buf_puts(b, "e0");
	return f == VALUE_ENUM_NUMBER && v.n == 1 && v.p[0] == '0' ? VALUE_ENUM_ERROR : VALUE_OK;
}

enum value_put value_put(struct buf *b, enum value_format f, struct str v)
{
	if (!v.p) {
		buf_puts(b, "NULL");
		return VALUE_OK;
	}
	switch (f) {
	case VALUE_NUMBER:
	case VALUE_DOUBLE:
	case VALUE_ENUM_NUMBER:
	case VALUE_SET_NUMBER:
		return put_number(b, f, v);
	case VALUE_BYTES:
		if (v.n <= HEX_MAX)
			sql_put_hex(b, v);
		else
			sql_put_string(b, v);
		return VALUE_OK;
	case VALUE_JSON:
		json_put_value(b, v);
		return VALUE_OK;
	case VALUE_UTF8MB4:
		if (value_is_no_text(v))
			return VALUE_MALFORMED;
		buf_puts(b, "_utf8mb4");
		break;
	case VALUE_ENUM:
		if (v.n == 0) {
			buf_putc(b, '0');
			return VALUE_ENUM_ERROR;
		}
		break;
	case VALUE_STRING:
		break;
	}
	sql_put_string(b, v);
	return VALUE_OK;
}

bool value_needs_sql(enum value_format f, struct str v)
{
	switch (f) {
	case VALUE_ENUM:
		return v.p && v.n == 0;
	case VALUE_ENUM_NUMBER:
		return v.n == 1 && v.p[0] == '0';
	case VALUE_JSON:
		return v.p && json_has_decimal(v);
	default:
		return false;
	}
}

enum value_put value_put_field(struct buf *b, enum value_format f, struct str v)
{
	if (!v.p)
		buf_put(b, "\\N", 2);
	else if (value_format_is_number(f))
		return put_number(b, f, v);
	else if (f == VALUE_UTF8MB4 && value_is_no_text(v))
		return VALUE_MALFORMED;
	else
		sql_put_escaped(b, v);
	return VALUE_OK;
}
