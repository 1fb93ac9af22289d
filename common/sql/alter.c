/*
 * ALTER TABLE taken apart: which events it is made of, and its text without some of them. The names are DM's
 * (include/event.def), and so is what they stand for; where DM calls a part by a wider name than ours, both
 * are said. Called by sync's ddl_filter.c; asks nobody.
 */
#include "common/sql/alter.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/xalloc.h"

enum { HEAD = 10 }; /* tokens of a part that say what it is */

/* A part's first tokens. */
struct head {
	struct sql_lexer t[HEAD];
	unsigned n;
};

static bool is(const struct head *h, unsigned i, const char *word)
{
	return i < h->n && sql_lex_is(&h->t[i], word);
}

static bool any_of(const struct head *h, unsigned i, const char *const *words)
{
	for (; *words; words++)
		if (is(h, i, *words))
			return true;
	return false;
}

static unsigned skip_if_exists(const struct head *h, unsigned i)
{
	if (!is(h, i, "IF"))
		return i;
	return is(h, i + 1, "NOT") ? i + 3 : i + 2;
}

static char *name_at(const struct head *h, unsigned i)
{
	char name[300];

	return i < h->n && sql_lex_ident(&h->t[i], name, sizeof(name)) ? xstrdup(name) : NULL;
}

static void set(struct alter_part *p, enum event_id id, enum event_id wide)
{
	p->event.id = id;
	p->event.wide = wide;
}

/* A name that needs its noun behind it; alone it may be a column's. */
static bool is_index_kind(const struct head *h, unsigned i)
{
	static const char *const kinds[] = {"FULLTEXT", "SPATIAL", "INDEX", "KEY", "UNIQUE", NULL};

	return any_of(h, i, kinds) || (is(h, i, "VECTOR") && (is(h, i + 1, "INDEX") || is(h, i + 1, "KEY")));
}

static unsigned skip_constraint(const struct head *h, unsigned i)
{
	static const char *const kinds[] = {"PRIMARY", "UNIQUE", "FOREIGN", "CHECK", NULL};

	if (!is(h, i, "CONSTRAINT"))
		return i;
	i++;
	i = skip_if_exists(h, i);
	return any_of(h, i, kinds) ? i : i + 1;
}

static void read_add(struct alter_part *p, const struct head *h)
{
	unsigned i = skip_constraint(h, 1);
	bool constraint = i > 1;

	set(p, EVENT_add_column, EVENT_alter_table);
	if (is(h, i, "PARTITION")) {
		set(p, EVENT_add_table_partition, EVENT_alter_table);
		p->shapes = false;
	} else if (is(h, i, "PRIMARY")) {
		set(p, EVENT_add_primary_key, EVENT_modify_constraint);
	} else if (is(h, i, "FOREIGN")) {
		set(p, EVENT_add_foreign_key, EVENT_modify_constraint);
		p->shapes = false;
	} else if (is(h, i, "CHECK") || (constraint && !is_index_kind(h, i))) {
		set(p, EVENT_modify_constraint, EVENT_modify_constraint);
		p->shapes = false;
	} else if (is_index_kind(h, i)) {
		set(p, EVENT_modify_constraint, EVENT_modify_constraint);
	} else if ((is(h, i, "SYSTEM") && is(h, i + 1, "VERSIONING")) ||
		   (is(h, i, "PERIOD") && is(h, i + 1, "FOR"))) {
		set(p, EVENT_alter_table, EVENT_alter_table);
	}
}

static void read_drop(struct alter_part *p, const struct head *h)
{
	set(p, EVENT_drop_column, EVENT_drop_column);
	if (is(h, 1, "PRIMARY")) {
		set(p, EVENT_drop_primary_key, EVENT_drop_primary_key);
	} else if (is(h, 1, "FOREIGN")) {
		set(p, EVENT_drop_foreign_key, EVENT_alter_table);
		p->shapes = false;
	} else if (is(h, 1, "INDEX") || is(h, 1, "KEY")) {
		set(p, EVENT_drop_index, EVENT_drop_index);
		p->name = name_at(h, skip_if_exists(h, 2));
	} else if (is(h, 1, "PARTITION")) {
		set(p, EVENT_drop_table_partition, EVENT_drop_table_partition);
		p->shapes = false;
	} else if (is(h, 1, "CONSTRAINT") || is(h, 1, "CHECK")) {
		set(p, EVENT_modify_constraint, EVENT_alter_table);
	} else if ((is(h, 1, "SYSTEM") && is(h, 2, "VERSIONING")) ||
		   (is(h, 1, "PERIOD") && is(h, 2, "FOR"))) {
		set(p, EVENT_alter_table, EVENT_alter_table);
	}
}

static void read_rename(struct alter_part *p, const struct head *h)
{
	if (is(h, 1, "COLUMN")) {
		set(p, EVENT_rename_column, EVENT_rename_column);
	} else if (is(h, 1, "INDEX") || is(h, 1, "KEY")) {
		set(p, EVENT_rename_index, EVENT_rename_index);
	} else {
		set(p, EVENT_rename_table, EVENT_rename_table);
		p->shapes = false;
	}
}

static void read_alter(struct alter_part *p, const struct head *h)
{
	if (is(h, 1, "INDEX") || is(h, 1, "KEY"))
		set(p, EVENT_alter_index_visibility, EVENT_alter_table);
	else if (is(h, 1, "CHECK") || is(h, 1, "CONSTRAINT"))
		set(p, EVENT_modify_constraint, EVENT_alter_table);
	else
		set(p, EVENT_set_default_value, EVENT_modify_default_value);
	p->shapes = p->event.id == EVENT_set_default_value;
}

static void read_change(struct alter_part *p, const struct head *h)
{
	unsigned i = skip_if_exists(h, is(h, 1, "COLUMN") ? 2 : 1);

	set(p, EVENT_alter_table, EVENT_alter_table);
	p->changes = true;
	p->name = name_at(h, i);
	p->now = name_at(h, is(h, 0, "CHANGE") ? i + 1 : i);
}

static void read_convert(struct alter_part *p, const struct head *h)
{
	(void)h;
	set(p, EVENT_modify_table_charset_and_collate, EVENT_modify_charset);
}

/* Words that say what a part is, where no more than these need be read. */
static const struct word {
	const char *first, *second; /* NULL: any */
	enum event_id id, wide;
	bool shapes;
	void (*read)(struct alter_part *p, const struct head *h);
} table_of_words[] = {
	{"ADD", NULL, 0, 0, true, read_add},
	{"DROP", NULL, 0, 0, true, read_drop},
	{"MODIFY", NULL, 0, 0, true, read_change},
	{"CHANGE", NULL, 0, 0, true, read_change},
	{"RENAME", NULL, 0, 0, true, read_rename},
	{"ALTER", NULL, 0, 0, true, read_alter},
	{"CONVERT", NULL, 0, 0, true, read_convert},
	{"TRUNCATE", "PARTITION", EVENT_truncate_table_partition, EVENT_truncate_table_partition, false,
		NULL},
	{"REORGANIZE", NULL, EVENT_reorganize_table_partition, EVENT_reorganize_table_partition, false, NULL},
	{"REBUILD", NULL, EVENT_rebuild_table_partition, EVENT_rebuild_table_partition, false, NULL},
	{"COALESCE", NULL, EVENT_coalesce_table_partition, EVENT_coalesce_table_partition, false, NULL},
	{"EXCHANGE", NULL, EVENT_exchange_table_partition, EVENT_exchange_table_partition, false, NULL},
	{"PARTITION", "BY", EVENT_alter_table_partitioning, EVENT_alter_table, false, NULL},
	{"REMOVE", "PARTITIONING", EVENT_remove_table_partitioning, EVENT_alter_table, false, NULL},
};

/* Says how the work is done, not what comes of it. */
static bool is_neutral(const struct head *h)
{
	static const char *const words[] = {"ALGORITHM", "LOCK", "FORCE", "NOCOPY", NULL};

	return any_of(h, 0, words) || ((is(h, 0, "WITH") || is(h, 0, "WITHOUT")) && is(h, 1, "VALIDATION"));
}

static void read_part(struct alter_part *p, const struct head *h)
{
	p->neutral = is_neutral(h);
	for (size_t i = 0; !p->neutral && i < sizeof(table_of_words) / sizeof(table_of_words[0]); i++) {
		const struct word *w = &table_of_words[i];

		if (!is(h, 0, w->first) || (w->second && !is(h, 1, w->second)))
			continue;
		set(p, w->id, w->wide);
		p->shapes = w->shapes;
		if (w->read)
			w->read(p, h);
		return;
	}
	set(p, EVENT_alter_table, EVENT_alter_table);
}

/* Options of the table, with or without commas between them: the first that has a name is the event. */
static void read_option(struct alter_part *p, const struct sql_lexer *lx)
{
	static const struct {
		const char *word;
		enum event_id id, wide;
	} options[] = {
		{"CHARSET", EVENT_modify_table_charset_and_collate, EVENT_modify_charset},
		{"CHARACTER", EVENT_modify_table_charset_and_collate, EVENT_modify_charset},
		{"COLLATE", EVENT_modify_table_charset_and_collate, EVENT_modify_collation},
		{"ENGINE", EVENT_modify_storage_engine, EVENT_modify_storage_engine},
		{"COMMENT", EVENT_modify_table_comment, EVENT_alter_table},
		{"AUTO_INCREMENT", EVENT_rebase_auto_id, EVENT_alter_table},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (sql_lex_is(lx, options[i].word)) {
			set(p, options[i].id, options[i].wide);
			return;
		}
}

static struct alter_part *add_part(struct alter *a, size_t at)
{
	if ((a->n & (a->n - 1)) == 0)
		a->parts = xrealloc(a->parts, (a->n ? a->n * 2 : 1) * sizeof(*a->parts));
	a->parts[a->n] = (struct alter_part){.at = at, .end = at};
	return &a->parts[a->n++];
}

struct reader {
	struct sql_lexer lx;
	struct alter *a;
	int depth, comment; /* of parentheses; the version comment that the part begins in */
};

static bool at_end(const struct reader *r)
{
	return r->lx.type == SQL_END || r->lx.type == SQL_BAD ||
	       (r->depth == 0 && sql_lex_is_char(&r->lx, ';'));
}

/* PARTITION BY follows the other parts without a comma, and so does REMOVE PARTITIONING, which is at the end:
 * else it is a column's name. */
static bool begins_partitioning(const struct reader *r)
{
	struct sql_lexer ahead = r->lx;

	if (r->depth != 0 || !(sql_lex_is(&r->lx, "PARTITION") || sql_lex_is(&r->lx, "REMOVE")))
		return false;
	sql_lex_next(&ahead);
	if (sql_lex_is(&r->lx, "PARTITION"))
		return sql_lex_is(&ahead, "BY");
	if (!sql_lex_is(&ahead, "PARTITIONING"))
		return false;
	sql_lex_next(&ahead);
	return ahead.type == SQL_END || sql_lex_is_char(&ahead, ';');
}

/* DROP PARTITION p, q and its like, ORDER BY a, b: of all servers' grammars nothing else may follow behind a
 * comma, whatever the names are. */
static bool is_list(const struct head *h)
{
	return is(h, 1, "PARTITION") || (is(h, 0, "ORDER") && is(h, 1, "BY"));
}

static void one_part(struct reader *r)
{
	struct alter_part *p = add_part(r->a, r->lx.token_at);
	struct head h = {.n = 0};
	bool charset = false; /* also as one option of several: columns that come later get it */

	r->comment = r->lx.in_version_comment;
	while (!at_end(r) && (r->depth != 0 || !sql_lex_is_char(&r->lx, ',') || is_list(&h))) {
		if (h.n > 0 && begins_partitioning(r))
			break;
		if (h.n < HEAD)
			h.t[h.n++] = r->lx;
		p->moves = p->moves ||
			   (r->depth == 0 && (sql_lex_is(&r->lx, "FIRST") || sql_lex_is(&r->lx, "AFTER")));
		charset = charset || (r->depth == 0 && sql_lex_is_charset(&r->lx));
		r->a->whole = r->a->whole || r->lx.in_version_comment != r->comment;
		r->depth += sql_lex_is_char(&r->lx, '(') - sql_lex_is_char(&r->lx, ')');
		p->end = r->lx.token_at + r->lx.token.n;
		sql_lex_next(&r->lx);
	}
	r->a->whole = r->a->whole || r->comment;
	read_part(p, &h);
	p->shapes = p->shapes || charset;
	if (p->changes || p->neutral || is_list(&h)) /* names are no options */
		return;
	for (unsigned i = 0; p->event.id == EVENT_alter_table && i < h.n; i++)
		read_option(p, &h.t[i]);
}

/* MariaDB's WAIT n and NOWAIT stand before the first part. */
static void skip_head(struct reader *r, const struct sql_ddl *ddl)
{
	while (r->lx.type != SQL_END && r->lx.type != SQL_BAD && r->lx.token_at < ddl->tables[0].end)
		sql_lex_next(&r->lx);
	if (sql_lex_is(&r->lx, "NOWAIT")) {
		sql_lex_next(&r->lx);
	} else if (sql_lex_is(&r->lx, "WAIT")) {
		sql_lex_next(&r->lx);
		sql_lex_next(&r->lx);
	}
}

int alter_read(struct str text, const struct server *from, uint64_t sql_mode, const struct sql_ddl *ddl,
	struct alter *out, struct err *e)
{
	struct reader r = {.a = out};

	*out = (struct alter){0};
	sql_ddl_lexer(&r.lx, text, from, sql_mode);
	sql_lex_next(&r.lx);
	skip_head(&r, ddl);
	while (!at_end(&r) && r.lx.type == SQL_WORD) {
		unsigned before = out->n;

		one_part(&r);
		out->parts[before].no_comma =
			before > 0 && !sql_lex_is_char(&r.lx, ',') &&
			(out->parts[before].event.id == EVENT_alter_table_partitioning ||
				out->parts[before].event.id == EVENT_remove_table_partitioning);
		if (sql_lex_is_char(&r.lx, ','))
			sql_lex_next(&r.lx);
	}
	/* Each begins with a word of its own. */
	if (!at_end(&r) || r.lx.type == SQL_BAD || r.depth != 0)
		return err_set(e, ERR_sql_parse, "ALTER TABLE: its parts can't be told apart at byte %zu",
			r.lx.token_at);
	for (unsigned i = 0; i < out->n; i++)
		out->parts[i].event.multi = out->n > 1;
	return 0;
}

void alter_fini(struct alter *a)
{
	for (unsigned i = 0; i < a->n; i++) {
		free(a->parts[i].name);
		free(a->parts[i].now);
	}
	free(a->parts);
	*a = (struct alter){0};
}

void alter_put(struct str text, const struct alter *a, const bool *keep, struct buf *out)
{
	bool any = false;

	buf_put(out, text.p, a->parts[0].at);
	buf_putc(out, ' '); /* words stay apart, whatever part comes first */
	for (unsigned i = 0; i < a->n; i++) {
		const struct alter_part *p = &a->parts[i];

		if (!keep[i] && !p->neutral)
			continue;
		if (any)
			buf_puts(out, p->no_comma ? " " : ", ");
		buf_put(out, text.p + p->at, p->end - p->at);
		any = true;
	}
}

/* --- what a column was, and is --- */

struct type {
	char base[32];
	unsigned long args[2];
	bool has_args;
	const char *elements; /* of enum and set: behind the parenthesis */
};

static struct type type_of(const char *text)
{
	struct type t = {.elements = ""};
	size_t n = strcspn(text, " (");
	char *end;

	snprintf(t.base, sizeof(t.base), "%.*s", (int)n, text);
	if (text[n] != '(')
		return t;
	t.elements = text + n + 1;
	t.has_args = true;
	t.args[0] = strtoul(t.elements, &end, 10);
	if (*end == ',')
		t.args[1] = strtoul(end + 1, NULL, 10);
	return t;
}

/* 1 to 8 bytes; 0: no integer. */
static unsigned integer_bytes(const char *base)
{
	static const struct {
		const char *base;
		unsigned bytes;
	} types[] = {{"tinyint", 1}, {"smallint", 2}, {"mediumint", 3}, {"int", 4}, {"bigint", 8}};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].base, base) == 0)
			return types[i].bytes;
	return 0;
}

/* How much a string or blob holds; 0: neither. */
static unsigned long string_size(const struct type *t)
{
	static const struct {
		const char *base;
		unsigned long size;
	} types[] = {{"tinytext", 255}, {"tinyblob", 255}, {"text", 65535}, {"blob", 65535},
		{"mediumtext", 16777215}, {"mediumblob", 16777215}, {"longtext", 4294967295ul},
		{"longblob", 4294967295ul}};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].base, t->base) == 0)
			return types[i].size;
	return strstr(t->base, "char") || strstr(t->base, "binary") ? t->args[0] + 1 : 0;
}

/* The old elements must be the first of the new ones. */
static bool loses_elements(const char *was, const char *now)
{
	size_t n = strlen(was);

	return n == 0 || strncmp(was, now, n - 1) != 0 || (now[n - 1] != ',' && now[n - 1] != ')');
}

static enum event_id same_base(
	const struct type *a, const struct type *b, bool other_sign, enum event_id *wide)
{
	bool other = a->args[0] != b->args[0] || a->args[1] != b->args[1];

	*wide = EVENT_COUNT;
	if (strcmp(a->base, "decimal") == 0)
		return other || other_sign ? EVENT_precision_decrease : EVENT_alter_table;
	if (strcmp(a->base, "enum") == 0 || strcmp(a->base, "set") == 0)
		return loses_elements(a->elements, b->elements) ? EVENT_value_range_decrease
								: EVENT_alter_table;
	if (integer_bytes(a->base))
		return other_sign ? EVENT_precision_decrease : EVENT_alter_table;
	if (strcmp(a->base, "binary") == 0)
		return other ? EVENT_precision_decrease : EVENT_alter_table;
	if (!other_sign && b->args[0] >= a->args[0] && b->args[1] >= a->args[1])
		return EVENT_alter_table;
	if (strcmp(a->base, "char") == 0) /* DM does not see it */
		*wide = EVENT_alter_table;
	return EVENT_value_range_decrease;
}

static enum event_id by_type(const struct column *was, const struct column *now, enum event_id *wide)
{
	struct type a = type_of(was->type), b = type_of(now->type);
	bool other_sign = was->is_unsigned != now->is_unsigned;

	*wide = EVENT_COUNT;
	if (strcmp(a.base, b.base) == 0)
		return same_base(&a, &b, other_sign, wide);
	if ((!strcmp(a.base, "char") && !strcmp(b.base, "varchar")) ||
		(!strcmp(a.base, "varchar") && !strcmp(b.base, "char")) ||
		(!strcmp(a.base, "binary") && !strcmp(b.base, "varbinary")) ||
		(!strcmp(a.base, "varbinary") && !strcmp(b.base, "binary")))
		return EVENT_modify_column;
	if (string_size(&a) && string_size(&b))
		return string_size(&b) < string_size(&a) ? EVENT_modify_column : EVENT_alter_table;
	if (integer_bytes(a.base) && integer_bytes(b.base))
		return integer_bytes(b.base) < integer_bytes(a.base) || other_sign
			       ? EVENT_value_range_decrease
			       : EVENT_alter_table;
	return EVENT_modify_column;
}

static bool differs(const char *a, const char *b)
{
	return strcasecmp(a ? a : "", b ? b : "") != 0;
}

struct event alter_event_of_change(
	const struct alter_part *p, const struct column *was, const struct column *now, bool other_default)
{
	struct event ev = p->event;
	enum event_id wide;

	ev.id = by_type(was, now, &wide);
	if (ev.id == EVENT_alter_table) {
		if (was->auto_increment && !now->auto_increment)
			ev.id = EVENT_remove_auto_increment;
		else if (other_default)
			ev.id = EVENT_modify_default_value;
		else if (differs(was->charset, now->charset))
			ev.id = EVENT_modify_charset;
		else if (differs(was->collation, now->collation))
			ev.id = EVENT_modify_collation;
		else if (p->moves)
			ev.id = EVENT_modify_columns_order;
		else if (differs(was->name, now->name))
			ev.id = EVENT_rename_column;
	}
	ev.wide = wide == EVENT_COUNT ? ev.id : wide;
	return ev;
}
