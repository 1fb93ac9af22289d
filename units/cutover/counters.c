/*
 * Numbers that servers give out. Called by the leader thread when both sides hold the same rows: what the
 * source has given out and deleted again, or never used, is in no row.
 */
#include "units/cutover/counters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/sql/quote.h"

static int auto_increment(struct db *d, const struct cutover_table *t, uint64_t *value, struct err *e)
{
	struct buf sql = {0};
	char text[32] = "";
	bool found;
	int r;

	buf_puts(&sql, "SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA=_utf8mb4");
	sql_put_string(&sql, str_of(t->to_schema));
	buf_puts(&sql, " AND TABLE_NAME=_utf8mb4");
	sql_put_string(&sql, str_of(t->to_name));
	r = db_value(d, buf_cstr(&sql), text, sizeof(text), &found, e);
	buf_free(&sql);
	*value = strtoull(text, NULL, 10);
	return r;
}

/* 1: it was set. */
static int set_table(struct cutover *c, const struct cutover_table *t, struct err *e)
{
	struct buf sql = {0};
	uint64_t there;
	int r;

	if (t->auto_increment == 0)
		return 0;
	if (auto_increment(c->down, t, &there, e) < 0)
		return -1;
	if (there == 0 ||
		there >= t->auto_increment) /* 0: the column has become another kind (AUTO_RANDOM) */
		return 0;
	buf_puts(&sql, "ALTER TABLE ");
	sql_put_table(&sql, str_of(t->to_schema), str_of(t->to_name));
	buf_putf(&sql, " AUTO_INCREMENT=%" PRIu64, t->auto_increment);
	r = db_exec(c->down, buf_str(&sql), e);
	buf_free(&sql);
	return r < 0 ? -1 : 1;
}

/* --- sequences --- */

struct sequence {
	char schema[260], name[260];
};

struct sequences {
	struct sequence *p;
	unsigned n;
};

static int list_sequences(struct cutover *c, struct sequences *s, struct err *e)
{
	struct db_rows *r = db_query(c->up,
		STR_LIT("SELECT TABLE_SCHEMA,TABLE_NAME FROM information_schema.TABLES WHERE "
			"TABLE_TYPE='SEQUENCE' ORDER BY 1,2"),
		e);
	const struct str *v;
	int got = -1;

	while (r && (got = db_fetch(r, &v, e)) > 0) {
		if (!rules_table(c->rules, v[0], v[1]))
			continue;
		s->p = xrealloc(s->p, (s->n + 1) * sizeof(*s->p));
		snprintf(s->p[s->n].schema, sizeof(s->p->schema), "%.*s", STR_ARG(v[0]));
		snprintf(s->p[s->n++].name, sizeof(s->p->name), "%.*s", STR_ARG(v[1]));
	}
	db_rows_close(&r);
	return got;
}

/* Its state: the first number that no cache holds, and whether that is still within its bounds. */
struct state {
	char next[32], last[32], round[32];
	bool exhausted, cycles;
};

static int read_sequence(struct db *d, const struct sequence *s, struct state *out, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	buf_puts(&sql, "SELECT next_not_cached_value,IF(increment<0,minimum_value,maximum_value),cycle_count,"
		       "IF(increment<0,next_not_cached_value<minimum_value,next_not_cached_value>maximum_"
		       "value),cycle_option FROM ");
	sql_put_table(&sql, str_of(s->schema), str_of(s->name));
	r = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	if (r && (got = db_fetch(r, &v, e)) > 0) {
		snprintf(out->next, sizeof(out->next), "%.*s", STR_ARG(v[0]));
		snprintf(out->last, sizeof(out->last), "%.*s", STR_ARG(v[1]));
		snprintf(out->round, sizeof(out->round), "%.*s", STR_ARG(v[2]));
		out->exhausted = str_is(v[3], "1");
		out->cycles = !str_is(v[4], "0");
	}
	db_rows_close(&r);
	if (got == 0)
		return err_set(e, ERR_db_query, "sequence `%s`.`%s` has no row", s->schema, s->name);
	return got < 0 ? -1 : 0;
}

/* SETVAL never goes back, and gives NULL where it would. One that is used up is so downstream too. */
static int set_sequence(struct cutover *c, const struct sequence *s, struct err *e)
{
	struct buf sql = {0};
	struct route_name to;
	struct state up;
	char text[32];
	bool found;
	int r;

	if (read_sequence(c->up, s, &up, e) < 0)
		return -1;
	if (route_table(rules_route(c->rules), str_of(s->schema), str_of(s->name), &to, e) < 0)
		return -1;
	buf_puts(&sql, "SELECT SETVAL(");
	sql_put_table(&sql, str_of(to.schema), str_of(to.table));
	buf_putf(&sql, ",%s,%d,%s)", up.exhausted ? up.last : up.next, up.exhausted, up.round);
	r = db_value(c->down, buf_cstr(&sql), text, sizeof(text), &found, e);
	buf_free(&sql);
	if (r == 0 && up.exhausted && !up.cycles)
		cutover_found(c, "sequences", "warn",
			"ALTER SEQUENCE it RESTART with the next one, if any is left",
			"sequence `%s`.`%s`: what numbers it has left, if any, are in the source's cache, "
			"which can't be seen: it has run out downstream",
			s->schema, s->name);
	return r;
}

static int set_sequences(struct cutover *c, unsigned *n, struct err *e)
{
	struct sequences s = {0};
	int r = list_sequences(c, &s, e);

	for (unsigned i = 0; r == 0 && i < s.n; i++) {
		struct err why = {0};

		if (c->to.flavor != FLAVOR_MARIADB) {
			cutover_found(c, "sequences", "warn", "",
				"sequence `%s`.`%s`: the downstream has no sequences", s.p[i].schema,
				s.p[i].name);
			continue;
		}
		if (set_sequence(c, &s.p[i], &why) == 0) {
			++*n;
			continue;
		}
		err_add(&why, "sequence `%s`.`%s`", s.p[i].schema, s.p[i].name);
		cutover_failed(c, "sequences", NULL, &why);
	}
	free(s.p);
	return r;
}

int counters_set(struct cutover *c, struct err *e)
{
	unsigned tables = 0, sequences = 0;

	for (unsigned i = 0; i < c->ntables; i++) {
		struct err why = {0};
		int r = set_table(c, &c->tables[i], &why);

		tables += r > 0;
		if (r < 0) {
			err_add(&why, "AUTO_INCREMENT of `%s`.`%s`", c->tables[i].schema, c->tables[i].name);
			cutover_failed(c, "auto_increment", NULL, &why);
		}
	}
	if (set_sequences(c, &sequences, e) < 0)
		return -1;
	cutover_found(c, "counters", "success", "",
		"AUTO_INCREMENT of %u tables set on to the source's, %u sequences likewise", tables,
		sequences);
	return 0;
}
