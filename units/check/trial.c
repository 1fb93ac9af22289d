/*
 * Will the downstream make a table? Whether it knows a function, and takes it in a generated column, a
 * default or a CHECK, and whether a row is too long for it, nobody knows but the server itself: so it makes
 * one like it, TEMPORARY, in the meta schema, which is gone with the connection. Only errors that a table
 * which stays would meet as well are believed.
 */
#include "units/check/trial.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/sql/quote.h"

#define NAME "tidegate_trial"

enum { TRIALS_MS = 10000, ANSWER_S = 5 };

/* Syntax, what a default may be, the length of a key and of a row, an AUTO_INCREMENT behind another column of
 * its key (as MyISAM has it, whose table becomes InnoDB's), a function that is not there; what may not stand
 * in a generated column, a default, a CHECK (MySQL; all three of MariaDB). */
static const unsigned believed[] = {1064, 1067, 1071, 1075, 1118, 1305, 3763, 3770, 3814, 1901};

static bool is_believed(unsigned code)
{
	for (size_t i = 0; i < sizeof(believed) / sizeof(believed[0]); i++)
		if (believed[i] == code)
			return true;
	return false;
}

static bool is_another(const struct server *up, const struct server *down)
{
	return up->flavor != down->flavor || down->version / 100 < up->version / 100;
}

/* Nothing of it may be in the downstream's binlog, for its replicas: MIXED logs TEMPORARY tables as
 * statements, but for MySQL from 8.0 on; before, it logs their DROP by ROW too. Both settings may be refused
 * to this account. */
static bool is_unlogged(struct db *d)
{
	const struct server *s = db_server(d);
	bool mixed_does = s->flavor == FLAVOR_MYSQL && s->version >= 80000;
	struct err ignored = {0};
	char format[16] = "";

	if (db_exec(d, STR_LIT("SET SESSION sql_log_bin=0"), &ignored) == 0 || !check_is_on(d, "log_bin"))
		return true;
	if (s->flavor == FLAVOR_MYSQL && !mixed_does)
		return false;
	if (db_exec(d, STR_LIT("SET SESSION binlog_format='ROW'"), &ignored) == 0)
		return true;
	return check_variable(d, "binlog_format", format, sizeof(format)) &&
	       (str_is_ci(str_of(format), "ROW") || (mixed_does && str_is_ci(str_of(format), "MIXED")));
}

void trial_open(struct trial *t, const struct check *c)
{
	struct db_options o = {.session = DB_DDL, .read_timeout_s = ANSWER_S};
	struct err ignored = {0};
	struct buf sql = {0};

	*t = (struct trial){.another = is_another(db_server(c->up), db_server(c->down)),
		.until_ms = clock_ms() + TRIALS_MS};
	if (db_server(c->down)->flavor == FLAVOR_TIDB || !(t->d = db_open(&c->downstream, &o, &ignored)))
		return;
	buf_puts(&sql, "USE ");
	sql_put_ident(&sql, str_of(c->meta_schema));
	if (db_exec(t->d, buf_str(&sql), &ignored) < 0 || !is_unlogged(t->d))
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

/* MariaDB shows them without parentheses: DEFAULT concat('a','b'), but not b'1' or current_timestamp(). */
static bool has_bare_default(struct str create)
{
	static const char word[] = " DEFAULT ", now[] = "current_timestamp";
	const char *end = create.p + create.n, *at = create.p;

	while ((at = memmem(at, (size_t)(end - at), word, sizeof(word) - 1))) {
		at += sizeof(word) - 1;
		if (end - at < 2 || at[1] == '\'' || !((*at >= 'a' && *at <= 'z') || *at == '`'))
			continue;
		if ((size_t)(end - at) < sizeof(now) || memcmp(at, now, sizeof(now) - 1) != 0)
			return true;
	}
	return false;
}

/* In one family a table without expressions is made as it was. */
static bool is_worth_it(const struct trial *t, struct str create)
{
	static const char *const words[] = {" AS (", "CHECK (", "DEFAULT ("};
	bool found = t->another || has_bare_default(create);

	for (size_t i = 0; !found && i < sizeof(words) / sizeof(words[0]); i++)
		found = memmem(create.p, create.n, words[i], strlen(words[i])) != NULL;
	return found;
}

static void cut(struct trial *t)
{
	db_close(&t->d);
	t->cut = true;
}

bool trial_is_wanted(struct trial *t, struct str create)
{
	if (!t->d || !is_worth_it(t, create))
		return false;
	if (clock_ms() >= t->until_ms)
		cut(t);
	return t->d != NULL;
}

/* The server's words alone: the statement is none of the user's. */
static void without_statement(struct err *e)
{
	char *in = strstr(e->text, ", in: CREATE TEMPORARY TABLE " NAME);

	if (in)
		*in = '\0';
}

bool trial_refuses(struct trial *t, struct str create, struct err *e)
{
	struct buf sql = {0};
	struct str rest;
	bool refused;

	if (!behind_name(create, &rest))
		return false;
	buf_puts(&sql, "CREATE TEMPORARY TABLE " NAME);
	buf_put(&sql, rest.p, rest.n);
	refused = db_exec(t->d, buf_str(&sql), e) < 0;
	buf_free(&sql);
	if (refused ? db_error_is_lost(e->sql_errno)
		    : db_exec(t->d, STR_LIT("DROP TEMPORARY TABLE " NAME), NULL) < 0)
		cut(t);
	if (refused && !is_believed(e->sql_errno)) {
		err_clear(e);
		refused = false;
	}
	if (refused)
		without_statement(e);
	return refused;
}
