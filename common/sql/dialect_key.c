/*
 * Keys, constraints and periods inside a table. Rules of sql_translate. A key that the target can't have is
 * dropped and said where it only makes reading faster; where it guards the rows, or can't be said, it is an
 * error.
 */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "common/sql/quote.h"
#include "common/sql/translate.h"

bool tr_is_key(const struct tr *t, size_t a)
{
	static const char *const words[] = {
		"PRIMARY", "KEY", "INDEX", "UNIQUE", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK", "CONSTRAINT"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (tr_is(t, a, words[i]))
			return true;
	}
	if (tr_is(t, a, "VECTOR"))
		return tr_is(t, a + 1, "KEY") || tr_is(t, a + 1, "INDEX");
	return tr_is(t, a, "PERIOD") && tr_is(t, a + 1, "FOR");
}

/* CONSTRAINT_1, CONSTRAINT_2 …: what MariaDB calls checks without a name. */
static bool is_automatic(const char *name)
{
	return strncmp(name, "CONSTRAINT_", 11) == 0 && name[11] &&
	       strspn(name + 11, "0123456789") == strlen(name + 11);
}

void tr_check_name(struct tr *t, size_t name)
{
	const char *old = tr_name(t, name), *table = t->ddl->tables[0].table;
	struct buf b = {0}, quoted = {0};

	if (knows(t->to, FEATURE_check_name_per_table) || !knows(t->from, FEATURE_check_name_per_table) ||
		!is_automatic(old))
		return;
	if (strlen(table) + strlen(old) + 1 <= 64) {
		buf_putf(&b, "%s_%s", table, old);
	} else { /* too long for a name: the table's hash (FNV-1a), the same each time */
		uint64_t h = 14695981039346656037u;

		for (const char *c = table; *c; c++)
			h = (h ^ (unsigned char)*c) * 1099511628211u;
		buf_putf(&b, "c_%016" PRIx64 "_%s", h, old);
	}
	sql_put_ident(&quoted, buf_str(&b));
	tr_replace(t, name, "%s", buf_cstr(&quoted));
	tr_note(t, "check %s is %s at the target, where a schema's checks have names of their own", old,
		buf_cstr(&b));
	buf_free(&b);
	buf_free(&quoted);
}

/* [CONSTRAINT name] CHECK (…) [[NOT] ENFORCED], with CHECK at `check`. */
static int check(struct tr *t, size_t a, size_t at, size_t name, size_t b)
{
	size_t close = tr_close(t, at + 1);
	bool not_enforced = tr_is(t, close + 1, "NOT") && tr_is(t, close + 2, "ENFORCED");

	if (name < b)
		tr_check_name(t, name);
	if (knows(t->to, FEATURE_check_enforced))
		return 0;
	if (not_enforced) {
		tr_note(t, "dropped a CHECK that is NOT ENFORCED%s%s", name < b ? ": " : "",
			name < b ? tr_name(t, name) : "");
		tr_drop(t, a, b);
	} else if (tr_is(t, close + 1, "ENFORCED")) {
		tr_drop(t, close + 1, close + 2);
	}
	return 0;
}

/* What PERIOD FOR SYSTEM_TIME (start, end) says behind the comma; "": no word of it. */
static const char *row_end(const struct tr *t)
{
	for (size_t i = 0; i + 5 < t->n; i++)
		if (tr_is(t, i, "PERIOD") && tr_is(t, i + 1, "FOR") && tr_is(t, i + 2, "SYSTEM_TIME") &&
			tr_is_char(t, i + 3, '('))
			return tr_name(t, i + 6);
	return "";
}

/* MariaDB adds the end to each unique key of a table with history. A table without has no two rows but by the
 * rest. */
static int end_part(struct tr *t, size_t a, size_t b)
{
	const char *end = row_end(t);

	if (*end && b == a + 1 && tr_is_name(t, a) && strcasecmp(tr_name(t, a), end) == 0)
		tr_drop(t, a, b);
	return 0;
}

static int drop_end(struct tr *t, size_t open)
{
	size_t close = tr_close(t, open);

	if (knows(t->to, FEATURE_system_versioning) || close - open == 2)
		return 0;
	return tr_each(t, open + 1, close, end_part);
}

static int key_part(struct tr *t, size_t a, size_t b)
{
	for (size_t i = a; i + 1 < b; i++) {
		if (tr_is(t, i, "WITHOUT") && tr_is(t, i + 1, "OVERLAPS") && !knows(t->to, FEATURE_period))
			return tr_fail(t,
				"a key WITHOUT OVERLAPS is not known to the target; make the table by hand");
	}
	if (tr_is_char(t, a, '(') && !knows(t->to, FEATURE_key_functional))
		return tr_fail(t, "a key over an expression is not known to the target; make the table by "
				  "hand, with a generated "
				  "column in its place");
	return 0;
}

int tr_key_parts(struct tr *t, size_t open, const char *key)
{
	if (tr_each(t, open + 1, tr_close(t, open), key_part) == 0)
		return 0;
	return *key ? err_add(t->e, "key %s", key) : -1;
}

/* INVISIBLE and VISIBLE, IGNORED and NOT IGNORED: the same, by different names. */
static size_t visibility(struct tr *t, size_t i)
{
	bool not = tr_is(t, i, "NOT") && tr_is(t, i + 1, "IGNORED");
	bool hidden = tr_is(t, i, "INVISIBLE") || tr_is(t, i, "IGNORED");
	size_t end = i + 1 + not ;

	if (!not &&!hidden && !tr_is(t, i, "VISIBLE"))
		return 0;
	if (knows(t->to, FEATURE_key_ignored)) {
		if (tr_is(t, i, "NOT") || tr_is(t, i, "IGNORED"))
			return end;
		tr_replace(t, i, "%s", hidden ? "IGNORED" : "NOT IGNORED");
	} else if (knows(t->to, FEATURE_key_invisible)) {
		if (tr_is(t, i, "INVISIBLE") || tr_is(t, i, "VISIBLE"))
			return end;
		tr_replace(t, i, "%s", hidden ? "INVISIBLE" : "VISIBLE");
	} else {
		if (hidden)
			tr_note(t, "a key that is not used at the source can be used at the target");
		tr_drop(t, i, end);
	}
	if (not )
		tr_drop(t, i + 1, end);
	return end;
}

static bool parser_known(const struct tr *t, size_t name)
{
	return t->from->flavor == t->to->flavor ||
	       (str_is_ci(str_of(tr_name(t, name)), "ngram") && knows(t->to, FEATURE_key_parser_ngram));
}

size_t tr_key_option(struct tr *t, size_t i)
{
	size_t end = visibility(t, i);

	if (end)
		return end;
	if (tr_is(t, i, "WITH") && tr_is(t, i + 1, "PARSER")) {
		if (!parser_known(t, i + 2)) {
			tr_note(t, "dropped WITH PARSER %s", tr_name(t, i + 2));
			tr_drop(t, i, i + 3);
		}
		return i + 3;
	}
	if (tr_is(t, i, "ENGINE_ATTRIBUTE") || tr_is(t, i, "SECONDARY_ENGINE_ATTRIBUTE")) {
		end = i + 2 + tr_is_char(t, i + 1, '=');
		if (!knows(t->to, FEATURE_engine_attribute))
			tr_drop(t, i, end);
		return end;
	}
	if (t->t[i].type == SQL_IDENT && tr_is_char(t, i + 1, '=')) {
		if (!knows(t->to, FEATURE_quoted_option))
			tr_drop(t, i, i + 3);
		return i + 3;
	}
	return i + 1;
}

static bool dropped_kind(struct tr *t, size_t a, size_t b)
{
	const char *kind = NULL;

	if (tr_is(t, a, "VECTOR") && !knows(t->to, FEATURE_key_vector))
		kind = "VECTOR";
	else if (tr_is(t, a, "SPATIAL") && !knows(t->to, FEATURE_key_spatial))
		kind = "SPATIAL";
	if (!kind)
		return false;
	tr_note(t, "dropped a %s key: it only makes reading faster", kind);
	tr_drop(t, a, b);
	return true;
}

/* [UNIQUE | FULLTEXT | …] KEY [name] [USING x] ( parts ) options */
static int key(struct tr *t, size_t a, size_t b)
{
	size_t open = a, name = a;

	if (dropped_kind(t, a, b))
		return 0;
	while (open < b && !tr_is_char(t, open, '('))
		open++;
	if (open == b)
		return 0;
	while (name < open && t->t[name].type != SQL_IDENT)
		name++;
	if ((tr_is(t, a, "PRIMARY") || tr_is(t, a, "UNIQUE")) && drop_end(t, open) < 0)
		return -1;
	if (tr_key_parts(t, open, name < open ? tr_name(t, name) : "") < 0)
		return -1;
	for (size_t i = tr_close(t, open) + 1; i < b;)
		i = tr_key_option(t, i);
	return 0;
}

static int period(struct tr *t, size_t a, size_t b)
{
	bool system = tr_is(t, a + 2, "SYSTEM_TIME");

	if (knows(t->to, system ? FEATURE_system_versioning : FEATURE_period))
		return 0;
	if (!system)
		tr_note(t, "dropped PERIOD FOR %s", tr_name(t, a + 2));
	tr_drop(t, a, b);
	return 0;
}

int tr_key(struct tr *t, size_t a, size_t b)
{
	size_t at = a, name = b;

	t->column[0] = 0;
	if (tr_is(t, at, "PERIOD"))
		return period(t, a, b);
	if (tr_is(t, at, "CONSTRAINT")) {
		at++;
		if (tr_is_name(t, at) && !tr_is_key(t, at))
			name = at++;
	}
	if (tr_is(t, at, "CHECK"))
		return check(t, a, at, name, b);
	if (tr_is(t, at, "FOREIGN")) {
		tr_foreign(t, a, at, name, b);
		return 0;
	}
	return key(t, at, b);
}
