/*
 * Looks through the binlog between two snapshots, without applying anything. Called by resume.c. What is not
 * understood counts against the copy: all of it starts again, and nothing is guessed.
 */
#include "units/load/scan.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/binlog/payload.h"
#include "common/binlog/row.h"
#include "common/sql/ddl.h"
#include "common/sql/lexer.h"

struct scan {
	const struct rules *rules;
	struct binlog_format format;
	struct arena *scratch;
	struct map *ddl, *partial; /* folded "schema\0table"; partial -> struct lacks */
	struct map *maps;          /* table id -> struct seen */
	char *all;
};

/* A TABLE_MAP: as much of it as is needed. */
struct seen {
	char *schema, *table;
	unsigned ncolumns;
};

/* Which columns of a table some image is without. */
struct lacks {
	unsigned n;
	bool column[];
};

static void seen_free(void *p)
{
	struct seen *m = p;

	if (!m)
		return;
	free(m->schema);
	free(m->table);
	free(m);
}

struct scan *scan_new(const struct rules *rules)
{
	struct scan *s = xcalloc(1, sizeof(*s));

	s->rules = rules;
	s->scratch = arena_new(0);
	s->ddl = map_new();
	s->partial = map_new();
	s->maps = map_new();
	return s;
}

void scan_free(struct scan **sp)
{
	struct scan *s = *sp;

	if (!s)
		return;
	arena_free(&s->scratch);
	map_free(&s->ddl, NULL);
	map_free(&s->partial, free);
	map_free(&s->maps, seen_free);
	free(s->all);
	free(s);
	*sp = NULL;
}

/* --- findings --- */

/* Servers that fold names log statements as they were typed. */
static struct buf key_of(const char *schema, const char *table)
{
	struct buf b = {0};

	buf_puts(&b, schema);
	buf_putc(&b, '\0');
	buf_puts(&b, table);
	for (size_t i = 0; i < b.n; i++)
		b.p[i] = (char)tolower((unsigned char)b.p[i]);
	return b;
}

static void *get(const struct map *m, const char *schema, const char *table)
{
	struct buf key = key_of(schema, table);
	void *found = map_get(m, buf_str(&key));

	buf_free(&key);
	return found;
}

static void put(struct map *m, const char *schema, const char *table, void *value)
{
	struct buf key = key_of(schema, table);

	map_put(m, buf_str(&key), value);
	buf_free(&key);
}

const char *scan_all(const struct scan *s)
{
	return s->all;
}

bool scan_ddl(const struct scan *s, const char *schema, const char *table)
{
	return get(s->ddl, schema, table) != NULL;
}

bool scan_partial(const struct scan *s, const struct structure *t)
{
	const struct lacks *l = get(s->partial, t->schema, t->table);

	if (!l || l->n != t->ncolumns)
		return l != NULL;
	for (unsigned i = 0; i < l->n; i++)
		if (l->column[i] && !t->columns[i].generated)
			return true;
	return false;
}

/* The first reason counts. */
static void against_all(struct scan *s, const char *why, struct str sql)
{
	int n = sql.n > 120 ? 120 : (int)sql.n;

	if (!s->all)
		s->all = n ? xasprintf("%s: %.*s", why, n, sql.p) : xstrdup(why);
}

/* --- statements --- */

static bool is_database(enum sql_verb v)
{
	return v == SQL_VERB_CREATE_DATABASE || v == SQL_VERB_ALTER_DATABASE || v == SQL_VERB_DROP_DATABASE;
}

/* Nothing of the default database is wanted, and no name in the text has a schema. */
static bool surely_unwanted(const struct scan *s, const struct binlog_query *q)
{
	struct sql_lexer lx;

	if (q->schema.n == 0 || rules_schema(s->rules, q->schema))
		return false;
	sql_lex_init(&lx, q->sql, s->format.server.flavor == FLAVOR_MARIADB, s->format.server.version);
	while (sql_lex_next(&lx) != SQL_END)
		if (lx.type == SQL_BAD || sql_lex_is_char(&lx, '.'))
			return false;
	return true;
}

static void note_names(struct scan *s, const struct sql_ddl *ddl, const struct binlog_query *q)
{
	for (unsigned i = 0; i < ddl->ntables; i++) {
		char *schema = ddl->tables[i].schema[0] ? xstrdup(ddl->tables[i].schema)
							: xstrndup(q->schema.p, q->schema.n);

		put(s->ddl, schema, ddl->tables[i].table, s);
		free(schema);
	}
}

static void on_ddl(struct scan *s, const struct sql_ddl *ddl, const struct binlog_query *q)
{
	struct str schema = ddl->schema[0] ? str_of(ddl->schema) : q->schema;

	if (ddl->more)
		against_all(s, "a statement names too many tables", q->sql);
	else if (is_database(ddl->verb) && rules_schema(s->rules, schema))
		against_all(s, "a statement about a whole database", q->sql);
	else
		note_names(s, ddl, q);
}

static void on_statement(struct scan *s, const struct sql_ddl *ddl, const struct binlog_query *q)
{
	switch (ddl->verb) {
	case SQL_VERB_BEGIN:
	case SQL_VERB_COMMIT:
	case SQL_VERB_ROLLBACK:
	case SQL_VERB_SAVEPOINT:
	case SQL_VERB_ROLLBACK_TO:
	case SQL_VERB_XA:
	case SQL_VERB_TEMPORARY:
	case SQL_VERB_OBJECT:
	case SQL_VERB_ACCOUNT:
	case SQL_VERB_MAINTENANCE:
		return;
	case SQL_VERB_DML:
		if (!surely_unwanted(s, q))
			against_all(s, "rows were changed by a logged statement", q->sql);
		return;
	case SQL_VERB_UNKNOWN:
	case SQL_VERB_END:
		against_all(s, "a statement that is not known", q->sql);
		return;
	default:
		on_ddl(s, ddl, q);
	}
}

static int on_query(struct scan *s, struct str event, struct err *e)
{
	struct sql_ddl *ddl = arena_zalloc(s->scratch, sizeof(*ddl));
	struct binlog_query q;

	if (binlog_read_query(event, &s->format, s->scratch, &q, e) < 0)
		return -1;
	if (sql_ddl_read(q.sql, &s->format.server, q.sql_mode, ddl, e) < 0) {
		err_clear(e);
		against_all(s, "a statement that can't be read", q.sql);
		return 0;
	}
	on_statement(s, ddl, &q);
	return 0;
}

/* --- rows --- */

static struct str id_key(uint64_t id, char out[8])
{
	memcpy(out, &id, 8);
	return (struct str){out, 8};
}

static int on_table_map(struct scan *s, struct str event, struct err *e)
{
	struct binlog_table map;
	struct seen *m;
	char key[8];

	if (binlog_read_table_map(event, &s->format, s->scratch, &map, e) < 0)
		return -1;
	if (!rules_table(s->rules, map.schema, map.table)) {
		seen_free(map_del(s->maps, id_key(map.id, key)));
		return 0;
	}
	m = xcalloc(1, sizeof(*m));
	*m = (struct seen){
		xstrndup(map.schema.p, map.schema.n), xstrndup(map.table.p, map.table.n), map.ncolumns};
	seen_free(map_put(s->maps, id_key(map.id, key), m));
	return 0;
}

static struct lacks *lacks_of(struct scan *s, const struct seen *m)
{
	struct lacks *l = get(s->partial, m->schema, m->table);

	if (l && l->n == m->ncolumns)
		return l;
	free(l); /* altered meanwhile: the DDL counts */
	l = xcalloc(1, sizeof(*l) + m->ncolumns * sizeof(bool));
	l->n = m->ncolumns;
	put(s->partial, m->schema, m->table, l);
	return l;
}

static void look_at(struct scan *s, const struct seen *m, const uint8_t *bits)
{
	for (unsigned i = 0; i < m->ncolumns; i++)
		if (!(bits[i / 8] >> (i % 8) & 1))
			lacks_of(s, m)->column[i] = true;
}

static int on_rows(struct scan *s, struct str event, struct err *e)
{
	struct binlog_table map = {0};
	struct binlog_rows rows;
	const struct seen *m;
	char key[8];

	if (binlog_rows_table_id(event, &s->format, &map.id, e) < 0)
		return -1;
	m = map_get(s->maps, id_key(map.id, key));
	if (!m)
		return 0;
	map.ncolumns = m->ncolumns;
	if (binlog_rows_open(event, &s->format, &map, s->scratch, &rows, e) < 0)
		return -1;
	if (rows.ncolumns != m->ncolumns)
		return err_set(e, ERR_sync_binlog, "rows of %u columns, the table has %u", rows.ncolumns,
			m->ncolumns);
	if (rows.change != BINLOG_INSERT)
		look_at(s, m, rows.before_bits);
	if (rows.change != BINLOG_DELETE)
		look_at(s, m, rows.after_bits);
	return 0;
}

/* --- events --- */

static int dispatch(struct scan *s, struct str event, struct err *e);

static int on_payload(struct scan *s, struct str event, struct err *e)
{
	struct binlog_format outer = s->format;
	struct binlog_payload *p = binlog_payload_open(event, &s->format, e);
	struct str inner;
	int r;

	if (!p)
		return -1;
	s->format.checksum = false;
	while ((r = binlog_payload_next(p, &inner, e)) > 0)
		if ((r = dispatch(s, inner, e)) < 0)
			break;
	binlog_payload_close(&p);
	s->format = outer;
	return r;
}

static int dispatch(struct scan *s, struct str event, struct err *e)
{
	struct binlog_header h;

	if (binlog_read_header(event, &h, e) < 0)
		return -1;
	if (h.type == BINLOG_FORMAT)
		return binlog_read_format(event, &s->format, e);
	if (!s->format.valid)
		return err_set(
			e, ERR_sync_binlog, "%s before a FORMAT_DESCRIPTION event", binlog_type_name(h.type));
	if (h.type == BINLOG_TABLE_MAP)
		return on_table_map(s, event, e);
	if (binlog_is_rows(h.type))
		return on_rows(s, event, e);
	switch (h.type) {
	case BINLOG_QUERY:
	case BINLOG_MARIA_QUERY_COMPRESSED:
		return on_query(s, event, e);
	case BINLOG_TRANSACTION_PAYLOAD:
		return on_payload(s, event, e);
	case BINLOG_INCIDENT:
		against_all(s, "the upstream wrote an incident event", (struct str){0});
		return 0;
	case BINLOG_BEGIN_LOAD:
	case BINLOG_EXECUTE_LOAD:
		against_all(s, "LOAD DATA was logged as a statement", (struct str){0});
		return 0;
	default:
		return 0;
	}
}

int scan_event(struct scan *s, struct str event, struct err *e)
{
	int r = dispatch(s, event, e);

	arena_clear(s->scratch);
	return r;
}
