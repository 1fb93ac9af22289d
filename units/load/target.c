/*
 * Makes the tables that the chunks go into. Called by the leader thread before the first chunk. Must never
 * drop or empty a table that is not recorded as this task's own.
 */
#include "units/load/target.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/db/structure.h"
#include "common/sql/quote.h"
#include "common/sql/takes.h"
#include "common/sql/value_format.h"
#include "units/load/ddl.h"
#include "units/load/own.h"
#include "units/load/routed.h"
#include "units/load/shared.h"
#include "units/load/tables.h"

/* --- which tables may be used --- */

static int is_empty(struct db *c, const char *schema, const char *name, bool *empty, struct err *e)
{
	struct buf sql = {0};
	char text[8];
	bool found = false;
	int r;

	buf_puts(&sql, "SELECT 1 FROM ");
	sql_put_table(&sql, str_of(schema), str_of(name));
	buf_puts(&sql, " LIMIT 1");
	r = db_value(c, buf_cstr(&sql), text, sizeof(text), &found, e);
	buf_free(&sql);
	*empty = !found;
	return r;
}

static int check_columns(struct db *c, const struct plan_item *t, struct err *e)
{
	bool found;
	struct structure *there = db_structure(c, t->to_schema, t->to_name, &found, e);
	int r = there ? structure_takes(there, t->structure, &t->extras, true, e) : -1;

	if (!there && !e->code)
		err_set(e, ERR_link, "it is not there any more");

	structure_free(&there);
	return r;
}

enum { NO_SUCH_TABLE = 1146 };

int target_is_free(
	struct db *c, const char *schema, const char *name, bool *there, bool *is_free, struct err *e)
{
	enum ddl_object what;

	if (ddl_object_type(c, schema, name, &what, e) < 0)
		return -1;
	*there = what != DDL_OBJECT_NONE;
	*is_free = what == DDL_OBJECT_NONE;
	if (what != DDL_OBJECT_TABLE || is_empty(c, schema, name, is_free, e) == 0)
		return 0;
	if (e->sql_errno != NO_SUCH_TABLE)
		return -1;
	/* Dropped in between. */
	err_clear(e);
	*there = false;
	*is_free = true;
	return 0;
}

/* A trigger would run for every row that we write, and nothing a client can set keeps it from that (T15). */
static int check_triggers(struct db *c, const struct plan_item *t, struct err *e)
{
	struct buf sql = {0};
	char name[260];
	bool found;
	int r;

	buf_puts(&sql, "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA=");
	ddl_put_text(&sql, t->to_schema);
	buf_puts(&sql, " AND EVENT_OBJECT_TABLE=");
	ddl_put_text(&sql, t->to_name);
	buf_puts(&sql, " LIMIT 1");
	r = db_value(c, buf_cstr(&sql), name, sizeof(name), &found, e);
	buf_free(&sql);
	if (r == 0 && found)
		return err_set(e, ERR_load_failed,
			"the table has a trigger (%s), which would run for each copied row: drop it", name);
	return r;
}

/* What a chunk wrote before it was cut off would stay there, and be there twice. */
static int check_engine(struct db *c, const struct plan_item *t, struct err *e)
{
	char engine[DB_ENGINE];

	if (db_engine_without_transactions(c, t->to_schema, t->to_name, engine, e) < 0)
		return -1;
	return engine[0] ? err_set(e, ERR_load_failed,
				   "the table is there already, with engine %s, which has no transactions: "
				   "ALTER TABLE … ENGINE=InnoDB",
				   engine)
			 : 0;
}

/* Files hold text as their columns' charsets have it; what a dump hands over is UTF-8 for TiDB
 * (value_format_for). */
static int check_charsets(const struct load *l, const struct plan_item *t, struct err *e)
{
	for (unsigned i = 0; l->folder && l->to.flavor == FLAVOR_TIDB && i < t->structure->ncolumns; i++) {
		const struct column *c = &t->structure->columns[i];

		if (!value_is_utf8(c->charset))
			return err_set(e, ERR_load_failed,
				"column `%s` has charset %s, whose bytes TiDB would not keep: copy from the "
				"server (mode full or all), or CONVERT the table TO CHARACTER SET utf8mb4 "
				"upstream and dump it again",
				c->name, c->charset);
	}
	return 0;
}

static int check_no_rows(struct db *c, const struct plan_item *t, struct err *e)
{
	bool empty;

	if (is_empty(c, t->to_schema, t->to_name, &empty, e) < 0)
		return -1;
	return empty ? 0 : err_set(e, ERR_load_target_not_empty, "it has rows");
}

/* A table that is there, and not ours by record, or ours to empty. */
static int check_existing(struct db *c, const struct plan_item *t, bool may_have_rows, struct err *e)
{
	if (check_columns(c, t, e) < 0 || check_triggers(c, t, e) < 0 || check_engine(c, t, e) < 0)
		return -1;
	return may_have_rows ? 0 : check_no_rows(c, t, e);
}

int target_check_joined(struct db *c, const struct plan_item *t, struct err *e)
{
	return check_existing(c, t, true, e) < 0
		       ? err_add(e, "downstream table `%s`.`%s`", t->to_schema, t->to_name)
		       : 0;
}

/* Before it is recorded as ours to drop: a person may make it by hand. */
static int check_made(struct load *l, const struct plan_item *t, struct err *e)
{
	if (t->extras.n > 0)
		return err_set(e, ERR_load_failed,
			"the task's routes fill its column `%s` (extract-…), whose type and keys nobody "
			"knows: make the "
			"table by hand, with that column",
			t->extras.p[0].column);
	return ddl_can_translate(l, t, e);
}

int target_check_made(struct load *l, const struct plan_item *t, struct err *e)
{
	return check_made(l, t, e) < 0 ? err_add(e, "downstream table `%s`.`%s`", t->to_schema, t->to_name)
				       : 0;
}

struct claiming {
	struct load *l;
	struct db *c;
	const json_t *old;
	json_t *own;
};

static int claim_table(struct claiming *m, const struct plan_item *t, struct err *e)
{
	bool taken = own_may_have_rows(m->old, "taken", t->to_schema, t->to_name);
	enum ddl_object what;

	if (check_charsets(m->l, t, e) < 0)
		return -1;
	own_set_place(m->own, t->schema, t->name, t->to_schema, t->to_name);
	if (!t->shared)
		own_forget(m->own, "joined", t->to_schema, t->to_name);
	if (own_may_have_rows(m->old, "made", t->to_schema, t->to_name) || (t->merged && t->merged != t) ||
		(t->shared && own_has(m->old, "joined", t->to_schema, t->to_name)))
		return 0;
	if (t->absent)
		what = DDL_OBJECT_NONE;
	else if (ddl_object_type(m->c, t->to_schema, t->to_name, &what, e) < 0)
		return -1;
	if (what == DDL_OBJECT_VIEW)
		return err_set(e, ERR_load_failed, "it is a view downstream");
	/* Made by a start that came no further, or by somebody since then. Whose rows there are in a shared
	 * one join_decide asks. */
	if (what == DDL_OBJECT_TABLE && own_has(m->old, "made", t->to_schema, t->to_name))
		return t->shared ? 0 : check_no_rows(m->c, t, e);
	if (what == DDL_OBJECT_TABLE && !t->shared && check_existing(m->c, t, taken, e) < 0)
		return -1;
	if (what == DDL_OBJECT_NONE && check_made(m->l, t, e) < 0)
		return -1;
	/* Also on record with rows of ours: it stays so. */
	if (what != DDL_OBJECT_TABLE || !taken)
		own_claim(m->own, what == DDL_OBJECT_TABLE ? "taken" : "made", t->to_schema, t->to_name);
	return 0;
}

/* Only MariaDB has them; what is there already stays as it is. Their values are set at cutover. */
static int claim_sequence(struct claiming *m, const struct plan_item *s, struct err *e)
{
	enum ddl_object what;

	if (m->l->to.flavor != FLAVOR_MARIADB) {
		load_leave_out(
			m->l, "sequence `%s`.`%s` is left out: the downstream has none", s->schema, s->name);
		return 0;
	}
	if (own_has(m->old, "sequences", s->to_schema, s->to_name))
		return 0;
	if (ddl_object_type(m->c, s->to_schema, s->to_name, &what, e) < 0)
		return -1;
	if (what == DDL_OBJECT_NONE)
		own_add(m->own, "sequences", s->to_schema, s->to_name);
	else
		load_leave_out(m->l,
			"sequence `%s`.`%s` is not made: there is something of this name downstream",
			s->schema, s->name);
	return 0;
}

/* Tables of one schema that stand together: is none of them there? Then none is asked for by itself. */
static int find_absent(struct load *l, struct db *c, struct err *e)
{
	enum { AT_ONCE = 200 };
	struct plan_items *list = &l->plan.tables;

	for (unsigned i = 0, n; i < list->n; i += n) {
		bool any;

		for (n = 1; n < AT_ONCE && i + n < list->n; n++)
			if (strcmp(list->p[i + n].to_schema, list->p[i].to_schema) != 0)
				break;
		if (ddl_any_there(c, list->p + i, n, &any, e) < 0)
			return -1;
		for (unsigned k = i; k < i + n; k++)
			list->p[k].absent = !any;
	}
	return 0;
}

int target_claim(struct load *l, struct db *c, const json_t *old, json_t *own, struct err *e)
{
	struct claiming m = {l, c, old, own};
	/* What an earlier copy made stays ours until it is dropped, also where this plan has it no more. */
	json_t *before = json_deep_copy(old);

	json_object_update(own, before);
	json_decref(before);
	if (shared_release(l, c, e) < 0 || find_absent(l, c, e) < 0)
		return -1;
	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		const struct plan_item *t = &l->plan.tables.p[i];

		if (claim_table(&m, t, e) < 0) {
			err_add(e, "downstream table `%s`.`%s`", t->to_schema, t->to_name);
			if (e->code == ERR_load_target_not_empty)
				shared_blame(l, c, e);
			return -1;
		}
	}
	for (unsigned i = 0; i < l->plan.sequences.n; i++)
		if (claim_sequence(&m, &l->plan.sequences.p[i], e) < 0)
			return -1;
	return 0;
}

/* --- making them --- */

struct making {
	struct load *l;
	struct db *c;
	const json_t *own;
	struct map *plan; /* plan_targets */
	struct err *e;
};

/* Nothing of an older snapshot is kept in it. */
static bool is_fresh(const struct making *m, const struct plan_item *t)
{
	return !t || routed_is_fresh(m->l, m->own, t);
}

static int not_ours(const struct making *m, const char *schema, const char *name)
{
	return err_set(m->e, ERR_load_target_not_empty,
		"downstream table `%s`.`%s`: it has rows by now, which are not this task's", schema, name);
}

static int drop_one(void *arg, const char *schema, const char *name)
{
	struct making *m = arg;
	const struct plan_item *t = plan_at(m->plan, schema, name);
	bool there, droppable = own_may_have_rows(m->own, "made", schema, name);

	/* Absent: this process has seen that it is not there. */
	if ((t && t->absent) || !is_fresh(m, t))
		return 0;
	if (!droppable && target_is_free(m->c, schema, name, &there, &droppable, m->e) < 0)
		return -1;
	if (!droppable)
		return t ? not_ours(m, schema, name) : 0;
	return ddl_about(m->c, "DROP TABLE IF EXISTS ", schema, name, m->e);
}

enum { NO_TRUNCATE = 4137 };

/* MariaDB truncates no table that keeps history. What is deleted becomes history there. */
static int empty_table(struct db *c, const char *schema, const char *name, struct err *e)
{
	if (ddl_about(c, "TRUNCATE TABLE ", schema, name, e) == 0)
		return 0;
	if (e->sql_errno != NO_TRUNCATE)
		return -1;
	err_clear(e);
	return ddl_about(c, "DELETE FROM ", schema, name, e);
}

static int empty_one(void *arg, const char *schema, const char *name)
{
	struct making *m = arg;
	enum ddl_object what;
	bool empty;

	if (!is_fresh(m, plan_at(m->plan, schema, name)))
		return 0;
	if (ddl_object_type(m->c, schema, name, &what, m->e) < 0)
		return -1;
	if (what != DDL_OBJECT_TABLE)
		return 0;
	if (is_empty(m->c, schema, name, &empty, m->e) < 0)
		return -1;
	if (!empty && !own_may_have_rows(m->own, "taken", schema, name))
		return plan_at(m->plan, schema, name) ? not_ours(m, schema, name) : 0;
	return empty ? 0 : empty_table(m->c, schema, name, m->e);
}

static int make_schema(struct load *l, struct db *c, const struct plan_item *s, struct err *e)
{
	bool there;

	if (ddl_schema_exists(c, s->to_schema, &there, e) < 0)
		return -1;
	if (there || ddl_translated(l, c, s, e) == 0)
		return 0;
	return e->sql_errno == DDL_SCHEMA_EXISTS ? 0 : err_add(e, "making schema `%s`", s->to_schema);
}

static int set_value(struct db *c, const struct plan_item *s, struct err *e)
{
	struct buf sql = {0};
	int r;

	if (!s->value)
		return 0;
	buf_puts(&sql, "DO SETVAL(");
	sql_put_table(&sql, str_of(s->to_schema), str_of(s->to_name));
	buf_putf(&sql, ",%s)", s->value);
	r = db_exec(c, buf_str(&sql), e);
	buf_free(&sql);
	return r;
}

static int drop_sequence(void *arg, const char *schema, const char *name)
{
	struct making *m = arg;

	return ddl_about(m->c, "DROP SEQUENCE IF EXISTS ", schema, name, m->e);
}

/* Before the tables: a column's default may ask one. All are of the newest snapshot: one that it does not
 * have any more goes. */
static int make_sequences(struct making *m)
{
	const struct plan_items *list = &m->l->plan.sequences;

	if (own_each(m->own, "sequences", drop_sequence, m) < 0)
		return -1;
	for (unsigned i = 0; i < list->n; i++) {
		const struct plan_item *s = &list->p[i];

		if (own_has(m->own, "sequences", s->to_schema, s->to_name) &&
			(ddl_use(m->c, s->to_schema, m->e) < 0 || ddl_translated(m->l, m->c, s, m->e) < 0 ||
				set_value(m->c, s, m->e) < 0))
			return err_add(m->e, "making sequence `%s`.`%s`", s->schema, s->name);
	}
	return 0;
}

int target_make(struct load *l, struct db *c, json_t *own, struct err *e)
{
	struct making m = {.l = l, .c = c, .own = own, .e = e};
	int r;

	for (unsigned i = 0; i < l->plan.schemas.n; i++)
		if (make_schema(l, c, &l->plan.schemas.p[i], e) < 0)
			return -1;
	m.plan = plan_targets(&l->plan);
	r = own_each(own, "made", drop_one, &m);
	if (r == 0)
		r = own_each(own, "taken", empty_one, &m);
	map_free(&m.plan, NULL);
	if (r < 0)
		return -1;
	return make_sequences(&m) < 0 ? -1 : tables_make(l, c, own, e);
}

json_t *target_prune(const struct load *l, const json_t *own)
{
	static const char *const others[] = {
		"views", "routines", "late", "snapshots", "tables", "places", "shared", "ready"};
	json_t *out = json_object();

	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		const struct plan_item *t = &l->plan.tables.p[i];

		for (size_t k = 0; k < OWN_TABLES; k++)
			if (own_has(own, own_tables[k], t->to_schema, t->to_name))
				own_add(out, own_tables[k], t->to_schema, t->to_name);
	}
	for (unsigned i = 0; i < l->plan.sequences.n; i++) {
		const struct plan_item *s = &l->plan.sequences.p[i];

		if (own_has(own, "sequences", s->to_schema, s->to_name))
			own_add(out, "sequences", s->to_schema, s->to_name);
	}
	for (size_t k = 0; k < sizeof(others) / sizeof(*others); k++)
		if (json_object_get(own, others[k]))
			json_object_set(out, others[k], json_object_get(own, others[k]));
	return out;
}

/* --- views --- */

int target_claim_views(struct load *l, struct db *c, json_t *own, struct err *e)
{
	for (unsigned i = 0; i < l->plan.views.n; i++) {
		const struct plan_item *v = &l->plan.views.p[i];
		enum ddl_object what;

		if (own_has(own, "views", v->schema, v->name))
			continue;
		if (ddl_object_type(c, v->schema, v->name, &what, e) < 0)
			return -1;
		if (what == DDL_OBJECT_NONE)
			own_add(own, "views", v->schema, v->name);
		else
			load_leave_out(l,
				"view `%s`.`%s` is not made: there is something of this name downstream",
				v->schema, v->name);
	}
	return 0;
}

static int make_view(struct load *l, struct db *c, const struct plan_item *v, struct err *e)
{
	struct buf create = {0};
	struct plan_item view = *v;
	int r;

	if (ddl_about(c, "DROP VIEW IF EXISTS ", v->schema, v->name, e) < 0 || ddl_use(c, v->schema, e) < 0)
		return -1;
	r = object_put_create(OBJECT_VIEW, str_of(v->create), &l->plan.from, &l->definer, &create, e);
	view.create = (char *)(uintptr_t)buf_cstr(&create);
	if (r == 0)
		r = ddl_translated(l, c, &view, e);
	buf_free(&create);
	return r;
}

/* One round over those that are not made yet. Returns how many were made; -1: the connection is gone. */
static int views_round(struct load *l, struct db *c, const json_t *own, bool *made, bool warn)
{
	int count = 0;

	for (unsigned i = 0; i < l->plan.views.n; i++) {
		const struct plan_item *v = &l->plan.views.p[i];
		struct err e = {0};

		if (made[i] || !own_has(own, "views", v->schema, v->name))
			continue;
		made[i] = make_view(l, c, v, &e) == 0;
		count += made[i];
		if (!made[i] && db_error_is_lost(e.sql_errno))
			return -1;
		if (!made[i] && warn)
			load_leave_out(l, "view `%s`.`%s` can't be made: %s", v->schema, v->name, e.text);
	}
	return count;
}

int target_make_views(struct load *l, struct db *c, const json_t *own, struct err *e)
{
	bool *made = xcalloc((size_t)l->plan.views.n + 1, sizeof(*made));
	int n;

	/* A view may stand on another: as long as a round makes one, the next may make more. */
	do
		n = views_round(l, c, own, made, false);
	while (n > 0);
	if (n == 0)
		n = views_round(l, c, own, made, true);
	free(made);
	return n < 0 ? err_set(e, ERR_db_lost, "%s: the connection was lost while making views", db_where(c))
		     : 0;
}
