#pragma once
#include "common/base/buf.h"
#include "common/sql/ddl.h"
#include "common/sql/event.h"
#include "common/sql/structure.h"

/* The parts of an ALTER TABLE, each an event of its own, as DM splits them. */
struct alter_part {
	size_t at, end;   /* in the text */
	bool no_comma;    /* PARTITION BY: stands behind the part before it without one */
	bool neutral;     /* ALGORITHM, LOCK, …: goes with the others */
	bool shapes;      /* it may change columns, keys or what charset later columns get */
	bool moves;       /* FIRST, AFTER */
	bool changes;     /* MODIFY, CHANGE: its event hangs on what the column was (alter_event_of_change) */
	char *name, *now; /* the column of MODIFY and CHANGE and its name behind it, or the index of DROP
			     INDEX; NULL */
	struct event event;
};

struct alter {
	struct alter_part *parts;
	unsigned n;
	bool whole; /* can't be cut: a part begins or ends inside of a version comment */
};

/* Of a statement that sql_ddl_read took for ALTER TABLE; the caller frees it also after -1 (ERR_sql_parse).
 */
int alter_read(struct str text, const struct server *from, uint64_t sql_mode, const struct sql_ddl *ddl,
	struct alter *out, struct err *e);
void alter_fini(struct alter *a);
/* The statement with those parts alone that keep[] says; at least one that is not neutral. */
void alter_put(struct str text, const struct alter *a, const bool *keep, struct buf *out);
/* What MODIFY or CHANGE makes of a column. other_default: another one than before. */
struct event alter_event_of_change(
	const struct alter_part *p, const struct column *was, const struct column *now, bool other_default);
