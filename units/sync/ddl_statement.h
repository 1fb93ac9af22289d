#pragma once
#include "units/sync/apply.h"
#include "units/sync/ddl_record.h"
#include "units/sync/online.h"

/* A DDL statement in hand, between ddl.c, which decides, ddl_words.c and ddl_do.c. */
struct ddl_statement {
	struct binlog_query q;
	struct sql_ddl *ddl; /* its names are the upstream's */
	struct str said;     /* the statement in the downstream's names, and `to` what it names then: q.sql */
	struct sql_ddl *to;  /* and ddl themselves where both have the same names */
	struct buf renamed;  /* of said */
	struct buf text;     /* in the downstream's dialect */
	bool wanted[SQL_DDL_MAX_TABLES];
	bool fenced;             /* a swap of tables, with ours taken along */
	bool cut;                /* a RENAME of which only some pairs are left */
	struct ddl_cut left_out; /* by the event filter */
	struct online_step online;
	struct ddl_place place;
};

/* In ddl_words.c. */
bool ddl_of_database(enum sql_verb v);
bool ddl_is_drop(enum sql_verb v);
/* The statement under the names that the task's routes give. words: whose dialect it has. */
int ddl_rename_all(struct apply *a, struct ddl_statement *j, const struct server *words, struct err *e);
/* Its text is said in the downstream's dialect. */
int ddl_translate(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e);
/* What an ALTER's table was before it, as the upstream has it; *mine: to be freed. *was NULL: it is on no
 * record and not downstream. */
int ddl_structure_before(struct apply *a, const struct ddl_statement *j, const struct structure **was,
	struct structure **mine, struct err *e);
/* Has its table no rows? Nothing else is under way: the downstream's is as the upstream's was then. -1 also
 * where there is none. */
int ddl_is_empty(struct apply *a, const struct ddl_statement *j, struct err *e);
/* In ddl_values.c: -1 where the downstream would make other values of those that are there. */
int ddl_values_check(struct apply *a, const struct trx *t, const struct ddl_statement *j, struct err *e);
/* In ddl_partition.c: -1 where the downstream may keep other rows in the partitions that it takes rows of. */
int ddl_partitions_check(struct apply *a, const struct trx *t, const struct ddl_statement *j, struct err *e);
/* The wanted ones of a DROP's tables (T30). */
void ddl_write_drop(struct ddl_statement *j, bool tolerant);
/* A RENAME of several: together with our own table, which tells whether it was done. */
bool ddl_wants_fence(struct apply *a, const struct sql_ddl *ddl);
void ddl_write_fenced(struct apply *a, struct ddl_statement *j);
/* In ddl_do.c: its text is executed, unless that is on record, and recorded. */
int ddl_do(struct apply *a, const struct trx *t, struct ddl_statement *j, struct err *e);
