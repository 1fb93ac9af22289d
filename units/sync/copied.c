/*
 * A copy of several moments, as the load has recorded it. Called by the main thread at the start, then asked
 * by the scheduler and the lanes. Must never guess: a snapshot that can't be compared with a transaction is
 * an error of the first start (first.c, overlap.c), not of here.
 */
#include "units/sync/copied.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/sql/quote.h"
#include "units/sync/apply.h"

static struct buf key_of(struct str schema, struct str table)
{
	struct buf b = {0};

	buf_put(&b, schema.p, schema.n);
	buf_putc(&b, '\0');
	buf_put(&b, table.p, table.n);
	return b;
}

static int unreadable(struct err *e)
{
	return err_set(e, ERR_internal, "the copy's snapshots in tidegate_plan can't be read");
}

static int read_snapshot(struct copied_snapshot *s, const json_t *o, struct err *e)
{
	const char *gtid = json_text(o, "gtid", "");
	char base[256];

	/* Of the first relay generation: another one's files say nothing about it, the set does. */
	*s = (struct copied_snapshot){.at = {.generation = 1, .offset = (uint64_t)json_num(o, "offset", 0)}};
	if (binlog_name_split(str_of(json_text(o, "file", "")), base, sizeof(base), &s->at.file, e) < 0)
		return -1;
	if (!*gtid)
		return 0;
	s->gtid = apply_parse_gtid(gtid, e);
	return s->gtid ? 0 : -1;
}

static int read_snapshots(struct copied *c, const json_t *list, struct err *e)
{
	c->snapshots = xcalloc(json_array_size(list), sizeof(*c->snapshots));
	while (c->n < json_array_size(list)) {
		struct copied_snapshot *s = &c->snapshots[c->n];

		if (read_snapshot(s, json_array_get(list, c->n), e) < 0)
			return -1;
		if (c->n++ > 0 && position_cmp(s->at, s[-1].at) < 0)
			return unreadable(e);
	}
	return 0;
}

static int read_table(struct copied *c, const char *schema, const char *name, const json_t *v, struct err *e)
{
	json_int_t first = json_integer_value(json_array_get(v, 0)),
		   last = json_integer_value(json_array_get(v, 1));
	struct copied_table *k;
	struct buf key;

	if (first < 0 || last < first || last >= (json_int_t)c->n)
		return unreadable(e);
	if (first == (json_int_t)c->n - 1)
		return 0;
	k = xcalloc(1, sizeof(*k));
	k->first = &c->snapshots[first];
	k->last = &c->snapshots[last];
	k->newest = &c->snapshots[c->n - 1];
	k->cascades = json_integer_value(json_array_get(v, 2)) != 0;
	key = key_of(str_of(schema), str_of(name));
	free(map_put(c->tables, buf_str(&key), k));
	buf_free(&key);
	return 0;
}

static int read_tables(struct copied *c, json_t *schemas, struct err *e)
{
	const char *schema, *name;
	json_t *tables, *v;

	c->tables = map_new();
	json_object_foreach(schemas, schema, tables) {
		json_object_foreach(tables, name, v) {
			if (read_table(c, schema, name, v, e) < 0)
				return -1;
		}
	}
	return 0;
}

int copied_read(struct copied *c, struct str plan, struct err *e)
{
	json_t *o = json_parse(plan, "tidegate_plan.plan", e);
	const json_t *list = json_object_get(o, "snapshots");
	int r = o ? 0 : -1;

	/* Of one moment: nothing comes before it, everything behind it is new. */
	if (r == 0 && json_array_size(list) > 1)
		r = read_snapshots(c, list, e) < 0 || read_tables(c, json_object_get(o, "tables"), e) < 0 ? -1
													  : 0;
	json_decref(o);
	return r;
}

int copied_load(struct copied *c, struct db *d, const struct meta_id *id, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n;

	buf_puts(&sql, "SELECT `plan` FROM ");
	sql_put_table(&sql, str_of(id->schema), STR_LIT("tidegate_plan"));
	buf_puts(&sql, " WHERE `stage`='done' AND `task`=");
	sql_put_string(&sql, str_of(id->task));
	buf_puts(&sql, " AND `source`=");
	sql_put_string(&sql, str_of(id->source));
	rows = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	if (!rows)
		return -1;
	n = db_fetch(rows, &v, e);
	if (n > 0 && copied_read(c, v[0], e) < 0)
		n = -1;
	db_rows_close(&rows);
	return n;
}

void copied_fini(struct copied *c)
{
	for (unsigned i = 0; i < c->n; i++)
		gtid_set_free(&c->snapshots[i].gtid);
	map_free(&c->tables, free);
	free(c->snapshots);
	*c = (struct copied){0};
}

/* Did the snapshot see this transaction? It stands between two transactions, so where t begins decides. */
static bool saw(const struct copied_snapshot *s, const struct trx *t)
{
	if (t->start.generation == s->at.generation)
		return position_cmp(t->start, s->at) < 0;
	return s->gtid && (t->has_gtid || t->inside) && !t->gtid.anonymous && gtid_set_has(s->gtid, &t->gtid);
}

const struct copied_table *copied_find(const struct copied *c, struct str schema, struct str table)
{
	const struct copied_table *k;
	struct buf key;

	if (c->n == 0)
		return NULL;
	key = key_of(schema, table);
	k = map_get(c->tables, buf_str(&key));
	buf_free(&key);
	return k;
}

bool copied_has(const struct copied *c, struct str schema, struct str table, const struct trx *t)
{
	const struct copied_table *k;

	if (c->n == 0 || !saw(&c->snapshots[c->n - 1], t))
		return false;
	k = copied_find(c, schema, table);
	return !k || saw(k->first, t);
}

bool copied_again(const struct copied_table *k, const struct trx *t)
{
	return k && k->last != k->first && saw(k->last, t);
}

bool copied_untied(const struct copied_table *k, const struct trx *t)
{
	return k && !k->cascades && saw(k->newest, t);
}
