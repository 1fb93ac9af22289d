#pragma once
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/config/endpoint.h"
#include "common/db/meta.h"
#include "common/db/object.h"
#include "common/db/status.h"
#include "common/proc/unit.h"
#include "common/sql/dialect.h"
#include "common/sql/rules.h"

/*
 * The cutover unit's one struct. The main thread (unit.h's callbacks) only tells the status; a leader thread
 * owns the course; workers compare tables, two connections each.
 */
enum cutover_op {
	CUTOVER_SOURCE, /* is the source ready to be left? Nothing else is looked at */
	CUTOVER_CHECK,  /* everything that can be seen without changing anything */
	CUTOVER_FINISH, /* and makes what is to be made, where nothing speaks against it */
};

/* A table of the upstream that the task wants. */
struct cutover_table {
	char *schema, *name;
	char *to_schema, *to_name; /* downstream, by the task's routes */
	unsigned merged;           /* which of its target's tables it is, from 1 on; 0: it is alone there */
	bool no_rows;              /* of its own: they are other tables' (MERGE), or none (BLACKHOLE) */
	bool shared;               /* another source has it on record, too: their rows are there */
	uint64_t rows;             /* the server's estimate */
	uint64_t auto_increment;   /* its next value; 0: it has none */
};

struct cutover {
	struct unit_env *env;
	enum cutover_op op;
	bool begun; /* a run at this very position has compared all, and has begun to make things */
	bool compare, follows; /* follows: a sync has brought the downstream to where it is */
	struct endpoint upstream, downstream;
	char *meta_schema, *task, *source;
	struct meta_id id;
	struct rules *rules;
	unsigned wanted; /* kinds of objects: OBJECT_BITs */
	unsigned unseen; /* kinds of which the source's account may not see all */
	struct definer definer;
	unsigned threads;

	struct db *up, *down; /* the leader's; down as DB_DDL, recorded as the owner's (T3) */
	struct server from, to;
	bool folds;                 /* names that differ in case only are one downstream */
	struct db_master_status at; /* where the source stood when we came */
	struct cutover_table *tables;
	unsigned ntables;
	unsigned next; /* table that no worker has taken; under lock */

	pthread_t leader;
	bool has_leader;
	pthread_mutex_t lock;
	json_t *findings; /* under lock */
	unsigned fails;   /* of the findings; under lock */
	struct db **conns;
	unsigned nconns;
	atomic_bool stop, done, made;
	_Atomic int phase; /* an index of cutover_phases */
	_Atomic uint64_t tables_total, tables_done, rows_done, left_out;
};

enum cutover_phase {
	CUTOVER_IN_SOURCE,
	CUTOVER_IN_OBJECTS,
	CUTOVER_IN_COMPARE,
	CUTOVER_IN_MAKE,
	CUTOVER_DONE
};

/* state: "success", "warn", "fail"; from any thread. mend may be "". */
void cutover_found(struct cutover *c, const char *item, const char *state, const char *mend, const char *what,
	...) __attribute__((format(printf, 5, 6)));
/*
 * Of a target that other sources may have rows in: what ours sum up to, and what is there. Whoever hears all
 * of the sources judges it: a finding whose state is "part", with
 * {"target","rows":[up,down],"sums":[up,down],
 * "how","begun"}: how the downstream was read; whether a run at this position has found it equal before.
 */
void cutover_part(struct cutover *c, const char *what, json_t *part); /* taken */
/* A question that failed: a missing privilege only warns where `optional`, saying what is not known then. */
void cutover_failed(struct cutover *c, const char *item, const char *optional, const struct err *e);
bool cutover_no_go(struct cutover *c);
void cutover_stop(struct cutover *c);
static inline bool cutover_stopping(struct cutover *c)
{
	return atomic_load(&c->stop) || unit_leaving(c->env);
}
/* A connection that cutover_stop cuts off. */
struct db *cutover_connect(struct cutover *c, bool upstream, enum db_session session, struct err *e);
void cutover_disconnect(struct cutover *c, struct db **d);

/* The course: to be given to pthread_create. */
void *leader_main(void *arg);
