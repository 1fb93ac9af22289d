/*
 * Statements that were not done downstream, as the event filter left them out or an operator skipped them:
 * what becomes of the structures on record. Called by ddl_record.c, in the transaction that records the rest.
 */
#include "units/sync/ddl_gone.h"

#include <string.h>
#include <strings.h>

#include "units/sync/followed.h"
#include "units/sync/routed.h"

int gone_keep_shape(
	struct apply *a, const struct ddl_place *place, const char *schema, const char *name, struct err *e)
{
	return place->cut->shape ? ddl_record_keep(a, place->cut->shape, place->event, e)
				 : ddl_record_forget(a, schema, name, e);
}

/* The rows of a merged one stay in its target, which must not go with another one that is there too. What is
 * merged is told by what is committed: the same for each table of a statement. */
static int forget_unmerged(struct apply *a, const char *schema, const char *name, struct err *e)
{
	int merged = routed_merged(&a->tables, schema, name, e);

	tables_forget(&a->tables, schema, name);
	return merged < 0 || (!merged && ddl_record_forget(a, schema, name, e) < 0) ? -1 : 0;
}

static int forget_unmerged_tables(
	struct apply *a, const struct sql_ddl *ddl, struct str schema, struct err *e)
{
	char name[257];

	for (unsigned i = 0; i < ddl->ntables; i++)
		if (forget_unmerged(
			    a, ddl_schema_of(&ddl->tables[i], schema, name), ddl->tables[i].table, e) < 0)
			return -1;
	routed_forget(&a->tables);
	return 0;
}

/* A database that is gone from the upstream alone. */
static int forget_unmerged_of(struct apply *a, const char *schema, struct err *e)
{
	struct followed_list l = {0};
	int r = rules_route(a->rules) ? routed_recorded(&a->tables, &l, e) : 0;

	tables_forget_schema(&a->tables, schema);
	if (r >= 0)
		r = rules_route(a->rules) ? ddl_record_forget(a, schema, "", e)
					  : ddl_record_forget(a, schema, NULL, e);
	for (size_t i = 0; r >= 0 && i < l.n; i++)
		if (l.p[i].table[0] && strcmp(l.p[i].schema, schema) == 0)
			r = forget_unmerged(a, schema, l.p[i].table, e);
	followed_fini(&l);
	routed_forget(&a->tables);
	return r < 0 ? -1 : 0;
}

/* The upstream has it under the new name, the downstream (if at all) under the old one. */
static int move_structures(struct apply *a, const struct ddl_place *place, const struct sql_ddl *ddl,
	struct str schema, struct err *e)
{
	struct structure *s[SQL_DDL_MAX_TABLES / 2] = {0};
	unsigned pairs = ddl->ntables / 2;
	char name[257];
	int r = 0;

	err_clear(e);
	for (unsigned i = 0; r == 0 && i < pairs; i++) {
		const char *from = ddl_schema_of(&ddl->tables[2 * i], schema, name);

		s[i] = tables_tracked(&a->tables, from, ddl->tables[2 * i].table, e);
		r = e->code ? -1 : forget_unmerged(a, from, ddl->tables[2 * i].table, e);
	}
	for (unsigned i = 0; r == 0 && i < pairs; i++) {
		const struct sql_name *to = &ddl->tables[2 * i + 1];

		tables_forget(&a->tables, ddl_schema_of(to, schema, name), to->table);
		if (!s[i])
			continue;
		structure_rename(s[i], ddl_schema_of(to, schema, name), to->table);
		r = ddl_record_keep(a, s[i], place->event, e);
	}
	for (unsigned i = 0; i < pairs; i++)
		structure_free(&s[i]);
	return r;
}

/* As a pair of a RENAME, only that the model stays. */
static int copy_structure(struct apply *a, const struct ddl_place *place, const struct sql_ddl *ddl,
	struct str schema, struct err *e)
{
	char name[257];
	struct structure *s;
	int r = 0;

	err_clear(e);
	s = tables_tracked(&a->tables, ddl_schema_of(&ddl->tables[1], schema, name), ddl->tables[1].table, e);
	if (e->code)
		return -1;
	if (s) {
		structure_rename(s, ddl_schema_of(&ddl->tables[0], schema, name), ddl->tables[0].table);
		r = ddl_record_keep(a, s, place->event, e);
	}
	structure_free(&s);
	return r;
}

static int track_shape(struct apply *a, const struct ddl_place *place, const struct sql_ddl *ddl,
	struct str schema, struct err *e)
{
	const char *table = ddl->tables[0].table, *s;
	char name[257];

	/* It may have been there, and stays as it is; what is not on record is asked of the upstream. */
	if (ddl->verb == SQL_VERB_CREATE_TABLE && ddl->if_not_exists)
		return 0;
	s = ddl_schema_of(&ddl->tables[0], schema, name);
	tables_forget(&a->tables, s, table);
	if (ddl->verb == SQL_VERB_CREATE_TABLE && ddl->like)
		return copy_structure(a, place, ddl, schema, e);
	return place->cut->shaped ? gone_keep_shape(a, place, s, table, e) : 0;
}

int gone_track(struct apply *a, const struct ddl_place *place, const struct sql_ddl *ddl, struct str schema,
	struct err *e)
{
	char name[257];

	if (sql_ddl_drops_database(ddl))
		return forget_unmerged_of(a, ddl->schema, e);
	switch (ddl->verb) {
	case SQL_VERB_CREATE_DATABASE:
	case SQL_VERB_ALTER_DATABASE:
		/* Both sides' default charsets part: they are compared again before a table is made. */
		snprintf(name, sizeof(name), "%.*s", STR_ARG(schema));
		return ddl_record_forget(a, ddl->schema[0] ? ddl->schema : name, "", e);
	case SQL_VERB_DROP_TABLE:
		return forget_unmerged_tables(a, ddl, schema, e);
	case SQL_VERB_RENAME_TABLE:
		return move_structures(a, place, ddl, schema, e);
	case SQL_VERB_CREATE_TABLE:
	case SQL_VERB_ALTER_TABLE:
	case SQL_VERB_CREATE_INDEX:
	case SQL_VERB_DROP_INDEX:
		return track_shape(a, place, ddl, schema, e);
	default:
		return 0;
	}
}

/* Names stand there as they are, in any case, but for quotes and what is not ASCII. "": a database's
 * default, whose database need not be named. */
bool gone_may_name(struct str text, struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] >= 0x80 || name.p[i] == '`' || name.p[i] == '"')
			return true;
	for (size_t i = 0; i + name.n <= text.n; i++)
		if (strncasecmp(text.p + i, name.p, name.n) == 0)
			return true;
	return false;
}

/* A merged one stays on record, as its rows are in a target that must not go with the others' DROP; but what
 * it is now nobody knows. */
static int check_unmerged(struct apply *a, const struct followed *f, struct err *e)
{
	int merged = f->table[0] ? routed_merged(&a->tables, f->schema, f->table, e) : 0;

	return merged <= 0 ? merged
			   : err_set(e, ERR_route_merged,
				     "a statement that can't be read and is left out by a rule may be about "
				     "`%s`.`%s`",
				     f->schema, f->table);
}

int gone_unread(struct apply *a, struct str statement, struct err *e)
{
	struct followed_list l = {0};
	int r = routed_recorded(&a->tables, &l, e);

	for (size_t i = 0; r >= 0 && i < l.n; i++) {
		l.p[i].moved = gone_may_name(statement, str_of(l.p[i].schema)) ||
			       gone_may_name(statement, str_of(l.p[i].table));
		r = l.p[i].moved ? check_unmerged(a, &l.p[i], e) : 0;
	}
	tables_forget_schema(&a->tables, NULL);
	for (size_t i = 0; r >= 0 && i < l.n; i++)
		if (l.p[i].moved)
			r = ddl_record_forget(a, l.p[i].schema, l.p[i].table, e);
	followed_fini(&l);
	return r < 0 ? -1 : 0;
}
