/*
 * What is on record of the shadows of gh-ost and pt-osc. Called by online.c; asks the downstream, changes
 * nothing there.
 */
#include "units/sync/online_records.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/sql/quote.h"

static void where_task(const struct apply *a, struct buf *sql)
{
	buf_puts(sql, " WHERE task=");
	sql_put_string(sql, str_of(a->id.task));
	buf_puts(sql, " AND source=");
	sql_put_string(sql, str_of(a->id.source));
}

static struct online_record *add(struct online_records *rs, struct str schema, struct str table, json_t *o)
{
	struct online_record *r;

	rs->list = xrealloc(rs->list, (rs->n + 1) * sizeof(*rs->list));
	r = &rs->list[rs->n++];
	*r = (struct online_record){.o = o};
	snprintf(r->schema, sizeof(r->schema), "%.*s", STR_ARG(schema));
	snprintf(r->table, sizeof(r->table), "%.*s", STR_ARG(table));
	return r;
}

static const char *rules_now(const struct apply *a)
{
	return online_text(rules_online(a->rules));
}

static int load_row(struct online_records *rs, const struct str *v, struct err *e)
{
	json_t *o = json_parse(v[2], "tidegate_online.record", e);
	struct online_record *r;

	if (!o)
		return -1;
	r = add(rs, v[0], v[1], o);
	if (strcmp(json_text(o, "rules", ""), rules_now(rs->a)) != 0)
		online_set_why(r, "the rules of online-ddl were changed while it was there");
	return 1;
}

int online_load(struct online_records *rs, struct apply *a, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int r;

	rs->a = a;
	buf_puts(&sql, "SELECT table_schema, table_name, record FROM ");
	sql_put_table(&sql, str_of(a->id.schema), STR_LIT("tidegate_online"));
	where_task(a, &sql);
	rows = db_query(a->ddl, buf_str(&sql), e);
	buf_free(&sql);
	r = rows ? 1 : -1;
	while (r > 0 && (r = db_fetch(rows, &v, e)) > 0)
		r = load_row(rs, v, e);
	db_rows_close(&rows);
	return r;
}

void online_fini(struct online_records *rs)
{
	for (unsigned i = 0; i < rs->n; i++)
		json_decref(rs->list[i].o);
	free(rs->list);
	rs->list = NULL;
	rs->n = 0;
}

struct online_record *online_find(struct online_records *rs, const char *schema, const char *table)
{
	struct online_record *found = NULL;

	for (unsigned i = 0; i < rs->n; i++) {
		struct online_record *r = &rs->list[i];

		if (!r->o || strcasecmp(r->schema, schema) != 0 || strcasecmp(r->table, table) != 0)
			continue;
		if (strcmp(r->schema, schema) == 0 && strcmp(r->table, table) == 0)
			found = r;
		else
			online_set_why(r, "a statement writes its name in another case");
	}
	return found;
}

void online_forget(struct online_record *r)
{
	json_decref(r->o);
	r->o = NULL;
	r->changed = true;
}

struct online_record *online_make(struct online_records *rs, const char *schema, const char *table)
{
	struct online_record *r = online_find(rs, schema, table);

	if (r)
		online_forget(r);
	r = add(rs, str_of(schema), str_of(table),
		json_pack("{s:s, s:[], s:[]}", "rules", rules_now(rs->a), "ddls", "dropped"));
	r->changed = true;
	return r;
}

void online_set_why(struct online_record *r, const char *why)
{
	if (!r || !r->o || json_text(r->o, "why", "")[0])
		return;
	json_object_set_new(r->o, "why", json_any_text(why));
	r->changed = true;
}

void online_set_why_of_all(struct online_records *rs, const char *why)
{
	for (unsigned i = 0; i < rs->n; i++)
		online_set_why(&rs->list[i], why);
}

static void put_delete(const struct apply *a, const struct online_record *r, struct buf *sql)
{
	buf_puts(sql, "DELETE FROM ");
	sql_put_table(sql, str_of(a->id.schema), STR_LIT("tidegate_online"));
	where_task(a, sql);
	buf_puts(sql, " AND table_schema=");
	sql_put_string(sql, str_of(r->schema));
	buf_puts(sql, " AND table_name=");
	sql_put_string(sql, str_of(r->table));
	buf_putc(sql, '\0');
}

static void put_replace(const struct apply *a, const struct online_record *r, struct buf *sql)
{
	const char *const values[] = {a->id.task, a->id.source, r->schema, r->table};
	struct buf text = {0};

	buf_puts(sql, "REPLACE INTO ");
	sql_put_table(sql, str_of(a->id.schema), STR_LIT("tidegate_online"));
	buf_puts(sql, " (task, source, table_schema, table_name, record) VALUES (");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		sql_put_string(sql, str_of(values[i]));
		buf_putc(sql, ',');
	}
	json_write(r->o, &text);
	sql_put_string(sql, buf_str(&text));
	buf_puts(sql, ")");
	buf_putc(sql, '\0');
	buf_free(&text);
}

/* A name may be gone and there again. */
void online_put_notes(const struct online_records *rs, struct buf *out)
{
	for (unsigned i = 0; i < rs->n; i++)
		if (rs->list[i].changed && !rs->list[i].o)
			put_delete(rs->a, &rs->list[i], out);
	for (unsigned i = 0; i < rs->n; i++)
		if (rs->list[i].changed && rs->list[i].o)
			put_replace(rs->a, &rs->list[i], out);
}
