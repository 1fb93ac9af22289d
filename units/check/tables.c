/*
 * The list of wanted tables that all items of check.def look at, and lists of what is found with them. Filled
 * by upstream.c.
 */
#include "units/check/tables.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/xalloc.h"
#include "common/db/structure.h"
#include "common/sql/quote.h"

enum { SHOWN = 3 };

/* Of CREATE statements, in bytes: a table with thousands of partitions has a long one. */
enum { KEPT_MAX = 16 << 20 };

struct tables *tables_new(void)
{
	return xcalloc(1, sizeof(struct tables));
}

void tables_free(struct tables **t)
{
	for (size_t i = 0; *t && i < (*t)->n; i++) {
		free((*t)->p[i].schema);
		free((*t)->p[i].name);
		free((*t)->p[i].create);
	}
	if (*t)
		free((*t)->p);
	free(*t);
	*t = NULL;
}

void tables_add(struct tables *t, const struct rules *rules, const struct str *v)
{
	struct route_name to;
	struct err ignored = {0};

	if (route_table(rules_route(rules), v[0], v[1], &to, &ignored) < 0)
		return;
	if ((t->n & (t->n - 1)) == 0)
		t->p = xrealloc(t->p, (t->n ? 2 * t->n : 1) * sizeof(*t->p));
	t->p[t->n++] = (struct check_table){xstrndup(v[0].p, v[0].n), xstrndup(v[1].p, v[1].n), to, NULL};
}

const struct check_table *tables_find(const struct tables *t, struct str schema, struct str name, size_t *at)
{
	for (size_t i = 0; i < t->n; i++) {
		size_t k = (*at + i) % t->n;

		if (str_is(name, t->p[k].name) && str_is(schema, t->p[k].schema)) {
			*at = k;
			return &t->p[k];
		}
	}
	return NULL;
}

static bool is_name(struct str a, const char *b, bool exact)
{
	return exact ? str_is(a, b) : str_is_ci(a, b);
}

const struct check_table *tables_find_to(
	const struct tables *t, struct str schema, struct str name, bool exact)
{
	for (size_t i = 0; i < t->n; i++)
		if (is_name(name, t->p[i].to.table, exact) && is_name(schema, t->p[i].to.schema, exact))
			return &t->p[i];
	return NULL;
}

bool tables_is_one_place(const struct check_table *a, const struct check_table *b)
{
	return strcmp(a->to.schema, b->to.schema) == 0 && strcmp(a->to.table, b->to.table) == 0;
}

bool tables_is_routed(const struct check_table *t)
{
	return strcmp(t->schema, t->to.schema) != 0 || strcmp(t->name, t->to.table) != 0;
}

void tables_each_pair(const struct tables *t,
	void (*fn)(void *arg, const struct check_table *a, const struct check_table *b), void *arg)
{
	struct map *seen = map_new();

	for (size_t i = 0; i < t->n; i++) {
		struct check_table *x = &t->p[i], *other;
		struct buf key = route_key(str_of(x->to.schema), str_of(x->to.table));

		other = map_put(seen, buf_str(&key), x);
		buf_free(&key);
		if (other)
			fn(arg, other, x);
	}
	map_free(&seen, NULL);
}

struct structure *tables_structure(struct db *d, const char *schema, const char *name)
{
	struct err ignored = {0};
	bool found;

	return db_structure(d, schema, name, &found, &ignored);
}

static void ask_create(struct db *up, const struct check_table *t, struct buf *out)
{
	struct buf sql = {0};
	struct err ignored = {0};
	struct db_rows *rows;
	const struct str *v;

	buf_puts(&sql, "SHOW CREATE TABLE ");
	sql_put_table(&sql, str_of(t->schema), str_of(t->name));
	rows = db_query(up, buf_str(&sql), &ignored);
	buf_free(&sql);
	if (rows && db_fetch(rows, &v, &ignored) > 0 && db_columns(rows) > 1)
		buf_put(out, v[1].p, v[1].n);
	db_rows_close(&rows);
}

void tables_create(struct tables *all, struct db *up, const struct check_table *t, struct buf *out)
{
	struct check_table *mine = &all->p[t - all->p];
	size_t before = out->n;

	if (mine->create) {
		buf_puts(out, mine->create);
		return;
	}
	ask_create(up, t, out);
	if (out->n == before || all->kept + out->n - before > KEPT_MAX)
		return;
	all->kept += out->n - before;
	mine->create = xstrndup(out->p + before, out->n - before);
}

bool tables_is_there(struct db *down, const struct check_table *t)
{
	char type[DB_TABLE_TYPE] = "";

	return db_table_type(down, t->to.schema, t->to.table, type, NULL) == 0 && type[0];
}

void tables_put_schemas(const struct tables *t, struct buf *sql)
{
	const char *last = NULL;

	buf_puts(sql, " IN (");
	for (size_t i = 0; i < t->n; i++) {
		if (last && strcmp(last, t->p[i].schema) == 0)
			continue;
		if (last)
			buf_putc(sql, ',');
		last = t->p[i].schema;
		sql_put_string(sql, str_of(last));
	}
	buf_puts(sql, last ? ")" : "'')");
}

static uint64_t ask_bytes(const struct tables *t, struct db *d)
{
	struct buf sql = {0};
	struct err e = {0};
	struct db_rows *rows;
	const struct str *v;
	uint64_t sum = 0;
	size_t at = 0;

	if (t->n == 0 || t->n > TABLES_TRIED)
		return 0;
	buf_puts(&sql, "SELECT TABLE_SCHEMA, TABLE_NAME, COALESCE(DATA_LENGTH, 0) FROM "
		       "information_schema.TABLES WHERE TABLE_SCHEMA");
	tables_put_schemas(t, &sql);
	rows = db_query(d, buf_str(&sql), &e);
	buf_free(&sql);
	while (rows && db_fetch(rows, &v, &e) > 0)
		if (tables_find(t, v[0], v[1], &at)) {
			char digits[24];

			snprintf(digits, sizeof(digits), "%.*s", STR_ARG(v[2]));
			sum += strtoull(digits, NULL, 10);
		}
	db_rows_close(&rows);
	return e.code ? 0 : sum;
}

uint64_t tables_bytes(struct tables *t, struct db *d)
{
	if (!t->has_bytes)
		t->bytes = ask_bytes(t, d);
	t->has_bytes = true;
	return t->bytes;
}

void some_add(struct some *s, const char *fmt, ...)
{
	va_list ap;
	char *text;

	if (++s->n > SHOWN)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	buf_puts(&s->text, s->n > 1 ? ", " : "");
	buf_puts(&s->text, text);
	free(text);
}

const char *some_text(struct some *s)
{
	if (s->n == 0)
		return NULL;
	if (s->n > SHOWN)
		buf_putf(&s->text, " and %u more", s->n - SHOWN);
	return buf_cstr(&s->text);
}

void some_free(struct some *s)
{
	buf_free(&s->text);
	*s = (struct some){0};
}
