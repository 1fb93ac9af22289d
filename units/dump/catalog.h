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
	char *create;        /* SHOW CREATE … */
	char *target;        /* tables: their name downstream, where it is another one; NULL: it is not */
	/* tables only */
	struct route_extras extras; /* columns that only the downstream has */
	struct structure *structure;
	uint64_t rows, bytes; /* the server's estimates */
	bool transactional;   /* its engine keeps a snapshot; else it stays locked until it is copied */
	bool innodb, mariadb;
	bool no_data; /* its rows are those of other tables (MERGE), or it has none (BLACKHOLE) */
	bool partitioned;
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
	unsigned listed;         /* all there was, also what can't be shown */
	uint64_t rows, bytes;    /* sums of the estimates */
};

/* Fills c; what is left out is logged. d is a DB_PLAIN connection. */
int catalog_read(struct catalog *c, struct db *d, const struct rules *rules, struct err *e);
/* What is loaded at once stands in statements under its name downstream, with the columns that it has there.
 * source: its id. */
int catalog_route(struct catalog *c, const struct route *r, const char *source, struct err *e);
/* The routines, which catalog_read does not read. */
int catalog_read_routines(struct catalog *c, struct db *d, const struct rules *rules, struct err *e);
/*
 * Asks for the list and every CREATE text again, once the snapshot is open. A table that came or went, or a
 * text that differs in more than AUTO_INCREMENT is ERR_dump_changed; the newer AUTO_INCREMENT is kept.
 */
int catalog_check(struct catalog *c, struct db *d, const struct rules *rules, struct err *e);
void catalog_fini(struct catalog *c);
/* "CREATE TABLE …" without the table option AUTO_INCREMENT=n, for comparing. */
void catalog_strip_auto_increment(struct buf *b, struct str create);
