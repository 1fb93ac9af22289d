#pragma once
#include <jansson.h>

#include "common/base/err.h"
#include "common/config/endpoint.h"
#include "common/db/meta.h"
#include "common/sql/rules.h"
#include "units/check/tables.h"

/* What tidegate-check is asked, and what it finds (docs/protocol.md: check). */
struct check {
	struct endpoint upstream, downstream;
	bool has_upstream, has_downstream; /* a task of files has one of them only */
	char mode[16], meta_schema[65];
	struct rules *rules;
	const json_t *ask; /* NULL, or of `binlog-schema`: then that and nothing else is done */
	const char *task, *source;
	uint64_t epoch;
	json_t *findings;
	json_t *schemas;      /* names of the wanted schemas, as they are called downstream */
	struct db *up, *down; /* as long as it runs; NULL: not reached, or the task has none */
	struct tables *tables;
	const json_t *dump, *load, *sync, *start; /* options of the units; from where on, or NULL */
	bool afresh;                              /* remove-meta: the start forgets what is on record */
	uint64_t free_bytes;                      /* of the state folder's disk; 0: not known */
	uint64_t until_ms;                        /* by when to have looked at single tables */
};

/* state: "success", "warn", "fail". mend may be "". */
void check_found(struct check *c, const char *item, const char *state, uint32_t code, const char *where,
	const char *mend, const char *what, ...) __attribute__((format(printf, 7, 8)));
/* A statement that failed: missing privilege (1044, 1045, 1142, 1227 …) with its GRANT, else the error
 * itself. */
void check_denied(
	struct check *c, const char *item, const struct db *d, const char *privilege, const struct err *e);
enum { CHECK_XA_DENIED = 1401 }; /* what MySQL 8 says to XA RECOVER without XA_RECOVER_ADMIN */
/* Was it for want of a privilege? */
bool check_is_denied(const struct err *e);
/* Behind a GRANT: the SET DEFAULT ROLE that would do as well, where a role of the account is not in force. */
void check_put_role(struct db *d, const char *account, struct buf *mend);
/* How the dump makes its snapshot: auto, flush, lock, none. */
const char *check_consistency(const struct check *c);
/* LOCK TABLES, of all wanted ones. -1: nobody knows, with e. */
int check_may_lock_all(struct check *c, struct err *e);
/* Is a global variable of the server on? No, where there is none of this name. */
bool check_is_on(struct db *d, const char *variable);
/* Does the upstream write what its foreign keys do into the binlog? Then nothing downstream has to do it. */
bool check_logs_cascades(const struct check *c);
/* Does the task copy tables of the server? */
bool check_copies(const struct check *c);
/* Does it make and fill tables, be it out of files? */
bool check_fills(const struct check *c);
/* Does the task apply the binlog, too? */
bool check_follows(const struct check *c);
void check_passed(struct check *c, const char *item, const struct db *d);
/* More tables than are looked at one by one: that is what is found. */
bool check_too_many(struct check *c, const char *item);
/* Only the first `seen` tables were looked at one by one: that is what is found; what comes of the others. */
void check_rest(struct check *c, const char *item, size_t seen, const char *others);
/* Opens, or finds why not. NULL then. */
struct db *check_connect(struct check *c, const char *item, const struct endpoint *ep, bool upstream);
/* The account as the server knows it: 'u'@'h', for GRANT texts. */
void check_account(struct db *d, char *out, size_t size);

/* Has the task a record downstream of a copy (also of one that remove-meta has ended, whose tables are still
 * its own) or of its sync, or one of DM's, so that it goes on, or knows what it finds? */
bool check_has_begun(const struct check *c);
/* Does it go on with that? Not by --remove-meta, which forgets it but for what is its own downstream. */
bool check_goes_on(const struct check *c);
/* Has a table of the meta schema a row of the task and source? condition: "", or SQL from " AND " on. No,
 * where there is no such table. */
bool check_is_recorded(const struct check *c, const char *table, const char *condition);
/* A server variable; false where the server has none of this name. */
bool check_variable(struct db *d, const char *name, char *out, size_t size);
/* A global one as a number; 0 where there is none. */
uint64_t check_number(struct db *d, const char *name);
/* Has somebody a privilege on the list of information_schema (USER_PRIVILEGES, …)? where: SQL, of whom and on
 * what. What can't be asked counts as one. */
bool check_has_any(struct db *d, const char *list, struct str where);

/* What comes by a role is not in the account's own lists. */
bool check_has_role(struct db *d);

/* What `binlog-schema` asks: one finding, whose text is the answer. */
void check_tracked(struct check *c);
/* Expressions of the task, bound to the upstream's tables. */
void check_filters(struct check *c, struct db *d);
void check_upstream(struct check *c);
void check_downstream(struct check *c);
/* The rows of check.def that have a function; behind these two. */
void check_items(struct check *c);
