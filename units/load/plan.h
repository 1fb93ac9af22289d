#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/position.h"
#include "common/db/object.h"
#include "common/sql/route.h"
#include "common/sql/structure.h"
#include "server.h"

/* What the dump says is to be loaded (docs/protocol.md, "The plan"). */
struct plan_item {
	char *schema, *name, *create; /* of a schema: name is NULL */
	char *to_schema,
		*to_name; /* downstream, where `create` makes it (routed.h); records have the others */
	struct structure *structure; /* of a table: as it is upstream */
	char *value;                 /* of a sequence out of files: arguments of SETVAL; else NULL */
	uint64_t rows, bytes;        /* by the upstream's statistics */
	/* tables: what is read of it, by one SELECT each; places are JSON, "": open, or the whole table */
	struct plan_stretch {
		uint32_t id;
		char *lo, *hi, *partitions;
	} * stretches;
	unsigned nstretches;
	struct route_extras extras; /* tables: columns that only the downstream has (routes) */
	bool absent;                /* tables: seen not to be downstream, by this process */
	const struct plan_item
		*merged; /* tables: the first of those that have this target; NULL: no other has */
	bool shared; /* tables: rows of the task's other sources may come to its target too (rules_shared) */
	bool mixed;  /* part of it is of an older snapshot: its rows may meet those in a unique key (T23) */
};

struct plan_items {
	struct plan_item *p;
	unsigned n;
};

struct plan_snapshot {
	char *file, *gtid; /* "": the upstream writes no binlog */
	uint64_t offset;
	char *server; /* whose file it is (the plan's identity); NULL or "": not known */
};

struct plan {
	char *copy_id;
	char *identity; /* of the server */
	char *goes_on;  /* the copy whose rest this is; "": none */
	struct plan_snapshot snapshot;
	struct server from;
	struct plan_items schemas, tables, views, sequences;
	struct objects routines;
	struct objects lasts; /* out of files: triggers and events, made behind everything else */
};

/* text: planned.plan, or the file that it names, read from dir. */
int plan_read(struct plan *p, struct str copy_id, struct str text, int dir, struct err *e);
void plan_fini(struct plan *p);
void plan_items_fini(struct plan_items *l);
void plan_snapshot_fini(struct plan_snapshot *s);
/* The snapshot as tidegate_structure holds it: of the first relay generation; {0,0,0} without a binlog. */
int plan_position(const struct plan_snapshot *s, struct position *out, struct err *e);
/* The tables by the names of their targets; of merged ones the first. Borrowed ones; the map is the caller's.
 */
struct map *plan_targets(const struct plan *p);
/* In such a map. NULL: none goes there. */
const struct plan_item *plan_at(const struct map *targets, const char *to_schema, const char *to_name);
