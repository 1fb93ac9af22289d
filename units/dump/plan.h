#pragma once
#include "units/dump/dump.h"

/*
 * The dump folder's own record: plan.json (what the load is told), the schema files and DM's metadata file,
 * and the manifest, which stands for a complete spool.
 */
/*
 * What a copy that goes on still needs, in place of all rows: {"db":{"table":[{"lo":[…],"hi":[…],
 * "partitions":["p0"]}]}}, the ranges as they stand in a plan's stretches; a table that is not in it is
 * wanted whole, one with an empty list not at all. "": everything. Must be called before the stretches are
 * planned, by one thread.
 */
int plan_want(struct dump *d, struct str wanted, struct err *e);
/* Chooses the copy's name, and makes d->info (docs/protocol.md). ties: of ties_of; taken. */
int plan_name(struct dump *d, json_t **ties, struct err *e);
/* Makes the plan's text (d->plan) and writes plan.json and the schema files. */
int plan_make(struct dump *d, struct err *e);
/* After the last chunk: metadata, then the manifest. */
int plan_complete(struct dump *d, struct err *e);
/* 1: the folder holds a complete copy of this job: plan and spool are as they were. 0: it does not. */
int plan_restore(struct dump *d, struct err *e);
/* The complete copy is of no use any more: the next start makes a new one. */
void plan_spoil(struct dump *d);
/* The text of DM's metadata file. */
void plan_put_metadata(struct buf *b, const struct dump *d, const char *finished);
