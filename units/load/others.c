/*
 * The records of a task's other sources, as the leader thread reads them before it claims targets. Must never
 * write them.
 */
#include "units/load/others.h"

#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "units/load/own.h"
#include "units/load/record.h"

void others_fini(struct others *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free(o->p[i].source);
		free(o->p[i].plan);
		json_decref(o->p[i].own);
	}
	free(o->p);
	*o = (struct others){0};
}

/* v: source, plan, stage, and 1 where one has been followed. */
static int add_other(struct others *o, const struct str *v, struct err *e)
{
	json_t *own = json_parse(v[1], "the record of another source", e);
	bool done = str_is(v[2], "done"), follows = str_is(v[3], "1");

	if (!own)
		return -1;
	o->p = xrealloc(o->p, (o->n + 1) * sizeof(*o->p));
	o->p[o->n++] = (struct other){record_copy(v[0]), record_copy(v[1]), own,
		/* An applier's slot goes when a copy begins. */
		follows || (done && own_is_followed(own)) ? OTHER_FOLLOWED
		: done                                    ? OTHER_ENDED
		: str_is(v[2], "load")                    ? OTHER_LOADS
							  : OTHER_BEGINS};
	return 0;
}

static struct other *find(struct others *o, struct str source)
{
	for (size_t i = 0; i < o->n; i++)
		if (str_is(source, o->p[i].source))
			return &o->p[i];
	/* One that has copied nothing. */
	o->p = xrealloc(o->p, (o->n + 1) * sizeof(*o->p));
	o->p[o->n] = (struct other){record_copy(source), xstrdup(""), json_object(), OTHER_FOLLOWED};
	return &o->p[o->n++];
}

/* v: source, schema, table, and its target. What was copied is in the list, as long as it is there. */
static void add_tracked(struct others *o, const struct str *v)
{
	struct other *x = find(o, v[0]);
	char *name[4];

	for (size_t i = 0; i < 4; i++)
		name[i] = record_copy(v[i + 1]);
	if (x->state == OTHER_FOLLOWED && !(own_has(x->own, "tables", name[0], name[1]) &&
						  own_is_placed(x->own, name[0], name[1], name[2], name[3])))
		own_add(x->own, "tracked", name[2], name[3]);
	for (size_t i = 0; i < 4; i++)
		free(name[i]);
}

static void put_others(struct load *l, struct buf *sql, bool lock)
{
	buf_puts(sql, " WHERE `task`=");
	record_put_text(sql, l->task);
	buf_puts(sql, " AND `source`<>");
	record_put_text(sql, l->source);
	if (lock)
		buf_puts(sql, " FOR UPDATE");
}

/* What has come by their binlogs. */
static int read_tracked(struct load *l, struct db *c, bool lock, struct others *out, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n = -1;

	buf_puts(&sql, "SELECT `source`,`table_schema`,`table_name`," META_TARGETS " FROM ");
	record_put_table(l, &sql, "tidegate_structure");
	put_others(l, &sql, lock);
	rows = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	while (rows && (n = db_fetch(rows, &v, e)) > 0)
		if (v[2].n > 0) /* else a database */
			add_tracked(out, v);
	db_rows_close(&rows);
	return n;
}

static int read_plans(struct load *l, struct db *c, bool lock, struct others *out, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int n = -1;

	buf_puts(&sql, "SELECT p.`source`,p.`plan`,p.`stage`,EXISTS (SELECT 1 FROM ");
	record_put_table(l, &sql, "tidegate_slot");
	buf_puts(&sql, " s WHERE s.`task`=p.`task` AND s.`source`=p.`source` AND s.`slot`>0) FROM ");
	record_put_table(l, &sql, "tidegate_plan");
	buf_puts(&sql, " p");
	put_others(l, &sql, lock);
	rows = db_query(c, buf_str(&sql), e);
	buf_free(&sql);
	while (rows && (n = db_fetch(rows, &v, e)) > 0)
		if (v[1].n > 0 && add_other(out, v, e) < 0) {
			n = -1;
			break;
		}
	db_rows_close(&rows);
	return n;
}

int others_read(struct load *l, struct db *c, bool lock, struct others *out, struct err *e)
{
	return read_plans(l, c, lock, out, e) < 0 ? -1 : read_tracked(l, c, lock, out, e);
}

static bool has(const struct other *o, const char *kind, const char *schema, const char *name)
{
	return own_has(o->own, kind, schema, name);
}

static bool has_it(const struct other *x, const char *schema, const char *name)
{
	if (has(x, "tracked", schema, name))
		return true;
	return has(x, "shared", schema, name) &&
	       (has(x, "made", schema, name) || has(x, "taken", schema, name) ||
		       (has(x, "joined", schema, name) && has(x, "ready", schema, name)));
}

const struct other *others_sharing(const struct others *o, const char *schema, const char *name)
{
	for (size_t i = 0; i < o->n; i++)
		if (has_it(&o->p[i], schema, name))
			return &o->p[i];
	return NULL;
}

bool others_ready(const struct others *o, const char *schema, const char *name)
{
	for (size_t i = 0; i < o->n; i++)
		if (has(&o->p[i], "tracked", schema, name) ||
			(has_it(&o->p[i], schema, name) && has(&o->p[i], "ready", schema, name)))
			return true;
	return false;
}
