#pragma once
#include "common/base/err.h"
#include "common/binlog/gtid.h"

/*
 * What was read of other servers, before the generation that is written. The new one's first file begins
 * before that, so its head, and the log's own end until the stream has come that far, say less than what the
 * upstream must have (T20). Kept in the file `known` of the log's folder. All sets NULL: there is one
 * generation, or a log that was begun before this file was kept.
 */
struct known {
	struct gtid_set *read; /* all of it; empty once the stream has come so far again */
	struct gtid_set
		*end; /* where the generation before ended; it may have ended before it had all of `read` */
	struct gtid_set
		*here; /* MariaDB: what this generation's server has in its binlog, as far as the stream is */
};

void known_fini(struct known *k);
/* dir: of the log. Without the file nothing is known. */
int known_load(struct known *k, int dir, struct err *e);
/* What will be known when the next generation begins where the log ends with `end`; the caller's. */
struct known known_next(const struct known *k, const struct gtid_set *end);
/* To disk: before the generation begins, and no harm where it does not. */
int known_keep(const struct known *k, int dir, struct err *e);
/* It has begun; next is taken. */
void known_begin(struct known *k, struct known *next);
/* The stream has come so far as what was read before: from here on the log's own end says it all. */
int known_settle(struct known *k, int dir, const struct gtid_set *now, struct err *e);
/*
 * Where the log ends, for the choice of the next server's file. A domain of MariaDB that has not come in this
 * generation ends where it did before, once the generation has come as far as that one; until then somebody
 * may read it who has less. NULL: no GTIDs.
 */
struct gtid_set *known_end(const struct known *k, const struct gtid_set *now);
/* A log begins: what is there is another one's. */
int known_forget(struct known *k, int dir, struct err *e);
/* New: what was read in all, with `end`. NULL: nothing. */
struct gtid_set *known_all(const struct known *k, const struct gtid_set *end);
/*
 * An event of this generation, in the stream's order. checked: it is new here. ERR_relay_gone where it begins
 * a GTID domain of MariaDB behind a gap: the server's binlog does not reach back to what was read.
 */
int known_event(
	struct known *k, struct str event, const struct binlog_format *f, bool checked, struct err *e);
