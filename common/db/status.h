#pragma once
#include "common/db/db.h"

/* The words for "where are you": SHOW MASTER STATUS or SHOW BINARY LOG STATUS, by server. gtid:
 * @@gtid_binlog_pos or Executed_Gtid_Set. */
struct db_master_status {
	char file[256];
	uint64_t offset;
	char *gtid; /* owned; free() */
};
int db_master_status(struct db *d, struct db_master_status *s, struct err *e);
/* The answer itself: file, offset, binlog-do-db, binlog-ignore-db, and what the family has behind them. */
struct db_rows *db_master_status_rows(struct db *d, struct err *e);
/* A counter of SHOW GLOBAL STATUS. 1, and 0 in out: the server has none of this name. */
int db_status(struct db *d, const char *name, uint64_t *out, struct err *e);
/* XA transactions that are prepared and not ended: how many, the first three xids as printable words behind
 * names (or NULL). -1 with e: MySQL 8 shows them only with XA_RECOVER_ADMIN (1401, or 1227). */
int db_prepared_xa(struct db *d, struct buf *names, struct err *e);
/*
 * Where db_prepared_xa is refused, what else the server tells: prepared since its start; a transaction with
 * changes that no connection has (older than its start, as a prepared one is); nobody knows of such, as the
 * account lacks PROCESS too and the binlog may be older than the server's start. -1 with e.
 */
enum db_unseen_xa { DB_XA_NONE, DB_XA_SEEN, DB_XA_OLD, DB_XA_UNKNOWN };
int db_unseen_xa(struct db *d, struct err *e);
