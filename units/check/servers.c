/*
 * What is asked of a server as it is: its version, its settings, its clock, its transactions.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/db/status.h"
#include "units/check/items.h"

/* What our own tests run against: from the first to below the second. */
static const struct tried {
	enum flavor flavor;
	uint32_t from, below;
	const char *text;
} tried[] = {
	{FLAVOR_MYSQL, 80000, 90800, "MySQL 8.0 to 9.7"},
	{FLAVOR_MARIADB, 100200, 110900, "MariaDB 10.2 to 11.8"},
	{FLAVOR_TIDB, 60500, 90000, "TiDB 6.5 to 8.5"},
};

static const struct tried *tried_of(const struct server *s)
{
	for (size_t i = 0; i < sizeof(tried) / sizeof(tried[0]); i++)
		if (tried[i].flavor == s->flavor)
			return &tried[i];
	return &tried[0];
}

void check_version(struct check *c, const char *item)
{
	bool down = strcmp(item, "version") != 0;
	struct db *d = down ? c->down : c->up;
	const struct server *s = db_server(d);
	const struct tried *t = tried_of(s);

	if (!down && s->flavor == FLAVOR_TIDB)
		check_found(c, item, "warn", 0, db_where(d), "follow TiDB by TiCDC",
			"the upstream is a TiDB, which writes no binlog that could be followed");
	else if (s->version < t->from || s->version >= t->below)
		check_found(c, item, "warn", 0, db_where(d), "try it with a copy of your data first",
			"its version is %u.%u.%u; %s is tested", s->version / 10000, s->version / 100 % 100,
			s->version % 100, t->text);
	else
		check_passed(c, item, d);
}

void check_server_id(struct check *c, const char *item)
{
	char text[32];

	if (check_variable(c->up, "server_id", text, sizeof(text)) && strcmp(text, "0") == 0)
		check_found(c, item, "warn", 0, db_where(c->up), "SET GLOBAL server_id=1",
			"server_id is 0, with which a server gives its binlog to nobody");
	else
		check_passed(c, item, c->up);
}

/* Is it a replica? Each family says it where our privileges let us look. -1 with e. */
static int replicates(struct db *d, struct err *e)
{
	const struct server *s = db_server(d);
	struct db_rows *rows;
	const struct str *v;
	uint64_t n;
	int r;

	if (s->flavor != FLAVOR_MYSQL)
		return db_status(d, "Slaves_running", &n, e) < 0 ? -1 : n > 0;
	rows = db_query(
		d, s->version >= 80022 ? STR_LIT("SHOW REPLICA STATUS") : STR_LIT("SHOW SLAVE STATUS"), e);
	r = rows ? db_fetch(rows, &v, e) : -1;
	db_rows_close(&rows);
	return r;
}

void check_log_updates(struct check *c, const char *item)
{
	static const char mend[] =
		"set log_slave_updates=ON (log_replica_updates from MySQL 8.0.26 on) in "
		"its configuration and restart it, or follow the server that it replicates";
	char text[16];
	struct err e = {0};
	bool off = (check_variable(c->up, "log_replica_updates", text, sizeof(text)) ||
			   check_variable(c->up, "log_slave_updates", text, sizeof(text))) &&
		   strcmp(text, "0") == 0;
	int r = off ? replicates(c->up, &e) : 0;

	if (r < 0)
		check_found(c, item, "warn", 0, db_where(c->up), mend,
			"log_slave_updates is off, and whether it is a replica could not be seen: what it "
			"replicates is not in its binlog");
	else if (r > 0)
		check_found(c, item, "fail", ERR_check_failed, db_where(c->up), mend,
			"it is a replica, and what it replicates is not in its binlog (log_slave_updates is "
			"off)");
	else
		check_passed(c, item, c->up);
}

/* --- clocks --- */

enum { CLOCK_US = 5000000 };

static void look_at_clock(struct check *c, const char *item, struct db *d)
{
	uint64_t before = clock_wall_us(), after;
	char text[40];
	int64_t ahead;
	bool found;

	if (db_value(d, "SELECT UNIX_TIMESTAMP(NOW(6))", text, sizeof(text), &found, NULL) < 0 || !found)
		return;
	after = clock_wall_us();
	ahead = (int64_t)(strtod(text, NULL) * 1e6) - (int64_t)(before + (after - before) / 2);
	if (ahead > -CLOCK_US - (int64_t)(after - before) && ahead < CLOCK_US + (int64_t)(after - before))
		check_passed(c, item, d);
	else
		check_found(c, item, "warn", 0, db_where(d), "set both by NTP",
			"its clock is %" PRId64 " s %s this host's: the lag that is told is wrong by as much",
			(ahead < 0 ? -ahead : ahead) / 1000000, ahead < 0 ? "behind" : "ahead of");
}

void check_clocks(struct check *c, const char *item)
{
	if (c->up)
		look_at_clock(c, item, c->up);
	if (c->down)
		look_at_clock(c, item, c->down);
}

/* --- XA --- */

static void tell_unseen(struct check *c, const char *item, enum db_unseen_xa how)
{
	static const char *const words[] = {
		[DB_XA_SEEN] = "it has seen XA PREPARE, and whether one is pending can't be seen",
		[DB_XA_OLD] = "transactions with changes that no connection has are open, as prepared XA "
			      "transactions from before its start are",
		[DB_XA_UNKNOWN] =
			"whether XA transactions from before its start are pending can't be seen, and "
			"the task stops at the COMMIT of one",
	};
	bool copies = check_copies(c) && !check_goes_on(c);
	struct buf mend = {0};
	char account[320];

	check_account(c->up, account, sizeof(account));
	buf_putf(&mend, "GRANT XA_RECOVER_ADMIN ON *.* TO %s", account);
	check_found(c, item, copies && how != DB_XA_UNKNOWN ? "fail" : "warn",
		how == DB_XA_UNKNOWN ? 0 : ERR_check_privilege, db_where(c->up), buf_cstr(&mend),
		"%s: the account %s lacks XA_RECOVER_ADMIN", words[how], account);
	buf_free(&mend);
}

/* MySQL 8 shows them only with a privilege of its own. */
static void look_unseen(struct check *c, const char *item, const struct err *denied)
{
	const struct err *why = denied;
	struct err e = {0};
	int r = -1;

	if (check_is_denied(denied) || denied->sql_errno == CHECK_XA_DENIED) {
		r = db_unseen_xa(c->up, &e);
		why = &e;
	}
	if (r < 0)
		check_found(c, item, "warn", why->code, db_where(c->up), err_info(why->code)->workaround,
			"%s", why->text);
	else if (r == DB_XA_NONE)
		check_passed(c, item, c->up);
	else
		tell_unseen(c, item, (enum db_unseen_xa)r);
}

void check_prepared_xa(struct check *c, const char *item)
{
	struct buf names = {0};
	struct err e = {0};
	int n = db_prepared_xa(c->up, &names, &e);

	if (n < 0)
		look_unseen(c, item, &e);
	else if (n > 0)
		check_found(c, item, "warn", 0, db_where(c->up), "XA COMMIT or XA ROLLBACK them",
			"%d XA transactions are prepared and not ended (%s): %s", n, buf_cstr(&names),
			check_copies(c) ? "the copy does not begin before they have ended"
					: "the task stops at the COMMIT of one that was prepared before it "
					  "starts");
	else
		check_passed(c, item, c->up);
	buf_free(&names);
}
