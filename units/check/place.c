/*
 * Where the binlog is to be read from, of a task that has not begun yet: is it still there? The relay log may
 * have what the upstream has not any more, so nothing is refused.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/binlog/gtid.h"
#include "common/config/json.h"
#include "common/sql/quote.h"
#include "units/check/items.h"

static const char mend[] =
	"copy again, or name a place that is there (SHOW BINARY LOGS); nothing if the relay log "
	"has it";

/* 1: the upstream has it, and *size bytes; 0: not; -1: can't be asked. */
static int look_for_file(struct db *d, const char *file, uint64_t *size)
{
	struct err e = {0};
	struct db_rows *rows = db_query(d, STR_LIT("SHOW BINARY LOGS"), &e);
	const struct str *v;
	int r = rows ? 0 : -1, got;

	while (rows && (got = db_fetch(rows, &v, &e)) > 0)
		if (str_is(v[0], file)) {
			char digits[24];

			snprintf(digits, sizeof(digits), "%.*s", STR_ARG(v[1]));
			*size = strtoull(digits, NULL, 10);
			r = 1;
		}
	db_rows_close(&rows);
	return e.code ? -1 : r;
}

/* The oldest binlog file that is there. */
static bool oldest_file(struct db *d, char *out, size_t size)
{
	struct err ignored = {0};
	struct db_rows *rows = db_query(d, STR_LIT("SHOW BINARY LOGS"), &ignored);
	const struct str *v;
	bool found = rows && db_fetch(rows, &v, &ignored) > 0;

	if (found)
		snprintf(out, size, "%.*s", STR_ARG(v[0]));
	db_rows_close(&rows);
	return found;
}

/* What stands before the oldest file is gone. */
static bool is_before_oldest(struct db *d, const char *gtid)
{
	struct err ignored = {0};
	struct buf sql = {0};
	char file[300], text[2000] = "";
	bool found = false, before;
	struct gtid_set *wanted, *gone;

	if (!oldest_file(d, file, sizeof(file)))
		return false;
	buf_puts(&sql, "SELECT BINLOG_GTID_POS(");
	sql_put_string(&sql, str_of(file));
	buf_puts(&sql, ", 4)");
	if (db_value(d, buf_cstr(&sql), text, sizeof(text), &found, NULL) < 0 || !found)
		text[0] = '\0';
	buf_free(&sql);
	wanted = gtid_set_parse(FLAVOR_MARIADB, str_of(gtid), &ignored);
	gone = gtid_set_parse(FLAVOR_MARIADB, str_of(text), &ignored);
	before = wanted && gone && !gtid_set_contains(wanted, gone);
	gtid_set_free(&wanted);
	gtid_set_free(&gone);
	return before;
}

/* MySQL says so itself. */
static bool is_behind_purged(struct db *d, const char *gtid)
{
	struct buf sql = {0};
	char text[8] = "";
	bool found;
	int r;

	buf_puts(&sql, "SELECT GTID_SUBSET(@@global.gtid_purged, ");
	sql_put_string(&sql, str_of(gtid));
	buf_putc(&sql, ')');
	r = db_value(d, buf_cstr(&sql), text, sizeof(text), &found, NULL);
	buf_free(&sql);
	return r == 0 && found && strcmp(text, "0") == 0;
}

/* Is there anything behind the set that is gone? */
static bool is_purged(struct db *d, const char *gtid)
{
	return db_server(d)->flavor == FLAVOR_MARIADB ? is_before_oldest(d, gtid) : is_behind_purged(d, gtid);
}

void check_position(struct check *c, const char *item)
{
	const char *file = json_text(c->start, "file", ""), *gtid = json_text(c->start, "gtid", "");
	uint64_t offset = (uint64_t)json_num(c->start, "offset", 0), size = 0;
	int r;

	if ((!*file && !*gtid) || check_goes_on(c))
		return;
	r = *file ? look_for_file(c->up, file, &size) : 1;
	if (r == 0)
		check_found(c, item, "warn", ERR_relay_gone, db_where(c->up), mend,
			"it has no binlog file %s, from which the task is to start", file);
	else if (r > 0 && *file && offset > size)
		check_found(c, item, "warn", ERR_relay_gone, db_where(c->up), mend,
			"its binlog file %s has %" PRIu64 " bytes, and the task is to start at %" PRIu64,
			file, size, offset);
	else if (*gtid && is_purged(c->up, gtid))
		check_found(c, item, "warn", ERR_relay_gone, db_where(c->up), mend,
			"it has purged transactions that are not in the GTID set from which the task is to "
			"start");
	else if (r > 0)
		check_passed(c, item, c->up);
}
