/*
 * Several sources of a task and one target whose rows are merged (docs/design/routing.md). Called by the
 * leader thread before the first chunk. A table that may hold another source's rows must never be dropped or
 * emptied.
 */
#include "units/load/join.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/config/json.h"
#include "units/load/others.h"
#include "units/load/own.h"
#include "units/load/routed.h"
#include "units/load/shared.h"
#include "units/load/target.h"

enum { LOOK_MS = 500, SAY_MS = 30000, WAIT_MS = 600000, GONE_MS = 20000 };

static bool any_shared(const struct load *l)
{
	for (unsigned i = 0; i < l->plan.tables.n; i++)
		if (l->plan.tables.p[i].shared)
			return true;
	return false;
}

/* Of tables that are merged within this source the first stands for all. */
static bool is_first(const struct plan_item *t)
{
	return t->shared && (!t->merged || t->merged == t);
}

static void forget_claims(json_t *own, const char *schema, const char *name)
{
	for (size_t k = 0; k < OWN_TABLES; k++)
		own_forget(own, own_tables[k], schema, name);
}

/* --- are rows of ours there? --- */

struct joining {
	struct load *l;
	struct db *c;
	struct map *plan;
	const char *copy_id; /* of the record */
	json_t *old, *own;   /* old: as it is on record now, when others may have changed it */
	struct others others;
	bool gone; /* a table is, of a source that goes on as if it were there */
	struct err *e;
};

static bool may_have_our_rows(const json_t *own, const char *schema, const char *name)
{
	for (size_t k = 0; k < OWN_TABLES; k++)
		if (own_may_have_rows(own, own_tables[k], schema, name))
			return true;
	return false;
}

struct asking {
	const json_t *own;
	const char *to_schema, *to_name;
	struct buf *sql;
	unsigned n;
};

static int put_name(void *arg, const char *schema, const char *name)
{
	struct asking *a = arg;

	if (!own_is_placed(a->own, schema, name, a->to_schema, a->to_name))
		return 0;
	buf_puts(a->sql, a->n++ ? " OR " : " AND (");
	buf_puts(a->sql, "(`table_schema`=");
	record_put_text(a->sql, schema);
	buf_puts(a->sql, " AND `table_name`=");
	record_put_text(a->sql, name);
	buf_putc(a->sql, ')');
	return 0;
}

/* Which chunks are there is on record, until that is forgotten. */
static int ask_for_rows(struct joining *j, const char *schema, const char *name, bool *found, struct err *e)
{
	struct buf sql = {0};
	struct asking a = {j->old, schema, name, &sql, 0};
	char text[8];
	int r = 0;

	buf_puts(&sql, "SELECT 1 FROM ");
	record_put_table(j->l, &sql, "tidegate_chunk");
	record_put_where(j->l, &sql);
	own_each(j->old, "tables", put_name, &a);
	buf_puts(&sql, ") LIMIT 1");
	*found = false;
	if (a.n > 0)
		r = db_value(j->c, buf_cstr(&sql), text, sizeof(text), found, e);
	buf_free(&sql);
	return r;
}

static int find_our_rows(struct joining *j, const char *schema, const char *name, bool *found, struct err *e)
{
	*found = own_has(j->old, "tracked", schema, name);
	if (*found)
		return 0;
	*found = may_have_our_rows(j->old, schema, name);
	return *found && j->copy_id && j->copy_id[0] ? ask_for_rows(j, schema, name, found, e) : 0;
}

/* --- deciding --- */

/* Nobody else has it: as any other table, but for rows that were joined to those of somebody who has let go.
 */
static int decide_alone(struct joining *j, const struct plan_item *t, struct err *e)
{
	bool there, is_free;

	own_forget(j->own, "joined", t->to_schema, t->to_name);
	if (own_may_have_rows(j->own, "made", t->to_schema, t->to_name) ||
		own_may_have_rows(j->own, "taken", t->to_schema, t->to_name))
		return 0;
	if (target_is_free(j->c, t->to_schema, t->to_name, &there, &is_free, e) < 0)
		return -1;
	if (!is_free) {
		err_set(e, ERR_load_target_not_empty, "downstream table `%s`.`%s`: it has rows", t->to_schema,
			t->to_name);
		shared_blame(j->l, j->c, e);
		return -1;
	}
	if (own_has(j->own, "made", t->to_schema, t->to_name))
		return 0;
	if ((there ? target_check_joined(j->c, t, e) : target_check_made(j->l, t, e)) < 0)
		return -1;
	forget_claims(j->own, t->to_schema, t->to_name);
	own_claim(j->own, there ? "taken" : "made", t->to_schema, t->to_name);
	return 0;
}

static bool in_task(const struct load *l, const char *source)
{
	const struct rules_other *o;

	for (size_t i = 0; (o = rules_other(l->rules, i)); i++)
		if (strcmp(o->source, source) == 0)
			return true;
	return false;
}

static int cant_join(const struct load *l, const char *schema, const char *name, const char *source,
	const char *why, struct err *e)
{
	err_set(e, ERR_route_joined, "`%s`.`%s`, which tables of source %s and of %s go to, %s", schema, name,
		source, l->source, why);
	if (!in_task(l, source))
		err_add(e,
			"source %s has left the task (if its rows are of no use: DELETE FROM "
			"`%s`.`tidegate_plan` and "
			"`tidegate_structure` WHERE task='%s' AND source='%s')",
			source, l->meta_schema, l->task, source);
	return -1;
}

static int check_kept(struct joining *j, const struct plan_item *t, struct err *e)
{
	bool there, is_free;

	if (target_is_free(j->c, t->to_schema, t->to_name, &there, &is_free, e) < 0)
		return -1;
	return there ? 0
		     : err_set(e, ERR_load_failed,
			       "downstream table `%s`.`%s`, of which rows were to stay, is gone: stop-task, "
			       "DROP the task's tables, start-task --remove-meta",
			       t->to_schema, t->to_name);
}

static int decide(struct joining *j, const struct plan_item *t, struct err *e)
{
	const char *schema = t->to_schema, *name = t->to_name;
	const struct other *o = others_sharing(&j->others, schema, name);
	bool there, is_free, has_ours;

	/* Rows of an older snapshot stay in it, beside the others'. */
	if (!routed_is_fresh(j->l, j->own, t))
		return check_kept(j, t, e);
	if (!o)
		return decide_alone(j, t, e);
	if (find_our_rows(j, schema, name, &has_ours, e) < 0 ||
		target_is_free(j->c, schema, name, &there, &is_free, e) < 0)
		return -1;
	if (!is_free && has_ours)
		return cant_join(
			j->l, schema, name, o->source, "is to be copied anew, but holds rows of both", e);
	j->gone = !there && o->state == OTHER_FOLLOWED;
	if (j->gone)
		return cant_join(j->l, schema, name, o->source,
			"is gone, with the rows that are not copied again there", e);
	forget_claims(j->own, schema, name);
	own_claim(j->own, "joined", schema, name);
	log_info("`%s`.`%s` is source %s's, too: our rows are merged with its rows", schema, name, o->source);
	return 0;
}

/* What earlier rules led us to, and others have too, is theirs; but rows of ours can't be taken out of it. */
static int let_go(void *arg, const char *schema, const char *name)
{
	struct joining *j = arg;
	const struct other *o = others_sharing(&j->others, schema, name);
	bool joined = own_has(j->own, "joined", schema, name), has_ours;

	if (plan_at(j->plan, schema, name) || (!o && !joined))
		return 0;
	if (find_our_rows(j, schema, name, &has_ours, j->e) < 0)
		return -1;
	if (has_ours && j->copy_id && j->copy_id[0])
		return err_set(j->e, ERR_route_joined,
			"`%s`.`%s` holds rows of this source among others', and its rules lead none there "
			"any more",
			schema, name);
	if (has_ours)
		log_warn("rows of this source stay in `%s`.`%s`, where its rules lead none any more", schema,
			name);
	forget_claims(j->own, schema, name);
	return 0;
}

static int decide_all(struct joining *j)
{
	json_t *before = json_deep_copy(j->own);
	int r = 0;

	for (size_t k = 0; r == 0 && k < OWN_TABLES; k++)
		r = own_each(before, own_tables[k], let_go, j);
	json_decref(before);
	for (unsigned i = 0; r == 0 && i < j->l->plan.tables.n; i++)
		if (is_first(&j->l->plan.tables.p[i]))
			r = decide(j, &j->l->plan.tables.p[i], j->e);
	return r;
}

/* What others may load into, as they are told. */
static void put_agreed(const struct load *l, json_t *own)
{
	json_object_del(own, "shared");
	for (unsigned i = 0; i < l->plan.tables.n; i++)
		if (l->plan.tables.p[i].shared)
			own_add(own, "shared", l->plan.tables.p[i].to_schema, l->plan.tables.p[i].to_name);
}

static void forget_ready(const struct load *l, json_t *own)
{
	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		const struct plan_item *t = &l->plan.tables.p[i];

		if (t->shared && routed_is_fresh(l, own, t))
			own_forget(own, "ready", t->to_schema, t->to_name);
	}
}

static int read_and_decide(struct joining *j)
{
	struct record now = {0};
	int r = record_read(j->l, j->c, &now, j->e);

	j->gone = false;
	if (!now.own)
		now.own = json_object();
	j->old = now.own;
	if (r == 0)
		r = record_tracked(j->l, j->c, "tracked", now.own, j->e);
	if (r == 0)
		r = others_read(j->l, j->c, false, &j->others, j->e) < 0 ? -1 : decide_all(j);
	others_fini(&j->others);
	record_fini(&now);
	return r;
}

int join_decide(struct load *l, struct db *c, const char *copy_id, json_t *own, struct err *e)
{
	struct joining j = {.l = l, .c = c, .copy_id = copy_id, .own = own, .e = e};
	uint64_t since = clock_ms();
	int r;

	put_agreed(l, own);
	if (!rules_route(l->rules))
		return 0;
	forget_ready(l, own);
	j.plan = plan_targets(&l->plan);
	/* All of a task's sources may be about to begin anew, and one has not come to that yet. */
	while ((r = read_and_decide(&j)) < 0 && j.gone && clock_ms() - since < GONE_MS &&
		load_pause(l, LOOK_MS))
		err_clear(e);
	map_free(&j.plan, NULL);
	return r < 0 && load_stopping(l) ? err_set(e, ERR_link, "asked to leave") : r;
}

/* --- under the lock --- */

struct verifying {
	struct load *l;
	struct db *c;
	struct map *plan;
	const json_t *own;
	struct others others;
	struct err *e;
};

static int came_between(struct verifying *v, const char *schema, const char *name)
{
	return err_set(v->e, ERR_link, "another source has begun with `%s`.`%s`, or let go of it, right now",
		schema, name);
}

/* It is made anew: rows of one that begins anew itself, and has not come to that, are gone with it. */
static int turn_joined(struct verifying *v, struct other *o, const char *schema, const char *name)
{
	struct buf plan = {0};

	if (o->state != OTHER_BEGINS || !own_may_have_rows(o->own, "joined", schema, name))
		return 0;
	own_claim(o->own, "joined", schema, name);
	own_forget(o->own, "ready", schema, name);
	if (shared_put_record(v->l, v->c, o, v->e) < 0)
		return -1;
	json_write(o->own, &plan);
	free(o->plan);
	buf_cstr(&plan);
	o->plan = plan.p;
	return 0;
}

/* May be dropped or emptied: nobody else has it. */
static int verify_alone(void *arg, const char *schema, const char *name)
{
	struct verifying *v = arg;
	const struct plan_item *t = plan_at(v->plan, schema, name);

	/* What is not for others to load into shared_check sees to. */
	if (t && (!t->shared || !routed_is_fresh(v->l, v->own, t)))
		return 0;
	if (others_sharing(&v->others, schema, name))
		return came_between(v, schema, name);
	for (size_t i = 0; i < v->others.n; i++)
		if (turn_joined(v, &v->others.p[i], schema, name) < 0)
			return -1;
	return 0;
}

static int verify_joined(void *arg, const char *schema, const char *name)
{
	struct verifying *v = arg;
	const struct plan_item *t = plan_at(v->plan, schema, name);

	if (!t || !t->shared || !routed_is_fresh(v->l, v->own, t))
		return 0;
	return others_sharing(&v->others, schema, name) ? 0 : came_between(v, schema, name);
}

static int verify_stands(void *arg, const char *schema, const char *name)
{
	struct verifying *v = arg;
	const struct plan_item *t = plan_at(v->plan, schema, name);

	if (!t || !t->shared || !routed_is_fresh(v->l, v->own, t))
		return 0;
	return others_ready(&v->others, schema, name) ? 0 : came_between(v, schema, name);
}

typedef int verify_fn(void *arg, const char *schema, const char *name);

static int verify(
	struct load *l, struct db *c, const json_t *own, verify_fn *alone, verify_fn *joined, struct err *e)
{
	struct verifying v = {.l = l, .c = c, .own = own, .e = e};
	int r;

	if (!rules_route(l->rules))
		return 0;
	v.plan = plan_targets(&l->plan);
	r = meta_lock(c, l->meta_schema, e) < 0 || others_read(l, c, true, &v.others, e) < 0 ? -1 : 0;
	for (size_t k = 0; r == 0 && k < OWN_TABLES; k++) {
		verify_fn *fn = strcmp(own_tables[k], "joined") == 0 ? joined : alone;

		r = fn ? own_each(own, own_tables[k], fn, &v) : 0;
	}
	others_fini(&v.others);
	map_free(&v.plan, NULL);
	return r;
}

int join_verify(struct load *l, struct db *c, const json_t *own, struct err *e)
{
	return verify(l, c, own, verify_alone, verify_joined, e);
}

int join_verify_ready(struct load *l, struct db *c, const json_t *own, struct err *e)
{
	return any_shared(l) ? verify(l, c, own, NULL, verify_stands, e) : 0;
}

/* --- waiting --- */

/* What was made anew holds nothing of ours yet; what is kept of an older snapshot stands anyway. */
static void put_ready(const struct load *l, json_t *own)
{
	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		const struct plan_item *t = &l->plan.tables.p[i];
		bool fresh = routed_is_fresh(l, own, t),
		     joined = own_has(own, "joined", t->to_schema, t->to_name);

		if (!is_first(t) || (fresh && joined))
			continue;
		if (fresh)
			own_claim(own, own_has(own, "made", t->to_schema, t->to_name) ? "made" : "taken",
				t->to_schema, t->to_name);
		own_add(own, "ready", t->to_schema, t->to_name);
	}
}

static bool waits_for(const struct load *l, const json_t *own, const struct plan_item *t)
{
	return is_first(t) && own_has(own, "joined", t->to_schema, t->to_name) &&
	       !own_has(own, "ready", t->to_schema, t->to_name) && routed_is_fresh(l, own, t);
}

struct waiting {
	struct load *l;
	struct db *c;
	json_t *own;
	uint64_t since, said; /* ms, of clock_ms */
	unsigned left;
};

static int look(struct waiting *w, const struct others *o, const struct plan_item *t, struct err *e)
{
	const struct other *x = others_sharing(o, t->to_schema, t->to_name);

	if (others_ready(o, t->to_schema, t->to_name)) {
		if (target_check_joined(w->c, t, e) < 0)
			return -1;
		own_add(w->own, "ready", t->to_schema, t->to_name);
		return 0;
	}
	if (!x)
		return err_set(e, ERR_link, "nobody makes `%s`.`%s` any more", t->to_schema, t->to_name);
	if (clock_ms() - w->since >= WAIT_MS)
		return err_set(e, ERR_link,
			"source %s, which has begun with `%s`.`%s`, has not made it yet (if its copy is "
			"given up: DELETE "
			"FROM `%s`.`tidegate_plan` WHERE task='%s' AND source='%s')",
			x->source, t->to_schema, t->to_name, w->l->meta_schema, w->l->task, x->source);
	if (w->left++ == 0 && (!w->said || clock_ms() - w->said >= SAY_MS)) {
		w->said = clock_ms();
		log_info("waiting for source %s to make `%s`.`%s`", x->source, t->to_schema, t->to_name);
	}
	return 0;
}

static int look_at_all(struct waiting *w, struct err *e)
{
	struct others o = {0};
	int r = others_read(w->l, w->c, false, &o, e) < 0 ? -1 : 0;

	w->left = 0;
	for (unsigned i = 0; r == 0 && i < w->l->plan.tables.n; i++)
		if (waits_for(w->l, w->own, &w->l->plan.tables.p[i]))
			r = look(w, &o, &w->l->plan.tables.p[i], e);
	others_fini(&o);
	return r;
}

int join_wait(struct load *l, struct db *c, json_t *own, struct err *e)
{
	struct waiting w = {.l = l, .c = c, .own = own, .since = clock_ms(), .left = 1};

	if (!any_shared(l))
		return 0;
	put_ready(l, own);
	if (record_again(l, c, own, NULL, e) < 0)
		return -1;
	if (FAILPOINT_HIT(load_shared_ready))
		return err_set(e, ERR_db_lost, "failpoint load_shared_ready");
	while (w.left > 0) {
		if (look_at_all(&w, e) < 0)
			return -1;
		if (w.left > 0 && !load_pause(l, LOOK_MS))
			return err_set(e, ERR_link, "asked to leave");
	}
	return 0;
}

int join_renew(const struct load *l, json_t *own)
{
	json_t *before = json_deep_copy(own);
	int changed;

	put_agreed(l, own);
	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		const struct plan_item *t = &l->plan.tables.p[i];

		if (is_first(t) && own_has_table(own, t->to_schema, t->to_name))
			own_add(own, "ready", t->to_schema, t->to_name);
	}
	changed = !json_equal(before, own);
	json_decref(before);
	return changed;
}

/* --- behind a copy --- */

struct agreeing {
	json_t *own;
	struct err *e; /* NULL: nothing comes behind the copy */
};

/* What was taken off the own list, as it was gone or empty once, or led elsewhere, may be another one's by
 * now. */
static int agree_on(void *arg, const char *schema, const char *name)
{
	struct agreeing *a = arg;

	if (own_has_table(a->own, schema, name)) {
		own_add(a->own, "shared", schema, name);
		own_add(a->own, "ready", schema, name);
		return 0;
	}
	if (!a->e)
		return 0;
	return err_set(a->e, ERR_route_joined,
		"`%s`.`%s` is not on record as this source's any more, as it was gone or empty, or routes "
		"led elsewhere: "
		"it may be others' by now",
		schema, name);
}

int join_agree(json_t *own, const json_t *targets, bool follows, struct err *e)
{
	struct agreeing a = {own, follows ? e : NULL};

	json_object_del(own, "shared");
	json_object_del(own, "ready");
	return own_each(targets, "shared", agree_on, &a);
}
