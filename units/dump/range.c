/*
 * Places and ranges of a table's key, as text of SQL. Pure. Called by the planning, the reader and the plan's
 * JSON. Never compares two places: only the server can.
 */
#include "units/dump/range.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/sql/quote.h"

void tuple_add(struct tuple *t, struct str text)
{
	t->v = xrealloc(t->v, (t->n + 1) * sizeof(*t->v));
	t->v[t->n++] = xstrndup(text.p, text.n);
}

struct tuple tuple_copy(const struct tuple *t)
{
	struct tuple copy = {0};

	for (unsigned i = 0; i < t->n; i++)
		tuple_add(&copy, str_of(t->v[i]));
	return copy;
}

void tuple_free(struct tuple *t)
{
	for (unsigned i = 0; i < t->n; i++)
		free(t->v[i]);
	free(t->v);
	*t = (struct tuple){0};
}

bool tuple_same(const struct tuple *a, const struct tuple *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

json_t *tuple_to_json(const struct tuple *t)
{
	json_t *list = t->n ? json_array() : NULL;

	for (unsigned i = 0; i < t->n; i++)
		json_array_append_new(list, json_string(t->v[i]));
	return list;
}

/* Digits, 'a word', _charset x'hex', _charset 'a word': what key_put_literal writes, and no other SQL. */
static bool is_literal(const char *p)
{
	static const char digits[] = "0123456789-.", hex[] = "0123456789ABCDEFabcdef";
	bool bytes = false;

	if (*p != '_' && *p != '\'')
		return *p && p[strspn(p, digits)] == '\0';
	if (*p == '_') {
		p += 1 + strspn(p + 1, "0123456789abcdefghijklmnopqrstuvwxyz");
		if (*p++ != ' ' || (*p != 'x' && *p != '\''))
			return false;
		bytes = *p == 'x';
		p += bytes;
	}
	if (*p++ != '\'')
		return false;
	p += strspn(p, bytes ? hex : "0123456789abcdefABCDEF-.: ");
	return p[0] == '\'' && p[1] == '\0';
}

int tuple_from_json(struct tuple *out, const json_t *o, unsigned columns, struct err *e)
{
	*out = (struct tuple){0};
	if (!o || json_is_null(o))
		return 0;
	if (!json_is_array(o) || json_array_size(o) != columns)
		return err_set(
			e, ERR_proto, "a place in a key of %u columns has not as many literals", columns);
	for (unsigned i = 0; i < columns; i++) {
		const char *text = json_string_value(json_array_get(o, i));

		if (!text || !is_literal(text)) {
			tuple_free(out);
			return err_set(e, ERR_proto, "a place in a key has a literal that is none of ours");
		}
		tuple_add(out, str_of(text));
	}
	return 0;
}

struct range range_copy(const struct range *r)
{
	return (struct range){tuple_copy(&r->lo), tuple_copy(&r->hi)};
}

void range_free(struct range *r)
{
	tuple_free(&r->lo);
	tuple_free(&r->hi);
}

/* --- conditions --- */

struct condition {
	struct buf *b;
	const struct structure *s;
	const struct key *k;
	const char *word; /* before the next term */
};

static void put_term(struct condition *c, unsigned at, const char *op, const char *literal)
{
	sql_put_ident(c->b, str_of(c->s->columns[c->k->columns[at]].name));
	buf_puts(c->b, op);
	buf_puts(c->b, literal);
}

static void next_term(struct condition *c)
{
	buf_puts(c->b, c->word);
	c->word = " AND ";
}

/*
 * `b`>2 OR (`b`=2 AND (`c`>3)), from column `at` on; op is what the columns before the last are compared by,
 * last what the last one is.
 */
static void put_beyond(
	struct condition *c, const struct tuple *t, unsigned at, const char *op, const char *last)
{
	bool end = at + 1 == t->n;

	put_term(c, at, end ? last : op, t->v[at]);
	if (end)
		return;
	buf_puts(c->b, " OR (");
	put_term(c, at, "=", t->v[at]);
	buf_puts(c->b, " AND (");
	put_beyond(c, t, at + 1, op, last);
	buf_puts(c->b, "))");
}

/* The first column by itself, too: without it no server before MySQL 8 finds the range in the index. */
static void put_side(struct condition *c, const struct tuple *t, unsigned from, bool lo)
{
	if (t->n == 0 || from >= t->n)
		return;
	if (from + 1 < t->n) {
		next_term(c);
		put_term(c, from, lo ? ">=" : "<=", t->v[from]);
		next_term(c);
		buf_putc(c->b, '(');
		put_beyond(c, t, from, lo ? ">" : "<", lo ? ">" : "<=");
		buf_putc(c->b, ')');
		return;
	}
	next_term(c);
	put_term(c, from, lo ? ">" : "<=", t->v[from]);
}

/* Columns that both ends have the same literal for: a range within one value of them. */
static unsigned common(const struct range *r)
{
	unsigned least = r->lo.n < r->hi.n ? r->lo.n : r->hi.n, n = 0;

	while (n + 1 < least && strcmp(r->lo.v[n], r->hi.v[n]) == 0)
		n++;
	return n;
}

bool range_put(struct buf *b, const struct structure *s, const struct key *k, const struct range *r)
{
	struct condition c = {b, s, k, ""};
	unsigned from = common(r);

	for (unsigned i = 0; i < from; i++) {
		next_term(&c);
		put_term(&c, i, "=", r->lo.v[i]);
	}
	put_side(&c, &r->lo, from, true);
	put_side(&c, &r->hi, from, false);
	return *c.word != '\0';
}
