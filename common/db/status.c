/*
 * Where a server's own binlog ends, in the words of each family, and what it counts. Used by dump, relay,
 * check and cutover through db.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/db/internal.h"
#include "common/db/status.h"

/* GTID sets come with a newline after each uuid. */
static char *without_newlines(struct str s)
{
	char *out = xmalloc(s.n + 1), *o = out;
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] != '\n')
			*o++ = s.p[i];
	*o = '\0';
	return out;
}

static int take_row(struct db *d, struct db_rows *r, struct db_master_status *s, struct err *e)
{
	const struct str *v;
	char offset[24];
	int n = db_fetch(r, &v, e);

	if (n < 0)
		return -1;
	if (n == 0 || db_columns(r) < 2)
		return err_set(e, ERR_check_binlog_off, "%s: the server writes no binlog (log_bin is off)",
			d->where);
	snprintf(s->file, sizeof(s->file), "%.*s", STR_ARG(v[0]));
	snprintf(offset, sizeof(offset), "%.*s", STR_ARG(v[1]));
	s->offset = strtoull(offset, NULL, 10);
	if (d->server.flavor == FLAVOR_MYSQL && db_columns(r) > 4)
		s->gtid = without_newlines(v[4]);
	return 0;
}

static int mariadb_gtid(struct db *d, struct db_master_status *s, struct err *e)
{
	struct db_rows *r = db_query(d, STR_LIT("SELECT @@global.gtid_binlog_pos"), e);
	const struct str *v;
	int n;

	if (!r)
		return -1;
	n = db_fetch(r, &v, e);
	if (n > 0)
		s->gtid = without_newlines(v[0]);
	db_rows_close(&r);
	return n < 0 ? -1 : 0;
}

struct db_rows *db_master_status_rows(struct db *d, struct err *e)
{
	bool new_words = d->server.flavor == FLAVOR_MYSQL && d->server.version >= 80200;

	return db_query(d, new_words ? STR_LIT("SHOW BINARY LOG STATUS") : STR_LIT("SHOW MASTER STATUS"), e);
}

int db_master_status(struct db *d, struct db_master_status *s, struct err *e)
{
	struct db_rows *r = db_master_status_rows(d, e);
	int n;

	memset(s, 0, sizeof(*s));
	if (!r)
		return -1;
	n = take_row(d, r, s, e);
	db_rows_close(&r);
	if (n == 0 && d->server.flavor == FLAVOR_MARIADB)
		n = mariadb_gtid(d, s, e);
	if (n == 0 && !s->gtid)
		s->gtid = xstrdup("");
	if (n < 0) {
		free(s->gtid);
		s->gtid = NULL;
	}
	return n;
}

int db_status(struct db *d, const char *name, uint64_t *out, struct err *e)
{
	struct db_rows *r = db_queryf(d, e, "SHOW GLOBAL STATUS LIKE '%s'", name);
	const struct str *v;
	char digits[24];
	int got = r ? db_fetch(r, &v, e) : -1;

	*out = 0;
	if (got > 0 && db_columns(r) > 1) {
		snprintf(digits, sizeof(digits), "%.*s", STR_ARG(v[1]));
		*out = strtoull(digits, NULL, 10);
	}
	db_rows_close(&r);
	return got < 0 ? -1 : got == 0;
}

/* Whatever an application put into its xid, as one printable word. */
static void put_printable(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n && i < 64; i++)
		buf_putc(b, s.p[i] > ' ' && s.p[i] < 127 ? s.p[i] : '?');
}

int db_prepared_xa(struct db *d, struct buf *names, struct err *e)
{
	struct db_rows *r = db_query(d, STR_LIT("XA RECOVER"), e);
	const struct str *v;
	int got, n = 0;

	if (!r)
		return -1;
	while ((got = db_fetch(r, &v, e)) > 0) {
		if (++n > 3 || !names)
			continue;
		buf_puts(names, n > 1 ? ", " : "");
		put_printable(names, v[3]);
	}
	db_rows_close(&r);
	return got < 0 ? -1 : n;
}

/* Each start begins a file of the binlog: one alone is of this start, and so are all that are left of one
 * long ago. */
static int is_older(struct db *d, struct err *e)
{
	struct db_rows *r = db_query(d, STR_LIT("SHOW BINARY LOGS"), e);
	const struct str *v;
	char text[32] = "";
	uint64_t uptime, keeps;
	int got = -1, n = 0;
	bool found;

	while (r && (got = db_fetch(r, &v, e)) > 0)
		n++;
	db_rows_close(&r);
	if (got < 0 && db_error_is_lost(e->sql_errno))
		return -1;
	if (got < 0) { /* no binlog, or not to be asked */
		err_clear(e);
		return 1;
	}
	if (n < 2)
		return 0;
	if (db_status(d, "Uptime", &uptime, e) < 0 ||
		db_value(d, "SELECT @@GLOBAL.binlog_expire_logs_seconds", text, sizeof(text), &found, e) < 0)
		return -1;
	keeps = strtoull(text, NULL, 10);
	return keeps == 0 || uptime < keeps;
}

int db_unseen_xa(struct db *d, struct err *e)
{
	struct err denied = {0};
	char text[32] = "";
	uint64_t n;
	bool found;
	int r;

	if (db_status(d, "Com_xa_prepare", &n, e) < 0)
		return -1;
	if (n > 0)
		return DB_XA_SEEN;
	if (db_value(d,
		    "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id=0 AND "
		    "trx_rows_modified>0",
		    text, sizeof(text), &found, &denied) == 0)
		return strcmp(text, "0") == 0 ? DB_XA_NONE : DB_XA_OLD;
	if (db_error_is_lost(denied.sql_errno)) {
		*e = denied;
		return -1;
	}
	r = is_older(d, e);
	return r < 0 ? -1 : r ? DB_XA_UNKNOWN : DB_XA_NONE;
}
