#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

/*
 * The master's durable state: a few tables of JSON documents by key, and a revision that grows with each
 * commit. One interface, two backends: one SQLite file (store_sqlite.c), and etcd for several masters
 * (store_etcd.c). What the documents hold: model.h. The contract, the same for both (store_test.c runs one
 * suite against each):
 *
 * - A commit is all or nothing, durable when it returns 0, and only done where nobody else has moved the
 * store on since store_load: each compares the revision, and with etcd that this master still leads.
 * - store_load comes first in each term; a commit of an earlier term is refused.
 * - What must never be in a store is refused whoever asks: two sources with one slot, two subtasks of a
 * source with one number.
 *
 * All calls from one thread.
 */
enum store_table { STORE_SOURCE, STORE_TASK, STORE_SUBTASK, STORE_AGENT, STORE_KEPT, STORE_TABLES };

/* Their names: of SQLite's tables, and in etcd's keys. */
extern const char *const store_table_names[STORE_TABLES];

struct store_change {
	enum store_table table;
	const char *key;
	const json_t *doc; /* NULL: deleted */
};

enum { STORE_NAME = 256 };

/* Who leads, as far as is known. name "": nobody, or it can't be told. */
struct store_leader {
	char name[STORE_NAME], address[STORE_NAME];
};

struct store;
struct store_ops;
struct etcd_conf;

/* The common part of a backend's struct, its first member. */
struct store_head {
	const struct store_ops *ops;
	uint64_t revision; /* of the last load or commit */
	char cluster[33];
	bool moving; /* a file on its way to a cluster */
};

struct store_ops {
	void (*close)(struct store *s);
	uint64_t (*term)(struct store *s);
	void (*leader)(struct store *s, struct store_leader *out);
	int (*load)(struct store *s, json_t *tables[STORE_TABLES], struct err *e);
	int (*commit)(struct store *s, uint64_t revision, const struct store_change *changes, size_t n,
		struct err *e);
	int (*trouble)(struct store *s, struct err *e);   /* NULL: never */
	void (*evict)(struct store *s, bool away);        /* NULL: there is nobody else to lead */
	json_t *(*masters)(struct store *s, bool *known); /* NULL: this one alone */
};

/*
 * Opens (or makes) tidegate.db in the directory dir, brings an older schema up to date, checks it. dir may be
 * one that can't be reached by its path. ERR_store with one line where the file is no store, damaged, locked,
 * of a newer version, or was moved to a cluster.
 */
struct store *store_open_file(int dir, struct err *e);
/* The same for who moves its content to url, also where that has begun already; all others refuse it then. */
struct store *store_open_to_move(int dir, const char *url, struct err *e);
/*
 * Says in the file that its content is about to live at url, from this moment on no master starts with it.
 * Refused where another process has it open, or has written to it since the load.
 */
int store_mark_moving(struct store *s, const char *url, struct err *e);
/*
 * Offline: says in the file that its content lives at url now, so that no master starts with it any more.
 * Refused (ERR_store) where another process has the file open. url NULL: only asks whether it could be done.
 * Nothing can be committed to s any more.
 */
int store_retire_file(struct store *s, const char *url, struct err *e);

/* This master to the others. Strings are copied. */
struct store_self {
	const char *name, *address;
	/* Called from a thread of the store's when the term or the leader may have changed; may be NULL. */
	void (*changed)(void *arg);
	void *arg;
};

/*
 * Joins the masters of an etcd: begins to stand for election in a thread of its own, and asks nothing
 * meanwhile, so it always succeeds. conf must outlive it.
 */
struct store *store_open_etcd(const struct etcd_conf *conf, const struct store_self *self);

/*
 * May what `from` holds be moved to `to`: is nothing there, or only rows of a move of the same that was cut
 * off? *done: it is all there already; masters may work by it since. Nothing is changed, and `to` need not
 * lead.
 */
int store_import_check(struct store *to, const struct store *from, bool *done, struct err *e);
/*
 * Fills an etcd that holds nothing under its prefix with all that a file holds, its cluster's id and its
 * revision; the file is marked as moving to url before that counts. One that holds the same already is taken
 * for done: so it may be tried again. `to` must lead.
 */
int store_import(struct store *to, struct store *from, const char *url, struct err *e);

/* With etcd: gives the leadership up, so that another one can lead at once. */
void store_close(struct store **s);
/*
 * A number that names the present leadership of this process; 0: it does not lead, and must neither decide
 * nor answer out of what it has loaded. Another number than before: somebody else may have led in between,
 * load again. A file's is always the same.
 */
uint64_t store_term(struct store *s);
void store_leader(struct store *s, struct store_leader *out);
/*
 * -1: with e, why etcd could not be asked for the lead just now. ERR_config_bad: the files of certificates
 * can't be read, which no waiting mends: they were replaced, and the box holds the old ones. 0: it could.
 */
int store_trouble(struct store *s, struct err *e);
/*
 * away: gives the leadership up and does not stand for it again, until it is told so (false), or the process
 * ends. ERR_bad_stage where no other one would lead: a file's, or the others are away or evicted.
 */
int store_evict(struct store *s, bool away, struct err *e);
/* The masters that are there, this one too: [{name, address, stands, since: newer is greater}], each name and
 * address once, new reference; NULL: a file's. *known: read in this term and lately. */
json_t *store_masters(struct store *s, bool *known);
const char *store_cluster(
	const struct store *s); /* made with the store, for ever; "" before the first load */
uint64_t store_revision(const struct store *s);
/*
 * Reads everything: tables[t] becomes an object key -> document (new references). ERR_store: it can't be used
 * (damaged, newer, another cluster than before); ERR_store_away: no answer; ERR_not_leader.
 */
int store_load(struct store *s, json_t *tables[STORE_TABLES], struct err *e);
/*
 * All changes and the new revision (greater than the store's), in one transaction. -1: it will never be seen
 * as done by this process: nothing was done, or (ERR_store_away, ERR_not_leader) the term is over and the
 * next load says what was. ERR_request_stale: somebody else moved the store on.
 */
int store_commit(
	struct store *s, uint64_t revision, const struct store_change *changes, size_t n, struct err *e);
