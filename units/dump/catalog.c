/*
 * Reads the list of schemas, tables and views from information_schema and the SHOW CREATE texts. Called by
 * the leader thread before the snapshot opens, and by renew.c for what is new then. Never reads a row of
 * data.
 */
#include "units/dump/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/db/structure.h"
#include "common/sql/quote.h"
#include "common/sql/shown.h"

enum { NO_SUCH_DATABASE = 1049, NO_SUCH_TABLE = 1146 };

struct item *items_add(struct items *l)
{
	if ((l->n & (l->n - 1)) == 0)
		l->p = xrealloc(l->p, (l->n ? 2 * (size_t)l->n : 1) * sizeof(*l->p));
	l->p[l->n] = (struct item){0};
	return &l->p[l->n++];
}

void item_fini(struct item *i)
{
	free(i->schema);
	free(i->name);
	free(i->target);
	route_extras_fini(&i->extras);
	free(i->create);
	free(i->hidden);
	structure_free(&i->structure);
	for (unsigned j = 0; j < i->npartitions; j++)
		free(i->partitions[j].name);
	free(i->partitions);
	*i = (struct item){0};
}

static void items_fini(struct items *l)
{
	for (unsigned i = 0; i < l->n; i++)
		item_fini(&l->p[i]);
	free(l->p);
	*l = (struct items){0};
}

void catalog_fini(struct catalog *c)
{
	items_fini(&c->schemas);
	items_fini(&c->tables);
	items_fini(&c->views);
	items_fini(&c->sequences);
	objects_fini(&c->routines);
}

static char *copy(struct str s)
{
	return xstrndup(s.p ? s.p : "", s.n);
}

static uint64_t number(struct str s)
{
	char text[32] = "";

	if (s.p && s.n < sizeof(text))
		memcpy(text, s.p, s.n);
	return strtoull(text, NULL, 10);
}

/* The engines whose tables a snapshot covers, as a set. */
static int read_engines(struct db *d, struct map *engines, struct err *e)
{
	static char present;
	struct db_rows *r = db_query(
		d, STR_LIT("SELECT ENGINE FROM information_schema.ENGINES WHERE TRANSACTIONS='YES'"), e);
	const struct str *v;
	int got = -1;

	if (!r)
		return -1;
	while ((got = db_fetch(r, &v, e)) > 0)
		map_put(engines, v[0], &present);
	db_rows_close(&r);
	return got;
}

static bool in_list(struct str name, const char *const *list)
{
	for (; *list; list++)
		if (str_is_ci(name, *list))
			return true;
	return false;
}

static int add_table(struct catalog *c, const struct str *v, const struct map *engines, struct err *e)
{
	static const char *const empty[] = {"MRG_MYISAM", "MERGE", "BLACKHOLE", NULL};
	struct item *t;

	if (db_engine_is_elsewhere(v[3]))
		return err_set(e, ERR_dump_failed,
			"table `%.*s`.`%.*s` has engine %.*s: its rows are elsewhere; leave it out by rule",
			STR_ARG(v[0]), STR_ARG(v[1]), STR_ARG(v[3]));
	t = items_add(&c->tables);
	t->schema = copy(v[0]);
	t->name = copy(v[1]);
	t->rows = number(v[4]);
	t->bytes = number(v[5]);
	t->transactional = v[3].p && map_get(engines, v[3]);
	t->innodb = t->transactional && str_is_ci(v[3], "InnoDB");
	/* Named partitions are read with all versions of a row. */
	t->partitioned = str_is(v[2], "BASE TABLE") && v[6].p &&
			 memmem(v[6].p, v[6].n, "partitioned", strlen("partitioned"));
	t->no_data = in_list(v[3], empty);
	t->young = v[7].p && str_is(v[7], "1");
	t->versioned = str_is(v[2], "SYSTEM VERSIONED");
	return 0;
}

/* v: schema, name, type, engine, rows, bytes, options, young */
static int add(struct catalog *c, const struct str *v, const struct map *engines, struct err *e)
{
	struct item *i;

	if (str_is(v[2], "BASE TABLE") || str_is(v[2], "SYSTEM VERSIONED"))
		return add_table(c, v, engines, e);
	if (str_is(v[2], "VIEW")) {
		i = items_add(&c->views);
		i->schema = copy(v[0]);
		i->name = copy(v[1]);
	} else if (str_is(v[2], "SEQUENCE")) {
		i = items_add(&c->sequences);
		i->schema = copy(v[0]);
		i->name = copy(v[1]);
	} else if (!str_is(v[2], "SYSTEM VIEW") && !str_starts(v[2], "TEMPORARY")) {
		return err_set(e, ERR_dump_failed,
			"`%.*s`.`%.*s` is a %.*s, which is not known; leave it out by rule", STR_ARG(v[0]),
			STR_ARG(v[1]), STR_ARG(v[2]));
	}
	return 0;
}

static int list_tables(struct catalog *c, struct db *d, const struct rules *rules, const struct item *one,
	const struct map *engines, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	buf_puts(&sql, "SELECT TABLE_SCHEMA,TABLE_NAME,TABLE_TYPE,ENGINE,TABLE_ROWS,DATA_LENGTH,"
		       "CREATE_OPTIONS,CREATE_TIME>NOW()-INTERVAL 60 MINUTE FROM "
		       "information_schema.TABLES WHERE ");
	if (one) {
		buf_puts(&sql, "TABLE_SCHEMA=_utf8mb4");
		sql_put_string(&sql, str_of(one->schema));
		buf_puts(&sql, " AND TABLE_NAME=_utf8mb4");
		sql_put_string(&sql, str_of(one->name));
	} else {
		buf_puts(&sql, CATALOG_OURS CATALOG_ORDER);
	}
	r = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	while (r && (got = db_fetch(r, &v, e)) > 0) {
		/* Names that differ in case only are one to some servers' information_schema. */
		if (one && (!str_is(v[0], one->schema) || !str_is(v[1], one->name)))
			continue;
		if (one && str_is(v[2], "BASE TABLE") && !v[3].p) {
			/* MariaDB makes a warning of a lock that it waited for in vain. */
			got = err_set(
				e, ERR_dump_changed, "`%s`.`%s` can't be opened", one->schema, one->name);
			break;
		}
		if (rules_table(rules, v[0], v[1]) && add(c, v, engines, e) < 0) {
			got = -1;
			break;
		}
	}
	db_rows_close(&r);
	return got;
}

int catalog_list_schemas(struct catalog *c, struct db *d, const struct rules *rules, struct err *e)
{
	struct db_rows *r = db_query(d,
		STR_LIT("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY HEX(SCHEMA_NAME)"), e);
	const struct str *v;
	int got = -1;

	if (!r)
		return -1;
	while ((got = db_fetch(r, &v, e)) > 0)
		if (rules_schema(rules, v[0]))
			items_add(&c->schemas)->schema = copy(v[0]);
	db_rows_close(&r);
	return got;
}

char *catalog_show_create(struct db *d, const char *what, const struct item *i, struct err *e)
{
	struct buf sql = {0}, utf8 = {0};
	struct db_rows *r;
	const struct str *v;
	char *text = NULL;
	int got = -1;

	buf_putf(&sql, "SHOW CREATE %s ", what);
	if (i->name)
		sql_put_table(&sql, str_of(i->schema), str_of(i->name));
	else
		sql_put_ident(&sql, str_of(i->schema));
	r = db_query(d, buf_str(&sql), e);
	if (r && (got = db_fetch(r, &v, e)) > 0 && db_columns(r) > 1) {
		shown_put_utf8(&utf8, v[1], db_server(d));
		text = copy(buf_str(&utf8));
	} else if (r && got >= 0) {
		err_set(e, ERR_dump_failed, "no answer to %s", buf_cstr(&sql));
	}
	db_rows_close(&r);
	buf_free(&utf8);
	buf_free(&sql);
	return text;
}

/* v: partition, subpartition, rows, bytes */
static void add_partition(struct item *t, const struct str *v)
{
	struct partition *p;

	if (!v[0].p)
		return;
	t->partitions = xrealloc(t->partitions, (t->npartitions + 1) * sizeof(*t->partitions));
	p = &t->partitions[t->npartitions++];
	*p = (struct partition){copy(v[1].p ? v[1] : v[0]), number(v[2]), number(v[3])};
}

static int read_partitions(struct item *t, struct db *d, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int got = -1;

	buf_puts(&sql, "SELECT PARTITION_NAME,SUBPARTITION_NAME,TABLE_ROWS,DATA_LENGTH FROM "
		       "information_schema.PARTITIONS WHERE TABLE_SCHEMA=_utf8mb4");
	sql_put_string(&sql, str_of(t->schema));
	buf_puts(&sql, " AND TABLE_NAME=_utf8mb4");
	sql_put_string(&sql, str_of(t->name));
	buf_puts(&sql, " ORDER BY PARTITION_ORDINAL_POSITION,SUBPARTITION_ORDINAL_POSITION");
	r = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	while (r && (got = db_fetch(r, &v, e)) > 0)
		add_partition(t, v);
	db_rows_close(&r);
	return got;
}

/* Of tables that stand together; all are of one schema. */
static int read_structures(struct item *t, unsigned n, struct db *d, struct err *e)
{
	struct structure **found = xcalloc(n, sizeof(*found));
	char **names = xcalloc(n, sizeof(*names));
	int r;

	for (unsigned i = 0; i < n; i++)
		names[i] = t[i].name;
	r = db_structures(d, t[0].schema, names, n, found, e);
	for (unsigned i = 0; i < n; i++)
		t[i].structure = found[i];
	free(names);
	free(found);
	return r;
}

static int read_table(struct item *t, struct db *d, struct err *e)
{
	t->mariadb = db_server(d)->flavor == FLAVOR_MARIADB;
	if (!t->structure)
		return err_set(e, ERR_dump_changed, "table `%s`.`%s` went away", t->schema, t->name);
	return t->partitioned ? read_partitions(t, d, e) : 0;
}

/* A table that went away since it was listed is no longer in the list: that is found where the list is read
 * again. */
static int drop_gone(struct item *t, struct err *e)
{
	if (e->sql_errno != NO_SUCH_DATABASE && e->sql_errno != NO_SUCH_TABLE && e->code != ERR_dump_changed)
		return -1;
	err_clear(e);
	free(t->create);
	t->create = NULL;
	structure_free(&t->structure);
	return 0;
}

int catalog_read_other(struct item *v, const char *what, struct db *d, struct err *e)
{
	v->create = catalog_show_create(d, what, v, e);
	if (v->create)
		return 0;
	if (err_act(e->code) == ERR_ACT_RETRY || (!v->name && e->sql_errno != NO_SUCH_DATABASE))
		return -1;
	free(v->hidden);
	v->hidden = v->name ? xstrdup(e->text) : NULL;
	err_clear(e);
	return 0;
}

/* Of tables of one schema. */
static int read_some(struct item *t, unsigned n, struct db *d, struct err *e)
{
	/* The texts before all else: what changes behind them is found when they are compared. */
	for (unsigned i = 0; i < n; i++)
		if (!(t[i].create = catalog_show_create(d, "TABLE", &t[i], e)) && drop_gone(&t[i], e) < 0)
			return -1;
	if (read_structures(t, n, d, e) < 0)
		return -1;
	for (unsigned i = 0; i < n; i++)
		if (t[i].create && read_table(&t[i], d, e) < 0 && drop_gone(&t[i], e) < 0)
			return -1;
	return 0;
}

static void drop_textless(struct items *l)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < l->n; i++)
		if (l->p[i].create)
			l->p[kept++] = l->p[i];
		else
			item_fini(&l->p[i]);
	l->n = kept;
}

void catalog_settle(struct catalog *c)
{
	drop_textless(&c->schemas);
	drop_textless(&c->tables);
	c->rows = c->bytes = 0;
	for (unsigned i = 0; i < c->tables.n; i++) {
		c->rows += c->tables.p[i].rows;
		c->bytes += c->tables.p[i].bytes;
	}
}

static int read_tables(struct catalog *c, struct db *d, struct err *e)
{
	enum { AT_ONCE = 200 };
	struct item *t = c->tables.p;

	for (unsigned i = 0, n; i < c->tables.n; i += n) {
		for (n = 1; n < AT_ONCE && i + n < c->tables.n; n++)
			if (strcmp(t[i + n].schema, t[i].schema) != 0)
				break;
		if (read_some(t + i, n, d, e) < 0)
			return -1;
	}
	return 0;
}

static int read_texts(struct catalog *c, struct db *d, struct err *e)
{
	for (unsigned i = 0; i < c->schemas.n; i++)
		if (catalog_read_other(&c->schemas.p[i], "DATABASE", d, e) < 0)
			return -1;
	if (read_tables(c, d, e) < 0)
		return -1;
	for (unsigned i = 0; i < c->views.n; i++)
		if (catalog_read_other(&c->views.p[i], "VIEW", d, e) < 0)
			return -1;
	for (unsigned i = 0; i < c->sequences.n; i++)
		if (catalog_read_other(&c->sequences.p[i], "SEQUENCE", d, e) < 0)
			return -1;
	return 0;
}

int catalog_fresh_estimates(struct db *d, struct err *e)
{
	const struct server *s = db_server(d);

	if (s->flavor != FLAVOR_MYSQL || s->version < 80000)
		return 0;
	return db_exec(d, STR_LIT("SET SESSION information_schema_stats_expiry=0"), e);
}

int catalog_read(struct catalog *c, struct db *d, const struct rules *rules, struct err *e)
{
	struct map *engines = map_new();
	int r = catalog_fresh_estimates(d, e);

	if (r == 0)
		r = read_engines(d, engines, e);
	if (r == 0)
		r = catalog_list_schemas(c, d, rules, e);
	if (r == 0)
		r = list_tables(c, d, rules, NULL, engines, e);
	map_free(&engines, NULL);
	if (r == 0)
		r = read_texts(c, d, e);
	if (r == 0)
		catalog_settle(c);
	return r;
}

int catalog_read_one(
	struct catalog *c, struct db *d, const struct rules *rules, const struct item *one, struct err *e)
{
	struct map *engines = map_new();
	int r = read_engines(d, engines, e);

	if (r == 0)
		r = list_tables(c, d, rules, one, engines, e);
	map_free(&engines, NULL);
	return r == 0 ? read_texts(c, d, e) : r;
}

int catalog_route(struct catalog *c, const struct route *r, const char *source, struct err *e)
{
	for (unsigned i = 0; r && i < c->tables.n; i++) {
		struct item *t = &c->tables.p[i];
		struct route_name to;

		if (route_table(r, str_of(t->schema), str_of(t->name), &to, e) < 0 ||
			route_extras(r, str_of(t->schema), str_of(t->name), str_of(source), &t->extras, e) <
				0)
			return -1;
		if (strcmp(to.table, t->name) != 0)
			t->target = xstrdup(to.table);
	}
	return 0;
}

int catalog_read_routines(struct catalog *c, struct db *d, const struct rules *rules, struct err *e)
{
	unsigned kept = 0;

	if (objects_read(d, rules, OBJECTS_ROUTINES, &c->routines, e) < 0)
		return -1;
	for (unsigned i = 0; i < c->routines.n; i++) {
		struct err why = {0};

		if (object_readable(d, &c->routines.p[i], &why) == 0) {
			c->routines.p[kept++] = c->routines.p[i];
			continue;
		}
		log_warn("left out: %s", why.text);
		object_fini(&c->routines.p[i]);
	}
	c->routines.n = kept;
	return 0;
}
