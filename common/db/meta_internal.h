#pragma once
#include "common/db/internal.h"
#include "common/db/meta.h"
#include "common/sql/quote.h"

/* Private to the meta_*.c files: the words of their statements. Literals say their charset, whatever the
 * session's is: compared with bytes, a key of text columns would not be used, and the whole table locked. */
static inline void meta_put_text(struct buf *sql, const char *text)
{
	buf_puts(sql, "_utf8mb4");
	sql_put_string(sql, str_of(text));
}

static inline void meta_put_table(struct buf *sql, const char *schema, const char *table)
{
	sql_put_table(sql, str_of(schema), str_of(table));
}

/* " WHERE `task`=… AND `source`=…" */
static inline void meta_put_where(struct buf *sql, const struct meta_id *id)
{
	buf_puts(sql, " WHERE `task`=");
	meta_put_text(sql, id->task);
	buf_puts(sql, " AND `source`=");
	meta_put_text(sql, id->source);
}

/* meta_owner.c. Inside a transaction: locks the row of ownership; ERR_sync_fenced where the epoch there is
 * not id's. */
int meta_lock_owner(struct db *d, const struct meta_id *id, struct err *e);
/* BEGIN, then fn; COMMIT where it gave 0, else ROLLBACK and its error. */
int meta_in_transaction(
	struct db *d, int (*fn)(struct db *d, void *arg, struct err *e), void *arg, struct err *e);
