#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

/*
 * Under which names tables stand downstream: DM's table routing (docs/design/routing.md). A rule with a
 * table-pattern wins over those that have a schema-pattern only; several of one level that match are an
 * error. Part of struct rules: asked once for a table, never for a row.
 */
struct route;

enum { ROUTE_NAME = 257 };
struct route_name {
	char schema[ROUTE_NAME], table[ROUTE_NAME];
};

/* Columns of the downstream only: what groups of a regular expression matched in a name of the upstream
 * (extract-table, extract-schema, extract-source). The same for all rows of a table. */
enum { ROUTE_EXTRAS = 3 };
struct route_extras {
	struct route_extra {
		char *column, *value;
	} p[ROUTE_EXTRAS];
	unsigned n;
};

/* [{"name","schema-pattern","table-pattern","target-schema","target-table","extract-…"},…]. *out NULL: there
 * is none. */
int route_new(struct route **out, const json_t *list, bool case_sensitive, struct err *e);
void route_free(struct route **r);
/* One rule alone: would route_new take it? -1 with e, and the key that is wrong (NULL: none in particular).
 */
int route_check(const json_t *rule, const char **key, struct err *e);
/* r NULL: every name stays. 1: another name, 0: the same; -1: ERR_route_failed. */
int route_table(
	const struct route *r, struct str schema, struct str table, struct route_name *out, struct err *e);
/* Of the rule that counts; source: the source's id. Owned by the caller, also with -1. */
int route_extras(const struct route *r, struct str schema, struct str table, struct str source,
	struct route_extras *out, struct err *e);
void route_extras_fini(struct route_extras *x);
/* For a map of names downstream: some servers take those for one that differ in case only. Owned by the
 * caller. */
struct buf route_key(struct str schema, struct str table);
/* 1: a rule says something of the table, be it that its name stays. */
int route_has_rule(const struct route *r, struct str schema, struct str table, struct err *e);
/* May any rule lead a table of whatever upstream there? A group ($1) may stand for anything; case does not
 * count. */
bool route_may_lead(const struct route *r, const char *to_schema, const char *to_table);
/* The schema itself, by rules without a table-pattern. */
int route_schema(const struct route *r, struct str schema, char out[ROUTE_NAME], struct err *e);
