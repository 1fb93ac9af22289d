/*
 * Makes routines, views, triggers and events downstream. Called by the leader thread when nothing speaks
 * against it any more. Each is recorded as ours before it is made, so that a run after a crash knows its own;
 * none that is not recorded is ever dropped.
 */
#include "units/cutover/make.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/xalloc.h"
#include "common/sql/quote.h"
#include "units/cutover/record.h"

struct making {
	struct cutover *c;
	const struct plan *p;
	struct object_how how;
	unsigned made, kept;
};

static const enum object_kind order[] = {OBJECT_PACKAGE, OBJECT_PACKAGE_BODY, OBJECT_FUNCTION,
	OBJECT_PROCEDURE, OBJECT_VIEW, OBJECT_TRIGGER, OBJECT_EVENT};

/* FNV-1a: tells a definition that changed, no more. */
static void hash_of(const struct buf *b, char *out, size_t size)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < b->n; i++)
		h = (h ^ (unsigned char)b->p[i]) * UINT64_C(1099511628211);
	snprintf(out, size, "%016" PRIx64, h);
}

static int state_of(const struct making *m, const struct object *o, char *out, size_t size, struct err *e)
{
	struct buf text = {0};
	int r = object_statement(o, &m->how, &text, e);

	buf_puts(&text, o->sql_mode);
	buf_puts(&text, o->collation);
	buf_puts(&text, o->time_zone);
	buf_putc(&text, o->enabled ? '1' : '0');
	hash_of(&text, out, size);
	buf_free(&text);
	return r;
}

static void say_notes(struct cutover *c, struct buf *notes)
{
	const char *at = buf_cstr(notes);

	while (*at) {
		size_t n = strcspn(at, "\n");

		cutover_found(c, "objects", "warn", "", "%.*s", (int)n, at);
		at += n + (at[n] == '\n');
	}
	buf_free(notes);
}

/* A view is replaced in one step; others have no such statement everywhere. */
static int make_one(struct making *m, const struct object *o, struct err *e)
{
	struct cutover *c = m->c;
	struct object_how how = m->how;
	struct buf notes = {0};
	int r = 0;

	if (record_put(c, object_word(o->kind), o, "", e) < 0)
		return -1;
	if (FAILPOINT_HIT(cutover_making))
		return err_set(e, ERR_db_lost, "failpoint cutover_making");
	how.replace = o->kind == OBJECT_VIEW;
	if (!how.replace)
		r = object_drop(c->down, o->kind, o->schema, o->name, e);
	if (r == 0)
		r = object_make(c->down, o, &how, &notes, e);
	say_notes(c, &notes);
	if (r == 0 && FAILPOINT_HIT(cutover_made))
		return err_set(e, ERR_db_lost, "failpoint cutover_made");
	return r;
}

/* A view whose tables, functions or DEFINER are gone. */
static bool broken_in_source(struct cutover *c, const struct object *o)
{
	struct buf sql = {0};
	int r;

	if (o->kind != OBJECT_VIEW)
		return false;
	buf_puts(&sql, "SELECT 1 FROM ");
	sql_put_table(&sql, str_of(o->schema), str_of(o->name));
	buf_puts(&sql, " LIMIT 0");
	r = db_exec(c->up, buf_str(&sql), NULL);
	buf_free(&sql);
	return r < 0;
}

/* 1: it is there; 0: it could not be made (said where `say`); -1: the connection is gone. */
static int ensure(struct making *m, const struct object *o, bool say, struct err *e)
{
	const char *was = record_find(m->p->known, object_word(o->kind), o->schema, o->name);
	struct buf show = {0};
	struct err why = {0};
	char state[24];
	bool there;

	if (state_of(m, o, state, sizeof(state), e) < 0 ||
		object_there(m->c->down, o->kind, o->schema, o->name, &there, e) < 0)
		return -1;
	if (there && was && strcmp(was, state) == 0) {
		m->kept++;
		return 1;
	}
	if (make_one(m, o, &why) == 0) {
		m->made++;
		return record_put(m->c, object_word(o->kind), o, state, e) < 0 ? -1 : 1;
	}
	if (db_error_is_lost(why.sql_errno) || why.code == ERR_db_lost) {
		*e = why;
		return -1;
	}
	object_show(o->kind, o->schema, o->name, &show);
	if (say && broken_in_source(m->c, o))
		cutover_found(m->c, "objects", "warn", "", "%s can't be made, nor used in the source: %s",
			buf_cstr(&show), why.text);
	else if (say)
		cutover_found(m->c, "objects", "fail", "mend it by hand, then ask again",
			"%s can't be made: %s", buf_cstr(&show), why.text);
	buf_free(&show);
	return 0;
}

/* Views may stand on views: as long as a round makes one, the next may make more. */
static int make_kind(struct making *m, enum object_kind kind, struct err *e)
{
	bool *done = xcalloc((size_t)m->p->all.n + 1, sizeof(*done)), say = kind != OBJECT_VIEW;
	unsigned progress;
	int r = 0;

	for (;;) {
		progress = 0;
		for (unsigned i = 0; r >= 0 && i < m->p->all.n; i++) {
			const struct object *o = &m->p->all.p[i];

			if (o->kind != kind || !m->p->make[i] || done[i])
				continue;
			r = ensure(m, o, say, e);
			done[i] = r > 0;
			progress += r > 0;
		}
		if (r < 0 || say)
			break;
		say = progress == 0;
	}
	free(done);
	return r < 0 ? -1 : 0;
}

/* --- those that the source has no more --- */

static bool is_in_source(const struct plan *p, const char *kind, const char *schema, const char *name)
{
	for (unsigned i = 0; i < p->all.n; i++) {
		const struct object *o = &p->all.p[i];

		if (strcmp(object_word(o->kind), kind) == 0 && strcmp(o->schema, schema) == 0 &&
			strcmp(o->name, name) == 0)
			return true;
	}
	return false;
}

/*
 * A trigger is listed by its table, whose name the record does not have: the downstream has it. The source
 * may have given the name to a trigger of a table that is none of ours.
 */
static bool is_of_wanted(const struct cutover *c, const char *schema, const char *name)
{
	struct buf sql = {0};
	struct err ignored;
	bool found = true;
	char table[300] = "";
	int r;

	buf_puts(&sql, "SELECT EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA=");
	sql_put_string(&sql, str_of(schema));
	buf_puts(&sql, " AND TRIGGER_NAME=");
	sql_put_string(&sql, str_of(name));
	r = db_value(c->down, buf_cstr(&sql), table, sizeof(table), &found, &ignored);
	buf_free(&sql);
	/* Gone with its table: only the record is left. */
	return r == 0 && (found ? rules_table(c->rules, str_of(schema), str_of(table))
				: rules_schema(c->rules, str_of(schema)));
}

/* What the rules leave out is not looked for in the source: it may well be there. */
static bool is_listed(const struct cutover *c, int kind, const char *schema, const char *name)
{
	if (kind == OBJECT_TRIGGER)
		return is_of_wanted(c, schema, name);
	return kind == OBJECT_VIEW ? rules_listed(c->rules, str_of(schema), str_of(name))
				   : rules_schema(c->rules, str_of(schema));
}

static int drop_gone_of(struct making *m, const char *kind, json_t *schemas, struct err *e)
{
	int k = object_kind_of(str_of(kind));
	const char *schema, *name;
	json_t *names, *state;

	if (k < 0 || (k != OBJECT_VIEW && !(m->c->wanted & OBJECT_BIT(k))))
		return 0;
	/* What is not seen need not be gone. */
	if (m->c->unseen & OBJECT_BIT(k))
		return 0;
	json_object_foreach(schemas, schema, names)
		json_object_foreach(names, name, state)
			if (!is_in_source(m->p, kind, schema, name) && is_listed(m->c, k, schema, name) &&
				(object_drop(m->c->down, (enum object_kind)k, schema, name, e) < 0 ||
					record_gone(m->c, kind, schema, name, e) < 0))
				return -1;
	return 0;
}

static int drop_gone(struct making *m, struct err *e)
{
	const char *kind;
	json_t *schemas;

	json_object_foreach(m->p->known, kind, schemas)
		if (drop_gone_of(m, kind, schemas, e) < 0)
			return -1;
	return 0;
}

int make_objects(struct cutover *c, const struct plan *p, struct err *e)
{
	struct making m = {.c = c, .p = p, .how = {.from = &c->from, .definer = &c->definer}};

	if (record_put(c, RECORD_POSITION, NULL, p->position, e) < 0 || drop_gone(&m, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (make_kind(&m, order[i], e) < 0)
			return -1;
	cutover_found(c, "objects", "success", "",
		"views, routines, triggers, events: %u made, %u were made before", m.made, m.kept);
	return 0;
}

int make_enable_events(struct cutover *c, const struct plan *p, struct err *e)
{
	const struct object_how how = {.from = &c->from, .definer = &c->definer};

	if (FAILPOINT_HIT(cutover_events))
		return err_set(e, ERR_db_lost, "failpoint cutover_events");
	for (unsigned i = 0; i < p->all.n; i++) {
		const struct object *o = &p->all.p[i];
		bool there;

		if (!p->make[i] || !o->enabled)
			continue;
		if (object_there(c->down, o->kind, o->schema, o->name, &there, e) < 0)
			return -1;
		if (!there) /* its time was over when it was made */
			continue;
		if (object_enable_event(c->down, o, &how, e) < 0)
			return -1;
	}
	return 0;
}
