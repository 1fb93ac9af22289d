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
#include "common/sql/route_ddl.h"
#include "units/sync/ddl_fence.h"
#include "units/sync/ddl_filter.h"
#include "units/sync/ddl_job.h"
#include "units/sync/ddl_record.h"
#include "units/sync/ddl_rename.h"
#include "units/sync/ddl_session.h"
#include "units/sync/routed.h"

struct ddl_job {
	struct binlog_query q;
	struct sql_ddl *ddl; /* its names are the upstream's */
	struct str said;     /* the statement in the downstream's names, and `to` what it names then: q.sql */
	struct sql_ddl *to;  /* and ddl themselves where both have the same names */
	struct buf renamed;  /* of said */
	struct buf text;     /* in the downstream's dialect */
	bool wanted[SQL_DDL_MAX_TABLES];
	bool fenced;             /* a swap of tables, with ours taken along */
	bool cut;                /* a RENAME of which only some pairs are left */
	struct ddl_cut left_out; /* by the event filter */
	struct ddl_place place;
};

static bool of_database(enum sql_verb v)
{
	return v == SQL_VERB_CREATE_DATABASE || v == SQL_VERB_ALTER_DATABASE || v == SQL_VERB_DROP_DATABASE;
}

static bool is_drop(enum sql_verb v)
{
	return v == SQL_VERB_DROP_TABLE || v == SQL_VERB_DROP_SEQUENCE;
}

/* Wanted and unwanted tables in one statement that can't be cut. */
static int mixed(struct ddl_job *j, struct err *e)
{
	const struct sql_name *t = j->ddl->tables;

	if (j->ddl->rename)
		return ddl_rename_across(&t[0], &t[1], j->wanted[0], j->q.schema, e);
	if (j->ddl->like)
		return err_set(e, ERR_sync_ddl_mixed,
			"`%s` is made like `%s`, which the task's rules leave out: what it looks like is not "
			"known",
			t[0].table, t[1].table);
	return err_set(e, ERR_sync_ddl_mixed, "tables that are wanted, and others: %.*s",
		j->q.sql.n > 300 ? 300 : (int)j->q.sql.n, j->q.sql.p);
}

/* Before the snapshot that all its tables are of: one of a copy of several moments (T24). */
static bool seen_by_copy(struct apply *a, const struct trx *t, const struct ddl_job *j)
{
	const struct sql_ddl *ddl = j->ddl;
	char name[257];

	for (unsigned i = 0; i < ddl->ntables; i++)
		if (!copied_has(&a->copied, str_of(ddl_schema_of(&ddl->tables[i], j->q.schema, name)),
			    str_of(ddl->tables[i].table), t))
			return false;
	return ddl->ntables > 0;
}

/* 1: wanted, 0: not, -1: partly, which can't be done in one statement (T30). */
static int wanted(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
{
	struct sql_ddl *ddl = j->ddl;
	unsigned yes = 0, count = ddl->as_select ? 1 : ddl->ntables;
	char name[257];

	if (seen_by_copy(a, t, j))
		return 0;
	if (of_database(ddl->verb))
		return rules_schema(a->rules, ddl->schema[0] ? str_of(ddl->schema) : j->q.schema);
	if (ddl->verb == SQL_VERB_RENAME_TABLE && !ddl->more) {
		int r = ddl_rename_cut(a->rules, ddl, j->q.schema, e);

		j->cut = r > 0;
		return r;
	}
	if (count > ddl->ntables)
		count = ddl->ntables;
	for (unsigned i = 0; i < count; i++) {
		struct str schema = str_of(ddl_schema_of(&ddl->tables[i], j->q.schema, name)),
			   table = str_of(ddl->tables[i].table);

		/* What DM has done to it already is not done again. */
		j->wanted[i] = rules_table(a->rules, schema, table) &&
			       !takeover_has(&a->takeover, schema, table, t->end);
		yes += j->wanted[i];
	}
	if (yes == 0 && !ddl->more)
		return 0;
	/* Like a wanted one: not ours all the same. */
	if (ddl->like && !j->wanted[0])
		return 0;
	if (!ddl->more && (yes == count || is_drop(ddl->verb)))
		return 1;
	return mixed(j, e);
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

static void write_fenced(struct apply *a, struct ddl_job *j)
{
	write_rename(j->to, &j->text);
	ddl_fence_put(a, &j->text);
}

static bool wants_fence(struct apply *a, const struct sql_ddl *ddl)
{
	enum flavor f = db_server(a->ddl)->flavor;

	return ddl->verb == SQL_VERB_RENAME_TABLE && ddl->ntables > 2 && ddl->ntables % 2 == 0 &&
	       (f == FLAVOR_MARIADB || (f == FLAVOR_MYSQL && !ddl->if_exists));
}

/* What `said` names now; its text is in j->renamed. */
static int read_again(struct apply *a, struct ddl_job *j, const struct server *words, struct err *e)
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

/* The statement under the names that the task's routes give. words: whose dialect it has. */
static int rename_all(struct apply *a, struct ddl_job *j, const struct server *words, struct err *e)
{
	const struct route *r = rules_route(a->rules);
	struct route_statement s = {j->q.sql, words, j->q.sql_mode, j->q.schema};
	struct sql_ddl *from = j->ddl;
	struct buf out = {0};
	int changed;

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
	if (changed >= 0 && routed_check(a, j->ddl, j->q.schema, e) < 0)
		changed = -1;
	if (changed <= 0) {
		buf_free(&out);
		return changed;
	}
	buf_free(&j->renamed);
	j->renamed = out;
	return read_again(a, j, words, e);
}

static int translate(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
{
	struct sql_dialects d = {&t->format.server, db_server(a->ddl), j->q.sql_mode, a->collations};
	struct buf whole = {0}, notes = {0};
	struct str text = j->said;
	int r;

	if (is_drop(j->ddl->verb)) {
		/* One that ended with an error had dropped what was there. */
		write_drop(j, j->ddl->if_exists || j->q.error_code != 0);
		return 0;
	}
	if (j->q.error_code != 0)
		return err_set(e, ERR_sync_ddl_unproved, "it ended with error %u in the upstream: %.*s",
			j->q.error_code, text.n > 300 ? 300 : (int)text.n, text.p);
	j->fenced = wants_fence(a, j->ddl);
	if (j->fenced) {
		write_fenced(a, j);
		return 0;
	}
	if (j->to->start_transaction) {
		/* MySQL's atomic CREATE TABLE … SELECT: its rows come behind, under the same GTID (T17). */
		buf_put(&whole, text.p, j->to->start_transaction_at);
		buf_put(&whole, text.p + j->to->start_transaction_end, text.n - j->to->start_transaction_end);
		text = buf_str(&whole);
	}
	r = sql_translate(text, &d, &j->text, &notes, e);
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
	struct apply *a, const struct trx *t, const struct ddl_job *j, struct str before, struct err *e)
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

/* Only MariaDB knows CREATE OR REPLACE TABLE. */
static int drop_replaced(struct apply *a, const struct ddl_job *j, struct err *e)
{
	const struct sql_name *n = &j->to->tables[0];
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

/* TiDB: a form of ALTER or a type that it has not; all: not supported yet. */
static bool is_unsupported(uint32_t sql_errno)
{
	return sql_errno == 8200 || sql_errno == 8108 || sql_errno == 1235;
}

static int server_collation(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
{
	struct sql_dialects d = {&t->format.server, db_server(a->ddl), 0, a->collations};

	return ddl_server_collation(a->ddl, tables_upstream(&a->tables, e), &j->q, &d, e);
}

static int execute(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
{
	char name[257], to[257];

	log_info("DDL: %.*s", j->text.n > 300 ? 300 : (int)j->text.n, j->text.p);
	if (j->ddl->verb == SQL_VERB_CREATE_TABLE && !j->place.told && !j->ddl->like &&
		!names_charset(j, &t->format.server) &&
		tables_check_default(&a->tables, ddl_schema_of(&j->ddl->tables[0], j->q.schema, name),
			ddl_schema_of(&j->to->tables[0], j->q.schema, to), e) < 0)
		return -1;
	if (ddl_session(a->ddl, &j->q, t->timestamp, needs_database(j->to), e) < 0)
		return -1;
	if (j->ddl->verb == SQL_VERB_CREATE_DATABASE && server_collation(a, t, j, e) < 0)
		return err_add(e, "the default collation of a new database");
	if (j->ddl->or_replace && db_server(a->ddl)->flavor != FLAVOR_MARIADB && drop_replaced(a, j, e) < 0)
		return -1;
	if (has_jobs(a))
		ddl_job_mark(a, t, &j->place, &j->text);
	if (db_exec(a->ddl, buf_str(&j->text), e) < 0) {
		if (!was_so_before(j, &t->format.server, e->sql_errno)) {
			if (is_unsupported(e->sql_errno))
				e->code = ERR_ddl_untranslatable;
			return err_add(e, "DDL");
		}
		log_info("nothing to do, as it says IF [NOT] EXISTS: %s", e->text);
		err_clear(e);
	}
	/* Which tables hang on which may be another thing now, by a new foreign key or a new name. */
	if (has_reference(j, &t->format.server) || j->ddl->verb == SQL_VERB_ALTER_TABLE ||
		j->ddl->verb == SQL_VERB_RENAME_TABLE)
		a->cascades_known = false;
	return ddl_session_reset(a->ddl, e);
}

/* A multi-table DROP that a crash cut in two: the rest of it. */
static bool drop_goes_on(const struct sql_ddl *ddl)
{
	return is_drop(ddl->verb) && ddl->ntables > 1;
}

/* An operator's words were changed after the earlier ones were begun, and there was a crash. */
static int other_was_begun(struct apply *a, struct ddl_job *j, struct ddl_record *rec, struct err *e)
{
	struct ddl_job old = {.q = j->q, .ddl = arena_alloc(a->scratch, sizeof(struct sql_ddl))};
	struct str text = buf_str(&rec->statement);
	const struct sql_ddl *ddl = old.ddl;
	struct buf now = {0};
	bool same;
	int r;

	if (rec->stage != DDL_DOING || str_eq(text, j->q.sql))
		return 0;
	old.q.sql = text;
	r = sql_ddl_read(text, db_server(a->ddl), j->q.sql_mode, old.ddl, e);
	if (r == 0)
		r = rename_all(a, &old, db_server(a->ddl), e);
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

static int execute_once(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
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
	struct apply *a, const struct trx *t, struct ddl_job *j, struct ddl_record *rec, struct err *e)
{
	/* A swap of equal tables: only a fence that goes with them can tell (T29). */
	if (j->fenced && ddl_fence_make(a, e) < 0)
		return -1;
	if (ddl_picture(a, j->to, j->q.schema, &rec->before, e) < 0)
		return -1;
	return ddl_record_doing(a, t, &j->place, j->q.sql, buf_str(&rec->before), e);
}

static int do_recorded(
	struct apply *a, const struct trx *t, struct ddl_job *j, struct ddl_record *rec, struct err *e)
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
		write_drop(j, true);
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

static int do_it(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
{
	struct ddl_record rec = {0};
	int r = ddl_record_read(a, t, &j->place, &rec, e);

	/* An operator's words were changed after one of the earlier ones was done: the new one is not. */
	if (r == 0 && rec.stage == DDL_DONE && ddl_place_is_told(&j->place) &&
		!str_eq(buf_str(&rec.statement), j->q.sql)) {
		buf_clear(&rec.before);
		rec.stage = DDL_NEW;
	}
	/* Done: inside a transaction whose rows were not committed, or one of an operator's statements. They
	 * come again, it does not. */
	if (r == 0 && rec.stage != DDL_DONE)
		r = do_recorded(a, t, j, &rec, e);
	else if (r == 0 && !j->place.stays)
		r = ddl_record_done(a, t, &j->place, j->ddl, j->q.schema, e);
	buf_free(&rec.before);
	buf_free(&rec.statement);
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

static void say_left_out(struct apply *a, const struct ddl_job *j, bool whole)
{
	atomic_fetch_add(&a->counts.filtered_ddls, 1);
	log_warn("left out%s by %s: %.*s", whole ? "" : " in part", j->left_out.why,
		j->q.sql.n > 300 ? 300 : (int)j->q.sql.n, j->q.sql.p);
}

/* 1: something of it is done, 0: nothing, and that is on record; -1. */
static int filter(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
{
	struct ddl_asked asked = {t, &j->q, j->ddl, j->wanted};
	int r = ddl_filter(a, &asked, &j->left_out, e);

	if (r < 0 || !j->left_out.any)
		return r;
	say_left_out(a, j, r == 0);
	j->place.cut = &j->left_out;
	if (r == 0)
		return ddl_record_filtered(a, t, &j->place, j->ddl, j->q.schema, e);
	j->cut = j->cut || j->ddl->verb == SQL_VERB_RENAME_TABLE;
	if (j->left_out.text.n == 0)
		return 1;
	j->q.sql = j->place.text = buf_str(&j->left_out.text);
	return sql_ddl_read(j->q.sql, &t->format.server, j->q.sql_mode, j->ddl, e) < 0 ? -1 : 1;
}

/* A rule may leave out what nobody can read. 0: it does, -1: it stays an error. */
static int filter_unread(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
{
	struct err mine = {0};
	int r = ddl_filter_unread(a, &j->q, &j->left_out, &mine);

	if (r < 0)
		*e = mine;
	if (r != 0)
		return -1;
	say_left_out(a, j, true);
	err_clear(e);
	return ddl_record_unread(a, t, &j->place, j->q.sql, e);
}

/* As the stream has it. */
static int follow(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
{
	int r;

	if (sql_ddl_read(j->q.sql, &t->format.server, j->q.sql_mode, j->ddl, e) < 0)
		return filter_unread(a, t, j, e);
	if (!sql_verb_is_ddl(j->ddl->verb)) {
		err_set(e, ERR_sync_ddl_parse, "not understood: %.*s",
			j->q.sql.n > 300 ? 300 : (int)j->q.sql.n, j->q.sql.p);
		return filter_unread(a, t, j, e);
	}
	r = wanted(a, t, j, e);
	if (r > 0 && sql_verb_is_sequence(j->ddl->verb) && db_server(a->ddl)->flavor != FLAVOR_MARIADB) {
		log_info("left out, as the downstream has no sequences: %.*s",
			j->q.sql.n > 120 ? 120 : (int)j->q.sql.n, j->q.sql.p);
		r = 0;
	}
	if (r == 0)
		return pass_by(a, t, e);
	if (r > 0)
		r = filter(a, t, j, e);
	if (r == 0)
		return 0;
	return r < 0 || rename_all(a, j, &t->format.server, e) < 0 || translate(a, t, j, e) < 0
		       ? -1
		       : do_it(a, t, j, e);
}

/* One of an operator's statements: as it was written, in the downstream's words. */
static int tell(struct apply *a, const struct trx *t, const struct ddl_job *j, const struct ddl_handle *h,
	unsigned i, struct err *e)
{
	struct ddl_job s = {
		.q = j->q, .ddl = arena_alloc(a->scratch, sizeof(struct sql_ddl)), .place = j->place};
	bool last = h->op == DDL_REPLACE && i + 1 == h->nsqls;
	int r;

	memset(s.wanted, true, sizeof(s.wanted)); /* what an operator names is meant */
	s.q.sql = h->sqls[i];
	s.q.has_charset = false; /* of the upstream's client; this text is UTF-8 */
	s.q.error_code = 0;
	s.q.sql_mode &= ~(uint64_t)(SQL_MODE_ANSI_QUOTES | SQL_MODE_NO_BACKSLASH_ESCAPES);
	if (sql_ddl_read(s.q.sql, db_server(a->ddl), s.q.sql_mode, s.ddl, e) < 0)
		return -1;
	if (!sql_verb_is_ddl(s.ddl->verb) || s.ddl->as_select)
		return err_set(e, ERR_sync_ddl_parse, "the operator's statement is no DDL: %.*s",
			s.q.sql.n > 200 ? 200 : (int)s.q.sql.n, s.q.sql.p);
	if (is_drop(s.ddl->verb) && s.ddl->more) /* gone on with after a crash, it would be those alone */
		return err_set(e, ERR_sync_ddl_parse,
			"the operator's DROP names more than %d tables: say it in several statements",
			SQL_DDL_MAX_TABLES);
	snprintf(s.place.key, sizeof(s.place.key), "%.50s+%u", j->place.event, i + 1);
	s.place.stays = t->inside || !last;
	s.place.told = h->op == DDL_REPLACE;
	s.place.text = s.q.sql;
	s.place.sql_mode = s.q.sql_mode;
	s.place.also = last ? j->ddl : NULL;
	if (rename_all(a, &s, db_server(a->ddl), e) < 0) {
		buf_free(&s.renamed);
		return err_add(e, "statement %u of an operator's", i + 1);
	}
	s.fenced = wants_fence(a, s.ddl);
	if (s.fenced)
		write_fenced(a, &s);
	else
		buf_put(&s.text, s.said.p, s.said.n);
	log_warn("as an operator said, %s this statement of the upstream: %.*s",
		h->op == DDL_REPLACE ? "in the place of" : "before", j->q.sql.n > 300 ? 300 : (int)j->q.sql.n,
		j->q.sql.p);
	r = do_it(a, t, &s, e);
	buf_free(&s.text);
	buf_free(&s.renamed);
	return r < 0 ? err_add(e, "statement %u of `binlog %s`", i + 1,
			       last || h->op == DDL_REPLACE ? "replace" : "inject")
		     : 0;
}

static int skip(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
{
	log_warn("skipped, as an operator said: %.*s", j->q.sql.n > 300 ? 300 : (int)j->q.sql.n, j->q.sql.p);
	j->place.told = true;
	return ddl_record_skipped(a, t, &j->place, j->q.sql, j->ddl, j->q.schema, e);
}

/* Its own statement may be one that can't be read: that is why it is skipped or replaced. */
static int obey(
	struct apply *a, const struct trx *t, struct ddl_job *j, const struct ddl_handle *h, struct err *e)
{
	struct err unread;

	if (sql_ddl_read(j->q.sql, &t->format.server, j->q.sql_mode, j->ddl, &unread) < 0 ||
		!sql_verb_is_ddl(j->ddl->verb))
		memset(j->ddl, 0, sizeof(*j->ddl));
	if (h->op == DDL_SKIP)
		return skip(a, t, j, e);
	for (unsigned i = 0; i < h->nsqls; i++)
		if (tell(a, t, j, h, i, e) < 0)
			return -1;
	return h->op == DDL_INJECT ? follow(a, t, j, e) : 0;
}

/* A person must look: what `binlog skip` without a position means. */
static void note_failed(struct apply *a, const struct trx *t)
{
	pthread_mutex_lock(&a->lock);
	a->failed_ddl = t->event;
	pthread_mutex_unlock(&a->lock);
}

int apply_ddl(struct apply *a, const struct trx *t, struct err *e)
{
	const struct ddl_handle *h = ddl_handles_find(&a->handles, a->base, t);
	struct ddl_job j = {.ddl = arena_alloc(a->scratch, sizeof(struct sql_ddl)), .place.stays = t->inside};
	char at[300];
	int r = -1;

	position_store(t->event, j.place.event, sizeof(j.place.event));
	position_store(t->event, j.place.key, sizeof(j.place.key));
	if (binlog_read_query(buf_str(&t->raw), &t->format, a->scratch, &j.q, e) == 0 &&
		ddl_to_utf8(a->ddl, &j.q, a->scratch, e) == 0 && apply_add_gtid(a, t, e) == 0) {
		apply_write_gtid(a);
		j.place.text = j.q.sql;
		j.place.sql_mode = j.q.sql_mode;
		r = h ? obey(a, t, &j, h, e) : follow(a, t, &j, e);
	}
	if (r < 0) {
		position_text(t->event, a->base, at, sizeof(at));
		err_add(e, "at %s", at);
		if (err_act(e->code) == ERR_ACT_PAUSE)
			note_failed(a, t);
	} else {
		atomic_fetch_add(&a->counts.ddls, 1);
		atomic_store(&a->counts.commit_us, trx_commit_us(t));
	}
	buf_free(&j.text);
	ddl_cut_fini(&j.left_out);
	buf_free(&j.renamed);
	arena_clear(a->scratch);
	return r;
}
