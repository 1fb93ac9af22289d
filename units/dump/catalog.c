/*
 * Reads the list of schemas, tables and views from information_schema and the SHOW CREATE texts. Called by
 * the leader thread before and after the snapshot opens. Never reads a row of data.
 */
#include "units/dump/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/db/structure.h"
#include "common/sql/quote.h"

static struct item *items_add(struct items *l)
{
	if ((l->n & (l->n - 1)) == 0)
		l->p = xrealloc(l->p, (l->n ? 2 * (size_t)l->n : 1) * sizeof(*l->p));
	l->p[l->n] = (struct item){0};
	return &l->p[l->n++];
}

static void items_fini(struct items *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		free(l->p[i].schema);
		free(l->p[i].name);
		free(l->p[i].target);
		route_extras_fini(&l->p[i].extras);
		free(l->p[i].create);
		structure_free(&l->p[i].structure);
		for (unsigned j = 0; j < l->p[i].npartitions; j++)
			free(l->p[i].partitions[j].name);
		free(l->p[i].partitions);
	}
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
	static const char *const elsewhere[] = {
		"FEDERATED", "CONNECT", "SPIDER", "OQGRAPH", "MROONGA_LINK", NULL};
	static const char *const empty[] = {"MRG_MYISAM", "MERGE", "BLACKHOLE", NULL};
	struct item *t;

	if (in_list(v[3], elsewhere))
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
	c->rows += t->rows;
	c->bytes += t->bytes;
	t->versioned = str_is(v[2], "SYSTEM VERSIONED");
	return 0;
}

/* v: schema, name, type, engine, rows, bytes, options */
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

static int list_tables(
	struct catalog *c, struct db *d, const struct rules *rules, const struct map *engines, struct err *e)
{
	struct db_rows *r = db_query(d,
		STR_LIT("SELECT TABLE_SCHEMA,TABLE_NAME,TABLE_TYPE,ENGINE,TABLE_ROWS,DATA_LENGTH,"
			"CREATE_OPTIONS FROM information_schema.TABLES"
			" WHERE TABLE_SCHEMA NOT IN ('mysql','information_schema','performance_schema','sys')"
			/* By bytes: of two that differ in case only none comes first otherwise. */
			" ORDER BY HEX(TABLE_SCHEMA),HEX(TABLE_NAME)"),
		e);
	const struct str *v;
	int got = -1;

	if (!r)
		return -1;
	while ((got = db_fetch(r, &v, e)) > 0)
		if (rules_table(rules, v[0], v[1]) && add(c, v, engines, e) < 0) {
			got = -1;
			break;
		}
	db_rows_close(&r);
	return got;
}

static int list_schemas(struct catalog *c, struct db *d, const struct rules *rules, struct err *e)
{
	struct db_rows *r =
		db_query(d, STR_LIT("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY 1"), e);
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

/* The second column of SHOW CREATE …; owned. NULL with e. */
static char *show_create(struct db *d, const char *what, const struct item *i, struct err *e)
{
	struct buf sql = {0};
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
	if (r && (got = db_fetch(r, &v, e)) > 0 && db_columns(r) > 1)
		text = copy(v[1]);
	else if (r && got >= 0)
		err_set(e, ERR_dump_failed, "no answer to %s", buf_cstr(&sql));
	db_rows_close(&r);
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
	if (t->versioned)
		log_warn("table `%s`.`%s` is system-versioned: its current rows are copied, its history is "
			 "not",
			t->schema, t->name);
	if (!t->structure)
		return err_set(e, ERR_dump_changed, "table `%s`.`%s` went away", t->schema, t->name);
	return t->partitioned ? read_partitions(t, d, e) : 0;
}

/* One that can't be shown (a view's tables are gone, a privilege is missing) does not hold up the data. */
static void read_others(struct items *views, const char *what, struct db *d)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < views->n; i++) {
		struct item *v = &views->p[i];
		struct err e = {0};

		v->create = show_create(d, what, v, &e);
		if (v->create) {
			views->p[kept++] = *v;
			continue;
		}
		log_warn("%s `%s`.`%s` is left out: %s", what, v->schema, v->name, e.text);
		free(v->schema);
		free(v->name);
	}
	views->n = kept;
}

static int read_tables(struct catalog *c, struct db *d, struct err *e)
{
	enum { AT_ONCE = 200 };
	struct item *t = c->tables.p;

	for (unsigned i = 0, n; i < c->tables.n; i += n) {
		for (n = 1; n < AT_ONCE && i + n < c->tables.n; n++)
			if (strcmp(t[i + n].schema, t[i].schema) != 0)
				break;
		/* The texts before all else: what changes behind them is found when they are compared. */
		for (unsigned k = i; k < i + n; k++)
			if (!(t[k].create = show_create(d, "TABLE", &t[k], e)))
				return -1;
		if (read_structures(t + i, n, d, e) < 0)
			return -1;
		for (unsigned k = i; k < i + n; k++)
			if (read_table(&t[k], d, e) < 0)
				return -1;
	}
	return 0;
}

static int read_texts(struct catalog *c, struct db *d, struct err *e)
{
	for (unsigned i = 0; i < c->schemas.n; i++) {
		c->schemas.p[i].create = show_create(d, "DATABASE", &c->schemas.p[i], e);
		if (!c->schemas.p[i].create)
			return -1;
	}
	if (read_tables(c, d, e) < 0)
		return -1;
	read_others(&c->views, "VIEW", d);
	read_others(&c->sequences, "SEQUENCE", d);
	return 0;
}

/* Estimates as they are now, not as a cache had them a day ago. */
static int fresh_estimates(struct db *d, struct err *e)
{
	const struct server *s = db_server(d);

	if (s->flavor != FLAVOR_MYSQL || s->version < 80000)
		return 0;
	return db_exec(d, STR_LIT("SET SESSION information_schema_stats_expiry=0"), e);
}

static int read_list(struct catalog *c, struct db *d, const struct rules *rules, struct err *e)
{
	struct map *engines = map_new();
	int r = read_engines(d, engines, e);

	if (r == 0)
		r = list_schemas(c, d, rules, e);
	if (r == 0)
		r = list_tables(c, d, rules, engines, e);
	c->listed = c->schemas.n + c->tables.n + c->views.n + c->sequences.n;
	map_free(&engines, NULL);
	return r;
}

int catalog_read(struct catalog *c, struct db *d, const struct rules *rules, struct err *e)
{
	if (fresh_estimates(d, e) < 0 || read_list(c, d, rules, e) < 0)
		return -1;
	return read_texts(c, d, e);
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

void catalog_strip_auto_increment(struct buf *b, struct str create)
{
	static const char word[] = " AUTO_INCREMENT=";
	const char *options = NULL, *at, *end = create.p + create.n;

	/* The table's options begin behind the last line that starts with ')': a column's comment has its
	 * newlines escaped. */
	for (const char *p = create.p; p + 1 < end; p++)
		if (p[0] == '\n' && p[1] == ')')
			options = p;
	at = options ? memmem(options, (size_t)(end - options), word, sizeof(word) - 1) : NULL;
	if (!at) {
		buf_put(b, create.p, create.n);
		return;
	}
	buf_put(b, create.p, (size_t)(at - create.p));
	for (at += sizeof(word) - 1; at < end && *at >= '0' && *at <= '9'; at++)
		continue;
	buf_put(b, at, (size_t)(end - at));
}

static bool same_but_auto_increment(const char *a, const char *b)
{
	struct buf x = {0}, y = {0};
	bool same;

	catalog_strip_auto_increment(&x, str_of(a));
	catalog_strip_auto_increment(&y, str_of(b));
	same = str_eq(buf_str(&x), buf_str(&y));
	buf_free(&x);
	buf_free(&y);
	return same;
}

static int compare(const struct item *was, const struct item *now, struct err *e)
{
	int order = strcmp(was->schema, now->schema);

	order = order ? order : strcmp(was->name, now->name);
	if (order)
		return err_set(e, ERR_dump_changed, "table `%s`.`%s` %s",
			order < 0 ? was->schema : now->schema, order < 0 ? was->name : now->name,
			order < 0 ? "went away" : "is new");
	if (was->transactional != now->transactional || was->innodb != now->innodb ||
		was->partitioned != now->partitioned || was->no_data != now->no_data ||
		was->versioned != now->versioned)
		return err_set(
			e, ERR_dump_changed, "table `%s`.`%s` is of another kind", now->schema, now->name);
	return 0;
}

/* What somebody made since the list was read is neither in it nor, for sure, in the binlog behind the
 * snapshots.
 */
static int check_list(const struct catalog *c, struct db *d, const struct rules *rules, struct err *e)
{
	struct catalog now = {0};
	int r = read_list(&now, d, rules, e);

	for (unsigned i = 0; r == 0 && i < c->tables.n && i < now.tables.n; i++)
		r = compare(&c->tables.p[i], &now.tables.p[i], e);
	if (r == 0 && now.listed != c->listed)
		r = err_set(e, ERR_dump_changed, "%u databases, tables, views and sequences, and %u before",
			now.listed, c->listed);
	catalog_fini(&now);
	return r;
}

int catalog_check(struct catalog *c, struct db *d, const struct rules *rules, struct err *e)
{
	if (check_list(c, d, rules, e) < 0)
		return err_add(e, "looking at the tables again");
	for (unsigned i = 0; i < c->tables.n; i++) {
		struct item *t = &c->tables.p[i];
		char *now = show_create(d, "TABLE", t, e);

		if (!now && e->sql_errno == 1146)
			e->code = ERR_dump_changed;
		if (!now)
			return err_add(e, "looking at the structures again");
		if (!same_but_auto_increment(t->create, now)) {
			free(now);
			return err_set(e, ERR_dump_changed, "table `%s`.`%s`", t->schema, t->name);
		}
		free(t->create);
		t->create = now;
	}
	return 0;
}
