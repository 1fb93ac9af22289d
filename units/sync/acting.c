/*
 * Are the upstream's acting foreign keys in the downstream too? Both servers are asked as they are now, but
 * the stream may be far behind: what is missing may still come. So it is an error only where it is missing
 * from the position on that the upstream had when it had the key. Called in the scheduler's thread, which no
 * upstream that is away may hold up.
 */
#include "units/sync/acting.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/db/status.h"
#include "common/sql/quote.h"
#include "units/sync/acting_keys.h"
#include "units/sync/apply.h"

enum { AGAIN_MS = 60000 };

void acting_fini(struct acting *x)
{
	acting_missing_free(&x->missing);
}

/* Filters leave out of the child what it would do there: such rows stay anyway. */
static bool left_out(const struct tables *ts, const struct str *v, int action)
{
	enum event_id becomes =
		action == RULE_ON_DELETE && str_is(v[action], "CASCADE") ? EVENT_delete : EVENT_update;

	return filter_rows(rules_filter(ts->rules), v[RULE_CHILD_SCHEMA], v[RULE_CHILD], becomes).action ==
	       FILTER_IGNORE;
}

/* Not of those that an online change is at work on: while it exchanges a parent for its next form, children
 * hang on what is left behind until they are altered. */
static bool is_ours(const struct tables *ts, const struct str *v)
{
	const struct online *o = rules_online(ts->rules);

	return rules_table(ts->rules, v[RULE_CHILD_SCHEMA], v[RULE_CHILD]) &&
	       online_kind(o, v[RULE_CHILD]) == ONLINE_REAL && online_kind(o, v[RULE_PARENT]) == ONLINE_REAL;
}

/* By the name downstream, where it has one. False: routes give none, which its rows will tell. */
static bool rename_one(const struct tables *ts, struct str *v, struct route_name *to)
{
	struct err ignored = {0};

	if (!rules_table(ts->rules, v[0], v[1]))
		return true;
	if (route_table(rules_route(ts->rules), v[0], v[1], to, &ignored) < 0)
		return false;
	v[0] = str_of(to->schema);
	v[1] = str_of(to->table);
	return true;
}

static void take_up(const struct tables *ts, struct acting_side *s, const struct str *row)
{
	struct route_name child, parent;
	struct str v[RULE_N];

	memcpy(v, row, sizeof(v));
	if (!is_ours(ts, row) || !rename_one(ts, v + RULE_CHILD_SCHEMA, &child) ||
		!rename_one(ts, v + RULE_PARENT_SCHEMA, &parent))
		return;
	for (int i = RULE_ON_DELETE; i <= RULE_ON_UPDATE; i++)
		if (left_out(ts, row, i))
			v[i] = (struct str){0};
	acting_side_add(s, row, v);
}

static int read_rules(const struct tables *ts, struct db *d, bool up, struct acting_side *s, struct err *e)
{
	static const char sql[] =
		"SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME, "
		"CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS";
	struct db_rows *rows = db_query(d, STR_LIT(sql), e);
	const struct str *v;
	int n = -1;

	while (rows && (n = db_fetch(rows, &v, e)) > 0)
		if (up)
			take_up(ts, s, v);
		else
			acting_side_add(s, v, v);
	db_rows_close(&rows);
	return n;
}

static int read_columns(struct db *d, struct acting_side *s, struct err *e)
{
	static const char sql[] =
		"SELECT TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_COLUMN_NAME FROM "
		"information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_NAME IS NOT NULL";
	struct db_rows *rows = db_query(d, STR_LIT(sql), e);
	const struct str *v;
	int n = -1;

	while (rows && (n = db_fetch(rows, &v, e)) > 0)
		acting_side_column(s, v);
	db_rows_close(&rows);
	return n;
}

static struct acting_side *read_side(const struct tables *ts, struct db *d, bool up, struct err *e)
{
	struct acting_side *s = acting_side_new();

	if (read_rules(ts, d, up, s, e) < 0 || (!acting_side_empty(s) && read_columns(d, s, e) < 0))
		acting_side_free(&s);
	return s;
}

/* Where the upstream is: whatever made its foreign keys stands before it. */
static int read_until(struct apply *a, struct position at, struct position *until, struct err *e)
{
	struct db_master_status s = {0};
	char base[256];
	int r = db_master_status(a->tables.ask_up, &s, e);

	*until = (struct position){.generation = at.generation, .offset = s.offset};
	if (r == 0)
		r = binlog_name_split(str_of(s.file), base, sizeof(base), &until->file, e);
	/* Another server already: its files come with another generation. */
	if (r == 0 && a->base[0] && !str_is(str_of(base), a->base))
		*until = (struct position){.generation = at.generation + 1};
	free(s.gtid);
	return r;
}

/* 1: it is asked again. The log has it once, until it goes again. */
static int away(struct apply *a, struct err *e)
{
	struct acting *x = &a->acting;

	if (!x->said)
		log_warn("whether the downstream has the upstream's foreign keys can't be told, it is "
			 "asked again each %d s: %s",
			AGAIN_MS / 1000, e->text);
	x->said = true;
	err_clear(e);
	db_close(&a->tables.ask_up);
	x->not_before_ms = clock_ms() + AGAIN_MS;
	return 1;
}

/* Of the downstream, whose connection is not ours to make: what it refuses is no reason to stop. */
static int refused(struct apply *a, struct err *e)
{
	return err_act(e->code) == ERR_ACT_RETRY ? -1 : away(a, e);
}

/* A connection that broke meanwhile is made again once. */
static struct acting_side *read_up(struct apply *a, struct err *e)
{
	struct acting_side *up = NULL;

	for (int i = 0; i < 2 && !up && tables_upstream(&a->tables, e); i++) {
		err_clear(e);
		up = read_side(&a->tables, a->tables.ask_up, true, e);
		if (!up)
			db_close(&a->tables.ask_up);
	}
	return up;
}

struct judging {
	struct apply *a;
	struct position at, until;
	struct err *e;
	int r;
};

/* Of a child that the downstream has not, no row can stay. */
static bool is_there(void *arg, struct str key, struct acting_missing *m)
{
	struct judging *j = arg;
	struct buf sql = {0};
	char one[8];
	bool found = true;

	(void)key;
	if (j->r < 0)
		return true;
	buf_puts(&sql, "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA=");
	sql_put_string(&sql, str_of(m->schema));
	buf_puts(&sql, " AND TABLE_NAME=");
	sql_put_string(&sql, str_of(m->table));
	j->r = db_value(j->a->tables.ask_down, buf_cstr(&sql), one, sizeof(one), &found, j->e);
	buf_free(&sql);
	return j->r < 0 || found;
}

/* Behind all that could make it: now, or it was seen before. Of an UPDATE of a parent's key the log tells
 * alone: such are rare, and where the downstream has the key without the action it refuses them. */
static bool stays_open(void *arg, struct str key, struct acting_missing *m)
{
	struct judging *j = arg;
	const struct acting *x = &j->a->acting;
	bool seen = x->missing && map_get(x->missing, key);

	if (position_cmp(j->at, j->until) < 0 && !(seen && position_cmp(j->at, x->until) >= 0)) {
		if (!seen && m->deletes)
			log_warn("the upstream's binlog does not hold what this changes there, and the "
				 "downstream has no such foreign key: %s; if no statement that is still to "
				 "come makes it, the task stops",
				m->text);
		return true;
	}
	if (!m->deletes)
		log_warn(
			"the upstream's binlog does not hold what this changes there, and the downstream has "
			"no such foreign key: %s; an UPDATE of the parent's key would leave its children as "
			"they are",
			m->text);
	else if (j->r == 0)
		j->r = err_set(j->e, ERR_sync_cascade_missing, "%s", m->text);
	return false;
}

/* The position behind the upstream's keys, those of the downstream last. 1: it is asked again. */
static int read_missing(struct judging *j, struct map **missing)
{
	struct apply *a = j->a;
	struct acting_side *up = read_up(a, j->e), *down = NULL;
	int r = 0;

	if (!up)
		return away(a, j->e);
	if (acting_side_empty(up))
		*missing = map_new();
	else if (read_until(a, j->at, &j->until, j->e) < 0)
		r = away(a, j->e);
	else if ((down = read_side(&a->tables, a->tables.ask_down, false, j->e))) {
		*missing = acting_missing(up, down, db_server(a->tables.ask_down)->flavor == FLAVOR_TIDB);
		acting_missing_keep(missing, is_there, j);
		r = j->r < 0 ? refused(a, j->e) : 0;
	} else
		r = refused(a, j->e);
	acting_side_free(&up);
	acting_side_free(&down);
	return r;
}

static int look(struct apply *a, struct position at, struct err *e)
{
	struct judging j = {.a = a, .at = at, .e = e};
	struct map *missing = NULL;
	int r = read_missing(&j, &missing);

	if (r == 0) {
		acting_missing_keep(&missing, stays_open, &j);
		r = j.r;
	}
	if (r != 0) {
		acting_missing_free(&missing);
		return r < 0 ? -1 : 0;
	}
	acting_missing_free(&a->acting.missing);
	if (map_count(missing) == 0)
		acting_missing_free(&missing);
	a->acting = (struct acting){.known = true, .missing = missing, .until = j.until};
	return 0;
}

int acting_check(struct apply *a, struct position at, struct err *e)
{
	struct acting *x = &a->acting;

	if (x->by_log)
		x->by_log = x->known = false;
	if (x->known && !(x->missing && position_cmp(at, x->until) >= 0))
		return 0;
	return clock_ms() < x->not_before_ms ? 0 : look(a, at, e);
}

/* Before the first rows nobody has said whose stream it is: its server of now. */
static int logged_by_now(struct apply *a, bool *logged, struct err *e)
{
	if (!tables_upstream(&a->tables, e))
		return -1;
	return tables_cascades_logged(&a->tables, db_server(a->tables.ask_up), logged, e);
}

int acting_check_idle(struct apply *a, struct position at, struct err *e)
{
	bool logged = a->cascades_logged;

	if (position_is_zero(at) || (a->acting.known && !a->acting.missing) ||
		clock_ms() < a->acting.not_before_ms)
		return 0;
	if (!a->cascades_known && logged_by_now(a, &logged, e) < 0)
		return away(a, e) == 1 ? 0 : -1;
	if (logged)
		a->acting.by_log = a->acting.known = true;
	return logged ? 0 : acting_check(a, at, e);
}
