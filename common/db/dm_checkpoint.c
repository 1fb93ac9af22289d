/*
 * DM's own tables of a task, `<task>_syncer_checkpoint` and those beside it. Called by load, which looks
 * whether there is something to take over, and by sync, which does. Must never write.
 */
#include "common/db/dm_checkpoint.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/db/meta_internal.h"

enum { NO_TABLE = 1146, NO_SCHEMA = 1049 };

static void put_table(struct buf *sql, const struct meta_id *id, const char *suffix)
{
	char *name = xasprintf("%s_%s", id->task, suffix);

	meta_put_table(sql, id->schema, name);
	free(name);
}

static void put_source(struct buf *sql, const struct meta_id *id, const char *column)
{
	buf_putf(sql, " WHERE `%s`=", column);
	meta_put_text(sql, id->source);
}

/* The rows of a query; NULL with e, whose code is 0 where there is no such table. */
static struct db_rows *ask(struct db *d, const struct buf *sql, struct err *e)
{
	struct db_rows *rows = db_query(d, buf_str(sql), e);

	if (!rows && (e->sql_errno == NO_TABLE || e->sql_errno == NO_SCHEMA))
		err_clear(e);
	return rows;
}

static const struct unresolved {
	const char *table, *column, *also, *what;
} unresolved[] = {
	{"syncer_sharding_meta", "source_id", "",
		"a DDL of sharded tables that not all of them have reached"},
	{"onlineddl", "id", "", "an online DDL (gh-ost, pt-osc) that has not been swapped in"},
	{"lightning_checkpoint_list", "source_name", " AND `status`<>'finished'",
		"a load that is not finished"},
	{"loader_checkpoint", "id", " AND `offset`<`end_pos`", "a load that is not finished"},
};

static int check_one(struct db *d, const struct meta_id *id, const struct unresolved *u, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n;

	buf_puts(&sql, "SELECT 1 FROM ");
	put_table(&sql, id, u->table);
	put_source(&sql, id, u->column);
	buf_putf(&sql, "%s LIMIT 1", u->also);
	rows = ask(d, &sql, e);
	buf_free(&sql);
	if (!rows)
		return e->code ? -1 : 0;
	n = db_fetch(rows, &v, e);
	db_rows_close(&rows);
	if (n > 0)
		return err_set(e, ERR_dm_unresolved, "%s: `%s`.`%s_%s` holds %s of source %s", db_where(d),
			id->schema, id->task, u->table, u->what, id->source);
	return n;
}

/* DM puts the relay's sub-directory into the name: mysql-bin|000001.000003. */
static void take_point(struct str name, struct str offset, struct dm_point *p)
{
	char number[24], file[256];
	char *bar, *dot;

	snprintf(file, sizeof(file), "%.*s", name.p ? (int)name.n : 0, name.p ? name.p : "");
	bar = strchr(file, '|');
	dot = bar ? strchr(bar, '.') : NULL;
	if (dot)
		memmove(bar, dot, strlen(dot) + 1);
	snprintf(p->file, sizeof(p->file), "%s", file);
	snprintf(number, sizeof(number), "%.*s", offset.p ? (int)offset.n : 0, offset.p ? offset.p : "");
	p->offset = strtoull(number, NULL, 10);
	/* A position in a file's magic number stands for its head. */
	if (p->offset < 4)
		p->offset = 4;
}

static char *copy(struct str s)
{
	return xstrndup(s.p ? s.p : "", s.n);
}

/* v: schema, table, name, pos, gtid, exit name, exit pos, is_global */
static void take_row(struct dm_checkpoint *c, const struct str *v)
{
	struct dm_table_point *t;

	if (str_is(v[7], "1")) {
		take_point(v[2], v[3], &c->at);
		take_point(v[5], v[6], &c->exit);
		free(c->gtid);
		c->gtid = copy(v[4]);
		return;
	}
	c->tables = xrealloc(c->tables, (c->n + 1) * sizeof(*c->tables));
	t = &c->tables[c->n++];
	*t = (struct dm_table_point){.schema = copy(v[0]), .table = copy(v[1])};
	take_point(v[2], v[3], &t->at);
}

static int read_rows(struct db *d, const struct meta_id *id, struct dm_checkpoint *c, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n;

	buf_puts(&sql, "SELECT `cp_schema`,`cp_table`,`binlog_name`,`binlog_pos`,`binlog_gtid`,"
		       "`exit_safe_binlog_name`,`exit_safe_binlog_pos`,`is_global`+0 FROM ");
	put_table(&sql, id, "syncer_checkpoint");
	put_source(&sql, id, "id");
	rows = ask(d, &sql, e);
	buf_free(&sql);
	if (!rows)
		return e->code ? -1 : 0;
	while ((n = db_fetch(rows, &v, e)) > 0)
		take_row(c, v);
	db_rows_close(&rows);
	return n;
}

int dm_checkpoint_read(struct db *d, const struct meta_id *id, struct dm_checkpoint *c, struct err *e)
{
	int r;

	*c = (struct dm_checkpoint){0};
	err_clear(e);
	r = read_rows(d, id, c, e);
	/* DM that has not begun to follow has no file's name yet. */
	for (size_t i = 0; r == 0 && c->at.file[0] && i < sizeof(unresolved) / sizeof(*unresolved); i++)
		r = check_one(d, id, &unresolved[i], e);
	if (r < 0 || !c->at.file[0])
		dm_checkpoint_fini(c);
	return r < 0 ? -1 : c->at.file[0] != '\0';
}

void dm_checkpoint_fini(struct dm_checkpoint *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->tables[i].schema);
		free(c->tables[i].table);
	}
	free(c->tables);
	free(c->gtid);
	*c = (struct dm_checkpoint){0};
}

int meta_has_followed(struct db *d, const struct meta_id *id, bool *yes, struct err *e)
{
	struct buf sql = {0};
	char text[24];
	int r;

	buf_puts(&sql, "SELECT 1 FROM ");
	meta_put_table(&sql, id->schema, "tidegate_slot");
	meta_put_where(&sql, id);
	buf_puts(&sql, " AND `slot`>0 AND `position`<>'0:0:0' LIMIT 1");
	r = db_value(d, buf_cstr(&sql), text, sizeof(text), yes, e);
	buf_free(&sql);
	return r;
}
