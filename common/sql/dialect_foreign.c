/*
 * Foreign keys of tables whose engine heeds none, as MyISAM: rules of sql_translate. There they are an index;
 * in the target's InnoDB the same words would take rows away and refuse some. It must never make a foreign
 * key of what was none.
 */
#include <string.h>
#include <strings.h>

#include "common/sql/quote.h"
#include "common/sql/translate.h"

bool tr_heeds_foreign(struct str engine)
{
	return str_is_ci(engine, "InnoDB") || str_is_ci(engine, "NDB") || str_is_ci(engine, "NDBCLUSTER");
}

/* Parts of ALTER TABLE that say ENGINE of something else. */
static bool is_of_column(const struct tr *t, size_t i)
{
	static const char *const words[] = {
		"ADD", "MODIFY", "CHANGE", "DROP", "ALTER", "RENAME", "ORDER", "CONVERT"};

	for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++)
		if (tr_is(t, i, words[k]))
			return t->ddl->verb == SQL_VERB_ALTER_TABLE;
	return false;
}

void tr_engine(struct tr *t, size_t from)
{
	bool begins = true, other = false;

	for (size_t i = from; i < t->n; i++) {
		size_t value;
		struct str name;

		if (t->t[i].depth > 0)
			continue;
		if (begins)
			other = is_of_column(t, i);
		begins = tr_is_char(t, i, ',');
		if (other || !tr_is(t, i, "ENGINE") || !tr_engine_name(t, i, &value, &name))
			continue;
		t->wants_engine = NULL;
		t->no_foreign = !tr_heeds_foreign(name);
	}
}

bool tr_ignores_foreign(struct tr *t)
{
	if (t->wants_engine)
		*t->wants_engine = true;
	return t->no_foreign;
}

static size_t behind_name(const struct tr *t, size_t i)
{
	return i + 1 + (tr_is(t, i + 1, "ASC") || tr_is(t, i + 1, "DESC"));
}

/* Do the parts from theirs on begin with ours (one: that column alone)? same: they are no more. */
static bool leads(const struct tr *t, size_t theirs, size_t ours, bool one, bool *same)
{
	for (;; theirs++, ours++) {
		if (!tr_is_name(t, theirs) || strcasecmp(tr_name(t, theirs), tr_name(t, ours)) != 0)
			return false;
		theirs = behind_name(t, theirs);
		ours = behind_name(t, ours);
		*same = tr_is_char(t, theirs, ')');
		if (!*same && !tr_is_char(t, theirs, ','))
			return false;
		if (one || !tr_is_char(t, ours, ','))
			return true;
		if (*same)
			return false;
	}
}

/* The parts of the key that the element [a, b) is; 0: it is none that could serve. */
static size_t parts_of(const struct tr *t, size_t a, size_t b)
{
	if (!tr_is_key(t, a) || tr_is(t, a, "FULLTEXT") || tr_is(t, a, "SPATIAL") || tr_is(t, a, "VECTOR"))
		return 0;
	while (a < b && !tr_is_char(t, a, '('))
		a++;
	return a == b || tr_is(t, a - 1, "CHECK") || tr_is(t, a - 1, "SYSTEM_TIME") ? 0 : a + 1;
}

static bool has_word(const struct tr *t, size_t a, size_t b, const char *word)
{
	for (size_t i = a; i < b; i++)
		if (t->t[i].depth == t->t[a].depth && tr_is(t, i, word))
			return true;
	return false;
}

/* Does the element serve as the index? Of two foreign keys that could have the same one, servers keep the
 * longer one's, or the later one's. */
static bool serves(const struct tr *t, size_t a, size_t b, size_t ours, bool one)
{
	size_t parts = parts_of(t, a, b);
	bool same;

	if (parts == ours)
		return false;
	if (parts)
		return leads(t, parts, ours, one, &same) &&
		       (!has_word(t, a, b, "FOREIGN") || !same || parts > ours);
	return (one || tr_is_char(t, behind_name(t, ours), ')')) && !tr_is_key(t, a) &&
	       strcasecmp(tr_name(t, a), tr_name(t, ours)) == 0 &&
	       (has_word(t, a, b, "KEY") || has_word(t, a, b, "UNIQUE"));
}

bool tr_has_index(const struct tr *t, size_t at, size_t ours, bool one)
{
	int depth = t->t[at].depth;
	size_t a = at, b;

	if (depth == 0) /* what else the table has is not told by an ALTER */
		return false;
	while (a > 0 && t->t[a - 1].depth >= depth)
		a--;
	for (; a < t->n && t->t[a].depth >= depth; a = b + 1) {
		for (b = a; b < t->n && t->t[b].depth >= depth; b++)
			if (t->t[b].depth == depth && tr_is_char(t, b, ','))
				break;
		if (b > a && serves(t, a, b, ours, one))
			return true;
	}
	return false;
}

void tr_note_foreign(struct tr *t, size_t a, size_t b)
{
	struct str text = {t->source.p + t->t[a].at, t->t[b - 1].at + t->t[b - 1].len - t->t[a].at};

	tr_note(t, "dropped %.*s, which the source's engine does not heed",
		(int)(text.n < 120 ? text.n : 120), text.p);
}

/* The index is called as the constraint is. */
static void name_index(struct tr *t, size_t at, size_t open, size_t name)
{
	bool own = open > at + 2 && !tr_is(t, open - 1, "EXISTS");
	struct buf quoted = {0};

	sql_put_ident(&quoted, str_of(tr_name(t, name)));
	if (own)
		tr_replace(t, open - 1, "%s", buf_cstr(&quoted));
	else
		tr_append(t, open - 1, " %s", buf_cstr(&quoted));
	buf_free(&quoted);
}

void tr_foreign(struct tr *t, size_t a, size_t at, size_t name, size_t b)
{
	size_t open = at;

	while (open < b && !tr_is_char(t, open, '('))
		open++;
	if (open == b || !tr_ignores_foreign(t))
		return;
	tr_note_foreign(t, a, b);
	if (tr_has_index(t, a, open + 1, false)) {
		tr_drop(t, a, b);
		return;
	}
	if (name < b)
		name_index(t, at, open, name);
	tr_drop(t, a, at + 1);
	tr_drop(t, tr_close(t, open) + 1, b);
}
