/*
 * DM's block-allow-list: which schemas and tables a task wants. Called by dump and sync for each table once
 * (they keep the answer), by agent and master to check a task file. Patterns are made regular expressions of
 * PCRE2 and matched by its DFA matcher, whose time grows with the name's length and not with the pattern's
 * tricks; limits guard the rest. It must never log and never drop a table because of a matcher's failure.
 */
#include "common/sql/rules.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"

enum { MATCH_LIMIT = 1000000, HEAP_LIMIT_KIB = 4096, WORKSPACE = 4096 };

struct pattern {
	pcre2_code *schema, *table; /* table NULL: any */
};

struct patterns {
	struct pattern *p;
	size_t n;
};

struct rules {
	struct patterns do_dbs, ignore_dbs, do_tables, ignore_tables;
	char *meta_schema;
	pcre2_match_context *limits;
};

static const char *const system_schemas[] = {
	"mysql", "sys", "information_schema", "performance_schema", "metrics_schema", "inspection_schema"};

/* --- patterns --- */

static void put_literal(struct buf *b, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)p[i] < 0x80 && strchr("\\^$.[]|()?*+{}-#&~ ", p[i]))
			buf_putc(b, '\\');
		buf_putc(b, p[i]);
	}
}

/* "[a-z]" or "[!a]" at *at, which is moved behind it. A bracket that is never closed stands for itself. */
static void put_class(struct buf *b, const char *text, size_t *at)
{
	const char *inside = text + *at + 1, *end;
	bool not = *inside == '!';

	inside += not ;
	end = *inside ? strchr(inside + 1, ']') : NULL;
	if (!end) {
		put_literal(b, text + *at, 1);
		*at += 1;
		return;
	}
	buf_puts(b, not ? "[^" : "[");
	for (const char *c = inside; c < end; c++) {
		if (*c == '-' && c > inside && c + 1 < end)
			buf_putc(b, '-');
		else
			put_literal(b, c, 1);
	}
	buf_putc(b, ']');
	*at = (size_t)(end - text) + 1;
}

/* A wildcard pattern as a regular expression for the whole name. */
static int wildcard_regex(const char *text, struct buf *b, struct err *e)
{
	size_t n = strlen(text);

	buf_puts(b, "\\A(?:");
	for (size_t i = 0; i < n;) {
		if (text[i] == '[') {
			put_class(b, text, &i);
			continue;
		}
		if (text[i] == '*' && i + 1 != n)
			return err_set(e, ERR_config_bad,
				"table rule \"%s\": '*' may only be the last character; write a regular "
				"expression behind '~'",
				text);
		if (text[i] == '*')
			buf_puts(b, "(?s:.*)");
		else if (text[i] == '?')
			buf_puts(b, "(?s:.)");
		else
			put_literal(b, text + i, 1);
		i++;
	}
	buf_puts(b, ")\\z");
	return 0;
}

static pcre2_code *compile_regex(const char *shown, struct str regex, bool case_sensitive, struct err *e)
{
	uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
	uint32_t backrefs = 0;
	int code;
	PCRE2_SIZE at;
	PCRE2_UCHAR why[200];
	pcre2_code *re;

	if (!case_sensitive)
		options |= PCRE2_CASELESS;
	re = pcre2_compile((PCRE2_SPTR)regex.p, regex.n, options, &code, &at, NULL);
	if (!re) {
		pcre2_get_error_message(code, why, sizeof(why));
		err_set(e, ERR_config_bad, "table rule \"%s\": %s at character %zu", shown, (char *)why,
			(size_t)at);
		return NULL;
	}
	pcre2_pattern_info(re, PCRE2_INFO_BACKREFMAX, &backrefs);
	if (backrefs) {
		err_set(e, ERR_config_bad, "table rule \"%s\": references back to a group are not supported",
			shown);
		pcre2_code_free(re);
		return NULL;
	}
	return re;
}

static pcre2_code *compile(const char *text, bool case_sensitive, struct err *e)
{
	struct buf b = {0};
	pcre2_code *re = NULL;

	if (text[0] == '~')
		return compile_regex(text, str_of(text + 1), case_sensitive, e);
	if (wildcard_regex(text, &b, e) == 0)
		re = compile_regex(text, buf_str(&b), case_sensitive, e);
	buf_free(&b);
	return re;
}

int rules_check_pattern(const char *pattern, struct err *e)
{
	pcre2_code *re = compile(pattern, true, e);

	pcre2_code_free(re);
	return re ? 0 : -1;
}

int rules_check_regex(const char *regex, unsigned *groups, struct err *e)
{
	pcre2_code *re = compile_regex(regex, str_of(regex), true, e);
	uint32_t n = 0;

	if (!re)
		return -1;
	pcre2_pattern_info(re, PCRE2_INFO_CAPTURECOUNT, &n);
	pcre2_code_free(re);
	*groups = n;
	return 0;
}

/* --- matching --- */

/* A matcher that gives up (limits, a name that is no UTF-8) counts as a match in lists that want, as none in
 * lists that ignore: keep the table. */
static bool matches(const struct rules *r, const pcre2_code *re, struct str name, bool when_unsure)
{
	pcre2_match_data *md = pcre2_match_data_create(1, NULL);
	int workspace[WORKSPACE];
	int rc = pcre2_dfa_match(re, (PCRE2_SPTR)(name.p ? name.p : ""), name.n, 0, PCRE2_DFA_SHORTEST, md,
		r->limits, workspace, WORKSPACE);

	pcre2_match_data_free(md);
	if (rc >= 0)
		return true;
	return rc != PCRE2_ERROR_NOMATCH && when_unsure;
}

static bool any_schema(
	const struct rules *r, const struct patterns *list, struct str schema, bool when_unsure)
{
	for (size_t i = 0; i < list->n; i++) {
		if (matches(r, list->p[i].schema, schema, when_unsure))
			return true;
	}
	return false;
}

static bool any_table(const struct rules *r, const struct patterns *list, struct str schema, struct str table,
	bool when_unsure)
{
	for (size_t i = 0; i < list->n; i++) {
		if (!matches(r, list->p[i].schema, schema, when_unsure))
			continue;
		if (!list->p[i].table || matches(r, list->p[i].table, table, when_unsure))
			return true;
	}
	return false;
}

bool rules_schema(const struct rules *r, struct str schema)
{
	for (size_t i = 0; i < sizeof(system_schemas) / sizeof(system_schemas[0]); i++) {
		if (str_is_ci(schema, system_schemas[i]))
			return false;
	}
	if (r->meta_schema && str_is_ci(schema, r->meta_schema))
		return false;
	if (r->do_dbs.n)
		return any_schema(r, &r->do_dbs, schema, true);
	return !any_schema(r, &r->ignore_dbs, schema, false);
}

bool rules_table(const struct rules *r, struct str schema, struct str table)
{
	if (!rules_schema(r, schema))
		return false;
	if (any_table(r, &r->do_tables, schema, table, true))
		return true;
	if (any_table(r, &r->ignore_tables, schema, table, false))
		return false;
	return r->do_tables.n == 0;
}

/* --- reading --- */

static int list_of(
	const json_t *o, const char *key, struct patterns *list, const json_t **array, struct err *e)
{
	*array = json_object_get(o, key);
	if (!*array || json_is_null(*array)) {
		*array = NULL;
		return 0;
	}
	if (!json_is_array(*array))
		return err_set(e, ERR_config_bad, "table rules: %s is no list", key);
	list->p = xcalloc(json_array_size(*array) + 1, sizeof(*list->p));
	return 0;
}

static int read_dbs(
	const json_t *o, const char *key, bool case_sensitive, struct patterns *list, struct err *e)
{
	const json_t *array;

	if (list_of(o, key, list, &array, e) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *name = json_string_value(json_array_get(array, i));

		if (!name || !*name)
			return err_set(
				e, ERR_config_bad, "table rules: entry %zu of %s is no name", i + 1, key);
		list->p[list->n].schema = compile(name, case_sensitive, e);
		if (!list->p[list->n].schema)
			return err_add(e, "%s", key);
		list->n++;
	}
	return 0;
}

static int read_tables(
	const json_t *o, const char *key, bool case_sensitive, struct patterns *list, struct err *e)
{
	const json_t *array;

	if (list_of(o, key, list, &array, e) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *entry = json_array_get(array, i);
		const char *schema = json_string_value(json_object_get(entry, "db-name"));
		const char *table = json_string_value(json_object_get(entry, "tbl-name"));
		struct pattern *p = &list->p[list->n++];

		if (!schema || !*schema)
			return err_set(
				e, ERR_config_bad, "table rules: entry %zu of %s has no db-name", i + 1, key);
		p->schema = compile(schema, case_sensitive, e);
		if (!p->schema)
			return err_add(e, "%s", key);
		if (!table || !*table) /* DM: the whole schema */
			continue;
		p->table = compile(table, case_sensitive, e);
		if (!p->table)
			return err_add(e, "%s", key);
	}
	return 0;
}

static int read_all(struct rules *r, const json_t *o, struct err *e)
{
	bool cs = json_is_true(json_object_get(o, "case_sensitive"));

	if (o && !json_is_null(o) && !json_is_object(o))
		return err_set(e, ERR_config_bad, "table rules: an object is wanted");
	if (read_dbs(o, "do_dbs", cs, &r->do_dbs, e) < 0 ||
		read_dbs(o, "ignore_dbs", cs, &r->ignore_dbs, e) < 0)
		return -1;
	if (read_tables(o, "do_tables", cs, &r->do_tables, e) < 0)
		return -1;
	return read_tables(o, "ignore_tables", cs, &r->ignore_tables, e);
}

struct rules *rules_new(const json_t *o, const char *meta_schema, struct err *e)
{
	struct rules *r = xcalloc(1, sizeof(*r));

	if (meta_schema && *meta_schema)
		r->meta_schema = xstrdup(meta_schema);
	r->limits = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(r->limits, MATCH_LIMIT);
	pcre2_set_heap_limit(r->limits, HEAP_LIMIT_KIB);
	if (read_all(r, o, e) < 0)
		rules_free(&r);
	return r;
}

static void patterns_fini(struct patterns *list)
{
	for (size_t i = 0; i < list->n; i++) {
		pcre2_code_free(list->p[i].schema);
		pcre2_code_free(list->p[i].table);
	}
	free(list->p);
}

void rules_free(struct rules **r)
{
	struct rules *old = *r;

	*r = NULL;
	if (!old)
		return;
	patterns_fini(&old->do_dbs);
	patterns_fini(&old->ignore_dbs);
	patterns_fini(&old->do_tables);
	patterns_fini(&old->ignore_tables);
	pcre2_match_context_free(old->limits);
	free(old->meta_schema);
	free(old);
}

/* --- --tables --- */

/* `a*b` -> "a[*]b": a name without wildcards, as a pattern. */
static int quoted_part(const char **at, struct buf *b, const char *list, struct err *e)
{
	const char *p = *at + 1;

	for (; *p; p++) {
		if (*p == '`' && p[1] != '`') {
			*at = p + 1;
			return 0;
		}
		p += *p == '`';
		if (*p == '*' || *p == '?' || *p == '[' || (*p == '~' && b->n == 0))
			buf_putf(b, "[%c]", *p);
		else
			buf_putc(b, *p);
	}
	return err_set(e, ERR_config_bad, "--tables '%s': a backquote is not closed", list);
}

/* Up to '.', ',' or the end; spaces round it don't count. */
static int plain_part(const char **at, struct buf *b, const char *list, struct err *e)
{
	while (**at && **at != '.' && **at != ',' && **at != '`')
		buf_putc(b, *(*at)++);
	while (b->n && b->p[b->n - 1] == ' ')
		b->n--;
	if (b->n && b->p[0] == '~')
		return err_set(e, ERR_config_bad,
			"--tables '%s': regular expressions belong into a task file's block-allow-list",
			list);
	return 0;
}

static int part(const char **at, struct buf *b, const char *list, const char *what, struct err *e)
{
	int rc;

	buf_clear(b);
	*at += strspn(*at, " ");
	rc = **at == '`' ? quoted_part(at, b, list, e) : plain_part(at, b, list, e);
	if (rc < 0)
		return -1;
	*at += strspn(*at, " ");
	if (b->n == 0)
		return err_set(e, ERR_config_bad,
			"--tables '%s': a %s is missing; write schema.table,schema.*", list, what);
	return 0;
}

/* -1: the name is not UTF-8. */
static int append_new_name(json_t *array, const char *name)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (strcmp(json_string_value(json_array_get(array, i)), name) == 0)
			return 0;
	}
	return json_array_append_new(array, json_string(name));
}

static int one_entry(const char **at, json_t *dbs, json_t *tables, const char *list, struct err *e)
{
	struct buf schema = {0}, table = {0};
	int rc = part(at, &schema, list, "schema", e);

	if (rc == 0 && **at == '.') {
		(*at)++;
		rc = part(at, &table, list, "table", e);
	} else if (rc == 0) {
		buf_putc(&table, '*');
	}
	if (rc == 0 && **at && **at != ',')
		rc = err_set(e, ERR_config_bad, "--tables '%s': ',' expected before '%s'", list, *at);
	if (rc == 0 &&
		(append_new_name(dbs, buf_cstr(&schema)) < 0 ||
			json_array_append_new(tables, json_pack("{s:s,s:s}", "db-name", buf_cstr(&schema),
							      "tbl-name", buf_cstr(&table))) < 0))
		rc = err_set(e, ERR_config_bad, "--tables: a name is not UTF-8");
	buf_free(&schema);
	buf_free(&table);
	return rc;
}

json_t *rules_parse_list(const char *list, struct err *e)
{
	json_t *dbs = json_array(), *tables = json_array();
	/* do_dbs too: so that schemas without a wanted table are left alone. */
	json_t *o = json_pack("{s:b,s:o,s:o}", "case_sensitive", 0, "do_dbs", dbs, "do_tables", tables);
	const char *at = list;
	struct rules *tried;

	for (;;) {
		if (one_entry(&at, dbs, tables, list, e) < 0)
			goto fail;
		if (!*at)
			break;
		at++;
	}
	tried = rules_new(o, "", e); /* the patterns' own mistakes */
	if (!tried)
		goto fail;
	rules_free(&tried);
	return o;
fail:
	json_decref(o);
	return NULL;
}
