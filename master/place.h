#pragma once
#include "master/master.h"

/*
 * Which agent is to serve a source, and moves from one that lives. Changes go into the model's open change
 * set; an epoch grows with each new owner. Of a source's document these are the keys "agent", "epoch", "held"
 * (earlier owners, newest first: their relay log and spool may still be there), "keyless" (agents that could
 * not decrypt its password), "slotless" (that have no uid for its slot) and "move" {"to", "revision",
 * "until"}: it is on its way from its owner to another agent; the owner's orders have had it no more from
 * that revision on.
 */

/* Why this agent can't take the source (ERR_bad_stage, ERR_member_unknown), or 0. */
int place_check(struct master *m, const char *source, const char *agent, struct err *e);
/* Its new owner, from now on. */
void place_set(struct master *m, const char *source, const char *agent);
/* From its owner, if that lives, to an agent that may take it: as soon as the owner has let it go. */
void place_move(struct master *m, const char *source, const char *agent);
/* "to" of the move that is under way; "": none. */
const char *place_going_to(const json_t *source);
/* One source: a new owner where it has none that lives, or the end of a move. True: something was changed. */
bool place_tick(struct master *m, const char *source);
/* Off an agent that is being drained, to one that has room: what has no owner goes before. */
bool place_drain(struct master *m, const char *source);
/* The agent can't decrypt its password: it goes elsewhere, if it can. True: it does. */
bool place_keyless(struct master *m, const char *source, const char *owner);
/* The agent has no uid for its slot, and serves nothing of it: the same, but for one of files. True:
 * something was changed. */
bool place_slotless(struct master *m, const char *source, const char *owner);
/* The source's passwords, or those that its tasks write with, are others now: every agent may be tried again.
 */
void place_try_all(struct master *m, const char *source);
/* A new process of the agent: it may have the key by now, or another range of uids. */
void place_forget_unfit(struct master *m, const char *agent);
