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
#include "common/sql/quote.h"
#include "common/sql/route_ddl.h"
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
	if (t->name)
		set(&t->to_name, to.table);
	return 0;
}

/* Its CREATE statement with the names that it has downstream. */
static int rewrite(struct load *l, struct plan_item *t, struct err *e)
{
	struct route_statement s = {str_of(t->create), &l->plan.from, 0, str_of(t->schema)};
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

static bool is_routed(const struct plan_item *t)
{
	return strcmp(t->schema, t->to_schema) != 0 || strcmp(t->name, t->to_name) != 0;
}

static int check_shared(const struct plan_items *list, struct map *targets, struct err *e)
{
	for (unsigned i = 0; i < list->n; i++) {
		const struct plan_item *t = &list->p[i], *other;
		struct buf key = route_key(str_of(t->to_schema), str_of(t->to_name));

		other = map_put(targets, buf_str(&key), (void *)(uintptr_t)t);
		buf_free(&key);
		if (other && (is_routed(t) || is_routed(other)))
			return err_set(e, ERR_route_shared, "`%s`.`%s` and `%s`.`%s` both go to `%s`.`%s`",
				other->schema, other->name, t->schema, t->name, t->to_schema, t->to_name);
	}
	return 0;
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
		log_warn("view `%s`.`%s` is left out: its text names tables, which have other names by the "
			 "task's routes",
			p->views.p[i].schema, p->views.p[i].name);
	plan_items_fini(&p->views);
	if (route_items(l, &p->schemas, e) < 0 || route_items(l, &p->tables, e) < 0 ||
		route_items(l, &p->sequences, e) < 0)
		return -1;
	targets = map_new();
	r = check_shared(&p->tables, targets, e) < 0 ? -1 : check_shared(&p->sequences, targets, e);
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

/* --- other sources --- */

struct sharing {
	struct map *theirs; /* by route_key */
	struct str source;
	struct err *e;
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
	bool shared = map_get(s->theirs, buf_str(&key)) != NULL;

	buf_free(&key);
	if (!shared)
		return 0;
	return err_set(s->e, ERR_route_shared, "`%s`.`%s` is a target of source %.*s too", schema, name,
		STR_ARG(s->source));
}

static int check_source(const struct str *v, const json_t *own, struct err *e)
{
	json_t *theirs = json_parse(v[1], "the record of another source", e);
	struct sharing s = {map_new(), v[0], e};
	int r = theirs ? 0 : -1;

	if (r == 0) {
		own_each(theirs, "made", add_target, &s);
		own_each(theirs, "taken", add_target, &s);
		r = own_each(own, "made", check_target, &s) < 0 ? -1
								: own_each(own, "taken", check_target, &s);
	}
	json_decref(theirs);
	map_free(&s.theirs, NULL);
	return r < 0 ? -1 : 0;
}

int routed_check_sources(struct load *l, struct db *c, const json_t *own, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n = -1;

	if (!rules_route(l->rules))
		return 0;
	buf_puts(&sql, "SELECT `source`,`plan` FROM ");
	record_put_table(l, &sql, "tidegate_plan");
	buf_puts(&sql, " WHERE `plan`<>'' AND `task`=");
	record_put_text(&sql, l->task);
	buf_puts(&sql, " AND `source`<>");
	record_put_text(&sql, l->source);
	rows = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	while (rows && (n = db_fetch(rows, &v, e)) > 0)
		if (check_source(v, own, e) < 0) {
			n = -1;
			break;
		}
	db_rows_close(&rows);
	return n;
}
