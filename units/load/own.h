#pragma once
#include <jansson.h>
#include <stdbool.h>

/*
 * Which downstream objects are this task's, by kind: "made" tables (it created them, it may drop them),
 * "taken" tables (were there, empty: it may empty them), "joined" tables (another source made or took them:
 * only rows go there), "views", "sequences", "routines" ("FUNCTION f");
 * "late": keys to be made behind the rows; "shared": tables that other sources may join, "ready": of those
 * that stand. The value of a made, taken or joined table is false where it is only claimed: no row in it can
 * be ours yet (own_may_have_rows). Kept as {"kind":{"schema":{"name":true}}} in tidegate_plan.
 */
enum { OWN_TABLES = 3 };
extern const char *const own_tables[OWN_TABLES]; /* the kinds that are tables */
/* Of any of these. */
bool own_has_table(const json_t *own, const char *schema, const char *name);
bool own_has(const json_t *own, const char *kind, const char *schema, const char *name);
void own_add(json_t *own, const char *kind, const char *schema, const char *name);
/* Claimed only: what has rows is not ours. */
void own_claim(json_t *own, const char *kind, const char *schema, const char *name);
bool own_may_have_rows(const json_t *own, const char *kind, const char *schema, const char *name);
void own_forget(json_t *own, const char *kind, const char *schema, const char *name);
/* With a value (taken) in the place of true. */
void own_set(json_t *own, const char *kind, const char *schema, const char *name, json_t *value);
/* "places": where a table of the upstream stands downstream, if that is another name; its copy goes on only
 * there.
 */
void own_set_place(
	json_t *own, const char *schema, const char *name, const char *to_schema, const char *to_name);
bool own_is_placed(
	const json_t *own, const char *schema, const char *name, const char *to_schema, const char *to_name);

/*
 * Beside these, in the same object: "snapshots" [{"copy_id","file","offset","gtid","identity",
 * "follows"},…], oldest first, of which the copy is; and "tables" {"schema":{"name":[first,last,acts]}}: the
 * oldest snapshot that rows of the table are of, the newest that it was read from (numbers in that list);
 * acts 1: foreign keys that change rows tie it to others of the same one (docs/design/meta.md). The sync
 * reads both.
 */
void own_add_snapshot(json_t *own, json_t *snapshot); /* taken */
void own_set_table(
	json_t *own, const char *schema, const char *name, unsigned first, unsigned last, bool acts);
/* How many snapshots; 0: of a copy that did not record them. */
unsigned own_snapshots(const json_t *own);
/* No row of it is of an older snapshot than the newest: it is to be made. Also where it is not known. */
bool own_is_fresh(const json_t *own, const char *schema, const char *name);
/* Rows of several. */
bool own_is_mixed(const json_t *own, const char *schema, const char *name);
/* The oldest snapshot that is in use, borrowed; NULL: none is recorded. */
const json_t *own_oldest(const json_t *own);
/* The last one, borrowed; NULL as above. */
const json_t *own_newest(const json_t *own);
/* The binlog is applied behind the copy; so it is where nothing is recorded of it. */
bool own_is_followed(const json_t *own);
void own_set_followed(json_t *own);
/* Of the made, taken and joined tables those that targets has as taken. */
void own_keep(json_t *own, const json_t *targets);
/* Of a copy that is done: its tables that others may load into, as joined, with our rows. New reference. */
json_t *own_joined(const json_t *own);
/* Where a recorded table stands downstream; borrowed. */
void own_place(const json_t *own, const char *schema, const char *name, const char **to_schema,
	const char **to_name);
/* Walks one kind: fn's -1 ends it. */
int own_each(const json_t *own, const char *kind, int (*fn)(void *arg, const char *schema, const char *name),
	void *arg);
