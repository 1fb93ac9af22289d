/*
 * Texts and the charset of the column that takes them. Rows travel as the bytes of their own charset, and go
 * into one of the same as they are; into another the server must be told what they are, and converts them, as
 * it does with what the sync writes. Called by the leader before the first row. Must never let bytes of one
 * charset be stored as another's.
 */
#include "units/load/recode.h"

#include <string.h>

#include "common/base/log.h"
#include "common/db/structure.h"
#include "common/sql/value_format.h"
#include "units/load/folder.h"
#include "units/load/own.h"

static bool is_of_a_charset(const struct column *c)
{
	return (c->kind == COLUMN_TEXT || c->kind == COLUMN_ENUM || c->kind == COLUMN_SET) && c->charset &&
	       c->charset[0] && strcmp(c->charset, "binary") != 0;
}

/* Which charset the bytes of its text are in. Others' files have all text as it is in its column. */
static const char *travels_in(const struct column *c, bool others)
{
	return !others && c->as_unicode ? "utf8mb4" : c->charset;
}

/* ASCII is a part of all charsets but these. */
static bool begins_with_ascii(const char *charset)
{
	static const char *const other[] = {"ucs2", "utf16", "utf16le", "utf32", "swe7"};

	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++)
		if (strcmp(charset, other[i]) == 0)
			return false;
	return true;
}

/*
 * Does a text of it, as it travels, mean something else there? A column of no charset keeps bytes. Four bytes
 * of utf8mb4 are refused by a utf8mb3 itself.
 */
static bool must_recode(const struct column *from, const struct column *there, bool others)
{
	enum value_format f = value_format_of(from);
	const char *bytes = travels_in(from, others);

	if (from->generated || !is_of_a_charset(from) || (!others && f != VALUE_STRING && f != VALUE_ENUM))
		return false;
	if (there->kind == COLUMN_JSON)
		return true; /* takes no bytes at all */
	if (!is_of_a_charset(there) || value_same_bytes(bytes, there->charset))
		return false;
	return strcmp(bytes, "ascii") != 0 || !begins_with_ascii(there->charset);
}

/* Members that go by their numbers must have the same ones there: the list is how the one there begins. */
static int check_members(const struct column *from, const struct column *there, struct err *e)
{
	enum value_format f = value_format_of(from);
	size_t n = strlen(from->type);

	if (f != VALUE_ENUM_NUMBER && f != VALUE_SET_NUMBER)
		return 0;
	if (from->kind == there->kind && n > 0 && strncmp(from->type, there->type, n - 1) == 0 &&
		(there->type[n - 1] == ')' || there->type[n - 1] == ','))
		return 0;
	return err_set(e, ERR_load_failed,
		"column `%s` is %.200s, and %.200s in the table that is there: it has a member '', so its "
		"values go by their numbers, which mean others there; give it the same members",
		from->name, from->type, there->type);
}

static int check_name(const struct column *from, const struct column *there, struct err *e)
{
	if (!from->recoded || value_charset(from))
		return 0;
	return err_set(e, ERR_load_failed,
		"column `%s` has charset %s, and %s in the table that is there: give it the same there",
		from->name, from->charset, there->charset);
}

static int note_table(
	const struct load *l, struct structure *from, const struct structure *there, struct err *e)
{
	bool others = l->folder && !l->folder->meta.ours;
	unsigned n = 0;

	for (unsigned i = 0; i < from->ncolumns; i++) {
		struct column *c = &from->columns[i];
		int at = structure_column(there, c->name);

		if (at < 0)
			continue;
		c->recoded = must_recode(c, &there->columns[at], others);
		if (!others && !c->generated && check_members(c, &there->columns[at], e) < 0)
			return -1;
		/* What a file's text is in, its own head says (filesql.c). */
		if (!l->folder && check_name(c, &there->columns[at], e) < 0)
			return -1;
		n += c->recoded;
	}
	if (n > 0 && !l->folder)
		log_info("`%s`.`%s`: %u columns have another charset downstream, which converts their text",
			from->schema, from->table, n);
	return 0;
}

/* What we made of this very structure has its charsets, or the text travels as the target keeps it. */
static bool may_differ(const struct plan_item *t, const json_t *own)
{
	return t->merged || t->shared || own_has(own, "taken", t->to_schema, t->to_name) ||
	       own_has(own, "joined", t->to_schema, t->to_name);
}

int recode_note(struct load *l, struct db *c, const json_t *own, struct err *e)
{
	for (unsigned i = 0; i < l->plan.tables.n; i++) {
		struct plan_item *t = &l->plan.tables.p[i];
		struct structure *there;
		bool found;
		int r;

		if (!may_differ(t, own))
			continue;
		there = db_structure(c, t->to_schema, t->to_name, &found, e);
		r = there ? note_table(l, t->structure, there, e) : e->code ? -1 : 0;
		structure_free(&there);
		if (r < 0)
			return err_add(e, "downstream table `%s`.`%s`", t->to_schema, t->to_name);
	}
	return 0;
}
