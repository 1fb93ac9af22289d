#pragma once
#include "common/db/db.h"
#include "common/sql/objects.h"
#include "common/sql/rules.h"

/* Views, routines, triggers and events: read from one server, made on another. */
struct object {
	enum object_kind kind;
	char *schema, *name;
	char *definer;   /* "u@h", as information_schema says it */
	char *create;    /* SHOW CREATE …; of a trigger put together; NULL: it may not be read */
	char *sql_mode;  /* that it was made under; "" of a view */
	char *collation; /* collation_connection of that moment: of the literals in its body */
	char *time_zone; /* of an event, else "" */
	char *table;     /* of a trigger, else "" */
	bool enabled;    /* an event that runs */
};

struct objects {
	struct object *p;
	unsigned n;
};

/*
 * Adds those of the kinds (OBJECT_BITs) that are wanted: views and triggers by their table's rule, routines
 * and events by their schema's. Triggers come in the order in which they run. d: a DB_PLAIN connection.
 */
int objects_read(struct db *d, const struct rules *rules, unsigned kinds, struct objects *out, struct err *e);
/* ERR_check_privilege with the name of one that could not be read. */
int object_readable(const struct db *d, const struct object *o, struct err *e);
/* A new, empty one behind the others; it may move when the next one comes. */
struct object *objects_add(struct objects *o);
void objects_fini(struct objects *o);
void object_fini(struct object *o);

struct object_how {
	const struct server *from;
	const struct definer *definer;
	bool replace; /* a view: in place of the one that is there */
};
/*
 * Makes it, events disabled, under its own sql_mode, collation and time zone as far as the server knows them;
 * the session is as before afterwards. What had to be changed is added to notes, a line each. d: DB_DDL.
 */
int object_make(
	struct db *d, const struct object *o, const struct object_how *how, struct buf *notes, struct err *e);
/* What object_make has left disabled; under the same DEFINER, sql_mode, collation and time zone. */
int object_enable_event(struct db *d, const struct object *o, const struct object_how *how, struct err *e);
/* The statement of object_make alone, to be compared. */
int object_statement(const struct object *o, const struct object_how *how, struct buf *sql, struct err *e);
int object_drop(struct db *d, enum object_kind kind, const char *schema, const char *name, struct err *e);
int object_there(struct db *d, enum object_kind kind, const char *schema, const char *name, bool *there,
	struct err *e);
/* "trigger `app`.`t`", for messages. */
void object_show(enum object_kind kind, const char *schema, const char *name, struct buf *out);
