/*
 * A statement's text in UTF-8, whatever charset its client had. Names are compared with those of TABLE_MAPs,
 * and no lexer of ours meets a charset whose second bytes are quotes.
 */
#include "units/sync/ddl_utf8.h"

#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/sql/quote.h"
#include "common/sql/shown.h"

enum { COMMON_COLLATIONS = 247, UTF8MB4 = 45 };

void ddl_put_utf8(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n;) {
		size_t n = utf8_character(s.p + i, s.n - i);

		if (n == 0)
			buf_putf(out, "\\x%02x", (unsigned)(uint8_t)s.p[i]);
		else
			buf_put(out, s.p + i, n);
		i += n ? n : 1;
	}
}

/* As servers print tables: the first column in a line of its own behind " (". */
static bool is_printed(struct str s)
{
	const char *at = memchr(s.p, '(', s.n);
	size_t i = at ? (size_t)(at - s.p) : 0;

	return str_starts(s, "CREATE TABLE ") && i > 0 && i + 4 < s.n && at[-1] == ' ' &&
	       memcmp(at, "(\n  ", 4) == 0 && (at[4] == '`' || at[4] == '"');
}

/* Charsets of one byte a character: what is UTF-8 by chance looks like "Ã¤", and nobody writes that. */
static bool is_one_byte(const char *charset)
{
	static const char *const others[] = {
		"big5", "cp932", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "sjis", "ujis"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(charset, others[i]) == 0)
			return false;
	return true;
}

/*
 * CREATE TABLE ... SELECT, and LIKE a temporary table, are logged as the server prints the table, in UTF-8,
 * and with the client's charset and collation all the same (seen on MySQL 9.7 and MariaDB 10.11): the text
 * has no charset of a client. made: in an open transaction; a temporary table's in it is the client's words.
 * There binary defaults of MariaDB are bytes, and become x'…'. False: the words are the client's.
 */
static bool take_servers_own(struct apply *a, struct binlog_query *q, const char *charset, bool made)
{
	struct buf text = {0};
	bool own;

	made = made &&
	       (str_starts(q->sql, "CREATE TABLE ") || str_starts(q->sql, "CREATE OR REPLACE TABLE "));
	if (made)
		shown_put_utf8(&text, q->sql, &a->tables.from);
	own = made ? utf8_is(buf_str(&text)) : is_one_byte(charset) && is_printed(q->sql) && utf8_is(q->sql);
	if (own && made)
		q->sql = (struct str){arena_strdup(a->scratch, buf_str(&text)), text.n};
	if (own)
		q->has_charset = false;
	buf_free(&text);
	return own;
}

static int convert(struct db *d, const char *charset, struct str *text, struct arena *scratch, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n;

	buf_putf(&sql, "SELECT CONVERT(_%s ", charset);
	sql_put_hex(&sql, *text);
	buf_puts(&sql, " USING utf8mb4)");
	rows = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	if (!rows)
		return -1;
	n = db_fetch(rows, &v, e);
	if (n > 0) {
		text->n = v[0].n;
		text->p = arena_strdup(scratch, v[0]);
	}
	db_rows_close(&rows);
	return n > 0 ? 0 : -1;
}

static int take(
	struct apply *a, struct db *d, struct binlog_query *q, const char *charset, bool made, struct err *e)
{
	q->client_charset = UTF8MB4;
	if (take_servers_own(a, q, charset, made) || strncmp(charset, "utf8", 4) == 0)
		return 0;
	return convert(d, charset, &q->sql, a->scratch, e);
}

int ddl_to_utf8(struct apply *a, struct binlog_query *q, bool made, struct err *e)
{
	struct db *d = a->ddl;
	char charset[64] = "", sql[160];
	bool found;
	bool gb18030 = q->client_charset >= 248 && q->client_charset <= 250; /* MySQL's */

	if (!q->has_charset || utf8_is_ascii(q->sql))
		return 0;
	if (q->client_charset > COMMON_COLLATIONS && !gb18030)
		return take(a, d, q, "utf8mb4", made, e);
	/* TiDB converts nothing: it takes latin1 for UTF-8, and does not know the others. MariaDB does not
	 * know that one. */
	if (db_server(d)->flavor == FLAVOR_TIDB || (gb18030 && db_server(d)->flavor == FLAVOR_MARIADB))
		d = tables_upstream(&a->tables, e);
	if (!d)
		return -1;
	snprintf(sql, sizeof(sql), "SELECT CHARACTER_SET_NAME FROM information_schema.COLLATIONS WHERE ID=%u",
		q->client_charset);
	if (db_value(d, sql, charset, sizeof(charset), &found, e) < 0)
		return -1;
	if (!found)
		return err_set(e, ERR_sync_ddl_parse,
			"the server does not know the charset (collation %u) of a statement",
			q->client_charset);
	return take(a, d, q, charset, made, e);
}
