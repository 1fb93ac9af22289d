/*
 * What there may not be enough of: days of binlog, bytes in a packet, connections, disk. All of them are
 * guesses about what will be, so most are warnings.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/json.h"
#include "common/config/mode.h"
#include "common/db/limits.h"
#include "common/db/status.h"
#include "units/check/items.h"

static const uint64_t mib = UINT64_C(1) << 20, gib = UINT64_C(1) << 30;

/* --- how long binlog files stay --- */

enum { LEAST_S = 3600, COPY_MIB_S = 10, DAY_S = 86400 };

/* 0: for ever. The newer variable goes before the older one; MariaDB's days may be a fraction. */
static uint64_t expiry_of(struct db *d)
{
	uint64_t s = check_number(d, "binlog_expire_logs_seconds");
	char text[32];

	if (check_variable(d, "binlog_expire_logs_auto_purge", text, sizeof(text)) && strcmp(text, "0") == 0)
		return 0;
	if (s == 0 && check_variable(d, "expire_logs_days", text, sizeof(text)))
		s = (uint64_t)(strtod(text, NULL) * DAY_S);
	return s;
}

/* Amazon's servers have a setting of their own, which removes files at once where it is NULL. */
static bool is_purged_at_once(struct db *d)
{
	char text[32] = "";
	bool found;

	return db_value(d, "SELECT value FROM mysql.rds_configuration WHERE name='binlog retention hours'",
		       text, sizeof(text), &found, NULL) == 0 &&
	       found && !text[0];
}

/* Three days, or what the copy wants. */
static void put_expiry(struct db *d, uint64_t wanted, char *out, size_t size)
{
	bool seconds = check_variable(d, "binlog_expire_logs_seconds", out, size);
	uint64_t days = 3 + wanted / DAY_S;

	if (seconds)
		snprintf(out, size, "SET GLOBAL binlog_expire_logs_seconds=%" PRIu64, days * DAY_S);
	else
		snprintf(out, size, "SET GLOBAL expire_logs_days=%" PRIu64, days);
}

void check_expiry(struct check *c, const char *item)
{
	uint64_t s = expiry_of(c->up), bytes = check_copies(c) ? tables_bytes(c->tables, c->up) : 0,
		 takes = bytes / mib / COPY_MIB_S, limit = check_number(c->up, "max_binlog_total_size");
	uint64_t wanted = takes * 2 > LEAST_S ? takes * 2 : LEAST_S;
	char mend[120];

	put_expiry(c->up, wanted, mend, sizeof(mend));
	if (is_purged_at_once(c->up))
		check_found(c, item, "warn", 0, db_where(c->up),
			"CALL mysql.rds_set_configuration('binlog retention hours', 72)",
			"it removes binlog files as soon as it can (binlog retention hours is NULL)");
	else if (s > 0 && s < wanted)
		check_found(c, item, "warn", 0, db_where(c->up), mend,
			"its binlog files are removed after %" PRIu64 " s; the copy may take %" PRIu64
			" s, and a failure of the relay as long: what is gone by then must be copied again",
			s, takes);
	else if (limit > 0 && limit < gib && limit < bytes)
		check_found(c, item, "warn", 0, db_where(c->up), "SET GLOBAL max_binlog_total_size=0",
			"it keeps no more than %" PRIu64
			" bytes of binlog (max_binlog_total_size), fewer than what is copied",
			limit);
	else
		check_passed(c, item, c->up);
}

/* --- packets --- */

/* A column whose values may be too large for the downstream; only tables that are wanted. */
static void look_for_large(struct check *c, uint64_t limit, struct some *columns)
{
	struct buf sql = {0};
	struct err ignored = {0};
	struct db_rows *rows;
	const struct str *v;
	size_t at = 0;

	buf_putf(&sql,
		"SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE "
		"(CHARACTER_OCTET_LENGTH>=%" PRIu64 " OR DATA_TYPE='json') AND TABLE_SCHEMA",
		limit);
	tables_put_schemas(c->tables, &sql);
	rows = db_query(c->up, buf_str(&sql), &ignored);
	buf_free(&sql);
	while (rows && db_fetch(rows, &v, &ignored) > 0)
		if (tables_find(c->tables, v[0], v[1], &at))
			some_add(
				columns, "`%.*s`.`%.*s`.`%.*s`", STR_ARG(v[0]), STR_ARG(v[1]), STR_ARG(v[2]));
	db_rows_close(&rows);
}

void check_packets(struct check *c, const char *item)
{
	uint64_t up = check_number(c->up, "max_allowed_packet"), limit;
	struct some columns = {0};
	struct db_limits down;
	struct err ignored = {0};
	char mend[80];
	bool entry;

	if (db_limits_read(c->down, &down, &ignored) < 0)
		return;
	entry = down.entry > 0 && (down.packet == 0 || down.entry < down.packet);
	limit = entry ? down.entry : down.packet;
	if (limit > 0 && limit < up && check_too_many(c, item))
		return;
	if (limit > 0 && limit < up)
		look_for_large(c, limit, &columns);
	snprintf(mend, sizeof(mend),
		entry ? "SET GLOBAL tidb_txn_entry_size_limit=125829120"
		      : "SET GLOBAL max_allowed_packet=%" PRIu64,
		up);
	if (columns.n > 0)
		check_found(c, item, "warn", 0, db_where(c->down), mend,
			"it takes no more than %" PRIu64 " bytes at once (%s), the upstream %" PRIu64
			": a larger value stops the task; columns that may have one: %s",
			limit, entry ? "txn-entry-size-limit" : "max_allowed_packet", up,
			some_text(&columns));
	else
		check_passed(c, item, c->down);
	some_free(&columns);
}

/* --- connections --- */

static void look_at_room(struct check *c, const char *item, struct db *d, uint64_t wanted)
{
	uint64_t most = check_number(d, "max_connections"), own = 0, used = 0;
	char account[320], text[24], mend[420];
	struct err ignored = {0};
	bool found;

	check_account(d, account, sizeof(account));
	if (db_value(d, "SELECT @@max_user_connections", text, sizeof(text), &found, NULL) == 0 && found)
		own = strtoull(text, NULL, 10);
	db_status(d, "Threads_connected", &used, &ignored);
	if (own > 0 && own < wanted) {
		snprintf(mend, sizeof(mend), "ALTER USER %s WITH MAX_USER_CONNECTIONS %" PRIu64, account,
			wanted);
		check_found(c, item, "warn", 0, db_where(d), mend,
			"the task may open %" PRIu64 " connections, and the account %s may have %" PRIu64,
			wanted, account, own);
	} else if (most > 0 && used + wanted > most) {
		snprintf(mend, sizeof(mend), "SET GLOBAL max_connections=%" PRIu64, used + wanted + 10);
		check_found(c, item, "warn", 0, db_where(d), mend,
			"the task may open %" PRIu64 " connections, and of %" PRIu64 " %" PRIu64
			" are in use",
			wanted, most, used);
	} else {
		check_passed(c, item, d);
	}
}

void check_connections(struct check *c, const char *item)
{
	const struct mode *m = mode_find(c->mode);
	uint64_t up = 0, load = 0, sync = 0;

	if (check_copies(c)) /* the readers; the lock, and who looks at tables */
		up += (uint64_t)json_num(c->dump, "threads", 4) + 2;
	if (check_follows(c)) { /* relay and structures; writers, progress, structures */
		up += 3;
		sync = (uint64_t)json_num(c->sync, "workers", 4) + 3;
	}
	if (!m || m->load)
		load = (uint64_t)json_num(c->load, "threads", 4) + 2;
	if (c->up)
		look_at_room(c, item, c->up, up);
	if (c->down)
		look_at_room(c, item, c->down, load > sync ? load : sync);
}

/* --- disk --- */

void check_space(struct check *c, const char *item)
{
	const struct mode *m = mode_find(c->mode);
	uint64_t limit = (uint64_t)json_num(c->dump, "spool_bytes", (int64_t)(4 * gib)),
		 wanted = tables_bytes(c->tables, c->up);

	if (c->free_bytes == 0 || (m && m->to == MODE_FILES))
		return;
	wanted = (wanted < limit ? wanted : limit) + (check_follows(c) ? gib : 0);
	if (c->free_bytes < wanted)
		check_found(c, item, "warn", 0, "the agent's host",
			"make room on the disk of its state folder",
			"%" PRIu64 " MiB are free on the disk of the state folder; the copy's files%s may "
			"want %" PRIu64 " MiB",
			c->free_bytes / mib, check_follows(c) ? " and the relay log" : "", wanted / mib);
	else
		check_found(c, item, "success", 0, "the agent's host", "", "ok");
}
