/*
 * Which key a table is read by, and its values as literals. Pure. Called by the planning and the reader. A
 * literal may never depend on the session's character set, and never mean another value than the column's.
 */
#include "units/dump/key.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/sql/quote.h"
#include "units/dump/value.h"

/* --- which --- */

/* Where SHOW CREATE TABLE has the key: servers keep unique keys in the order in which they were made. */
static const char *place(const struct item *t, const struct key *k)
{
	struct buf text = {0};
	const char *at;

	buf_puts(&text, "\n  UNIQUE KEY ");
	sql_put_ident(&text, str_of(k->name));
	buf_puts(&text, " (");
	at = strstr(t->create, buf_cstr(&text));
	buf_free(&text);
	return at;
}

/* A virtual column has no place in the clustered index, so neither has a key over it. */
static bool keeps_rows(const struct structure *s, const struct key *k)
{
	if (!k->usable)
		return false;
	for (unsigned i = 0; i < k->ncolumns; i++)
		if (s->columns[k->columns[i]].is_virtual)
			return false;
	return true;
}

/* Without a primary key InnoDB keeps the rows by the first unique key without NULL. */
static const struct key *clustered(const struct item *t)
{
	const struct structure *s = t->structure;
	const struct key *best = NULL;
	const char *first = NULL;

	for (unsigned i = 0; i < s->nkeys; i++) {
		const struct key *k = &s->keys[i];
		const char *at;

		if (k->primary)
			return k->usable ? k : NULL;
		if (!t->innodb || !keeps_rows(s, k))
			continue;
		at = place(t, k);
		if (at && (!first || at < first)) {
			first = at;
			best = k;
		}
	}
	return best;
}

const struct key *key_of(const struct item *t)
{
	const struct key *k = t->transactional && t->structure ? clustered(t) : NULL;

	/* In a descending key places would have to be compared the other way round. */
	return k && k->ordered ? k : NULL;
}

/*
 * CHAR under a NO PAD collation of MariaDB: its index compares the padding, its WHERE does not, so a range by
 * index and the same range by value are not the same rows (seen in 10.11 and 11.8: rows with characters below
 * a space). MySQL's do no such thing.
 */
static bool padding_is_compared(const struct item *t, const struct column *c)
{
	return t->mariadb && strncmp(c->type, "char(", 5) == 0 &&
	       (strstr(c->collation, "nopad") || strstr(c->collation, "_0900_"));
}

/* FLOAT has no exact text, ENUM and SET are kept by number and compared as text. */
static bool compares_exactly(const struct item *t, const struct column *c)
{
	switch (c->kind) {
	case COLUMN_INT:
	case COLUMN_DECIMAL:
	case COLUMN_DATE:
	case COLUMN_TIME:
	case COLUMN_DATETIME:
	case COLUMN_TIMESTAMP:
	case COLUMN_BINARY:
	case COLUMN_UUID:
	case COLUMN_INET4:
	case COLUMN_INET6:
		return true;
	case COLUMN_TEXT:
		return !padding_is_compared(t, c);
	default:
		return false;
	}
}

bool key_cuts(const struct item *t)
{
	const struct key *k = key_of(t);

	for (unsigned i = 0; k && i < k->ncolumns; i++)
		if (!compares_exactly(t, &t->structure->columns[k->columns[i]]))
			return false;
	return k && k->ncolumns > 0;
}

/* --- literals --- */

void key_put_select(struct buf *b, const struct column *c)
{
	sql_put_ident(b, str_of(c->name));
}

bool key_is_selected(const struct column *c)
{
	struct buf a = {0}, b = {0};
	bool same;

	key_put_select(&a, c);
	value_put_select(&b, c);
	same = !c->generated && str_eq(buf_str(&a), buf_str(&b));
	buf_free(&a);
	buf_free(&b);
	return same;
}

static bool only(struct str v, const char *allowed)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == '\0' || !strchr(allowed, v.p[i]))
			return false;
	return v.n > 0;
}

static bool put_word(struct buf *b, struct str v, const char *allowed)
{
	if (!only(v, allowed))
		return false;
	buf_putc(b, '\'');
	buf_put(b, v.p, v.n);
	buf_putc(b, '\'');
	return true;
}

static bool put_charset(struct buf *b, const char *charset)
{
	buf_putf(b, "_%s ", charset);
	return true;
}

static bool put_digits(struct buf *b, struct str v)
{
	if (!only(v, "0123456789-."))
		return false;
	buf_put(b, v.p, v.n);
	return true;
}

/* Bytes that are none of the charset's characters: a server refuses such a literal. */
static bool well_formed(const char *charset, struct str v)
{
	if (strcmp(charset, "ascii") == 0)
		return utf8_is_ascii(v);
	return strncmp(charset, "utf8", 4) != 0 || utf8_is(v);
}

static bool put_text(struct buf *b, const char *charset, struct str v)
{
	if (!charset || !*charset || !well_formed(charset, v))
		return false;
	put_charset(b, charset);
	sql_put_hex(b, v);
	return true;
}

bool key_put_literal(struct buf *b, const struct column *c, struct str v)
{
	if (!v.p)
		return false;
	switch (c->kind) {
	case COLUMN_INT:
	case COLUMN_DECIMAL:
		return put_digits(b, v);
	case COLUMN_DATE:
	case COLUMN_TIME:
	case COLUMN_DATETIME:
	case COLUMN_TIMESTAMP:
		return put_word(b, v, "0123456789-.: ");
	case COLUMN_UUID:
	case COLUMN_INET4:
	case COLUMN_INET6: /* a binary string would be taken for their raw bytes */
		return only(v, "0123456789abcdefABCDEF-.:") && put_charset(b, "utf8mb4") &&
		       put_word(b, v, "0123456789abcdefABCDEF-.:");
	case COLUMN_BINARY:
		buf_puts(b, "_binary ");
		sql_put_hex(b, v);
		return true;
	case COLUMN_TEXT:
		return put_text(b, c->charset, v);
	default:
		return false;
	}
}
