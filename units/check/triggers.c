/*
 * Triggers downstream: each would run for every row that is written, and nothing a client can set keeps it
 * from that (T15). Seen with the TRIGGER privilege only, which target_privilege asks for.
 */
#include "common/sql/quote.h"
#include "units/check/items.h"

void check_triggers(struct check *c, const char *item)
{
	struct err e = {0};
	struct db_rows *rows = db_query(c->down,
		STR_LIT("SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE FROM "
			"information_schema.TRIGGERS ORDER BY 1, 2"),
		&e);
	struct some found = {0};
	struct buf mend = {0};
	const struct str *v;

	while (rows && db_fetch(rows, &v, &e) > 0) {
		if (!tables_find_to(c->tables, v[2], v[3]))
			continue;
		some_add(&found, "`%.*s`.`%.*s` on `%.*s`", STR_ARG(v[0]), STR_ARG(v[1]), STR_ARG(v[3]));
		buf_puts(&mend, mend.n ? "; DROP TRIGGER " : "DROP TRIGGER ");
		sql_put_table(&mend, v[0], v[1]);
	}
	db_rows_close(&rows);
	if (found.n > 0)
		check_found(c, item, "fail", ERR_sync_trigger, db_where(c->down), buf_cstr(&mend),
			"tables that the task writes have triggers there, which would run for each row: %s",
			some_text(&found));
	else if (e.code)
		check_found(c, item, "warn", 0, db_where(c->down), err_info(e.code)->workaround,
			"triggers could not be seen: %s", e.text);
	else
		check_passed(c, item, c->down);
	some_free(&found);
	buf_free(&mend);
}
