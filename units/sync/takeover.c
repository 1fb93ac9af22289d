/*
 * Going on where DM stopped (docs/dm.md). DM writes progress apart from rows and each table at its own pace:
 * so from its checkpoint on rows are written in safe mode, up to where it can't have been. Called by the main
 * thread before the others run; then only read.
 */
#include "units/sync/takeover.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/sql/quote.h"
#include "units/sync/apply.h"

void takeover_fini(struct takeover *k)
{
	gtid_set_free(&k->until_gtid);
	map_free(&k->tables, free);
}

static struct buf key_of(struct str schema, struct str table)
{
	struct buf b = {0};

	buf_put(&b, schema.p, schema.n);
	buf_putc(&b, '\0');
	buf_put(&b, table.p, table.n);
	return b;
}

static void add_table(struct takeover *k, struct str schema, struct str table, struct position at)
{
	struct buf key = key_of(schema, table);
	struct position *p = xmalloc(sizeof(*p));

	if (!k->tables)
		k->tables = map_new();
	*p = at;
	free(map_put(k->tables, buf_str(&key), p));
	buf_free(&key);
}

/* DM's files are those of the server that we follow: there is no other generation yet. */
static int position_of(const struct dm_point *p, struct position start, struct position *out, struct err *e)
{
	char base[256];

	*out = (struct position){.generation = start.generation, .offset = p->offset};
	return binlog_name_split(str_of(p->file), base, sizeof(base), &out->file, e);
}

static void reach(struct takeover *k, struct position at)
{
	if (position_cmp(at, k->until) > 0)
		k->until = at;
}

int takeover_plan(struct takeover *k, const struct dm_checkpoint *dm, struct position start,
	struct position now, const char *gtid, struct err *e)
{
	struct position at = now;

	k->on = true;
	k->until = start;
	if (dm->exit.file[0] && position_of(&dm->exit, start, &at, e) < 0)
		return -1;
	reach(k, at);
	for (size_t i = 0; i < dm->n; i++) {
		const struct dm_table_point *t = &dm->tables[i];

		if (t->at.file[0] && position_of(&t->at, start, &at, e) < 0)
			return -1;
		if (!t->at.file[0] || position_cmp(at, start) <= 0)
			continue;
		add_table(k, str_of(t->schema), str_of(t->table), at);
		reach(k, at);
	}
	if (!*gtid)
		return 0;
	k->until_gtid = apply_parse_gtid(gtid, e);
	return k->until_gtid ? 0 : -1;
}

static json_t *tables_json(const struct takeover *k)
{
	json_t *list = json_array();
	struct str key;
	size_t at = 0;
	void *value;
	char text[64];

	while (k->tables && map_next(k->tables, &at, &key, &value)) {
		position_store(*(const struct position *)value, text, sizeof(text));
		json_array_append_new(list, json_pack("[s, s, s]", key.p, key.p + strlen(key.p) + 1, text));
	}
	return list;
}

static void put_owner(struct buf *sql, const struct meta_id *id, const char *between)
{
	sql_put_string(sql, str_of(id->task));
	buf_puts(sql, between);
	sql_put_string(sql, str_of(id->source));
}

int takeover_record(struct apply *a, struct err *e)
{
	struct takeover *k = &a->takeover;
	json_t *list = tables_json(k);
	struct buf sql = {0}, text = {0};
	char until[64];
	int r;

	position_store(k->until, until, sizeof(until));
	buf_puts(&sql, "REPLACE INTO ");
	sql_put_table(&sql, str_of(a->id.schema), STR_LIT("tidegate_takeover"));
	buf_puts(&sql, " (`task`,`source`,`until`,`until_gtid`,`tables`) VALUES (");
	put_owner(&sql, &a->id, ",");
	buf_putf(&sql, ",'%s',", until);
	if (k->until_gtid)
		gtid_set_text(k->until_gtid, &text);
	sql_put_string(&sql, buf_str(&text));
	buf_putc(&sql, ',');
	buf_clear(&text);
	json_write(list, &text);
	sql_put_string(&sql, buf_str(&text));
	buf_putc(&sql, ')');
	r = db_exec(a->db, buf_str(&sql), e);
	json_decref(list);
	buf_free(&sql);
	buf_free(&text);
	return r;
}

static int take_tables(struct takeover *k, struct str text, struct err *e)
{
	json_t *list = json_parse(text, "tidegate_takeover.tables", e), *row;
	struct position at;
	int r = list ? 0 : -1;
	size_t i;

	json_array_foreach(list, i, row) {
		const char *schema = json_string_value(json_array_get(row, 0)),
			   *table = json_string_value(json_array_get(row, 1)),
			   *where = json_string_value(json_array_get(row, 2));

		if (!schema || !table || !where || position_load(str_of(where), &at, e) < 0)
			r = err_set(e, ERR_internal, "tidegate_takeover.tables can't be read");
		else
			add_table(k, str_of(schema), str_of(table), at);
	}
	json_decref(list);
	return r;
}

static int take_row(struct takeover *k, const struct str *v, struct err *e)
{
	char *gtid;

	k->on = true;
	if (position_load(v[0], &k->until, e) < 0 || take_tables(k, v[2], e) < 0)
		return -1;
	if (v[1].n == 0)
		return 0;
	gtid = xstrndup(v[1].p, v[1].n);
	k->until_gtid = apply_parse_gtid(gtid, e);
	free(gtid);
	return k->until_gtid ? 0 : -1;
}

int takeover_load(struct apply *a, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n;

	buf_puts(&sql, "SELECT `until`,`until_gtid`,`tables` FROM ");
	sql_put_table(&sql, str_of(a->id.schema), STR_LIT("tidegate_takeover"));
	buf_puts(&sql, " WHERE `task`=");
	put_owner(&sql, &a->id, " AND `source`=");
	rows = db_query(a->ddl, buf_str(&sql), e);
	buf_free(&sql);
	if (!rows)
		return -1;
	n = db_fetch(rows, &v, e);
	if (n > 0)
		n = take_row(&a->takeover, v, e);
	db_rows_close(&rows);
	return n;
}

bool takeover_may_have(const struct takeover *k, const struct trx *t)
{
	if (!k->on)
		return false;
	if (t->start.generation == k->until.generation)
		return position_cmp(t->start, k->until) < 0;
	return k->until_gtid && t->has_gtid && gtid_set_has(k->until_gtid, &t->gtid);
}

bool takeover_has(const struct takeover *k, struct str schema, struct str table, struct position end)
{
	const struct position *at;
	struct buf key;

	if (!k->tables || end.generation != k->until.generation || position_cmp(end, k->until) > 0)
		return false;
	key = key_of(schema, table);
	at = map_get(k->tables, buf_str(&key));
	buf_free(&key);
	return at && position_cmp(end, *at) <= 0;
}
