/*
 * Stored objects of a server, read and made. Called by dump, load and cutover. Their bodies are never looked
 * into: they go over as they are, under the sql_mode and collation that they were written for.
 */
#include "common/db/object.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/db/internal.h"
#include "common/sql/dialect.h"
#include "common/sql/quote.h"

enum { BAD_VALUE = 1231, BAD_COLLATION = 1273, BAD_ZONE = 1298 };

static char *copy(struct str s)
{
	return xstrndup(s.p ? s.p : "", s.n);
}

void object_fini(struct object *o)
{
	free(o->schema);
	free(o->name);
	free(o->definer);
	free(o->create);
	free(o->sql_mode);
	free(o->collation);
	free(o->time_zone);
	free(o->table);
	*o = (struct object){0};
}

void objects_fini(struct objects *o)
{
	for (unsigned i = 0; i < o->n; i++)
		object_fini(&o->p[i]);
	free(o->p);
	*o = (struct objects){0};
}

struct object *objects_add(struct objects *o)
{
	if ((o->n & (o->n - 1)) == 0)
		o->p = xrealloc(o->p, (o->n ? 2 * (size_t)o->n : 1) * sizeof(*o->p));
	o->p[o->n] = (struct object){0};
	return &o->p[o->n++];
}

/* --- lists: schema, name, definer, sql_mode, collation, then what the kind has of its own --- */

#define HEAD(schema, name, mode) "SELECT " schema "," name ",DEFINER," mode ",COLLATION_CONNECTION"

static const struct list {
	unsigned kinds;
	const char *sql;
} lists[] = {
	{OBJECT_BIT(OBJECT_VIEW), HEAD("TABLE_SCHEMA", "TABLE_NAME",
					  "''") ",'VIEW' FROM information_schema.VIEWS ORDER BY 1,2"},
	{OBJECTS_ROUTINES, HEAD("ROUTINE_SCHEMA", "ROUTINE_NAME",
				   "SQL_MODE") ",ROUTINE_TYPE FROM "
					       "information_schema.ROUTINES ORDER BY 1,6,2"},
	{OBJECTS_TRIGGERS, HEAD("TRIGGER_SCHEMA", "TRIGGER_NAME",
				   "SQL_MODE") ",'TRIGGER',EVENT_OBJECT_TABLE,ACTION_TIMING,"
					       "EVENT_MANIPULATION"
					       " FROM information_schema.TRIGGERS ORDER BY 1,7,9,8,"
					       "ACTION_ORDER,2"},
	{OBJECTS_EVENTS,
		HEAD("EVENT_SCHEMA", "EVENT_NAME", "SQL_MODE") ",'EVENT',TIME_ZONE,STATUS FROM "
							       "information_schema.EVENTS ORDER BY 1,2"},
};

static bool wanted(const struct rules *rules, enum object_kind kind, const struct str *v)
{
	if (kind == OBJECT_VIEW) /* whatever its name: gh-ost and pt-osc make none */
		return rules_listed(rules, v[0], v[1]);
	if (kind == OBJECT_TRIGGER)
		return rules_table(rules, v[0], v[6]);
	return rules_schema(rules, v[0]);
}

static void take(struct objects *out, enum object_kind kind, const struct str *v)
{
	struct object *o = objects_add(out);

	o->kind = kind;
	o->schema = copy(v[0]);
	o->name = copy(v[1]);
	o->definer = copy(v[2]);
	o->sql_mode = copy(v[3]);
	o->collation = copy(v[4]);
	o->time_zone = copy(kind == OBJECT_EVENT ? v[6] : STR_LIT(""));
	o->enabled = kind == OBJECT_EVENT && str_is(v[7], "ENABLED");
	o->table = copy(kind == OBJECT_TRIGGER ? v[6] : STR_LIT(""));
}

static int read_list(
	struct db *d, const struct rules *rules, const struct list *l, struct objects *out, struct err *e)
{
	struct db_rows *r = db_query(d, str_of(l->sql), e);
	const struct str *v;
	int got = r ? 1 : -1;

	while (r && (got = db_fetch(r, &v, e)) > 0) {
		int kind = object_kind_of(v[5]);

		/* MySQL's LIBRARY and the like are no kind of ours. */
		if (kind >= 0 && (l->kinds & OBJECT_BIT(kind)) && wanted(rules, (enum object_kind)kind, v))
			take(out, (enum object_kind)kind, v);
	}
	db_rows_close(&r);
	return got;
}

/*
 * --- texts: by SHOW CREATE, as typed but for FOLLOWS and PRECEDES, which servers leave out. The bodies of
 * information_schema have lost introducers and backslashes: 'a\\b' has become 'a\b' ---
 */

static unsigned text_column(enum object_kind kind)
{
	return kind == OBJECT_VIEW ? 1 : kind == OBJECT_EVENT ? 3 : 2;
}

int object_readable(const struct db *d, const struct object *o, struct err *e)
{
	struct buf show = {0};

	if (o->create)
		return 0;
	object_show(o->kind, o->schema, o->name, &show);
	err_set(e, ERR_check_privilege, "%s: the account may not read the %s%s", db_where(d), buf_cstr(&show),
		o->kind == OBJECT_VIEW    ? " (GRANT SHOW VIEW)"
		: o->kind == OBJECT_EVENT ? " (GRANT EVENT)"
					  : " (GRANT SELECT ON *.*, or SHOW_ROUTINE of MySQL, SHOW CREATE "
					    "ROUTINE of MariaDB)");
	buf_free(&show);
	return -1;
}

static int read_text(struct db *d, struct object *o, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	buf_putf(&sql, "SHOW CREATE %s ", object_word(o->kind));
	sql_put_table(&sql, str_of(o->schema), str_of(o->name));
	r = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	if (r && (got = db_fetch(r, &v, e)) > 0 && db_columns(r) > text_column(o->kind) &&
		v[text_column(o->kind)].p)
		o->create = copy(v[text_column(o->kind)]);
	db_rows_close(&r);
	return got < 0 ? -1 : 0;
}

/* One that may not be shown, or a view of tables that are gone, does not hide the others; a lost connection
 * does. */
static int read_texts(struct db *d, struct objects *out, unsigned first, struct err *e)
{
	struct err mine = {0};

	for (unsigned i = first; i < out->n; i++)
		if (!out->p[i].create && read_text(d, &out->p[i], &mine) < 0 &&
			db_error_is_lost(mine.sql_errno)) {
			if (e)
				*e = mine;
			return -1;
		}
	return 0;
}

static bool known_to(const struct server *s, unsigned kinds)
{
	return s->flavor != FLAVOR_TIDB || kinds == OBJECT_BIT(OBJECT_VIEW);
}

int objects_read(struct db *d, const struct rules *rules, unsigned kinds, struct objects *out, struct err *e)
{
	unsigned first = out->n;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if ((lists[i].kinds & kinds) && known_to(db_server(d), lists[i].kinds) &&
			read_list(d, rules, &lists[i], out, e) < 0)
			return -1;
	return read_texts(d, out, first, e);
}

/* --- making --- */

void object_show(enum object_kind kind, const char *schema, const char *name, struct buf *out)
{
	for (const char *p = object_word(kind); *p; p++)
		buf_putc(out, *p == ' ' ? ' ' : (char)(*p | 0x20));
	buf_putc(out, ' ');
	sql_put_table(out, str_of(schema), str_of(name));
}

static void note(struct buf *notes, const struct object *o, const char *what, struct str word)
{
	object_show(o->kind, o->schema, o->name, notes);
	buf_putf(notes, ": %s %.*s is not known to the downstream\n", what, STR_ARG(word));
}

static int set_variable(struct db *d, const char *name, struct str value, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_putf(&sql, "SET SESSION %s=", name);
	sql_put_string(&sql, value);
	r = db_exec(d, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

/* Words that only the other family has fall out, and are told. */
static int set_mode(struct db *d, const struct object *o, struct buf *notes, struct err *e)
{
	struct buf kept = {0};
	struct err mine = {0};
	int r = set_variable(d, "sql_mode", str_of(o->sql_mode), &mine);

	for (const char *at = o->sql_mode; r < 0 && mine.sql_errno == BAD_VALUE && *at;) {
		struct str word = {at, strcspn(at, ",")};

		if (set_variable(d, "sql_mode", word, NULL) < 0) {
			if (!str_is(word, "NO_AUTO_CREATE_USER")) /* only GRANT asks for it */
				note(notes, o, "sql_mode", word);
		} else {
			buf_puts(&kept, kept.n ? "," : "");
			buf_put(&kept, word.p, word.n);
		}
		at += word.n + (word.p[word.n] == ',');
	}
	if (r < 0 && mine.sql_errno == BAD_VALUE)
		r = set_variable(d, "sql_mode", str_of(buf_cstr(&kept)), &mine);
	buf_free(&kept);
	if (r < 0 && e)
		*e = mine;
	return r;
}

static int set_collation(
	struct db *d, const struct object *o, const struct server *from, struct buf *notes, struct err *e)
{
	const char *near = sql_map_collation(str_of(o->collation), from, db_server(d));
	struct err mine = {0};
	int r = set_variable(d, "collation_connection", str_of(near ? near : o->collation), &mine);

	if (r < 0 && mine.sql_errno == BAD_COLLATION) {
		note(notes, o, "collation", str_of(o->collation));
		return 0;
	}
	if (r < 0 && e)
		*e = mine;
	return r;
}

static int set_session(
	struct db *d, const struct object *o, const struct server *from, struct buf *notes, struct err *e)
{
	if (db_exec(d,
		    STR_LIT("SET @tg_mode=@@sql_mode,@tg_coll=@@collation_connection,@tg_zone=@@time_zone"),
		    e) < 0 ||
		set_mode(d, o, notes, e) < 0)
		return -1;
	if (o->collation[0] && set_collation(d, o, from, notes, e) < 0)
		return -1;
	return o->time_zone[0] ? set_variable(d, "time_zone", str_of(o->time_zone), e) : 0;
}

int object_statement(const struct object *o, const struct object_how *how, struct buf *sql, struct err *e)
{
	struct str text = str_of(o->create);

	/* OR REPLACE is asked for in front of everything else that the head may hold. */
	if (how->replace && str_starts(text, "CREATE ")) {
		buf_puts(sql, "CREATE OR REPLACE ");
		text = (struct str){text.p + 7, text.n - 7};
	}
	return object_put_create(o->kind, text, how->from, how->definer, sql, e);
}

/* The head of a routine has no place for it that could be found without reading all of it. */
static int caller_rights(struct db *d, const struct object *o, struct err *e)
{
	struct buf sql = {0};
	int r;

	if (o->kind != OBJECT_FUNCTION && o->kind != OBJECT_PROCEDURE)
		return 0;
	buf_putf(&sql, "ALTER %s ", object_word(o->kind));
	sql_put_table(&sql, str_of(o->schema), str_of(o->name));
	buf_puts(&sql, " SQL SECURITY INVOKER");
	r = db_exec(d, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

static int make(struct db *d, const struct object *o, const struct object_how *how, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "USE ");
	sql_put_ident(&sql, str_of(o->schema));
	r = db_exec(d, buf_str(&sql), e);
	buf_clear(&sql);
	if (r == 0)
		r = object_statement(o, how, &sql, e);
	if (r == 0)
		r = db_exec(d, buf_str(&sql), e);
	if (r == 0 && how->definer->policy == DEFINER_INVOKER)
		r = caller_rights(d, o, e);
	buf_free(&sql);
	return r;
}

static int put_session_back(struct db *d, struct err *e)
{
	return db_exec(d,
		STR_LIT("SET SESSION sql_mode=@tg_mode,SESSION collation_connection=@tg_coll,SESSION "
			"time_zone=@tg_zone"),
		e);
}

int object_make(
	struct db *d, const struct object *o, const struct object_how *how, struct buf *notes, struct err *e)
{
	int r = set_session(d, o, how->from, notes, e);

	if (r == 0)
		r = make(d, o, how, e);
	if (put_session_back(d, r < 0 ? NULL : e) < 0)
		r = -1;
	return r;
}

/* Who alters an event becomes its DEFINER, and the session's collation the event's: said again, both stay. */
static void put_enable(const struct object *o, const struct definer *d, struct buf *sql)
{
	buf_puts(sql, "ALTER ");
	if (d->policy == DEFINER_KEEP) {
		buf_puts(sql, "DEFINER=");
		definer_put(sql, str_of(o->definer));
	} else if (d->policy == DEFINER_ACCOUNT) {
		buf_putf(sql, "DEFINER=%s", d->account);
	}
	buf_puts(sql, " EVENT ");
	sql_put_table(sql, str_of(o->schema), str_of(o->name));
	buf_puts(sql, " ENABLE");
}

int object_enable_event(struct db *d, const struct object *o, const struct object_how *how, struct err *e)
{
	struct buf sql = {0}, notes = {0};
	int r = set_session(d, o, how->from, &notes, e);

	put_enable(o, how->definer, &sql);
	if (r == 0)
		r = db_exec(d, buf_str(&sql), e);
	if (put_session_back(d, r < 0 ? NULL : e) < 0)
		r = -1;
	buf_free(&sql);
	buf_free(&notes);
	return r;
}

int object_drop(struct db *d, enum object_kind kind, const char *schema, const char *name, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_putf(&sql, "DROP %s IF EXISTS ", object_word(kind));
	sql_put_table(&sql, str_of(schema), str_of(name));
	r = db_exec(d, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

int object_there(
	struct db *d, enum object_kind kind, const char *schema, const char *name, bool *there, struct err *e)
{
	static const char *const places[OBJECT_KINDS][3] = {
		[OBJECT_VIEW] = {"TABLES", "TABLE_SCHEMA", "TABLE_NAME"},
		[OBJECT_TRIGGER] = {"TRIGGERS", "TRIGGER_SCHEMA", "TRIGGER_NAME"},
		[OBJECT_EVENT] = {"EVENTS", "EVENT_SCHEMA", "EVENT_NAME"},
	};
	static const char *const routines[3] = {"ROUTINES", "ROUTINE_SCHEMA", "ROUTINE_NAME"};
	const char *const *place = places[kind][0] ? places[kind] : routines;
	struct buf sql = {0};
	char text[8];
	int r;

	buf_putf(&sql, "SELECT 1 FROM information_schema.%s WHERE %s=_utf8mb4", place[0], place[1]);
	sql_put_string(&sql, str_of(schema));
	buf_putf(&sql, " AND %s=_utf8mb4", place[2]);
	sql_put_string(&sql, str_of(name));
	if (place == routines)
		buf_putf(&sql, " AND ROUTINE_TYPE='%s'", object_word(kind));
	buf_puts(&sql, " LIMIT 1");
	r = db_value(d, buf_cstr(&sql), text, sizeof(text), there, e);
	buf_free(&sql);
	return r;
}
