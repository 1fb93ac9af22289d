/*
 * UPDATE of many rows by a join with a table of values. Called by statement.c, for runs of updates that are
 * long enough. A server unites the types of such a table's columns, so only kinds are written so whose values
 * come out of that as they went in (docs/design/apply.md).
 */
#include "units/sync/join.h"

#include <string.h>
#include <xxhash.h>

#include "common/sql/quote.h"

/* The name of the table of values; its columns are k0, k1, … of the key, v0, v1, … of what is set. */
#define VALUES_NAME "tg_v"

enum { ROWS = 500 };

/* --- what can be said so --- */

/* Literals that any server unites without loss, and compares by the column's own index. */
static bool can_key(const struct column *up, const struct column *down)
{
	return up->kind == down->kind && (up->kind == COLUMN_INT || up->kind == COLUMN_BINARY);
}

static bool can_set(const struct column *up, const struct column *down)
{
	switch (up->kind) {
	case COLUMN_INT:
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE:
	case COLUMN_DECIMAL:
	case COLUMN_DATE:
	case COLUMN_TIME:
	case COLUMN_DATETIME:
	case COLUMN_TIMESTAMP:
	case COLUMN_BINARY:
	case COLUMN_ENUM:
		return up->kind == down->kind;
	case COLUMN_TEXT:
		return down->kind == COLUMN_TEXT && table_same_charset(up->charset, down->charset);
	default:
		return false;
	}
}

bool join_can_key(const struct table *t)
{
	for (unsigned k = 0; k < t->key->ncolumns; k++) {
		unsigned i = t->key->columns[k];

		if (t->target[i] < 0 || !can_key(&t->up->columns[i], &t->down->columns[t->target[i]]))
			return false;
	}
	return true;
}

/* Of an expression, or over a generated column: its columns are not the ones that are written. */
static bool has_odd_unique_key(const struct table *t)
{
	for (unsigned k = 0; k < t->down->nkeys; k++) {
		const struct key *key = &t->down->keys[k];

		if (key->unique && !key->whole)
			return true;
		for (unsigned c = 0; key->unique && c < key->ncolumns; c++)
			if (t->down->columns[key->columns[c]].generated)
				return true;
	}
	return false;
}

/*
 * MySQL from 9.0, where it was tried. Not MariaDB: an UPDATE that joins a derived table with a BLOB in it
 * crashed 10.11, and bulk execute does as well there.
 */
bool join_can(const struct table *t, const struct server *down)
{
	if (down->flavor != FLAVOR_MYSQL || down->version < 90000 || !t->key || t->order == TABLE_TIED ||
		!join_can_key(t) || has_odd_unique_key(t))
		return false;
	for (unsigned i = 0; i < t->up->ncolumns; i++)
		if (t->target[i] >= 0 && !statement_in_key(t, i) &&
			!can_set(&t->up->columns[i], &t->down->columns[t->target[i]]))
			return false;
	return true;
}

static bool in_unique_key(const struct table *t, int target)
{
	for (unsigned k = 0; k < t->down->nkeys; k++)
		for (unsigned c = 0; t->down->keys[k].unique && c < t->down->keys[k].ncolumns; c++)
			if ((int)t->down->keys[k].columns[c] == target)
				return true;
	return false;
}

static bool stays(const struct binlog_value *before, const struct binlog_value *after)
{
	if (!after->present)
		return true;
	return before->present && before->null == after->null &&
	       (before->null || str_eq(before->raw, after->raw));
}

bool join_takes(const struct table *t, const struct binlog_value *before, const struct binlog_value *after)
{
	bool sets = false;

	if (!t->join || statement_lax(t, after) > 0)
		return false;
	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		bool key = statement_in_key(t, i);

		if (t->target[i] < 0)
			continue;
		if (key && !before[i].present)
			return false;
		if ((key || in_unique_key(t, t->target[i])) && !stays(&before[i], &after[i]))
			return false;
		sets = sets || (!key && after[i].present);
	}
	return sets;
}

/* --- the statement --- */

static uint64_t hash_key(const struct table *t, const struct binlog_value *row)
{
	uint64_t h = 1;

	for (unsigned k = 0; k < t->key->ncolumns; k++) {
		struct str s = row[t->key->columns[k]].raw;

		h = XXH3_64bits_withSeed(s.p, s.n, h + s.n);
	}
	return h ? h : 1;
}

/* One statement changes a row once. False: it is there already, or one of the same hash. */
static bool note_row(struct packet *p, uint64_t hash)
{
	size_t at = hash % PACKET_JOINED;

	while (p->joined[at] && p->joined[at] != hash)
		at = (at + 1) % PACKET_JOINED;
	if (p->joined[at])
		return false;
	p->joined[at] = hash;
	return true;
}

static bool is_set(const struct packet *p, const struct table *t, unsigned i)
{
	return p->open_bits.p[i] && !statement_in_key(t, i);
}

/* The key as it is found, then what is set. */
static int put_row(struct packet *p, const struct table *t, const struct binlog_value *before,
	const struct binlog_value *after, struct err *e)
{
	for (unsigned k = 0; k < t->key->ncolumns; k++) {
		unsigned i = t->key->columns[k];

		buf_puts(&p->sql, k > 0 ? "," : "ROW(");
		if (statement_put_value(p, t, i, &before[i], e) < 0)
			return -1;
	}
	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		if (!is_set(p, t, i))
			continue;
		buf_putc(&p->sql, ',');
		if (statement_put_value(p, t, i, &after[i], e) < 0)
			return -1;
	}
	buf_putc(&p->sql, ')');
	return 0;
}

static bool fits_open(const struct packet *p, const struct table *t, struct str bits)
{
	return p->open && p->open_join && p->open_table == t && str_eq(p->open_bits, bits) &&
	       p->list[p->n - 1].rows < ROWS && p->sql.n - p->open_from < STATEMENT_BYTES;
}

int join_add(struct packet *p, const struct table *t, const struct binlog_value *before,
	const struct binlog_value *after, struct err *e)
{
	struct str bits = statement_bits(p, t, after);
	uint64_t hash = hash_key(t, before);
	struct statement *s;

	if (fits_open(p, t, bits) && note_row(p, hash)) {
		s = &p->list[p->n - 1];
		s->rows++;
		buf_putc(&p->sql, ',');
		return put_row(p, t, before, after, e);
	}
	s = statement_begin(p, t, BINLOG_UPDATE);
	statement_keep_open(p, t, BINLOG_UPDATE, bits);
	p->open_join = true;
	memset(p->joined, 0, sizeof(p->joined));
	note_row(p, hash);
	s->rows = 1;
	buf_puts(&p->sql, "UPDATE (VALUES ");
	s->where = p->sql.n;
	if (put_row(p, t, before, after, e) < 0)
		return -1;
	s->end = p->sql.n;
	return 0;
}

static void put_names(struct packet *p, const struct table *t)
{
	unsigned n = 0;

	for (unsigned k = 0; k < t->key->ncolumns; k++)
		buf_putf(&p->sql, "%ck%u", k > 0 ? ',' : '(', k);
	for (unsigned i = 0; i < t->up->ncolumns; i++)
		if (is_set(p, t, i))
			buf_putf(&p->sql, ",v%u", n++);
	buf_putc(&p->sql, ')');
}

static void put_condition(struct packet *p, const struct table *t)
{
	for (unsigned k = 0; k < t->key->ncolumns; k++) {
		buf_puts(&p->sql, k > 0 ? " AND " : " ON ");
		buf_puts(&p->sql, "tg_t.");
		sql_put_ident(&p->sql, str_of(t->up->columns[t->key->columns[k]].name));
		buf_putf(&p->sql, "=" VALUES_NAME ".k%u", k);
	}
}

void join_end(struct packet *p)
{
	const struct table *t = p->open_table;
	const char *comma = " SET ";
	unsigned n = 0;

	buf_puts(&p->sql, ") AS " VALUES_NAME);
	put_names(p, t);
	/* The values first: each finds its row by the key, however few rows the table has. */
	buf_puts(&p->sql, " STRAIGHT_JOIN ");
	buf_puts(&p->sql, t->head);
	buf_puts(&p->sql, " AS tg_t");
	put_condition(p, t);
	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		/* As a statement of one row has it (T10). */
		bool stays_itself =
			t->target[i] >= 0 && !p->open_bits.p[i] && t->on_update && t->on_update[i];

		if (!is_set(p, t, i) && !stays_itself)
			continue;
		buf_puts(&p->sql, comma);
		buf_puts(&p->sql, "tg_t.");
		sql_put_ident(&p->sql, str_of(t->up->columns[i].name));
		buf_putc(&p->sql, '=');
		if (stays_itself) {
			buf_puts(&p->sql, "tg_t.");
			sql_put_ident(&p->sql, str_of(t->up->columns[i].name));
		} else {
			buf_putf(&p->sql, VALUES_NAME ".v%u", n++);
		}
		comma = ",";
	}
}
