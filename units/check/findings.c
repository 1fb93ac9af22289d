/*
 * The list of what was found, each with what to do about it. Nothing is decided here: whoever asked judges.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/config/json.h"
#include "common/db/structure.h"
#include "common/sql/quote.h"
#include "units/check/check.h"

void check_found(struct check *c, const char *item, const char *state, uint32_t code, const char *where,
	const char *mend, const char *what, ...)
{
	va_list ap;
	char *text;

	va_start(ap, what);
	text = xvasprintf(what, ap);
	va_end(ap);
	json_array_append_new(
		c->findings, json_pack("{s:s, s:s, s:i, s:o, s:o, s:o}", "item", item, "state", state, "code",
				     (int)code, "what", json_any_text(text), "where", json_any_text(where),
				     "mend", json_any_text(mend)));
	free(text);
}

void check_passed(struct check *c, const char *item, const struct db *d)
{
	check_found(c, item, "success", 0, db_where(d), "", "ok");
}

bool check_too_many(struct check *c, const char *item)
{
	if (c->tables->n <= TABLES_TRIED)
		return false;
	check_found(c, item, "warn", 0, c->up ? db_where(c->up) : "", "",
		"of %zu tables none was looked at: there are more than %d", c->tables->n, TABLES_TRIED);
	return true;
}

bool check_is_denied(const struct err *e)
{
	uint32_t number = e->sql_errno;

	/* access denied to a database, a table, a column; one privilege missing; the old "super" form; the
	 * dump's */
	return number == 1044 || number == 1045 || number == 1142 || number == 1143 || number == 1227 ||
	       number == 1370 || number == 3530;
}

void check_account(struct db *d, char *out, size_t size)
{
	char text[300] = "";
	const char *at;
	bool found;

	if (db_value(d, "SELECT CURRENT_USER()", text, sizeof(text), &found, NULL) < 0 ||
		!(at = strrchr(text, '@')))
		snprintf(out, size, "'tidegate'@'%%'");
	else
		snprintf(out, size, "'%.*s'@'%s'", (int)(at - text), text, at + 1);
}

/* A role that the account has, and that is not in force when it logs in. "": none, or it can't be asked. */
static void sleeping_role(struct db *d, char *out, size_t size)
{
	bool found;

	if (db_value(d,
		    "SELECT ROLE_NAME FROM information_schema.APPLICABLE_ROLES WHERE ROLE_NAME NOT IN "
		    "(SELECT ROLE_NAME FROM information_schema.ENABLED_ROLES WHERE ROLE_NAME IS NOT NULL) "
		    "LIMIT 1",
		    out, size, &found, NULL) < 0 ||
		!found)
		*out = '\0';
}

void check_put_role(struct db *d, const char *account, struct buf *mend)
{
	char role[160] = "";

	sleeping_role(d, role, sizeof(role));
	if (!role[0])
		return;
	buf_puts(mend, "; or, if its role ");
	sql_put_ident(mend, str_of(role));
	buf_puts(mend, " has it: SET DEFAULT ROLE ");
	if (db_server(d)->flavor == FLAVOR_MARIADB) {
		sql_put_ident(mend, str_of(role));
		buf_putf(mend, " FOR %s", account);
	} else {
		buf_putf(mend, "ALL TO %s", account);
	}
}

void check_denied(
	struct check *c, const char *item, const struct db *d, const char *privilege, const struct err *e)
{
	struct buf mend = {0};
	char account[320];

	if (!check_is_denied(e)) {
		check_found(
			c, item, "fail", e->code, db_where(d), err_info(e->code)->workaround, "%s", e->text);
		return;
	}
	check_account((struct db *)d, account, sizeof(account));
	buf_putf(&mend, "GRANT %s TO %s", privilege, account);
	check_put_role((struct db *)d, account, &mend);
	check_found(c, item, "fail", ERR_check_privilege, db_where(d), buf_cstr(&mend),
		"the account %s lacks %s", account, privilege);
	buf_free(&mend);
}

struct db *check_connect(struct check *c, const char *item, const struct endpoint *ep, bool upstream)
{
	struct db_options o = {.session = DB_PLAIN, .upstream = upstream, .read_timeout_s = 30};
	struct err e = {0};
	struct db *d = db_open(ep, &o, &e);
	char where[400];

	if (d) {
		check_passed(c, item, d);
		return d;
	}
	endpoint_show(ep, where, sizeof(where));
	check_found(c, item, "fail", e.code, where, err_info(e.code)->workaround, "%s", e.text);
	return NULL;
}

bool check_variable(struct db *d, const char *name, char *out, size_t size)
{
	char sql[120];
	bool found = false;

	snprintf(sql, sizeof(sql), "SELECT @@global.%s", name);
	return db_value(d, sql, out, size, &found, NULL) == 0 && found;
}

uint64_t check_number(struct db *d, const char *name)
{
	char text[32];

	return check_variable(d, name, text, sizeof(text)) ? strtoull(text, NULL, 10) : 0;
}

bool check_has_any(struct db *d, const char *list, struct str where)
{
	struct buf sql = {0};
	char text[16] = "";
	bool found;
	int r;

	buf_putf(&sql, "SELECT COUNT(*) FROM information_schema.%s WHERE %.*s", list, STR_ARG(where));
	r = db_value(d, buf_cstr(&sql), text, sizeof(text), &found, NULL);
	buf_free(&sql);
	return r < 0 || !found || strcmp(text, "0") != 0;
}

bool check_is_recorded(const struct check *c, const char *table, const char *condition)
{
	struct buf sql = {0};
	char text[24] = "";
	bool found;
	int r;

	buf_puts(&sql, "SELECT COUNT(*) FROM ");
	sql_put_table(&sql, str_of(c->meta_schema), str_of(table));
	buf_puts(&sql, " WHERE task=");
	sql_put_string(&sql, str_of(c->task));
	buf_puts(&sql, " AND source=");
	sql_put_string(&sql, str_of(c->source));
	buf_puts(&sql, condition);
	r = db_value(c->down, buf_cstr(&sql), text, sizeof(text), &found, NULL);
	buf_free(&sql);
	return r == 0 && found && strcmp(text, "0") != 0;
}

void check_rest(struct check *c, const char *item, size_t seen, const char *others)
{
	check_found(c, item, "warn", 0, db_where(c->down), "",
		"of %zu tables %zu were looked at, which is all that there is time for: %s", c->tables->n,
		seen, others);
}

bool check_has_begun(const struct check *c)
{
	char dm[100], type[DB_TABLE_TYPE] = "";

	snprintf(dm, sizeof(dm), "%s_syncer_checkpoint", c->task);
	return c->down &&
	       (check_is_recorded(c, "tidegate_slot", " AND slot>0") ||
		       check_is_recorded(c, "tidegate_plan", "") ||
		       (!c->afresh && db_table_type(c->down, c->meta_schema, dm, type, NULL) == 0 &&
			       type[0]));
}

bool check_goes_on(const struct check *c)
{
	return !c->afresh && check_has_begun(c);
}

bool check_has_role(struct db *d)
{
	char text[16];
	bool found;

	return db_value(d,
		       "SELECT COUNT(*) FROM information_schema.ENABLED_ROLES WHERE ROLE_NAME IS NOT NULL",
		       text, sizeof(text), &found, NULL) == 0 &&
	       found && strcmp(text, "0") != 0;
}

/* From 9.6 on, unless that is left to the engine. */
bool check_logs_cascades(const struct check *c)
{
	char value[16] = "";

	return db_server(c->up)->flavor == FLAVOR_MYSQL &&
	       check_variable(c->up, "innodb_native_foreign_keys", value, sizeof(value)) &&
	       (str_is(str_of(value), "0") || str_is_ci(str_of(value), "OFF"));
}
