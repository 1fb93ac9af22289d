/*
 * What a copy will make downstream, tried without making it: each table's CREATE goes through the same
 * translation as in the load, and the downstream is asked for one like it (trial.c).
 */
#include <string.h>

#include "common/base/clock.h"
#include "common/config/json.h"
#include "common/sql/dialect.h"
#include "units/check/items.h"
#include "units/check/trial.h"

struct translating {
	struct check *c;
	struct trial trial;
	struct sql_dialects d;
	struct some changed, refused;
	uint32_t code; /* of the first that is refused */
	bool tried;    /* that one was refused by the server */
};

/* SHOW CREATE TABLE does not name the schema. */
static void add_lines(struct some *s, const char *schema, struct buf *notes)
{
	char *save = NULL;

	buf_cstr(notes);
	for (char *line = strtok_r(notes->p, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		some_add(s, "`%s`.%s", schema, line);
}

static void try_one(struct translating *w, const struct check_table *t)
{
	struct buf create = {0}, sql = {0}, notes = {0};
	struct err e = {0};
	bool doubt;
	int r;

	tables_create(w->c->tables, w->c->up, t, &create);
	r = create.n > 0 ? sql_translate(buf_str(&create), &w->d, &sql, &notes, &e) : 0;
	doubt = r == 0 && sql.n > 0 && trial_is_wanted(&w->trial, buf_str(&sql));
	/* One that is there is not made, and whoever made it has decided. */
	if ((r < 0 || notes.n > 0 || doubt) && !tables_is_there(w->c->down, t)) {
		doubt = doubt && trial_refuses(&w->trial, buf_str(&sql), &e);
		if (doubt)
			r = -1;
		if (r == 0)
			add_lines(&w->changed, t->schema, &notes);
		else
			some_add(&w->refused, "`%s`.`%s`: %s", t->schema, t->name, e.text);
		if (r < 0 && !w->code) {
			w->code = e.code;
			w->tried = doubt;
		}
	}
	buf_free(&create);
	buf_free(&sql);
	buf_free(&notes);
}

/* What the server refuses is told before a task is there that could be resumed. */
static void tell_refused(struct translating *w, const char *item)
{
	struct check *c = w->c;
	const char *mend = w->tried ? "make the table there by hand, or ALTER it in the upstream"
				    : err_info((enum err_code)w->code)->workaround;

	if (w->refused.n > 0)
		check_found(c, item, "fail", w->code, db_where(c->down), mend, "can't be made there: %s",
			some_text(&w->refused));
}

void check_types(struct check *c, const char *item)
{
	int policy = collation_policy_of(json_text(c->load, "collations", "nearest"));
	struct translating w = {.c = c,
		.d = {.from = db_server(c->up),
			.to = db_server(c->down),
			.collations = policy < 0 ? COLLATION_NEAREST : (enum collation_policy)policy}};
	size_t i, tried = 0;

	if (!check_has_begun(c))
		trial_open(&w.trial, c);
	for (i = 0; i < c->tables->n && i < TABLES_TRIED && clock_ms() < c->until_ms; i++) {
		try_one(&w, &c->tables->p[i]);
		tried += !w.trial.cut;
	}
	trial_close(&w.trial);
	tell_refused(&w, item);
	if (w.changed.n > 0)
		check_found(c, item, "warn", 0, db_where(c->down),
			"if that will not do, make the tables there by hand before the start",
			"it gets them otherwise: %s", some_text(&w.changed));
	if (i < c->tables->n)
		check_rest(c, item, i, "the copy looks at each before it makes any");
	else if (w.trial.cut)
		check_rest(
			c, item, tried, "whether the downstream takes each the copy sees when it makes it");
	else if (w.refused.n + w.changed.n == 0)
		check_passed(c, item, c->down);
	some_free(&w.refused);
	some_free(&w.changed);
}
