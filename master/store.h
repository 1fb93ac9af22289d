#pragma once
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

/*
 * The master's durable state: a few tables of JSON documents by key, and a revision that grows by one with
 * each commit. One interface, so that a cluster's store (etcd) can take the place of the embedded one
 * (store_sqlite.c). What the documents hold: model.h.
 */
enum store_table { STORE_SOURCE, STORE_TASK, STORE_SUBTASK, STORE_AGENT, STORE_TABLES };

struct store_change {
	enum store_table table;
	const char *key;
	const json_t *doc; /* NULL: deleted */
};

struct store;

/*
 * Opens (or makes) tidegate.db in the directory dir, brings an older schema up to date, checks it. dir may be
 * one that can't be reached by its path. ERR_store with one line where the file is no store, damaged, locked
 * or of a newer version.
 */
struct store *store_open(int dir, struct err *e);
void store_close(struct store **s);
const char *store_cluster(const struct store *s); /* the cluster's id, made with the store */
uint64_t store_revision(const struct store *s);
/* Reads everything: tables[t] becomes an object key -> document (new references). */
int store_load(struct store *s, json_t *tables[STORE_TABLES], struct err *e);
/*
 * All changes and the new revision, in one transaction, durable when it returns 0. -1: nothing of it was
 * done. A store that somebody else moved on is an error too (ERR_request_stale).
 */
int store_commit(struct store *s, const struct store_change *changes, size_t n, struct err *e);
