/*
 * The specifications of ALTER TABLE. Rules of sql_translate. What only one family can say is dropped where it
 * changes nothing that is copied, and is an error else; a statement that would touch files of the server
 * (tablespaces) is always an error.
 */
#include <string.h>

#include "common/sql/translate.h"

/* IF EXISTS, IF NOT EXISTS at i, for targets that don't know it there: the statement then fails instead of
 * passing over. */
static size_t if_clause(struct tr *t, size_t i, enum feature f)
{
	size_t end;

	if (!tr_is(t, i, "IF"))
		return i;
	end = i + 2 + tr_is(t, i + 1, "NOT");
	if (!knows(t->to, f)) {
		tr_note(t, "IF %sEXISTS is not known to the target here and was dropped",
			tr_is(t, i + 1, "NOT") ? "NOT " : "");
		tr_drop(t, i, end);
	}
	return end;
}

/* A column's definition, or the first of several in parentheses. */
static int definition(struct tr *t, size_t i, size_t b)
{
	if (tr_is_char(t, i, '('))
		return tr_each(t, i + 1, tr_close(t, i), tr_element);
	return tr_element(t, i, b);
}

static bool is_versioning(const struct tr *t, size_t i)
{
	return tr_is(t, i, "SYSTEM") && tr_is(t, i + 1, "VERSIONING");
}

static int drop_spec(struct tr *t, size_t a, size_t b)
{
	tr_note(t, "not executed: %.*s", (int)(t->t[b - 1].at + t->t[b - 1].len - t->t[a].at),
		t->source.p + t->t[a].at);
	tr_drop(t, a, b);
	return 0;
}

/* A new column's default fills the rows that are there. What it gives must be what it gave at the source. */
static int same_values(struct tr *t, size_t a, size_t b)
{
	static const char *const others[] = {"nextval", "lastval", "setval", "uuid", "uuid_v4", "uuid_v7",
		"uuid_short", "sys_guid", "rand", "random_bytes", "user", "current_user", "session_user",
		"system_user", "current_role", "connection_id", "sysdate", "version", "encrypt"};

	for (size_t i = a; i < b; i++) {
		bool next = (tr_is(t, i, "NEXT") && tr_is(t, i + 1, "VALUE")) || t->t[i].type == SQL_VARIABLE;

		for (size_t k = 0; !next && k < sizeof(others) / sizeof(others[0]); k++)
			next = tr_is(t, i, others[k]) &&
			       (tr_is_char(t, i + 1, '(') || tr_is(t, i - 1, "DEFAULT"));
		if (next)
			return tr_fail(t,
				"the new column's default (%.*s) gave the rows that are there values which "
				"can't be made again: add it without the default, and fill it by hand or "
				"copy the table again",
				STR_ARG(tr_text(t, i)));
	}
	return 0;
}

/* The rows that are there get the time of the ALTER; a plain column would have none. */
static int same_times(struct tr *t, size_t a, size_t b)
{
	for (size_t i = a; i + 2 < b; i++)
		if (tr_is(t, i, "AS") && tr_is(t, i + 1, "ROW") && t->rows != SQL_ROWS_NONE &&
			!knows(t->to, FEATURE_system_versioning))
			return tr_fail(t,
				"the column (ROW %.*s) has a time of the source's own in each row that "
				"is there: add it by hand with the source's values in it, then binlog skip; "
				"or copy the table again",
				STR_ARG(tr_text(t, i + 2)));
	return 0;
}

/* AUTO_INCREMENT gives the rows that are there numbers as they come: in an order that is each server's own,
 * unless both have them by the same primary key. */
static int same_numbers(struct tr *t, size_t i, size_t b)
{
	int depth = t->t[i].depth + tr_is_char(t, i, '(');

	for (size_t k = i + 1; t->rows == SQL_ROWS_ANYHOW && k < b; k++) {
		bool name = tr_is_char(t, k - 1, '(') || tr_is_char(t, k - 1, ',') ||
			    tr_is(t, k - 1, "AFTER") || tr_is(t, k - 1, "EXISTS");

		if (t->t[k].depth == depth && !name &&
			(tr_is(t, k, "AUTO_INCREMENT") || tr_is(t, k, "SERIAL")))
			return tr_fail(t,
				"the new column numbers the rows that are there, and each server does so in "
				"an order of its own, but where both keep them by the same primary key: add "
				"it by hand with the source's numbers in it, then binlog skip; or copy the "
				"table again");
	}
	return 0;
}

/* Without its primary key the table is copied as it comes. */
static void look_for_dropped_key(struct tr *t, size_t from)
{
	for (size_t i = from; i < t->n; i++)
		if (t->rows == SQL_ROWS_BY_KEY && tr_is(t, i, "DROP") && tr_is(t, i + 1, "PRIMARY"))
			t->rows = SQL_ROWS_ANYHOW;
}

static int spec_add(struct tr *t, size_t a, size_t b)
{
	size_t i = a + 1;
	int r;

	if (is_versioning(t, i) && !knows(t->to, FEATURE_system_versioning))
		return drop_spec(t, a, b);
	if (tr_is(t, i, "PERIOD") && tr_is(t, i + 1, "FOR")) {
		bool system = tr_is(t, i + 2, "SYSTEM_TIME");

		return knows(t->to, system ? FEATURE_system_versioning : FEATURE_period) ? 0
											 : drop_spec(t, a, b);
	}
	if (tr_is(t, i, "PARTITION"))
		return tr_options(t, i, b);
	if (tr_is(t, i, "VECTOR") && tr_is_key(t, i) && !knows(t->to, FEATURE_key_vector))
		return drop_spec(t, a, b);
	if (tr_is(t, i, "SPATIAL") && !knows(t->to, FEATURE_key_spatial))
		return drop_spec(t, a, b);
	i += tr_is(t, i, "COLUMN");
	i = if_clause(t, i, FEATURE_alter_if_exists);
	if (!tr_is_key(t, i) &&
		(same_values(t, a, b) < 0 || same_times(t, a, b) < 0 || same_numbers(t, i, b) < 0))
		return -1;
	if (tr_is_key(t, i)) { /* ADD INDEX IF NOT EXISTS i (…) */
		for (size_t k = i; k < b && !tr_is_char(t, k, '('); k++) {
			if (tr_is(t, k, "IF"))
				if_clause(t, k, FEATURE_alter_if_exists);
		}
		if (tr_key(t, i, b) < 0)
			return -1;
		/* ADD CHECK … NOT ENFORCED was dropped from its constraint on: ADD goes too. */
		if (i < b && tr_all_dropped(t, i, b))
			tr_drop(t, a, b);
		return 0;
	}
	t->adding = true;
	r = definition(t, i, b);
	t->adding = false;
	return r;
}

static int spec_modify(struct tr *t, size_t a, size_t b)
{
	size_t i = a + 1 + tr_is(t, a + 1, "COLUMN");

	i = if_clause(t, i, FEATURE_alter_if_exists);
	if (same_times(t, a, b) < 0)
		return -1;
	return tr_column(t, i + tr_is(t, a, "CHANGE"), b);
}

static int spec_drop(struct tr *t, size_t a, size_t b)
{
	size_t i = a + 1;

	if (is_versioning(t, i) && !knows(t->to, FEATURE_system_versioning))
		return drop_spec(t, a, b);
	if (tr_is(t, i, "PERIOD") && tr_is(t, i + 1, "FOR") && !knows(t->to, FEATURE_period))
		return drop_spec(t, a, b);
	if (tr_is(t, i, "CHECK") && !knows(t->to, FEATURE_drop_check))
		tr_replace(t, i, "CONSTRAINT");
	if (tr_is(t, i, "CONSTRAINT") && tr_is_name(t, i + 1) && !tr_is(t, i + 1, "IF"))
		tr_check_name(t, i + 1);
	for (; i < b; i++) {
		if (tr_is(t, i, "IF") && tr_is(t, i + 1, "EXISTS"))
			if_clause(t, i, FEATURE_alter_if_exists);
	}
	return 0;
}

/* ALTER [COLUMN] c SET DEFAULT x | SET INVISIBLE | DROP DEFAULT, ALTER INDEX i …, ALTER CHECK c [NOT]
 * ENFORCED */
static int spec_alter(struct tr *t, size_t a, size_t b)
{
	size_t i = a + 1, end;

	if (tr_is(t, i, "INDEX") || tr_is(t, i, "KEY")) {
		i = if_clause(t, i + 1, FEATURE_alter_if_exists) + 1;
		while (i < b)
			i = tr_key_option(t, i);
		/* A target without hidden keys: nothing is left to do. */
		if (b > a + 1 && t->t[b - 1].drop)
			tr_drop(t, a, b);
		return 0;
	}
	if (tr_is(t, b - 1, "ENFORCED") && !knows(t->to, FEATURE_check_enforced))
		return tr_fail(t, "switching a CHECK on and off is not known to the target; drop or add it "
				  "there by hand");
	i += tr_is(t, i, "COLUMN");
	i = if_clause(t, i, FEATURE_alter_if_exists);
	if (tr_is(t, i + 1, "SET") && (tr_is(t, i + 2, "INVISIBLE") || tr_is(t, i + 2, "VISIBLE")) &&
		!knows(t->to, FEATURE_set_column_visible))
		return drop_spec(t, a, b);
	if (tr_is(t, i + 1, "SET") && tr_is(t, i + 2, "DEFAULT"))
		return tr_default(t, i + 2, "", &end);
	return 0;
}

/* How the source locked and copied says nothing about the target: ALGORITHM=DEFAULT, LOCK=DEFAULT. */
static void free_choice(struct tr *t, size_t a)
{
	size_t value = a + 1 + tr_is_char(t, a + 1, '=');

	if (value < t->n && !tr_is(t, value, "DEFAULT"))
		tr_replace(t, value, "DEFAULT");
}

static int spec_other(struct tr *t, size_t a, size_t b)
{
	if ((tr_is(t, a, "DISCARD") || tr_is(t, a, "IMPORT")) && tr_is(t, b - 1, "TABLESPACE"))
		return tr_fail(t,
			"%.*s TABLESPACE moves files of the source's server and can't be repeated at the "
			"target",
			STR_ARG(tr_text(t, a)));
	if (tr_is(t, a, "SECONDARY_LOAD") || tr_is(t, a, "SECONDARY_UNLOAD"))
		return drop_spec(t, a, b);
	if (tr_is(t, a, "CONVERT") && tr_is(t, a + 1, "TO"))
		return tr_options(t, a + 2, b);
	if (tr_is(t, a, "RENAME") || tr_is(t, a, "ORDER") || tr_is(t, a, "EXCHANGE"))
		return 0;
	return tr_options(t, a, b);
}

static int spec(struct tr *t, size_t a, size_t b)
{
	t->column[0] = 0;
	if (a == b)
		return 0;
	if (tr_is(t, a, "ADD"))
		return spec_add(t, a, b);
	if (tr_is(t, a, "MODIFY") || tr_is(t, a, "CHANGE"))
		return spec_modify(t, a, b);
	if (tr_is(t, a, "DROP"))
		return spec_drop(t, a, b);
	if (tr_is(t, a, "ALTER"))
		return spec_alter(t, a, b);
	if (tr_is(t, a, "ALGORITHM") || tr_is(t, a, "LOCK")) {
		free_choice(t, a);
		return 0;
	}
	return spec_other(t, a, b);
}

int tr_alter(struct tr *t, size_t from)
{
	size_t end = t->n;

	while (end > from && tr_is_char(t, end - 1, ';'))
		end--;
	look_for_dropped_key(t, from);
	tr_engine(t, from);
	return tr_each(t, from, end, spec);
}
