/*
 * MariaDB's row history: which tables of the stream have one, and what their rows are to the downstream,
 * which has history of its own or none. Called by table.c where a table is met, by decode.c for each row of
 * one and by altered.c behind a DDL. A row whose end is not in its image is never guessed at.
 */
#include "units/sync/versions.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"

/* --- which tables --- */

static unsigned ends_in(const struct binlog_table *map)
{
	unsigned n = 0;

	for (unsigned i = 0; i < map->ncolumns; i++)
		n += binlog_table_is_end(map, i);
	return n;
}

/* By what the upstream has now; "": it is gone, or has no such column. */
static const char *end_of_now(const struct structure *s, const struct structure *now)
{
	bool known = now && now->row_end &&
		     (structure_hides_period(now) || structure_column(s, now->row_end) >= 0);

	return known ? now->row_end : "";
}

int versions_complete(struct tables *ts, struct table *t, const struct binlog_table *map, struct structure *s,
	struct err *e)
{
	struct structure *now = NULL;
	bool found;

	if (s->row_end)
		return 0;
	if (t->from == FLAVOR_MARIADB && ends_in(map) >= 2) {
		err_clear(e);
		now = tables_upstream_now(ts, t->schema, t->name, &found, e);
		if (!now && e->code)
			return err_add(e, "asking the upstream whether %s is system-versioned", t->head);
		t->versions_of_now = true;
	}
	s->row_end = xstrdup(end_of_now(s, now));
	structure_cut_end(s);
	structure_free(&now);
	return 0;
}

int versions_unknown(
	const struct table *t, const struct binlog_table *map, const struct structure *s, struct err *e)
{
	struct structure hidden = *s;

	hidden.row_end = (char *)(uintptr_t) "row_end";
	if (structure_column(s, "row_end") >= 0 || binlog_table_hidden(map, &hidden) < 2)
		return 0;
	return err_set(e, ERR_sync_columns,
		"%s was system-versioned when these rows were written, and is not on record or in the "
		"upstream now as that: `binlog-schema update` says so, with CREATE TABLE … WITH SYSTEM "
		"VERSIONING",
		t->head);
}

/* Two columns of the table's own look like a period, and nobody has it on record: such a column of the
 * downstream says it, as DDL of the upstream made it. */
static bool is_sure(const struct table *t, const char *end)
{
	int at = structure_column(t->down, end);

	return !t->versions_of_now || at < 0 || t->down->columns[at].generated ||
	       t->down->columns[at].kind == COLUMN_DATETIME;
}

static void tell(const struct table *t)
{
	bool keeps = t->down->row_end && t->down->row_end[0];

	if (t->versioned)
		log_info("%s is system-versioned in the upstream: what becomes of its current rows is "
			 "followed, its history is not",
			t->head);
	if (keeps)
		log_info("%s is system-versioned in the downstream: the history there has times of the "
			 "downstream's own",
			t->head);
}

int versions_learn(struct table *t, const struct binlog_table *map, struct err *e)
{
	const struct structure *s = t->logged;
	bool hidden = structure_hides_period(s);

	t->versioned = s->row_end && s->row_end[0];
	if (t->versioned)
		t->row_end = hidden ? s->ncolumns + 1 : (unsigned)structure_column(s, s->row_end);
	tell(t);
	if (!t->versioned)
		return 0;
	if (!binlog_table_is_end(map, t->row_end))
		return err_set(e, ERR_sync_columns,
			"%s is system-versioned by transactions, or by times of an old form: its rows can't "
			"be told from its history",
			t->head);
	if (!hidden && !is_sure(t, s->row_end))
		return err_set(e, ERR_sync_columns,
			"%s is system-versioned in the upstream now, which is on no record: `binlog-schema "
			"update` with its CREATE TABLE of these rows' time says whether it was",
			t->head);
	return 0;
}

/* --- their rows --- */

/* The greatest TIMESTAMP(6) there is, before MariaDB 11.5 and since. */
static bool is_there(const struct binlog_value *end)
{
	static const char last[2][8] = {"\x7f\xff\xff\xff\x0f\x42\x3f", "\xff\xff\xff\xff\x0f\x42\x3f"};

	return !end->null && end->raw.n == 7 &&
	       (memcmp(end->raw.p, last[0], 7) == 0 || memcmp(end->raw.p, last[1], 7) == 0);
}

static int lacks_end(const struct table *t, struct err *e)
{
	return err_set(e, ERR_sync_columns,
		"%s is system-versioned, and the binlog's row lacks the time of its end: set "
		"binlog_row_image=FULL in the upstream",
		t->head);
}

/* What an image after lacks is as before. */
static int turn_update(struct change *c, bool *keep, struct err *e)
{
	const struct binlog_value *was = &c->before[c->table->row_end], *is = &c->after[c->table->row_end];
	bool stays = !is->present || is_there(is);

	*keep = is_there(was);
	if (!*keep && is->present && stays)
		return err_set(
			e, ERR_sync_columns, "%s: a row of its history is current again", c->table->head);
	if (*keep && !stays) {
		c->kind = BINLOG_DELETE;
		c->after = NULL;
	}
	return 0;
}

int versions_turn(struct change *c, bool *keep, struct err *e)
{
	const struct binlog_value *row = c->before ? c->before : c->after, *end = &row[c->table->row_end];

	if (!end->present)
		return lacks_end(c->table, e);
	if (c->kind == BINLOG_UPDATE)
		return turn_update(c, keep, e);
	*keep = is_there(end);
	return 0;
}

/* --- behind a DDL --- */

/* What a statement says of history. */
struct said {
	bool with, without;
	char start[300], end[300]; /* PERIOD FOR SYSTEM_TIME (start, end) */
};

static bool read_name(struct sql_lexer *lx, char before, char out[300])
{
	return sql_lex_next(lx) != SQL_END && sql_lex_is_char(lx, before) && sql_lex_next(lx) != SQL_END &&
	       sql_lex_ident(lx, out, 300);
}

/* Behind PERIOD. */
static void read_period(struct sql_lexer lx, struct said *out)
{
	bool system = sql_lex_next(&lx) != SQL_END && sql_lex_is(&lx, "FOR") &&
		      sql_lex_next(&lx) != SQL_END && sql_lex_is(&lx, "SYSTEM_TIME");

	if (system && !(read_name(&lx, '(', out->start) && read_name(&lx, ',', out->end)))
		out->start[0] = out->end[0] = '\0';
}

static bool is_followed_by(struct sql_lexer lx, const char *word)
{
	return sql_lex_next(&lx) != SQL_END && sql_lex_is(&lx, word);
}

static void read_said(const struct altered *x, struct said *out)
{
	struct sql_lexer lx = altered_text(x);
	bool adds = false, drops = false;

	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		if (sql_lex_is(&lx, "SYSTEM") && is_followed_by(lx, "VERSIONING")) {
			out->with = out->with || adds;
			out->without = out->without || drops;
		}
		if (sql_lex_is(&lx, "PERIOD") && !drops)
			read_period(lx, out);
		adds = sql_lex_is(&lx, "ADD") || sql_lex_is(&lx, "WITH");
		drops = sql_lex_is(&lx, "DROP");
	}
}

/* A period's column as the stream has it; the downstream's plain one is wider. */
static void take_period(struct structure *s, const char *name)
{
	int at = structure_column(s, name);
	struct column *c = at < 0 ? NULL : &s->columns[at];

	if (!c || c->kind != COLUMN_DATETIME)
		return;
	free(c->type);
	c->type = xstrdup("timestamp(6)");
	c->kind = COLUMN_TIMESTAMP;
}

/* Under the name that the statement gives it; one that is hidden has no other. */
static const char *end_now(const struct structure *s, const struct altered *x, const char *end)
{
	char old[300];

	if (!x->was || structure_column(x->was, end) < 0)
		return end;
	for (unsigned i = 0; i < s->ncolumns; i++) {
		altered_name_before(x, s->columns[i].name, old);
		if (strcasecmp(old, end) == 0)
			return s->columns[i].name;
	}
	return NULL;
}

static const char *end_behind(const struct structure *s, const struct altered *x, const struct said *said)
{
	const char *was = x->was ? x->was->row_end : x->made ? "" : NULL;

	if (said->end[0])
		return said->end;
	if (said->without)
		return "";
	if (said->with && (!was || !was[0]))
		return "row_end";
	return was && was[0] ? end_now(s, x, was) : was;
}

void versions_after_ddl(struct structure *s, const struct altered *x)
{
	struct said said = {0};
	const char *end;

	if (x->from->flavor == FLAVOR_MARIADB)
		read_said(x, &said);
	end = end_behind(s, x, &said);
	free(s->row_end);
	s->row_end = end ? xstrdup(end) : NULL;
	take_period(s, said.start);
	take_period(s, said.end);
	structure_cut_end(s);
}
