/*
 * `tidegate grants`: least privileges as statements that can be pasted into a client. The table is
 * include/grant.def; tidegate-check reads the same one.
 */
#include "common/sql/grants.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/sql/quote.h"
#include "common/sql/rules.h"

enum servers { MYSQL, MARIA, DOWN };
enum scope { GLOBAL, TABLES, META };

static const struct grant {
	const char *unit;
	enum servers servers;
	enum scope scope;
	const char *privilege, *why;
} table[] = {
#define GRANT(unit, servers, scope, privilege, why) {#unit, servers, scope, privilege, why},
#define OPTIONAL(unit, servers, scope, privilege, objects, trial, without)
#include "grant.def"
#undef GRANT
#undef OPTIONAL
};

enum optional_servers { ANY, MYSQL8 };

static const struct optional {
	const char *unit;
	enum optional_servers servers;
	enum scope scope;
	const char *privilege, *objects, *trial, *without;
} optional[] = {
#define GRANT(unit, servers, scope, privilege, why)
#define OPTIONAL(unit, servers, scope, privilege, objects, trial, without) \
	{#unit, servers, scope, privilege, objects, trial, without},
#include "grant.def"
#undef GRANT
#undef OPTIONAL
};
enum { OPTIONALS = sizeof(optional) / sizeof(optional[0]) };

/* "mariadb:11.4" -> which words it uses, and whether it is asked for as a downstream. */
static int parse_server(const char *server, enum servers *words, bool *tidb, struct server *s, struct err *e)
{
	const char *colon = strchr(server, ':');
	size_t n = colon ? (size_t)(colon - server) : strlen(server);
	struct str name = {server, n};
	char *end = NULL;
	unsigned long major = colon ? strtoul(colon + 1, &end, 10) : 0,
		      minor = end && *end == '.' ? strtoul(end + 1, NULL, 10) : 0;

	*tidb = str_is_ci(name, "tidb");
	if (!*tidb && !str_is_ci(name, "mysql") && !str_is_ci(name, "mariadb"))
		return err_set(e, ERR_usage, "--server '%s': mysql:VERSION, mariadb:VERSION or tidb:VERSION",
			server);
	if (major == 0)
		return err_set(e, ERR_usage, "--server '%s' wants a version, say %.*s:%s", server, (int)n,
			server, str_is_ci(name, "mariadb") ? "11.4" : "9.7");
	s->flavor = *tidb ? FLAVOR_TIDB : str_is_ci(name, "mariadb") ? FLAVOR_MARIADB : FLAVOR_MYSQL;
	s->version = (uint32_t)(major % 1000 * 10000 + minor % 100 * 100);
	*words = str_is_ci(name, "mariadb") && (major > 10 || (major == 10 && minor >= 5)) ? MARIA : MYSQL;
	return 0;
}

/* Of the upstream's rows (down false) or the downstream's: is this one asked for? apply is the sync's
 * downstream part. */
static bool wants(const struct grant *g, const char *unit, enum servers words, bool down)
{
	if ((g->servers == DOWN) != down || (!down && g->servers != words))
		return false;
	if (strcmp(unit, "all") == 0)
		return down ? strcmp(g->unit, "apply") == 0 : strcmp(g->unit, "cutover") != 0;
	return strcmp(g->unit, unit) == 0 || (strcmp(unit, "sync") == 0 && strcmp(g->unit, "apply") == 0);
}

/* One privilege may be wanted by several units: said once. */
static bool said_before(size_t i, const char *unit, enum servers words, bool down)
{
	for (size_t k = 0; k < i; k++)
		if (wants(&table[k], unit, words, down) && table[k].scope == table[i].scope &&
			strcmp(table[k].privilege, table[i].privilege) == 0)
			return true;
	return false;
}

static void put_on(struct buf *out, const char *privilege, const char *on, const char *user, const char *why)
{
	buf_putf(out, "GRANT %s ON %s TO %s; -- %s\n", privilege, on, user, why);
}

void grants_put_schema(struct buf *out, const char *schema, bool literal)
{
	struct buf pattern = {0};

	for (const char *p = schema; *p; p++) {
		if (!literal && (*p == '_' || *p == '%'))
			buf_putc(&pattern, '\\');
		buf_putc(&pattern, *p);
	}
	sql_put_ident(out, buf_str(&pattern));
	buf_puts(out, ".*");
	buf_free(&pattern);
}

/* These are of a schema: servers refuse them on a table. */
static bool is_of_schema(const char *privilege)
{
	return strcmp(privilege, "EVENT") == 0 || strcmp(privilege, "LOCK TABLES") == 0;
}

/* A pattern that a GRANT can't say (app_*.t?) becomes the schema, or everything. */
static void put_tables(struct buf *out, const struct grant *g, const char *user, const json_t *rules)
{
	const json_t *list = json_object_get(rules, "do_tables"), *t;
	size_t i;

	if (json_array_size(list) == 0)
		put_on(out, g->privilege, "*.*", user, g->why);
	json_array_foreach(list, i, t) {
		const char *db = json_string_value(json_object_get(t, "db-name"));
		const char *name = json_string_value(json_object_get(t, "tbl-name"));
		/* Downstream the schema itself may have to be made. */
		bool all = strpbrk(db, "*?[~") != NULL,
		     any = g->servers == DOWN || is_of_schema(g->privilege) || strpbrk(name, "*?[~") != NULL;
		struct buf on = {0};

		if (all) {
			buf_puts(&on, "*.*");
		} else if (any) {
			grants_put_schema(&on, db, false);
		} else {
			sql_put_table(&on, str_of(db), str_of(name));
		}
		put_on(out, g->privilege, buf_cstr(&on), user, g->why);
		buf_free(&on);
	}
}

static bool is_known(const struct optional *o, const struct server *s)
{
	return o->servers != MYSQL8 || (s->flavor == FLAVOR_MYSQL && s->version >= 80000);
}

bool grants_optional(size_t i, const struct server *s, struct grant_optional *out)
{
	for (size_t k = 0; k < OPTIONALS; k++) {
		const struct optional *o = &optional[k];

		if (!is_known(o, s) || i-- > 0)
			continue;
		*out = (struct grant_optional){
			o->privilege, o->objects, o->trial, o->without, o->scope == GLOBAL};
		return true;
	}
	return false;
}

/* What is optional for the whole job may be all that one part of it is asked for. */
static bool is_printed(const struct optional *o, const char *unit)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].unit, unit) == 0 && strcmp(table[i].privilege, o->privilege) == 0)
			return true;
	return false;
}

/* As comments: whoever pastes it all gives what is needed. */
static void put_optional(
	struct buf *out, const char *unit, const struct server *s, const char *user, const json_t *rules)
{
	for (size_t k = 0; k < OPTIONALS; k++) {
		const struct optional *o = &optional[k];
		struct grant g = {o->unit, MYSQL, o->scope, o->privilege, o->without};
		struct buf lines = {0};
		char *save = NULL;

		if (!is_known(o, s) || (strcmp(unit, "all") != 0 && strcmp(unit, o->unit) != 0) ||
			is_printed(o, unit))
			continue;
		if (o->scope == TABLES)
			put_tables(&lines, &g, user, rules);
		else
			put_on(&lines, o->privilege, "*.*", user, o->without);
		buf_cstr(&lines);
		for (char *l = strtok_r(lines.p, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
			buf_putf(out, "-- optional, without it: %s\n", l);
		buf_free(&lines);
	}
}

static bool known_unit(const char *unit)
{
	static const char *const units[] = {"relay", "dump", "sync", "load", "cutover", "all"};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i]) == 0)
			return true;
	return false;
}

static void put_side(struct buf *out, const char *unit, enum servers words, bool down, const char *user,
	const json_t *rules)
{
	bool first = true;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct grant *g = &table[i];

		if (!wants(g, unit, words, down) || said_before(i, unit, words, down))
			continue;
		if (first)
			buf_puts(out, down ? "-- on the downstream\n" : "-- on the upstream\n");
		first = false;
		if (g->scope == TABLES)
			put_tables(out, g, user, rules);
		else
			put_on(out, g->privilege, g->scope == META ? "`dm\\_meta`.*" : "*.*", user, g->why);
	}
}

/* MySQL alone can be told to know no patterns; which it is told nobody here knows. */
static void put_escapes(struct buf *out, const struct server *s)
{
	if (s->flavor == FLAVOR_MYSQL && s->version >= 80000 && memmem(buf_str(out).p, out->n, "\\_", 2))
		buf_puts(out, "-- where partial_revokes is ON: without the \\ in names of schemas\n");
}

int grants_put(struct buf *out, const char *for_unit, const char *server, const char *user,
	const char *tables, struct err *e)
{
	json_t *rules = tables ? rules_parse_list(tables, e) : json_object();
	enum servers words = MYSQL;
	struct server kind = {0};
	bool tidb = false;
	int r = -1;

	if (!rules)
		return -1;
	if (!known_unit(for_unit))
		err_set(e, ERR_usage, "--for '%s': relay, dump, sync, load, cutover or all", for_unit);
	else
		r = parse_server(server, &words, &tidb, &kind, e);
	if (r == 0 && !tidb) { /* TiDB is a downstream only */
		put_side(out, for_unit, words, false, user, rules);
		put_optional(out, for_unit, &kind, user, rules);
	}
	if (r == 0)
		put_side(out, for_unit, words, true, user, rules);
	if (r == 0)
		put_escapes(out, &kind);
	json_decref(rules);
	return r;
}
