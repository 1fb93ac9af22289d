/*
 * Making keys behind the rows. Called by the workers, each with a connection of its own for it. May be
 * repeated after a crash: which keys are there is asked.
 */
#include "units/load/late.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/sql/quote.h"
#include "units/load/ddl.h"

enum { TRIES = 30, PAUSE_MS = 1000 };

struct late_table {
	const json_t *keys; /* NULL: it has none */
	unsigned under_way; /* chunks taken and not yet in */
	bool last, made;    /* made: or somebody is at it */
	uint64_t since_ms;  /* an ALTER of it runs; 0: none */
};

void late_begin(struct load *l, const json_t *own)
{
	const json_t *late = json_object_get(own, "late");

	if (!late)
		return;
	l->late_keys = json_deep_copy(late);
	l->late = xcalloc((size_t)l->plan.tables.n + 1, sizeof(*l->late));
	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		const struct plan_item *t = &l->plan.tables.p[i];

		l->late[i].keys = json_object_get(json_object_get(l->late_keys, t->schema), t->name);
	}
}

void late_end(struct load *l)
{
	free(l->late);
	l->late = NULL;
	json_decref(l->late_keys);
	l->late_keys = NULL;
}

void late_chunk_taken(struct load *l, unsigned table, bool last)
{
	if (!l->late)
		return;
	pthread_mutex_lock(&l->lock);
	l->late[table].under_way++;
	l->late[table].last = l->late[table].last || last;
	pthread_mutex_unlock(&l->lock);
}

void late_chunk_done(struct load *l, unsigned table)
{
	if (!l->late)
		return;
	pthread_mutex_lock(&l->lock);
	l->late[table].under_way--;
	pthread_mutex_unlock(&l->lock);
}

/* A table that is whole and has its keys still to be made; -1: there is none. It is the caller's then. */
static int take_table(struct load *l, bool all)
{
	int found = -1;

	pthread_mutex_lock(&l->lock);
	for (unsigned i = 0; found < 0 && i < l->plan.tables.n; i++) {
		struct late_table *t = &l->late[i];

		if (!t->keys || t->made || t->under_way > 0 || !(t->last || all))
			continue;
		t->made = true;
		found = (int)i;
	}
	pthread_mutex_unlock(&l->lock);
	return found;
}

void late_status(const struct load *l, json_t *out)
{
	json_t *list = NULL;

	for (unsigned i = 0; l->late && i < l->plan.tables.n; i++) {
		const struct plan_item *t = &l->plan.tables.p[i];
		struct buf name = {0};

		if (!l->late[i].since_ms)
			continue;
		list = list ? list : json_array();
		sql_put_table(&name, str_of(t->schema), str_of(t->name));
		json_array_append_new(list, json_pack("{s:s, s:I}", "table", buf_cstr(&name), "seconds",
						    (json_int_t)((clock_ms() - l->late[i].since_ms) / 1000)));
		buf_free(&name);
	}
	if (list)
		json_object_set_new(out, "keys", list);
}

/* --- one table --- */

static int has_key(struct db *c, const struct plan_item *t, const char *name, bool *found, struct err *e)
{
	struct buf sql = {0};
	char text[8];
	int r;

	buf_puts(&sql, "SELECT 1 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA=");
	ddl_put_text(&sql, t->to_schema);
	buf_puts(&sql, " AND TABLE_NAME=");
	ddl_put_text(&sql, t->to_name);
	buf_puts(&sql, " AND INDEX_NAME=");
	ddl_put_text(&sql, name);
	buf_puts(&sql, " LIMIT 1");
	r = db_value(c, buf_cstr(&sql), text, sizeof(text), found, e);
	buf_free(&sql);
	return r;
}

/* ALTER TABLE … ADD KEY …, ADD KEY … of those that are not there. "": all are. */
static int put_alter(
	struct db *c, const struct plan_item *t, const json_t *keys, struct buf *sql, struct err *e)
{
	const char *name, *sep = " ADD ";
	json_t *key;
	bool found;

	buf_clear(sql);
	json_object_foreach((json_t *)(uintptr_t)keys, name, key) {
		if (has_key(c, t, name, &found, e) < 0)
			return -1;
		if (found)
			continue;
		if (sql->n == 0) {
			buf_puts(sql, "ALTER TABLE ");
			sql_put_table(sql, str_of(t->to_schema), str_of(t->to_name));
		}
		buf_puts(sql, sep);
		buf_puts(sql, json_string_value(key));
		sep = ", ADD ";
	}
	return 0;
}

static void note(struct load *l, unsigned table, uint64_t since_ms)
{
	pthread_mutex_lock(&l->lock);
	l->late[table].since_ms = since_ms;
	pthread_mutex_unlock(&l->lock);
	unit_wake(l->env);
}

static int alter(struct load *l, struct db *c, unsigned table, struct err *e)
{
	const struct plan_item *t = &l->plan.tables.p[table];
	uint64_t began = clock_ms();
	struct buf sql = {0};
	int r = put_alter(c, t, l->late[table].keys, &sql, e);

	if (r == 0 && FAILPOINT_HIT(load_before_keys))
		r = err_set(e, ERR_db_lost, "failpoint load_before_keys");
	if (r == 0 && sql.n > 0) {
		note(l, table, began);
		r = db_exec(c, buf_str(&sql), e);
		note(l, table, 0);
		if (r == 0)
			log_info("keys of table `%s`.`%s` made in %" PRIu64 " ms", t->schema, t->name,
				clock_ms() - began);
	}
	buf_free(&sql);
	return r;
}

/* old: a connection that was lost, whose ALTER may still be running. */
static int try_table(struct load *l, unsigned table, uint64_t *old, struct err *e)
{
	struct db *c = load_connect(l, DB_DDL, true, e);
	struct err ignored;
	int r;

	if (!c)
		return -1;
	r = *old ? load_end_old(l, c, *old, e) : 0;
	if (r == 0) {
		*old = 0;
		r = alter(l, c, table, e);
		if (r == 0)
			meta_forget_connection(c, &l->id, db_connection_id(c), &ignored);
		else
			*old = db_connection_id(c);
	}
	load_disconnect(l, &c);
	return r;
}

static int make_table(struct load *l, unsigned table, struct err *e)
{
	const struct plan_item *t = &l->plan.tables.p[table];
	uint64_t old = 0;

	for (unsigned n = 1;; n++) {
		err_clear(e);
		if (try_table(l, table, &old, e) == 0)
			return 0;
		if (load_stopping(l) || err_act(e->code) != ERR_ACT_RETRY || n == TRIES)
			break;
		log_info("the keys of `%s`.`%s` are tried again: %s", t->schema, t->name, e->text);
		if (!load_pause(l, PAUSE_MS))
			break;
	}
	if (err_act(e->code) == ERR_ACT_PAUSE)
		e->code = ERR_load_failed;
	return err_add(e, "table `%s`.`%s`, whose rows are all there: making its keys", t->schema, t->name);
}

int late_make(struct load *l, bool all, struct err *e)
{
	int table;

	while (l->late && !load_stopping(l) && (table = take_table(l, all)) >= 0)
		if (make_table(l, (unsigned)table, e) < 0)
			return -1;
	return 0;
}
