#pragma once
#include <jansson.h>

#include "common/base/err.h"
#include "common/sql/event.h"

/*
 * DM's binlog event filter: which events of wanted tables are done (docs/design/event-filter.md). Rules are
 * asked in their order; the first that decides, decides: the event is one of the rule's: Ignore and Error
 * decide, Do goes on; it is not: Do ignores it; then, of a statement, where the rule has sql-patterns: one of
 * them is in it: Ignore and Error decide; none: Do ignores it. No rule decides, or none is for the table: it
 * is done.
 */
struct filter;

enum filter_action { FILTER_DO, FILTER_IGNORE, FILTER_ERROR };

struct filter_verdict {
	enum filter_action action;
	unsigned rule; /* which one said so, from 1; 0: none */
};

struct filter_ask {
	struct str schema,
		table; /* table "": the database itself; rules with a table-pattern are not for it */
	const struct event
		*event; /* NULL: a statement that can't be read; its rules are those that any name fits */
	struct str statement; /* "": rows */
};

/* [{"schema-pattern","table-pattern","events":[…],"sql-pattern":[…],"action"}]; NULL, null or []: *out is
 * NULL, everything is done. -1: ERR_config_bad. */
int filter_new(struct filter **out, const json_t *list, bool case_sensitive, struct err *e);
void filter_free(struct filter **f);
/* -1: a sql-pattern's matcher gave up: nobody can tell. */
int filter_event(
	const struct filter *f, const struct filter_ask *ask, struct filter_verdict *out, struct err *e);
/* Of row changes: EVENT_insert, EVENT_update or EVENT_delete. */
struct filter_verdict filter_rows(
	const struct filter *f, struct str schema, struct str table, enum event_id kind);
/* Is any rule for this table? */
bool filter_concerns(const struct filter *f, struct str schema, struct str table);
/* What a rule with these parts can't do, for a warning; NULL: it is a rule like others. */
const char *filter_doubt(const json_t *rule);
