/*
 * Column definitions: types and attributes. Rules of sql_translate. A type that the target lacks becomes the
 * nearest that holds every value; the note says so. It must never narrow a type.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/sql/address.h"
#include "common/sql/translate.h"

struct column_reader {
	struct tr *t;
	size_t type, b;
	const char *word; /* the type's first word, as the target will see it */
	size_t charset, collate;
	size_t not_null, null, invisible; /* SIZE_MAX: not there */
	bool has_default, generated, auto_increment, on_update, primary;
	enum column_kind address; /* UUID, INET4, INET6 that is text at the target; else COLUMN_OTHER */
};

/* --- types --- */

static const struct {
	const char *type;
	enum feature known;
	const char *instead;
} types[] = {
	{"uuid", FEATURE_type_uuid, "char(36) CHARACTER SET ascii"},
	{"inet4", FEATURE_type_inet4, "varchar(15)"},
	{"inet6", FEATURE_type_inet6, "varchar(39)"},
	{"xmltype", FEATURE_type_xml, "longtext"},
	{"geometry", FEATURE_type_geometry, "longblob"},
	{"point", FEATURE_type_geometry, "longblob"},
	{"linestring", FEATURE_type_geometry, "longblob"},
	{"polygon", FEATURE_type_geometry, "longblob"},
	{"multipoint", FEATURE_type_geometry, "longblob"},
	{"multilinestring", FEATURE_type_geometry, "longblob"},
	{"multipolygon", FEATURE_type_geometry, "longblob"},
	{"geometrycollection", FEATURE_type_geometry, "longblob"},
	{"geomcollection", FEATURE_type_geometry, "longblob"},
};

/* Four bytes a dimension. Beyond a quarter of the row-size limit a BLOB, which does not count there. */
static void vector_type(struct column_reader *c)
{
	struct tr *t = c->t;
	bool sized = tr_is_char(t, c->type + 1, '(');
	long n = 2048; /* MySQL's own default */
	char type[32];

	if (sized)
		n = strtol(t->source.p + t->t[c->type + 2].at, NULL, 10);
	if (n < 1 || n > 16383)
		n = 16383;
	/* MariaDB counts a vector in the row's size, MySQL does not. And a row's vector may be shorter in
	 * MySQL: to be expected where no size was given, which SHOW CREATE TABLE prints as 2048. */
	if (knows(t->to, FEATURE_type_vector) &&
		(t->from->flavor == t->to->flavor ||
			(n <= 4096 && (n != 2048 || t->to->flavor == FLAVOR_MYSQL))))
		return;
	if (n <= 4096)
		snprintf(type, sizeof(type), "varbinary(%ld)", n * 4);
	else
		snprintf(type, sizeof(type), "blob");
	tr_note(t, "VECTOR became %s", type);
	tr_replace(t, c->type, "%s", type);
	if (sized)
		tr_drop(t, c->type + 1, tr_close(t, c->type + 1) + 1);
	c->word = n <= 4096 ? "varbinary" : "blob";
}

static void column_type(struct column_reader *c)
{
	struct tr *t = c->t;

	c->word = tr_name(t, c->type);
	if (tr_is(t, c->type, "vector")) {
		vector_type(c);
		return;
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!tr_is(t, c->type, types[i].type) || knows(t->to, types[i].known))
			continue;
		tr_note(t, "%.*s became %s", STR_ARG(tr_text(t, c->type)), types[i].instead);
		tr_replace(t, c->type, "%s", types[i].instead);
		c->word = types[i].instead;
		c->address = sql_address_kind(tr_text(t, c->type));
		return;
	}
	if (tr_is(t, c->type, "geomcollection") && !knows(t->to, FEATURE_type_geomcollection))
		tr_replace(t, c->type, "geometrycollection");
}

/* --- attributes: each takes the token it begins at, and gives the one behind it --- */

/* GENERATED ALWAYS AS (…), AS (…), AS ROW START: the history's bounds become ordinary columns. */
static size_t generated(struct column_reader *c, size_t i)
{
	struct tr *t = c->t;
	size_t as = tr_is(t, i, "GENERATED") ? i + 2 : i;

	c->generated = true;
	if (!tr_is(t, as + 1, "ROW"))
		return tr_is_char(t, as + 1, '(') ? tr_close(t, as + 1) + 1 : as + 1;
	if (!knows(t->to, FEATURE_system_versioning)) {
		if (tr_is(t, c->type, "timestamp")) /* ROW END is at the type's limit, which differs */
			tr_replace(t, c->type, "datetime");
		tr_note(t, "ROW %.*s became an ordinary column", STR_ARG(tr_text(t, as + 2)));
		tr_drop(t, i, as + 3);
		tr_append(t, i, " DEFAULT NULL");
	}
	return as + 3;
}

static size_t drop_said(struct column_reader *c, size_t i, size_t end, enum feature f)
{
	struct tr *t = c->t;
	size_t last = (end < t->n ? end : t->n) - 1;

	if (knows(t->to, f))
		return end;
	tr_note(t, "dropped %.*s", (int)(t->t[last].at + t->t[last].len - t->t[i].at),
		t->source.p + t->t[i].at);
	tr_drop(t, i, end);
	return end;
}

static size_t value_behind(const struct tr *t, size_t i)
{
	return i + 2 + tr_is_char(t, i + 1, '=');
}

/* CHECK (json_valid(`column`)), which newer MariaDB writes by itself where older has nothing. The older one's
 * json_valid refuses numbers like 1e100 that are valid. */
static bool json_check(const struct column_reader *c, size_t i)
{
	const struct tr *t = c->t;

	return knows(t->from, FEATURE_json_check) && t->to->flavor == FLAVOR_MARIADB &&
	       !knows(t->to, FEATURE_json_check) && tr_is(t, i, "CHECK") && tr_is_char(t, i + 1, '(') &&
	       tr_is(t, i + 2, "json_valid") && tr_is_char(t, i + 3, '(') && tr_is_name(t, i + 4) &&
	       strcasecmp(tr_name(t, i + 4), t->column) == 0 && tr_is_char(t, i + 5, ')') &&
	       tr_is_char(t, i + 6, ')');
}

/* [CONSTRAINT name] CHECK (…) [[NOT] ENFORCED] of a column. */
static size_t column_check(struct column_reader *c, size_t i)
{
	struct tr *t = c->t;
	size_t at = i, end;
	char column[sizeof(t->column)];

	if (json_check(c, i)) {
		tr_note(t,
			"dropped CHECK (json_valid(`%s`)): the target's JSON has none, and its json_valid "
			"refuses some numbers",
			t->column);
		tr_drop(t, i, i + 7);
		return i + 7;
	}
	while (!tr_is(t, at, "CHECK") && at < c->b)
		at++;
	end = tr_close(t, at + 1) + 1;
	if (tr_is(t, end, "ENFORCED"))
		end++;
	else if (tr_is(t, end, "NOT") && tr_is(t, end + 1, "ENFORCED"))
		end += 2;
	memcpy(column, t->column, sizeof(column));
	tr_key(t, i, end); /* the same rules as for a table's */
	memcpy(t->column, column, sizeof(column));
	return end;
}

static size_t charset(struct column_reader *c, size_t i)
{
	bool two = !tr_is(c->t, i, "CHARSET");
	size_t value = i + 1 + two + tr_is_char(c->t, i + 1 + two, '=');

	c->charset = value < c->t->n && !tr_is(c->t, value, "DEFAULT") ? value : SIZE_MAX;
	return value + 1;
}

/* Attributes that one family writes and another does not read; 0: none of them. */
static size_t foreign_attribute(struct column_reader *c, size_t i)
{
	struct tr *t = c->t;

	if (tr_is(t, i, "COMPRESSED"))
		return drop_said(c, i, tr_is_char(t, i + 1, '=') ? i + 3 : i + 1, FEATURE_column_compressed);
	if ((tr_is(t, i, "WITHOUT") || tr_is(t, i, "WITH")) && tr_is(t, i + 1, "SYSTEM"))
		return drop_said(c, i, i + 3, FEATURE_system_versioning);
	if (tr_is(t, i, "SRID"))
		return drop_said(c, i, i + 2, FEATURE_column_srid);
	if (tr_is(t, i, "REF_SYSTEM_ID")) /* MariaDB itself only notes it */
		return drop_said(c, i, value_behind(t, i),
			t->from->flavor == t->to->flavor ? FEATURE_type_geometry : FEATURE_type_xml);
	if (tr_is(t, i, "COLUMN_FORMAT") || tr_is(t, i, "STORAGE"))
		return drop_said(c, i, i + 2, FEATURE_column_format);
	if (tr_is(t, i, "ENGINE_ATTRIBUTE") || tr_is(t, i, "SECONDARY_ENGINE_ATTRIBUTE"))
		return drop_said(c, i, value_behind(t, i), FEATURE_engine_attribute);
	if (tr_is(t, i, "NOT") && tr_is(t, i + 1, "SECONDARY"))
		return drop_said(c, i, i + 2, FEATURE_engine_attribute);
	if (t->t[i].type == SQL_IDENT && tr_is_char(t, i + 1, '='))
		return drop_said(c, i, i + 3, FEATURE_quoted_option);
	return 0;
}

/* The token behind REFERENCES p (c) MATCH … ON DELETE … ON UPDATE …, which begins at i; *parts: where (c) is.
 */
static size_t references_end(const struct tr *t, size_t i, size_t *parts)
{
	for (i += 2; tr_is_char(t, i, '.'); i += 2)
		;
	*parts = tr_is_char(t, i, '(') ? i : SIZE_MAX;
	if (*parts != SIZE_MAX)
		i = tr_close(t, i) + 1;
	while (tr_is(t, i, "MATCH") || (tr_is(t, i, "ON") && i + 2 < t->n))
		i += tr_is(t, i, "MATCH") ? 2u : tr_is(t, i + 2, "SET") || tr_is(t, i + 2, "NO") ? 4u : 3u;
	return i < t->n ? i : t->n;
}

/* The index is left. */
static void ignored_references(struct column_reader *c, size_t at, size_t end)
{
	struct tr *t = c->t;

	tr_note_foreign(t, at, end);
	tr_drop(t, at, end);
	if (!tr_has_index(t, at, c->type - 1, true))
		tr_append(t, c->b - 1, ", %sKEY (%.*s)",
			t->ddl->verb == SQL_VERB_ALTER_TABLE && t->t[at].depth == 0 ? "ADD " : "",
			STR_ARG(tr_text(t, c->type - 1)));
}

/* A column's own REFERENCES: a foreign key to the one, nothing to the other. */
static int references(struct column_reader *c, size_t *i)
{
	struct tr *t = c->t;
	bool from = knows(t->from, FEATURE_inline_references), to = knows(t->to, FEATURE_inline_references);
	size_t parts, at = *i, end = references_end(t, at, &parts);
	struct str text = {t->source.p + t->t[at].at, t->t[end - 1].at + t->t[end - 1].len - t->t[at].at};

	*i = end;
	if (from && tr_ignores_foreign(t)) {
		ignored_references(c, at, end);
		return 0;
	}
	if (from == to)
		return 0;
	if (!from) {
		tr_note(t, "dropped %.*s, which the source does not heed", (int)(text.n < 120 ? text.n : 120),
			text.p);
		tr_drop(t, at, end);
		return 0;
	}
	if (parts == SIZE_MAX || (t->ddl->verb == SQL_VERB_ALTER_TABLE && t->t[at].depth > 0))
		return tr_fail(t,
			"the target wants this foreign key as one of the table: ADD FOREIGN KEY with "
			"its columns");
	tr_drop(t, at, end);
	tr_append(t, c->b - 1, ", %sFOREIGN KEY (%.*s) %.*s",
		t->ddl->verb == SQL_VERB_ALTER_TABLE ? "ADD " : "", STR_ARG(tr_text(t, c->type - 1)),
		STR_ARG(text));
	return 0;
}

static size_t plain_attribute(struct column_reader *c, size_t i)
{
	struct tr *t = c->t;

	if (tr_is(t, i, "NOT") && tr_is(t, i + 1, "NULL")) {
		c->not_null = i;
		return i + 2;
	}
	if (tr_is(t, i, "NULL"))
		c->null = i;
	else if (tr_is(t, i, "PRIMARY"))
		c->primary = true;
	else if (tr_is(t, i, "INVISIBLE"))
		c->invisible = i;
	else if (tr_is(t, i, "VISIBLE") && !knows(t->to, FEATURE_set_column_visible))
		tr_drop(t, i, i + 1);
	else if (tr_is(t, i, "AUTO_INCREMENT"))
		c->auto_increment = true;
	else if (tr_is(t, i, "PERSISTENT") && !knows(t->to, FEATURE_column_persistent))
		tr_replace(t, i, "STORED");
	else if (tr_is(t, i, "COLLATE"))
		c->collate = i + 1;
	else if (tr_is(t, i, "COMMENT") || tr_is(t, i, "AFTER"))
		return i + 2;
	else if (tr_is_char(t, i, '('))
		return tr_close(t, i) + 1;
	return i + 1 + tr_is(t, i, "COLLATE");
}

static int attribute(struct column_reader *c, size_t *i)
{
	struct tr *t = c->t;
	size_t next;

	if (tr_is(t, *i, "DEFAULT")) {
		size_t at = *i;

		c->has_default = true;
		if (tr_default(t, at, c->word, i) < 0)
			return -1;
		return c->address == COLUMN_OTHER ? 0 : tr_address_default(t, at, *i, c->address);
	}
	if (tr_is(t, *i, "ON") && tr_is(t, *i + 1, "UPDATE")) {
		c->on_update = true;
		*i += 3;
		return 0;
	}
	if (tr_is(t, *i, "REFERENCES"))
		return references(c, i);
	if (tr_is(t, *i, "GENERATED") || tr_is(t, *i, "AS"))
		next = generated(c, *i);
	else if (tr_is(t, *i, "CHECK") || tr_is(t, *i, "CONSTRAINT"))
		next = column_check(c, *i);
	else if (tr_is(t, *i, "CHARSET") ||
		 ((tr_is(t, *i, "CHARACTER") || tr_is(t, *i, "CHAR")) && tr_is(t, *i + 1, "SET")))
		next = charset(c, *i);
	else
		next = foreign_attribute(c, *i);
	*i = next ? next : plain_attribute(c, *i);
	return 0;
}

/* --- what depends on several attributes --- */

static void settle_invisible(struct column_reader *c)
{
	struct tr *t = c->t;
	/* MariaDB wants a value for a column that an INSERT can't see. */
	bool valueless = t->to->flavor == FLAVOR_MARIADB && c->not_null != SIZE_MAX && !c->has_default &&
			 !c->auto_increment && !c->generated;

	if (c->invisible == SIZE_MAX)
		return;
	if (knows(t->to, FEATURE_column_invisible) && !valueless)
		return;
	tr_note(t, "an INVISIBLE column became visible");
	tr_drop(t, c->invisible, c->invisible + 1);
}

static void settle_generated(struct column_reader *c)
{
	struct tr *t = c->t;

	if (!c->generated || knows(t->to, FEATURE_generated_not_null))
		return;
	if (c->not_null != SIZE_MAX) {
		tr_note(t, "NOT NULL of a generated column is dropped");
		tr_drop(t, c->not_null, c->not_null + 2);
	}
	if (c->null != SIZE_MAX)
		tr_drop(t, c->null, c->null + 1);
}

/* Where explicit_defaults_for_timestamp is off, TIMESTAMP without a word means more than it says. */
static int settle_timestamp(struct column_reader *c)
{
	struct tr *t = c->t;
	bool sized = tr_is_char(t, c->type + 1, '(');
	struct str fraction = sized ? tr_text(t, c->type + 2) : STR_LIT("");
	bool first = !t->first_timestamp_seen, from = knows(t->from, FEATURE_explicit_timestamp),
	     to = knows(t->to, FEATURE_explicit_timestamp);

	if (!tr_is(t, c->type, "timestamp") || c->generated)
		return 0;
	t->first_timestamp_seen = true;
	if (from && !to && c->not_null != SIZE_MAX && !c->has_default && !c->on_update)
		tr_append(t, c->not_null + 1, " DEFAULT '0000-00-00 00:00:00'");
	if (from || !to || c->not_null != SIZE_MAX || c->null != SIZE_MAX || c->has_default || c->on_update)
		return 0;
	if (t->ddl->verb != SQL_VERB_CREATE_TABLE)
		return tr_fail(t, "whether this TIMESTAMP has a default depends on the whole table; add it "
				  "at the target by "
				  "hand, with NULL or DEFAULT");
	if (first)
		tr_append(t, sized ? c->type + 3 : c->type,
			" NOT NULL DEFAULT CURRENT_TIMESTAMP%s%.*s%s ON UPDATE CURRENT_TIMESTAMP%s%.*s%s",
			sized ? "(" : "", STR_ARG(fraction), sized ? ")" : "", sized ? "(" : "",
			STR_ARG(fraction), sized ? ")" : "");
	else
		tr_append(t, sized ? c->type + 3 : c->type, " NOT NULL DEFAULT '0000-00-00 00:00:00'");
	return 0;
}

int tr_column(struct tr *t, size_t a, size_t b)
{
	struct column_reader c = {.t = t,
		.type = a + 1,
		.b = b,
		.charset = SIZE_MAX,
		.collate = SIZE_MAX,
		.not_null = SIZE_MAX,
		.null = SIZE_MAX,
		.invisible = SIZE_MAX,
		.address = COLUMN_OTHER};
	size_t i = a + 2;

	if (!tr_is_name(t, a) || a + 1 >= b)
		return 0;
	snprintf(t->column, sizeof(t->column), "%s", tr_name(t, a));
	column_type(&c);
	if (tr_is_char(t, i, '('))
		i = tr_close(t, i) + 1;
	while (i < b) {
		if (attribute(&c, &i) < 0)
			return -1;
	}
	if (tr_charset(t, c.charset, c.collate < t->n ? c.collate : SIZE_MAX, " ") < 0)
		return -1;
	if (c.address != COLUMN_OTHER && (c.not_null != SIZE_MAX || c.primary) && !c.has_default &&
		!c.generated)
		tr_address_zero(t, c.type, c.address);
	settle_invisible(&c);
	settle_generated(&c);
	i = (size_t)settle_timestamp(&c);
	t->column[0] = 0;
	return i ? -1 : 0;
}
