#pragma once
#include "common/base/arena.h"
#include "common/base/map.h"
#include "common/binlog/json.h"
#include "common/binlog/row.h"
#include "common/db/db.h"
#include "common/db/meta.h"
#include "common/db/structure.h"
#include "common/sql/route.h"
#include "common/sql/rules.h"
#include "common/sql/structure.h"

/* In which order a table's changes must be made, within one downstream transaction. */
enum table_order {
	TABLE_TIED,   /* as they came, among those of all tables that foreign keys tie */
	TABLE_ALONE,  /* as they came, whatever other tables do: no key, further unique keys, own columns */
	TABLE_FOLDED, /* one key and nothing else: what a batch does to a row is one change */
};

/* How a row is written that may be there already. */
enum table_safe {
	TABLE_SAFE_NOT,     /* nothing names it: it would be there twice */
	TABLE_SAFE_UPSERT,  /* one unique key: INSERT … ON DUPLICATE KEY UPDATE */
	TABLE_SAFE_REPLACE, /* several, or no upserts: whatever holds one of its values goes */
};

struct copied;
struct copied_table;
struct table_keys;
struct table_ties;
struct ties;
struct unicode;

/* Have others the same target? */
enum table_merged {
	MERGED_NOT,
	MERGED_MAYBE,     /* routes of another source may lead there */
	MERGED_ELSEWHERE, /* another source has it on record */
	MERGED_HERE       /* tables of this upstream */
};

/* A table of the stream: wanted or not, how both sides have it, and how they fit. */
struct table {
	char *schema, *name;
	char *to_schema, *to_name; /* downstream: by the task's routes */
	bool wanted;
	enum table_merged merged;
	bool left_out;                 /* would be wanted, but the event filter leaves all its rows out */
	struct filter_verdict rows[3]; /* of its inserts, updates, deletes (enum binlog_change) */
	struct row_filter *filter;     /* expressions on its rows; NULL: there are none */
	enum flavor from, to;          /* of the two servers */
	struct structure *up, *down;   /* NULL where not wanted */
	struct structure *logged;      /* of the stream: up without what routes add (extra.h); may be up */
	struct route_extras extras;
	struct binlog_value *extra;   /* their values: behind those of each row */
	struct binlog_value *implied; /* of each logged column that an INSERT may lack (implied.h); or NULL */
	int *target; /* of each upstream column: its place in down, -1: not written (generated there) */
	const struct key *key; /* of up: names a row; NULL: none */
	char *head;            /* `to_schema`.`to_name`, quoted */
	bool *on_update;       /* of each upstream column: ON UPDATE CURRENT_TIMESTAMP downstream (T10) */
	bool has_enum;
	bool versioned;       /* the stream has rows of its history too (versions.h) … */
	unsigned row_end;     /* … which this column of theirs tells */
	bool versions_of_now; /* what the upstream said at the first row */
	bool of_now;          /* up is what the upstream said at the first row, nobody had it on record */
	enum table_order order;
	bool upsert;      /* changed rows may be written as INSERT … ON DUPLICATE KEY UPDATE (T7) */
	bool join;        /* updates of many rows may share a statement (join.h) */
	bool bulk_update; /* bulk execute serves updates that are no upserts too */
	bool bulk;        /* rows may be written by bulk execute, where the downstream can (bulk.h) */
	bool row_alias;   /* … which gives the new row a name: VALUES() is deprecated there */
	enum table_safe safe;
	const struct copied_table
		*copied;       /* its copy is of several moments, or an older one; NULL: it is not */
	bool acts;             /* foreign keys to it change rows of other tables (CASCADE, SET NULL) */
	bool refers_to_itself; /* by a foreign key: rows are deleted one by one, in the upstream's order */
	enum json_to json_to;
	bool lax_hint;           /* the target takes SET_VAR hints; else SET STATEMENT */
	struct unicode *unicode; /* of struct tables; NULL: text goes in the upstream's own charset */
	struct table_keys *keys; /* of keys.c: what the scheduler looks at */
	struct table_ties *ties; /* of ties.c: NULL: no foreign key */
	struct table *next;      /* forgotten ones, until the packet in hand is sent */
};

/* All tables met so far, and whom to ask about new ones. Applier thread only. */
struct tables {
	struct map *map;             /* "schema\0table" -> struct table */
	struct map *owners;          /* of routed.c: who is on record for a target; NULL: not read */
	struct elsewhere *elsewhere; /* of elsewhere.h; NULL: to be read */
	struct table *forgotten;     /* statements may still name them: gone with tables_sweep */
	const struct rules *rules;
	struct arena *maps_in; /* of decode.c: TABLE_MAPs of the transaction in hand */
	struct server from;    /* the upstream, as the stream says */
	const struct endpoint *upstream;
	struct db *ask_up;   /* opened when first needed */
	struct db *ask_down; /* borrowed */
	const struct meta_id *id;
	struct map *tied;         /* of arrange.c */
	struct map *derived_said; /* of derived.c; NULL: nothing was */
	const struct takeover *takeover;
	const struct copied *copied;
	struct table passed;     /* not wanted: the downstream has it already, as DM or the load recorded */
	struct unicode *unicode; /* made when first needed */
	bool no_upserts;         /* for tests: all updates by other means */
	bool safe_mode;          /* the option: what can't be written so is said in the log */
	struct ties *ties;       /* of ties.c */
	int names;               /* of names.c: what the upstream does with their letters; 0: not asked */
	bool away;               /* of ddl_session.c: the upstream was waited for in vain */
};

/* utf8 and utf8mb3 are one. */
bool table_same_charset(const char *a, const char *b);

void tables_init(struct tables *t);
void tables_fini(struct tables *t);
/* The table of a TABLE_MAP, its structure found and checked (ERR_sync_columns, ERR_sync_no_table). Not
 * wanted: wanted is false. NULL with e. */
struct table *tables_get(struct tables *t, struct binlog_table *map, struct err *e);
/* A connection for questions to the upstream, of tables.c's own; NULL with e. */
struct db *tables_upstream(struct tables *t, struct err *e);
/* Since then MySQL may, by innodb_native_foreign_keys. */
enum { MYSQL_LOGS_CASCADES = 90600 };
/* Does the upstream log what foreign keys change (T13)? Asks it where its version leaves that open. */
int tables_cascades_logged(struct tables *t, const struct server *from, bool *logged, struct err *e);
/* ERR_sync_cascade where a wanted table hangs on one that is not wanted by such a foreign key. */
int tables_check_cascades(struct tables *t, struct err *e);
/* default.c. ERR_sync_default_charset where a new table of this database (to: downstream) could get another
 * charset than upstream, or a collation that looks at less. */
int tables_check_default(struct tables *t, const char *schema, const char *to, struct err *e);
/* The default charset of a database, where both sides (to: downstream) have the same now; else "". */
int tables_common_default(
	struct tables *t, const char *schema, const char *to, char charset[DB_CHARSET], struct err *e);
/* fn sees each wanted database whose default charset is the same on both sides now. */
int tables_each_same_default(
	struct tables *t, int (*fn)(void *arg, const char *schema, struct err *e), void *arg, struct err *e);
/* " WHERE …": the record of a table of ours; name "": of the database. */
void tables_put_place(struct buf *sql, const struct tables *t, const char *schema, const char *name);
/* After a DDL: what is known of it is old. */
void tables_forget(struct tables *t, const char *schema, const char *name);
void tables_forget_schema(struct tables *t, const char *schema); /* NULL: all */
/* Frees what was forgotten; nothing under way may refer to it. */
void tables_sweep(struct tables *t);
/* The upstream's structure of this moment. NULL and found false: there is no such table there. */
struct structure *tables_upstream_now(
	struct tables *t, const char *schema, const char *name, bool *found, struct err *e);
/* What tidegate_structure has; owned. NULL without an error: nothing. */
struct structure *tables_tracked(struct tables *t, const char *schema, const char *name, struct err *e);
/* What rows of it were last read with, until tables_sweep; NULL: none were. */
const struct structure *tables_known(struct tables *t, const char *schema, const char *name);
