#pragma once
#include <jansson.h>

#include "units/load/record.h"

/*
 * Targets that rows of several sources may come to (plan_item.shared). One source has such a table as "made"
 * or "taken", the others as "joined": they never make, drop or empty it. Which is which is decided under a
 * lock that all of them take (docs/design/routing.md, "Several sources, one target").
 */

/*
 * Once own has its claims (target_claim) and its "tables": who has been there before makes ours joined.
 * ERR_route_joined where rows of ours and of others are in a table that is to be copied anew. The record
 * still is as it was; copy_id: of that record, "" or NULL: which chunks are there is not known.
 */
int join_decide(struct load *l, struct db *c, const char *copy_id, json_t *own, struct err *e);
/* In the transaction that records own: ERR_link (to be tried again) if somebody came in between. */
int join_verify(struct load *l, struct db *c, const json_t *own, struct err *e);
/*
 * Once our own tables stand: tells the others so, and waits for those that others make. ERR_link if nobody
 * does any more.
 */
int join_wait(struct load *l, struct db *c, json_t *own, struct err *e);
/* In the transaction behind it: are they still there? */
int join_verify_ready(struct load *l, struct db *c, const json_t *own, struct err *e);
/*
 * A copy that is done: what others may load into, by the rules of now (targets: routed_targets).
 * ERR_route_joined where it is to be followed, and a table was taken off its list.
 */
int join_agree(json_t *own, const json_t *targets, bool follows, struct err *e);
/* A copy that goes on as it was planned, by the rules of now: what others may load into. 1: own has changed.
 */
int join_renew(const struct load *l, json_t *own);
