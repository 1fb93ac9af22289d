/*
 * The list of what was found, each with what to do about it. Nothing is decided here: whoever asked judges.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
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
		c->findings, json_pack("{s:s, s:s, s:i, s:s, s:s, s:s}", "item", item, "state", state, "code",
				     (int)code, "what", text, "where", where, "mend", mend));
	free(text);
}

void check_passed(struct check *c, const char *item, const struct db *d)
{
	check_found(c, item, "success", 0, db_where(d), "", "ok");
}

static bool is_denied(uint32_t number)
{
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

void check_denied(
	struct check *c, const char *item, const struct db *d, const char *privilege, const struct err *e)
{
	char account[320], mend[600];

	if (!is_denied(e->sql_errno)) {
		check_found(
			c, item, "fail", e->code, db_where(d), err_info(e->code)->workaround, "%s", e->text);
		return;
	}
	check_account((struct db *)d, account, sizeof(account));
	snprintf(mend, sizeof(mend), "GRANT %s TO %s", privilege, account);
	check_found(c, item, "fail", ERR_check_privilege, db_where(d), mend, "the account %s lacks %s",
		account, privilege);
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
