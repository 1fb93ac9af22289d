/*
 * Statements of unwanted databases that may write wanted tables: noted by the assembler, which asks nobody,
 * judged by the scheduler, by what the upstream's database has now. Each database is asked about once, and
 * again after a statement that may have given it something.
 */
#include "units/sync/stray.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/sql/lexer.h"
#include "common/sql/quote.h"
#include "units/sync/apply.h"
#include "units/sync/away.h"
#include "units/sync/stray_leave.h"
#include "units/sync/trx.h"

enum { HEAD = 120, WORD_WEIGHT = 80, AGAIN_MS = 60000 };

/* --- notes --- */

struct noting {
	struct stray_notes *to;
	struct str schema, sql;
	const char *head; /* kept once the statement has a new name */
	struct buf key;
};

static void add(struct noting *g, struct str word)
{
	struct str head = {g->sql.p, g->sql.n > HEAD ? HEAD : g->sql.n};

	buf_clear(&g->key);
	buf_put(&g->key, g->schema.p, g->schema.n);
	buf_putc(&g->key, '\0');
	stray_fold(&g->key, word);
	if (map_get(g->to->words, buf_str(&g->key)))
		return;
	if (!g->head) {
		g->head = arena_strdup(g->to->heads, head);
		g->to->weight += head.n;
	}
	map_put(g->to->words, buf_str(&g->key), (void *)(uintptr_t)g->head);
	g->to->weight += g->key.n + WORD_WEIGHT;
}

static void add_all(struct noting *g, const struct binlog_query *q, const struct server *from)
{
	struct sql_lexer lx;
	char name[260];

	sql_ddl_lexer(&lx, q->sql, from, q->sql_mode);
	while (g->to->weight <= STRAY_LIMIT && sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD)
		if ((lx.type == SQL_WORD || lx.type == SQL_IDENT) && sql_lex_ident(&lx, name, sizeof(name)))
			add(g, str_of(name));
	if (g->to->weight > STRAY_LIMIT || lx.type == SQL_BAD)
		add(g, STR_LIT("*"));
}

static struct stray_notes *notes_of(struct stray_notes **notes)
{
	if (!*notes) {
		*notes = xcalloc(1, sizeof(**notes));
		(*notes)->words = map_new();
		(*notes)->heads = arena_new(HEAD);
	}
	return *notes;
}

void stray_note(struct stray_notes **notes, const struct binlog_query *q, const struct server *from)
{
	struct noting g = {.to = notes_of(notes), .schema = q->schema, .sql = q->sql};

	add_all(&g, q, from);
	buf_free(&g.key);
}

void stray_note_made(struct stray_notes **notes, const struct binlog_query *q, const struct server *from)
{
	struct noting g = {.to = notes_of(notes), .head = ""};

	add(&g, q->schema);
	add_all(&g, q, from);
	buf_free(&g.key);
}

size_t stray_weight(const struct stray_notes *notes)
{
	return notes ? sizeof(*notes) + notes->weight : 0;
}

void stray_notes_free(struct stray_notes **notes)
{
	if (!*notes)
		return;
	map_free(&(*notes)->words, NULL);
	arena_free(&(*notes)->heads);
	free(*notes);
	*notes = NULL;
}

/* --- what the upstream has --- */

/* A database that the log has told of. leaving: NULL: to be asked. */
struct told {
	struct map *leaving;
};

static void told_free(void *p)
{
	struct told *d = p;

	stray_leaving_free(&d->leaving);
	free(d);
}

void stray_fini(struct stray *s)
{
	if (s->databases)
		map_free(&s->databases, told_free);
}

/* Once in the life of the process. */
static struct told *tell(struct stray *s, struct str schema, const char *head)
{
	struct told *d;

	if (!s->databases)
		s->databases = map_new();
	if ((d = map_get(s->databases, schema)))
		return d;
	log_warn(
		"rows of `%.*s`, which is not wanted, are changed by logged statements (binlog_format is not "
		"ROW), as this one: %s; what one of its triggers changes elsewhere is not followed where the "
		"upstream's user can't see it",
		STR_ARG(schema), head);
	d = xcalloc(1, sizeof(*d));
	map_put(s->databases, schema, d);
	return d;
}

static int ask_objects(struct db *up, enum stray_kind kind, const char *sql, struct str schema,
	struct stray_objects *to, struct err *e)
{
	static const struct str none;
	struct buf text = {0};
	struct db_rows *rows;
	const struct str *v;
	int n;

	buf_puts(&text, sql);
	sql_put_string(&text, schema);
	rows = db_query(up, buf_str(&text), e);
	buf_free(&text);
	if (!rows)
		return -1;
	while ((n = db_fetch(rows, &v, e)) > 0)
		stray_objects_add(to, kind, v[0], v[1].p ? v[1] : none, v[2]);
	db_rows_close(&rows);
	return n;
}

static int ask_databases(struct db *up, struct stray_objects *to, struct err *e)
{
	struct db_rows *rows =
		db_query(up, STR_LIT("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA"), e);
	const struct str *v;
	int n = -1;

	while (rows && (n = db_fetch(rows, &v, e)) > 0)
		stray_objects_database(to, v[0]);
	db_rows_close(&rows);
	return n;
}

static int ask_all(struct db *up, struct str schema, struct stray_objects *to, struct err *e)
{
	static const struct {
		enum stray_kind kind;
		const char *sql;
	} questions[] = {
		{STRAY_TRIGGER, "SELECT EVENT_OBJECT_TABLE, ACTION_STATEMENT, SQL_MODE FROM "
				"information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA="},
		{STRAY_VIEW, "SELECT TABLE_NAME, VIEW_DEFINITION, @@sql_mode FROM information_schema.VIEWS "
			     "WHERE TABLE_SCHEMA="},
		{STRAY_FUNCTION,
			"SELECT ROUTINE_NAME, IF(ROUTINE_BODY='SQL', ROUTINE_DEFINITION, NULL), SQL_MODE "
			"FROM information_schema.ROUTINES WHERE ROUTINE_TYPE='FUNCTION' AND ROUTINE_SCHEMA="},
		{STRAY_ROUTINE,
			"SELECT ROUTINE_NAME, IF(ROUTINE_BODY='SQL', ROUTINE_DEFINITION, NULL), SQL_MODE "
			"FROM information_schema.ROUTINES WHERE ROUTINE_TYPE<>'FUNCTION' AND "
			"ROUTINE_SCHEMA="},
	};

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		if (ask_objects(up, questions[i].kind, questions[i].sql, schema, to, e) < 0)
			return -1;
	return ask_databases(up, to, e);
}

/* NULL with e. */
static struct map *ask(struct db *up, struct str schema, struct err *e)
{
	struct map *leaving = NULL;
	struct stray_objects *o;
	char cases[8];
	bool found;

	if (db_value(up, "SELECT @@lower_case_table_names", cases, sizeof(cases), &found, e) < 0)
		return NULL;
	o = stray_objects_new(schema, strcmp(cases, "0") == 0, db_server(up));
	if (ask_all(up, schema, o, e) == 0)
		leaving = stray_objects_leaving(o);
	stray_objects_free(&o);
	return leaving;
}

/* What was asked for in vain is let pass for a minute. */
static struct map *nobody(struct apply *a, struct err *e)
{
	if (!a->tables.away)
		return NULL;
	log_warn("whether statements of databases that are not wanted may change rows that are is asked "
		 "again in %d s, until then they pass: %s",
		AGAIN_MS / 1000, e->text);
	err_clear(e);
	a->stray.not_before_ms = clock_ms() + AGAIN_MS;
	return NULL;
}

/* NULL without e: the upstream is away, and was waited for. A connection that broke meanwhile is made again
 * once. */
static const struct map *leaving_of(struct apply *a, struct told *d, struct str schema, struct err *e)
{
	struct db *up;

	if (!d->leaving && clock_ms() < a->stray.not_before_ms)
		return NULL;
	for (int i = 0; i < 2 && !d->leaving; i++) {
		up = away_upstream(a, "which knows the triggers, views and functions of a database", e);
		if (!up)
			return nobody(a, e);
		err_clear(e);
		d->leaving = ask(up, schema, e);
		if (!d->leaving)
			db_close(&a->tables.ask_up);
	}
	return d->leaving;
}

/* --- judging --- */

/* What a statement may have changed is asked for again. */
static void forget(struct stray *s, const struct stray_notes *made)
{
	struct noting g = {0};
	struct str schema;
	size_t at = 0;
	void *v;

	if (!made || !s->databases)
		return;
	while (map_next(s->databases, &at, &schema, &v)) {
		buf_clear(&g.key);
		buf_putc(&g.key, '\0');
		stray_fold(&g.key, schema);
		if (map_get(made->words, buf_str(&g.key)) || map_get(made->words, (struct str){"\0*", 2}))
			stray_leaving_free(&((struct told *)v)->leaving);
	}
	buf_free(&g.key);
}

static const char *by_which(const struct map *leaving, struct str word)
{
	size_t at = 0;
	struct str key;
	void *what;

	if ((what = map_get(leaving, STR_LIT("*"))) || (what = map_get(leaving, word)))
		return what;
	return str_is(word, "*") && map_next(leaving, &at, &key, &what) ? what : NULL;
}

static int judge(struct apply *a, struct str key, const char *head, struct err *e)
{
	struct str schema = {key.p, strlen(key.p)}, word = {key.p + schema.n + 1, key.n - schema.n - 1};
	const struct map *leaving = leaving_of(a, tell(&a->stray, schema, head), schema, e);
	const char *what;

	if (!leaving)
		return e->code ? -1 : 0;
	what = by_which(leaving, word);
	if (!what)
		return 0;
	return err_set(e, ERR_sync_statement_dml,
		"default database `%.*s`, which is not wanted: %s; but by %s it may change rows that are",
		STR_ARG(schema), head, what);
}

int stray_check(struct apply *a, const struct trx *t, struct err *e)
{
	struct str key;
	size_t at = 0;
	void *head;

	forget(&a->stray, t->made);
	while (t->notes && map_next(t->notes->words, &at, &key, &head))
		if (judge(a, key, head, e) < 0)
			return -1;
	return 0;
}
