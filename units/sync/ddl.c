/*
 * One DDL statement of the stream: whether it is wanted, whether it was executed before a crash, its session,
 * its text in the downstream's dialect, and what is known of tables afterwards. Called by the applier with
 * nothing else under way.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/sql/dialect.h"
#include "common/sql/lexer.h"
#include "common/sql/quote.h"
#include "units/sync/ddl_fence.h"
#include "units/sync/ddl_record.h"
#include "units/sync/ddl_session.h"

struct ddl_job {
	struct binlog_query q;
	struct sql_ddl *ddl;
	struct buf text; /* in the downstream's dialect */
	bool wanted[SQL_DDL_MAX_TABLES];
	bool fenced; /* a swap of tables, with ours taken along */
};

static bool of_database(enum sql_verb v)
{
	return v == SQL_VERB_CREATE_DATABASE || v == SQL_VERB_ALTER_DATABASE || v == SQL_VERB_DROP_DATABASE;
}

/* 1: wanted, 0: not, -1: partly, which can't be done in one statement (T30). */
static int wanted(struct apply *a, struct ddl_job *j, struct err *e)
{
	const struct sql_ddl *ddl = j->ddl;
	unsigned yes = 0, count = ddl->like || ddl->as_select ? 1 : ddl->ntables;
	char name[257];

	if (of_database(ddl->verb))
		return rules_schema(a->rules, ddl->schema[0] ? str_of(ddl->schema) : j->q.schema);
	if (count > ddl->ntables)
		count = ddl->ntables;
	for (unsigned i = 0; i < count; i++) {
		j->wanted[i] =
			rules_table(a->rules, str_of(ddl_schema_of(&ddl->tables[i], j->q.schema, name)),
				str_of(ddl->tables[i].table));
		yes += j->wanted[i];
	}
	if (yes == 0 && !ddl->more)
		return 0;
	if (!ddl->more && (yes == count || ddl->verb == SQL_VERB_DROP_TABLE))
		return 1;
	return err_set(e, ERR_sync_ddl_parse, "it names tables that are wanted and tables that are not: %.*s",
		j->q.sql.n > 300 ? 300 : (int)j->q.sql.n, j->q.sql.p);
}

/* A name without its schema counts on the default database. */
static bool needs_database(const struct sql_ddl *ddl)
{
	if (of_database(ddl->verb))
		return ddl->verb == SQL_VERB_ALTER_DATABASE && !ddl->schema[0];
	for (unsigned i = 0; i < ddl->ntables; i++)
		if (!ddl->tables[i].schema[0])
			return true;
	return false;
}

/* The wanted ones of a DROP's tables (T30). */
static void write_drop(struct ddl_job *j, bool tolerant)
{
	struct buf text = {0};
	bool any = false;

	buf_puts(&text, tolerant ? "DROP TABLE IF EXISTS " : "DROP TABLE ");
	for (unsigned i = 0; i < j->ddl->ntables; i++) {
		if (!j->wanted[i])
			continue;
		buf_puts(&text, any ? "," : "");
		any = true;
		buf_put(&text, j->q.sql.p + j->ddl->tables[i].at,
			j->ddl->tables[i].end - j->ddl->tables[i].at);
	}
	buf_free(&j->text);
	j->text = text;
}

/* RENAME of several: with the fence at its end, without the comments that may stand there. */
static void write_rename(struct apply *a, struct ddl_job *j)
{
	const struct sql_ddl *ddl = j->ddl;
	struct buf text = {0};

	buf_puts(&text, ddl->if_exists ? "RENAME TABLE IF EXISTS " : "RENAME TABLE ");
	for (unsigned i = 0; i < ddl->ntables; i++) {
		buf_puts(&text, i == 0 ? "" : i % 2 ? " TO " : ", ");
		buf_put(&text, j->q.sql.p + ddl->tables[i].at, ddl->tables[i].end - ddl->tables[i].at);
	}
	ddl_fence_put(a, &text);
	j->text = text;
}

static bool wants_fence(struct apply *a, const struct sql_ddl *ddl)
{
	enum flavor f = db_server(a->ddl)->flavor;

	return ddl->verb == SQL_VERB_RENAME_TABLE && ddl->ntables > 2 && ddl->ntables % 2 == 0 &&
	       (f == FLAVOR_MARIADB || (f == FLAVOR_MYSQL && !ddl->if_exists));
}

static int translate(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
{
	struct buf whole = {0}, notes = {0};
	struct str text = j->q.sql;
	int r;

	if (j->ddl->verb == SQL_VERB_DROP_TABLE) {
		/* One that ended with an error had dropped what was there. */
		write_drop(j, j->ddl->if_exists || j->q.error_code != 0);
		return 0;
	}
	if (j->q.error_code != 0)
		return err_set(e, ERR_sync_ddl_unproved, "it ended with error %u in the upstream: %.*s",
			j->q.error_code, text.n > 300 ? 300 : (int)text.n, text.p);
	j->fenced = wants_fence(a, j->ddl);
	if (j->fenced) {
		write_rename(a, j);
		return 0;
	}
	if (j->ddl->start_transaction) {
		/* MySQL's atomic CREATE TABLE … SELECT: its rows come behind, under the same GTID (T17). */
		buf_put(&whole, text.p, j->ddl->start_transaction_at);
		buf_put(&whole, text.p + j->ddl->start_transaction_end,
			text.n - j->ddl->start_transaction_end);
		text = buf_str(&whole);
	}
	r = sql_translate(text, &t->format.server, db_server(a->ddl), j->q.sql_mode, &j->text, &notes, e);
	if (r == 0 && notes.n > 0)
		log_warn("DDL mapped: %s", buf_cstr(&notes));
	buf_free(&whole);
	buf_free(&notes);
	return r;
}

/* All names were there before and are there now: a swap of equal structures would look the same (T29). */
static bool proves_nothing(const struct sql_ddl *ddl, bool same)
{
	if (ddl->verb == SQL_VERB_RENAME_TABLE && ddl->ntables > 2)
		return true;
	return ddl->exchange && same;
}

static int told(int executed)
{
	log_info("a DDL statement was begun before: the structure shows that it was %s",
		executed ? "executed" : "not executed");
	return executed;
}

static bool rename_is_atomic(const struct server *s)
{
	return s->flavor == FLAVOR_MARIADB ? s->version >= 100600 : s->version >= 80000;
}

/* A statement was begun before a crash. 1: it was executed, 0: it was not, -1: nobody can tell. */
static int was_executed(
	struct apply *a, const struct trx *t, const struct ddl_job *j, struct str before, struct err *e)
{
	struct buf now = {0};
	char at[64];
	bool same;

	if (ddl_picture(a, j->ddl, j->q.schema, &now, e) < 0) {
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
	if (j->fenced || proves_nothing(j->ddl, same)) {
		position_store(t->event, at, sizeof(at));
		return err_set(e, ERR_sync_ddl_unproved,
			"if it was: UPDATE `%s`.tidegate_ddl SET stage='done' WHERE position='%s', if not: "
			"DELETE "
			"that row. %.*s",
			a->id.schema, at, j->q.sql.n > 300 ? 300 : (int)j->q.sql.n, j->q.sql.p);
	}
	return told(!same);
}

/* Only MariaDB knows CREATE OR REPLACE TABLE. */
static int drop_replaced(struct apply *a, const struct ddl_job *j, struct err *e)
{
	const struct sql_name *n = &j->ddl->tables[0];
	struct buf sql = {0};
	char name[257];
	int r;

	buf_puts(&sql, "DROP TABLE IF EXISTS ");
	sql_put_table(&sql, str_of(ddl_schema_of(n, j->q.schema, name)), str_of(n->table));
	r = db_exec(a->ddl, buf_str(&sql), e);
	buf_free(&sql);
	return r < 0 ? err_add(e, "making room for %s", n->table) : 0;
}

/* A CREATE TABLE whose options say the charset; columns' own words stand inside the parentheses. */
static bool names_charset(const struct ddl_job *j, const struct server *from)
{
	struct sql_lexer lx;
	int depth = 0;

	sql_lex_init(&lx, j->q.sql, from->flavor == FLAVOR_MARIADB, from->version);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		depth += sql_lex_is_char(&lx, '(') - sql_lex_is_char(&lx, ')');
		if (depth == 0 && (sql_lex_is(&lx, "CHARSET") || sql_lex_is(&lx, "CHARACTER") ||
					  sql_lex_is(&lx, "COLLATE")))
			return true;
	}
	return false;
}

static bool has_reference(const struct ddl_job *j, const struct server *from)
{
	struct sql_lexer lx;

	sql_lex_init(&lx, j->q.sql, from->flavor == FLAVOR_MARIADB, from->version);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD)
		if (sql_lex_is(&lx, "REFERENCES"))
			return true;
	return false;
}

/*
 * MariaDB's IF [NOT] EXISTS inside ALTER TABLE and of indexes, which MySQL has not: what it would have passed
 * by is an error there. Only where the statement does one thing alone: of several, others were not done.
 */
static bool was_so_before(const struct ddl_job *j, const struct server *from, uint32_t sql_errno)
{
	static const uint32_t harmless[] = {1060, 1061, 1091, 1826}; /* it is there; it is not there */
	enum sql_verb v = j->ddl->verb;
	bool known = sql_errno == 1146 && j->ddl->if_exists, said = false, after_if = false;
	struct sql_lexer lx;
	int depth = 0;

	if (v != SQL_VERB_ALTER_TABLE && v != SQL_VERB_CREATE_INDEX && v != SQL_VERB_DROP_INDEX)
		return false;
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		known = known || harmless[i] == sql_errno;
	sql_lex_init(&lx, j->q.sql, from->flavor == FLAVOR_MARIADB, from->version);
	while (known && sql_lex_next(&lx) != SQL_END) {
		depth += sql_lex_is_char(&lx, '(') - sql_lex_is_char(&lx, ')');
		if (lx.type == SQL_BAD || (depth == 0 && sql_lex_is_char(&lx, ',')))
			return false;
		said = said || (after_if && sql_lex_is(&lx, "EXISTS"));
		after_if = sql_lex_is(&lx, "IF") || (after_if && sql_lex_is(&lx, "NOT"));
	}
	return said;
}

static int execute(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
{
	char name[257];

	log_info("DDL: %.*s", j->text.n > 300 ? 300 : (int)j->text.n, j->text.p);
	if (j->ddl->verb == SQL_VERB_CREATE_TABLE && !j->ddl->like && !names_charset(j, &t->format.server) &&
		tables_check_default(&a->tables, ddl_schema_of(&j->ddl->tables[0], j->q.schema, name), e) < 0)
		return -1;
	if (ddl_session(a->ddl, &j->q, t->timestamp, needs_database(j->ddl), e) < 0)
		return -1;
	if (j->ddl->verb == SQL_VERB_CREATE_DATABASE &&
		ddl_server_collation(a->ddl, tables_upstream(&a->tables, e), &j->q, &t->format.server, e) < 0)
		return err_add(e, "the default collation of a new database");
	if (j->ddl->or_replace && db_server(a->ddl)->flavor != FLAVOR_MARIADB && drop_replaced(a, j, e) < 0)
		return -1;
	if (db_exec(a->ddl, buf_str(&j->text), e) < 0) {
		if (!was_so_before(j, &t->format.server, e->sql_errno))
			return err_add(e, "DDL");
		log_info("nothing to do, as it says IF [NOT] EXISTS: %s", e->text);
		err_clear(e);
	}
	if (has_reference(j, &t->format.server))
		a->cascades_known = false;
	return ddl_session_reset(a->ddl, e);
}

/* A multi-table DROP that a crash cut in two: the rest of it. */
static bool drop_goes_on(const struct sql_ddl *ddl)
{
	return ddl->verb == SQL_VERB_DROP_TABLE && ddl->ntables > 1;
}

static int do_it(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
{
	struct buf before = {0};
	enum ddl_stage stage;
	int done, r = -1;

	if (ddl_record_read(a, t->event, &stage, &before, e) < 0)
		goto out;
	if (stage == DDL_DONE) {
		r = 0; /* inside a transaction whose rows were not committed: they come again, it does not */
		goto out;
	}
	/* CREATE OR REPLACE may have been cut in two, and can always be repeated: nothing came behind it. */
	done = stage == DDL_DOING && !j->ddl->or_replace ? was_executed(a, t, j, buf_str(&before), e) : 0;
	if (done < 0)
		goto out;
	if (done && drop_goes_on(j->ddl)) {
		write_drop(j, true);
		done = 0;
	}
	/* A swap of equal tables: only a fence that goes with them can tell (T29). */
	if (stage == DDL_NEW && j->fenced && ddl_fence_make(a, e) < 0)
		goto out;
	if (stage == DDL_NEW && (ddl_picture(a, j->ddl, j->q.schema, &before, e) < 0 ||
					ddl_record_doing(a, t, j->q.sql, buf_str(&before), e) < 0))
		goto out;
	if (FAILPOINT_HIT(sync_ddl_doing)) {
		err_set(e, ERR_db_lost, "failpoint");
		goto out;
	}
	if (!done && execute(a, t, j, e) < 0)
		goto out;
	if (FAILPOINT_HIT(sync_ddl_sent)) {
		err_set(e, ERR_db_lost, "failpoint");
		goto out;
	}
	r = ddl_record_done(a, t, j->ddl, j->q.schema, e);
	if (r == 0 && j->fenced)
		ddl_fence_drop(a);
out:
	buf_free(&before);
	return r;
}

/* Not ours: only the position moves. */
static int pass_by(struct apply *a, const struct trx *t, struct err *e)
{
	if (t->inside)
		return 0;
	if (apply_guard(a, a->db, t->end, a->gtid_text, e) < 0)
		return -1;
	return apply_commit(a, a->db, t->end, a->gtid_text, e);
}

int apply_ddl(struct apply *a, const struct trx *t, struct err *e)
{
	struct ddl_job j = {.ddl = arena_alloc(a->scratch, sizeof(struct sql_ddl))};
	char at[300];
	int r = -1;

	if (binlog_read_query(buf_str(&t->raw), &t->format, a->scratch, &j.q, e) == 0 &&
		ddl_to_utf8(a->ddl, &j.q, a->scratch, e) == 0 &&
		sql_ddl_read(j.q.sql, &t->format.server, j.q.sql_mode, j.ddl, e) == 0 &&
		apply_add_gtid(a, t, e) == 0) {
		apply_write_gtid(a);
		r = wanted(a, &j, e);
	}
	if (r > 0)
		r = translate(a, t, &j, e) < 0 ? -1 : do_it(a, t, &j, e);
	else if (r == 0)
		r = pass_by(a, t, e);
	if (r < 0) {
		position_text(t->event, a->base, at, sizeof(at));
		err_add(e, "at %s", at);
	} else {
		atomic_fetch_add(&a->counts.ddls, 1);
		atomic_store(&a->counts.last_timestamp, t->timestamp);
	}
	buf_free(&j.text);
	arena_clear(a->scratch);
	return r;
}
