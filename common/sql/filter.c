/*
 * DM's rules of `filters`. Read with the other rules of a task (rules.c), asked by sync for each table's row
 * changes once, and for each DDL statement. A rule that can't be read is an error, never left out.
 */
#include "common/sql/filter.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/sql/pattern.h"

struct rule {
	struct pattern *schema, *table; /* NULL: any; the database itself has no table's name */
	enum event_id *events;
	struct pattern **sql;
	unsigned nevents, nsql;
	enum filter_action action;
};

struct filter {
	struct rule *rules;
	unsigned n;
};

/* --- reading --- */

static int read_pattern(
	struct pattern **out, const json_t *rule, const char *key, bool case_sensitive, struct err *e)
{
	const char *text = json_string_value(json_object_get(rule, key));

	if (!text || !*text)
		return 0;
	*out = pattern_new(text, case_sensitive, e);
	return *out ? 0 : err_add(e, "%s", key);
}

static int read_events(struct rule *r, const json_t *list, struct err *e)
{
	const json_t *v;
	size_t i;

	r->events = xcalloc(json_array_size(list) + 1, sizeof(*r->events));
	json_array_foreach(list, i, v) {
		const char *name = json_string_value(v) ? json_string_value(v) : "";
		enum event_id id = event_of(str_of(name));

		if (id == EVENT_COUNT)
			return err_set(e, ERR_config_bad, "events: `%.60s` is no event's name", name);
		r->events[r->nevents++] = id;
	}
	return 0;
}

static int read_sql(struct rule *r, const json_t *list, struct err *e)
{
	const json_t *v;
	size_t i;

	r->sql = xcalloc(json_array_size(list) + 1, sizeof(*r->sql));
	json_array_foreach(list, i, v) {
		r->sql[r->nsql] =
			pattern_new_regex(json_string_value(v) ? json_string_value(v) : "", false, e);
		if (!r->sql[r->nsql])
			return err_add(e, "sql-pattern");
		r->nsql++;
	}
	return 0;
}

static int read_action(struct rule *r, const json_t *rule, struct err *e)
{
	static const char *const words[] = {
		[FILTER_DO] = "Do", [FILTER_IGNORE] = "Ignore", [FILTER_ERROR] = "Error"};
	const char *word = json_string_value(json_object_get(rule, "action"));

	for (unsigned i = 0; word && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i]) == 0) {
			r->action = (enum filter_action)i;
			return 0;
		}
	return err_set(e, ERR_config_bad, "action: Do, Ignore or Error");
}

static int read_rule(struct rule *r, const json_t *o, bool case_sensitive, struct err *e)
{
	if (read_pattern(&r->schema, o, "schema-pattern", case_sensitive, e) < 0 ||
		read_pattern(&r->table, o, "table-pattern", case_sensitive, e) < 0 ||
		read_events(r, json_object_get(o, "events"), e) < 0 ||
		read_sql(r, json_object_get(o, "sql-pattern"), e) < 0)
		return -1;
	return read_action(r, o, e);
}

int filter_new(struct filter **out, const json_t *list, bool case_sensitive, struct err *e)
{
	struct filter *f;
	const json_t *o;
	size_t i;

	*out = NULL;
	if (list && !json_is_null(list) && !json_is_array(list))
		return err_set(e, ERR_config_bad, "filters: a list is wanted");
	if (json_array_size(list) == 0)
		return 0;
	f = xcalloc(1, sizeof(*f));
	f->rules = xcalloc(json_array_size(list), sizeof(*f->rules));
	json_array_foreach(list, i, o)
		if (read_rule(&f->rules[f->n++], o, case_sensitive, e) < 0) {
			filter_free(&f);
			return err_add(e, "rule %zu of filters", i + 1);
		}
	*out = f;
	return 0;
}

static void rule_fini(struct rule *r)
{
	pattern_free(&r->schema);
	pattern_free(&r->table);
	for (unsigned i = 0; i < r->nsql; i++)
		pattern_free(&r->sql[i]);
	free(r->sql);
	free(r->events);
}

void filter_free(struct filter **f)
{
	if (!*f)
		return;
	for (unsigned i = 0; i < (*f)->n; i++)
		rule_fini(&(*f)->rules[i]);
	free((*f)->rules);
	free(*f);
	*f = NULL;
}

/* --- asking --- */

/* A name on which the matcher gives up: what a rule would leave out is done, what it would stop at stops. A
 * statement on the database itself names no table: as in DM, patterns that match the empty name are for it.
 */
static bool concerns(const struct rule *r, struct str schema, struct str table)
{
	bool unsure = r->action == FILTER_ERROR;

	if (r->schema && !pattern_matches(r->schema, schema, unsure))
		return false;
	return !r->table || pattern_matches(r->table, table, unsure);
}

/* What can't be read names nothing that is known: rules for all. */
static bool is_for(const struct rule *r, const struct filter_ask *ask)
{
	if (ask->event)
		return concerns(r, ask->schema, ask->table);
	return (!r->schema || pattern_matches(r->schema, (struct str){"", 0}, false)) &&
	       (!r->table || pattern_matches(r->table, (struct str){"", 0}, false));
}

bool filter_concerns(const struct filter *f, struct str schema, struct str table)
{
	for (unsigned i = 0; f && i < f->n; i++)
		if (concerns(&f->rules[i], schema, table))
			return true;
	return false;
}

/* 1: a pattern is in the statement, 0: none is. */
static int by_statement(const struct rule *r, struct str statement, struct err *e)
{
	int found = 0;

	for (unsigned i = 0; found == 0 && i < r->nsql; i++)
		found = pattern_find(r->sql[i], statement, NULL, 0, e);
	if (found < 0)
		e->code = ERR_sync_filter;
	return found;
}

/* FILTER_DO: go on with the next one; -1 with e. */
static int decide(const struct rule *r, const struct filter_ask *ask, struct err *e)
{
	bool meant = ask->event && event_in(ask->event, r->events, r->nevents);
	int found;

	if (meant && r->action != FILTER_DO)
		return (int)r->action;
	if (ask->event && !meant && r->action == FILTER_DO)
		return FILTER_IGNORE;
	if (ask->statement.n == 0 || r->nsql == 0)
		return FILTER_DO;
	found = by_statement(r, ask->statement, e);
	if (found < 0)
		return -1;
	if (r->action == FILTER_DO)
		return found ? FILTER_DO : FILTER_IGNORE;
	return found ? (int)r->action : FILTER_DO;
}

int filter_event(
	const struct filter *f, const struct filter_ask *ask, struct filter_verdict *out, struct err *e)
{
	int action = FILTER_DO;

	*out = (struct filter_verdict){FILTER_DO, 0};
	for (unsigned i = 0; f && action == FILTER_DO && i < f->n; i++) {
		if (!is_for(&f->rules[i], ask))
			continue;
		action = decide(&f->rules[i], ask, e);
		if (action < 0)
			return err_add(e, "sql-pattern of rule %u of filters", i + 1);
		if (action != FILTER_DO)
			*out = (struct filter_verdict){(enum filter_action)action, i + 1};
	}
	return 0;
}

struct filter_verdict filter_rows(
	const struct filter *f, struct str schema, struct str table, enum event_id kind)
{
	struct event event = {kind, kind, false};
	struct filter_ask ask = {schema, table, &event, {"", 0}};
	struct filter_verdict v;
	struct err none;

	/* Without a statement no matcher of one can give up. */
	filter_event(f, &ask, &v, &none);
	return v;
}

const char *filter_doubt(const json_t *rule)
{
	const char *action = json_string_value(json_object_get(rule, "action"));
	bool events = json_array_size(json_object_get(rule, "events")) > 0;

	if (events || !action)
		return NULL;
	if (strcmp(action, "Do") == 0)
		return "`action: Do` without `events` leaves every event of its tables out";
	return json_array_size(json_object_get(rule, "sql-pattern")) > 0
		       ? NULL
		       : "without `events` and `sql-pattern` it does nothing";
}
