#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/db/db.h"
#include "common/db/object.h"
#include "common/sql/rules.h"
#include "common/sql/structure.h"

/* Of a partitioned table: a partition, or where there are some, a subpartition. */
struct partition {
	char *name;
	uint64_t rows, bytes; /* the server's estimates */
};

/* What is to be copied: schemas, tables, views, as the rules want them, with the upstream's own words for
 * each. */
struct item {
	char *schema, *name; /* of a schema: name is NULL */
	char *create;        /* SHOW CREATE …; NULL: it can't be shown, or (tables) is to be read again */
	char *hidden;        /* why a view or a sequence can't be shown: it does not hold up the data */
	char *target;        /* tables: their name downstream, where it is another one; NULL: it is not */
	/* tables only */
	struct route_extras extras; /* columns that only the downstream has */
	struct structure *structure;
	uint64_t rows, bytes; /* the server's estimates */
	bool transactional;   /* its engine keeps a snapshot; else it stays locked until it is copied */
	bool innodb, mariadb;
	bool no_data; /* its rows are those of other tables (MERGE), or it has none (BLACKHOLE) */
	bool partitioned;
	bool young;                   /* made in the last hour: perhaps not for long */
	bool versioned;               /* MariaDB's WITH SYSTEM VERSIONING */
	struct partition *partitions; /* in their order */
	unsigned npartitions;
};

struct items {
	struct item *p;
	unsigned n;
};

struct catalog {
	struct items schemas, tables, views, sequences;
	struct objects routines; /* of option `objects` */
	uint64_t rows, bytes;    /* sums of the estimates */
};

/* Fills c; what is left out is logged. d is a DB_PLAIN connection. */
int catalog_read(struct catalog *c, struct db *d, const struct rules *rules, struct err *e);
/* What is loaded at once stands in statements under its name downstream, with the columns that it has there.
 * source: its id. */
int catalog_route(struct catalog *c, const struct route *r, const char *source, struct err *e);
/* The routines, which catalog_read does not read. */
int catalog_read_routines(struct catalog *c, struct db *d, const struct rules *rules, struct err *e);
void catalog_fini(struct catalog *c);

/* --- for renew.c --- */

/* Of information_schema.TABLES: what is not the server's own; by bytes, as two that differ in case only have
 * no order otherwise. */
#define CATALOG_OURS "TABLE_SCHEMA NOT IN ('mysql','information_schema','performance_schema','sys')"
#define CATALOG_ORDER " ORDER BY HEX(TABLE_SCHEMA),HEX(TABLE_NAME)"

struct item *items_add(struct items *l);
void item_fini(struct item *i);
int catalog_list_schemas(struct catalog *c, struct db *d, const struct rules *rules, struct err *e);
/*
 * Fills c, an empty one, with the table, view or sequence that `one` names, and all that is known of it;
 * nothing where it is gone, or one without a text where it went meanwhile.
 */
int catalog_read_one(
	struct catalog *c, struct db *d, const struct rules *rules, const struct item *one, struct err *e);
/* Estimates as they are now, not as a cache had them a day ago; and MySQL writes nothing into that cache,
 * while we hold its global lock. */
int catalog_fresh_estimates(struct db *d, struct err *e);
/* Its text, or (views, sequences) why there is none, or that of a schema that is gone: none. -1: the
 * connection is gone. what: "VIEW", … */
int catalog_read_other(struct item *v, const char *what, struct db *d, struct err *e);
/* The second column of SHOW CREATE …; owned. NULL with e. */
char *catalog_show_create(struct db *d, const char *what, const struct item *i, struct err *e);
/* Leaves out schemas and tables without a text, and adds up the estimates. */
void catalog_settle(struct catalog *c);
