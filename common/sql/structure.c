/*
 * What a reader of rows must know of a table, and its JSON form as it is kept in dm_meta and in plans. Filled
 * by common/db/structure.c from information_schema, moved along by sync. It must never ask a server anything.
 */
#include "common/sql/structure.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

static const struct {
	const char *word;
	enum column_kind kind;
} kinds[] = {
	{"tinyint", COLUMN_INT},
	{"smallint", COLUMN_INT},
	{"mediumint", COLUMN_INT},
	{"int", COLUMN_INT},
	{"integer", COLUMN_INT},
	{"bigint", COLUMN_INT},
	{"bool", COLUMN_INT},
	{"boolean", COLUMN_INT},
	{"year", COLUMN_INT},
	{"serial", COLUMN_INT},
	{"float", COLUMN_FLOAT},
	{"double", COLUMN_DOUBLE},
	{"real", COLUMN_DOUBLE},
	{"decimal", COLUMN_DECIMAL},
	{"numeric", COLUMN_DECIMAL},
	{"dec", COLUMN_DECIMAL},
	{"fixed", COLUMN_DECIMAL},
	{"bit", COLUMN_BIT},
	{"date", COLUMN_DATE},
	{"time", COLUMN_TIME},
	{"datetime", COLUMN_DATETIME},
	{"timestamp", COLUMN_TIMESTAMP},
	{"char", COLUMN_TEXT},
	{"varchar", COLUMN_TEXT},
	{"tinytext", COLUMN_TEXT},
	{"text", COLUMN_TEXT},
	{"mediumtext", COLUMN_TEXT},
	{"longtext", COLUMN_TEXT},
	{"binary", COLUMN_BINARY},
	{"varbinary", COLUMN_BINARY},
	{"tinyblob", COLUMN_BINARY},
	{"blob", COLUMN_BINARY},
	{"mediumblob", COLUMN_BINARY},
	{"longblob", COLUMN_BINARY},
	{"enum", COLUMN_ENUM},
	{"set", COLUMN_SET},
	{"json", COLUMN_JSON},
	{"geometry", COLUMN_GEOMETRY},
	{"point", COLUMN_GEOMETRY},
	{"linestring", COLUMN_GEOMETRY},
	{"polygon", COLUMN_GEOMETRY},
	{"multipoint", COLUMN_GEOMETRY},
	{"multilinestring", COLUMN_GEOMETRY},
	{"multipolygon", COLUMN_GEOMETRY},
	{"geometrycollection", COLUMN_GEOMETRY},
	{"geomcollection", COLUMN_GEOMETRY},
	{"vector", COLUMN_VECTOR},
	{"uuid", COLUMN_UUID},
	{"inet4", COLUMN_INET4},
	{"inet6", COLUMN_INET6},
};

static const char *const kind_names[] = {
	[COLUMN_INT] = "int",
	[COLUMN_FLOAT] = "float",
	[COLUMN_DOUBLE] = "double",
	[COLUMN_DECIMAL] = "decimal",
	[COLUMN_BIT] = "bit",
	[COLUMN_DATE] = "date",
	[COLUMN_TIME] = "time",
	[COLUMN_DATETIME] = "datetime",
	[COLUMN_TIMESTAMP] = "timestamp",
	[COLUMN_TEXT] = "text",
	[COLUMN_BINARY] = "binary",
	[COLUMN_ENUM] = "enum",
	[COLUMN_SET] = "set",
	[COLUMN_JSON] = "json",
	[COLUMN_GEOMETRY] = "geometry",
	[COLUMN_VECTOR] = "vector",
	[COLUMN_UUID] = "uuid",
	[COLUMN_INET4] = "inet4",
	[COLUMN_INET6] = "inet6",
	[COLUMN_OTHER] = "other",
};

enum column_kind column_kind_of(const char *type, const char *charset, const struct server *server)
{
	struct str word = {
		type, strspn(type, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")};
	enum column_kind kind = COLUMN_OTHER;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (str_is_ci(word, kinds[i].word))
			kind = kinds[i].kind;
	}
	/* MariaDB's JSON is LONGTEXT with a check; its binlog holds text. */
	if (kind == COLUMN_JSON && server->flavor == FLAVOR_MARIADB)
		kind = COLUMN_TEXT;
	if (kind == COLUMN_TEXT && charset && strcmp(charset, "binary") == 0)
		kind = COLUMN_BINARY;
	return kind;
}

void structure_column_fini(struct column *c)
{
	free(c->name);
	free(c->type);
	free(c->charset);
	free(c->collation);
	free(c->expression);
}

void structure_key_fini(struct key *k)
{
	free(k->name);
	free(k->columns);
	free(k->prefixes);
}

void structure_free(struct structure **s)
{
	struct structure *t = *s;

	*s = NULL;
	if (!t)
		return;
	for (unsigned i = 0; i < t->ncolumns; i++)
		structure_column_fini(&t->columns[i]);
	for (unsigned i = 0; i < t->nkeys; i++)
		structure_key_fini(&t->keys[i]);
	free(t->columns);
	free(t->keys);
	free(t->schema);
	free(t->table);
	free(t->charset);
	free(t->row_end);
	free(t);
}

void structure_rename(struct structure *s, const char *schema, const char *table)
{
	free(s->schema);
	free(s->table);
	s->schema = xstrdup(schema);
	s->table = xstrdup(table);
}

int structure_column(const struct structure *s, const char *name)
{
	/* Names of columns are compared without case by every server; beyond ASCII only the same bytes count.
	 */
	for (unsigned i = 0; i < s->ncolumns; i++) {
		if (str_is_ci(str_of(name), s->columns[i].name))
			return (int)i;
	}
	return -1;
}

int structure_naming_key(const struct structure *s)
{
	unsigned i;

	for (i = 0; i < s->nkeys; i++)
		if (s->keys[i].primary && s->keys[i].usable)
			return (int)i;
	for (i = 0; i < s->nkeys; i++)
		if (s->keys[i].usable)
			return (int)i;
	return -1;
}

bool structure_hides_period(const struct structure *s)
{
	return s->row_end && s->row_end[0] && structure_column(s, s->row_end) < 0;
}

void structure_forget_end(struct structure *s)
{
	free(s->row_end);
	s->row_end = NULL;
}

bool structure_is_row_time(const struct column *c)
{
	return c->expression &&
	       (str_is_ci(str_of(c->expression), "ROW START") || str_is_ci(str_of(c->expression), "ROW END"));
}

const struct column *structure_end_column(const struct structure *s)
{
	for (unsigned i = 0; i < s->ncolumns; i++)
		if (s->columns[i].expression && str_is_ci(str_of(s->columns[i].expression), "ROW END"))
			return &s->columns[i];
	return NULL;
}

void structure_plain_period(struct structure *s)
{
	for (unsigned i = 0; i < s->ncolumns; i++) {
		struct column *c = &s->columns[i];

		if (!structure_is_row_time(c))
			continue;
		free(c->expression);
		c->expression = NULL;
		c->generated = false;
	}
}

static void cut_part(struct key *k, unsigned column)
{
	unsigned left = 0;

	for (unsigned i = 0; i < k->ncolumns; i++) {
		if (k->columns[i] == column)
			continue;
		if (k->prefixes)
			k->prefixes[left] = k->prefixes[i];
		k->columns[left++] = k->columns[i];
	}
	if (left > 0)
		k->ncolumns = left;
	else
		k->unique = k->primary = k->usable = false;
}

void structure_cut_end(struct structure *s)
{
	int at = s->row_end ? structure_column(s, s->row_end) : -1;

	for (unsigned i = 0; at >= 0 && i < s->nkeys; i++)
		if (s->keys[i].unique)
			cut_part(&s->keys[i], (unsigned)at);
}

static json_t *column_to_json(const struct column *c)
{
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(c->name));
	json_object_set_new(o, "type", json_string(c->type));
	json_object_set_new(o, "kind", json_string(kind_names[c->kind]));
	json_object_set_new(o, "charset", json_string(c->charset ? c->charset : ""));
	json_object_set_new(o, "collation", json_string(c->collation ? c->collation : ""));
	json_object_set_new(o, "length", json_integer(c->length));
	json_object_set_new(o, "unsigned", json_boolean(c->is_unsigned));
	json_object_set_new(o, "nullable", json_boolean(c->nullable));
	json_object_set_new(o, "generated", json_boolean(c->generated));
	json_object_set_new(o, "invisible", json_boolean(c->invisible));
	json_object_set_new(o, "auto_increment", json_boolean(c->auto_increment));
	if (c->no_default)
		json_object_set_new(o, "no_default", json_true());
	if (c->expression) {
		json_object_set_new(o, "expression", json_string(c->expression));
		json_object_set_new(o, "virtual", json_boolean(c->is_virtual));
	}
	return o;
}

static json_t *key_to_json(const struct key *k)
{
	json_t *o = json_object(), *list = json_array(), *prefixes = k->prefixes ? json_array() : NULL;

	for (unsigned i = 0; i < k->ncolumns; i++) {
		json_array_append_new(list, json_integer(k->columns[i]));
		if (prefixes)
			json_array_append_new(prefixes, json_integer(k->prefixes[i]));
	}
	json_object_set_new(o, "name", json_string(k->name));
	json_object_set_new(o, "primary", json_boolean(k->primary));
	json_object_set_new(o, "unique", json_boolean(k->unique));
	json_object_set_new(o, "usable", json_boolean(k->usable));
	json_object_set_new(o, "whole", json_boolean(k->whole));
	json_object_set_new(o, "columns", list);
	if (k->hashed)
		json_object_set_new(o, "hashed", json_true());
	if (prefixes)
		json_object_set_new(o, "prefixes", prefixes);
	return o;
}

json_t *structure_to_json(const struct structure *s)
{
	json_t *o = json_object(), *columns = json_array(), *keys = json_array();

	for (unsigned i = 0; i < s->ncolumns; i++)
		json_array_append_new(columns, column_to_json(&s->columns[i]));
	for (unsigned i = 0; i < s->nkeys; i++)
		json_array_append_new(keys, key_to_json(&s->keys[i]));
	json_object_set_new(o, "schema", json_string(s->schema));
	json_object_set_new(o, "table", json_string(s->table));
	if (s->charset)
		json_object_set_new(o, "charset", json_string(s->charset));
	if (s->row_end)
		json_object_set_new(o, "row_end", json_string(s->row_end));
	json_object_set_new(o, "columns", columns);
	json_object_set_new(o, "keys", keys);
	json_object_set_new(o, "key", json_integer(s->key));
	return o;
}

static int bad(struct err *e, const char *what, const char *key)
{
	return err_set(e, ERR_internal, "a recorded table structure has no right \"%s\" in %s", key, what);
}

static int take_text(const json_t *o, const char *key, char **out, struct err *e)
{
	const char *text = json_string_value(json_object_get(o, key));

	if (!text)
		return bad(e, "its object", key);
	*out = xstrdup(text);
	return 0;
}

static bool flag(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static int kind_from_name(const char *name)
{
	for (size_t i = 0; name && i < sizeof(kind_names) / sizeof(kind_names[0]); i++) {
		if (strcmp(kind_names[i], name) == 0)
			return (int)i;
	}
	return -1;
}

static int column_from_json(const json_t *o, struct column *c, struct err *e)
{
	int kind = kind_from_name(json_string_value(json_object_get(o, "kind")));
	json_int_t length = json_integer_value(json_object_get(o, "length"));

	if (kind < 0)
		return bad(e, "a column", "kind");
	if (length < 0 || length > UINT32_MAX)
		return bad(e, "a column", "length");
	if (take_text(o, "name", &c->name, e) < 0 || take_text(o, "type", &c->type, e) < 0 ||
		take_text(o, "charset", &c->charset, e) < 0 ||
		take_text(o, "collation", &c->collation, e) < 0)
		return -1;
	/* Older records don't say how a generated column is made. */
	if (json_object_get(o, "expression") && take_text(o, "expression", &c->expression, e) < 0)
		return -1;
	c->is_virtual = flag(o, "virtual");
	c->kind = (enum column_kind)kind;
	c->length = (unsigned)length;
	c->is_unsigned = flag(o, "unsigned");
	c->nullable = flag(o, "nullable");
	c->generated = flag(o, "generated");
	c->invisible = flag(o, "invisible");
	c->auto_increment = flag(o, "auto_increment");
	c->no_default = flag(o, "no_default"); /* older records don't say it */
	return 0;
}

/* Older records have none. */
static int take_prefixes(const json_t *list, struct key *k, struct err *e)
{
	if (!list)
		return 0;
	if (json_array_size(list) != k->ncolumns)
		return bad(e, "a key", "prefixes");
	k->prefixes = xcalloc(k->ncolumns ? k->ncolumns : 1, sizeof(*k->prefixes));
	for (unsigned i = 0; i < k->ncolumns; i++) {
		const json_t *v = json_array_get(list, i);

		if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX)
			return bad(e, "a key", "prefixes");
		k->prefixes[i] = (unsigned)json_integer_value(v);
	}
	return 0;
}

static int key_from_json(const json_t *o, struct key *k, unsigned ncolumns, struct err *e)
{
	const json_t *list = json_object_get(o, "columns");
	size_t n = json_array_size(list);

	/* Parts that are expressions have no column: a key of nothing else is empty here, and not usable. */
	if (!json_is_array(list) || n > 1024 || (n == 0 && flag(o, "usable")))
		return bad(e, "a key", "columns");
	if (take_text(o, "name", &k->name, e) < 0)
		return -1;
	k->primary = flag(o, "primary");
	k->unique = flag(o, "unique");
	k->usable = flag(o, "usable");
	k->hashed = flag(o, "hashed");
	k->whole = k->usable || flag(o, "whole"); /* older records don't say it */
	k->columns = xcalloc(n ? n : 1, sizeof(*k->columns));
	k->ncolumns = (unsigned)n;
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(list, i);
		json_int_t column = json_integer_value(v);

		if (!json_is_integer(v) || column < 0 || column >= ncolumns)
			return bad(e, "a key", "columns");
		k->columns[i] = (unsigned)column;
	}
	return take_prefixes(json_object_get(o, "prefixes"), k, e);
}

static int fill(struct structure *s, const json_t *o, struct err *e)
{
	const json_t *columns = json_object_get(o, "columns"), *keys = json_object_get(o, "keys");
	size_t nc = json_array_size(columns), nk = json_array_size(keys);
	const json_t *key = json_object_get(o, "key");

	if (take_text(o, "schema", &s->schema, e) < 0 || take_text(o, "table", &s->table, e) < 0)
		return -1;
	if (json_object_get(o, "charset") && take_text(o, "charset", &s->charset, e) < 0)
		return -1;
	if (json_object_get(o, "row_end") && take_text(o, "row_end", &s->row_end, e) < 0)
		return -1;
	if (!json_is_array(columns) || nc == 0 || nc > 8192)
		return bad(e, "the table", "columns");
	if (!json_is_array(keys) || nk > 8192)
		return bad(e, "the table", "keys");
	s->columns = xcalloc(nc, sizeof(*s->columns));
	s->keys = xcalloc(nk ? nk : 1, sizeof(*s->keys));
	for (; s->ncolumns < nc; s->ncolumns++) {
		if (column_from_json(json_array_get(columns, s->ncolumns), &s->columns[s->ncolumns], e) < 0) {
			s->ncolumns++; /* so that what it has is freed */
			return -1;
		}
	}
	for (; s->nkeys < nk; s->nkeys++) {
		if (key_from_json(json_array_get(keys, s->nkeys), &s->keys[s->nkeys], s->ncolumns, e) < 0) {
			s->nkeys++;
			return -1;
		}
	}
	if (!json_is_integer(key) || json_integer_value(key) < -1 ||
		json_integer_value(key) >= (json_int_t)nk)
		return bad(e, "the table", "key");
	s->key = (int)json_integer_value(key);
	return 0;
}

struct structure *structure_from_json(const json_t *o, struct err *e)
{
	struct structure *s = xcalloc(1, sizeof(*s));

	if (fill(s, o, e) < 0)
		structure_free(&s);
	return s;
}
