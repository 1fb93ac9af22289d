/*
 * DM's table routing: which name a table of the upstream has downstream. Loaded with the other rules of a
 * task (rules.c). Whoever asks keeps the answer for as long as it knows the table. It must never guess: what
 * no rule, or more than one, says about a name is an error, or the name itself.
 */
#include "common/sql/route.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"
#include "common/sql/pattern.h"

enum { GROUPS = 10 }; /* $0 … $9 */

/* In DM's order. */
static const struct {
	const char *key, *regexp;
} extracts[ROUTE_EXTRAS] = {
	{"extract-table", "table-regexp"},
	{"extract-schema", "schema-regexp"},
	{"extract-source", "source-regexp"},
};

struct rule {
	char *name;
	struct pattern *schema, *table; /* table NULL: a rule of the schema */
	char *to_schema, *to_table;     /* "": as it is */
	struct {
		char *column; /* NULL: none */
		struct pattern *p;
	} extract[ROUTE_EXTRAS];
};

struct route {
	struct rule *p;
	size_t n;
};

/* --- targets --- */

/* "$1", "${1}" at p: the group's number and where it ends; -1: it is none. */
static int group_at(const char *p, const char **end)
{
	bool brace = p[1] == '{';
	const char *digits = p + 1 + brace;
	int n = 0;

	if (!isdigit((unsigned char)*digits))
		return -1;
	while (isdigit((unsigned char)*digits) && n < 1000)
		n = n * 10 + (*digits++ - '0');
	if (brace && *digits++ != '}')
		return -1;
	*end = digits;
	return n;
}

/* Only a regular expression has groups; elsewhere a '$' with a number is a mistake, not a name. */
static int check_target(const char *target, const struct pattern *p, struct err *e)
{
	const char *end;

	for (const char *at = target; (at = strchr(at, '$'));) {
		int group = group_at(at, &end);

		if (at[1] == '$' && p && pattern_is_regex(p)) {
			at += 2;
			continue;
		}
		if (group < 0) {
			at++;
			continue;
		}
		if (!p || !pattern_is_regex(p))
			return err_set(e, ERR_config_bad,
				"`%s`: $%d is a group of a regular expression, and the pattern is none (~…)",
				target, group);
		if ((unsigned)group > pattern_groups(p) || group >= GROUPS)
			return err_set(e, ERR_config_bad, "`%s`: the pattern has %u groups, there is no $%d",
				target, pattern_groups(p), group);
		at = end;
	}
	return 0;
}

/* The target's text with what the groups matched. */
static void expand(const char *target, const struct str *groups, struct buf *out)
{
	const char *end;

	for (const char *at = target; *at;) {
		int group = *at == '$' ? group_at(at, &end) : -1;

		if (at[0] == '$' && at[1] == '$') {
			buf_putc(out, '$');
			at += 2;
		} else if (group >= 0) {
			buf_put(out, groups[group].p, groups[group].n);
			at = end;
		} else {
			buf_putc(out, *at++);
		}
	}
}

static int put_target(const char *target, const struct pattern *p, struct str name, const char *rule,
	char out[ROUTE_NAME], struct err *e)
{
	struct str groups[GROUPS];
	struct buf b = {0};
	int r = 0;

	if (!target[0]) {
		buf_put(&b, name.p, name.n);
	} else if (p && pattern_is_regex(p)) {
		r = pattern_find(p, name, groups, GROUPS, e);
		expand(target, groups, &b);
	} else {
		buf_puts(&b, target);
	}
	if (r >= 0 && (b.n == 0 || b.n >= ROUTE_NAME))
		r = err_set(e, ERR_route_failed, "route `%s` makes a name of %zu bytes of `%.*s`", rule, b.n,
			STR_ARG(name));
	if (r >= 0)
		snprintf(out, ROUTE_NAME, "%s", buf_cstr(&b));
	buf_free(&b);
	return r < 0 ? -1 : 0;
}

/* --- matching --- */

/* 1: it matches. A matcher that gives up would leave the name as it is: that is an error. */
static int matches(const struct pattern *p, struct str name, struct err *e)
{
	struct str all;

	if (!pattern_matches(p, name, true))
		return 0;
	if (pattern_matches(p, name, false))
		return 1;
	return pattern_find(p, name, &all, 1, e);
}

/* 1: the rule says something of this name; table empty: of the schema. */
static int rule_matches(const struct rule *x, struct str schema, struct str table, struct err *e)
{
	int m = x->table && table.n == 0 ? 0 : matches(x->schema, schema, e);

	return m > 0 && x->table ? matches(x->table, table, e) : m;
}

/* The one rule that counts; NULL: none. */
static int find(
	const struct route *r, struct str schema, struct str table, const struct rule **out, struct err *e)
{
	const struct rule *first[2] = {NULL, NULL}, *second[2] = {NULL, NULL}; /* of schemas, of tables */
	int level;

	for (size_t i = 0; r && i < r->n; i++) {
		const struct rule *x = &r->p[i];
		int m = rule_matches(x, schema, table, e);

		level = x->table != NULL;
		if (m < 0)
			return -1;
		if (m > 0 && first[level])
			second[level] = x;
		else if (m > 0)
			first[level] = x;
	}
	level = first[1] != NULL;
	*out = first[level];
	if (second[level])
		return err_set(e, ERR_route_failed, "`%.*s`%s%.*s%s matches two routes, `%s` and `%s`",
			STR_ARG(schema), table.n ? ".`" : "", STR_ARG(table), table.n ? "`" : "",
			first[level]->name, second[level]->name);
	return 0;
}

static int put_same(struct str name, char out[ROUTE_NAME], struct err *e)
{
	if (name.n >= ROUTE_NAME)
		return err_set(e, ERR_route_failed, "a name of %zu bytes", name.n);
	snprintf(out, ROUTE_NAME, "%.*s", STR_ARG(name));
	return 0;
}

int route_table(
	const struct route *r, struct str schema, struct str table, struct route_name *out, struct err *e)
{
	const struct rule *x = NULL;

	if (find(r, schema, table, &x, e) < 0 || put_same(schema, out->schema, e) < 0 ||
		put_same(table, out->table, e) < 0)
		return -1;
	if (!x)
		return 0;
	if (put_target(x->to_schema, x->schema, schema, x->name, out->schema, e) < 0 ||
		put_target(x->to_table, x->table, table, x->name, out->table, e) < 0)
		return -1;
	return !str_is(schema, out->schema) || !str_is(table, out->table);
}

int route_schema(const struct route *r, struct str schema, char out[ROUTE_NAME], struct err *e)
{
	const struct rule *x = NULL;

	if (find(r, schema, (struct str){"", 0}, &x, e) < 0 || put_same(schema, out, e) < 0)
		return -1;
	if (!x)
		return 0;
	if (put_target(x->to_schema, x->schema, schema, x->name, out, e) < 0)
		return -1;
	return !str_is(schema, out);
}

int route_has_rule(const struct route *r, struct str schema, struct str table, struct err *e)
{
	const struct rule *x = NULL;

	return find(r, schema, table, &x, e) < 0 ? -1 : x != NULL;
}

/* --- where rules may lead --- */

/* The next piece of a target: a group's number, or -1 and the character that it stands for. */
static int piece_at(const char *at, bool regex, const char **end)
{
	int group = regex && *at == '$' ? group_at(at, end) : -1;

	if (group < 0)
		*end = at + (regex && at[0] == '$' && at[1] == '$' ? 2 : 1);
	return group;
}

static bool is_letter(const char *at, bool regex, char c)
{
	const char *end;

	return *at && piece_at(at, regex, &end) < 0 &&
	       tolower((unsigned char)*at) == tolower((unsigned char)c);
}

static const char *after_groups(const char *at, bool regex)
{
	const char *end;

	while (*at && piece_at(at, regex, &end) >= 0)
		at = end;
	return at;
}

/* As a file name is matched with stars: what the last group takes grows until the rest fits. */
static bool may_make(const char *target, bool regex, const char *name)
{
	const char *behind = NULL, *taken = NULL, *end;

	while (*name) {
		const char *next = after_groups(target, regex);

		if (next != target) {
			target = behind = next;
			taken = name;
		} else if (is_letter(target, regex, *name)) {
			piece_at(target, regex, &end);
			target = end;
			name++;
		} else if (behind) {
			target = behind;
			name = ++taken;
		} else {
			return false;
		}
	}
	return !*after_groups(target, regex);
}

/* pattern NULL: any name. */
static bool side_may_make(const char *target, const struct pattern *p, const char *name)
{
	if (target[0])
		return may_make(target, p && pattern_is_regex(p), name);
	return !p || pattern_matches(p, str_of(name), true);
}

bool route_may_lead(const struct route *r, const char *to_schema, const char *to_table)
{
	for (size_t i = 0; r && i < r->n; i++)
		if (side_may_make(r->p[i].to_schema, r->p[i].schema, to_schema) &&
			side_may_make(r->p[i].to_table, r->p[i].table, to_table))
			return true;
	return false;
}

/* What all of its groups matched, one behind the other; where it does not match: nothing, as in DM. */
static int put_extra(
	const struct pattern *p, const char *column, struct str name, struct route_extras *out, struct err *e)
{
	struct str groups[GROUPS];
	struct buf b = {0};
	int r = pattern_find(p, name, groups, GROUPS, e);

	for (unsigned i = 1; r > 0 && i <= pattern_groups(p); i++)
		buf_put(&b, groups[i].p, groups[i].n);
	if (r >= 0)
		out->p[out->n++] = (struct route_extra){xstrdup(column), xstrdup(buf_cstr(&b))};
	buf_free(&b);
	return r < 0 ? -1 : 0;
}

int route_extras(const struct route *r, struct str schema, struct str table, struct str source,
	struct route_extras *out, struct err *e)
{
	const struct str names[ROUTE_EXTRAS] = {table, schema, source};
	const struct rule *x = NULL;

	*out = (struct route_extras){.n = 0};
	if (find(r, schema, table, &x, e) < 0)
		return -1;
	for (unsigned i = 0; x && i < ROUTE_EXTRAS; i++)
		if (x->extract[i].column &&
			put_extra(x->extract[i].p, x->extract[i].column, names[i], out, e) < 0)
			return err_add(e, "route `%s`, `%s`", x->name, extracts[i].key);
	return 0;
}

void route_extras_fini(struct route_extras *x)
{
	for (unsigned i = 0; i < x->n; i++) {
		free(x->p[i].column);
		free(x->p[i].value);
	}
	x->n = 0;
}

/* --- reading --- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *z = json_string_value(json_object_get(o, key));

	return z ? z : "";
}

static int read_pattern(
	const json_t *o, const char *key, bool case_sensitive, struct pattern **out, struct err *e)
{
	const char *text = text_of(o, key);

	if (!text[0])
		return 0;
	*out = pattern_new(text, case_sensitive, e);
	return *out ? 0 : -1;
}

static int read_extract(struct rule *x, unsigned k, const json_t *o, struct err *e)
{
	const char *regexp = text_of(o, extracts[k].regexp), *column = text_of(o, "target-column");

	if (!regexp[0] || !column[0])
		return err_set(e, ERR_config_bad, "`%s` wants a `%s` and a `target-column`", extracts[k].key,
			extracts[k].regexp);
	for (unsigned i = 0; i < k; i++)
		if (x->extract[i].column && strcasecmp(x->extract[i].column, column) == 0)
			return err_set(e, ERR_config_bad, "`%s` and `%s` have one `target-column`, `%s`",
				extracts[i].key, extracts[k].key, column);
	x->extract[k].column = xstrdup(column);
	x->extract[k].p = pattern_new_regex(regexp, true, e);
	if (!x->extract[k].p)
		return -1;
	if (pattern_groups(x->extract[k].p) == 0 || pattern_groups(x->extract[k].p) >= GROUPS)
		return err_set(e, ERR_config_bad,
			"`%s` has %u groups: what they match is the column's value, so it wants one to %d",
			regexp, pattern_groups(x->extract[k].p), GROUPS - 1);
	return 0;
}

static int read_extracts(struct rule *x, const json_t *o, const char **key, struct err *e)
{
	for (unsigned i = 0; i < ROUTE_EXTRAS; i++) {
		const json_t *v = json_object_get(o, *key = extracts[i].key);

		if (v && !json_is_null(v) && read_extract(x, i, v, e) < 0)
			return -1;
	}
	return 0;
}

/* *key: the one that is being looked at, for the error. */
static int read_rule(struct rule *x, const json_t *o, bool case_sensitive, const char **key, struct err *e)
{
	x->name = xstrdup(text_of(o, "name"));
	x->to_schema = xstrdup(text_of(o, *key = "target-schema"));
	x->to_table = xstrdup(text_of(o, "target-table"));
	if (!x->to_schema[0])
		return err_set(e, ERR_config_bad, "a route wants a `target-schema`");
	if (read_pattern(o, *key = "schema-pattern", case_sensitive, &x->schema, e) < 0)
		return -1;
	if (!x->schema)
		return err_set(e, ERR_config_bad, "a route wants a `schema-pattern`");
	if (read_pattern(o, *key = "table-pattern", case_sensitive, &x->table, e) < 0 ||
		(*key = "target-schema", check_target(x->to_schema, x->schema, e)) < 0 ||
		(*key = "target-table", check_target(x->to_table, x->table, e)) < 0)
		return -1;
	return read_extracts(x, o, key, e);
}

static void rule_fini(struct rule *x)
{
	free(x->name);
	free(x->to_schema);
	free(x->to_table);
	pattern_free(&x->schema);
	pattern_free(&x->table);
	for (unsigned i = 0; i < ROUTE_EXTRAS; i++) {
		free(x->extract[i].column);
		pattern_free(&x->extract[i].p);
	}
}

int route_check(const json_t *rule, const char **key, struct err *e)
{
	struct rule x = {0};
	int r = read_rule(&x, rule, true, key, e);

	rule_fini(&x);
	return r;
}

int route_new(struct route **out, const json_t *list, bool case_sensitive, struct err *e)
{
	struct route *r;
	const char *key;

	*out = NULL;
	if (!list || json_is_null(list) || (json_is_array(list) && json_array_size(list) == 0))
		return 0;
	if (!json_is_array(list))
		return err_set(e, ERR_config_bad, "table rules: routes is no list");
	*out = r = xcalloc(1, sizeof(*r));
	r->p = xcalloc(json_array_size(list), sizeof(*r->p));
	for (; r->n < json_array_size(list); r->n++)
		if (read_rule(&r->p[r->n], json_array_get(list, r->n), case_sensitive, &key, e) < 0) {
			err_add(e, "route `%s`", r->p[r->n].name);
			r->n++;
			route_free(out);
			return -1;
		}
	return 0;
}

void route_free(struct route **r)
{
	struct route *old = *r;

	*r = NULL;
	if (!old)
		return;
	for (size_t i = 0; i < old->n; i++)
		rule_fini(&old->p[i]);
	free(old->p);
	free(old);
}

struct buf route_key(struct str schema, struct str table)
{
	struct buf key = {0};

	buf_put(&key, schema.p, schema.n);
	buf_putc(&key, '\0');
	buf_put(&key, table.p, table.n);
	for (size_t i = 0; i < key.n; i++)
		if (key.p[i] >= 'A' && key.p[i] <= 'Z')
			key.p[i] = (char)(key.p[i] + 'a' - 'A');
	return key;
}
