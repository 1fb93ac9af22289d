/*
 * The cutover's rows in the meta schema. Called by the leader thread, on its downstream connection.
 */
#include "units/cutover/record.h"

#include <stdio.h>
#include <string.h>

#include "common/config/json.h"
#include "common/sql/quote.h"

/* State of what was dropped here because the source had it no more. */
static const char gone[] = "gone";

static void put_text(struct buf *sql, const char *text)
{
	buf_puts(sql, "_utf8mb4");
	sql_put_string(sql, str_of(text));
}

static void put_owner(struct cutover *c, struct buf *sql)
{
	buf_puts(sql, " WHERE `task`=");
	put_text(sql, c->task);
	buf_puts(sql, " AND `source`=");
	put_text(sql, c->source);
}

static void put_table(struct cutover *c, struct buf *sql, const char *table)
{
	sql_put_table(sql, str_of(c->meta_schema), str_of(table));
}

static json_t *sub(json_t *o, const char *key)
{
	json_t *s = json_object_get(o, key);

	if (!s) {
		s = json_object();
		json_object_set_new(o, key, s);
	}
	return s;
}

static void add(json_t *known, const char *kind, const char *schema, const char *name, json_t *state)
{
	json_object_set_new(sub(sub(known, kind), schema), name, state);
}

/* "FUNCTION f": the longest word first, as PACKAGE is the beginning of another one. */
static void take_routine(json_t *known, const char *schema, const char *name)
{
	for (int k = OBJECT_PACKAGE_BODY; k >= OBJECT_FUNCTION; k--) {
		const char *word = object_word((enum object_kind)k);
		size_t n = strlen(word);

		if (strncmp(name, word, n) != 0 || name[n] != ' ')
			continue;
		add(known, word, schema, name + n + 1, json_string(""));
		return;
	}
}

/* What the load made of them is in the plan's list: {"views":{"app":{"v":true}},
 * "routines":{"app":{"FUNCTION f":true}}}. */
static void take_plan(json_t *known, const json_t *own)
{
	json_t *names, *value;
	const char *schema, *name;

	json_object_foreach(json_object_get(own, "views"), schema, names)
		json_object_foreach(names, name, value)
			add(known, object_word(OBJECT_VIEW), schema, name, json_string(""));
	json_object_foreach(json_object_get(own, "routines"), schema, names)
		json_object_foreach(names, name, value)
			take_routine(known, schema, name);
}

static int read_plan(struct cutover *c, json_t *known, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	json_t *own;
	int got = -1;

	buf_puts(&sql, "SELECT `plan` FROM ");
	put_table(c, &sql, "tidegate_plan");
	put_owner(c, &sql);
	r = db_query(c->down, buf_str(&sql), e);
	buf_free(&sql);
	if (r && (got = db_fetch(r, &v, e)) > 0) {
		own = json_parse(v[0], "tidegate_plan.plan", e);
		if (own)
			take_plan(known, own);
		else
			got = -1;
		json_decref(own);
	}
	db_rows_close(&r);
	return got < 0 ? -1 : 0;
}

static int read_objects(struct cutover *c, json_t *known, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	buf_puts(&sql, "SELECT `kind`,`object_schema`,`object_name`,`state` FROM ");
	put_table(c, &sql, "tidegate_object");
	put_owner(c, &sql);
	r = db_query(c->down, buf_str(&sql), e);
	buf_free(&sql);
	while (r && (got = db_fetch(r, &v, e)) > 0) {
		char kind[20], schema[260], name[260];

		snprintf(kind, sizeof(kind), "%.*s", STR_ARG(v[0]));
		snprintf(schema, sizeof(schema), "%.*s", STR_ARG(v[1]));
		snprintf(name, sizeof(name), "%.*s", STR_ARG(v[2]));
		/* The plan's list may still have it. */
		if (str_is(v[3], gone))
			json_object_del(sub(sub(known, kind), schema), name);
		else
			add(known, kind, schema, name, json_stringn(v[3].p, v[3].n));
	}
	db_rows_close(&r);
	return got;
}

int record_read(struct cutover *c, json_t **known, struct err *e)
{
	*known = json_object();
	return read_plan(c, *known, e) < 0 ? -1 : read_objects(c, *known, e);
}

const char *record_find(const json_t *known, const char *kind, const char *schema, const char *name)
{
	return json_text(json_object_get(json_object_get(known, kind), schema), name, NULL);
}

static int put_row(struct cutover *c, const char *const object[3], const char *state, struct err *e)
{
	const char *const values[] = {c->task, c->source, object[0], object[1], object[2], state};
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "REPLACE INTO ");
	put_table(c, &sql, "tidegate_object");
	buf_puts(&sql, " (`task`,`source`,`kind`,`object_schema`,`object_name`,`state`) VALUES (");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		buf_puts(&sql, i ? "," : "");
		put_text(&sql, values[i]);
	}
	buf_putc(&sql, ')');
	r = db_exec(c->down, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

int record_put(struct cutover *c, const char *kind, const struct object *o, const char *state, struct err *e)
{
	return put_row(c, (const char *const[]){kind, o ? o->schema : "", o ? o->name : ""}, state, e);
}

int record_gone(struct cutover *c, const char *kind, const char *schema, const char *name, struct err *e)
{
	return put_row(c, (const char *const[]){kind, schema, name}, gone, e);
}
