#pragma once
#include "common/db/limits.h"
#include "units/load/dumplink.h"
#include "units/load/load.h"

struct rowset;

/* How careful a chunk's rows are put: more so when it is tried again. */
enum care {
	CARE_NONE,
	CARE_STRICT,     /* by strict INSERTs, which say what LOAD DATA only counts */
	CARE_DUPLICATES, /* a row that meets one that is there: as on_duplicate says */
};

/* One worker's means of applying chunks. */
struct applier {
	struct load *l;
	struct db *c;                   /* NULL: not connected */
	uint64_t old;                   /* a lost connection that must be seen gone, 0: none */
	struct db_limits limits;        /* of the downstream */
	enum load_by way;               /* of this downstream */
	struct buf text;                /* of a chunk file of SQL */
	char *schema;                   /* the connection's default database */
	struct rowset *rows;            /* words and statements for the rows of a table (rows.c) */
	enum care care;                 /* of the present chunk */
	enum on_duplicate on_duplicate; /* the same: as asked, or of a table of several moments */
	bool judged;     /* a row of it met another one: apply_judge_duplicate has said what that means */
	bool doubt, cut; /* LOAD DATA's counts were not right; the connection must not be used further */
};

/* The chunk's rows and its record are in the downstream, once, when this returns 0; also where they were
 * before. */
int apply_chunk(struct applier *a, const struct chunk *k, struct err *e);
void apply_fini(struct applier *a);
/* Refuses a statement above the downstream's limit by name: the server would only drop the connection. */
int apply_check_size(const struct applier *a, size_t bytes, struct err *e);
/* The same of a row, that TiDB would refuse. bytes: of its text and binary values. */
int apply_check_row(const struct applier *a, uint64_t bytes, struct err *e);
/*
 * A row of a table of several moments met another one. Where the downstream has but one unique key, of
 * another collation, each of its values in the upstream is in one chunk: then the two were apart there, and
 * a->on_duplicate is the user's again, so that neither goes over the other. -1: the downstream could not be
 * asked.
 */
int apply_judge_duplicate(struct applier *a, const struct plan_item *t, struct err *e);
