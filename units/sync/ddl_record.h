#pragma once
#include "units/sync/apply.h"

/* The doing/done record of a DDL in tidegate_ddl, and what structure proves about it. */
enum ddl_stage { DDL_NEW, DDL_DOING, DDL_DONE };

/* Reads the record of the statement at this position; before (owned by the caller) is what was noted when it
 * was begun. */
int ddl_record_read(
	struct apply *a, struct position at, enum ddl_stage *stage, struct buf *before, struct err *e);
/* The structures of all that the statement names, as text: equal texts, equal structures. */
int ddl_picture(
	struct apply *a, const struct sql_ddl *ddl, struct str schema, struct buf *out, struct err *e);
/* Durable before the statement is sent; the guard is checked, the watermark stays. */
int ddl_record_doing(
	struct apply *a, const struct trx *t, struct str statement, struct str before, struct err *e);
/* In a transaction of a->db: from here on the database's default charset is that of the stream. */
int ddl_record_default(struct apply *a, const char *schema, struct position at, struct err *e);
/* In the transaction that moves the watermark behind it: done, and the tracked structures. */
int ddl_record_done(
	struct apply *a, const struct trx *t, const struct sql_ddl *ddl, struct str schema, struct err *e);
/* The schema that a reference means. */
const char *ddl_schema_of(const struct sql_name *n, struct str schema, char out[257]);
