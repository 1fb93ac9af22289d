/*
 * Defaults of UUID, INET4 and INET6, where the target keeps them as text: rules of sql_translate. The source
 * stores one form, however it was typed; the target's text must be that form, or no later change finds the
 * row.
 */
#include <string.h>

#include "common/sql/address.h"
#include "common/sql/translate.h"

bool sql_keeps_address(enum column_kind kind, const struct server *to)
{
	return knows(to, kind == COLUMN_UUID    ? FEATURE_type_uuid
			 : kind == COLUMN_INET4 ? FEATURE_type_inet4
						: FEATURE_type_inet6);
}

/* [_charset]'text', in which nothing is escaped. */
static bool plain_text(const struct tr *t, size_t i, size_t end, struct str *text)
{
	i += i + 2 == end && t->t[i].type == SQL_WORD && tr_text(t, i).p[0] == '_';
	if (i + 1 != end || t->t[i].type != SQL_STRING || t->t[i].len < 2)
		return false;
	*text = tr_text(t, i);
	*text = (struct str){text->p + 1, text->n - 2};
	return !memchr(text->p, '\\', text->n) && !memchr(text->p, '\'', text->n) &&
	       !memchr(text->p, '"', text->n);
}

int tr_address_default(struct tr *t, size_t at, size_t end, enum column_kind kind)
{
	struct buf form = {0};
	struct str text;
	bool known;

	if (tr_is(t, at + 1, "NULL"))
		return 0;
	known = plain_text(t, at + 1, end, &text) && sql_canonical_address(kind, text, &form);
	if (known && !str_eq(text, buf_str(&form))) {
		tr_replace(t, at + 1, "'%s'", buf_cstr(&form));
		tr_drop(t, at + 2, end);
	}
	buf_free(&form);
	if (known || !t->adding)
		return 0;
	text = (struct str){t->source.p + t->t[at].at, t->t[end - 1].at + t->t[end - 1].len - t->t[at].at};
	return tr_fail(t,
		"the new column's default (%.*s) gave the rows that are there values whose form in the "
		"target is not known: add it without the default, and fill it by hand or copy the table "
		"again",
		(int)(text.n < 120 ? text.n : 120), text.p);
}

void tr_address_zero(struct tr *t, size_t type, enum column_kind kind)
{
	if (!t->adding)
		return;
	tr_note(t, "got DEFAULT '%s', as the rows that are there have at the source", sql_zero_address(kind));
	tr_append(t, type, " DEFAULT '%s'", sql_zero_address(kind));
}
