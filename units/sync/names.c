/*
 * Names of statements as the upstream keeps them. Called by ddl.c behind each reading of an upstream's text;
 * the upstream is asked once, and only when a name has a letter that could be another one there.
 */
#include "units/sync/names.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/sql/quote.h"
#include "common/sql/route_ddl.h"

/* What struct tables knows of lower_case_table_names; 0: not asked yet. */
enum {
	NAMES_KEPT = 1,
	NAMES_LOWERED, /* by both */
	NAMES_WRITTEN, /* in the statement, too: the downstream keeps them */
};

bool names_may_fold(const char *name)
{
	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		if (*p >= 0x80 || (*p >= 'A' && *p <= 'Z'))
			return true;
	return false;
}

static bool any_may_fold(const struct sql_ddl *ddl)
{
	bool any = names_may_fold(ddl->schema);

	for (unsigned i = 0; i < ddl->ntables && !any; i++)
		any = names_may_fold(ddl->tables[i].schema) || names_may_fold(ddl->tables[i].table);
	return any;
}

/* [schema .] name at the lexer, which goes behind it. */
static bool name_may_fold(struct sql_lexer *lx)
{
	bool any = false, more = true;
	char name[257];

	while (more && sql_lex_ident(lx, name, sizeof(name))) {
		any = any || names_may_fold(name);
		sql_lex_next(lx);
		more = sql_lex_is_char(lx, '.');
		if (more)
			sql_lex_next(lx);
	}
	return any;
}

/* Behind REFERENCES, or what stands before a sequence: the lexer at the name. */
static bool take_reference(struct sql_lexer *lx, const struct server *from)
{
	if (!sql_lex_is(lx, "REFERENCES"))
		return route_before_sequence(lx, from);
	sql_lex_next(lx);
	return true;
}

/* A parent of a foreign key (a server that checks none makes one of a table that is not there), or a
 * default's sequence. */
static bool refers_may_fold(const struct binlog_query *q, const struct server *from)
{
	struct sql_lexer lx;

	sql_ddl_lexer(&lx, q->sql, from, q->sql_mode);
	sql_lex_next(&lx);
	while (lx.type != SQL_END && lx.type != SQL_BAD) {
		if (!take_reference(&lx, from))
			sql_lex_next(&lx);
		else if (name_may_fold(&lx))
			return true;
	}
	return false;
}

/*
 * Without an upstream what is on record tells: a name with a capital letter is of one that keeps them. A log
 * can so be followed to its end when its server is gone.
 */
static bool recorded_capital(struct apply *a, struct err *e)
{
	struct buf sql = {0};
	struct err mine = {0};
	char value[16];
	bool found = false;

	buf_puts(&sql, "SELECT 1 FROM ");
	sql_put_table(&sql, str_of(a->id.schema), STR_LIT("tidegate_structure"));
	buf_puts(&sql, " WHERE task=");
	sql_put_string(&sql, str_of(a->id.task));
	buf_puts(&sql, " AND source=");
	sql_put_string(&sql, str_of(a->id.source));
	buf_puts(&sql, " AND (BINARY table_schema <> BINARY LOWER(table_schema) OR "
		       "BINARY table_name <> BINARY LOWER(table_name)) LIMIT 1");
	if (db_value(a->ddl, buf_cstr(&sql), value, sizeof(value), &found, &mine) < 0)
		*e = mine;
	buf_free(&sql);
	return found;
}

static int ask_downstream(struct apply *a, struct err *e)
{
	char value[16] = "";
	bool found;

	if (db_value(a->ddl, "SELECT @@lower_case_table_names", value, sizeof(value), &found, e) < 0)
		return err_add(e, "asking the downstream for its lower_case_table_names");
	a->tables.names = strcmp(value, "0") == 0 ? NAMES_WRITTEN : NAMES_LOWERED;
	return 0;
}

static int ask(struct apply *a, struct err *e)
{
	char value[16] = "";
	bool found;

	err_clear(e);
	if (tables_upstream(&a->tables, e) && db_value(a->tables.ask_up, "SELECT @@lower_case_table_names",
						      value, sizeof(value), &found, e) == 0) {
		if (strcmp(value, "1") == 0)
			return ask_downstream(a, e);
		a->tables.names = NAMES_KEPT;
		return 0;
	}
	db_close(&a->tables.ask_up);
	if (!recorded_capital(a, e))
		return err_add(e, "asking the upstream for its lower_case_table_names");
	err_clear(e);
	a->tables.names = NAMES_KEPT;
	return 0;
}

/* Other letters by the downstream, which has the tables of letters that the upstream has. */
static int fold_letters(struct apply *a, char name[257], struct err *e)
{
	struct buf sql = {0};
	char out[257];
	bool found;
	int r;

	buf_puts(&sql, "SELECT LOWER(CONVERT(_utf8mb4");
	sql_put_string(&sql, str_of(name));
	buf_puts(&sql, " USING utf8))");
	r = db_value(a->ddl, buf_cstr(&sql), out, sizeof(out), &found, e);
	buf_free(&sql);
	if (r == 0 && found)
		memcpy(name, out, sizeof(out));
	return r < 0 ? err_add(e, "the small letters of a name") : 0;
}

static int fold(struct apply *a, char name[257], struct err *e)
{
	bool other = false;

	for (char *p = name; *p; p++) {
		other = other || (unsigned char)*p >= 0x80;
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + ('a' - 'A'));
	}
	return other ? fold_letters(a, name, e) : 0;
}

int names_fold(struct apply *a, struct sql_ddl *ddl, struct err *e)
{
	if (!any_may_fold(ddl))
		return 0;
	if (!a->tables.names && ask(a, e) < 0)
		return -1;
	if (a->tables.names == NAMES_KEPT)
		return 0;
	if (fold(a, ddl->schema, e) < 0)
		return -1;
	for (unsigned i = 0; i < ddl->ntables; i++)
		if (fold(a, ddl->tables[i].schema, e) < 0 || fold(a, ddl->tables[i].table, e) < 0)
			return -1;
	return 0;
}

/* As route_table: 1 where it is another name. */
static int rename_one(void *arg, struct str schema, struct str table, struct route_name *out, struct err *e)
{
	snprintf(out->schema, sizeof(out->schema), "%.*s", STR_ARG(schema));
	snprintf(out->table, sizeof(out->table), "%.*s", STR_ARG(table));
	if (fold(arg, out->schema, e) < 0 || fold(arg, out->table, e) < 0)
		return -1;
	return !str_is(schema, out->schema) || !str_is(table, out->table);
}

/* No route says it: another word than route_ddl's. */
static int say_unwritten(struct err *e)
{
	struct err why = *e;

	if (e->code != ERR_route_statement)
		return -1;
	err_clear(e);
	return err_set(e, ERR_ddl_untranslatable,
		"the upstream keeps names in small letters and the downstream as they are written, and this "
		"statement can't be written so: binlog replace with its names in small letters (%s)",
		why.text);
}

int names_write(struct apply *a, struct binlog_query *q, const struct server *from, struct sql_ddl *ddl,
	struct err *e)
{
	struct route_statement s = {q->sql, from, q->sql_mode, q->schema, rename_one, a};
	struct sql_ddl *typed = arena_alloc(a->scratch, 2 * sizeof(*typed));
	struct buf out = {0};
	int r;

	if (sql_ddl_read(q->sql, from, q->sql_mode, typed, e) < 0)
		return -1;
	if (!any_may_fold(typed) && !refers_may_fold(q, from))
		return 0;
	if (!a->tables.names && ask(a, e) < 0)
		return -1;
	if (a->tables.names != NAMES_WRITTEN)
		return 0;
	r = route_ddl(NULL, &s, typed, typed + 1, &out, e);
	if (r > 0)
		q->sql = (struct str){arena_strdup(a->scratch, buf_str(&out)), out.n};
	buf_free(&out);
	if (r < 0)
		return say_unwritten(e);
	return r > 0 ? sql_ddl_read(q->sql, from, q->sql_mode, ddl, e) : r;
}
