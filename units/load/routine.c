/*
 * The routines of a task that asks for them (option `objects`). Called by the leader thread when all rows are
 * in. Must never replace one that is not recorded as this task's own.
 */
#include "units/load/routine.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "units/load/own.h"
#include "units/load/record.h"

enum { NAME_MAX_ = 300 };

/* A function and a procedure may have one name. */
static void own_name(const struct object *o, char *out)
{
	snprintf(out, NAME_MAX_, "%s %s", object_word(o->kind), o->name);
}

static int claim_all(struct load *l, struct db *c, const struct objects *all, json_t *own, struct err *e)
{
	for (unsigned i = 0; i < all->n; i++) {
		const struct object *o = &all->p[i];
		char name[NAME_MAX_];
		bool there;

		own_name(o, name);
		if (own_has(own, "routines", o->schema, name))
			continue;
		if (l->to.flavor == FLAVOR_TIDB) {
			load_leave_out(l, "%s `%s`.`%s` is left out: TiDB has none", object_word(o->kind),
				o->schema, o->name);
			continue;
		}
		if (object_there(c, o->kind, o->schema, o->name, &there, e) < 0)
			return -1;
		if (there)
			load_leave_out(l, "%s `%s`.`%s` is not made: there is one of this name downstream",
				object_word(o->kind), o->schema, o->name);
		else
			own_add(own, "routines", o->schema, name);
	}
	return 0;
}

static int make(struct load *l, struct db *c, const struct object *o, struct err *e)
{
	struct object_how how = {.from = &l->plan.from, .definer = &l->definer};
	struct buf notes = {0};
	int r = object_drop(c, o->kind, o->schema, o->name, e);

	if (r == 0)
		r = object_make(c, o, &how, &notes, e);
	if (r == 0 && o->kind == OBJECT_EVENT && o->enabled)
		r = object_enable_event(c, o, &how, e);
	if (notes.n > 0)
		log_warn("%.*s", (int)strcspn(buf_cstr(&notes), "\n"), notes.p);
	buf_free(&notes);
	return r;
}

int routine_make_all(struct load *l, struct db *c, const struct objects *all, json_t *own, struct err *e)
{
	if (all->n > 0 && (claim_all(l, c, all, own, e) < 0 || record_own(l, c, own, e) < 0))
		return -1;
	for (unsigned i = 0; i < all->n; i++) {
		const struct object *o = &all->p[i];
		char name[NAME_MAX_];
		struct err mine = {0};

		own_name(o, name);
		if (!own_has(own, "routines", o->schema, name) || make(l, c, o, &mine) == 0)
			continue;
		if (db_error_is_lost(mine.sql_errno)) {
			*e = mine;
			return -1;
		}
		load_leave_out(l, "%s `%s`.`%s` can't be made: %s", object_word(o->kind), o->schema, o->name,
			mine.text);
	}
	return 0;
}
