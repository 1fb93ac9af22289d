/*
 * Makes the tables. Called by target.c, once nothing of theirs is there. Threads of its own end before it
 * returns. Must never make a table that is kept of an older snapshot.
 */
#include "units/load/tables.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/xalloc.h"
#include "units/load/ddl.h"
#include "units/load/latekeys.h"
#include "units/load/own.h"
#include "units/load/routed.h"

/* Below that many nobody waits for the connections of others. */
enum { FEW = 16 };

struct tables {
	struct load *l;
	const json_t *refs; /* see latekeys.h */
	pthread_mutex_t lock;
	json_t *own;     /* under lock */
	unsigned next;   /* the plan's table that is looked at next; under lock */
	struct err fail; /* the first one; under lock */
};

/* One connection's. */
struct maker {
	struct tables *all;
	struct db *c;
	const char *schema; /* its default database; borrowed of the plan, NULL: none yet */
	pthread_t thread;
};

/* A small table's keys are made faster with it than behind its rows. */
static bool keys_wait(const struct load *l, const struct plan_item *t)
{
	enum { WORTH_IT = 8 << 20 };

	/* Of merged tables none says when the others are whole. */
	if (l->to.flavor == FLAVOR_TIDB || l->keys == KEYS_BEFORE || t->merged || t->shared)
		return false;
	return l->keys == KEYS_AFTER || t->bytes >= WORTH_IT;
}

/* Two statements about a child and its parent may wait for each other; TiDB does one after the other anyway.
 */
static bool may_go_beside_others(const struct load *l, const struct plan_item *t)
{
	return l->to.flavor != FLAVOR_TIDB && !strcasestr(t->create, "REFERENCES");
}

static bool is_made_by_us(struct tables *a, const struct plan_item *t)
{
	bool made;

	pthread_mutex_lock(&a->lock);
	made = own_has(a->own, "made", t->to_schema, t->to_name);
	pthread_mutex_unlock(&a->lock);
	return made;
}

static int use(struct maker *m, const struct plan_item *t, struct err *e)
{
	if (m->schema && strcmp(m->schema, t->to_schema) == 0)
		return 0;
	if (ddl_use(m->c, t->to_schema, e) < 0)
		return -1;
	m->schema = t->to_schema;
	return 0;
}

static int make_without_keys(struct maker *m, const struct plan_item *t, struct err *e)
{
	struct tables *a = m->all;
	json_t *keys = json_object();
	int r = ddl_make_without_keys(a->l, m->c, t, a->refs, keys, e);

	if (json_object_size(keys) > 0) {
		pthread_mutex_lock(&a->lock);
		own_set(a->own, "late", t->schema, t->name, keys);
		pthread_mutex_unlock(&a->lock);
	} else {
		json_decref(keys);
	}
	return r;
}

static int make(struct maker *m, const struct plan_item *t, struct err *e)
{
	bool made = is_made_by_us(m->all, t);
	enum ddl_object what;

	if (!made) {
		/* Taken as it was; somebody may have dropped it since. */
		if (ddl_object_type(m->c, t->to_schema, t->to_name, &what, e) < 0)
			return -1;
		if (what == DDL_OBJECT_TABLE)
			return 0;
	}
	if (use(m, t, e) < 0)
		return -1;
	return made && keys_wait(m->all->l, t) ? make_without_keys(m, t, e)
					       : ddl_translated(m->all->l, m->c, t, e);
}

static int make_one(struct maker *m, const struct plan_item *t, struct err *e)
{
	if (load_stopping(m->all->l))
		return err_set(e, ERR_link, "asked to leave");
	if (make(m, t, e) < 0)
		return err_add(e, "making table `%s`.`%s`", t->to_schema, t->to_name);
	return FAILPOINT_HIT(load_schema) ? err_set(e, ERR_db_lost, "failpoint load_schema") : 0;
}

/* The next one of this kind; NULL: there is none, or somebody has failed. */
static const struct plan_item *take(struct tables *a, bool beside_others)
{
	const struct plan_items *list = &a->l->plan.tables;
	const struct plan_item *got = NULL;

	pthread_mutex_lock(&a->lock);
	while (!got && !a->fail.code && a->next < list->n) {
		const struct plan_item *t = &list->p[a->next++];

		/* What is kept of an older snapshot stands, with its rows, and the keys that it waits for. */
		if (may_go_beside_others(a->l, t) != beside_others || !routed_is_fresh(a->l, a->own, t) ||
			(t->merged && t->merged != t) || own_has(a->own, "joined", t->to_schema, t->to_name))
			continue;
		json_object_del(json_object_get(json_object_get(a->own, "late"), t->schema), t->name);
		got = t;
	}
	pthread_mutex_unlock(&a->lock);
	return got;
}

static void note_failure(struct tables *a, const struct err *e)
{
	pthread_mutex_lock(&a->lock);
	if (!a->fail.code)
		a->fail = *e;
	pthread_mutex_unlock(&a->lock);
}

static void make_all(struct maker *m, bool beside_others)
{
	const struct plan_item *t;
	struct err e = {0};

	while ((t = take(m->all, beside_others)))
		if (make_one(m, t, &e) < 0)
			note_failure(m->all, &e);
}

static void *maker_main(void *arg)
{
	struct maker *m = arg;
	struct load *l = m->all->l;
	struct err e = {0};

	m->c = load_connect(l, DB_DDL, true, &e);
	if (!m->c) {
		note_failure(m->all, &e);
		return NULL;
	}
	make_all(m, true);
	if (!load_stopping(l) && meta_forget_connection(m->c, &l->id, db_connection_id(m->c), &e) < 0)
		note_failure(m->all, &e);
	load_disconnect(l, &m->c);
	return NULL;
}

/* Beside the one that is there already. */
static unsigned begin_others(struct tables *a, struct maker *others)
{
	unsigned n = 0;

	while (a->l->to.flavor != FLAVOR_TIDB && a->l->plan.tables.n >= FEW && n + 1 < a->l->threads) {
		others[n].all = a;
		if (pthread_create(&others[n].thread, NULL, maker_main, &others[n]) != 0)
			break; /* those that are there do it */
		n++;
	}
	return n;
}

static json_t *references(const struct load *l)
{
	json_t *refs = json_object();

	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		const struct plan_item *t = &l->plan.tables.p[i];

		latekeys_references(str_of(t->create), &l->plan.from, t->to_schema, refs);
	}
	return refs;
}

int tables_make(struct load *l, struct db *c, json_t *own, struct err *e)
{
	json_t *refs = references(l);
	struct tables a = {.l = l, .refs = refs, .own = own};
	struct maker first = {.all = &a, .c = c}, *others = xcalloc(l->threads, sizeof(*others));
	unsigned n;

	pthread_mutex_init(&a.lock, NULL);
	n = begin_others(&a, others);
	make_all(&first, true);
	while (n > 0)
		pthread_join(others[--n].thread, NULL);
	a.next = 0;
	make_all(&first, false);
	pthread_mutex_destroy(&a.lock);
	free(others);
	json_decref(refs);
	if (a.fail.code)
		*e = a.fail;
	return a.fail.code ? -1 : 0;
}
