/*
 * Results, read row by row from the wire, and the small questions built on them. Used by the units through
 * db.h. A result holds its connection: nothing else may be sent on it before db_rows_close.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/db/internal.h"
#include "common/db/text_rows.h"

struct db_rows {
	struct db *d;
	unsigned columns;
	struct str *values;
	char head[220]; /* of the statement, for errors */
	bool large;
	struct text_rows text; /* of a large one */
	struct db_turns *turns;
	bool my_turn;
};

static void take_turn(void *arg)
{
	struct db_rows *r = arg;

	if (r->turns && !r->my_turn)
		pthread_mutex_lock(&r->turns->lock);
	r->my_turn = r->turns != NULL;
}

/* The row is through: first its memory, then the turn. */
static void end_turn(struct db_rows *r)
{
	if (!r->my_turn)
		return;
	if (r->large)
		packets_trim(&r->text.packets);
	else
		client_trim(r->d->c);
	pthread_mutex_unlock(&r->turns->lock);
	r->my_turn = false;
}

static struct db_rows *new_rows(struct db *d, struct str sql, unsigned columns)
{
	struct db_rows *r = xcalloc(1, sizeof(*r));

	r->d = d;
	r->columns = columns;
	r->values = xcalloc(columns, sizeof(*r->values));
	db_statement_head(sql, r->head, sizeof(r->head));
	return r;
}

static struct db_rows *no_result(struct db *d, struct err *e)
{
	err_set(e, ERR_db_query, "%s: a query without a result", d->where);
	return NULL;
}

struct db_rows *db_query(struct db *d, struct str sql, struct err *e)
{
	if (client_query(d->c, sql) < 0) {
		db_fail(d, sql, ERR_db_query, e);
		return NULL;
	}
	if (client_columns(d->c) == 0 || client_rows(d->c) < 0) {
		if (!client_errno(d->c))
			return no_result(d, e);
		db_fail(d, sql, ERR_db_query, e);
		return NULL;
	}
	return new_rows(d, sql, client_columns(d->c));
}

/* Over TLS the library reads: it is watched. */
static struct db_rows *query_by_library(struct db *d, struct str sql, struct db_turns *turns, struct err *e)
{
	struct db_rows *r;

	client_follow(d->c, turns ? turns->bytes : 0);
	r = db_query(d, sql, e);
	if (!r) {
		client_follow(d->c, 0);
		return NULL;
	}
	r->turns = turns;
	client_on_large(d->c, take_turn, r);
	return r;
}

struct db_rows *db_query_large(struct db *d, struct str sql, struct db_turns *turns, struct err *e)
{
	struct client_error why;
	struct text_rows t;
	struct db_rows *r;
	int got;

	if (!client_is_plain(d->c))
		return query_by_library(d, sql, turns, e);
	got = text_rows_open(&t, d->c, sql, db_read_timeout_ms(d), &why);
	if (got == 0)
		return no_result(d, e);
	if (got < 0) {
		client_set_error(d->c, &why);
		db_fail(d, sql, ERR_db_query, e);
		return NULL;
	}
	r = new_rows(d, sql, t.columns);
	r->text = t;
	r->large = true;
	r->turns = turns;
	r->text.packets.on_large = turns ? take_turn : NULL;
	r->text.packets.arg = r;
	r->text.packets.large = turns ? turns->bytes : 0;
	return r;
}

struct db_rows *db_queryf(struct db *d, struct err *e, const char *fmt, ...)
{
	struct db_rows *r;
	va_list ap;
	char *sql;

	va_start(ap, fmt);
	sql = xvasprintf(fmt, ap);
	va_end(ap);
	r = db_query(d, str_of(sql), e);
	free(sql);
	return r;
}

unsigned db_columns(const struct db_rows *r)
{
	return r->columns;
}

const char *db_column_name(const struct db_rows *r, unsigned i)
{
	return client_column_name(r->d->c, i);
}

void db_row_done(struct db_rows *r)
{
	end_turn(r);
}

int db_fetch(struct db_rows *r, const struct str **values, struct err *e)
{
	struct client_error why;
	int n;

	end_turn(r);
	/* Its head may have come with the row before. */
	if (client_in_large(r->d->c))
		take_turn(r);
	n = r->large ? text_rows_next(&r->text, r->values, &why) : client_row(r->d->c, r->values);
	*values = r->values;
	if (n < 0 && r->large)
		client_set_error(r->d->c, &why);
	return n < 0 ? db_fail(r->d, str_of(r->head), ERR_db_query, e) : n;
}

static void end_result(struct client *c)
{
	client_rows_end(c);
	while (client_next(c) > 0)
		client_drop(c);
}

void db_rows_close(struct db_rows **r)
{
	if (!*r)
		return;
	end_turn(*r);
	if ((*r)->large)
		text_rows_close(&(*r)->text);
	else
		end_result((*r)->d->c);
	/* Among the rows that nobody wanted there may have been a large one. */
	(*r)->large = false;
	end_turn(*r);
	client_follow((*r)->d->c, 0);
	free((*r)->values);
	free(*r);
	*r = NULL;
}

int db_value(struct db *d, const char *sql, char *out, size_t size, bool *found, struct err *e)
{
	struct db_rows *r = db_query(d, str_of(sql), e);
	const struct str *v;
	int n;

	if (size)
		out[0] = '\0';
	*found = false;
	if (!r)
		return -1;
	n = db_fetch(r, &v, e);
	if (n > 0) {
		*found = true;
		snprintf(out, size, "%.*s", STR_ARG(v[0]));
	}
	db_rows_close(&r);
	return n < 0 ? -1 : 0;
}
