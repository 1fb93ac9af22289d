/*
 * Will the downstream make a table? Whether it knows a function, and takes it in a generated column, a
 * default or a CHECK, and whether a row is too long for it, nobody knows but the server itself: so it makes
 * one like it, TEMPORARY, in the meta schema, which is gone with the connection. Only errors that a table
 * which stays would meet as well are believed.
 */
#include "units/check/trial.h"

#include <string.h>

#include "common/sql/quote.h"

#define NAME "tidegate_trial"

/* Syntax, what a default may be, the length of a key and of a row, a function that is not there; what may not
 * stand in a generated column, a default, a CHECK (MySQL; all three of MariaDB). */
static const unsigned believed[] = {1064, 1067, 1071, 1118, 1305, 3763, 3770, 3814, 1901};

static bool is_believed(unsigned code)
{
	for (size_t i = 0; i < sizeof(believed) / sizeof(believed[0]); i++)
		if (believed[i] == code)
			return true;
	return false;
}

void trial_open(struct trial *t, const struct check *c)
{
	struct db_options o = {.session = DB_DDL, .read_timeout_s = 30};
	struct err ignored = {0};
	struct buf sql = {0};

	*t = (struct trial){.another = db_server(c->up)->flavor != db_server(c->down)->flavor};
	if (db_server(c->down)->flavor == FLAVOR_TIDB || !(t->d = db_open(&c->downstream, &o, &ignored)))
		return;
	buf_puts(&sql, "USE ");
	sql_put_ident(&sql, str_of(c->meta_schema));
	if (db_exec(t->d, buf_str(&sql), &ignored) < 0)
		db_close(&t->d);
	buf_free(&sql);
}

void trial_close(struct trial *t)
{
	db_close(&t->d);
}

/* "CREATE TABLE `name` (": what stands behind the name. */
static bool behind_name(struct str create, struct str *rest)
{
	static const char head[] = "CREATE TABLE `";
	size_t i = sizeof(head) - 1;

	if (create.n < i || memcmp(create.p, head, i) != 0)
		return false;
	for (; i < create.n; i++) {
		if (create.p[i] != '`')
			continue;
		if (i + 1 < create.n && create.p[i + 1] == '`')
			i++;
		else
			break;
	}
	*rest = (struct str){create.p + i + 1, create.n - i - 1};
	return i + 1 < create.n && rest->p[0] == ' ';
}

/* In one family a table without expressions is made as it was. */
static bool is_worth_it(const struct trial *t, struct str create)
{
	static const char *const words[] = {" AS (", "CHECK (", "DEFAULT ("};
	bool found = t->another;

	for (size_t i = 0; !found && i < sizeof(words) / sizeof(words[0]); i++)
		found = memmem(create.p, create.n, words[i], strlen(words[i])) != NULL;
	return found;
}

bool trial_refuses(struct trial *t, struct str create, struct err *e)
{
	struct buf sql = {0};
	struct str rest;
	bool refused;

	if (!t->d || !is_worth_it(t, create) || !behind_name(create, &rest))
		return false;
	buf_puts(&sql, "CREATE TEMPORARY TABLE " NAME);
	buf_put(&sql, rest.p, rest.n);
	refused = db_exec(t->d, buf_str(&sql), e) < 0;
	buf_free(&sql);
	if (!refused && db_exec(t->d, STR_LIT("DROP TEMPORARY TABLE " NAME), NULL) < 0)
		db_close(&t->d);
	if (refused && !is_believed(e->sql_errno)) {
		err_clear(e);
		refused = false;
	}
	return refused;
}
