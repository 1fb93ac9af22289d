/*
 * The row-writer: INSERT, UPDATE and DELETE text from binlog rows, with the counts they must have. An upsert
 * is written only where its count tells that every row was there (T7). Rows without a key are found by all
 * their columns, compared as bytes (T11).
 */
#include "units/sync/statement.h"

#include <inttypes.h>
#include <string.h>

#include "common/binlog/json.h"
#include "common/binlog/json_diff.h"
#include "common/sql/quote.h"
#include "common/sql/takes.h"
#include "common/sql/value_format.h"
#include "units/sync/join.h"
#include "units/sync/members.h"
#include "units/sync/unicode.h"

enum { DELETE_ROWS = 200, DELETE_LISTED = 1000 };

/* As a number, a SET of 64 members is signed to the servers: one with the last member equals a negative one.
 */
#define SIGNED_OPEN "CAST("
#define SIGNED_CLOSE " AS SIGNED)"

void packet_init(struct packet *p, size_t max_bytes)
{
	*p = (struct packet){.max_bytes = max_bytes, .arena = arena_new(0)};
}

void packet_fini(struct packet *p)
{
	buf_free(&p->sql);
	arena_free(&p->arena);
}

void packet_clear(struct packet *p)
{
	buf_clear(&p->sql);
	arena_clear(p->arena);
	p->n = p->opening = 0;
	p->open = false;
}

void packet_open(struct packet *p, struct str opening)
{
	packet_clear(p);
	buf_put(&p->sql, opening.p, opening.n);
	p->opening = PACKET_OPENING;
}

bool packet_full(const struct packet *p)
{
	/* Warnings are of the last statement: behind a lax one they are looked at. */
	return (p->n > 0 && (p->apart || p->list[p->n - 1].invalid > 0)) || p->sql.n >= p->max_bytes ||
	       p->n + 1 >= PACKET_STATEMENTS;
}

static void put_column(struct buf *sql, const struct table *t, unsigned i)
{
	sql_put_ident(sql, str_of(t->up->columns[i].name));
}

static void put_name(struct packet *p, const struct table *t, unsigned i)
{
	put_column(&p->sql, t, i);
}

struct str statement_key(const struct packet *p, const struct statement *s)
{
	enum { MOST = 300 };
	size_t n = s->end - s->where;

	return (struct str){p->sql.p + s->where, n > MOST ? MOST : n};
}

bool statement_in_key(const struct table *t, unsigned column)
{
	for (unsigned k = 0; k < t->key->ncolumns; k++)
		if (t->key->columns[k] == column)
			return true;
	return false;
}

/* The name of the new row where VALUES() is deprecated. */
#define NEW_ROW "tg_new"

static bool goes_as_text(const struct table *t, unsigned i)
{
	return t->target[i] >= 0 && t->down &&
	       members_go_as_text(&t->up->columns[i], &t->down->columns[t->target[i]]);
}

static bool is_set_number(const struct table *t, unsigned i)
{
	return t->up->columns[i].kind == COLUMN_SET && !goes_as_text(t, i);
}

/* As text, in which servers hand a SET on, a member '' is none of the members: it goes over as a number. TiDB
 * can't cast it (1105): a table with such a member has no upserts there (arrange.c). */
static void put_new_value(struct buf *sql, const struct table *t, unsigned i)
{
	const struct column *down = &t->down->columns[t->target[i]];
	bool number = t->to != FLAVOR_TIDB && value_format_of(down) == VALUE_SET_NUMBER;

	buf_puts(sql, number ? "=CAST(" : "=");
	buf_puts(sql, t->row_alias ? NEW_ROW "." : "VALUES(");
	put_column(sql, t, i);
	buf_puts(sql, t->row_alias ? "" : ")");
	buf_puts(sql, number ? " AS UNSIGNED)" : "");
}

/* bits: the columns that are written; none: all. all: in safe mode, the key's columns too: to its collation
 * the row that is there may be the same in other bytes. */
static void end_upsert(struct buf *sql, const struct table *t, struct str bits, bool all)
{
	const char *comma = "";

	if (t->row_alias)
		buf_puts(sql, " AS " NEW_ROW);
	buf_puts(sql, " ON DUPLICATE KEY UPDATE ");
	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		if (!(bits.p ? bits.p[i] : t->target[i] >= 0) || (!all && statement_in_key(t, i)))
			continue;
		buf_puts(sql, comma);
		put_column(sql, t, i);
		put_new_value(sql, t, i);
		comma = ",";
	}
}

void statement_put_prepared(struct buf *sql, const struct table *t, bool upsert)
{
	const char *before = " (";

	buf_puts(sql, "INSERT INTO ");
	buf_puts(sql, t->head);
	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		if (t->target[i] < 0)
			continue;
		buf_puts(sql, before);
		put_column(sql, t, i);
		before = ",";
	}
	buf_puts(sql, ") VALUES ");
	before = "(";
	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		if (t->target[i] < 0)
			continue;
		buf_puts(sql, before);
		buf_putc(sql, '?');
		before = ",";
	}
	buf_putc(sql, ')');
	if (upsert)
		end_upsert(sql, t, (struct str){0}, false);
}

void statement_put_prepared_update(struct buf *sql, const struct table *t, const char *bits)
{
	const char *before = " SET ";

	buf_puts(sql, "UPDATE ");
	buf_puts(sql, t->head);
	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		/* As in a statement of its own (T10). */
		bool stays = t->target[i] >= 0 && !bits[i] && t->on_update && t->on_update[i];

		if (!bits[i] && !stays)
			continue;
		buf_puts(sql, before);
		put_column(sql, t, i);
		buf_putc(sql, '=');
		if (stays)
			put_column(sql, t, i);
		else
			buf_putc(sql, '?');
		before = ",";
	}
	before = " WHERE ";
	for (unsigned k = 0; k < t->key->ncolumns; k++) {
		buf_puts(sql, before);
		put_column(sql, t, t->key->columns[k]);
		buf_puts(sql, "=?");
		before = " AND ";
	}
}

void packet_end(struct packet *p)
{
	if (p->open && p->open_change == BINLOG_DELETE && p->open_table->key)
		buf_putc(&p->sql, ')');
	else if (p->open && p->open_join)
		join_end(p);
	else if (p->open && p->open_upsert)
		end_upsert(&p->sql, p->open_table, p->open_bits, p->safe);
	p->open = false;
}

struct statement *statement_begin(struct packet *p, const struct table *t, enum binlog_change change)
{
	struct statement *s;

	packet_end(p);
	if (p->n > 0 || p->opening > 0)
		buf_putc(&p->sql, ';');
	s = &p->list[p->n++];
	*s = (struct statement){
		.table = t, .change = change, .from = p->sql.n, .at = p->at, .any = p->safe != SAFE_OFF};
	return s;
}

struct str statement_bits(struct packet *p, const struct table *t, const struct binlog_value *row)
{
	char *bits = arena_alloc(p->arena, t->up->ncolumns);

	for (unsigned i = 0; i < t->up->ncolumns; i++)
		bits[i] = row[i].present && t->target[i] >= 0;
	return (struct str){bits, t->up->ncolumns};
}

static bool goes_as_unicode(const struct table *t, unsigned i)
{
	return t->unicode && unicode_must(&t->up->columns[i], t->to);
}

static int put_unicode(
	struct packet *p, const struct table *t, unsigned i, const struct binlog_value *v, struct err *e)
{
	const struct column *c = &t->up->columns[i];
	struct buf text = {0};
	struct str bytes;
	int r = binlog_value_bytes(v, c, p->arena, &bytes, e);

	if (r == 0)
		r = unicode_put(t->unicode, &text, c->charset, bytes, e);
	if (r == 0) {
		buf_puts(&p->sql, "_utf8mb4");
		sql_put_string(&p->sql, buf_str(&text));
	}
	buf_free(&text);
	return r;
}

int statement_put_value(
	struct packet *p, const struct table *t, unsigned i, const struct binlog_value *v, struct err *e)
{
	if (v->null) {
		buf_puts(&p->sql, "NULL");
		return 0;
	}
	if (v->type == WIRE_JSON && t->target[i] >= 0 && t->down->columns[t->target[i]].kind == COLUMN_JSON) {
		if (binlog_put_json(&p->sql, v->raw, t->json_to, e) < 0)
			return err_add(e, "%s column `%s`", t->head, t->up->columns[i].name);
		return 0;
	}
	if ((goes_as_unicode(t, i) ? put_unicode(p, t, i, v, e)
		    : v->present && goes_as_text(t, i)
			    ? members_put(&p->sql, v, &t->up->columns[i], e)
			    : binlog_put_literal(&p->sql, v, &t->up->columns[i], e)) < 0)
		return err_add(e, "%s column `%s`", t->head, t->up->columns[i].name);
	return 0;
}

unsigned statement_lax(const struct table *t, const struct binlog_value *row)
{
	unsigned n = 0;

	for (unsigned i = 0; t->has_enum && i < t->up->ncolumns; i++) {
		const struct binlog_value *v = &row[i];

		n += t->target[i] >= 0 && v->type == WIRE_ENUM && v->present && !v->null &&
		     v->raw.p[0] == 0 && v->raw.p[v->raw.n - 1] == 0 && !goes_as_text(t, i);
	}
	return n;
}

/* INSERT INTO `a`.`b`, UPDATE `a`.`b` */
static void put_verb(struct packet *p, const struct table *t, const char *verb, const char *rest, bool lax)
{
	if (lax && !t->lax_hint)
		buf_puts(&p->sql, "SET STATEMENT sql_mode='" STATEMENT_LAX_MODE "' FOR ");
	buf_puts(&p->sql, verb);
	if (lax && t->lax_hint)
		buf_puts(&p->sql, "/*+ SET_VAR(sql_mode='" STATEMENT_LAX_MODE "') */ ");
	buf_puts(&p->sql, rest);
	buf_puts(&p->sql, t->head);
}

static bool has_key(const struct key *key, const struct binlog_value *row)
{
	for (unsigned k = 0; k < key->ncolumns; k++)
		if (!row[key->columns[k]].present)
			return false;
	return true;
}

/*
 * Without a primary key, a minimal image holds the unique key that was declared first, which is not known
 * here: whichever is in it, where it names a row of the downstream, too.
 */
static const struct key *key_in(const struct table *t, const struct binlog_value *row)
{
	if (!t->key || t->key->primary || has_key(t->key, row))
		return t->key;
	for (unsigned k = 0; k < t->up->nkeys; k++) {
		const struct key *key = &t->up->keys[k];

		if (key->unique && key->usable && has_key(key, row) &&
			structure_names_one(t->down, t->up, key, NULL))
			return key;
	}
	return t->key;
}

/* `key` = value, or the tuple's parts joined by AND. */
static int put_key(struct packet *p, const struct table *t, const struct key *key,
	const struct binlog_value *row, struct err *e)
{
	for (unsigned k = 0; k < key->ncolumns; k++) {
		unsigned i = key->columns[k];

		if (!row[i].present)
			return err_set(e, ERR_sync_columns, "%s: the binlog's row lacks the key column `%s`",
				t->head, t->up->columns[i].name);
		if (k > 0)
			buf_puts(&p->sql, " AND ");
		put_name(p, t, i);
		buf_puts(&p->sql, is_set_number(t, i) ? "=" SIGNED_OPEN : "=");
		if (statement_put_value(p, t, i, &row[i], e) < 0)
			return -1;
		buf_puts(&p->sql, is_set_number(t, i) ? SIGNED_CLOSE : "");
	}
	return 0;
}

/* How a column and a value are compared as bytes, not as a collation sees them: what goes round each (T11).
 */
struct wrap {
	const char *open, *close, *value_open, *value_close;
};

static struct wrap wrap_of(const struct column *up, const struct column *down)
{
	/* Compared as JSON, 1 and 1.0 were the same. */
	if (down->kind == COLUMN_JSON)
		return (struct wrap){"CAST(", " AS BINARY)", "CAST(CAST(", " AS JSON) AS BINARY)"};
	if (members_go_as_text(up, down) && down->kind != COLUMN_TEXT)
		return (struct wrap){"", "", "", ""};
	switch (members_go_as_text(up, down) ? COLUMN_TEXT : up->kind) {
	case COLUMN_TEXT:
	case COLUMN_BINARY:
		return (struct wrap){"CAST(", " AS BINARY)", "CAST(", " AS BINARY)"};
	case COLUMN_JSON:
		/* MariaDB keeps JSON as text: the same value may be spaced otherwise. */
		return (struct wrap){
			"CAST(JSON_COMPACT(", ") AS BINARY)", "CAST(JSON_COMPACT(", ") AS BINARY)"};
	case COLUMN_VECTOR: /* MySQL doesn't compare them */
		return (struct wrap){"HEX(", ")", "HEX(", ")"};
	case COLUMN_SET:
		return (struct wrap){"", "", SIGNED_OPEN, SIGNED_CLOSE};
	default:
		return (struct wrap){"", "", "", ""};
	}
}

static int put_same(
	struct packet *p, const struct table *t, unsigned i, const struct binlog_value *v, struct err *e)
{
	const struct column *up = &t->up->columns[i], *down = &t->down->columns[t->target[i]];
	struct wrap w = wrap_of(up, down);
	bool recode = down->kind == COLUMN_TEXT &&
		      (up->kind == COLUMN_TEXT ? !table_same_charset(up->charset, down->charset) ||
							 goes_as_unicode(t, i)
					       : members_go_as_text(up, down));

	if (v->null) {
		put_name(p, t, i);
		buf_puts(&p->sql, " IS NULL");
		return 0;
	}
	buf_puts(&p->sql, w.open);
	put_name(p, t, i);
	buf_puts(&p->sql, w.close);
	/* Not <=>: where a server can't read one side, it has no value, and that must not match. */
	buf_putc(&p->sql, '=');
	buf_puts(&p->sql, w.value_open);
	buf_puts(&p->sql, recode ? "CONVERT(" : "");
	if (statement_put_value(p, t, i, v, e) < 0)
		return -1;
	if (recode)
		buf_putf(&p->sql, " USING %s)", down->charset);
	buf_puts(&p->sql, w.value_close);
	return 0;
}

static int put_all(struct packet *p, const struct table *t, const struct binlog_value *row, struct err *e)
{
	bool any = false;

	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		if (t->target[i] < 0)
			continue;
		if (!row[i].present)
			return err_set(e, ERR_sync_columns,
				"%s has no key, and the binlog's row lacks column `%s`: set "
				"binlog_row_image=FULL in the upstream",
				t->head, t->up->columns[i].name);
		buf_puts(&p->sql, any ? " AND " : "");
		if (put_same(p, t, i, &row[i], e) < 0)
			return -1;
		any = true;
	}
	return 0;
}

static int put_where(struct packet *p, const struct table *t, const struct binlog_value *row,
	struct statement *s, struct err *e)
{
	int r;

	buf_puts(&p->sql, " WHERE ");
	s->where = p->sql.n;
	r = t->key ? put_key(p, t, key_in(t, row), row, e) : put_all(p, t, row, e);
	if (p->sql.n == s->where) /* all columns are generated: one row is like the other */
		buf_puts(&p->sql, "TRUE");
	s->end = p->sql.n;
	/* A table without a key may hold the row twice: one of them is meant, whichever. */
	if (!t->key)
		buf_puts(&p->sql, " LIMIT 1");
	return r;
}

static void put_columns(struct packet *p, const struct table *t, struct str bits)
{
	const char *comma = "";

	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		if (!bits.p[i])
			continue;
		buf_puts(&p->sql, comma);
		put_name(p, t, i);
		comma = ",";
	}
}

static int put_tuple(struct packet *p, const struct table *t, struct str bits, const struct binlog_value *row,
	struct err *e)
{
	const char *comma = "";

	buf_putc(&p->sql, '(');
	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		if (!bits.p[i])
			continue;
		buf_puts(&p->sql, comma);
		if (statement_put_value(p, t, i, &row[i], e) < 0)
			return -1;
		comma = ",";
	}
	buf_putc(&p->sql, ')');
	return 0;
}

static bool joins(const struct packet *p, const struct table *t, enum binlog_change change, struct str bits)
{
	return p->open && !p->single && !p->open_join && p->open_table == t && p->open_change == change &&
	       p->sql.n - p->open_from < STATEMENT_BYTES &&
	       (change == BINLOG_DELETE || str_eq(p->open_bits, bits));
}

void statement_keep_open(struct packet *p, const struct table *t, enum binlog_change change, struct str bits)
{
	p->open = true;
	p->open_from = p->sql.n;
	p->open_table = t;
	p->open_change = change;
	p->open_bits = bits;
	p->open_upsert = p->open_join = false;
}

/* A row of an INSERT, or (BINLOG_UPDATE) of an upsert. */
static int add_tuple(struct packet *p, const struct table *t, enum binlog_change change,
	const struct binlog_value *row, struct err *e)
{
	struct str bits = statement_bits(p, t, row);
	unsigned lax = statement_lax(t, row);
	struct statement *s;

	if (!lax && joins(p, t, change, bits)) {
		buf_putc(&p->sql, ',');
		s = &p->list[p->n - 1];
	} else {
		s = statement_begin(p, t, change);
		s->invalid = lax;
		s->upsert = change == BINLOG_UPDATE || (p->safe && t->safe == TABLE_SAFE_UPSERT);
		put_verb(p, t, p->safe && t->safe == TABLE_SAFE_REPLACE ? "REPLACE " : "INSERT ", "INTO ",
			lax > 0);
		buf_puts(&p->sql, " (");
		put_columns(p, t, bits);
		buf_puts(&p->sql, ") VALUES ");
		if (!lax)
			statement_keep_open(p, t, change, bits);
		p->open_upsert = s->upsert;
		s->where = p->sql.n;
	}
	if (put_tuple(p, t, bits, row, e) < 0)
		return -1;
	if (s->rows++ == 0)
		s->end = p->sql.n;
	if (lax && s->upsert)
		end_upsert(&p->sql, t, bits, p->safe);
	return 0;
}

static bool same_value(const struct binlog_value *a, const struct binlog_value *b)
{
	return a->null == b->null && (a->null || str_eq(a->raw, b->raw));
}

bool statement_can_upsert(
	const struct table *t, const struct binlog_value *before, const struct binlog_value *after)
{
	bool changes = false;

	if (!t->upsert || t->order != TABLE_FOLDED || statement_lax(t, after) > 0)
		return false;
	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		if (t->target[i] < 0)
			continue;
		if (!after[i].present)
			return false;
		if (!before[i].present || same_value(&before[i], &after[i]))
			continue;
		if (statement_in_key(t, i))
			return false;
		changes = changes || after[i].type != WIRE_JSON;
	}
	return changes;
}

/* The changes of a partial update, as functions on what the column holds. */
static int put_diff(
	struct packet *p, const struct table *t, unsigned i, const struct binlog_value *v, struct err *e)
{
	struct buf name = {0};
	int r;

	sql_put_ident(&name, str_of(t->up->columns[i].name));
	r = binlog_put_json_diff(&p->sql, buf_str(&name), v->raw, t->json_to, e);
	buf_free(&name);
	return r < 0 ? err_add(e, "%s column `%s`", t->head, t->up->columns[i].name) : 0;
}

/* MariaDB's functions are NULL, with a warning, for what they can't read or a path that they don't know: then
 * the row must not match. */
static int put_diffs_work(
	struct packet *p, const struct table *t, const struct binlog_value *after, struct err *e)
{
	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		if (t->target[i] < 0 || !after[i].diff || t->to != FLAVOR_MARIADB)
			continue;
		buf_puts(&p->sql, " AND ");
		if (put_diff(p, t, i, &after[i], e) < 0)
			return -1;
		buf_puts(&p->sql, " IS NOT NULL");
	}
	return 0;
}

static int add_update(struct packet *p, const struct table *t, const struct binlog_value *before,
	const struct binlog_value *after, struct err *e)
{
	struct statement *s = statement_begin(p, t, BINLOG_UPDATE);
	const char *comma = " SET ";

	s->invalid = statement_lax(t, after);
	put_verb(p, t, "UPDATE ", "", s->invalid > 0);
	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		if (t->target[i] < 0 ||
			(!after[i].present && !after[i].diff && !(t->on_update && t->on_update[i])))
			continue;
		buf_puts(&p->sql, comma);
		put_name(p, t, i);
		buf_putc(&p->sql, '=');
		comma = ",";
		if (after[i].diff) {
			if (put_diff(p, t, i, &after[i], e) < 0)
				return -1;
			continue;
		}
		/* Left out of a minimal image, because it did not change: it must not change here either
		 * (T10). */
		if (!after[i].present)
			put_name(p, t, i);
		else if (statement_put_value(p, t, i, &after[i], e) < 0)
			return -1;
		comma = ",";
	}
	/* A minimal image in which only generated columns changed: the row must be there all the same. */
	for (unsigned i = 0; i < t->up->ncolumns && *comma != ','; i++) {
		if (t->target[i] < 0)
			continue;
		buf_puts(&p->sql, comma);
		put_name(p, t, i);
		buf_putc(&p->sql, '=');
		put_name(p, t, i);
		comma = ",";
	}
	s->rows = 1;
	if (put_where(p, t, before, s, e) < 0)
		return -1;
	return t->key ? put_diffs_work(p, t, after, e) : 0;
}

/* One column whose values are compared in a list as they are one by one: `key` IN (…). */
static bool is_listed(const struct packet *p, const struct table *t, const struct key *key)
{
	const struct column *c = &t->up->columns[key->columns[0]];

	return !p->single && key->ncolumns == 1 &&
	       (c->kind == COLUMN_INT || c->kind == COLUMN_TEXT || c->kind == COLUMN_BINARY);
}

static int put_listed(struct packet *p, const struct table *t, const struct key *key,
	const struct binlog_value *row, struct err *e)
{
	unsigned i = key->columns[0];

	if (!row[i].present)
		return err_set(e, ERR_sync_columns, "%s: the binlog's row lacks the key column `%s`", t->head,
			t->up->columns[i].name);
	return statement_put_value(p, t, i, &row[i], e);
}

static int add_delete(struct packet *p, const struct table *t, const struct binlog_value *row, struct err *e)
{
	const struct key *key = key_in(t, row);
	bool listed = key && is_listed(p, t, key);
	struct statement *s;

	if (key && !t->refers_to_itself && joins(p, t, BINLOG_DELETE, (struct str){0}) &&
		p->open_key == key && p->list[p->n - 1].rows < (listed ? DELETE_LISTED : DELETE_ROWS)) {
		buf_puts(&p->sql, listed ? "," : ") OR (");
		p->list[p->n - 1].rows++;
		return listed ? put_listed(p, t, key, row, e) : put_key(p, t, key, row, e);
	}
	s = statement_begin(p, t, BINLOG_DELETE);
	s->rows = 1;
	buf_puts(&p->sql, "DELETE FROM ");
	buf_puts(&p->sql, t->head);
	if (!key)
		return put_where(p, t, row, s, e);
	buf_puts(&p->sql, " WHERE ");
	s->where = p->sql.n;
	if (listed) {
		put_name(p, t, key->columns[0]);
		buf_puts(&p->sql, " IN ");
	}
	buf_putc(&p->sql, '(');
	if (!listed)
		s->where = p->sql.n;
	statement_keep_open(p, t, BINLOG_DELETE, (struct str){0});
	p->open_key = key;
	if ((listed ? put_listed(p, t, key, row, e) : put_key(p, t, key, row, e)) < 0)
		return -1;
	s->end = p->sql.n;
	return 0;
}

static int add_plain(struct packet *p, const struct table *t, enum binlog_change change,
	const struct binlog_value *before, const struct binlog_value *after, struct err *e)
{
	switch (change) {
	case BINLOG_INSERT:
		return add_tuple(p, t, BINLOG_INSERT, after, e);
	case BINLOG_UPDATE:
		if (!p->single && statement_can_upsert(t, before, after))
			return add_tuple(p, t, BINLOG_UPDATE, after, e);
		if (p->join && !p->single && join_takes(t, before, after))
			return join_add(p, t, before, after, e);
		return add_update(p, t, before, after, e);
	default:
		return add_delete(p, t, before, e);
	}
}

/* A row that is there must be overwritten as a whole, and one that isn't must become whole. */
static bool is_safe(const struct table *t, enum binlog_change change, const struct binlog_value *after)
{
	for (unsigned i = 0; change == BINLOG_UPDATE && i < t->up->ncolumns; i++)
		if (t->target[i] >= 0 && !after[i].present)
			return false;
	return t->safe != TABLE_SAFE_NOT;
}

static bool key_moves(
	const struct table *t, const struct binlog_value *before, const struct binlog_value *after)
{
	for (unsigned k = 0; k < t->key->ncolumns; k++)
		if (!same_value(&before[t->key->columns[k]], &after[t->key->columns[k]]))
			return true;
	return false;
}

static int add_safe(struct packet *p, const struct table *t, enum binlog_change change,
	const struct binlog_value *before, const struct binlog_value *after, struct err *e)
{
	if (change == BINLOG_DELETE || (change == BINLOG_UPDATE && key_moves(t, before, after)))
		if (add_delete(p, t, before, e) < 0)
			return -1;
	return change == BINLOG_DELETE ? 0 : add_tuple(p, t, BINLOG_INSERT, after, e);
}

/* Text and bytes are in TiDB's entry as they are, what else is there comes on top. */
static uint64_t entry_bytes(const struct table *t, const struct binlog_value *row)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < t->up->ncolumns; i++) {
		enum column_kind kind = t->up->columns[i].kind;

		if ((kind == COLUMN_TEXT || kind == COLUMN_BINARY) && t->target[i] >= 0 && row[i].present &&
			!row[i].null)
			n += row[i].raw.n;
	}
	return n;
}

static int check_entry(
	const struct packet *p, const struct table *t, const struct binlog_value *row, struct err *e)
{
	uint64_t n = p->max_entry && row ? entry_bytes(t, row) : 0;

	if (n <= p->max_entry)
		return 0;
	return err_set(e, ERR_sync_too_large,
		"%s: a row of %" PRIu64 " bytes, TiDB's txn-entry-size-limit is %" PRIu64, t->head, n,
		p->max_entry);
}

static const char *why_not_safe(const struct table *t)
{
	if (t->merged == MERGED_MAYBE)
		return "it may hold rows of several tables, one could go over another's";
	if (t->merged)
		return "it holds rows of several tables, one could go over another's";
	if (t->safe == TABLE_SAFE_NOT)
		return "no unique key of the downstream names its rows";
	return "the binlog's row is not whole (binlog_row_image)";
}

int packet_add(struct packet *p, const struct table *t, enum binlog_change change,
	const struct binlog_value *before, const struct binlog_value *after, struct err *e)
{
	enum safe_mode mode = p->safe;
	int r;

	if (check_entry(p, t, change == BINLOG_DELETE ? NULL : after, e) < 0)
		return -1;
	if (mode == SAFE_OFF)
		return add_plain(p, t, change, before, after, e);
	if (is_safe(t, change, after))
		return add_safe(p, t, change, before, after, e);
	if (mode == SAFE_MUST)
		return err_set(e, ERR_sync_safe_mode, "%s: %s", t->head, why_not_safe(t));
	packet_end(p);
	p->safe = SAFE_OFF;
	r = add_plain(p, t, change, before, after, e);
	packet_end(p);
	p->safe = mode;
	return r;
}
