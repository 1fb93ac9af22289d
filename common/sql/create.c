/*
 * A CREATE TABLE statement as a structure, and back, for `binlog-schema`. Called by units/check. Read are the
 * forms that SHOW CREATE TABLE prints, and the usual other names of types; what is not among them is an error
 * that names the column. It must never guess: rows are read by what comes out of here.
 */
#include "common/sql/create.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/xalloc.h"
#include "common/sql/quote.h"
#include "common/sql/translate.h"

enum { SPATIAL_PREFIX = 32 }; /* information_schema counts a SPATIAL key as one over a prefix */

struct create {
	struct tr t; /* first: tr_each's functions get no more than this */
	struct structure *s;
	const struct collation *collation; /* of columns that say none; NULL: not known */
	bool spatial, other_part;          /* the key that is read: its kind; a part that is no column */
};

static struct create *of(struct tr *t)
{
	return (struct create *)t;
}

static int bad(struct create *c, const char *column, const char *what)
{
	return err_set(c->t.e, ERR_sql_parse,
		"`%s`: %s: write it as SHOW CREATE TABLE of the upstream shows it", column, what);
}

/* --- types --- */

static const struct {
	const char *word, *type;
} aliases[] = {
	{"integer", "int"},
	{"int1", "tinyint"},
	{"int2", "smallint"},
	{"int3", "mediumint"},
	{"middleint", "mediumint"},
	{"int4", "int"},
	{"int8", "bigint"},
	{"bool", "tinyint(1)"},
	{"boolean", "tinyint(1)"},
	{"dec", "decimal"},
	{"numeric", "decimal"},
	{"fixed", "decimal"},
	{"real", "double"},
	{"float8", "double"},
	{"float4", "float"},
	{"character", "char"},
};

/* Sizes that are meant where none is written. */
static const struct {
	const char *type, *size;
} sizes[] = {{"char", "(1)"}, {"binary", "(1)"}, {"bit", "(1)"}, {"decimal", "(10,0)"}};

static void put_lower(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_putc(out, s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] - 'A' + 'a') : s.p[i]);
}

static void put_word(struct create *c, size_t at, struct buf *out)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (tr_is(&c->t, at, aliases[i].word)) {
			buf_puts(out, aliases[i].type);
			return;
		}
	/* MariaDB's is text with a check, and information_schema says so. */
	if (tr_is(&c->t, at, "json") && c->t.from->flavor == FLAVOR_MARIADB)
		buf_puts(out, "longtext");
	else
		put_lower(out, tr_text(&c->t, at));
}

static bool is_sized_lob(struct str type)
{
	return str_is(type, "text") || str_is(type, "blob");
}

/* "(10,2)", "('a','b')": without the blanks between its tokens. */
static void put_size(struct create *c, size_t open, struct buf *out)
{
	size_t close = tr_close(&c->t, open);
	unsigned commas = 0;

	for (size_t i = open; i < close; i++) {
		commas += tr_is_char(&c->t, i, ',');
		buf_put(out, tr_text(&c->t, i).p, tr_text(&c->t, i).n);
	}
	if (str_starts(buf_str(out), "decimal(") && commas == 0)
		buf_puts(out, ",0");
	buf_putc(out, ')');
}

/* The type at `at`, as information_schema words it; *next: the token behind. */
static int read_type(struct create *c, const char *column, size_t at, struct buf *out, size_t *next)
{
	struct tr *t = &c->t;

	if (at >= t->n || t->t[at].type != SQL_WORD)
		return bad(c, column, "its type can't be read");
	put_word(c, at, out);
	*next = at + 1;
	if (tr_is(t, *next, "PRECISION") || tr_is(t, *next, "VARYING")) {
		if (tr_is(t, *next, "VARYING")) {
			buf_clear(out);
			buf_puts(out, "varchar");
		}
		(*next)++;
	}
	if (tr_is_char(t, *next, '(')) {
		if (is_sized_lob(buf_str(out)))
			return bad(c, column, "which of the four sizes it has is not said");
		put_size(c, *next, out);
		*next = tr_close(t, *next) + 1;
		return 0;
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (str_is(buf_str(out), sizes[i].type)) {
			buf_puts(out, sizes[i].size);
			break;
		}
	return 0;
}

/* --- columns --- */

struct reader {
	struct create *c;
	struct column *col;
	size_t charset, collate; /* SIZE_MAX: not there */
	bool zerofill, compressed, primary, unique;
	const char *unread;
};

static size_t behind_default(const struct tr *t, size_t i)
{
	i += 1 + tr_is_char(t, i + 1, '-');
	if (tr_is_char(t, i, '('))
		return tr_close(t, i) + 1;
	i++;
	return tr_is_char(t, i, '(') ? tr_close(t, i) + 1 : i;
}

static size_t charset_word(struct reader *r, size_t i)
{
	const struct tr *t = &r->c->t;

	i += tr_is(t, i, "CHARSET") ? 1 : 2;
	i += tr_is_char(t, i, '=');
	r->charset = i;
	return i + 1;
}

/* Words that change what the values are; those of the rest do not matter to a reader of rows. */
static size_t meaning(struct reader *r, size_t i)
{
	const struct tr *t = &r->c->t;
	struct column *c = r->col;

	if (tr_is(t, i, "UNSIGNED"))
		c->is_unsigned = true;
	else if (tr_is(t, i, "ZEROFILL"))
		c->is_unsigned = r->zerofill = true;
	else if (tr_is(t, i, "AUTO_INCREMENT"))
		c->auto_increment = true;
	else if (tr_is(t, i, "INVISIBLE"))
		c->invisible = true;
	else if (tr_is(t, i, "STORED") || tr_is(t, i, "PERSISTENT"))
		c->is_virtual = false;
	else if (tr_is(t, i, "COMPRESSED"))
		r->compressed = true;
	else if (tr_is(t, i, "UNIQUE"))
		r->unique = true;
	else if (tr_is(t, i, "PRIMARY") || (tr_is(t, i, "KEY") && !tr_is(t, i - 1, "UNIQUE")))
		r->primary = true;
	else if (tr_is(t, i, "SERIAL"))
		r->unread = "SERIAL DEFAULT VALUE";
	else if (tr_is(t, i, "BINARY") || tr_is(t, i, "ASCII") || tr_is(t, i, "UNICODE") ||
		 tr_is(t, i, "BYTE") || tr_is(t, i, "VARYING"))
		r->unread = "an attribute that says the charset without its name";
	return i + 1;
}

/* AS (…), or MariaDB's AS ROW START: virtual, unless a later word says otherwise. */
static size_t expression(struct reader *r, size_t i)
{
	const struct tr *t = &r->c->t;
	bool paren = tr_is_char(t, i, '(');
	size_t end = paren ? tr_close(t, i) : i + 2;
	size_t from = paren ? t->t[i].at + 1 : t->t[i].at, to = t->t[end < t->n ? end : t->n].at;

	if (tr_is(t, i, "ROW"))
		r->col->nullable = false;
	else if (!paren)
		r->unread = "what it is generated from";
	while (!paren && to > from && t->source.p[to - 1] == ' ')
		to--;
	free(r->col->expression);
	r->col->expression = to > from ? xstrndup(t->source.p + from, to - from) : NULL;
	r->col->generated = true;
	r->col->is_virtual = paren;
	return end + paren;
}

static size_t attribute(struct reader *r, size_t i)
{
	const struct tr *t = &r->c->t;

	if (tr_is(t, i, "NOT") && tr_is(t, i + 1, "NULL")) {
		r->col->nullable = false;
		return i + 2;
	}
	if (tr_is(t, i, "DEFAULT"))
		return behind_default(t, i);
	if (tr_is(t, i, "ON"))
		return i + 3;
	if (tr_is(t, i, "COMMENT"))
		return i + 2;
	if (tr_is(t, i, "CHARSET") ||
		((tr_is(t, i, "CHARACTER") || tr_is(t, i, "CHAR")) && tr_is(t, i + 1, "SET")))
		return charset_word(r, i);
	if (tr_is(t, i, "COLLATE")) {
		r->collate = i + 1;
		return i + 2;
	}
	if (tr_is(t, i, "AS"))
		return expression(r, i + 1);
	return tr_is_char(t, i, '(') ? tr_close(t, i) + 1 : meaning(r, i);
}

static bool has_charset(enum column_kind k)
{
	return k == COLUMN_TEXT || k == COLUMN_ENUM || k == COLUMN_SET;
}

static void set_charset(struct create *c, struct column *col, const struct collation *collation)
{
	free(col->charset);
	free(col->collation);
	col->charset = xstrdup(collation_charset(collation, c->t.from));
	col->collation = xstrdup(collation_name(collation, c->t.from));
}

static int settle_charset(struct reader *r)
{
	struct create *c = r->c;
	bool said = r->charset != SIZE_MAX || r->collate != SIZE_MAX;
	const struct collation *collation = said ? tr_collation(&c->t, r->charset, r->collate) : c->collation;

	if (!has_charset(r->col->kind))
		return 0;
	if (!collation)
		return bad(c, r->col->name, said ? "its collation is not known" : "its charset is not said");
	if (strcmp(collation->name, "binary") == 0)
		return bad(c, r->col->name, "text of the charset binary");
	set_charset(c, r->col, collation);
	return 0;
}

static unsigned fixed_length(const struct column *c)
{
	const char *paren = strchr(c->type, '(');
	bool fixed = strncmp(c->type, "binary(", 7) == 0 || strncmp(c->type, "bit(", 4) == 0 ||
		     c->kind == COLUMN_VECTOR;

	return fixed && paren ? (unsigned)strtoul(paren + 1, NULL, 10) : 0;
}

static struct key *add_key(struct structure *s, const char *name, bool primary, bool unique)
{
	struct key *k;

	s->keys = xrealloc(s->keys, (s->nkeys + 1) * sizeof(*s->keys));
	k = &s->keys[s->nkeys++];
	*k = (struct key){.name = xstrdup(primary ? "PRIMARY" : name),
		.primary = primary,
		.unique = unique || primary,
		.whole = true,
		.columns = xcalloc(1, sizeof(unsigned))};
	return k;
}

/* prefix 0: the whole column. */
static void add_part(struct key *k, unsigned column, unsigned prefix)
{
	k->columns = xrealloc(k->columns, (k->ncolumns + 1) * sizeof(*k->columns));
	k->columns[k->ncolumns++] = column;
	if (prefix)
		k->whole = false;
	k->prefixes = xrealloc(k->prefixes, k->ncolumns * sizeof(*k->prefixes));
	k->prefixes[k->ncolumns - 1] = prefix;
}

static void finish_type(struct reader *r, struct buf *type)
{
	if (r->col->is_unsigned)
		buf_puts(type, " unsigned");
	if (r->zerofill)
		buf_puts(type, " zerofill");
	if (r->compressed)
		buf_puts(type, " /*M!100301 COMPRESSED*/");
	free(r->col->type);
	r->col->type = xstrdup(buf_cstr(type));
	r->col->length = fixed_length(r->col);
}

static int add_column(struct create *c, const char *name)
{
	struct structure *s = c->s;

	if (structure_column(s, name) >= 0)
		return bad(c, name, "two columns of this name");
	s->columns = xrealloc(s->columns, (s->ncolumns + 1) * sizeof(*s->columns));
	s->columns[s->ncolumns++] = (struct column){.name = xstrdup(name),
		.type = xstrdup(""),
		.charset = xstrdup(""),
		.collation = xstrdup(""),
		.nullable = true};
	return 0;
}

/* SHOW CREATE TABLE's JSON of MariaDB older than 10.6, and what was typed by hand. */
static bool is_maria_json(const struct create *c, size_t at)
{
	return tr_is(&c->t, at, "json") && c->t.from->flavor == FLAVOR_MARIADB;
}

static int column(struct create *c, size_t a, size_t b)
{
	struct reader r = {.c = c, .charset = SIZE_MAX, .collate = SIZE_MAX};
	const char *name = tr_name(&c->t, a);
	struct buf type = {0};
	size_t i = a + 1;
	int rc;

	if (!tr_is_name(&c->t, a) || add_column(c, name) < 0)
		return tr_is_name(&c->t, a) ? -1 : bad(c, name, "a column's name is missing");
	r.col = &c->s->columns[c->s->ncolumns - 1];
	rc = read_type(c, name, i, &type, &i);
	while (rc == 0 && i < b)
		i = attribute(&r, i);
	if (rc == 0) {
		finish_type(&r, &type);
		r.col->kind = column_kind_of(r.col->type, "", c->t.from);
		if (r.col->kind == COLUMN_OTHER)
			rc = bad(c, name, "its type is not known");
		else if (r.unread)
			rc = bad(c, name, r.unread);
		else if (is_maria_json(c, a + 1))
			set_charset(c, r.col, collation_find(STR_LIT("utf8mb4_bin")));
		else
			rc = settle_charset(&r);
		r.col->length = fixed_length(r.col);
	}
	if (r.primary)
		r.col->nullable = false;
	if (rc == 0 && (r.primary || r.unique))
		add_part(add_key(c->s, name, r.primary, true), c->s->ncolumns - 1, 0);
	buf_free(&type);
	return rc;
}

/* --- keys --- */

static int key_part(struct tr *t, size_t a, size_t b)
{
	struct create *c = of(t);
	struct key *k = &c->s->keys[c->s->nkeys - 1];
	unsigned prefix = c->spatial ? SPATIAL_PREFIX : 0;
	int at;

	if (tr_is_char(t, a, '(')) {
		c->other_part = true; /* an expression */
		return 0;
	}
	at = tr_is_name(t, a) ? structure_column(c->s, tr_name(t, a)) : -1;
	if (at < 0)
		return bad(c, k->name, "a key over a column that the table has not");
	if (tr_is_char(t, a + 1, '('))
		prefix = (unsigned)strtoul(t->source.p + t->t[a + 2].at, NULL, 10);
	if (a + 1 < b && tr_is(t, a + 1, "WITHOUT"))
		c->other_part = true;
	if (k->primary)
		c->s->columns[at].nullable = false;
	add_part(k, (unsigned)at, prefix);
	return 0;
}

/* Where the parts of a key begin; b: nowhere. */
static size_t parts_of(const struct tr *t, size_t a, size_t b)
{
	while (a < b && !tr_is_char(t, a, '('))
		a++;
	return a;
}

/* Beside an expression they count for nothing: nobody can tell which values such a key has. */
static void forget_prefixes(struct key *k)
{
	k->whole = false;
	free(k->prefixes);
	k->prefixes = NULL;
}

static int key(struct create *c, size_t a, size_t b)
{
	struct tr *t = &c->t;
	const char *name = "";
	bool primary, unique;
	size_t open;

	if (tr_is(t, a, "CONSTRAINT")) {
		if (tr_is_name(t, a + 1) && !tr_is(t, a + 1, "UNIQUE") && !tr_is(t, a + 1, "PRIMARY") &&
			!tr_is(t, a + 1, "CHECK") && !tr_is(t, a + 1, "FOREIGN"))
			name = tr_name(t, ++a);
		a++;
	}
	if (tr_is(t, a, "FOREIGN") || tr_is(t, a, "CHECK") || tr_is(t, a, "PERIOD"))
		return 0;
	primary = tr_is(t, a, "PRIMARY");
	unique = tr_is(t, a, "UNIQUE");
	c->spatial = tr_is(t, a, "SPATIAL");
	a++;
	if (tr_is(t, a, "KEY") || tr_is(t, a, "INDEX"))
		a++;
	if (tr_is_name(t, a) && !tr_is(t, a, "USING"))
		name = tr_name(t, a);
	open = parts_of(t, a, b);
	if (open == b)
		return bad(c, name, "a key without columns");
	if (!*name)
		name = tr_is_name(t, open + 1) ? tr_name(t, open + 1) : "key";
	add_key(c->s, name, primary, unique);
	c->other_part = false;
	if (tr_each(t, open + 1, tr_close(t, open), key_part) < 0)
		return -1;
	if (c->other_part)
		forget_prefixes(&c->s->keys[c->s->nkeys - 1]);
	return 0;
}

static int columns_only(struct tr *t, size_t a, size_t b)
{
	return a == b || tr_is_key(t, a) ? 0 : column(of(t), a, b);
}

static int keys_only(struct tr *t, size_t a, size_t b)
{
	return a < b && tr_is_key(t, a) ? key(of(t), a, b) : 0;
}

/* As db_structure's list has them. */
static int by_rank(const void *x, const void *y)
{
	const struct key *a = x, *b = y;

	if (a->unique != b->unique)
		return a->unique ? -1 : 1;
	if (a->primary != b->primary)
		return a->primary ? -1 : 1;
	return strcasecmp(a->name, b->name);
}

static bool has_prefix(const struct key *k)
{
	bool any = false;

	for (unsigned i = 0; k->prefixes && i < k->ncolumns; i++)
		any = any || k->prefixes[i];
	return any;
}

static void settle_keys(struct structure *s)
{
	for (unsigned i = 0; i < s->nkeys; i++) {
		struct key *k = &s->keys[i];

		k->usable = k->unique && k->whole && k->ncolumns > 0;
		if (!has_prefix(k)) {
			free(k->prefixes);
			k->prefixes = NULL;
		}
		for (unsigned p = 0; p < k->ncolumns; p++)
			k->usable = k->usable && !s->columns[k->columns[p]].nullable;
	}
	if (s->nkeys)
		qsort(s->keys, s->nkeys, sizeof(*s->keys), by_rank);
	s->key = structure_naming_key(s);
}

/* --- the whole --- */

/* [DEFAULT] CHARSET=x COLLATE=y behind the parentheses. */
static void table_collation(struct create *c, size_t i)
{
	size_t charset = SIZE_MAX, collate = SIZE_MAX;
	const struct tr *t = &c->t;

	for (; i < t->n && !tr_is(t, i, "PARTITION"); i++) {
		size_t value = t->t[i].depth == 0 ? tr_charset_value(t, i) : 0;

		if (value)
			*(tr_is(t, i, "COLLATE") ? &collate : &charset) = value;
	}
	if (charset != SIZE_MAX || collate != SIZE_MAX)
		c->collation = tr_collation(&c->t, charset, collate);
	if (c->collation && (charset != SIZE_MAX || collate != SIZE_MAX))
		c->s->charset = xstrndup(c->collation->name, strcspn(c->collation->name, "_"));
}

/* MariaDB's row history: of the table, or of one of its columns at least. */
static void row_history(struct create *c)
{
	const struct column *shown = structure_end_column(c->s);
	const struct tr *t = &c->t;
	const char *end = shown ? shown->name : "";

	for (size_t i = 0; !shown && i < t->n; i++)
		if (tr_is(t, i, "WITH") && tr_is(t, i + 1, "SYSTEM") && tr_is(t, i + 2, "VERSIONING"))
			end = "row_end";
	c->s->row_end = xstrdup(end);
	structure_cut_end(c->s);
}

static int read_table(struct create *c, const struct sql_ddl *ddl)
{
	struct tr *t = &c->t;
	size_t open, close;

	if (ddl->verb != SQL_VERB_CREATE_TABLE || ddl->like || ddl->as_select)
		return err_set(t->e, ERR_sql_parse, "a CREATE TABLE statement with its columns is wanted");
	c->s->schema = xstrdup(ddl->tables[0].schema);
	c->s->table = xstrdup(ddl->tables[0].table);
	open = tr_find(t, ddl->tables[0].end);
	if (!tr_is_char(t, open, '('))
		return err_set(t->e, ERR_sql_parse, "the table's columns are missing");
	close = tr_close(t, open);
	table_collation(c, close + 1);
	if (tr_each(t, open + 1, close, columns_only) < 0 || tr_each(t, open + 1, close, keys_only) < 0)
		return -1;
	if (c->s->ncolumns == 0)
		return err_set(t->e, ERR_sql_parse, "a table without columns");
	row_history(c);
	settle_keys(c->s);
	return 0;
}

struct structure *structure_from_create(
	struct str text, const struct server *from, const char *collation, struct err *e)
{
	struct sql_ddl *ddl = xcalloc(1, sizeof(*ddl));
	struct create c = {
		.t = {.from = from, .to = from, .source = text, .e = e, .ddl = ddl, .mem = arena_new(4096)},
		.s = xcalloc(1, sizeof(struct structure)),
		.collation = collation_find(str_of(collation))};

	if (sql_ddl_read(text, from, 0, ddl, e) < 0 || tr_read(&c.t, 0) < 0 || read_table(&c, ddl) < 0)
		structure_free(&c.s);
	free(c.t.t);
	free(c.t.vc);
	arena_free(&c.t.mem);
	free(ddl);
	return c.s;
}

/* --- and back --- */

static void put_expression(const struct column *c, struct buf *out)
{
	if (structure_is_row_time(c)) {
		buf_putf(out, " GENERATED ALWAYS AS %s", c->expression);
		return;
	}
	if (!c->expression) {
		buf_puts(out, " GENERATED ALWAYS AS (NULL) /* the expression is not recorded */");
		return;
	}
	buf_putf(out, " GENERATED ALWAYS AS (%s) %s", c->expression, c->is_virtual ? "VIRTUAL" : "STORED");
}

static void put_column(const struct structure *s, const struct column *c, struct buf *out)
{
	bool ends = s->row_end && strcmp(s->row_end, c->name) == 0;

	buf_puts(out, "  ");
	sql_put_ident(out, str_of(c->name));
	buf_putf(out, " %s", c->type);
	if (has_charset(c->kind) && c->charset && *c->charset)
		buf_putf(out, " CHARACTER SET %s COLLATE %s", c->charset, c->collation);
	if (c->generated)
		put_expression(c, out);
	else if (ends)
		buf_puts(out, " GENERATED ALWAYS AS ROW END");
	if (!c->nullable && !ends && !structure_is_row_time(c))
		buf_puts(out, " NOT NULL");
	if (c->invisible)
		buf_puts(out, " INVISIBLE");
	if (c->auto_increment)
		buf_puts(out, " AUTO_INCREMENT");
}

/* Expressions of keys are not recorded, nor are prefixes beside them. */
static void put_key(const struct structure *s, const struct key *k, struct buf *out)
{
	bool expression = !k->whole && !k->prefixes;

	buf_puts(out, k->primary ? "  PRIMARY KEY" : k->unique ? "  UNIQUE KEY " : "  KEY ");
	if (!k->primary)
		sql_put_ident(out, str_of(k->name));
	buf_puts(out, " (");
	for (unsigned i = 0; i < k->ncolumns; i++) {
		buf_puts(out, i ? "," : "");
		sql_put_ident(out, str_of(s->columns[k->columns[i]].name));
		if (k->prefixes && k->prefixes[i])
			buf_putf(out, "(%u)", k->prefixes[i]);
	}
	if (expression)
		buf_puts(out, k->ncolumns ? ",(NULL)" : "(NULL)");
	buf_puts(out, expression ? ") /* the expression is not recorded */" : ")");
}

/* What the downstream keeps as a plain column has lost its words; its end is told by the record. */
static void put_period(const struct structure *s, struct buf *out)
{
	const struct column *start = NULL;

	for (unsigned i = 0; i < s->ncolumns; i++)
		if (structure_is_row_time(&s->columns[i]) &&
			!str_is_ci(str_of(s->row_end), s->columns[i].name))
			start = &s->columns[i];
	if (!start)
		return;
	buf_puts(out, ",\n  PERIOD FOR SYSTEM_TIME (");
	sql_put_ident(out, str_of(start->name));
	buf_puts(out, ", ");
	sql_put_ident(out, str_of(s->row_end));
	buf_putc(out, ')');
}

void structure_put_create(const struct structure *s, struct buf *out)
{
	buf_puts(out, "CREATE TABLE ");
	if (*s->schema)
		sql_put_table(out, str_of(s->schema), str_of(s->table));
	else
		sql_put_ident(out, str_of(s->table));
	buf_puts(out, " (\n");
	for (unsigned i = 0; i < s->ncolumns; i++) {
		buf_puts(out, i ? ",\n" : "");
		put_column(s, &s->columns[i], out);
	}
	for (unsigned i = 0; i < s->nkeys; i++) {
		buf_puts(out, ",\n");
		put_key(s, &s->keys[i], out);
	}
	if (s->row_end && s->row_end[0])
		put_period(s, out);
	buf_puts(out, "\n)");
	if (s->charset)
		buf_putf(out, " DEFAULT CHARSET=%s", s->charset);
	if (s->row_end && s->row_end[0])
		buf_puts(out, " WITH SYSTEM VERSIONING");
}
