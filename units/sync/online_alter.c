/*
 * Whether an ALTER TABLE of a shadow can be done with the real table instead: the tool's row copy and the
 * statement must leave the same rows. Called by online.c; asks nobody.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/config/json.h"
#include "common/sql/alter.h"
#include "units/sync/online.h"

struct judge {
	const struct binlog_query *q;
	const struct server *from;
	json_t *dropped;
	char *why;
	size_t size;
	struct sql_lexer lx;
	int depth; /* of parentheses */
};

static bool because(struct judge *j, const char *what, const char *name)
{
	snprintf(j->why, j->size, "%s `%.64s`", what, name);
	return true;
}

static void next(struct judge *j)
{
	sql_lex_next(&j->lx);
	j->depth += sql_lex_is_char(&j->lx, '(') - sql_lex_is_char(&j->lx, ')');
}

static bool at_end(const struct judge *j)
{
	return j->lx.type == SQL_END || j->lx.type == SQL_BAD;
}

static void begin(struct judge *j, const struct alter_part *p)
{
	struct str text = {j->q->sql.p + p->at, p->end - p->at};

	j->depth = 0;
	sql_ddl_lexer(&j->lx, text, j->from, j->q->sql_mode);
	next(j); /* ADD, DROP */
	next(j);
	if (sql_lex_is(&j->lx, "COLUMN"))
		next(j);
	while (sql_lex_is(&j->lx, "IF") || sql_lex_is(&j->lx, "NOT") || sql_lex_is(&j->lx, "EXISTS"))
		next(j);
}

/* At the token behind DEFAULT. */
static bool is_constant(struct judge *j)
{
	static const char *const words[] = {"NULL", "TRUE", "FALSE"};

	if (sql_lex_is_char(&j->lx, '-') || sql_lex_is_char(&j->lx, '+'))
		next(j);
	else if (sql_lex_is(&j->lx, "B") || sql_lex_is(&j->lx, "X") || sql_lex_is(&j->lx, "N"))
		next(j);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (sql_lex_is(&j->lx, words[i]))
			return true;
	return j->lx.type == SQL_STRING || j->lx.type == SQL_NUMBER;
}

/* DEFAULT is read with what stands behind it: this is ON UPDATE's. */
static bool is_now(const struct judge *j)
{
	static const char *const words[] = {"CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (sql_lex_is(&j->lx, words[i]))
			return true;
	return false;
}

struct seen {
	bool stamp, nullable, fallback, no;
};

/* One token of a column's definition at its own depth. True: there is a reason. */
static bool look_at_token(struct judge *j, struct seen *s, const char *name)
{
	bool no = s->no;

	s->no = sql_lex_is(&j->lx, "NOT");
	if (sql_lex_is(&j->lx, "AUTO_INCREMENT") || sql_lex_is(&j->lx, "SERIAL"))
		return because(j, "it adds a column that numbers the rows,", name);
	if (is_now(j))
		return because(j, "it adds a column that every UPDATE sets,", name);
	s->stamp = s->stamp || sql_lex_is(&j->lx, "TIMESTAMP");
	s->nullable = s->nullable || (!no && sql_lex_is(&j->lx, "NULL"));
	if (!sql_lex_is(&j->lx, "DEFAULT"))
		return false;
	s->fallback = true;
	next(j);
	return !is_constant(j) && because(j, "it adds a column whose default is no constant,", name);
}

static bool was_dropped(const struct judge *j, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach(j->dropped, i, v)
		if (strcasecmp(json_string_value(v), name) == 0)
			return true;
	return false;
}

/* One column, up to the comma or the parenthesis behind it. */
static bool look_at_column(struct judge *j, int own)
{
	bool explicit = j->q->has_explicit_defaults && j->q->explicit_defaults;
	struct seen s = {0};
	char name[257] = "";

	if (!sql_lex_ident(&j->lx, name, sizeof(name)))
		return because(j, "it can't be read behind", "ADD");
	if (was_dropped(j, name))
		return because(j, "it adds a column under the name of one that it drops,", name);
	for (next(j); !at_end(j); next(j)) {
		if (j->depth < own || (j->depth == own && sql_lex_is_char(&j->lx, ',')))
			break;
		if (j->depth == own && look_at_token(j, &s, name))
			return true;
	}
	return s.stamp && !s.nullable && !s.fallback && !explicit &&
	       because(j, "it adds a TIMESTAMP without a default,", name);
}

static bool look_at_add(struct judge *j, const struct alter_part *p)
{
	int own;

	begin(j, p);
	own = j->depth;
	if (own > 0)
		next(j);
	while (!at_end(j) && j->depth == own) {
		if (look_at_column(j, own))
			return true;
		if (j->depth == own)
			next(j);
	}
	return false;
}

static bool look_at_part(struct judge *j, const struct alter_part *p)
{
	char name[257] = "";

	switch (p->event.id) {
	case EVENT_add_column:
		return look_at_add(j, p);
	case EVENT_drop_column:
		begin(j, p);
		if (sql_lex_ident(&j->lx, name, sizeof(name)))
			json_array_append_new(j->dropped, json_string(name));
		return false;
	case EVENT_rename_column:
		return because(j, "whether the tool carries the values over is not seen where it renames",
			p->name ? p->name : "a column");
	case EVENT_drop_table_partition:
	case EVENT_truncate_table_partition:
	case EVENT_exchange_table_partition:
		return because(j, "it takes rows away by", event_name(p->event.id));
	default:
		break;
	}
	return p->changes && p->name && p->now && strcasecmp(p->name, p->now) != 0 &&
	       because(j, "whether the tool carries the values over is not seen where it renames", p->name);
}

/* Words that take rows away or bring some, whose event is a wide one. */
static bool moves_files(struct judge *j, const struct alter_part *p)
{
	struct str text = {j->q->sql.p + p->at, p->end - p->at};

	j->depth = 0;
	sql_ddl_lexer(&j->lx, text, j->from, j->q->sql_mode);
	next(j);
	return (sql_lex_is(&j->lx, "DISCARD") || sql_lex_is(&j->lx, "IMPORT") ||
		       sql_lex_is(&j->lx, "EXCHANGE") || sql_lex_is(&j->lx, "TRUNCATE")) &&
	       because(j, "it takes rows away by", "partition or tablespace");
}

bool online_differs(const struct binlog_query *q, const struct server *from, const struct sql_ddl *ddl,
	json_t *dropped, char *why, size_t size)
{
	struct judge j = {.q = q, .from = from, .dropped = dropped, .why = why, .size = size};
	struct alter parts = {0};
	struct err e = {0};
	bool differs = false;

	if (ddl->verb != SQL_VERB_ALTER_TABLE)
		return false;
	if (ddl->exchange || ddl->rename)
		differs = because(&j, "it exchanges or renames", ddl->tables[0].table);
	else if (alter_read(q->sql, from, q->sql_mode, ddl, &parts, &e) < 0)
		differs = because(&j, "its parts can't be read of", ddl->tables[0].table);
	/* Columns that it drops may stand behind those that it adds. */
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; !differs && i < parts.n; i++)
			if ((parts.parts[i].event.id == EVENT_add_column) == (pass == 1))
				differs =
					moves_files(&j, &parts.parts[i]) || look_at_part(&j, &parts.parts[i]);
	alter_fini(&parts);
	return differs;
}

bool online_only_renames(const struct binlog_query *q, const struct server *from, const struct sql_ddl *ddl)
{
	struct alter parts = {0};
	struct err e;
	bool only = alter_read(q->sql, from, q->sql_mode, ddl, &parts, &e) == 0;

	for (unsigned i = 0; only && i < parts.n; i++)
		only = parts.parts[i].neutral || parts.parts[i].event.id == EVENT_rename_table;
	alter_fini(&parts);
	return only;
}
