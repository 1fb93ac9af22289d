/*
 * What SHOW CREATE says in bytes. Servers write the default of a BINARY column, and what stands behind an
 * introducer, as it is: MariaDB's BINARY(2) DEFAULT x'FE00' is DEFAULT '\xFE\0'. Plans are JSON, files are
 * read by others, and sessions for structures speak UTF-8: there such literals are hexadecimal. Called for
 * texts that the dump's catalog reads, and for those that the sync records.
 */
#include "common/sql/shown.h"

#include <ctype.h>

#include "common/base/utf8.h"
#include "common/sql/lexer.h"
#include "common/sql/quote.h"

static char unescaped(char c)
{
	static const char names[] = "0nrtbZ", bytes[] = "\0\n\r\t\b\x1a";

	for (size_t i = 0; i < sizeof(names) - 1; i++)
		if (c == names[i])
			return bytes[i];
	return c;
}

/* Of a string in its quotes. */
static void put_bytes(struct buf *out, struct str s)
{
	for (size_t i = 1; i + 1 < s.n; i++) {
		bool escape = s.p[i] == '\\' && i + 2 < s.n;

		i += escape || s.p[i] == s.p[0]; /* a quote is there twice */
		buf_putc(out, escape ? unescaped(s.p[i]) : s.p[i]);
	}
}

static void put_literal(struct buf *out, struct str s)
{
	struct buf bytes = {0};
	bool follows_a_word =
		out->n > 0 && (isalnum((unsigned char)out->p[out->n - 1]) || out->p[out->n - 1] == '_');

	put_bytes(&bytes, s);
	if (follows_a_word)
		buf_putc(out, ' ');
	sql_put_hex(out, buf_str(&bytes));
	buf_free(&bytes);
}

void shown_put_utf8(struct buf *out, struct str text, const struct server *server)
{
	struct sql_lexer lx;
	size_t done = 0;

	if (utf8_is(text)) {
		buf_put(out, text.p, text.n);
		return;
	}
	sql_lex_init(&lx, text, server->flavor == FLAVOR_MARIADB,
		server->flavor == FLAVOR_TIDB ? 0 : server->version);
	for (enum sql_token type; (type = sql_lex_next(&lx)) != SQL_END && type != SQL_BAD;) {
		if (type != SQL_STRING || utf8_is(lx.token))
			continue;
		buf_put(out, text.p + done, lx.token_at - done);
		put_literal(out, lx.token);
		done = lx.token_at + lx.token.n;
	}
	buf_put(out, text.p + done, text.n - done);
}
