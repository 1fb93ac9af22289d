/*
 * A DDL statement before the rules of `filters`: which of its tables, pairs and parts are done. What is left
 * out has happened in the upstream all the same, so it is found out what its table looks like there. Called
 * by ddl.c once the statement is known to be wanted.
 */
#include "units/sync/ddl_filter.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/xalloc.h"
#include "common/db/structure.h"
#include "common/sql/alter.h"
#include "units/sync/ddl_record.h"
#include "units/sync/shape.h"

/* A statement in hand. */
struct work {
	struct apply *a;
	const struct ddl_asked *asked;
	const struct filter *f;
	struct ddl_cut *out;
	struct alter alter;
	bool *keep; /* of its parts */
	struct shape shape;
	bool tried;  /* shape was looked for */
	bool parted; /* the table's default charset is another one upstream than downstream */
	bool lacks;  /* the downstream has not all of the upstream's columns */
};

static const struct event *event_of_verb(enum sql_verb v)
{
	static const struct event events[SQL_VERB_END] = {
		[SQL_VERB_CREATE_DATABASE] = {EVENT_create_database, EVENT_create_database, false},
		[SQL_VERB_ALTER_DATABASE] = {EVENT_modify_schema_charset_and_collate, EVENT_alter_database,
			false},
		[SQL_VERB_DROP_DATABASE] = {EVENT_drop_database, EVENT_drop_database, false},
		[SQL_VERB_CREATE_TABLE] = {EVENT_create_table, EVENT_create_table, false},
		[SQL_VERB_ALTER_TABLE] = {EVENT_alter_table, EVENT_alter_table, false},
		[SQL_VERB_DROP_TABLE] = {EVENT_drop_table, EVENT_drop_table, false},
		[SQL_VERB_RENAME_TABLE] = {EVENT_rename_table, EVENT_rename_table, false},
		[SQL_VERB_TRUNCATE] = {EVENT_truncate_table, EVENT_truncate_table, false},
		[SQL_VERB_CREATE_INDEX] = {EVENT_create_index, EVENT_create_index, false},
		[SQL_VERB_DROP_INDEX] = {EVENT_drop_index, EVENT_drop_index, false},
		[SQL_VERB_CREATE_SEQUENCE] = {EVENT_create_table, EVENT_create_table, false},
		[SQL_VERB_ALTER_SEQUENCE] = {EVENT_alter_table, EVENT_alter_table, false},
		[SQL_VERB_DROP_SEQUENCE] = {EVENT_drop_table, EVENT_drop_table, false},
	};

	return &events[v];
}

static int verdict(const struct filter *f, const struct filter_ask *ask, struct ddl_cut *out, struct err *e)
{
	const char *event = ask->event ? event_name(ask->event->id) : "a statement that can't be read";
	struct filter_verdict v;

	if (filter_event(f, ask, &v, e) < 0)
		return -1;
	if (v.action == FILTER_ERROR)
		return err_set(e, ERR_sync_filter, "rule %u of filters, `%s`: %.*s", v.rule, event,
			ask->statement.n > 300 ? 300 : (int)ask->statement.n, ask->statement.p);
	if (v.action == FILTER_DO)
		return 1;
	out->any = true;
	snprintf(out->why, sizeof(out->why), "rule %u of filters, `%s`", v.rule, event);
	return 0;
}

/* 1: to be done, 0: left out, -1. n NULL: the database. */
static int ask(struct work *w, const struct sql_name *n, const struct event *ev, struct err *e)
{
	const struct ddl_asked *q = w->asked;
	char name[257];
	struct filter_ask of = {.event = ev, .statement = q->q->sql};

	if (n) {
		of.schema = str_of(ddl_schema_of(n, q->q->schema, name));
		of.table = str_of(n->table);
	} else {
		of.schema = q->ddl->schema[0] ? str_of(q->ddl->schema) : q->q->schema;
		of.table = (struct str){"", 0};
	}
	return verdict(w->f, &of, w->out, e);
}

static struct sql_ddl *gone(struct work *w)
{
	if (!w->out->gone) {
		w->out->gone = arena_zalloc(w->a->scratch, sizeof(*w->out->gone));
		w->out->gone->verb = w->asked->ddl->verb;
	}
	return w->out->gone;
}

static int cut_drop(struct work *w, struct err *e)
{
	struct sql_ddl *ddl = w->asked->ddl;
	bool left = false;

	for (unsigned i = 0; i < ddl->ntables; i++) {
		int r = w->asked->wanted[i] ? ask(w, &ddl->tables[i], event_of_verb(ddl->verb), e) : 1;

		if (r < 0)
			return -1;
		if (r == 0) {
			struct sql_ddl *g = gone(w);

			g->tables[g->ntables++] = ddl->tables[i];
			w->asked->wanted[i] = false;
		}
		left = left || w->asked->wanted[i];
	}
	return left;
}

static bool same(const struct work *w, const struct sql_name *a, const struct sql_name *b)
{
	char x[257], y[257];

	return strcasecmp(a->table, b->table) == 0 && strcasecmp(ddl_schema_of(a, w->asked->q->schema, x),
							      ddl_schema_of(b, w->asked->q->schema, y)) == 0;
}

/* A table that goes through pairs of both kinds would end under a name that neither side has. */
static bool meet(const struct work *w, const struct sql_ddl *left, const struct sql_ddl *out)
{
	for (unsigned i = 0; i < left->ntables; i++)
		for (unsigned k = 0; k < out->ntables; k++)
			if (same(w, &left->tables[i], &out->tables[k]))
				return true;
	return false;
}

static int mixed(const struct work *w, const char *why, struct err *e)
{
	struct str sql = w->asked->q->sql;

	return err_set(e, ERR_sync_ddl_mixed, "%s leaves a part of it out, %s: %.*s", w->out->why, why,
		sql.n > 300 ? 300 : (int)sql.n, sql.p);
}

static int pair(struct work *w, const struct sql_name *names, const struct event *ev, struct err *e)
{
	int r = ask(w, &names[0], ev, e);

	return r == 1 ? ask(w, &names[1], ev, e) : r;
}

static int cut_rename(struct work *w, struct err *e)
{
	struct sql_ddl *ddl = w->asked->ddl;
	unsigned kept = 0;

	for (unsigned i = 0; i + 1 < ddl->ntables; i += 2) {
		int r = pair(w, &ddl->tables[i], event_of_verb(ddl->verb), e);
		struct sql_name *to;

		if (r < 0)
			return -1;
		to = r ? &ddl->tables[kept] : &gone(w)->tables[gone(w)->ntables];
		if (to != &ddl->tables[i])
			memcpy(to, &ddl->tables[i], 2 * sizeof(*to));
		if (r)
			kept += 2;
		else
			gone(w)->ntables += 2;
	}
	ddl->ntables = kept;
	if (kept > 0 && w->out->gone && meet(w, ddl, w->out->gone))
		return mixed(w, "and the rest moves the same tables", e);
	return kept > 0;
}

/* --- ALTER TABLE, and what else changes a table's structure --- */

static int look_at_shape(struct work *w, struct str text, struct err *e)
{
	const struct ddl_asked *q = w->asked;
	const struct sql_name *n = &q->ddl->tables[0];
	char schema[257];
	struct shape_of of = {.q = q->q,
		.name = n->table,
		.text = text,
		.at = n->at,
		.end = n->end,
		.create = q->ddl->verb == SQL_VERB_CREATE_TABLE};

	if (w->tried)
		return 0;
	w->tried = true;
	of.schema = ddl_schema_of(n, q->q->schema, schema);
	return shape_try(w->a, q->t, &of, &w->shape, e);
}

/* With the parts alone that shape it. What can't be cut and renames would rename into the user's database. */
static int look_at_alter(struct work *w, struct err *e)
{
	bool *shapes = xcalloc(w->alter.n + 1, sizeof(*shapes)), any = false;
	struct buf text = {0};
	int r = 0;

	for (unsigned i = 0; i < w->alter.n; i++) {
		shapes[i] = w->alter.parts[i].shapes;
		any = any || shapes[i];
	}
	if (any && !w->alter.whole) {
		alter_put(w->asked->q->sql, &w->alter, shapes, &text);
		r = look_at_shape(w, buf_str(&text), e);
	} else if (any && !w->asked->ddl->rename) {
		r = look_at_shape(w, w->asked->q->sql, e);
	}
	buf_free(&text);
	free(shapes);
	return r;
}

static const struct column *column(const struct structure *s, const char *name)
{
	int at = s && name ? structure_column(s, name) : -1;

	return at < 0 ? NULL : &s->columns[at];
}

static bool is_unique(const struct structure *s, const char *index)
{
	for (unsigned i = 0; s && index && i < s->nkeys; i++)
		if (strcasecmp(s->keys[i].name, index) == 0)
			return s->keys[i].unique;
	return false;
}

/* What the words alone don't say of a part: that hangs on what was there before. */
static void tell_part(struct work *w, struct alter_part *p)
{
	const struct column *was = column(w->shape.before, p->name), *now = column(w->shape.after, p->now);

	if (p->event.id == EVENT_drop_index && is_unique(w->shape.before, p->name)) {
		p->event.id = EVENT_drop_unique_key;
	} else if (p->changes && was && now) {
		p->event =
			alter_event_of_change(p, was, now, shape_other_default(&w->shape, p->name, p->now));
	} else if (p->changes) {
		/* Nothing on record of it: the worst that it may be, in both names, for `incompatible ddl`.
		 */
		p->event.id = p->event.wide = EVENT_modify_column;
	}
}

static int tell_parts(struct work *w, struct err *e)
{
	bool open = false;

	for (unsigned i = 0; i < w->alter.n; i++)
		open = open || w->alter.parts[i].changes || w->alter.parts[i].event.id == EVENT_drop_index;
	if (open && look_at_alter(w, e) < 0)
		return -1;
	for (unsigned i = 0; i < w->alter.n; i++)
		tell_part(w, &w->alter.parts[i]);
	return 0;
}

static int ask_part(struct work *w, const struct alter_part *p, struct err *e)
{
	const struct sql_name *names = w->asked->ddl->tables;

	return p->event.id == EVENT_rename_table && w->asked->ddl->rename ? pair(w, names, &p->event, e)
									  : ask(w, &names[0], &p->event, e);
}

/* What is recorded for the upstream, under the name that the statement leaves it with. */
static void keep_shape(struct work *w, bool renamed)
{
	const struct sql_name *n = &w->asked->ddl->tables[renamed ? 1 : 0];
	char schema[257];

	w->out->shaped = true;
	w->out->shape = w->shape.after;
	w->shape.after = NULL;
	if (!w->out->shape)
		return;
	structure_rename(w->out->shape, ddl_schema_of(n, w->asked->q->schema, schema), n->table);
}

struct told {
	unsigned asked, left;
	bool shapes, rename_gone;
};

static int ask_parts(struct work *w, struct told *told, struct err *e)
{
	for (unsigned i = 0; i < w->alter.n; i++) {
		const struct alter_part *p = &w->alter.parts[i];
		int r = p->neutral && w->alter.n > 1 ? 1 : ask_part(w, p, e);

		if (r < 0)
			return -1;
		w->keep[i] = r;
		if (p->neutral && w->alter.n > 1)
			continue;
		told->asked++;
		told->left += r > 0;
		told->shapes = told->shapes || (r == 0 && p->shapes);
		told->rename_gone = told->rename_gone || (r == 0 && p->event.id == EVENT_rename_table);
	}
	return 0;
}

static void take_rename(struct work *w)
{
	struct sql_ddl *g = gone(w);

	g->verb = SQL_VERB_RENAME_TABLE;
	memcpy(g->tables, w->asked->ddl->tables, 2 * sizeof(g->tables[0]));
	g->ntables = 2;
}

/* What changes no column leaves what is recorded as it is: a trial would know neither partitions nor foreign
 * keys, and fail. */
static int keep_record(struct work *w, bool renamed, struct err *e)
{
	const struct ddl_asked *q = w->asked;
	char schema[257];
	struct structure *s;

	err_clear(e);
	s = tables_tracked(&w->a->tables, ddl_schema_of(&q->ddl->tables[0], q->q->schema, schema),
		q->ddl->tables[0].table, e);
	if (!s)
		return e->code ? -1 : 1;
	structure_free(&w->shape.after);
	w->shape.after = s;
	keep_shape(w, renamed);
	return 1;
}

/* Done as a whole, where a column without words about its charset gets another one in the downstream, or
 * where the downstream's structure behind it does not say what the upstream has. */
static int keep_parted(struct work *w, struct err *e)
{
	bool shapes = false;

	for (unsigned i = 0; i < w->alter.n; i++)
		shapes = shapes || w->alter.parts[i].shapes;
	if (!w->lacks && (!w->parted || !shapes))
		return 1;
	if (!shapes)
		return keep_record(w, w->asked->ddl->rename, e);
	if (look_at_alter(w, e) < 0)
		return -1;
	keep_shape(w, w->asked->ddl->rename);
	return 1;
}

static int cut_parts(struct work *w, struct err *e)
{
	struct told told = {0};

	if (tell_parts(w, e) < 0 || ask_parts(w, &told, e) < 0)
		return -1;
	if (told.asked == 0) /* nothing is changed, or it only says how */
		return ask(w, &w->asked->ddl->tables[0], event_of_verb(SQL_VERB_ALTER_TABLE), e);
	if (told.left == told.asked)
		return keep_parted(w, e);
	if (told.left > 0 && w->alter.whole)
		return mixed(w, "and it can't be cut inside of a version comment", e);
	if (told.shapes) {
		if (look_at_alter(w, e) < 0)
			return -1;
		keep_shape(w, told.left > 0 && w->asked->ddl->rename && !told.rename_gone);
	}
	if (told.rename_gone && w->asked->ddl->rename)
		take_rename(w);
	if (told.left > 0)
		alter_put(w->asked->q->sql, &w->alter, w->keep, &w->out->text);
	return told.left > 0;
}

/* ADD COLUMN was left out. What the downstream does without by itself (a generated column) is no such. */
static int look_if_lacking(
	struct work *w, const struct structure *was, const struct route_name *to, struct err *e)
{
	bool found;
	struct structure *down = db_structure(w->a->ddl, to->schema, to->table, &found, e);

	for (unsigned i = 0; down && i < was->ncolumns; i++)
		w->lacks = w->lacks ||
			   (!was->columns[i].generated && structure_column(down, was->columns[i].name) < 0);
	if (!down && e->code)
		return -1;
	structure_free(&down);
	return 0;
}

/* An earlier statement, which was left out, may have changed the default charset of the table, or added a
 * column to it. */
static int look_if_parted(struct work *w, const char *schema, const char *table, struct err *e)
{
	struct apply *a = w->a;
	const struct structure *was = tables_known(&a->tables, schema, table);
	struct structure *tracked = NULL;
	char down[DB_CHARSET];
	struct route_name to;
	int r = 0;

	err_clear(e);
	if (!was)
		was = tracked = tables_tracked(&a->tables, schema, table, e);
	if (!was && e->code)
		return -1;
	if (was)
		r = route_table(rules_route(a->rules), str_of(schema), str_of(table), &to, e) < 0 ? -1 : 0;
	if (r == 0 && was && was->charset) {
		r = db_table_charset(a->ddl, to.schema, to.table, down, e);
		w->parted = r == 0 && down[0] && !table_same_charset(was->charset, down);
	}
	if (r == 0 && was && filter_concerns(w->f, str_of(schema), str_of(table)))
		r = look_if_lacking(w, was, &to, e);
	structure_free(&tracked);
	return r;
}

static int cut_alter(struct work *w, struct err *e)
{
	const struct ddl_asked *q = w->asked;
	char schema[257];
	const char *s = ddl_schema_of(&q->ddl->tables[0], q->q->schema, schema);
	int r;

	if (look_if_parted(w, s, q->ddl->tables[0].table, e) < 0)
		return -1;
	if (!w->parted && !filter_concerns(w->f, str_of(s), str_of(q->ddl->tables[0].table)) &&
		!(w->f && q->ddl->rename))
		return 1;
	r = alter_read(q->q->sql, &q->t->format.server, q->q->sql_mode, q->ddl, &w->alter, e);
	if (r == 0) {
		w->keep = xcalloc(w->alter.n + 1, sizeof(*w->keep));
		r = cut_parts(w, e);
	}
	free(w->keep);
	alter_fini(&w->alter);
	return r;
}

/* Behind the list of columns in CREATE TABLE; 0: it has none. */
static size_t end_of_columns(const struct ddl_asked *q)
{
	struct sql_lexer lx;
	int depth = 0;

	sql_ddl_lexer(&lx, q->q->sql, &q->t->format.server, q->q->sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD) {
		depth += sql_lex_is_char(&lx, '(') - sql_lex_is_char(&lx, ')');
		if (depth == 0 && sql_lex_is_char(&lx, ')'))
			return lx.token_at + 1;
	}
	return 0;
}

/*
 * Without a charset it has its database's, which the trial's is not. Where both sides' are the same now, that
 * one it was; else one ALTER DATABASE was left out or is still to come, and the upstream is asked for the
 * table.
 */
static int look_at_create(struct work *w, struct err *e)
{
	const struct ddl_asked *q = w->asked;
	char charset[DB_CHARSET], name[257];
	const char *schema = ddl_schema_of(&q->ddl->tables[0], q->q->schema, name);
	size_t at = end_of_columns(q);
	struct buf text = {0};
	struct route_name to;
	int r;

	if (sql_ddl_names_charset(q->q->sql, &q->t->format.server, q->q->sql_mode))
		return look_at_shape(w, q->q->sql, e);
	r = route_table(rules_route(w->a->rules), str_of(schema), str_of(q->ddl->tables[0].table), &to, e);
	if (r < 0 || tables_common_default(&w->a->tables, schema, to.schema, charset, e) < 0)
		return -1;
	if (!charset[0] || at == 0)
		return 0;
	buf_put(&text, q->q->sql.p, at);
	buf_putf(&text, " DEFAULT CHARACTER SET %s ", charset);
	buf_put(&text, q->q->sql.p + at, q->q->sql.n - at);
	r = look_at_shape(w, buf_str(&text), e);
	buf_free(&text);
	return r;
}

/* --- MariaDB's CREATE OR REPLACE, which is a DROP and a CREATE --- */

static enum sql_verb drop_of(enum sql_verb create)
{
	switch (create) {
	case SQL_VERB_CREATE_DATABASE:
		return SQL_VERB_DROP_DATABASE;
	case SQL_VERB_CREATE_INDEX:
		return SQL_VERB_DROP_INDEX;
	case SQL_VERB_CREATE_SEQUENCE:
		return SQL_VERB_DROP_SEQUENCE;
	default:
		return SQL_VERB_DROP_TABLE;
	}
}

static void put_without_replace(struct work *w)
{
	const struct ddl_asked *q = w->asked;
	struct str sql = q->q->sql;
	struct sql_lexer lx;
	size_t at;

	sql_ddl_lexer(&lx, sql, &q->t->format.server, q->q->sql_mode);
	while (sql_lex_next(&lx) != SQL_END && lx.type != SQL_BAD)
		if (lx.token_at >= q->ddl->statement_at && sql_lex_is(&lx, "OR"))
			break;
	at = lx.token_at;
	sql_lex_next(&lx); /* REPLACE: so it was read */
	buf_put(&w->out->text, sql.p, at);
	buf_put(&w->out->text, sql.p + lx.token_at + lx.token.n, sql.n - lx.token_at - lx.token.n);
}

/* What is there stays; what it made anew is not. */
static int keep_replaced(struct work *w)
{
	struct sql_ddl *ddl = w->asked->ddl;

	put_without_replace(w);
	if (ddl->verb == SQL_VERB_CREATE_DATABASE) { /* of a table the record is written by its CREATE */
		gone(w)->verb = SQL_VERB_DROP_DATABASE;
		memcpy(gone(w)->schema, ddl->schema, sizeof(ddl->schema));
	}
	return 1;
}

/* By the statement's own verb; n NULL: of the database. */
static int ask_verb(struct work *w, const struct sql_name *n, struct err *e)
{
	const struct sql_ddl *ddl = w->asked->ddl;
	int drop = ddl->or_replace ? ask(w, n, event_of_verb(drop_of(ddl->verb)), e) : 1, r;

	if (drop < 0)
		return -1;
	r = ask(w, n, event_of_verb(ddl->verb), e);
	if (!ddl->or_replace || r < 0 || r == drop)
		return r;
	return r ? keep_replaced(w) : mixed(w, "and the rest drops what it replaces", e);
}

/* An index that is made, or goes, where the downstream's structure does not say what the upstream has. */
static int keep_indexed(struct work *w, struct err *e)
{
	const struct ddl_asked *q = w->asked;
	char schema[257];

	if (look_if_parted(w, ddl_schema_of(&q->ddl->tables[0], q->q->schema, schema),
		    q->ddl->tables[0].table, e) < 0)
		return -1;
	if (!w->lacks)
		return 1;
	if (look_at_shape(w, q->q->sql, e) < 0)
		return -1;
	if (!w->shape.after)
		return keep_record(w, false, e);
	keep_shape(w, false);
	return 1;
}

/* One event, of one table. */
static int whole(struct work *w, struct err *e)
{
	struct sql_ddl *ddl = w->asked->ddl;
	int r = ask_verb(w, &ddl->tables[0], e);
	bool shapes = ddl->verb == SQL_VERB_CREATE_TABLE || ddl->verb == SQL_VERB_CREATE_INDEX ||
		      ddl->verb == SQL_VERB_DROP_INDEX;

	if (r == 1 && (ddl->verb == SQL_VERB_CREATE_INDEX || ddl->verb == SQL_VERB_DROP_INDEX))
		return keep_indexed(w, e);
	/* Whether IF NOT EXISTS made one can't be seen: track_gone leaves what is known alone. */
	if (r != 0 || !shapes || (ddl->verb == SQL_VERB_CREATE_TABLE && ddl->if_not_exists))
		return r;
	if (ddl->verb != SQL_VERB_CREATE_TABLE)
		r = look_at_shape(w, w->asked->q->sql, e);
	else if (!ddl->like && !ddl->as_select && !ddl->start_transaction)
		r = look_at_create(w, e);
	if (r < 0)
		return -1;
	keep_shape(w, false);
	return 0;
}

int ddl_filter(struct apply *a, const struct ddl_asked *asked, struct ddl_cut *out, struct err *e)
{
	struct work w = {.a = a, .asked = asked, .out = out, .f = rules_filter(a->rules)};
	int r;

	if (!w.f && asked->ddl->verb != SQL_VERB_ALTER_TABLE) /* whose charset rules of before may concern */
		return 1;
	switch (asked->ddl->verb) {
	case SQL_VERB_CREATE_DATABASE:
	case SQL_VERB_ALTER_DATABASE:
	case SQL_VERB_DROP_DATABASE:
		return ask_verb(&w, NULL, e);
	case SQL_VERB_DROP_TABLE:
	case SQL_VERB_DROP_SEQUENCE:
		return cut_drop(&w, e);
	case SQL_VERB_RENAME_TABLE:
		return cut_rename(&w, e);
	case SQL_VERB_ALTER_TABLE:
		r = cut_alter(&w, e);
		break;
	default:
		r = whole(&w, e);
	}
	shape_fini(&w.shape);
	return r;
}

int ddl_filter_unread(struct apply *a, const struct binlog_query *q, struct ddl_cut *out, struct err *e)
{
	struct filter_ask of = {.schema = {"", 0}, .table = {"", 0}, .statement = q->sql};

	return verdict(rules_filter(a->rules), &of, out, e);
}

void ddl_cut_fini(struct ddl_cut *c)
{
	buf_free(&c->text);
	structure_free(&c->shape);
}
