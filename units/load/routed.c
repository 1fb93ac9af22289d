/*
 * The task's routes over the plan (docs/design/routing.md). Called by the leader thread before anything is
 * claimed downstream. Records keep the upstream's names.
 */
#include "units/load/routed.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/sql/alike.h"
#include "common/sql/quote.h"
#include "common/sql/route_ddl.h"
#include "units/load/latekeys.h"
#include "units/load/own.h"
#include "units/load/record.h"

static void set(char **field, const char *value)
{
	free(*field);
	*field = xstrdup(value);
}

int routed_names(const struct load *l, struct plan_item *t, struct err *e)
{
	struct route_name to;
	int r = t->name ? route_table(rules_route(l->rules), str_of(t->schema), str_of(t->name), &to, e)
			: route_schema(rules_route(l->rules), str_of(t->schema), to.schema, e);

	if (r < 0)
		return -1;
	set(&t->to_schema, to.schema);
	if (!t->name)
		return 0;
	set(&t->to_name, to.table);
	r = rules_shared(l->rules, str_of(t->schema), str_of(t->name), &to, e);
	if (r < 0)
		return -1;
	t->shared = r > 0 && !l->folder;
	route_extras_fini(&t->extras);
	return route_extras(
		rules_route(l->rules), str_of(t->schema), str_of(t->name), str_of(l->source), &t->extras, e);
}

/* Its CREATE statement with the names that it has downstream. */
static int rewrite(struct load *l, struct plan_item *t, struct err *e)
{
	struct route_statement s = {
		.text = str_of(t->create), .from = &l->plan.from, .schema = str_of(t->schema)};
	struct sql_ddl *ddl = xcalloc(2, sizeof(*ddl));
	struct buf out = {0};
	int r = sql_ddl_read(s.text, s.from, 0, ddl, e);

	if (r == 0)
		r = route_ddl(rules_route(l->rules), &s, ddl, ddl + 1, &out, e);
	if (r > 0)
		set(&t->create, buf_cstr(&out));
	buf_free(&out);
	free(ddl);
	return r < 0 ? err_add(e, "`%s`.`%s`", t->schema, t->name ? t->name : "*") : 0;
}

static int route_items(struct load *l, struct plan_items *list, struct err *e)
{
	for (unsigned i = 0; i < list->n; i++)
		if (routed_names(l, &list->p[i], e) < 0 ||
			(list->p[i].create[0] && rewrite(l, &list->p[i], e) < 0))
			return -1;
	return 0;
}

/* Which columns stand in the files would be known by the downstream's table, which has more of them. */
static int check_extras(const struct load *l, struct err *e)
{
	for (unsigned i = 0; l->folder && i < l->plan.tables.n; i++) {
		const struct plan_item *t = &l->plan.tables.p[i];

		if (t->extras.n > 0 && !t->create[0])
			return err_set(e, ERR_load_files,
				"`%s`.`%s`: extract-… of its route wants a -schema.sql, which says the "
				"columns in the files",
				t->schema, t->name);
	}
	return 0;
}

static bool is_routed(const struct plan_item *t)
{
	return strcmp(t->schema, t->to_schema) != 0 || strcmp(t->name, t->to_name) != 0;
}

/* --- one target for several --- */

static int not_alike(const struct plan_item *a, const struct plan_item *b, const char *why, struct err *e)
{
	return err_set(e, ERR_route_shared, "`%s`.`%s` and `%s`.`%s` both go to `%s`.`%s`, %s", a->schema,
		a->name, b->schema, b->name, b->to_schema, b->to_name, why);
}

static int check_alike(
	const struct server *from, const struct plan_item *a, const struct plan_item *b, struct err *e)
{
	struct buf parts = {0}, why = {0};
	int r = 0;

	if (strcmp(a->to_schema, b->to_schema) != 0 || strcmp(a->to_name, b->to_name) != 0) {
		r = not_alike(a, b, "written with another case", e);
	} else if (!a->create[0] && !b->create[0]) {
		; /* out of files without schema files: both have the columns of the table that is there */
	} else if (!a->create[0] || !b->create[0]) {
		r = not_alike(a, b, "but only one of them has a -schema.sql: both must, or none", e);
	} else if (!alike(str_of(a->create), str_of(b->create), from, &parts)) {
		buf_putf(&why, "but they are not alike (%s): make them so", buf_cstr(&parts));
		r = not_alike(a, b, buf_cstr(&why), e);
	}
	buf_free(&parts);
	buf_free(&why);
	return r;
}

/* Is it named by another table's foreign key? refs: of latekeys_references. */
static bool is_parent(const struct plan_item *t, const json_t *refs)
{
	struct buf key = route_key(str_of(t->to_schema), str_of(t->to_name));
	const char *schema = buf_cstr(&key), *table = schema + strlen(schema) + 1;
	bool found = json_object_get(json_object_get(refs, schema), table);

	buf_free(&key);
	return found;
}

/* Whose children and parents they are would be known by one of their names only. */
static int check_ties(const struct load *l, struct err *e)
{
	const struct plan_items *list = &l->plan.tables;
	bool *child = xcalloc(list->n + 1, sizeof(*child));
	json_t *refs = json_object();
	int r = 0;

	for (unsigned i = 0; i < list->n; i++)
		child[i] = latekeys_references(
			str_of(list->p[i].create), &l->plan.from, list->p[i].to_schema, refs);
	for (unsigned i = 0; r == 0 && i < list->n; i++) {
		const struct plan_item *t = &list->p[i];

		if (t->merged && t->merged != t && (child[i] || is_parent(t, refs)))
			r = not_alike(
				t->merged, t, "and a foreign key names it, which is not supported yet", e);
	}
	json_decref(refs);
	free(child);
	return r;
}

static int merge(const struct load *l, struct plan_item *first, struct plan_item *t, struct err *e)
{
	if (check_alike(&l->plan.from, first, t, e) < 0)
		return -1;
	if (!first->merged)
		log_info("several tables go to `%s`.`%s`, `%s`.`%s` is the first: their rows are merged",
			t->to_schema, t->to_name, first->schema, first->name);
	t->merged = first->merged = first;
	return 1;
}

/* Others may load into it where a rule names each of those that do so here. */
static void agree_on_shared(struct plan_items *list)
{
	for (unsigned i = 0; i < list->n; i++)
		if (!list->p[i].shared && list->p[i].merged)
			list->p[list->p[i].merged - list->p].shared = false;
	for (unsigned i = 0; i < list->n; i++)
		if (list->p[i].merged)
			list->p[i].shared = list->p[i].merged->shared;
}

static int merge_tables(struct load *l, struct map *targets, struct err *e)
{
	bool any = false;

	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		struct plan_item *t = &l->plan.tables.p[i], *first;
		struct buf key = route_key(str_of(t->to_schema), str_of(t->to_name));

		first = map_get(targets, buf_str(&key));
		if (!first)
			map_put(targets, buf_str(&key), t);
		buf_free(&key);
		if (!first || !(is_routed(t) || is_routed(first)))
			continue;
		if (merge(l, first, t, e) < 0)
			return -1;
		any = true;
	}
	agree_on_shared(&l->plan.tables);
	return any ? check_ties(l, e) : 0;
}

static int check_shared(const struct plan_items *list, struct map *targets, struct err *e)
{
	for (unsigned i = 0; i < list->n; i++) {
		const struct plan_item *t = &list->p[i], *other;
		struct buf key = route_key(str_of(t->to_schema), str_of(t->to_name));

		other = map_put(targets, buf_str(&key), (void *)(uintptr_t)t);
		buf_free(&key);
		if (other && (is_routed(t) || is_routed(other)))
			return not_alike(other, t, "and one of them is a sequence", e);
	}
	return 0;
}

bool routed_is_fresh(const struct load *l, const json_t *own, const struct plan_item *t)
{
	if (!t->merged)
		return own_is_fresh(own, t->schema, t->name);
	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		const struct plan_item *x = &l->plan.tables.p[i];

		if (x->merged == t->merged && !own_is_fresh(own, x->schema, x->name))
			return false;
	}
	return true;
}

static struct plan_item *schema_of(struct plan *p, const char *name, bool downstream)
{
	for (unsigned i = 0; i < p->schemas.n; i++) {
		struct plan_item *s = &p->schemas.p[i];

		if (strcmp(downstream ? s->to_schema : s->schema, name) == 0)
			return s;
	}
	return NULL;
}

/* "CREATE DATABASE `a` …" of another name. */
static int renamed(struct load *l, const char *create, const char *to, char **out, struct err *e)
{
	struct sql_ddl *ddl = xcalloc(1, sizeof(*ddl));
	struct buf b = {0};
	int r = sql_ddl_read(str_of(create), &l->plan.from, 0, ddl, e);

	if (r == 0) {
		buf_put(&b, create, ddl->schema_at);
		sql_put_ident(&b, str_of(to));
		buf_puts(&b, create + ddl->schema_end);
		*out = xstrdup(buf_cstr(&b));
	}
	buf_free(&b);
	free(ddl);
	return r;
}

/* A database that only routes of tables name: with the default charset of the first one's. */
static int add_schema(struct load *l, const struct plan_item *t, struct err *e)
{
	struct plan_items *list = &l->plan.schemas;
	const struct plan_item *like = schema_of(&l->plan, t->schema, false);
	char *create = NULL;

	if (schema_of(&l->plan, t->to_schema, true))
		return 0;
	if (!like)
		return err_set(e, ERR_internal, "`%s` is not in the plan", t->schema);
	if (renamed(l, like->create, t->to_schema, &create, e) < 0)
		return -1;
	list->p = xrealloc(list->p, (list->n + 1) * sizeof(*list->p));
	list->p[list->n++] = (struct plan_item){
		.schema = xstrdup(t->schema), .to_schema = xstrdup(t->to_schema), .create = create};
	return 0;
}

static int add_schemas(struct load *l, const struct plan_items *list, struct err *e)
{
	for (unsigned i = 0; i < list->n; i++)
		if (add_schema(l, &list->p[i], e) < 0)
			return -1;
	return 0;
}

int routed_plan(struct load *l, struct err *e)
{
	struct plan *p = &l->plan;
	struct map *targets;
	int r;

	if (!rules_route(l->rules))
		return 0;
	if (p->routines.n + p->lasts.n > 0)
		return err_set(e, ERR_config_unsupported,
			"`objects` with routes: their text names tables, which is not rewritten yet");
	for (unsigned i = 0; i < p->views.n; i++)
		load_leave_out(l,
			"view `%s`.`%s` is left out: its text names tables, which have other names by the "
			"task's routes",
			p->views.p[i].schema, p->views.p[i].name);
	plan_items_fini(&p->views);
	if (route_items(l, &p->schemas, e) < 0 || route_items(l, &p->tables, e) < 0 ||
		route_items(l, &p->sequences, e) < 0 || check_extras(l, e) < 0)
		return -1;
	targets = map_new();
	r = merge_tables(l, targets, e) < 0 ? -1 : check_shared(&p->sequences, targets, e);
	map_free(&targets, NULL);
	if (r < 0)
		return -1;
	return add_schemas(l, &p->tables, e) < 0 ? -1 : add_schemas(l, &p->sequences, e);
}

int routed_check_places(const struct load *l, const json_t *own, struct err *e)
{
	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		const struct plan_item *t = &l->plan.tables.p[i];

		if (!own_is_placed(own, t->schema, t->name, t->to_schema, t->to_name))
			return err_set(e, ERR_load_failed,
				"`%s`.`%s` was loaded elsewhere until now, not into `%s`.`%s`: put the "
				"task's routes back, or begin the copy again (start-task --remove-meta)",
				t->schema, t->name, t->to_schema, t->to_name);
	}
	return 0;
}

struct wanting {
	const struct load *l;
	const json_t *own;
	json_t *targets;
};

static int add_target(void *arg, const char *schema, const char *name)
{
	struct wanting *w = arg;
	const char *to_schema, *to_name;
	struct route_name to = {"", ""};
	struct err ignored = {0};

	own_place(w->own, schema, name, &to_schema, &to_name);
	if (rules_table(w->l->rules, str_of(schema), str_of(name)) &&
		(route_table(rules_route(w->l->rules), str_of(schema), str_of(name), &to, &ignored) < 0 ||
			(strcmp(to.schema, to_schema) == 0 && strcmp(to.table, to_name) == 0)))
		own_add(w->targets, "taken", to_schema, to_name);
	if (own_has(w->targets, "taken", to_schema, to_name))
		own_add(w->targets,
			!w->l->folder && to.table[0] &&
					rules_shared(
						w->l->rules, str_of(schema), str_of(name), &to, &ignored) > 0
				? "shared"
				: "alone",
			to_schema, to_name);
	return 0;
}

static int forget_shared(void *arg, const char *schema, const char *name)
{
	own_forget(arg, "shared", schema, name);
	return 0;
}

json_t *routed_targets(const struct load *l, const json_t *own)
{
	struct wanting w = {l, own, json_object()};

	own_each(own, "tables", add_target, &w);
	/* As in agree_on_shared. */
	own_each(w.targets, "alone", forget_shared, w.targets);
	json_object_del(w.targets, "alone");
	return w.targets;
}
