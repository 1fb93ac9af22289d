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
#include "units/sync/ddl_record.h"
#include "units/sync/ddl_session.h"

struct ddl_job {
	struct binlog_query q;
	struct sql_ddl *ddl;
	struct buf text; /* in the downstream's dialect */
};

static bool of_database(enum sql_verb v)
{
	return v == SQL_VERB_CREATE_DATABASE || v == SQL_VERB_ALTER_DATABASE || v == SQL_VERB_DROP_DATABASE;
}

/* 1: wanted, 0: not, -1: partly, which can't be done in one statement (T30). */
static int wanted(struct apply *a, const struct ddl_job *j, struct err *e)
{
	const struct sql_ddl *ddl = j->ddl;
	unsigned yes = 0, count = ddl->like || ddl->as_select ? 1 : ddl->ntables;
	char name[257];

	if (of_database(ddl->verb))
		return rules_schema(a->rules, ddl->schema[0] ? str_of(ddl->schema) : j->q.schema);
	if (count > ddl->ntables)
		count = ddl->ntables;
	for (unsigned i = 0; i < count; i++)
		yes += rules_table(a->rules, str_of(ddl_schema_of(&ddl->tables[i], j->q.schema, name)),
			str_of(ddl->tables[i].table));
	if (yes == 0)
		return 0;
	if (yes == count && !ddl->more)
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

static int translate(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
{
	struct buf whole = {0}, notes = {0};
	struct str text = j->q.sql;
	int r;

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

/* A statement was begun before a crash. 1: it was executed, 0: it was not, -1: nobody can tell. */
static int was_executed(struct apply *a, const struct ddl_job *j, struct str before, struct err *e)
{
	struct buf now = {0};
	bool same;

	if (ddl_picture(a, j->ddl, j->q.schema, &now, e) < 0) {
		buf_free(&now);
		return -1;
	}
	same = str_eq(before, buf_str(&now));
	buf_free(&now);
	if (proves_nothing(j->ddl, same))
		return err_set(e, ERR_sync_ddl_unproved, "%.*s", j->q.sql.n > 300 ? 300 : (int)j->q.sql.n,
			j->q.sql.p);
	log_info("a DDL statement was begun before: the structure shows that it was %s",
		same ? "not executed" : "executed");
	return !same;
}

static int execute(struct apply *a, const struct trx *t, struct ddl_job *j, struct err *e)
{
	log_info("DDL: %.*s", j->text.n > 300 ? 300 : (int)j->text.n, j->text.p);
	if (ddl_session(a->ddl, &j->q, t->timestamp, needs_database(j->ddl), e) < 0)
		return -1;
	if (j->ddl->verb == SQL_VERB_CREATE_DATABASE &&
		ddl_server_collation(a->ddl, tables_upstream(&a->tables, e), &j->q, &t->format.server, e) < 0)
		return err_add(e, "the default collation of a new database");
	if (db_exec(a->ddl, buf_str(&j->text), e) < 0)
		return err_add(e, "DDL");
	return ddl_session_reset(a->ddl, e);
}

/* A multi-table DROP that a crash cut in two: the rest of it. */
static bool drop_goes_on(const struct sql_ddl *ddl)
{
	return ddl->verb == SQL_VERB_DROP_TABLE && ddl->ntables > 1;
}

static void make_drop_tolerant(struct ddl_job *j)
{
	const char *word = "DROP TABLE IF EXISTS ";
	size_t at = j->ddl->statement_at;
	struct buf text = {0};

	(void)at;
	if (j->ddl->if_exists)
		return;
	buf_puts(&text, word);
	for (unsigned i = 0; i < j->ddl->ntables; i++) {
		buf_puts(&text, i ? "," : "");
		buf_put(&text, j->q.sql.p + j->ddl->tables[i].at,
			j->ddl->tables[i].end - j->ddl->tables[i].at);
	}
	buf_free(&j->text);
	j->text = text;
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
	done = stage == DDL_DOING ? was_executed(a, j, buf_str(&before), e) : 0;
	if (done < 0)
		goto out;
	if (done && drop_goes_on(j->ddl)) {
		make_drop_tolerant(j);
		done = 0;
	}
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
	return apply_commit(a, a->db, t->end, e);
}

int apply_ddl(struct apply *a, const struct trx *t, struct err *e)
{
	struct ddl_job j = {.ddl = arena_alloc(a->scratch, sizeof(struct sql_ddl))};
	char at[300];
	int r = -1;

	if (binlog_read_query(buf_str(&t->raw), &t->format, a->scratch, &j.q, e) == 0 &&
		ddl_to_utf8(a->ddl, &j.q, a->scratch, e) == 0 &&
		sql_ddl_read(j.q.sql, &t->format.server, j.q.sql_mode, j.ddl, e) == 0 &&
		apply_add_gtid(a, t, e) == 0)
		r = wanted(a, &j, e);
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
