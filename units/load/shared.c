/*
 * Several sources of a task, and one target that they do not share (join.h): what the others have on record
 * is not ours (docs/design/routing.md). Called by the leader thread before anything is made, dropped or
 * emptied downstream.
 */
#include "units/load/shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "units/load/own.h"
#include "units/load/record.h"
#include "units/load/target.h"

enum { TABLES = 3, KINDS };
static const char *const kinds[] = {"made", "taken", "joined", "sequences"};

/* --- what they have no more --- */

static const char *const stages[] = {"schema", "load", "done", "done"};

int shared_put_record(struct load *l, struct db *c, const struct other *o, struct err *e)
{
	struct buf sql = {0}, own = {0};
	int r;

	json_write(o->own, &own);
	buf_puts(&sql, "UPDATE ");
	record_put_table(l, &sql, "tidegate_plan");
	buf_puts(&sql, " SET `plan`=");
	record_put_text(&sql, buf_cstr(&own));
	if (o->state == OTHER_LOADS || o->state == OTHER_BEGINS)
		buf_puts(&sql, ",`copy_id`=''");
	buf_puts(&sql, " WHERE `task`=");
	record_put_text(&sql, l->task);
	buf_puts(&sql, " AND `source`=");
	record_put_text(&sql, o->source);
	buf_putf(&sql, " AND `stage`='%s' AND `plan`=", stages[o->state]);
	record_put_text(&sql, o->plan);
	r = record_run(c, &sql, e);
	buf_free(&sql);
	buf_free(&own);
	return r;
}

struct releasing {
	struct db *c;
	const struct other *other;
	const struct map *wanted; /* our targets, by route_key */
	json_t *gone;             /* as own, of "taken" */
	struct err *e;
};

/* As it is spelled there. Of a copy that is not done rows may be on their way into what is empty. */
static int look_at_target(void *arg, const char *schema, const char *name)
{
	struct releasing *w = arg;
	struct buf key = route_key(str_of(schema), str_of(name));
	bool ours = map_get(w->wanted, buf_str(&key)) != NULL, there, is_free;

	buf_free(&key);
	if (!ours)
		return 0;
	if (target_is_free(w->c, schema, name, &there, &is_free, w->e) < 0)
		return -1;
	if (w->other->state == OTHER_ENDED ? !is_free : there)
		return 0;
	log_info("`%s`.`%s`, which source %s had loaded, is gone or empty: it is free", schema, name,
		w->other->source);
	own_add(w->gone, "taken", schema, name);
	return 0;
}

static int forget_target(void *arg, const char *schema, const char *name)
{
	for (size_t k = 0; k < KINDS; k++)
		own_forget(arg, kinds[k], schema, name);
	own_forget(arg, "ready", schema, name);
	return 0;
}

static int release_one(struct load *l, const struct map *wanted, struct db *c, struct other *o, struct err *e)
{
	struct releasing w = {c, o, wanted, json_object(), e};
	int r = 0;

	for (size_t k = 0; r == 0 && k < TABLES; k++)
		r = own_each(o->own, kinds[k], look_at_target, &w);
	if (r == 0 && json_object_size(w.gone) > 0) {
		own_each(w.gone, "taken", forget_target, o->own);
		r = shared_put_record(l, c, o, e);
	}
	json_decref(w.gone);
	return r;
}

int shared_release(struct load *l, struct db *c, struct err *e)
{
	struct others o = {0};
	struct map *wanted = map_new();
	int r = others_read(l, c, false, &o, e);

	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		const struct plan_item *t = &l->plan.tables.p[i];
		struct buf key = route_key(str_of(t->to_schema), str_of(t->to_name));

		map_put(wanted, buf_str(&key), (void *)(uintptr_t)t);
		buf_free(&key);
	}
	for (size_t i = 0; r >= 0 && i < o.n; i++)
		if (o.p[i].state == OTHER_LOADS || o.p[i].state == OTHER_ENDED)
			r = release_one(l, wanted, c, &o.p[i], e);
	map_free(&wanted, NULL);
	others_fini(&o);
	return r < 0 ? -1 : 0;
}

/* --- what they have --- */

struct sharing {
	struct map *theirs; /* by route_key */
	const struct other *other;
	const char *kind, *task, *meta_schema;
	const json_t *own;
	json_t *shared; /* as own */
	struct err *e;  /* of the first */
};

static int add_target(void *arg, const char *schema, const char *name)
{
	struct sharing *s = arg;
	struct buf key = route_key(str_of(schema), str_of(name));

	map_put(s->theirs, buf_str(&key), s);
	buf_free(&key);
	return 0;
}

static int check_target(void *arg, const char *schema, const char *name)
{
	struct sharing *s = arg;
	struct buf key = route_key(str_of(schema), str_of(name));
	bool shared = map_get(s->theirs, buf_str(&key)) != NULL,
	     agreed = own_has(s->own, "shared", schema, name) &&
		      (own_has(s->other->own, "shared", schema, name) ||
			      own_has(s->other->own, "tracked", schema, name));
	char given_up[400] = "";

	buf_free(&key);
	if (!shared || agreed)
		return 0;
	own_add(s->shared, s->kind, schema, name);
	if (s->e->code)
		return 0;
	if (s->other->state == OTHER_BEGINS || s->other->state == OTHER_LOADS)
		snprintf(given_up, sizeof(given_up),
			", whose copy is not done (if it is given up: DELETE FROM `%s`.`tidegate_plan` WHERE "
			"task='%s' AND source='%s')",
			s->meta_schema, s->task, s->other->source);
	err_set(s->e, ERR_route_shared, "`%s`.`%s` is a target of source %s too%s", schema, name,
		s->other->source, given_up);
	return 0;
}

static void check_other(struct sharing *s, const struct other *o, const json_t *own)
{
	s->theirs = map_new();
	s->other = o;
	s->own = own;
	for (size_t k = 0; k < KINDS; k++)
		own_each(o->own, kinds[k], add_target, s);
	own_each(o->own, "tracked", add_target, s);
	for (size_t k = 0; k < KINDS; k++) {
		s->kind = kinds[k];
		own_each(own, kinds[k], check_target, s);
	}
	map_free(&s->theirs, NULL);
}

int shared_check(struct load *l, struct db *c, json_t *own, struct err *e)
{
	struct sharing s = {.task = l->task, .meta_schema = l->meta_schema, .shared = json_object(), .e = e};
	struct others o = {0};
	int r = others_read(l, c, false, &o, e);

	if (r >= 0)
		err_clear(e);
	for (size_t i = 0; r >= 0 && i < o.n; i++)
		check_other(&s, &o.p[i], own);
	for (size_t k = 0; r >= 0 && k < KINDS; k++)
		own_each(s.shared, kinds[k], forget_target, own);
	others_fini(&o);
	json_decref(s.shared);
	return r < 0 || e->code ? -1 : 0;
}

void shared_blame(struct load *l, struct db *c, struct err *e)
{
	json_t *ours = json_object();
	struct err why = {0};

	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		const struct plan_item *t = &l->plan.tables.p[i];

		own_add(ours, "taken", t->to_schema, t->to_name);
		if (t->shared)
			own_add(ours, "shared", t->to_schema, t->to_name);
	}
	if (shared_check(l, c, ours, &why) < 0 && why.code == ERR_route_shared)
		*e = why;
	json_decref(ours);
}
