/*
 * DM's expression-filter: a row change for which a filter's expression is true is left out; any of a table's
 * filters is enough. Called by rules.c (loading) and sync (each row). It must never leave a row out because
 * an expression failed: that is an error.
 */
#include "common/sql/row_filter.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/sql/structure.h"

enum part { PART_INSERT, PART_UPDATE_OLD, PART_UPDATE_NEW, PART_DELETE, NPARTS };

static const char *const part_keys[NPARTS] = {"insert", "update_old", "update_new", "delete"};

struct text_filter {
	char *name, *schema, *table, *text[NPARTS];
	bool across;
};

struct row_filters {
	struct text_filter *list;
	size_t n;
	bool case_sensitive;
	atomic_uint_fast64_t rows;
};

struct bound_filter {
	struct expr *x[NPARTS];
	bool across;
};

struct row_filter {
	struct row_filters *of;
	struct bound_filter *list;
	size_t n;
};

/* --- loading --- */

static int bad(const struct text_filter *f, struct err *e, const char *why)
{
	return err_set(e, ERR_config_bad, "expression-filter `%s`: %s", f->name, why);
}

static int check(const struct text_filter *f, struct err *e)
{
	struct expr_options o = {.server = {FLAVOR_MYSQL, 0}};
	bool update = f->text[PART_UPDATE_OLD] || f->text[PART_UPDATE_NEW];
	int groups = (f->text[PART_INSERT] != NULL) + update + (f->text[PART_DELETE] != NULL);

	if (!f->schema || !f->table)
		return bad(f, e, "schema and table are wanted");
	if (groups != 1)
		return bad(f, e,
			"one kind is wanted: insert-value-expr, update-old-value-expr and/or "
			"update-new-value-expr, "
			"or delete-value-expr (another kind goes into a filter of its own)");
	if (f->across && !f->text[PART_INSERT])
		return bad(f, e, "update-across goes with insert-value-expr");
	for (unsigned i = 0; i < NPARTS; i++)
		if (f->text[i] && expr_check(f->text[i], &o, e) < 0)
			return err_add(e, "expression-filter `%s`", f->name);
	return 0;
}

static char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text && *text ? xstrdup(text) : NULL;
}

int row_filters_new(struct row_filters **out, const json_t *list, bool case_sensitive, struct err *e)
{
	struct row_filters *f;
	const json_t *o;
	size_t i;

	*out = NULL;
	if (json_array_size(list) == 0)
		return 0;
	f = xcalloc(1, sizeof(*f));
	f->case_sensitive = case_sensitive;
	f->list = xcalloc(json_array_size(list), sizeof(*f->list));
	json_array_foreach(list, i, o) {
		struct text_filter *t = &f->list[f->n++];
		char *name = text_of(o, "name");

		t->name = name ? name : xstrdup("?");
		t->schema = text_of(o, "schema");
		t->table = text_of(o, "table");
		t->across = json_is_true(json_object_get(o, "across"));
		for (unsigned k = 0; k < NPARTS; k++)
			t->text[k] = text_of(o, part_keys[k]);
		if (check(t, e) < 0) {
			row_filters_free(&f);
			return -1;
		}
	}
	*out = f;
	return 0;
}

void row_filters_free(struct row_filters **f)
{
	struct row_filters *old = *f;

	*f = NULL;
	for (size_t i = 0; old && i < old->n; i++) {
		struct text_filter *t = &old->list[i];

		free(t->name);
		free(t->schema);
		free(t->table);
		for (unsigned k = 0; k < NPARTS; k++)
			free(t->text[k]);
	}
	if (old)
		free(old->list);
	free(old);
}

static bool same_name(const struct row_filters *f, const char *a, struct str b)
{
	return f->case_sensitive ? str_is(b, a) : str_is_ci(b, a);
}

static bool names(
	const struct row_filters *f, const struct text_filter *t, struct str schema, struct str table)
{
	return same_name(f, t->schema, schema) && same_name(f, t->table, table);
}

static bool any_names(const struct row_filters *f, struct str schema, struct str table)
{
	for (size_t i = 0; f && i < f->n; i++)
		if (names(f, &f->list[i], schema, table))
			return true;
	return false;
}

bool row_filters_hide(const struct row_filters *f, struct str schema, struct str table)
{
	for (size_t i = 0; f && i < f->n; i++)
		if (!f->list[i].text[PART_DELETE] && names(f, &f->list[i], schema, table))
			return true;
	return false;
}

bool row_filters_change(const struct row_filters *f, struct str schema, struct str table, bool deletes)
{
	for (size_t i = 0; f && i < f->n; i++) {
		const struct text_filter *t = &f->list[i];

		if (names(f, t, schema, table) &&
			(t->across || (deletes ? t->text[PART_DELETE] != NULL
					       : t->text[PART_UPDATE_OLD] || t->text[PART_UPDATE_NEW])))
			return true;
	}
	return false;
}

bool row_filters_table(const struct row_filters *f, size_t i, const char **schema, const char **table)
{
	if (!f || i >= f->n)
		return false;
	*schema = f->list[i].schema;
	*table = f->list[i].table;
	return true;
}

const char *row_filters_across(const struct row_filters *f)
{
	for (size_t i = 0; f && i < f->n; i++)
		if (f->list[i].across)
			return f->list[i].name;
	return NULL;
}

uint64_t row_filters_rows(const struct row_filters *f)
{
	return f ? atomic_load(&f->rows) : 0;
}

void row_filter_count(const struct row_filter *f)
{
	atomic_fetch_add_explicit(&f->of->rows, 1, memory_order_relaxed);
}

/* --- a table --- */

static int bind(struct bound_filter *b, const struct text_filter *t, const struct structure *s,
	const struct expr_options *o, struct err *e)
{
	b->across = t->across;
	for (unsigned i = 0; i < NPARTS; i++) {
		if (!t->text[i])
			continue;
		b->x[i] = expr_new(t->text[i], o, s, e);
		if (!b->x[i])
			return err_add(e, "expression-filter `%s`", t->name);
	}
	return 0;
}

int row_filter_bind(struct row_filter **out, struct row_filters *f, const struct structure *s,
	const struct server *server, struct err *e)
{
	struct expr_options o = {.server = *server};
	struct row_filter *r;

	*out = NULL;
	if (!any_names(f, str_of(s->schema), str_of(s->table)))
		return 0;
	r = xcalloc(1, sizeof(*r));
	r->of = f;
	r->list = xcalloc(f->n, sizeof(*r->list));
	for (size_t i = 0; i < f->n; i++) {
		if (!names(f, &f->list[i], str_of(s->schema), str_of(s->table)))
			continue;
		if (bind(&r->list[r->n++], &f->list[i], s, &o, e) < 0) {
			row_filter_free(&r);
			return -1;
		}
	}
	*out = r;
	return 0;
}

void row_filter_free(struct row_filter **f)
{
	struct row_filter *old = *f;

	*f = NULL;
	for (size_t i = 0; old && i < old->n; i++)
		for (unsigned k = 0; k < NPARTS; k++)
			expr_free(&old->list[i].x[k]);
	if (old)
		free(old->list);
	free(old);
}

bool row_filter_hides(const struct row_filter *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->list[i].x[PART_DELETE])
			return true;
	return false;
}

/* --- a row --- */

/* Narrows *is: an expression that is not there narrows nothing. */
static int narrow(const struct expr *x, const struct expr_row *row, struct arena *a, bool *is, struct err *e)
{
	enum expr_truth t;

	if (!x || !*is)
		return 0;
	if (expr_eval(x, row, a, &t, e) < 0)
		return -1;
	*is = t == EXPR_TRUE;
	return 0;
}

/* DM's meaning: of one kind of change only. */
static int leaves_out(const struct bound_filter *b, enum row_change change, const struct expr_row *before,
	const struct expr_row *after, struct arena *a, bool *is, struct err *e)
{
	*is = true;
	switch (change) {
	case ROW_INSERT:
		*is = b->x[PART_INSERT] != NULL;
		return narrow(b->x[PART_INSERT], after, a, is, e);
	case ROW_DELETE:
		*is = b->x[PART_DELETE] != NULL;
		return narrow(b->x[PART_DELETE], before, a, is, e);
	default:
		*is = b->x[PART_UPDATE_OLD] || b->x[PART_UPDATE_NEW];
		if (narrow(b->x[PART_UPDATE_OLD], before, a, is, e) < 0)
			return -1;
		return narrow(b->x[PART_UPDATE_NEW], after, a, is, e);
	}
}

/* Is this row outside of what is copied, by the filters that say so of a row whatever happens to it? */
static int is_outside(
	const struct row_filter *f, const struct expr_row *row, struct arena *a, bool *is, struct err *e)
{
	*is = false;
	for (size_t i = 0; row && i < f->n && !*is; i++) {
		bool one = f->list[i].across;

		if (narrow(f->list[i].x[PART_INSERT], row, a, &one, e) < 0)
			return -1;
		*is = one;
	}
	return 0;
}

int row_filter_judge(const struct row_filter *f, enum row_change change, const struct expr_row *before,
	const struct expr_row *after, struct arena *a, enum row_verdict *out, struct err *e)
{
	bool is = false, was_outside, is_now;

	*out = ROW_SKIP;
	for (size_t i = 0; i < f->n && !is; i++)
		if (!f->list[i].across && leaves_out(&f->list[i], change, before, after, a, &is, e) < 0)
			return -1;
	if (is)
		return 0;
	if (is_outside(f, change == ROW_INSERT ? NULL : before, a, &was_outside, e) < 0 ||
		is_outside(f, change == ROW_DELETE ? NULL : after, a, &is_now, e) < 0)
		return -1;
	if (change == ROW_INSERT)
		*out = is_now ? ROW_SKIP : ROW_KEEP;
	else if (change == ROW_DELETE)
		*out = was_outside ? ROW_SKIP : ROW_KEEP;
	else if (was_outside)
		*out = is_now ? ROW_SKIP : ROW_ENTERS;
	else
		*out = is_now ? ROW_LEAVES : ROW_KEEP;
	return 0;
}
