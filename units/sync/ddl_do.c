/*
 * A DDL statement is executed in the downstream, once: whether it was before a crash, its session, and the
 * records before and behind it. Called by ddl.c with nothing else under way.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/sql/lexer.h"
#include "common/sql/quote.h"
#include "units/sync/ddl_database.h"
#include "units/sync/ddl_fence.h"
#include "units/sync/ddl_job.h"
#include "units/sync/ddl_session.h"
#include "units/sync/ddl_statement.h"
#include "units/sync/ddl_utf8.h"
#include "units/sync/names.h"

/* A name without its schema counts on the default database. */
static bool needs_database(const struct sql_ddl *ddl)
{
	if (ddl_of_database(ddl->verb))
		return ddl->verb == SQL_VERB_ALTER_DATABASE && !ddl->schema[0];
	for (unsigned i = 0; i < ddl->ntables; i++)
		if (!ddl->tables[i].schema[0])
			return true;
	return false;
}

/* All names were there before and are there now: a swap of equal structures would look the same (T29). */
static bool proves_nothing(const struct sql_ddl *ddl, bool same)
{
	if (ddl->verb == SQL_VERB_RENAME_TABLE && ddl->ntables > 2)
		return true;
	return ddl->exchange && same;
}

/* TiDB: each table that a statement drops is a job, and any of them may be undone. */
static bool has_jobs(struct apply *a)
{
	return db_server(a->ddl)->flavor == FLAVOR_TIDB;
}

static int told(int executed)
{
	log_info("a DDL statement was begun before: it is seen that it was %s",
		executed ? "executed" : "not executed");
	return executed;
}

static bool rename_is_atomic(const struct server *s)
{
	return s->flavor == FLAVOR_MARIADB ? s->version >= 100600 : s->version >= 80000;
}

/* A statement was begun before a crash. 1: it was executed, 0: it was not, -1: nobody can tell. */
static int was_executed(
	struct apply *a, const struct trx *t, const struct ddl_statement *j, struct str before, struct err *e)
{
	struct buf now = {0};
	bool same;

	if (has_jobs(a)) {
		int r = ddl_job_was_executed(a, t, &j->place, e);

		return r < 0 ? -1 : told(r);
	}

	if (ddl_picture(a, j->to, j->q.schema, &now, e) < 0) {
		buf_free(&now);
		return -1;
	}
	same = str_eq(before, buf_str(&now));
	buf_free(&now);
	if (j->fenced) {
		int moved = ddl_fence_moved(a, e);

		if (moved < 0 && e->code != ERR_sync_ddl_unproved)
			return -1;
		/* Servers whose RENAME is not atomic, cut off in the middle: some names moved, the fence did
		 * not. */
		if (moved == 1 || (moved == 0 && (same || rename_is_atomic(db_server(a->ddl)))))
			return told(moved);
	}
	if (j->fenced || proves_nothing(j->ddl, same))
		return err_set(e, ERR_sync_ddl_unproved, "%.*s", j->q.sql.n > 300 ? 300 : (int)j->q.sql.n,
			j->q.sql.p);
	return told(!same);
}

static void put_index_name(const struct ddl_statement *j, const struct server *from, struct buf *sql)
{
	struct sql_lexer lx;
	char name[257] = "";

	sql_ddl_lexer(&lx, j->said, from, j->q.sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD && !sql_lex_is(&lx, "INDEX"))
		;
	sql_lex_next(&lx);
	sql_lex_ident(&lx, name, sizeof(name));
	sql_put_ident(sql, str_of(name));
}

/*
 * Only MariaDB knows CREATE OR REPLACE, of tables and of indexes: what is replaced goes first. Cut off behind
 * that, both come again. An operator's words are not translated: the downstream refuses them itself.
 */
static int drop_replaced(
	struct apply *a, const struct ddl_statement *j, const struct server *from, struct err *e)
{
	const struct sql_name *n = &j->to->tables[0];
	bool index = j->ddl->verb == SQL_VERB_CREATE_INDEX;
	struct buf sql = {0};
	char name[257];
	int r;

	if (!j->ddl->or_replace || db_server(a->ddl)->flavor == FLAVOR_MARIADB ||
		ddl_place_is_told(&j->place) || !(index || j->ddl->verb == SQL_VERB_CREATE_TABLE))
		return 0;
	buf_puts(&sql, index ? "DROP INDEX " : "DROP TABLE IF EXISTS ");
	if (index) {
		put_index_name(j, from, &sql);
		buf_puts(&sql, " ON ");
	}
	sql_put_table(&sql, str_of(ddl_schema_of(n, j->q.schema, name)), str_of(n->table));
	r = db_exec(a->ddl, buf_str(&sql), e);
	buf_free(&sql);
	if (r < 0 && index && e->sql_errno == 1091) { /* there is none yet */
		err_clear(e);
		r = 0;
	}
	return r < 0 ? err_add(e, "making room for %s", n->table) : 0;
}

static bool has_reference(const struct ddl_statement *j, const struct server *from)
{
	struct sql_lexer lx;

	sql_ddl_lexer(&lx, j->q.sql, from, j->q.sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD)
		if (sql_lex_is(&lx, "REFERENCES"))
			return true;
	return lx.type == SQL_BAD; /* asking once more costs little */
}

/*
 * MariaDB's IF [NOT] EXISTS inside ALTER TABLE and of indexes, which MySQL has not: what it would have passed
 * by is an error there. Only where the statement does one thing alone: of several, others were not done. The
 * table's own IF EXISTS speaks of the table alone.
 */
static bool was_so_before(const struct ddl_statement *j, const struct server *from, uint32_t sql_errno)
{
	static const uint32_t harmless[] = {1060, 1061, 1091, 1826}; /* it is there; it is not there */
	enum sql_verb v = j->ddl->verb;
	size_t begin = v == SQL_VERB_ALTER_TABLE ? j->ddl->tables[0].end : 0;
	bool known = false, said = false, after_if = false, list = false;
	struct sql_lexer lx;
	int depth = 0;

	if (v != SQL_VERB_ALTER_TABLE && v != SQL_VERB_CREATE_INDEX && v != SQL_VERB_DROP_INDEX)
		return false;
	if (sql_errno == 1146)
		return j->ddl->if_exists && !j->ddl->exchange;
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		known = known || harmless[i] == sql_errno;
	sql_ddl_lexer(&lx, j->q.sql, from, j->q.sql_mode);
	while (known && sql_lex_next(&lx) != SQL_END) {
		if (lx.type == SQL_BAD)
			return false;
		if (lx.token_at < begin)
			continue;
		/* ADD COLUMN IF NOT EXISTS (a INT, b INT) is several, too. */
		if ((list && sql_lex_is_char(&lx, '(')) || (depth == 0 && sql_lex_is_char(&lx, ',')))
			return false;
		depth += sql_lex_is_char(&lx, '(') - sql_lex_is_char(&lx, ')');
		list = after_if && sql_lex_is(&lx, "EXISTS");
		said = said || list;
		after_if = sql_lex_is(&lx, "IF") || (after_if && sql_lex_is(&lx, "NOT"));
	}
	return said;
}

/* TiDB: a form of ALTER or a type that it has not; all: not supported yet. */
static bool is_unsupported(uint32_t sql_errno)
{
	return sql_errno == 8200 || sql_errno == 8108 || sql_errno == 1235;
}

static int server_collation(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e)
{
	struct sql_dialects d = {
		.from = &t->format.server, .to = db_server(a->ddl), .collations = a->collations};

	return ddl_server_collation(a->ddl, tables_upstream(&a->tables, e), &j->q, &d, e);
}

enum { DATABASE_EXISTS = 1007 };

/* 0: what the downstream says of the statement is no error; -1: it is. */
static int pass_by(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e)
{
	int stands;

	if (was_so_before(j, &t->format.server, e->sql_errno)) {
		log_info("nothing to do, as it says IF [NOT] EXISTS: %s", e->text);
		err_clear(e);
		return 0;
	}
	stands = e->sql_errno == DATABASE_EXISTS ? ddl_database_stands(a, j, e) : 0;
	if (stands > 0) {
		j->place.was_there = true; /* another source's, made in this moment */
		err_clear(e);
		return 0;
	}
	if (is_unsupported(e->sql_errno))
		e->code = ERR_ddl_untranslatable;
	return err_add(e, "DDL");
}

static int execute(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e)
{
	char name[257], to[257];

	log_info("DDL: %.*s", j->text.n > 300 ? 300 : (int)j->text.n, j->text.p);
	if (j->ddl->verb == SQL_VERB_CREATE_TABLE && !j->place.told && !j->ddl->like &&
		!sql_ddl_names_charset(j->q.sql, &t->format.server, j->q.sql_mode) &&
		tables_check_default(&a->tables, ddl_schema_of(&j->ddl->tables[0], j->q.schema, name),
			ddl_schema_of(&j->to->tables[0], j->q.schema, to), e) < 0)
		return -1;
	if (ddl_session(a, t,
		    &(struct ddl_session){
			    &j->q, j, &j->text, needs_database(j->to), ddl_place_is_told(&j->place)},
		    e) < 0)
		return -1;
	if (j->ddl->verb == SQL_VERB_CREATE_DATABASE && server_collation(a, t, j, e) < 0)
		return err_add(e, "the default collation of a new database");
	if (drop_replaced(a, j, &t->format.server, e) < 0)
		return -1;
	if (has_jobs(a))
		ddl_job_mark(a, t, &j->place, &j->text);
	if (db_exec(a->ddl, buf_str(&j->text), e) < 0 && pass_by(a, t, j, e) < 0)
		return -1;
	if (has_reference(j, &t->format.server))
		a->cascades_known = a->acting.known = false;
	/* Which tables hang on which may be another thing now, by a new foreign key or a new name. */
	if (j->ddl->verb == SQL_VERB_ALTER_TABLE || j->ddl->verb == SQL_VERB_RENAME_TABLE)
		a->cascades_known = false;
	if (j->ddl->verb == SQL_VERB_RENAME_TABLE || j->ddl->rename)
		a->acting.known = false;
	return ddl_session_reset(a, e);
}

/* A multi-table DROP that a crash cut in two: the rest of it. */
static bool drop_goes_on(const struct sql_ddl *ddl)
{
	return ddl_is_drop(ddl->verb) && ddl->ntables > 1;
}

static bool reads(struct str recorded, struct str sql)
{
	struct buf b = {0};
	bool same;

	ddl_put_utf8(&b, sql);
	same = str_eq(recorded, buf_str(&b));
	buf_free(&b);
	return same;
}

/* The release before wrote it down as it was typed, this one with names in small letters (names_write). */
static bool is_of(const struct ddl_record *rec, const struct ddl_statement *j)
{
	struct str text = buf_str(&rec->statement);

	return reads(text, j->q.sql) || reads(text, j->place.text);
}

/* An operator's words were changed after the earlier ones were begun, and there was a crash. */
static int other_was_begun(struct apply *a, struct ddl_statement *j, struct ddl_record *rec, struct err *e)
{
	struct ddl_statement old = {
		.q = j->q, .place = j->place, .ddl = arena_alloc(a->scratch, sizeof(struct sql_ddl))};
	struct str text = buf_str(&rec->statement);
	const struct sql_ddl *ddl = old.ddl;
	struct buf now = {0};
	bool same;
	int r;

	if (rec->stage != DDL_DOING || is_of(rec, j))
		return 0;
	old.q.sql = text;
	r = sql_ddl_read(text, db_server(a->ddl), j->q.sql_mode, old.ddl, e);
	if (r == 0)
		r = names_fold(a, old.ddl, e);
	if (r == 0)
		r = ddl_rename_all(a, &old, db_server(a->ddl), e);
	if (r == 0)
		r = ddl_picture(a, old.to, j->q.schema, &now, e);
	buf_free(&old.renamed);
	if (r < 0) {
		buf_free(&now);
		return -1;
	}
	same = str_eq(buf_str(&rec->before), buf_str(&now));
	buf_free(&now);
	if (!same || proves_nothing(ddl, same))
		return err_set(e, ERR_sync_ddl_unproved, "another one was begun in this place before: %.*s",
			text.n > 300 ? 300 : (int)text.n, text.p);
	buf_clear(&rec->before);
	rec->stage = DDL_NEW;
	return 0;
}

/* Several names of one statement may have been dropped or renamed before it failed. */
static bool fails_as_a_whole(const struct sql_ddl *ddl)
{
	return !drop_goes_on(ddl) && !(ddl->verb == SQL_VERB_RENAME_TABLE && ddl->ntables > 2);
}

static int execute_once(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e)
{
	struct err mine = {0};

	if (execute(a, t, j, e) == 0)
		return 0;
	if (err_act(e->code) != ERR_ACT_RETRY && fails_as_a_whole(j->ddl) &&
		ddl_record_failed(a, &j->place, &mine) < 0)
		*e = mine;
	return -1;
}

static int begin(
	struct apply *a, const struct trx *t, struct ddl_statement *j, struct ddl_record *rec, struct err *e)
{
	/* A swap of equal tables: only a fence that goes with them can tell (T29). */
	if (j->fenced && ddl_fence_make(a, e) < 0)
		return -1;
	if (ddl_picture(a, j->to, j->q.schema, &rec->before, e) < 0)
		return -1;
	return ddl_record_doing(a, t, &j->place, j->q.sql, buf_str(&rec->before), e);
}

static int do_recorded(
	struct apply *a, const struct trx *t, struct ddl_statement *j, struct ddl_record *rec, struct err *e)
{
	int done;

	if (other_was_begun(a, j, rec, e) < 0)
		return -1;
	/* CREATE OR REPLACE may have been cut in two, and can always be repeated: nothing came behind it. */
	done = rec->stage == DDL_DOING && !j->ddl->or_replace
		       ? was_executed(a, t, j, buf_str(&rec->before), e)
		       : 0;
	if (done < 0)
		return -1;
	if (drop_goes_on(j->ddl) && (done || (rec->stage == DDL_DOING && has_jobs(a)))) {
		ddl_write_drop(j, true);
		done = 0;
	}
	if (rec->stage == DDL_NEW && begin(a, t, j, rec, e) < 0)
		return -1;
	j->place.was_there = ddl_picture_has_any(buf_str(&rec->before));
	if (FAILPOINT_HIT(sync_ddl_doing))
		return err_set(e, ERR_db_lost, "failpoint");
	if (!done && execute_once(a, t, j, e) < 0)
		return -1;
	if (FAILPOINT_HIT(sync_ddl_sent))
		return err_set(e, ERR_db_lost, "failpoint");
	if (ddl_record_done(a, t, &j->place, j->ddl, j->q.schema, e) < 0)
		return -1;
	if (j->fenced)
		ddl_fence_drop(a);
	return 0;
}

int ddl_do(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e)
{
	struct ddl_record rec = {0};
	int r = ddl_record_read(a, t, &j->place, &rec, e);

	/* An operator's words were changed, or came in the place of a tool's, after one of the earlier ones
	 * was done: the new one is not. */
	if (r == 0 && rec.stage == DDL_DONE && ddl_place_is_part(&j->place) && !is_of(&rec, j)) {
		buf_clear(&rec.before);
		rec.stage = DDL_NEW;
	}
	/* Done: inside a transaction whose rows were not committed, or one of several statements. They
	 * come again, it does not. */
	if (r == 0 && rec.stage != DDL_DONE)
		r = do_recorded(a, t, j, &rec, e);
	else if (r == 0 && !j->place.stays)
		r = ddl_record_done(a, t, &j->place, j->ddl, j->q.schema, e);
	buf_free(&rec.before);
	buf_free(&rec.statement);
	return r;
}
