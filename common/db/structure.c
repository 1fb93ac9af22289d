/*
 * A table's structure, out of information_schema: MySQL 5.7-9.x, MariaDB 10.2-11.8, TiDB. Called by dump,
 * load and sync. Never guesses: a column or key that it can't read as it should makes an error, a key that
 * can't name a row is marked so.
 */
#include "common/db/structure.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/db/internal.h"
#include "common/sql/quote.h"

static char *copy(struct str s)
{
	return xstrndup(s.p ? s.p : "", s.n);
}

/* What is read at once: tables of one schema. */
struct reading {
	struct structure **s;
	unsigned n;
	struct map *by_name; /* NULL: there is one only, whose name the server may write otherwise */
};

static void put_where(struct buf *sql, const struct reading *r)
{
	buf_puts(sql, " WHERE TABLE_SCHEMA=_utf8mb4");
	sql_put_string(sql, str_of(r->s[0]->schema));
	buf_puts(sql, r->n == 1 ? " AND TABLE_NAME=" : " AND TABLE_NAME IN (");
	for (unsigned i = 0; i < r->n; i++) {
		buf_puts(sql, i ? ",_utf8mb4" : "_utf8mb4");
		sql_put_string(sql, str_of(r->s[i]->table));
	}
	buf_puts(sql, r->n == 1 ? "" : ")");
}

/* NULL: a row of a table that nobody asked for, by a name that only compares alike. */
static struct structure *table_of(const struct reading *r, struct str name)
{
	return r->by_name ? map_get(r->by_name, name) : r->s[0];
}

static bool holds(struct str text, const char *word)
{
	return text.p && memmem(text.p, text.n, word, strlen(word)) != NULL;
}

/* "VIRTUAL GENERATED", "STORED GENERATED", MariaDB 10.2's "PERSISTENT"; but MySQL's "DEFAULT_GENERATED" is a
 * default. */
static bool is_generated(struct str extra)
{
	return holds(extra, "VIRTUAL") || holds(extra, "STORED GENERATED") || holds(extra, "PERSISTENT");
}

static bool is_number(enum column_kind k)
{
	return k == COLUMN_INT || k == COLUMN_FLOAT || k == COLUMN_DOUBLE || k == COLUMN_DECIMAL;
}

/* The n of BINARY(n), BIT(n), VECTOR(n). */
static unsigned length_of(enum column_kind k, const char *type)
{
	const char *paren = strchr(type, '(');
	bool fixed = strncmp(type, "binary(", 7) == 0 || strncmp(type, "bit(", 4) == 0 || k == COLUMN_VECTOR;

	return fixed && paren ? (unsigned)strtoul(paren + 1, NULL, 10) : 0;
}

/*
 * As SHOW CREATE TABLE writes it. MySQL's information_schema has it as the inside of a string, each quote and
 * backslash behind a backslash; where it does not (5.7), a first quote begins a literal and has none before
 * it.
 */
static char *expression_of(struct str text, const struct server *server)
{
	const char *quote = memchr(text.p, '\'', text.n);
	struct buf b = {0};
	char *out;

	if (server->flavor != FLAVOR_MYSQL || !quote || quote == text.p || quote[-1] != '\\')
		return copy(text);
	for (size_t i = 0; i < text.n; i++) {
		i += text.p[i] == '\\' && i + 1 < text.n;
		buf_putc(&b, text.p[i]);
	}
	out = xstrdup(buf_cstr(&b));
	buf_free(&b);
	return out;
}

/* v: name, type, nullable, extra, charset, collation, expression, default */
static void take_column(struct column *c, const struct str *v, const struct server *server)
{
	c->name = copy(v[0]);
	c->type = copy(v[1]);
	c->nullable = str_is_ci(v[2], "YES");
	c->auto_increment = holds(v[3], "auto_increment");
	c->generated = is_generated(v[3]);
	c->invisible = holds(v[3], "INVISIBLE");
	c->charset = copy(v[4]);
	c->collation = copy(v[5]);
	c->expression = c->generated && v[6].n ? expression_of(v[6], server) : NULL;
	c->no_default = !c->nullable && !v[7].p;
	c->is_virtual = c->generated && holds(v[3], "VIRTUAL");
	c->kind = column_kind_of(c->type, c->charset, server);
	c->is_unsigned = is_number(c->kind) && strstr(c->type, "unsigned") != NULL;
	c->length = length_of(c->kind, c->type);
}

static void add_column(struct structure *s, const struct str *v, const struct server *server)
{
	s->columns = xrealloc(s->columns, (s->ncolumns + 1) * sizeof(*s->columns));
	memset(&s->columns[s->ncolumns], 0, sizeof(*s->columns));
	take_column(&s->columns[s->ncolumns++], v, server);
}

/* Sees the rows of one table, v behind its name; -1 with e ends the reading. */
typedef int (*row_fn)(struct structure *s, const struct str *v, const struct server *server, struct err *e);

/* head and tail: of a question whose first column is the table's name. */
static int read_rows(
	struct db *d, const struct reading *all, const char *head, const char *tail, row_fn fn, struct err *e)
{
	struct buf sql = {0};
	struct db_rows *r;
	const struct str *v;
	int n;

	buf_puts(&sql, head);
	put_where(&sql, all);
	buf_puts(&sql, tail);
	r = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	if (!r)
		return -1;
	while ((n = db_fetch(r, &v, e)) > 0) {
		struct structure *s = table_of(all, v[0]);

		if (s && fn(s, v + 1, db_server(d), e) < 0) {
			n = -1;
			break;
		}
	}
	db_rows_close(&r);
	return n;
}

static int on_column(struct structure *s, const struct str *v, const struct server *server, struct err *e)
{
	(void)e;
	add_column(s, v, server);
	return 0;
}

static int read_columns(struct db *d, const struct reading *all, struct err *e)
{
	return read_rows(d, all,
		"SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, EXTRA, CHARACTER_SET_NAME, "
		"COLLATION_NAME, GENERATION_EXPRESSION, COLUMN_DEFAULT FROM information_schema.COLUMNS",
		" ORDER BY TABLE_NAME, ORDINAL_POSITION", on_column, e);
}

static struct key *key_of(struct structure *s, struct str name, bool unique)
{
	struct key *k = s->nkeys ? &s->keys[s->nkeys - 1] : NULL;

	if (k && str_is(name, k->name))
		return k;
	s->keys = xrealloc(s->keys, (s->nkeys + 1) * sizeof(*s->keys));
	k = &s->keys[s->nkeys++];
	*k = (struct key){
		.name = copy(name), .unique = unique, .usable = unique, .whole = true, .ordered = true};
	k->primary = strcmp(k->name, "PRIMARY") == 0;
	return k;
}

/* The last part counts up to so much of its column; 0: all of it. */
static void note_prefix(struct key *k, unsigned length)
{
	if (!k->whole && !k->prefixes) /* there is an expression */
		return;
	if (length && !k->prefixes)
		k->prefixes = xcalloc(k->ncolumns, sizeof(*k->prefixes));
	else if (k->prefixes)
		k->prefixes = xrealloc(k->prefixes, k->ncolumns * sizeof(*k->prefixes));
	if (k->prefixes)
		k->prefixes[k->ncolumns - 1] = length;
}

/* v: key, non_unique, column (NULL: an expression), sub_part (NULL: the whole column), order (A, D), kind. */
static int take_key_part(struct structure *s, const struct str *v, const struct server *server, struct err *e)
{
	struct key *k = key_of(s, v[0], str_is(v[1], "0"));
	char name[512];
	int column;

	k->ordered = k->ordered && str_is(v[4], "A") && str_is_ci(v[5], "BTREE");
	k->hashed = k->unique && server->flavor == FLAVOR_MARIADB && str_is_ci(v[5], "HASH");
	if (!v[2].p) {
		k->usable = k->whole = false;
		free(k->prefixes);
		k->prefixes = NULL;
		return 0;
	}
	snprintf(name, sizeof(name), "%.*s", STR_ARG(v[2]));
	column = structure_column(s, name);
	if (column < 0)
		return err_set(e, ERR_db_query, "key %s of %s.%s has a column %s that the table has not",
			k->name, s->schema, s->table, name);
	k->columns = xrealloc(k->columns, (k->ncolumns + 1) * sizeof(*k->columns));
	k->columns[k->ncolumns++] = (unsigned)column;
	note_prefix(k, v[3].p ? (unsigned)strtoul(v[3].p, NULL, 10) : 0);
	if (v[3].p)
		k->whole = false;
	if (v[3].p || s->columns[column].nullable)
		k->usable = false;
	return 0;
}

static int read_keys(struct db *d, const struct reading *all, struct err *e)
{
	return read_rows(d, all,
		"SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART, COLLATION, INDEX_TYPE "
		"FROM information_schema.STATISTICS",
		" ORDER BY TABLE_NAME, NON_UNIQUE, INDEX_NAME<>'PRIMARY', INDEX_NAME, SEQ_IN_INDEX",
		take_key_part, e);
}

static struct structure *new_structure(const char *schema, const char *table)
{
	struct structure *s = xcalloc(1, sizeof(*s));

	s->schema = xstrdup(schema);
	s->table = xstrdup(table);
	return s;
}

/* MariaDB alone has history; where its columns are hidden, only the table's type says so. */
static int on_versioned(struct structure *s, const struct str *v, const struct server *server, struct err *e)
{
	(void)v;
	(void)server;
	(void)e;
	if (!s->row_end)
		s->row_end = xstrdup("row_end");
	return 0;
}

static int read_versioned(struct db *d, const struct reading *all, struct err *e)
{
	const struct server *server = db_server(d);

	if (server->flavor != FLAVOR_MARIADB || server->version < 100304)
		return 0;
	return read_rows(d, all, "SELECT TABLE_NAME FROM information_schema.TABLES",
		" AND TABLE_TYPE='SYSTEM VERSIONED'", on_versioned, e);
}

static void find_row_end(struct structure *s)
{
	const struct column *shown = structure_end_column(s);

	if (shown)
		s->row_end = xstrdup(shown->name);
}

static int read_versions(struct db *d, const struct reading *all, struct err *e)
{
	for (unsigned i = 0; i < all->n; i++)
		find_row_end(all->s[i]);
	if (read_versioned(d, all, e) < 0)
		return -1;
	for (unsigned i = 0; i < all->n; i++) {
		struct structure *s = all->s[i];

		if (!s->row_end)
			s->row_end = xstrdup("");
		structure_cut_end(s);
	}
	return 0;
}

/* Fills all of them; those that are not there become NULL. After a failure all are. */
static int read_all(struct db *d, struct reading *all, struct err *e)
{
	int r = read_columns(d, all, e);
	unsigned there = 0;

	for (unsigned i = 0; i < all->n; i++)
		there += all->s[i]->ncolumns > 0;
	if (r == 0 && there > 0)
		r = read_keys(d, all, e);
	if (r == 0 && there > 0)
		r = read_versions(d, all, e);
	for (unsigned i = 0; i < all->n; i++) {
		if (r < 0 || all->s[i]->ncolumns == 0)
			structure_free(&all->s[i]);
		else
			all->s[i]->key = structure_naming_key(all->s[i]);
	}
	return r;
}

struct structure *db_structure(
	struct db *d, const char *schema, const char *table, bool *found, struct err *e)
{
	struct structure *s = new_structure(schema, table);
	struct reading one = {.s = &s, .n = 1};

	read_all(d, &one, e);
	*found = s != NULL;
	return s;
}

static int read_each(struct db *d, struct structure **out, unsigned n, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < n; i++) {
		struct reading one = {.s = &out[i], .n = 1};

		r = read_all(d, &one, e);
	}
	return r;
}

int db_structures(struct db *d, const char *schema, char *const *tables, unsigned n, struct structure **out,
	struct err *e)
{
	struct reading all = {.s = out, .n = n};
	int r;

	for (unsigned i = 0; i < n; i++)
		out[i] = new_structure(schema, tables[i]);
	if (db_server(d)->flavor == FLAVOR_MARIADB || db_server(d)->version < 80000)
		return read_each(d, out, n, e);
	all.by_name = map_new();
	for (unsigned i = 0; i < n; i++)
		map_put(all.by_name, str_of(tables[i]), out[i]);
	r = read_all(d, &all, e);
	map_free(&all.by_name, NULL);
	return r;
}

/* One column of information_schema.TABLES about one table; "" where that has no row. */
static int ask_tables(struct db *d, const char *head, const char *schema, const char *table, char *out,
	size_t size, struct err *e)
{
	struct buf sql = {0};
	bool found = false;
	int r;

	buf_puts(&sql, head);
	buf_puts(&sql, "TABLE_SCHEMA=_utf8mb4");
	sql_put_string(&sql, str_of(schema));
	buf_puts(&sql, " AND TABLE_NAME=_utf8mb4");
	sql_put_string(&sql, str_of(table));
	r = db_value(d, buf_cstr(&sql), out, size, &found, e);
	buf_free(&sql);
	if (!found)
		out[0] = '\0';
	return r;
}

int db_table_type(
	struct db *d, const char *schema, const char *table, char type[DB_TABLE_TYPE], struct err *e)
{
	return ask_tables(d, "SELECT TABLE_TYPE FROM information_schema.TABLES WHERE ", schema, table, type,
		DB_TABLE_TYPE, e);
}

bool db_engine_is_elsewhere(struct str engine)
{
	static const char *const engines[] = {"FEDERATED", "CONNECT", "SPIDER", "OQGRAPH", "MROONGA_LINK"};

	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
		if (str_is_ci(engine, engines[i]))
			return true;
	return false;
}

int db_engine_without_transactions(
	struct db *d, const char *schema, const char *table, char engine[DB_ENGINE], struct err *e)
{
	return ask_tables(d,
		"SELECT ENGINE FROM information_schema.TABLES WHERE ENGINE<>'BLACKHOLE' AND ENGINE NOT IN "
		"(SELECT ENGINE FROM information_schema.ENGINES WHERE TRANSACTIONS='YES') AND ",
		schema, table, engine, DB_ENGINE, e);
}

int db_table_charset(
	struct db *d, const char *schema, const char *table, char charset[DB_CHARSET], struct err *e)
{
	/* A collation's name begins with its charset's. */
	return ask_tables(d,
		"SELECT SUBSTRING_INDEX(TABLE_COLLATION,'_',1) FROM information_schema.TABLES WHERE ", schema,
		table, charset, DB_CHARSET, e);
}
