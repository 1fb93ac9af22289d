/*
 * The lock of the copy's snapshot, as units/dump/lock.c takes it: which tables it locks by name, and whether
 * the account may. Asked of a table that is not there, as servers look at the privileges first (tried on
 * MySQL 9.7, MariaDB 10.11 and 11.8).
 */
#include <string.h>

#include "common/config/json.h"
#include "common/sql/grants.h"
#include "common/sql/quote.h"
#include "units/check/items.h"

/* To SELECT, which has its own item, servers say 1142 instead. */
enum { SCHEMA_DENIED = 1044 };

const char *check_consistency(const struct check *c)
{
	return json_text(c->dump, "consistency", "auto");
}

static bool may_lock(struct check *c, const char *schema)
{
	struct buf sql = {0};
	struct err e = {0};
	int r;

	buf_puts(&sql, "LOCK TABLES ");
	sql_put_table(&sql, str_of(schema), STR_LIT("tidegate_no_such_table"));
	buf_puts(&sql, " READ");
	r = db_exec(c->up, buf_str(&sql), &e);
	buf_free(&sql);
	if (r == 0)
		db_exec(c->up, STR_LIT("UNLOCK TABLES"), NULL);
	return r == 0 || e.sql_errno != SCHEMA_DENIED;
}

/* why: the first of its tables that has to be locked. */
static void tell(struct check *c, const char *item, const char *schema, const char *why, bool all)
{
	struct buf mend = {0};
	char account[320];

	check_account(c->up, account, sizeof(account));
	buf_puts(&mend, "GRANT LOCK TABLES ON ");
	grants_put_schema(&mend, schema, check_is_on(c->up, "partial_revokes"));
	buf_putf(&mend, " TO %s", account);
	check_found(c, item, "fail", ERR_check_privilege, db_where(c->up), buf_cstr(&mend),
		"the account %s lacks LOCK TABLES ON `%s`.*, which the copy wants for `%s`.`%s`: %s", account,
		schema, schema, why,
		all ? "consistency lock"
		    : "its engine has no snapshot (another one has, or a rule leaves the table out)");
	buf_free(&mend);
}

/* Schemas of tables whose engine knows no snapshot (MyISAM, Aria, MEMORY), or of all: the first such table of
 * each. NULL: the server does not tell. */
static json_t *list_schemas(struct check *c, bool all, struct err *e)
{
	struct db_rows *rows = db_query(c->up,
		STR_LIT("SELECT TABLE_SCHEMA, TABLE_NAME, T.ENGINE IN ('MRG_MYISAM','MERGE','BLACKHOLE') OR "
			"E.TRANSACTIONS<=>'YES' FROM information_schema.TABLES T LEFT JOIN "
			"information_schema.ENGINES E ON E.ENGINE=T.ENGINE WHERE TABLE_TYPE IN "
			"('BASE TABLE','SYSTEM VERSIONED') ORDER BY 1, 2"),
		e);
	json_t *schemas = json_object();
	const struct str *v;
	size_t at = 0;
	int r = -1;

	while (rows && (r = db_fetch(rows, &v, e)) > 0)
		if ((all || !str_is(v[2], "1")) && tables_find(c->tables, v[0], v[1], &at))
			if (!json_object_getn(schemas, v[0].p, v[0].n))
				json_object_setn_new(schemas, v[0].p, v[0].n, json_stringn(v[1].p, v[1].n));
	db_rows_close(&rows);
	if (r == 0)
		return schemas;
	json_decref(schemas);
	return NULL;
}

int check_may_lock_all(struct check *c, struct err *e)
{
	json_t *schemas = list_schemas(c, true, e);
	const char *schema;
	json_t *table;
	bool may = true;

	if (!schemas)
		return -1;
	json_object_foreach(schemas, schema, table)
		may = may && may_lock(c, schema);
	json_decref(schemas);
	return may;
}

/* False: it is told. */
static bool look(struct check *c, const char *item, bool all)
{
	struct err e = {0};
	json_t *schemas = list_schemas(c, all, &e);
	const char *schema;
	json_t *table;
	bool good = schemas != NULL;

	if (!schemas)
		check_found(c, item, "warn", 0, db_where(c->up),
			all ? "make sure that it has LOCK TABLES on the wanted schemas"
			    : "make sure that it has LOCK TABLES on the schemas of tables whose engine has "
			      "no snapshot",
			"whether the account may lock what the copy has to lock is not known: %s", e.text);
	json_object_foreach(schemas, schema, table)
		if (!may_lock(c, schema)) {
			tell(c, item, schema, json_string_value(table), all);
			good = false;
		}
	json_decref(schemas);
	return good;
}

void check_locks(struct check *c, const char *item)
{
	const char *how = check_consistency(c);

	/* No snapshot is taken any more, or the dump tells; of DM's tasks nobody asks how they were copied.
	 */
	if (check_goes_on(c))
		check_passed(c, item, c->up);
	else if (strcmp(how, "none") == 0 && check_follows(c))
		check_found(c, item, "fail", ERR_config_unsupported, db_where(c->up),
			"take `--no-locks`, or consistency none, out of the task's settings, or use "
			"task-mode full",
			"consistency none gives a copy that no position belongs to, so that nobody can "
			"follow from it");
	else if (strcmp(how, "none") == 0 || look(c, item, strcmp(how, "lock") == 0))
		check_passed(c, item, c->up);
}
