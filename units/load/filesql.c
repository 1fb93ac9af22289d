/*
 * A data file of INSERT statements: they are sent as they stand. Called by the file's worker. Of the settings
 * at the file's head those that say what the values mean are made; a file that is entered in its middle gets
 * them again.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/db/structure.h"
#include "common/sql/quote.h"
#include "common/sql/takes.h"
#include "units/load/filerouted.h"
#include "units/load/filework.h"
#include "units/load/lax.h"

static const struct plan_item *table_of(const struct fileworker *w)
{
	return &w->l->plan.tables.p[w->f->table];
}

/* dumpling says binary and writes UTF-8, whatever the column's charset is. */
static int set_names(struct fileworker *w, const char *names, struct err *e)
{
	static const char *const unsafe[] = {"gbk", "gb18030", "gb2312", "big5", "sjis", "cp932", "ujis",
		"eucjpms", "euckr", "ucs2", "utf16", "utf16le", "utf32"};

	/* In some of them a byte of a letter looks like a quote or a backslash. */
	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
		if (strcasecmp(names, unsafe[i]) == 0)
			return err_set(e, ERR_load_files,
				"SET NAMES %s: a text in it can't be cut into statements; dump with another "
				"charset",
				names);
	if (w->l->folder->utf8 && strcasecmp(names, "binary") == 0)
		names = "utf8mb4";
	w->raw = strcasecmp(names, "binary") == 0;
	return db_execf(w->c, e, "SET NAMES %.31s", names);
}

static int set_session(struct fileworker *w, const struct statement_about *about, struct err *e)
{
	for (const char *p = about->names; *p; p++) /* a charset's name, and nothing that could be more */
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
			    *p == '_'))
			return err_set(e, ERR_load_files, "SET NAMES of something that is no charset");
	if (about->names[0])
		return set_names(w, about->names, e);
	w->zone_said = true;
	return db_execf(w->c, e, "SET time_zone=%.*s", STR_ARG(about->zone));
}

static int refuse(const struct fileworker *w, const struct statement *s, const struct statement_about *about,
	struct err *e)
{
	int n = s->text.n < 60 ? (int)s->text.n : 60;

	if (about->table[0])
		return err_set(e, ERR_load_files, "rows of table `%s` stand in a file of table `%s`",
			about->table, table_of(w)->name);
	return err_set(
		e, ERR_load_files, "only INSERT, REPLACE and settings may stand here: %.*s", n, s->text.p);
}

/* The rows of a table that has another name, or more or other columns, downstream: as a copy of the
 * statement. */
static int exec_routed(
	struct fileworker *w, struct str text, const struct statement_about *about, struct err *e)
{
	struct buf sql = {0};
	int r = filerouted_put(table_of(w), &w->l->to, text, about, &sql, e);

	if (r == 0)
		r = fileworker_exec(w, buf_str(&sql), about->rows, about->replaces, e);
	buf_free(&sql);
	return r;
}

static bool is_routed(const struct plan_item *t)
{
	return strcmp(t->schema, t->to_schema) != 0 || strcmp(t->name, t->to_name) != 0 || t->extras.n > 0 ||
	       t->merged;
}

/* Somebody may have made the table with its columns in another order, or with those visible that were not. */
static int see_order(struct fileworker *w, struct err *e)
{
	const struct plan_item *t = table_of(w);
	struct structure *there;
	bool found;

	if (w->order != ORDER_UNSEEN)
		return 0;
	there = db_structure(w->c, t->to_schema, t->to_name, &found, e);
	if (!there && !e->code)
		err_set(e, ERR_load_files, "`%s`.`%s` is not there any more", t->to_schema, t->to_name);
	if (there)
		w->order = structure_same_order(t->structure, there) ? ORDER_SAME : ORDER_OTHER;
	structure_free(&there);
	return w->order == ORDER_UNSEEN ? -1 : 0;
}

/* Whether the statement is sent otherwise than it stands there. */
static int look_at_routed(
	struct fileworker *w, const struct statement_about *about, bool *routed, struct err *e)
{
	const struct plan_item *t = table_of(w);

	*routed = is_routed(t);
	if (*routed || about->list || !t->create[0])
		return filerouted_check_list(t, about->list, e);
	if (see_order(w, e) < 0)
		return -1;
	*routed = w->order == ORDER_OTHER;
	return 0;
}

/* Raw bytes say not which charset they are of: a table that somebody made with another one would take them
 * for its own. */
static int check_charsets(const struct fileworker *w, struct err *e)
{
	const struct structure *s = table_of(w)->structure;

	for (unsigned i = 0; w->raw && i < s->ncolumns; i++)
		if (s->columns[i].recoded)
			return err_set(e, ERR_load_files,
				"column `%s` has another charset in the table that is there than in its "
				"-schema.sql (%s), and the file has the text's bytes as they were (SET NAMES "
				"binary): give the column that charset, or copy from the server",
				s->columns[i].name, s->columns[i].charset);
	return 0;
}

static int send_rows(
	struct fileworker *w, const struct statement *s, const struct statement_about *about, struct err *e)
{
	const struct plan_item *t = table_of(w);
	bool routed, lax = about->ignore.n > 0 && w->l->folder->meta.ours;

	if (t->merged && about->replaces)
		return err_set(e, ERR_load_files,
			"REPLACE would go over rows of other tables, which are merged into `%s`.`%s`: write "
			"INSERT there",
			t->to_schema, t->to_name);
	if (check_charsets(w, e) < 0 || look_at_routed(w, about, &routed, e) < 0)
		return -1;
	fileworker_look_at_zone(w);
	/* Ours say it of rows with an ENUM's error value, which can't be written otherwise. */
	if (about->ignore.n > 0 && !lax)
		text_blank(&w->text, (size_t)(about->ignore.p - s->text.p), about->ignore.n);
	if ((routed ? exec_routed(w, s->text, about, e)
		    : fileworker_exec(w, s->text, about->rows, about->replaces, e)) < 0)
		return -1;
	return lax ? lax_check(w->c, t->structure, s->text, e) : 0;
}

static int one(
	struct fileworker *w, const struct statement *s, const struct statement_about *about, struct err *e)
{
	switch (about->kind) {
	case STATEMENT_ROWS:
		return send_rows(w, s, about, e);
	case STATEMENT_SESSION:
		return set_session(w, about, e);
	case STATEMENT_NOTHING:
		return 0;
	default:
		return refuse(w, s, about, e);
	}
}

/* The settings before the first row. */
static int read_head(struct fileworker *w, struct err *e)
{
	struct statement_about about;
	struct statement s;
	struct text head;
	int r = fileworker_open(w, &head, 0, e);

	while (r == 0 && (r = text_statement(&head, &s, e)) > 0) {
		statement_look(&s, table_of(w)->schema, table_of(w)->name, &about);
		if (about.kind == STATEMENT_ROWS)
			break;
		r = one(w, &s, &about, e);
		text_use(&head, s.text.n + 1);
	}
	text_close(&head);
	fileworker_give_back(w);
	return r < 0 ? -1 : 0;
}

int filesql_load(struct fileworker *w, struct err *e)
{
	struct statement_about about;
	struct statement s;
	int r;

	w->zone_said = false;
	w->order = ORDER_UNSEEN;
	if (set_names(w, "binary", e) < 0 || (w->f->at > 0 && read_head(w, e) < 0))
		return -1;
	while ((r = text_statement(&w->text, &s, e)) > 0) {
		statement_look(&s, table_of(w)->schema, table_of(w)->name, &about);
		if (one(w, &s, &about, e) < 0)
			return -1;
		text_use(&w->text, s.text.n + 1);
		fileworker_give_back(w);
		if (fileworker_step(w, false, e) < 0)
			return -1;
	}
	return r < 0 ? -1 : fileworker_step(w, true, e);
}
