/*
 * DM's block-allow-list: which schemas and tables a task wants. Called by dump and sync for each table once
 * (they keep the answer), by agent and master to check a task file. Routes
 * (route.h), event filters (filter.h) and expressions (row_filter.h) are loaded with it. It must never log
 * and never drop a table because of a matcher's failure.
 */
#include "common/sql/rules.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"
#include "common/sql/pattern.h"

struct entry {
	struct pattern *schema, *table; /* table NULL: any */
};

struct patterns {
	struct entry *p;
	size_t n;
};

struct rules {
	struct patterns do_dbs, ignore_dbs, do_tables, ignore_tables;
	char *meta_schema;
	struct route *route;             /* NULL: none */
	struct filter *filter;           /* NULL: none */
	struct row_filters *row_filters; /* NULL: none */
	struct online *online;           /* NULL: none */
	struct rules_other *others;
	size_t nothers;
};

static const char *const system_schemas[] = {
	"mysql", "sys", "information_schema", "performance_schema", "metrics_schema", "inspection_schema"};

int rules_check_pattern(const char *pattern, struct err *e)
{
	struct pattern *p = pattern_new(pattern, true, e);
	int r = p ? 0 : -1;

	pattern_free(&p);
	return r;
}

int rules_check_regex(const char *regex, unsigned *groups, struct err *e)
{
	struct pattern *p = pattern_new_regex(regex, true, e);

	if (!p)
		return -1;
	*groups = pattern_groups(p);
	pattern_free(&p);
	return 0;
}

/* --- matching --- */

/* A matcher that gives up (limits, a name that is no UTF-8) counts as a match in lists that want, as none in
 * lists that ignore: keep the table. */
static bool any_schema(const struct patterns *list, struct str schema, bool when_unsure)
{
	for (size_t i = 0; i < list->n; i++) {
		if (pattern_matches(list->p[i].schema, schema, when_unsure))
			return true;
	}
	return false;
}

static bool any_table(const struct patterns *list, struct str schema, struct str table, bool when_unsure)
{
	for (size_t i = 0; i < list->n; i++) {
		if (!pattern_matches(list->p[i].schema, schema, when_unsure))
			continue;
		if (!list->p[i].table || pattern_matches(list->p[i].table, table, when_unsure))
			return true;
	}
	return false;
}

bool rules_schema(const struct rules *r, struct str schema)
{
	for (size_t i = 0; i < sizeof(system_schemas) / sizeof(system_schemas[0]); i++) {
		if (str_is_ci(schema, system_schemas[i]))
			return false;
	}
	if (r->meta_schema && str_is_ci(schema, r->meta_schema))
		return false;
	if (r->do_dbs.n)
		return any_schema(&r->do_dbs, schema, true);
	return !any_schema(&r->ignore_dbs, schema, false);
}

bool rules_listed(const struct rules *r, struct str schema, struct str table)
{
	if (!rules_schema(r, schema))
		return false;
	if (any_table(&r->do_tables, schema, table, true))
		return true;
	if (any_table(&r->ignore_tables, schema, table, false))
		return false;
	return r->do_tables.n == 0;
}

bool rules_table(const struct rules *r, struct str schema, struct str table)
{
	return online_kind(r->online, table) == ONLINE_REAL && rules_listed(r, schema, table);
}

const struct online *rules_online(const struct rules *r)
{
	return r->online;
}

const struct route *rules_route(const struct rules *r)
{
	return r->route;
}

const struct rules_other *rules_other(const struct rules *r, size_t i)
{
	return r && i < r->nothers ? &r->others[i] : NULL;
}

int rules_shared(const struct rules *r, struct str schema, struct str table, const struct route_name *to,
	struct err *e)
{
	for (size_t i = 0; r && i < r->nothers; i++)
		if (route_may_lead(r->others[i].route, to->schema, to->table))
			return route_has_rule(r->route, schema, table, e);
	return 0;
}

const struct filter *rules_filter(const struct rules *r)
{
	return r->filter;
}

struct row_filters *rules_row_filters(const struct rules *r)
{
	return r->row_filters;
}

/* --- reading --- */

static int list_of(
	const json_t *o, const char *key, struct patterns *list, const json_t **array, struct err *e)
{
	*array = json_object_get(o, key);
	if (!*array || json_is_null(*array)) {
		*array = NULL;
		return 0;
	}
	if (!json_is_array(*array))
		return err_set(e, ERR_config_bad, "table rules: %s is no list", key);
	list->p = xcalloc(json_array_size(*array) + 1, sizeof(*list->p));
	return 0;
}

static int read_dbs(
	const json_t *o, const char *key, bool case_sensitive, struct patterns *list, struct err *e)
{
	const json_t *array;

	if (list_of(o, key, list, &array, e) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *name = json_string_value(json_array_get(array, i));

		if (!name || !*name)
			return err_set(
				e, ERR_config_bad, "table rules: entry %zu of %s is no name", i + 1, key);
		list->p[list->n].schema = pattern_new(name, case_sensitive, e);
		if (!list->p[list->n].schema)
			return err_add(e, "%s", key);
		list->n++;
	}
	return 0;
}

static int read_tables(
	const json_t *o, const char *key, bool case_sensitive, struct patterns *list, struct err *e)
{
	const json_t *array;

	if (list_of(o, key, list, &array, e) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *entry = json_array_get(array, i);
		const char *schema = json_string_value(json_object_get(entry, "db-name"));
		const char *table = json_string_value(json_object_get(entry, "tbl-name"));
		struct entry *p = &list->p[list->n++];

		if (!schema || !*schema)
			return err_set(
				e, ERR_config_bad, "table rules: entry %zu of %s has no db-name", i + 1, key);
		p->schema = pattern_new(schema, case_sensitive, e);
		if (!p->schema)
			return err_add(e, "%s", key);
		if (!table || !*table) /* DM: the whole schema */
			continue;
		p->table = pattern_new(table, case_sensitive, e);
		if (!p->table)
			return err_add(e, "%s", key);
	}
	return 0;
}

static int read_others(struct rules *r, const json_t *list, struct err *e)
{
	r->others = xcalloc(json_array_size(list) + 1, sizeof(*r->others));
	while (r->nothers < json_array_size(list)) {
		const json_t *o = json_array_get(list, r->nothers);
		struct rules_other *x = &r->others[r->nothers++];
		const char *source = json_string_value(json_object_get(o, "source"));

		x->source = xstrdup(source ? source : "");
		/* Whatever that source says of case: the downstream may take names that differ in it for one.
		 */
		if (route_new(&x->route, json_object_get(o, "routes"), false, e) < 0)
			return err_add(e, "source %s", x->source);
	}
	return 0;
}

static int read_all(struct rules *r, const json_t *o, struct err *e)
{
	bool cs = json_is_true(json_object_get(o, "case_sensitive"));

	if (o && !json_is_null(o) && !json_is_object(o))
		return err_set(e, ERR_config_bad, "table rules: an object is wanted");
	if (read_dbs(o, "do_dbs", cs, &r->do_dbs, e) < 0 ||
		read_dbs(o, "ignore_dbs", cs, &r->ignore_dbs, e) < 0)
		return -1;
	if (read_tables(o, "do_tables", cs, &r->do_tables, e) < 0)
		return -1;
	if (read_tables(o, "ignore_tables", cs, &r->ignore_tables, e) < 0)
		return -1;
	if (filter_new(&r->filter, json_object_get(o, "filters"), cs, e) < 0)
		return -1;
	if (online_new(&r->online, json_object_get(o, "online"), e) < 0)
		return -1;
	if (route_new(&r->route, json_object_get(o, "routes"), cs, e) < 0 ||
		read_others(r, json_object_get(o, "others"), e) < 0)
		return -1;
	return row_filters_new(&r->row_filters, json_object_get(o, "expressions"), cs, e);
}

struct rules *rules_new(const json_t *o, const char *meta_schema, struct err *e)
{
	struct rules *r = xcalloc(1, sizeof(*r));

	if (meta_schema && *meta_schema)
		r->meta_schema = xstrdup(meta_schema);
	if (read_all(r, o, e) < 0)
		rules_free(&r);
	return r;
}

static void patterns_fini(struct patterns *list)
{
	for (size_t i = 0; i < list->n; i++) {
		pattern_free(&list->p[i].schema);
		pattern_free(&list->p[i].table);
	}
	free(list->p);
}

void rules_free(struct rules **r)
{
	struct rules *old = *r;

	*r = NULL;
	if (!old)
		return;
	patterns_fini(&old->do_dbs);
	patterns_fini(&old->ignore_dbs);
	patterns_fini(&old->do_tables);
	patterns_fini(&old->ignore_tables);
	route_free(&old->route);
	for (size_t i = 0; i < old->nothers; i++) {
		free(old->others[i].source);
		route_free(&old->others[i].route);
	}
	free(old->others);
	online_free(&old->online);
	filter_free(&old->filter);
	row_filters_free(&old->row_filters);
	free(old->meta_schema);
	free(old);
}

/* --- --tables --- */

/* `a*b` -> "a[*]b": a name without wildcards, as a pattern. */
static int quoted_part(const char **at, struct buf *b, const char *list, struct err *e)
{
	const char *p = *at + 1;

	for (; *p; p++) {
		if (*p == '`' && p[1] != '`') {
			*at = p + 1;
			return 0;
		}
		p += *p == '`';
		if (*p == '*' || *p == '?' || *p == '[' || (*p == '~' && b->n == 0))
			buf_putf(b, "[%c]", *p);
		else
			buf_putc(b, *p);
	}
	return err_set(e, ERR_config_bad, "--tables '%s': a backquote is not closed", list);
}

/* Up to '.', ',' or the end; spaces round it don't count. */
static int plain_part(const char **at, struct buf *b, const char *list, struct err *e)
{
	while (**at && **at != '.' && **at != ',' && **at != '`')
		buf_putc(b, *(*at)++);
	while (b->n && b->p[b->n - 1] == ' ')
		b->n--;
	if (b->n && b->p[0] == '~')
		return err_set(e, ERR_config_bad,
			"--tables '%s': regular expressions belong into a task file's block-allow-list",
			list);
	return 0;
}

static int part(const char **at, struct buf *b, const char *list, const char *what, struct err *e)
{
	int rc;

	buf_clear(b);
	*at += strspn(*at, " ");
	rc = **at == '`' ? quoted_part(at, b, list, e) : plain_part(at, b, list, e);
	if (rc < 0)
		return -1;
	*at += strspn(*at, " ");
	if (b->n == 0)
		return err_set(e, ERR_config_bad,
			"--tables '%s': a %s is missing; write schema.table,schema.*", list, what);
	return 0;
}

/* -1: the name is not UTF-8. */
static int append_new_name(json_t *array, const char *name)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (strcmp(json_string_value(json_array_get(array, i)), name) == 0)
			return 0;
	}
	return json_array_append_new(array, json_string(name));
}

static int one_entry(const char **at, json_t *dbs, json_t *tables, const char *list, struct err *e)
{
	struct buf schema = {0}, table = {0};
	int rc = part(at, &schema, list, "schema", e);

	if (rc == 0 && **at == '.') {
		(*at)++;
		rc = part(at, &table, list, "table", e);
	} else if (rc == 0) {
		buf_putc(&table, '*');
	}
	if (rc == 0 && **at && **at != ',')
		rc = err_set(e, ERR_config_bad, "--tables '%s': ',' expected before '%s'", list, *at);
	if (rc == 0 &&
		(append_new_name(dbs, buf_cstr(&schema)) < 0 ||
			json_array_append_new(tables, json_pack("{s:s,s:s}", "db-name", buf_cstr(&schema),
							      "tbl-name", buf_cstr(&table))) < 0))
		rc = err_set(e, ERR_config_bad, "--tables: a name is not UTF-8");
	buf_free(&schema);
	buf_free(&table);
	return rc;
}

json_t *rules_parse_list(const char *list, struct err *e)
{
	json_t *dbs = json_array(), *tables = json_array();
	/* do_dbs too: so that schemas without a wanted table are left alone. */
	json_t *o = json_pack("{s:b,s:o,s:o}", "case_sensitive", 0, "do_dbs", dbs, "do_tables", tables);
	const char *at = list;
	struct rules *tried;

	for (;;) {
		if (one_entry(&at, dbs, tables, list, e) < 0)
			goto fail;
		if (!*at)
			break;
		at++;
	}
	tried = rules_new(o, "", e); /* the patterns' own mistakes */
	if (!tried)
		goto fail;
	rules_free(&tried);
	return o;
fail:
	json_decref(o);
	return NULL;
}
