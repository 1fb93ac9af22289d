/*
 * The upstream's half: nobody writes there any more, and it stands still. Called by the leader thread. It
 * asks only; who makes the source read-only is a person.
 */
#include "units/cutover/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/db/status.h"
#include "common/sql/quote.h"

enum { NO_SUCH_VARIABLE = 1193, SHOWN = 5 };

/* --- read-only --- */

/* "" where the server has no variable of this name. */
static int variable(struct db *d, const char *name, char *out, size_t size, struct err *e)
{
	struct err mine = {0};
	char sql[100];
	bool found = false;

	snprintf(sql, sizeof(sql), "SELECT @@global.%s", name);
	out[0] = '\0';
	if (db_value(d, sql, out, size, &found, &mine) == 0 || mine.sql_errno == NO_SUCH_VARIABLE)
		return 0;
	if (e)
		*e = mine;
	return -1;
}

/* "1", "ON", MariaDB 12's "NO_LOCK" and "NO_LOCK_NO_ADMIN". */
static bool is_on(const char *value)
{
	return value[0] && strcmp(value, "0") != 0 && strcasecmp(value, "OFF") != 0;
}

static void look_read_only(struct cutover *c)
{
	char plain[32] = "", super[32] = "";
	struct err e = {0};

	if (variable(c->up, "read_only", plain, sizeof(plain), &e) < 0 ||
		variable(c->up, "super_read_only", super, sizeof(super), &e) < 0) {
		cutover_failed(c, "read_only", NULL, &e);
		return;
	}
	if (is_on(super) || strcasecmp(plain, "NO_LOCK_NO_ADMIN") == 0)
		cutover_found(c, "read_only", "success", "", "the source is read-only for everybody");
	else if (is_on(plain) && c->from.flavor == FLAVOR_MARIADB)
		cutover_found(c, "read_only", "success", "",
			"the source is read-only (but for accounts with READ ONLY ADMIN)");
	else if (is_on(plain))
		cutover_found(c, "read_only", "warn", "SET GLOBAL super_read_only=1",
			"the source is read-only, but not for accounts with CONNECTION_ADMIN or SUPER");
	else
		cutover_found(c, "read_only", "fail",
			c->from.flavor == FLAVOR_MARIADB ? "SET GLOBAL read_only=1 on the source"
							 : "SET GLOBAL super_read_only=1 on the source",
			"the source is not read-only: what is written there now is lost to applications that "
			"move");
}

/* --- transactions --- */

/* A client's changes that are not committed, or an XA transaction's. */
static void look_transactions(struct cutover *c)
{
	struct db_rows *r;
	const struct str *v;
	struct err e = {0};
	struct buf who = {0};
	unsigned n = 0;
	int got = -1;

	r = db_query(c->up,
		STR_LIT("SELECT trx_mysql_thread_id,trx_started FROM information_schema.INNODB_TRX WHERE "
			"trx_rows_modified>0 ORDER BY trx_started"),
		&e);
	while (r && (got = db_fetch(r, &v, &e)) > 0)
		if (++n <= SHOWN)
			buf_putf(&who, "%sconnection %.*s since %.*s", n > 1 ? ", " : "", STR_ARG(v[0]),
				STR_ARG(v[1]));
	db_rows_close(&r);
	if (got < 0)
		cutover_failed(c, "open_transactions", "open transactions can't be seen", &e);
	else if (n > 0)
		cutover_found(c, "open_transactions", "fail",
			"end them (connection 0: XA RECOVER shows it), then ask again",
			"%u transactions with changes are open in the source: %s%s", n, buf_cstr(&who),
			n > SHOWN ? ", …" : "");
	else
		cutover_found(c, "open_transactions", "success", "", "no transaction with changes is open");
	buf_free(&who);
}

/* MySQL 8 shows them only with XA_RECOVER_ADMIN: without it, by what else it tells. */
static void look_xa_unseen(struct cutover *c, const struct err *denied)
{
	static const char grant[] = "GRANT XA_RECOVER_ADMIN ON *.* to the account";
	struct err e = {0};
	int r = db_unseen_xa(c->up, &e);

	if (r < 0 || r == DB_XA_SEEN)
		cutover_found(c, "prepared_xa", "fail", grant,
			"the source has seen XA PREPARE, and whether one is pending can't be seen: %s",
			denied->text);
	else if (r == DB_XA_OLD)
		cutover_found(c, "prepared_xa", "fail", grant,
			"transactions with changes that no connection has are open in the source, as "
			"prepared XA transactions from before its start are");
	else if (r == DB_XA_UNKNOWN)
		cutover_found(c, "prepared_xa", "warn", grant,
			"whether XA transactions from before the source's start are pending can't be seen: "
			"%s",
			denied->text);
	else
		cutover_found(c, "prepared_xa", "success", "", "no XA transaction is prepared");
}

static void look_xa(struct cutover *c)
{
	struct err e = {0};
	int n = db_prepared_xa(c->up, NULL, &e);

	if (n < 0)
		look_xa_unseen(c, &e);
	else if (n > 0)
		cutover_found(c, "prepared_xa", "fail", "XA COMMIT or XA ROLLBACK them on the source",
			"%d XA transactions are prepared in the source and not ended", n);
	else
		cutover_found(c, "prepared_xa", "success", "", "no XA transaction is prepared");
}

/* --- where it stands --- */

/*
 * A MySQL that writes transactions without a GTID may have a set from before: it stands still while the
 * server goes on. Then file and offset say where it is.
 */
static int look_position(struct cutover *c, struct err *e)
{
	char mode[32] = "";
	bool found;

	if (db_master_status(c->up, &c->at, e) < 0)
		return -1;
	if (c->from.flavor != FLAVOR_MYSQL || !c->at.gtid || !c->at.gtid[0])
		return 0;
	if (db_value(c->up, "SELECT @@GLOBAL.gtid_mode", mode, sizeof(mode), &found, e) < 0)
		return -1;
	if (strcmp(mode, "ON") != 0)
		c->at.gtid[0] = '\0';
	return 0;
}

void source_look(struct cutover *c)
{
	struct err e = {0};

	look_read_only(c);
	look_transactions(c);
	look_xa(c);
	if (look_position(c, &e) == 0)
		cutover_found(c, "source_position", "success", "", "the source stands at %s:%" PRIu64,
			c->at.file, c->at.offset);
	else if (c->follows)
		cutover_failed(c, "source_position", NULL, &e);
	else /* a copy alone needs no binlog */
		cutover_found(c, "source_position", "warn", "",
			"the source has no binlog position: whether it stands still can't be seen");
}

/* Files are begun without a write too: by their GTID sets the two are told apart. */
static bool same_place(const struct db_master_status *a, const struct db_master_status *b)
{
	if (a->gtid && a->gtid[0])
		return b->gtid && strcmp(a->gtid, b->gtid) == 0;
	return strcmp(a->file, b->file) == 0 && a->offset == b->offset;
}

void source_look_again(struct cutover *c, const char *after_what)
{
	struct db_master_status now = {0};
	struct err e = {0};

	if (!c->at.file[0])
		return;
	if (db_master_status(c->up, &now, &e) < 0)
		cutover_failed(c, "source_position", NULL, &e);
	else if (!same_place(&c->at, &now))
		cutover_found(c, "source_position", "fail", "find out who writes there, then ask again",
			"the source went on from %s:%" PRIu64 " to %s:%" PRIu64 " %s", c->at.file,
			c->at.offset, now.file, now.offset, after_what);
	free(now.gtid);
}

/* --- tables --- */

static uint64_t number(struct str s)
{
	char text[32] = "";

	if (s.p && s.n < sizeof(text))
		memcpy(text, s.p, s.n);
	return strtoull(text, NULL, 10);
}

static int add_table(struct cutover *c, const struct str *v, struct err *e)
{
	struct cutover_table *t;
	struct route_name to;

	if (route_table(rules_route(c->rules), v[0], v[1], &to, e) < 0)
		return -1;
	if ((c->ntables & (c->ntables - 1)) == 0)
		c->tables =
			xrealloc(c->tables, (c->ntables ? 2 * (size_t)c->ntables : 1) * sizeof(*c->tables));
	t = &c->tables[c->ntables++];
	*t = (struct cutover_table){.schema = xstrndup(v[0].p, v[0].n),
		.name = xstrndup(v[1].p, v[1].n),
		.to_schema = xstrdup(to.schema),
		.to_name = xstrdup(to.table),
		.rows = number(v[2]),
		.auto_increment = number(v[3]),
		.no_rows = str_is_ci(v[4], "MRG_MYISAM") || str_is_ci(v[4], "BLACKHOLE")};
	return 0;
}

/* What a MERGE table shows is compared where it is. */
static void note_no_rows(struct cutover *c)
{
	struct buf names = {0};
	unsigned n = 0;

	for (unsigned i = 0; i < c->ntables; i++) {
		const struct cutover_table *t = &c->tables[i];

		if (t->no_rows && ++n <= SHOWN)
			buf_putf(&names, "%s`%s`.`%s`", n > 1 ? ", " : "", t->schema, t->name);
	}
	if (n > 0)
		cutover_found(c, "tables", "warn",
			"of MERGE tables see that each is made in the downstream as applications want it",
			"%u tables (engines MERGE, BLACKHOLE) have no rows of their own, and are not "
			"compared: %s%s",
			n, buf_cstr(&names), n > SHOWN ? ", …" : "");
	buf_free(&names);
}

/* Whether case counts in names is the downstream's to say: a task that copies nothing may have two that
 * differ in it alone. */
static struct buf target_key(const struct cutover *c, struct str schema, struct str table)
{
	struct buf key = {0};

	if (c->folds)
		return route_key(schema, table);
	buf_put(&key, schema.p, schema.n);
	buf_putc(&key, '\0');
	buf_put(&key, table.p, table.n);
	return key;
}

bool source_is_one_target(
	const struct cutover *c, const struct cutover_table *a, const struct cutover_table *b)
{
	int (*differ)(const char *, const char *) = c->folds ? strcasecmp : strcmp;

	return differ(a->to_schema, b->to_schema) == 0 && differ(a->to_name, b->to_name) == 0;
}

/* Tables with one target are compared together, where the first of them is. */
int source_find_merged(struct cutover *c, struct err *e)
{
	struct map *m;
	char text[24] = "";
	bool found;

	if (db_value(c->down, "SELECT @@lower_case_table_names", text, sizeof(text), &found, e) < 0)
		return err_add(e, "asking whether case counts in the downstream's names");
	c->folds = strcmp(text, "0") != 0;
	m = map_new();
	for (unsigned i = 0; i < c->ntables; i++) {
		struct cutover_table *t = &c->tables[i], *first;
		struct buf key = {0};

		if (t->no_rows)
			continue;
		key = target_key(c, str_of(t->to_schema), str_of(t->to_name));
		first = map_get(m, buf_str(&key));
		if (!first)
			map_put(m, buf_str(&key), t);
		else
			first->merged = 1;
		buf_free(&key);
		t->merged = first ? 2 : 0;
	}
	map_free(&m, NULL);
	return 0;
}

int source_list(struct cutover *c, struct err *e)
{
	struct db_rows *r = db_query(c->up,
		STR_LIT("SELECT TABLE_SCHEMA,TABLE_NAME,TABLE_ROWS,AUTO_INCREMENT,ENGINE FROM "
			"information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED')"
			" ORDER BY DATA_LENGTH DESC,TABLE_SCHEMA,TABLE_NAME"),
		e);
	const struct str *v;
	int got = -1;

	while (r && (got = db_fetch(r, &v, e)) > 0)
		if (rules_table(c->rules, v[0], v[1]) && add_table(c, v, e) < 0) {
			got = -1;
			break;
		}
	db_rows_close(&r);
	atomic_store(&c->tables_total, c->ntables);
	if (got >= 0)
		note_no_rows(c);
	return got;
}

/* --- what other sources have --- */

static int read_targets(struct cutover *c, struct map *m, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	buf_puts(&sql, "SELECT " META_TARGETS " FROM ");
	sql_put_table(&sql, str_of(c->meta_schema), STR_LIT("tidegate_structure"));
	buf_puts(&sql, " WHERE table_name<>'' AND task=");
	sql_put_string(&sql, str_of(c->task));
	buf_puts(&sql, " AND source<>");
	sql_put_string(&sql, str_of(c->source));
	r = db_query(c->down, buf_str(&sql), e);
	buf_free(&sql);
	while (r && (got = db_fetch(r, &v, e)) > 0) {
		struct buf key = target_key(c, v[0], v[1]);

		map_put(m, buf_str(&key), m);
		buf_free(&key);
	}
	db_rows_close(&r);
	return got;
}

int source_find_shared(struct cutover *c, struct err *e)
{
	struct map *m = map_new();
	int r = read_targets(c, m, e);

	for (unsigned i = 0; r >= 0 && i < c->ntables; i++) {
		struct buf key = target_key(c, str_of(c->tables[i].to_schema), str_of(c->tables[i].to_name));

		c->tables[i].shared = map_get(m, buf_str(&key)) != NULL;
		buf_free(&key);
	}
	map_free(&m, NULL);
	return r;
}
