#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/sql/filter.h"
#include "common/sql/online.h"
#include "common/sql/route.h"
#include "common/sql/row_filter.h"

/*
 * A task's rules, read in one go: which tables are wanted (DM's block-allow-list,
 * docs/design/rules-of-tables.md), and with it where they go (route.h), which of their events are done
 * (filter.h), which rows are left out (row_filter.h), and which tables are only those of a change of
 * structure (online.h). Patterns: pattern.h. System schemas (mysql, sys, information_schema,
 * performance_schema, metrics_schema, inspection_schema) and the meta schema are never wanted.
 */
struct rules;

/* {"case_sensitive":bool,"do_dbs":[…],"ignore_dbs":[…],"do_tables":[{"db-name","tbl-name"}],
 * "ignore_tables":[…],"routes":[…],"others":[…],"filters":[…],"expressions":[…],"online":{…}}; NULL or {}:
 * everything, under its own name. */
struct rules *rules_new(const json_t *o, const char *meta_schema, struct err *e);
void rules_free(struct rules **r);
/* Whether statements on the schema itself are wanted. True says nothing yet of any table in it. */
bool rules_schema(const struct rules *r, struct str schema);
bool rules_table(const struct rules *r, struct str schema, struct str table);
/* By the lists alone: also one that is left out as a table of gh-ost or pt-osc. */
bool rules_listed(const struct rules *r, struct str schema, struct str table);
/* Which names are those of gh-ost and pt-osc; NULL: none. */
const struct online *rules_online(const struct rules *r);
/* Where tables go; NULL: all keep their names. */
const struct route *rules_route(const struct rules *r);
/*
 * The task's other sources that have routes ("others": [{"source","routes"}]): rules_shared
 * is 1 where a rule leads the table to this place, and one of theirs may lead there, so that rows of several
 * sources may meet in it (docs/design/routing.md).
 */
int rules_shared(const struct rules *r, struct str schema, struct str table, const struct route_name *to,
	struct err *e);
/* One of them; NULL: there is no such one. */
struct rules_other {
	char *source;
	struct route *route;
};
const struct rules_other *rules_other(const struct rules *r, size_t i);
/* Which events of wanted tables are done; NULL: all. */
const struct filter *rules_filter(const struct rules *r);
/* Which rows are left out; NULL: none. */
struct row_filters *rules_row_filters(const struct rules *r);
/* One pattern alone: would rules_new take it? 0, or -1 with e. */
int rules_check_pattern(const char *pattern, struct err *e);
/* A regular expression of the same kind; *groups: how many groups it has. 0, or -1 with e. */
int rules_check_regex(const char *regex, unsigned *groups, struct err *e);
/* --tables 'app.*,shop.orders' -> the JSON above (new reference); NULL with e. A part in `backquotes` is a
 * name, not a pattern. */
json_t *rules_parse_list(const char *list, struct err *e);
