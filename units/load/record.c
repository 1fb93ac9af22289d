/*
 * SQL on the meta tables, as the load needs it. The leader thread calls most of it, on a connection of its
 * own; workers the chunk's part, on theirs. Must never write outside of a transaction that holds the owner's
 * row.
 */
#include "units/load/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/sql/quote.h"
#include "units/load/own.h"

enum { STRUCTURES_BYTES = 1 << 20 };

static const char *const stages[] = {"", "schema", "load", "done"};

void record_put_text(struct buf *sql, const char *text)
{
	buf_puts(sql, "_utf8mb4");
	sql_put_string(sql, str_of(text));
}

void record_put_table(struct load *l, struct buf *sql, const char *table)
{
	sql_put_table(sql, str_of(l->meta_schema), str_of(table));
}

void record_put_where(struct load *l, struct buf *sql)
{
	buf_puts(sql, " WHERE `task`=");
	record_put_text(sql, l->task);
	buf_puts(sql, " AND `source`=");
	record_put_text(sql, l->source);
}

static void put_owner(struct load *l, struct buf *sql)
{
	record_put_text(sql, l->task);
	buf_putc(sql, ',');
	record_put_text(sql, l->source);
	buf_putc(sql, ',');
}

int record_run(struct db *c, struct buf *sql, struct err *e)
{
	int r = db_exec(c, buf_str(sql), e);

	buf_clear(sql);
	return r;
}

uint64_t record_number(struct str s)
{
	char text[24];

	snprintf(text, sizeof(text), "%.*s", s.p ? (int)s.n : 0, s.p ? s.p : "");
	return strtoull(text, NULL, 10);
}

char *record_copy(struct str s)
{
	return xstrndup(s.p ? s.p : "", s.p ? s.n : 0);
}

/* --- a transaction of the owner --- */

static int lock_owner(struct load *l, struct db *c, struct err *e)
{
	struct buf sql = {0};
	char epoch[24];
	bool found;
	int r;

	buf_puts(&sql, "SELECT `epoch` FROM ");
	record_put_table(l, &sql, "tidegate_slot");
	record_put_where(l, &sql);
	buf_puts(&sql, " AND `slot`=0 FOR UPDATE");
	r = db_value(c, buf_cstr(&sql), epoch, sizeof(epoch), &found, e);
	buf_free(&sql);
	if (r < 0)
		return -1;
	if (!found || strtoull(epoch, NULL, 10) != l->id.epoch)
		return err_set(e, ERR_sync_fenced, "%s: task %s, source %s has another owner now",
			db_where(c), l->task, l->source);
	return 0;
}

typedef int (*work)(struct load *l, struct db *c, const void *arg, struct err *e);

static int once_as_owner(struct load *l, struct db *c, work fn, const void *arg, struct err *e)
{
	int r = db_exec(c, STR_LIT("BEGIN"), e);

	if (r == 0)
		r = lock_owner(l, c, e);
	if (r == 0)
		r = fn(l, c, arg, e);
	if (r < 0) {
		db_exec(c, STR_LIT("ROLLBACK"), NULL);
		return err_add(e, "recording the copy in %s", l->meta_schema);
	}
	return db_exec(c, STR_LIT("COMMIT"), e);
}

/* Tasks that begin at the same moment lock gaps of the same tables: of two that meet, the server ends one. */
static int as_owner(struct load *l, struct db *c, work fn, const void *arg, struct err *e)
{
	enum { RETRIES = 20, LONGEST = 6 };
	int r;

	for (unsigned tries = 0;; tries++) {
		r = once_as_owner(l, c, fn, arg, e);
		if (r == 0 || !db_error_is_undone(e->sql_errno) || tries == RETRIES || load_stopping(l))
			return r;
		log_info("tried again: %s", e->text);
		err_clear(e);
		clock_sleep_ms((10u << (tries < LONGEST ? tries : LONGEST)) + (unsigned)getpid() % 64);
	}
}

/* --- tidegate_plan --- */

static void take_row(struct record *r, const struct str *v)
{
	struct err ignored;

	r->epoch = record_number(v[0]);
	r->copy_id = record_copy(v[1]);
	for (int i = RECORD_SCHEMA; i <= RECORD_FINISHED; i++)
		if (str_is(v[2], stages[i]))
			r->stage = (enum record_stage)i;
	r->snapshot.file = record_copy(v[3]);
	r->snapshot.offset = record_number(v[4]);
	r->snapshot.gtid = record_copy(v[5]);
	r->own = json_parse(v[6], "tidegate_plan.plan", &ignored);
}

int record_read(struct load *l, struct db *c, struct record *r, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int got;

	buf_puts(&sql,
		"SELECT `epoch`,`copy_id`,`stage`,`snapshot_file`,`snapshot_offset`,`snapshot_gtid`,`plan` "
		"FROM ");
	record_put_table(l, &sql, "tidegate_plan");
	record_put_where(l, &sql);
	rows = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	if (!rows)
		return -1;
	got = db_fetch(rows, &v, e);
	if (got > 0)
		take_row(r, v);
	db_rows_close(&rows);
	if (got > 0 && (!r->own || r->stage == RECORD_NONE))
		return err_set(e, ERR_load_failed,
			"the record of task %s, source %s in %s.tidegate_plan can't be read", l->task,
			l->source, l->meta_schema);
	return got < 0 ? -1 : 0;
}

void record_fini(struct record *r)
{
	plan_snapshot_fini(&r->snapshot);
	free(r->copy_id);
	json_decref(r->own);
	*r = (struct record){0};
}

struct row {
	enum record_stage stage;
	const json_t *own;
	const char *copy_id;
	struct plan_snapshot snapshot;
};

static int put_plan(struct load *l, struct db *c, const struct row *w, struct err *e)
{
	struct buf sql = {0}, own = {0};
	int r;

	json_write(w->own, &own);
	buf_puts(&sql, "REPLACE INTO ");
	record_put_table(l, &sql, "tidegate_plan");
	buf_puts(&sql, " (`task`,`source`,`epoch`,`copy_id`,`stage`,`snapshot_file`,`snapshot_offset`,`"
		       "snapshot_gtid`,`plan`)"
		       " VALUES (");
	put_owner(l, &sql);
	buf_putf(&sql, "%" PRIu64 ",", l->id.epoch);
	record_put_text(&sql, w->copy_id);
	buf_putf(&sql, ",'%s',", stages[w->stage]);
	record_put_text(&sql, w->snapshot.file);
	buf_putf(&sql, ",%" PRIu64 ",", w->snapshot.offset);
	record_put_text(&sql, w->snapshot.gtid);
	buf_putc(&sql, ',');
	record_put_text(&sql, buf_cstr(&own));
	buf_putc(&sql, ')');
	r = record_run(c, &sql, e);
	buf_free(&sql);
	buf_free(&own);
	return r;
}

static int forget(struct load *l, struct db *c, const char *table, const char *tail, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "DELETE FROM ");
	record_put_table(l, &sql, table);
	record_put_where(l, &sql);
	buf_puts(&sql, tail);
	r = record_run(c, &sql, e);
	buf_free(&sql);
	return r;
}

/* What an earlier copy, or an earlier following, has left: all of it belongs to another snapshot. */
static int forget_all(struct load *l, struct db *c, struct err *e)
{
	static const char *const tables[] = {"tidegate_chunk", "tidegate_stretch", "tidegate_structure",
		"tidegate_ddl", "tidegate_xa", "tidegate_missing", "tidegate_takeover", "tidegate_object",
		"tidegate_file", "tidegate_online"};

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		if (forget(l, c, tables[i], "", e) < 0)
			return -1;
	return forget(l, c, "tidegate_slot", " AND `slot`>0", e);
}

static int do_remove(struct load *l, struct db *c, const void *arg, struct err *e)
{
	struct row w = {
		.stage = RECORD_SCHEMA, .own = arg, .copy_id = "", .snapshot = {.file = "", .gtid = ""}};
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "UPDATE ");
	record_put_table(l, &sql, "tidegate_slot");
	buf_puts(&sql, " SET `position`='0:0:0', `base`='', `gtid`=''");
	record_put_where(l, &sql);
	r = record_run(c, &sql, e);
	buf_free(&sql);
	if (r < 0 || forget_all(l, c, e) < 0)
		return -1;
	return put_plan(l, c, &w, e);
}

int record_remove(struct load *l, struct db *c, const json_t *own, struct err *e)
{
	return as_owner(l, c, do_remove, own, e);
}

/* The place that is told: where the sync begins, and the relay keeps its log from (T21). */
struct plan_snapshot record_oldest(const struct load *l, const json_t *own)
{
	const json_t *oldest = own_oldest(own);

	if (!oldest)
		return l->plan.snapshot;
	return (struct plan_snapshot){.file = (char *)(uintptr_t)json_text(oldest, "file", ""),
		.gtid = (char *)(uintptr_t)json_text(oldest, "gtid", ""),
		.offset = (uint64_t)json_num(oldest, "offset", 0),
		.server = (char *)(uintptr_t)json_text(oldest, "identity", "")};
}

static struct row row_of(const struct load *l, enum record_stage stage, const json_t *own)
{
	return (struct row){stage, own, l->plan.copy_id, record_oldest(l, own)};
}

struct writing {
	const json_t *own;
	record_check *check;
	const struct kept *kept;
};

static int do_begin(struct load *l, struct db *c, const void *arg, struct err *e)
{
	const struct writing *g = arg;
	struct row w = row_of(l, RECORD_SCHEMA, g->own);

	if (g->check(l, c, g->own, e) < 0 || forget_all(l, c, e) < 0 || put_plan(l, c, &w, e) < 0)
		return -1;
	return record_put_stretches(l, c, e);
}

int record_begin(struct load *l, struct db *c, const json_t *own, record_check *check, struct err *e)
{
	struct writing g = {own, check, NULL};

	return as_owner(l, c, do_begin, &g, e);
}

static int do_again(struct load *l, struct db *c, const void *arg, struct err *e)
{
	const struct writing *g = arg;
	struct row w = row_of(l, RECORD_SCHEMA, g->own);

	return g->check && g->check(l, c, g->own, e) < 0 ? -1 : put_plan(l, c, &w, e);
}

int record_again(struct load *l, struct db *c, const json_t *own, record_check *check, struct err *e)
{
	struct writing g = {own, check, NULL};

	return as_owner(l, c, do_again, &g, e);
}

static int do_go_on(struct load *l, struct db *c, const void *arg, struct err *e)
{
	const struct writing *g = arg;
	struct row w = row_of(l, RECORD_SCHEMA, g->own);

	if (g->check(l, c, g->own, e) < 0 || record_forget_again(l, c, g->kept, e) < 0 ||
		put_plan(l, c, &w, e) < 0)
		return -1;
	return record_put_stretches(l, c, e);
}

int record_go_on(struct load *l, struct db *c, const json_t *own, const struct kept *k, record_check *check,
	struct err *e)
{
	struct writing g = {own, check, k};

	return as_owner(l, c, do_go_on, &g, e);
}

static int do_own(struct load *l, struct db *c, const void *own, struct err *e)
{
	struct row w = row_of(l, RECORD_LOAD, own);

	return put_plan(l, c, &w, e);
}

int record_own(struct load *l, struct db *c, const json_t *own, struct err *e)
{
	return as_owner(l, c, do_own, own, e);
}

static int do_finish(struct load *l, struct db *c, const void *arg, struct err *e)
{
	struct buf sql = {0};
	int r;

	(void)arg;
	buf_puts(&sql, "UPDATE ");
	record_put_table(l, &sql, "tidegate_plan");
	buf_puts(&sql, " SET `stage`='done'");
	record_put_where(l, &sql);
	/* Another source takes it away where a table is gone (shared.h). */
	buf_puts(&sql, " AND `copy_id`=");
	record_put_text(&sql, l->plan.copy_id);
	r = record_run(c, &sql, e);
	buf_free(&sql);
	if (r == 0 && db_affected(c) != 1)
		return err_set(e, ERR_load_failed,
			"the plan's record is gone, or another source found one of its tables gone: "
			"stop-task, DROP the "
			"tables, start-task --remove-meta");
	return r;
}

int record_finish(struct load *l, struct db *c, struct err *e)
{
	return as_owner(l, c, do_finish, NULL, e);
}

static int do_done_own(struct load *l, struct db *c, const void *row, struct err *e)
{
	return put_plan(l, c, row, e);
}

int record_done_own(struct load *l, struct db *c, const struct record *r, const json_t *own, struct err *e)
{
	struct row w = {RECORD_FINISHED, own, r->copy_id, r->snapshot};

	return as_owner(l, c, do_done_own, &w, e);
}

static int do_taken(struct load *l, struct db *c, const void *at, struct err *e)
{
	json_t *own = json_object();
	struct row w = {.stage = RECORD_FINISHED,
		.own = own,
		.copy_id = RECORD_OF_DM,
		.snapshot = *(const struct plan_snapshot *)at};
	int r = put_plan(l, c, &w, e);

	json_decref(own);
	return r;
}

int record_taken(struct load *l, struct db *c, const struct plan_snapshot *at, struct err *e)
{
	return as_owner(l, c, do_taken, at, e);
}

/* --- tidegate_structure --- */

static void put_structure(struct load *l, struct buf *sql, const struct plan_item *t, const char *position)
{
	json_t *o = structure_to_json(t->structure);
	struct buf text = {0};

	json_write(o, &text);
	json_decref(o);
	buf_putc(sql, '(');
	put_owner(l, sql);
	record_put_text(sql, t->schema);
	buf_putc(sql, ',');
	record_put_text(sql, t->name);
	buf_putf(sql, ",'%s',", position);
	record_put_text(sql, buf_cstr(&text));
	buf_putc(sql, ',');
	record_put_text(sql, t->to_schema);
	buf_putc(sql, ',');
	record_put_text(sql, t->to_name);
	buf_putc(sql, ')');
	buf_free(&text);
}

/* Of the tables that are made: those of an older snapshot have theirs. */
static int put_structures(struct load *l, struct db *c, const json_t *own, struct err *e)
{
	struct buf sql = {0};
	struct position at;
	char position[64];
	int r = plan_position(&l->plan.snapshot, &at, e);

	position_store(at, position, sizeof(position));
	for (unsigned i = 0; r == 0 && i < l->plan.tables.n; i++) {
		if (!own_is_fresh(own, l->plan.tables.p[i].schema, l->plan.tables.p[i].name))
			continue;
		if (sql.n == 0) {
			buf_puts(&sql, "REPLACE INTO ");
			record_put_table(l, &sql, "tidegate_structure");
			buf_puts(&sql, " (`task`,`source`,`table_schema`,`table_name`,`position`,`structure`,"
				       "`target_schema`,`target_table`) VALUES ");
		} else {
			buf_putc(&sql, ',');
		}
		put_structure(l, &sql, &l->plan.tables.p[i], position);
		if (sql.n >= STRUCTURES_BYTES)
			r = record_run(c, &sql, e);
	}
	if (r == 0 && sql.n > 0)
		r = record_run(c, &sql, e);
	buf_free(&sql);
	return r;
}

static int do_loading(struct load *l, struct db *c, const void *arg, struct err *e)
{
	const struct writing *g = arg;

	return g->check(l, c, g->own, e) < 0 || put_structures(l, c, g->own, e) < 0 ? -1
										    : do_own(l, c, g->own, e);
}

int record_loading(struct load *l, struct db *c, const json_t *own, record_check *check, struct err *e)
{
	struct writing g = {own, check, NULL};

	return as_owner(l, c, do_loading, &g, e);
}

static void add_tracked(json_t *own, const char *kind, const struct str *v)
{
	char *name[4];

	for (size_t i = 0; i < 4; i++)
		name[i] = record_copy(v[i]);
	if (!(own_has(own, "tables", name[0], name[1]) &&
		    own_is_placed(own, name[0], name[1], name[2], name[3])))
		own_add(own, kind, name[2], name[3]);
	for (size_t i = 0; i < 4; i++)
		free(name[i]);
}

int record_tracked(struct load *l, struct db *c, const char *kind, json_t *own, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n = -1;

	buf_puts(&sql, "SELECT `table_schema`,`table_name`," META_TARGETS " FROM ");
	record_put_table(l, &sql, "tidegate_structure");
	record_put_where(l, &sql);
	buf_puts(&sql, " AND `table_name`<>''");
	rows = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	while (rows && (n = db_fetch(rows, &v, e)) > 0)
		add_tracked(own, kind, v);
	db_rows_close(&rows);
	return n;
}
