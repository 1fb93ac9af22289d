#pragma once
#include "units/sync/ddl_filter.h"

/* The doing/done record of a DDL in tidegate_ddl, and what structure proves about it. */
enum ddl_stage { DDL_NEW, DDL_DOING, DDL_DONE };

/* The place of one statement in tidegate_ddl. */
struct ddl_place {
	char event[64]; /* of the stream's event */
	char key[64];   /* of the record: the event, and "+2" behind it for the second of several in its place
			 */
	bool injected;  /* an operator's, before the upstream's own, which alone changes what the upstream has
			 */
	bool replayed;  /* one of several that a tool did (online.h), not an operator's */
	bool stays;     /* the watermark does not move with it: more comes of the same event or transaction */
	struct str text; /* of the statement, as it was executed or would have been */
	uint64_t sql_mode;
	bool told; /* an operator's words in the place of the upstream's, which knows the structures */
	const struct sql_ddl *also; /* NULL, or that statement of the upstream's: its names too are tracked */
	const struct ddl_cut
		*cut; /* NULL, or what the event filter left out: the upstream has it all the same */
	const struct buf *notes; /* NULL, or statements that go with it, a NUL behind each (online.h) */
	bool was_there;          /* CREATE DATABASE: its target stood there before it */
};

/* One of several in the place of the event: its key has a number behind it. Told: an operator's. */
bool ddl_place_is_part(const struct ddl_place *place);
bool ddl_place_is_told(const struct ddl_place *place);

/* What was noted when a statement was begun. */
struct ddl_record {
	enum ddl_stage stage;
	struct buf statement, before; /* owned by the caller */
};

/* The record of the statement at this place; begun at another place, before the relay log was another one, it
 * is known by its GTID. */
int ddl_record_read(struct apply *a, const struct trx *t, const struct ddl_place *place,
	struct ddl_record *out, struct err *e);
/* The structures of all that the statement names, as text: equal texts, equal structures. */
int ddl_picture(
	struct apply *a, const struct sql_ddl *ddl, struct str schema, struct buf *out, struct err *e);
/* Of one thing: was it there? */
bool ddl_picture_has_any(struct str picture);
/* Durable before the statement is sent; the guard is checked, the watermark stays. */
int ddl_record_doing(struct apply *a, const struct trx *t, const struct ddl_place *place,
	struct str statement, struct str before, struct err *e);
/* It failed as a whole, surely not executed: it never was begun. What a person changes now proves nothing. */
int ddl_record_failed(struct apply *a, const struct ddl_place *place, struct err *e);
/* An operator wants it left out: done without having been done. In the transaction that moves the watermark.
 */
int ddl_record_skipped(struct apply *a, const struct trx *t, const struct ddl_place *place,
	struct str statement, const struct sql_ddl *ddl, struct str schema, struct err *e);
/* The event filter left all of it out: not begun, not done, but its names are as the upstream has them now.
 */
int ddl_record_filtered(struct apply *a, const struct trx *t, const struct ddl_place *place,
	const struct sql_ddl *ddl, struct str schema, struct err *e);
/* The event filter left out what can't be read: nothing is known any more of what its text may name. */
int ddl_record_unread(struct apply *a, const struct trx *t, const struct ddl_place *place,
	struct str statement, struct err *e);
/* Not ours: only the position moves, and what is noted goes with it. */
int ddl_record_passed(struct apply *a, const struct trx *t, const struct ddl_place *place, struct err *e);
/* The statement that records a structure, and where it stands downstream. verb: REPLACE, or INSERT IGNORE.
 * -1: routes that say nothing certain. */
int ddl_record_put(struct buf *sql, const char *verb, const struct tables *ts, const struct structure *s,
	const char *at, struct err *e);
/* In a transaction of a->db: a table's structure as of this place; forgotten (name NULL: all of the database,
 * "": its default charset). */
int ddl_record_keep(struct apply *a, const struct structure *s, const char *at, struct err *e);
int ddl_record_forget(struct apply *a, const char *schema, const char *name, struct err *e);
/* In a transaction of a->db: from here on the database's default charset is that of the stream. */
int ddl_record_default(struct apply *a, const char *schema, struct position at, struct err *e);
/* In the transaction that moves the watermark behind it: done, and the tracked structures. */
int ddl_record_done(struct apply *a, const struct trx *t, const struct ddl_place *place,
	const struct sql_ddl *ddl, struct str schema, struct err *e);
/* The schema that a reference means. */
const char *ddl_schema_of(const struct sql_name *n, struct str schema, char out[257]);
