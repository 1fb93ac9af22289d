/*
 * Foreign keys that lead out of the wanted tables, where the upstream does not log what they do, so that the
 * downstream has to, and checks them: as the sync asks at its first row, which a copy of hours stands before.
 */
#include "common/sql/foreign.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "units/check/items.h"

struct leading {
	struct check *c;
	const struct check_table *child; /* whose are read, of the upstream's */
	struct some acts, others;
};

/* Those that a copy makes, be it out of files. */
static void note_upstream(void *arg, const struct foreign *f)
{
	struct leading *l = arg;
	const char *schema = f->schema[0] ? f->schema : l->child->schema;

	if (!rules_table(l->c->rules, str_of(schema), str_of(f->table)))
		some_add(f->acts ? &l->acts : &l->others, "`%s`.`%s` to `%s`.`%s`", l->child->schema,
			l->child->name, schema, f->table);
}

static size_t read_upstream(struct leading *l)
{
	struct tables *all = l->c->tables;
	struct buf create = {0};
	size_t i;

	for (i = 0; i < all->n && i < TABLES_TRIED && clock_ms() < l->c->until_ms; i++) {
		l->child = &all->p[i];
		buf_clear(&create);
		tables_create(all, l->c->up, l->child, &create);
		if (memmem(create.p, create.n, "FOREIGN KEY", 11) && !tables_is_there(l->c->down, l->child))
			foreign_each(buf_str(&create), db_server(l->c->up), note_upstream, l);
	}
	buf_free(&create);
	return i;
}

/* Without routes the sync takes a parent that the upstream has not for a wanted one as well. */
static void note_downstream(struct leading *l, const struct str *v, bool acts)
{
	bool wanted = !rules_route(l->c->rules) && rules_table(l->c->rules, v[2], v[3]);

	some_add(acts && !wanted ? &l->acts : &l->others, "`%.*s`.`%.*s` to `%.*s`.`%.*s`", STR_ARG(v[0]),
		STR_ARG(v[1]), STR_ARG(v[2]), STR_ARG(v[3]));
}

/* Those that are there. What can't be seen stops nothing here. */
static void read_downstream(struct leading *l)
{
	bool exact = check_number(l->c->down, "lower_case_table_names") == 0;
	struct err ignored = {0};
	struct db_rows *rows = db_query(l->c->down,
		STR_LIT("SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, "
			"REFERENCED_TABLE_NAME, DELETE_RULE NOT IN ('RESTRICT','NO ACTION') OR UPDATE_RULE "
			"NOT IN ('RESTRICT','NO ACTION') FROM information_schema.REFERENTIAL_CONSTRAINTS "
			"ORDER BY 1, 2, 3, 4"),
		&ignored);
	const struct str *v;

	while (rows && db_fetch(rows, &v, &ignored) > 0)
		if (tables_find_to(l->c->tables, v[0], v[1], exact) &&
			!tables_find_to(l->c->tables, v[2], v[3], exact))
			note_downstream(l, v, str_is(v[4], "1"));
	db_rows_close(&rows);
}

static void tell(struct leading *l, const char *item)
{
	const struct check *c = l->c;

	if (l->acts.n > 0)
		check_found(l->c, item, "fail", ERR_sync_cascade, db_where(c->up),
			err_info(ERR_sync_cascade)->workaround,
			"foreign keys that change rows of wanted tables lead to tables that are not wanted, "
			"and "
			"the upstream's binlog does not hold these changes: %s",
			some_text(&l->acts));
	if (l->others.n > 0)
		check_found(l->c, item, "warn", 0, db_where(c->down),
			"want the parent tables too, or DROP these foreign keys in the downstream once the "
			"copy "
			"has made them",
			"foreign keys of wanted tables lead to tables that are not wanted: a row whose "
			"parent "
			"the downstream has not stops the task: %s",
			some_text(&l->others));
}

void check_foreign(struct check *c, const char *item)
{
	struct leading l = {.c = c};
	size_t seen = c->tables->n;

	if (check_logs_cascades(c)) {
		check_passed(c, item, c->up);
		return;
	}
	if (check_fills(c) && !check_has_begun(c))
		seen = read_upstream(&l);
	read_downstream(&l);
	tell(&l, item);
	if (seen < c->tables->n)
		check_rest(c, item, seen, "the sync looks at them once it has rows");
	else if (l.acts.n + l.others.n == 0)
		check_passed(c, item, c->up);
	some_free(&l.acts);
	some_free(&l.others);
}
