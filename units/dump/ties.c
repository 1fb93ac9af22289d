/*
 * What the load must know of the upstream before it says what it wants: foreign keys, and which server this
 * is. Called by the leader thread with the listing of the tables.
 */
#include "units/dump/ties.h"

#include "common/sql/quote.h"

static bool acts(struct str rule)
{
	return !str_is(rule, "RESTRICT") && !str_is(rule, "NO ACTION");
}

static void put_question(struct buf *sql, const struct items *schemas)
{
	buf_puts(sql, "SELECT CONSTRAINT_SCHEMA,TABLE_NAME,UNIQUE_CONSTRAINT_SCHEMA,REFERENCED_TABLE_NAME,"
		      "UPDATE_RULE,DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE "
		      "CONSTRAINT_SCHEMA IN (");
	for (unsigned i = 0; i < schemas->n; i++) {
		buf_puts(sql, i ? "," : "");
		sql_put_string(sql, str_of(schemas->p[i].schema));
	}
	buf_putc(sql, ')');
}

json_t *ties_read(struct db *d, const struct catalog *c, struct err *e)
{
	json_t *list = json_array();
	struct buf sql = {0};
	struct db_rows *rows;
	const struct str *v;
	int got;

	if (c->schemas.n == 0)
		return list;
	put_question(&sql, &c->schemas);
	rows = db_query(d, buf_str(&sql), e);
	buf_free(&sql);
	got = rows ? 0 : -1;
	while (rows && (got = db_fetch(rows, &v, e)) > 0)
		json_array_append_new(
			list, json_pack("[s%, s%, s%, s%, i]", v[0].p, v[0].n, v[1].p, v[1].n, v[2].p, v[2].n,
				      v[3].p, v[3].n, acts(v[4]) || acts(v[5])));
	db_rows_close(&rows);
	if (got < 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

int ties_identity(struct db *d, char *out, size_t size, struct err *e)
{
	bool found;

	return db_value(d,
		db_server(d)->flavor == FLAVOR_MARIADB
			? "SELECT CONCAT(@@global.gtid_domain_id,'-',@@global.server_id)"
			: "SELECT @@global.server_uuid",
		out, size, &found, e);
}
