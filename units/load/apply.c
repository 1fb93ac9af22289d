/*
 * A chunk, exactly once: its rows and its record in one transaction; after a lost connection the old session
 * is seen gone, and the record tells whether it got through (T1, T2). Called by the workers. Must never
 * commit rows without their record.
 */
#include "units/load/apply.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/io.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/db/structure.h"
#include "common/sql/quote.h"
#include "segment.h"
#include "units/load/kept.h"
#include "units/load/lax.h"
#include "units/load/record.h"
#include "units/load/rows.h"
#include "units/load/split.h"

enum { TRIES = 30, PAUSE_MS = 200, KEEP_BYTES = 64 << 20, SQL_DUPLICATE = 1062 };
/* LOAD DATA LOCAL is switched off: MySQL 8, MariaDB, and older ones of both. */
enum { SQL_NO_LOCAL = 3948, SQL_NO_LOCAL_MARIADB = 4166, SQL_NOT_ALLOWED = 1148 };

/* --- the connection --- */

static bool is_lost(const struct err *e)
{
	return db_error_is_lost(e->sql_errno) || e->code == ERR_db_driver;
}

static void lose(struct applier *a)
{
	if (!a->c)
		return;
	a->old = db_connection_id(a->c);
	rows_forget(a);
	load_disconnect(a->l, &a->c);
	free(a->schema);
	a->schema = NULL;
}

/* A server may refuse LOCAL INFILE altogether: MySQL does by default. Warnings are read behind it; how many
 * MySQL 8 keeps (1024, unless told otherwise) is not for every account to say. */
static int may_load(struct applier *a, bool *may, struct err *e)
{
	const struct server *s = db_server(a->c);
	bool keeps = s->flavor == FLAVOR_MYSQL && s->version >= 80000, found;
	char text[24];

	if (db_value(a->c,
		    keeps ? "SELECT @@global.local_infile AND @@max_error_count>=64"
			  : "SELECT @@global.local_infile",
		    text, sizeof(text), &found, e) < 0)
		return -1;
	*may = found && strcmp(text, "1") == 0;
	if (!*may)
		return 0;
	return db_exec(a->c,
		keeps ? STR_LIT("SET SESSION sql_notes=1")
		      : STR_LIT("SET SESSION max_error_count=64, SESSION sql_notes=1"),
		e);
}

/* What was measured to be the fastest of what the downstream has (docs/design/copy.md, "Ways to load"). */
static int choose_way(struct applier *a, struct err *e)
{
	enum load_by want = a->l->by;
	bool may = false;

	if (want == LOAD_BY_AUTO)
		want = a->l->to.flavor == FLAVOR_MARIADB ? LOAD_BY_BULK
		       : a->l->to.flavor == FLAVOR_MYSQL ? LOAD_BY_LOAD_DATA
							 : LOAD_BY_INSERT;
	/* TiDB before 7.6 commits inside of LOAD DATA. */
	if (want == LOAD_BY_LOAD_DATA && a->l->to.flavor != FLAVOR_TIDB && may_load(a, &may, e) < 0)
		return -1;
	a->way = want;
	if ((want == LOAD_BY_LOAD_DATA && !may) || (want == LOAD_BY_BULK && !db_can_bulk(a->c)))
		a->way = LOAD_BY_INSERT;
	if (!atomic_exchange(&a->l->way_told, true))
		log_info("rows are written by %s%s", rows_way_name(a),
			want == LOAD_BY_LOAD_DATA && !may
				? " (LOAD DATA is faster: SET GLOBAL local_infile=ON)"
				: "");
	return 0;
}

static int ask_limits(struct applier *a, struct err *e)
{
	return db_limits_read(a->c, &a->limits, e) < 0 ? -1 : choose_way(a, e);
}

static int see_old_gone(struct applier *a, struct err *e)
{
	if (a->old && load_end_old(a->l, a->c, a->old, e) < 0)
		return -1;
	a->old = 0;
	return 0;
}

static int connect_now(struct applier *a, struct err *e)
{
	if (a->c)
		return 0;
	a->c = load_connect(a->l, DB_APPLY, true, e);
	if (!a->c)
		return -1;
	if (ask_limits(a, e) == 0 && see_old_gone(a, e) == 0)
		return 0;
	/* No row went over this one: the one to be seen gone is still the old one. */
	load_disconnect(a->l, &a->c);
	return -1;
}

/* --- the transaction --- */

static int use(struct applier *a, const char *schema, struct err *e)
{
	struct buf sql = {0};
	int r;

	if (a->schema && strcmp(a->schema, schema) == 0)
		return 0;
	buf_puts(&sql, "USE ");
	sql_put_ident(&sql, str_of(schema));
	r = db_exec(a->c, buf_str(&sql), e);
	buf_free(&sql);
	if (r < 0)
		return -1;
	free(a->schema);
	a->schema = xstrdup(schema);
	return 0;
}

static int read_file(struct applier *a, const struct chunk *k, struct err *e)
{
	buf_clear(&a->text);
	if (io_read_file(a->l->env->state_fd, k->file, (size_t)k->bytes, &a->text, e) < 0)
		return err_add(e, "chunk %" PRIu64, k->number);
	/* A dump that starts anew empties its folder, and uses the names again. */
	if (a->text.n != k->bytes)
		return err_set(e, ERR_dump_changed, "%s has %zu bytes, announced were %" PRIu64, k->file,
			a->text.n, k->bytes);
	return 0;
}

int apply_check_size(const struct applier *a, size_t bytes, struct err *e)
{
	if (a->limits.packet == 0 || bytes + 2 < a->limits.packet)
		return 0;
	return err_set(e, ERR_load_failed,
		"a statement of %zu bytes is more than the downstream's max_allowed_packet of %" PRIu64
		": SET GLOBAL max_allowed_packet to more, then resume-task",
		bytes, a->limits.packet);
}

int apply_check_row(const struct applier *a, uint64_t bytes, struct err *e)
{
	if (bytes <= a->limits.entry)
		return 0;
	return err_set(e, ERR_load_too_large,
		"a row of %" PRIu64 " bytes, TiDB's txn-entry-size-limit is %" PRIu64, bytes,
		a->limits.entry);
}

/*
 * Where a row of a table of several moments meets another one in a unique key, both have changed since the
 * older snapshot, so the sync writes both again, whichever stays (T23, docs/design/copy.md).
 */
static int put_statement(struct applier *a, struct str statement, struct err *e)
{
	static const char insert[] = "INSERT INTO ";
	size_t n = sizeof(insert) - 1;
	struct buf sql = {0};
	int r;

	if (a->care != CARE_DUPLICATES || a->on_duplicate != DUPLICATE_REPLACE || statement.n < n ||
		memcmp(statement.p, insert, n) != 0)
		return db_exec(a->c, statement, e);
	buf_puts(&sql, "REPLACE INTO ");
	buf_put(&sql, statement.p + n, statement.n - n);
	r = db_exec(a->c, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

int apply_judge_duplicate(struct applier *a, const struct plan_item *t, struct err *e)
{
	struct structure *down;
	bool found;

	if (!t->mixed || a->judged)
		return 0;
	down = db_structure(a->c, t->to_schema, t->to_name, &found, e);
	if (!down && e->code)
		return -1;
	if (down && !kept_alike(t->structure, down))
		a->on_duplicate = a->l->on_duplicate;
	a->judged = true;
	structure_free(&down);
	return 0;
}

/* A file of SQL statements. */
static int put_sql(struct applier *a, const struct chunk *k, uint64_t *rows, struct err *e)
{
	struct split s = {0};
	struct str statement;
	int r;

	if (read_file(a, k, e) < 0)
		return -1;
	s.text = buf_str(&a->text);
	while ((r = split_next(&s, &statement, e)) > 0) {
		if (apply_check_size(a, statement.n, e) < 0 || put_statement(a, statement, e) < 0)
			return -1;
		if (!split_is_insert(statement))
			continue;
		*rows += db_affected(a->c);
		if (db_affected(a->c) > 0 && str_starts(statement, "INSERT IGNORE ") &&
			lax_check(a->c, a->l->plan.tables.p[k->table].structure, statement, e) < 0)
			return -1;
		if (FAILPOINT_HIT(load_mid_chunk))
			return err_set(e, ERR_db_lost, "failpoint load_mid_chunk");
	}
	return r;
}

static bool is_spool(const char *file)
{
	size_t n = strlen(file), ending = strlen(SEGMENT_ENDING);

	return n >= ending && strcmp(file + n - ending, SEGMENT_ENDING) == 0;
}

static int put_rows(struct applier *a, const struct chunk *k, struct err *e)
{
	bool spool = is_spool(k->file);
	uint64_t rows = 0;

	if ((spool ? rows_put(a, k, &rows, e) : put_sql(a, k, &rows, e)) < 0)
		return -1;
	if (rows != k->rows && a->care != CARE_DUPLICATES)
		return err_set(e, ERR_load_failed, "%s has %" PRIu64 " rows, the downstream took %" PRIu64,
			k->file, k->rows, rows);
	return 0;
}

static int put_record(struct applier *a, const struct chunk *k, struct err *e)
{
	struct record_chunk c = {k, &a->l->plan.tables.p[k->table]};
	struct buf sql = {0};
	int r;

	record_put_chunk(a->l, &sql, &c);
	r = db_exec(a->c, buf_str(&sql), e);
	buf_free(&sql);
	if (r == 0 && db_affected(a->c) != 1)
		return err_set(e, ERR_sync_fenced, "%s: the chunk's record was refused", db_where(a->c));
	return r;
}

static int transaction(struct applier *a, const struct chunk *k, struct err *e)
{
	if (use(a, a->l->plan.tables.p[k->table].to_schema, e) < 0 || db_exec(a->c, STR_LIT("BEGIN"), e) < 0)
		return -1;
	if (put_rows(a, k, e) < 0 || put_record(a, k, e) < 0)
		return -1;
	if (FAILPOINT_HIT(load_before_commit))
		return err_set(e, ERR_db_lost, "failpoint load_before_commit");
	if (db_exec(a->c, STR_LIT("COMMIT"), e) < 0)
		return -1;
	if (FAILPOINT_HIT(load_after_commit)) {
		/* As if the reply had been lost: the record decides. */
		lose(a);
		return err_set(e, ERR_db_lost, "failpoint load_after_commit");
	}
	return 0;
}

/* --- trying again --- */

static void clear_transaction(struct applier *a, const struct err *why)
{
	struct err rollback = {0};

	if (a->cut || is_lost(why))
		lose(a);
	else if (a->c && db_exec(a->c, STR_LIT("ROLLBACK"), &rollback) < 0)
		lose(a);
	a->cut = false;
}

/* It was allowed when the connection was made. */
static bool no_load_any_more(struct applier *a, const struct err *why)
{
	if (a->way != LOAD_BY_LOAD_DATA || a->care != CARE_NONE ||
		(why->sql_errno != SQL_NO_LOCAL && why->sql_errno != SQL_NO_LOCAL_MARIADB &&
			why->sql_errno != SQL_NOT_ALLOWED))
		return false;
	log_info("LOAD DATA LOCAL was switched off in the downstream: rows are written by INSERT now");
	a->way = LOAD_BY_INSERT;
	return true;
}

/* Is there a more careful way to try it? */
static bool more_care(struct applier *a, const struct err *why)
{
	bool duplicate = why->sql_errno == SQL_DUPLICATE && a->on_duplicate != DUPLICATE_ERROR;

	if (a->doubt)
		a->care = CARE_STRICT;
	else if (duplicate && a->care != CARE_DUPLICATES)
		a->care = CARE_DUPLICATES;
	else
		return false;
	a->doubt = false;
	return true;
}

/* After a failure: 1: the chunk is recorded all the same; 0: try it again; -1: e stands. */
static int look_again(struct applier *a, const struct chunk *k, const struct err *why, struct err *e)
{
	bool duplicate = why->sql_errno == SQL_DUPLICATE, again = a->doubt;
	int r;

	clear_transaction(a, why);
	if (no_load_any_more(a, why))
		return 0;
	if (!duplicate && !again && err_act(why->code) != ERR_ACT_RETRY)
		return -1;
	r = connect_now(a, e);
	if (r == 0)
		r = record_has_chunk(a->l, a->c, k->number, e);
	if (r == 0 && duplicate)
		r = apply_judge_duplicate(a, &a->l->plan.tables.p[k->table], e);
	if (r == 0 && (duplicate || again))
		return more_care(a, why) ? 0 : -1;
	if (r >= 0)
		return r;
	if (is_lost(e))
		lose(a);
	return err_act(e->code) == ERR_ACT_RETRY ? 0 : -1;
}

static int refused(struct err *e, const struct chunk *k, const struct plan_item *t)
{
	if (load_is_too_large(e))
		e->code = ERR_load_too_large;
	else if (err_act(e->code) == ERR_ACT_PAUSE && e->code != ERR_load_too_large)
		e->code = ERR_load_failed;
	if ((t->merged || t->shared) && e->sql_errno == SQL_DUPLICATE)
		err_add(e, "rows of tables that are merged into `%s`.`%s` have the same key", t->to_schema,
			t->to_name);
	else if (t->mixed && e->sql_errno == SQL_DUPLICATE)
		err_add(e,
			"`%s`.`%s` has a collation in its key by which two rows have the same key there, and "
			"not in the upstream; or the row got that key while the copy was under way, then "
			"copy this table again",
			t->to_schema, t->to_name);
	return err_add(e, "table `%s`.`%s`, chunk %s", t->schema, t->name, k->file);
}

int apply_chunk(struct applier *a, const struct chunk *k, struct err *e)
{
	const struct plan_item *t = &a->l->plan.tables.p[k->table];
	struct err why;
	int r;

	a->care = CARE_NONE;
	/* Of merged tables the row that is there may be another one's: nothing may go over it. */
	a->on_duplicate = t->merged || t->shared ? DUPLICATE_ERROR
			  : t->mixed             ? DUPLICATE_REPLACE
						 : a->l->on_duplicate;
	a->doubt = a->cut = a->judged = false;
	for (unsigned n = 1;; n++) {
		err_clear(e);
		if (connect_now(a, e) == 0 && transaction(a, k, e) == 0)
			break;
		if (load_stopping(a->l))
			return -1;
		why = *e;
		r = look_again(a, k, &why, e);
		if (r == 1)
			break;
		if (r < 0 || n == TRIES) {
			*e = r < 0 && err_act(why.code) == ERR_ACT_RETRY ? *e : why;
			return refused(e, k, t);
		}
		log_info("chunk %" PRIu64 " is tried again: %s", k->number, why.text);
		if (!load_pause(a->l, n < 10 ? n * PAUSE_MS : 10 * PAUSE_MS))
			return -1;
	}
	if (a->text.cap > KEEP_BYTES)
		buf_free(&a->text);
	return 0;
}

void apply_fini(struct applier *a)
{
	struct err ignored;

	rows_forget(a);
	if (a->c && !load_stopping(a->l))
		meta_forget_connection(a->c, &a->l->id, db_connection_id(a->c), &ignored);
	load_disconnect(a->l, &a->c);
	buf_free(&a->text);
	free(a->schema);
}
