/*
 * The downstream's half: may the account make and fill what the task writes? The meta schema is tried by
 * making it; for the data, the server's own list of privileges is read, as trying would leave traces in
 * somebody's schema.
 */
#include <stdio.h>
#include <string.h>

#include "common/db/meta.h"
#include "common/sql/quote.h"
#include "units/check/check.h"

static const char *const wanted[] = {
	"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER"};

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

/* Roles and single tables are not in those lists: then it can only be said that it could not be seen. */
static bool may_have_more(struct db *d)
{
	char text[16] = "";
	bool found;

	if (db_value(d, "SELECT COUNT(*) FROM information_schema.APPLICABLE_ROLES", text, sizeof(text),
		    &found, NULL) == 0 &&
		found && strcmp(text, "0") != 0)
		return true;
	return db_value(d, "SELECT COUNT(*) FROM information_schema.TABLE_PRIVILEGES", text, sizeof(text),
		       &found, NULL) != 0 ||
	       !found || strcmp(text, "0") != 0 || db_server(d)->flavor == FLAVOR_TIDB;
}

static void missing_privileges(const struct buf *words, struct buf *out)
{
	for (size_t i = 0; i < WANTED; i++) {
		char word[32];

		snprintf(word, sizeof(word), ",%s,", wanted[i]);
		if (!memmem(words->p, words->n, word, strlen(word)))
			buf_putf(out, "%s%s", out->n ? ", " : "", wanted[i]);
	}
}

static void check_schema(struct check *c, struct db *d, const char *schema)
{
	struct buf words = {0}, missing = {0}, mend = {0};
	struct err e = {0};
	char account[320];

	if (read_privileges(d, schema, &words, &e) == 0)
		missing_privileges(&words, &missing);
	if (missing.n > 0) {
		check_account(d, account, sizeof(account));
		buf_putf(&mend, "GRANT %s ON ", buf_cstr(&missing));
		sql_put_ident(&mend, str_of(schema));
		buf_putf(&mend, ".* TO %s", account);
		check_found(c, "target_privilege", may_have_more(d) ? "warn" : "fail", ERR_check_privilege,
			db_where(d), buf_cstr(&mend), "the account %s lacks %s on `%s`", account,
			buf_cstr(&missing), schema);
	}
	buf_free(&words);
	buf_free(&missing);
	buf_free(&mend);
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
