#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "master/store.h"

/*
 * The master's state in memory, the store's image. Changed by whole documents inside a change set; a commit
 * makes them durable first, and on failure takes all of them back. The documents ([]: not always there):
 *
 * - source, key id: id, slot, epoch, agent ("": none), endpoint, enable_relay, relay, [case_sensitive],
 *   [yaml: the file that it was made by], [held, keyless, slotless, move: place.h], [placed: the revision
 *   by which that agent got it, or got it again].
 * - task, key name: name, mode, meta_schema, downstream, ignore_checking_items, [yaml].
 * - subtask, key task/source: task, source, sub, stage (Running or Paused), since (revision of its last
 *   change), resume (how often it was told to go on), rules, dump, load, sync, start, copied, snapshot,
 *   remove_meta, [at {generation, file, offset, gtid, head}: what it needs of the binlog, at least],
 *   [error {code, text}: why it is Paused], [failed_ddl {generation, file, offset}: the statement of that
 *   error], [operators: of `binlog skip` and its like].
 * - agent, key name: name, version, slots, standby, draining, session, instance (it tells a new process from
 *   one that only says hello again, to whichever master), key (that it proves its name with where it has no
 *   certificate; "": none yet).
 * - kept, what outlives the documents that it was in, key "epoch": highest (of all sources that are gone);
 *   key "master/NAME": address, of each master that was ever there (masters.h).
 */
struct model {
	struct store *store;          /* NULL: in memory only (tests) */
	json_t *tables[STORE_TABLES]; /* NULL where model_open failed */
	uint64_t revision;
	struct model_change *changes;
	size_t nchanges;
};

int model_open(struct model *m, struct store *store, struct err *e);
void model_close(struct model *m);

/* Borrowed; NULL where absent. Never change a document in place. */
const json_t *model_get(const struct model *m, enum store_table t, const char *key);
/* A copy to change (new reference), NULL where absent. */
json_t *model_edit(const struct model *m, enum store_table t, const char *key);
/* doc is taken; NULL: the row goes. */
void model_set(struct model *m, enum store_table t, const char *key, json_t *doc);
/* Makes what was set durable and the revision one greater (also where nothing was set). -1: it is all as
 * before. */
int model_commit(struct model *m, struct err *e);
/* The same with a revision that is further on than the next one. */
int model_commit_at(struct model *m, uint64_t revision, struct err *e);
void model_abort(struct model *m);

/* "task/source", into out of MODEL_KEY bytes. */
enum { MODEL_KEY = 128, MODEL_NAME = 64, MODEL_SOURCE = 32 };
void model_subtask_key(const char *task, const char *source, char out[MODEL_KEY]);
const json_t *model_subtask(const struct model *m, const char *task, const char *source);
/* How many subtasks of that task, on that source; NULL: any. */
size_t model_count(const struct model *m, const char *task, const char *source);

/* Walks one table: for (const char *key; …). */
#define model_foreach(m, table, key, doc) json_object_foreach((m)->tables[table], key, doc)
