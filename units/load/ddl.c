/*
 * The load's DDL statements, and questions about what is there. Called by target.c. Decides nothing.
 */
#include "units/load/ddl.h"

#include "common/base/log.h"
#include "common/db/structure.h"
#include "common/sql/dialect.h"
#include "common/sql/quote.h"
#include "units/load/latekeys.h"

void ddl_put_text(struct buf *sql, const char *text)
{
	sql_put_string(sql, str_of(text));
}

/* A refusal of the downstream is a matter for a person; lost connections stay what they are. */
static int failed(struct err *e)
{
	if (err_act(e->code) == ERR_ACT_PAUSE && e->code != ERR_collation_refused)
		e->code = ERR_load_failed;
	return -1;
}

int ddl_object_type(struct db *c, const char *schema, const char *name, enum ddl_object *what, struct err *e)
{
	char type[DB_TABLE_TYPE];

	if (db_table_type(c, schema, name, type, e) < 0)
		return failed(e);
	*what = !type[0]                       ? DDL_OBJECT_NONE
		: str_is(str_of(type), "VIEW") ? DDL_OBJECT_VIEW
					       : DDL_OBJECT_TABLE;
	return 0;
}

int ddl_any_there(struct db *c, const struct plan_item *t, unsigned n, bool *any, struct err *e)
{
	struct buf sql = {0};
	char count[24];
	bool found;
	int r;

	buf_puts(&sql, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA=");
	ddl_put_text(&sql, t[0].to_schema);
	for (unsigned i = 0; i < n; i++) {
		buf_puts(&sql, i ? "," : " AND TABLE_NAME IN (");
		ddl_put_text(&sql, t[i].to_name);
	}
	buf_putc(&sql, ')');
	r = db_value(c, buf_cstr(&sql), count, sizeof(count), &found, e);
	buf_free(&sql);
	*any = !found || strcmp(count, "0") != 0;
	return r < 0 ? failed(e) : 0;
}

int ddl_schema_exists(struct db *c, const char *schema, bool *there, struct err *e)
{
	struct buf sql = {0};
	char text[8];
	int r;

	buf_puts(&sql, "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=");
	ddl_put_text(&sql, schema);
	r = db_value(c, buf_cstr(&sql), text, sizeof(text), there, e);
	buf_free(&sql);
	return r < 0 ? failed(e) : 0;
}

int ddl_about(struct db *c, const char *words, const char *schema, const char *name, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_puts(&sql, words);
	sql_put_table(&sql, str_of(schema), str_of(name));
	r = db_exec(c, buf_str(&sql), e);
	buf_free(&sql);
	if (r < 0 && e->sql_errno == DDL_SCHEMA_UNKNOWN) {
		err_clear(e);
		return 0;
	}
	return r < 0 ? failed(e) : 0;
}

int ddl_use(struct db *c, const char *schema, struct err *e)
{
	struct buf sql = {0};
	int r;

	buf_puts(&sql, "USE ");
	sql_put_ident(&sql, str_of(schema));
	r = db_exec(c, buf_str(&sql), e);
	buf_free(&sql);
	return r < 0 ? failed(e) : 0;
}

static void log_notes(const struct buf *notes)
{
	const char *line = notes->p, *end = notes->p + notes->n;

	while (line < end) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));

		stop = stop ? stop : end;
		if (stop > line)
			log_info("%.*s", (int)(stop - line), line);
		line = stop + 1;
	}
}

static int translate(
	struct load *l, const struct plan_item *i, struct buf *sql, struct buf *notes, struct err *e)
{
	struct sql_dialects d = {.from = &l->plan.from, .to = &l->to, .collations = l->collations};

	return sql_translate(str_of(i->create), &d, sql, notes, e);
}

int ddl_can_translate(struct load *l, const struct plan_item *i, struct err *e)
{
	struct buf sql = {0}, notes = {0};
	int r = translate(l, i, &sql, &notes, e);

	buf_free(&sql);
	buf_free(&notes);
	return r < 0 ? failed(e) : 0;
}

static int make(struct load *l, struct db *c, const struct plan_item *i, const json_t *refs, json_t *keys,
	struct err *e)
{
	struct buf sql = {0}, notes = {0}, less = {0};
	int r = translate(l, i, &sql, &notes, e);

	if (r == 0 && keys) {
		/* References to it have its name downstream. */
		struct structure there = *i->structure;

		there.schema = i->to_schema;
		there.table = i->to_name;
		latekeys_cut(buf_str(&sql), &l->to, &there, refs, &less, keys);
	}
	if (r == 0)
		r = db_exec(c, buf_str(less.n > 0 ? &less : &sql), e);
	if (r == 0)
		log_notes(&notes);
	buf_free(&sql);
	buf_free(&notes);
	buf_free(&less);
	return r < 0 ? failed(e) : 0;
}

int ddl_translated(struct load *l, struct db *c, const struct plan_item *i, struct err *e)
{
	return make(l, c, i, NULL, NULL, e);
}

int ddl_make_without_keys(struct load *l, struct db *c, const struct plan_item *t, const json_t *refs,
	json_t *keys, struct err *e)
{
	return make(l, c, t, refs, keys, e);
}
