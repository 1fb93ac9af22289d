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
#include "common/base/xalloc.h"
#include "common/db/status.h"
#include "common/sql/quote.h"
#include "units/sync/apply.h"

enum { AGAIN_MS = 60000 };

/* Columns of a row of REFERENTIAL_CONSTRAINTS. */
enum { CHILD_SCHEMA, CHILD, PARENT_SCHEMA, PARENT, NAME, ON_DELETE, ON_UPDATE, COLUMNS };

/* Constraints of one kind between two tables: names may differ on both sides, how many there are may not. */
struct kind {
	unsigned n;
	char *text;
};

static void kind_free(void *p)
{
	struct kind *k = p;

	free(k->text);
	free(k);
}

static void kinds_free(struct map **m)
{
	if (*m)
		map_free(m, kind_free);
}

void acting_fini(struct acting *x)
{
	kinds_free(&x->missing);
}

/* As some servers compare names; those beyond ASCII are folded in ways of their own, so they don't count. */
static void put_folded(struct buf *b, struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!(name.p[i] & 0x80))
			buf_putc(
				b, (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] + 32 : name.p[i]));
	buf_putc(b, '\0');
}

static void add(struct map *kinds, const struct str *v, int action)
{
	struct buf key = {0}, text = {0};
	struct kind *k;

	for (int i = CHILD_SCHEMA; i <= PARENT; i++)
		put_folded(&key, v[i]);
	buf_putf(&key, "%d%.*s", action, STR_ARG(v[action]));
	k = map_get(kinds, buf_str(&key));
	if (!k) {
		sql_put_table(&text, v[CHILD_SCHEMA], v[CHILD]);
		buf_putf(&text, ", foreign key `%.*s` to ", STR_ARG(v[NAME]));
		sql_put_table(&text, v[PARENT_SCHEMA], v[PARENT]);
		buf_putf(&text, " ON %s %.*s", action == ON_DELETE ? "DELETE" : "UPDATE", STR_ARG(v[action]));
		k = xcalloc(1, sizeof(*k));
		k->text = xstrdup(buf_cstr(&text));
		map_put(kinds, buf_str(&key), k);
		buf_free(&text);
	}
	k->n++;
	buf_free(&key);
}

static bool acts(struct str rule)
{
	return !str_is(rule, "RESTRICT") && !str_is(rule, "NO ACTION");
}

/* Filters leave out of the child what it would do there: such rows stay anyway. */
static bool left_out(const struct tables *ts, const struct str *v, int action)
{
	enum event_id becomes =
		action == ON_DELETE && str_is(v[action], "CASCADE") ? EVENT_delete : EVENT_update;

	return filter_rows(rules_filter(ts->rules), v[CHILD_SCHEMA], v[CHILD], becomes).action ==
	       FILTER_IGNORE;
}

/* False: not wanted, or a form of a table that an online change is about to make. */
static bool is_ours(const struct tables *ts, struct str schema, struct str table)
{
	return rules_table(ts->rules, schema, table) &&
	       online_kind(rules_online(ts->rules), table) == ONLINE_REAL;
}

/* By the name downstream, where it has one. */
static int rename_one(const struct tables *ts, struct str *v, struct route_name *to, struct err *e)
{
	if (!rules_table(ts->rules, v[0], v[1]))
		return 0;
	if (route_table(rules_route(ts->rules), v[0], v[1], to, e) < 0)
		return -1;
	v[0] = str_of(to->schema);
	v[1] = str_of(to->table);
	return 0;
}

static int take_up(const struct tables *ts, struct map *kinds, const struct str *row, struct err *e)
{
	struct route_name child, parent;
	struct str v[COLUMNS];

	memcpy(v, row, sizeof(v));
	if (!is_ours(ts, v[CHILD_SCHEMA], v[CHILD]))
		return 0;
	if (rename_one(ts, v + CHILD_SCHEMA, &child, e) < 0 ||
		rename_one(ts, v + PARENT_SCHEMA, &parent, e) < 0)
		return -1;
	for (int i = ON_DELETE; i <= ON_UPDATE; i++)
		if (acts(row[i]) && !left_out(ts, row, i))
			add(kinds, v, i);
	return 0;
}

static struct map *read_side(const struct tables *ts, struct db *d, bool up, struct err *e)
{
	static const char sql[] =
		"SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME, "
		"CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS";
	struct db_rows *rows = db_query(d, STR_LIT(sql), e);
	struct map *kinds = map_new();
	const struct str *v;
	int n = -1;

	while (rows && (n = db_fetch(rows, &v, e)) > 0) {
		if (up && take_up(ts, kinds, v, e) < 0) {
			n = -1;
			break;
		}
		for (int i = ON_DELETE; !up && i <= ON_UPDATE; i++)
			if (acts(v[i]))
				add(kinds, v, i);
	}
	db_rows_close(&rows);
	if (n < 0)
		kinds_free(&kinds);
	return kinds;
}

/* What up has and down has not. Routes make one of several. */
static struct map *missing_of(struct map **up, const struct map *down, bool routed)
{
	struct map *left = map_new();
	struct str key;
	size_t at = 0;
	void *value;

	while (map_next(*up, &at, &key, &value)) {
		struct kind *u = value, *d = map_get(down, key);

		if ((routed ? 1 : u->n) > (d ? d->n : 0))
			map_put(left, key, u);
		else
			kind_free(u);
	}
	map_free(up, NULL);
	return left;
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

/* 1: it is asked again. */
static int away(struct apply *a, struct err *e)
{
	log_warn("whether the downstream has the upstream's foreign keys is asked again in %d s: %s",
		AGAIN_MS / 1000, e->text);
	err_clear(e);
	db_close(&a->tables.ask_up);
	a->acting.not_before_ms = clock_ms() + AGAIN_MS;
	return 1;
}

/* A connection that broke meanwhile is made again once. */
static struct map *read_up(struct apply *a, struct err *e)
{
	struct map *up = NULL;

	for (int i = 0; i < 2 && !up && tables_upstream(&a->tables, e); i++) {
		err_clear(e);
		up = read_side(&a->tables, a->tables.ask_up, true, e);
		if (up || e->code == ERR_route_failed)
			break;
		db_close(&a->tables.ask_up);
	}
	return up;
}

/* What is missing behind all that could make it: now, or it was seen before. */
static int judge(
	struct apply *a, struct map *missing, struct position at, const struct position *until, struct err *e)
{
	struct acting *x = &a->acting;
	bool later = x->missing && position_cmp(at, x->until) >= 0;
	struct str key;
	size_t i = 0;
	void *value;

	while (map_next(missing, &i, &key, &value)) {
		bool known = x->missing && map_get(x->missing, key);
		const struct kind *k = value;

		if (position_cmp(at, *until) >= 0 || (later && known))
			return err_set(e, ERR_sync_cascade_missing, "%s", k->text);
		if (!known)
			log_warn("the upstream's binlog does not hold what this changes there, and the "
				 "downstream has no such foreign key: %s; if no statement that is still to "
				 "come "
				 "makes it, the task stops",
				k->text);
	}
	return 0;
}

/* The position behind the upstream's keys, those of the downstream last. 1: away, it is asked again. */
static int read_missing(
	struct apply *a, struct position at, struct map **missing, struct position *until, struct err *e)
{
	struct map *up = read_up(a, e), *down;

	if (!up)
		return e->code == ERR_route_failed ? -1 : away(a, e);
	*missing = up;
	if (map_count(up) == 0)
		return 0;
	if (read_until(a, at, until, e) < 0)
		return away(a, e);
	if (!(down = read_side(&a->tables, a->tables.ask_down, false, e)))
		return -1;
	*missing = missing_of(&up, down, rules_route(a->tables.rules) != NULL);
	kinds_free(&down);
	return 0;
}

static int look(struct apply *a, struct position at, struct err *e)
{
	struct map *missing = NULL;
	struct position until = {0};
	int r = read_missing(a, at, &missing, &until, e);

	if (r == 0)
		r = judge(a, missing, at, &until, e);
	if (r != 0) {
		kinds_free(&missing);
		return r < 0 ? -1 : 0;
	}
	kinds_free(&a->acting.missing);
	if (map_count(missing) == 0)
		kinds_free(&missing);
	a->acting.known = true;
	a->acting.missing = missing;
	a->acting.until = until;
	return 0;
}

int acting_check(struct apply *a, struct position at, struct err *e)
{
	struct acting *x = &a->acting;

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
		a->acting.known = true;
	return logged ? 0 : acting_check(a, at, e);
}
