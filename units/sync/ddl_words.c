/*
 * The text of a DDL statement for the downstream: under the names that routes give, cut to the tables that
 * are wanted, in its dialect. Called by ddl.c and ddl_do.c.
 */
#include <string.h>
#include <strings.h>

#include "common/base/log.h"
#include "common/db/structure.h"
#include "common/sql/dialect.h"
#include "common/sql/quote.h"
#include "common/sql/route_ddl.h"
#include "units/sync/away.h"
#include "units/sync/ddl_fence.h"
#include "units/sync/ddl_rename.h"
#include "units/sync/ddl_statement.h"
#include "units/sync/names.h"
#include "units/sync/routed.h"

bool ddl_of_database(enum sql_verb v)
{
	return v == SQL_VERB_CREATE_DATABASE || v == SQL_VERB_ALTER_DATABASE || v == SQL_VERB_DROP_DATABASE;
}

bool ddl_is_drop(enum sql_verb v)
{
	return v == SQL_VERB_DROP_TABLE || v == SQL_VERB_DROP_SEQUENCE;
}

void ddl_write_drop(struct ddl_statement *j, bool tolerant)
{
	struct buf text = {0};
	bool any = false;

	buf_puts(&text, sql_verb_name(j->ddl->verb));
	buf_puts(&text, tolerant ? " IF EXISTS " : " ");
	for (unsigned i = 0; i < j->ddl->ntables; i++) {
		if (!j->wanted[i])
			continue;
		buf_puts(&text, any ? "," : "");
		any = true;
		buf_put(&text, j->said.p + j->to->tables[i].at, j->to->tables[i].end - j->to->tables[i].at);
	}
	buf_free(&j->text);
	j->text = text;
}

/* RENAME of several: those that are wanted, without the comments that may stand between. */
static void write_rename(const struct sql_ddl *ddl, struct buf *out)
{
	buf_puts(out, ddl->if_exists ? "RENAME TABLE IF EXISTS " : "RENAME TABLE ");
	for (unsigned i = 0; i < ddl->ntables; i++) {
		buf_puts(out, i == 0 ? "" : i % 2 ? " TO " : ", ");
		if (ddl->tables[i].schema[0])
			sql_put_table(out, str_of(ddl->tables[i].schema), str_of(ddl->tables[i].table));
		else
			sql_put_ident(out, str_of(ddl->tables[i].table));
	}
}

void ddl_write_fenced(struct apply *a, struct ddl_statement *j)
{
	write_rename(j->to, &j->text);
	ddl_fence_put(a, &j->text);
}

bool ddl_wants_fence(struct apply *a, const struct sql_ddl *ddl)
{
	enum flavor f = db_server(a->ddl)->flavor;

	return ddl->verb == SQL_VERB_RENAME_TABLE && ddl->ntables > 2 && ddl->ntables % 2 == 0 &&
	       (f == FLAVOR_MARIADB || (f == FLAVOR_MYSQL && !ddl->if_exists));
}

/* What `said` names now; its text is in j->renamed. */
static int read_again(struct apply *a, struct ddl_statement *j, const struct server *words, struct err *e)
{
	j->said = buf_str(&j->renamed);
	j->to = arena_alloc(a->scratch, sizeof(*j->to));
	return sql_ddl_read(j->said, words, j->q.sql_mode, j->to, e);
}

/* A name of ours for a table on its way stands for no rule. */
static bool goes_between(const struct sql_ddl *ddl)
{
	for (unsigned i = 0; i < ddl->ntables; i++)
		if (strncmp(ddl->tables[i].table, DDL_RENAME_BETWEEN, strlen(DDL_RENAME_BETWEEN)) == 0)
			return true;
	return false;
}

int ddl_rename_all(struct apply *a, struct ddl_statement *j, const struct server *words, struct err *e)
{
	const struct route *r = rules_route(a->rules);
	struct route_statement s = {.from = words, .sql_mode = j->q.sql_mode, .schema = j->q.schema};
	struct sql_ddl *from = j->ddl;
	struct buf out = {0};
	int changed;

	/* What is cut is written anew by its names. */
	if (!j->cut && names_write(a, &j->q, words, j->ddl, e) < 0)
		return -1;
	s.text = j->q.sql;
	j->said = j->q.sql;
	j->to = j->ddl;
	if (j->cut) {
		write_rename(j->ddl, &j->renamed);
		if (read_again(a, j, words, e) < 0)
			return -1;
		s.text = j->said;
		from = j->to;
	}
	if (!r)
		return 0;
	if (goes_between(from))
		return err_set(e, ERR_route_statement, "a name in between that is not wanted: %.*s",
			j->q.sql.n > 300 ? 300 : (int)j->q.sql.n, j->q.sql.p);
	changed = route_ddl(r, &s, from, arena_alloc(a->scratch, sizeof(*from)), &out, e);
	if (changed >= 0 && routed_check(a, j->ddl, j->q.schema, ddl_place_is_told(&j->place), e) < 0)
		changed = -1;
	if (changed <= 0) {
		buf_free(&out);
		return changed;
	}
	buf_free(&j->renamed);
	j->renamed = out;
	return read_again(a, j, words, e);
}

static bool says(
	const struct ddl_statement *j, const struct server *from, const char *word, const char *other)
{
	struct sql_lexer lx;

	sql_ddl_lexer(&lx, j->q.sql, from, j->q.sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD)
		if (sql_lex_is(&lx, word) || sql_lex_is(&lx, other))
			return true;
	return false;
}

int ddl_structure_before(struct apply *a, const struct ddl_statement *j, const struct structure **was,
	struct structure **mine, struct err *e)
{
	const struct sql_name *up = &j->ddl->tables[0], *down = &j->to->tables[0];
	char name[257], to[257];
	const char *schema = ddl_schema_of(up, j->q.schema, name);
	bool found;

	err_clear(e);
	*mine = NULL;
	*was = tables_known(&a->tables, schema, up->table);
	if (!*was)
		*was = *mine = tables_tracked(&a->tables, schema, up->table, e);
	if (!*was && !e->code) /* no row yet since the copy: the downstream's was made like it */
		*was = *mine =
			db_structure(a->ddl, ddl_schema_of(down, j->q.schema, to), down->table, &found, e);
	return !*was && e->code ? -1 : 0;
}

int ddl_is_empty(struct apply *a, const struct ddl_statement *j, struct err *e)
{
	const struct sql_name *t = &j->to->tables[0];
	struct buf sql = {0};
	char one[4], name[257];
	bool found;
	int r;

	buf_puts(&sql, "SELECT 1 FROM ");
	sql_put_table(&sql, str_of(ddl_schema_of(t, j->q.schema, name)), str_of(t->table));
	buf_puts(&sql, " LIMIT 1");
	r = db_value(a->ddl, buf_cstr(&sql), one, sizeof(one), &found, e);
	buf_free(&sql);
	return r < 0 ? -1 : !found;
}

static bool by_the_key(const struct structure *s)
{
	return s && s->key >= 0 && s->keys[s->key].primary;
}

/* Text is in order by its collation, which a record of the upstream's may have as the downstream's. */
static bool orders_alike(const struct structure *up, const struct structure *down)
{
	const struct key *key = by_the_key(down) ? &down->keys[down->key] : NULL;

	for (unsigned i = 0; key && by_the_key(up) && i < key->ncolumns; i++) {
		const struct column *d = &down->columns[key->columns[i]], *u;
		int at = structure_column(up, d->name);

		u = at < 0 ? NULL : &up->columns[at];
		if (!u || u->kind != d->kind ||
			(d->kind == COLUMN_TEXT && (!table_same_charset(u->charset, d->charset) ||
							   strcmp(strchrnul(u->collation, '_'),
								   strchrnul(d->collation, '_')) != 0)))
			return false;
	}
	return key && by_the_key(up);
}

/* "": there is no such table. */
static int read_engine(
	struct db *upstream, const char *schema, const char *table, char engine[DB_ENGINE], struct err *e)
{
	struct buf sql = {0};
	bool found = false;
	int r;

	buf_puts(&sql, "SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA=");
	sql_put_string(&sql, str_of(schema));
	buf_puts(&sql, " AND TABLE_NAME=");
	sql_put_string(&sql, str_of(table));
	r = db_value(upstream, buf_cstr(&sql), engine, DB_ENGINE, &found, e);
	buf_free(&sql);
	if (!found)
		engine[0] = '\0';
	return r;
}

/* Rows of other engines are where they were put: InnoDB's and MyRocks' are in the primary key's order. */
static int is_clustered(struct db *upstream, const char *schema, const char *table, struct err *e)
{
	char engine[DB_ENGINE];
	int r = read_engine(upstream, schema, table, engine, e);

	return r < 0 ? -1 : strcasecmp(engine, "InnoDB") == 0 || strcasecmp(engine, "ROCKSDB") == 0;
}

/* The upstream as it is now: nothing else tells the engine that a table has there. */
static int is_in_order(struct apply *a, const struct ddl_statement *j, struct err *e)
{
	const struct sql_name *up = &j->ddl->tables[0], *down = &j->to->tables[0];
	char name[257], to[257];
	const char *schema = ddl_schema_of(up, j->q.schema, name);
	struct structure *x = NULL, *y = NULL;
	struct db *d = tables_upstream(&a->tables, e);
	bool found;
	int r = d ? is_clustered(d, schema, up->table, e) : -1;

	if (r > 0 && !(x = db_structure(d, schema, up->table, &found, e)))
		r = e->code ? -1 : 0;
	if (r < 0)
		db_close(&a->tables.ask_up); /* it may be lost */
	if (r > 0 &&
		!(y = db_structure(a->ddl, ddl_schema_of(down, j->q.schema, to), down->table, &found, e)))
		r = e->code ? -1 : 0;
	if (r > 0)
		r = orders_alike(x, y);
	structure_free(&x);
	structure_free(&y);
	return r;
}

/* Whether numbers that an ALTER gives the rows are the same on both sides. */
static int look_at_rows(struct apply *a, const struct ddl_statement *j, enum sql_rows *rows, struct err *e)
{
	const struct structure *was;
	struct structure *mine;
	bool known, keyed;
	int r;

	*rows = SQL_ROWS_ANYHOW;
	if (ddl_structure_before(a, j, &was, &mine, e) < 0)
		return -1;
	known = was;
	keyed = by_the_key(was);
	structure_free(&mine);
	r = known ? ddl_is_empty(a, j, e) : 0;
	if (r > 0)
		*rows = SQL_ROWS_NONE;
	if (r == 0 && keyed) {
		r = is_in_order(a, j, e);
		if (r > 0)
			*rows = SQL_ROWS_BY_KEY;
	}
	return r < 0 ? -1 : 0;
}

/* Of a table whose text names none: what it has upstream now, or what such tables get there. */
static int ask_engine(struct apply *a, const struct ddl_statement *j, char engine[DB_ENGINE], struct err *e)
{
	const struct sql_name *up = &j->ddl->tables[0];
	struct db *d = away_upstream(a, "to ask for the engine of a table with a foreign key", e);
	char name[257];
	bool found;
	int r;

	engine[0] = '\0';
	if (!d && a->tables.away) {
		log_warn("`%s`: the upstream can't be asked whether its engine heeds foreign keys (%s): it "
			 "counts as InnoDB, which does",
			up->table, e->text);
		err_clear(e);
		return 0;
	}
	r = d ? read_engine(d, ddl_schema_of(up, j->q.schema, name), up->table, engine, e) : -1;
	if (r == 0 && !engine[0])
		r = db_value(d, "SELECT @@GLOBAL.default_storage_engine", engine, DB_ENGINE, &found, e);
	if (r < 0)
		db_close(&a->tables.ask_up); /* it may be lost */
	return r;
}

/* Servers are asked about the table only where the statement hangs on it. */
static int translate(struct apply *a, const struct trx *t, struct ddl_statement *j, struct str text,
	struct buf *notes, struct err *e)
{
	bool wants_engine = false;
	struct sql_dialects d = {.from = &t->format.server,
		.to = db_server(a->ddl),
		.sql_mode = j->q.sql_mode,
		.collations = a->collations,
		.wants_engine = &wants_engine};
	struct err why = {0};
	char engine[DB_ENGINE];
	int r;

	r = sql_translate(text, &d, &j->text, notes, &why);
	if (wants_engine) {
		if (ask_engine(a, j, engine, e) < 0)
			return -1;
		d.engine = engine;
		buf_clear(&j->text);
		buf_clear(notes);
		err_clear(&why);
		r = sql_translate(text, &d, &j->text, notes, &why);
	}
	if (r < 0 && why.code == ERR_ddl_untranslatable && j->ddl->verb == SQL_VERB_ALTER_TABLE &&
		(says(j, &t->format.server, "AUTO_INCREMENT", "SERIAL") ||
			says(j, &t->format.server, "ROW", "ROW"))) {
		if (look_at_rows(a, j, &d.rows, e) < 0)
			return -1;
		buf_clear(&j->text);
		buf_clear(notes);
		err_clear(&why);
		r = sql_translate(text, &d, &j->text, notes, &why);
	}
	if (r < 0)
		*e = why;
	return r;
}

/* MariaDB's CREATE OR REPLACE DATABASE drops all that is in it, which nothing here has looked at. */
static int check_replaced(struct apply *a, const struct ddl_statement *j, struct err *e)
{
	if (j->ddl->verb != SQL_VERB_CREATE_DATABASE || !j->ddl->or_replace ||
		db_server(a->ddl)->flavor == FLAVOR_MARIADB)
		return 0;
	return err_set(e, ERR_ddl_untranslatable,
		"only MariaDB has CREATE OR REPLACE DATABASE, which has dropped `%s` with all its tables; "
		"`binlog replace` with DROP DATABASE and CREATE DATABASE does the same here",
		j->ddl->schema);
}

int ddl_translate(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e)
{
	struct buf whole = {0}, notes = {0};
	struct str text = j->said;
	int r;

	if (ddl_is_drop(j->ddl->verb)) {
		/* One that ended with an error had dropped what was there. */
		ddl_write_drop(j, j->ddl->if_exists || j->q.error_code != 0);
		return 0;
	}
	if (j->q.error_code != 0)
		return err_set(e, ERR_sync_ddl_unproved, "it ended with error %u in the upstream: %.*s",
			j->q.error_code, text.n > 300 ? 300 : (int)text.n, text.p);
	if (check_replaced(a, j, e) < 0 || ddl_values_check(a, t, j, e) < 0 ||
		ddl_partitions_check(a, t, j, e) < 0)
		return -1;
	j->fenced = ddl_wants_fence(a, j->ddl);
	if (j->fenced) {
		ddl_write_fenced(a, j);
		return 0;
	}
	if (j->to->start_transaction) {
		/* MySQL's atomic CREATE TABLE … SELECT: its rows come behind, under the same GTID (T17). */
		buf_put(&whole, text.p, j->to->start_transaction_at);
		buf_put(&whole, text.p + j->to->start_transaction_end, text.n - j->to->start_transaction_end);
		text = buf_str(&whole);
	}
	r = translate(a, t, j, text, &notes, e);
	if (r == 0 && notes.n > 0)
		log_warn("DDL mapped: %s", buf_cstr(&notes));
	buf_free(&whole);
	buf_free(&notes);
	return r;
}
