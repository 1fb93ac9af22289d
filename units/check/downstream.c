/*
 * The downstream's half: may the account make and fill what the task writes? The meta schema is tried by
 * making it; for the data, statements on a table that is not there are tried, as MySQL and MariaDB look at
 * privileges before they look for the table: so whatever gives them counts, roles and partial revokes too.
 * What can't be tried so, and TiDB, which looks for the table first, are judged by the server's own list.
 */
#include <stdio.h>
#include <string.h>

#include "common/db/meta.h"
#include "common/db/structure.h"
#include "common/sql/quote.h"
#include "units/check/check.h"

#define NO_TABLE "tidegate_no_such_table"

/* try: with @ and @_2 for tables that are not there, so it fails in any case. NULL: by the list.
 * without: what can't be done then; "": the task can't be done. */
static const struct wanted {
	const char *privilege, *try, *without;
} wanted[] = {
	{"SELECT", "SELECT 1 FROM @ LIMIT 0", ""},
	{"INSERT", "INSERT INTO @ SELECT 1 FROM DUAL WHERE 1=0", ""},
	{"UPDATE", "UPDATE @ SET a=1 WHERE 1=0", ""},
	{"DELETE", "DELETE FROM @ WHERE 1=0", ""},
	{"CREATE", "CREATE TABLE @ LIKE @_2", ""},
	{"DROP", "TRUNCATE TABLE @", ""},
	{"ALTER", "ALTER TABLE @ ADD COLUMN a int", ""},
	{"INDEX", "CREATE INDEX a ON @ (a)", ""},
	{"TRIGGER", NULL, ""},
	{"CREATE VIEW", "CREATE VIEW @ AS SELECT 1 FROM @_2", "views can't be made"},
	{"REFERENCES", NULL, "foreign keys can't be made"},
};

enum { WANTED = sizeof(wanted) / sizeof(wanted[0]) };

/* All privilege words that hold for the schema: global ones and those of patterns that match it. */
static int read_privileges(struct db *d, const char *schema, struct buf *words, struct err *e)
{
	char account[320];
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int r = 1;

	check_account(d, account, sizeof(account));
	buf_puts(&sql, "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE=");
	sql_put_string(&sql, str_of(account));
	buf_puts(&sql,
		" UNION SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE=");
	sql_put_string(&sql, str_of(account));
	buf_puts(&sql, " AND ");
	sql_put_string(&sql, str_of(schema));
	buf_puts(&sql, " LIKE TABLE_SCHEMA");
	rows = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	while (rows && (r = db_fetch(rows, &v, e)) > 0) {
		buf_putc(words, ',');
		buf_put(words, v[0].p, v[0].n);
	}
	buf_putc(words, ',');
	db_rows_close(&rows);
	return rows || r == 0 ? 0 : -1;
}

/* Privileges on single tables are not in the lists, nor is the table that is not there one of these. The list
 * shows those of everybody to who may read mysql.*. */
static bool has_tables(struct db *d)
{
	char account[320], text[16] = "";
	struct buf sql = {0};
	bool found;
	int r;

	check_account(d, account, sizeof(account));
	buf_puts(&sql, "SELECT COUNT(*) FROM information_schema.TABLE_PRIVILEGES WHERE GRANTEE=");
	sql_put_string(&sql, str_of(account));
	r = db_value(d, buf_cstr(&sql), text, sizeof(text), &found, NULL);
	buf_free(&sql);
	return r < 0 || !found || strcmp(text, "0") != 0;
}

/* Nor are those of roles. Where it can't be asked there are none (MySQL 5.7). */
static bool has_roles(struct db *d)
{
	char text[16] = "";
	bool found;

	return db_value(d, "SELECT COUNT(*) FROM information_schema.APPLICABLE_ROLES", text, sizeof(text),
		       &found, NULL) == 0 &&
	       found && strcmp(text, "0") != 0;
}

static bool is_free(struct db *d, const char *schema, const char *table)
{
	char type[DB_TABLE_TYPE];

	return db_table_type(d, schema, table, type, NULL) == 0 && !type[0];
}

/* Where somebody has a table of that very name nothing is tried. */
static bool can_try(struct db *d, const char *schema)
{
	return db_server(d)->flavor != FLAVOR_TIDB && is_free(d, schema, NO_TABLE) &&
	       is_free(d, schema, NO_TABLE "_2");
}

static void put_trial(struct buf *sql, const char *text, const char *schema)
{
	for (const char *p = text; *p; p++) {
		bool second = strncmp(p, "@_2", 3) == 0;

		if (*p != '@') {
			buf_putc(sql, *p);
			continue;
		}
		sql_put_table(sql, str_of(schema), str_of(second ? NO_TABLE "_2" : NO_TABLE));
		p += second ? 2 : 0;
	}
}

/* The second table of a trial wants SELECT, which has its own. */
static bool is_refused(struct db *d, const struct wanted *w, const char *schema, bool may_select)
{
	struct buf sql = {0}, words = {0};
	struct err e = {0};
	bool refused;

	put_trial(&sql, w->try, schema);
	refused = db_exec(d, buf_str(&sql), &e) < 0 && check_is_denied(&e);
	buf_putf(&words, "%s command denied", w->privilege);
	if (refused && !may_select && strstr(w->try, "@_2"))
		refused = strstr(e.text, buf_cstr(&words)) != NULL;
	buf_free(&sql);
	buf_free(&words);
	return refused;
}

static bool is_listed(const struct buf *words, const char *privilege)
{
	char word[32];

	snprintf(word, sizeof(word), ",%s,", privilege);
	return memmem(words->p, words->n, word, strlen(word)) != NULL;
}

static void tell_missing(struct check *c, struct db *d, const char *schema, const char *state,
	const char *list, const char *without)
{
	char account[320];
	struct buf mend = {0};

	check_account(d, account, sizeof(account));
	buf_putf(&mend, "GRANT %s ON ", list);
	sql_put_ident(&mend, str_of(schema));
	buf_putf(&mend, ".* TO %s", account);
	check_put_role(d, account, &mend);
	check_found(c, "target_privilege", state, ERR_check_privilege, db_where(d), buf_cstr(&mend),
		"the account %s lacks %s on `%s`%s%s", account, list, schema, *without ? ": " : "", without);
	buf_free(&mend);
}

/* What the list lacks may still be there by a role, or on a table: then it can only be said that it could not
 * be seen. */
static void check_schema(struct check *c, struct db *d, const char *schema)
{
	bool tries = can_try(d, schema), tables = has_tables(d), may_select = true,
	     unseen = tables || has_roles(d) || db_server(d)->flavor == FLAVOR_TIDB;
	struct buf words = {0}, missing = {0}, perhaps = {0};
	struct err e = {0};
	bool listed = read_privileges(d, schema, &words, &e) == 0;

	for (size_t i = 0; i < WANTED; i++) {
		const struct wanted *w = &wanted[i];
		bool tried = tries && w->try;
		bool sure = tried ? !tables : !unseen;
		struct buf *list = sure ? &missing : &perhaps;

		if (tried ? !is_refused(d, w, schema, may_select)
			  : !listed || is_listed(&words, w->privilege))
			continue;
		may_select = may_select && i > 0;
		if (*w->without)
			tell_missing(c, d, schema, "warn", w->privilege, w->without);
		else
			buf_putf(list, "%s%s", list->n ? ", " : "", w->privilege);
	}
	if (missing.n > 0)
		tell_missing(c, d, schema, "fail", buf_cstr(&missing), "");
	if (perhaps.n > 0)
		tell_missing(c, d, schema, "warn", buf_cstr(&perhaps),
			"unless it has it by a role or on the tables, which could not be seen");
	buf_free(&words);
	buf_free(&missing);
	buf_free(&perhaps);
}

void check_downstream(struct check *c)
{
	struct db *d = check_connect(c, "downstream", &c->downstream, false);
	const json_t *s;
	struct err e = {0};
	char privilege[120];
	size_t i;

	if (!d)
		return;
	json_array_foreach(c->schemas, i, s)
		check_schema(c, d, json_string_value(s));
	if (meta_setup(d, c->meta_schema, &e) < 0) {
		snprintf(privilege, sizeof(privilege), "ALL PRIVILEGES ON `%s`.*", c->meta_schema);
		check_denied(c, "target_privilege", d, privilege, &e);
	} else {
		check_passed(c, "target_privilege", d);
	}
	db_close(&d);
}
